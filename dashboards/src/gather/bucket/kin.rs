//! What a bucket goes with: buckets like it, and what its machines have that others have not.

use serde::Serialize;
use storage::database::Database;
use storage::questions::{BucketFilter, Correlations, KinBucket, Range};
use storage::rows::CrashRow;
use utoipa::ToSchema;

use crate::respond::Fault;
use crate::stats::{self, Lift};

/// Buckets of the driver of which the similar ones are picked.
const LOOKED_AT: u32 = 60;
/// Similar buckets shown.
const MOST_SIMILAR: usize = 10;
/// Correlations shown of one kind.
const MOST_OF_A_KIND: usize = 8;

/// A bucket that is like this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Similar {
    #[serde(flatten)]
    pub(crate) bucket: KinBucket,
    /// The same driver (or none) and bug check.
    pub(crate) same_bugcheck: bool,
    /// The same function, accessed otherwise.
    pub(crate) same_function: bool,
}

/// Something that machines of this bucket have more often than others.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Correlation {
    /// `driver`, `model`, `build`.
    pub(crate) facet: String,
    /// Name of the driver, model, or build with its update revision: `19045.4651`.
    pub(crate) value: String,
    /// Machines of this bucket that have it.
    pub(crate) ours: u64,
    /// Machines of other crashes that have it.
    pub(crate) others: u64,
    #[serde(flatten)]
    pub(crate) lift: Lift,
}

/// What stands out, and among how many.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Correlated {
    /// Machines of this bucket that were looked at, the newest.
    pub(crate) ours: u64,
    /// Machines of other crashes of the range that they are held against, the newest.
    pub(crate) others: u64,
    /// The surest first.
    pub(crate) rows: Vec<Correlation>,
}

/// Buckets with the same driver and bug check, or the same function, by machines.
pub(super) async fn similar(
    database: &Database,
    filter: BucketFilter<'_>,
    row: Option<&CrashRow>,
    between: Range,
) -> Result<Vec<Similar>, Fault> {
    let Some(row) = row else { return Ok(Vec::new()) };
    let found = database.kin_buckets(filter, &row.driver, row.bugcheck, between, LOOKED_AT).await?;
    Ok(picked(found, filter.bucket, row))
}

fn picked(found: Vec<KinBucket>, own: &str, row: &CrashRow) -> Vec<Similar> {
    let place = function(own, &row.driver);
    let of = |bucket: KinBucket| {
        let same_bugcheck = bucket.bugcheck == row.bugcheck;
        let same_function = place.is_some() && function(&bucket.bucket, &row.driver) == place;
        Similar { bucket, same_bugcheck, same_function }
    };
    let all = found.into_iter().filter(|kin| kin.bucket != own).map(of);
    all.filter(|kin| kin.same_bugcheck || kin.same_function).take(MOST_SIMILAR).collect()
}

/// `csagent!read` of `AV_R_csagent!Read`; none without symbols, where it would be every function of the driver.
fn function(bucket: &str, driver: &str) -> Option<String> {
    let bucket = bucket.to_lowercase();
    let stem = driver.rsplit_once('.').map_or(driver, |(stem, _)| stem).to_lowercase();
    let begin = bucket.find(&format!("{stem}!")).filter(|_| !stem.is_empty())?;
    let place = bucket.get(begin..)?;
    (!place.ends_with("!unknown_function")).then(|| place.to_owned())
}

/// Loaded drivers, models and builds that the bucket's machines have more often than others, by more than chance.
pub(super) async fn correlations(
    database: &Database,
    filter: BucketFilter<'_>,
    row: Option<&CrashRow>,
    between: Range,
) -> Result<Correlated, Fault> {
    let Some(row) = row else { return Ok(Correlated::default()) };
    let found = database.bucket_correlations(filter, &row.kind, between).await?;
    Ok(standing_out(found, &row.driver))
}

