//! The result of `analyze`: plain data, serialised as the report that `explain --json` prints and the crash page shows.
//! Field names are a published contract: add, never rename.

mod kernel;
mod secondary;

use std::borrow::Cow;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use symbols::Want;

pub use self::kernel::{
    CpuDetails, ExceptionRecordDetails, HeaderDetails, KernelDetails, ProcessDetails, ProcessorState,
    RecordDetails, ThreadDetails,
};
pub use self::secondary::{
    AcpiDetails, BootDetails, ComponentDetails, DisplayDetails, KmdfDriver, KmdfLog, NtfsDetails,
    NvidiaDetails, PnpDetails, RecorderDetails, SecondaryDetails, StorageDetails,
};

/// Everything learnt from one dump, and everything that was wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Analysis {
    /// Version of this shape and of the rules.
    pub analyzer_version: u32,
    /// Identity of the crash.
    pub crash_id: String,
    /// `kernel`, `live` or `user`.
    pub kind: String,
    /// `kernel small dump (written by the kernel)`, `user minidump`, ...
    pub dump_type: String,
    /// Inflated size in bytes.
    pub dump_bytes: u64,
    /// Crash time, RFC 3339 UTC with 100 ns digits as far as they are known.
    pub crash_time: Option<String>,
    /// The same in ms since 1970.
    pub crash_time_ms: Option<i64>,
    /// Seconds since boot (kernel) or process start (user).
    pub uptime_s: Option<f64>,
    /// What stopped the machine (kernel).
    pub bugcheck: Option<BugCheckReport>,
    /// What stopped the process (user), or the exception behind the bug check where one is known.
    pub exception: Option<ExceptionReport>,
    /// The instruction that failed, as far as it is known: `csagent+e14ed`, or its address where it lies in no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub faulting_ip: Option<String>,
    /// The machine code around that instruction, where the dump holds it: large dumps do, small ones seldom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<CodeReport>,
    /// Who is blamed and why.
    pub verdict: Verdict,
    /// Frames of the faulting thread, innermost first.
    pub stack: Vec<Frame>,
    /// Registers at the fault, in the order people print them.
    pub registers: Vec<(String, String)>,
    /// The machine.
    pub machine: MachineReport,
    /// Name of the current process.
    pub process: Option<String>,
    /// Loaded drivers (kernel) or modules (user), in load order.
    pub modules: Vec<ModuleReport>,
    /// Unloaded drivers or modules, newest first.
    pub unloaded: Vec<UnloadedReport>,
    /// What was damaged or missing, in words; empty for a sound dump.
    pub problems: Vec<String>,
    /// What a kernel dump says beyond the crash; only where the limits ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<Box<KernelDetails>>,
    /// The symbol files of the modules on the stack; only of an analysis with symbols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<SymbolReport>,
    /// What the rules judged, as JSON: stored, so that later rules can judge it again.
    #[serde(skip)]
    pub facts: String,
    /// Symbol files that this analysis would have used and was not given: fetch them, and analyse again.
    #[serde(skip)]
    pub wants: Vec<Want>,
}

impl Analysis {
    /// What a report is written as, as JSON Schema.
    pub fn schema() -> serde_json::Value {
        blame::schema_document::<Self>(SchemaSettings::draft2020_12().for_serialize())
    }
}

/// A bug check, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BugCheckReport {
    /// Masked to its documented value.
    pub code: u32,
    /// As the header has it (0x1000007e).
    pub raw_code: u32,
    /// `SYSTEM_THREAD_EXCEPTION_NOT_HANDLED`; `UNKNOWN` where the table has none.
    pub name: String,
    /// Its four parameters.
    pub parameters: Vec<ParameterReport>,
}

/// One parameter, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParameterReport {
    /// Value, `0x...`.
    pub value: String,
    /// What it means in this bug check.
    pub meaning: String,
    /// What the value was resolved to: `csagent.sys+0xe14ed`, `STATUS_ACCESS_VIOLATION`; empty where nothing.
    pub resolved: String,
}

/// An exception.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionReport {
    /// NTSTATUS.
    pub code: u32,
    /// `STATUS_ACCESS_VIOLATION`; empty where unknown.
    pub name: String,
    /// Faulting instruction, `0x...`.
    pub address: String,
    /// `read`, `write`, `execute` for access violations.
    pub access: Option<String>,
    /// The address that was accessed, `0x...`.
    pub accessed: Option<String>,
}

/// Machine code around the instruction that failed: a run of memory without a hole, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CodeReport {
    /// Of the first byte, `0x...`. It need not be the beginning of an instruction.
    pub address: String,
    /// Of the instruction that failed, `0x...`: it begins within the run.
    pub fault: String,
    /// The bytes, two hexadecimal digits each.
    pub bytes: String,
}

