//! Registers of an ARM64 processor.

use serde::{Deserialize, Serialize};

use super::Group::{Control, Integer, Volatile};
use super::{Flags, Group, RegisterSource};
use crate::bytes::Bytes;

/// `CONTEXT`, whole: the debug registers are its end.
pub(super) const CONTEXT_LEN: u64 = 0x390;
/// `KTRAP_FRAME`: the same on every build of which a layout is public (17763 to 26100).
pub(super) const TRAP_FRAME_LEN: u64 = 0x150;

/// `CONTEXT_ARM64` with `CONTEXT_CONTROL`. Below them, bits 0 to 6 are groups (control, integer, floating point, debug,
/// x18, xstate, kernel), bits 26 to 31 say how the context was got.
const FLAGS: Flags = Flags {
    control: 0x0040_0001,
    unused: 0x03BF_FF00,
    integer: 0x0040_0002,
    segments: 0,
    debug: 0x0040_0008,
};

/// Registers that a trap frame has: `x0` to `x18`.
const VOLATILE: usize = 19;

const NAMES: [&str; 29] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
    "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28",
];

/// Registers of an ARM64 processor, except the vector and floating-point ones. What is not known is 0:
/// [`Self::named`] has only what is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the registers' own names")]
pub struct Arm64Registers {
    /// What they were read from.
    pub source: RegisterSource,
    /// `x0` to `x28`.
    pub x: [u64; 29],
    /// `x29`
    pub fp: u64,
    /// `x30`
    pub lr: u64,
    pub sp: u64,
    pub pc: u64,
    pub cpsr: u32,
    /// Breakpoints and watchpoints, of a context that has them.
    pub debug: Option<Arm64DebugRegisters>,
    /// `esr_el1`, the cause of the exception; of a trap frame.
    pub esr: Option<u32>,
    /// `far_el1`, the address at which the exception failed; of a trap frame.
    pub far: Option<u64>,
}

/// Breakpoints and watchpoints of an ARM64 processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm64DebugRegisters {
    /// Controls of the breakpoints.
    pub bcr: [u32; 8],
    /// Addresses of the breakpoints.
    pub bvr: [u64; 8],
    /// Controls of the watchpoints.
    pub wcr: [u32; 2],
    /// Addresses of the watchpoints.
    pub wvr: [u64; 2],
}

impl Arm64Registers {
    /// The registers that are known, in the order in which debuggers print them.
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        let groups = (0..).map(|index| if index < VOLATILE { Volatile } else { Integer });
        let numbered =
            groups.zip(NAMES).zip(self.x).filter(|((group, _), _)| FLAGS.know(self.source, *group));
        let mut named: Vec<_> = numbered.map(|((_, name), value)| (name, value)).collect();
        let rest: [(Group, &str, u64); 5] = [
            (Control, "fp", self.fp),
            (Control, "lr", self.lr),
            (Control, "sp", self.sp),
            (Control, "pc", self.pc),
            (Control, "cpsr", self.cpsr.into()),
        ];
        named.extend(FLAGS.pick(self.source, rest));
        named
    }
}

/// Consecutive registers.
fn run<T: Copy + Default, const N: usize>(
    offset: u64,
    stride: u64,
    read: impl Fn(u64) -> Option<T>,
) -> Option<[T; N]> {
    let mut values = [T::default(); N];
    for (index, value) in (0_u64..).zip(&mut values) {
        *value = read(offset.checked_add(index.checked_mul(stride)?)?)?;
    }
    Some(values)
}

pub(super) fn context(bytes: Bytes<'_>) -> Option<Arm64Registers> {
    let flags = bytes.u32(0).filter(|&flags| FLAGS.fit(flags))?;
    let source = RegisterSource::Context { flags };
    Some(Arm64Registers {
        source,
        cpsr: bytes.u32(0x04)?,
        x: if FLAGS.know(source, Integer) { run(0x08, 8, |offset| bytes.u64(offset))? } else { [0; 29] },
        fp: bytes.u64(0xF0)?,
        lr: bytes.u64(0xF8)?,
        sp: bytes.u64(0x100)?,
        pc: bytes.u64(0x108)?,
        debug: FLAGS.with_debug(source).then(|| debug(bytes, 0x318, 0x338, 0x378, 0x380)).flatten(),
        esr: None,
        far: None,
    })
}

fn debug(bytes: Bytes<'_>, bcr: u64, bvr: u64, wcr: u64, wvr: u64) -> Option<Arm64DebugRegisters> {
    Some(Arm64DebugRegisters {
        bcr: run(bcr, 4, |offset| bytes.u32(offset))?,
        bvr: run(bvr, 8, |offset| bytes.u64(offset))?,
        wcr: run(wcr, 4, |offset| bytes.u32(offset))?,
        wvr: run(wvr, 8, |offset| bytes.u64(offset))?,
    })
}

/// Mode bits of a saved status that an exception taken by Windows can have: `EL0t`, `EL1t`, `EL1h`. Bit 4 would be
/// 32-bit code, which a kernel never is, but a process may be.
fn is_mode(spsr: u32) -> bool {
    matches!(spsr & 0x1F, 0x00 | 0x04 | 0x05 | 0x10)
}

/// The layout has no signature, so a mode and an aligned stack and program counter must do.
pub(super) fn trap_frame(bytes: Bytes<'_>) -> Option<Arm64Registers> {
    let (spsr, sp, pc) = (bytes.u32(0x90)?, bytes.u64(0x98)?, bytes.u64(0x148)?);
    let user_32 = spsr & 0x10 != 0;
    if !is_mode(spsr) || pc == 0 || sp == 0 || !(user_32 || pc.is_multiple_of(4) && sp.is_multiple_of(16)) {
        return None;
    }
    let volatile: [u64; VOLATILE] = run(0xA0, 8, |offset| bytes.u64(offset))?;
    let mut x = [0; 29];
    x.first_chunk_mut()?.clone_from(&volatile);
    // `DebugRegistersValid`
    let with_debug = bytes.u8(0x02)? != 0;
    Some(Arm64Registers {
        source: RegisterSource::TrapFrame,
        x,
        fp: bytes.u64(0x140)?,
        lr: bytes.u64(0x138)?,
        sp,
        pc,
        cpsr: spsr,
        debug: with_debug.then(|| debug(bytes, 0x18, 0x38, 0x78, 0x80)).flatten(),
        esr: bytes.u32(0x94),
        far: bytes.u64(0x08),
    })
}
