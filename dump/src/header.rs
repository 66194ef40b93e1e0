//! The dump header: what stopped the machine, when, and what the machine was. Owns the meaning of each field and of
//! the fill pattern; never looks behind the header.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bugcheck::without_flag;
use crate::bytes::{Bytes, Width};
use crate::layout::{LAYOUT32, LAYOUT64, Layout};
use crate::text;
use crate::time::{FileTime, Ticks100ns};

/// The header is filled with this before it is written: a field that still has it was never written.
const FILL: u32 = u32::from_le_bytes(*b"PAGE");
const FILL64: u64 = u64::from_le_bytes(*b"PAGEPAGE");

const ATTRIBUTE_LIVE_DUMP: u32 = 1 << 4;

/// The first build that leaves diagnostics in the reserved part of the header.
const DIAGNOSTICS_FROM: u32 = 26100;
/// Up to the build number that follows.
const STATUS_LEN: u64 = 0x100;

/// A dump header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// 64 or 32.
    pub bits: u8,
    /// 15 for a free build, 12 for a checked one.
    pub major: u32,
    /// Base build of the system: 19041 for all of 19041 to 19045.
    pub build: u32,
    /// Update build revision; only kernels from build 26100 write it.
    pub ubr: Option<u32>,
    /// Kind of processor.
    pub machine: Machine,
    /// Logical processors; 0 where the field was never written.
    pub processors: u32,
    /// Bug check code as written.
    pub bugcheck_raw: u32,
    /// Bug check code without the flag of small dumps.
    pub bugcheck: u32,
    /// Bug check parameters.
    pub parameters: [u64; 4],
    /// Physical address of the page table in use.
    pub directory_table_base: u64,
    /// Address of the kernel's table of physical pages.
    pub pfn_database: u64,
    /// Address of the list of loaded drivers: differs from boot to boot.
    pub ps_loaded_module_list: u64,
    /// Address of the list of processes.
    pub ps_active_process_head: u64,
    /// Whether a 32-bit kernel used physical address extension.
    pub pae: Option<bool>,
    /// Address of the kernel's debugger data: differs from boot to boot.
    pub kd_debugger_data_block: u64,
    /// Form of the dump.
    pub dump_type: DumpType,
    /// Who wrote the file.
    pub writer: Writer,
    /// Time of the crash.
    pub system_time: Option<FileTime>,
    /// Time since boot.
    pub uptime: Option<Ticks100ns>,
    /// Edition of Windows.
    pub product: Option<Product>,
    /// `VER_SUITE_*` flags.
    pub suite_mask: Option<u32>,
    /// `DUMP_FILE_ATTRIBUTES` flags.
    pub attributes: Option<u32>,
    /// Counter of boots; the debugger engine does not write it.
    pub boot_id: Option<u32>,
    /// A live dump: the machine did not go down.
    pub live: bool,
    /// Service pack build of a small dump: 0x100 on Windows 7 SP1, 0 on newer systems.
    pub service_pack: Option<u32>,
    /// Size of the whole file as its writer planned it.
    pub required_dump_space: Option<u64>,
    /// Which parts a small dump was meant to have.
    pub mini_dump_fields: Option<u32>,
    /// NTSTATUS of the secondary data.
    pub secondary_data_state: Option<u32>,
    /// What a person wrote into the dump, `.dump /c`.
    pub comment: Option<String>,
    /// How the kernel says its writing ended: `Dump completed successfully.`; from build 26100.
    pub status: Option<String>,
}

/// Kind of processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Machine {
    /// AMD64.
    X64,
    /// ARM64.
    Arm64,
    /// i386.
    X86,
    /// Another `IMAGE_FILE_MACHINE_*`.
    Unknown(u32),
}

/// Form of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DumpType {
    /// 1: all physical memory, as runs.
    Full,
    /// 2: kernel memory of old systems.
    Summary,
    /// 3: nothing but the header.
    Header,
    /// 4: a small dump.
    Triage,
    /// 5: all physical memory, with a bitmap.
    BitmapFull,
    /// 6: kernel memory, with a bitmap.
    BitmapKernel,
    /// 7: automatic.
    Automatic,
    /// 8: kernel memory, written by a debugger as ranges.
    RangesKernel,
    /// 9: kernel and user memory, written by a debugger as ranges.
    RangesActive,
    /// 10: all physical memory, written by a debugger as ranges.
    RangesFull,
    /// Any other.
    Unknown(u32),
}

