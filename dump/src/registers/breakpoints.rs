//! Debug registers of x64 and x86 processors. Owns when they are believed.

use serde::{Deserialize, Serialize};

use super::{Flags, RegisterSource};

/// Bits of `dr7` that Windows sets: local breakpoints, their lengths and kinds, and what the processor itself keeps set.
const DR7_LEGAL: u64 = 0xFFFF_0755;

/// Breakpoints of an x64 or x86 processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the registers' own names")]
pub struct DebugRegisters {
    pub dr0: u64,
    pub dr1: u64,
    pub dr2: u64,
    pub dr3: u64,
    pub dr6: u64,
    pub dr7: u64,
}

impl DebugRegisters {
    /// Six registers, read by their number in the context. The context of an exception says that it has them and mostly
    /// does not: the kernel sets the flag and leaves what was on the stack (dr7 = 0xffff898f906d9848, in a 0x7E). They
    /// are believed where `dr7` is one that Windows makes.
    pub(super) fn of_context(
        flags: Flags,
        source: RegisterSource,
        read: impl Fn(u8) -> Option<u64>,
    ) -> Option<Self> {
        let registers =
            Self { dr0: read(0)?, dr1: read(1)?, dr2: read(2)?, dr3: read(3)?, dr6: read(4)?, dr7: read(5)? };
        let legal = registers.dr7 & !DR7_LEGAL == 0 && registers.dr6 >> 32 == 0;
        (flags.with_debug(source) && legal).then_some(registers)
    }

    pub(super) fn named(&self) -> [(&'static str, u64); 6] {
        [
            ("dr0", self.dr0),
            ("dr1", self.dr1),
            ("dr2", self.dr2),
            ("dr3", self.dr3),
            ("dr6", self.dr6),
            ("dr7", self.dr7),
        ]
    }
}
