//! A kernel dump: reads each part once, in one pass, and answers questions about it. Owns the order in which parts are
//! read and what is kept of them; the parts themselves are read by their own files.

use crate::blobs::{self, Blob};
use crate::boot;
use crate::budget::Budget;
use crate::bytes::{Bytes, Width};
use crate::context::{self, Context64};
use crate::drivers::{self, Driver};
use crate::exception::{self, ExceptionRecord64};
use crate::guid::Guid;
use crate::header::{self, DumpType, Header, Machine};
use crate::identity::{FirstBytes, first_bytes};
use crate::layout::Layout;
use crate::memory::Memory;
use crate::problem::{Damage, Part, Problem, Problems};
use crate::process;
use crate::processor::{self, Processor};
use crate::ranges::Ranges;
use crate::smbios::{self, Smbios};
use crate::triage::{self, Triage};
use crate::unloaded::{self, UnloadedDriver};

// DBGKD_DEBUG_DATA_HEADER64 and the beginning of KDDEBUGGER_DATA64, the same in dumps of either width
const DEBUGGER_DATA_TAG: u64 = 0x10;
const DEBUGGER_DATA_KERN_BASE: u64 = 0x18;

/// A kernel dump, read in place.
#[derive(Debug)]
pub struct KernelDump<'a> {
    file: Bytes<'a>,
    layout: &'static Layout,
    header: Header,
    context: Option<Context64>,
    triage: Option<Triage>,
    drivers: Vec<Driver>,
    ranges: Ranges,
    unloaded: Vec<UnloadedDriver>,
    memory: Memory<'a>,
    blobs: Vec<Blob<'a>>,
    problems: Vec<Problem>,
}

/// Why nothing of a file can be read as a kernel dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The first bytes are none of a kernel dump.
    #[error("not a kernel dump: begins with {}", .0.escape_ascii())]
    NotAKernelDump(FirstBytes),
    /// The header ends outside the file.
    #[error("header cut short: {len} bytes of at least {needed}")]
    HeaderCut {
        /// Bytes of the header.
        needed: u64,
        /// Bytes there are.
        len: u64,
    },
}

