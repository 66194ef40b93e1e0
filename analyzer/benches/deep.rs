//! What a deep analysis costs with warm caches: the stack of thirty frames and more, walked and named, over a library
//! whose files are on disk and loaded. Needs what `scripts/drivers` makes. Prints medians; asserts nothing, because
//! machines differ.
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::panic, reason = "a benchmark prints")]

#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/true_stacks/cases.rs"]
mod cases;
#[expect(dead_code, reason = "the tests use all of it")]
#[path = "../tests/true_stacks/dumps.rs"]
mod dumps;
#[path = "support/measure.rs"]
mod measure;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use bluescope_analyzer::deep::with_symbols;
use bluescope_analyzer::{Limits, Owners, analyze};
use measure::measure;
use prometheus_client::registry::Registry;
use symbols::fetch::{Library, LibraryConfig, SourceConfig};

const ROUNDS: usize = 300;

fn main() {
    let Some(cases) = cases::Cases::read("cases.json") else { return };
    rustls::crypto::ring::default_provider().install_default().ok();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let source = SourceConfig::parse(&cases::folder().join("symbols").display().to_string()).unwrap();
    let config = LibraryConfig { sources: vec![source], ..LibraryConfig::new(cache.path()) };
    let library = runtime.block_on(async { Library::open(config, None, &mut Registry::default()) }).unwrap();
    for machine in ["x64", "arm64"] {
        let deepest =
            cases.cases.iter().filter(|case| case.machine == machine).max_by_key(|case| case.frames.len());
        let case = deepest.unwrap();
        let bytes =
            Arc::new(dumps::as_it_was(case, &cases.modules[&case.set()]).with_size(2 << 20).to_bytes());
        let limits = Limits::default();
        let deep = || {
            runtime.block_on(with_symbols(&library, "", None, |set| {
                let bytes = Arc::clone(&bytes);
                async move { analyze(&bytes, Some(&set), &Owners::default(), &limits) }
            }))
        };
        let begun = Instant::now();
        let first = deep().unwrap();
        let cold = begun.elapsed();
        let named = first.stack.iter().filter(|frame| frame.function.is_some()).count();
        println!("{}: {} frames, {named} named, dump of {} bytes", case.name, first.stack.len(), bytes.len());
        println!("  first, files from a folder into the cache   {cold:>10.1?}");
        measure("  deep, warm, all rounds", ROUNDS, deep);
        measure("  fast path, for comparison", ROUNDS, || {
            analyze(black_box(&bytes), None, &Owners::default(), &limits)
        });
    }
}
