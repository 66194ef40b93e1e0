//! `IRP`: a request to drivers, and which of them has it. Never says that one held it for too long.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::device::DriverObject;
use super::irp_names::{POWER, QUERY_POWER, SET_POWER, major_name, minor_name};
use super::location::Location;
use super::view::View;

/// `IO_TYPE_IRP`
const IRP_TYPE: u16 = 6;
/// No request passes more drivers; stack locations behind are not read.
const MAX_LOCATIONS: u64 = 32;

/// An I/O request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Irp {
    /// Its address.
    pub address: u64,
    /// The thread that sent it.
    pub thread: Option<u64>,
    /// How many stack locations it has.
    pub stack_count: u8,
    /// Number of the current one, from 1; above the count where the request was completed, or never sent.
    pub current_location: u8,
    /// The current one: what the driver that has the request was asked to do.
    pub current: Option<IrpLocation>,
    /// Those that are used, by their numbers: the last one is of the driver that was asked first.
    pub locations: Vec<IrpLocation>,
}

/// What one driver was asked to do: `IO_STACK_LOCATION`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IrpLocation {
    /// Its address.
    pub address: u64,
    /// `IRP_MJ_*`
    pub major: u8,
    /// `IRP_MN_*`, of the major function.
    pub minor: u8,
    /// Address of the device that was asked.
    pub device: Option<u64>,
    /// Whose device that is.
    pub driver: Option<DriverObject>,
    /// What is called when the request is completed: a routine of the driver above.
    pub completion: Option<Location>,
    /// The state asked for, where power is set or asked about.
    pub power: Option<PowerState>,
}

/// A state of power, by its number: 0 is working.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerState {
    /// Of the whole machine: `S0` to `S5`.
    System(u8),
    /// Of one device: `D0` to `D3`.
    Device(u8),
}

impl Irp {
    pub(crate) fn read(view: &impl View, va: u64) -> Option<Self> {
        (view.u16(va, 0)? == IRP_TYPE).then_some(())?;
        let (stack_count, current_location) =
            (view.u8(va, view.at(0x22, 0x42))?, view.u8(va, view.at(0x23, 0x43))?);
        let first = va.checked_add(view.at(0x70, 0xD0))?;
        let stride = view.at(0x24, 0x48);
        let numbered = (0..u64::from(stack_count).min(MAX_LOCATIONS))
            .filter_map(|index| first.checked_add(index.checked_mul(stride)?))
            .filter_map(|location| IrpLocation::read(view, location));
        Some(Self {
            address: va,
            thread: view.pointer(va, view.at(0x50, 0x98)),
            stack_count,
            current_location,
            current: Self::current(view, va),
            locations: numbered.collect(),
        })
    }

    /// What the driver that has the request at `va` was asked to do.
    pub(super) fn current(view: &impl View, va: u64) -> Option<IrpLocation> {
        (view.u16(va, 0)? == IRP_TYPE).then_some(())?;
        IrpLocation::read(view, view.pointer(va, view.at(0x60, 0xB8))?)
    }
}

impl IrpLocation {
    /// `None` for one that is not there or was never used.
    fn read(view: &impl View, va: u64) -> Option<Self> {
        let (major, minor) = (view.u8(va, 0)?, view.u8(va, 1)?);
        let device = view.pointer(va, view.at(0x14, 0x28));
        let completion = view.pointer(va, view.at(0x1C, 0x38));
        if device.is_none() && completion.is_none() {
            return None;
        }
        Some(Self {
            address: va,
            major,
            minor,
            device,
            driver: device.and_then(|device| DriverObject::of_device(view, device)),
            completion: completion.and_then(|routine| view.location(routine)),
            power: PowerState::read(view, va, major, minor),
        })
    }

    /// `IRP_MJ_POWER/IRP_MN_SET_POWER`
    pub fn function(&self) -> String {
        let major = major_name(self.major).map_or_else(|| format!("major {:#x}", self.major), str::to_owned);
        match minor_name(self.major, self.minor) {
            Some(minor) => format!("{major}/{minor}"),
            None if self.minor == 0 => major,
            None => format!("{major}/{:#x}", self.minor),
        }
    }

    /// The image of the driver that was asked.
    pub fn image(&self) -> Option<&Location> {
        self.driver.as_ref()?.start.as_ref()
    }
}

impl PowerState {
    /// `Parameters.Power`: `Type` and `State`, each in a word.
    fn read(view: &impl View, location: u64, major: u8, minor: u8) -> Option<Self> {
        (major == POWER && matches!(minor, SET_POWER | QUERY_POWER)).then_some(())?;
        let kind = view.u16(location, view.at(0x08, 0x10))?;
        // 1 is working in either, 0 is none
        let state = view.u8(location, view.at(0x0C, 0x18))?.checked_sub(1)?;
        match kind {
            0 if state <= 5 => Some(Self::System(state)),
            1 if state <= 3 => Some(Self::Device(state)),
            _ => None,
        }
    }
}

/// `S4`, `D3`
impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(state) => write!(f, "S{state}"),
            Self::Device(state) => write!(f, "D{state}"),
        }
    }
}

/// `IRP_MJ_POWER/IRP_MN_SET_POWER at device of disk.sys (D3)`
impl fmt::Display for IrpLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function())?;
        match (&self.driver, self.device) {
            (Some(driver), _) => write!(f, " at device of {driver}")?,
            (None, Some(device)) => write!(f, " at device {device:#x}")?,
            (None, None) => {}
        }
        self.power.map_or(Ok(()), |state| write!(f, " ({state})"))
    }
}

impl fmt::Display for Irp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.current {
            Some(current) => current.fmt(f),
            None => {
                write!(f, "request at no driver (location {} of {})", self.current_location, self.stack_count)
            }
        }
    }
}
