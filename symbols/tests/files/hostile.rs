//! Files that nobody's linker wrote: no panic, no answer that costs more than its file, no stack that overflows.

use std::time::{Duration, Instant};

use bluescope_symbols::identify::{UnpackLimits, unpack};
use bluescope_symbols::image::Image;
use bluescope_symbols::names::Pdb;
use proptest::prelude::*;

use crate::names::{open, program, shown};
use crate::pdb::{Program, container, end, function, inline_end, inline_site, record, text, u32s};
use crate::pe::Pe;
use crate::walker::Walker;

fn error(bytes: Vec<u8>) -> String {
    Pdb::open(crate::file(&bytes), "crash.pdb").unwrap_err().to_string()
}

#[test]
fn a_container_that_claims_more_than_its_file_is_refused() {
    let streams = vec![vec![1; 600]; 4];
    let whole = container(&streams);
    let directory = whole.windows(8).position(|window| window == u32s(&[4, 600])).unwrap();
    let claim = |at: usize, value: u32| {
        let mut bytes = whole.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        error(bytes)
    };
    assert_eq!(claim(directory + 4, 0x7FFF_FFFF), "PDB: its streams together are larger than the file");
    assert_eq!(claim(directory, 0x7FFF_FFFF), "PDB: its directory is cut short");
    assert_eq!(claim(directory + 20, 0xFFFF), "PDB: block 65535 lies outside of the file");
    assert_eq!(claim(44, u32::MAX), "PDB: its directory is larger than the file");
    assert_eq!(claim(32, 3), "PDB: blocks of 3 bytes");
    assert_eq!(claim(32, 1 << 30), "PDB: blocks of 1073741824 bytes");
    assert!(claim(0, 0).starts_with("PDB: does not begin"));
    assert!(error(whole[..1024].to_vec()).starts_with("PDB: block"));
    assert!(error(Vec::new()).starts_with("PDB: does not begin"));
}

#[test]
fn ids_that_contain_themselves_end() {
    let mut program = program();
    program.ids[1] = record(0x1601, &[&u32s(&[0x1002, 0]), &text("a")]);
    program.ids[2] = record(0x1601, &[&u32s(&[0x1001, 0]), &text("b")]);
    let shown = shown(&open(&program).places(0x1027));
    assert!(shown.starts_with("a::b::a::b::a::b::a::b+17 holder.h:201 > "), "{shown}");
}

#[test]
fn calls_inlined_without_end_are_cut() {
    const DEEP: usize = 100_000;
    let site = inline_site(u32::MAX, 0x1001, &[6, 2, 3, 0x10, 4, 0x10, 0, 0]);
    let symbols = 4 + function("outer", 1, 0x10, 0x40, 0).len() + DEEP * (site.len() + inline_end().len());
    let program = Program {
        symbols: [
            function("outer", 1, 0x10, 0x40, symbols as u32),
            site.repeat(DEEP),
            inline_end().repeat(DEEP),
            end(),
        ]
        .concat(),
        ..program()
    };
    let started = Instant::now();
    assert_eq!(open(&program).places(0x1020).len(), 129);
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Everything that can be asked.
fn ask(pdb: &Pdb) {
    for rva in (0..0x3000).step_by(13).chain([u32::MAX]) {
        assert!(pdb.places(rva).len() <= 129);
        pdb.parameter_bytes(rva);
        let mut walker = Walker {
            instruction: u64::from(rva),
            registers: [("esp", 0x2_0000), ("ebp", 0x2_0004), ("eip", 1)].into(),
            stack: vec![1; 64],
            ..Walker::default()
        };
        let _frame = pdb.walk_frame(0, &mut walker);
    }
    assert!(pdb.held() < 100 << 20);
}

/// Bytes with some of them replaced, most of them by what is at the edge of something.
fn damaged(bytes: Vec<u8>, at: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = bytes;
    for (index, value) in at {
        let index = index.index(bytes.len());
        bytes[index] = *value;
    }
    bytes
}

fn damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    let edge = prop_oneof![Just(0), Just(1), Just(0x7F), Just(0x80), Just(0xFF), any::<u8>()];
    prop::collection::vec((any::<prop::sample::Index>(), edge), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_pdb_answers_or_does_not(at in damage(), x86 in any::<bool>(), indexed in any::<bool>()) {
        let machine = if x86 { 0x14C } else { 0x8664 };
        let mut program = Program { machine, indexed, ..program() };
        let note = program.names.add("$T0 $ebp = $eip $T0 4 + ^ = $esp $T0 8 + =");
        program.frame_data = u32s(&[0x1010, 0x40, 8, 12, 0, note, 3, 4]);
        program.fpo = u32s(&[0x1100, 0x20, 1, 0x1200_0002]);
        if let Ok(pdb) = Pdb::open(crate::file(&damaged(program.to_bytes(), &at)), "crash.pdb") {
            ask(&pdb);
        }
    }

    #[test]
    fn a_damaged_image_answers_or_does_not(at in damage(), rvas in prop::collection::vec(any::<u32>(), 16)) {
        let bytes = damaged(Pe::example().to_bytes(), &at);
        let mapped = Image::mapped(0x4000, |rva| {
            bytes.get(rva as usize..)?.first_chunk().copied().filter(|_| rva != 0x2000)
        });
        for image in [Image::parse(bytes.clone().into()), mapped].into_iter().flatten() {
            for rva in rvas.iter().copied().chain((0..0x5000).step_by(97)) {
                prop_assert!(image.at(rva).is_none_or(|found| found.len() <= 0x4000));
                image.is_code(rva);
            }
            prop_assert!(image.exception_table().len() <= 0x4000);
        }
    }

    #[test]
    fn a_damaged_upload_is_refused_or_not(at in damage(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let limits = UnpackLimits { file_bytes: 1 << 20, total_bytes: 4 << 20, files: 10 };
        let begin: [&[u8]; 5] = [b"MSCF", b"PK\x03\x04", b"MZ", b"MODULE windows ", b""];
        for begin in begin {
            let upload = unpack("x.sys", [begin, &bytes].concat().into(), &limits);
            prop_assert!(upload.files.len() + upload.refused.len() > 0);
        }
        for archive in [crate::identify::a_zip(), crate::identify::a_cabinet()] {
            let upload = unpack("x", damaged(archive, &at).into(), &limits);
            prop_assert!(upload.files.len() + upload.refused.len() > 0);
            let mut to = crate::file(b"");
            let cabinet = damaged(crate::identify::a_cabinet(), &at);
            let _either = bluescope_symbols::identify::uncab(crate::file(&cabinet), &mut to, 1 << 20);
        }
    }
}
