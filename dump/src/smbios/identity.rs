//! Serial numbers, asset tags and the UUID of the SMBIOS tables. They name one machine, and so a person: never read but
//! for a caller who asks for them, never printed by `Debug`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MAX_DEVICES, structures};
use crate::bytes::Bytes;
use crate::guid::Guid;

/// What tells one machine from all others. Personal data.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmbiosIdentity {
    /// UUID of the machine; absent where the maker wrote none.
    pub uuid: Option<Guid>,
    /// Serial number of the machine.
    pub serial: Option<String>,
    /// Serial number of the board.
    pub board_serial: Option<String>,
    /// Asset tag of the board.
    pub board_asset_tag: Option<String>,
    /// Serial number of the chassis.
    pub chassis_serial: Option<String>,
    /// Asset tag of the chassis: what an owner of many machines sees on it.
    pub chassis_asset_tag: Option<String>,
    /// Serial numbers of memory modules.
    pub memory_serials: Vec<String>,
}

/// Only which fields there are: the values have no place in logs.
impl fmt::Debug for SmbiosIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmbiosIdentity")
            .field("uuid", &self.uuid.is_some())
            .field("serial", &self.serial.is_some())
            .field("board_serial", &self.board_serial.is_some())
            .field("board_asset_tag", &self.board_asset_tag.is_some())
            .field("chassis_serial", &self.chassis_serial.is_some())
            .field("chassis_asset_tag", &self.chassis_asset_tag.is_some())
            .field("memory_serials", &self.memory_serials.len())
            .finish()
    }
}

/// Reads the content of the SMBIOS blob. `None` where it tells nothing.
pub(crate) fn read(blob: &[u8]) -> Option<SmbiosIdentity> {
    let mut found = SmbiosIdentity::default();
    for structure in structures(blob) {
        let string = |field| structure.string(field);
        match structure.kind {
            1 if found.serial.is_none() && found.uuid.is_none() => {
                found.serial = string(7);
                found.uuid = uuid(structure.fixed);
            }
            2 if found.board_serial.is_none() => {
                found.board_serial = string(7);
                found.board_asset_tag = string(8);
            }
            3 if found.chassis_serial.is_none() => {
                found.chassis_serial = string(7);
                found.chassis_asset_tag = string(8);
            }
            17 if found.memory_serials.len() < MAX_DEVICES => found.memory_serials.extend(string(0x18)),
            _ => {}
        }
    }
    (found != SmbiosIdentity::default()).then_some(found)
}

/// All zero: none; all one: not set.
fn uuid(fixed: Bytes<'_>) -> Option<Guid> {
    let uuid = *fixed.get(8, 16)?.first_chunk::<16>()?;
    (uuid != [0; 16] && uuid != [0xFF; 16]).then_some(Guid(uuid))
}

#[cfg(test)]
mod tests {
    use super::super::tests::blob;
    use super::*;

    #[test]
    fn serial_numbers_are_read_but_not_printed() {
        let mut system = vec![1, 2, 0, 3];
        system.extend(*b"0123456789abcdef");
        let mut module = vec![0; 0x14];
        module.push(1);
        let blob = blob(&[
            (1, &system, &["Maker", "Model", "SN-MACHINE"]),
            (2, &[1, 2, 0, 3, 4], &["Maker", "Board", "SN-BOARD", "TAG-BOARD"]),
            (3, &[1, 3, 0, 2, 3], &["Maker", "SN-CASE", "TAG-CASE"]),
            (17, &module, &["SN-MODULE"]),
        ]);
        let found = read(&blob).unwrap();
        assert_eq!(found.uuid, Some(Guid(*b"0123456789abcdef")));
        assert_eq!(found.serial.as_deref(), Some("SN-MACHINE"));
        assert_eq!(
            (found.board_serial.as_deref(), found.board_asset_tag.as_deref()),
            (Some("SN-BOARD"), Some("TAG-BOARD"))
        );
        assert_eq!(
            (found.chassis_serial.as_deref(), found.chassis_asset_tag.as_deref()),
            (Some("SN-CASE"), Some("TAG-CASE"))
        );
        assert_eq!(found.memory_serials, ["SN-MODULE"]);
        let printed = format!("{found:?}");
        assert!(!printed.contains("SN-") && !printed.contains("TAG-"), "{printed}");
    }

    #[test]
    fn a_uuid_that_was_not_set_is_none() {
        for fill in [0, 0xFF] {
            let mut system = vec![0; 4];
            system.extend([fill; 16]);
            assert_eq!(read(&blob(&[(1, &system, &[])])), None);
        }
    }
}
