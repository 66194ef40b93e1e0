//! Whole reports of synthetic dumps, hostile strings, and bytes that are no dump.

use crate::machine::{july_page_fault, july_thread_exception, read};
use bluescope_analyzer::render::{Style, text};
use bluescope_analyzer::{Limits, Owners, analyze};
use dump::synth::{SmallDump, UserDump, user_minidump};
use proptest::prelude::*;

fn printed(bytes: &[u8]) -> String {
    text(&analyze(bytes, None, &Owners::default(), &Limits::default()).unwrap(), Style { colour: false })
}

#[test]
fn report_of_an_office_machine() {
    insta::assert_snapshot!(printed(&SmallDump::example().to_bytes()));
}

#[test]
fn report_of_19_july() {
    insta::assert_snapshot!("july_page_fault", printed(&july_page_fault().to_bytes()));
    let mut analysis = read(&july_thread_exception());
    analysis.modules.clear();
    insta::assert_json_snapshot!("july_thread_exception", analysis);
}

#[test]
fn report_of_a_user_dump() {
    insta::assert_snapshot!(printed(&user_minidump(&UserDump::example())));
}

#[test]
fn colours_only_where_asked() {
    let analysis = read(&july_page_fault());
    let plain = text(&analysis, Style { colour: false });
    let coloured = text(&analysis, Style { colour: true });
    assert!(!plain.contains('\x1b'));
    assert!(coloured.starts_with("\x1b[1;31mcsagent.sys is to blame (high confidence)\x1b[0m\n"));
    assert_eq!(anstrip(&coloured), plain);
}

/// The text without colour sequences.
fn anstrip(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |sum, part| sum + part.split_once('m').unwrap().1)
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let mut dump = july_page_fault();
    dump.process = "\x1b[2Jsh".to_owned();
    dump.drivers.iter_mut().find(|driver| driver.name == "csagent.sys").unwrap().name =
        "\x1b]0;owned\x07cs\u{202e}.sys\r\n".to_owned();
    let analysis = read(&dump);
    assert_eq!(analysis.verdict.name, "\u{fffd}]0;owned\u{fffd}cs\u{fffd}.sys\u{fffd}\u{fffd}");
    let printed = text(&analysis, Style { colour: false });
    assert!(printed.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')));
}

#[test]
fn a_report_made_by_somebody_else_is_cleaned_as_well() {
    let mut analysis = read(&july_page_fault());
    analysis.verdict.name = "\x1b[31mevil".to_owned();
    analysis.verdict.evidence = vec!["\x1b[31mevil\nline".to_owned()];
    analysis.problems = vec!["\x07".to_owned()];
    analysis.machine.os = "\x1b".to_owned();
    let printed = text(&analysis, Style { colour: false });
    assert!(printed.chars().all(|c| c == '\n' || !c.is_control()));
}

#[test]
fn bytes_that_are_no_dump_say_why() {
    let code = |bytes: &[u8]| analyze(bytes, None, &Owners::default(), &Limits::default()).unwrap_err().code;
    assert_eq!(code(b""), "empty");
    assert_eq!(code(b"<html>not found</html>"), "not_a_dump");
    assert_eq!(code(&SmallDump::example().to_bytes()[..0x1000]), "truncated");
    let limits = Limits { dump_bytes: 1000, ..Limits::default() };
    assert_eq!(analyze(&[0; 1001], None, &Owners::default(), &limits).unwrap_err().code, "too_large");
}

/// Every module of the list names the same megabytes: the reader must not copy them for each.
#[test]
fn modules_that_share_a_giant_name_are_refused() {
    let module =
        |number: u32| dump::synth::UserModule { timestamp: number, ..UserDump::example().modules[0].clone() };
    let dump = UserDump { modules: (0..2_000).map(module).collect(), ..UserDump::example() };
    let mut bytes = user_minidump(&dump);
    let name = u32::try_from(bytes.len()).unwrap();
    bytes.extend((4_u32 << 20).to_le_bytes());
    bytes.extend(std::iter::repeat_n(b"a\0", 2 << 20).flatten());
    let entries = (0..dump.modules.len()).map(|number| module_list(&bytes) + 4 + 108 * number);
    for entry in entries.collect::<Vec<_>>() {
        bytes[entry + 20..entry + 24].copy_from_slice(&name.to_le_bytes());
    }
    let analysis = analyze(&bytes, None, &Owners::default(), &Limits::default()).unwrap();
    assert!(analysis.modules.is_empty());
    assert!(analysis.problems.iter().any(|problem| problem.starts_with("module list: entry 0 points at")));
}

/// Offset of the module list: stream type 4 in the directory.
fn module_list(bytes: &[u8]) -> usize {
    let field = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (streams, directory) = (field(8), usize::try_from(field(12)).unwrap());
    let entry = (0..usize::try_from(streams).unwrap())
        .map(|stream| directory + 12 * stream)
        .find(|&at| field(at) == 4);
    usize::try_from(field(entry.unwrap() + 8)).unwrap()
}

/// A stack full of return addresses gives as many frames as asked for, not more.
#[test]
fn deep_stacks_are_cut() {
    let example = UserDump::example();
    let word = (example.modules[0].base + 0x2bc4).to_le_bytes();
    let deep = UserDump { stack: word.repeat(16_000), ..example };
    let analysis =
        analyze(&user_minidump(&deep), None, &Owners::default(), &Limits { frames: 50, ..Limits::default() })
            .unwrap();
    assert_eq!(analysis.stack.len(), 50);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written over a kernel dump, there is an answer, and the same one twice.
    #[test]
    fn damaged_kernel_dumps_get_an_answer(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 8]>()), 1..40),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = july_thread_exception().to_bytes();
        for (at, value) in changes {
            let at = at.index(bytes.len() - 8);
            bytes[at..at + 8].copy_from_slice(&value);
        }
        let limits = Limits::default();
        prop_assert_eq!(analyze(&bytes, None, &Owners::default(), &limits), analyze(&bytes, None, &Owners::default(), &limits));
        let cut = &bytes[..cut.index(bytes.len())];
        prop_assert_eq!(analyze(cut, None, &Owners::default(), &limits), analyze(cut, None, &Owners::default(), &limits));
    }

    /// The same for user dumps: the `minidump` crates are not ours, so a panic here is worth knowing.
    #[test]
    fn damaged_user_dumps_get_an_answer(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<[u8; 4]>()), 1..20),
    ) {
        let mut bytes = user_minidump(&UserDump::example());
        for (at, value) in changes {
            let at = at.index(bytes.len() - 4);
            bytes[at..at + 4].copy_from_slice(&value);
        }
        let limits = Limits::default();
        prop_assert_eq!(analyze(&bytes, None, &Owners::default(), &limits), analyze(&bytes, None, &Owners::default(), &limits));
    }
}

#[test]
fn code_around_the_fault_is_told_where_the_dump_holds_it() {
    let mut dump = crate::machine::july_page_fault();
    assert_eq!(crate::machine::read(&dump).code, None, "a small dump seldom does");
    let fault = crate::machine::address("csagent.sys", 0xe_14ed);
    let code = [0x4d, 0x85, 0xc0, 0x74, 0x0b, 0x45, 0x8b, 0x08, 0xe9];
    dump.blocks.push((fault - 5, code.to_vec()));
    let told = crate::machine::read(&dump).code.unwrap();
    assert_eq!(told.fault, format!("{fault:#x}"));
    assert_eq!((told.address, told.bytes.as_str()), (format!("{:#x}", fault - 4), "85c0740b458b08e9"));
}
