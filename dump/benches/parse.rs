//! How long it takes to read a dump that is in memory: its identity, what the blame rules ask for, and everything.
#![expect(clippy::expect_used, clippy::print_stderr, reason = "a benchmark")]

use std::hint::black_box;
use std::path::Path;

use bluescope_dump::synth::{SmallDump, SynthWriter, noise};
use bluescope_dump::{KernelDump, identify, slim};
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

/// What the blame rules ask for: header, drivers, stack, who owns its words, and what the parameters lead to.
fn facts_for_blame(bytes: &[u8]) -> usize {
    let dump = KernelDump::parse(bytes).expect("a sound dump");
    let parameters = dump.parameters();
    let (_, stack) = dump.stack().expect("a stack");
    let (words, _) = stack.as_chunks::<8>();
    let owned = words.iter().filter(|&&word| dump.driver_at(u64::from_le_bytes(word)).is_some()).count();
    black_box((dump.header(), dump.context(), dump.drivers(), parameters));
    owned
}

/// Every part, and all secondary data that is understood.
fn full_view(bytes: &[u8]) -> usize {
    let dump = KernelDump::parse(bytes).expect("a sound dump");
    black_box((
        dump.header(),
        dump.context(),
        dump.exception(),
        dump.drivers(),
        dump.unloaded(),
        dump.stack(),
    ));
    black_box((dump.parameters(), dump.broken_driver(), dump.debugger_data(), dump.lab(), dump.boot_id()));
    black_box((dump.prcb(), dump.process(), dump.thread(), dump.memory_manager()));
    black_box((dump.smbios(), dump.processor(), dump.cpuid(), dump.hypervisor(), dump.acpi_tables()));
    black_box((dump.wdf_drivers(), dump.wdf_log(), dump.tdr(), dump.nvidia(), dump.storage_logs()));
    black_box((
        dump.pci_functions(),
        dump.boot_status(),
        dump.ntfs_notes(),
        dump.pnp_event(),
        dump.winlogon(),
    ));
    black_box((dump.bugcheck_driver(), dump.triage_components(), dump.recorder_logs()));
    dump.problems().len() + dump.blobs().len()
}

fn measure(criterion: &mut Criterion, name: &str, bytes: &[u8]) {
    let mut group = criterion.benchmark_group(name);
    let len = u64::try_from(bytes.len()).expect("a length");
    group.bench_function("identity", |bencher| bencher.iter(|| identify(black_box(bytes), &[0; 32], len)));
    group.bench_function("facts for blame", |bencher| bencher.iter(|| facts_for_blame(black_box(bytes))));
    group.bench_function("full view", |bencher| bencher.iter(|| full_view(black_box(bytes))));
    group.bench_function("slim", |bencher| bencher.iter(|| slim(black_box(bytes)).map(|slim| slim.len())));
    group.finish();
}

fn synthetic(criterion: &mut Criterion) {
    measure(criterion, "3 MB by the kernel", &SmallDump::example().with_size(3 << 20).to_bytes());
    measure(criterion, "30 MB by the kernel", &SmallDump::example().with_size(30 << 20).to_bytes());
    measure(criterion, "3 MB by the debugger engine", &of_debug_engine());
}

/// Real dumps, where they are at hand.
fn real(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    for name in ["r-techsupport__3b_0", "r-techsupport__7e_0", "r-techsupport__d1", "r-techsupport__9f"] {
        match std::fs::read(folder.join(name).with_extension("dmp")) {
            Ok(bytes) => measure(criterion, name, &bytes),
            Err(error) => eprintln!("{name} is not at hand: {error}"),
        }
    }
}

criterion_group!(benches, synthetic, real);
criterion_main!(benches);
