//! What an element's machines usually do at an hour: how fast they went dark at most, on weekdays and on weekends.
//! A maximum, not a mean: people leave earlier on one day and later on the next.

use serde::{Deserialize, Serialize};

/// As fast as people leave: share of the machines that go dark a minute. Half an office within 25 minutes.
pub(super) const HUMAN: f32 = 0.02;
/// Width of the window in which it is measured.
const WINDOW_MS: i64 = 5 * 60_000;
const WINDOW_MIN: f32 = 5.0;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// Days are forgotten by half in ten.
const DAILY: f32 = 0.933;
/// An hour within an alarm enters by this share: so that an outage does not become what is usual, and a new habit that
/// was taken for one does not alarm every day.
const ALARMED: f32 = 0.3;

/// The past of one element.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Usual {
    /// Share a minute by hour of the day, UTC: weekdays, weekends.
    cells: [[f32; 24]; 2],
    /// The same of today, which says nothing about today: an outage must not be what is usual while it goes on.
    today: [f32; 24],
    /// First seen, ms since 1970.
    pub(super) born_ms: i64,
    window: i64,
    count: u32,
    awake: u32,
}

fn is_weekend(at_ms: i64) -> bool {
    // The first of January 1970 was a Thursday.
    matches!((at_ms.div_euclid(DAY_MS) + 4).rem_euclid(7), 0 | 6)
}

fn hour_of_day(at_ms: i64) -> usize {
    usize::try_from(at_ms.rem_euclid(DAY_MS) / HOUR_MS).unwrap_or(0)
}

impl Usual {
    pub(super) fn new(born_ms: i64) -> Self {
        let window = born_ms.div_euclid(WINDOW_MS);
        Self { cells: [[0.0; 24]; 2], today: [0.0; 24], born_ms, window, count: 0, awake: 0 }
    }

    /// `count` machines of `awake` went dark in the tick that ends at `at_ms`.
    pub(super) fn note(&mut self, at_ms: i64, count: u32, awake: u32, alarmed: bool) {
        let window = (at_ms - 1).div_euclid(WINDOW_MS);
        if window != self.window {
            self.close(alarmed);
            (self.window, self.count, self.awake) = (window, 0, awake);
        }
        self.count = self.count.saturating_add(count);
        self.awake = self.awake.max(awake);
    }

    fn close(&mut self, alarmed: bool) {
        if self.count == 0 {
            return;
        }
        let at_ms = self.window * WINDOW_MS;
        let share = to_f32(self.count) / (to_f32(self.awake.max(self.count)) * WINDOW_MIN);
        let share = if alarmed { (share * ALARMED).min(HUMAN * 3.0) } else { share };
        if let Some(cell) = self.today.get_mut(hour_of_day(at_ms)) {
            *cell = cell.max(share);
        }
    }

    /// Ends a day, of which `at_ms` is a moment: forgets a little of those before.
    pub(super) fn end_day(&mut self, at_ms: i64, alarmed: bool) {
        self.close(alarmed);
        self.count = 0;
        for cell in self.cells.iter_mut().flatten() {
            *cell *= DAILY;
        }
        let today = std::mem::take(&mut self.today);
        let cells = self.cells.get_mut(usize::from(is_weekend(at_ms)));
        for (cell, share) in cells.into_iter().flatten().zip(today) {
            *cell = cell.max(share);
        }
    }

    /// The largest share a minute that may be expected to go dark now; none where the past says nothing. On the first
    /// weekend of all it is the rush of the weekdays: on none do more people leave at once than on those.
    pub(super) fn past(&self, at_ms: i64) -> Option<f32> {
        if self.knows(at_ms) {
            return Some(self.share(at_ms));
        }
        let today = at_ms - at_ms.rem_euclid(DAY_MS);
        let mut before = (1..=7).map(|days| today - days * DAY_MS);
        let lived = before.any(|begin| begin >= self.born_ms && !is_weekend(begin));
        let [weekdays, _] = &self.cells;
        (is_weekend(at_ms) && lived).then(|| weekdays.iter().copied().fold(0.0, f32::max))
    }

