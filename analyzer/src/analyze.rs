//! The pure entry point: which reader a dump goes to. Never does I/O and never looks at a clock.

use dump::{DumpFormat, HEAD_LEN, IdentifyError, Identity, identify};

use crate::{Analysis, Limits, Unreadable, kernel, user};

/// Reads a dump and says who is to blame: same bytes, same limits, same version, same report, byte for byte.
///
/// # Errors
/// [`Unreadable`] where nothing can be said at all; a damaged dump gives an analysis with problems instead.
///
/// # Panics
/// Kernel dumps: never. User dumps go through the `minidump` crates, whose panics are not caught here; a caller
/// that must live on (the worker) catches them at its rim.
pub fn analyze(bytes: &[u8], limits: &Limits) -> Result<Analysis, Unreadable> {
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if len > limits.dump_bytes {
        let limit = limits.dump_bytes;
        return Err(Unreadable::new(
            "too_large",
            format_args!("{len} bytes are more than the limit of {limit}"),
        ));
    }
    let identity = identity(bytes, len).map_err(|error| Unreadable::new(error.code(), error))?;
    match identity.format {
        DumpFormat::Kernel64 | DumpFormat::Kernel32 => kernel::analyze(bytes, &identity, limits),
        DumpFormat::User => user::analyze(bytes, &identity, limits),
    }
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
