//! The gate's answer from what is known of a rollout: who has the build, and what is open about the driver. Whoever shows
//! the gate and whoever pushes its `stop` ask this one function, so that they never differ. Where the counts cannot carry
//! an answer, it holds, whatever they say.

use super::{Answer, Arm, Gate, Limits, OpenIncident, Rollout, decide};
use crate::attribution::{Facet, Origin};
use crate::incident::{Incident, Severity, Subject};

/// When to ask again about what nobody knows enough of.
const UNKNOWN_RETRY_S: u32 = 60;

/// Who has the build, and who the ones before it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Exposure {
    /// When the build was first seen in the fleet, in whatever ring, ms since 1970.
    pub first_seen_ms: i64,
    /// Its PE timestamps. Empty: known by its version only, and no crash can be told to be its.
    pub timestamps: Vec<u32>,
    /// Only machines that crashed for other reasons are known: all crashes count, but only the hours of a sample.
    pub sampled: bool,
    /// The machines that have it.
    pub new: Arm,
    /// Machines with the builds before it, over the same hours and rings.
    pub old: Arm,
}

/// What is known of a rollout at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Base name of the driver.
    pub driver: &'a str,
    /// What is rolled out, in words.
    pub version: &'a str,
    /// Its PE timestamp, where it was named by that.
    pub timestamp: Option<u32>,
    /// To which ring; empty for all.
    pub ring: &'a str,
    /// `None` where nobody has been seen with it.
    pub exposure: Option<&'a Exposure>,
    /// The tenant's incidents that are open, of whatever.
    pub open: &'a [Incident],
    /// Now, ms since 1970.
    pub now_ms: i64,
}

/// What is wrong with the driver: the loudest of its open incidents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wrong<'a> {
    /// Which.
    pub incident: &'a Incident,
    /// Whether the build that is rolled out explains it.
    pub blames_build: bool,
}

/// Judges.
#[must_use]
pub fn judge<'a>(known: &Known<'a>, limits: &Limits) -> (Gate, Option<Wrong<'a>>) {
    let wrong = worst(known);
    let name = wrong.map(|wrong| {
        let severity = if wrong.incident.severity == Severity::Sev1 { "SEV1" } else { "SEV2" };
        format!("{severity}, {} machines", wrong.incident.machines)
    });
    let open_incident = wrong.zip(name.as_deref()).map(|(wrong, name)| OpenIncident {
        name,
        severity: wrong.incident.severity,
        blames_build: wrong.blames_build,
    });
    let arm = |of: fn(&Exposure) -> Arm| known.exposure.map(of).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "a span in ms")]
    let hours_since_first = known
        .exposure
        .map_or(0.0, |found| known.now_ms.saturating_sub(found.first_seen_ms).max(0) as f64 / 3_600_000.0);
    let rollout = Rollout {
        driver: known.driver,
        version: known.version,
        ring: known.ring,
        new: arm(|found| found.new),
        old: arm(|found| found.old),
        open_incident,
        hours_since_first,
    };
    let mut gate = decide(&rollout, limits);
    let blamed = wrong.is_some_and(|wrong| wrong.blames_build && wrong.incident.severity == Severity::Sev1);
    if let Some(why) = doubt(known, gate.answer).filter(|_| !blamed) {
        (gate.answer, gate.why, gate.retry_after_s) = (Answer::Hold, why, UNKNOWN_RETRY_S);
    }
    (gate, wrong)
}

/// Why the counts cannot carry the answer that they gave.
fn doubt(known: &Known<'_>, answer: Answer) -> Option<String> {
    let Known { driver, version, .. } = known;
    let Some(found) = known.exposure else {
        return Some(format!(
            "No machine has been seen with {driver} {version}: either none has it yet, or it is called otherwise, or \
             machines send no inventory."
        ));
    };
    if found.timestamps.is_empty() {
        // Its crashes would count for nobody, and it would look as if there were none.
        return Some(format!(
            "The PE timestamp of {driver} {version} is not known, so no crash can be told to be its: send it with the \
             inventory or with the change."
        ));
    }
    (found.sampled && found.old.machine_hours <= 0.0 && answer == Answer::Stop).then(|| {
        format!(
            "{} machines crashed in {driver} {version}, and without an inventory it is not known of how many.",
            found.new.crashed
        )
    })
}