    /// Whether it lived through this hour of such a day before.
    fn knows(&self, at_ms: i64) -> bool {
        let weekend = is_weekend(at_ms);
        // The hour before counts too, and must have been seen from its beginning.
        (1..=7)
            .map(|days| at_ms - days * DAY_MS)
            .any(|then| then - HOUR_MS >= self.born_ms && is_weekend(then) == weekend)
    }

    /// The largest share a minute that went dark around this hour of such a day.
    fn share(&self, at_ms: i64) -> f32 {
        let Some(day) = self.cells.get(usize::from(is_weekend(at_ms))) else { return HUMAN };
        let hour = hour_of_day(at_ms);
        [(hour + 23) % 24, hour, (hour + 1) % 24]
            .into_iter()
            .filter_map(|hour| day.get(hour))
            .fold(0.0, |most, cell| most.max(*cell))
    }
}

/// Counts as the charts take them: exact up to 16 million, near enough above.
pub(super) fn to_f32(count: u32) -> f32 {
    count as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monday, 5 January 1970, 00:00.
    const MONDAY: i64 = 4 * DAY_MS;

    #[test]
    fn an_hour_is_known_after_a_day_of_its_kind() {
        let usual = Usual::new(MONDAY);
        let at = |day: i64, hour: i64| MONDAY + day * DAY_MS + hour * HOUR_MS;
        assert!(!usual.knows(at(0, 18)));
        assert!(usual.knows(at(1, 18)), "Tuesday after Monday");
        assert!(!usual.knows(at(5, 18)), "the first Saturday");
        assert!(usual.knows(at(6, 18)) && usual.knows(at(7, 18)) && usual.knows(at(12, 18)));
    }

    #[test]
    fn the_first_weekend_is_expected_to_be_as_busy_as_the_weekdays_rush() {
        let (mut usual, mut young) = (Usual::new(MONDAY), Usual::new(MONDAY + 4 * DAY_MS + HOUR_MS));
        for usual in [&mut usual, &mut young] {
            let evening = MONDAY + 4 * DAY_MS + 18 * HOUR_MS;
            usual.note(evening, 0, 1000, false);
            usual.note(evening + 60_000, 10, 1000, false);
            usual.end_day(evening, false);
        }
        let saturday = MONDAY + 5 * DAY_MS + 3 * HOUR_MS;
        assert!(usual.past(saturday).is_some_and(|share| (share - 0.002).abs() < 1e-6));
        assert_eq!(young.past(saturday), None, "no whole weekday was seen");
        assert_eq!(
            Usual::new(MONDAY + 5 * DAY_MS).past(MONDAY + 7 * DAY_MS),
            None,
            "weekends say nothing of Mondays"
        );
    }

    #[test]
    fn the_most_of_the_hours_around_is_what_is_usual() {
        let mut usual = Usual::new(MONDAY);
        let six = MONDAY + 18 * HOUR_MS;
        for minute in 1..=60 {
            usual.note(six + minute * 60_000, if minute <= 5 { 10 } else { 1 }, 1000, false);
        }
        usual.note(six + 2 * HOUR_MS, 0, 1000, false);
        let next = DAY_MS + six;
        assert!(usual.share(next) <= 0.0, "today is not usual yet");
        usual.end_day(six, false);
        for (at_ms, expected) in [
            (next, 0.01),
            (next - HOUR_MS, 0.01),
            (next + HOUR_MS, 0.01),
            (next + 2 * HOUR_MS, 0.0),
            (next + 4 * DAY_MS, 0.0),
        ] {
            assert!((usual.share(at_ms) - expected).abs() < 1e-6, "{at_ms}: {}", usual.share(at_ms));
        }
        (0..10).for_each(|day| usual.end_day(next + day * DAY_MS, false));
        assert!((usual.share(next) - 0.005).abs() < 1e-4);
    }
}
