//! How long a verdict takes on facts that are already there. The goal is 20 microseconds.
#![expect(clippy::unwrap_used, reason = "a benchmark may")]

use std::fmt::Write as _;
use std::hint::black_box;

use bluescope_blame::{Facts, Owners, judge};
use criterion::{Criterion, criterion_group, criterion_main};

/// A stack of so many scanned words, the culprit the last of them: every rule has to look at all of it. Names are files, as
/// dumps have them, or as debuggers print them.
fn facts(frames: usize, modules: [&str; 5]) -> Facts<'static> {
    let mut stack = String::new();
    for index in 0..frames {
        let module = modules[index % 5];
        write!(stack, r#"{{"module":"{module}","offset":"{:#x}","trust":"scanned"}},"#, 0x1000 + index * 7)
            .unwrap();
    }
    let json = format!(
        r#"{{"bugcheck_code":"0x50","args":["0xffff840500000074","0x0","0xfffff806715114ed","0x2"],"arch":"x64",
            "os_build":19045,"process_name":"System","fault":{{"address":"0xfffff806715114ed","module":"ntoskrnl.exe",
            "offset":"0x3f8d1c","origin":"machine_frame","parameter":3}},"exception":{{"code":"0x0","access":"read",
            "accessed":"0xffff840500000074"}},"stack":[{stack}{{"module":"csagent.sys","offset":"0xe14ed","trust":"scanned"}}]}}"#
    );
    Facts::from_json(&json).unwrap()
}

const FILES: [&str; 5] = ["ntoskrnl.exe", "FLTMGR.SYS", "Ntfs.sys", "hal.dll", "volsnap.sys"];
const PRINTED: [&str; 5] = ["nt", "FLTMGR", "Ntfs", "hal", "volsnap"];

fn judging(criterion: &mut Criterion) {
    let cases =
        [("files", 10, FILES), ("files", 40, FILES), ("files", 127, FILES), ("printed names", 127, PRINTED)];
    for (kind, frames, modules) in cases {
        let facts = facts(frames, modules);
        let owners = Owners::default();
        assert_eq!(judge(&facts, &owners).image_name, "csagent.sys");
        criterion.bench_function(&format!("judge, {frames} words on the stack, {kind}"), |bencher| {
            bencher.iter(|| judge(black_box(&facts), &owners));
        });
    }
}

criterion_group!(benches, judging);
criterion_main!(benches);
