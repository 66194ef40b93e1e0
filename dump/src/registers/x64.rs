//! Registers of an x64 processor.

use serde::{Deserialize, Serialize};

use super::Group::{Control, Integer, Segments, Service, Volatile};
use super::{DebugRegisters, Flags, Group, RegisterSource};
use crate::bytes::Bytes;

/// Bytes of a `CONTEXT` up to the vector registers, which are not read.
pub(super) const CONTEXT_LEN: u64 = 0x100;
/// `KTRAP_FRAME`
pub(super) const TRAP_FRAME_LEN: u64 = 0x190;

/// `CONTEXT_AMD64` with `CONTEXT_CONTROL`; the unused are those that no kernel and no debugger sets.
const FLAGS: Flags = Flags {
    control: 0x0010_0001,
    unused: 0x07EF_FF00,
    integer: 0x0010_0002,
    segments: 0x0010_0004,
    debug: 0x0010_0010,
};

/// `ExceptionActive` of a trap frame that a system call made.
const SERVICE: u8 = 2;

/// Registers of an x64 processor, except the vector and floating-point ones. What is not known is 0:
/// [`Self::named`] has only what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the registers' own names")]
pub struct X64Registers {
    /// What they were read from.
    pub source: RegisterSource,
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub rsp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u32,
    pub cs: u16,
    pub ss: u16,
    pub ds: u16,
    pub es: u16,
    pub fs: u16,
    pub gs: u16,
    /// Breakpoints, of a context that has them.
    pub debug: Option<DebugRegisters>,
}

impl X64Registers {
    /// The registers that are known, in the order in which debuggers print them.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        let all: [(Group, &str, u64); 24] = [
            (Volatile, "rax", self.rax),
            (Service, "rbx", self.rbx),
            (Volatile, "rcx", self.rcx),
            (Volatile, "rdx", self.rdx),
            (Service, "rsi", self.rsi),
            (Service, "rdi", self.rdi),
            (Control, "rip", self.rip),
            (Control, "rsp", self.rsp),
            // every trap frame has it, every context with integer registers
            (Volatile, "rbp", self.rbp),
            (Volatile, "r8", self.r8),
            (Volatile, "r9", self.r9),
            (Volatile, "r10", self.r10),
            (Volatile, "r11", self.r11),
            (Integer, "r12", self.r12),
            (Integer, "r13", self.r13),
            (Integer, "r14", self.r14),
            (Integer, "r15", self.r15),
            (Control, "rflags", self.rflags.into()),
            (Control, "cs", self.cs.into()),
            (Control, "ss", self.ss.into()),
            (Segments, "ds", self.ds.into()),
            (Segments, "es", self.es.into()),
            (Segments, "fs", self.fs.into()),
            (Segments, "gs", self.gs.into()),
        ];
        let mut named = FLAGS.pick(self.source, all);
        named.extend(self.debug.iter().flat_map(DebugRegisters::named));
        named
    }
}

pub(super) fn context(bytes: Bytes<'_>) -> Option<X64Registers> {
    let flags = bytes.u32(0x30).filter(|&flags| FLAGS.fit(flags))?;
    let source = RegisterSource::Context { flags };
    let integer = |offset| {
        if FLAGS.know(source, Integer) { bytes.u64(offset) } else { Some(0) }
    };
    let segment = |offset| {
        if FLAGS.know(source, Segments) { bytes.u16(offset) } else { Some(0) }
    };
    Some(X64Registers {
        source,
        cs: bytes.u16(0x38)?,
        ds: segment(0x3A)?,
        es: segment(0x3C)?,
        fs: segment(0x3E)?,
        gs: segment(0x40)?,
        ss: bytes.u16(0x42)?,
        rflags: bytes.u32(0x44)?,
        debug: DebugRegisters::of_context(FLAGS, source, |number| {
            bytes.u64(u64::from(number).checked_mul(8)?.checked_add(0x48)?)
        }),
        rax: integer(0x78)?,
        rcx: integer(0x80)?,
        rdx: integer(0x88)?,
        rbx: integer(0x90)?,
        rsp: bytes.u64(0x98)?,
        rbp: integer(0xA0)?,
        rsi: integer(0xA8)?,
        rdi: integer(0xB0)?,
        r8: integer(0xB8)?,
        r9: integer(0xC0)?,
        r10: integer(0xC8)?,
        r11: integer(0xD0)?,
        r12: integer(0xD8)?,
        r13: integer(0xE0)?,
        r14: integer(0xE8)?,
        r15: integer(0xF0)?,
        rip: bytes.u64(0xF8)?,
    })
}

/// The layout is one from Windows Vista on. A handler saves the volatile registers and `rbp`; `rbx`, `rsi`, `rdi` have
/// room in every frame and are stale in all but those of system calls; `r12` to `r15` have none. `ds` to `gs` and the
/// debug registers are filled for few traps and tell nothing of the kernel.
pub(super) fn trap_frame(bytes: Bytes<'_>) -> Option<X64Registers> {
    let (cs, ss) = (bytes.u16(0x170)?, bytes.u16(0x188)?);
    let kernel_or_user_code = matches!(cs, 0x10 | 0x23 | 0x33);
    if !kernel_or_user_code || !matches!(ss, 0 | 0x18 | 0x2B) {
        return None;
    }
    let source =
        if bytes.u8(0x2B)? == SERVICE { RegisterSource::ServiceFrame } else { RegisterSource::TrapFrame };
    let service = |offset| {
        if FLAGS.know(source, Service) { bytes.u64(offset) } else { Some(0) }
    };
    Some(X64Registers {
        source,
        rax: bytes.u64(0x30)?,
        rcx: bytes.u64(0x38)?,
        rdx: bytes.u64(0x40)?,
        r8: bytes.u64(0x48)?,
        r9: bytes.u64(0x50)?,
        r10: bytes.u64(0x58)?,
        r11: bytes.u64(0x60)?,
        rbx: service(0x140)?,
        rdi: service(0x148)?,
        rsi: service(0x150)?,
        rbp: bytes.u64(0x158)?,
        rip: bytes.u64(0x168)?,
        cs,
        rflags: bytes.u32(0x178)?,
        rsp: bytes.u64(0x180)?,
        ss,
        r12: 0,
        r13: 0,
        r14: 0,
        r15: 0,
        ds: 0,
        es: 0,
        fs: 0,
        gs: 0,
        debug: None,
    })
}
