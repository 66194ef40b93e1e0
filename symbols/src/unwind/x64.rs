//! x64: the procedure that Microsoft documents as "x64 exception handling: unwind procedure". The instruction is in an
//! epilog, which is played forward, or its function's prolog is undone, as far as it had come.
//!
//! Why not `pe-unwind-info`, whose tables these are. Its procedure follows a chain for ever, takes each `jmp` for the end
//! of an epilog, and overflows on hostile registers. Its parts cannot be used alone either: the iterator over codes ends
//! at an unknown one as if it were the last, keeps the offset of a saved register to itself, reads a chained entry two
//! bytes early behind an odd number of codes, and takes an epilog's flags from the wrong half of the byte (0.6.1).

mod epilog;
mod info;

use breakpad_symbols::FrameWalker;

use self::epilog::{Epilog, Free};
use self::info::{Code, Function, Operation, UnwindInfo};
use crate::image::Image;
use crate::unwind::{Caller, is_leaf};

/// As processors number them, and whether a function gives them back as it found them.
const REGISTERS: [(&str, bool); 16] = [
    ("rax", false),
    ("rcx", false),
    ("rdx", false),
    ("rbx", true),
    // told as the frame's address
    ("rsp", false),
    ("rbp", true),
    ("rsi", true),
    ("rdi", true),
    ("r8", false),
    ("r9", false),
    ("r10", false),
    ("r11", false),
    ("r12", true),
    ("r13", true),
    ("r14", true),
    ("r15", true),
];

/// `rsp`, which no frame restores like others.
const RSP: u8 = 4;

/// Bytes of a register on the stack.
const WORD: u64 = 8;

/// The frame below the one at an offset.
pub(super) fn walk_frame(image: &Image, rva: u32, walker: &mut dyn FrameWalker) -> Option<Caller> {
    let mut frame = Frame::new(walker)?;
    let (pc, caller) = match Function::find(image, rva) {
        Some(function) => frame.leave(image, function, rva, walker)?,
        None if is_leaf(image, rva, walker) => frame.ret(walker)?,
        None => return None,
    };
    frame.tell(pc, walker)?;
    Some(caller)
}

/// Where the frame below stands, and how it came to the one above.
type Left = (u64, Caller);

/// A part of a function and its chain, as [`Function::chain`] has them.
type Chain<'i> = [(Function, UnwindInfo<'i>)];

/// Registers while a frame is undone.
struct Frame {
    rsp: u64,
    /// `None` is a value that is lost: no reason to stop as long as the way on does not depend on it.
    values: [Option<u64>; 16],
    /// Those that were on the stack.
    found: [bool; 16],
}

impl Frame {
    fn new(walker: &dyn FrameWalker) -> Option<Self> {
        let values = REGISTERS.map(|(name, _)| walker.get_callee_register(name));
        Some(Self { rsp: walker.get_callee_register("rsp")?, values, found: [false; 16] })
    }

    fn leave(
        &mut self,
        image: &Image,
        function: Function,
        rva: u32,
        walker: &dyn FrameWalker,
    ) -> Option<Left> {
        let chain = function.chain(image)?;
        let (part, info) = chain.first()?;
        // Only an interrupted frame can be in an epilog. A call is often followed by `add rsp`, pops and a return, and
        // its frame still stands.
        if !walker.has_grand_callee() {
            if info.has_marks() {
                if let Some(into) = info.in_epilog(part, rva) {
                    return self.undo_pushes(&chain, into, walker);
                }
            } else if let Some(epilog) = Epilog::at(image, function, info, rva) {
                return self.play(&epilog, info, walker);
            }
        }
        self.undo_prolog(&chain, rva, walker)
    }

    /// Prologs from the last instruction to the first, those of the parts that this one is chained to as well.
    fn undo_prolog(&mut self, chain: &Chain<'_>, rva: u32, walker: &dyn FrameWalker) -> Option<Left> {
        let (part, first) = chain.first()?;
        let mut passed = rva.checked_sub(part.begin).filter(|_| part.contains(rva)).unwrap_or(u32::MAX);
        let is_set = |code: &Code| code.operation == Operation::SetFrame && code.offset <= passed;
        let framed = first.is_chained() || passed >= first.prolog || first.codes.iter().any(is_set);
        // one for the whole chain: all its parts must have the same frame register
        let base = match first.frame.filter(|_| framed) {
            Some(frame) => self.frame_base(frame),
            None => Some(self.rsp),
        };
        for (_, info) in chain {
            for code in info.codes.iter().filter(|code| code.offset <= passed) {
                match code.operation {
                    Operation::Push(register) => self.pop(register, walker)?,
                    Operation::Allocate(bytes) => self.rsp = self.rsp.checked_add(bytes)?,
                    Operation::SetFrame => self.rsp = self.frame_base(info.frame?)?,
                    Operation::Save(register, offset) => {
                        let address = base.and_then(|base| base.checked_add(offset));
                        self.set(register, address.and_then(|va| walker.get_register_at_address(va)));
                    }
                    Operation::MachineFrame { error_code } => return self.trapped(error_code, walker),
                    Operation::Other => {}
                }
            }
            // whoever is in one part is behind the prologs of all others
            passed = u32::MAX;
        }
        self.ret(walker)
    }

