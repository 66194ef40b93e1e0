//! What the fast path costs: parse and blame of a 180 KB and a 3 MB small dump, and the report's JSON apart from it.
//! Prints the median and the 95th percentile; asserts nothing, because machines differ.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

#[path = "support/measure.rs"]
mod measure;

use std::hint::black_box;

use bluescope_analyzer::render::{Style, text};
use bluescope_analyzer::{Limits, Owners, analyze};
use dump::synth::{SmallDump, UserDump, user_minidump};
use measure::measure;

/// As in the executable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 500;

fn bench(name: &str, bytes: &[u8]) {
    let (owners, limits) = (Owners::default(), Limits::default());
    measure(&format!("{name}: analyze ({} bytes)", bytes.len()), ROUNDS, || {
        analyze(black_box(bytes), None, &owners, &limits)
    });
    let details = Limits::with_details();
    measure(&format!("{name}: with details"), ROUNDS, || analyze(black_box(bytes), None, &owners, &details));
    // What the worker does of a dump before it writes: the goal is 150 us for a small dump of 3 MB.
    measure(&format!("{name}: to verdict and report"), ROUNDS, || {
        analyze(black_box(bytes), None, &owners, &details).map(|analysis| serde_json::to_string(&analysis))
    });
    if bytes.starts_with(b"PAGE") {
        measure(&format!("{name}: of that, parse"), ROUNDS, || {
            dump::KernelDump::parse(black_box(bytes)).is_ok()
        });
    }
    let Ok(analysis) = analyze(bytes, None, &owners, &details) else { return };
    let json = serde_json::to_string(&analysis).unwrap_or_default();
    measure(&format!("{name}: report JSON ({} bytes)", json.len()), ROUNDS, || {
        serde_json::to_string(&analysis)
    });
    measure(&format!("{name}: text"), ROUNDS, || text(&analysis, Style::default()));
}

fn main() {
    bench("small", &SmallDump::example().to_bytes());
    bench("large", &SmallDump::example().with_size(3 << 20).to_bytes());
    bench("user", &user_minidump(&UserDump::example()));
    // Real ones, where they are: memory blocks by the thousand cost more than bytes.
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/samples/kernel");
    for name in ["r-techsupport__13a.dmp", "r-techsupport__7e_0.dmp", "r-techsupport__9f.dmp"] {
        if let Ok(bytes) = std::fs::read(format!("{folder}/{name}")) {
            bench(name.trim_end_matches(".dmp").trim_start_matches("r-techsupport__"), &bytes);
        }
    }
}
