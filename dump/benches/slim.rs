//! How long it takes to make a small dump of 3 MB slim.
#![expect(clippy::expect_used, reason = "a benchmark")]

use std::hint::black_box;
use std::path::Path;

use bluescope_dump::slim;
use bluescope_dump::synth::{SmallDump, SynthWriter, noise};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// With as many windows and pages of memory as the debugger engine writes.
fn of_debug_engine() -> Vec<u8> {
    let mut dump = SmallDump { writer: SynthWriter::DebugEngine, ..SmallDump::example() };
    for index in 0..1500_u64 {
        let page = index.wrapping_mul(0x9e37_79b9) & 0xff_ffff;
        let len = if index.is_multiple_of(3) { 0x1000 } else { 0x100 };
        dump.blocks.push((0xffff_c000_0000_0000 | page << 12, noise(index, len)));
    }
    dump.with_size(3 << 20).to_bytes()
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("slim");
    let mut check = |name: &str, bytes: &[u8]| {
        slim(bytes).expect("a small dump");
        let len = u64::try_from(bytes.len()).expect("a length");
        group.throughput(Throughput::Bytes(len));
        group.bench_function(name, |bencher| bencher.iter(|| slim(black_box(bytes)).is_ok()));
    };
    check("3 MB written by the kernel", &SmallDump::example().with_size(3 << 20).to_bytes());
    check("3 MB written by the debugger engine", &of_debug_engine());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    for name in ["r-techsupport__3b_0", "r-techsupport__7e_0", "r-techsupport__9f"] {
        // real dumps, where they are at hand
        if let Ok(bytes) = std::fs::read(folder.join(name).with_extension("dmp")) {
            check(name, &bytes);
        }
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
