//! The pure entry points: which reader a dump goes to. Never does I/O (a [`Source`] is the caller's) and never looks at a
//! clock.

use std::io;

use blame::Owners;
use dump::{
    DumpFormat, DumpType, HEAD_LEN, IdentifyError, Identity, KernelDump, OpenError, Source, identify,
};

use symbols::SymbolSet;

use crate::{Analysis, Limits, Unreadable, kernel, user};

/// Why a [`Source`] gave no analysis.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// What it holds is no dump that can be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// It cannot be read itself.
    #[error("the dump cannot be read")]
    Read(#[from] io::Error),
}

/// Reads a dump and says who is to blame: same bytes, same symbols, same owners, same limits, same version, same report, byte for byte.
///
/// Without a set of symbols this is the fast path: it looks at a stack's words and wants nothing. With one, even an empty
/// one, the stack is walked frame by frame, and [`Analysis::wants`] says what the set lacks.
///
/// # Errors
/// [`Unreadable`] where nothing can be said at all; a damaged dump gives an analysis with problems instead.
///
/// # Panics
/// Kernel dumps: never. User dumps go through the `minidump` crates, whose panics are not caught here; a caller
/// that must live on (the worker) catches them at its rim.
pub fn analyze(
    bytes: &[u8],
    symbols: Option<&SymbolSet>,
    owners: &Owners,
    limits: &Limits,
) -> Result<Analysis, Unreadable> {
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    check_len(len, limits)?;
    let identity = identity(bytes, len).map_err(|error| Unreadable::new(error.code(), error))?;
    match identity.format {
        DumpFormat::Kernel64 | DumpFormat::Kernel32 => {
            let dump = KernelDump::parse(bytes).map_err(|error| Unreadable::new("damaged", error))?;
            Ok(kernel::analyze(&dump, &identity, len, symbols, owners, limits))
        }
        DumpFormat::User => user::analyze(bytes, &identity, symbols, owners, limits),
    }
}

/// The same of a dump that need not fit into memory. A kernel dump that holds physical memory (`MEMORY.DMP`) is read by
/// ranges, whatever its size; any other dump whole, up to [`Limits::dump_bytes`].
///
/// # Errors
/// As [`analyze`], and where the source fails before there is anything to say. Where it fails later, the error is among
/// the report's problems.
///
/// # Panics
/// As [`analyze`].
pub fn analyze_source(
    source: &dyn Source,
    symbols: Option<&SymbolSet>,
    owners: &Owners,
    limits: &Limits,
) -> Result<Analysis, SourceError> {
    let len = source.size();
    let head = read(source, len.min(u64::try_from(HEAD_LEN).unwrap_or(u64::MAX)))?;
    if !holds_physical_memory(&head) {
        check_len(len, limits)?;
        return Ok(analyze(&read(source, len)?, symbols, owners, limits)?);
    }
    let identity = large_identity(&head, len).map_err(|error| Unreadable::new(error.code(), error))?;
    let dump = KernelDump::open(source).map_err(|error| match error {
        OpenError::Parse(error) => SourceError::Unreadable(Unreadable::new("damaged", error)),
        OpenError::Read(error) => SourceError::Read(error),
    })?;
    Ok(kernel::analyze(&dump, &identity, len, symbols, owners, limits))
}

fn check_len(len: u64, limits: &Limits) -> Result<(), Unreadable> {
    let limit = limits.dump_bytes;
    if len > limit {
        return Err(Unreadable::new(
            "too_large",
            format_args!("{len} bytes are more than the limit of {limit}"),
        ));
    }
    Ok(())
}

fn read(source: &dyn Source, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    source.read_at(0, &mut bytes)?;
    Ok(bytes)
}

fn holds_physical_memory(head: &[u8]) -> bool {
    KernelDump::parse(head).is_ok_and(|dump| match dump.header().dump_type {
        DumpType::Triage | DumpType::Header | DumpType::Unknown(_) => false,
        DumpType::Full
        | DumpType::Summary
        | DumpType::BitmapFull
        | DumpType::BitmapKernel
        | DumpType::Automatic
        | DumpType::RangesKernel
        | DumpType::RangesActive
        | DumpType::RangesFull => true,
    })
}

/// Identity of the crash. The bytes are hashed only where the identity may rest on the hash (a user dump, a dump without
/// a time): for a kernel dump that would take longer than everything else that is done with it.
fn identity(bytes: &[u8], len: u64) -> Result<Identity, IdentifyError> {
    let head = bytes.get(..HEAD_LEN).unwrap_or(bytes);
    let identity = identify(head, &[0; 32], len)?;
    if identity.format != DumpFormat::User && identity.time.is_some() {
        return Ok(identity);
    }
    identify(head, blake3::hash(bytes).as_bytes(), len)
}

/// Identity of a crash by the head of its dump alone. Where a dump without a time would be told by a hash of all of it, it
/// is told by its head: nobody reads 64 GB for that.
fn large_identity(head: &[u8], len: u64) -> Result<Identity, IdentifyError> {
    identify(head, blake3::hash(head).as_bytes(), len)
}
