//! Lengths and moments as people write them: `90m`, `1d12h`, `2026-11-20`, `2026-11-20T04:09`. All are UTC.

use jiff::civil::{Date, DateTime};
use storage::questions::Range;

use super::{Comparison, Value};

const DAY_MS: i64 = 86_400_000;
/// The longest stretch: longer than rows are kept, and a chart of it still has a bar a week.
const LONGEST_MS: i64 = 400 * DAY_MS;

/// An instant, or so long before now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    At(i64),
    Ago(i64),
}

impl Moment {
    fn ms(self, now_ms: i64) -> i64 {
        match self {
            Self::At(ms) => ms,
            Self::Ago(ms) => now_ms.saturating_sub(ms),
        }
    }
}

/// From when to when; an open end is now, an open beginning is as far back as a search goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    from: Option<Moment>,
    to: Option<Moment>,
}

impl Stretch {
    pub(super) fn range(&self, now_ms: i64) -> Range {
        let to_ms = self.to.map_or(now_ms, |to| to.ms(now_ms)).max(1);
        let furthest = to_ms.saturating_sub(LONGEST_MS).max(0);
        let from_ms = self.from.map_or(furthest, |from| from.ms(now_ms)).clamp(furthest, to_ms);
        Range { from_ms, to_ms }
    }

    /// Understands the value of a `time` term.
    pub(super) fn of(value: &Value) -> Result<Self, &'static str> {
        let stretch = match value {
            Value::Pattern(pattern) => {
                match (pattern.open_start || pattern.open_end, length_s(&pattern.text)) {
                    (true, _) => return Err("There are no stars in times."),
                    (false, Some(seconds)) => Self { from: Some(Moment::Ago(ms(seconds))), to: None },
                    (false, None) => {
                        let (from, unit) = moment(&pattern.text)?;
                        Self { from: Some(Moment::At(from)), to: Some(Moment::At(from + unit)) }
                    }
                }
            }
            Value::Compared(comparison, text) => {
                if length_s(text).is_some() {
                    return Err("A length of time is told from now: 24h are the last 24 hours.");
                }
                let (at, unit) = moment(text)?;
                match comparison {
                    Comparison::Above | Comparison::AtLeast => Self { from: Some(Moment::At(at)), to: None },
                    Comparison::Below => Self { from: None, to: Some(Moment::At(at)) },
                    Comparison::AtMost => Self { from: None, to: Some(Moment::At(end(at, unit))) },
                }
            }
            Value::Between(from, to) => {
                let begin = match length_s(from) {
                    Some(seconds) => Moment::Ago(ms(seconds)),
                    None => Moment::At(moment(from)?.0),
                };
                let end = match length_s(to) {
                    Some(seconds) => Moment::Ago(ms(seconds)),
                    None => moment(to).map(|(at, unit)| Moment::At(end(at, unit)))?,
                };
                Self { from: Some(begin), to: Some(end) }
            }
        };
        match (stretch.from, stretch.to) {
            (Some(Moment::At(from)), Some(Moment::At(to))) if to <= from => {
                Err("This ends before it begins.")
            }
            (Some(Moment::Ago(from)), Some(Moment::Ago(to))) if to >= from => {
                Err("This ends before it begins.")
            }
            (Some(Moment::At(from)), Some(Moment::At(to))) if to - from > LONGEST_MS => {
                Err("A search looks at 400 days at most.")
            }
            (Some(Moment::Ago(from)), _) if from > LONGEST_MS => Err("A search looks at 400 days at most."),
            _ => Ok(stretch),
        }
    }
}

/// A day ends with its last moment; a time of the day is a moment.
fn end(at: i64, unit: i64) -> i64 {
    if unit == DAY_MS { at + unit } else { at }
}

fn ms(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}

/// `45s`, `90m`, `1d12h`: in seconds.
pub(super) fn length_s(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 7 * 86_400,
            _ => return None,
        };
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        digits.clear();
    }
    (digits.is_empty() && !text.is_empty()).then_some(total)
}

/// A moment, and the length of what was named: a day, a minute, a second.
fn moment(text: &str) -> Result<(i64, i64), &'static str> {
    const USAGE: &str = "This is no time. Write a length such as 24h or 7d, a day such as 2026-11-20, or 2026-11-20T04:09 (UTC).";
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let parsed: Option<(DateTime, i64)> = match text.len() {
        10 => text.parse::<Date>().ok().map(|day| (day.into(), DAY_MS)),
        16 => text.parse().ok().map(|at| (at, 60_000)),
        19 => text.parse().ok().map(|at| (at, 1_000)),
        _ => None,
    };
    let (at, unit) = parsed.ok_or(USAGE)?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| USAGE)?.timestamp().as_millisecond();
    // What a DateTime64 of the database can hold.
    if (0..10_413_000_000_000).contains(&at) {
        Ok((at, unit))
    } else {
        Err("Times are between 1970 and 2299.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        for (text, seconds) in [
            ("24h", Some(86_400)),
            ("1d12h", Some(129_600)),
            ("90M", Some(5_400)),
            ("0s", Some(0)),
            ("", None),
            ("h", None),
            ("12", None),
            ("1x", None),
            ("99999999999999999999d", None),
            ("18446744073709551615w", None),
        ] {
            assert_eq!(length_s(text), seconds, "{text}");
        }
    }

    #[test]
    fn moments() {
        assert_eq!(moment("2024-07-19"), Ok((1_721_347_200_000, DAY_MS)));
        assert_eq!(moment("2024-07-19T04:09"), Ok((1_721_362_140_000, 60_000)));
        assert_eq!(moment("2024-07-19T04:09:00Z"), Ok((1_721_362_140_000, 1_000)));
        for wrong in
            ["", "yesterday", "2024-13-01", "2024-07-19T25:00", "1066-10-14", "9999-01-01", "ünïcödé"]
        {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
