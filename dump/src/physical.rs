//! Where in the file a page of physical memory is: the runs of a full dump, the bitmap of a kernel dump, the ranges of
//! one that a debugger wrote. Owns the three forms and the check of every count in them; never reads a page.

mod bitmap;
mod runs;
#[cfg(test)]
mod tests;

use crate::bytes::Bytes;
use crate::header::DumpType;
use crate::layout::Layout;
use crate::problem::{Damage, Part, Problems};
use crate::source::Store;

use bitmap::Bitmap;
use runs::Runs;

/// Bytes of a page, on every processor Windows runs on.
pub(crate) const PAGE: u64 = 0x1000;

const DUMP: &[u8] = b"DUMP";
const SUMMARY_MARKS: [&[u8]; 2] = [b"SDMP", b"FDMP"];
const RANGES_MARK: &[u8] = b"RDMP";

/// Which pages the dump has, and where.
#[derive(Debug)]
pub(crate) struct Physical {
    form: Form,
    /// Where the pages begin.
    first: u64,
    /// How many there should be, whether the file has them or not.
    pages: u64,
}

#[derive(Debug)]
enum Form {
    Runs(Runs),
    Bitmap(Bitmap),
}

impl Physical {
    /// Reads the description of the pages. A file that is cut keeps the pages before the cut.
    pub(crate) fn read(
        store: &Store<'_>,
        header: Bytes<'_>,
        layout: &Layout,
        dump_type: DumpType,
        problems: &mut Problems,
    ) -> Option<Self> {
        let physical = if dump_type == DumpType::Full {
            Self::of_runs(runs::of_header(store, header, layout, problems)?)
        } else {
            Self::marked(store, layout, dump_type, problems)?
        };
        let (len, needed) = (store.size().saturating_sub(physical.first), physical.len());
        if len == 0 {
            problems.add(Part::PhysicalMemory, Damage::Outside { offset: physical.first });
        } else if len < needed {
            problems.add(Part::PhysicalMemory, Damage::Cut { offset: physical.first, len, needed });
        }
        Some(physical)
    }

    /// The forms that have a header of their own. Its mark decides, since types come and go: automatic dumps have 7 in
    /// the enumeration and 6 in the file.
    fn marked(
        store: &Store<'_>,
        layout: &Layout,
        dump_type: DumpType,
        problems: &mut Problems,
    ) -> Option<Self> {
        let at = layout.header.size;
        let marks = store.read(at, 12)?;
        let mark = |offset| Bytes(&marks).get(offset, 4);
        if mark(0).is_some_and(|mark| SUMMARY_MARKS.contains(&mark)) && mark(4) == Some(DUMP) {
            let bitmap = if dump_type == DumpType::Summary {
                bitmap::Place::of_summary(store, at, layout.width)
            } else {
                bitmap::Place::of_bitmap(store, at)
            };
            return Some(Self::of_bitmap(Bitmap::read(store, bitmap?, problems)?));
        }
        if mark(4) == Some(RANGES_MARK) && mark(8) == Some(DUMP) {
            let complete = dump_type == DumpType::RangesFull;
            return Some(Self::of_runs(runs::of_ranges(store, layout, complete, problems)?));
        }
        let damage = match dump_type {
            DumpType::Unknown(_) => Damage::MemoryForm(dump_type),
            _ => Damage::Unmarked { offset: at },
        };
        problems.add(Part::PhysicalMemory, damage);
        None
    }

    fn of_runs(runs: Runs) -> Self {
        Self { first: runs.first_page, pages: runs.pages, form: Form::Runs(runs) }
    }

    fn of_bitmap(bitmap: Bitmap) -> Self {
        Self { first: bitmap.place.first_page, pages: bitmap.present, form: Form::Bitmap(bitmap) }
    }

    fn len(&self) -> u64 {
        self.pages.saturating_mul(PAGE)
    }

    /// Where in the file the byte at a physical address is.
    pub(crate) fn offset_of(&self, store: &Store<'_>, pa: u64) -> Option<u64> {
        let page = pa.checked_div(PAGE)?;
        let page = match &self.form {
            Form::Runs(runs) => runs.offset_of(page)?,
            Form::Bitmap(bitmap) => bitmap.offset_of(store, page)?,
        };
        page.checked_add(pa.checked_rem(PAGE)?).filter(|&offset| offset < store.size())
    }

    /// Where the pages end. Secondary data begins here, where there is any.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.len())
    }
}
