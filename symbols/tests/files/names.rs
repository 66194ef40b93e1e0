//! Names out of PDBs made here.

use bluescope_symbols::Machine;
use bluescope_symbols::names::{Pdb, Place};

use crate::pdb::{
    Program, end, function, inline_end, inline_site, lines, record, subsection, text, u16s, u32s,
};

/// `outer` is 0x40 bytes long, at 0x1010. `Holder<int>::middle` is inlined at 0x1020..0x1030, and into it
/// `` `anonymous namespace'::inner `` at 0x1024..0x1028.
pub(crate) fn program() -> Program {
    let mut program = Program { machine: 0x8664, indexed: true, ..Program::default() };
    let (main, header) = (program.names.add("c:\\src\\main.cpp"), program.names.add("c:\\src\\holder.h"));
    program.types =
        vec![record(0x1505, &[&u16s(&[0, 0]), &u32s(&[0, 0, 0]), &u16s(&[4]), &text("Holder<int>")])];
    program.ids = vec![
        record(0x1605, &[&u32s(&[0]), &text("?A0x1234abcd")]),
        record(0x1602, &[&u32s(&[0x1000, 0]), &text("middle")]),
        record(0x1601, &[&u32s(&[0x1000, 0]), &text("inner")]),
    ];
    program.symbols = unit_symbols();
    program.lines = [
        subsection(0xF4, &[&u32s(&[main]), &[0, 0, 0, 0], &u32s(&[header]), &[0, 0, 0, 0]]),
        lines(1, 0x10, 0x40, 0, &[(0, 10), (0x10, 11), (0x18, 0xFE_EFEE), (0x30, 13)]),
        subsection(0xF6, &[&u32s(&[0, 0x1001, 8, 100, 0x1002, 8, 200])]),
    ]
    .concat();
    program.contributions = vec![(1, 0x10, 0x40), (1, 0x100, 0x20), (1, 0x200, 0x10)];
    program.publics = vec![
        (1, 0x100, "?lonely@Thing@@QEAAXH@Z"),
        (1, 0x100, "?lonely_folded@Thing@@QEAAXH@Z"),
        (1, 0x110, "_ZN4core3ptr4read17h0123456789abcdefE"),
        (2, 0, "some_data"),
    ];
    program
}

fn unit_symbols() -> Vec<u8> {
    // Line 101 at +0x10, of 0x10 bytes; line 201 at +0x14, of 4.
    let middle = inline_site(0, 0x1001, &[6, 2, 3, 0x10, 4, 0x10, 0, 0]);
    let inner = inline_site(0, 0x1002, &[6, 2, 3, 0x14, 4, 4, 0, 0]);
    let outer = function("outer", 1, 0x10, 0x40, 0);
    let at_inner_end = 4 + outer.len() + middle.len() + inner.len();
    let at_middle_end = at_inner_end + inline_end().len();
    let at_end = at_middle_end + inline_end().len();
    [
        function("outer", 1, 0x10, 0x40, at_end as u32),
        inline_site(at_middle_end as u32, 0x1001, &[6, 2, 3, 0x10, 4, 0x10, 0, 0]),
        inline_site(at_inner_end as u32, 0x1002, &[6, 2, 3, 0x14, 4, 4, 0, 0]),
        inline_end(),
        inline_end(),
        end(),
    ]
    .concat()
}

pub(crate) fn open(program: &Program) -> Pdb {
    Pdb::open(crate::file(&program.to_bytes()), "crash.pdb").unwrap()
}

/// `function+offset file:line`, `>` between what is inlined and its caller.
pub(crate) fn shown(places: &[Place]) -> String {
    let one = |place: &Place| {
        let file = place.file.as_deref().map(|file| file.rsplit(['\\', '/']).next().unwrap_or(file));
        let at = match (file, place.line) {
            (Some(file), Some(line)) => format!(" {file}:{line}"),
            (Some(file), None) => format!(" {file}"),
            _ => String::new(),
        };
        let mark = if place.inlined { " >" } else { "" };
        format!("{}+{:x}{at}{mark}", place.function, place.offset)
    };
    places.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_address_has_a_function_and_what_was_inlined_into_it() {
    let program = program();
    let from_file = open(&program);
    let from_memory = Pdb::from_bytes(program.to_bytes().into(), "crash.pdb").unwrap();
    let unindexed = open(&Program { indexed: false, ..self::program() });
    for pdb in [from_file, from_memory, unindexed] {
        assert_eq!(pdb.id().key(), "3249D99D0C4049318610F4E4FB0B69363");
        assert_eq!(pdb.machine(), Machine::X64);
        for (rva, expected) in [
            (0x1010, "outer+0 main.cpp:10"),
            (0x101F, "outer+f main.cpp:10"),
            (0x1020, "Holder<int>::middle+10 holder.h:101 > outer+10 main.cpp:11"),
            (
                0x1027,
                "`anonymous namespace'::inner+17 holder.h:201 > Holder<int>::middle+17 holder.h:101 > \
                 outer+17 main.cpp:11",
            ),
            // The line that is none is no line of its own.
            (0x1028, "Holder<int>::middle+18 holder.h:101 > outer+18 main.cpp:11"),
            (0x104F, "outer+3f main.cpp:13"),
            // Padding that nobody contributed.
            (0x1050, ""),
            (0x1100, "Thing::lonely+0"),
            (0x110F, "Thing::lonely+f"),
            (0x1115, "core::ptr::read+5"),
            // Contributed without a name: what stands before it is another's.
            (0x1200, ""),
            (0x3000, ""),
            (0x9999_9999, ""),
        ] {
            assert_eq!(shown(&pdb.places(rva)), expected, "{rva:x}");
            assert_eq!(shown(&pdb.places(rva)), expected, "{rva:x}, asked again");
        }
        assert!(pdb.held() > 1_000);
    }
}

#[test]
fn without_units_there_are_public_symbols() {
    let program = Program { contributions: Vec::new(), ..program() };
    assert_eq!(shown(&open(&program).places(0x1130)), "core::ptr::read+20");
}

#[test]
fn code_that_was_moved_is_found_where_it_was_linked() {
    // 0x1500 was 0x1010; 0x1600 is nothing of the program's.
    let to_source = u32s(&[0x1500, 0x1010, 0x1600, 0]);
    let from_source = u32s(&[0x1010, 0x1500, 0x1050, 0]);
    let pdb = open(&Program { omap: Some((to_source, from_source)), ..program() });
    assert_eq!(shown(&pdb.places(0x150F)), "outer+f main.cpp:10");
    assert_eq!(shown(&pdb.places(0x1010)), "");
    assert_eq!(shown(&pdb.places(0x1600)), "");
}

#[test]
fn c_functions_on_x86_are_undecorated() {
    let publics = vec![(1, 0x100, "_DriverEntry@8"), (1, 0x110, "@KfLowerIrql@12")];
    let pdb = open(&Program { machine: 0x14C, publics, ..program() });
    assert_eq!(shown(&pdb.places(0x1104)), "DriverEntry+4");
    assert_eq!(pdb.parameter_bytes(0x1104), Some(8));
    assert_eq!(shown(&pdb.places(0x1111)), "KfLowerIrql+1");
    assert_eq!(pdb.parameter_bytes(0x1111), Some(4));
    assert_eq!(open(&program()).parameter_bytes(0x1104), None);
}
