//! Where the bytes of a dump come from: a slice in memory, or a [`Source`] that reads ranges of something too large to
//! hold. Owns the pages that were read last; never knows a format.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::bytes::Bytes;

/// A dump that is read by ranges: a file, an object in a store. The crate itself does no I/O.
pub trait Source: Send + Sync {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Fills the buffer with the bytes from `offset` on.
    ///
    /// # Errors
    /// Where the range cannot be read whole.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

const PAGE: u64 = 0x1000;
const PAGE_LEN: usize = 0x1000;
/// Pages kept: those of the page tables on the way to an address, and those of the lists being walked.
const KEPT: usize = 64;
/// Reads from this length on go past the kept pages.
const LONG: usize = 4 * PAGE_LEN;

/// The bytes of a dump.
pub(crate) enum Store<'a> {
    Bytes(Cow<'a, [u8]>),
    Paged(Paged<'a>),
}

impl Store<'_> {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => Bytes(bytes).len(),
            Self::Paged(paged) => paged.source.size(),
        }
    }

    /// Exactly `len` bytes from `offset`.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Option<Cow<'_, [u8]>> {
        let wanted = u64::try_from(len).ok()?;
        match self {
            Self::Bytes(bytes) => Bytes(bytes).get(offset, wanted).map(Cow::Borrowed),
            Self::Paged(paged) => {
                if offset.checked_add(wanted)? > self.size() {
                    return None;
                }
                let mut buffer = vec![0; len];
                paged.fill(offset, &mut buffer)?;
                Some(Cow::Owned(buffer))
            }
        }
    }

    /// What of `len` bytes from `offset` there is; `None` where that is nothing.
    pub(crate) fn clip(&self, offset: u64, len: u64) -> Option<Cow<'_, [u8]>> {
        let kept = len.min(self.size().checked_sub(offset)?);
        self.read(offset, usize::try_from(kept).ok()?).filter(|bytes| !bytes.is_empty())
    }

    /// A little-endian number.
    pub(crate) fn u32(&self, offset: u64) -> Option<u32> {
        self.array(offset).map(u32::from_le_bytes)
    }

    /// A little-endian number.
    pub(crate) fn u64(&self, offset: u64) -> Option<u64> {
        self.array(offset).map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let mut array = [0; N];
        match self {
            Self::Bytes(bytes) => {
                array = *Bytes(bytes).get(offset, u64::try_from(N).ok()?)?.first_chunk()?;
            }
            Self::Paged(paged) => {
                let end = offset.checked_add(u64::try_from(N).ok()?)?;
                if end > self.size() {
                    return None;
                }
                paged.fill(offset, &mut array)?;
            }
        }
        Some(array)
    }

    /// The first error of the source.
    pub(crate) fn error(&self) -> Option<&io::Error> {
        match self {
            Self::Bytes(_) => None,
            Self::Paged(paged) => paged.error.get(),
        }
    }
}

impl fmt::Debug for Store<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.size())
    }
}

/// A source with the pages that were read last.
pub(crate) struct Paged<'a> {
    source: &'a dyn Source,
    pages: Mutex<Pages>,
    error: OnceLock<io::Error>,
}

#[derive(Default)]
struct Pages {
    kept: Vec<Page>,
    /// Counts reads.
    now: u64,
}

struct Page {
    number: u64,
    used: u64,
    bytes: Box<[u8; PAGE_LEN]>,
}

impl<'a> Paged<'a> {
    pub(crate) fn new(source: &'a dyn Source) -> Self {
        Self { source, pages: Mutex::default(), error: OnceLock::new() }
    }

