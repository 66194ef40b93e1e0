//! What is known of a crash before anybody is blamed: plain data, as `crashes.facts` stores it and `bluescope blame` reads it.
//! Holds no opinion and reads no dump. `docs/FACTS.md` is its description for people: fields are added, never renamed.

mod loose;
mod number;
mod read;
mod tidy;

pub use number::Number;
pub use read::FactsError;
pub(crate) use tidy::is_cut;

use std::borrow::Cow;

pub use dump::Access;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Version of this shape. A newer one may have fields that an older engine does not look at.
pub const FACTS_VERSION: u32 = 1;

/// What kind of crash it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The machine stopped.
    #[default]
    Kernel,
    /// A live kernel dump: the machine kept running.
    Live,
    /// A process ended.
    User,
}

/// Everything the rules look at. Unknown fields are passed over, so that what a debugger printed can be fed in whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Facts<'a> {
    /// Version of this shape that the writer knew. Without one the spelling is a debugger's.
    #[serde(deserialize_with = "loose::value")]
    pub facts_version: u32,
    /// Kind of crash.
    pub kind: Kind,
    /// The bug check as the header has it: `0x1000007e`. 0 for a process.
    #[serde(deserialize_with = "read::number")]
    #[schemars(with = "Option<Number>")]
    pub bugcheck_code: Number,
    /// Its parameters; unknown ones are 0.
    #[serde(deserialize_with = "read::args")]
    #[schemars(with = "Option<Vec<Option<Number>>>")]
    pub args: [Number; 4],
    /// `x64`, `x86`, `arm64`; empty where unknown.
    #[serde(deserialize_with = "loose::value")]
    #[schemars(with = "Option<String>")]
    pub arch: Cow<'a, str>,
    /// Build of Windows: 19045. 0 where unknown.
    #[serde(deserialize_with = "loose::value")]
    #[schemars(with = "Option<u32>")]
    pub os_build: u32,
    /// The debugger's text for it, read where there is no build: `10.0.22621.2506`, `9600.18146.amd64fre...`.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub os: Option<Cow<'a, str>>,
    /// Image of the current process.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub process_name: Option<Cow<'a, str>>,
    /// Image of the process that ended, where the bug check names it. Who ran at the time may have ended it.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub dead_process: Option<Cow<'a, str>>,
    /// `GenuineIntel`.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub processor_vendor: Option<Cow<'a, str>>,
    /// The instruction that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault<'a>>,
    /// The same as a debugger prints it, read where there is no `fault`: `win32k!ReadLayoutFile+183`.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub faulting_ip: Option<Cow<'a, str>>,
    /// The exception behind the bug check, or the process's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exception: Option<Exception>,
    /// Who called, where the processor ran off to an address that holds no code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<Place<'a>>,
    /// What parameters lead to.
    #[serde(deserialize_with = "read::list", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<Lead<'_>>>")]
    pub leads: Vec<Lead<'a>>,
    /// The stack, innermost first. Frames of the bug check's own reporting may be on top of it.
    #[serde(deserialize_with = "read::list")]
    #[schemars(with = "Option<Vec<Frame<'_>>>")]
    pub stack: Vec<Frame<'a>>,
    /// Images that the facts name, where more is known of them.
    #[serde(deserialize_with = "read::list", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Option<Vec<Module<'_>>>")]
    pub modules: Vec<Module<'a>>,
    /// The hardware's error record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware: Option<HardwareError<'a>>,
    /// Driver Verifier was on.
    #[serde(deserialize_with = "loose::value", skip_serializing_if = "std::ops::Not::not")]
    pub verifier: bool,
}

/// A place in code.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Place<'a> {
    /// Image (`csagent.sys`), or the debugger's name for it (`csagent`, `nt`). Empty where the address is in none.
    #[serde(deserialize_with = "loose::value")]
    #[schemars(with = "Option<String>")]
    pub module: Cow<'a, str>,
    /// Offset in the image; in the function, where there is one and no `function_offset` and no `facts_version`, as
    /// debuggers print it; the address itself where it is in no image.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub offset: Option<Number>,
    /// Function, where symbols tell.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub function: Option<Cow<'a, str>>,
    /// Offset in the function.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub function_offset: Option<Number>,
    /// The image is no longer there.
    #[serde(deserialize_with = "loose::value", skip_serializing_if = "std::ops::Not::not")]
    pub unloaded: bool,
}

