//! Which instructions are the end of a function: the few forms that Microsoft's rules for epilogs leave to compilers, so
//! that they can be told from others.

use super::RSP;
use super::info::{Function, UnwindInfo};
use crate::image::Image;

/// Registers that one epilog pops at most: all there are, and flags. It bounds what a hostile image can cost.
const POPS: usize = 17;

/// What is left of an epilog, up to the return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Epilog {
    pub(super) free: Option<Free>,
    /// Registers as processors number them.
    pub(super) pops: Vec<u8>,
}

/// How the stack of local variables is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Free {
    /// `add rsp, bytes`
    Add(i64),
    /// `lea rsp, [frame register + distance]`
    ToFrame(i64),
}

impl Epilog {
    /// The epilog that the instruction at an offset belongs to; `None` where it belongs to none, and where the code is not
    /// there to tell: most instructions do not.
    pub(super) fn at(image: &Image, function: Function, info: &UnwindInfo<'_>, rva: u32) -> Option<Self> {
        let code = image.at(rva)?;
        let (free, mut rest) = match free(code, info.frame) {
            Some((free, rest)) => (Some(free), rest),
            None => (None, code),
        };
        let mut pops = Vec::new();
        while let Some((register, behind)) = pop(rest) {
            if pops.len() == POPS {
                return None;
            }
            pops.push(register);
            rest = behind;
        }
        let walked = u32::try_from(code.len().checked_sub(rest.len())?).ok()?;
        leaves(rest, image, function, rva.checked_add(walked)?).then_some(Self { free, pops })
    }
}

fn free(code: &[u8], frame: Option<(u8, u64)>) -> Option<(Free, &[u8])> {
    match code {
        [0x48, 0x83, 0xC4, bytes, rest @ ..] => Some((Free::Add(i8::from_le_bytes([*bytes]).into()), rest)),
        [0x48, 0x81, 0xC4, a, b, c, d, rest @ ..] => {
            Some((Free::Add(i32::from_le_bytes([*a, *b, *c, *d]).into()), rest))
        }
        [prefix @ (0x48 | 0x49), 0x8D, operands, rest @ ..] => {
            let base = (prefix & 1) << 3 | operands & 7;
            frame.filter(|(register, _)| *register == base)?;
            // `r12` as a base takes another byte
            let rest = if base == 12 { rest.strip_prefix(&[0x24])? } else { rest };
            match (operands & 0xF8, rest) {
                (0x60, [distance, rest @ ..]) => {
                    Some((Free::ToFrame(i8::from_le_bytes([*distance]).into()), rest))
                }
                (0xA0, [a, b, c, d, rest @ ..]) => {
                    Some((Free::ToFrame(i32::from_le_bytes([*a, *b, *c, *d]).into()), rest))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn pop(code: &[u8]) -> Option<(u8, &[u8])> {
    match code {
        // without 0x5C: no epilog pops `rsp`
        [0x58..=0x5B | 0x5D..=0x5F, rest @ ..] => Some((code.first()? & 7, rest)),
        [prefix @ 0x40..=0x4F, register @ 0x58..=0x5F, rest @ ..] => {
            let register = (prefix & 1) << 3 | register & 7;
            (register != RSP).then_some((register, rest))
        }
        _ => None,
    }
}

/// Whether the instruction, at an offset, is a return or a jump out of the function. A jump that stays inside is none: a
/// call in front of it is as common as one in front of a loop's end.
fn leaves(code: &[u8], image: &Image, function: Function, rva: u32) -> bool {
    // `repne`: compilers put it there for bounds to be kept
    let (code, rva) = match code {
        [0xF2, rest @ ..] => (rest, i64::from(rva).saturating_add(1)),
        _ => (code, i64::from(rva)),
    };
    match code {
        [0xC2 | 0xC3, ..] | [0xF3, 0xC3, ..] => true,
        [0xEB, distance, ..] => {
            let distance = i64::from(i8::from_le_bytes([*distance]));
            is_outside(image, function, rva.saturating_add(2).saturating_add(distance))
        }
        [0xE9, a, b, c, d, ..] => {
            let distance = i64::from(i32::from_le_bytes([*a, *b, *c, *d]));
            is_outside(image, function, rva.saturating_add(5).saturating_add(distance))
        }
        // `jmp [rip + ..]`: an import
        [0xFF, 0x25, ..] => true,
        // The prefix for 64 bits changes nothing here. Compilers put it in front of jumps that leave the function, and
        // not in front of those into tables.
        [0x48..=0x4F, 0xFF, operands, ..] => operands & 0x38 == 0x20,
        _ => false,
    }
}

/// Whether an offset is outside of a function and all parts that are chained to it. Its first instruction counts as
/// outside: who jumps there calls it anew.
fn is_outside(image: &Image, function: Function, target: i64) -> bool {
    let Ok(target) = u32::try_from(target) else { return true };
    let Some(other) = Function::find(image, target) else { return true };
    match (function.primary(image), other.primary(image)) {
        (Some(ours), Some(theirs)) => ours.begin != theirs.begin || ours.begin == target,
        _ => false,
    }
}
