//! PCI functions whose configuration the PCI driver recorded. Reads who and where they are; never their registers beyond
//! the common head.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;

const MARK: &[u8] = b"PCfg";
const SIZE: u64 = 0x04;
const LOCATION: u64 = 0x0C;
/// The head of the configuration space: 64 bytes, then as many registers as the record has room for.
const CONFIGURATION: u64 = 0x3C;
const LEAST_LEN: u64 = 0x7C;
/// Real dumps have 8 to 42.
const MAX_FUNCTIONS: usize = 4096;

/// A PCI function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PciFunction {
    /// Bus.
    pub bus: u8,
    /// Device on the bus.
    pub device: u8,
    /// Function of the device.
    pub function: u8,
    /// Maker: 0x8086 is Intel.
    pub vendor_id: u16,
    /// The maker's number of the device.
    pub device_id: u16,
    /// Command register.
    pub command: u16,
    /// Status register.
    pub status: u16,
    /// Revision.
    pub revision: u8,
    /// Class, subclass, programming interface: `[3, 0, 0]` is a VGA adapter.
    pub class: [u8; 3],
}

/// Reads the records, which follow one another without a gap. No blob seen is longer than 10 KiB, and one is exactly that
/// long: there may be more functions than records. `None` where the first is none.
pub(crate) fn read(blob: &[u8]) -> Option<Vec<PciFunction>> {
    let mut functions = Vec::new();
    let mut rest = Bytes(blob);
    while functions.len() < MAX_FUNCTIONS
        && let Some((function, size)) = function(rest)
    {
        functions.push(function);
        rest = rest.from(size);
    }
    (!functions.is_empty()).then_some(functions)
}

fn function(record: Bytes<'_>) -> Option<(PciFunction, u64)> {
    record.get(0, 4).filter(|mark| *mark == MARK)?;
    let size = u64::from(record.u32(SIZE)?);
    if !(LEAST_LEN..=record.len()).contains(&size) {
        return None;
    }
    let location = record.u32(LOCATION)?;
    let [slot, bus, ..] = location.to_le_bytes();
    let configuration = record.from(CONFIGURATION);
    let function = PciFunction {
        bus,
        device: slot >> 3,
        function: slot & 7,
        vendor_id: configuration.u16(0)?,
        device_id: configuration.u16(2)?,
        command: configuration.u16(4)?,
        status: configuration.u16(6)?,
        revision: configuration.u8(8)?,
        class: [configuration.u8(11)?, configuration.u8(10)?, configuration.u8(9)?],
    };
    Some((function, size))
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn record(size: u32, location: u32, head: [u8; 12]) -> Vec<u8> {
        let mut record = b"PCfg".to_vec();
        record.extend([size, 1, location].into_iter().flat_map(u32::to_le_bytes));
        record.resize(0x3C, 0);
        record.extend(head);
        record.resize(usize::try_from(size).unwrap(), 0);
        record
    }

    const BRIDGE: [u8; 12] = [0x86, 0x80, 0x37, 0x12, 7, 0, 0x10, 0, 2, 0, 0, 6];

    #[test]
    fn functions_follow_one_another() {
        let blob = [record(0x7C, 0, BRIDGE), record(0x90, 0x01_FD, BRIDGE)].concat();
        let found = read(&blob).unwrap();
        assert_eq!((found[0].bus, found[0].device, found[0].function), (0, 0, 0));
        let expected = PciFunction {
            bus: 1,
            device: 31,
            function: 5,
            vendor_id: 0x8086,
            device_id: 0x1237,
            command: 7,
            status: 0x10,
            revision: 2,
            class: [6, 0, 0],
        };
        assert_eq!(found[1..], [expected]);
    }

    #[test]
    fn a_record_that_is_cut_or_too_short_ends_the_list() {
        let blob = [record(0x7C, 0, BRIDGE), record(0x90, 8, BRIDGE)].concat();
        assert_eq!(read(&blob[..blob.len() - 1]).unwrap().len(), 1);
        assert_eq!(read(&record(0x7B, 0, BRIDGE)), None);
        assert_eq!(read(&[]), None);
    }
}