/// Who wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writer {
    /// The kernel, when it went down.
    Kernel,
    /// The debugger engine: Windows Error Reporting shrinking a large dump, or a person.
    DebugEngine,
}

/// Edition of Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Product {
    /// Workstation.
    Workstation,
    /// Domain controller.
    DomainController,
    /// Server.
    Server,
    /// Another `VER_NT_*`.
    Unknown(u32),
}

/// What the first bytes of a file say.
pub(crate) fn layout_of(file: Bytes<'_>) -> Option<&'static Layout> {
    match file.get(0, 8)? {
        b"PAGEDU64" => Some(&LAYOUT64),
        b"PAGEDUMP" => Some(&LAYOUT32),
        _ => None,
    }
}

/// The longest header.
pub(crate) const MOST_LEN: u64 = LAYOUT64.header.size;

/// Whether the head of a file is that of a small dump.
pub(crate) fn is_small(head: Bytes<'_>) -> bool {
    layout_of(head).and_then(|layout| head.u32(layout.header.dump_type)).map(DumpType::from_raw)
        == Some(DumpType::Triage)
}

/// Reads the header. `None` where the file ends before the header does.
pub(crate) fn read(file: Bytes<'_>, layout: &Layout) -> Option<Header> {
    let at = &layout.header;
    let fields = Fields { header: Bytes(file.get(0, at.size)?), width: layout.width };
    let bugcheck_raw = fields.u32(at.bug_check_code).unwrap_or(0);
    let attributes = fields.u32(at.attributes);
    let build = fields.u32(at.minor_version).unwrap_or(0);
    let parameter_width = match layout.width {
        Width::W32 => 4_u64,
        Width::W64 => 8,
    };
    let parameter = |index: u64| {
        let offset = at.bug_check_parameter1.saturating_add(index.saturating_mul(parameter_width));
        fields.word(offset).unwrap_or(0)
    };
    Some(Header {
        bits: if layout.width == Width::W32 { 32 } else { 64 },
        major: fields.u32(at.major_version).unwrap_or(0),
        build,
        ubr: at.build_string.and_then(|offset| update_revision(fields.header, offset, build)),
        machine: Machine::from_raw(fields.u32(at.machine_image_type).unwrap_or(0)),
        processors: fields.u32(at.number_processors).unwrap_or(0),
        bugcheck_raw,
        bugcheck: without_flag(bugcheck_raw),
        parameters: [parameter(0), parameter(1), parameter(2), parameter(3)],
        directory_table_base: fields.word(at.directory_table_base).unwrap_or(0),
        pfn_database: fields.word(at.pfn_data_base).unwrap_or(0),
        ps_loaded_module_list: fields.word(at.ps_loaded_module_list).unwrap_or(0),
        ps_active_process_head: fields.word(at.ps_active_process_head).unwrap_or(0),
        pae: at.pae_enabled.and_then(|offset| fields.flag(offset)),
        kd_debugger_data_block: fields.word(at.kd_debugger_data_block).unwrap_or(0),
        dump_type: DumpType::from_raw(fields.u32(at.dump_type).unwrap_or(0)),
        writer: if fields.u32(at.writer_status).is_none() { Writer::Kernel } else { Writer::DebugEngine },
        system_time: fields.u64(at.system_time).filter(|&time| time != 0).map(FileTime),
        uptime: fields.u64(at.system_up_time).map(Ticks100ns),
        product: fields.u32(at.product_type).map(Product::from_raw),
        suite_mask: fields.u32(at.suite_mask),
        attributes,
        boot_id: fields.u32(at.boot_id),
        live: attributes.is_some_and(|bits| bits & ATTRIBUTE_LIVE_DUMP != 0),
        service_pack: None,
        required_dump_space: fields.u64(at.required_dump_space).filter(|&size| size != 0),
        mini_dump_fields: fields.u32(at.mini_dump_fields),
        secondary_data_state: fields.u32(at.secondary_data_state),
        comment: fields.text(at.comment, at.comment_size),
        status: at
            .status_line
            .filter(|_| build >= DIAGNOSTICS_FROM)
            .and_then(|offset| fields.text(offset, STATUS_LEN)),
    })
}

/// Fields that may never have been written.
struct Fields<'a> {
    header: Bytes<'a>,
    width: Width,
}

