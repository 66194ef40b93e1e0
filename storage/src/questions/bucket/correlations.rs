//! What the machines of a bucket have in common that others have not: the newest crashes of the bucket held against the
//! newest others of the same range and kind. Both sides are bounded, so the answer takes the same time in an outage.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::BucketFilter;
use crate::database::{Database, DatabaseError};
use crate::questions::Range;

/// Machines of the bucket that are looked at.
const MOST_OURS: u32 = 500;
/// Machines that they are held against.
const MOST_OTHERS: u32 = 4_000;
/// What fewer machines of the bucket share is chance.
const LEAST: u64 = 3;

/// Something that crashes have.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct CorrelationRow {
    /// `driver` (a third-party one that was loaded), `model`, `build`.
    pub facet: String,
    /// Which.
    pub value: String,
    /// Machines of the bucket that have it.
    pub ours: u64,
    /// Machines of other crashes that have it.
    pub others: u64,
}

/// What was compared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correlations {
    /// Machines of the bucket that were looked at: its newest, 500 at most.
    pub ours: u64,
    /// Machines of other crashes of the range that they were held against: the newest, 4,000 at most.
    pub others: u64,
    /// What they have, commonest by comparison first.
    pub rows: Vec<CorrelationRow>,
}

/// Each machine's newest crash. A tuple that is looked up in the order of the table reads only the rows around it.
const SQL: &str = "
SELECT
    facet,
    value,
    uniqExactIf(machine_key, in_bucket) AS ours,
    uniqExactIf(machine_key, NOT in_bucket) AS others
FROM (
    SELECT
        sipHash64(tenant, machine) AS machine_key,
        bucket = {bucket:String} AS in_bucket,
        arrayJoin(arrayConcat(
            [('', ''), ('model', toString(model)),
                ('build', if(os_build = 0, '', concat(toString(os_build), if(os_ubr = 0, '', concat('.', toString(os_ubr))))))],
            arrayMap(name -> ('driver', toString(name)), arrayDistinct(third_party)))) AS pair,
        pair.1 AS facet,
        pair.2 AS value
    FROM crashes
    WHERE (crashed_at, crash_id) IN (
        SELECT crashed_at, crash_id FROM (
            SELECT crashed_at, crash_id, machine_key
            FROM bucket_crashes
            WHERE bucket_key = sipHash64({bucket:String})
                AND ({any_tenant:Bool} OR tenant = {tenant:String})
                AND ({any_fault:Bool} OR fault_site = toFixedString(unhex({fault:String}), 16))
                AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
                AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
            ORDER BY bucket_key DESC, happened_at DESC, crash_id DESC
            LIMIT 1 BY machine_key
            LIMIT {most_ours:UInt32}
        )
        UNION ALL
        SELECT crashed_at, crash_id FROM (
            SELECT crashed_at, crash_id, tenant, machine
            FROM crashes
            WHERE crashed_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
                AND crashed_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
                AND outcome = 'analysed' AND kind = {kind:String} AND bucket != {bucket:String}
                AND ({any_tenant:Bool} OR tenant = {tenant:String})
            ORDER BY crashed_at DESC, crash_id DESC
            LIMIT 1 BY tenant, machine
            LIMIT {most_others:UInt32}
        )
    )
)
WHERE facet = '' OR value != ''
GROUP BY facet, value
HAVING facet = '' OR ours >= {least:UInt64}
ORDER BY facet = '' DESC, ours / (others + 1) DESC, facet, value
LIMIT 400";

impl Database {
    /// What crashes of a bucket (of a `kind`, as its crashes have it) and other crashes of the range have.
    pub async fn bucket_correlations(
        &self,
        filter: BucketFilter<'_>,
        kind: &str,
        range: Range,
    ) -> Result<Correlations, DatabaseError> {
        let mut rows: Vec<CorrelationRow> = self
            .within(SQL, filter, range)
            .param("kind", kind)
            .param("most_ours", MOST_OURS)
            .param("most_others", MOST_OTHERS)
            .param("least", LEAST)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("compare a bucket with other crashes"))?;
        let all = rows.iter().position(|row| row.facet.is_empty()).map(|at| rows.remove(at));
        let (ours, others) = all.map_or((0, 0), |all| (all.ours, all.others));
        Ok(Correlations { ours, others, rows })
    }
}
