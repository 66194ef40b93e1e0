//! What the detector's stream leaves in ClickHouse for pages and later questions: inventories, signs of life, changes.
//! Crashes have rows of their own. Writing any of it twice changes nothing.

use std::collections::HashSet;

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};
use crate::signals::{BeatSignal, ChangeSignal, InstallSignal};

const DAY_MS: i64 = 86_400_000;

/// Rows of some signals, to be written with [`Database::put_signals`].
#[derive(Debug, Default)]
pub struct SignalRows {
    beats: Vec<Beat>,
    /// A machine and its day, once: it beats a thousand times.
    seen: HashSet<(String, String, i64)>,
    inventories: Vec<Inventory>,
    changes: Vec<Change>,
}

#[derive(Debug, Row, Serialize, Deserialize)]
struct Beat {
    tenant: String,
    machine: String,
    at: i64,
}

#[derive(Debug, Row, Serialize, Deserialize)]
struct Inventory {
    tenant: String,
    machine: String,
    seen_at: i64,
    site: String,
    ring: String,
    model: String,
    os_build: u32,
    drivers: Vec<String>,
    driver_timestamps: Vec<u32>,
    driver_sizes: Vec<u32>,
    driver_versions: Vec<String>,
}

#[derive(Debug, Row, Serialize, Deserialize)]
struct Change {
    #[serde(with = "clickhouse::serde::uuid")]
    change_id: Uuid,
    tenant: String,
    at: i64,
    what: String,
    version: String,
    timestamp: u32,
    ring: String,
    vendor: String,
}

impl SignalRows {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.beats.is_empty() && self.inventories.is_empty() && self.changes.is_empty()
    }

    /// Signs of life.
    pub fn beats(&mut self, beats: &[BeatSignal]) {
        for beat in beats {
            let day = beat.at_ms.div_euclid(DAY_MS);
            if self.seen.insert((beat.tenant.clone(), beat.machine.clone(), day)) {
                let (tenant, machine) = (beat.tenant.clone(), beat.machine.clone());
                self.beats.push(Beat { tenant, machine, at: beat.at_ms });
            }
        }
    }

    /// What machines run.
    pub fn installs(&mut self, installs: &[InstallSignal]) {
        self.inventories.extend(installs.iter().map(|install| Inventory {
            tenant: install.tenant.clone(),
            machine: install.machine.clone(),
            seen_at: install.at_ms,
            site: install.site.clone(),
            ring: install.ring.clone(),
            model: install.model.clone(),
            os_build: install.os_build,
            drivers: install.drivers.iter().map(|driver| driver.name.clone()).collect(),
            driver_timestamps: install.drivers.iter().map(|driver| driver.timestamp).collect(),
            driver_sizes: install.drivers.iter().map(|driver| driver.size).collect(),
            driver_versions: install.drivers.iter().map(|driver| driver.version.clone()).collect(),
        }));
    }

    /// Something that was changed on purpose.
    pub fn change(&mut self, change: &ChangeSignal) {
        self.changes.push(Change {
            change_id: change.id,
            tenant: change.tenant.clone(),
            at: change.at_ms,
            what: change.what.clone(),
            version: change.version.clone(),
            timestamp: change.timestamp,
            ring: change.ring.clone(),
            vendor: change.vendor.clone(),
        });
    }
}

impl Database {
    /// Writes them; durable when `Ok`.
    pub async fn put_signals(&self, rows: &SignalRows) -> Result<(), DatabaseError> {
        if !rows.inventories.is_empty() {
            self.insert("inventory", &rows.inventories).await?;
        }
        if !rows.changes.is_empty() {
            self.insert("changes", &rows.changes).await?;
        }
        if !rows.beats.is_empty() {
            self.insert("beats", &rows.beats).await?;
        }
        Ok(())
    }
}
