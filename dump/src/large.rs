//! Large dumps: the physical memory of the machine, or the kernel's part of it. What a small dump has as tables is found
//! here by walking the kernel's own lists through the page tables. Owns the choice of the page tables; never trusts a
//! link: each list has a limit, and what one half of it cannot reach may be reached from its other end.

mod bug_check;
mod current;
mod debugger;
mod drivers;
mod image;
mod memory;
#[cfg(test)]
mod tests;
mod unloaded;

use crate::bytes::{Bytes, Width};
use crate::header::Header;
use crate::layout::Layout;
use crate::paging::{Paging, Ram};
use crate::physical::Physical;
use crate::problem::{Damage, Part, Problems};
use crate::source::Store;

pub(crate) use bug_check::bug_check;
pub(crate) use current::{Current, Piece, current};
pub(crate) use debugger::debugger_data;
pub(crate) use drivers::drivers;
pub(crate) use memory::Virtual;
pub(crate) use unloaded::unloaded;

/// A large dump: where its pages are, and its page tables.
#[derive(Debug)]
pub(crate) struct Large {
    physical: Physical,
    paging: Option<Paging>,
    width: Width,
}

impl Large {
    /// Reads where the pages are, and finds out how addresses are translated. `None` where there are no pages.
    pub(crate) fn read(
        store: &Store<'_>,
        file: Bytes<'_>,
        layout: &Layout,
        header: &Header,
        problems: &mut Problems,
    ) -> Option<Self> {
        let physical = Physical::read(store, file, layout, header.dump_type, problems)?;
        let mut large = Self { physical, paging: None, width: layout.width };
        let candidates = Paging::candidates(header);
        let mut best = None;
        for paging in candidates {
            large.paging = Some(paging);
            let trust = large.memory(store).trust(header);
            if best.is_none_or(|(most, _)| trust > most) {
                best = Some((trust, paging));
            }
        }
        large.paging = best.map(|(_, paging)| paging);
        if best.is_none_or(|(trust, _)| trust == memory::Trust::Nothing) {
            problems.add(Part::PageTables, Damage::Invalid);
        }
        Some(large)
    }

    /// Where the pages end.
    pub(crate) fn end(&self) -> u64 {
        self.physical.end()
    }

    /// Virtual memory of the kernel, and of the process that ran when the machine stopped.
    pub(crate) fn memory<'s>(&'s self, store: &'s Store<'_>) -> Virtual<'s> {
        Virtual { ram: Ram { store, physical: &self.physical }, paging: self.paging, width: self.width }
    }
}
