//! Real user dumps with the symbol files that belong to them: function names and the order of frames must be those that
//! other tools found. Nothing of them is kept here.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bluescope_analyzer::{Analysis, Limits, Owners, analyze};
use symbols::names::Pdb;
use symbols::{Answer, FileId, Image, Missing, Names, PdbId, SymbolSet, Want};

fn samples() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples");
    if !path.is_dir() {
        println!("skipped: ../shared is not there");
        return None;
    }
    Some(path)
}

fn answer(folder: &Path, want: &Want) -> Answer {
    let missing = Answer::Missing(Missing::NotFound);
    match want {
        Want::Image(id) => {
            let path = folder.join(FileId::Image(id.clone()).to_string());
            std::fs::read(path)
                .map_or(missing, |bytes| Answer::Image(Arc::new(Image::parse(bytes.into()).unwrap())))
        }
        Want::Names(id) => {
            if let Ok(file) = std::fs::File::open(folder.join(FileId::Pdb(id.clone()).to_string())) {
                return Answer::Names(Names::Pdb(Arc::new(Pdb::open(file, id.name()).unwrap())));
            }
            let sym = std::fs::read(folder.join(FileId::Sym(id.clone()).to_string()));
            sym.map_or(missing, |bytes| {
                Answer::Names(Names::Sym(Arc::new(breakpad_symbols::SymbolFile::from_bytes(&bytes).unwrap())))
            })
        }
    }
}

fn deep(samples: &Path, name: &str) -> Analysis {
    let bytes = std::fs::read(samples.join("user").join(name)).unwrap();
    let folder = samples.join("symbols");
    let mut set = SymbolSet::default();
    loop {
        let analysis = analyze(&bytes, Some(&set), &Owners::default(), &Limits::default()).unwrap();
        if analysis.wants.is_empty() {
            return analysis;
        }
        for want in &analysis.wants {
            set.insert(want.clone(), answer(&folder, want));
        }
    }
}

/// `crash.exe!main main.cpp:35 context`
fn lines(analysis: &Analysis) -> Vec<String> {
    let line = |frame: &bluescope_analyzer::analysis::Frame| {
        let function = frame.function.as_deref().unwrap_or("?");
        let file =
            frame.file.as_deref().unwrap_or("?").rsplit(['\\', '/']).next().unwrap_or_default().to_owned();
        format!("{}!{function} {file}:{} {}", frame.module, frame.line.unwrap_or(0), frame.trust)
    };
    analysis.stack.iter().map(line).collect()
}

#[test]
fn crash_exe_as_symbolicator_has_it() {
    let Some(samples) = samples() else { return };
    let analysis = deep(&samples, "getsentry__windows.dmp");
    let lines = lines(&analysis);
    // What the compiler put into `main` and `__scrt_common_main_seh` stands before them.
    let expected = [
        "crash.exe!`anonymous namespace'::crash main.cpp:24 context",
        "crash.exe!`anonymous namespace'::start main.cpp:28 context",
        "crash.exe!main main.cpp:35 context",
        "crash.exe!invoke_main exe_common.inl:78 unwind-info",
        "crash.exe!__scrt_common_main_seh exe_common.inl:283 unwind-info",
        "kernel32.dll!? ?:0 unwind-info",
        "ntdll.dll!? ?:0 frame-pointer",
        "ntdll.dll!? ?:0 frame-pointer",
    ];
    assert_eq!(lines, expected);
    let own: Vec<&str> =
        analysis.stack.iter().filter(|frame| !frame.inlined).map(|frame| frame.address.as_str()).collect();
    assert_eq!(own, ["0x2a2a3d", "0x2a2d97", "0x750662c4", "0x771d0f79", "0x771d0f44"]);
    assert_eq!(analysis.verdict.bucket, "NULL_POINTER_WRITE_c0000005_crash.exe!main");
}

#[test]
fn test_app_as_breakpad_has_it() {
    let Some(samples) = samples() else { return };
    let analysis = deep(&samples, "google__minidump2.dmp");
    let lines = lines(&analysis);
    let expected = [
        "test_app.exe!`anonymous namespace'::CrashFunction test_app.cc:58 context",
        "test_app.exe!main test_app.cc:65 unwind-info",
        "test_app.exe!__tmainCRTStartup crt0.c:327 unwind-info",
        "kernel32.dll!BaseProcessStart ?:0 unwind-info",
    ];
    assert_eq!(lines, expected);
    let sp = ["0x12fe84", "0x12fe90", "0x12ff78", "0x12ffc8"];
    assert_eq!(analysis.stack.iter().map(|frame| frame.sp.as_deref().unwrap()).collect::<Vec<_>>(), sp);
}

/// The PDB beside this dump has its GUID and is two links older: it knows other functions at the same addresses. What it
/// says would be wrong, so it must be refused.
#[test]
fn a_pdb_of_an_earlier_link_is_refused() {
    let Some(samples) = samples() else { return };
    let folder = samples.join("symbols/CppConsoleApplication.pdb/4F1CBD0C787F4165837B0D3AB7EFEA3A4");
    let guid = uuid::Uuid::parse_str("4f1cbd0c-787f-4165-837b-0d3ab7efea3a").unwrap();
    let asked = PdbId::new("CppConsoleApplication.pdb", guid, 4).unwrap();
    let open = || std::fs::File::open(folder.join("CppConsoleApplication.pdb")).unwrap();
    assert_eq!(Pdb::open(open(), "CppConsoleApplication.pdb").unwrap().id().age(), 2);
    let refused = symbols::identify::check(&FileId::Pdb(asked), &open()).unwrap_err();
    assert!(refused.to_string().ends_with("not 4F1CBD0C787F4165837B0D3AB7EFEA3A4"), "{refused}");
}
