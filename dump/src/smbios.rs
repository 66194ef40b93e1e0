//! What the firmware says of the machine. Owns the walk over the tables and what is told to everyone; serial numbers,
//! which name a person's machine, are read by `smbios/identity.rs` for those who ask for them.

mod devices;
mod identity;

use serde::{Deserialize, Serialize};

pub use devices::{Chassis, MemoryKind, SmbiosMemory, SmbiosProcessor};
pub use identity::SmbiosIdentity;
pub(crate) use identity::read as read_identity;

use crate::bytes::Bytes;
use crate::text;

/// Before the tables: method, version, revision, u32 length.
const PREFIX_LEN: u64 = 8;
/// Type, length, handle.
const STRUCTURE_HEADER_LEN: u8 = 4;
/// No name of a product is longer.
const MAX_STRING: usize = 256;
/// More than any machine has.
const MAX_DEVICES: usize = 256;

/// The machine, as its firmware describes it. Placeholders of careless makers are passed on as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Smbios {
    /// Version of the tables' format: major, minor.
    pub version: Option<(u8, u8)>,
    /// Maker of the machine.
    pub vendor: Option<String>,
    /// Name of the machine.
    pub model: Option<String>,
    /// Family of machines; Lenovo has the name under which it sells the machine here or in [`Self::model_version`].
    pub family: Option<String>,
    /// Version of the machine.
    pub model_version: Option<String>,
    /// The maker's number of the model, not of the machine.
    pub sku: Option<String>,
    /// What it looks like.
    pub chassis: Option<Chassis>,
    /// Maker of the firmware.
    pub bios_vendor: Option<String>,
    /// Version of the firmware.
    pub bios_version: Option<String>,
    /// Date of the firmware, as its maker writes it.
    pub bios_date: Option<String>,
    /// Maker of the board.
    pub board_vendor: Option<String>,
    /// Name of the board.
    pub board: Option<String>,
    /// Version of the board.
    pub board_version: Option<String>,
    /// Release of the firmware, major and minor.
    pub bios_revision: Option<(u8, u8)>,
    /// Processor sockets, filled ones only.
    pub processors: Vec<SmbiosProcessor>,
    /// Memory modules; empty slots are left out.
    pub memory: Vec<SmbiosMemory>,
}

/// Reads the content of the SMBIOS blob. `None` where it tells nothing.
pub(crate) fn read(blob: &[u8]) -> Option<Smbios> {
    let mut found = Smbios::default();
    for structure in structures(blob) {
        let string = |field| structure.string(field);
        match structure.kind {
            0 if found.bios_vendor.is_none() => {
                found.bios_vendor = string(4);
                found.bios_version = string(5);
                found.bios_date = string(8);
                // 0xFF, 0xFF where the firmware has none
                let revision = structure.fixed.u8(0x14).zip(structure.fixed.u8(0x15));
                found.bios_revision = revision.filter(|revision| !matches!(revision, (0xFF, 0xFF) | (0, 0)));
            }
            1 if found.vendor.is_none() => {
                found.vendor = string(4);
                found.model = string(5);
                found.model_version = string(6);
                found.sku = string(0x19);
                found.family = string(0x1A);
            }
            2 if found.board_vendor.is_none() => {
                found.board_vendor = string(4);
                found.board = string(5);
                found.board_version = string(6);
            }
            3 if found.chassis.is_none() => found.chassis = structure.fixed.u8(5).map(Chassis::from_raw),
            4 if found.processors.len() < MAX_DEVICES => {
                found.processors.extend(devices::processor(&structure))
            }
            17 if found.memory.len() < MAX_DEVICES => found.memory.extend(devices::memory(&structure)),
            _ => {}
        }
    }
    if found == Smbios::default() {
        return None;
    }
    let prefix = Bytes(blob);
    found.version = prefix.u8(1).zip(prefix.u8(2)).filter(|&(major, _)| major != 0);
    Some(found)
}

/// One structure: its fixed part, then strings, each with a NUL, and a NUL.
struct Structure<'a> {
    kind: u8,
    fixed: Bytes<'a>,
    strings: &'a [u8],
}

