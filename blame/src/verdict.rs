//! What the engine says: plain data, as `bluescope blame` writes it and reports carry it. Holds no rule.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far a verdict may be trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// Nothing in the dump points at anybody, or the bug check is of a kind where whoever is on the stack is a victim.
    #[default]
    None,
    /// A hint: the name comes from words found on the stack, from a framework that runs other people's code, or it is
    /// the code that tripped over damage that somebody else may have done. Look at several dumps before acting.
    Low,
    /// The dump names it, but indirectly: an object that it owns, the caller of an address that holds no code, or the
    /// first driver down a stack that was unwound without a guess.
    Medium,
    /// The failing instruction itself lies in it, or the bug check's own documentation says that the parameter names
    /// the culprit.
    High,
}

impl Confidence {
    /// As reports and rows have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The deciding rule. Names are a published contract: rows, alerts and `blame.toml` carry them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Somebody asked for the crash.
    Manual,
    /// The hardware reported an error.
    Hardware,
    /// Memory holds what nobody wrote there.
    Memory,
    /// A process that Windows cannot do without ended.
    Process,
    /// The address belongs to a driver that was unloaded.
    UnloadedDriver,
    /// The driver that has an I/O request and did not complete it.
    IrpHolder,
    /// A parameter spells the driver's name.
    DriverName,
    /// The failing instruction is in the driver.
    FaultingInstruction,
    /// The driver that called an address which holds no code.
    BadJumpCaller,
    /// A parameter points into the driver.
    ParameterPointer,
    /// A parameter is an object of the driver.
    ParameterObject,
    /// The driver called for the crash itself.
    BugCheckCaller,
    /// The driver that is most often on a stack that ran over.
    Recursion,
    /// The first driver down an unwound stack.
    StackWalk,
    /// The first driver among the words of a stack.
    StackScan,
    /// A framework is at the fault, and nobody else in sight.
    FrameworkAtFault,
    /// A framework is on the stack, and nobody else in sight.
    FrameworkOnStack,
    /// Nothing but the kernel is in sight.
    Kernel,
    /// Nobody can be named.
    #[default]
    Nobody,
    /// User mode: the module of the exception address.
    FaultingModule,
    /// User mode: the first module below the runtimes.
    ModuleOnStack,
}

impl Rule {
    /// As reports and rows have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Hardware => "hardware",
            Self::Memory => "memory",
            Self::Process => "process",
            Self::UnloadedDriver => "unloaded-driver",
            Self::IrpHolder => "irp-holder",
            Self::DriverName => "driver-name",
            Self::FaultingInstruction => "faulting-instruction",
            Self::BadJumpCaller => "bad-jump-caller",
            Self::ParameterPointer => "parameter-pointer",
            Self::ParameterObject => "parameter-object",
            Self::BugCheckCaller => "bug-check-caller",
            Self::Recursion => "recursion",
            Self::StackWalk => "stack-walk",
            Self::StackScan => "stack-scan",
            Self::FrameworkAtFault => "framework-at-fault",
            Self::FrameworkOnStack => "framework-on-stack",
            Self::Kernel => "kernel",
            Self::Nobody => "nobody",
            Self::FaultingModule => "faulting-module",
            Self::ModuleOnStack => "module-on-stack",
        }
    }
}

/// Who is blamed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Culprit {
    /// A driver, the kernel included.
    Driver,
    /// A module of a process.
    Module,
    /// The machine.
    Hardware,
    /// The machine's memory, most likely: what was damaged has no owner in the dump.
    Memory,
    /// A process.
    Process,
    /// Somebody who wanted it.
    Manual,
    /// Cannot be known from this dump.
    #[default]
    Unknown,
}

impl Culprit {
    /// As reports and rows have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Driver => "driver",
            Self::Module => "module",
            Self::Hardware => "hardware",
            Self::Memory => "memory",
            Self::Process => "process",
            Self::Manual => "manual",
            Self::Unknown => "unknown",
        }
    }
}

/// What a crash says of the machine itself, whoever is blamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HardwareSign {
    /// The processor or the firmware reported an error.
    #[serde(rename = "machine check")]
    MachineCheck,
    /// The memory manager found its own tables changed.
    #[serde(rename = "memory")]
    Memory,
    /// What was found differs in one bit from what belongs there.
    #[serde(rename = "single bit")]
    SingleBit,
}

impl HardwareSign {
    /// As rows have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MachineCheck => "machine check",
            Self::Memory => "memory",
            Self::SingleBit => "single bit",
        }
    }
}

/// The verdict, under the names that the debugger uses where it has one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Version of the rules.
    pub rules_version: u32,
    /// Who.
    pub culprit: Culprit,
    /// Image of the culprit: `csagent.sys`. Where no image is to blame the debugger's pseudo image, which `culprit` tells
    /// from drivers: `Unknown_Image`, `memory_corruption`, `GenuineIntel.sys`.
    pub image_name: String,
    /// The same as symbols are written: `csagent`, `nt`.
    pub module_name: String,
    /// The process that is to blame, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_name: Option<String>,
    /// `module!function+offset`, as far as it is known.
    pub symbol_name: String,
    /// PE timestamp of the image.
    pub image_timestamp: Option<u32>,
    /// PE size of the image.
    pub image_size: Option<u32>,
    /// Offset of the fault or of the return address in the image.
    pub offset: Option<u64>,
    /// How sure.
    pub confidence: Confidence,
    /// The rule that decided.
    pub rule: Rule,
    /// Sentences, the deciding one first.
    pub evidence: Vec<String>,
    /// Whom other rules would have named, strongest first.
    pub runners_up: Vec<RunnerUp>,
    /// What the crash says of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hardware_sign: Option<HardwareSign>,
    /// Bucket id in WinDbg's grammar.
    pub failure_bucket_id: String,
    /// Its hash, `{...}`.
    pub failure_id_hash: String,
    /// The bucket that this crash has without any symbol, where it differs: trends that began before symbols arrived go
    /// on under it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrefined_bucket_id: Option<String>,
}

/// Whom another rule would have named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunnerUp {
    /// Image.
    pub image_name: String,
    /// The rule.
    pub rule: Rule,
    /// Why.
    pub why: String,
}