fn standing_out(found: Correlations, blamed: &str) -> Correlated {
    let Correlations { ours, others, rows } = found;
    let mut standing: Vec<Correlation> = rows
        .into_iter()
        // Who crashes in a driver has it loaded.
        .filter(|row| row.facet != "driver" || row.value != blamed)
        .filter_map(|row| {
            let lift = stats::lift((row.ours, ours), (row.others, others))?;
            Some(Correlation { facet: row.facet, value: row.value, ours: row.ours, others: row.others, lift })
        })
        .collect();
    standing.sort_by(|a, b| b.lift.low.total_cmp(&a.lift.low));
    let mut shown: Vec<Correlation> = Vec::new();
    for row in standing {
        if shown.iter().filter(|other| other.facet == row.facet).count() < MOST_OF_A_KIND {
            shown.push(row);
        }
    }
    Correlated { ours, others, rows: shown }
}

#[cfg(test)]
mod tests {
    use storage::questions::CorrelationRow;

    use super::*;

    fn kin(bucket: &str, bugcheck: u32) -> KinBucket {
        KinBucket {
            bucket: bucket.to_owned(),
            bucket_hash: String::new(),
            bugcheck,
            bugcheck_name: String::new(),
            machines: 1,
            crashes: 1,
            last_seen_ms: 0,
        }
    }

    #[test]
    fn alike_is_the_same_bug_check_or_the_same_function() {
        let row = CrashRow { driver: "csagent.sys".to_owned(), bugcheck: 0x50, ..CrashRow::default() };
        let found = vec![
            kin("AV_R_INVALID_csagent!Read", 0x50),
            kin("AV_W_CSAgent!Read", 0x7E),
            kin("AV_W_csagent!Write", 0x7E),
            kin("0x50_csagent!Other", 0x50),
            kin("AV_csagent!unknown_function", 0x7E),
        ];
        let shown: Vec<(String, bool, bool)> = picked(found, "AV_R_INVALID_csagent!Read", &row)
            .into_iter()
            .map(|kin| (kin.bucket.bucket, kin.same_bugcheck, kin.same_function))
            .collect();
        let expected =
            [("AV_W_CSAgent!Read".to_owned(), false, true), ("0x50_csagent!Other".to_owned(), true, false)];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_function_is_known_only_with_symbols() {
        for (bucket, driver, found) in [
            ("AV_R_csagent!Read", "csagent.sys", Some("csagent!read")),
            ("AV_nt!KeBugCheck", "nt", Some("nt!kebugcheck")),
            ("AV_csagent!unknown_function", "csagent.sys", None),
            ("AV_csagent", "csagent.sys", None),
            ("AV_x!y", "", None),
            ("İ!csagent!Read", "csagent.sys", Some("csagent!read")),
        ] {
            assert_eq!(function(bucket, driver).as_deref(), found, "{bucket}");
        }
    }

    #[test]
    fn only_what_is_no_chance_stands_out() {
        let row = |facet: &str, value: &str, ours, others| CorrelationRow {
            facet: facet.to_owned(),
            value: value.to_owned(),
            ours,
            others,
        };
        let mut rows = vec![
            row("driver", "csagent.sys", 100, 900),
            row("driver", "vpn.sys", 90, 400),
            row("driver", "usual.sys", 50, 2_000),
            row("model", "Latitude", 60, 100),
        ];
        rows.extend((0..20).map(|number| row("build", &number.to_string(), 50, 100)));
        let found = standing_out(Correlations { ours: 100, others: 4_000, rows }, "csagent.sys");
        let shown: Vec<&str> = found.rows.iter().map(|row| row.value.as_str()).collect();
        assert_eq!(shown[0], "Latitude");
        assert!(
            shown.contains(&"vpn.sys") && !shown.contains(&"usual.sys") && !shown.contains(&"csagent.sys")
        );
        assert_eq!(found.rows.iter().filter(|row| row.facet == "build").count(), MOST_OF_A_KIND);
        assert_eq!(
            standing_out(Correlations { ours: 5, others: 0, rows: vec![row("model", "x", 5, 0)] }, ""),
            Correlated { ours: 5, others: 0, rows: Vec::new() }
        );
    }
}
