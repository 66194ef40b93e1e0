//! How values are written for people: names that nobody can trust, times, numbers, hex.

use jiff::Timestamp;
use maud::{Markup, html};

/// Longest name that is shown in full: the longest driver names are around 60 characters.
const LONGEST: usize = 96;
/// Longest text of any kind: an honest sentence of evidence has about 200 characters.
const LONGEST_TEXT: usize = 600;

/// A name from a dump or a client: control and direction marks made visible, over-long ones cut, the whole isolated
/// from the direction of the text around it.
pub(crate) fn name(text: &str) -> Markup {
    let shown = visible(text);
    let long = shown.chars().count() > LONGEST;
    html! {
        @if text.is_empty() {
            span.none { "none" }
        } @else if long {
            bdi.name title=(shown) { (shown.chars().take(LONGEST).collect::<String>()) "…" }
        } @else {
            bdi.name { (shown) }
        }
    }
}

/// The text with everything that a reader could not see, or that would reorder what he sees, spelt out; cut where
/// nothing honest is that long.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST_TEXT {
            shown.push('…');
            break;
        }
        if is_hidden(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a character cannot be seen, or reorders what can.
pub(crate) fn is_hidden(c: char) -> bool {
    let marks = matches!(c,
        '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{061c}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}');
    marks || c.is_control()
}

/// A moment: date and time to the second, UTC, machine-readable too.
pub(crate) fn time(ms: i64) -> Markup {
    match Timestamp::from_millisecond(ms) {
        Ok(at) if ms != 0 => html! {
            time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S")) }
        },
        _ => html! { span.none { "unknown" } },
    }
}

/// A moment and how long ago it was.
pub(crate) fn time_ago(ms: i64, now_ms: i64) -> Markup {
    html! { (time(ms)) @if ms > 0 && ms <= now_ms { span.quiet { " (" (length_s((now_ms - ms) / 1000)) " ago)" } } }
}

/// `04:09`, for the axis of a chart of a day; `Jul 19` for a week's.
pub(crate) fn tick(ms: i64, of_a_week: bool) -> String {
    let Ok(at) = Timestamp::from_millisecond(ms) else { return String::new() };
    at.strftime(if of_a_week { "%b %-d" } else { "%H:%M" }).to_string()
}

/// `1d 4h`, `2h 5m`, `3m 20s`, `12s`: the two largest units.
pub(crate) fn length_s(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..3600 => format!("{}m {}s", s / 60, s % 60),
        3600..86_400 => format!("{}h {}m", s / 3600, s % 3600 / 60),
        _ => format!("{}d {}h", s / 86_400, s % 86_400 / 3600),
    }
}

/// `1,234,567`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 machine`, `2 machines`.
pub(crate) fn counted(n: u64, one: &str) -> String {
    format!("{} {one}{}", number(n), if n == 1 { "" } else { "s" })
}

/// `41.3 %` of a whole.
pub(crate) fn share(part: u64, whole: u64) -> String {
    match part.saturating_mul(1000).checked_div(whole) {
        Some(permille) => format!("{}.{} %", permille / 10, permille % 10),
        None => String::new(),
    }
}

/// `98 %` of a share between 0 and 1.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).clamp(0.0, 100.0))
}

/// A share between 0 and 1 with as many digits as it needs to be told from nothing: `4.1 %`, `0.012 %`.
pub(crate) fn fine_percent(share: f64) -> String {
    let percent = share.clamp(0.0, 1.0) * 100.0;
    match percent {
        _ if percent == 0.0 => "0 %".to_owned(),
        _ if percent >= 10.0 => format!("{percent:.0} %"),
        _ if percent >= 1.0 => format!("{percent:.1} %"),
        _ if percent >= 0.1 => format!("{percent:.2} %"),
        _ if percent >= 0.001 => format!("{percent:.3} %"),
        _ => "< 0.001 %".to_owned(),
    }
}

/// As many digits as anybody reads: `0.3`, `22.8`, `130`.
pub(crate) fn decimal(value: f64) -> String {
    match value {
        _ if value.abs() >= 99.95 => format!("{value:.0}"),
        _ => format!("{value:.1}").trim_end_matches(".0").to_owned(),
    }
}

/// Odds: beyond a thousand nobody cares how much.
pub(crate) fn odds(value: f64) -> String {
    if value > 1000.0 { "> 1,000".to_owned() } else { decimal(value) }
}

/// A rate in the unit in which it is a number that people can picture.
pub(crate) fn per_minute(rate: f64) -> String {
    let (value, unit) = match rate {
        _ if rate >= 1.0 => (rate, "minute"),
        _ if rate >= 1.0 / 60.0 => (rate * 60.0, "hour"),
        _ if rate >= 1.0 / 1_440.0 => (rate * 1_440.0, "day"),
        _ => (rate * 43_200.0, "month"),
    };
    let one = if unit == "hour" { "an" } else { "a" };
    format!("{value:.1} {one} {unit}")
}

