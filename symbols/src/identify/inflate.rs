//! The one place of this crate that inflates: members of archives, to memory or to a file, never more than allowed.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::io::{self, Read, Write};

/// A member may be this much larger than all of its archive. Those of the samples come out 5 times as large.
const MAX_RATIO: u64 = 200;

/// Small archives may hold this much whatever the ratio: an empty PDB is mostly zeros.
const SMALL: u64 = 16 << 20;

/// One copy.
const CHUNK: usize = 64 << 10;

/// Why a member was not unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InflateError {
    #[error("damaged: {0}")]
    Damaged(io::Error),
    #[error("unpacks to more than {0} bytes")]
    TooLarge(u64),
    #[error("cannot be written: {0}")]
    Write(io::Error),
}

/// How much may come out of an archive of `packed` bytes.
pub(super) fn allowance(packed: u64, limit: u64) -> u64 {
    limit.min(packed.saturating_mul(MAX_RATIO).max(SMALL))
}

/// Copies at most `limit` bytes, and says how many there were.
pub(crate) fn copy(from: impl Read, to: &mut impl Write, limit: u64) -> Result<u64, InflateError> {
    // One byte more than allowed tells "exactly at the limit" from "cut there".
    let mut from = from.take(limit.saturating_add(1));
    let mut chunk = vec![0; CHUNK];
    let mut copied = 0_u64;
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => return Ok(copied),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(InflateError::Damaged(error)),
        };
        copied = copied.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if copied > limit {
            return Err(InflateError::TooLarge(limit));
        }
        to.write_all(chunk.get(..read).unwrap_or_default()).map_err(InflateError::Write)?;
    }
}

/// Reads at most `limit` bytes.
pub(super) fn read(from: impl Read, limit: u64) -> Result<Vec<u8>, InflateError> {
    let mut bytes = Vec::new();
    copy(from, &mut bytes, limit)?;
    Ok(bytes)
}
