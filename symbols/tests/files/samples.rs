//! Real files, where they are there.

use std::fs::File;
use std::path::PathBuf;

use bluescope_symbols::identify::{UnpackLimits, check, unpack};
use bluescope_symbols::image::Image;
use bluescope_symbols::names::{Pdb, Place};
use bluescope_symbols::{FileId, Machine, Module, Names, PdbId};
use msvc_demangler::DemangleFlags;
use pdb_addr2line::{Context, ContextPdbData, TypeFormatterFlags};

use crate::names::shown;
use crate::walker::Walker;

/// Its path, and the key of the folder it stands in.
#[expect(clippy::print_stdout, reason = "says why it looked at nothing")]
fn sample(folder: &str, name: &str) -> Option<(PathBuf, String)> {
    let root =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/samples/symbols")).join(folder);
    let Ok(mut keys) = std::fs::read_dir(root) else {
        println!("skipped: ../shared is not there");
        return None;
    };
    let key = keys.next()?.unwrap();
    Some((key.path().join(name), key.file_name().into_string().unwrap()))
}

fn open(folder: &str) -> Option<(Pdb, PathBuf)> {
    let (path, _) = sample(folder, folder)?;
    Some((Pdb::open(File::open(&path).unwrap(), folder).unwrap(), path))
}

#[test]
fn files_are_keyed_as_symbol_servers_key_them() {
    for (folder, name) in [
        ("crash.pdb", "crash.pdb"),
        ("crash.exe", "crash.exe"),
        ("kernel32.pdb", "kernel32.sym"),
        ("test_app.pdb", "test_app.sym"),
    ] {
        let Some((path, key)) = sample(folder, name) else { return };
        let bytes = std::fs::read(&path).unwrap();
        let unpacked = unpack(name, bytes.into(), &UnpackLimits::default());
        let id = &unpacked.files[0].id;
        assert_eq!((id.name(), id.key(), id.file_name()), (folder, key, name.to_owned()));
        assert_eq!(check(id, &File::open(path).unwrap()), Ok(()));
    }
}

/// That PDB was kept two builds before its image was: the folder is called as the image asks.
#[test]
fn a_pdb_of_an_earlier_build_is_not_the_one_that_was_asked_for() {
    let Some((path, key)) = sample("CppConsoleApplication.pdb", "CppConsoleApplication.pdb") else { return };
    assert_eq!(key, "4F1CBD0C787F4165837B0D3AB7EFEA3A4");
    let (pdb, _) = open("CppConsoleApplication.pdb").unwrap();
    assert_eq!(pdb.id().key(), "4F1CBD0C787F4165837B0D3AB7EFEA3A2");
    let id = PdbId::new(pdb.id().name(), pdb.id().guid(), 4).unwrap();
    let error = check(&FileId::Pdb(id), &File::open(path).unwrap()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is 4F1CBD0C787F4165837B0D3AB7EFEA3A2, not 4F1CBD0C787F4165837B0D3AB7EFEA3A4")
    );
}

#[test]
fn an_image_leads_to_its_pdb() {
    let Some((path, _)) = sample("crash.exe", "crash.exe") else { return };
    let image = Image::parse(std::fs::read(path).unwrap().into()).unwrap();
    assert_eq!(image.machine(), Machine::X86);
    let id = FileId::Pdb(image.pdb().unwrap().clone());
    let (path, _) = sample("crash.pdb", "crash.pdb").unwrap();
    assert_eq!(check(&id, &File::open(path).unwrap()), Ok(()));
    assert!(image.is_code(0x2A3D) && image.at(0x2A3D).is_some());
}

/// The stack that Symbolicator prints for the dump that belongs to it. Return addresses, so one byte before each.
#[test]
fn a_pdb_names_what_symbolicator_names() {
    let Some((pdb, _)) = open("crash.pdb") else { return };
    // Symbolicator's own `.sym` file has no inlined calls: it ends at `main`, line 35.
    let fault = "`anonymous namespace'::crash+12d main.cpp:24 > `anonymous namespace'::start+12d main.cpp:28 > \
                 main+12d main.cpp:35";
    assert_eq!(shown(&pdb.places(0x2A3D)), fault);
    let runtime = pdb.places(0x2D96 - 1);
    assert_eq!(
        shown(&runtime),
        "invoke_main+f7 exe_common.inl:78 > __scrt_common_main_seh+f7 exe_common.inl:283"
    );
}