    /// Reads a range that lies inside.
    fn fill(&self, offset: u64, buffer: &mut [u8]) -> Option<()> {
        if buffer.len() >= LONG {
            return self.read_at(offset, buffer);
        }
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut at, mut rest) = (offset, buffer);
        while !rest.is_empty() {
            let page = self.page(&mut pages, at.checked_div(PAGE)?)?;
            let from = page.get(usize::try_from(at.checked_rem(PAGE)?).ok()?..)?;
            let len = from.len().min(rest.len());
            let (now, later) = rest.split_at_mut_checked(len)?;
            now.copy_from_slice(from.get(..len)?);
            at = at.checked_add(u64::try_from(len).ok()?)?;
            rest = later;
        }
        Some(())
    }

    /// A page of the file; behind its end, zeros.
    fn page<'p>(&self, pages: &'p mut Pages, number: u64) -> Option<&'p [u8; PAGE_LEN]> {
        pages.now = pages.now.saturating_add(1);
        let at = match pages.kept.iter().position(|page| page.number == number) {
            Some(at) => at,
            None => {
                let mut bytes = Box::new([0; PAGE_LEN]);
                let offset = number.checked_mul(PAGE)?;
                let len = self.source.size().checked_sub(offset)?.min(PAGE);
                self.read_at(offset, bytes.get_mut(..usize::try_from(len).ok()?)?)?;
                let oldest = || {
                    let pages = pages.kept.iter().enumerate();
                    pages.min_by_key(|(_, page)| page.used).map(|(at, _)| at)
                };
                let place = if pages.kept.len() < KEPT { None } else { oldest() };
                if let Some(place) = place {
                    pages.kept.swap_remove(place);
                }
                pages.kept.push(Page { number, used: 0, bytes });
                pages.kept.len().checked_sub(1)?
            }
        };
        let page = pages.kept.get_mut(at)?;
        page.used = pages.now;
        Some(&page.bytes)
    }

    /// The first error is kept: what could not be read looks like memory that the dump does not have.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Option<()> {
        match self.source.read_at(offset, buffer) {
            Ok(()) => Some(()),
            Err(error) => {
                self.error.get_or_init(|| error);
                None
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, clippy::as_conversions, reason = "small numbers")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    struct Counted {
        bytes: Vec<u8>,
        reads: AtomicUsize,
    }

    impl Source for Counted {
        fn size(&self) -> u64 {
            self.bytes.len() as u64
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let from = self.bytes.get(offset as usize..).ok_or(io::ErrorKind::UnexpectedEof)?;
            let from = from.get(..buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(from);
            Ok(())
        }
    }

    fn counted(len: usize) -> Counted {
        Counted { bytes: (0..len).map(|at| (at / 7) as u8).collect(), reads: AtomicUsize::new(0) }
    }

    #[test]
    fn ranges_are_those_of_the_source() {
        let source = counted(300_123);
        let store = Store::Paged(Paged::new(&source));
        for (offset, len) in
            [(0, 1), (4095, 2), (4096, 4096), (100, 9000), (8191, 100_000), (300_122, 1), (299_000, 1123)]
        {
            assert_eq!(
                *store.read(offset, len).unwrap(),
                source.bytes[offset as usize..][..len],
                "{offset}+{len}"
            );
        }
        assert_eq!(store.read(300_122, 2), None);
        assert_eq!((store.read(u64::MAX, 2), store.u64(300_120), store.u64(u64::MAX)), (None, None, None));
        assert_eq!(store.clip(300_000, 1000).unwrap().len(), 123);
        assert_eq!(store.clip(300_123, 1000), None);
        assert!(store.error().is_none());
    }

    #[test]
    fn a_page_is_read_once_while_it_is_kept() {
        let source = counted(KEPT * 2 * PAGE_LEN);
        let store = Store::Paged(Paged::new(&source));
        for _ in 0..100 {
            for page in 0..KEPT as u64 {
                assert!(store.u64(page * PAGE + 8).is_some());
            }
        }
        assert_eq!(source.reads.load(Ordering::Relaxed), KEPT);
        for page in 0..2 * KEPT as u64 {
            assert!(store.u64(page * PAGE).is_some());
        }
        let Store::Paged(paged) = &store else { unreachable!() };
        assert_eq!(paged.pages.lock().unwrap().kept.len(), KEPT);
    }

    #[test]
    fn the_first_error_is_kept() {
        struct Broken;
        impl Source for Broken {
            fn size(&self) -> u64 {
                1 << 40
            }
            fn read_at(&self, offset: u64, _: &mut [u8]) -> io::Result<()> {
                Err(io::Error::other(format!("no sector at {offset}")))
            }
        }
        let store = Store::Paged(Paged::new(&Broken));
        assert_eq!((store.u64(0x5008), store.u64(0)), (None, None));
        assert_eq!(store.error().unwrap().to_string(), "no sector at 20480");
    }
}
