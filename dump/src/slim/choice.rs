//! Which memory of a small dump is kept: windows around addresses that tell of the crash, the most telling first, until
//! a budget is spent. Never judges what the memory says.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::map::{Map, Run};
use super::objects;
use crate::bytes::{Bytes, Width};
use crate::kernel_dump::KernelDump;
use crate::registers::Registers;

/// Bytes kept altogether, with their entries of the table.
const BUDGET: u64 = 36 << 10;
/// An entry of the table of blocks.
const ENTRY_LEN: u64 = 16;

/// Around a parameter: a `CONTEXT` has 0x4D0 bytes, an EPROCESS 0xC80, an error record a little more than a page.
const AT_PARAMETER: Around = Around { before: 0x100, behind: 0x1100 };
/// Around a stack pointer: a kernel stack has 24 KiB.
const AT_STACK: Around = Around { before: 0x100, behind: 0x6000 };
/// Around an instruction: what a debugger disassembles.
const AT_CODE: Around = Around { before: 0x100, behind: 0x100 };
/// Around what an object or a register points at: an IRP, a device and a driver object have 0xD0 to 0x200 bytes.
const AT_OBJECT: Around = Around { before: 0x40, behind: 0x200 };
/// Around what a word of the stack points at: the window that the debugger engine itself takes is 0x100 bytes.
const AT_WORD: Around = Around { before: 0x80, behind: 0x80 };

/// IRP to device to driver to the text of its name is four steps, with a device on top of another five.
const MOST_STEPS: usize = 5;
/// Objects followed.
const MOST_OBJECTS: usize = 512;
/// Bytes of an object in which pointers are followed.
const OF_AN_OBJECT: usize = 0x180;
/// Words of the stack followed, from the stack pointer on: the frames nearest to the fault.
const MOST_WORDS: usize = 512;

#[derive(Debug, Clone, Copy)]
struct Around {
    before: u64,
    behind: u64,
}

impl Around {
    fn of(self, va: u64) -> Range<u64> {
        va.saturating_sub(self.before)..va.saturating_add(self.behind)
    }
}

/// The runs of memory to keep, ascending.
pub(super) fn choose<'a>(map: Map<'a>, dump: &KernelDump<'_>, width: Width) -> Vec<Run<'a>> {
    // As they will be written: runs without a gap between them are one block.
    let blocks = map.runs().chunk_by(|a, b| a.end() == b.start);
    let costs = blocks.filter_map(|block| Some(cost(block.first()?.start, block.last()?.end())));
    if costs.fold(0, u64::saturating_add) <= BUDGET {
        return map.into_runs();
    }
    let map = &map;
    let mut choice = Choice { map, kept: BTreeMap::new(), left: BUDGET };
    for range in objects::ranges(map, dump, width) {
        choice.keep(range);
    }
    let parameters = dump.header().parameters.map(|parameter| width.address(parameter));
    for parameter in parameters {
        choice.keep(AT_PARAMETER.of(parameter));
    }
    let at = |va| dump.context_at(va).into_iter().chain(dump.trap_frame_at(va));
    let contexts: Vec<Registers> =
        dump.context().copied().into_iter().chain(parameters.into_iter().flat_map(at)).collect();
    for context in &contexts {
        choice.keep(AT_CODE.of(context.pc()));
        choice.keep(AT_STACK.of(context.sp()));
    }
    choice.keep_objects(parameters, width);
    for (_, value) in contexts.iter().flat_map(Registers::named) {
        choice.keep(AT_OBJECT.of(value));
    }
    for context in &contexts {
        choice.keep_words(context.sp(), width);
    }
    choice.keep_words(map.stack().start, width);
    choice.keep_smallest();
    let kept = choice.kept;
    kept.into_iter().flat_map(|(start, end)| map.parts(start..end)).collect()
}

/// What keeping a range takes of the budget.
fn cost(start: u64, end: u64) -> u64 {
    end.saturating_sub(start).saturating_add(ENTRY_LEN)
}

/// The pointers in some bytes.
fn words(bytes: &[u8], width: Width) -> impl Iterator<Item = u64> {
    let len = usize::try_from(width.len()).unwrap_or(8);
    bytes.chunks_exact(len).filter_map(move |word| Bytes(word).word(width, 0))
}

struct Choice<'m, 'a> {
    map: &'m Map<'a>,
    /// Start and end of what is kept; nothing overlaps or touches.
    kept: BTreeMap<u64, u64>,
    left: u64,
}

impl Choice<'_, '_> {
    /// Keeps what there is of a range, while the budget lasts.
    fn keep(&mut self, range: Range<u64>) {
        let map = self.map;
        for part in map.parts(range) {
            if self.left <= ENTRY_LEN {
                return;
            }
            self.keep_part(part.start, part.end());
        }
    }

    /// Keeps a range that the dump has, or nothing of it where that is too much.
    fn keep_part(&mut self, start: u64, end: u64) {
        let before = self.kept.range(..=end).rev().take_while(|(_, kept_end)| **kept_end >= start);
        let touched: Vec<(u64, u64)> = before.map(|(start, end)| (*start, *end)).collect();
        let whole =
            touched.iter().fold((start, end), |(start, end), kept| (start.min(kept.0), end.max(kept.1)));
        let had = touched.iter().map(|kept| cost(kept.0, kept.1)).fold(0, u64::saturating_add);
        let Some(left) = self.left.saturating_add(had).checked_sub(cost(whole.0, whole.1)) else { return };
        self.left = left;
        for (start, _) in touched {
            self.kept.remove(&start);
        }
        self.kept.insert(whole.0, whole.1);
    }

    /// Objects that the parameters lead to, nearest first.
    fn keep_objects(&mut self, parameters: [u64; 4], width: Width) {
        let mut seen: BTreeSet<u64> = parameters.into();
        let mut level = parameters.to_vec();
        for _ in 0..MOST_STEPS {
            let mut next = Vec::new();
            for object in level {
                let Some(bytes) = self.map.at(object) else { continue };
                if seen.len() > MOST_OBJECTS || self.left <= ENTRY_LEN {
                    return;
                }
                self.keep(AT_OBJECT.of(object));
                let pointers = words(bytes.get(..OF_AN_OBJECT).unwrap_or(bytes), width);
                next.extend(pointers.filter(|&va| self.map.at(va).is_some() && seen.insert(va)));
            }
            level = next;
        }
    }

    fn keep_words(&mut self, from: u64, width: Width) {
        let map = self.map;
        let bytes = map.at(from).unwrap_or_default();
        for word in words(bytes, width).take(MOST_WORDS) {
            self.keep(AT_WORD.of(word));
        }
    }

    /// What is left, in pieces: in the debugger engine's dumps the windows around the frames of the stack.
    fn keep_smallest(&mut self) {
        let mut runs: Vec<Run<'_>> = self.map.runs().to_vec();
        runs.sort_unstable_by_key(|run| (run.bytes.len(), run.start));
        for run in runs {
            if Bytes(run.bytes).len() > self.left {
                return;
            }
            self.keep_part(run.start, run.end());
        }
    }
}
