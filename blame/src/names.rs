//! Names of `__fastfail` codes, as buckets have them. Owns none: they are the subcodes of the bug check about them, in
//! `dump/data/bugchecks.json`.

use dump::bugcheck;

/// `KERNEL_SECURITY_CHECK_FAILURE`: its first parameter is a code of `__fastfail`.
const FAST_FAIL: u32 = 0x139;

/// The name of a `__fastfail` code, as it stands in bucket ids.
pub fn fast_fail_name(code: u64) -> Option<&'static str> {
    let meaning = bugcheck(FAST_FAIL, FAST_FAIL)?.subcode_meaning(&[code, 0, 0, 0])?;
    meaning.strip_prefix("fast-fail ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (code, name) in [
            (0, Some("LEGACY_GS_VIOLATION")),
            (3, Some("CORRUPT_LIST_ENTRY")),
            (15, None),
            (36, Some("INVALID_LOCK_STATE")),
            (37, Some("GUARD_JUMPTABLE")),
            (67, Some("KERNEL_CET_SHADOW_STACK_ASSIST")),
            (1 << 32, None),
        ] {
            assert_eq!(fast_fail_name(code), name, "{code}");
        }
    }
}
