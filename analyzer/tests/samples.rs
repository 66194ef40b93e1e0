//! Real dumps, where they are: what each must say. Nothing of them is kept here.

use std::path::PathBuf;

use bluescope_analyzer::{Analysis, Limits, analyze};

fn samples(kind: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples").join(kind);
    if !path.is_dir() {
        println!("skipped: ../shared is not there");
        return None;
    }
    Some(path)
}

fn read(path: &std::path::Path) -> Analysis {
    let bytes = std::fs::read(path).unwrap();
    analyze(&bytes, &Limits::default()).unwrap()
}

#[test]
fn print_all() {
    for kind in ["kernel", "user"] {
        let Some(folder) = samples(kind) else { return };
        let mut files: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files.iter().filter(|path| path.extension().is_some_and(|ext| ext == "dmp")) {
            let a = read(path);
            println!("== {} {:?}", path.file_name().unwrap().to_string_lossy(), a.verdict);
            println!(
                "   {:?} process {:?} up {:?} problems {:?}",
                a.exception, a.process, a.uptime_s, a.problems
            );
            for f in a.stack.iter().take(9) {
                println!("      {} {}+{:x} {}", f.address, f.module, f.offset, f.trust);
            }
        }
    }
}
