//! What a parameter leads to, and how that is written for a person. Never looks anything up.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::exception::ExceptionRecord64;
use crate::objects::{DeviceObject, DriverObject, Irp, Location, PnpTriage, PowerTriage, WheaRecord};
use crate::process::Process;
use crate::registers::Registers;
use crate::status::status_name;
use crate::thread::Thread;

/// What a parameter leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolved {
    /// An address in a driver.
    Location(Location),
    /// An exception record.
    Exception {
        /// The record.
        record: ExceptionRecord64,
        /// Whose the instruction is that raised it.
        at: Option<Location>,
    },
    /// A `CONTEXT`.
    Context {
        /// Its registers.
        registers: Box<Registers>,
        /// Whose the instruction is that they stand at.
        at: Option<Location>,
    },
    /// A `KTRAP_FRAME`.
    TrapFrame {
        /// Its registers.
        registers: Box<Registers>,
        /// Whose the instruction is that was interrupted.
        at: Option<Location>,
    },
    /// An I/O request.
    Irp(Irp),
    /// A device.
    Device(DeviceObject),
    /// A driver.
    Driver(DriverObject),
    /// Power requests that were under way.
    PowerTriage(PowerTriage),
    /// Devices that Plug and Play waited for.
    PnpTriage(PnpTriage),
    /// The hardware's error.
    Whea(WheaRecord),
    /// A process.
    Process(ProcessObject),
    /// A thread.
    Thread(ThreadObject),
    /// A driver's name, as it stands there: `\Driver\disk`, `disk.sys`, or its first characters.
    DriverName(String),
    /// Other text.
    Text(String),
    /// The tag of whoever allocated.
    PoolTag(String),
    /// An NTSTATUS or exception code.
    Status(u32),
    /// What was done to memory.
    Access(Access),
    /// An IRQL.
    Irql(u8),
}

/// What was done to memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// It was read.
    Read,
    /// It was written.
    Write,
    /// It was run as code.
    Execute,
}

/// A process object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessObject {
    /// Its address.
    pub address: u64,
    /// What it says.
    pub process: Process,
}

/// A thread object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadObject {
    /// Its address.
    pub address: u64,
    /// What it says.
    pub thread: Thread,
    /// The process in whose memory it ran, if the dump has that.
    pub process: Option<ProcessObject>,
}

impl Access {
    /// As reports say it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
        }
    }

    /// The bits differ by bug check: 1 or 2 is a write, 8 or 0x10 an execution. `None` for what is none of these.
    pub fn from_raw(value: u64) -> Option<Self> {
        match value {
            0 => Some(Self::Read),
            _ if value & !0x1F != 0 => None,
            _ if value & 0x18 != 0 => Some(Self::Execute),
            _ if value & 3 != 0 => Some(Self::Write),
            _ => None,
        }
    }
}

impl Resolved {
    /// The image of the driver behind an object: of an IRP that which has it, of a device that which made it, of a
    /// driver object its own.
    pub fn image(&self) -> Option<&Location> {
        match self {
            Self::Irp(irp) => irp.current.as_ref()?.image(),
            Self::Device(device) => device.image(),
            Self::Driver(driver) => driver.start.as_ref(),
            _ => None,
        }
    }

    /// Registers that it holds, with the owner of the instruction they stand at.
    pub fn registers(&self) -> Option<(&Registers, Option<&Location>)> {
        match self {
            Self::Context { registers, at } | Self::TrapFrame { registers, at } => {
                Some((registers, at.as_ref()))
            }
            _ => None,
        }
    }
}

/// `STATUS_ACCESS_VIOLATION`, else the number.
struct Code(u32);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match status_name(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

/// ` at ks.sys+0x1ae9`, else the bare address.
fn instruction(
    f: &mut fmt::Formatter<'_>,
    register: &str,
    address: u64,
    at: Option<&Location>,
) -> fmt::Result {
    match at {
        Some(at) => write!(f, "{register}{at}"),
        None => write!(f, "{register}{address:#x}"),
    }
}

fn program_counter(registers: &Registers) -> &'static str {
    match registers {
        Registers::X64(_) => "rip = ",
        Registers::Arm64(_) => "pc = ",
        Registers::X86(_) => "eip = ",
    }
}

/// One line for a person: `ks.sys+0x1ae9`, `IRP_MJ_POWER/IRP_MN_SET_POWER at device of disk.sys`,
/// `CONTEXT: rip = nvlddmkm.sys+0x33e3a8`.
impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Location(location) => location.fmt(f),
            Self::Exception { record, at } => {
                write!(f, "{}", Code(record.code))?;
                instruction(f, " at ", record.address, at.as_ref())
            }
            Self::Context { registers, at } => {
                f.write_str("CONTEXT: ")?;
                instruction(f, program_counter(registers), registers.pc(), at.as_ref())
            }
            Self::TrapFrame { registers, at } => {
                f.write_str("trap frame: ")?;
                instruction(f, program_counter(registers), registers.pc(), at.as_ref())
            }
            Self::Irp(irp) => irp.fmt(f),
            Self::Device(device) => device.fmt(f),
            Self::Driver(driver) => driver.fmt(f),
            Self::PowerTriage(triage) => triage.fmt(f),
            Self::PnpTriage(triage) => triage.fmt(f),
            Self::Whea(record) => record.fmt(f),
            Self::Process(process) => process.fmt(f),
            Self::Thread(thread) => thread.fmt(f),
            Self::DriverName(text) | Self::Text(text) => f.write_str(text),
            Self::PoolTag(tag) => write!(f, "tag '{tag}'"),
            Self::Status(code) => Code(*code).fmt(f),
            Self::Access(access) => f.write_str(access.as_str()),
            Self::Irql(0) => f.write_str("PASSIVE_LEVEL"),
            Self::Irql(1) => f.write_str("APC_LEVEL"),
            Self::Irql(2) => f.write_str("DISPATCH_LEVEL"),
            // what the fault handler passes for code that had switched interrupts off
            Self::Irql(0xFF) => f.write_str("interrupts off"),
            Self::Irql(other) => write!(f, "IRQL {other}"),
        }
    }
}

/// `svchost.exe (1234)`
impl fmt::Display for ProcessObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.process.name {
            Some(name) => f.write_str(name)?,
            None => write!(f, "process {:#x}", self.address)?,
        }
        self.process.id.map_or(Ok(()), |id| write!(f, " ({id})"))
    }
}

/// `thread 5678 of svchost.exe (1234)`
impl fmt::Display for ThreadObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.thread.id {
            Some(id) => write!(f, "thread {id}")?,
            None => write!(f, "thread {:#x}", self.address)?,
        }
        match (&self.process, self.thread.process_id) {
            (Some(process), _) => write!(f, " of {process}"),
            (None, Some(id)) => write!(f, " of process {id}"),
            (None, None) => Ok(()),
        }
    }
}
