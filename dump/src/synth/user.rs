//! A user minidump (`MDMP`): system and misc info, one thread with its context and stack, modules, the exception.

use super::image::{Image, utf16_z};
use super::{SynthRegisters, context_record};

/// A crashed process, described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserDump {
    /// Process id.
    pub process_id: u32,
    /// Start of the process, seconds since 1970.
    pub process_create_time: u32,
    /// When the dump was written, seconds since 1970.
    pub timestamp: u32,
    /// The crashing thread.
    pub thread_id: u32,
    /// NTSTATUS.
    pub exception_code: u32,
    /// Faulting instruction.
    pub exception_address: u64,
    /// Words of the exception.
    pub exception_information: Vec<u64>,
    /// Registers at the fault.
    pub registers: SynthRegisters,
    /// Lowest saved stack address.
    pub stack_base: u64,
    /// The saved stack.
    pub stack: Vec<u8>,
    /// Loaded modules; the first is the program.
    pub modules: Vec<UserModule>,
    /// Base build of Windows.
    pub build: u32,
    /// Logical processors.
    pub processors: u8,
}

/// A module of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserModule {
    /// Whole path.
    pub path: String,
    /// First address.
    pub base: u64,
    /// Size of the image.
    pub size: u32,
    /// PE timestamp.
    pub timestamp: u32,
    /// Four parts, most significant first.
    pub version: [u16; 4],
    /// Name of the PDB; its GUID is made from timestamp and size, its age is 1.
    pub pdb: String,
}

impl UserDump {
    /// `shop.exe` reading a null pointer, on Windows 10.
    pub fn example() -> Self {
        let base = 0x7ff6_1234_0000;
        let stack_base = 0x44_7f1e_f600;
        let mut stack = vec![0; 0x800];
        for (place, address) in [base + 0x2bc4, base + 0x1190, 0x7ffe_7000_7614].into_iter().enumerate() {
            stack[0x80 + 0x90 * place..][..8].copy_from_slice(&u64::to_le_bytes(address));
        }
        let module = |path: &str, base, size, timestamp, version, pdb: &str| UserModule {
            path: path.to_owned(),
            base,
            size,
            timestamp,
            version,
            pdb: pdb.to_owned(),
        };
        Self {
            process_id: 4711,
            process_create_time: 1_710_146_000,
            timestamp: 1_710_146_486,
            thread_id: 9120,
            exception_code: 0xc000_0005,
            exception_address: base + 0x1f3a,
            exception_information: vec![0, 0x18],
            registers: SynthRegisters { rip: base + 0x1f3a, rsp: stack_base, ..SynthRegisters::default() },
            stack_base,
            stack,
            modules: vec![
                module(r"C:\shop\shop.exe", base, 0x2_9000, 0x65a1_9c3e, [3, 2, 0, 118], "shop.pdb"),
                module(
                    r"C:\Windows\System32\ntdll.dll",
                    0x7ffe_7100_0000,
                    0x1f_8000,
                    0xb529_0b2b,
                    [10, 0, 19041, 3996],
                    "ntdll.pdb",
                ),
                module(
                    r"C:\Windows\System32\kernel32.dll",
                    0x7ffe_7000_0000,
                    0xc_2000,
                    0x9ec9_da27,
                    [10, 0, 19041, 3996],
                    "kernel32.pdb",
                ),
            ],
            build: 19041,
            processors: 8,
        }
    }
}

/// Stream types.
const THREAD_LIST: u32 = 3;
const MODULE_LIST: u32 = 4;
const MEMORY_LIST: u32 = 5;
const EXCEPTION: u32 = 6;
const SYSTEM_INFO: u32 = 7;
const MISC_INFO: u32 = 15;
const STREAMS: usize = 6;

const HEADER_LEN: usize = 32;
const DIRECTORY_ENTRY: usize = 12;
/// A location descriptor: size, then file offset.
type Location = (u32, u32);

/// Writes the dump.
pub fn user_minidump(dump: &UserDump) -> Vec<u8> {
    let mut image = Image::with_capacity(0x4000 + dump.stack.len());
    image.append_zeros(HEADER_LEN + DIRECTORY_ENTRY * STREAMS);
    let context = append(&mut image, &context_record(&dump.registers));
    let stack = append(&mut image, &dump.stack);
    let streams = [
        (SYSTEM_INFO, append_system_info(dump, &mut image)),
        (MISC_INFO, append(&mut image, &misc_info(dump))),
        (EXCEPTION, append(&mut image, &exception(dump, context))),
        (THREAD_LIST, append(&mut image, &threads(dump, context, stack))),
        (MODULE_LIST, append_modules(dump, &mut image)),
        (MEMORY_LIST, append(&mut image, &memory(dump, stack))),
    ];
    image.put(0, b"MDMP");
    image.u32(0x04, 0xa793);
    image.u32(0x08, STREAMS as u32);
    image.u32(0x0c, HEADER_LEN as u32);
    image.u32(0x14, dump.timestamp);
    for (place, (kind, location)) in streams.into_iter().enumerate() {
        let at = HEADER_LEN + DIRECTORY_ENTRY * place;
        image.u32(at, kind);
        put_location(&mut image, at + 4, location);
    }
    image.into_bytes()
}

