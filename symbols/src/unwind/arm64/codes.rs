//! Unwind codes of ARM64: bytes to what an instruction of a prolog did. Never applies one.

/// What one instruction of a prolog did, or the instruction of an epilog that takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    /// `alloc_s`, `alloc_m`, `alloc_l`: bytes.
    Allocate(u64),
    /// `save_reg`, `save_regp`, `save_fplr` and their kin: consecutive general registers.
    Save { first: u8, count: u8, slot: Slot },
    /// `save_lrpair`: a register, and `lr` behind it.
    SaveWithLr { register: u8, offset: u64 },
    /// `save_freg`, `save_fregp`: vector registers, which nobody asks for; one or two.
    SaveVector { count: u8, slot: Slot },
    /// `save_next`: the pair that follows the one of the next code.
    SaveNext,
    /// `set_fp`, `add_fp`: the frame pointer was put this far above the stack pointer.
    SetFrame(u64),
    /// `nop`, and numbers that Microsoft keeps for later and says to pass over.
    Nop,
    /// `pac_sign_lr`
    SignLr,
    /// `end`
    End,
    /// `end_c`: here ends what this part of a function did, and begins what its other parts did before.
    EndOfPart,
    /// `MSFT_OP_TRAP_FRAME`: a `KTRAP_FRAME` lies on the stack.
    TrapFrame,
    /// `MSFT_OP_MACHINE_FRAME`: `sp` and `pc` lie on the stack.
    MachineFrame,
    /// `MSFT_OP_CONTEXT`: a `CONTEXT` lies on the stack.
    Context,
    /// `MSFT_OP_CLEAR_UNWOUND_TO_CALL`: `lr` is where the frame below was interrupted.
    Interrupted,
}

/// Where registers were saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Above the stack pointer.
    At(u64),
    /// At the stack pointer, after it was lowered by this.
    Pushed(u64),
}

impl Code {
    /// Instructions that it stands for: assembly code has frames that no instruction of theirs made.
    fn instructions(self) -> u32 {
        match self {
            Self::TrapFrame | Self::MachineFrame | Self::Context | Self::Interrupted => 0,
            _ => 1,
        }
    }

    fn is_end(self) -> bool {
        matches!(self, Self::End | Self::EndOfPart)
    }
}

/// Codes up to the end of the function's, or of the bytes. `None` where one is unknown: its length is as well.
pub(super) fn decode(mut bytes: &[u8]) -> Option<Vec<Code>> {
    let mut codes = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        let (code, rest) = match first {
            0x00..=0xBF => (short(first)?, rest),
            0xC0..=0xDF => {
                let (&second, rest) = rest.split_first()?;
                (medium(u16::from_be_bytes([first, second]))?, rest)
            }
            0xE0..=0xFF => long(first, rest)?,
        };
        codes.push(code);
        if code == Code::End {
            break;
        }
        bytes = rest;
    }
    Some(codes)
}

/// Instructions of the prolog or epilog that codes describe; an epilog's last, which leaves, is not counted.
pub(super) fn instructions(codes: &[Code]) -> u32 {
    codes
        .iter()
        .take_while(|code| !code.is_end())
        .fold(0, |sum, code| sum.saturating_add(code.instructions()))
}

/// Codes without those of the first instructions, as many as there are before an end.
pub(super) fn skip(codes: &[Code], mut instructions: u32) -> &[Code] {
    let mut rest = codes;
    while let Some((code, behind)) = rest.split_first()
        && instructions > 0
        && !code.is_end()
    {
        instructions = instructions.saturating_sub(code.instructions());
        rest = behind;
    }
    rest
}

fn short(byte: u8) -> Option<Code> {
    let (z5, z6) = (u64::from(byte & 0x1F), u64::from(byte & 0x3F));
    Some(match byte {
        0x00..=0x1F => Code::Allocate(z5.checked_mul(16)?),
        0x20..=0x3F => Code::Save { first: 19, count: 2, slot: Slot::Pushed(z5.checked_mul(8)?) },
        0x40..=0x7F => Code::Save { first: 29, count: 2, slot: Slot::At(z6.checked_mul(8)?) },
        _ => Code::Save { first: 29, count: 2, slot: pushed(z6)? },
    })
}

/// A slot of a store that lowers the stack pointer: such fields count from 1.
fn pushed(eighths: u64) -> Option<Slot> {
    Some(Slot::Pushed(eighths.checked_add(1)?.checked_mul(8)?))
}

