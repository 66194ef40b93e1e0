//! Chassis, processors and memory modules of the SMBIOS tables (types 3, 4 and 17). Never reads serial numbers and asset
//! tags.

use serde::{Deserialize, Serialize};

use super::Structure;

/// What a machine looks like: chassis type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Chassis {
    /// Desktop.
    Desktop,
    /// Low-profile desktop.
    LowProfileDesktop,
    /// Mini tower.
    MiniTower,
    /// Tower.
    Tower,
    /// Portable.
    Portable,
    /// Laptop.
    Laptop,
    /// Notebook.
    Notebook,
    /// Hand held.
    HandHeld,
    /// Docking station.
    DockingStation,
    /// Computer and display in one.
    AllInOne,
    /// Small notebook.
    SubNotebook,
    /// Server.
    Server,
    /// Server in a rack.
    RackMount,
    /// Blade.
    Blade,
    /// Tablet.
    Tablet,
    /// Laptop that becomes a tablet.
    Convertible,
    /// Tablet that becomes a laptop.
    Detachable,
    /// Embedded.
    Embedded,
    /// Mini PC.
    MiniPc,
    /// Stick.
    Stick,
    /// Any other, also those that say that they are another or unknown.
    Unknown(u8),
}

impl Chassis {
    /// The byte as it is in the table; its highest bit tells of a lock.
    pub(super) fn from_raw(raw: u8) -> Self {
        match raw & 0x7F {
            0x03 => Self::Desktop,
            0x04 => Self::LowProfileDesktop,
            0x06 => Self::MiniTower,
            0x07 => Self::Tower,
            0x08 => Self::Portable,
            0x09 => Self::Laptop,
            0x0A => Self::Notebook,
            0x0B => Self::HandHeld,
            0x0C => Self::DockingStation,
            0x0D => Self::AllInOne,
            0x0E => Self::SubNotebook,
            0x11 => Self::Server,
            0x17 => Self::RackMount,
            0x1C => Self::Blade,
            0x1E => Self::Tablet,
            0x1F => Self::Convertible,
            0x20 => Self::Detachable,
            0x22 => Self::Embedded,
            0x23 => Self::MiniPc,
            0x24 => Self::Stick,
            other => Self::Unknown(other),
        }
    }
}

/// A processor, as the firmware describes it. What it does not know is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmbiosProcessor {
    /// Name of the socket.
    pub socket: Option<String>,
    /// Maker.
    pub manufacturer: Option<String>,
    /// Name of the processor.
    pub version: Option<String>,
    /// The most that the socket takes, MHz.
    pub max_mhz: Option<u16>,
    /// At the start of the machine, MHz.
    pub current_mhz: Option<u16>,
    /// Cores.
    pub cores: Option<u16>,
    /// Cores that are switched on.
    pub enabled_cores: Option<u16>,
    /// Threads of all cores.
    pub threads: Option<u16>,
}

/// `None` for an empty socket.
pub(super) fn processor(structure: &Structure<'_>) -> Option<SmbiosProcessor> {
    const POPULATED: u8 = 0x40;
    let fixed = structure.fixed;
    fixed.u8(0x18).filter(|status| status & POPULATED != 0)?;
    let known = |at| fixed.u16(at).filter(|&value| value != 0);
    // 0xFF: more than a byte holds
    let count = |at, wide| match fixed.u8(at)? {
        0 => None,
        0xFF => known(wide),
        count => Some(count.into()),
    };
    Some(SmbiosProcessor {
        socket: structure.string(4),
        manufacturer: structure.string(7),
        version: structure.string(0x10),
        max_mhz: known(0x14),
        current_mhz: known(0x16),
        cores: count(0x23, 0x2A),
        enabled_cores: count(0x24, 0x2C),
        threads: count(0x25, 0x2E),
    })
}

/// A memory module. What the firmware does not know is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmbiosMemory {
    /// Name of the slot.
    pub slot: Option<String>,
    /// Name of the bank.
    pub bank: Option<String>,
    /// Size in MiB.
    pub size_mb: Option<u32>,
    /// Kind of memory.
    pub kind: Option<MemoryKind>,
    /// What the module is made for, million transfers per second.
    pub speed: Option<u32>,
    /// What it runs at, million transfers per second. More than [`Self::speed`] is overclocked.
    pub configured_speed: Option<u32>,
    /// Maker.
    pub manufacturer: Option<String>,
    /// The maker's number of the model.
    pub part_number: Option<String>,
}

/// A kind of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "kinds of memory by their usual names")]
pub enum MemoryKind {
    Ddr,
    Ddr2,
    Ddr3,
    Ddr4,
    Ddr5,
    Lpddr,
    Lpddr2,
    Lpddr3,
    Lpddr4,
    Lpddr5,
    /// Any other, also those that say that they are another or unknown.
    Unknown(u8),
}

