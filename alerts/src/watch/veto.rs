//! Bad driver or bad machines: just before an incident would open, the driver's counts are taken again without the
//! machines whose own hardware is suspect. What would not open on the rest stays closed, and is looked at again at every
//! tick for as long as it would open otherwise.
//!
//! Paging wins over silence. Where ClickHouse does not say in time who is suspect, nobody is; a machine that failed where
//! others fail too is counted whatever its memory is like (`storage` sees to that); and what would open ten times over is
//! no chance of bad memory, and is not even asked about.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use storage::questions::SoundPulse;
use tokio::time::Instant;

use super::Watch;
use crate::detector::{Decision, Detector, DriverKey, Observation};
use crate::webhook;

/// A page may wait this long for all answers of one tick. The question reads a week, which takes half a second at a
/// million crashes; a database that takes many has other troubles, maybe this outage's.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bad memory strikes anywhere: machines that have it crash some times a day each, at one driver or another. Seldom are
/// there ten at one driver within minutes by chance; never so many that a tenth of them would be an incident.
const BEYOND_CHANCE: u64 = 10;

/// The counts of a driver without suspect machines; nothing where all of them count.
type Answers = BTreeMap<DriverKey, Option<SoundPulse>>;

impl Watch {
    /// The detector's decisions at this moment, none of which opens an incident for suspect machines alone.
    pub(super) async fn decide(&mut self, seen: &Observation) -> Vec<Decision> {
        let before = self.detector.clone();
        let mut answers = Answers::new();
        let deadline = Instant::now() + PATIENCE;
        // Again after each answer: with fewer machines of one driver, the fleet looks calmer around another.
        let (detector, decisions) = loop {
            let (detector, decisions) = look(&before, seen, &answers);
            let unasked: Vec<DriverKey> =
                opening(&decisions).filter(|key| !answers.contains_key(*key)).cloned().collect();
            if unasked.is_empty() {
                break (detector, decisions);
            }
            for key in unasked {
                let answer = if is_beyond_chance(&before, seen, &key) {
                    None
                } else {
                    self.sound(&key, seen.now_ms, deadline).await
                };
                answers.insert(key, answer);
            }
        };
        self.detector = detector;
        let opened: BTreeSet<DriverKey> = opening(&decisions).cloned().collect();
        self.note_withheld(answers.into_keys().filter(|key| !opened.contains(key)).collect());
        decisions
    }

    async fn sound(&self, key: &DriverKey, now_ms: i64, deadline: Instant) -> Option<SoundPulse> {
        let asked = self.database.sound_pulse(&key.tenant, &key.driver, now_ms);
        let why = match tokio::time::timeout_at(deadline, asked).await {
            Ok(Ok(sound)) => return Some(sound),
            Ok(Err(error)) => webhook::chain(&error),
            Err(_elapsed) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        self.metrics.unvetted_incidents.inc();
        tracing::warn!(
            tenant = key.tenant,
            driver = key.driver,
            error = why,
            "cannot tell which machines are suspect: all count as sound"
        );
        None
    }

    /// Says once of each driver that it is held back, and counts it, until it would no longer open.
    fn note_withheld(&mut self, withheld: BTreeSet<DriverKey>) {
        for key in withheld.difference(&self.withheld) {
            self.metrics.incidents_withheld.inc();
            tracing::info!(
                tenant = key.tenant,
                driver = key.driver,
                "no incident is opened: its machines are suspect by their hardware, and the others are too few"
            );
        }
        self.withheld = withheld;
    }
}

/// What the detector decides, and as what it goes on, when these drivers are counted without suspect machines.
fn look(before: &Detector, seen: &Observation, answers: &Answers) -> (Detector, Vec<Decision>) {
    let mut detector = before.clone();
    let decisions = detector.tick(&without_suspects(seen, answers));
    (detector, decisions)
}

/// Whether a tenth of the driver's machines, as widely spread as all of them, would open the incident too.
fn is_beyond_chance(before: &Detector, seen: &Observation, key: &DriverKey) -> bool {
    let Some(driver) = seen.drivers.iter().find(|driver| driver.key == *key) else { return false };
    let [last_1, last_5, last_15] = driver.machines.map(|machines| machines / BEYOND_CHANCE);
    let tenth = SoundPulse { last_1, last_5, last_15, sites: driver.sites };
    let (_, decisions) = look(before, seen, &Answers::from([(key.clone(), Some(tenth))]));
    opening(&decisions).any(|opens| opens == key)
}

fn without_suspects<'s>(seen: &'s Observation, answers: &Answers) -> Cow<'s, Observation> {
    if answers.values().all(Option::is_none) {
        return Cow::Borrowed(seen);
    }
    let mut seen = seen.clone();
    for driver in &mut seen.drivers {
        if let Some(Some(sound)) = answers.get(&driver.key) {
            let counts = [sound.last_1, sound.last_5, sound.last_15];
            // Never more than before: a crash may have become a row between the two questions.
            for (machines, sound) in driver.machines.iter_mut().zip(counts) {
                *machines = sound.min(*machines);
            }
            driver.sites = sound.sites.min(driver.sites);
        }
    }
    Cow::Owned(seen)
}

