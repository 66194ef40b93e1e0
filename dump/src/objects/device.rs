//! `DRIVER_OBJECT`, `DEVICE_OBJECT`, and the devices stacked on one. Never says which of them is to blame.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::location::Location;
use super::text::unicode_string;
use super::view::View;

/// `IO_TYPE_DEVICE`
const DEVICE_TYPE: u16 = 3;
/// `IO_TYPE_DRIVER`
const DRIVER_TYPE: u16 = 4;
/// `IO_TYPE_DEVICE_OBJECT_EXTENSION`
const EXTENSION_TYPE: u16 = 13;
/// No stack of devices is higher.
const MAX_ATTACHED: usize = 16;

/// A driver object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverObject {
    /// Its address.
    pub address: u64,
    /// `\Driver\disk`
    pub name: Option<String>,
    /// First address of its image, with the image where it is in the list of drivers.
    pub start: Option<Location>,
}

/// A device object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceObject {
    /// Its address.
    pub address: u64,
    /// Whose it is.
    pub driver: Option<DriverObject>,
    /// Plug and Play's path of the device: `PCI\VEN_8086&DEV_A0F0\3&11583659&0&A3`. Only the lowest device of a stack
    /// has one.
    pub instance: Option<String>,
    /// Service that Plug and Play loaded for the device: `disk`.
    pub service: Option<String>,
    /// Devices attached to it, lowest first: each is asked before the one below.
    pub attached: Vec<DeviceObject>,
}

impl DriverObject {
    /// The driver of the device that lies at `va`.
    pub(super) fn of_device(view: &impl View, va: u64) -> Option<Self> {
        (view.u16(va, 0)? == DEVICE_TYPE).then_some(())?;
        Self::read(view, view.pointer(va, 0x08)?)
    }

    pub(crate) fn read(view: &impl View, va: u64) -> Option<Self> {
        (view.u16(va, 0)? == DRIVER_TYPE).then_some(())?;
        let start = view.pointer(va, view.at(0x0C, 0x18));
        Some(Self {
            address: va,
            name: va.checked_add(view.at(0x1C, 0x38)).and_then(|name| unicode_string(view, name)),
            start: start.and_then(|start| view.location(start)),
        })
    }
}

impl DeviceObject {
    /// Reads a device and those attached to it.
    pub(crate) fn read(view: &impl View, va: u64) -> Option<Self> {
        let mut device = Self::alone(view, va)?;
        let (mut at, mut seen) = (va, vec![va]);
        while device.attached.len() < MAX_ATTACHED
            && let Some(next) = view.pointer(at, view.at(0x10, 0x18))
            && !seen.contains(&next)
            && let Some(attached) = Self::alone(view, next)
        {
            device.attached.push(attached);
            seen.push(next);
            at = next;
        }
        Some(device)
    }

    /// Reads a device without those attached to it.
    pub(super) fn alone(view: &impl View, va: u64) -> Option<Self> {
        (view.u16(va, 0)? == DEVICE_TYPE).then_some(())?;
        let driver = DriverObject::of_device(view, va);
        let (instance, service) = node(view, va).map_or((None, None), |node| {
            let text = |offset| node.checked_add(offset).and_then(|text| unicode_string(view, text));
            (text(view.at(0x14, 0x28)), text(view.at(0x1C, 0x38)))
        });
        Some(Self { address: va, driver, instance, service, attached: Vec::new() })
    }

    /// The driver's image.
    pub fn image(&self) -> Option<&Location> {
        self.driver.as_ref()?.start.as_ref()
    }
}

/// The `DEVICE_NODE` of a device. No header has its layout; every published kernel since Windows 7 has these fields in
/// these places, and it names the device it belongs to, so it is believed where that is this one.
fn node(view: &impl View, device: u64) -> Option<u64> {
    let extension = view.pointer(device, view.at(0xB0, 0x138))?;
    let its_own = view.u16(extension, 0)? == EXTENSION_TYPE
        && view.pointer(extension, view.at(0x04, 0x08)) == Some(device);
    let node = view.pointer(extension, view.at(0x14, 0x28)).filter(|_| its_own)?;
    (view.pointer(node, view.at(0x10, 0x20)) == Some(device)).then_some(node)
}

/// `disk.sys`, else `\Driver\disk`, else the address.
impl fmt::Display for DriverObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.start, &self.name) {
            (Some(start), _) if !start.driver.is_empty() => f.write_str(&start.driver),
            (_, Some(name)) => f.write_str(name),
            _ => write!(f, "driver object {:#x}", self.address),
        }
    }
}

/// `device of iaStorAC.sys (SCSI\Disk&Ven_Intel), under ACPI.sys, disk.sys, partmgr.sys`
impl fmt::Display for DeviceObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.driver {
            Some(driver) => write!(f, "device of {driver}")?,
            None => write!(f, "device {:#x}", self.address)?,
        }
        // without its last part, which tells one device from another of its kind: a serial number, for many
        if let Some((kind, _)) = self.instance.as_ref().and_then(|instance| instance.rsplit_once('\\')) {
            write!(f, " ({kind})")?;
        }
        for (index, attached) in self.attached.iter().enumerate() {
            f.write_str(if index == 0 { ", under " } else { ", " })?;
            match &attached.driver {
                Some(driver) => write!(f, "{driver}")?,
                None => write!(f, "device {:#x}", attached.address)?,
            }
        }
        Ok(())
    }
}
