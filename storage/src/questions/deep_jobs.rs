//! Which kept dumps are to be analysed with symbols, best first. Asked every two seconds: what is not due must cost
//! little, so each part looks for crash ids in narrow columns and reads the rest of the few dumps that it found.

use std::collections::HashSet;

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

/// Dumps older than this are not analysed, and an analysis older than this is made anew of a dump that came since: so
/// each site that is still alive has an analysis whose dump may be read again when a file arrives.
const WINDOW_MS: i64 = 14 * DAY_MS;
/// Of a new site the first dump of the last day is taken: one that stays the first while it is analysed, and that stays
/// within the window long enough.
const DAY_MS: i64 = 86_400_000;

/// A kept dump that is due.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct DeepJob {
    /// Whose dump.
    #[serde(with = "clickhouse::serde::uuid")]
    pub crash_id: Uuid,
    /// The dump's own time, ms since 1970.
    pub crashed_at: i64,
    /// When it arrived.
    pub received_at: i64,
    /// Tenant.
    pub tenant: String,
    /// `kernel`, `live`, `user`.
    pub kind: String,
    /// Blamed driver or module.
    pub driver: String,
    /// Its PE timestamp.
    pub driver_timestamp: u32,
    /// Its PE size.
    pub driver_size: u32,
    /// Offset of the fault inside it.
    pub fault_offset: u64,
    /// Bucket id without symbols.
    pub bucket: String,
    /// Where the dump is kept.
    pub blob: String,
    /// Its inflated length.
    pub raw_len: u64,
    /// `new_site`, `more_of_bucket`, `due_again`.
    pub reason: String,
}

/// The largest share of a bucket: so many of its first dumps are looked at.
const MOST_PER_BUCKET: u32 = 32;

/// Kept dumps of the window beside the analyses of this version or a newer one: two builds that run side by side must
/// not undo each other's work. One pass over both in groups takes a third of the time of `NOT IN`; where an analysis
/// may count twice, `FINAL` can be left out.
macro_rules! kept_and_analysed {
    ($columns:literal, $which:literal) => {
        concat!(
            "(SELECT received_at AS at, false AS done, ",
            $columns,
            " FROM kept_dumps FINAL WHERE received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
            UNION ALL SELECT analysed_at AS at, true AS done, ",
            $columns,
            " FROM deep_analyses ",
            $which,
            " WHERE analyzer_version >= {version:UInt32}
                AND analysed_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC'))"
        )
    };
}

/// The dumps whose crash ids a subquery finds.
macro_rules! jobs {
    ($reason:literal, $ids:expr) => {
        concat!(
            "SELECT crash_id, crashed_at, received_at, tenant, kind, driver, driver_timestamp, driver_size,
                fault_offset, bucket, blob, raw_len, '",
            $reason,
            "' AS reason FROM kept_dumps FINAL WHERE received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
                AND crash_id IN (",
            $ids,
            ") ORDER BY received_at DESC, crash_id LIMIT {limit:UInt32}"
        )
    };
}

/// One dump of each fault site that has no analysis; the sites that were seen last come first.
const NEW_SITES: &str = jobs!(
    "new_site",
    concat!(
        "SELECT argMin(crash_id, (received_at < fromUnixTimestamp64Milli({day:Int64}, 'UTC'),
            abs(toUnixTimestamp64Milli(received_at) - {day:Int64})))
        FROM kept_dumps FINAL
        WHERE received_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC') AND fault_site IN (
            SELECT fault_site FROM ",
        kept_and_analysed!("fault_site", ""),
        " GROUP BY fault_site HAVING NOT max(done) ORDER BY max(at) DESC LIMIT {limit:UInt32})
        GROUP BY fault_site"
    )
);

