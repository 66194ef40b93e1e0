//! Crashes of processes.

use bluescope_blame::{Owners, OwnersConfig, judge};

use super::crash::{check, check_words, facts};

#[test]
fn processes() {
    check(&[
        (
            "user; process app.exe; exception c0000005 read 8; at app.exe+20",
            "app.exe faulting-module high NULL_POINTER_READ_c0000005_app.exe!Unknown",
        ),
        (
            "user; process app.exe; exception c0000005 write ffff1234; at codec.dll!Fill+20",
            "codec.dll faulting-module high INVALID_POINTER_WRITE_c0000005_codec.dll!Fill",
        ),
        // It ran off into data: whoever called is named.
        (
            "user; process app.exe; exception c0000005 execute 7ff012340000; at -; stack plugin.dll!Call+20 app.exe+3",
            "plugin.dll module-on-stack medium SOFTWARE_NX_FAULT_c0000005_plugin.dll!Call",
        ),
        // A runtime reports what somebody else did.
        (
            "user; process app.exe; exception c0000005 read 7ff012340000; at ntdll.dll+20; stack ~ucrtbase.dll+3 ~plugin.dll+4",
            "plugin.dll module-on-stack low INVALID_POINTER_READ_c0000005_plugin.dll!Unknown",
        ),
        (
            "user; process app.exe; exception c00000fd; at app.exe!Recurse+3",
            "app.exe faulting-module high STACK_OVERFLOW_c00000fd_app.exe!Recurse",
        ),
        (
            "user; process app.exe; exception c0000409 7; at ucrtbase.dll!abort+3; stack ucrtbase.dll!terminate app.exe!main+3",
            "app.exe module-on-stack medium FAIL_FAST_FATAL_APP_EXIT_c0000409_app.exe!main",
        ),
        (
            "user; process app.exe; exception c0000409 a; at app.exe!Call+3",
            "app.exe faulting-module high FAIL_FAST_GUARD_ICALL_CHECK_FAILURE_c0000409_app.exe!Call",
        ),
        (
            "user; process app.exe; exception c0000409 2; at app.exe!Parse+3",
            "app.exe faulting-module high FAIL_FAST_STACK_BUFFER_OVERRUN_STACK_COOKIE_CHECK_FAILURE_MISSING_GSFRAME_c0000409_app.exe!Parse",
        ),
        (
            "user; process app.exe; exception e06d7363; at KERNELBASE.dll!RaiseException+3; stack vcruntime140.dll!_CxxThrowException app.exe!main+3",
            "app.exe module-on-stack medium CPP_EXCEPTION_e06d7363_app.exe!main",
        ),
        // The heap noticed; whoever frees now is on the stack, whoever wrote is not.
        (
            "user; process app.exe; exception c0000374; at ntdll.dll!RtlReportFatalFailure+3; stack app.exe!main+3",
            "app.exe module-on-stack low HEAP_CORRUPTION_c0000374_heap_corruption!app.exe",
        ),
        (
            "user; process app.exe; exception e0434352; at KERNELBASE.dll!RaiseException+3; stack clr.dll!Throw app.dll!Run+3",
            "app.dll module-on-stack medium CLR_EXCEPTION_e0434352_app.dll!Run",
        ),
        (
            "user; process app.exe; exception cfffffff; at win32u.dll!NtUserGetMessage+3; stack user32.dll!GetMessageW app.exe!Loop+3",
            "app.exe module-on-stack medium APPLICATION_HANG_cfffffff_app.exe!Loop",
        ),
        ("user; process app.exe; stack app.exe!main+3", "unknown nobody none NO_EXCEPTION_app.exe!Unknown"),
        (
            "user; process app.exe; exception c0000005 read 7ff012340000; at ntdll.dll+20; stack kernel32.dll!BaseThreadInitThunk",
            "unknown nobody none INVALID_POINTER_READ_c0000005_app.exe!unknown_error_in_process",
        ),
    ]);
}

