//! Real dumps, described by raw offsets and written again: headers, fills, order of areas and sizes must agree.
//! Runs where the samples are; says so where they are not.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::{SmallDump, SynthDriver, SynthRegisters, SynthWriter};

/// Words of the header that hold facts of a machine which a description has no place for.
const MACHINE_FACTS: [std::ops::Range<usize>; 7] = [
    0x010..0x020,   // page tables, page frame database
    0x028..0x030,   // list of processes
    0x088..0x348,   // runs of physical memory
    0x348..0x818,   // registers
    0xf10..0xf18,   // address of the exception
    0xfa0..0xfa8,   // size: of the file, or of the dump this one was made from
    0x1044..0x1048, // suite
];

struct Real(Vec<u8>);

impl Real {
    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.0[at..at + 4].try_into().unwrap())
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.0[at..at + 8].try_into().unwrap())
    }

    fn at(&self, field: usize) -> usize {
        self.u32(field) as usize
    }

    fn units(&self, at: usize, count: usize) -> String {
        let units: Vec<u16> =
            self.0[at..at + 2 * count].chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        String::from_utf16(&units).unwrap()
    }

    fn is_kernel_written(&self) -> bool {
        self.u32(0x2044) == 0x41
    }

    /// The description from which the writer should make this dump.
    fn describe(&self) -> SmallDump {
        let drivers = (0..self.at(0x2034)).map(|place| self.driver(self.at(0x2030) + 0x90 * place)).collect();
        let unloaded_at = self.at(0x2018);
        let unloaded =
            (0..self.at(unloaded_at)).map(|place| self.unloaded(unloaded_at + 8 + 56 * place)).collect();
        let blocks = (0..self.at(0x207c)).map(|place| self.block(self.at(0x2078) + 16 * place)).collect();
        let stack_at = self.at(0x2028);
        SmallDump {
            writer: if self.is_kernel_written() { SynthWriter::Kernel } else { SynthWriter::DebugEngine },
            build: self.u32(0x0c),
            ubr: (self.u32(0x0c) == 26100).then(|| self.u32(0x1300)),
            bugcheck: self.u32(0x38),
            parameters: [self.u64(0x40), self.u64(0x48), self.u64(0x50), self.u64(0x58)],
            system_time: self.u64(0xfa8),
            uptime: self.u64(0x1030),
            processors: self.u32(0x34),
            boot_id: self.u32(0x1054),
            drivers,
            unloaded,
            process: "System".into(),
            registers: SynthRegisters::default(),
            stack_base: self.u64(0x2048),
            stack: self.0[stack_at..stack_at + self.at(0x202c)].to_vec(),
            blocks,
            smbios: None,
            processor: None,
            ps_loaded_module_list: self.u64(0x20),
            kd_debugger_data_block: self.u64(0x80),
            filler: 0,
            seed: 1,
        }
    }

    fn driver(&self, at: usize) -> SynthDriver {
        let name_at = self.at(at);
        let path = self.units(name_at + 4, self.at(name_at));
        let name = path.rsplit('\\').next().unwrap().to_owned();
        SynthDriver {
            name,
            base: self.u64(at + 0x38),
            size: self.u32(at + 0x48),
            timestamp: self.u32(at + 0x88),
        }
    }

    fn unloaded(&self, at: usize) -> (String, u64, u64) {
        let count = usize::from(self.0[at]) / 2;
        (self.units(at + 16, count), self.u64(at + 40), self.u64(at + 48))
    }

    fn block(&self, at: usize) -> (u64, Vec<u8>) {
        let (from, len) = (self.at(at + 8), self.at(at + 12));
        (self.u64(at), self.0[from..from + len].to_vec())
    }

    /// Where each area lies, by name.
    fn areas(&self) -> BTreeMap<&'static str, usize> {
        [
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
        ]
        .map(|(name, field)| (name, self.at(0x2000 + field)))
        .into()
    }

    fn order(&self) -> Vec<&'static str> {
        let mut order: Vec<_> = self.areas().into_iter().map(|(name, at)| (at, name)).collect();
        order.sort_unstable();
        order.into_iter().map(|(_, name)| name).collect()
    }
}

/// A real sample, or nothing where there are none.
fn sample(name: &str) -> Option<Real> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(Real(bytes)),
        Err(_) => {
            println!("skipped: no samples beside the repository");
            None
        }
    }
}

