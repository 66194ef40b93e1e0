//! What `.pdata` and `.xdata` of an x64 image hold: `RUNTIME_FUNCTION`, `UNWIND_INFO`, `UNWIND_CODE`. Never decides what
//! of it applies.

use crate::image::Image;
use crate::unwind::last_entry;

/// Links of a chain that are followed; Windows gives up at the same number. Real chains have one or two.
pub(super) const CHAIN_LINKS: usize = 32;

/// `UNW_FLAG_CHAININFO`
const CHAIN_INFO: u8 = 4;

/// `UWOP_EPILOG`
const EPILOG: u8 = 6;

/// `RUNTIME_FUNCTION`: a function, or a part of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) begin: u32,
    pub(super) end: u32,
    unwind_info: u32,
}

impl Function {
    /// The entry of the table that covers an offset.
    pub(super) fn find(image: &Image, rva: u32) -> Option<Self> {
        let entry = last_entry(image.exception_table(), rva)?;
        Self::read(entry).filter(|function| function.contains(rva))
    }

    fn read(entry: &[u8; 12]) -> Option<Self> {
        let ([begin, end, unwind_info], []) = entry.as_chunks::<4>() else { return None };
        let [begin, end, unwind_info] = [begin, end, unwind_info].map(|field| u32::from_le_bytes(*field));
        Some(Self { begin, end, unwind_info })
    }

    pub(super) fn contains(&self, rva: u32) -> bool {
        (self.begin..self.end).contains(&rva)
    }

    /// What is to be undone for this part, and for those that it is chained to. `None` where the chain is damaged or
    /// longer than any real one.
    ///
    /// An odd address is that of another `RUNTIME_FUNCTION`, whose part this one shares its state with.
    pub(super) fn chain<'i>(self, image: &'i Image) -> Option<Vec<(Self, UnwindInfo<'i>)>> {
        let mut chain = Vec::new();
        let mut function = self;
        for _ in 0..CHAIN_LINKS {
            if function.unwind_info & 1 != 0 {
                function = Self::read(image.at(function.unwind_info & !1)?.first_chunk()?)?;
                continue;
            }
            let info = UnwindInfo::parse(image.at(function.unwind_info)?)?;
            let next = info.chained;
            chain.push((function, info));
            let Some(next) = next else { return Some(chain) };
            function = next;
        }
        None
    }

    /// The part that has the entry of the function.
    pub(super) fn primary(self, image: &Image) -> Option<Self> {
        self.chain(image)?.last().map(|(function, _)| *function)
    }
}

/// `UNWIND_INFO`
#[derive(Debug, Clone)]
pub(super) struct UnwindInfo<'i> {
    version: u8,
    /// Bytes of the prolog.
    pub(super) prolog: u32,
    /// Frame register, and how far above the stack pointer it was put.
    pub(super) frame: Option<(u8, u64)>,
    /// In the order in which they are undone.
    pub(super) codes: Vec<Code>,
    slots: &'i [[u8; 2]],
    chained: Option<Function>,
}

/// One step of a prolog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Code {
    /// Where in the prolog its instruction ends.
    pub(super) offset: u32,
    pub(super) operation: Operation,
}

/// What an instruction of a prolog did. Registers as processors number them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    /// `UWOP_PUSH_NONVOL`
    Push(u8),
    /// `UWOP_ALLOC_SMALL`, `UWOP_ALLOC_LARGE`
    Allocate(u64),
    /// `UWOP_SET_FPREG`
    SetFrame,
    /// `UWOP_SAVE_NONVOL`, `UWOP_SAVE_NONVOL_FAR`: the register, and where above the frame's base.
    Save(u8, u64),
    /// `UWOP_PUSH_MACHFRAME`: pushed by the processor, with an error code on top or without.
    MachineFrame { error_code: bool },
    /// Vector registers, which nobody asks for, and marks that tell nothing of the prolog.
    Other,
}

