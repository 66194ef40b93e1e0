//! What parts of Windows noted for a crash: the file system, the device manager, the sign-in. Reads notes whose layout
//! is public; never the path of a program or the instance of a device, which name a person's machine.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::text;
use crate::time::FileTime;

/// What the sign-in was doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Winlogon {
    /// `WluiRequestCredentials`, `ShellStartup`
    pub state: String,
    /// Whether it had not ended.
    pub pending: bool,
}

/// The device manager's event, the last or the one it was at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PnpEvent {
    /// When it began.
    pub time: FileTime,
    /// Whether it had not ended.
    pub in_progress: bool,
    /// What it was about, by the device manager's own numbers.
    pub information: u32,
    /// Problem of the device: 24 is `CM_PROB_DEVICE_NOT_THERE`.
    pub problem: u32,
    /// `USB\VID_04A9&PID_31EA`: bus and kind of device. Which one it is, often by its serial number, is left out.
    pub device: String,
}

/// What the file system waited for: too long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NtfsNotes {
    /// When the notes began.
    pub since: FileTime,
    /// Requests to the disk that took too long.
    pub slow: Vec<SlowRequest>,
}

/// A request to the disk that took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowRequest {
    /// Address of the request packet.
    pub irp: u64,
    /// Address of the file system's stream control block.
    pub scb: u64,
    /// Address of the thread that waits.
    pub thread: u64,
}

/// Letters of a name that are read.
const MAX_NAME: u64 = 2 * 128;

fn name(bytes: Bytes<'_>, at: u64) -> Option<String> {
    Some(text::utf16(bytes.clip(at, MAX_NAME)?)).filter(|name| !name.is_empty())
}

/// Reads what the sign-in noted: version 1, its own length, a flag, and a name.
pub(crate) fn winlogon(blob: &[u8]) -> Option<Winlogon> {
    let note = Bytes(blob);
    note.u32(0).filter(|&version| version == 1)?;
    note.u32(4).filter(|&size| u64::from(size) == note.len())?;
    Some(Winlogon { pending: note.u32(8)? != 0, state: name(note, 0x0C)? })
}

/// Reads what the device manager noted: an activity (all zero in every dump seen), its time, flags, and the path of the
/// device, which ends the blob.
pub(crate) fn pnp(blob: &[u8]) -> Option<PnpEvent> {
    let note = Bytes(blob);
    let path = name(note, 0x2C)?;
    let mut parts = path.split('\\');
    let (bus, kind) = (parts.next()?, parts.next()?);
    Some(PnpEvent {
        time: note.u64(0x10).filter(|&time| time != 0).map(FileTime)?,
        information: note.u32(0x18)?,
        in_progress: note.u8(0x1C)? != 0,
        problem: note.u32(0x20)?,
        device: format!("{bus}\\{kind}"),
    })
}

const NTFS_SLOT_LEN: usize = 32;
/// Eight in every dump seen.
const MAX_SLOTS: u16 = 64;

/// Reads what the file system noted: u16 version 0, u16 total length, u16 offset of further notes, FILETIME, u16 number
/// of slots for slow requests and u16 where they are.
pub(crate) fn ntfs(blob: &[u8]) -> Option<NtfsNotes> {
    let notes = Bytes(blob);
    notes.u16(0).filter(|&version| version == 0)?;
    notes.u16(2).filter(|&size| u64::from(size) == notes.len())?;
    let since = FileTime(notes.u64(8)?);
    let count = notes.u16(0x10).filter(|&count| count <= MAX_SLOTS)?;
    let (slots, _) = notes.from(notes.u16(0x12)?.into()).0.as_chunks::<NTFS_SLOT_LEN>();
    let slot = |slot: &[u8; NTFS_SLOT_LEN]| {
        let slot = Bytes(slot);
        Some(SlowRequest { irp: slot.u64(0)?, scb: slot.u64(8)?, thread: slot.u64(16)? })
    };
    let slow =
        slots.get(..count.into())?.iter().filter_map(slot).filter(|slow| (slow.irp, slow.scb) != (0, 0));
    Some(NtfsNotes { since, slow: slow.collect() })
}

/// Reads the name of a file of code, all there is: the driver that the kernel names for the bug check.
pub(crate) fn driver(blob: &[u8]) -> Option<String> {
    let name = name(Bytes(blob), 0)?;
    let is_whole = u64::try_from(blob.len()).is_ok_and(|len| len <= MAX_NAME);
    let is_file = name.contains('.') && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (is_whole && is_file).then_some(name)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_a_file_without_a_path() {
        let blob = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        assert_eq!(driver(&blob("win32kfull.sys")).as_deref(), Some("win32kfull.sys"));
        for other in ["", "win32kfull", "c:\\a.sys", "a b.sys", &"a.sys".repeat(52)] {
            assert_eq!(driver(&blob(other)), None, "{other}");
        }
    }

    fn wide(text: &str) -> impl Iterator<Item = u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes)
    }

    #[test]
    fn the_sign_in_says_what_it_did() {
        let mut blob = [1_u32, 0x2A, 1].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        blob.extend(wide("WluiReleaseUI"));
        blob.resize(0x2A, 0);
        assert_eq!(winlogon(&blob), Some(Winlogon { state: "WluiReleaseUI".to_owned(), pending: true }));
        assert_eq!(winlogon(&blob[..0x28]), None, "of another length");
        blob[0] = 2;
        assert_eq!(winlogon(&blob), None, "of another version");
    }

    #[test]
    fn the_instance_of_a_device_is_left_out() {
        let mut blob = vec![0; 0x10];
        blob.extend(0x01DB_3D5A_0000_0000_u64.to_le_bytes());
        blob.extend([3, 1, 24, 0, 0_u32].into_iter().flat_map(u32::to_le_bytes));
        blob.extend(wide(r"USB\VID_1234&PID_5678\SERIAL0001"));
        let expected = PnpEvent {
            time: FileTime(0x01DB_3D5A_0000_0000),
            in_progress: true,
            information: 3,
            problem: 24,
            device: r"USB\VID_1234&PID_5678".to_owned(),
        };
        assert_eq!(pnp(&blob), Some(expected));
        assert_eq!(pnp(&blob[..0x2C]), None, "no device");
        blob[0x10..0x18].fill(0);
        assert_eq!(pnp(&blob), None, "never written");
    }

    fn ntfs_blob() -> Vec<u8> {
        let mut blob = vec![0; 0x118];
        for (at, value) in [(2, 0x118_u16), (4, 0x118), (0x10, 8), (0x12, 0x18)] {
            blob[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        blob[8..16].copy_from_slice(&7_u64.to_le_bytes());
        blob
    }

    #[test]
    fn slots_in_use_are_slow_requests() {
        let mut blob = ntfs_blob();
        assert_eq!(ntfs(&blob), Some(NtfsNotes { since: FileTime(7), slow: Vec::new() }));
        for (at, value) in [(0x38, 1_u64), (0x40, 2), (0x48, 3)] {
            blob[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        assert_eq!(ntfs(&blob).unwrap().slow, [SlowRequest { irp: 1, scb: 2, thread: 3 }]);
    }

    #[test]
    fn notes_of_another_shape_are_left_alone() {
        assert_eq!(ntfs(&ntfs_blob()[..0x117]), None, "of another length");
        let mut blob = ntfs_blob();
        blob[0x10] = 9;
        assert_eq!(ntfs(&blob), None, "more slots than bytes");
        blob[0] = 1;
        assert_eq!(ntfs(&blob), None, "of another version");
    }
}
