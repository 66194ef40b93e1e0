//! Of a user-mode minidump (`MDMP`): the few facts that identify its crash. Never threads, modules or memory: those
//! are another reader's.

use crate::bytes::Bytes;

/// First bytes of a minidump.
pub(crate) const SIGNATURE: [u8; 4] = *b"MDMP";

// MINIDUMP_HEADER
const HEADER_LEN: u64 = 0x20;
const NUMBER_OF_STREAMS: u64 = 0x08;
const STREAM_DIRECTORY_RVA: u64 = 0x0C;
const TIME_DATE_STAMP: u64 = 0x14;

// MINIDUMP_DIRECTORY
const DIRECTORY_ENTRY_LEN: usize = 12;
const STREAM_TYPE: u64 = 0;
const STREAM_RVA: u64 = 8;
const EXCEPTION_STREAM: u32 = 6;
const MISC_INFO_STREAM: u32 = 15;

// MINIDUMP_EXCEPTION_STREAM, its record being an EXCEPTION_RECORD64
const EXCEPTION_THREAD_ID: u64 = 0x00;
const EXCEPTION_CODE: u64 = 0x08;
const EXCEPTION_ADDRESS: u64 = 0x18;

// MINIDUMP_MISC_INFO
const MISC_FLAGS: u64 = 0x04;
const MISC_PROCESS_ID: u64 = 0x08;
const MISC_PROCESS_CREATE_TIME: u64 = 0x0C;
const MISC_HAS_PROCESS_ID: u32 = 1;
const MISC_HAS_PROCESS_TIMES: u32 = 2;

/// What identifies a crash of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UserFacts {
    /// Seconds since 1970.
    pub(crate) timestamp: u32,
    pub(crate) process_id: Option<u32>,
    /// Seconds since 1970.
    pub(crate) process_create_time: Option<u32>,
    pub(crate) exception: Option<UserException>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UserException {
    pub(crate) thread_id: u32,
    pub(crate) code: u32,
    pub(crate) address: u64,
}

/// Reads what lies within `head`. `Err(needed)` where the file itself, `total_len` bytes, ends before its directory.
pub(crate) fn read(head: Bytes<'_>, total_len: u64) -> Result<UserFacts, u64> {
    let field = |offset| head.u32(offset).ok_or(HEADER_LEN);
    let streams = u64::from(field(NUMBER_OF_STREAMS)?);
    let directory = u64::from(field(STREAM_DIRECTORY_RVA)?);
    let mut facts = UserFacts { timestamp: field(TIME_DATE_STAMP)?, ..UserFacts::default() };
    let directory_len = streams.saturating_mul(12);
    let needed = directory.saturating_add(directory_len).max(HEADER_LEN);
    if total_len.max(head.len()) < needed {
        return Err(needed);
    }
    let entries = head.clip(directory, directory_len).unwrap_or_default();
    for entry in entries.chunks_exact(DIRECTORY_ENTRY_LEN).map(Bytes) {
        let Some(stream) = entry.u32(STREAM_RVA).map(|rva| head.from(rva.into())) else { continue };
        match entry.u32(STREAM_TYPE) {
            Some(EXCEPTION_STREAM) if facts.exception.is_none() => facts.exception = exception(stream),
            Some(MISC_INFO_STREAM) => misc_info(stream, &mut facts),
            _ => {}
        }
    }
    Ok(facts)
}

fn exception(stream: Bytes<'_>) -> Option<UserException> {
    Some(UserException {
        thread_id: stream.u32(EXCEPTION_THREAD_ID)?,
        code: stream.u32(EXCEPTION_CODE)?,
        address: stream.u64(EXCEPTION_ADDRESS)?,
    })
}

fn misc_info(stream: Bytes<'_>, facts: &mut UserFacts) {
    let flags = stream.u32(MISC_FLAGS).unwrap_or(0);
    let field = |flag, offset| if flags & flag == 0 { None } else { stream.u32(offset) };
    facts.process_id = facts.process_id.or(field(MISC_HAS_PROCESS_ID, MISC_PROCESS_ID));
    facts.process_create_time =
        facts.process_create_time.or(field(MISC_HAS_PROCESS_TIMES, MISC_PROCESS_CREATE_TIME));
}
