//! What the kernel leaves for debuggers when power transitions hang (bug check 0x9F): `TRIAGE_9F_POWER` and
//! `TRIAGE_9F_PNP`, the same from Windows 7 to 11 in the fields that are read. Never says which request was the slow one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::device::DeviceObject;
use super::irp::{Irp, IrpLocation};
use super::irp_names::{POWER, WAIT_WAKE};
use super::view::View;

const POWER_SIGNATURE: u16 = 0x8000;
const PNP_SIGNATURE: u16 = 0x8001;
/// Entries of a list that are read.
const MAX_ENTRIES: usize = 32;

/// `TRIAGE_9F_POWER`: power requests that were not completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerTriage {
    /// Version of the structure.
    pub revision: u16,
    /// Requests under way, as far as the dump has them; at most 32.
    pub irps: Vec<PendingIrp>,
}

/// A power request under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingIrp {
    /// Address of the request.
    pub irp: u64,
    /// Address of the lowest device of the stack it was sent to.
    pub pdo: Option<u64>,
    /// What the driver that has the request was asked to do, if the dump has that.
    pub current: Option<IrpLocation>,
}

/// `TRIAGE_9F_PNP`: devices that Plug and Play was at work on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PnpTriage {
    /// Version of the structure.
    pub revision: u16,
    /// Devices whose requests were sent and not completed, as far as the dump has them; at most 32.
    pub devices: Vec<PendingDevice>,
}

/// A device that Plug and Play waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDevice {
    /// Address of its `DEVICE_NODE`.
    pub node: u64,
    /// Its lowest device object, without those attached to it.
    pub device: Option<DeviceObject>,
}

/// Reads a `TRIAGE_9F_POWER`.
pub(crate) fn power_triage(view: &impl View, va: u64) -> Option<PowerTriage> {
    (view.u16(va, 0)? == POWER_SIGNATURE).then_some(())?;
    let head = view.pointer(va, view.at(0x04, 0x08));
    let irps = head.map(|head| list(view, head)).unwrap_or_default();
    let irps = irps.into_iter().filter_map(|entry| {
        let irp = view.pointer(entry, view.at(0x08, 0x10))?;
        let pdo = view.pointer(entry, view.at(0x0C, 0x18));
        Some(PendingIrp { irp, pdo, current: Irp::current(view, irp) })
    });
    Some(PowerTriage { revision: view.u16(va, 2)?, irps: irps.collect() })
}

/// Reads a `TRIAGE_9F_PNP`.
pub(crate) fn pnp_triage(view: &impl View, va: u64) -> Option<PnpTriage> {
    (view.u16(va, 0)? == PNP_SIGNATURE).then_some(())?;
    let head = view.pointer(va, view.at(0x04, 0x08));
    let requests = head.map(|head| list(view, head)).unwrap_or_default();
    let devices = requests.into_iter().filter_map(|entry| {
        let node = view.pointer(entry, view.at(0x08, 0x10))?;
        let device = view.pointer(node, view.at(0x10, 0x20));
        Some(PendingDevice { node, device: device.and_then(|device| DeviceObject::alone(view, device)) })
    });
    Some(PnpTriage { revision: view.u16(va, 2)?, devices: devices.collect() })
}

/// Entries of a `LIST_ENTRY` list whose links are their first field.
fn list(view: &impl View, head: u64) -> Vec<u64> {
    let mut entries = Vec::new();
    let mut at = head;
    while entries.len() < MAX_ENTRIES
        && let Some(next) = view.pointer(at, 0)
        && next != head
        && !entries.contains(&next)
    {
        entries.push(next);
        at = next;
    }
    entries
}

/// Requests that wait for a wake-up are always under way, so the others are told.
impl fmt::Display for PowerTriage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TRIAGE_9F_POWER: {} power requests under way", self.irps.len())?;
        let known = self.irps.iter().filter_map(|pending| pending.current.as_ref());
        let busy = known.filter(|current| (current.major, current.minor) != (POWER, WAIT_WAKE));
        for (index, current) in busy.enumerate() {
            write!(f, "{}{current}", if index == 0 { ", of them " } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for PnpTriage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TRIAGE_9F_PNP: {} devices waited for", self.devices.len())?;
        let known = self.devices.iter().filter_map(|pending| pending.device.as_ref());
        for (index, device) in known.enumerate() {
            write!(f, "{}{device}", if index == 0 { ", of them " } else { "; " })?;
        }
        Ok(())
    }
}
