//! The pages that a dump holds of an image. Owns which bytes are known; never lets a run of bytes cross a missing page.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use super::{Damaged, PAGE_BYTES};
use crate::reader::index;

/// The kernel of Windows 11 has 17 MB, and graphics drivers a few times that. A size is read from a dump, and each page of
/// it costs a look-up.
const MAX_SIZE: u32 = 512 << 20;

/// Pages that lie side by side.
#[derive(Debug)]
struct Run {
    start: u32,
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Pages {
    runs: Vec<Run>,
}

impl Pages {
    pub(super) fn read(
        size: u32,
        mut page: impl FnMut(u32) -> Option<[u8; PAGE_BYTES]>,
    ) -> Result<Self, Damaged> {
        if size > MAX_SIZE {
            return Err(Damaged::new("image", format!("{size} bytes of memory, more than {MAX_SIZE}")));
        }
        let mut runs: Vec<Run> = Vec::new();
        let mut open = false;
        for start in (0..size).step_by(PAGE_BYTES) {
            let Some(bytes) = page(start) else {
                open = false;
                continue;
            };
            // The last page may be larger than what is left of the image.
            let len = PAGE_BYTES.min(index(size.saturating_sub(start)));
            let bytes = bytes.get(..len).unwrap_or_default();
            match runs.last_mut().filter(|_| open) {
                Some(run) => run.bytes.extend_from_slice(bytes),
                None => runs.push(Run { start, bytes: bytes.to_vec() }),
            }
            open = true;
        }
        runs.iter_mut().for_each(|run| run.bytes.shrink_to_fit());
        Ok(Self { runs })
    }

    /// From an offset to the next page that is missing.
    pub(super) fn at(&self, rva: u32) -> Option<&[u8]> {
        let after = self.runs.partition_point(|run| run.start <= rva);
        let run = self.runs.get(after.checked_sub(1)?)?;
        run.bytes.get(index(rva.checked_sub(run.start)?)..).filter(|bytes| !bytes.is_empty())
    }

    pub(super) fn held(&self) -> usize {
        self.runs.iter().map(|run| run.bytes.capacity()).sum::<usize>()
    }

    #[cfg(test)]
    fn spans(&self) -> Vec<(u32, u32)> {
        self.runs.iter().map(|run| (run.start, crate::reader::len32(run.bytes.len()))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_never_crosses_a_missing_page() {
        let pages = Pages::read(0x4800, |rva| (rva != 0x2000).then_some([7; PAGE_BYTES])).unwrap();
        assert_eq!(pages.spans(), [(0, 0x2000), (0x3000, 0x1800)]);
        assert_eq!(pages.at(0x1FFF).unwrap().len(), 1);
        assert_eq!(pages.at(0x2000), None);
        assert_eq!(pages.at(0x2FFF), None);
        assert_eq!(pages.at(0x3000).unwrap().len(), 0x1800);
        assert_eq!(pages.at(0x47FF).unwrap().len(), 1);
        assert_eq!(pages.at(0x4800), None);
    }
}
