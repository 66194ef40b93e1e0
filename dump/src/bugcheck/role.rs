//! What parameters are, and how culprits are found: closed sets of the table of bug checks. Own names, no opinion.

use serde::{Deserialize, Serialize};

/// What kind of thing a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Address of the faulting instruction.
    InstrAddr,
    /// Address that was read, written or executed.
    RefAddr,
    /// Address of a driver's routine: worker, DPC, callback.
    CodePtr,
    /// Address inside the offending caller.
    CallerAddr,
    /// Address of an exception record.
    ExcRecord,
    /// Address of a `CONTEXT`.
    CtxRecord,
    /// Address of a `KTRAP_FRAME`.
    TrapFrame,
    /// Address of a `DRIVER_OBJECT`.
    DriverObj,
    /// Address of a `DEVICE_OBJECT`.
    DeviceObj,
    /// Address of an `IRP`.
    Irp,
    /// Address of a thread.
    Thread,
    /// Address of a process.
    Process,
    /// Four characters that say who allocated.
    PoolTag,
    /// Address of a pool block or its header.
    PoolAddr,
    /// NTSTATUS.
    Ntstatus,
    /// Exception code: an NTSTATUS.
    ExcCode,
    /// Address of a `WHEA_ERROR_RECORD`.
    WheaRecord,
    /// Selects the meaning of the other parameters.
    Subcode,
    /// Address anywhere inside the responsible image.
    ModulePtr,
    /// Address of a driver's name: `UNICODE_STRING` or characters.
    DriverNamePtr,
    /// First address of an image.
    ModuleBase,
    /// IRQL.
    Irql,
    /// Kind of access: 0 read, 1 or 2 write, 8 or 0x10 execute.
    AccessType,
    /// Number of a processor.
    CpuIndex,
    /// Address of a `KPRCB`.
    Prcb,
    /// Size in bytes or pages.
    Size,
    /// A count.
    Count,
    /// Contents of a page table entry.
    Pte,
    /// Number of a physical page.
    Pfn,
    /// Address of an `MDL`.
    Mdl,
    /// Address in a stack.
    StackPtr,
    /// Time that had passed or was allowed.
    Timeout,
    /// Address of an object or object type.
    Object,
    /// Address of another structure of the kernel.
    StructPtr,
    /// Address of a structure written for debuggers: `nt!TRIAGE_*`.
    TriageBlock,
    /// Address of text that is no driver's name.
    StringPtr,
    /// File system's source file (high half) and line (low half).
    SourceLine,
    /// Flags.
    Flags,
    /// Another value.
    Value,
    /// A handle.
    Handle,
    /// Address of a lock: mutex, `ERESOURCE`.
    LockOrResource,
    /// Number of a session.
    SessionId,
    /// `POOL_TYPE`.
    PoolType,
    /// Number of a process.
    ProcessId,
    /// Number of a thread.
    ThreadId,
    /// Half of a machine check's status.
    HwStatus,
    /// Not used.
    None,
    /// What it is, a subcode that is not in the table says.
    Depends,
    /// Not documented.
    Undocumented,
}

/// How a bug check's culprit is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// A parameter is an address of code.
    ParamIp,
    /// A parameter lies in the culprit or names it.
    ParamPtr,
    /// In the context that a parameter leads to.
    Context,
    /// In the trap frame that a parameter leads to.
    TrapFrame,
    /// On the stack that crashed.
    Stack,
    /// On the stack of a thread that a parameter leads to.
    Thread,
    /// Behind the device or IRP that a parameter leads to.
    DeviceStack,
    /// In the driver framework's log.
    Wdf,
    /// As Driver Verifier says.
    Verifier,
    /// By the tag or the neighbour of a pool block; the stack shows a victim.
    Pool,
    /// In the list of unloaded drivers.
    Unloaded,
    /// Nowhere in the dump: something changed the kernel.
    Patchguard,
    /// No driver: the machine itself.
    Hardware,
    /// A process that Windows cannot do without.
    Process,
    /// Start or storage: a driver may be missing rather than faulty.
    Boot,
    /// Somebody wanted the crash.
    Manual,
    /// The machine went on running.
    Livedump,
    /// As its vendor defines.
    DriverSpecific,
    /// Nowhere.
    None,
}
