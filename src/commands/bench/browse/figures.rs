//! The figures as people read them.

use std::fmt::Write as _;
use std::time::Duration;

/// What a page may weigh, compressed, with all it links.
const MOST_BYTES: usize = 150 * 1024;

/// How one address did.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) name: String,
    /// What one answer in twenty may exceed.
    pub(super) goal: Option<Duration>,
    /// The very first answer.
    pub(super) cold: Duration,
    /// The others.
    pub(super) times: Vec<Duration>,
    /// What the service spent on these, on all processors, with what else it did meanwhile.
    pub(super) cpu_s: f64,
    /// Of a page with what it links, compressed.
    pub(super) bytes: Option<usize>,
    /// The status of an answer that was none.
    pub(super) missing: Option<u16>,
}

impl Measured {
    /// The time that this share of the answers did not exceed.
    fn within(&self, share: f64) -> Option<Duration> {
        let mut times = self.times.clone();
        times.sort_unstable();
        let place = (share * times.len() as f64).ceil() as usize;
        times.get(place.max(1) - 1).copied()
    }

    /// Time on processors that one answer takes.
    fn cpu(&self) -> Duration {
        Duration::try_from_secs_f64(self.cpu_s / self.times.len().max(1) as f64).unwrap_or_default()
    }

    /// Whether it is there and as fast and light as was promised.
    pub(super) fn is_met(&self) -> bool {
        let slow = self.goal.is_some_and(|goal| self.within(0.95).is_none_or(|time| time > goal));
        let heavy = self.bytes.is_some_and(|bytes| bytes > MOST_BYTES);
        !(slow || heavy || self.missing.is_some())
    }
}

/// One line an address, under a head.
pub(super) fn table(report: &[Measured]) -> String {
    let mut text = format!(
        "  {:28} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>8}",
        "milliseconds", "cold", "p50", "p95", "max", "cpu", "goal", "KiB"
    );
    for measured in report {
        let name = &measured.name;
        if let Some(status) = measured.missing {
            write!(text, "\n  {name:28} answers {status}").ok();
            continue;
        }
        let times = [
            Some(measured.cold),
            measured.within(0.5),
            measured.within(0.95),
            measured.within(1.0),
            Some(measured.cpu()),
            measured.goal,
        ];
        write!(text, "\n  {name:28}").ok();
        for time in times {
            let time = time.map_or(String::new(), |time| format!("{:.1}", time.as_secs_f64() * 1000.0));
            write!(text, " {time:>9}").ok();
        }
        let bytes = measured.bytes.map_or(String::new(), |bytes| format!("{:.1}", bytes as f64 / 1024.0));
        let verdict = match (measured.goal.is_some() || measured.bytes.is_some(), measured.is_met()) {
            (false, _) => "",
            (true, true) => "  met",
            (true, false) => "  missed",
        };
        write!(text, " {bytes:>8}{verdict}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_was_missed() {
        let milliseconds = |times: &[u64]| times.iter().copied().map(Duration::from_millis).collect();
        let goal = Some(Duration::from_millis(300));
        let fast = Measured {
            name: "Fleet".to_owned(),
            goal,
            cold: Duration::from_millis(900),
            times: milliseconds(&[100; 20]),
            cpu_s: 1.0,
            bytes: Some(20 * 1024),
            missing: None,
        };
        let slow = Measured {
            name: "Driver".to_owned(),
            goal,
            times: milliseconds(&[100, 301]),
            ..Measured::default()
        };
        let heavy = Measured { name: "Heavy".to_owned(), bytes: Some(MOST_BYTES + 1), ..Measured::default() };
        let gone = Measured { name: "Search".to_owned(), goal, missing: Some(404), ..Measured::default() };
        assert!(fast.is_met() && !slow.is_met() && !heavy.is_met() && !gone.is_met());
        let unasked = Measured { goal, ..Measured::default() };
        assert!(!unasked.is_met());
        let table = table(&[fast, slow, gone]);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["Fleet", "900.0", "100.0", "100.0", "100.0", "50.0", "300.0", "20.0", "met"]);
        assert_eq!(lines[2], ["Driver", "0.0", "100.0", "301.0", "301.0", "0.0", "300.0", "missed"]);
        assert_eq!(lines[3], ["Search", "answers", "404"]);
    }
}