fn append(image: &mut Image, bytes: &[u8]) -> Location {
    image.align(8);
    (bytes.len() as u32, image.append(bytes))
}

fn put_location(image: &mut Image, at: usize, (len, offset): Location) {
    image.u32(at, len);
    image.u32(at + 4, offset);
}

/// A counted UTF-16 string: the count is in bytes and leaves the terminator out.
fn append_string(image: &mut Image, text: &str) -> u32 {
    let units = utf16_z(text);
    let mut string = (units.len() as u32 - 2).to_le_bytes().to_vec();
    string.extend(units);
    append(image, &string).1
}

fn append_system_info(dump: &UserDump, image: &mut Image) -> Location {
    let service_pack = append_string(image, "");
    let mut info = Image::zeros(0x38);
    info.u16(0x00, 9); // AMD64
    info.u16(0x02, 6);
    info.put(0x06, &[dump.processors, 1]);
    info.u32(0x08, 10);
    info.u32(0x10, dump.build);
    info.u32(0x14, 2); // NT
    info.u32(0x18, service_pack);
    append(image, &info.into_bytes())
}

fn misc_info(dump: &UserDump) -> Vec<u8> {
    const HAS_PROCESS_ID_AND_TIMES: u32 = 3;
    let mut info = Image::zeros(0x18);
    info.u32(0x00, 0x18);
    info.u32(0x04, HAS_PROCESS_ID_AND_TIMES);
    info.u32(0x08, dump.process_id);
    info.u32(0x0c, dump.process_create_time);
    info.into_bytes()
}

fn exception(dump: &UserDump, context: Location) -> Vec<u8> {
    let words = &dump.exception_information[..dump.exception_information.len().min(15)];
    let mut stream = Image::zeros(0xa8);
    stream.u32(0x00, dump.thread_id);
    stream.u32(0x08, dump.exception_code);
    stream.u64(0x18, dump.exception_address);
    stream.u32(0x20, words.len() as u32);
    for (place, &word) in words.iter().enumerate() {
        stream.u64(0x28 + 8 * place, word);
    }
    put_location(&mut stream, 0xa0, context);
    stream.into_bytes()
}

fn threads(dump: &UserDump, context: Location, stack: Location) -> Vec<u8> {
    let mut stream = Image::zeros(4 + 0x30);
    stream.u32(0, 1);
    stream.u32(4, dump.thread_id);
    stream.u64(4 + 0x10, 0x44_7f00_0000);
    stream.u64(4 + 0x18, dump.stack_base);
    put_location(&mut stream, 4 + 0x20, stack);
    put_location(&mut stream, 4 + 0x28, context);
    stream.into_bytes()
}

fn memory(dump: &UserDump, stack: Location) -> Vec<u8> {
    let mut stream = Image::zeros(4 + 0x10);
    stream.u32(0, 1);
    stream.u64(4, dump.stack_base);
    put_location(&mut stream, 4 + 8, stack);
    stream.into_bytes()
}

fn append_modules(dump: &UserDump, image: &mut Image) -> Location {
    const MODULE: usize = 108;
    let mut stream = Image::zeros(4 + MODULE * dump.modules.len());
    stream.u32(0, dump.modules.len() as u32);
    for (place, module) in dump.modules.iter().enumerate() {
        let at = 4 + MODULE * place;
        stream.u64(at, module.base);
        stream.u32(at + 0x08, module.size);
        stream.u32(at + 0x10, module.timestamp);
        stream.u32(at + 0x14, append_string(image, &module.path));
        put_version(&mut stream, at + 0x18, module.version);
        put_location(&mut stream, at + 0x4c, append(image, &code_view(module)));
    }
    append(image, &stream.into_bytes())
}

/// `VS_FIXEDFILEINFO`: file version and product version alike.
fn put_version(stream: &mut Image, at: usize, version: [u16; 4]) {
    let high = u32::from(version[0]) << 16 | u32::from(version[1]);
    let low = u32::from(version[2]) << 16 | u32::from(version[3]);
    for (place, value) in [0xfeef_04bd, 0x1_0000, high, low, high, low].into_iter().enumerate() {
        stream.u32(at + 4 * place, value);
    }
}

/// `RSDS`, GUID, age, name of the PDB.
fn code_view(module: &UserModule) -> Vec<u8> {
    let mut record = b"RSDS".to_vec();
    record.extend(module.timestamp.to_le_bytes());
    record.extend(module.size.to_le_bytes());
    record.extend(module.base.to_le_bytes());
    record.extend(1_u32.to_le_bytes());
    record.extend(module.pdb.as_bytes());
    record.push(0);
    record
}
