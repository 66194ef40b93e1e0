//! How long it takes to read a dump of 3 MB: identity, all tables, and what the blame rules ask for.
#![expect(clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::path::Path;

use bluescope_dump::synth::{SmallDump, SynthWriter, noise};
use bluescope_dump::{KernelDump, identify};
use criterion::{Criterion, criterion_group, criterion_main};

/// A dump with as many data blocks as the debugger engine writes, unsorted.
fn of_debug_engine() -> Vec<u8> {
    let mut dump = SmallDump { writer: SynthWriter::DebugEngine, ..SmallDump::example() };
    for index in 0..1500_u64 {
        let page = index.wrapping_mul(0x9e37_79b9) & 0xff_ffff;
        dump.blocks.push((0xffff_c000_0000_0000 | page << 12, noise(index, 0x100)));
    }
    dump.with_size(3 << 20).to_bytes()
}

fn parse(criterion: &mut Criterion) {
    let dumps =
        [("kernel", SmallDump::example().with_size(3 << 20).to_bytes()), ("debug engine", of_debug_engine())];
    for (writer, bytes) in &dumps {
        let mut group = criterion.benchmark_group(format!("3 MB written by the {writer}"));
        group.bench_function("identify", |bencher| {
            bencher.iter(|| identify(black_box(bytes), &[0; 32], 3 << 20));
        });
        group.bench_function("parse", |bencher| bencher.iter(|| KernelDump::parse(black_box(bytes)).is_ok()));
        let dump = KernelDump::parse(bytes).expect("a sound dump");
        group.bench_function("owners of all stack words", |bencher| {
            let (_, stack) = dump.stack().expect("a stack");
            let (words, _) = stack.as_chunks::<8>();
            bencher.iter(|| {
                words.iter().filter(|&&word| dump.driver_at(u64::from_le_bytes(word)).is_some()).count()
            });
        });
        group.bench_function("process, firmware, processor", |bencher| {
            bencher.iter(|| (dump.process_name(), dump.smbios(), dump.processor()));
        });
        group.finish();
    }
}

/// Real dumps, where they are at hand.
fn parse_real(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    let mut group = criterion.benchmark_group("real dumps");
    for name in ["r-techsupport__3b_0", "r-techsupport__d1", "r-techsupport__9f"] {
        if let Ok(bytes) = std::fs::read(folder.join(name).with_extension("dmp")) {
            group.bench_function(name, |bencher| {
                bencher.iter(|| KernelDump::parse(black_box(&bytes)).is_ok())
            });
        }
    }
    group.finish();
}

criterion_group!(benches, parse, parse_real);
criterion_main!(benches);
