//! Moments as people write them: some time ago, a day, an instant. All in UTC.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use storage::questions::Range;

const MINUTE_MS: i64 = 60_000;
/// A machine's clock is believed five minutes into the future, and what happens while this runs is not meant.
const AHEAD_MS: i64 = 5 * MINUTE_MS;

/// `7d` ago, `2026-11-01`, `2026-11-01T08:00:00Z`.
pub(crate) fn moment(text: &str) -> Result<Timestamp, String> {
    parse(text, Timestamp::now())
}

fn parse(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    // A day is a date and time too: midnight.
    let civil = text.parse::<DateTime>().ok().or_else(|| text.parse::<Date>().ok().map(DateTime::from));
    if let Some(civil) = civil {
        return civil.to_zoned(TimeZone::UTC).map(|at| at.timestamp()).map_err(|error| error.to_string());
    }
    let wrong =
        || "write how long ago (7d, 12h, 2w), a day (2026-11-01) or an instant (2026-11-01T08:00:00Z)";
    let span: Span = text.parse().map_err(|_| wrong())?;
    if !span.is_positive() {
        return Err(wrong().to_owned());
    }
    now.to_zoned(TimeZone::UTC)
        .checked_sub(span)
        .map(|at| at.timestamp())
        .map_err(|_| "that is longer ago than there are calendars for".to_owned())
}

/// Whole minutes, as the pages count: the first one and the last one are taken whole.
pub(super) fn range(since: Timestamp, until: Option<Timestamp>) -> anyhow::Result<Range> {
    let now_ms = Timestamp::now().as_millisecond();
    let from = since.as_millisecond();
    let to = until.map_or(now_ms.saturating_add(AHEAD_MS), Timestamp::as_millisecond);
    anyhow::ensure!(from < now_ms, "--since lies in the future");
    anyhow::ensure!(from < to, "--until lies before --since");
    let from_ms = from.max(0).div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS);
    let to_ms = to.saturating_add(MINUTE_MS - 1).div_euclid(MINUTE_MS).saturating_mul(MINUTE_MS);
    Ok(Range { from_ms, to_ms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let now: Timestamp = "2026-11-21T09:31:05Z".parse().unwrap();
        for (text, expected) in [
            ("7d", "2026-11-14T09:31:05Z"),
            ("36h", "2026-11-19T21:31:05Z"),
            ("1 month", "2026-10-21T09:31:05Z"),
            ("2026-11-01", "2026-11-01T00:00:00Z"),
            ("2026-11-01T08:30", "2026-11-01T08:30:00Z"),
            ("2026-11-01T08:30:00Z", "2026-11-01T08:30:00Z"),
            ("2026-11-01T08:30:00+02:00", "2026-11-01T06:30:00Z"),
        ] {
            assert_eq!(parse(text, now).map(|at| at.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "yesterday", "-7d", "0d", "2026-13-01", "7", "99999999999y", "19000y"] {
            assert!(parse(text, now).is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_are_whole_minutes_and_run_forwards() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, to) = (at("2026-01-01T00:00:30Z"), at("2026-01-01T00:01:01Z"));
        let whole = range(from, Some(to)).unwrap();
        assert_eq!(whole.to_ms - whole.from_ms, 2 * MINUTE_MS);
        assert_eq!(whole.from_ms % MINUTE_MS, 0);
        assert!(range(to, Some(from)).is_err() && range(at("2999-01-01T00:00:00Z"), None).is_err());
        assert!(range(from, None).unwrap().to_ms > Timestamp::now().as_millisecond());
    }
}
