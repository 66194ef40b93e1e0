//! Crashes of processes.

use super::crash::check;

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
