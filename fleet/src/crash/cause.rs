//! The ways of a machine to come down: a bug check and what its dump looks like. How it is written is `scene`'s.

use serde::Deserialize;

/// How a machine came down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// 0xD1: a driver touched paged memory at a raised IRQL.
    Irql,
    /// 0x50: a driver read an address that nothing backs.
    PageFault,
    /// 0x3B: the same inside a system call, with the context in stack memory.
    SystemService,
    /// 0x1000007E: the same in a system thread, with exception record and context in stack memory.
    ThreadException,
    /// 0x9F: a driver held a power IRP for too long.
    PowerIrp,
    /// 0x133: too much time went by in DPCs and interrupts.
    DpcWatchdog,
    /// 0x139: a driver corrupted a list.
    FastFail,
    /// 0x1A: page tables are damaged; nobody can say by whom.
    MemoryManagement,
    /// 0x124: the hardware reported an error.
    Hardware,
    /// 0xA in the kernel, with only the kernel on the stack.
    KernelOnly,
    /// 0x1E: an exception that nobody handled.
    KernelException,
    /// 0x1000008E: the same on 32-bit systems, with a trap frame.
    KernelTrap,
    /// 0x133: one DPC ran for too long.
    DpcTimeout,
    /// 0x116: the display did not come back after a reset.
    VideoTimeout,
    /// 0x117: the display was reset and came back; a live dump.
    VideoRecovered,
    /// 0x141: an engine of the display was reset; a live dump.
    VideoEngine,
    /// 0x119: the display's scheduler met an error.
    VideoScheduler,
    /// 0x10D: a driver broke a rule of the driver framework.
    WdfViolation,
    /// 0xCB: a driver left pages of a process locked.
    LockedPages,
    /// 0x1: a system call came back with APCs disabled.
    ApcMismatch,
    /// 0x4E: the list of page frames is damaged; nobody can say by whom.
    PfnList,
    /// 0x7A: the disk did not give back a page of the kernel's.
    InPage,
    /// 0x154: the same under the store of compressed pages.
    StoreException,
    /// 0xEF: a process that Windows needs died.
    CriticalProcess,
    /// 0x101: a processor stopped answering.
    ClockWatchdog,
    /// 0x5D: Windows does not know the processor.
    UnsupportedProcessor,
    /// 0x18B: the secure kernel stopped.
    SecureKernel,
}

impl Cause {
    /// Causes of a fleet's ordinary crashes that a driver can be blamed for.
    pub const OF_DRIVERS: [Self; 7] = [
        Self::Irql,
        Self::PageFault,
        Self::SystemService,
        Self::ThreadException,
        Self::PowerIrp,
        Self::DpcWatchdog,
        Self::FastFail,
    ];
    /// Causes of its ordinary crashes that no driver can be blamed for.
    pub const OF_NOBODY: [Self; 3] = [Self::MemoryManagement, Self::Hardware, Self::KernelOnly];

    /// Number of the bug check, without the flag that 0x7E and 0x8E carry.
    pub fn bugcheck(self) -> u32 {
        match self {
            Self::Irql => 0xd1,
            Self::PageFault => 0x50,
            Self::SystemService => 0x3b,
            Self::ThreadException => 0x7e,
            Self::PowerIrp => 0x9f,
            Self::DpcWatchdog | Self::DpcTimeout => 0x133,
            Self::FastFail => 0x139,
            Self::MemoryManagement => 0x1a,
            Self::Hardware => 0x124,
            Self::KernelOnly => 0xa,
            Self::KernelException => 0x1e,
            Self::KernelTrap => 0x8e,
            Self::VideoTimeout => 0x116,
            Self::VideoRecovered => 0x117,
            Self::VideoEngine => 0x141,
            Self::VideoScheduler => 0x119,
            Self::WdfViolation => 0x10d,
            Self::LockedPages => 0xcb,
            Self::ApcMismatch => 0x1,
            Self::PfnList => 0x4e,
            Self::InPage => 0x7a,
            Self::StoreException => 0x154,
            Self::CriticalProcess => 0xef,
            Self::ClockWatchdog => 0x101,
            Self::UnsupportedProcessor => 0x5d,
            Self::SecureKernel => 0x18b,
        }
    }

    /// As the header has it: small dumps flag the bug checks whose context in the header already is the fault.
    pub(super) fn raw(self) -> u32 {
        let flag = if self.is_in_header() { 0x1000_0000 } else { 0 };
        flag | self.bugcheck()
    }

    /// Whether the header's context is that of the fault.
    pub(super) fn is_in_header(self) -> bool {
        matches!(self, Self::ThreadException | Self::KernelTrap)
    }

    /// Whether the machine goes on running.
    pub fn is_live(self) -> bool {
        matches!(self, Self::VideoRecovered | Self::VideoEngine)
    }
}