impl Structure<'_> {
    /// The string whose number, counted from 1, is the byte at `field`.
    fn string(&self, field: u64) -> Option<String> {
        let number = self.fixed.u8(field)?.checked_sub(1)?;
        let bytes = self.strings.split(|&byte| byte == 0).nth(number.into())?;
        text::narrow(bytes.get(..MAX_STRING).unwrap_or(bytes))
    }
}

/// All structures of the content of an SMBIOS blob, until the bytes make no sense.
fn structures(blob: &[u8]) -> impl Iterator<Item = Structure<'_>> {
    let mut tables = Bytes(blob).from(PREFIX_LEN).0;
    std::iter::from_fn(move || {
        let (structure, rest) = structure(tables)?;
        tables = rest;
        Some(structure)
    })
}

/// The structure at the beginning of `tables`, and what follows it.
fn structure(tables: &[u8]) -> Option<(Structure<'_>, &[u8])> {
    let header = Bytes(tables);
    let (kind, len) = (header.u8(0)?, header.u8(1)?);
    if len < STRUCTURE_HEADER_LEN {
        return None;
    }
    let (fixed, rest) = tables.split_at_checked(len.into())?;
    let end = rest.windows(2).position(|pair| pair == [0, 0]).unwrap_or(rest.len());
    let (strings, rest) = rest.split_at_checked(end)?;
    Some((Structure { kind, fixed: Bytes(fixed), strings }, rest.get(2..).unwrap_or_default()))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "bytes built by hand")]
pub(super) mod tests {
    use super::*;

    /// The content of a blob: structures of a kind, a fixed part behind the header, and strings.
    pub(crate) fn blob(structures: &[(u8, &[u8], &[&str])]) -> Vec<u8> {
        let mut blob = vec![0, 3, 2, 0, 0, 0, 0, 0];
        for (kind, fixed, strings) in structures {
            blob.extend([*kind, u8::try_from(fixed.len() + 4).unwrap(), 0, 0]);
            blob.extend(*fixed);
            for string in *strings {
                blob.extend(string.bytes().chain([0]));
            }
            blob.extend(if strings.is_empty() { &[0, 0][..] } else { &[0] });
        }
        blob
    }

    #[test]
    fn the_machine_is_described() {
        let mut system = [1, 2, 3, 4].to_vec();
        system.resize(0x15, 0xEE);
        system.extend([5, 6]);
        let strings = ["Maker", "Model", "1.0", "SERIAL", "SKU-7", "Family"];
        let blob = blob(&[
            (0, &[1, 2, 0, 0, 3], &["Firmware Inc.", "F2", "01/02/2023"]),
            (1, &system, &strings),
            (2, &[1, 2, 0, 0], &["Board Inc.", "B-1"]),
            (3, &[1, 0x83], &["Case Inc."]),
            (127, &[], &[]),
        ]);
        let found = read(&blob).unwrap();
        assert_eq!(found.version, Some((3, 2)));
        let of = |value: &Option<String>| value.clone().unwrap_or_default();
        assert_eq!(
            [&found.vendor, &found.model, &found.model_version, &found.sku, &found.family].map(of),
            ["Maker", "Model", "1.0", "SKU-7", "Family"]
        );
        assert_eq!(
            [&found.bios_vendor, &found.bios_version, &found.bios_date].map(of),
            ["Firmware Inc.", "F2", "01/02/2023"]
        );
        assert_eq!([&found.board_vendor, &found.board].map(of), ["Board Inc.", "B-1"]);
        assert_eq!(found.chassis, Some(Chassis::Desktop));
        assert!(!format!("{found:?}").contains("SERIAL"));
    }

    #[test]
    fn old_tables_lack_fields() {
        let found = read(&blob(&[(1, &[1, 2, 3, 4], &["Maker", "Model", "1.0", "SERIAL"])])).unwrap();
        assert_eq!((found.sku, found.family, found.chassis), (None, None, None));
    }

    #[test]
    fn nothing_is_none() {
        assert_eq!(read(&[]), None);
        assert_eq!(read(&blob(&[(127, &[], &[])])), None);
        assert_eq!(read(&[0, 3, 2, 0, 0, 0, 0, 0, 1, 3, 0, 0]), None, "shorter than its header");
    }
}
