//! The process that was current when the machine went down, from the raw copy of its `EPROCESS`. Where its name is,
//! differs from build to build: reckoned from what the kernel's debugger data tell, else by table, else whatever looks
//! like the name of an image. Believes an id only where it is the id of the thread's owner, or where the table and the
//! debugger data tell the same structure.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::debugger_data::DebuggerData;
use crate::header::{Header, Machine};
use crate::structure::Structure;
use crate::thread;
use crate::time::FileTime;

/// More than any `EPROCESS`.
pub(crate) const MAX_LEN: u64 = 0x2000;

/// `EPROCESS.ImageFileName`: 14 bytes of the image's name, and a NUL.
const NAME_LEN: u64 = 15;
const CUT_AT: usize = 14;
const MIN_RUN: usize = 4;

/// Processes that are no file.
const WITHOUT_FILE: [&[u8]; 5] = [b"System", b"Idle", b"Registry", b"MemCompression", b"Secure System"];

/// A process. Each fact is `None` where it is missing or makes no sense.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Name of its image, cut to 14 characters by Windows.
    pub name: Option<String>,
    /// Its id; 4 for the kernel's own.
    pub id: Option<u64>,
    /// Id of the process that made it, which may have ended, and another have its id.
    pub parent_id: Option<u64>,
    /// Physical address of its page table, with what else the processor keeps there.
    pub directory_table_base: Option<u64>,
    /// Its block in user mode; none for the kernel's own.
    pub peb: Option<u64>,
    /// When it began.
    pub create_time: Option<FileTime>,
}

/// Where the fields of an `EPROCESS` are that the debugger data do not tell.
struct Row {
    machine: Machine,
    builds: RangeInclusive<u32>,
    unique_process_id: u64,
    peb: u64,
    image_file_name: u64,
}

const fn row(machine: Machine, builds: RangeInclusive<u32>, offsets: [u64; 3]) -> Row {
    let [unique_process_id, peb, image_file_name] = offsets;
    Row { machine, builds, unique_process_id, peb, image_file_name }
}

/// From the public symbols of these kernels. 9200 is Windows 8, 9600 is 8.1, 10240 to 19045 are 10, 20348 is Server
/// 2022, 22000 and above are 11.
const ROWS: [Row; 13] = [
    row(Machine::X64, 7600..=7601, [0x180, 0x338, 0x2E0]),
    row(Machine::X64, 9200..=9600, [0x2E0, 0x3E8, 0x438]),
    row(Machine::X64, 10240..=10240, [0x2E8, 0x3F8, 0x448]),
    row(Machine::X64, 10586..=14393, [0x2E8, 0x3F8, 0x450]),
    row(Machine::X64, 15063..=17763, [0x2E0, 0x3F8, 0x450]),
    row(Machine::X64, 18362..=18363, [0x2E8, 0x3F8, 0x450]),
    row(Machine::X64, 19041..=25398, [0x440, 0x550, 0x5A8]),
    row(Machine::X64, 26100..=26200, [0x1D0, 0x2E0, 0x338]),
    row(Machine::Arm64, 19041..=25398, [0x3F8, 0x508, 0x560]),
    row(Machine::Arm64, 26100..=26200, [0x1C0, 0x2D0, 0x328]),
    row(Machine::X86, 7600..=7601, [0xB4, 0x1A8, 0x16C]),
    row(Machine::X86, 9600..=9600, [0xB4, 0x140, 0x170]),
    row(Machine::X86, 19041..=19045, [0xE8, 0x17C, 0x1AC]),
];

/// Windows 8: from here on the name is behind `Peb`.
const FIRST_BEHIND_PEB: u32 = 9200;
/// Windows 10 1511: from here on `ImageFilePointer` is between `PageDirectoryPte` and the name.
const FIRST_WITH_FILE_POINTER: u32 = 10586;

/// Reads an `EPROCESS`, with the `ETHREAD` that ran in it. `None` where nothing in it makes sense.
pub(crate) fn read(
    bytes: Bytes<'_>,
    thread: Option<Bytes<'_>>,
    header: &Header,
    debugger_data: Option<&DebuggerData>,
) -> Option<Process> {
    let at = debugger_data.map(|data| &data.offsets);
    // where memory goes on behind the process, a name there is another's
    let len = at.and_then(|at| at.eprocess_size).unwrap_or(MAX_LEN).min(MAX_LEN);
    let process = Structure::new(Bytes(bytes.clip(0, len)?), header);
    let owner = thread.and_then(|thread| thread::client_id(thread, header, debugger_data));
    let id_place = id_place(process, owner.map(|ids| ids.process), debugger_data);
    let found = Process {
        name: name(process, debugger_data),
        id: id_place.and_then(|place| process.id(place)),
        parent_id: at.and_then(|at| process.id(at.eprocess_parent_cid?)),
        directory_table_base: at
            .and_then(|at| process.word(at.eprocess_directory_table_base?))
            .filter(|&base| base != 0),
        peb: at.and_then(|at| process.user_pointer(at.eprocess_peb)),
        create_time: id_place.and_then(|place| create_time(process, place)),
    };
    (found != Process::default()).then_some(found)
}

