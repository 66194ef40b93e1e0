//! One incident as the detector's decisions make it, and the events by which it is found again after a restart.
//! Pure: rows in, rows out.

use serde::{Deserialize, Serialize};
use storage::questions::IncidentEvent;
use uuid::Uuid;

use crate::detector::{DriverKey, Followed, Reason};

/// Detail of an `opened` event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenedDetail {
    pub(crate) machines: u64,
    pub(crate) crashes: u64,
    /// How often the driver came back shortly before.
    #[serde(default)]
    pub(crate) returns: u32,
    pub(crate) reason: Reason,
}

/// Detail of `grew` and `resolved` events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct CountsDetail {
    pub(crate) machines: u64,
    pub(crate) crashes: u64,
}

/// An incident that is followed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Incident {
    pub(crate) id: Uuid,
    pub(crate) key: DriverKey,
    pub(crate) opened_at_ms: i64,
    pub(crate) resolved_at_ms: Option<i64>,
    pub(crate) reason: Reason,
    pub(crate) returns: u32,
    /// Machines when last said.
    pub(crate) noted_machines: u64,
    pub(crate) next_seq: u32,
}

impl Incident {
    /// A new one, whose `opened` event is still to be written.
    pub(crate) fn new(id: Uuid, key: DriverKey, reason: Reason, returns: u32, at_ms: i64) -> Self {
        let noted_machines = reason.machines;
        Self {
            id,
            key,
            opened_at_ms: at_ms,
            resolved_at_ms: None,
            reason,
            returns,
            noted_machines,
            next_seq: 0,
        }
    }

    /// The one that these events, in order, belong to; `None` where they are not ours to read.
    pub(crate) fn from_events(events: &[IncidentEvent]) -> Option<Self> {
        let first = events.iter().find(|event| event.kind == "opened")?;
        let opened: OpenedDetail = serde_json::from_str(&first.detail).ok()?;
        let key = DriverKey { tenant: first.tenant.clone(), driver: first.driver.clone() };
        let mut incident = Self::new(first.incident_id, key, opened.reason, opened.returns, first.at_ms);
        for event in events {
            incident.next_seq = incident.next_seq.max(event.seq.saturating_add(1));
            match event.kind.as_str() {
                "grew" => {
                    if let Ok(counts) = serde_json::from_str::<CountsDetail>(&event.detail) {
                        incident.noted_machines = counts.machines;
                    }
                }
                "resolved" => incident.resolved_at_ms = Some(event.at_ms),
                _ => {}
            }
        }
        Some(incident)
    }

    /// What the detector needs to go on.
    pub(crate) fn followed(&self) -> Followed {
        Followed {
            noted_machines: self.noted_machines,
            resolved_at_ms: self.resolved_at_ms,
            ..Followed::opened(&self.reason, self.returns)
        }
    }

    /// The next event of this incident.
    pub(crate) fn event(
        &mut self,
        kind: &str,
        at_ms: i64,
        detail: &impl Serialize,
    ) -> Result<IncidentEvent, serde_json::Error> {
        let event = IncidentEvent {
            incident_id: self.id,
            seq: self.next_seq,
            at_ms,
            kind: kind.to_owned(),
            tenant: self.key.tenant.clone(),
            driver: self.key.driver.clone(),
            detail: serde_json::to_string(detail)?,
        };
        self.next_seq = self.next_seq.saturating_add(1);
        Ok(event)
    }
}
