//! The words of a saved stack: which of them point into images, and where the processor pushed what it interrupted.

use std::borrow::Cow;

use blame::Trust;
use dump::{KernelDump, Machine};

use super::found::Hit;
use super::images::ImageMap;

/// Kernel code selectors.
const CS64: u64 = 0x10;
const CS32: u64 = 0x08;
/// Kernel stack selector; 0 where the processor changed stacks.
const SS64: u64 = 0x18;

/// Saved stack memory, from some address upwards, read as words of the dump's width.
pub(super) struct Stack<'a> {
    start: u64,
    bytes: Cow<'a, [u8]>,
    word: usize,
    machine: Machine,
}

/// Kernel addresses of a 64-bit system.
const KERNEL_HALF: u64 = 0xFFFF_8000_0000_0000;

/// What the processor pushed when it trapped.
pub(super) struct MachineFrame {
    /// Where it lies.
    pub(super) at: u64,
    pub(super) ip: u64,
    pub(super) sp: u64,
}

impl<'a> Stack<'a> {
    /// The stack that the dump saved, whole.
    pub(super) fn saved(dump: &'a KernelDump<'_>, limit: usize) -> Option<Self> {
        let (start, bytes) = dump.stack()?;
        let bytes = match bytes {
            Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..limit).unwrap_or(bytes)),
            Cow::Owned(mut bytes) => {
                bytes.truncate(limit);
                Cow::Owned(bytes)
            }
        };
        Some(Self::of(dump, start, bytes))
    }

    /// From a stack pointer upwards: the saved stack, or whatever other memory the dump holds there (a watchdog fires
    /// on another stack than the one that is saved).
    pub(super) fn from(dump: &'a KernelDump<'_>, sp: u64, limit: usize) -> Option<Self> {
        let (start, saved) = dump.stack().unzip();
        let left = saved.zip(sp.checked_sub(start.unwrap_or(u64::MAX)));
        let on_saved = left.and_then(|(saved, skip)| saved.len().checked_sub(usize::try_from(skip).ok()?));
        let most = on_saved.filter(|left| *left > 0).map_or(limit, |left| left.min(limit));
        Some(Self::of(dump, sp, dump.read_run(sp, most)?))
    }

    fn of(dump: &KernelDump<'_>, start: u64, bytes: Cow<'a, [u8]>) -> Self {
        let header = dump.header();
        Self { start, bytes, word: if header.bits == 32 { 4 } else { 8 }, machine: header.machine }
    }

    /// Address and value of each word.
    pub(super) fn words(&self) -> impl Iterator<Item = (u64, u64)> {
        let step = u64::try_from(self.word).unwrap_or(8);
        let addresses = std::iter::successors(Some(self.start), move |at| at.checked_add(step));
        addresses.zip(self.bytes.chunks_exact(self.word).map(|chunk| {
            let mut word = [0; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            u64::from_le_bytes(word)
        }))
    }

    /// Words that would be code addresses of images, lowest first.
    pub(super) fn hits(&self, map: &ImageMap, most: usize) -> Vec<Hit> {
        self.words()
            .filter_map(|(_, word)| {
                Some(Hit { address: word, site: map.code_site(word)?, trust: Trust::Scanned, exact: false })
            })
            .take(most)
            .collect()
    }

    /// The first frame that the processor pushed with an instruction pointer that `wanted` accepts.
    pub(super) fn machine_frame(&self, wanted: impl Fn(u64) -> bool) -> Option<MachineFrame> {
        if !matches!(self.machine, Machine::X64 | Machine::X86) {
            return None;
        }
        let words: Vec<(u64, u64)> = self.words().collect();
        if self.machine == Machine::X86 {
            // Without a change of privilege only ip, cs and flags are pushed: the stack goes on behind them.
            return words.windows(4).find_map(|window| match window {
                [(at, ip), (_, cs), (_, _), (sp, _)] if cs & 0xFFFF == CS32 && wanted(*ip) => {
                    Some(MachineFrame { at: *at, ip: *ip, sp: *sp })
                }
                _ => None,
            });
        }
        words.windows(5).find_map(|window| match window {
            [(at, ip), (_, cs), (_, flags), (_, sp), (_, ss)]
                if cs & 0xFFFF == CS64
                    && matches!(ss & 0xFFFF, 0 | SS64)
                    // Bit 1 of the flags is always set, the upper half never.
                    && flags & 2 != 0
                    && flags >> 32 == 0
                    && sp % 8 == 0
                    && *sp >= KERNEL_HALF
                    && wanted(*ip) =>
            {
                Some(MachineFrame { at: *at, ip: *ip, sp: *sp })
            }
            _ => None,
        })
    }
}
