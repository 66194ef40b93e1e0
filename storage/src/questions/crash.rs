//! One crash, whole.

use uuid::Uuid;

use crate::database::{Database, DatabaseError};
use crate::rows::CrashRow;

/// Every column of [`CrashRow`], in its order, and where they come from.
macro_rules! whole_crashes {
    ($from:literal) => {
        concat!(
            "SELECT crash_id, crashed_at, received_at, stored_at, tenant, machine, ring, site, tags, outcome, problem, kind,
            bugcheck, bugcheck_name, parameters, exception_code, culprit, driver, driver_timestamp, driver_size,
            fault_offset, bucket, bucket_hash, confidence, rule, process, os_build, os_ubr, arch, cpu, vendor, model,
            bios, uptime_s, drivers, driver_timestamps, driver_sizes, third_party, third_party_timestamps,
            third_party_sizes, stack_modules, report, facts, hardware_sign, analyzer_version, raw_len, blob, revision, queue_id, queue_partition, queue_offset ",
            $from
        )
    };
}

/// The key begins with the time, which the id carries; before a merge the best of several forms stands first.
const SQL: &str = whole_crashes!(
    "FROM crashes
WHERE crashed_at = fromUnixTimestamp64Milli({crashed_at:Int64}, 'UTC') AND crash_id = {crash_id:UUID}
ORDER BY revision DESC, stored_at DESC
LIMIT {limit:UInt32}"
);

/// The same of several.
const THESE: &str = whole_crashes!(
    "FROM crashes
WHERE crashed_at IN (SELECT fromUnixTimestamp64Milli(arrayJoin({times:Array(Int64)}), 'UTC'))
    AND crash_id IN (SELECT arrayJoin({ids:Array(UUID)}))
ORDER BY crashed_at, crash_id, revision DESC
LIMIT 1 BY crashed_at, crash_id"
);

impl Database {
    /// The best form of one crash, with its report.
    pub async fn crash(&self, crash_id: Uuid) -> Result<Option<CrashRow>, DatabaseError> {
        Ok(self.forms_of(crash_id, 1).await?.into_iter().next())
    }

    /// The forms of one crash that are not merged away yet, the best first.
    pub(super) async fn forms_of(&self, crash_id: Uuid, limit: u32) -> Result<Vec<CrashRow>, DatabaseError> {
        self.ask(SQL)
            .param("crashed_at", milliseconds(crash_id))
            .param("crash_id", crash_id.to_string())
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read a crash"))
    }

    /// The best form of each of some crashes, in the order of the table. The list travels in the address of a request:
    /// some hundreds, not thousands.
    pub async fn these_crashes(&self, ids: &[Uuid]) -> Result<Vec<CrashRow>, DatabaseError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let times: Vec<i64> = ids.iter().copied().map(milliseconds).collect();
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        self.ask(THESE)
            .param("times", times)
            .param("ids", ids)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read crashes"))
    }
}

/// The first 48 bits of a crash id: the dump's own time, ms since 1970.
pub(super) fn milliseconds(crash_id: Uuid) -> i64 {
    i64::try_from(crash_id.as_u128() >> 80).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_begins_with_the_time() {
        let id = Uuid::parse_str("01900000-0001-8000-8000-000000000000").unwrap();
        assert_eq!(milliseconds(id), 0x0190_0000_0001);
        assert_eq!(milliseconds(Uuid::max()), 0xFFFF_FFFF_FFFF);
    }
}
