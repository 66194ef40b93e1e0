//! Registers of an x64 processor: from a `CONTEXT` and from a `KTRAP_FRAME`. Never decides which of them is the fault.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;

/// Bytes of a `CONTEXT` up to the vector registers, which are not read.
pub(crate) const CONTEXT_LEN: u64 = 0x100;
/// Bytes of a `KTRAP_FRAME` that are read.
pub(crate) const TRAP_FRAME_LEN: u64 = 0x190;

/// In `ContextFlags` of every x64 context that has `rip` and `rsp`.
const CONTEXT_CONTROL: u32 = 0x0010_0001;
/// In `ContextFlags` of none.
const CONTEXT_UNUSED: u32 = 0x07EF_FF00;

/// General registers of an x64 processor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the registers' own names")]
pub struct Context64 {
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
    pub rflags: u64,
    pub cs: u16,
    pub ss: u16,
    /// `ContextFlags`; 0 where the registers are those of a trap frame.
    pub flags: u32,
}

impl Context64 {
    /// The registers in the order in which debuggers print them.
    pub fn registers(&self) -> [(&'static str, u64); 18] {
        [
            ("rax", self.rax),
            ("rbx", self.rbx),
            ("rcx", self.rcx),
            ("rdx", self.rdx),
            ("rsi", self.rsi),
            ("rdi", self.rdi),
            ("rip", self.rip),
            ("rsp", self.rsp),
            ("rbp", self.rbp),
            ("r8", self.r8),
            ("r9", self.r9),
            ("r10", self.r10),
            ("r11", self.r11),
            ("r12", self.r12),
            ("r13", self.r13),
            ("r14", self.r14),
            ("r15", self.r15),
            ("rflags", self.rflags),
        ]
    }
}

/// Reads a `CONTEXT`. `None` where bytes are missing or its flags are not those of an x64 context.
pub(crate) fn read_context(bytes: Bytes<'_>) -> Option<Context64> {
    let flags = bytes.u32(0x30)?;
    if flags & CONTEXT_CONTROL != CONTEXT_CONTROL || flags & CONTEXT_UNUSED != 0 {
        return None;
    }
    Some(Context64 {
        flags,
        cs: bytes.u16(0x38)?,
        ss: bytes.u16(0x42)?,
        rflags: bytes.u32(0x44)?.into(),
        rax: bytes.u64(0x78)?,
        rcx: bytes.u64(0x80)?,
        rdx: bytes.u64(0x88)?,
        rbx: bytes.u64(0x90)?,
        rsp: bytes.u64(0x98)?,
        rbp: bytes.u64(0xA0)?,
        rsi: bytes.u64(0xA8)?,
        rdi: bytes.u64(0xB0)?,
        r8: bytes.u64(0xB8)?,
        r9: bytes.u64(0xC0)?,
        r10: bytes.u64(0xC8)?,
        r11: bytes.u64(0xD0)?,
        r12: bytes.u64(0xD8)?,
        r13: bytes.u64(0xE0)?,
        r14: bytes.u64(0xE8)?,
        r15: bytes.u64(0xF0)?,
        rip: bytes.u64(0xF8)?,
    })
}

/// Reads a `KTRAP_FRAME`: the volatile registers, and what a trap saves of the others. A frame has no room for
/// `r12` to `r15`, which stay 0. `None` where bytes are missing or the selectors are none that Windows uses.
pub(crate) fn read_trap_frame(bytes: Bytes<'_>) -> Option<Context64> {
    let (cs, ss) = (bytes.u16(0x170)?, bytes.u16(0x188)?);
    let kernel_or_user_code = matches!(cs, 0x10 | 0x23 | 0x33);
    if !kernel_or_user_code || !matches!(ss, 0 | 0x18 | 0x2B) {
        return None;
    }
    Some(Context64 {
        flags: 0,
        cs,
        ss,
        rax: bytes.u64(0x30)?,
        rcx: bytes.u64(0x38)?,
        rdx: bytes.u64(0x40)?,
        r8: bytes.u64(0x48)?,
        r9: bytes.u64(0x50)?,
        r10: bytes.u64(0x58)?,
        r11: bytes.u64(0x60)?,
        rbx: bytes.u64(0x140)?,
        rdi: bytes.u64(0x148)?,
        rsi: bytes.u64(0x150)?,
        rbp: bytes.u64(0x158)?,
        rip: bytes.u64(0x168)?,
        rflags: bytes.u32(0x178)?.into(),
        rsp: bytes.u64(0x180)?,
        ..Context64::default()
    })
}