impl<'a> KernelDump<'a> {
    /// Reads a kernel dump. What is damaged is left out and told in [`Self::problems`].
    ///
    /// # Errors
    /// Where nothing is usable: the bytes are no kernel dump, or the header is cut.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let file = Bytes(bytes);
        let layout = header::layout_of(file).ok_or(ParseError::NotAKernelDump(first_bytes(file)))?;
        let header = header::read(file, layout)
            .ok_or(ParseError::HeaderCut { needed: layout.header.size, len: file.len() })?;
        let mut problems = Problems::default();
        let mut dump = Self {
            context: header_context(file, layout, &header, &mut problems),
            file,
            layout,
            header,
            triage: None,
            drivers: Vec::new(),
            ranges: Ranges::default(),
            unloaded: Vec::new(),
            memory: Memory::none(file, layout.width),
            blobs: Vec::new(),
            problems: Vec::new(),
        };
        match dump.header.dump_type {
            DumpType::Triage => dump.read_triage(&mut problems),
            DumpType::Header => {}
            other => problems.add(Part::DataBlocks, Damage::MemoryForm(other)),
        }
        dump.problems = problems.into_vec();
        Ok(dump)
    }

    fn read_triage(&mut self, problems: &mut Problems) {
        let (file, layout) = (self.file, self.layout);
        let Some(triage) = triage::read(file, layout, &self.header, problems) else { return };
        let mut budget = Budget::for_dump(file.0.len());
        self.header.service_pack = Some(triage.service_pack_build);
        self.drivers = drivers::read(file, layout, &triage, &mut budget, problems);
        let driver_ranges = self.drivers.iter().map(|driver| (driver.base, u64::from(driver.size)));
        self.ranges = Ranges::new(driver_ranges, &mut budget).unwrap_or_else(|| {
            problems.add(Part::Drivers, Damage::Budget);
            Ranges::default()
        });
        self.unloaded = unloaded::read(file, layout, &triage, &mut budget, problems);
        self.memory = Memory::of_triage(file, layout, &self.header, &triage, &mut budget, problems);
        self.blobs = blobs::read(file, triage.size_of_dump, &mut budget, problems);
        self.triage = Some(triage);
        self.header.boot_id =
            self.header.boot_id.or_else(|| self.first_of(blobs::BOOT_STATUS, boot::boot_id));
    }

    /// What the first blob of a kind that is understood tells.
    fn first_of<T>(&self, guid: Guid, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        self.blobs.iter().filter(|blob| blob.guid == guid).find_map(|blob| read(blob.data))
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Registers of the header's context: for most bug checks those of the caller of `KeBugCheckEx`. x64 only.
    pub fn context(&self) -> Option<&Context64> {
        self.context.as_ref()
    }

    /// The header's exception record. In every small dump seen it is a breakpoint and tells nothing.
    pub fn exception(&self) -> Option<ExceptionRecord64> {
        let record = self.file.get(self.layout.header.exception, exception::full_len(self.layout))?;
        exception::read(Bytes(record), self.layout)
    }

    /// Registers of a `CONTEXT` in memory (bug check 0x3B parameter 3, 0x7E parameter 4). x64 only.
    pub fn context_at(&self, va: u64) -> Option<Context64> {
        self.x64_structure(va, context::CONTEXT_LEN).and_then(context::read_context)
    }

    /// An exception record in memory (bug check 0x7E parameter 3).
    pub fn exception_at(&self, va: u64) -> Option<ExceptionRecord64> {
        exception::read(Bytes(self.memory.run(va)?), self.layout)
    }

    /// Registers of a `KTRAP_FRAME` in memory; `r12` to `r15`, which it lacks, are 0. x64 only.
    pub fn trap_frame_at(&self, va: u64) -> Option<Context64> {
        self.x64_structure(va, context::TRAP_FRAME_LEN).and_then(context::read_trap_frame)
    }

    fn x64_structure(&self, va: u64, len: u64) -> Option<Bytes<'a>> {
        let len = usize::try_from(len).ok()?;
        if self.header.machine == Machine::X64 { self.memory.read(va, len).map(Bytes) } else { None }
    }

    /// Loaded drivers in load order.
    pub fn drivers(&self) -> &[Driver] {
        &self.drivers
    }

    /// The loaded driver that owns an address, and the address's offset in it.
    pub fn driver_at(&self, va: u64) -> Option<(&Driver, u64)> {
        let va = self.layout.width.address(va);
        let driver = self.drivers.get(self.ranges.owner(va)?)?;
        Some((driver, va.checked_sub(driver.base)?))
    }

    /// Unloaded drivers, newest first.
    pub fn unloaded(&self) -> &[UnloadedDriver] {
        &self.unloaded
    }

    /// The last driver that owned an address before it was unloaded, and the address's offset in it.
    pub fn unloaded_at(&self, va: u64) -> Option<(&UnloadedDriver, u64)> {
        let va = self.layout.width.address(va);
        let driver = self.unloaded.iter().find(|driver| (driver.start..driver.end).contains(&va))?;
        Some((driver, va.checked_sub(driver.start)?))
    }

    /// The saved stack: lowest address, and the bytes.
    pub fn stack(&self) -> Option<(u64, &'a [u8])> {
        let triage = self.triage?;
        let bytes = self.file.clip(triage.call_stack_offset, triage.size_of_call_stack)?;
        Some((triage.top_of_stack, bytes))
    }

    /// Memory: exactly `len` bytes from an address on, where one run of the dump has them.
    pub fn read(&self, va: u64, len: usize) -> Option<&'a [u8]> {
        self.memory.read(va, len)
    }

    /// Memory: the longest run from an address on that the dump has.
    pub fn read_run(&self, va: u64) -> Option<&'a [u8]> {
        self.memory.run(va)
    }

    /// Memory: a little-endian number of 8 bytes.
    pub fn read_u64(&self, va: u64) -> Option<u64> {
        Bytes(self.memory.run(va)?).u64(0)
    }

    /// Address of the kernel image, from the debugger data.
    pub fn kernel_base(&self) -> Option<u64> {
        let triage = self.triage?;
        let data = Bytes(self.file.clip(triage.debugger_data_offset, triage.debugger_data_size)?);
        data.get(DEBUGGER_DATA_TAG, 4).filter(|tag| tag == b"KDBG")?;
        data.u64(DEBUGGER_DATA_KERN_BASE).map(|base| self.layout.width.address(base))
    }

    /// Name of the current process, cut to 14 bytes by Windows.
    pub fn process_name(&self) -> Option<String> {
        let triage = self.triage.filter(|triage| triage.process_offset != 0)?;
        process::name(self.file, &self.header, triage.process_offset, triage.process_end)
    }

    /// What the firmware says of the machine.
    pub fn smbios(&self) -> Option<Smbios> {
        self.first_of(blobs::SMBIOS, smbios::read)
    }

    /// What the registry says of the processor.
    pub fn processor(&self) -> Option<Processor> {
        self.first_of(blobs::PROCESSOR, processor::read)
    }

    /// Secondary data.
    pub fn blobs(&self) -> &[Blob<'a>] {
        &self.blobs
    }

    /// What was damaged or missing; empty for a sound dump.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

fn header_context(
    file: Bytes<'_>,
    layout: &Layout,
    header: &Header,
    problems: &mut Problems,
) -> Option<Context64> {
    if header.machine != Machine::X64 || layout.width != Width::W64 {
        return None;
    }
    let record = file.get(layout.header.context_record, layout.header.context_record_size)?;
    let context = context::read_context(Bytes(record));
    if context.is_none() && !record.starts_with(b"PAGEPAGE") {
        problems.add(Part::Context, Damage::Invalid);
    }
    context
}
