//! Windows kernel crash dumps: bytes to facts. Owns the formats, the identity of a crash, and (feature `synth`) a
//! writer of synthetic dumps.
//!
//! Never does I/O, never panics, and takes time and memory proportional to its input, whatever the bytes. A damaged
//! part never hides a good one: what could not be read is in [`KernelDump::problems`], everything else is there.
#![cfg_attr(all(doctest, feature = "synth"), doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

mod blobs;
mod boot;
mod budget;
mod bytes;
mod context;
mod drivers;
mod exception;
mod fuzz;
mod guid;
mod header;
mod identity;
mod kernel_dump;
mod layout;
mod memory;
mod problem;
mod process;
mod processor;
mod ranges;
mod smbios;
#[cfg(feature = "synth")]
pub mod synth;
mod table;
mod text;
mod time;
mod triage;
mod unloaded;
mod user;

pub use blobs::Blob;
pub use context::Context64;
pub use drivers::Driver;
pub use exception::ExceptionRecord64;
pub use fuzz::fuzz_one;
pub use guid::Guid;
pub use header::{DumpType, Header, Machine, Product, Writer};
pub use identity::{
    CrashId, DumpFormat, FirstBytes, HEAD_LEN, IdentifyError, Identity, ParseCrashIdError, identify,
};
pub use kernel_dump::{KernelDump, ParseError};
pub use problem::{Damage, Part, Problem};
pub use processor::Processor;
pub use smbios::Smbios;
pub use time::{FileTime, Ticks100ns};
pub use unloaded::UnloadedDriver;
