//! Crashes as a page or a line of a list shows them, read from where a crash is one text: that costs a third of what the
//! columns of its row do.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::crash::milliseconds;
use super::crash_forms::{CrashForm, MOST_FORMS};
use super::crashes::CrashSummary;
use crate::database::{Database, DatabaseError};
use crate::rows::CrashRow;

/// A crash, but for what only its JSON has: the lists of the row (drivers, modules on the stack, parameters), which the
/// report has too, and where the queue delivered it.
#[derive(Debug, Clone, PartialEq)]
pub struct CrashShown {
    /// Its best form, with report and facts.
    pub row: CrashRow,
    /// The forms that are still told apart, that one first.
    pub forms: Vec<CrashForm>,
    /// What it shares with others that failed at the same place.
    pub fault_site: String,
}

/// The order is that of `crashes`: before a merge the best of several forms stands first. What is looked at first is said:
/// to find that out by the statistics of the columns costs a millisecond, here and where else a page asks for one row.
const HEADS: &str = "
SELECT
    crash_id, crashed_at, happened_at, received_at, stored_at, revision, lower(hex(fault_site)) AS site, head, report,
    facts
FROM crash_heads
PREWHERE crashed_at = fromUnixTimestamp64Milli({crashed_at:Int64}, 'UTC') AND crash_id = {crash_id:UUID}
ORDER BY revision DESC, stored_at DESC
LIMIT {limit:UInt32}";

/// By the primary key: an id carries the first part of it.
const LINES: &str = "
SELECT crash_id, crashed_at, happened_at, received_at, stored_at, revision, site, head, '' AS report, '' AS facts
FROM (
    SELECT crash_id, crashed_at, happened_at, received_at, stored_at, revision, lower(hex(fault_site)) AS site, head
    FROM crash_heads
    WHERE crashed_at IN (SELECT fromUnixTimestamp64Milli(arrayJoin({times:Array(Int64)}), 'UTC'))
        AND crash_id IN (SELECT arrayJoin({ids:Array(UUID)}))
    ORDER BY crash_id, revision DESC, stored_at DESC
    LIMIT 1 BY crash_id
)
ORDER BY received_at DESC, crash_id DESC";

#[derive(Debug, Row, Serialize, Deserialize)]
struct Head {
    #[serde(with = "clickhouse::serde::uuid")]
    crash_id: Uuid,
    crashed_at: i64,
    happened_at: i64,
    received_at: i64,
    stored_at: i64,
    revision: u64,
    site: String,
    head: String,
    report: String,
    facts: String,
}

impl Head {
    fn row(self) -> Result<CrashRow, serde_json::Error> {
        let mut fields: Map<String, Value> = serde_json::from_str(&self.head)?;
        // ClickHouse allows no alias that is the name of what it is made of.
        if let Some(tags) = fields.remove("tag_pairs") {
            fields.insert("tags".to_owned(), tags);
        }
        let mut whole = serde_json::to_value(CrashRow {
            crash_id: self.crash_id,
            crashed_at: self.crashed_at,
            received_at: self.received_at,
            stored_at: self.stored_at,
            revision: self.revision,
            ..CrashRow::default()
        })?;
        if let Value::Object(whole) = &mut whole {
            whole.extend(fields);
        }
        // An id is read from borrowed text alone.
        let row: CrashRow = serde_json::from_str(&whole.to_string())?;
        Ok(CrashRow { report: self.report, facts: self.facts, ..row })
    }

