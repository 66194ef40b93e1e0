//! Small dumps against the published structures, of machines and builds that no sample is of. Offsets are numbers.

use super::super::{
    SmallDump, SynthDetails, SynthMachine, SynthMemoryManager, SynthSmbios, SynthState, SynthWriter,
    context_record,
};
use super::forms;

struct File(Vec<u8>);

impl File {
    fn u16(&self, at: usize) -> usize {
        usize::from(u16::from_le_bytes([self.0[at], self.0[at + 1]]))
    }

    fn u32(&self, at: usize) -> usize {
        self.u16(at) | self.u16(at + 2) << 16
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    fn is_64_bit(&self) -> bool {
        self.0[4..8] == *b"DU64"
    }

    fn word(&self, at: usize) -> u64 {
        if self.is_64_bit() { self.u64(at) } else { self.u32(at) as u64 }
    }

    /// Start of the area table.
    fn areas(&self) -> usize {
        if self.is_64_bit() { 0x2000 } else { 0x1000 }
    }

    fn debugger_data(&self) -> usize {
        self.u32(self.areas() + if self.is_64_bit() { 0x70 } else { 0x58 })
    }

    fn is_unwritten(&self, at: usize) -> bool {
        self.0[at..at + 4] == *b"PAGE"
    }
}

fn file(dump: &SmallDump) -> File {
    File(dump.to_bytes())
}

#[test]
fn headers_say_which_machine_it_is() {
    for dump in forms() {
        let file = file(&dump);
        let (machine, context, signature) = match dump.machine() {
            SynthMachine::X64 => ((0x30, 0x8664), 0x348, b"PAGEDU64"),
            SynthMachine::Arm64 => ((0x30, 0xaa64), 0x348, b"PAGEDU64"),
            SynthMachine::X86 => ((0x20, 0x14c), 0x320, b"PAGEDUMP"),
        };
        assert_eq!(file.0[..8], *signature);
        assert_eq!(file.u32(machine.0), machine.1);
        let record = context_record(&dump.registers);
        assert_eq!(file.0[context..context + record.len()], record);
        assert_eq!(file.u32(file.areas() + 0x0c), context);
        assert_eq!(file.u32(if file.is_64_bit() { 0xf98 } else { 0xf88 }), 4);
    }
}

#[test]
fn builds_write_what_they_know() {
    for dump in forms() {
        let file = file(&dump);
        let is_kernel = dump.writer == SynthWriter::Kernel;
        let (attributes, boot_id) = if file.is_64_bit() { (0x1050, 0x1054) } else { (0x8a0, 0x8a4) };
        assert_eq!(!file.is_unwritten(attributes), is_kernel && dump.build >= 9200, "{}", dump.build);
        assert_eq!(!file.is_unwritten(boot_id), is_kernel && dump.build >= 10240, "{}", dump.build);
        let service_pack = if dump.build == 7601 { 0x100 } else { 0 };
        assert_eq!(file.u32(file.areas()), service_pack);
        let data = file.debugger_data();
        assert_eq!(file.0[data + 0x10..data + 0x14], *b"KDBG");
        let size = match dump.build {
            7600 | 7601 => 0x340,
            9600 => 0x360,
            22621 | 26100 => 0x3a0,
            _ => 0x380,
        };
        assert_eq!(file.u32(data + 0x14), size);
        if file.is_64_bit() && is_kernel && dump.build == 26100 {
            assert_eq!(file.u32(0x1300), 2314);
        }
        // the least size that Windows 7 promises
        let least = if file.is_64_bit() { 0x4_0000 } else { 0x2_0000 };
        assert!(!is_kernel || dump.build >= 9200 || file.u32(file.areas() + 0x04) >= least);
    }
}

#[test]
fn copies_say_what_the_debuggers_data_leads_to() {
    let state = SynthState {
        processor_number: 5,
        prcb: 0x8123_4180,
        idle_thread: 0x8123_5000,
        process: 0x8765_4080,
        process_id: 0x11b4,
        parent_id: 0x2a8,
        peb: 0x7ffd_f000,
        thread: 0x8766_0080,
        thread_id: 0x2948,
        stack_limit: 0x9a3e_d000,
        stack_end: 0x9a3f_0000,
    };
    for form in forms() {
        let dump = SmallDump { state, process: "notmyfault64.e".into(), ..form };
        let file = file(&dump);
        let data = file.debugger_data();
        let offset = |field: usize| file.u16(data + field);
        let area = |field: usize| file.u32(file.areas() + field);
        let (prcb, process, thread) = (area(0x1c), area(0x20), area(0x24));
        let processor = dump.processor.unwrap();
        assert_eq!(file.word(prcb + offset(0x2b4)), state.thread);
        assert_eq!(file.u32(prcb + offset(0x2be)), 5);
        assert_eq!(file.u32(prcb + offset(0x2b6)), processor.mhz as usize);
        let vendor = &processor.vendor.as_bytes()[..12];
        assert_eq!(file.0[prcb + offset(0x2ba)..][..12], *vendor);
        let context = context_record(&dump.registers);
        assert_eq!(file.0[prcb + offset(0x2bc)..][..context.len()], context);
        assert_eq!(file.word(process + offset(0x2aa)), state.peb);
        assert_eq!(file.word(process + offset(0x2ac)), state.parent_id);
        assert_eq!(file.word(thread + offset(0x2a0)), state.process);
        assert_eq!(file.0[thread + offset(0x2a2)], 2);
        if dump.build >= 9200 {
            assert_eq!(file.word(prcb + offset(0x350)), state.idle_thread);
            assert_eq!(file.word(thread + file.u32(data + 0x340)), state.stack_limit);
            assert_eq!(file.word(thread + file.u32(data + 0x344)), state.stack_end);
        }
        // one area ends where the next starts
        let sizes = [(prcb, 0x2b0, process), (process, 0x2a8, thread), (thread, 0x2c0, area(0x28))];
        for (start, size, end) in sizes {
            assert_eq!(start + offset(size), end, "{} {size:#x}", dump.build);
        }
    }
}

#[test]
fn ids_are_at_the_offsets_of_the_build() {
    let cases = [
        (SynthMachine::X64, 7601, [0x180, 0x2e0, 0x3b0]),
        (SynthMachine::X64, 9600, [0x2e0, 0x438, 0x620]),
        (SynthMachine::X64, 17763, [0x2e0, 0x450, 0x638]),
        (SynthMachine::X64, 19041, [0x440, 0x5a8, 0x478]),
        (SynthMachine::X64, 22621, [0x440, 0x5a8, 0x4c8]),
        (SynthMachine::X64, 26100, [0x1d0, 0x338, 0x508]),
        (SynthMachine::Arm64, 22000, [0x3f8, 0x560, 0x498]),
        (SynthMachine::Arm64, 26100, [0x1c0, 0x328, 0x4e8]),
        (SynthMachine::X86, 7601, [0xb4, 0x16c, 0x22c]),
        (SynthMachine::X86, 19041, [0xe8, 0x1ac, 0x2ac]),
    ];
    for (machine, build, [id, name, client_id]) in cases {
        let state = SynthState { process_id: 4496, thread_id: 10568, ..SynthState::default() };
        let dump =
            SmallDump { build, state, process: "conhost.exe".into(), ..SmallDump::example_of(machine) };
        let file = file(&dump);
        let (process, thread) = (file.u32(file.areas() + 0x20), file.u32(file.areas() + 0x24));
        assert_eq!(file.word(process + id), 4496, "{machine:?} {build}");
        assert_eq!(file.0[process + name..][..12], *b"conhost.exe\0");
        let word = if file.is_64_bit() { 8 } else { 4 };
        assert_eq!(file.word(thread + client_id), 4496);
        assert_eq!(file.word(thread + client_id + word), 10568);
    }
}

#[test]
fn x86_addresses_are_sign_extended_where_fields_have_64_bits() {
    let dump = SmallDump::example_of(SynthMachine::X86);
    let file = file(&dump);
    let table = file.u32(0x1060);
    assert_eq!(file.u32(0x1064), dump.blocks.len());
    for (place, (address, bytes)) in dump.blocks.iter().enumerate() {
        assert_eq!(file.u64(table + 16 * place), 0xffff_ffff_0000_0000 | address);
        let at = file.u32(table + 16 * place + 8);
        assert_eq!(file.0[at..at + bytes.len()], bytes[..]);
    }
    let kernel = dump.drivers[0].base;
    for (build, base) in [(7601, kernel), (19041, 0xffff_ffff_0000_0000 | kernel)] {
        let dump = SmallDump { build, ..dump.clone() };
        let file = self::file(&dump);
        assert_eq!(file.u64(file.debugger_data() + 0x18), base);
    }
}

#[test]
fn details_are_written_where_they_belong() {
    let memory_manager = SynthMemoryManager {
        verify_driver_level: 0x9bb,
        committed_pages: 77,
        ..SynthMemoryManager::example()
    };
    let guid = [0xab; 16];
    let details = SynthDetails {
        broken_driver: Some(3),
        driver_list_overflow: true,
        memory_manager: Some(memory_manager),
        blobs: vec![(guid, vec![1, 2, 3])],
        live: true,
    };
    for form in forms() {
        let dump = SmallDump { details: details.clone(), ..form };
        let file = file(&dump);
        let areas = file.areas();
        let (stride, pages, attributes) =
            if file.is_64_bit() { (0x90, 0x38, 0x1050) } else { (0x4c, 0x28, 0x8a0) };
        assert_eq!(file.u32(areas + 0x40), file.u32(areas + 0x30) + 3 * stride);
        let options = if dump.writer == SynthWriter::Kernel { 0x141 } else { 0xffff_ffff };
        assert_eq!(file.u32(areas + 0x44), options);
        let at = file.u32(areas + 0x14);
        assert_eq!((file.u32(at + 0x10), file.word(at + pages)), (0x9bb, 77));
        assert_eq!(file.u32(attributes) & 0x10, 0x10);
        let blobs = &file.0[file.u32(areas + 0x04)..];
        let blob = blobs.windows(16).position(|window| window == guid).unwrap();
        assert_eq!(blobs[blob + 16..blob + 20], [3, 0, 0, 0]);
        assert_eq!(blobs[blob + 28..blob + 31], [1, 2, 3]);
    }
}

#[test]
fn firmware_says_serial_numbers_and_the_processor() {
    let uuid = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 9, 10, 11, 12, 13, 14, 15, 16];
    let smbios = SynthSmbios {
        vendor: "LENOVO".into(),
        serial: "PF2XYZ01".into(),
        uuid,
        sku: "LENOVO_MT_20XW".into(),
        family: "ThinkPad X1".into(),
        chassis_serial: "CH4551S".into(),
        cpu: "11th Gen Intel(R) Core(TM) i5".into(),
        cpu_vendor: "Intel(R) Corporation".into(),
        ..SynthSmbios::default()
    };
    let bytes = SmallDump { smbios: Some(smbios), ..SmallDump::example() }.to_bytes();
    let find = |part: &[u8]| bytes.windows(part.len()).position(|window| window == part).unwrap();
    // a System Information structure: type, length, handle, then four strings and the UUID
    let system = find(&[1, 0x1b, 2, 0, 1, 0, 0, 2]);
    assert_eq!(bytes[system + 8..system + 24], uuid);
    assert_eq!(bytes[system + 24..system + 27], [6, 3, 4]);
    assert_eq!(bytes[system + 27..][..44], *b"LENOVO\0PF2XYZ01\0LENOVO_MT_20XW\0ThinkPad X1\0\0");
    // a Processor Information structure: manufacturer at 7, version at 0x10
    let processor = find(&[4, 0x30, 5, 0]);
    assert_eq!((bytes[processor + 7], bytes[processor + 0x10]), (2, 3));
    assert_eq!(bytes[processor + 0x30..][..5], *b"U3E1\0");
    assert!(
        bytes[processor..].windows(8).any(|window| window == b"CH4551S\0") || find(b"CH4551S\0") < processor
    );
}
