//! Windows kernel crash dumps: bytes to facts. Owns the formats, the identity of a crash, and (feature `synth`) a
//! writer of synthetic dumps.
//!
//! Never does I/O, never panics, and takes time and memory proportional to its input, whatever the bytes. A damaged
//! part never hides a good one: what could not be read is in [`KernelDump::problems`], everything else is there.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use bluescope_dump::KernelDump;
//!
//! let bytes = std::fs::read(r"C:\Windows\Minidump\071924-9640-01.dmp")?;
//! let dump = KernelDump::parse(&bytes)?;
//! println!("bug check {:x} in {:?}, {} drivers", dump.header().bugcheck, dump.process_name(), dump.drivers().len());
//! for parameter in dump.parameters() {
//!     let leads_to = parameter.resolved.map(|found| found.to_string()).unwrap_or_default();
//!     println!("{:16x} {leads_to} ({})", parameter.value, parameter.meaning);
//! }
//! dump.problems().iter().for_each(|problem| println!("damaged: {problem}"));
//! # Ok(())
//! # }
//! ```
//!
//! A dump that is too large for memory is read by ranges: [`KernelDump::open`]. Every dump of one crash has the same id:
//! [`identify`]. What to send where bytes are dear: [`slim`]. What is read of which dumps, and which test shows it, is in
//! the README.
#![cfg_attr(all(doctest, feature = "synth"), doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

mod blobs;
mod block_map;
mod boot;
mod budget;
mod bugcheck;
mod bytes;
mod debugger_data;
mod drivers;
mod exception;
pub mod fuzz;
mod guid;
mod header;
mod identity;
mod kernel_dump;
mod large;
mod layout;
mod memory;
mod memory_manager;
mod objects;
mod paging;
mod parameters;
mod physical;
mod prcb;
mod problem;
mod process;
mod processor;
mod ranges;
mod registers;
mod slim;
mod smbios;
mod source;
mod status;
mod structure;
#[cfg(feature = "synth")]
pub mod synth;
mod table;
mod text;
mod thread;
mod time;
mod triage;
mod unloaded;
mod user;

pub use blobs::{
    AcpiTable, Blob, Cpuid, CpuidLeaf, DisplayReport, DisplaySection, Hypervisor, HypervisorVersion,
    ModelSpecificRegister, NtfsNotes, NvidiaReport, PciFunction, PnpEvent, RecorderLog, SlowRequest,
    StorageLog, StoragePort, StorageRequest, TriageBlock, TriageComponent, WdfDriver, WdfLog, WdfMessage,
    WdfVersion, Winlogon,
};
pub use boot::{BootActivity, BootStatus, BootStatusError};
pub use bugcheck::{BugCheck, Param, Role, Strategy, bugcheck, bugchecks, without_flag};
pub use debugger_data::{DebuggerData, KernelAddresses, StructureOffsets};
pub use drivers::Driver;
pub use exception::ExceptionRecord64;
pub use guid::{Guid, ParseGuidError};
pub use header::{DumpType, Header, Machine, Product, Writer};
pub use identity::{
    CrashId, DumpFormat, FirstBytes, HEAD_LEN, IdentifyError, Identity, ParseCrashIdError, identify,
};
pub use kernel_dump::{KernelDump, OpenError, ParseError};
pub use memory::DataBlock;
pub use memory_manager::MemoryManager;
pub use objects::{
    DeviceObject, DriverObject, Irp, IrpLocation, Location, MachineCheck, PendingDevice, PendingIrp,
    PnpTriage, PowerState, PowerTriage, WheaRecord, WheaSection, WheaSeverity,
};
pub use parameters::{Access, Parameter, ProcessObject, Resolved, ThreadObject};
pub use prcb::{CpuModel, Prcb, SpecialRegisters};
pub use problem::{Damage, Part, Problem};
pub use process::Process;
pub use processor::{Processor, ProcessorValue, RegistryData};
pub use registers::{
    Arm64DebugRegisters, Arm64Registers, DebugRegisters, RegisterSource, Registers, X64Registers,
    X86Registers,
};
pub use slim::{SlimError, slim};
pub use smbios::{Chassis, MemoryKind, Smbios, SmbiosIdentity, SmbiosMemory, SmbiosProcessor};
pub use source::Source;
pub use status::status_name;
pub use thread::{Thread, ThreadState};
pub use time::{FileTime, Ticks100ns};
pub use unloaded::UnloadedDriver;
