//! What changes, counted: by driver, by move, by bucket. Memory is bounded whatever names the dumps had.

use std::collections::HashMap;
use std::hash::Hash;

use analyzer::analysis::Verdict;
use serde::Serialize;
use storage::questions::ReplayRow;

use super::judged::{Again, Said};
use super::sketch::Sketch;

/// Names of one kind that are told apart. A fleet has some hundreds; hostile dumps can have a new one each.
const MOST_NAMES: usize = 20_000;

/// Everything counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) crashes: u64,
    /// Somebody else is blamed.
    pub(super) moved: u64,
    /// The same is blamed, in another bucket.
    pub(super) rebucketed: u64,
    /// Only place, rule, confidence or what it says of the hardware.
    pub(super) refined: u64,
    pub(super) without_facts: Aside,
    pub(super) newer: Aside,
    pub(super) unreadable: Aside,
    /// Crashes with names beyond [`MOST_NAMES`].
    pub(super) left_out: u64,
    drivers: HashMap<String, Count>,
    moves: HashMap<(String, String, String), Example>,
    buckets: HashMap<(String, String), Example>,
}

/// Crashes that were not judged again.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Aside {
    pub(super) crashes: u64,
    /// When the last of them happened, ms since 1970.
    pub(super) last_ms: i64,
    /// That one.
    pub(super) example: String,
    /// What was wrong with it; empty where nothing was.
    pub(super) why: String,
}

impl Aside {
    fn add(&mut self, row: &ReplayRow, why: String) {
        self.crashes += 1;
        if row.happened_at >= self.last_ms {
            (self.last_ms, self.example, self.why) = (row.happened_at, row.crash_id.to_string(), why);
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    crashes: [u64; 2],
    machines: [Sketch; 2],
    touched: bool,
}

#[derive(Debug, Default)]
struct Example {
    crashes: u64,
    crash_id: String,
    why: String,
}

/// A driver, or what is none in brackets, before and after.
#[derive(Debug, Serialize)]
pub(super) struct DriverMoves {
    pub(super) name: String,
    pub(super) crashes_before: u64,
    pub(super) crashes_after: u64,
    pub(super) machines_before: u64,
    pub(super) machines_after: u64,
}

/// Crashes that change sides together.
#[derive(Debug, Serialize)]
pub(super) struct Move {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) crashes: u64,
    /// One of them.
    pub(super) example: String,
    /// The rule that decides now; empty for buckets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) rule: String,
    /// What it says of the example; empty for buckets.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) why: String,
}

const BEFORE: usize = 0;
const AFTER: usize = 1;

impl Tally {
    /// Counts one crash: what was said, and what came of judging it again.
    pub(super) fn count(&mut self, row: &ReplayRow, said: Said, again: Again) {
        self.crashes += 1;
        let verdict = match again {
            Again::Judged(verdict) => Some(verdict),
            Again::NoFacts => self.aside(row, |tally| &mut tally.without_facts, String::new()),
            Again::Newer => self.aside(row, |tally| &mut tally.newer, String::new()),
            Again::Unreadable(why) => self.aside(row, |tally| &mut tally.unreadable, why),
        };
        let now = verdict.as_deref().map(Said::of_verdict);
        let (from, to) = (said.blamed(), now.as_ref().map_or_else(|| said.blamed(), Said::blamed));
        let mut fits = self.side(&from, BEFORE, row, from != to);
        fits &= self.side(&to, AFTER, row, from != to);
        if let (Some(verdict), Some(now)) = (verdict, now) {
            fits &= self.changed_to(row, &said, &now, &verdict);
        }
        self.left_out += u64::from(!fits);
    }

    fn aside(
        &mut self,
        row: &ReplayRow,
        which: impl Fn(&mut Self) -> &mut Aside,
        why: String,
    ) -> Option<Box<Verdict>> {
        which(self).add(row, why);
        None
    }

    fn side(&mut self, name: &str, side: usize, row: &ReplayRow, touched: bool) -> bool {
        let Some(count) = slot(&mut self.drivers, name.to_owned()) else { return false };
        count.touched |= touched;
        if let (Some(crashes), Some(machines)) = (count.crashes.get_mut(side), count.machines.get_mut(side)) {
            *crashes += 1;
            machines.add((&row.tenant, &row.machine));
        }
        true
    }

    fn changed_to(&mut self, row: &ReplayRow, said: &Said, now: &Said, verdict: &Verdict) -> bool {
        if said == now {
            return true;
        }
        let (from, to) = (said.blamed(), now.blamed());
        let mut fits = true;
        if said.bucket != now.bucket {
            let key = (said.bucket.clone(), now.bucket.clone());
            fits &= note(&mut self.buckets, key, row, None);
        }
        if from != to {
            self.moved += 1;
            fits &= note(&mut self.moves, (from, to, now.rule.clone()), row, verdict.evidence.first());
        } else if said.bucket != now.bucket {
            self.rebucketed += 1;
        } else {
            self.refined += 1;
        }
        fits
    }

    /// How many rows would be written.
    pub(super) fn changed(&self) -> u64 {
        self.moved + self.rebucketed + self.refined
    }

    /// How many stay as they are.
    pub(super) fn stay(&self) -> u64 {
        self.crashes.saturating_sub(self.changed())
    }

