//! A small dump made slim: the facts of the crash without the bulk around them. Real dumps of 0.2 to 4 MB become 90 to
//! 200 KB, 27 to 40 KB compressed, and every reader of small dumps takes the result for an ordinary one.
//!
//! Owns what is kept and why. Never changes a fact: a part is kept whole or left out, and what was cut or missing
//! before stays cut or missing by as many bytes. No filter for personal data: what is kept is kept as it was, firmware
//! serial numbers included.

mod choice;
mod map;
mod objects;
mod secondary;
mod write;

use crate::bytes::Bytes;
use crate::header::{self, DumpType};
use crate::kernel_dump::{KernelDump, ParseError};
use crate::problem::Problems;
use crate::triage;

/// Why a dump cannot be made slim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlimError {
    /// It is no kernel dump.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It is no small dump.
    #[error("a {0} dump cannot be made slim, only a small one")]
    NotSmall(DumpType),
}

/// A small dump without its bulk. Kept are:
///
/// * the header, the lists of drivers and unloaded drivers, the copies of processor, process, thread, memory manager
///   and debugger data, and the saved stack: all that has a place of its own;
/// * up to 36 KiB of other memory, in this order: what the reader itself reads to say what the bug check's parameters
///   lead to; what they point at; the stack, the code and the
///   values of the registers at the fault; objects that those lead to; what the words on the stack point at; then the
///   smallest pieces;
/// * secondary data, the smallest first, up to 40 KiB. Of the rest the list keeps the names, each with no content.
///
/// The identity, the header but for its file size, and the lists are the same as before. Making a slim dump slim again
/// changes nothing. The result is never larger than `bytes`: what cannot be made smaller is returned as it is.
///
/// # Errors
/// Where the bytes are no kernel dump, or one of another type.
pub fn slim(bytes: &[u8]) -> Result<Vec<u8>, SlimError> {
    let dump = KernelDump::parse(bytes)?;
    let header = dump.header();
    if header.dump_type != DumpType::Triage {
        return Err(SlimError::NotSmall(header.dump_type));
    }
    let file = Bytes(bytes);
    let Some(layout) = header::layout_of(file) else { return Ok(bytes.to_vec()) };
    // What is wrong with the dump is for its reader to tell.
    let triage = triage::read(file, layout, header, &mut Problems::default());
    let slim = triage.and_then(|triage| write::write(&write::Input { file, layout, dump: &dump, triage }));
    Ok(slim.filter(|slim| slim.len() <= bytes.len()).unwrap_or_else(|| bytes.to_vec()))
}