    fn line(self) -> Result<CrashSummary, serde_json::Error> {
        let (happened_at_ms, fault_site) = (self.happened_at, self.site.clone());
        let row = self.row()?;
        Ok(CrashSummary {
            crash_id: row.crash_id,
            crashed_at_ms: row.crashed_at,
            happened_at_ms,
            received_at_ms: row.received_at,
            tenant: row.tenant,
            machine: row.machine,
            ring: row.ring,
            site: row.site,
            outcome: row.outcome,
            problem: row.problem,
            kind: row.kind,
            bugcheck: row.bugcheck,
            bugcheck_name: row.bugcheck_name,
            culprit: row.culprit,
            driver: row.driver,
            driver_timestamp: row.driver_timestamp,
            fault_offset: row.fault_offset,
            fault_site,
            bucket: row.bucket,
            confidence: row.confidence,
            os_build: row.os_build,
            os_ubr: row.os_ubr,
            model: row.model,
            uptime_s: row.uptime_s,
        })
    }
}

impl Database {
    /// A crash as its page shows it.
    pub async fn crash_shown(&self, crash_id: Uuid) -> Result<Option<CrashShown>, DatabaseError> {
        let heads: Vec<Head> = self
            .ask(HEADS)
            .param("crashed_at", milliseconds(crash_id))
            .param("crash_id", crash_id.to_string())
            .param("limit", MOST_FORMS)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read a crash"))?;
        shown(heads)
    }

    /// Lines of these crashes, newest arrival first, each once, in its best form. One that is gone is left out. The list
    /// travels in the address of a request: some hundreds, not thousands.
    pub(super) async fn crash_lines(&self, ids: &[Uuid]) -> Result<Vec<CrashSummary>, DatabaseError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let times: Vec<i64> = ids.iter().copied().map(milliseconds).collect();
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let heads: Vec<Head> = self
            .ask(LINES)
            .param("times", times)
            .param("ids", ids)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read lines of crashes"))?;
        // No list fails for one crash.
        let unreadable = |error: &_| tracing::warn!(%error, "a line of a crash cannot be read");
        Ok(heads.into_iter().filter_map(|head| head.line().inspect_err(unreadable).ok()).collect())
    }
}

fn shown(heads: Vec<Head>) -> Result<Option<CrashShown>, DatabaseError> {
    let Some(best) = heads.first() else { return Ok(None) };
    let fault_site = best.site.clone();
    let rows: Result<Vec<CrashRow>, _> = heads.into_iter().map(Head::row).collect();
    let rows = rows.map_err(|error| {
        tracing::warn!(%error, "the text of a crash cannot be read");
        DatabaseError::Invalid("the text of the crash cannot be read")
    })?;
    let forms = rows.iter().map(CrashForm::from).collect();
    Ok(rows.into_iter().next().map(|row| CrashShown { row, forms, fault_site }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(revision: u64, head: &str) -> Head {
        Head {
            crash_id: Uuid::from_u128(1),
            crashed_at: 1,
            happened_at: 1,
            received_at: 2,
            stored_at: 3,
            revision,
            site: "ab".to_owned(),
            head: head.to_owned(),
            report: "{}".to_owned(),
            facts: String::new(),
        }
    }

    #[test]
    fn a_head_is_a_row_again() {
        let text = r#"{"machine":"pc","tag_pairs":[["a","1"],["a","2"]],"fault_offset":18446744073709551615,"new":1}"#;
        let CrashShown { row, forms, fault_site } =
            shown(vec![head(2, text), head(1, "{}")]).unwrap().unwrap();
        assert_eq!((row.machine.as_str(), row.fault_offset), ("pc", u64::MAX));
        let pair = |value: &str| ("a".to_owned(), value.to_owned());
        assert_eq!(row.tags, [pair("1"), pair("2")]);
        assert_eq!((row.crash_id, row.received_at, row.report.as_str()), (Uuid::from_u128(1), 2, "{}"));
        assert_eq!(forms.iter().map(|form| form.revision).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(fault_site, "ab");
    }

    #[test]
    fn one_that_cannot_be_read_is_an_error_and_none_is_none() {
        assert_eq!(shown(vec![]).unwrap(), None);
        assert!(matches!(shown(vec![head(2, r#"{"raw_len":"1"}"#)]), Err(DatabaseError::Invalid(_))));
    }
}
