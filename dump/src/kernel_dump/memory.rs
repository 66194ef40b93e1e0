//! Questions about memory, and about records that addresses lead to.

use std::borrow::Cow;

use super::{Body, KernelDump};
use crate::blobs::TriageBlock;
use crate::bytes::{Bytes, Width};
use crate::exception::{self, ExceptionRecord64};
use crate::memory::{self, DataBlock, Extra, Memory};
use crate::problem::Problem;
use crate::registers::{self, Registers};
use crate::triage::Triage;

/// Longest stack that is read from a large dump. Kernel stacks have 24 KB, at most 72 KB when they grow.
const MOST_STACK: usize = 128 * 1024;
/// Pieces of memory in secondary data: real dumps have 56 at most.
const MOST_EXTRAS: usize = 4096;

impl KernelDump<'_> {
    fn saved(&self, triage: &Triage) -> &Memory {
        let extras = || {
            let blocks = self.triage_contents().into_iter().flat_map(|component| component.blocks);
            let extra = |block: TriageBlock| {
                Some(Extra { va: block.va, offset: block.offset?, len: block.len.into() })
            };
            blocks.filter_map(extra).take(MOST_EXTRAS).collect()
        };
        self.memory.get_or_init(|| Memory::of_triage(self.layout, &self.header, triage, extras()))
    }

    pub(super) fn memory_problems(&self) -> &[Problem] {
        self.small().map(|triage| self.saved(triage).problems(self.file())).unwrap_or_default()
    }

    /// The saved stack: lowest address, and the bytes. Of a large dump: the current thread's, from the stack pointer
    /// on.
    pub fn stack(&self) -> Option<(u64, Cow<'_, [u8]>)> {
        match &self.body {
            Body::Small(triage) => {
                let bytes = self.file().clip(triage.call_stack_offset, triage.size_of_call_stack)?;
                Some((triage.top_of_stack, Cow::Borrowed(bytes)))
            }
            Body::Large(large) => {
                let stack = self.read_current(large).0.as_ref().and_then(|current| current.stack);
                let (sp, len) = match stack {
                    Some(stack) => (stack.va, usize::try_from(stack.len).ok()?),
                    None => (self.context()?.sp(), MOST_STACK),
                };
                Some((sp, self.read_run(sp, len.min(MOST_STACK))?))
            }
            Body::Nothing => None,
        }
    }

    /// The pieces of memory that a small dump lists beside its stack, in the order of the file.
    pub fn data_blocks(&self) -> impl Iterator<Item = DataBlock> {
        let of = |triage| memory::data_blocks(self.file(), self.layout.width, triage);
        self.small().map(of).into_iter().flatten()
    }

    /// Memory: exactly `len` bytes from an address on.
    pub fn read(&self, va: u64, len: usize) -> Option<Cow<'_, [u8]>> {
        self.read_run(va, len).filter(|bytes| bytes.len() == len)
    }

    /// Memory: the bytes from an address on, at most as many, up to the first that the dump does not have.
    pub fn read_run(&self, va: u64, most: usize) -> Option<Cow<'_, [u8]>> {
        match &self.body {
            Body::Small(triage) => self.small_run(triage, va, most),
            Body::Large(large) => large.memory(&self.store).run(va, most),
            Body::Nothing => None,
        }
    }

    /// Most of what is asked lies on the saved stack: answered without a map of all other memory.
    fn small_run(&self, triage: &Triage, va: u64, most: usize) -> Option<Cow<'_, [u8]>> {
        let elsewhere = |va, most| self.saved(triage).up_to(self.file(), va, most);
        let Some(on_stack) = self.on_stack(triage, va) else { return elsewhere(va, most) };
        if let Some(enough) = on_stack.get(..most) {
            return Some(Cow::Borrowed(enough));
        }
        let mut bytes = Cow::Borrowed(on_stack);
        let behind = va.checked_add(Bytes(on_stack).len());
        let rest = most.min(self.file().0.len()).saturating_sub(on_stack.len());
        if let Some(more) = behind.and_then(|behind| elsewhere(behind, rest)) {
            bytes.to_mut().extend_from_slice(&more);
        }
        Some(bytes)
    }

    /// What the saved stack has from an address on.
    fn on_stack(&self, triage: &Triage, va: u64) -> Option<&[u8]> {
        let skipped = self.layout.width.address(va).checked_sub(triage.top_of_stack)?;
        let len = triage.size_of_call_stack.checked_sub(skipped)?;
        self.file().clip(triage.call_stack_offset.checked_add(skipped)?, len)
    }

    /// Memory: a little-endian number of 4 bytes.
    pub fn read_u32(&self, va: u64) -> Option<u32> {
        Bytes(&self.read(va, 4)?).u32(0)
    }

    /// Memory: a little-endian number of 8 bytes.
    pub fn read_u64(&self, va: u64) -> Option<u64> {
        Bytes(&self.read(va, 8)?).u64(0)
    }

    /// Memory: a pointer.
    pub fn read_word(&self, va: u64) -> Option<u64> {
        match self.layout.width {
            Width::W32 => self.read_u32(va).map(u64::from),
            Width::W64 => self.read_u64(va),
        }
    }

    /// Registers of a `CONTEXT` in memory (bug check 0x3B parameter 3, 0x7E parameter 4).
    pub fn context_at(&self, va: u64) -> Option<Registers> {
        let machine = self.header.machine;
        let bytes = self.read_run(va, usize::try_from(registers::context_len(machine)).ok()?)?;
        registers::context(Bytes(&bytes), machine)
    }

    /// Registers of a `KTRAP_FRAME` in memory.
    pub fn trap_frame_at(&self, va: u64) -> Option<Registers> {
        let machine = self.header.machine;
        let bytes = self.read_run(va, usize::try_from(registers::trap_frame_len(machine)).ok()?)?;
        registers::trap_frame(Bytes(&bytes), machine, va)
    }

    /// An exception record in memory (bug check 0x7E parameter 3).
    pub fn exception_at(&self, va: u64) -> Option<ExceptionRecord64> {
        let most = usize::try_from(exception::full_len(self.layout)).ok()?;
        exception::read(Bytes(&self.read_run(va, most)?), self.layout)
    }
}
