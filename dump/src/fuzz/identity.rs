//! What is promised of the identity of a crash.

use crate::identity::{CrashId, DumpFormat, HEAD_LEN, Identity, identify};
use crate::kernel_dump::KernelDump;

/// The flag of a bug check that only small dumps carry, and where the code lies in dumps of 64 and of 32 bits.
const MINIDUMP_FLAG: u8 = 0x10;
const CODE_TOP_64: usize = 0x3B;
const CODE_TOP_32: usize = 0x2B;
const OTHER_DIGEST: [u8; 32] = [0xA5; 32];

/// The id does not depend on what lies behind the head, nor on what differs between two dumps of one crash; it is
/// written and read without loss, and carries the time.
///
/// # Panics
/// Where that does not hold.
pub fn identity(bytes: &[u8]) {
    let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let found = identify(bytes, &[0; 32], len);
    let head = bytes.get(..HEAD_LEN).unwrap_or(bytes);
    assert_eq!(identify(head, &[0; 32], len), found, "the tail matters");
    let identity = match found {
        Ok(identity) => identity,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.code().is_empty());
            assert!(KernelDump::parse(bytes).is_err(), "read, but not identified: {error}");
            return;
        }
    };
    text(&identity);
    let is_kernel = identity.format != DumpFormat::User;
    assert_eq!(KernelDump::parse(bytes).is_ok(), is_kernel, "identified, but not read");
    if is_kernel {
        kernel(head, &identity, len);
    }
}

/// The id's forms.
fn text(identity: &Identity) {
    let id = identity.id;
    let text = id.to_string();
    assert_eq!(text.parse::<CrashId>(), Ok(id), "{text}");
    assert_eq!(text.to_uppercase().parse::<CrashId>(), Ok(id), "{text}");
    assert!(text.replace('-', "").parse::<CrashId>().is_err(), "{text} without hyphens");
    let number = u128::from_be_bytes(id.0);
    assert_eq!((number >> 76 & 0xF, number >> 62 & 3), (8, 2), "version and variant of {text}");
    assert_eq!(u128::try_from(identity.crashed_at_ms), Ok(number >> 80), "time of {text}");
    if identity.crashed_at_ms != 0 {
        assert_eq!(identity.time.map(|time| time.unix_ms()), Some(identity.crashed_at_ms));
    }
}

fn kernel(head: &[u8], identity: &Identity, len: u64) {
    let again = |head: &[u8], digest: &[u8; 32]| identify(head, digest, len).ok().map(|other| other.id);
    let other = again(head, &OTHER_DIGEST);
    assert_eq!(other == Some(identity.id), identity.time.is_some(), "the digest counts only without a time");

    let mut longer = head.to_vec();
    longer.extend([0x5A; 64]);
    assert_eq!(again(&longer, &[0; 32]), Some(identity.id), "more behind the header matters");

    let top = if identity.format == DumpFormat::Kernel64 { CODE_TOP_64 } else { CODE_TOP_32 };
    let never_written = |head: &[u8]| head.get(top.saturating_sub(3)..=top) == Some(b"PAGE");
    if let Some(code) = longer.get_mut(top) {
        *code ^= MINIDUMP_FLAG;
    }
    // A code that is fill was never written and counts as zero, one that looks like it does not.
    if !never_written(head) && !never_written(&longer) {
        assert_eq!(again(&longer, &[0; 32]), Some(identity.id), "the flag of small dumps matters");
    }
}
