//! The registers that a description gives, per architecture. How they lie in a record is `records`' business.

/// The machines that Windows writes kernel dumps of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynthMachine {
    /// AMD64, x86 of 64 bits.
    X64,
    /// ARM of 64 bits.
    Arm64,
    /// x86 of 32 bits.
    X86,
}

impl SynthMachine {
    /// Whether addresses have 64 bits.
    pub fn is_64_bit(self) -> bool {
        self != Self::X86
    }
}

/// The registers of one processor. They say which machine a dump is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynthContext {
    /// AMD64, x86 of 64 bits.
    X64(SynthRegisters),
    /// ARM of 64 bits.
    Arm64(SynthArm64Registers),
    /// x86 of 32 bits.
    X86(SynthX86Registers),
}

/// x64 registers; those left out are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the registers'")]
pub struct SynthRegisters {
    pub rip: u64,
    pub rsp: u64,
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    /// Zero stands for 0x246, interrupts on.
    pub eflags: u32,
}

/// ARM64 registers; those left out are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the registers'")]
pub struct SynthArm64Registers {
    /// x0 to x28.
    pub x: [u64; 29],
    pub fp: u64,
    pub lr: u64,
    pub sp: u64,
    pub pc: u64,
    /// Zero stands for 0x60000004: kernel mode on the thread's own stack.
    pub cpsr: u32,
}

/// x86 registers; those left out are zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the registers'")]
pub struct SynthX86Registers {
    pub eip: u32,
    pub esp: u32,
    pub ebp: u32,
    pub eax: u32,
    pub ebx: u32,
    pub ecx: u32,
    pub edx: u32,
    pub esi: u32,
    pub edi: u32,
    /// Zero stands for 0x246, interrupts on.
    pub eflags: u32,
}

impl SynthContext {
    /// The machine that has these registers.
    pub fn machine(&self) -> SynthMachine {
        match self {
            Self::X64(_) => SynthMachine::X64,
            Self::Arm64(_) => SynthMachine::Arm64,
            Self::X86(_) => SynthMachine::X86,
        }
    }

    /// Program counter.
    pub fn pc(&self) -> u64 {
        match self {
            Self::X64(r) => r.rip,
            Self::Arm64(r) => r.pc,
            Self::X86(r) => u64::from(r.eip),
        }
    }

    /// Stack pointer.
    pub fn sp(&self) -> u64 {
        match self {
            Self::X64(r) => r.rsp,
            Self::Arm64(r) => r.sp,
            Self::X86(r) => u64::from(r.esp),
        }
    }
}

macro_rules! context_of {
    ($($registers:ident => $machine:ident),*) => {$(
        impl From<$registers> for SynthContext {
            fn from(registers: $registers) -> Self {
                Self::$machine(registers)
            }
        }

        impl From<&$registers> for SynthContext {
            fn from(registers: &$registers) -> Self {
                Self::$machine(*registers)
            }
        }
    )*};
}

context_of!(SynthRegisters => X64, SynthArm64Registers => Arm64, SynthX86Registers => X86);

impl From<&Self> for SynthContext {
    fn from(registers: &Self) -> Self {
        *registers
    }
}