/// Words of several lines.
pub(crate) fn lines(text: &str) -> Markup {
    html! {
        @for (index, line) in text.lines().enumerate() {
            @if index > 0 { br; }
            (visible(line.trim_end()))
        }
    }
}

/// `4.2 MB`.
pub(crate) fn bytes(n: u64) -> String {
    match n {
        0..1_000 => format!("{n} B"),
        1_000..1_000_000 => format!("{}.{} kB", n / 1_000, n % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", n / 1_000_000, n % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", n / 1_000_000_000, n % 1_000_000_000 / 100_000_000),
    }
}

/// A version of an image: its PE timestamp, as symbol servers write it, and what date that would be.
pub(crate) fn version(timestamp: u32) -> Markup {
    let date = Timestamp::from_second(i64::from(timestamp)).map(|at| at.strftime("%Y-%m-%d").to_string());
    html! {
        @if timestamp == 0 {
            span.none { "unknown" }
        } @else {
            code { (format!("{timestamp:08x}")) }
            @if let Ok(date) = date { span.quiet { " (" (date) ")" } }
        }
    }
}

/// The same with the image's size below, where it is known: both name a build.
pub(crate) fn image(timestamp: u32, size: u32) -> Markup {
    html! {
        (version(timestamp))
        @if size != 0 { div.quiet { "size " code { (format!("0x{size:x}")) } } }
    }
}

/// `19045.4651`.
pub(crate) fn build(build: u32, ubr: u32) -> String {
    match (build, ubr) {
        (0, _) => String::new(),
        (build, 0) => build.to_string(),
        (build, ubr) => format!("{build}.{ubr}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lengths() {
        assert_eq!(
            [number(0), number(999), number(1_000), number(8_500_000)],
            ["0", "999", "1,000", "8,500,000"]
        );
        let lengths = [length_s(-1), length_s(59), length_s(200), length_s(7_500), length_s(100_800)];
        assert_eq!(lengths, ["0s", "59s", "3m 20s", "2h 5m", "1d 4h"]);
        assert_eq!([share(413, 1000), share(1, 3), share(1, 0)], ["41.3 %", "33.3 %", ""]);
        assert_eq!([0.0, 0.26, 22.84, 99.9, 130.4].map(decimal), ["0", "0.3", "22.8", "99.9", "130"]);
        assert_eq!([percent(0.984), percent(7.0), percent(f64::NAN)], ["98 %", "100 %", "NaN %"]);
        let fine = [0.0, 0.000_001, 0.000_12, 0.004_1, 0.041, 0.41, 2.0].map(fine_percent);
        assert_eq!(fine, ["0 %", "< 0.001 %", "0.012 %", "0.41 %", "4.1 %", "41 %", "100 %"]);
        assert_eq!([odds(41.26), odds(1e9), odds(0.5)], ["41.3", "> 1,000", "0.5"]);
        let rates = [12.34, 0.05, 0.000_7, 0.000_1].map(per_minute);
        assert_eq!(rates, ["12.3 a minute", "3.0 an hour", "1.0 a day", "4.3 a month"]);
        assert_eq!([bytes(999), bytes(8_192), bytes(4_210_000)], ["999 B", "8.1 kB", "4.2 MB"]);
        assert_eq!([counted(1, "crash"), counted(2, "machine")], ["1 crash", "2 machines"]);
    }

    #[test]
    fn hidden_characters_are_spelt_out() {
        assert_eq!(visible("a\0b\u{202e}c\n"), "a\\u{0}b\\u{202e}c\\u{a}");
        assert_eq!(visible("Grüße.sys"), "Grüße.sys");
        assert_eq!(name("<script>").into_string(), "<bdi class=\"name\">&lt;script&gt;</bdi>");
        assert_eq!(lines("a<\n\u{202e}b\r\n").into_string(), "a&lt;<br>\\u{202e}b");
        let long = name(&"<".repeat(4096)).into_string();
        assert!(long.contains(&format!("{}…", "&lt;".repeat(LONGEST))));
    }

    #[test]
    fn times_are_utc_and_machine_readable() {
        assert_eq!(
            time(1_721_362_140_000).into_string(),
            "<time datetime=\"2024-07-19T04:09:00Z\">2024-07-19 04:09:00</time>"
        );
        for odd in [0, i64::MAX, i64::MIN] {
            assert_eq!(time(odd).into_string(), "<span class=\"none\">unknown</span>");
        }
    }
}