fn check_header(real: &Real, made: &Real) {
    for at in (0..0x2000).step_by(4) {
        if MACHINE_FACTS.iter().any(|range| range.contains(&at)) {
            continue;
        }
        assert_eq!(made.0[at..at + 4], real.0[at..at + 4], "header differs at {at:#x}");
    }
    let unwritten = |dump: &Real, at: usize| dump.0[at..at + 4] == *b"PAGE";
    for range in &MACHINE_FACTS {
        // the last run of physical memory ends where this machine's does
        let same_fill = if range.start == 0x88 { 0x88..0x90 } else { range.clone() };
        for at in same_fill.step_by(4) {
            assert_eq!(unwritten(made, at), unwritten(real, at), "fill differs at {at:#x}");
        }
    }
}

/// Offsets that do not depend on what is not described must be the same to the byte.
fn check(name: &str) {
    let Some(real) = sample(name) else { return };
    let described = real.describe();
    let made = Real(described.to_bytes());
    check_header(&real, &made);
    assert_eq!(made.order(), real.order(), "{name}");
    assert_eq!(made.u32(0x2044), real.u32(0x2044), "options of {name}");
    assert_eq!(made.u32(0x2040), 0);
    if real.is_kernel_written() {
        assert_eq!(made.areas(), real.areas(), "{name}");
        assert_eq!(made.0[0x2000..0x2080], real.0[0x2000..0x2080], "area table of {name}");
        assert_eq!(made.u64(0xfa0), made.0.len() as u64);
        assert_eq!(real.u64(0xfa0), real.0.len() as u64);
    } else {
        assert_ne!(made.u64(0xfa0), made.0.len() as u64);
        check_engine_table(&real, &made);
    }
    for dump in [&real, &made] {
        assert_eq!(dump.0[dump.at(0x2008)..][..4], *b"TRGD");
        assert_eq!(dump.at(0x2004), dump.at(0x2008) + 4);
        assert_eq!(dump.0[dump.at(0x2004)..][..12], *b"DumpBlob\x10\0\0\0");
    }
    assert_eq!(made.u32(made.at(0x2004) + 12), real.u32(real.at(0x2004) + 12));
    let (made_again, real_again) = (made.describe(), real.describe());
    assert_eq!(made_again.drivers, real_again.drivers);
    assert_eq!(made_again.unloaded, real_again.unloaded);
    assert_eq!(made_again.blocks, real_again.blocks);
    assert_eq!(made_again.stack, real_again.stack);
}

/// Up to the strings everything is alike; a driver may have been loaded from a folder that the writer cannot know.
fn check_engine_table(real: &Real, made: &Real) {
    let (mut made_areas, mut real_areas) = (made.areas(), real.areas());
    for areas in [&mut made_areas, &mut real_areas] {
        assert!(areas.remove("blocks").is_some());
    }
    assert_eq!(made_areas, real_areas);
    assert_eq!(made.0[0x2044..0x2078], real.0[0x2044..0x2078]);
    let unloaded = real.at(0x2018);
    let len = 8 + 56 * real.at(unloaded);
    assert_eq!(made.0[unloaded..unloaded + len], real.0[unloaded..unloaded + len]);
    let memory_manager = real.at(0x2014);
    assert_eq!(made.0[memory_manager..][..0x50], real.0[memory_manager..][..0x50]);
    for place in 0..real.at(0x2034) {
        let entry = real.at(0x2030) + 0x90 * place;
        // all but the name's offset and the checksum
        for part in [0x08..0x80, 0x84..0x90] {
            assert_eq!(
                made.0[entry + part.start..entry + part.end],
                real.0[entry + part.start..entry + part.end],
                "driver {place}"
            );
        }
    }
}

#[test]
fn kernel_written_on_windows_10() {
    check("eolaruhagen__083125-14875-01.dmp");
    check("proxyrule__011620-8250-01.dmp");
}

#[test]
fn kernel_written_on_windows_11() {
    check("r-techsupport__3b_0.dmp");
    check("r-techsupport__50_0.dmp");
}

#[test]
fn written_by_the_debugger_engine() {
    check("r-techsupport__d1.dmp");
    check("r-techsupport__116_0.dmp");
    check("rizinorg__triage_x64.dmp");
}
