//! Packed unwind data: a function in one word, whose prolog and epilog are the ones that Microsoft calls canonical.

use super::codes::{Code, Slot};
use super::function::{Epilog, Function};

/// `lr` among the general registers.
const LR: u8 = 30;
/// The largest `sub sp, sp, #n` that canonical prolog has; more takes two.
const LARGEST_STEP: u64 = 4080;
/// The largest frame that storing `fp` and `lr` makes room for on the way.
const LARGEST_PUSH: u64 = 512;

/// The fields of the word.
#[derive(Debug, Clone, Copy)]
struct Packed {
    /// General registers from `x19` on.
    integers: u8,
    /// Vector registers from `d8` on.
    vectors: u8,
    /// Stores its arguments.
    homes: bool,
    link: Link,
    frame_bytes: u64,
}

/// `CR`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Keeps `lr`: calls nothing.
    Leaf,
    /// Saves `lr`.
    Saved,
    /// Signs `lr`, and chains frames.
    SignedChain,
    /// Chains frames.
    Chain,
}

/// Reads the word behind the address in the exception table; with the epilog only where `exact` says that an instruction
/// can be in it.
pub(super) fn read(data: u32, exact: bool) -> Option<Function> {
    let length = data >> 2 & 0x7FF;
    let integers = u8::try_from(data >> 16 & 0xF).ok()?;
    let vectors = match u8::try_from(data >> 13 & 7).ok()? {
        0 => 0,
        // one alone cannot be packed
        more => more.checked_add(1)?,
    };
    let link = match data >> 21 & 3 {
        0 => Link::Leaf,
        1 => Link::Saved,
        2 => Link::SignedChain,
        _ => Link::Chain,
    };
    let frame_bytes = u64::from(data >> 23).checked_mul(16)?;
    let packed = Packed { integers, vectors, homes: data >> 20 & 1 != 0, link, frame_bytes };
    let mut prolog = packed.codes(true)?;
    // flag 2: a part without prolog and epilog of its own
    let epilog = if data & 3 == 2 {
        prolog.insert(0, Code::EndOfPart);
        None
    } else if exact {
        Some(Epilog::at_end(length, packed.codes(false)?))
    } else {
        None
    };
    Some(Function { length, prolog, epilog })
}

impl Packed {
    /// What undoes the prolog, or what the epilog does: it neither sets up the frame pointer nor stores arguments.
    fn codes(self, prolog: bool) -> Option<Vec<Code>> {
        let saves = self.saves()?;
        let local_bytes = self.frame_bytes.checked_sub(self.save_bytes()?)?;
        let mut codes = Vec::new();
        match self.link {
            // a frame of the two registers at least; without it nobody could have stored them
            Link::Chain | Link::SignedChain if local_bytes > 0 => {
                if prolog {
                    codes.push(Code::SetFrame(0));
                }
                let slot = if local_bytes <= LARGEST_PUSH { Slot::Pushed(local_bytes) } else { Slot::At(0) };
                codes.push(Code::Save { first: 29, count: 2, slot });
                if slot == Slot::At(0) {
                    codes.extend(steps(local_bytes));
                }
            }
            _ => codes.extend(steps(local_bytes)),
        }
        // Where nothing is saved the arguments lie among the local variables, and their stores are part of the body.
        if prolog && self.homes && !saves.is_empty() {
            codes.extend([Code::Nop; 4]);
        }
        codes.extend(saves.into_iter().rev());
        if self.link == Link::SignedChain {
            codes.push(Code::SignLr);
        }
        codes.push(Code::End);
        Some(codes)
    }

    fn saved_registers(self) -> u64 {
        let lr = u64::from(self.link == Link::Saved);
        u64::from(self.integers).saturating_add(u64::from(self.vectors)).saturating_add(lr)
    }

    /// The area of saved registers and arguments.
    fn save_bytes(self) -> Option<u64> {
        let registers = self.saved_registers();
        let homes = if self.homes && registers > 0 { 8 } else { 0 };
        registers.checked_add(homes)?.next_multiple_of(2).checked_mul(8)
    }

    /// How registers are saved, in the order of the prolog. The first store makes room for all.
    fn saves(self) -> Option<Vec<Code>> {
        let mut saves = Saves { codes: Vec::new(), bytes: self.save_bytes()?, at: 0 };
        let is_odd = self.integers % 2 == 1;
        if self.integers == 1 && self.link == Link::Saved {
            // no store of this pair can make room
            saves.codes.push(Code::Allocate(saves.bytes));
        }
        for pair in 0..self.integers / 2 {
            let first = pair.checked_mul(2)?.checked_add(19)?;
            saves.save(2, |slot| Code::Save { first, count: 2, slot })?;
        }
        let last = self.integers.checked_add(18)?;
        match (is_odd, self.link == Link::Saved) {
            (true, true) => {
                saves.codes.push(Code::SaveWithLr { register: last, offset: saves.at });
                saves.at = saves.at.checked_add(16)?;
            }
            (true, false) => saves.save(1, |slot| Code::Save { first: last, count: 1, slot })?,
            (false, true) => saves.save(1, |slot| Code::Save { first: LR, count: 1, slot })?,
            (false, false) => {}
        }
        for _ in 0..self.vectors / 2 {
            saves.save(2, |slot| Code::SaveVector { count: 2, slot })?;
        }
        if self.vectors % 2 == 1 {
            saves.save(1, |slot| Code::SaveVector { count: 1, slot })?;
        }
        Some(saves.codes)
    }
}

struct Saves {
    codes: Vec<Code>,
    /// Of the whole area.
    bytes: u64,
    /// Where the next one goes.
    at: u64,
}

impl Saves {
    fn save(&mut self, registers: u64, code: impl FnOnce(Slot) -> Code) -> Option<()> {
        let slot = if self.codes.is_empty() { Slot::Pushed(self.bytes) } else { Slot::At(self.at) };
        self.codes.push(code(slot));
        self.at = self.at.checked_add(registers.checked_mul(8)?)?;
        Some(())
    }
}

/// How local variables get their room, the last step first.
fn steps(bytes: u64) -> Vec<Code> {
    match bytes.checked_sub(LARGEST_STEP) {
        _ if bytes == 0 => Vec::new(),
        Some(rest) if rest > 0 => vec![Code::Allocate(rest), Code::Allocate(LARGEST_STEP)],
        _ => vec![Code::Allocate(bytes)],
    }
}