fn worst<'a>(known: &Known<'a>) -> Option<Wrong<'a>> {
    let timestamps: Vec<u32> = known
        .exposure
        .iter()
        .flat_map(|found| found.timestamps.iter().copied())
        .chain(known.timestamp)
        .collect();
    let wrong = known.open.iter().filter_map(|incident| wrong(incident, known.driver, &timestamps));
    wrong.max_by_key(|wrong| (wrong.blames_build, wrong.incident.severity, wrong.incident.machines))
}

/// What an incident says of the driver, where it is about it.
fn wrong<'a>(incident: &'a Incident, driver: &str, timestamps: &[u32]) -> Option<Wrong<'a>> {
    let is_its = |subject: &Subject| match subject {
        Subject::Driver(name) | Subject::Silence(name, _) => name == driver,
        Subject::BugCheck(_)
        | Subject::OsBuild(_)
        | Subject::Bucket(_)
        | Subject::Unattributed
        | Subject::Everything => false,
    };
    if !std::iter::once(&incident.subject).chain(&incident.also).any(is_its) {
        return None;
    }
    let dark = matches!(&incident.subject, Subject::Silence(name, Some(version))
        if name == driver && timestamps.contains(&version.timestamp));
    // Versions in an explanation are those of the driver that the incident is about first.
    let explained = is_its(&incident.subject)
        && incident.attribution.as_ref().is_some_and(|found| {
            let elements = found.claims.first().map(|claim| claim.elements.as_slice()).unwrap_or_default();
            let mut versions = elements.iter().filter(|element| element.facet == Facet::Version);
            found.origin == Origin::NewVersion && versions.any(|element| names(&element.value, timestamps))
        });
    Some(Wrong { incident, blames_build: explained || dark })
}

