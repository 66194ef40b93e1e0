//! Text that is safe to show anywhere and numbers as people write them. Strings from dumps are whatever a stranger put
//! there: they are cut, and lose what would break a line, turn it around or hide in it.

/// At most so many characters, with a mark where some were left out.
pub(super) fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest).chain(['…']).collect()
}

/// One line of visible characters.
pub(super) fn plain(text: &str, longest: usize) -> String {
    let visible = |c: char| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c };
    cut(text, longest).chars().map(visible).collect()
}

/// Characters that show nothing, or change the direction of what follows: a name that holds them is made to deceive.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `1,816`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `22.7 %`; a part of more than all is all.
pub(super) fn share_of(part: u64, whole: u64) -> String {
    let thousandths = thousandths(part, whole);
    match thousandths {
        0 if part > 0 => "under 0.1 %".to_owned(),
        _ => format!("{}.{} %", thousandths / 10, thousandths % 10),
    }
}

/// A share as a number between 0 and 1, in thousandths, so that a body does not carry 17 digits.
pub(super) fn share(part: u64, whole: u64) -> f64 {
    f64::from(thousandths(part, whole)) / 1000.0
}

fn thousandths(part: u64, whole: u64) -> u32 {
    let found = u128::from(part) * 1000 / u128::from(whole.max(1));
    u32::try_from(found.min(1000)).unwrap_or(1000)
}

/// A rate with two digits after the point, fewer where they say nothing.
pub(super) fn rate(per_minute: f64) -> String {
    match per_minute {
        found if !found.is_finite() => "?".to_owned(),
        found if found < 0.01 => "under 0.01".to_owned(),
        found if found < 10.0 => format!("{found:.2}"),
        found => format!("{found:.0}"),
    }
}

/// `2024-07-19T04:09:00Z`; times that no calendar holds become the epoch.
pub(super) fn rfc3339(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// An error and what is behind it, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(share_of(1816, 8000), "22.7 %");
        assert_eq!(share_of(1, 100_000), "under 0.1 %");
        assert_eq!(share_of(9, 8), "100.0 %");
        assert_eq!(share_of(u64::MAX, 1), "100.0 %");
        assert!((share(1, 0) - 1.0).abs() < f64::EPSILON);
        assert_eq!([0.001, 0.057, 12.3, f64::NAN].map(rate), ["under 0.01", "0.06", "12", "?"]);
    }

    #[test]
    fn deceptive_names_lose_what_deceives() {
        assert_eq!(plain("a\u{202e}b\r\nc\u{200b}", 10), "a\u{fffd}b\u{fffd}\u{fffd}c\u{fffd}");
        assert_eq!(plain(&"x".repeat(20), 5), "xxxxx…");
        assert_eq!(rfc3339(i64::MAX), "1970-01-01T00:00:00Z");
    }
}
