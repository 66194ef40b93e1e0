//! Facts in, verdict out: the rules that say who is to blame, in the order of the strength of their evidence.
//! Pure; knows no dump format and prints nothing.

#[cfg(test)]
mod examples;
mod rules;

pub(crate) use rules::decide;

use crate::facts::Site;

/// How far a verdict may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Confidence {
    /// Nothing in the dump points at anybody, or the bug check is of a kind where whoever is on the stack is a victim.
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
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// The deciding rule. Names are a published contract: rows and alerts carry them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Manual,
    Hardware,
    Process,
    UnloadedDriver,
    IrpHolder,
    DriverName,
    FaultingInstruction,
    BadJumpCaller,
    ParameterPointer,
    ParameterObject,
    StackWalk,
    StackScan,
    FrameworkAtFault,
    FrameworkOnStack,
    Kernel,
    Nobody,
    /// User-mode: the module of the exception address.
    FaultingModule,
    /// User-mode: the first module below the runtimes.
    ModuleOnStack,
}

impl Rule {
    /// As reports and rows have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Hardware => "hardware",
            Self::Process => "process",
            Self::UnloadedDriver => "unloaded-driver",
            Self::IrpHolder => "irp-holder",
            Self::DriverName => "driver-name",
            Self::FaultingInstruction => "faulting-instruction",
            Self::BadJumpCaller => "bad-jump-caller",
            Self::ParameterPointer => "parameter-pointer",
            Self::ParameterObject => "parameter-object",
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Culprit {
    /// A loaded image; the offset is that of the fault or of the return address.
    Image(Site),
    /// A driver that is no longer there, by index into the unloaded list, and the offset inside it.
    Unloaded(usize, u64),
    /// A driver that is only known by name.
    Name(String),
    /// The machine.
    Hardware,
    /// A process.
    Process(String),
    /// Somebody who wanted it.
    Manual,
    /// Cannot be known from this dump.
    Nobody,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) culprit: Culprit,
    pub(crate) rule: Rule,
    pub(crate) confidence: Confidence,
    /// Sentences, the deciding one first.
    pub(crate) evidence: Vec<String>,
}
