//! Logs of drivers that record their trace messages in memory (WPP recorder). Reads which drivers and logs there are;
//! never the messages, which take the symbols of the driver. Nothing of the layout is documented; what is read here is
//! the same in all 81 logs of twelve dumps.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::guid::Guid;
use crate::text;

const MARK: &[u8] = b"WPLg";
const MARK_AT: u64 = 0x1C;
const NUMBER: u64 = 0x60;
const OWNER_LEN: u64 = 0x44;
const OWNER_NAME_LEN: u64 = 0x40;

/// A log that a driver kept in memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecorderLog {
    /// Who traces: the control GUID of the driver's trace messages.
    pub provider: Guid,
    /// The driver, by its own name: `wdiwifi`, `AmdPPM`. Told by a blob of the same provider.
    pub driver: Option<String>,
    /// Number of the log among those of the driver.
    pub number: u16,
    /// Name of the log: `DriverLog`, `win32kbase`. A driver's second log, for which there is no room, often has none.
    pub name: Option<String>,
}

/// Reads a log. Its GUID is that of the provider with the second field changed by the log's number (exclusive or).
pub(super) fn log(guid: Guid, blob: &[u8]) -> Option<RecorderLog> {
    let header = Bytes(blob);
    header.get(MARK_AT, 4).filter(|mark| *mark == MARK)?;
    let number = header.u16(NUMBER).filter(|&number| number != 0)?;
    let mut provider = guid;
    for (byte, change) in provider.0.iter_mut().skip(4).zip(number.to_le_bytes()) {
        *byte ^= change;
    }
    Some(RecorderLog { provider, driver: None, number, name: text::narrow(header.get(0, MARK_AT)?) })
}

/// Reads who owns logs, where the whole blob is this: a name and twice the number of logs.
pub(super) fn owner(blob: &[u8]) -> Option<String> {
    let owner = Bytes(blob);
    (owner.len() == OWNER_LEN && owner.u16(0x40)? == owner.u16(0x42)? && owner.u16(0x40)? != 0)
        .then_some(())?;
    let name = text::narrow(owner.get(0, OWNER_NAME_LEN)?)?;
    name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ').then_some(name)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    const PROVIDER: Guid = Guid::from_text_order(0x0f81ec00_9e52_48e6_b899_eb3bbeede741);

    fn blob(name: &[u8], number: u32) -> Vec<u8> {
        let mut blob = name.to_vec();
        blob.resize(0x1C, 0);
        blob.extend(b"WPLg");
        blob.resize(0x60, 0x11);
        blob.extend(number.to_le_bytes());
        blob
    }

    #[test]
    fn the_number_leads_from_the_log_to_its_provider() {
        let guid = Guid::from_text_order(0x0f81ec00_9e51_48e6_b899_eb3bbeede741);
        let found = log(guid, &blob(b"win32kbase", 3)).unwrap();
        assert_eq!((found.provider, found.number, found.name.as_deref()), (PROVIDER, 3, Some("win32kbase")));
        let guid = Guid::from_text_order(0x0f81ec00_9e50_48e6_b899_eb3bbeede741);
        let found = log(guid, &blob(b"", 2)).unwrap();
        assert_eq!((found.provider, found.name), (PROVIDER, None));
        assert_eq!(log(guid, &blob(b"", 0)), None, "no number");
        assert_eq!(log(guid, &blob(b"", 2)[..0x60]), None, "cut");
        assert_eq!(log(guid, &[0x20; 0x80]), None, "no mark");
    }

    #[test]
    fn an_owner_has_a_name_and_as_many_logs_as_it_says_twice() {
        let mut blob = b"wdiwifi".to_vec();
        blob.resize(0x40, 0);
        blob.extend([1, 0, 1, 0]);
        assert_eq!(owner(&blob).as_deref(), Some("wdiwifi"));
        blob[0x42] = 2;
        assert_eq!(owner(&blob), None);
        assert_eq!(owner(&[0; 0x44]), None);
    }
}
