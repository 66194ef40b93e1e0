//! Real dumps, where they are: what each must say. Nothing of them is kept here.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::path::PathBuf;

use bluescope_analyzer::analysis::Verdict;
use bluescope_analyzer::render::{Style, text};
use bluescope_analyzer::{Analysis, Limits, Owners, analyze};
use symbols::{Answer, Missing, SymbolSet};

fn samples(kind: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples").join(kind);
    if !path.is_dir() {
        println!("skipped: ../shared is not there");
        return None;
    }
    Some(path)
}

fn read(kind: &str, name: &str) -> Option<Analysis> {
    let bytes = std::fs::read(samples(kind)?.join(name)).unwrap();
    Some(analyze(&bytes, None, &Owners::default(), &Limits::default()).unwrap())
}

fn check(kind: &str, name: &str, culprit: &str, blamed: &str, confidence: &str, rule: &str) {
    let Some(analysis) = read(kind, name) else { return };
    let verdict = &analysis.verdict;
    let got =
        (verdict.culprit.as_str(), verdict.name.as_str(), verdict.confidence.as_str(), verdict.rule.as_str());
    assert_eq!(got, (culprit, blamed, confidence, rule), "{name}: {:?}", verdict.evidence);
    assert!(!verdict.evidence.is_empty() && !verdict.bucket.is_empty());
}

#[test]
fn kernel_dumps_whose_driver_is_known() {
    check("kernel", "rizinorg__triage_x64.dmp", "driver", "amdppm.sys", "high", "faulting-instruction");
    check("kernel", "r-techsupport__116_0.dmp", "driver", "nvlddmkm.sys", "high", "parameter-pointer");
    check("kernel", "r-techsupport__7e_0.dmp", "driver", "nvlddmkm.sys", "high", "faulting-instruction");
    check("kernel", "r-techsupport__9f.dmp", "driver", "disk.sys", "medium", "irp-holder");
    check("kernel", "proxyrule__011620-8250-01.dmp", "driver", "winhvr.sys", "low", "stack-scan");
    check("kernel", "r-techsupport__1e.dmp", "driver", "nvlddmkm.sys", "low", "stack-scan");
}

#[test]
fn kernel_dumps_that_do_not_tell() {
    // NotMyFault is not on the saved stack: WinDbg blames nt as well.
    check("kernel", "eolaruhagen__083125-14875-01.dmp", "driver", "ntoskrnl.exe", "low", "kernel");
    check("kernel", "r-techsupport__d1.dmp", "driver", "ks.sys", "low", "framework-at-fault");
    check("kernel", "r-techsupport__ef.dmp", "process", "svchost.exe", "medium", "process");
}

#[test]
fn one_machine_with_bad_memory_blames_no_driver_with_confidence() {
    for name in ["13a", "3b_0", "50_0", "be_0"] {
        let Some(analysis) = read("kernel", &format!("r-techsupport__{name}.dmp")) else { return };
        let verdict = analysis.verdict;
        assert!(["low", "none"].contains(&verdict.confidence.as_str()), "{name}: {verdict:?}");
    }
}

#[test]
fn the_bucket_of_notmyfault_differs_from_windbgs_only_in_the_function() {
    let Some(analysis) = read("kernel", "eolaruhagen__083125-14875-01.dmp") else { return };
    assert_eq!(analysis.verdict.bucket, "RAISED_IRQL_FAULT_notmyfault64.e_nt!unknown_function");
}

#[test]
fn a_power_failure_names_the_holder_and_the_bus() {
    let Some(analysis) = read("kernel", "r-techsupport__9f.dmp") else { return };
    assert_eq!(analysis.verdict.bucket, "0x9F_3_disk_IMAGE_iaStorAC.sys");
}

#[test]
fn user_dumps() {
    let high = |file, blamed| check("user", file, "module", blamed, "high", "faulting-module");
    high("electron__windows.dmp", "electron.exe");
    high("getsentry__windows.dmp", "crash.exe");
    high("google__minidump2.dmp", "test_app.exe");
    high("google__thread_name_list.dmp", "allocer32.exe");
    high("google__tiny-exe-fastfail.dmp", "tiny.exe");
    high("google__write_av_non_canonical.dmp", "crash.exe");
    high("kindtis__examples_cpp-crash-sample-3_CppConsoleApplication.dmp", "CppConsoleApplication.exe");
    check(
        "user",
        "rust-minidump__invalid-parameter.dmp",
        "module",
        "CrashTest.exe",
        "medium",
        "module-on-stack",
    );
    check("user", "google__exec_av_on_stack.dmp", "unknown", "", "none", "nobody");
}

