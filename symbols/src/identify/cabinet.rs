//! Cabinets: what symbol servers pack single files into (`.pd_`, `.dl_`, `.sy_`), and what driver packages are sent in.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]
#![expect(clippy::disallowed_types, reason = "what comes out of it goes through inflate, which caps it")]

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use cab::Cabinet;

use super::inflate::{self, InflateError};
use super::{UnpackLimits, Unpacked};
use crate::image::Damaged;
use crate::reader::Reader;

/// Bytes of header that say where the list of files is.
const HEADER_LEN: usize = 36;

/// All entries of files: 65 535 with the longest names come to 17 MB.
const MAX_LIST: u64 = 32 << 20;

/// Decompressing for all members of a cabinet together. The reader starts anew for each, at the start of its folder: of a
/// hundred members of 2 MB that is 10 GB. Such a cabinet is better sent as a zip, which has no folders.
const MAX_WORK: u64 = 4 << 30;

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    size: u64,
    /// Bytes that are decompressed to reach its end.
    work: u64,
}

/// Why a cabinet was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UncabError {
    /// It is no cabinet of one member, or too large: another attempt comes to the same.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// A file of this machine cannot be read or written, which says nothing of the cabinet.
    #[error("cannot be read or written: {0}")]
    Io(#[source] io::Error),
}

fn damaged(why: impl Into<String>) -> Damaged {
    Damaged::new("cabinet", why)
}

/// What reading came to: the system has numbers for its own errors, and none for what the reader makes of bad bytes.
fn unreadable(error: io::Error, what: impl FnOnce(io::Error) -> String) -> UncabError {
    match error.raw_os_error() {
        Some(_number) => UncabError::Io(error),
        None => damaged(what(error)).into(),
    }
}

/// Unpacks the single member of a cabinet, as symbol servers keep `.pd_`, `.dl_` and `.sy_` files. `to` is written from
/// its start, and ends where the member ends.
///
/// # Errors
/// [`UncabError`] where it is no cabinet of one member, the member is larger than `limit`, or a file cannot be read or
/// written.
pub fn uncab(mut from: File, to: &mut File, limit: u64) -> Result<(), UncabError> {
    let members = members(&mut from).map_err(|error| unreadable(error, |error| error.to_string()))?;
    let [member] = members.as_slice() else {
        return Err(damaged(format!("{} members, not one", members.len())).into());
    };
    if member.work > limit {
        return Err(damaged(InflateError::TooLarge(limit).to_string()).into());
    }
    let begin = |file: &mut File| file.seek(SeekFrom::Start(0)).map(|_| ());
    begin(&mut from).and_then(|()| begin(to)).map_err(UncabError::Io)?;
    let len = copy(from, member, to, limit)?;
    to.set_len(len).map_err(UncabError::Io)
}

/// All members, each through [`Unpacked::file`].
pub(super) fn unpack(bytes: &Bytes, limits: &UnpackLimits, unpacked: &mut Unpacked) {
    let members = match members(&mut Cursor::new(bytes)) {
        Ok(members) if members.len() <= limits.files => members,
        Ok(members) => return unpacked.refuse("", &format!("{} members", members.len())),
        Err(error) => return unpacked.refuse("", &damaged(error.to_string()).to_string()),
    };
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let mut left = inflate::allowance(packed, limits.total_bytes);
    let mut work = MAX_WORK;
    for member in members {
        let Some(rest) = work.checked_sub(member.work) else {
            unpacked.refuse(&member.name, "too far inside of its cabinet: send it as a zip");
            continue;
        };
        work = rest;
        let mut content = Vec::new();
        match copy(Cursor::new(bytes), &member, &mut content, limits.file_bytes.min(left)) {
            Ok(len) => {
                left = left.saturating_sub(len);
                unpacked.file(&member.name, content.into());
            }
            Err(error) => unpacked.refuse(&member.name, &error.to_string()),
        }
    }
}

fn copy<R: Read + Seek>(
    from: R,
    member: &Member,
    to: &mut impl Write,
    limit: u64,
) -> Result<u64, UncabError> {
    if member.size > limit {
        return Err(damaged(InflateError::TooLarge(limit).to_string()).into());
    }
    // The reader indexes past the last block where a member says that it begins behind it, and says `unreachable` of what
    // a stream of deflate can lead to. Nothing of it outlives the call; what was written is thrown away by the caller.
    let copied = catch_unwind(AssertUnwindSafe(|| {
        let mut cabinet = Cabinet::new(from).map_err(InflateError::Damaged)?;
        let reader = cabinet.read_file(&member.name).map_err(InflateError::Damaged)?;
        inflate::copy(reader, to, limit)
    }));
    match copied {
        Ok(Ok(len)) if len == member.size => Ok(len),
        Ok(Ok(len)) => Err(damaged(format!("{len} bytes of {}", member.size)).into()),
        Ok(Err(InflateError::Write(error))) => Err(UncabError::Io(error)),
        Ok(Err(InflateError::Damaged(error))) => {
            Err(unreadable(error, |error| InflateError::Damaged(error).to_string()))
        }
        Ok(Err(error @ InflateError::TooLarge(_))) => Err(damaged(error.to_string()).into()),
        Err(_) => Err(damaged("damaged in a way that its reader did not foresee").into()),
    }
}

/// The list of files. The reader has it too, and does not tell where in its folder a member begins.
fn members(from: &mut (impl Read + Seek)) -> io::Result<Vec<Member>> {
    from.seek(SeekFrom::Start(0))?;
    let mut header = [0; HEADER_LEN];
    from.read_exact(&mut header)?;
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut reader = Reader::new(&header);
    if reader.take(4) != Some(b"MSCF") {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "does not begin with MSCF"));
    }
    reader.skip(12).ok_or_else(cut)?;
    let list = reader.u32().ok_or_else(cut)?;
    reader.skip(8).ok_or_else(cut)?;
    let count = reader.u16().ok_or_else(cut)?;
    from.seek(SeekFrom::Start(list.into()))?;
    let mut bytes = Vec::new();
    from.take(MAX_LIST.min(u64::from(count).saturating_mul(512))).read_to_end(&mut bytes)?;
    let mut reader = Reader::new(&bytes);
    (0..count).map(|_| member(&mut reader).ok_or_else(cut)).collect()
}

fn member(reader: &mut Reader<'_>) -> Option<Member> {
    let size = reader.u32()?;
    let start = reader.u32()?;
    reader.skip(8)?;
    let name = reader.name();
    // Names longer than this are none; the reader refuses them.
    let name = String::from_utf8_lossy(name.get(..256).unwrap_or(name)).into_owned();
    let work = u64::from(start).saturating_add(u64::from(size));
    Some(Member { name, size: size.into(), work })
}