impl Fields<'_> {
    fn u32(&self, offset: u64) -> Option<u32> {
        self.header.u32(offset).filter(|&value| value != FILL)
    }

    fn u64(&self, offset: u64) -> Option<u64> {
        self.header.u64(offset).filter(|&value| value != FILL64)
    }

    /// 0 or 1; the fill is neither.
    fn flag(&self, offset: u64) -> Option<bool> {
        match self.header.u8(offset)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Printable text that ends within its field.
    fn text(&self, offset: u64, len: u64) -> Option<String> {
        let field = self.header.get(offset, len)?;
        let text = field.split(|&byte| byte == 0).next()?;
        let printable = text.iter().all(|&byte| byte >= 0x20 && byte != 0x7F);
        (printable && text.len() < field.len() && !text.starts_with(b"PAGEPAGE"))
            .then(|| text::narrow(text))?
    }

    fn word(&self, offset: u64) -> Option<u64> {
        match self.width {
            Width::W32 => self.u32(offset).map(u64::from),
            Width::W64 => self.u64(offset),
        }
    }
}

/// The update revision that kernels from build 26100 leave in the reserved part of the header, where nothing is
/// documented: believed only where the text before it is the header's own build and the version behind it is 10.0.
/// Seen in 9 of 9 kernel-written dumps of build 26100: `tests/samples.rs`.
fn update_revision(header: Bytes<'_>, build_string: u64, build: u32) -> Option<u32> {
    let mut text = 0_u32;
    for index in 0..8_u64 {
        match header.u16(build_string.checked_add(index.checked_mul(2)?)?)? {
            0 => break,
            unit => {
                let digit = char::from_u32(u32::from(unit))?.to_digit(10)?;
                text = text.checked_mul(10)?.checked_add(digit)?;
            }
        }
    }
    let revision = header.u32(build_string.checked_add(0x10)?)?;
    let version =
        (header.u32(build_string.checked_add(0x14)?)?, header.u32(build_string.checked_add(0x18)?)?);
    (text == build && build != 0 && version == (10, 0) && revision != FILL).then_some(revision)
}

impl Header {
    /// Width of the dump's pointers.
    pub(crate) fn width(&self) -> Width {
        if self.bits == 32 { Width::W32 } else { Width::W64 }
    }

    pub(crate) fn set_bug_check(&mut self, code: u32, parameters: [u64; 4]) {
        self.bugcheck_raw = code;
        self.bugcheck = without_flag(code);
        self.parameters = parameters;
    }
}

impl Machine {
    fn from_raw(raw: u32) -> Self {
        match raw {
            0x8664 => Self::X64,
            0xAA64 => Self::Arm64,
            0x014C => Self::X86,
            other => Self::Unknown(other),
        }
    }

    /// `x64`, `arm64`, `x86`, `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X64 => "x64",
            Self::Arm64 => "arm64",
            Self::X86 => "x86",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl DumpType {
    fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::Full,
            2 => Self::Summary,
            3 => Self::Header,
            4 => Self::Triage,
            5 => Self::BitmapFull,
            6 => Self::BitmapKernel,
            7 => Self::Automatic,
            8 => Self::RangesKernel,
            9 => Self::RangesActive,
            10 => Self::RangesFull,
            other => Self::Unknown(other),
        }
    }
}

impl fmt::Display for DumpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Summary => "summary",
            Self::Header => "header-only",
            Self::Triage => "small",
            Self::BitmapFull => "bitmap full",
            Self::BitmapKernel => "bitmap kernel",
            Self::Automatic => "automatic",
            Self::RangesKernel => "range kernel",
            Self::RangesActive => "range active",
            Self::RangesFull => "range full",
            Self::Unknown(raw) => return write!(f, "type {raw:#x}"),
        })
    }
}

impl Product {
    fn from_raw(raw: u32) -> Self {
        match raw {
            1 => Self::Workstation,
            2 => Self::DomainController,
            3 => Self::Server,
            other => Self::Unknown(other),
        }
    }

    /// `workstation`, `domain controller`, `server`, `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workstation => "workstation",
            Self::DomainController => "domain controller",
            Self::Server => "server",
            Self::Unknown(_) => "unknown",
        }
    }
}
