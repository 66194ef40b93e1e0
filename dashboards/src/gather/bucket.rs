//! One bucket, or one fault site of it: what it is by its newest crash, how much of it there is, and what it goes with.

mod kin;

use serde::{Deserialize, Serialize};
use storage::database::Database;
use storage::questions::{
    BucketEnds, BucketFilter, BucketTotals, FaultSiteRow, NoteRow, Range, Recurrence, SeriesPoint, VersionRow,
};
use storage::rows::CrashRow;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

pub(crate) use self::kin::{Correlated, Similar};

use super::crash::{Crash, deep_of};
use super::driver::cut;
use super::named::{CrashLine, named};
use crate::app::{App, now_ms};
use crate::disassembly::{self, Line};
use crate::range::Span;
use crate::respond::Fault;

/// Of the newest crashes so many are looked at for one with a report.
const LOOKED_AT: usize = 5;

/// The query string.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct BucketQuery {
    /// All where it is missing.
    pub(crate) tenant: Option<String>,
    /// How far back to look.
    #[param(required = false, example = "24h")]
    pub(crate) range: Span,
    /// A fault site, 32 hexadecimal digits; the whole bucket where it is missing or empty.
    pub(crate) fault: Option<String>,
}

/// Everything on a bucket's page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Bucket {
    /// The server's clock at this answer, ms since 1970.
    pub(crate) now_ms: i64,
    /// Bucket id without symbols.
    pub(crate) bucket: String,
    /// Whose crashes; null for all.
    pub(crate) tenant: Option<String>,
    /// The fault site, 32 hexadecimal digits; null for the whole bucket.
    pub(crate) fault: Option<String>,
    pub(crate) range: Span,
    pub(crate) between: Range,
    /// The first crash there ever was, ms since 1970.
    pub(crate) first_seen_ms: i64,
    /// The newest crash there is, ms since 1970.
    pub(crate) last_seen_ms: i64,
    /// Within the range, as all that follows.
    pub(crate) machines: u64,
    /// Crashes within the range.
    pub(crate) crashes: u64,
    /// Machines and crashes in each step of the range, oldest first.
    pub(crate) series: Vec<SeriesPoint>,
    pub(crate) recurrence: Recurrence,
    /// Builds of the driver that its crashes have, most machines first, at most 20.
    pub(crate) versions: Vec<VersionRow>,
    /// Places at which its crashes failed, most machines first, at most 20.
    pub(crate) fault_sites: Vec<FaultSiteRow>,
    /// Buckets that blame the same driver, or none as well, for the same bug check or in the same function; most
    /// machines first, at most 10.
    pub(crate) similar: Vec<Similar>,
    pub(crate) correlations: Correlated,
    /// Newest first; these, and what follows, whatever the range.
    pub(crate) notes: Vec<NoteRow>,
    /// The newest link among them.
    pub(crate) known_issue: Option<String>,
    /// The newest crashes, newest first, whatever the range, at most 32.
    pub(crate) recent: Vec<CrashLine>,
    /// The newest crash that was analysed, as its own page has it.
    pub(crate) example: Option<Crash>,
    /// Instructions around its fault; empty where the dump held no code there.
    pub(crate) disassembly: Vec<Line>,
}

/// Which crashes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Which {
    bucket: String,
    tenant: Option<String>,
    fault: Option<String>,
}

impl Which {
    fn filter(&self) -> BucketFilter<'_> {
        BucketFilter { bucket: &self.bucket, tenant: self.tenant.as_deref(), fault: self.fault.as_deref() }
    }
}

/// All but what people wrote: `app/kept.rs` keeps it. Fields as of [`Bucket`].
#[derive(Debug)]
pub(crate) struct Past {
    between: Range,
    ends: BucketEnds,
    totals: BucketTotals,
    series: Vec<SeriesPoint>,
    recurrence: Recurrence,
    versions: Vec<VersionRow>,
    fault_sites: Vec<FaultSiteRow>,
    similar: Vec<Similar>,
    correlations: Correlated,
    recent: Vec<CrashLine>,
    example: Option<Crash>,
}

impl Past {
    pub(crate) async fn gather(database: &Database, which: &Which, span: Span) -> Result<Self, Fault> {
        let (filter, between) = (which.filter(), span.range(now_ms()));
        let unknown = || Fault::NotFound(format!("There is no crash in a bucket {:?}.", cut(&which.bucket)));
        let ends = database.bucket_ends(filter).await?.ok_or_else(unknown)?;
        let looked_at = ends.newest.get(..LOOKED_AT).unwrap_or(&ends.newest);
        let by_example = async {
            let row = best(database.these_crashes(looked_at).await?, &which.bucket, &ends);
            tokio::try_join!(
                kin::similar(database, filter, row.as_ref(), between),
                kin::correlations(database, filter, row.as_ref(), between),
                example(database, row.clone()),
            )
        };
        let counted = async {
            let totals = database.bucket_totals(filter, between).await?;
            let recurrence = database.bucket_recurrence(filter, between, totals.machines).await?;
            Ok((totals, recurrence))
        };
        let recent = async { named(database, database.bucket_crashes(&ends).await?).await };
        let (kin, (totals, recurrence), series, versions, fault_sites, recent) = tokio::try_join!(
            by_example,
            counted,
            async { Ok(database.bucket_series(filter, between, span.step_s()).await?) },
            async { Ok(database.bucket_versions(filter, between).await?) },
            async { Ok(database.bucket_sites(filter, between).await?) },
            recent,
        )?;
        let (similar, correlations, example) = kin;
        Ok(Self {
            between,
            ends,
            totals,
            series,
            recurrence,
            versions,
            fault_sites,
            similar,
            correlations,
            recent,
            example,
        })
    }
}

