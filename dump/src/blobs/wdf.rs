//! Drivers of the Kernel-Mode Driver Framework: which there were, and the log of the one that the framework thinks was
//! at work. Layouts are those of the framework's public source (`FX_DUMP_DRIVER_INFO_ENTRY`, `WDF_IFR_HEADER`,
//! `WDF_IFR_RECORD`). Never turns messages into text: that takes the symbols of the driver that wrote them.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Width};
use crate::guid::Guid;
use crate::text;
use crate::time::FileTime;

const NAME_LEN: u64 = 32;
const VERSION_LEN: u64 = 12;
/// The framework writes no more than 32 KiB of entries.
const MAX_DRIVERS: usize = 1024;
/// Kernel-mode versions are 1.x; no number of any has more than 16 bits (7600 in Windows 7).
const VERSIONS: std::ops::Range<u32> = 1..16;
const MAX_VERSION: u32 = 0xFFFF;
/// `WdfTraceGuid`
const LOG_MARK: Guid = Guid::from_text_order(0x544d4c9d_942c_46d5_bf50_df5cd9524a50);
/// Signature, length, sequence, offset of the one before, number, provider.
const RECORD_LEN: u16 = 28;
const SIGNATURE: u16 = u16::from_le_bytes(*b"LR");
/// Written by framework 1.33 of build 26100: the time follows the provider. Not in the public source; every such record
/// of four dumps has a time between the machine's boot and its crash.
const SIGNATURE_WITH_TIME: u16 = u16::from_le_bytes(*b"L2");
const RECORD_WITH_TIME_LEN: u16 = 36;
/// Offsets in a log have 16 bits.
const MAX_MESSAGES: usize = 0x1_0000 / 28;

/// A driver that uses the framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WdfDriver {
    /// `USBXHCI`: the name of its service, cut to 31 letters.
    pub name: String,
    /// Version of the framework that it was built for; of the framework itself, its own.
    pub version: WdfVersion,
    /// Address of the framework's data about it. The framework's own entry, the first, has none.
    pub globals: Option<u64>,
}

/// A version of the framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WdfVersion {
    /// 1
    pub major: u32,
    /// 15
    pub minor: u32,
    /// 0, but for old drivers.
    pub build: u32,
}

/// The framework's log of one driver: that whose code a bug check's parameters name, else one that was at work on the
/// processor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WdfLog {
    /// `USBXHCI`
    pub driver: String,
    /// Messages it ever wrote; a log keeps the last ones.
    pub written: u32,
    /// Messages that are kept whole, oldest first.
    pub messages: Vec<WdfMessage>,
}

/// A message: the values of a format that only the symbols of its provider have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WdfMessage {
    /// Its place among all that were written, counted from 1.
    pub sequence: u32,
    /// When it was written; told since framework 1.33.
    pub time: Option<FileTime>,
    /// File of formats.
    pub provider: Guid,
    /// Format in that file.
    pub number: u16,
    /// Values, packed.
    pub values: Vec<u8>,
}

/// Reads the list of drivers. `None` where an entry is none: it has no name, or no version.
pub(crate) fn drivers(blob: &[u8], width: Width) -> Option<Vec<WdfDriver>> {
    let pointer = width.len();
    let entry_len = usize::try_from(pointer.checked_add(VERSION_LEN)?.checked_add(NAME_LEN)?).ok()?;
    // 52 bytes and an alignment of 8, or 48
    let entry_len = entry_len.checked_next_multiple_of(usize::try_from(pointer).ok()?)?;
    let entries = blob.chunks_exact(entry_len).take(MAX_DRIVERS);
    let drivers = entries.map(|entry| {
        let (entry, version) = (Bytes(entry), Bytes(entry).from(pointer));
        let number = |at| version.u32(at);
        let version = WdfVersion { major: number(0)?, minor: number(4)?, build: number(8)? };
        let name = name(entry.from(pointer.checked_add(VERSION_LEN)?).get(0, NAME_LEN)?)?;
        let globals = entry.word(width, 0).filter(|&globals| globals != 0);
        VERSIONS.contains(&version.major).then_some(())?;
        (version.minor.max(version.build) <= MAX_VERSION).then_some(WdfDriver { name, version, globals })
    });
    drivers.collect::<Option<Vec<_>>>().filter(|drivers| !drivers.is_empty())
}

