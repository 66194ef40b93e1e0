//! The hypervisor that Windows ran on, as it introduces itself. Reads the leaves that the Hypervisor Top-Level Functional
//! Specification names; never features.

use serde::{Deserialize, Serialize};

use super::cpuid::{Cpuid, letters};
use crate::bytes::Bytes;

const MARK: &[u8] = b"DIVH";
const SIZE: u64 = 4;
/// `EAX` to `EDX` of leaf 0x40000000.
const VENDOR: u64 = 8;
/// Of leaf 0x40000001.
const INTERFACE: u64 = 0x18;
/// Of leaf 0x40000002.
const VERSION: u64 = 0x28;
const MAX_LEAF: std::ops::Range<u32> = 0x4000_0000..0x4001_0000;

/// A hypervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hypervisor {
    /// `Microsoft Hv`, `VMwareVMware`, `VBoxVBoxVBox`. `None` where only its presence is known, which is also so where
    /// Windows runs on its own.
    pub vendor: Option<String>,
    /// `Hv#1`: it offers the interface that Windows knows.
    pub interface: Option<String>,
    /// Its version, as it chose to tell it.
    pub version: Option<HypervisorVersion>,
}

/// Version of a hypervisor: leaf 0x40000002.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HypervisorVersion {
    /// Major version: 10.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
    /// Build, as of Windows: 19041.
    pub build: u32,
    /// Service pack.
    pub service_pack: u32,
}

/// Reads the content of the blob: a mark, its own length, and leaves from 0x40000000 on.
pub(crate) fn read(blob: &[u8]) -> Option<Hypervisor> {
    let leaves = Bytes(blob);
    leaves.get(0, 4).filter(|mark| *mark == MARK)?;
    leaves.u32(SIZE).filter(|&size| u64::from(size) == leaves.len())?;
    leaves.u32(VENDOR).filter(|leaf| MAX_LEAF.contains(leaf))?;
    let word = |at: u64, index: u64| leaves.u32(at.checked_add(index.checked_mul(4)?)?);
    let version = || {
        let (build, numbers) = (word(VERSION, 0)?, word(VERSION, 1)?);
        let [minor, major] = [numbers & 0xFFFF, numbers >> 16].map(|part| u16::try_from(part).ok());
        Some(HypervisorVersion { major: major?, minor: minor?, build, service_pack: word(VERSION, 2)? })
    };
    Some(Hypervisor {
        vendor: letters([word(VENDOR, 1)?, word(VENDOR, 2)?, word(VENDOR, 3)?]),
        interface: word(INTERFACE, 0).and_then(|interface| letters([interface])),
        version: version().filter(|version| version.build != 0),
    })
}

/// What the processor's own leaves tell of a hypervisor.
pub(super) fn of_cpuid(cpuid: &Cpuid) -> Option<Hypervisor> {
    cpuid.hypervisor_present().filter(|&present| present)?;
    Some(Hypervisor { vendor: cpuid.hypervisor_vendor(), interface: None, version: None })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn blob() -> Vec<u8> {
        let mut blob = b"DIVH\x44\0\0\0\x06\0\0\x40Microsoft HvHv#1".to_vec();
        blob.resize(0x28, 0);
        for word in [19041, 10 << 16 | 2, 1, 7, 0, 0, 0] {
            blob.extend(u32::to_le_bytes(word));
        }
        blob
    }

    #[test]
    fn leaves_tell_who_it_is() {
        let version = HypervisorVersion { major: 10, minor: 2, build: 19041, service_pack: 1 };
        let expected = Hypervisor {
            vendor: Some("Microsoft Hv".to_owned()),
            interface: Some("Hv#1".to_owned()),
            version: Some(version),
        };
        assert_eq!(read(&blob()), Some(expected));
    }

    #[test]
    fn its_length_and_its_leaf_must_fit() {
        assert_eq!(read(&blob()[..0x40]), None);
        let mut other = blob();
        other[11] = 0;
        assert_eq!(read(&other), None);
    }
}
