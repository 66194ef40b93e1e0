//! Inventories: what machines are and which drivers they load. Owns what one may say.

use serde::Deserialize;
use storage::signals::{DriverSignal, InstallSignal, Signal};

use super::entries::{AtMost, Entries, Number, base_name, entry, text};
use super::{Heard, Sender, each};
use crate::origin::NAME_BYTES;
use crate::refusal::Refusal;

/// Machines of one request.
const MOST: usize = 1_000;
/// Drivers of one machine: Windows ships some 400, and workstations load 250 at most.
const DRIVERS: usize = 2_000;
/// Longest version of a file: four numbers, and what people add.
const VERSION_BYTES: usize = 64;

#[derive(Deserialize)]
struct Machine {
    machine: Option<String>,
    site: Option<String>,
    ring: Option<String>,
    model: Option<String>,
    os_build: Option<Number>,
    drivers: Option<AtMost<Driver, DRIVERS>>,
}

#[derive(Deserialize)]
struct Driver {
    name: Option<String>,
    version: Option<String>,
    timestamp: Option<Number>,
    size: Option<Number>,
}

pub(super) fn read(body: &[u8], sender: &Sender) -> Result<Heard, Refusal> {
    let entries = Entries::of::<MOST>(body)?;
    let one = |raw| install(raw, sender, entries.is_single);
    Ok(each(&entries, one, |installs| vec![Signal::Installs(installs)]))
}

/// The machine of an entry. One that speaks for itself may have said it in its headers.
pub(super) fn machine(told: Option<String>, sender: &Sender, is_single: bool) -> Result<String, String> {
    match text("machine", told, NAME_BYTES)? {
        name if !name.is_empty() => Ok(name),
        _ if is_single => Ok(sender.machine.clone()),
        _ => Err("machine is missing".to_owned()),
    }
}

fn install(raw: &str, sender: &Sender, is_single: bool) -> Result<InstallSignal, String> {
    let told: Machine = entry(raw)?;
    let or_head = |value: String, head: &str| match (value.as_str(), is_single) {
        ("", true) => head.to_owned(),
        _ => value,
    };
    let site = or_head(text("site", told.site, NAME_BYTES)?, &sender.site);
    let AtMost(drivers) = told.drivers.ok_or("drivers is missing: send an empty list for none")?;
    let drivers: Result<Vec<DriverSignal>, String> = drivers
        .into_iter()
        .enumerate()
        .map(|(index, told)| driver(told).map_err(|reason| format!("drivers[{index}]: {reason}")))
        .collect();
    Ok(InstallSignal {
        tenant: sender.tenant.clone(),
        machine: machine(told.machine, sender, is_single)?,
        at_ms: sender.now_ms,
        // As with crashes; a relay's network is not its machines'.
        site: or_head(site, &sender.network),
        ring: or_head(text("ring", told.ring, NAME_BYTES)?, &sender.ring),
        model: text("model", told.model, NAME_BYTES)?,
        os_build: told.os_build.unwrap_or_default().0,
        drivers: drivers?,
    })
}

fn driver(told: Driver) -> Result<DriverSignal, String> {
    let name = base_name(&text("name", told.name, NAME_BYTES)?);
    if name.is_empty() {
        return Err("name is missing".to_owned());
    }
    Ok(DriverSignal {
        name,
        version: text("version", told.version, VERSION_BYTES)?,
        timestamp: told.timestamp.unwrap_or_default().0,
        size: told.size.unwrap_or_default().0,
    })
}