fn opening(decisions: &[Decision]) -> impl Iterator<Item = &DriverKey> {
    decisions.iter().filter_map(|decision| match decision {
        Decision::Open { key, .. } => Some(key),
        Decision::Grew { .. } | Decision::Resolve { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DetectorConfig;
    use crate::detector::{DriverCounts, WINDOWS};

    fn key(driver: &str) -> DriverKey {
        DriverKey { tenant: "acme".to_owned(), driver: driver.to_owned() }
    }

    /// So many machines of a driver within the last minute, at as many sites.
    fn driver(name: &str, machines: u64) -> DriverCounts {
        let mut windows = vec![0; WINDOWS];
        windows[0] = machines;
        // Seen an hour ago, so that the fleet is no stranger.
        windows[WINDOWS - 1] = 1;
        DriverCounts { key: key(name), machines: [machines; 3], sites: machines, windows }
    }

    fn seen(drivers: Vec<DriverCounts>) -> Observation {
        let fleet_sites = BTreeMap::from([("acme".to_owned(), 100)]);
        Observation { now_ms: 1_721_362_140_000, drivers, fleet_sites, totals: BTreeMap::new() }
    }

    fn sound(machines: u64, sites: u64) -> Option<SoundPulse> {
        Some(SoundPulse { last_1: machines, last_5: machines, last_15: machines, sites })
    }

    /// Machines of the incident that 24 machines of one driver open, `answer` of which are sound.
    fn opened_by(answer: Option<SoundPulse>) -> Option<u64> {
        let detector = Detector::new(DetectorConfig::default());
        let (after, decisions) =
            look(&detector, &seen(vec![driver("a.sys", 24)]), &Answers::from([(key("a.sys"), answer)]));
        let machines = decisions.iter().find_map(|decision| match decision {
            Decision::Open { reason, .. } => Some(reason.machines),
            _ => None,
        });
        assert_eq!(
            after.open().count(),
            usize::from(machines.is_some()),
            "what stays closed is not followed"
        );
        machines
    }

    #[test]
    fn only_sound_machines_open_an_incident() {
        assert_eq!(opened_by(None), Some(24), "nobody knows who is suspect: it opens");
        assert_eq!(opened_by(sound(24, 24)), Some(24));
        assert_eq!(opened_by(sound(20, 20)), Some(20), "a few suspects more or less");
        assert_eq!(opened_by(sound(9, 9)), None, "one too few");
        assert_eq!(opened_by(sound(0, 0)), None);
        assert_eq!(opened_by(sound(20, 1)), None, "enough, but all in one place");
        assert_eq!(opened_by(sound(90, 90)), Some(24), "never more than were seen");
    }

    #[test]
    fn one_driver_held_back_does_not_hold_back_another() {
        let detector = Detector::new(DetectorConfig::default());
        let seen = seen(vec![driver("a.sys", 24), driver("b.sys", 30)]);
        let answers = Answers::from([(key("a.sys"), sound(2, 2)), (key("b.sys"), None)]);
        let (_, decisions) = look(&detector, &seen, &answers);
        assert_eq!(opening(&decisions).collect::<Vec<_>>(), [&key("b.sys")]);
    }

    #[test]
    fn an_incident_ten_times_over_is_not_asked_about() {
        let detector = Detector::new(DetectorConfig::default());
        let of = |machines, sites| {
            let driver = DriverCounts { sites, ..driver("a.sys", machines) };
            is_beyond_chance(&detector, &seen(vec![driver]), &key("a.sys"))
        };
        let least = (10..).find(|machines| opened_at(&detector, *machines)).unwrap();
        assert!((10..=24).contains(&least), "{least}");
        for (machines, sites, beyond) in [
            (24, 24, false),
            (least * 10 - 1, 90, false),
            (least * 10, 90, true),
            (least * 10, 2, true),
            (least * 10, 1, false),
            (5_000, 300, true),
        ] {
            assert_eq!(of(machines, sites), beyond, "{machines} machines at {sites} sites");
        }
        assert!(!is_beyond_chance(&detector, &seen(Vec::new()), &key("a.sys")));
    }

    fn opened_at(detector: &Detector, machines: u64) -> bool {
        let (_, decisions) = look(detector, &seen(vec![driver("a.sys", machines)]), &Answers::new());
        opening(&decisions).count() == 1
    }

    #[test]
    fn it_is_looked_at_again_and_opens_when_sound_machines_follow() {
        let mut detector = Detector::new(DetectorConfig::default());
        let seen = seen(vec![driver("a.sys", 40)]);
        for (answer, opens) in [(sound(3, 3), 0), (sound(5, 5), 0), (sound(18, 18), 1)] {
            let (after, decisions) = look(&detector, &seen, &Answers::from([(key("a.sys"), answer)]));
            assert_eq!(opening(&decisions).count(), opens, "{answer:?}");
            detector = after;
        }
        let (_, decisions) = look(&detector, &seen, &Answers::new());
        assert_eq!(opening(&decisions).count(), 0, "it is open");
    }
}
