//! Zip archives: what people and build servers send.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]
#![expect(clippy::disallowed_types, reason = "what comes out of it goes through inflate, which caps it")]

use std::io::Cursor;

use bytes::Bytes;
use zip::ZipArchive;
use zip::result::ZipError;

use super::inflate;
use super::{UnpackLimits, Unpacked};

/// What each entry of an archive's directory begins with.
const ENTRY: &[u8] = b"PK\x01\x02";

/// Other archives inside of it have such entries too, and are refused by themselves.
const SPARE_ENTRIES: usize = 10_000;

/// All members, each through [`Unpacked::file`].
pub(super) fn zip(bytes: &Bytes, limits: &UnpackLimits, unpacked: &mut Unpacked) {
    // The reader makes a list of all entries before it says how many there are, and takes several times the space of each.
    let most = limits.files.saturating_add(SPARE_ENTRIES);
    if bytes.windows(ENTRY.len()).filter(|window| *window == ENTRY).nth(most).is_some() {
        return unpacked.refuse("", &format!("more than {} files", limits.files));
    }
    let mut archive = match ZipArchive::new(Cursor::new(bytes)) {
        Ok(archive) if archive.len() <= limits.files => archive,
        Ok(archive) => return unpacked.refuse("", &format!("{} files", archive.len())),
        Err(error) => return unpacked.refuse("", &format!("zip: {error}")),
    };
    let mut left = inflate::allowance(u64::try_from(bytes.len()).unwrap_or(u64::MAX), limits.total_bytes);
    for number in 0..archive.len() {
        let (name, content) = member(&mut archive, number, limits.file_bytes.min(left));
        match content {
            Ok(Some(content)) => {
                left = left.saturating_sub(u64::try_from(content.len()).unwrap_or(u64::MAX));
                unpacked.file(&name, content.into());
            }
            Ok(None) => (),
            Err(why) => unpacked.refuse(&name, &why),
        }
    }
}

/// Name and content of a member; no content where it is a folder.
fn member(
    archive: &mut ZipArchive<Cursor<&Bytes>>,
    number: usize,
    limit: u64,
) -> (String, Result<Option<Vec<u8>>, String>) {
    let name = archive
        .by_index_data(number)
        .and_then(|entry| entry.name().map(std::borrow::Cow::into_owned))
        .unwrap_or_else(|_| format!("entry {number}"));
    let content = match archive.by_index(number) {
        Ok(file) if file.is_dir() => Ok(None),
        Ok(file) => inflate::read(file, limit).map(Some).map_err(|error| error.to_string()),
        Err(ZipError::UnsupportedArchive(_)) => {
            Err("packed in a way other than deflate, or with a password".to_owned())
        }
        Err(error) => Err(error.to_string()),
    };
    (name, content)
}
