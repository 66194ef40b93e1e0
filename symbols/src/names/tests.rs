//! What a question costs, of files that were made to cost much: counted, not timed.

#[expect(dead_code, reason = "the integration tests use the rest")]
#[path = "../../tests/files/pdb.rs"]
mod pdb;

use super::*;
use pdb::{Program, end, function, inline_end, inline_site, record, text, u32s};

/// Line 1 at +0x10, of 0x10 bytes.
const COVERS: [u8; 8] = [6, 2, 3, 0x10, 4, 0x10, 0, 0];

/// `outer` at 0x1010, with these records in it.
fn outer(records: &[u8], ids: Vec<Vec<u8>>) -> Program {
    let symbols = 4 + function("outer", 1, 0x10, 0x40, 0).len() + records.len();
    Program {
        machine: 0x8664,
        indexed: true,
        symbols: [&function("outer", 1, 0x10, 0x40, symbols as u32), records, &end()].concat(),
        lines: pdb::subsection(0xF6, &[&u32s(&[0, 0x1000, 8, 100])]),
        contributions: vec![(1, 0x10, 0x40)],
        ids,
        ..Program::default()
    }
}

/// Places of 0x1020, and the bytes walked for them.
fn ask(program: &Program) -> (Vec<Place>, u32) {
    let pdb = Pdb::from_bytes(program.to_bytes().into(), "crash.pdb").unwrap();
    let budget = Budget::default();
    let places = pdb.find(0x1020, &budget).unwrap().unwrap();
    (places, budget.spent())
}

fn leaf() -> Vec<Vec<u8>> {
    vec![record(0x1601, &[&u32s(&[0, 0]), &text("leaf")])]
}

#[test]
fn a_function_of_many_records_is_walked_to_a_bound() {
    let site = [inline_site(0, 0x1000, &COVERS), inline_end()].concat();
    for (records, depth) in [(end(), 1), (site, 2)] {
        let many = (3 << 20) / records.len();
        let (places, spent) = ask(&outer(&records.repeat(many), leaf()));
        assert_eq!((places.len(), places.last().unwrap().function.as_str()), (depth, "outer"));
        assert!((1 << 19..(1 << 20) + (16 << 10)).contains(&spent), "{spent}");
    }
}

/// Sites that never end, and in the deepest of them one after the other.
#[test]
fn deep_sites_are_walked_to_the_same_bound() {
    let deep = inline_site(u32::MAX, 0x1000, &COVERS).repeat(127);
    let flat = [inline_site(1, 0x1000, &COVERS), inline_end()].concat();
    let (places, spent) = ask(&outer(&[deep, flat.repeat((3 << 20) / flat.len())].concat(), leaf()));
    assert_eq!(places.len(), 129);
    assert!(places.iter().all(|place| place.inlined == (place.function == "leaf")));
    assert!((1 << 20..3 << 20).contains(&spent), "{spent}");
}

/// One place noted for a megabyte of ids, and the name that all calls want at its end.
#[test]
fn names_that_are_far_are_looked_for_until_there_is_no_more_left() {
    const IDS: u32 = 16;
    let mut ids = vec![record(0x1605, &[&u32s(&[0]), &[b'x'; 60_000]]); IDS as usize];
    ids.extend(leaf());
    let sites = inline_site(u32::MAX, 0x1000 + IDS, &COVERS).repeat(100);
    let lines = pdb::subsection(0xF6, &[&u32s(&[0, 0x1000 + IDS, 8, 100])]);
    let (places, spent) = ask(&Program { lines, ..outer(&sites, ids) });
    assert_eq!(places.len(), 101);
    let named = places.iter().filter(|place| place.function == "leaf").count();
    assert!((2..=8).contains(&named), "{named}");
    assert!(places.iter().any(|place| place.function == "<inlined>"));
    assert!(spent <= budget::MAX_BYTES, "{spent}");
}

#[test]
fn where_code_may_stand_is_known_without_reading_a_unit() {
    let check = |contributions: Vec<(u16, u32, u32)>, expected: &[(u32, bool)]| {
        let program = Program { contributions, ..outer(&end(), leaf()) };
        let pdb = Pdb::from_bytes(program.to_bytes().into(), "crash.pdb").unwrap();
        let before = pdb.held();
        for (rva, holds) in expected {
            assert_eq!(pdb.holds_code(*rva), *holds, "{rva:x}");
        }
        assert_eq!(pdb.held(), before);
        pdb.places(0x1020);
        assert!(pdb.held() > before);
    };
    // `.text` is at 0x1000 and `.data` at 0x3000; both have contributions.
    check(
        vec![(1, 0x10, 0x40), (2, 0, 0x100)],
        &[(0x100F, false), (0x1010, true), (0x104F, true), (0x1050, false), (0x3000, false), (0x9000, false)],
    );
}

#[test]
fn without_contributions_all_of_an_executable_section_may_be_code() {
    let program = Program { contributions: Vec::new(), ..outer(&end(), leaf()) };
    let pdb = Pdb::from_bytes(program.to_bytes().into(), "crash.pdb").unwrap();
    let held = [0, 0x1000, 0x2FFF, 0x3000, u32::MAX].map(|rva| pdb.holds_code(rva));
    assert_eq!(held, [false, true, true, false, false]);
}