/// Whether `0x66902c2a`, or one of `0x66902c2a or 0x66902c2b`, is among them.
fn names(value: &str, timestamps: &[u32]) -> bool {
    value.split(" or ").any(|one| {
        let digits = one.trim().trim_start_matches("0x");
        u32::from_str_radix(digits, 16).is_ok_and(|timestamp| timestamps.contains(&timestamp))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::attribution::{Attribution, Claim, Element};
    use crate::incident::Reason;

    const BUILD: u32 = 0x6690_2C2A;

    fn incident(subject: Subject, severity: Severity, blames: Option<&str>) -> Incident {
        let claim = |value: &str| Claim {
            elements: vec![Element { facet: Facet::Version, value: value.to_owned() }],
            affected: 60,
            exposed: 5,
            share: 0.9,
            share_low: 0.8,
            share_high: 1.0,
            odds: 90.0,
            odds_low: 30.0,
            odds_high: 300.0,
        };
        let attribution = blames.map(|value| Attribution {
            origin: Origin::NewVersion,
            claims: vec![claim(value)],
            vetoed: Vec::new(),
            change: None,
            also_changed: Vec::new(),
            affected: 60,
            reference: 400,
            sentence: "x".to_owned(),
        });
        let reason = Reason {
            rho: 6.0,
            score: 30.0,
            threshold: 18.0,
            machines: 62,
            spread_machines: 60,
            sites: 20,
            expected: 1.0,
            usual_per_minute: 0.1,
            common_mode: 1.0,
            late: false,
        };
        Incident { attribution, ..Incident::opened(String::new(), subject, severity, 0, 0, reason) }
    }

    fn of(driver: &str) -> Subject {
        Subject::Driver(driver.to_owned())
    }

    fn arm(machines: u64, crashed: u64, machine_hours: f64) -> Arm {
        Arm { machines, crashed, machine_hours }
    }

    fn exposure(new: Arm, old: Arm) -> Exposure {
        Exposure { first_seen_ms: 0, timestamps: vec![BUILD], sampled: false, new, old }
    }

    fn fine() -> Exposure {
        exposure(arm(5_000, 12, 240_000.0), arm(40_000, 100, 1_900_000.0))
    }

    #[track_caller]
    fn check(exposure: Option<&Exposure>, open: &[Incident], answer: Answer, why: &str) {
        let known = Known {
            driver: "a.sys",
            version: "0x66902c2a",
            timestamp: Some(BUILD),
            ring: "",
            exposure,
            open,
            now_ms: 48 * 3_600_000,
        };
        let (gate, _) = judge(&known, &Limits::default());
        assert_eq!(gate.answer, answer, "{}", gate.why);
        assert!(gate.why.contains(why), "{}", gate.why);
    }

    #[test]
    fn what_is_not_known_holds_whatever_the_counts_say() {
        check(Some(&fine()), &[], Answer::Pass, "12 of 5,000 machines");
        check(None, &[], Answer::Hold, "No machine has been seen with a.sys");
        let nameless = Exposure { timestamps: Vec::new(), ..fine() };
        check(Some(&nameless), &[], Answer::Hold, "PE timestamp");
        let bad = exposure(arm(20, 200, 100.0), Arm::default());
        check(Some(&bad), &[], Answer::Stop, "no version before");
        check(Some(&Exposure { sampled: true, ..bad }), &[], Answer::Hold, "without an inventory");
        let worse = exposure(arm(5_000, 400, 240_000.0), arm(40_000, 100, 1_900_000.0));
        check(Some(&Exposure { sampled: true, ..worse }), &[], Answer::Stop, "400 of 5,000 machines");
    }

    #[test]
    fn an_open_incident_holds_and_one_that_blames_the_build_stops() {
        let (fine, blames) = (fine(), Some("0x66902c2a"));
        let one = |subject, severity, blames| [incident(subject, severity, blames)];
        let sev1 = Severity::Sev1;
        check(Some(&fine), &one(of("a.sys"), sev1, blames), Answer::Stop, "SEV1, 62 machines");
        check(None, &one(of("a.sys"), sev1, blames), Answer::Stop, "blames this version");
        check(Some(&fine), &one(of("a.sys"), Severity::Sev2, blames), Answer::Hold, "SEV2, 62 machines");
        check(Some(&fine), &one(of("a.sys"), sev1, None), Answer::Hold, "is open");
        check(Some(&fine), &one(of("a.sys"), sev1, Some("0x66902c2b")), Answer::Hold, "is open");
        check(Some(&fine), &one(of("b.sys"), sev1, blames), Answer::Pass, "12 of 5,000");
        let version = |timestamp| Some(crate::input::Version { timestamp, size: 0 });
        let dark = |timestamp| Subject::Silence("a.sys".to_owned(), version(timestamp));
        check(Some(&fine), &one(dark(BUILD), sev1, None), Answer::Stop, "blames this version");
        check(Some(&fine), &one(dark(7), sev1, None), Answer::Hold, "is open");
        // A version in the explanation of another driver's incident is that driver's.
        let mut joined = incident(of("b.sys"), sev1, blames);
        joined.also.push(of("a.sys"));
        check(Some(&fine), &[joined], Answer::Hold, "is open");
    }

    #[test]
    fn builds_are_found_in_an_explanation() {
        assert!(names("0x66902c2a", &[0x6690_2C2A]) && names("0x1 or 0x66902c2a", &[0x6690_2C2A]));
        assert!(!names("0x66902c2b", &[0x6690_2C2A]) && !names("19045.1", &[0x6690_2C2A]) && !names("", &[]));
    }
}
