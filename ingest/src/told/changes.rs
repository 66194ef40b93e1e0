//! Changes that somebody made on purpose: a rollout, a content update, a policy. Owns what one may say, and the identity
//! that makes a change told twice one.

use serde::Deserialize;
use storage::signals::{ChangeSignal, Signal};
use uuid::Uuid;

use super::entries::{Entries, Number, base_name, entry, moment, text};
use super::{Heard, Sender, each};
use crate::origin::NAME_BYTES;
use crate::refusal::Refusal;

/// Changes of one request: a Patch Tuesday has some 100 packages.
const MOST: usize = 1_000;
/// How far back, and how far ahead, a change may be, ms.
const OLDEST_MS: i64 = 30 * DAY_MS;
const AHEAD_MS: i64 = DAY_MS;
const DAY_MS: i64 = 86_400_000;

#[derive(Deserialize)]
struct Change {
    what: Option<String>,
    version: Option<String>,
    timestamp: Option<Number>,
    at: Option<String>,
    ring: Option<String>,
    vendor: Option<String>,
}

pub(super) fn read(body: &[u8], sender: &Sender) -> Result<Heard, Refusal> {
    let entries = Entries::of::<MOST>(body)?;
    let one = |raw| change(raw, sender);
    Ok(each(&entries, one, |changes| changes.into_iter().map(Signal::Change).collect()))
}

fn change(raw: &str, sender: &Sender) -> Result<ChangeSignal, String> {
    let told: Change = entry(raw)?;
    let what = image_or_words(text("what", told.what, NAME_BYTES)?);
    if what.is_empty() {
        return Err("what is missing: the driver or thing that was changed".to_owned());
    }
    let at_ms = told.at.as_deref().map(moment).transpose()?;
    let now_ms = sender.now_ms;
    let mut change = ChangeSignal {
        id: Uuid::nil(),
        tenant: sender.tenant.clone(),
        at_ms: at_ms.unwrap_or(now_ms),
        what,
        version: text("version", told.version, NAME_BYTES)?,
        timestamp: told.timestamp.unwrap_or_default().0,
        ring: text("ring", told.ring, NAME_BYTES)?,
        vendor: text("vendor", told.vendor, NAME_BYTES)?,
    };
    if !(now_ms.saturating_sub(OLDEST_MS)..=now_ms.saturating_add(AHEAD_MS)).contains(&change.at_ms) {
        return Err("at is more than 30 days ago, or more than a day ahead".to_owned());
    }
    // Without a moment it is one change a day: told again by a script that was not sure, and by next month's rollout.
    change.id = id(&change, at_ms.unwrap_or_else(|| now_ms.div_euclid(DAY_MS)));
    Ok(change)
}

/// A driver is named as the analyzer names it; `Channel File 291` stays as people write it.
fn image_or_words(what: String) -> String {
    let name = base_name(&what);
    let is_image = [".sys", ".dll", ".exe"].iter().any(|ending| name.ends_with(ending));
    if is_image { name } else { what }
}

/// Made of all that is told, so that it is the same for the same.
fn id(change: &ChangeSignal, when: i64) -> Uuid {
    let mut hasher = blake3::Hasher::new();
    for part in [&change.tenant, &change.what, &change.version, &change.ring, &change.vendor] {
        // None of them has control characters.
        hasher.update(part.as_bytes()).update(&[0]);
    }
    hasher.update(&change.timestamp.to_le_bytes()).update(&when.to_le_bytes());
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
