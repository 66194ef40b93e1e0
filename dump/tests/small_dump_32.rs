//! A 32-bit small dump, written here field by field.

use bluescope_dump::{DumpFormat, DumpType, KernelDump, Machine, Writer, identify};

struct File(Vec<u8>);

impl File {
    fn put(&mut self, offset: usize, bytes: &[u8]) -> &mut Self {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn u32s(&mut self, offset: usize, values: &[u32]) -> &mut Self {
        for (index, value) in values.iter().enumerate() {
            self.put(offset + 4 * index, &value.to_le_bytes());
        }
        self
    }

    fn u64(&mut self, offset: usize, value: u64) -> &mut Self {
        self.put(offset, &value.to_le_bytes())
    }

    fn utf16(&mut self, offset: usize, text: &str) -> &mut Self {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        self.put(offset, &bytes)
    }
}

fn windows_7() -> Vec<u8> {
    let mut file = File(b"PAGE".repeat(0x3000 / 4));
    file.put(0, b"PAGEDUMP")
        .u32s(0x8, &[15, 7601, 0x0018_5000])
        .u32s(0x18, &[0xe457_1230])
        .u32s(0x20, &[0x14c, 4, 0x1000_008e, 0xc000_0005, 0xac45_17d7, 0xd9f0_0010, 0])
        .u32s(0x60, &[0xe455_0000])
        .u32s(0xf88, &[4])
        .u32s(0xf94, &[3, 0x110])
        .u64(0xfa0, 0x3000)
        .u64(0xfb8, 171_736_404_476)
        .u64(0xfc0, 130_739_003_766_880_469);
    // TRIAGE_DUMP32
    file.put(0x1000, &[0; 0x68])
        .u32s(0x1000, &[0x100, 0x3000, 0x2ffc, 0x320, 0x7d0])
        .u32s(0x1018, &[0x1100, 0, 0x1200, 0x1500, 0x1600, 0x20, 0x1700, 2, 0x1800, 0x100])
        .u32s(0x1048, &[0xd9f0_0000])
        .u32s(0x1058, &[0x1900, 0x340, 0x1d00, 1]);
    file.u32s(0x1100, &[1]).put(0x1104, &[14, 0, 16, 0]).utf16(0x110c, "old.sys");
    file.u32s(0x1104 + 32, &[0xaaa0_0000, 0xaaa0_8000]);
    file.put(0x1200, &[0; 0x300]).put(0x1200 + 0x16c, b"conhost.exe\0\0\0\0");
    // on the stack, an EXCEPTION_RECORD32
    file.u32s(0x1600, &[0xc000_0005, 0, 0, 0xac45_17d7, 2, 1, 0x28, 0]);
    for (index, (base, size, name)) in
        [(0xe441_f000, 0x41_5000, 0x1800), (0xac40_0000, 0x9_0000, 0x1820)].into_iter().enumerate()
    {
        let entry = 0x1700 + 0x4c * index;
        file.put(entry, &[0; 0x4c]).u32s(entry, &[name]).u32s(entry + 0x1c, &[base, base + 0x1000, size]);
        file.u32s(entry + 0x38, &[0x0800_4000]).u32s(entry + 0x44, &[0x003c_c81a, 0x5507_d5a5]);
    }
    file.u32s(0x1800, &[12]).utf16(0x1804, "ntoskrnl.exe").u32s(0x1820, &[10]).utf16(0x1824, "win32k.sys");
    file.put(0x1910, b"KDBG").u64(0x1918, 0xffff_ffff_e441_f000);
    // the address as kernels write it: sign-extended
    file.u64(0x1d00, 0xffff_ffff_ac45_1000).u32s(0x1d08, &[0x1e00, 0x100]);
    file.put(0x1e00, &[0xcc; 0x100]).put(0x2ffc, b"TRGD");
    file.0
}

#[test]
fn a_32_bit_dump_is_read() {
    let bytes = windows_7();
    let dump = KernelDump::parse(&bytes).unwrap();
    assert_eq!(dump.problems(), []);
    let header = dump.header();
    assert_eq!((header.bits, header.machine, header.dump_type), (32, Machine::X86, DumpType::Triage));
    assert_eq!((header.build, header.processors, header.writer), (7601, 4, Writer::Kernel));
    assert_eq!((header.bugcheck_raw, header.bugcheck), (0x1000_008e, 0x8e));
    assert_eq!(header.parameters, [0xc000_0005, 0xac45_17d7, 0xd9f0_0010, 0]);
    assert_eq!(header.system_time.unwrap().to_string(), "2015-04-19T06:59:36.6880469Z");
    assert_eq!(header.uptime.unwrap().as_duration().as_millis(), 17_173_640);
    assert_eq!((header.product.unwrap().as_str(), header.suite_mask), ("server", Some(0x110)));
    assert_eq!((header.ps_loaded_module_list, header.kd_debugger_data_block), (0xe457_1230, 0xe455_0000));
    assert_eq!((header.service_pack, header.attributes, header.boot_id), (Some(0x100), None, None));

    let names: Vec<_> = dump.drivers().iter().map(|driver| &*driver.name).collect();
    assert_eq!(names, ["ntoskrnl.exe", "win32k.sys"]);
    let kernel = &dump.drivers()[0];
    assert_eq!((kernel.base, kernel.entry_point, kernel.size), (0xe441_f000, 0xe442_0000, 0x41_5000));
    assert_eq!((kernel.flags, kernel.checksum, kernel.timestamp), (0x0800_4000, 0x003c_c81a, 0x5507_d5a5));
    let (owner, offset) = dump.driver_at(header.parameters[1]).unwrap();
    assert_eq!((&*owner.name, offset), ("win32k.sys", 0x5_17d7));

    assert_eq!(dump.driver_at(0xffff_ffff_ac45_17d7), Some((owner, offset)), "sign-extended");

    let unloaded = &dump.unloaded()[0];
    assert_eq!((&*unloaded.name, unloaded.start, unloaded.end), ("old.sys", 0xaaa0_0000, 0xaaa0_8000));
    assert_eq!(dump.stack().unwrap().0, 0xd9f0_0000);
    assert_eq!(dump.read_u64(0xd9f0_0010), Some(0x0000_0001_0000_0002));
    assert_eq!(dump.read(0xac45_1000, 2), Some(vec![0xcc, 0xcc].into()));
    assert_eq!(dump.read(0xffff_ffff_ac45_1000, 2), Some(vec![0xcc, 0xcc].into()));
    assert_eq!(dump.process_name().as_deref(), Some("conhost.exe"));
    assert_eq!(dump.kernel_base(), Some(0xe441_f000));
    assert_eq!(dump.context(), None);

    let record = dump.exception_at(0xd9f0_0000).unwrap();
    assert_eq!((record.code, record.flags, record.address), (0xc000_0005, 0, 0xac45_17d7));
    assert_eq!(record.information, [1, 0x28]);
}

#[test]
fn a_32_bit_dump_is_identified() {
    let bytes = windows_7();
    let identity = identify(&bytes, &[7; 32], 0x3000).unwrap();
    assert_eq!((identity.format, identity.crashed_at_ms), (DumpFormat::Kernel32, 1_429_426_776_688));
}