pub(crate) async fn gather(app: &App, bucket: String, query: BucketQuery) -> Result<Bucket, Fault> {
    let now_ms = now_ms();
    let fault = query.fault.filter(|fault| !fault.is_empty()).map(|fault| site(&fault)).transpose()?;
    let which = Which { bucket, tenant: query.tenant, fault };
    let (past, notes) = tokio::try_join!(app.bucket_past(&which, query.range), async {
        Ok(app.database.bucket_notes(which.tenant.as_deref(), &which.bucket).await?)
    })?;
    let disassembly = past.example.as_ref().map(disassembled).unwrap_or_default();
    let known_issue = notes.iter().find(|note| !note.link.is_empty()).map(|note| note.link.clone());
    Ok(Bucket {
        now_ms,
        range: query.range,
        between: past.between,
        first_seen_ms: past.ends.first_ms,
        last_seen_ms: past.ends.last_ms,
        machines: past.totals.machines,
        crashes: past.totals.crashes,
        series: past.series.clone(),
        recurrence: past.recurrence,
        versions: past.versions.clone(),
        fault_sites: past.fault_sites.clone(),
        similar: past.similar.clone(),
        correlations: past.correlations.clone(),
        notes,
        known_issue,
        recent: past.recent.clone(),
        example: past.example.clone(),
        disassembly,
        bucket: which.bucket,
        tenant: which.tenant,
        fault: which.fault,
    })
}

/// A fault site as the database writes it.
fn site(text: &str) -> Result<String, Fault> {
    let is_one = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_one {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(Fault::BadRequest("fault must be a fault site: 32 hexadecimal digits.".to_owned()))
    }
}

/// The newest crash with a report that is still of this bucket; the newest at all where none has one.
fn best(rows: Vec<CrashRow>, bucket: &str, ends: &BucketEnds) -> Option<CrashRow> {
    let age = |row: &CrashRow| ends.newest.iter().position(|id: &Uuid| *id == row.crash_id);
    rows.into_iter().min_by_key(|row| (row.report.is_empty() || row.bucket != bucket, age(row)))
}

/// Without what its machine says of itself: that is for the crash's own page.
async fn example(database: &Database, row: Option<CrashRow>) -> Result<Option<Crash>, Fault> {
    let Some(row) = row else { return Ok(None) };
    let deep = deep_of(database, row.crash_id).await?;
    Ok(Some(Crash::of(row, deep)))
}

/// The crash's own code; where it had none, that of the analysis that speaks for its fault site.
fn disassembled(crash: &Crash) -> Vec<Line> {
    let own = disassembly::of_report(&crash.read);
    match &crash.deep {
        Some(deep) if own.is_empty() => disassembly::of_report(&deep.read),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_site_is_32_digits() {
        assert_eq!(site("0123456789ABCDEF0123456789abcdef").unwrap(), "0123456789abcdef0123456789abcdef");
        for wrong in
            ["0", "'; DROP TABLE crashes; --", "g123456789abcdef0123456789abcdef", "éééééééééééééééé"]
        {
            assert!(matches!(site(wrong), Err(Fault::BadRequest(_))), "{wrong}");
        }
    }

    #[test]
    fn the_newest_with_a_report_is_the_example() {
        let row = |number: u128, bucket: &str, report: &str| CrashRow {
            crash_id: Uuid::from_u128(number),
            bucket: bucket.to_owned(),
            report: report.to_owned(),
            ..CrashRow::default()
        };
        let ends = BucketEnds { first_ms: 0, last_ms: 9, newest: [3, 2, 1].map(Uuid::from_u128).to_vec() };
        let best = |rows: Vec<CrashRow>| best(rows, "B", &ends).map(|row| row.crash_id.as_u128());
        assert_eq!(best(vec![row(1, "B", "{}"), row(2, "B", "{}"), row(3, "B", "")]), Some(2));
        assert_eq!(best(vec![row(1, "B", "{}"), row(2, "moved", "{}")]), Some(1));
        assert_eq!(best(vec![row(1, "B", ""), row(2, "B", "")]), Some(2));
        assert_eq!(best(Vec::new()), None);
    }
}
