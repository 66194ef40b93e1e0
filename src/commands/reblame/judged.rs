//! What is said of a crash, before and after: the columns of a row that come out of a verdict, and the row with the new
//! ones. As the analyzer's worker writes them.

use analyzer::analysis::Verdict;
use analyzer::{ANALYZER_VERSION, Owners, with_verdict};
use serde_json::Value;
use storage::questions::ReplayRow;
use storage::reblame::next_revision;
use storage::rows::CrashRow;

/// The rules of this build, with the owners of the configuration.
pub(super) struct Judge {
    owners: Owners,
}

/// What came of judging stored facts.
#[derive(Debug)]
pub(super) enum Again {
    /// Analysed before facts were kept.
    NoFacts,
    /// By a newer build than this one, which knows better.
    Newer,
    /// The facts cannot be read.
    Unreadable(String),
    /// Judged.
    Judged(Box<Verdict>),
}

impl Judge {
    pub(super) fn new(owners: Owners) -> Self {
        Self { owners }
    }

    /// Judges what a row holds.
    pub(super) fn again(&self, facts: &str, analyzer_version: u32) -> Again {
        if analyzer_version > ANALYZER_VERSION {
            return Again::Newer;
        }
        if facts.is_empty() {
            return Again::NoFacts;
        }
        match blame::Facts::from_json(facts) {
            Ok(facts) => Again::Judged(Box::new(blame::judge(&facts, &self.owners).into())),
            Err(error) => Again::Unreadable(error.to_string()),
        }
    }

    /// The row as it must be now; `None` where it stays as it is.
    pub(super) fn rewritten(&self, row: CrashRow) -> Option<CrashRow> {
        let Again::Judged(verdict) = self.again(&row.facts, row.analyzer_version) else { return None };
        let before = Said::of_crash(&row);
        let row = with_verdict(row, &verdict);
        (before != Said::of_crash(&row)).then(|| CrashRow {
            report: report(row.report, &verdict),
            analyzer_version: ANALYZER_VERSION,
            revision: next_revision(row.revision, ANALYZER_VERSION),
            ..row
        })
    }
}

/// The part of a row that a verdict decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) culprit: String,
    pub(super) driver: String,
    driver_timestamp: u32,
    driver_size: u32,
    fault_offset: u64,
    pub(super) bucket: String,
    bucket_hash: String,
    pub(super) confidence: String,
    pub(super) rule: String,
    hardware_sign: String,
}

/// The same fields of two structs.
macro_rules! said {
    ($row:expr) => {
        Said {
            culprit: $row.culprit.clone(),
            driver: $row.driver.clone(),
            driver_timestamp: $row.driver_timestamp,
            driver_size: $row.driver_size,
            fault_offset: $row.fault_offset,
            bucket: $row.bucket.clone(),
            bucket_hash: $row.bucket_hash.clone(),
            confidence: $row.confidence.clone(),
            rule: $row.rule.clone(),
            hardware_sign: $row.hardware_sign.clone(),
        }
    };
}

impl Said {
    pub(super) fn of_row(row: &ReplayRow) -> Self {
        said!(row)
    }

    fn of_crash(row: &CrashRow) -> Self {
        said!(row)
    }

    pub(super) fn of_verdict(verdict: &Verdict) -> Self {
        Self::of_crash(&with_verdict(CrashRow::default(), verdict))
    }

    /// Who is blamed, in a word: the driver, or in brackets what is none.
    pub(super) fn blamed(&self) -> String {
        if self.driver.is_empty() { format!("({})", self.culprit) } else { self.driver.clone() }
    }
}

/// The report with another verdict; one that cannot be read stays what it is.
fn report(report: String, verdict: &Verdict) -> String {
    let Ok(Value::Object(mut whole)) = serde_json::from_str(&report) else { return report };
    let Ok(verdict) = serde_json::to_value(verdict) else { return report };
    whole.insert("verdict".to_owned(), verdict);
    Value::Object(whole).to_string()
}

#[cfg(test)]
mod tests {
    use analyzer::OwnersConfig;

    use super::*;

    const FACTS: &str = r#"{"facts_version":1,"bugcheck_code":"0x50","args":["0x9c","0x0","0x0","0x2"],"arch":"x64",
        "os_build":19045,"fault":{"address":"0x1","module":"csagent.sys","offset":"0xe14ed","origin":"header"},
        "stack":[{"module":"csagent.sys","offset":"0xe14ed"},{"module":"rtwlane.sys","offset":"0x10"}],
        "modules":[{"name":"csagent.sys","timestamp":5,"size":6},{"name":"rtwlane.sys","timestamp":7,"size":8}]}"#;

    fn judge(ignore: &[&str]) -> Judge {
        let ignore = ignore.iter().map(|name| (*name).to_owned()).collect();
        Judge::new(Owners::new(&OwnersConfig { ignore, ..OwnersConfig::default() }).unwrap())
    }

    fn row() -> CrashRow {
        let row = CrashRow {
            facts: FACTS.to_owned(),
            machine: "pc".to_owned(),
            report: r#"{"crash_id":"x","verdict":{"name":"old"},"stack":[1]}"#.to_owned(),
            revision: 1 << 40 | 7,
            analyzer_version: 1,
            ..CrashRow::default()
        };
        judge(&[]).rewritten(row).unwrap()
    }

    #[test]
    fn the_same_rules_change_nothing_and_others_only_what_a_verdict_decides() {
        let before = row();
        assert_eq!((before.driver.as_str(), before.driver_timestamp), ("csagent.sys", 5));
        assert_eq!(
            (before.analyzer_version, before.revision >> 40),
            (ANALYZER_VERSION, ANALYZER_VERSION.into())
        );
        assert_eq!(judge(&[]).rewritten(before.clone()), None);

        let after = judge(&["csagent.sys"]).rewritten(before.clone()).unwrap();
        assert_eq!((after.driver.as_str(), after.driver_timestamp), ("rtwlane.sys", 7));
        assert!(after.revision > before.revision && after.bucket.contains("rtwlane"), "{after:?}");
        let report: Value = serde_json::from_str(&after.report).unwrap();
        assert_eq!(report["verdict"]["name"], "rtwlane.sys");
        assert_eq!((&report["crash_id"], &report["stack"][0]), (&"x".into(), &1.into()));
        assert_eq!((after.machine.as_str(), after.facts.as_str()), ("pc", FACTS));
        // Back again: the old verdict, over the newer row.
        let back = judge(&[]).rewritten(after.clone()).unwrap();
        assert!(back.revision > after.revision && back.driver == before.driver);
    }

    #[test]
    fn what_cannot_be_judged_stays() {
        let judge = judge(&[]);
        let row = row();
        let newer =
            CrashRow { analyzer_version: ANALYZER_VERSION + 1, driver: "x".to_owned(), ..row.clone() };
        assert_eq!(judge.rewritten(newer), None);
        assert_eq!(judge.rewritten(CrashRow { facts: String::new(), ..row.clone() }), None);
        assert_eq!(judge.rewritten(CrashRow { facts: "[".to_owned(), ..row.clone() }), None);
        assert!(matches!(judge.again("", 1), Again::NoFacts));
        assert!(matches!(judge.again("{\"args\":1}", 1), Again::Unreadable(_)));
        let odd = CrashRow { report: "cut".to_owned(), driver: "x".to_owned(), ..row };
        assert_eq!(judge.rewritten(odd).unwrap().report, "cut");
    }
}
