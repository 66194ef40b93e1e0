//! Names of `__fastfail` codes. Owns names only.

/// `FAST_FAIL_*` codes, by value.
const FAST_FAIL: [(u64, &str); 34] = [
    (0, "LEGACY_GS_VIOLATION"),
    (1, "VTGUARD_CHECK_FAILURE"),
    (2, "STACK_COOKIE_CHECK_FAILURE"),
    (3, "CORRUPT_LIST_ENTRY"),
    (4, "INCORRECT_STACK"),
    (5, "INVALID_ARG"),
    (6, "GS_COOKIE_INIT"),
    (7, "FATAL_APP_EXIT"),
    (8, "RANGE_CHECK_FAILURE"),
    (9, "UNSAFE_REGISTRY_ACCESS"),
    (10, "GUARD_ICALL_CHECK_FAILURE"),
    (11, "GUARD_WRITE_CHECK_FAILURE"),
    (12, "INVALID_FIBER_SWITCH"),
    (13, "INVALID_SET_OF_CONTEXT"),
    (14, "INVALID_REFERENCE_COUNT"),
    (18, "INVALID_JUMP_BUFFER"),
    (19, "MRDATA_MODIFIED"),
    (20, "CERTIFICATION_FAILURE"),
    (21, "INVALID_EXCEPTION_CHAIN"),
    (22, "CRYPTO_LIBRARY"),
    (23, "INVALID_CALL_IN_DLL_CALLOUT"),
    (24, "INVALID_IMAGE_BASE"),
    (25, "DLOAD_PROTECTION_FAILURE"),
    (26, "UNSAFE_EXTENSION_CALL"),
    (27, "DEPRECATED_SERVICE_INVOKED"),
    (28, "INVALID_BUFFER_ACCESS"),
    (29, "INVALID_BALANCED_TREE"),
    (30, "INVALID_NEXT_THREAD"),
    (31, "GUARD_ICALL_CHECK_SUPPRESSED"),
    (32, "APCS_DISABLED"),
    (33, "INVALID_IDLE_STATE"),
    (34, "MRDATA_PROTECTION_FAILURE"),
    (35, "UNEXPECTED_HEAP_EXCEPTION"),
    (36, "INVALID_LOCK_STATE"),
];

/// The name of a `__fastfail` code, as it stands in bucket ids.
pub fn fast_fail_name(code: u64) -> Option<&'static str> {
    FAST_FAIL.iter().find(|entry| entry.0 == code).map(|entry| entry.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(fast_fail_name(3), Some("CORRUPT_LIST_ENTRY"));
        assert_eq!(fast_fail_name(15), None);
    }
}
