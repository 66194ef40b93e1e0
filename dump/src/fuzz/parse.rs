//! What is promised of reading: answers are bounded by the bytes there are, agree with one another, and do not depend
//! on what lies elsewhere.

use std::io;

use crate::bytes::Bytes;
use crate::fuzz::facts;
use crate::header::DumpType;
use crate::kernel_dump::KernelDump;
use crate::source::Source;

/// Addresses that are looked up, beside those of the dump itself.
const ADDRESSES: [u64; 4] = [0, 0xFFFF_F800_0000_0000, u64::MAX - 7, u64::MAX];
/// A driver's entry in a dump of 32 bits, the smaller one.
const LEAST_DRIVER: usize = 0x4C;
const LEAST_BLOB: usize = 0x20;
/// Windows keeps that many.
const MOST_UNLOADED: usize = 50;
/// Eight of each part, and how many more.
const MOST_PROBLEMS: usize = 9 * 16;
/// Drivers whose addresses are looked up.
const ASKED: usize = 16;

/// A dump in memory, read as if it were a file.
struct Whole<'a>(&'a [u8]);

impl Source for Whole<'_> {
    fn size(&self) -> u64 {
        Bytes(self.0).len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let len = u64::try_from(buffer.len()).map_err(io::Error::other)?;
        let bytes = Bytes(self.0).get(offset, len).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

/// Reads a dump, asks everything, and holds the answers against one another.
///
/// # Panics
/// Where they do not agree.
pub fn parse(bytes: &[u8]) {
    let dump = match KernelDump::parse(bytes) {
        Ok(dump) => dump,
        Err(error) => {
            assert!(!error.to_string().is_empty() && KernelDump::open(&Whole(bytes)).is_err());
            return;
        }
    };
    bounds(bytes, &dump);
    let header = dump.header();
    let own = [header.kd_debugger_data_block, header.ps_loaded_module_list].into_iter();
    let edges = dump.drivers().iter().take(ASKED).flat_map(|driver| {
        let end = driver.base.saturating_add(driver.size.into());
        [driver.base, driver.entry_point, end.saturating_sub(1), end]
    });
    let stack = dump.stack().map(|(start, _)| start);
    for va in own.chain(header.parameters).chain(ADDRESSES).chain(stack).chain(edges) {
        lookups(&dump, va);
        memory(&dump, va);
    }
    let said = facts(&dump);
    let source = Whole(bytes);
    let opened = KernelDump::open(&source);
    assert_eq!(opened.ok().map(|dump| facts(&dump)), Some(said), "read by ranges it says something else");
    prefixes(bytes, &dump);
}

/// No list is longer than the bytes allow.
fn bounds(bytes: &[u8], dump: &KernelDump<'_>) {
    let len = bytes.len();
    if dump.header().dump_type == DumpType::Triage {
        assert!(dump.drivers().len().saturating_mul(LEAST_DRIVER) <= len, "more drivers than bytes");
    }
    assert!(dump.unloaded().len() <= MOST_UNLOADED, "more unloaded drivers than Windows keeps");
    assert!(dump.blobs().len().saturating_mul(LEAST_BLOB) <= len, "more blobs than bytes");
    assert!(dump.problems().len() <= MOST_PROBLEMS, "more problems than are kept");
    for problem in dump.problems() {
        assert!(!problem.to_string().is_empty());
    }
    // a kernel has whole names, and a driver's name apart from its path
    let is_small = dump.header().dump_type == DumpType::Triage;
    for driver in dump.unloaded() {
        assert!(driver.start < driver.end, "{driver:?}");
        assert!(!is_small || driver.name.chars().count() <= 12, "{driver:?}");
    }
    for driver in dump.drivers() {
        let agrees = driver.path.as_ref().is_none_or(|path| path.ends_with(&driver.name));
        assert!(!is_small || agrees, "{driver:?}");
    }
}

/// Who owns an address really has it.
fn lookups(dump: &KernelDump<'_>, va: u64) {
    let width = |va: u64| if dump.header().bits == 32 { va & 0xFFFF_FFFF } else { va };
    if let Some((driver, offset)) = dump.driver_at(va) {
        assert!(offset < driver.size.into(), "{va:#x} is outside {driver:?}");
        assert_eq!(driver.base.checked_add(offset), Some(width(va)), "{driver:?}");
    }
    if let Some((driver, offset)) = dump.unloaded_at(va) {
        assert_eq!(driver.start.checked_add(offset), Some(width(va)), "{driver:?}");
        assert!(width(va) < driver.end, "{va:#x} is outside {driver:?}");
    }
}

/// All ways to read an address give the same bytes.
fn memory(dump: &KernelDump<'_>, va: u64) {
    let run = dump.read_run(va, 0x1_0000);
    let run = run.as_deref().unwrap_or_default();
    for len in [1, 4, 8, 16, 0x98, 0x4D0, 0x1000] {
        let exact = dump.read(va, len);
        let exact = exact.as_deref();
        assert!(exact.is_none_or(|bytes| bytes.len() == len), "{va:#x}: not {len} bytes");
        if run.len() >= len {
            assert_eq!(exact, run.get(..len), "{va:#x}: {len} bytes");
        }
    }
    let number = dump.read(va, 8).and_then(|bytes| bytes.first_chunk::<8>().copied()).map(u64::from_le_bytes);
    assert_eq!(dump.read_u64(va), number, "{va:#x}");
}

/// A cut dump has the same header and no more than the whole one; it is read or refused as a whole dump of its length.
fn prefixes(bytes: &[u8], whole: &KernelDump<'_>) {
    let header = whole.header();
    for eighths in 1..8_usize {
        let len = bytes.len().saturating_mul(eighths) >> 3;
        let Some(cut) = bytes.get(..len) else { continue };
        let Ok(cut) = KernelDump::parse(cut) else {
            assert!(len < 0x2000, "whole, but not cut to {len}");
            continue;
        };
        let other = cut.header();
        // what the header does not tell is in the memory of a large dump, or cut off
        if other.bugcheck != 0 {
            let told = (header.bugcheck, header.parameters);
            assert_eq!((other.bugcheck, other.parameters), told, "cut to {len}");
        }
        assert_eq!(
            (other.system_time, other.dump_type, other.machine),
            (header.system_time, header.dump_type, header.machine),
            "cut to {len}"
        );
        assert_eq!(other.build, header.build, "cut to {len}");
    }
}
