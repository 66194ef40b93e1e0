//! Heartbeats: one machine by its headers, or what a relay collected. Owns what a beat may say.

use serde::Deserialize;
use storage::signals::{BeatSignal, Signal};

use super::entries::{Entries, entry, moment, text};
use super::{Heard, Sender, each};
use crate::origin::NAME_BYTES;
use crate::refusal::Refusal;

/// Machines of one request.
const MOST: usize = 10_000;
/// A beat that a relay kept for longer says nothing about today.
const OLDEST_MS: i64 = 86_400_000;

#[derive(Deserialize)]
struct Beat {
    machine: Option<String>,
    at: Option<String>,
    farewell: Option<bool>,
}

pub(super) fn read(body: &[u8], sender: &Sender) -> Result<Heard, Refusal> {
    if body.trim_ascii().is_empty() {
        let beat = signal(sender, sender.machine.clone(), sender.now_ms, sender.farewell);
        return Ok(Heard { signals: vec![Signal::Beats(vec![beat])], taken: 1, refused: Vec::new() });
    }
    let entries = Entries::of::<MOST>(body)?;
    let one = |raw| beat(raw, sender, entries.is_single);
    Ok(each(&entries, one, |beats| vec![Signal::Beats(beats)]))
}

fn beat(raw: &str, sender: &Sender, is_single: bool) -> Result<BeatSignal, String> {
    let Beat { machine, at, farewell } = entry(raw)?;
    let machine = super::inventory::machine(machine, sender, is_single)?;
    let at_ms = match text("at", at, NAME_BYTES)?.as_str() {
        "" => sender.now_ms,
        // The relay's clock may be ahead; what has arrived has happened.
        told => moment(told)?.min(sender.now_ms),
    };
    if at_ms < sender.now_ms.saturating_sub(OLDEST_MS) {
        return Err("at is more than a day ago".to_owned());
    }
    Ok(signal(sender, machine, at_ms, farewell.unwrap_or(is_single && sender.farewell)))
}

fn signal(sender: &Sender, machine: String, at_ms: i64, farewell: bool) -> BeatSignal {
    BeatSignal { tenant: sender.tenant.clone(), machine, at_ms, farewell }
}