impl MemoryKind {
    fn from_raw(raw: u8) -> Self {
        match raw {
            0x12 => Self::Ddr,
            0x13 | 0x14 => Self::Ddr2,
            0x18 => Self::Ddr3,
            0x1A => Self::Ddr4,
            0x1B => Self::Lpddr,
            0x1C => Self::Lpddr2,
            0x1D => Self::Lpddr3,
            0x1E => Self::Lpddr4,
            0x22 => Self::Ddr5,
            0x23 => Self::Lpddr5,
            other => Self::Unknown(other),
        }
    }
}

/// `None` for an empty slot.
pub(super) fn memory(structure: &Structure<'_>) -> Option<SmbiosMemory> {
    const EMPTY: u16 = 0;
    const UNKNOWN: u16 = 0xFFFF;
    const ELSEWHERE: u16 = 0x7FFF;
    const IN_KB: u16 = 0x8000;
    let fixed = structure.fixed;
    let size_mb = match fixed.u16(0x0C)? {
        EMPTY => return None,
        UNKNOWN => None,
        ELSEWHERE => fixed.u32(0x1C).map(|size| size & 0x7FFF_FFFF),
        size if size & IN_KB != 0 => Some(u32::from(size & !IN_KB) / 1024),
        size => Some(size.into()),
    };
    let speed = |at, wide| match fixed.u16(at)? {
        0 => None,
        0xFFFF => fixed.u32(wide).filter(|&speed| speed != 0),
        speed => Some(speed.into()),
    };
    Some(SmbiosMemory {
        slot: structure.string(0x10),
        bank: structure.string(0x11),
        size_mb,
        kind: fixed.u8(0x12).map(MemoryKind::from_raw),
        speed: speed(0x15, 0x54),
        configured_speed: speed(0x20, 0x58),
        manufacturer: structure.string(0x17),
        part_number: structure.string(0x1A),
    })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::super::read;
    use super::super::tests::blob;
    use super::*;

    /// A fixed part behind the header: values at the offsets of the specification.
    fn fixed(len: usize, values: &[(usize, &[u8])]) -> Vec<u8> {
        let mut fixed = vec![0; len - 4];
        for (at, value) in values {
            fixed[at - 4..at - 4 + value.len()].copy_from_slice(value);
        }
        fixed
    }

    #[test]
    fn processors_have_cores() {
        let populated = fixed(
            0x30,
            &[
                (4, &[1]),
                (7, &[2]),
                (0x10, &[3]),
                (0x14, &[0x94, 0x11, 0x28, 0x0A]),
                (0x18, &[0x41]),
                (0x23, &[6, 0xFF, 0]),
                (0x2C, &[4, 1]),
            ],
        );
        let empty = fixed(0x30, &[(4, &[1])]);
        let strings = ["AM4", "Maker", "Processor 5"];
        let blob = blob(&[(4, &empty, &["AM4"]), (4, &populated, &strings)]);
        let expected = SmbiosProcessor {
            socket: Some("AM4".to_owned()),
            manufacturer: Some("Maker".to_owned()),
            version: Some("Processor 5".to_owned()),
            max_mhz: Some(4500),
            current_mhz: Some(2600),
            cores: Some(6),
            enabled_cores: Some(260),
            threads: None,
        };
        assert_eq!(read(&blob).unwrap().processors, [expected]);
    }

    #[test]
    fn modules_have_sizes() {
        let module = |size: &[u8], wide: &[u8]| {
            let (names, speed) = ([1, 0, 0x1A], [0x80, 0x0C, 2, 3, 4, 5]);
            fixed(0x5C, &[(0x0C, size), (0x10, &names), (0x15, &speed), (0x1C, wide), (0x20, &[0x6A, 0x0A])])
        };
        let strings = ["DIMM_A1", "Maker", "SERIAL", "TAG", "Part-16G"];
        let modules = [
            module(&[0, 0x40], &[0; 4]),
            module(&[0xFF, 0x7F], &[0, 0, 1, 0]),
            module(&[0, 0xC0], &[0; 4]),
            module(&[0xFF, 0xFF], &[0; 4]),
            module(&[0, 0], &[0; 4]),
        ];
        let structures: Vec<_> = modules.iter().map(|module| (17, &module[..], &strings[..])).collect();
        let found = read(&blob(&structures)).unwrap().memory;
        let sizes: Vec<_> = found.iter().map(|module| module.size_mb).collect();
        assert_eq!(sizes, [Some(0x4000), Some(0x1_0000), Some(16), None]);
        let first = &found[0];
        assert_eq!((first.speed, first.configured_speed), (Some(3200), Some(2666)));
        assert_eq!((first.kind, first.slot.as_deref()), (Some(MemoryKind::Ddr4), Some("DIMM_A1")));
        assert_eq!(first.part_number.as_deref(), Some("Part-16G"));
        assert!(!format!("{found:?}").contains("SERIAL"));
    }

    #[test]
    fn speeds_beyond_16_bits_are_elsewhere() {
        let module = fixed(0x5C, &[(0x0C, &[1, 0]), (0x15, &[0xFF, 0xFF]), (0x54, &[0, 0, 1, 0])]);
        let found = read(&blob(&[(17, &module, &[])])).unwrap().memory;
        assert_eq!((found[0].speed, found[0].configured_speed), (Some(0x1_0000), None));
    }
}