#[test]
fn every_report_is_deterministic_small_and_survives_json_and_print() {
    for kind in ["kernel", "user"] {
        let Some(folder) = samples(kind) else { return };
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "dmp") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let limits = Limits::default();
            let first = analyze(&bytes, None, &Owners::default(), &limits).unwrap();
            assert_eq!(first, analyze(&bytes, None, &Owners::default(), &limits).unwrap());
            let json = serde_json::to_string(&first).unwrap();
            assert!(json.len() < 256 << 10, "{}: {} bytes", path.display(), json.len());
            let read = serde_json::from_str::<Analysis>(&json).unwrap();
            assert_eq!(Analysis { facts: first.facts.clone(), ..read }, first);
            let again = blame::judge(&blame::Facts::from_json(&first.facts).unwrap(), &Owners::default());
            assert_eq!(Verdict::from(again), first.verdict, "the stored facts give the same verdict");
            let printed = text(&first, Style { colour: false });
            assert!(printed.contains(&first.verdict.bucket));
            assert!(printed.chars().all(|c| c == '\n' || !c.is_control()), "{}", path.display());
        }
    }
}

#[test]
fn real_dumps_hold_code_where_they_are_large_and_small_ones_of_programs_do() {
    let mut held = [0, 0];
    for (count, kind) in held.iter_mut().zip(["kernel", "user"]) {
        let Some(folder) = samples(kind) else { return };
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "dmp") {
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let analysis = analyze(&bytes, None, &Owners::default(), &Limits::default()).unwrap();
            let Some(code) = analysis.code else { continue };
            assert!((2..=128).contains(&code.bytes.len()) && code.bytes.len() % 2 == 0, "{}", path.display());
            println!("{}: {} {} {}", path.display(), code.address, code.fault, code.bytes);
            *count += 1;
        }
    }
    assert!(held[1] > 0, "{held:?}");
}

#[test]
fn a_cut_dump_is_still_read() {
    let Some(folder) = samples("kernel") else { return };
    let bytes = std::fs::read(folder.join("rizinorg__triage_x64.dmp")).unwrap();
    let analysis = analyze(&bytes[..bytes.len() / 2], None, &Owners::default(), &Limits::default()).unwrap();
    assert!(!analysis.problems.is_empty());
    assert_eq!(analysis.bugcheck.unwrap().name, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED");
}

/// What the manifest does not say: the name of the bug check, and the process as a debugger shows it.
const PRINTED: [(&str, &str, &str); 14] = [
    ("eolaruhagen__083125-14875-01.dmp", "IRQL_GT_ZERO_AT_SYSTEM_SERVICE (4a)", "notmyfault64.e"),
    ("nforest__pagedump.dmp", "KERNEL_MODE_EXCEPTION_NOT_HANDLED (8e)", "conhost.exe"),
    ("proxyrule__011620-8250-01.dmp", "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED (7e)", "System"),
    ("r-techsupport__116_0.dmp", "VIDEO_TDR_FAILURE (116)", "System"),
    ("r-techsupport__13a.dmp", "KERNEL_MODE_HEAP_CORRUPTION (13a)", "svchost.exe"),
    ("r-techsupport__1e.dmp", "KMODE_EXCEPTION_NOT_HANDLED (1e)", "obs64.exe"),
    ("r-techsupport__3b_0.dmp", "SYSTEM_SERVICE_EXCEPTION (3b)", "explorer.exe"),
    ("r-techsupport__50_0.dmp", "PAGE_FAULT_IN_NONPAGED_AREA (50)", "System"),
    ("r-techsupport__7e_0.dmp", "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED (7e)", "System"),
    ("r-techsupport__9f.dmp", "DRIVER_POWER_STATE_FAILURE (9f)", "EpicGamesLaunc"),
    ("r-techsupport__be_0.dmp", "ATTEMPTED_WRITE_TO_READONLY_MEMORY (be)", "Discord.exe"),
    ("r-techsupport__d1.dmp", "DRIVER_IRQL_NOT_LESS_OR_EQUAL (d1)", "audiodg.exe"),
    ("r-techsupport__ef.dmp", "CRITICAL_PROCESS_DIED (ef)", "svchost.exe"),
    ("rizinorg__triage_x64.dmp", "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED (7e)", "System"),
];

/// What `explain` prints of a sample.
fn explained(name: &str) -> Option<(Analysis, String)> {
    let bytes = std::fs::read(samples("kernel")?.join(name)).unwrap();
    let analysis = analyze(&bytes, None, &Owners::default(), &Limits::with_details()).unwrap();
    let printed = text(&analysis, Style { colour: false });
    Some((analysis, printed))
}

/// The value printed under a name.
fn field<'t>(printed: &'t str, name: &str) -> Option<&'t str> {
    let lines = printed.lines().filter(|line| !line.starts_with(' '));
    lines.filter_map(|line| line.split_once(':')).find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