impl<'i> UnwindInfo<'i> {
    fn parse(bytes: &'i [u8]) -> Option<Self> {
        let (&[version_and_flags, prolog, count, frame], rest) = bytes.split_first_chunk()?;
        let (version, flags) = (version_and_flags & 7, version_and_flags >> 3);
        if !matches!(version, 1 | 2) {
            return None;
        }
        // the array has an even number of slots, whether the last one is counted or not
        let slots = usize::from(count);
        let (array, rest) = rest.split_at_checked(slots.next_multiple_of(2).checked_mul(2)?)?;
        let slots = array.as_chunks().0.get(..slots)?;
        Some(Self {
            version,
            prolog: prolog.into(),
            frame: (frame & 0xF != 0).then_some((frame & 0xF, u64::from(frame & 0xF0))),
            codes: codes(slots)?,
            slots,
            chained: if flags & CHAIN_INFO != 0 { Some(Function::read(rest.first_chunk()?)?) } else { None },
        })
    }

    /// Whether the function's state is that of another part plus what its own codes say.
    pub(super) fn is_chained(&self) -> bool {
        self.chained.is_some()
    }

    /// Whether epilogs are marked: from version 2 on, also where there is none.
    pub(super) fn has_marks(&self) -> bool {
        self.version >= 2
    }

    /// How many bytes into an epilog an offset is. An epilog is here what comes behind the instruction
    /// that frees the stack: pops and the jump or return.
    pub(super) fn in_epilog(&self, function: &Function, rva: u32) -> Option<u32> {
        let mut marks = self.slots.iter().map_while(|&[low, operation]| {
            (operation & 0xF == EPILOG).then_some((u32::from(low), u32::from(operation >> 4)))
        });
        let (size, flags) = marks.next()?;
        let at_end = (flags & 1 != 0).then_some(size);
        let distances = marks.map(|(low, high)| low | high << 8).take_while(|&distance| distance != 0);
        at_end.into_iter().chain(distances).find_map(|distance| {
            let into = rva.checked_sub(function.end.checked_sub(distance)?)?;
            (into < size).then_some(into)
        })
    }
}

/// All of them, or `None`: what follows an unknown one has no meaning.
fn codes(mut slots: &[[u8; 2]]) -> Option<Vec<Code>> {
    let mut codes = Vec::new();
    while let [[offset, code], operands @ ..] = slots {
        let (operation, rest) = operation(code & 0xF, code >> 4, operands)?;
        codes.push(Code { offset: u32::from(*offset), operation });
        slots = rest;
    }
    Some(codes)
}

type Slots<'s> = &'s [[u8; 2]];

fn operation(code: u8, info: u8, operands: Slots<'_>) -> Option<(Operation, Slots<'_>)> {
    let near = |scale: u64| {
        let (operand, rest) = operands.split_first()?;
        Some((u64::from(u16::from_le_bytes(*operand)).checked_mul(scale)?, rest))
    };
    let far = || {
        let [[a, b], [c, d], rest @ ..] = operands else { return None };
        Some((u64::from(u32::from_le_bytes([*a, *b, *c, *d])), rest))
    };
    let (operation, rest) = match (code, info) {
        (0, register) => (Operation::Push(register), operands),
        (1, 0) => near(8).map(|(size, rest)| (Operation::Allocate(size), rest))?,
        (1, 1) => far().map(|(size, rest)| (Operation::Allocate(size), rest))?,
        (2, eighths) => (Operation::Allocate(u64::from(eighths).checked_add(1)?.checked_mul(8)?), operands),
        (3, _) => (Operation::SetFrame, operands),
        (4, register) => near(8).map(|(offset, rest)| (Operation::Save(register, offset), rest))?,
        (5, register) => far().map(|(offset, rest)| (Operation::Save(register, offset), rest))?,
        // marks of epilogs come in pairs, the last of which may be padding without a code
        (EPILOG, _) => (Operation::Other, operands.get(1..).unwrap_or_default()),
        (8, _) => (Operation::Other, operands.get(1..)?),
        (7 | 9, _) => (Operation::Other, operands.get(2..)?),
        (10, error_code) => (Operation::MachineFrame { error_code: error_code != 0 }, operands),
        _ => return None,
    };
    Some((operation, rest))
}
