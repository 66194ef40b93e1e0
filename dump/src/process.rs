//! Name of the process that was current when the machine went down, from the raw copy of its `EPROCESS`. Where in it
//! the name is, differs from build to build: by table first, else whatever looks like the name of an image.

use crate::bytes::Bytes;
use crate::header::{Header, Machine};
use crate::text;

/// `EPROCESS.ImageFileName`: 14 bytes of the image's name, and a NUL.
const NAME_LEN: u64 = 15;
/// More than any `EPROCESS`.
const MAX_PROCESS_LEN: u64 = 0x2000;
const MIN_RUN: usize = 4;

/// Processes that are no file.
const WITHOUT_FILE: [&[u8]; 5] = [b"System", b"Idle", b"Registry", b"MemCompression", b"Secure System"];

/// Offset of `EPROCESS.ImageFileName` by machine and build, first to last.
const OFFSETS: [(Machine, u32, u32, u64); 9] = [
    (Machine::X64, 7600, 7601, 0x2E0),
    (Machine::X64, 9200, 9600, 0x438),
    (Machine::X64, 10240, 10240, 0x448),
    (Machine::X64, 10586, 18363, 0x450),
    (Machine::X64, 19041, 25398, 0x5A8),
    (Machine::X64, 26100, 26200, 0x338),
    (Machine::X86, 7600, 7601, 0x16C),
    (Machine::X86, 19041, 19045, 0x1AC),
    (Machine::Arm64, 22000, 22000, 0x560),
];

/// Reads the name from the process at `offset`; what belongs to something else begins at `end`.
pub(crate) fn name(file: Bytes<'_>, header: &Header, offset: u64, end: u64) -> Option<String> {
    let len = end.checked_sub(offset)?.min(MAX_PROCESS_LEN);
    let process = Bytes(file.clip(offset, len)?);
    by_build(process, header).or_else(|| by_look(process.0))
}

fn by_build(process: Bytes<'_>, header: &Header) -> Option<String> {
    let (.., offset) = OFFSETS.iter().find(|(machine, first, last, _)| {
        header.machine == *machine && (*first..=*last).contains(&header.build)
    })?;
    let field = process.get(*offset, NAME_LEN)?;
    let name = field.split(|&byte| byte == 0).next()?;
    let terminated = name.len() < field.len();
    (terminated && name.iter().all(|&byte| byte >= 0x20 && byte != 0x7F)).then(|| text::narrow(name))?
}

/// The first run of characters with a NUL behind it that is the name of an image, which may be cut within `.exe`.
fn by_look(process: &[u8]) -> Option<String> {
    let mut pieces = process.split(|&byte| byte == 0);
    pieces.next_back()?;
    let names = pieces.filter_map(|piece| {
        let before = piece.iter().rposition(|byte| !matches!(byte, 0x20..=0x7E));
        piece.get(before.map_or(0, |at| at.saturating_add(1))..)
    });
    names.filter(|name| name.len() >= MIN_RUN && looks_like_image(name)).find_map(text::narrow)
}

fn looks_like_image(name: &[u8]) -> bool {
    const CUT_AT: usize = 14;
    let ends_with = |end: &[u8]| name.len() > end.len() && name.to_ascii_lowercase().ends_with(end);
    let whole = name.len() <= CUT_AT && ends_with(b".exe");
    let cut = name.len() == CUT_AT && (ends_with(b".ex") || ends_with(b".e"));
    whole || cut || WITHOUT_FILE.contains(&name)
}
