//! A slim dump gets the verdict of the dump it was made from.
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::path::PathBuf;

use bluescope_analyzer::{Analysis, Limits, Owners, analyze};
use dump::slim;
use dump::synth::{SmallDump, SynthWriter, noise};

/// The report without what is about the file rather than the crash.
fn report(bytes: &[u8]) -> Analysis {
    Analysis { dump_bytes: 0, ..analyze(bytes, None, &Owners::default(), &Limits::default()).unwrap() }
}

fn check(name: &str, bytes: &[u8]) {
    let slim = slim(bytes).unwrap();
    assert!(slim.len() < bytes.len(), "{name}: {} of {} bytes", slim.len(), bytes.len());
    let (before, after) = (report(bytes), report(&slim));
    assert_eq!(before.verdict, after.verdict, "{name}");
    assert_eq!(before, after, "{name}");
}

#[test]
fn synthetic_dumps() {
    for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
        let mut dump = SmallDump { writer, ..SmallDump::example() };
        for index in 0..500_u64 {
            dump.blocks.push((0xffff_c000_0000_0000 + index * 0x2_0000, noise(index, 0x1000)));
        }
        check(&format!("{writer:?}"), &dump.with_size(3 << 20).to_bytes());
    }
}

/// What an archive of slim dumps takes.
fn compressed(bytes: &[u8], level: i32) -> usize {
    zstd::bulk::compress(bytes, level).unwrap().len()
}

#[test]
fn real_dumps() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    if !folder.is_dir() {
        println!("skipped: ../shared is not there");
        return;
    }
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "dmp"));
    paths.sort();
    println!("| dump | KB | slim | zstd -3 | zstd -19 | whole, zstd -3 |");
    for path in paths {
        let (name, bytes) = (path.file_stem().unwrap().display().to_string(), std::fs::read(&path).unwrap());
        check(&name, &bytes);
        let slim = slim(&bytes).unwrap();
        let kb = |len: usize| len.div_ceil(1000);
        let (fast, best, whole) = (compressed(&slim, 3), compressed(&slim, 19), compressed(&bytes, 3));
        println!(
            "| {name} | {} | {} | {} | {} | {} |",
            kb(bytes.len()),
            kb(slim.len()),
            kb(fast),
            kb(best),
            kb(whole)
        );
        assert!(fast <= 40 << 10, "{name}: {fast}");
    }
}
