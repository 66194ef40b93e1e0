//! The last requests of the storage port drivers. Layout: `DEVICEDUMP_STORAGESTACK_PUBLIC_DUMP` of `winioctl.h`. Never
//! decodes commands.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::text;

const SIZE: u64 = 0x08;
const REASON: u64 = 0x0C;
const DRIVER: u64 = 0x10;
const DRIVER_LEN: u64 = 16;
const COUNT: u64 = 0x20;
const RECORDS: u64 = 0x24;
const RECORD_LEN: usize = 0x3C;
/// A port driver writes 4060 bytes: 67 records.
const MAX_REQUESTS: usize = 4096;

/// What a storage port driver was last asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageLog {
    /// Which kind of port driver.
    pub port: StoragePort,
    /// `storport.sys`, `ataport.sys`
    pub driver: String,
    /// Why it was written.
    pub reason: u32,
    /// Requests as they lie in the driver's ring: in no order of time.
    pub requests: Vec<StorageRequest>,
}

/// A kind of port driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoragePort {
    /// `DSTP`
    StorPort,
    /// `DATA`
    AtaPort,
}

/// A request: `DEVICEDUMP_STORAGESTACK_PUBLIC_STATE_RECORD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageRequest {
    /// SCSI command block.
    pub cdb: [u8; 16],
    /// What the driver made of it.
    pub command: [u8; 16],
    /// Begin: a point in time (as [`crate::FileTime`]) with storport, a counter of unknown speed with ataport.
    pub start: u64,
    /// End, in the same unit; 0 where it did not end.
    pub end: u64,
    /// How it ended: 1 is success with storport (`SRB_STATUS_SUCCESS`), 0x50 with ataport (the drive's status register).
    pub status: u32,
    /// Further error.
    pub error: u32,
    /// The driver's own.
    pub tag: u32,
}

/// Reads the content of the blob. `None` where its length does not fit.
pub(crate) fn read(blob: &[u8]) -> Option<StorageLog> {
    let header = Bytes(blob);
    let port = match header.get(0, 4)? {
        b"DSTP" => StoragePort::StorPort,
        b"DATA" => StoragePort::AtaPort,
        _ => return None,
    };
    header.u32(SIZE).filter(|&size| u64::from(size) == header.len())?;
    let driver = text::narrow(header.get(DRIVER, DRIVER_LEN)?)?;
    let count = usize::try_from(header.u32(COUNT)?).ok()?;
    let (records, _rest) = header.from(RECORDS).0.as_chunks::<RECORD_LEN>();
    let requests = records.iter().take(count.min(MAX_REQUESTS)).map(|record| request(Bytes(record)));
    Some(StorageLog { port, driver, reason: header.u32(REASON)?, requests: requests.collect::<Option<_>>()? })
}

fn request(record: Bytes<'_>) -> Option<StorageRequest> {
    Some(StorageRequest {
        cdb: *record.get(0, 16)?.first_chunk::<16>()?,
        command: *record.get(16, 16)?.first_chunk::<16>()?,
        start: record.u64(0x20)?,
        end: record.u64(0x28)?,
        status: record.u32(0x30)?,
        error: record.u32(0x34)?,
        tag: record.u32(0x38)?,
    })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn blob(count: u32) -> Vec<u8> {
        let mut blob = b"DSTP\x60\0\0\0\0\0\0\0\x05\0\0\0storport.sys\0\0\0\0".to_vec();
        blob.extend(count.to_le_bytes());
        for record in 0..2_u8 {
            blob.extend([0x2A; 16]);
            blob.extend([record; 16]);
            blob.extend([100_u64, 200].into_iter().flat_map(u64::to_le_bytes));
            blob.extend([1, 0, 9_u32].into_iter().flat_map(u32::to_le_bytes));
        }
        blob.extend([0xCC; 4]);
        let len = u32::try_from(blob.len()).unwrap().to_le_bytes();
        blob[8..12].copy_from_slice(&len);
        blob
    }

    #[test]
    fn requests_are_read() {
        let found = read(&blob(2)).unwrap();
        assert_eq!(
            (found.port, found.driver.as_str(), found.reason),
            (StoragePort::StorPort, "storport.sys", 5)
        );
        let expected = StorageRequest {
            cdb: [0x2A; 16],
            command: [1; 16],
            start: 100,
            end: 200,
            status: 1,
            error: 0,
            tag: 9,
        };
        assert_eq!(found.requests[1..], [expected]);
    }

    #[test]
    fn a_count_is_no_reason_to_read_beyond() {
        assert_eq!(read(&blob(u32::MAX)).unwrap().requests.len(), 2);
        assert_eq!(read(&blob(1)).unwrap().requests.len(), 1);
        assert_eq!(read(&blob(2)[..100]), None, "cut");
        assert_eq!(read(b"NONE"), None);
    }
}
