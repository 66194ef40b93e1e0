//! Which characters of other people's text may be shown. Owns nothing else.

/// Characters that may reorder or hide what a person reads: controls, bidirectional marks, embeddings, overrides and
/// isolates, zero-width characters, line and paragraph separators, the byte-order mark, tag characters.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061C}'
                | '\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E007F}'
        )
}
