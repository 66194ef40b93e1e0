//! Every outage of the fleet's table that left dumps, on many machines: does a dump of it lead to the right driver, and
//! to none with confidence where the truth is the machine or cannot be known? One line an outage says what came out.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use analyzer::analysis::Verdict;
use analyzer::{Limits, Owners, analyze};
use fleet::{Culprit, Fleet, FleetConfig, Outage, OutageCrash, PlanConfig, Upload, describe, outages, plan};

const SEEDS: [u64; 3] = [1, 2, 3];
const MACHINES: usize = 60;
const VICTIMS: usize = 40;
/// 9 July 2026.
const START_MS: i64 = 1_783_555_200_000;

/// What the dumps of one outage led to.
#[derive(Default)]
struct Score {
    dumps: usize,
    right: usize,
    /// The ways to crash that came up, by their place in the table.
    ways: BTreeSet<usize>,
    /// Culprit and confidence, with how often.
    verdicts: BTreeMap<(String, String), usize>,
    buckets: BTreeSet<String>,
    /// A few of those that were wrong.
    wrong: Vec<String>,
}

fn is_right(outage: &Outage, look: &OutageCrash, verdict: &Verdict) -> bool {
    let unsure = matches!(verdict.confidence.as_str(), "none" | "low");
    match outage.culprit {
        Culprit::Driver => {
            let named = look.driver.as_ref().is_some_and(|driver| verdict.name.eq_ignore_ascii_case(driver));
            // whoever is sure of a driver has the place too
            let placed = verdict.confidence != "high"
                || look.offset == 0
                || look.fault_in.is_some()
                || verdict.offset == Some(look.offset);
            verdict.culprit == "driver" && named && placed
        }
        Culprit::Hardware | Culprit::Nobody => verdict.culprit != "driver" || unsure,
    }
}

impl Score {
    fn take(&mut self, outage: &'static Outage, fleet: &Fleet, upload: &Upload) {
        let Some(look) = upload.crash.of else { return };
        let bytes = describe(fleet, &upload.crash, upload.writer, 0).to_bytes();
        let verdict = analyze(&bytes, None, &Owners::default(), &Limits::default()).unwrap().verdict;
        self.dumps += 1;
        self.ways.extend(outage.crashes.iter().position(|one| one == look));
        let name = if verdict.name.is_empty() { verdict.culprit.clone() } else { verdict.name.clone() };
        if is_right(outage, look, &verdict) {
            self.right += 1;
        } else if self.wrong.len() < 4 {
            self.wrong.push(format!(
                "{}: {:?} as {:?}: {} {} {:?}, {} by {}: {}",
                outage.id,
                look.cause,
                upload.writer,
                verdict.culprit,
                name,
                verdict.offset,
                verdict.confidence,
                verdict.rule,
                verdict.bucket
            ));
        }
        *self.verdicts.entry((name, verdict.confidence)).or_default() += 1;
        self.buckets.insert(verdict.bucket);
    }

    fn row(&self, outage: &Outage) -> String {
        let codes: Vec<String> = outage.bugchecks().iter().map(|code| format!("0x{code:X}")).collect();
        let mut verdicts: Vec<(&(String, String), &usize)> = self.verdicts.iter().collect();
        verdicts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let mut names = String::new();
        for ((name, confidence), count) in verdicts.iter().take(3) {
            write!(names, "{name} {confidence} {count}, ").unwrap();
        }
        if verdicts.len() > 3 {
            write!(names, "{} more, ", verdicts.len() - 3).unwrap();
        }
        let bucket = self.buckets.first().map(String::as_str).unwrap_or_default();
        let truth = outage.blamed().first().map_or_else(|| outage.culprit.to_string(), ToString::to_string);
        let right = if self.right == self.dumps { "yes" } else { "NO" };
        format!(
            "{:<24} {:<42} {truth:<18} {right:<4}{:>4}/{:<4} {names}{} buckets, {bucket}",
            outage.id,
            codes.join(" "),
            self.right,
            self.dumps,
            self.buckets.len(),
        )
    }
}

fn score(outage: &'static Outage) -> Score {
    let mut score = Score::default();
    for seed in SEEDS {
        let fleet = Fleet::with_outage(&FleetConfig { machines: MACHINES, sites: 8, seed }, outage);
        let config = PlanConfig {
            warm_up: Duration::ZERO,
            outage: Duration::from_secs(60),
            background_per_s: 0.1,
            victims: VICTIMS,
            seed,
        };
        for upload in plan(&fleet, &config, START_MS) {
            score.take(outage, &fleet, &upload);
        }
    }
    score
}

#[test]
fn every_outage_leads_to_whoever_did_it() {
    let mut wrong = Vec::new();
    for outage in outages().iter().filter(|outage| outage.has_dumps()) {
        let score = score(outage);
        println!("{}", score.row(outage));
        assert!(score.dumps >= SEEDS.len() * VICTIMS, "{}: {} dumps", outage.id, score.dumps);
        assert_eq!(score.ways.len(), outage.crashes.len(), "{}: a way to crash did not come up", outage.id);
        if score.right < score.dumps {
            wrong.push(format!(
                "{} of {} wrong, such as\n  {}",
                score.dumps - score.right,
                score.dumps,
                score.wrong.join("\n  ")
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