/// The verdict of the blame rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// `driver`, `module`, `hardware`, `memory`, `process`, `manual`, `unknown`.
    pub culprit: String,
    /// Image name as the dump has it (`csagent.sys`), or the process; empty where neither is to blame.
    pub name: String,
    /// The module as symbols are written: `csagent`, `nt`; the debugger's pseudo module where no image is to blame.
    #[serde(default)]
    pub module: String,
    /// `module!function+offset`, as far as it is known.
    #[serde(default)]
    pub symbol: String,
    /// PE timestamp of the blamed image.
    pub timestamp: Option<u32>,
    /// PE size of the blamed image.
    pub size: Option<u32>,
    /// Offset of the fault inside the blamed image.
    pub offset: Option<u64>,
    /// `high`, `medium`, `low`, `none`.
    pub confidence: String,
    /// Name of the deciding rule.
    pub rule: String,
    /// Why, in sentences an SRE can read.
    pub evidence: Vec<String>,
    /// `FAILURE_BUCKET_ID` in WinDbg's grammar.
    pub bucket: String,
    /// `FAILURE_ID_HASH`, `{...}`.
    pub bucket_hash: String,
    /// The bucket of the same verdict without any symbol, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrefined_bucket: Option<String>,
    /// Whom other rules would have named, strongest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runners_up: Vec<blame::RunnerUp>,
    /// What the crash says of the machine itself: `machine check`, `memory`, `single bit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware_sign: Option<String>,
    /// Version of the rules.
    #[serde(default)]
    pub rules_version: u32,
}

/// Facts as rows keep them.
pub(crate) fn stored(facts: &blame::Facts<'_>) -> String {
    // Plain data without maps of odd keys: serialising it cannot fail.
    serde_json::to_string(facts).unwrap_or_default()
}

/// The instruction that failed, as the debugger writes it.
pub(crate) fn faulting_ip(facts: &blame::Facts<'_>) -> Option<String> {
    let fault = facts.fault.as_ref()?;
    let nowhere = fault.place.module.is_empty();
    Some(if nowhere { format!("{:x}", fault.address.0) } else { blame::symbol_name(&fault.place) })
}

impl From<blame::Verdict> for Verdict {
    fn from(verdict: blame::Verdict) -> Self {
        let name = match verdict.culprit {
            blame::Culprit::Driver | blame::Culprit::Module => verdict.image_name,
            blame::Culprit::Process => verdict.process_name.unwrap_or_default(),
            blame::Culprit::Hardware
            | blame::Culprit::Memory
            | blame::Culprit::Manual
            | blame::Culprit::Unknown => String::new(),
        };
        Self {
            culprit: verdict.culprit.as_str().to_owned(),
            name,
            module: verdict.module_name,
            symbol: verdict.symbol_name,
            timestamp: verdict.image_timestamp,
            size: verdict.image_size,
            offset: verdict.offset,
            confidence: verdict.confidence.as_str().to_owned(),
            rule: verdict.rule.as_str().to_owned(),
            evidence: verdict.evidence,
            bucket: verdict.failure_bucket_id,
            bucket_hash: verdict.failure_id_hash,
            unrefined_bucket: verdict.unrefined_bucket_id,
            runners_up: verdict.runners_up,
            hardware_sign: verdict.hardware_sign.map(|sign| sign.as_str().to_owned()),
            rules_version: verdict.rules_version,
        }
    }
}

/// One frame.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// Instruction or return address, `0x...`.
    pub address: String,
    /// Module, empty where none owns the address.
    pub module: String,
    /// Offset inside it.
    pub offset: u64,
    /// How the frame was found: `context`, `unwind-info`, `frame-pointer`, `scan`.
    pub trust: String,
    /// Stack pointer in this frame (Child-SP), `0x...`, where the stack was walked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sp: Option<String>,
    /// What lies in the home of the first four arguments, `0x...`: compiled code need not have put them there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Function, demangled, without arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Offset of `address` inside the function; none for an inlined one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_offset: Option<u32>,
    /// Source file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Source line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether the compiler put this function into that of the next frame: both have the same address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inlined: bool,
}

/// What became of the symbol files of a module on the stack: `found`, `in the dump`, `not found`, `unreachable` (a server
/// did not answer), `damaged`, `not asked`, `not needed` (its names have all there is to know), or `unknown` where nothing tells which file it would be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SymbolReport {
    /// Base name as in the dump.
    pub module: String,
    /// Of its image.
    pub image: String,
    /// The image as `name/key`.
    pub image_id: Option<String>,
    /// Of its PDB or `.sym` file.
    pub names: String,
    /// The PDB as `name/key`.
    pub names_id: Option<String>,
}

/// The machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MachineReport {
    /// `Windows 10`, `Windows 11`, `Windows 7`, ...
    pub os: String,
    /// Build.
    pub build: u32,
    /// Update build revision.
    pub ubr: Option<u32>,
    /// `x64`, `arm64`, `x86`.
    pub arch: String,
    /// Logical processors.
    pub processors: u32,
    /// Processor name.
    pub cpu: Option<String>,
    /// SMBIOS system manufacturer.
    pub vendor: Option<String>,
    /// SMBIOS product name.
    pub model: Option<String>,
    /// SMBIOS BIOS version.
    pub bios: Option<String>,
    /// `workstation`, `server`, `domain controller`.
    pub product: Option<String>,
    /// Boot counter.
    pub boot_id: Option<u32>,
}

/// A loaded driver or module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModuleReport {
    /// Base name as in the dump.
    pub name: String,
    /// First address, `0x...`.
    pub base: String,
    /// Size of the image.
    pub size: u32,
    /// PE timestamp.
    pub timestamp: u32,
    /// `1.2.3.4` (user-mode only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Vendor from the driver table; empty where unknown.
    pub vendor: Cow<'static, str>,
    /// Ships with Windows, by the driver table.
    pub inbox: bool,
    /// Where it was loaded from, where the dump tells, of those that do not ship with Windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// An unloaded driver or module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnloadedReport {
    /// Name, truncated to 12 units by Windows.
    pub name: String,
    /// First address, `0x...`.
    pub start: String,
    /// End address, `0x...`.
    pub end: String,
    /// When, RFC 3339, where the dump tells: large ones do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}