/// The row of this build. One that has `Peb` elsewhere than the debugger data say is of another structure.
fn row_of(header: &Header, debugger_data: Option<&DebuggerData>) -> Option<&'static Row> {
    let peb = debugger_data.and_then(|data| data.offsets.eprocess_peb);
    let row = ROWS.iter().find(|row| row.machine == header.machine && row.builds.contains(&header.build))?;
    peb.is_none_or(|peb| peb == row.peb).then_some(row)
}

/// Where `UniqueProcessId` is: where the id of the thread's owner is, and `ActiveProcessLinks` behind it. A thread may
/// have attached to another process than its owner; then where the table says, if the debugger data agree with it.
fn id_place(process: Structure<'_>, owner: Option<u64>, debugger_data: Option<&DebuggerData>) -> Option<u64> {
    let len = process.word_len();
    let is_id = |place: u64| {
        process.id(place).is_some()
            && place.checked_add(len).is_some_and(|links| process.is_list_entry(links))
    };
    let row =
        row_of(process.header, debugger_data).map(|row| row.unique_process_id).filter(|&place| is_id(place));
    let of_owner = || {
        let words = process.bytes.len().checked_div(len)?;
        let mut places = (0..words).filter_map(|index| index.checked_mul(len));
        places.find(|&place| process.id(place) == owner && is_id(place))
    };
    let agrees = |place: &u64| owner.is_some() && process.id(*place) == owner;
    row.filter(agrees)
        .or_else(|| owner.and_then(|_| of_owner()))
        .or(row.filter(|_| debugger_data.is_some_and(|data| data.offsets.eprocess_peb.is_some())))
}

/// `CreateTime` is the first time around the id: before it up to Windows 8.1, behind it in Windows 10 and 11.
fn create_time(process: Structure<'_>, id_place: u64) -> Option<FileTime> {
    process.time(id_place.saturating_sub(0x20)..id_place.saturating_add(0x30))
}

fn name(process: Structure<'_>, debugger_data: Option<&DebuggerData>) -> Option<String> {
    let row = row_of(process.header, debugger_data).map(|row| row.image_file_name);
    let reckoned = || debugger_data.and_then(|data| behind_peb(process, data));
    row.and_then(|place| name_at(process.bytes, place))
        .or_else(|| reckoned().and_then(|place| name_at(process.bytes, place)))
        .or_else(|| by_look(process.bytes.0))
}

/// Where the name is by the distance it keeps from `Peb`: nine words, `PageDirectoryPte` on a multiple of eight, and
/// `ImageFilePointer`. So from Windows 8 to 11 24H2, on all machines.
fn behind_peb(process: Structure<'_>, data: &DebuggerData) -> Option<u64> {
    const WORDS: u64 = 9;
    let build = process.header.build;
    let peb = data.offsets.eprocess_peb.filter(|_| build >= FIRST_BEHIND_PEB)?;
    let between = process.word_len().checked_mul(WORDS)?;
    let page_directory_pte = peb.checked_add(between)?.checked_next_multiple_of(8)?;
    let file_pointer = if build >= FIRST_WITH_FILE_POINTER { process.word_len() } else { 0 };
    page_directory_pte.checked_add(8)?.checked_add(file_pointer)
}

/// The name at a place: characters that a file may have in its name, and zeros up to the field's end.
fn name_at(process: Bytes<'_>, place: u64) -> Option<String> {
    let field = process.get(place, NAME_LEN)?;
    let len = field.iter().position(|&byte| byte == 0)?;
    let (name, rest) = field.split_at_checked(len)?;
    let sound = rest.iter().all(|&byte| byte == 0)
        && name.iter().any(u8::is_ascii_alphanumeric)
        && (name.iter().all(|&byte| is_ascii_name(byte))
            || name.iter().all(|&byte| is_name(byte)) && looks_like_image(name));
    sound.then(|| latin(name))
}

/// The first run of characters with a NUL behind it that is the name of an image, which may be cut within `.exe`.
fn by_look(process: &[u8]) -> Option<String> {
    let mut pieces = process.split(|&byte| byte == 0);
    pieces.next_back()?;
    let mut names = pieces.filter_map(|piece| {
        let before = piece.iter().rposition(|&byte| !is_ascii_name(byte));
        piece.get(before.map_or(0, |at| at.saturating_add(1))..)
    });
    names.find(|name| name.len() >= MIN_RUN && looks_like_image(name)).map(latin)
}

fn is_ascii_name(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7E) && !b"\"*/:<>?\\|".contains(&byte)
}

/// Windows keeps the low byte of each UTF-16 unit: so a letter of western Europe is one byte, as in Latin-1.
fn is_name(byte: u8) -> bool {
    is_ascii_name(byte) || (matches!(byte, 0xC0..=0xFF) && !matches!(byte, 0xD7 | 0xF7))
}

fn latin(name: &[u8]) -> String {
    name.iter().map(|&byte| char::from(byte)).collect::<String>().trim().to_owned()
}

fn looks_like_image(name: &[u8]) -> bool {
    let ends_with = |end: &[u8]| name.len() > end.len() && name.to_ascii_lowercase().ends_with(end);
    let whole = name.len() <= CUT_AT && ends_with(b".exe");
    let cut = name.len() == CUT_AT && (ends_with(b".ex") || ends_with(b".e"));
    whole || cut || WITHOUT_FILE.contains(&name)
}

#[cfg(test)]
mod tests;