fn medium(word: u16) -> Option<Code> {
    let z5 = u64::from(word & 0x1F);
    let z6 = u64::from(word & 0x3F);
    let at = Slot::At(z6.checked_mul(8)?);
    // the register's number starts above an offset of 6 bits or of 5
    let from_19 =
        |bits: u32, mask: u16| 19_u8.checked_add(u8::try_from(word.checked_shr(bits)? & mask).ok()?);
    Some(match word >> 8 {
        0xC0..=0xC7 => Code::Allocate(u64::from(word & 0x7FF).checked_mul(16)?),
        0xC8..=0xCB => Code::Save { first: from_19(6, 0xF)?, count: 2, slot: at },
        0xCC..=0xCF => Code::Save { first: from_19(6, 0xF)?, count: 2, slot: pushed(z6)? },
        0xD0..=0xD3 => Code::Save { first: from_19(6, 0xF)?, count: 1, slot: at },
        0xD4..=0xD5 => Code::Save { first: from_19(5, 0xF)?, count: 1, slot: pushed(z5)? },
        0xD6..=0xD7 => {
            let pairs = u8::try_from(word >> 6 & 7).ok()?;
            let register = 19_u8.checked_add(pairs.checked_mul(2)?)?;
            Code::SaveWithLr { register, offset: z6.checked_mul(8)? }
        }
        0xD8..=0xD9 => Code::SaveVector { count: 2, slot: at },
        0xDA..=0xDB => Code::SaveVector { count: 2, slot: pushed(z6)? },
        0xDC..=0xDD => Code::SaveVector { count: 1, slot: at },
        0xDE => Code::SaveVector { count: 1, slot: pushed(z5)? },
        // `alloc_z`: in units of a size that only the processor knows
        _ => return None,
    })
}

fn long(first: u8, rest: &[u8]) -> Option<(Code, &[u8])> {
    let (code, rest) = match (first, rest) {
        (0xE0, [a, b, c, rest @ ..]) => {
            let sixteenths = u64::from(u32::from_be_bytes([0, *a, *b, *c]));
            (Code::Allocate(sixteenths.checked_mul(16)?), rest)
        }
        (0xE1, _) => (Code::SetFrame(0), rest),
        (0xE2, [eighths, rest @ ..]) => (Code::SetFrame(u64::from(*eighths).checked_mul(8)?), rest),
        (0xE3, _) => (Code::Nop, rest),
        (0xE4, _) => (Code::End, rest),
        (0xE5, _) => (Code::EndOfPart, rest),
        (0xE6, _) => (Code::SaveNext, rest),
        (0xE7, [a, b, rest @ ..]) => (save_any(u16::from_be_bytes([*a, *b]))?, rest),
        (0xE8, _) => (Code::TrapFrame, rest),
        (0xE9, _) => (Code::MachineFrame, rest),
        (0xEA, _) => (Code::Context, rest),
        (0xEC, _) => (Code::Interrupted, rest),
        (0xF8, _) => (Code::Nop, rest.get(1..)?),
        (0xF9, _) => (Code::Nop, rest.get(2..)?),
        (0xFA, _) => (Code::Nop, rest.get(3..)?),
        (0xFB, _) => (Code::Nop, rest.get(4..)?),
        (0xFC, _) => (Code::SignLr, rest),
        (0xFD..=0xFF, _) => (Code::Nop, rest),
        // 0xEB is a context of ARM64EC
        _ => return None,
    };
    Some((code, rest))
}

/// `save_any_reg`: `0pxrrrrr'ffoooooo`. A pair, lowers the stack pointer, the first register, the kind, the offset.
fn save_any(word: u16) -> Option<Code> {
    let (pair, lowers) = (word & 0x4000 != 0, word & 0x2000 != 0);
    let (register, kind, offset) =
        (u8::try_from(word >> 8 & 0x1F).ok()?, word >> 6 & 3, u64::from(word & 0x3F));
    if word & 0x8000 != 0 {
        return None;
    }
    let scale = if pair || lowers || kind == 2 { 16 } else { 8 };
    let slot = if lowers {
        Slot::Pushed(offset.checked_add(1)?.checked_mul(scale)?)
    } else {
        Slot::At(offset.checked_mul(scale)?)
    };
    let count = if pair { 2 } else { 1 };
    match kind {
        0 => Some(Code::Save { first: register, count, slot }),
        1 | 2 => Some(Code::SaveVector { count, slot }),
        // scalable vectors and predicates
        _ => None,
    }
}