/// Codes that were extended by their sign, modules that are gone, pages that could not be read.
#[test]
fn what_is_written_in_other_ways() {
    check(&[
        (
            "user; process app.exe; exception ffffffffc0000005 read 10; at app.exe!Go+20",
            "app.exe faulting-module high NULL_POINTER_READ_c0000005_app.exe!Go",
        ),
        (
            "user; process app.exe; exception ffffffffc0000374; at ntdll.dll!RtlReportFatalFailure+3; stack app.exe!main+3",
            "app.exe module-on-stack low HEAP_CORRUPTION_c0000374_heap_corruption!app.exe",
        ),
        // Who let it go too early is not in the dump.
        (
            "user; process app.exe; exception c0000005 execute 7ff12345; at gone:plug.dll+10; stack app.exe!Call+1",
            "plug.dll faulting-module medium SOFTWARE_NX_FAULT_c0000005_plug.dll!Unloaded",
        ),
        (
            "user; process app.exe; exception c0000006 read 7ff123450000; at app.exe!Load+20",
            "app.exe faulting-module low IN_PAGE_ERROR_c0000006_app.exe!Load",
        ),
        // A program ends itself by an instruction that is none.
        (
            "user; process app.exe; exception c000001d; at app.exe!Abort+20",
            "app.exe faulting-module high ILLEGAL_INSTRUCTION_c000001d_app.exe!Abort",
        ),
    ]);
    check_words(&[
        ("user; exception c0000006 read 10; at app.exe+20", None, &["could not be read. Look at disk"]),
        (
            "user; exception c0000005 execute 10; at gone:plug.dll+10",
            None,
            &["plug.dll had been loaded until"],
        ),
        (
            "user; exception cfffffff; at win32u.dll+3; stack app.exe+3",
            None,
            &["The process did not answer and was ended (exception 0xcfffffff)."],
        ),
        (
            "user; exception e06d7363; at app.exe+3",
            None,
            &["Exception 0xe06d7363 is a C++ exception that nobody caught."],
        ),
    ]);
}

/// What raises, and what calls into the display driver, is not what is wrong.
#[test]
fn libraries_between() {
    check(&[
        (
            "user; process app.exe; exception e0434352; at KERNELBASE.dll!RaiseException+69; stack coreclr.dll!Throw System.Private.CoreLib.dll!Parse App.dll!Main+1",
            "App.dll module-on-stack medium CLR_EXCEPTION_e0434352_App.dll!Main",
        ),
        (
            "user; process app.exe; exception e0434352; at KERNELBASE.dll!RaiseException+69; stack clr.dll!Throw mscorlib.ni.dll+20 System.Windows.Forms.dll!Run Tool.exe!Main+1",
            "Tool.exe module-on-stack medium CLR_EXCEPTION_e0434352_Tool.exe!Main",
        ),
        (
            "user; process app.exe; exception c0000005 read 10; at d3d11.dll!Draw+10; stack nvwgf2umx.dll+20 app.exe!Frame+1",
            "nvwgf2umx.dll module-on-stack medium NULL_POINTER_READ_c0000005_nvwgf2umx.dll!Unknown",
        ),
        (
            "user; process app.exe; exception c0000005 read 10; at dxgi.dll!Present+10; stack d3d11.dll!Draw+3 app.exe!Frame+1",
            "app.exe module-on-stack medium NULL_POINTER_READ_c0000005_app.exe!Frame",
        ),
    ]);
}

#[test]
fn the_operator_has_a_say() {
    let list = |name: &str| vec![name.to_owned()];
    let hook = "user; process app.exe; exception c0000005 read 10; at ourhook.dll+10; stack app.exe!Call+1";
    let alone = "user; process app.exe; exception c0000005 read 10; at ourhook.dll+10";
    let runtime = "user; process app.exe; exception c0000005 read 10; at ntdll.dll+10; stack app.exe!Call+1";
    let ignored = OwnersConfig { ignore: list("ourhook.dll"), ..OwnersConfig::default() };
    let maybe = OwnersConfig { maybe: list("ourhook*"), ..OwnersConfig::default() };
    let definite = OwnersConfig { definite: list("ntdll.dll"), ..OwnersConfig::default() };
    for (config, crash, expected) in [
        (&OwnersConfig::default(), hook, "ourhook.dll faulting-module high"),
        (&ignored, hook, "app.exe module-on-stack medium"),
        (&ignored, alone, " nobody none"),
        (&maybe, hook, "app.exe module-on-stack medium"),
        (&maybe, alone, "ourhook.dll faulting-module low"),
        (&OwnersConfig::default(), runtime, "app.exe module-on-stack medium"),
        (&definite, runtime, "ntdll.dll faulting-module high"),
    ] {
        let verdict = judge(&facts(crash), &Owners::new(config).unwrap());
        let said =
            format!("{} {} {}", verdict.image_name, verdict.rule.as_str(), verdict.confidence.as_str());
        assert_eq!(said, expected, "{config:?}: {crash}");
        assert!(!verdict.runners_up.iter().any(|other| config.ignore.contains(&other.image_name)), "{crash}");
    }
}