/// The number behind a heading: `UNLOADED: 9  (newest first)`.
fn count(printed: &str, heading: &str) -> usize {
    field(printed, heading).map_or(0, |value| value.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn explain_prints_what_the_manifest_says() {
    let Some(folder) = samples("kernel") else { return };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).unwrap();
    let mut lines = manifest.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    for line in lines {
        let row: Vec<&str> = line.split('\t').collect();
        let of = |column: &str| row[columns.iter().position(|it| *it == column).unwrap()];
        let (_, bugcheck, process) = PRINTED.into_iter().find(|(file, ..)| *file == of("file")).unwrap();
        let (analysis, printed) = explained(of("file")).unwrap();
        let file = of("file");
        let drivers = count(&printed, "THIRD-PARTY OR UNKNOWN") + count(&printed, "PART OF WINDOWS");
        assert_eq!(drivers.to_string(), of("drivers"), "{file}");
        assert_eq!(count(&printed, "UNLOADED").to_string(), of("unloaded"), "{file}");
        assert_eq!(count(&printed, "SECONDARY DATA").to_string(), of("secondary_blobs"), "{file}");
        assert!(printed.lines().any(|line| line == bugcheck), "{file}");
        assert_eq!(field(&printed, "PROCESS_NAME"), Some(process), "{file}");
        let parameters = [1, 2, 3, 4].map(|number| {
            let value = field(&printed, &format!("BUGCHECK_P{number}")).unwrap();
            value.split(' ').next().unwrap()
        });
        assert_eq!(parameters.join(" "), of("params"), "{file}");
        let time = field(&printed, "CRASH_TIME").unwrap();
        assert!(time.starts_with(of("time_utc").trim_end_matches('Z')), "{file}: {time}");
        assert!(field(&printed, "KERNEL_BASE").is_some() && field(&printed, "PROCESSOR").is_some(), "{file}");

        let details = serde_json::to_string(&analysis.kernel).unwrap();
        assert!(details.len() < 25_000, "{file}: {} bytes", details.len());
    }
}

/// Where we differ from the debugger, and why: it has symbols and the image.
const DIFFERENT: [(&str, &str); 4] = [
    // without symbols: the offset in the image
    ("SYMBOL_NAME", "nt+411aa9"),
    ("IMAGE_NAME", "ntoskrnl.exe"),
    ("FAILURE_BUCKET_ID", "RAISED_IRQL_FAULT_notmyfault64.e_nt!unknown_function"),
    ("FAILURE_ID_HASH", "{1c691557-9f80-f79f-7ba1-9efd727e568c}"),
];

#[test]
fn fields_under_the_debuggers_names_have_its_values() {
    const FILE: &str = "eolaruhagen__083125-14875-01";
    let Some((_, printed)) = explained(&format!("{FILE}.dmp")) else { return };
    let answers = samples("answers").unwrap();
    let theirs = std::fs::read_to_string(answers.join(format!("{FILE}.analyze_v.txt"))).unwrap();
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let mut same = Vec::new();
    for line in theirs.lines() {
        let Some((name, value)) = line.split_once(':').filter(|(name, _)| is_name(name)) else { continue };
        let (Some(ours), value) = (field(&printed, name), value.trim()) else { continue };
        if let Some((_, expected)) = DIFFERENT.iter().find(|(it, _)| *it == name) {
            assert_eq!(ours, *expected);
            assert_ne!(ours, value, "{name} is no different any more");
            continue;
        }
        // what follows the value is ours: the meaning of a parameter, the names of bits, what a black box tells
        let first = |text: &str| text.split(" (").next().unwrap_or_default().to_owned();
        let ours = if name.starts_with("BUGCHECK_P") || name == "DUMP_FILE_ATTRIBUTES" {
            ours.split(' ').next().unwrap_or_default().to_owned()
        } else {
            first(ours)
        };
        if name != "STACK_TEXT" {
            assert_eq!(ours, first(value), "{name}");
            same.push(name);
        }
    }
    let expected = [
        "BUGCHECK_CODE",
        "BUGCHECK_P1",
        "BUGCHECK_P2",
        "BUGCHECK_P3",
        "BUGCHECK_P4",
        "VIRTUAL_MACHINE",
        "DUMP_FILE_ATTRIBUTES",
        "PROCESS_NAME",
        "BLACKBOXBSD",
        "BLACKBOXNTFS",
        "BLACKBOXWINLOGON",
        "MODULE_NAME",
        "OSPLATFORM_TYPE",
        "OSNAME",
    ];
    assert_eq!(same, expected);
    assert!(field(&printed, "DUMP_FILE_ATTRIBUTES").unwrap().ends_with("Kernel Generated Triage Dump"));
    assert!(theirs.lines().any(|line| line == "Kernel Generated Triage Dump"));
}

/// The debugger's key-value pairs, as far as we print what they say.
#[test]
fn keys_of_the_debugger_agree() {
    const FILE: &str = "eolaruhagen__083125-14875-01";
    let Some((analysis, printed)) = explained(&format!("{FILE}.dmp")) else { return };
    let answers = samples("answers").unwrap();
    let theirs = std::fs::read_to_string(answers.join(format!("{FILE}.analyze_v.txt"))).unwrap();
    let key = |wanted: &str| {
        let mut lines = theirs.lines();
        lines.find(|line| line.strip_prefix("Key  : ") == Some(wanted)).unwrap();
        lines.next().unwrap().strip_prefix("Value: ").unwrap()
    };
    let details = analysis.kernel.unwrap();
    assert_eq!(details.header.attributes.unwrap().to_string(), key("Dump.Attributes.AsUlong"));
    assert_eq!(format!("0x{}", field(&printed, "BUGCHECK_CODE").unwrap()), key("Bugcheck.Code.LegacyAPI"));
    assert_eq!(key("Hypervisor.Flags.AnyHypervisorPresent"), "1");
    assert!(field(&printed, "HYPERVISOR").is_some());
    let (before_function, _) = key("Failure.Bucket").split_once('!').unwrap();
    assert_eq!(analysis.verdict.bucket.split_once('!').unwrap().0, before_function);
}

/// The debugger's stack: frame, stack pointer, return address.
#[test]
fn the_debuggers_stack_begins_where_ours_does() {
    const FILE: &str = "eolaruhagen__083125-14875-01";
    let Some((analysis, _)) = explained(&format!("{FILE}.dmp")) else { return };
    let answers = samples("answers").unwrap();
    let theirs = std::fs::read_to_string(answers.join(format!("{FILE}.kv.txt"))).unwrap();
    let address = |word: &str| format!("0x{}", word.replace('`', "").trim_start_matches('0'));
    let frames: Vec<(String, String)> = theirs
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().skip(1).take(2).map(address).collect::<Vec<_>>())
        .map(|words| (words[0].clone(), words[1].clone()))
        .collect();
    let (_, rsp) = analysis.registers.iter().find(|(name, _)| name == "rsp").unwrap();
    assert_eq!(*rsp, frames[0].0);
    // the first two return into the kernel, the third into the process
    let ours: Vec<&str> = analysis.stack.iter().map(|frame| frame.address.as_str()).collect();
    assert_eq!(ours[1..3], [frames[0].1.as_str(), frames[1].1.as_str()]);
}

