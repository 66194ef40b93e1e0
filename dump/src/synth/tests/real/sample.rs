//! A dump read by raw offsets, side by side for both forms, and the description that should make it again.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::super::{
    SmallDump, SynthDetails, SynthDriver, SynthMemoryManager, SynthProcessor, SynthRegisters, SynthState,
    SynthWriter, SynthX86Registers,
};

/// Where a form of dumps has what the tests look at: two forms, numbers side by side.
pub(super) struct Form {
    pub(super) header: usize,
    pub(super) word: usize,
    /// Words of the header that hold facts of a machine which a description has no place for.
    pub(super) machine_facts: &'static [Range<usize>],
    pub(super) runs: usize,
    pub(super) first_driver_field: usize,
    pub(super) driver: usize,
    pub(super) unloaded_first: usize,
    pub(super) unloaded: usize,
    pub(super) areas: &'static [(&'static str, usize)],
    pub(super) area_table: usize,
    pub(super) memory_manager: usize,
}

const FORM_64: Form = Form {
    header: 0x2000,
    word: 8,
    machine_facts: &[
        0x010..0x020,   // page tables, page frame database
        0x028..0x030,   // list of processes
        0x088..0x348,   // runs of physical memory
        0x348..0x818,   // registers
        0xf10..0xf18,   // address of the exception
        0xfa0..0xfa8,   // size: of the file, or of the dump this one was made from
        0x1044..0x1048, // suite
    ],
    runs: 0x088,
    first_driver_field: 0x38,
    driver: 0x90,
    unloaded_first: 8,
    unloaded: 56,
    areas: &[
        ("context", 0x0c),
        ("exception", 0x10),
        ("memory manager", 0x14),
        ("unloaded", 0x18),
        ("prcb", 0x1c),
        ("process", 0x20),
        ("thread", 0x24),
        ("stack", 0x28),
        ("drivers", 0x30),
        ("strings", 0x38),
        ("debugger data", 0x70),
        ("blocks", 0x78),
    ],
    area_table: 0x80,
    memory_manager: 0x50,
};

const FORM_32: Form = Form {
    header: 0x1000,
    word: 4,
    machine_facts: &[0x010..0x018, 0x01c..0x020, 0x064..0x320, 0x320..0x5ec, 0x7dc..0x7e0, 0xfa0..0xfa8],
    runs: 0x064,
    first_driver_field: 0x1c,
    driver: 0x4c,
    unloaded_first: 4,
    unloaded: 40,
    areas: &[
        ("context", 0x0c),
        ("exception", 0x10),
        ("memory manager", 0x14),
        ("unloaded", 0x18),
        ("prcb", 0x1c),
        ("process", 0x20),
        ("thread", 0x24),
        ("stack", 0x28),
        ("drivers", 0x30),
        ("strings", 0x38),
        ("debugger data", 0x58),
        ("blocks", 0x60),
    ],
    area_table: 0x68,
    memory_manager: 0x38,
};

/// A dump that Windows wrote, or one that was made to be like it.
pub(super) struct Real {
    pub(super) bytes: Vec<u8>,
    pub(super) form: &'static Form,
}