/// What follows the NUL of a name is stale.
fn name(bytes: &[u8]) -> Option<String> {
    text::narrow(bytes).filter(|name| name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '))
}

/// Reads a driver's log. `None` where the mark is missing or the length does not fit.
pub(crate) fn log(blob: &[u8], width: Width) -> Option<WdfLog> {
    let header = Bytes(blob);
    (Guid(*blob.first_chunk::<16>()?) == LOG_MARK).then_some(())?;
    let rest = header.from(width.len().checked_add(16)?);
    let size = u64::from(rest.u32(0)?);
    let last = rest.u16(6)?;
    let written = rest.u32(8)?;
    let driver = name(rest.get(12, NAME_LEN)?)?;
    // 0x44 bytes and an alignment of 8, or 0x40
    let header_len = match width {
        Width::W32 => 0x40,
        Width::W64 => 0x48,
    };
    let records = header.from(header_len);
    (records.len() == size).then_some(WdfLog { driver, written, messages: messages(records, last, written) })
}

/// Follows the log back from its last record, as long as each is the one before. Records do not overlap: together they
/// are no longer than the log.
fn messages(log: Bytes<'_>, last: u16, written: u32) -> Vec<WdfMessage> {
    let mut messages = VecDeque::new();
    let (mut at, mut sequence, mut left) = (last, written, log.len());
    while messages.len() < MAX_MESSAGES {
        let Some((message, before)) = message(log, at).filter(|(message, _)| message.sequence == sequence)
        else {
            break;
        };
        let Some(rest) = left.checked_sub(message.len()) else { break };
        left = rest;
        messages.push_front(message);
        // the first record names itself as the one before
        if before == at {
            break;
        }
        (at, sequence) = (before, sequence.wrapping_sub(1));
    }
    messages.into()
}

impl WdfMessage {
    /// Bytes of its record, at least.
    fn len(&self) -> u64 {
        u64::from(RECORD_LEN).saturating_add(Bytes(&self.values).len())
    }
}

/// The message at an offset, and the offset of the one before.
fn message(log: Bytes<'_>, at: u16) -> Option<(WdfMessage, u16)> {
    let record = log.from(at.into());
    let header_len = match record.u16(0)? {
        SIGNATURE => RECORD_LEN,
        SIGNATURE_WITH_TIME => RECORD_WITH_TIME_LEN,
        _ => return None,
    };
    let values = record.u16(2)?.checked_sub(header_len)?;
    let message = WdfMessage {
        sequence: record.u32(4)?,
        time: (header_len == RECORD_WITH_TIME_LEN).then(|| record.u64(28).map(FileTime)).flatten(),
        provider: Guid(*record.get(12, 16)?.first_chunk::<16>()?),
        number: record.u16(10)?,
        values: record.get(header_len.into(), values.into())?.to_vec(),
    };
    Some((message, record.u16(8)?))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn entry(globals: u64, minor: u32, name: &[u8; 32], width: Width) -> Vec<u8> {
        let mut entry = globals.to_le_bytes()[..usize::try_from(width.len()).unwrap()].to_vec();
        entry.extend([1, minor, 0].into_iter().flat_map(u32::to_le_bytes));
        entry.extend(name);
        entry.resize(entry.len().next_multiple_of(usize::try_from(width.len()).unwrap()), 0xCC);
        entry
    }

    const FRAMEWORK: &[u8; 32] = b"Wdf01000\0\xcb\xff\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    const DRIVER: &[u8; 32] = b"USBXHCI\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

    #[test]
    fn drivers_have_names_and_versions() {
        for (width, len, globals) in
            [(Width::W32, 0x30, 0x8123_4560), (Width::W64, 0x38, 0xFFFF_8000_1234_5670)]
        {
            let blob = [entry(0, 31, FRAMEWORK, width), entry(globals, 15, DRIVER, width)].concat();
            assert_eq!(blob.len(), 2 * len);
            let found = drivers(&blob, width).unwrap();
            assert_eq!((found[0].name.as_str(), found[0].globals), ("Wdf01000", None));
            assert_eq!((found[1].name.as_str(), found[1].globals), ("USBXHCI", Some(globals)));
            assert_eq!(found[1].version, WdfVersion { major: 1, minor: 15, build: 0 });
            let other = if width == Width::W32 { Width::W64 } else { Width::W32 };
            assert_eq!(drivers(&blob, other), None, "of the other width");
        }
        assert_eq!(drivers(&[], Width::W64), None);
    }

    const PROVIDER: [u8; 16] = *b"0123456789abcdef";

    fn record(time: Option<u64>, sequence: u32, before: u16, values: &[u8]) -> Vec<u8> {
        let header = if time.is_some() { 36 } else { 28 };
        let mut record = if time.is_some() { b"L2" } else { b"LR" }.to_vec();
        record.extend(u16::try_from(header + values.len()).unwrap().to_le_bytes());
        record.extend(sequence.to_le_bytes());
        record.extend(before.to_le_bytes());
        record.extend(17_u16.to_le_bytes());
        record.extend(PROVIDER);
        record.extend(time.into_iter().flat_map(u64::to_le_bytes));
        record.extend(values);
        record
    }

    fn log_of(records: &[u8], last: u16, written: u32, width: Width) -> Vec<u8> {
        let mut blob = LOG_MARK.0.to_vec();
        blob.resize(16 + usize::try_from(width.len()).unwrap(), 0x11);
        blob.extend(u32::try_from(records.len()).unwrap().to_le_bytes());
        blob.extend([0, 0]);
        blob.extend(last.to_le_bytes());
        blob.extend(written.to_le_bytes());
        blob.extend(DRIVER);
        blob.resize(blob.len().next_multiple_of(usize::try_from(width.len()).unwrap()), 0);
        blob.extend(records);
        blob
    }

    #[test]
    fn a_log_is_read_back_to_its_first_record() {
        let records =
            [record(None, 1, 0, b""), record(None, 2, 0, b"ab"), record(None, 3, 28, b"c")].concat();
        for width in [Width::W32, Width::W64] {
            let found = log(&log_of(&records, 58, 3, width), width).unwrap();
            assert_eq!((found.driver.as_str(), found.written), ("USBXHCI", 3));
            let sequences: Vec<_> = found.messages.iter().map(|message| message.sequence).collect();
            assert_eq!(sequences, [1, 2, 3]);
            let second = &found.messages[1];
            assert_eq!((second.number, second.provider, &*second.values), (17, Guid(PROVIDER), &b"ab"[..]));
        }
    }

    #[test]
    fn a_log_that_went_round_keeps_its_last_records() {
        // the third one has overwritten the first
        let records = [record(Some(77), 3, 36, b""), record(Some(66), 2, 0, b"")].concat();
        let found = log(&log_of(&records, 0, 3, Width::W64), Width::W64).unwrap();
        let times: Vec<_> = found.messages.iter().map(|message| (message.sequence, message.time)).collect();
        assert_eq!(times, [(2, Some(FileTime(66))), (3, Some(FileTime(77)))]);
    }

    #[test]
    fn records_that_overlap_are_no_longer_than_the_log() {
        const COUNT: u16 = 2000;
        let heads: Vec<Vec<u8>> = (0..COUNT)
            .map(|index| {
                let mut head = record(None, u32::from(index) + 1, index.saturating_sub(1) * 28, b"");
                head[2..4].fill(0xFF);
                head
            })
            .collect();
        let mut records = heads.concat();
        records.resize(records.len() + 0x1_0000, 0);
        let blob = log_of(&records, (COUNT - 1) * 28, COUNT.into(), Width::W64);
        let found = log(&blob, Width::W64).unwrap();
        let read: usize = found.messages.iter().map(|message| message.values.len()).sum();
        assert!(!found.messages.is_empty() && read <= blob.len(), "{read} of {}", blob.len());
    }

    #[test]
    fn a_log_without_sense_has_no_messages() {
        let found = log(&log_of(b"nothing", 3, 9, Width::W64), Width::W64).unwrap();
        assert_eq!((found.written, found.messages.len()), (9, 0));
        let whole = log_of(b"nothing", 3, 9, Width::W64);
        assert_eq!(log(&whole[..whole.len() - 1], Width::W64), None, "cut");
        assert_eq!(log(&whole, Width::W32), None, "of the other width");
    }
}
