//! ARM64: what Microsoft documents as "ARM64 exception handling". Each unwind code stands for one instruction of a prolog
//! or an epilog, so code is never read: the codes of the instructions that did not run, or already ran, are skipped.
//!
//! Not read: entries with flag 3, which is reserved, ARM64EC contexts, and scalable vectors, whose size no dump tells.

mod codes;
mod function;
mod packed;
mod xdata;

use breakpad_symbols::FrameWalker;

use self::codes::{Code, Slot};
use crate::image::Image;
use crate::unwind::{Caller, is_leaf, last_entry};

/// `x0` to `x30`, as walkers call them.
const NAMES: [&str; 31] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15",
    "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "fp", "lr",
];

/// Registers that functions give back as they found them: `x19` to `x29`.
const PRESERVED: std::ops::RangeInclusive<usize> = 19..=29;

/// `x29`, the frame pointer.
const FP: u8 = 29;
/// `x30`, the return address.
const LR: u8 = 30;

/// Bytes of a register on the stack.
const WORD: u64 = 8;

/// The frame below the one at an offset.
pub(super) fn walk_frame(image: &Image, rva: u32, walker: &mut dyn FrameWalker) -> Option<Caller> {
    let mut frame = Frame::new(walker)?;
    let (pc, caller) = match at(image, rva, !walker.has_grand_callee()) {
        Found::Codes(codes) => frame.undo(&codes, walker)?,
        Found::None if is_leaf(image, rva, walker) => {
            // a function that returns to where it stands makes no progress
            frame.ret().filter(|(pc, _)| *pc != walker.get_instruction())?
        }
        Found::None | Found::Damaged => return None,
    };
    frame.tell(pc, caller, walker)?;
    Some(caller)
}

/// What the exception table has for an offset.
enum Found {
    /// The codes that undo the frame from there.
    Codes(Vec<Code>),
    /// Nothing: not the offset of any function that has a frame.
    None,
    /// An entry that leads nowhere.
    Damaged,
}

/// `RUNTIME_FUNCTION`: where the function begins, then packed data or the address of a record. Its length is in those.
fn at(image: &Image, rva: u32, exact: bool) -> Found {
    let Some(entry) = last_entry::<8>(image.exception_table(), rva) else { return Found::None };
    let &[a, b, c, d, e, f, g, h] = entry;
    let (begin, data) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let Some(passed) = rva.checked_sub(begin).map(|bytes| bytes / 4) else { return Found::None };
    let function = match data & 3 {
        0 => image.at(data).and_then(|record| xdata::read(record, passed, exact)),
        1 | 2 => packed::read(data, exact),
        _ => None,
    };
    match function {
        Some(function) if passed >= function.length => Found::None,
        Some(function) => Found::Codes(function.remaining(passed).to_vec()),
        None => Found::Damaged,
    }
}

/// Where the frame below stands, and how it came to the one above.
type Left = (u64, Caller);

/// Registers while a frame is undone.
struct Frame {
    sp: u64,
    /// `x0` to `x30`. `None` is a value that is lost: no reason to stop as long as the way on does not depend on it.
    values: [Option<u64>; 31],
    /// Those that were on the stack.
    found: [bool; 31],
}

impl Frame {
    /// A frame that called something lost its `lr` by that, whatever a walker has for it.
    fn new(walker: &dyn FrameWalker) -> Option<Self> {
        let mut values = NAMES.map(|name| walker.get_callee_register(name));
        if walker.has_grand_callee() {
            *values.last_mut()? = None;
        }
        Some(Self { sp: walker.get_callee_register("sp")?, values, found: [false; 31] })
    }

    fn undo(&mut self, codes: &[Code], walker: &dyn FrameWalker) -> Option<Left> {
        let (mut trapped, mut interrupted) = (None, false);
        // pairs that a `save_next` added to the store that the next code stands for
        let mut more = 0_u8;
        for code in codes {
            match *code {
                Code::SaveNext => {
                    more = more.checked_add(2)?;
                    continue;
                }
                Code::Save { first, count: 2, slot } => {
                    self.save(first, more.checked_add(2)?, slot, walker)?
                }
                Code::SaveVector { count: 2, slot } => _ = self.lift(slot)?,
                // nothing else can be continued
                _ if more > 0 => return None,
                Code::Save { first, count, slot } => self.save(first, count, slot, walker)?,
                Code::SaveVector { slot, .. } => _ = self.lift(slot)?,
                Code::SaveWithLr { register, offset } => {
                    let address = self.sp.checked_add(offset)?;
                    self.load(register, address, walker)?;
                    self.load(LR, address.checked_add(WORD)?, walker)?;
                }
                Code::Allocate(bytes) => self.sp = self.sp.checked_add(bytes)?,
                Code::SetFrame(above) => self.sp = self.get(FP)?.checked_sub(above)?,
                Code::Nop | Code::SignLr | Code::EndOfPart => {}
                Code::TrapFrame => trapped = Some(self.trap_frame(walker)?),
                Code::MachineFrame => {
                    trapped = Some(walker.get_register_at_address(self.sp.checked_add(WORD)?)?);
                    self.sp = walker.get_register_at_address(self.sp)?;
                }
                Code::Context => trapped = Some(self.context(walker)?),
                // Another code may say where from; `lr` is it only where none does.
                Code::Interrupted => interrupted = true,
                Code::End => break,
            }
            more = 0;
        }
        match trapped {
            Some(pc) => Some((pc, Caller::Trapped)),
            None if interrupted => Some((without_signature(self.lose(LR)?), Caller::Trapped)),
            None => self.ret(),
        }
    }

