//! Real dumps, where they are: what each must say. Nothing of them is kept here.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test may")]

use std::path::PathBuf;

use bluescope_analyzer::render::{Style, text};
use bluescope_analyzer::{Analysis, Limits, analyze};

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
    Some(analyze(&bytes, &Limits::default()).unwrap())
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
            let first = analyze(&bytes, &limits).unwrap();
            assert_eq!(first, analyze(&bytes, &limits).unwrap());
            let json = serde_json::to_string(&first).unwrap();
            assert!(json.len() < 256 << 10, "{}: {} bytes", path.display(), json.len());
            assert_eq!(serde_json::from_str::<Analysis>(&json).unwrap(), first);
            let printed = text(&first, Style { colour: false });
            assert!(printed.contains(&first.verdict.bucket));
            assert!(printed.chars().all(|c| c == '\n' || !c.is_control()), "{}", path.display());
        }
    }
}

#[test]
fn a_cut_dump_is_still_read() {
    let Some(folder) = samples("kernel") else { return };
    let bytes = std::fs::read(folder.join("rizinorg__triage_x64.dmp")).unwrap();
    let analysis = analyze(&bytes[..bytes.len() / 2], &Limits::default()).unwrap();
    assert!(!analysis.problems.is_empty());
    assert_eq!(analysis.bugcheck.unwrap().name, "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED");
}
