//! Registers of an x86 processor.

use serde::{Deserialize, Serialize};

use super::Group::{Control, Integer, Segments, Volatile};
use super::{DebugRegisters, Flags, Group, RegisterSource};
use crate::bytes::Bytes;

/// Bytes of a `CONTEXT` up to the extended registers, which are not read.
pub(super) const CONTEXT_LEN: u64 = 0xCC;
/// `KTRAP_FRAME`
pub(super) const TRAP_FRAME_LEN: u64 = 0x8C;

/// `CONTEXT_i386` with `CONTEXT_CONTROL`; the unused are those that no kernel and no debugger sets.
const FLAGS: Flags = Flags {
    control: 0x0001_0001,
    unused: 0x07FE_FF00,
    integer: 0x0001_0002,
    segments: 0x0001_0004,
    debug: 0x0001_0010,
};

/// `EFlags`: virtual-8086 mode
const VIRTUAL_8086: u32 = 0x0002_0000;
/// The processor pushed no stack pointer where it was in the kernel already: the stack went on where the frame has the
/// room for one.
const HARDWARE_ESP: u64 = 0x74;

/// Registers of an x86 processor, except the vector and floating-point ones. What is not known is 0:
/// [`Self::named`] has only what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the registers' own names")]
pub struct X86Registers {
    /// What they were read from.
    pub source: RegisterSource,
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
    pub esi: u32,
    pub edi: u32,
    pub eip: u32,
    pub esp: u32,
    pub ebp: u32,
    pub eflags: u32,
    pub cs: u16,
    pub ss: u16,
    pub ds: u16,
    pub es: u16,
    pub fs: u16,
    pub gs: u16,
    /// Breakpoints, of a context that has them.
    pub debug: Option<DebugRegisters>,
}

impl X86Registers {
    /// The registers that are known, in the order in which debuggers print them.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        let all: [(Group, &str, u32); 10] = [
            (Volatile, "eax", self.eax),
            (Volatile, "ebx", self.ebx),
            (Volatile, "ecx", self.ecx),
            (Volatile, "edx", self.edx),
            (Volatile, "esi", self.esi),
            (Volatile, "edi", self.edi),
            (Control, "eip", self.eip),
            (Control, "esp", self.esp),
            (Control, "ebp", self.ebp),
            (Control, "eflags", self.eflags),
        ];
        let segments: [(Group, &str, u16); 6] = [
            (Control, "cs", self.cs),
            (Control, "ss", self.ss),
            (Segments, "ds", self.ds),
            (Segments, "es", self.es),
            (Segments, "fs", self.fs),
            (Segments, "gs", self.gs),
        ];
        let mut named = FLAGS.pick(self.source, all.map(|(group, name, value)| (group, name, value.into())));
        named.extend(
            FLAGS.pick(self.source, segments.map(|(group, name, value)| (group, name, value.into()))),
        );
        named.extend(self.debug.iter().flat_map(DebugRegisters::named));
        named
    }
}

pub(super) fn context(bytes: Bytes<'_>) -> Option<X86Registers> {
    let flags = bytes.u32(0).filter(|&flags| FLAGS.fit(flags))?;
    let source = RegisterSource::Context { flags };
    let integer = |offset| {
        if FLAGS.know(source, Integer) { bytes.u32(offset) } else { Some(0) }
    };
    let segment = |offset| {
        if FLAGS.know(source, Segments) { bytes.u16(offset) } else { Some(0) }
    };
    Some(X86Registers {
        source,
        debug: DebugRegisters::of_context(FLAGS, source, |number| {
            bytes.u32(u64::from(number).checked_mul(4)?.checked_add(0x04)?).map(u64::from)
        }),
        gs: segment(0x8C)?,
        fs: segment(0x90)?,
        es: segment(0x94)?,
        ds: segment(0x98)?,
        edi: integer(0x9C)?,
        esi: integer(0xA0)?,
        ebx: integer(0xA4)?,
        edx: integer(0xA8)?,
        ecx: integer(0xAC)?,
        eax: integer(0xB0)?,
        ebp: bytes.u32(0xB4)?,
        eip: bytes.u32(0xB8)?,
        cs: bytes.u16(0xBC)?,
        eflags: bytes.u32(0xC0)?,
        esp: bytes.u32(0xC4)?,
        ss: bytes.u16(0xC8)?,
    })
}

/// The layout is one from Windows NT 4 on. Where the code selector has no number, somebody edited the frame to move the
/// stack, and what it was before is at the beginning.
pub(super) fn trap_frame(bytes: Bytes<'_>, va: u64) -> Option<X86Registers> {
    let (cs, eflags) = (bytes.u16(0x6C)?, bytes.u32(0x70)?);
    let edited = cs & 0xFFF8 == 0;
    let user = cs & 3 == 3 || eflags & VIRTUAL_8086 != 0;
    let (cs, esp, ss) = if edited {
        (bytes.u16(0x10)?, bytes.u32(0x14)?, 0x10)
    } else if user {
        (cs, bytes.u32(HARDWARE_ESP)?, bytes.u16(0x78)?)
    } else {
        (cs, u32::try_from(va.checked_add(HARDWARE_ESP)? & 0xFFFF_FFFF).ok()?, 0x10)
    };
    let code = matches!(cs, 0x08 | 0x1B) || eflags & VIRTUAL_8086 != 0;
    if !code {
        return None;
    }
    Some(X86Registers {
        source: RegisterSource::TrapFrame,
        edx: bytes.u32(0x3C)?,
        ecx: bytes.u32(0x40)?,
        eax: bytes.u32(0x44)?,
        edi: bytes.u32(0x54)?,
        esi: bytes.u32(0x58)?,
        ebx: bytes.u32(0x5C)?,
        ebp: bytes.u32(0x60)?,
        eip: bytes.u32(0x68)?,
        cs,
        eflags,
        esp,
        ss,
        ds: 0,
        es: 0,
        fs: 0,
        gs: 0,
        debug: None,
    })
}