/// The first dumps of each bucket until it has its share of analyses.
const MORE_OF_BUCKETS: &str = jobs!(
    "more_of_bucket",
    concat!(
        "SELECT arrayJoin(arraySlice(arrayFilter(id -> NOT has(have, id), arrayMap(dump -> dump.2, firsts)),
            1, {per_bucket:UInt32} - length(have)))
        FROM (
            SELECT groupArrayIf(crash_id, done) AS have, groupArraySortedIf(64)((at, crash_id), NOT done) AS firsts
            FROM ",
        kept_and_analysed!("crash_id, bucket_key", "FINAL"),
        " WHERE bucket_key IN (SELECT bucket_key FROM ",
        kept_and_analysed!("bucket_key", "FINAL"),
        " GROUP BY bucket_key HAVING countIf(done) < least({per_bucket:UInt32}, countIf(NOT done)))
            GROUP BY bucket_key
        ) LIMIT {limit:UInt32}"
    )
);

/// Dumps whose analysis lacked a file that has arrived since, or whose source did not answer and may by now. Lists of
/// numbers find the few sites that may be concerned, then the newest analyses of those are asked for the truth.
const DUE_AGAIN: &str = jobs!(
    "due_again",
    "SELECT crash_id
    FROM (
        SELECT crash_id, tenant, analysed_at, arrayJoin(missing) AS id
        FROM deep_analyses FINAL
        WHERE fault_site IN (
            SELECT fault_site FROM deep_analyses
            WHERE analysed_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')
                AND analysed_at < (SELECT max(arrived_at) FROM symbol_files)
                AND arrayExists(hash -> hash IN (
                    SELECT sipHash64(tenant, id) FROM symbol_files
                    WHERE arrived_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')), missing_hashes))
    ) AS lacking
    INNER JOIN symbol_files USING (tenant, id)
    WHERE arrived_at > analysed_at
    UNION DISTINCT
    SELECT crash_id
    FROM deep_analyses FINAL
    WHERE retry_at > 0 AND retry_at <= {now:Int64} AND fault_site IN (
        SELECT fault_site FROM deep_analyses
        WHERE retry_at > 0 AND retry_at <= {now:Int64}
            AND analysed_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC'))"
);

/// Counted from the parts' own notes: costs nothing, however much there is.
const MARKS: &str = "
SELECT kept, files
FROM (SELECT count() AS kept FROM kept_dumps) AS dumps, (SELECT count() AS files FROM symbol_files) AS pushed";

/// How many rows there are of what may make a dump due. Where they are what they were, nothing has become due but by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct DeepMarks {
    /// Of kept dumps.
    pub kept: u64,
    /// Of symbol files that were pushed.
    pub files: u64,
}

impl Database {
    /// The cheap question before [`Self::deep_jobs`]. A merge may hide an arrival: do not rely on it for long.
    pub async fn deep_marks(&self) -> Result<DeepMarks, DatabaseError> {
        let asked = self.ask(MARKS).fetch_one().await;
        asked.map_err(DatabaseError::while_("look whether there are new dumps to analyse with symbols"))
    }

    /// Kept dumps to analyse with symbols: one of each fault site that has no analysis of `version`, then the first
    /// `per_bucket` of each bucket (32 at most), then those whose analysis may by now find what it lacked. A dump stays
    /// in the answer until there is a row of its analysis, whatever came of it: a dump that cannot be read needs one too.
    pub async fn deep_jobs(
        &self,
        now_ms: i64,
        version: u32,
        per_bucket: u32,
        limit: u32,
    ) -> Result<Vec<DeepJob>, DatabaseError> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        for sql in [NEW_SITES, MORE_OF_BUCKETS, DUE_AGAIN] {
            let jobs: Vec<DeepJob> = self
                .ask(sql)
                .param("now", now_ms)
                .param("since", now_ms.saturating_sub(WINDOW_MS).max(0))
                .param("day", now_ms.saturating_sub(DAY_MS).max(0))
                .param("version", version)
                .param("per_bucket", per_bucket.min(MOST_PER_BUCKET))
                .param("limit", limit)
                .fetch_all()
                .await
                .map_err(DatabaseError::while_("look for dumps to analyse with symbols"))?;
            found.extend(jobs.into_iter().filter(|job| seen.insert(job.crash_id)));
            if found.len() >= most {
                break;
            }
        }
        found.truncate(most);
        Ok(found)
    }
}