impl Real {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        let form = if bytes[4..8] == *b"DU64" { &FORM_64 } else { &FORM_32 };
        Self { bytes, form }
    }

    fn is_64_bit(&self) -> bool {
        self.form.word == 8
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.bytes[at..at + 2].try_into().unwrap())
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap())
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.bytes[at..at + 8].try_into().unwrap())
    }

    fn word(&self, at: usize) -> u64 {
        if self.is_64_bit() { self.u64(at) } else { u64::from(self.u32(at)) }
    }

    /// A header field of either form.
    pub(super) fn header(&self, at_64: usize, at_32: usize) -> usize {
        if self.is_64_bit() { at_64 } else { at_32 }
    }

    /// An offset or a count of the area table.
    pub(super) fn table(&self, field: usize) -> usize {
        self.u32(self.form.header + field) as usize
    }

    fn units(&self, at: usize, count: usize) -> String {
        let units: Vec<u16> = (0..count).map(|place| self.u16(at + 2 * place)).collect();
        String::from_utf16(&units).unwrap()
    }

    pub(super) fn is_kernel_written(&self) -> bool {
        self.table(0x44) == 0x41
    }

    /// The description from which the writer should make this dump.
    pub(super) fn describe(&self) -> SmallDump {
        let form = self.form;
        let drivers = (0..self.table(0x34)).map(|place| self.driver(self.table(0x30) + form.driver * place));
        let unloaded_at = self.table(0x18);
        let unloaded = (0..self.u32(unloaded_at) as usize)
            .map(|place| self.unloaded(unloaded_at + form.unloaded_first + form.unloaded * place));
        let (blocks_at, blocks) = if self.is_64_bit() { (0x78, 0x7c) } else { (0x60, 0x64) };
        let blocks = (0..self.table(blocks)).map(|place| self.block(self.table(blocks_at) + 16 * place));
        let parameters = self.header(0x40, 0x2c);
        let stack_at = self.table(0x28);
        let build = self.u32(0x0c);
        SmallDump {
            writer: if self.is_kernel_written() { SynthWriter::Kernel } else { SynthWriter::DebugEngine },
            build,
            ubr: (build == 26100).then(|| self.u32(0x1300)),
            bugcheck: self.u32(self.header(0x38, 0x28)),
            parameters: std::array::from_fn(|place| self.word(parameters + form.word * place)),
            system_time: self.u64(self.header(0xfa8, 0xfc0)),
            uptime: self.u64(self.header(0x1030, 0xfb8)),
            processors: self.u32(self.header(0x34, 0x24)),
            boot_id: self.u32(self.header(0x1054, 0x8a4)),
            drivers: drivers.collect(),
            unloaded: unloaded.collect(),
            process: self.process_name(),
            state: self.state(),
            registers: if self.is_64_bit() {
                SynthRegisters::default().into()
            } else {
                SynthX86Registers::default().into()
            },
            stack_base: self.word(form.header + 0x48),
            stack: self.bytes[stack_at..stack_at + self.table(0x2c)].to_vec(),
            blocks: blocks.collect(),
            smbios: None,
            processor: Some(self.processor()),
            ps_loaded_module_list: self.word(self.header(0x20, 0x18)),
            kd_debugger_data_block: self.word(self.header(0x80, 0x60)),
            filler: 0,
            seed: 1,
            details: SynthDetails {
                memory_manager: self.is_kernel_written().then(|| self.memory_manager()),
                ..SynthDetails::default()
            },
        }
    }

    fn driver(&self, at: usize) -> SynthDriver {
        let name_at = self.u32(at) as usize;
        let path = self.units(name_at + 4, self.u32(name_at) as usize);
        let name = path.rsplit('\\').next().unwrap().to_owned();
        let (size, timestamp) = if self.is_64_bit() { (0x48, 0x88) } else { (0x24, 0x48) };
        SynthDriver {
            name,
            base: self.word(at + self.form.first_driver_field),
            size: self.u32(at + size),
            timestamp: self.u32(at + timestamp),
        }
    }

    fn unloaded(&self, at: usize) -> (String, u64, u64) {
        let word = self.form.word;
        let count = usize::from(self.u16(at)).min(24) / 2;
        let addresses = at + 2 * word + 24;
        (self.units(at + 2 * word, count), self.word(addresses), self.word(addresses + word))
    }

    fn block(&self, at: usize) -> (u64, Vec<u8>) {
        let (from, len) = (self.u32(at + 8) as usize, self.u32(at + 12) as usize);
        (self.u64(at), self.bytes[from..from + len].to_vec())
    }

    fn memory_manager(&self) -> SynthMemoryManager {
        let at = self.table(0x14);
        let size = |place: usize| self.word(at + 0x18 + self.form.word * place);
        SynthMemoryManager {
            special_pool_tag: self.u32(at + 0x08),
            triage_action_taken: self.u32(at + 0x0c),
            verify_driver_level: self.u32(at + 0x10),
            kernel_verifier: self.u32(at + 0x14),
            maximum_nonpaged_pool: size(0),
            allocated_nonpaged_pool: size(1),
            paged_pool_maximum: size(2),
            paged_pool_allocated: size(3),
            committed_pages: size(4),
            committed_pages_peak: size(5),
            committed_pages_maximum: size(6),
        }
    }

    pub(super) fn debugger_data(&self) -> usize {
        self.table(if self.is_64_bit() { 0x70 } else { 0x58 })
    }

    /// A field of a structure at the offset that the debugger's data names.
    fn by_debugger_data(&self, area: usize, offset_field: usize) -> usize {
        self.table(area) + usize::from(self.u16(self.debugger_data() + offset_field))
    }

    /// The parent's id lies 0x100 bytes behind the process's on 64-bit kernels since 8.1, 0x8c on 32-bit Windows 7.
    fn id_of_process(&self) -> usize {
        self.by_debugger_data(0x20, 0x2ac) - self.header(0x100, 0x8c)
    }

    fn state(&self) -> SynthState {
        let ids = self.word(self.id_of_process());
        let thread = self.table(0x24);
        let len = self.table(0x28) - thread;
        let id = (0..len - 16)
            .step_by(self.form.word)
            .rev()
            .find(|&at| {
                self.word(thread + at) == ids
                    && (1..0x8_0000).contains(&self.word(thread + at + self.form.word))
            })
            .map_or(0, |at| self.word(thread + at + self.form.word));
        let (limit, end) = if self.is_64_bit() { (0x30, 0x38) } else { (0x2c, 0x190) };
        SynthState {
            processor_number: self.u16(self.by_debugger_data(0x1c, 0x2be)),
            prcb: 0,
            idle_thread: 0,
            process: self.word(self.by_debugger_data(0x24, 0x2a0)),
            process_id: ids,
            parent_id: self.word(self.by_debugger_data(0x20, 0x2ac)),
            peb: self.word(self.by_debugger_data(0x20, 0x2aa)),
            thread: self.word(self.by_debugger_data(0x1c, 0x2b4)),
            thread_id: id,
            stack_limit: self.word(thread + limit),
            stack_end: self.word(thread + end),
        }
    }

    fn processor(&self) -> SynthProcessor {
        let vendor = self.by_debugger_data(0x1c, 0x2ba);
        SynthProcessor {
            vendor: String::from_utf8(self.bytes[vendor..vendor + 12].to_vec()).unwrap(),
            mhz: self.u32(self.by_debugger_data(0x1c, 0x2b6)),
            ..SynthProcessor::default()
        }
    }

    fn process_name(&self) -> String {
        let at = match self.u32(0x0c) {
            7601 => 0x16c,
            17763 => 0x450,
            19041 => 0x5a8,
            _ => 0x338,
        };
        let at = self.table(0x20) + at;
        let name = &self.bytes[at..at + 15];
        let len = name.iter().position(|&byte| byte == 0).unwrap_or(15);
        String::from_utf8(name[..len].to_vec()).unwrap()
    }

    /// Where each area lies, by name.
    pub(super) fn areas(&self) -> BTreeMap<&'static str, usize> {
        self.form.areas.iter().map(|&(name, field)| (name, self.table(field))).collect()
    }

    pub(super) fn order(&self) -> Vec<&'static str> {
        let mut order: Vec<_> = self.areas().into_iter().map(|(name, at)| (at, name)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, name)| name).collect()
    }
}
