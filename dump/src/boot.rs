//! The black box that Windows keeps about its boots (`bootstat.dat`, `RTL_BSD_DATA`). Reads what tells how this boot began
//! and how the one before ended; never the sections about standby phases.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::time::FileTime;

/// First field: the length, which is also the version. Seen: 0xB0 and, on build 26100, 0xC8.
const VERSION: u64 = 0x00;
/// Nothing shorter is known.
const LEAST_LEN: u32 = 0x41;
/// The counter of the boot that crashed, and once more 8 bytes behind. In the dumps whose header has the counter too,
/// all three are equal: `tests/samples.rs`.
const BOOT_ID: u64 = 0x2C;
const BOOT_ID_AGAIN: u64 = 0x34;
/// Lengths from which on there are sections on errors and on the power button.
const WITH_ERROR: u32 = 0x58;
const WITH_BUTTON: u32 = 0x88;

/// What Windows noted about its boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootStatus {
    /// Counter of the boot that crashed.
    pub boot_id: Option<u32>,
    /// Boots that were tried until this one came up.
    pub attempts: u8,
    /// Whether this boot came up.
    pub succeeded: bool,
    /// Whether this boot was being shut down.
    pub shutdown: bool,
    /// What the machine was at, as noted last.
    pub activity: BootActivity,
    /// When these notes were last brought up to date: in real dumps 6 seconds to 10 hours before the crash.
    pub last_note: Option<FileTime>,
    /// Counter of the last boot that ended with a shutdown.
    pub last_clean_boot_id: u32,
    /// Counter of the last boot whose end without a shutdown was reported.
    pub last_reported_crash_boot_id: u32,
    /// The last error of keeping these notes, where there was one.
    pub error: Option<BootStatusError>,
    /// When the power button was last pressed, and in which boot (the lower 16 bits of its counter).
    pub power_button: Option<(FileTime, u16)>,
}

/// What the machine was at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootActivity {
    /// Windows was up.
    pub running: bool,
    /// Modern standby.
    pub standby: bool,
    /// A person was being signed out for a shutdown.
    pub user_shutdown: bool,
    /// The system was shutting down.
    pub system_shutdown: bool,
    /// Going to sleep, or waking up; 0 is neither.
    pub sleep: u8,
}

/// An error of keeping the notes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootStatusError {
    /// Boot it happened in.
    pub boot_id: u32,
    /// How often.
    pub count: u32,
    /// What was tried, by Windows' own numbers.
    pub code: u32,
    /// NTSTATUS.
    pub status: u32,
}

/// Reads the content of the blob. `None` where it is of no known length.
pub(crate) fn read(blob: &[u8]) -> Option<BootStatus> {
    let notes = Bytes(blob);
    let version = notes.u32(VERSION).filter(|&len| len >= LEAST_LEN && u64::from(len) <= notes.len())?;
    let flag = |at| Some(notes.u8(at)? != 0);
    let activity = notes.u8(0x18)?;
    Some(BootStatus {
        boot_id: boot_id(blob),
        succeeded: flag(0x0A)?,
        shutdown: flag(0x0B)?,
        activity: BootActivity {
            running: activity & 1 != 0,
            standby: activity & 2 != 0,
            user_shutdown: activity & 4 != 0,
            system_shutdown: activity & 8 != 0,
            sleep: activity >> 4,
        },
        last_note: notes.u64(0x20).filter(|&time| time != 0).map(FileTime),
        attempts: notes.u8(0x30)?,
        last_clean_boot_id: notes.u32(0x38)?,
        last_reported_crash_boot_id: notes.u32(0x3C)?,
        error: (version >= WITH_ERROR).then(|| error(notes)).flatten(),
        power_button: (version >= WITH_BUTTON).then(|| power_button(notes)).flatten(),
    })
}

fn error(notes: Bytes<'_>) -> Option<BootStatusError> {
    let error = BootStatusError {
        boot_id: notes.u32(0x40)?,
        count: notes.u32(0x44)?,
        code: notes.u32(0x4C)?,
        status: notes.u32(0x50)?,
    };
    (error.boot_id != 0).then_some(error)
}

fn power_button(notes: Bytes<'_>) -> Option<(FileTime, u16)> {
    Some((notes.u64(0x58).filter(|&time| time != 0).map(FileTime)?, notes.u16(0x64)?))
}

/// The boot counter, where the blob's content is understood.
pub(crate) fn boot_id(blob: &[u8]) -> Option<u32> {
    let blob = Bytes(blob);
    let boot_id = blob.u32(BOOT_ID).filter(|&boot_id| boot_id != 0)?;
    (blob.u32(BOOT_ID_AGAIN) == Some(boot_id)).then_some(boot_id)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn blob(len: u8) -> Vec<u8> {
        let mut blob = vec![0; len.into()];
        blob[0] = len;
        blob[0x0A] = 1;
        blob[0x18] = 0x41;
        blob[0x20] = 9;
        for at in [0x2C, 0x34] {
            blob[at..at + 4].copy_from_slice(&585_u32.to_le_bytes());
        }
        (blob[0x30], blob[0x38], blob[0x3C]) = (2, 200, 199);
        blob
    }

    #[test]
    fn boots_are_told() {
        let mut blob = blob(0xB0);
        (blob[0x40], blob[0x44], blob[0x4C], blob[0x50]) = (5, 6, 7, 8);
        (blob[0x58], blob[0x64]) = (77, 11);
        let found = read(&blob).unwrap();
        assert_eq!((found.boot_id, found.attempts), (Some(585), 2));
        assert_eq!((found.succeeded, found.shutdown), (true, false));
        assert_eq!(found.activity, BootActivity { running: true, sleep: 4, ..BootActivity::default() });
        assert_eq!((found.last_note, found.last_clean_boot_id), (Some(FileTime(9)), 200));
        assert_eq!(found.last_reported_crash_boot_id, 199);
        assert_eq!(found.error, Some(BootStatusError { boot_id: 5, count: 6, code: 7, status: 8 }));
        assert_eq!(found.power_button, Some((FileTime(77), 11)));
    }

    #[test]
    fn short_notes_lack_sections() {
        let found = read(&blob(0x50)).unwrap();
        assert_eq!((found.error, found.power_button), (None, None));
        assert_eq!(read(&blob(0x40)), None);
        assert_eq!(read(&blob(0xB0)[..0xA0]), None, "cut");
    }

    #[test]
    fn a_counter_that_is_not_there_twice_is_none() {
        let mut blob = blob(0xB0);
        blob[0x34] = 0;
        assert_eq!(boot_id(&blob), None);
    }
}