    /// The rest of an epilog that version 2 marks: it pops in order what the prolog pushed, each by an instruction of one
    /// byte or two. Needs no code, which a dump may lack.
    fn undo_pushes(&mut self, chain: &Chain<'_>, into: u32, walker: &dyn FrameWalker) -> Option<Left> {
        let pushed =
            |code: &Code| matches!(code.operation, Operation::Push(_) | Operation::MachineFrame { .. });
        // all pushes of a function are in one part
        let codes = chain.iter().map(|(_, info)| &info.codes).find(|codes| codes.iter().any(pushed));
        let codes = codes.into_iter().flatten().skip_while(|code| !pushed(code));
        let mut at = 0_u32;
        for code in codes {
            match code.operation {
                Operation::Push(register) => {
                    if at >= into {
                        self.pop(register, walker)?;
                    }
                    at = at.checked_add(if register < 8 { 1 } else { 2 })?;
                }
                // `pushfq`, which is popped into any register
                Operation::Allocate(WORD) => {
                    if at >= into {
                        self.rsp = self.rsp.checked_add(WORD)?;
                    }
                    at = at.checked_add(1)?;
                }
                Operation::MachineFrame { .. } => return self.trapped(false, walker),
                Operation::Allocate(_) | Operation::SetFrame | Operation::Save(..) | Operation::Other => {
                    return None;
                }
            }
        }
        self.ret(walker)
    }

    fn play(&mut self, epilog: &Epilog, info: &UnwindInfo<'_>, walker: &dyn FrameWalker) -> Option<Left> {
        match epilog.free {
            Some(Free::Add(bytes)) => self.rsp = self.rsp.checked_add_signed(bytes)?,
            Some(Free::ToFrame(distance)) => {
                let (register, _) = info.frame?;
                self.rsp = self.get(register)?.checked_add_signed(distance)?;
            }
            None => {}
        }
        epilog.pops.iter().try_for_each(|&register| self.pop(register, walker))?;
        self.ret(walker)
    }

    fn get(&self, register: u8) -> Option<u64> {
        self.values.get(usize::from(register)).copied().flatten()
    }

    fn set(&mut self, register: u8, value: Option<u64>) {
        let number = usize::from(register);
        if let (Some(slot), Some(found)) = (self.values.get_mut(number), self.found.get_mut(number))
            && register != RSP
        {
            (*slot, *found) = (value, true);
        }
    }

    fn frame_base(&self, (register, above): (u8, u64)) -> Option<u64> {
        self.get(register)?.checked_sub(above)
    }

    fn pop(&mut self, register: u8, walker: &dyn FrameWalker) -> Option<()> {
        self.set(register, walker.get_register_at_address(self.rsp));
        self.rsp = self.rsp.checked_add(WORD)?;
        Some(())
    }

    fn ret(&mut self, walker: &dyn FrameWalker) -> Option<Left> {
        let pc = walker.get_register_at_address(self.rsp)?;
        self.rsp = self.rsp.checked_add(WORD)?;
        Some((pc, Caller::Called))
    }

    /// A machine frame: `rip`, `cs`, `rflags`, `rsp`, `ss`.
    fn trapped(&mut self, error_code: bool, walker: &dyn FrameWalker) -> Option<Left> {
        let frame = self.rsp.checked_add(if error_code { WORD } else { 0 })?;
        let pc = walker.get_register_at_address(frame)?;
        self.rsp = walker.get_register_at_address(frame.checked_add(24)?)?;
        Some((pc, Caller::Trapped))
    }

    fn tell(&self, pc: u64, walker: &mut dyn FrameWalker) -> Option<()> {
        walker.set_cfa(self.rsp)?;
        walker.set_ra(pc)?;
        for (((name, preserved), value), found) in REGISTERS.into_iter().zip(self.values).zip(self.found) {
            match value.filter(|_| preserved || found) {
                // a walker that does not know a register gets along without it
                Some(value) => _ = walker.set_caller_register(name, value),
                None if preserved => walker.clear_caller_register(name),
                None => {}
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests;
