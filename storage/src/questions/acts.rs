//! What people did to incidents, in the order in which it was written.

use std::time::{Duration, Instant};

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

/// Most acts of one answer; the next one goes on behind them.
const MOST: u32 = 1_000;
/// Readers leave acts alone for so long: one that was written earlier may become visible later.
const SETTLE_MS: i64 = 1_000;
/// An insert that took longer than this may have been passed by a reader.
const QUICK: Duration = Duration::from_millis(500);
/// How often it is written again then. A server that is slower each time has other troubles.
const MOST_WRITES: u32 = 3;

/// Something that somebody did to an incident.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct ActRow {
    /// Its id: an act written twice is one.
    #[serde(with = "clickhouse::serde::uuid")]
    pub act_id: Uuid,
    /// Which incident; all zeros where it is about none.
    #[serde(with = "clickhouse::serde::uuid")]
    pub incident_id: Uuid,
    /// When, by the clock of whoever wrote it, ms since 1970.
    pub at_ms: i64,
    /// Who.
    pub by: String,
    /// `acknowledge`, `resolve`, `mute`, `unmute`, `comment`, `ticket`; `test` of a target of notifications.
    pub kind: String,
    /// JSON object: `until_ms` of a `mute`, `words` of a `comment`, `ticket` of a `ticket`, `target` of a `test`.
    pub detail: String,
    /// When it was written, by the server's clock; the server sets it.
    pub written_at_ms: i64,
}

impl ActRow {
    /// Where whoever has read it goes on.
    pub fn cursor(&self) -> ActCursor {
        ActCursor { written_at_ms: self.written_at_ms, act_id: self.act_id }
    }
}

/// Behind which act to go on. The default is before all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActCursor {
    /// When it was written.
    pub written_at_ms: i64,
    /// Its id.
    pub act_id: Uuid,
}

/// An act as it is written.
#[derive(Row, Serialize, Deserialize)]
struct Written {
    #[serde(with = "clickhouse::serde::uuid")]
    act_id: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    incident_id: Uuid,
    at_ms: i64,
    by: String,
    kind: String,
    detail: String,
}

macro_rules! acts {
    ($which:literal) => {
        concat!(
            "SELECT act_id, incident_id, at_ms, by, kind, detail, toUnixTimestamp64Milli(written_at) AS written_at_ms
            FROM incident_acts FINAL WHERE ",
            $which,
            " ORDER BY written_at, act_id LIMIT {limit:UInt32}"
        )
    };
}

const SINCE: &str = acts!(
    "(toUnixTimestamp64Milli(written_at), act_id) > ({written_at:Int64}, {act_id:UUID})
        AND toUnixTimestamp64Milli(written_at) <= toUnixTimestamp64Milli(now64(3)) - {settle:Int64}"
);

const OF_INCIDENT: &str = acts!("incident_id = {incident_id:UUID}");

impl Database {
    /// Writes an act; durable when `Ok`.
    pub async fn put_act(&self, act: &ActRow) -> Result<(), DatabaseError> {
        let row = Written {
            act_id: act.act_id,
            incident_id: act.incident_id,
            at_ms: act.at_ms,
            by: act.by.clone(),
            kind: act.kind.clone(),
            detail: act.detail.clone(),
        };
        for _ in 0..MOST_WRITES {
            let begun = Instant::now();
            self.insert("incident_acts", std::slice::from_ref(&row)).await?;
            if begun.elapsed() < QUICK {
                break;
            }
        }
        Ok(())
    }

    /// What was written behind `cursor`, up to a second ago, in that order; a thousand at most.
    pub async fn acts_since(&self, cursor: &ActCursor) -> Result<Vec<ActRow>, DatabaseError> {
        self.ask(SINCE)
            .param("written_at", cursor.written_at_ms)
            .param("act_id", cursor.act_id.to_string())
            .param("settle", SETTLE_MS)
            .param("limit", MOST)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read what people did"))
    }

    /// What was done to one incident, the first thousand.
    pub async fn incident_acts(&self, incident_id: Uuid) -> Result<Vec<ActRow>, DatabaseError> {
        self.ask(OF_INCIDENT)
            .param("incident_id", incident_id.to_string())
            .param("limit", MOST)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read what was done to an incident"))
    }
}