/// Where no symbol file is to be had, the deep path must say what the fast one says: it knows no more.
#[test]
fn without_any_symbol_file_the_verdict_stays() {
    for path in all_dumps() {
        let bytes = std::fs::read(&path).unwrap();
        let fast = analyze(&bytes, None, &Owners::default(), &Limits::default()).unwrap();
        let deep = nothing_found(&bytes);
        let name = path.display();
        assert_eq!(deep.verdict.bucket, fast.verdict.bucket, "{name}");
        assert_eq!(
            (&deep.verdict.name, deep.verdict.offset),
            (&fast.verdict.name, fast.verdict.offset),
            "{name}"
        );
        assert!(deep.stack.iter().all(|frame| frame.trust != "unwind-info"), "{name}");
    }
}

fn nothing_found(bytes: &[u8]) -> Analysis {
    let mut set = SymbolSet::default();
    loop {
        let analysis = analyze(bytes, Some(&set), &Owners::default(), &Limits::default()).unwrap();
        if analysis.wants.is_empty() {
            return analysis;
        }
        for want in &analysis.wants {
            set.insert(want.clone(), Answer::Missing(Missing::NotFound));
        }
    }
}

fn all_dumps() -> Vec<PathBuf> {
    let folders = ["kernel", "user"].into_iter().filter_map(samples);
    let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut dumps: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    dumps.retain(|path| path.extension().is_some_and(|ending| ending == "dmp"));
    dumps.sort();
    dumps
}
