//! Images and walkers made up for tests of unwinding, and what holds for every image.

mod hostile;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::*;

/// Where the image was loaded.
pub(super) const BASE: u64 = 0xFFFF_F801_2340_0000;
/// Offset of the code.
pub(super) const TEXT: u32 = 0x1000;
/// Offset of unwind records.
pub(super) const XDATA: u32 = 0x10_0000;
/// Offset of the exception table.
pub(super) const PDATA: u32 = 0x20_0000;
/// Where the stack pointer is.
pub(super) const STACK: u64 = 0xFFFF_9A0F_1234_5000;
/// Bytes of stack from there on.
pub(super) const STACK_BYTES: u64 = 0x4000;

/// What lies on the stack, this many bytes above the stack pointer: each word tells where it is from.
pub(super) fn word(offset: u64) -> u64 {
    0xFFFF_F800_0000_0000 | offset
}

fn put(bytes: &mut [u8], offset: usize, value: u32) {
    bytes[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

/// A PE image of three sections.
pub(super) fn image(machine: u16, text: &[u8], xdata: &[u8], pdata: &[u8]) -> Image {
    let mut file = vec![0; 0x400];
    file[..2].copy_from_slice(b"MZ");
    put(&mut file, 0x3C, 0x40);
    file[0x40..0x44].copy_from_slice(b"PE\0\0");
    put(&mut file, 0x44, u32::from(machine) | 3 << 16);
    put(&mut file, 0x54, 0xF0);
    let optional = 0x58;
    put(&mut file, optional, 0x20B);
    put(&mut file, optional + 56, 0x30_0000);
    put(&mut file, optional + 60, 0x400);
    put(&mut file, optional + 108, 16);
    put(&mut file, optional + 112 + 3 * 8, PDATA);
    put(&mut file, optional + 112 + 3 * 8 + 4, u32::try_from(pdata.len()).unwrap());
    let sections = [(TEXT, text, 0x6000_0020), (XDATA, xdata, 0x4000_0040), (PDATA, pdata, 0x4000_0040)];
    for (number, (rva, bytes, characteristics)) in sections.into_iter().enumerate() {
        let header = optional + 0xF0 + number * 40;
        let len = u32::try_from(bytes.len()).unwrap();
        let start = u32::try_from(file.len()).unwrap();
        for (field, value) in [(8, len), (12, rva), (16, len), (20, start), (36, characteristics)] {
            put(&mut file, header + field, value);
        }
        file.extend_from_slice(bytes);
    }
    Image::parse(Bytes::from(file)).unwrap()
}

/// A walker whose stack answers with [`word`], and which notes what it is told.
#[derive(Debug, Clone, Default)]
pub(super) struct Walker {
    pub(super) instruction: u64,
    /// Whether it is a frame that called something.
    pub(super) called: bool,
    pub(super) registers: BTreeMap<&'static str, u64>,
    /// Words that are not the stack's own.
    pub(super) memory: BTreeMap<u64, u64>,
    pub(super) caller: BTreeMap<String, u64>,
    pub(super) cleared: BTreeSet<String>,
    pub(super) cfa: Option<u64>,
    pub(super) ra: Option<u64>,
    pub(super) reads: std::cell::Cell<usize>,
}

impl FrameWalker for Walker {
    fn get_instruction(&self) -> u64 {
        self.instruction
    }
    fn has_grand_callee(&self) -> bool {
        self.called
    }
    fn get_grand_callee_parameter_size(&self) -> u32 {
        0
    }
    fn get_register_at_address(&self, address: u64) -> Option<u64> {
        self.reads.set(self.reads.get() + 1);
        let offset = address.checked_sub(STACK).filter(|offset| *offset < STACK_BYTES);
        self.memory.get(&address).copied().or(offset.map(word))
    }
    fn get_callee_register(&self, name: &str) -> Option<u64> {
        self.registers.get(name).copied()
    }
    fn set_caller_register(&mut self, name: &str, value: u64) -> Option<()> {
        self.caller.insert(name.to_owned(), value);
        Some(())
    }
    fn clear_caller_register(&mut self, name: &str) {
        self.cleared.insert(name.to_owned());
    }
    fn set_cfa(&mut self, value: u64) -> Option<()> {
        self.cfa = Some(value);
        Some(())
    }
    fn set_ra(&mut self, value: u64) -> Option<()> {
        self.ra = Some(value);
        Some(())
    }
}

impl Walker {
    /// Nobody was told anything.
    pub(super) fn is_untouched(&self) -> bool {
        self.caller.is_empty() && self.cleared.is_empty() && self.cfa.is_none() && self.ra.is_none()
    }

    /// The interrupted frame at an offset from the image's base.
    pub(super) fn at(rva: u32) -> Self {
        Self { instruction: BASE + u64::from(rva), ..Self::default() }
    }
}

/// Walks a frame of a module that is nothing but its image.
pub(super) fn walk(image: Image, walker: &mut Walker) -> Option<Caller> {
    let module = Module { image: Some(std::sync::Arc::new(image)), names: None };
    walk_frame(&module, BASE, walker)
}

#[test]
fn without_an_image_the_sym_file_tells() {
    let sym = "MODULE windows x86_64 3249D99D0C4049318610F4E4FB0B69361 a.pdb\nSTACK CFI INIT 1000 10 .cfa: $rsp 16 + .ra: .cfa 8 - ^\n";
    let sym = breakpad_symbols::SymbolFile::from_bytes(sym.as_bytes()).unwrap();
    let module = Module { image: None, names: Some(Names::Sym(std::sync::Arc::new(sym))) };
    let mut walker = Walker::at(TEXT + 4);
    walker.registers.insert("rsp", STACK);
    assert_eq!(walk_frame(&module, BASE, &mut walker), Some(Caller::Called));
    assert_eq!((walker.cfa, walker.ra), (Some(STACK + 16), Some(word(8))));
}

#[test]
fn instructions_of_other_modules_are_none_of_ours() {
    for instruction in [0, BASE - 1, BASE + 0x1_0000_0000 + u64::from(TEXT), u64::MAX] {
        let mut walker = Walker { instruction, ..Walker::default() };
        walker.registers.insert("rsp", STACK);
        assert_eq!(walk(image(0x8664, &[0xC3], &[], &[0; 12]), &mut walker), None, "{instruction:x}");
        assert!(walker.is_untouched());
    }
}

#[test]
fn other_machines_have_no_exception_table_of_a_kind_we_read() {
    for machine in [0x014C, 0x01C4, 0] {
        let mut walker = Walker::at(TEXT);
        walker.registers.extend([("rsp", STACK), ("sp", STACK), ("lr", word(0))]);
        assert_eq!(walk(image(machine, &[0xC3], &[], &[0; 12]), &mut walker), None, "{machine:x}");
    }
}
