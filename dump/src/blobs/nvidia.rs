//! Head of the report that NVIDIA's driver adds. Layout: `NVCD_HEADER` of the maker's open kernel modules. Never reads
//! the report itself, which is compressed.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::guid::Guid;

const MARK: &[u8] = b"NVCD";
const FORMAT: u64 = 0x04;
const SIZE: u64 = 0x14;
const CHECKSUM: u64 = 0x18;
/// Bytes of the head.
pub(super) const HEAD_LEN: u64 = 0x1C;

/// Head of the report of NVIDIA's driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NvidiaReport {
    /// Version of the format: `e3d5dc6e-db7d-4e28-b09e-f59a942f4a24` is the first.
    pub format: Guid,
    /// Length of the report.
    pub size: u32,
    /// The maker's checksum of it; 0 where there is none.
    pub checksum: u8,
}

/// Reads the head of a blob that has `len` bytes; `None` where the head says another length.
pub(crate) fn read(blob: &[u8], len: u64) -> Option<NvidiaReport> {
    let head = Bytes(blob);
    head.get(0, 4).filter(|mark| *mark == MARK)?;
    let format = Guid(*head.get(FORMAT, 16)?.first_chunk::<16>()?);
    let size = head.u32(SIZE).filter(|&size| u64::from(size) == len)?;
    Some(NvidiaReport { format, size, checksum: head.u8(CHECKSUM)? })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    #[test]
    fn the_head_says_the_length() {
        let mut blob = b"NVCD0123456789abcdef\x20\0\0\0\x9E\0\0\0".to_vec();
        blob.resize(0x20, 0);
        let expected = NvidiaReport { format: Guid(*b"0123456789abcdef"), size: 0x20, checksum: 0x9E };
        assert_eq!(read(&blob, 0x20), Some(expected));
        assert_eq!(read(&blob[..0x1C], 0x20), Some(expected), "the head is enough");
        assert_eq!(read(&blob, 0x21), None);
        assert_eq!(read(b"nvcd", 4), None);
    }
}