    fn get(&self, register: u8) -> Option<u64> {
        self.values.get(usize::from(register)).copied().flatten()
    }

    /// Takes a register's value away.
    fn lose(&mut self, register: u8) -> Option<u64> {
        self.values.get_mut(usize::from(register))?.take()
    }

    fn load(&mut self, register: u8, address: u64, walker: &dyn FrameWalker) -> Option<()> {
        let number = usize::from(register);
        *self.values.get_mut(number)? = walker.get_register_at_address(address);
        *self.found.get_mut(number)? = true;
        Some(())
    }

    /// Registers side by side in memory.
    fn load_all(
        &mut self,
        registers: impl Iterator<Item = u8>,
        mut address: u64,
        walker: &dyn FrameWalker,
    ) -> Option<()> {
        for register in registers {
            self.load(register, address, walker)?;
            address = address.checked_add(WORD)?;
        }
        Some(())
    }

    /// Where a slot is; the stack pointer goes back up to where it was before.
    fn lift(&mut self, slot: Slot) -> Option<u64> {
        match slot {
            Slot::At(offset) => self.sp.checked_add(offset),
            Slot::Pushed(bytes) => {
                let address = self.sp;
                self.sp = address.checked_add(bytes)?;
                Some(address)
            }
        }
    }

    fn save(&mut self, first: u8, count: u8, slot: Slot, walker: &dyn FrameWalker) -> Option<()> {
        let address = self.lift(slot)?;
        // the pair that is documented to follow `x27` and `x28` is `d8` and `d9`
        let end = if count > 2 { first.saturating_add(count).min(FP) } else { first.checked_add(count)? };
        self.load_all(first..end, address, walker)
    }

    /// `KTRAP_FRAME`: has no preserved registers, which are still in place.
    fn trap_frame(&mut self, walker: &dyn FrameWalker) -> Option<u64> {
        let frame = self.sp;
        let at = |offset| frame.checked_add(offset);
        self.load_all(0..19, at(0xA0)?, walker)?;
        self.load(LR, at(0x138)?, walker)?;
        self.load(FP, at(0x140)?, walker)?;
        self.sp = walker.get_register_at_address(at(0x98)?)?;
        walker.get_register_at_address(at(0x148)?)
    }

    /// `CONTEXT`
    fn context(&mut self, walker: &dyn FrameWalker) -> Option<u64> {
        let context = self.sp;
        let at = |offset| context.checked_add(offset);
        self.load_all(0..31, at(0x08)?, walker)?;
        self.sp = walker.get_register_at_address(at(0x100)?)?;
        walker.get_register_at_address(at(0x108)?)
    }

    fn ret(&mut self) -> Option<Left> {
        Some((without_signature(self.get(LR)?), Caller::Called))
    }

    fn tell(&self, pc: u64, caller: Caller, walker: &mut dyn FrameWalker) -> Option<()> {
        walker.set_cfa(self.sp)?;
        walker.set_ra(pc)?;
        for ((number, name), (value, found)) in (0..).zip(NAMES).zip(self.values.into_iter().zip(self.found))
        {
            // the call that the frame below made overwrote its `lr`
            let lost = number == usize::from(LR) && caller == Caller::Called;
            let preserved = PRESERVED.contains(&number);
            match value.filter(|_| !lost && (preserved || found)) {
                // a walker that does not know a register gets along without it
                Some(value) => _ = walker.set_caller_register(name, value),
                None if preserved || lost => walker.clear_caller_register(name),
                None => {}
            }
        }
        Some(())
    }
}

/// An address without the signature that `pacibsp` puts into its upper bits. Taken off each return address, not only where
/// codes say that it is signed: it changes no address that code can have, and a hand-written function may not say.
/// Windows has addresses of 48 bits; bit 55 says which half they are in, as processors see it.
fn without_signature(address: u64) -> u64 {
    const UPPER: u64 = 0xFFFF << 48;
    if address & 1 << 55 == 0 { address & !UPPER } else { address | UPPER }
}

#[cfg(test)]
mod tests;