/// How a frame was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// By a debugger or by unwind information, and so was everything above it.
    #[default]
    Unwound,
    /// By a chain of frame pointers, which skips functions that keep none; or below a guess.
    Chained,
    /// A word that points into code: one in four or five is a return address.
    Scanned,
}

/// A frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Frame<'a> {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place<'a>,
    /// How it was found.
    #[serde(deserialize_with = "loose::value")]
    pub trust: Trust,
}

/// Where the context of the fault was read, best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The header's context of a bug check where it already is the fault.
    Header,
    /// A `CONTEXT` that a parameter points at.
    ContextRecord,
    /// A trap frame that a parameter points at.
    TrapFrame,
    /// What the processor pushed when it trapped, found on the stack.
    MachineFrame,
    /// The frame below the trap on an unwound stack, or what a debugger calls the faulting instruction.
    #[default]
    Debugger,
    /// The first interrupt on the stack: what ran when a watchdog fired. A sample, not a fault.
    Interrupted,
    /// The instruction is named by a parameter, its stack is not known.
    Parameter,
}

/// The instruction that failed. The caller of the bug check is none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Fault<'a> {
    /// Its address.
    #[serde(deserialize_with = "loose::value")]
    pub address: Number,
    /// Where that is.
    #[serde(flatten)]
    pub place: Place<'a>,
    /// Where it was read.
    #[serde(deserialize_with = "loose::value")]
    pub origin: Origin,
    /// The parameter (1 to 4) that led there; 0 for none.
    #[serde(deserialize_with = "loose::value", skip_serializing_if = "is_zero")]
    pub parameter: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(value: &u8) -> bool {
    *value == 0
}

/// An exception.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Exception {
    /// NTSTATUS; 0 where the bug check is a fault of its own.
    #[serde(deserialize_with = "loose::value")]
    pub code: Number,
    /// What was done to memory.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "access_words")]
    pub access: Option<Access>,
    /// Which address.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub accessed: Option<Number>,
    /// First word of its information: a fast-fail code, for one.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub detail: Option<Number>,
}

/// How [`Access`] is spelt.
fn access_words(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["read", "write", "execute", null] })
}

/// What a parameter leads to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Led {
    /// The value itself lies in an image.
    #[default]
    Address,
    /// An I/O request; the image is that of the driver that holds it.
    Irp,
    /// A device; the image is that of the driver that made it.
    Device,
    /// A driver object.
    Driver,
    /// The name of a driver, spelt out.
    Name,
}

/// A parameter that leads to an image.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Lead<'a> {
    /// 1 to 4.
    #[serde(deserialize_with = "loose::value")]
    pub parameter: u8,
    /// By what.
    pub by: Led,
    /// Where to.
    #[serde(flatten)]
    pub place: Place<'a>,
}

/// An image that the facts name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Module<'a> {
    /// Its name as places have it.
    #[serde(deserialize_with = "loose::value")]
    #[schemars(with = "Option<String>")]
    pub name: Cow<'a, str>,
    /// PE timestamp.
    #[serde(deserialize_with = "loose::value")]
    pub timestamp: u32,
    /// PE size.
    #[serde(deserialize_with = "loose::value")]
    pub size: u32,
}

/// The hardware's error record.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HardwareError<'a> {
    /// In words.
    #[serde(deserialize_with = "loose::value")]
    pub summary: Cow<'a, str>,
    /// What its sections are about: `machine check`, `memory`, `PCI Express`.
    #[serde(deserialize_with = "read::list")]
    #[schemars(with = "Option<Vec<String>>")]
    pub sections: Vec<Cow<'a, str>>,
    /// `MCi_STATUS` of the first machine check.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub status: Option<Number>,
    /// The error bank it was in.
    #[serde(deserialize_with = "loose::option", skip_serializing_if = "Option::is_none")]
    pub bank: Option<u32>,
}

impl Facts<'_> {
    /// The bug check without the flag of small dumps: `0x1000007e` is 0x7E. Codes that are statuses (`0xc0000142`) or marks
    /// (`0xdeaddead`) use the flag's digits themselves, and without them would be another bug check.
    pub fn code(&self) -> u32 {
        dump::without_flag(self.raw_code())
    }

    /// The bug check as the header has it.
    pub fn raw_code(&self) -> u32 {
        u32::try_from(self.bugcheck_code.0 & 0xFFFF_FFFF).unwrap_or(0)
    }

    /// The parameters as plain numbers.
    pub fn parameters(&self) -> [u64; 4] {
        self.args.map(|arg| arg.0)
    }
}
