//! Strings out of a dump are hostile: control characters, terminal escapes and bidirectional overrides are replaced and
//! length is capped, once on the way in and again before printing. Owns nothing else.

use std::borrow::Cow;

/// The same text with every deceptive character shown as U+FFFD and at most `limit` characters.
pub(crate) fn clean(text: &str, limit: usize) -> Cow<'_, str> {
    if text.len() <= limit && text.bytes().all(|byte| (0x20..0x7F).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut cleaned: String =
        text.chars().take(limit).map(|c| if blame::is_deceptive(c) { '\u{FFFD}' } else { c }).collect();
    if text.chars().nth(limit).is_some() {
        cleaned.push('\u{2026}');
    }
    Cow::Owned(cleaned)
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn hostile_text_is_shown_not_obeyed() {
        assert_eq!(clean("csagent.sys", 300), "csagent.sys");
        assert_eq!(clean("\u{1b}[2Jevil\r\n.sys", 300), "\u{FFFD}[2Jevil\u{FFFD}\u{FFFD}.sys");
        assert_eq!(clean("sys.\u{202E}exe", 300), "sys.\u{FFFD}exe");
        assert_eq!(clean("Grüße.sys", 300), "Grüße.sys");
        assert_eq!(clean("abcdef", 3), "abc\u{2026}");
    }
}
