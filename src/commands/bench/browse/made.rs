//! The data folder with the made-up fleet: made where it is not there, kept and brought up to now where it is.

use std::path::{Path, PathBuf};

use analyzer::{Limits, Owners};
use anyhow::Context as _;
use detector::incident::Reason;
use fleet::load::{LoadConfig, sample};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use storage::bench::{OUTAGE_DRIVER, Samples, Size, onset};
use storage::database::{Database, DatabaseConfig};
use storage::queue::{LogConfig, Queue, QueueConfig};

use crate::terminal;

/// What a folder holds, written into it when it is whole.
#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    size: Size,
    /// When the outage ended, and the fleet lived on.
    to_ms: i64,
    /// Crashes, without those of the outage.
    crashes: u64,
}

/// Makes the folder hold a fleet of this size whose last crash is of now; says how many crashes there are.
pub(super) async fn ready(data: &Path, size: Size) -> anyhow::Result<u64> {
    let path = data.join("browse.json");
    let marker = read(&path)?;
    if let Some(marker) = &marker {
        anyhow::ensure!(
            marker.size == size,
            "{} holds a fleet of another size: {:?}",
            data.display(),
            marker.size
        );
    }
    let queue_id = queue_id(data).await?;
    let config = DatabaseConfig::Embedded { dir: data.join("clickhouse"), library: None };
    let database = Database::open(&config).await.context("cannot open the database")?;
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let to_ms = marker.as_ref().map_or(now_ms, |marker| marker.to_ms);
    let samples = samples(onset(to_ms))?;
    let crashes = up_to(size, now_ms - to_ms);
    let bar = terminal::bar(crashes, "making up")?;
    let mut progress = |done| bar.set_position(done);
    match &marker {
        Some(marker) => {
            let numbers = marker.crashes..crashes;
            database.prolong(size, to_ms, &queue_id, &samples, numbers, &mut progress).await?;
        }
        None => {
            terminal::remark(&format!("making up {} crashes in {}", size.crashes, data.display()));
            database.fill(size, to_ms, &queue_id, &samples, progress).await?;
        }
    }
    bar.finish_and_clear();
    database.close().await;
    let marker = Marker { size, to_ms, crashes };
    std::fs::write(&path, serde_json::to_vec(&marker)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(crashes)
}

/// As many as there would be had the fleet lived on at the same rate.
fn up_to(size: Size, since_ms: i64) -> u64 {
    let span_ms = u128::from(size.days) * 86_400_000;
    let more = u128::from(size.crashes) * u128::try_from(since_ms).unwrap_or(0) / span_ms.max(1);
    size.crashes.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
}

fn read(path: &PathBuf) -> anyhow::Result<Option<Marker>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(
            serde_json::from_slice(&bytes).with_context(|| format!("{} is damaged", path.display()))?,
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Rows are those of the service's own queue: what compares the two must have as much to do as in life.
async fn queue_id(data: &Path) -> anyhow::Result<String> {
    let config = QueueConfig::Log(LogConfig { dir: data.join("queue"), max_bytes: 1 << 30 });
    let queue = Queue::open(&config).await.context("cannot open the queue")?;
    let id = queue.id().to_owned();
    queue.close().await;
    Ok(id)
}

/// A real report of a dump as the load generator makes them, and an incident as the detector tells it.
fn samples(onset_ms: i64) -> anyhow::Result<Samples> {
    let dump = sample(&LoadConfig::default())?;
    let analysis = analyzer::analyze(&dump, None, &Owners::default(), &Limits::default())
        .map_err(|error| anyhow::anyhow!("the sample cannot be read: {error:?}"))?;
    let windows = [
        "ntoskrnl.exe",
        "hal.dll",
        "ndis.sys",
        "tcpip.sys",
        "ntfs.sys",
        "fltmgr.sys",
        "storport.sys",
        "win32k.sys",
    ];
    let steps = ["opened", "attributed", "grew", "acknowledged", "commented", "grew", "resolved"];
    let incident = (10..).step_by(90).zip(steps);
    Ok(Samples {
        report: serde_json::to_string(&analysis)?,
        facts: analysis.facts.clone(),
        windows: windows
            .map(str::to_owned)
            .into_iter()
            .chain((0..140).map(|n| format!("inbox{n}.sys")))
            .collect(),
        incident: incident
            .map(|(machines, kind)| Ok((kind.to_owned(), step(kind, machines, onset_ms)?)))
            .collect::<anyhow::Result<_>>()?,
    })
}

/// The detail of one step.
fn step(kind: &str, machines: u64, onset_ms: i64) -> anyhow::Result<String> {
    let state = match kind {
        "resolved" => "resolved",
        _ => "open",
    };
    let tally = |names: &[&str]| -> Value {
        names.iter().map(|name| json!({ "name": name, "machines": machines })).collect()
    };
    let reason = Reason {
        rho: 50.0,
        score: 130.4,
        threshold: 22.8,
        machines,
        spread_machines: machines,
        sites: 14,
        expected: 0.26,
        usual_per_minute: 0.0007,
        common_mode: 1.0,
        late: false,
    };
    let incident = json!({
        "id": "00000000-0000-8000-8000-000000000000",
        "tenant": "", "subject": { "kind": "driver", "name": OUTAGE_DRIVER }, "severity": "sev1", "state": state,
        "onset_ms": onset_ms, "opened_at_ms": onset_ms, "resolved_at_ms": null, "muted_until_ms": null,
        "acknowledged_by": "", "reopened": 0, "grown": 1, "merged_into": null, "also": [],
        "machines": machines, "exposed": 400_000, "sites": 14, "last_minute": 31, "minute_before": 12,
        "reason": reason, "attribution": null,
        "versions": tally(&["0x66902c2a"]), "fault_sites": tally(&["0x1e00"]), "bug_checks": tally(&["0x50"]),
        "os_builds": tally(&["19045", "22631"]), "models": tally(&["Model 1", "Model 2"]), "rings": tally(&["broad"]),
        "top_sites": tally(&["site-1", "site-2"]),
    });
    Ok(serde_json::to_string(&json!({
        "machines": machines, "severity": "sev1", "tell": kind == "opened", "by": "", "words": "", "incident": incident,
    }))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_lives_on_at_its_rate() {
        let size = Size { crashes: 9_000, machines: 100, days: 90 };
        assert_eq!([0, 86_400_000, -5].map(|since| up_to(size, since)), [9_000, 9_100, 9_000]);
    }

    #[test]
    fn the_steps_of_the_incident_are_as_the_detector_has_them() {
        let samples = samples(1_721_361_600_000).unwrap();
        for (kind, detail) in &samples.incident {
            let detail: Value = serde_json::from_str(detail).unwrap();
            let incident: detector::Incident = serde_json::from_value(detail["incident"].clone()).unwrap();
            assert_eq!(incident.subject.to_string(), OUTAGE_DRIVER, "{kind}");
            assert_eq!(incident.onset_ms, 1_721_361_600_000);
        }
        assert!(samples.report.len() > 10_000 && samples.facts.len() > 1_000, "as large as in life");
    }
}
