//! What a function does to its frame, whether a packed word or a full record told it, and what of it is left to undo.

use super::codes::{Code, instructions, skip};

/// A function. All offsets are in instructions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) length: u32,
    /// Undoes the whole frame, from the function's body.
    pub(super) prolog: Vec<Code>,
    /// The epilog that matters.
    pub(super) epilog: Option<Epilog>,
}

/// Where a function takes its frame down itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Epilog {
    pub(super) start: u32,
    pub(super) codes: Vec<Code>,
}

impl Epilog {
    /// One whose last instruction is the function's.
    pub(super) fn at_end(length: u32, codes: Vec<Code>) -> Self {
        Self { start: length.saturating_sub(instructions(&codes)).saturating_sub(1), codes }
    }
}

impl Function {
    /// The codes that undo the frame at an instruction.
    pub(super) fn remaining(&self, passed: u32) -> &[Code] {
        let not_run = instructions(&self.prolog).saturating_sub(passed);
        if not_run > 0 {
            return skip(&self.prolog, not_run);
        }
        let inside = self.epilog.iter().find_map(|epilog| {
            let run = passed.checked_sub(epilog.start)?;
            (run <= instructions(&epilog.codes)).then(|| skip(&epilog.codes, run))
        });
        inside.unwrap_or(&self.prolog)
    }
}
