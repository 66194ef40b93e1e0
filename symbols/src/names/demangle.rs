//! Names as people write them: without arguments, return types, hashes and decorations. Owns what is safe to demangle;
//! whatever is not stays as it is.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::fmt::{self, Write};
use std::panic::catch_unwind;

use msvc_demangler::DemangleFlags;

use super::records::MAX_NAME;
use crate::reader::index;

/// Longest decorated name that is taken apart: the demangler goes down one call for every second character, and the
/// threads that analyse have 2 MB of stack.
const MAX_DECORATED: usize = 1_024;

/// Parts that a decorated name may grow to.
const MAX_PARTS: u64 = 200_000;

/// A name out of a symbol. `x86` says whether a C function may wear the decoration of its calling convention.
pub(crate) fn demangle(name: &[u8], x86: bool) -> String {
    let name = String::from_utf8_lossy(name);
    let found = if name.starts_with('?') { msvc(&name) } else { rust(&name) };
    let plain = found.unwrap_or_else(|| if x86 { undecorated(&name) } else { &name }.to_owned());
    plain.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

fn msvc(name: &str) -> Option<String> {
    (name.len() <= MAX_DECORATED && parts(name) <= MAX_PARTS).then_some(())?;
    let flags = DemangleFlags::NAME_ONLY | DemangleFlags::NO_CLASS_TYPE;
    // Built with overflow checks, the demangler panics on some names that are none (`??_C@_0` with an escape that is
    // none); without them it wraps. Nothing of it outlives the call.
    catch_unwind(|| msvc_demangler::demangle(name, flags)).ok()?.ok().filter(|name| !name.is_empty())
}

/// How large the demangler's tree may become, at most.
///
/// Parameters refer back to earlier ones by a digit, and the demangler copies what they refer to. In the parameters of a
/// function pointer, which is itself a parameter, that multiplies: 100 characters can become gigabytes. It takes a
/// function type (`P6`, `Q6`, `P8` ..) for every further power, and the digits are shared among them.
fn parts(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let functions = bytes
        .windows(2)
        .filter(|pair| matches!(pair, [b'A'..=b'Z' | b'$', b'6' | b'8']))
        .count()
        .saturating_add(1);
    let share = u64::try_from(digits.div_ceil(functions)).unwrap_or(u64::MAX).max(2);
    let len = u64::try_from(name.len()).unwrap_or(u64::MAX);
    share.saturating_pow(u32::try_from(functions).unwrap_or(u32::MAX)).saturating_mul(len)
}

fn rust(name: &str) -> Option<String> {
    let demangled = rustc_demangle::try_demangle(name).ok()?;
    // Back references make a short name into a long one here too: what does not fit is cut.
    let mut capped = Capped(String::new());
    let whole = write!(capped, "{demangled:#}");
    (whole.is_ok() || !capped.0.is_empty()).then_some(capped.0)
}

/// C functions on x86: `_main`, `_DriverEntry@8`, `@KfLowerIrql@4`, `memcpy@@12`.
fn undecorated(name: &str) -> &str {
    let name = match name.rsplit_once('@') {
        Some((stem, bytes)) if !stem.is_empty() && bytes.bytes().all(|byte| byte.is_ascii_digit()) => {
            stem.strip_suffix('@').unwrap_or(stem)
        }
        _ => return name.strip_prefix('_').filter(|rest| !rest.is_empty()).unwrap_or(name),
    };
    name.strip_prefix(['_', '@']).filter(|rest| !rest.is_empty()).unwrap_or(name)
}

/// Bytes of arguments that the decoration of an x86 function tells of.
pub(super) fn argument_bytes(name: &[u8]) -> Option<u32> {
    let name = std::str::from_utf8(name).ok().filter(|name| name.starts_with(['_', '@']))?;
    let (_, bytes) = name.rsplit_once('@')?;
    let bytes: u32 = bytes.parse().ok()?;
    // `fastcall` hands the first two over in registers.
    Some(if name.starts_with('@') { bytes.saturating_sub(8) } else { bytes })
}

struct Capped(String);

impl Write for Capped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = index(MAX_NAME).saturating_sub(self.0.len());
        let cut = text.get(..text.floor_char_boundary(left)).unwrap_or_default();
        self.0.push_str(cut);
        if cut.len() < text.len() { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, x86: bool, expected: &str) {
        assert_eq!(demangle(name.as_bytes(), x86), expected, "{name}");
    }

    #[test]
    fn names_are_what_people_write() {
        check("?ConsumeData@DataProcessor@@QEAAXPEBDH@Z", false, "DataProcessor::ConsumeData");
        check("??0Foo@@QEAA@XZ", false, "Foo::Foo");
        check("??$make@H@ns@@YAHH@Z", false, "ns::make<int>");
        check("?f@?A0x12345678@@YAXXZ", false, "`anonymous namespace'::f");
        check("_ZN4core3ptr13drop_in_place17h0123456789abcdefE", false, "core::ptr::drop_in_place");
        check("_RNvCs1234_7mycrate3foo", false, "mycrate::foo");
        check("_DriverEntry@8", true, "DriverEntry");
        check("_DriverEntry@8", false, "_DriverEntry@8");
        check("@KfLowerIrql@4", true, "KfLowerIrql");
        check("memcpy@@12", true, "memcpy");
        check("_main", true, "main");
        check("_", true, "_");
        check("KiPageFault", false, "KiPageFault");
        check("", false, "");
        check("a\x1b[2Jb", false, "a\u{FFFD}[2Jb");
        assert_eq!(argument_bytes(b"_DriverEntry@8"), Some(8));
        assert_eq!(argument_bytes(b"@f@12"), Some(4));
        assert_eq!(argument_bytes(b"?f@@YAXXZ"), None);
    }

    #[test]
    fn no_name_costs_much() {
        // Each parameter is a function that takes the one before it eight times.
        let bomb = (0..9).fold("?f@@YAXP6AXPAH0000000@Z".to_owned(), |name, number| {
            name + &format!("P6AX{0}{0}{0}{0}{0}{0}{0}{0}@Z", number)
        }) + "@Z";
        check(&bomb, false, &bomb);
        for part in ["PA", "P6A", "??", "?$", "Y0", "$$A6", "?$f@V"] {
            let deep = format!("?f@@YAX{}", part.repeat(500));
            check(&deep, false, &deep);
            let deep = format!("?{}", part.repeat(500));
            assert!(demangle(deep.as_bytes(), false).len() < 10_000);
        }
        for name in ["??_C@_0?$", "??_C@_01?$AA", "?$TSS99999999999999999999@", "?f@@3Y0PPPPPPPPPPPP@H"] {
            assert!(demangle(name.as_bytes(), false).len() < 100);
        }
        assert!(demangle(format!("_RN{}", "B_".repeat(3000)).as_bytes(), false).len() < 10_000);
    }
}
