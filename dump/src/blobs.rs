//! Secondary data behind a small dump: pieces of any content, each named by a GUID. Never reads a piece.

use serde::Serialize;

use crate::budget::Budget;
use crate::bytes::Bytes;
use crate::guid::Guid;
use crate::problem::{Damage, Part, Problems};

const FILE_MARK: &[u8] = b"DumpBlob";
const FILE_HEADER_SIZE: u64 = 0x08;
const BLOB_HEADER_LEN: u64 = 0x20;
/// Real dumps have 9 to 36.
const MAX_BLOBS: u64 = 4096;

/// A piece of secondary data. A GUID may occur more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Blob<'a> {
    /// What it is.
    pub guid: Guid,
    /// Its content; may be empty.
    pub data: &'a [u8],
}

/// SMBIOS tables.
pub(crate) const SMBIOS: Guid = Guid::from_text_order(0xbc5c008f_1e3a_44d7_988d_86f6884c6758);
/// What Windows noted about its boots.
pub(crate) const BOOT_STATUS: Guid = Guid::from_text_order(0xf57308df_cc45_4e01_ad76_29a4ebb010ec);
/// Values of the processor's registry key.
pub(crate) const PROCESSOR: Guid = Guid::from_text_order(0x6c7ac389_4313_47dc_9f34_a8800a0fb56c);

/// Reads the list that begins at `offset`, where the small dump ends.
pub(crate) fn read<'a>(
    file: Bytes<'a>,
    offset: u64,
    budget: &mut Budget,
    problems: &mut Problems,
) -> Vec<Blob<'a>> {
    let area = file.from(offset);
    if area.len() == 0 {
        return Vec::new();
    }
    let Some(header_size) = area.u32(FILE_HEADER_SIZE).filter(|_| area.0.starts_with(FILE_MARK)) else {
        problems.add(Part::Blobs, Damage::Unmarked { offset });
        return Vec::new();
    };
    let mut blobs = Vec::new();
    let mut rest = area.from(header_size.into());
    for _ in 0..MAX_BLOBS {
        let Some((blob, size)) = blob(rest) else { break };
        if u64::try_from(blob.data.len()).ok() != Some(size) {
            let entry = u64::try_from(blobs.len()).unwrap_or(u64::MAX).saturating_add(1);
            problems.add(Part::Blobs, Damage::EntryCut { entry, count: entry, offset });
        }
        // a vector that grows holds up to three times its content for a moment
        if budget.take(size_of::<Blob<'_>>().saturating_mul(3)).is_none() {
            problems.add(Part::Blobs, Damage::Budget);
            break;
        }
        blobs.push(blob);
        rest = match next(rest) {
            Some(next) => next,
            None => break,
        };
    }
    blobs
}

/// The blob at the beginning of `rest` and the size it announces. `None` at the end of the list: kernel-written files
/// go on with zeros or stale bytes.
fn blob(rest: Bytes<'_>) -> Option<(Blob<'_>, u64)> {
    let header = Bytes(rest.get(0, BLOB_HEADER_LEN)?);
    let header_size = header.u32(0).filter(|&size| u64::from(size) >= BLOB_HEADER_LEN)?;
    let guid = Guid(*header.0.get(4..20)?.first_chunk::<16>()?);
    let size = u64::from(header.u32(0x14)?);
    let begin = u64::from(header_size).checked_add(header.u32(0x18)?.into())?;
    Some((Blob { guid, data: rest.clip(begin, size).unwrap_or_default() }, size))
}

/// What follows the blob at the beginning of `rest`.
fn next(rest: Bytes<'_>) -> Option<Bytes<'_>> {
    let parts = [rest.u32(0)?, rest.u32(0x14)?, rest.u32(0x18)?, rest.u32(0x1C)?];
    Some(rest.from(parts.iter().map(|&part| u64::from(part)).sum()))
}