#[test]
fn a_pdb_leaves_x86_frames() {
    let Some((pdb, _)) = open("crash.pdb") else { return };
    assert_eq!(pdb.parameter_bytes(0x2D96), Some(0));
    let mut walker = Walker {
        instruction: 0x2A_2D95,
        registers: [("esp", 0x2_0000), ("ebp", 0x2_0030), ("eip", 0x2A_2D95)].into(),
        stack: (0..16).map(|word| 0x1000 + word).collect(),
        ..Walker::default()
    };
    assert_eq!(pdb.walk_frame(0x2A_0000, &mut walker), Some(()));
    // A function with a frame pointer: saved `ebp` and return address are where it points, `ebx`, `esi` and `edi` 40, 44
    // and 48 bytes below.
    let expected = [("ebp", 0x100C), ("ebx", 0x1002), ("edi", 0x1000), ("eip", 0x100D), ("esi", 0x1001)];
    let expected =
        expected.into_iter().chain([("esp", 0x2_0038)]).map(|(name, value)| (name.to_owned(), value));
    assert_eq!(walker.caller, expected.collect());
}

#[test]
fn sym_files_name_functions_and_public_symbols() {
    let load = |folder, name| {
        let (path, _) = sample(folder, name)?;
        let bytes = std::fs::read(&path).unwrap();
        let id = unpack(name, bytes.into(), &UnpackLimits::default()).files[0].id.clone();
        Some(Names::load(&id, File::open(path).unwrap()).unwrap())
    };
    let Some(names) = load("test_app.pdb", "test_app.sym") else { return };
    let held = names.held();
    assert!((1 << 20..8 << 20).contains(&held), "{held} bytes");
    let module = Module { image: None, names: Some(names) };
    // The crash of `minidump2.dmp`, as `minidump_stackwalk` prints it.
    assert_eq!(shown(&module.places(0x429E)), "`anonymous namespace'::CrashFunction+e test_app.cc:58");
    assert_eq!(shown(&module.places(0x41FF)), "main+4f test_app.cc:65");
    let kernel = load("kernel32.pdb", "kernel32.sym").unwrap();
    assert_eq!(shown(&kernel.places(0x9B47 + 3)), "CloseHandle+3");
    let kernel = Module { image: None, names: Some(kernel) };
    assert_eq!(kernel.parameter_bytes(0x9B47 + 3), Some(4));
    assert_eq!(shown(&kernel.places(0)), "");
}

const FLAGS: TypeFormatterFlags = TypeFormatterFlags::NO_FUNCTION_RETURN
    .union(TypeFormatterFlags::NO_MEMBER_FUNCTION_STATIC)
    .union(TypeFormatterFlags::NAME_ONLY)
    .union(TypeFormatterFlags::NO_ARGUMENTS);

fn theirs(context: &Context<'_, '_>, rva: u32) -> Vec<Place> {
    let Some(found) = context.find_frames(rva).unwrap() else { return Vec::new() };
    if found.frames.iter().any(|frame| frame.function.is_none()) {
        return Vec::new();
    }
    let last = found.frames.len() - 1;
    let place = |(number, frame): (usize, pdb_addr2line::Frame<'_>)| Place {
        function: plain(frame.function.unwrap()),
        offset: rva - found.start_rva,
        file: frame.file.map(|file| file.into_owned()),
        line: frame.line,
        inlined: number < last,
    };
    found.frames.into_iter().enumerate().map(place).collect()
}

/// It leaves public symbols as they are.
fn plain(name: String) -> String {
    let flags = DemangleFlags::NAME_ONLY | DemangleFlags::NO_CLASS_TYPE;
    if name.starts_with('?') { msvc_demangler::demangle(&name, flags).unwrap() } else { name }
}

/// Every function of two programs, against another reader of the format. Where they differ, the other one is known to be
/// wrong in two ways: it remembers names of inlined functions without the unit they are numbered in, and it takes the
/// lines of the function before where a function has none.
#[test]
fn another_reader_finds_the_same() {
    for (folder, least) in [("crash.pdb", 500), ("CppConsoleApplication.pdb", 10_000)] {
        let Some((pdb, path)) = open(folder) else { return };
        let read = || pdb_addr2line::pdb::PDB::open(File::open(&path).unwrap()).unwrap();
        let data = ContextPdbData::try_from_pdb(read()).unwrap();
        let context = data.make_context_with_formatter_flags(FLAGS).unwrap();
        let mut same = 0;
        for found in context.functions() {
            let end = found.end_rva.unwrap_or(found.start_rva + 1).min(found.start_rva + 2_000);
            for rva in (found.start_rva..end).step_by(11) {
                let ours = pdb.places(rva);
                let mut expected = theirs(&context, rva);
                if expected.len() > 1 && expected != ours {
                    let data = ContextPdbData::try_from_pdb(read()).unwrap();
                    expected = theirs(&data.make_context_with_formatter_flags(FLAGS).unwrap(), rva);
                }
                if let (Some(ours), Some(expected)) = (ours.last(), expected.last_mut())
                    && ours.line.is_none()
                {
                    (expected.file, expected.line) = (None, None);
                }
                assert_eq!(ours, expected, "{folder} {rva:x}");
                same += 1;
            }
        }
        assert!(same > least, "{same} addresses");
    }
}
