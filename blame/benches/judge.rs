//! How long a verdict takes on facts that are already there. The goal is 20 microseconds.
#![expect(clippy::unwrap_used, reason = "a benchmark may")]

use std::hint::black_box;

use bluescope_blame::{Facts, Owners, judge};
use criterion::{Criterion, criterion_group, criterion_main};

/// A page fault in the kernel, over a stack of such frames.
fn facts(frames: impl Iterator<Item = String>) -> Facts<'static> {
    let stack: Vec<String> = frames.collect();
    let json = format!(
        r#"{{"facts_version":1,"bugcheck_code":"0x50","args":["0xffff840500000074","0x0","0xfffff806715114ed","0x2"],
            "arch":"x64","os_build":19045,"process_name":"System","fault":{{"address":"0xfffff806715114ed",
            "module":"ntoskrnl.exe","offset":"0x3f8d1c","origin":"machine_frame","parameter":3}},"exception":{{"code":"0x0",
            "access":"read","accessed":"0xffff840500000074"}},"stack":[{}]}}"#,
        stack.join(",")
    );
    Facts::from_json(&json).unwrap()
}

fn word(module: &str, offset: usize) -> String {
    format!(r#"{{"module":"{module}","offset":"{offset:#x}","trust":"scanned"}}"#)
}

fn named(module: &str, function: &str) -> String {
    format!(
        r#"{{"module":"{module}","offset":"0x1c305","function":"{function}","function_offset":"0x5","trust":"unwound"}}"#
    )
}

/// So many words, the culprit the last of them: every rule has to look at all of it. Names are files, as dumps have them,
/// or as debuggers print them.
fn culprit_last(words: usize, modules: [&'static str; 5]) -> Facts<'static> {
    let others = (0..words).map(move |index| word(modules[index % 5], 0x1000 + index * 7));
    facts(others.chain([word("csagent.sys", 0xE14ED)]))
}

const FILES: [&str; 5] = ["ntoskrnl.exe", "FLTMGR.SYS", "Ntfs.sys", "hal.dll", "volsnap.sys"];
const PRINTED: [&str; 5] = ["nt", "FLTMGR", "Ntfs", "hal", "volsnap"];
/// Drivers of Windows that no single word makes a culprit.
const ONCE: [&str; 8] = [
    "storahci.sys",
    "stornvme.sys",
    "fileinfo.sys",
    "wdfilter.sys",
    "ndu.sys",
    "tunnel.sys",
    "serial.sys",
    "usbvideo.sys",
];

fn judging(criterion: &mut Criterion) {
    let mixed = ["ntoskrnl.exe", "Ntfs.sys", "fltmgr.sys", "storport.sys"];
    let cases = [
        ("10 words, files", "csagent.sys", culprit_last(10, FILES)),
        ("40 words, files", "csagent.sys", culprit_last(40, FILES)),
        ("127 words, files", "csagent.sys", culprit_last(127, FILES)),
        ("127 words, printed names", "csagent.sys", culprit_last(127, PRINTED)),
        ("128 equal words", "ntoskrnl.exe", facts((0..128).map(|_| word("ntfs.sys", 5)))),
        (
            "128 equal frames with names",
            "ntfs.sys",
            facts((0..128).map(|_| named("ntfs.sys", "NtfsCommonRead"))),
        ),
        (
            "128 frames of a driver with names",
            "acme.sys",
            facts((0..128).map(|index| named("acme.sys", if index % 2 == 0 { "Descend" } else { "Visit" }))),
        ),
        (
            "128 words, mixed frameworks",
            "Ntfs.sys",
            facts((0..128).map(|index| word(mixed[index % 4], 0x1000 + index * 7))),
        ),
        (
            "128 words, drivers of Windows",
            "ntoskrnl.exe",
            facts((0..128).map(|index| word(ONCE[index % 8], 0x1000 + index % 8))),
        ),
    ];
    let owners = Owners::default();
    for (name, culprit, facts) in cases {
        assert_eq!(judge(&facts, &owners).image_name, culprit, "{name}");
        criterion.bench_function(&format!("judge, {name}"), |bencher| {
            bencher.iter(|| judge(black_box(&facts), &owners));
        });
    }
}

criterion_group!(benches, judging);
criterion_main!(benches);