    /// The drivers that crashes leave or come to, the largest difference first.
    pub(super) fn drivers(&self) -> Vec<DriverMoves> {
        let touched = self.drivers.iter().filter(|(_, count)| count.touched);
        let mut drivers: Vec<DriverMoves> = touched
            .map(|(name, Count { crashes: [before, after], machines: [on, now_on], .. })| DriverMoves {
                name: name.clone(),
                crashes_before: *before,
                crashes_after: *after,
                machines_before: on.len(),
                machines_after: now_on.len(),
            })
            .collect();
        drivers.sort_by(|a, b| {
            let difference = |one: &DriverMoves| one.crashes_before.abs_diff(one.crashes_after);
            difference(b).cmp(&difference(a)).then_with(|| a.name.cmp(&b.name))
        });
        drivers
    }

    /// The moves from one to another, the commonest first.
    pub(super) fn moves(&self) -> Vec<Move> {
        sorted(self.moves.iter().map(|((from, to, rule), example)| of(from, to, rule, example)))
    }

    /// The buckets that change, the commonest change first.
    pub(super) fn buckets(&self) -> Vec<Move> {
        sorted(self.buckets.iter().map(|((from, to), example)| of(from, to, "", example)))
    }
}

fn of(from: &str, to: &str, rule: &str, example: &Example) -> Move {
    Move {
        from: from.to_owned(),
        to: to.to_owned(),
        crashes: example.crashes,
        example: example.crash_id.clone(),
        rule: rule.to_owned(),
        why: example.why.clone(),
    }
}

fn sorted(moves: impl Iterator<Item = Move>) -> Vec<Move> {
    let mut moves: Vec<Move> = moves.collect();
    moves.sort_by(|a, b| b.crashes.cmp(&a.crashes).then_with(|| (&a.from, &a.to).cmp(&(&b.from, &b.to))));
    moves
}

/// The entry of a name, while there is room for another one.
fn slot<K: Eq + Hash, V: Default>(map: &mut HashMap<K, V>, key: K) -> Option<&mut V> {
    if map.len() >= MOST_NAMES && !map.contains_key(&key) {
        return None;
    }
    Some(map.entry(key).or_default())
}

fn note<K: Eq + Hash>(map: &mut HashMap<K, Example>, key: K, row: &ReplayRow, why: Option<&String>) -> bool {
    let Some(example) = slot(map, key) else { return false };
    example.crashes += 1;
    if example.crashes == 1 {
        example.crash_id = row.crash_id.to_string();
        example.why = why.cloned().unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(machine: &str, driver: &str) -> ReplayRow {
        ReplayRow {
            machine: machine.to_owned(),
            culprit: "driver".to_owned(),
            driver: driver.to_owned(),
            bucket: format!("AV_{driver}"),
            happened_at: 5,
            ..ReplayRow::default()
        }
    }

    fn verdict(name: &str) -> Again {
        Again::Judged(Box::new(Verdict {
            name: name.to_owned(),
            rule: "stack-walk".to_owned(),
            evidence: vec!["Because.".to_owned()],
            ..blank()
        }))
    }

    fn blank() -> Verdict {
        let mut verdict = Verdict::from(blame::Verdict::default());
        (verdict.culprit, verdict.confidence) = ("driver".to_owned(), String::new());
        verdict.bucket_hash = String::new();
        verdict
    }

    #[test]
    fn crashes_and_machines_change_sides() {
        let mut tally = Tally::default();
        let mut count = |row: &ReplayRow, again| tally.count(row, Said::of_row(row), again);
        count(&row("pc-1", "a.sys"), verdict("b.sys"));
        count(&row("pc-1", "a.sys"), verdict("b.sys"));
        count(&row("pc-2", "a.sys"), Again::NoFacts);
        count(&row("pc-3", "c.sys"), Again::Unreadable("not JSON".to_owned()));
        count(&row("pc-3", "c.sys"), Again::Newer);
        count(&row("pc-4", "c.sys"), verdict("c.sys"));
        assert_eq!((tally.crashes, tally.moved, tally.rebucketed, tally.stay()), (6, 2, 1, 3));
        let shown: Vec<_> = tally
            .drivers()
            .into_iter()
            .map(|it| (it.name, it.crashes_before, it.crashes_after, it.machines_before, it.machines_after))
            .collect();
        assert_eq!(shown, [("a.sys".to_owned(), 3, 1, 2, 1), ("b.sys".to_owned(), 0, 2, 0, 1)]);
        let [only] = &tally.moves()[..] else { panic!("one move") };
        assert_eq!((only.crashes, only.rule.as_str(), only.why.as_str()), (2, "stack-walk", "Because."));
        assert_eq!(tally.buckets().len(), 2);
        assert_eq!((tally.without_facts.crashes, tally.newer.crashes), (1, 1));
        assert_eq!(tally.unreadable.why, "not JSON");
    }

    #[test]
    fn names_without_end_take_memory_with_one() {
        let mut tally = Tally::default();
        for number in 0..MOST_NAMES + 10 {
            let row = row("pc", &format!("{number}.sys"));
            tally.count(&row, Said::of_row(&row), Again::NoFacts);
        }
        assert_eq!((tally.drivers.len(), tally.left_out), (MOST_NAMES, 10));
    }
}
