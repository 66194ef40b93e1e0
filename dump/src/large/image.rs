//! The head of an image in memory: its timestamp, where nothing else tells it. Never reads a section.

use crate::bytes::Bytes;
use crate::large::Virtual;

/// `IMAGE_DOS_HEADER.e_lfanew`
const E_LFANEW: u64 = 0x3C;
/// The head of an image is one page.
const HEAD_LEN: usize = 0x1000;

// from the signature `PE\0\0` on
const TIME_DATE_STAMP: u64 = 0x08;
/// `SizeOfImage` and `CheckSum` are at the same place in images of either width.
const SIZE_OF_IMAGE: u64 = 0x50;

/// Timestamp of the image at `base`. Believed only where its size is the one that the list of drivers says.
pub(crate) fn timestamp(memory: Virtual<'_>, base: u64, size: u32) -> Option<u32> {
    let head = memory.run(base, HEAD_LEN)?;
    let head = Bytes(&head);
    head.get(0, 2).filter(|mark| mark == b"MZ")?;
    let at = u64::from(head.u32(E_LFANEW)?);
    head.get(at, 4).filter(|mark| mark == b"PE\0\0")?;
    let size_of_image = head.u32(at.checked_add(SIZE_OF_IMAGE)?)?;
    let pages = |size: u32| size.div_ceil(0x1000);
    (pages(size_of_image) == pages(size)).then(|| head.u32(at.checked_add(TIME_DATE_STAMP)?))?
}
