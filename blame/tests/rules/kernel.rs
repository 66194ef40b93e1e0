//! Bug checks, a few crashes each. What is expected is what somebody who reads dumps for a living would say; buckets are
//! WinDbg's, as far as its grammar is known.

use super::crash::check;

#[test]
fn an_instruction_failed() {
    check(&[
        // The driver's own instruction; the kernel's, called by a driver; nobody but the kernel.
        (
            "a 10 2 0 aa; at acme.sys+20; stack nt!KiDeferredReadyThread",
            "acme.sys faulting-instruction high AV_acme!unknown_function",
        ),
        (
            "a 10 2 0 aa; stack nt!KeBugCheckEx nt!KiBugCheckDispatch nt!KiPageFault+448 nt!KeSetEvent+e acme!Done+12",
            "acme.sys stack-walk medium AV_acme!Done",
        ),
        (
            "a 10 2 0 aa; stack nt!KeBugCheckEx nt!KiBugCheckDispatch nt!KiPageFault+448 nt!KeSetEvent+e nt!PspSystemThreadStartup",
            "ntkrnlmp.exe kernel low AV_nt!KeSetEvent",
        ),
        ("a 10 2 0 aa; stack ~nt+20 ~acme.sys+30", "acme.sys stack-scan low AV_acme!unknown_function"),
        // Windows 7: the number stays, and so do offsets.
        ("a 10 2 0 aa; at acme.sys+20; build 7601", "acme.sys faulting-instruction high X64_0xA_acme+20"),
        ("d1 10 2 0 aa; at acme.sys+20", "acme.sys faulting-instruction high AV_acme!unknown_function"),
        // A framework at the fault: a driver below it, or nobody.
        (
            "d1 10 2 0 aa; at ndis!ndisFree+3; stack tcpip!Send+5 acme!Filter+7",
            "acme.sys stack-walk medium AV_acme!Filter",
        ),
        (
            "d1 10 2 0 aa; at NDIS.SYS+99; stack ~nt+20 ~tcpip.sys+30",
            "NDIS.SYS framework-at-fault low AV_NDIS!unknown_function",
        ),
        // Its own code had been paged out; it had been unloaded; it jumped to where no code is.
        (
            "d1 fffff80001112222 2 8 fffff80001112222; at acme.sys+20",
            "acme.sys faulting-instruction high AV_CODE_AV_PAGED_IP_acme!unknown_function",
        ),
        (
            "d1 fffff80001112222 2 8 fffff80001112222; at gone:acme.sys+20",
            "acme.sys unloaded-driver high AV_CODE_AV_BAD_IP_acme.sys!Unloaded",
        ),
        (
            "d1 0 2 8 0; at -; caller acme.sys+30",
            "acme.sys bad-jump-caller medium AV_CODE_AV_NULL_IP_acme!unknown_function",
        ),
        (
            "50 ffff840500000074 0 aa 2; at csagent.sys+e14ed; stack ~csagent.sys+20",
            "csagent.sys faulting-instruction high AV_R_(null)_csagent!unknown_function",
        ),
        (
            "50 ffff840500000074 2 aa 2; at acme.sys+20; build 16299",
            "acme.sys faulting-instruction high AV_W_INVALID_acme!unknown_function",
        ),
        (
            "50 ffff840500000074 0 aa 2; at nt+20; stack ~nt+33 ~acme.sys+44",
            "acme.sys stack-scan low AV_R_(null)_acme!unknown_function",
        ),
    ]);
}

#[test]
fn an_exception_was_not_handled() {
    check(&[
        (
            "1e c0000005 aa 0 10; at acme.sys+20",
            "acme.sys faulting-instruction high 0x1E_c0000005_R_acme!unknown_function",
        ),
        (
            "1e c000001d aa 0 0; at acme!Start+20",
            "acme.sys faulting-instruction medium 0x1E_c000001d_acme!Start",
        ),
        (
            "3b c0000005 aa bb 0; at acme.sys+20",
            "acme.sys faulting-instruction high AV_acme!unknown_function",
        ),
        (
            "3b c0000006 aa bb 0; at nt!HvpGetCell+20; verifier",
            "ntkrnlmp.exe kernel low 0x3B_c0000006_VRF_nt!HvpGetCell",
        ),
        (
            "1000007e c0000005 aa bb cc; at acme.sys+20",
            "acme.sys faulting-instruction high AV_acme!unknown_function",
        ),
        (
            "7e c0000094 aa bb cc; at acme!Rate+20",
            "acme.sys faulting-instruction high 0x7E_c0000094_acme!Rate",
        ),
        (
            "8e c0000005 aa bb 0; at acme.sys+20; build 2600; arch x86",
            "acme.sys faulting-instruction high 0x8E_acme+20",
        ),
        // A double fault is most often a stack that ran over: whoever is on it, not whose turn it was.
        (
            "7f 8 aa bb cc; at acme.sys+20",
            "acme.sys faulting-instruction medium 0x7F_8_acme!unknown_function",
        ),
        ("7f 0 0 0 0; at acme!Rate+20", "acme.sys faulting-instruction high 0x7F_0_acme!Rate"),
        ("be aa bb cc 0; at acme.sys+20", "acme.sys faulting-instruction high AV_acme!unknown_function"),
        (
            "fc aa bb cc 0; at -; caller acme.sys+30",
            "acme.sys bad-jump-caller medium 0xFC_acme!unknown_function",
        ),
        (
            "4a aa 2 0 0; process notmyfault64.exe; stack nt!KeBugCheckEx nt!KiBugCheckDispatch nt!KiSystemServiceExitPico+99",
            "ntkrnlmp.exe kernel low RAISED_IRQL_FAULT_notmyfault64.e_nt!KiSystemServiceExitPico",
        ),
        // The store of compressed memory: a disk or memory, not code.
        (
            "154 aa bb 0 0; exception c0000006; stack nt!KeBugCheckEx nt!SmdDecompress+20",
            "hardware hardware low 0x154_c0000006_nt!SmdDecompress",
        ),
    ]);
}

#[test]
fn verifier_and_special_pool() {
    check(&[
        // Pool that was never freed: a parameter spells the name. A handle of another process: one is inside the driver.
        (
            "c4 62 aa 0 3; p2 name acme.sys; stack nt!KeBugCheckEx VerifierExt!Check+3",
            "acme.sys driver-name high 0xC4_62_LEAKED_POOL_IMAGE_acme.sys",
        ),
        (
            "c4 f6 aa bb cc; p4 address acme.sys+20; stack nt!KeBugCheckEx nt!VerifierBugCheckIfAppropriate+20",
            "acme.sys parameter-pointer medium 0xC4_f6_VRF_acme!unknown_function",
        ),
        (
            "c4 91 0 0 0; stack nt!KeBugCheckEx nt!VerifierBugCheckIfAppropriate+20 nt!KeExpandKernelStack+5 acme!Worker+3",
            "acme.sys stack-walk medium 0xC4_91_VRF_acme!Worker",
        ),
        (
            "c9 20e aa bb 0; p2 address acme.sys+20",
            "acme.sys parameter-pointer medium 0xC9_20e_VRF_acme!unknown_function",
        ),
        (
            "c1 aa bb cc 21; stack nt!KeBugCheckEx nt!MmFreeSpecialPool+20 nt!ExFreePool+3 acme!Free+3",
            "acme.sys stack-walk low 0xC1_21_VRF_acme!Free",
        ),
        ("cc aa 0 bb 0; at acme.sys+20", "acme.sys faulting-instruction high 0xCC_VRF_acme!unknown_function"),
        ("d6 aa 0 bb 0; at acme.sys+20", "acme.sys faulting-instruction high 0xD6_VRF_acme!unknown_function"),
        ("cd aa 0 bb 0; at acme.sys+20", "acme.sys faulting-instruction high 0xCD_VRF_acme!unknown_function"),
    ]);
}

#[test]
fn damaged_before() {
    check(&[
        // Whoever frees damaged pool is rarely who damaged it.
        (
            "19 20 aa bb cc; stack nt!KeBugCheckEx nt!ExFreePoolWithTag+20 acme!Free+3",
            "acme.sys stack-walk low 0x19_20_acme!Free",
        ),
        (
            "13a 11 aa bb 0; stack nt!KeBugCheckEx nt!RtlpHeapHandleError+20 nt!ExFreePoolWithTag+3 acme!Free+3",
            "acme.sys stack-walk low 0x13A_11_acme!Free",
        ),
        // Freed twice: whoever does it now is on the stack. At the wrong IRQL: it is the caller's own doing.
        (
            "c2 7 aa bb cc; stack nt!KeBugCheckEx nt!ExFreePoolWithTag+20 acme!Free+3",
            "acme.sys stack-walk medium 0xC2_7_acme!Free",
        ),
        (
            "c2 9 aa bb cc; stack nt!KeBugCheckEx nt!ExFreePoolWithTag+20 acme!Free+3",
            "acme.sys stack-walk medium 0xC2_9_acme!Free",
        ),
        (
            "c5 8 2 0 aa; at nt!ExAllocatePoolWithTag+20; stack nt!Io+4 acme!New+3",
            "acme.sys stack-walk low 0xC5_2_acme!New",
        ),
        (
            "c5 8 2 0 aa; stack nt!KeBugCheckEx nt!KiBugCheckDispatch",
            "ntkrnlmp.exe kernel low 0xC5_2_nt!unknown_function",
        ),
        // One bit of an entry that should be empty; more than one; the tables themselves; a driver's page list.
        (
            "1a 41792 ffffa500df0c8d60 200000000000 0; stack nt!KeBugCheckEx nt!MiDeleteVirtualAddresses+20",
            "memory memory low MEMORY_CORRUPTION_ONE_BIT",
        ),
        (
            "1a 41792 ffffa500df0c8d60 300000000000 0; stack nt!KeBugCheckEx nt!MiDeleteVirtualAddresses+20",
            "memory memory low 0x1A_41792_nt!MiDeleteVirtualAddresses",
        ),
        (
            "1a 41790 aa 0 1; stack nt!KeBugCheckEx nt!MiDeletePteRun+20 nt!MiUnmapView acme!Unmap+3",
            "memory memory low 0x1A_41790_nt!MiDeletePteRun",
        ),
        ("1a 61941 aa d bb", "memory memory low 0x1A_61941_ANALYSIS_INCONCLUSIVE!unknown_function"),
        (
            "1a 1236 aa bb cc; stack nt!KeBugCheckEx nt!MmUnlockPages+20 acme!Unlock+3",
            "acme.sys stack-walk medium 0x1A_1236_acme!Unlock",
        ),
        ("4e 99 aa 0 bb; stack nt!KeBugCheckEx nt!MiBadRef", "memory memory low 0x4E_99_nt!MiBadRef"),
        // The kernel's own check of a list; the frame that would tell is gone; a tree.
        (
            "139 3 aa bb 0; stack nt!KeBugCheckEx nt!KiBugCheckDispatch nt!KiFastFailDispatch nt!KiRaiseSecurityCheckFailure+3 acme!Unlink+3",
            "acme.sys faulting-instruction medium 0x139_3_CORRUPT_LIST_ENTRY_acme!Unlink",
        ),
        (
            "139 3 aa bb 0; stack nt!KeBugCheckEx nt!KiBugCheckDispatch+69 nt!KiFastFailDispatch+d0 nt!KiRaiseSecurityCheckFailure+3 nt!PspDelete+3",
            "ntkrnlmp.exe kernel low 0x139_3_CORRUPT_LIST_ENTRY_nt!KiFastFailDispatch",
        ),
        (
            "139 2 aa bb 0; at acme.sys+20",
            "acme.sys faulting-instruction high 0x139_MISSING_GSFRAME_acme!unknown_function",
        ),
        (
            "139 1d aa bb 0; at acme.sys+20",
            "acme.sys faulting-instruction medium 0x139_1d_INVALID_BALANCED_TREE_acme!unknown_function",
        ),
        (
            "f7 1 2 3 0; stack nt!KeBugCheckEx acme!_report_gsfailure+20 acme!Parse+4",
            "acme.sys bug-check-caller high 0xF7_MISSING_GSFRAME_acme!_report_gsfailure",
        ),
    ]);
}

#[test]
fn objects_and_locks() {
    check(&[
        (
            "18 0 aa 2 ffffffffffffffff; stack nt!KeBugCheckEx nt!ObfDereferenceObjectWithTag+20 nt!NtClose",
            "ntkrnlmp.exe kernel low 0x18_OVER_DEREFERENCE_nt!ObfDereferenceObjectWithTag",
        ),
        (
            "18 0 aa 2 ffffffffffffffff; stack nt!KeBugCheckEx nt!ObfDereferenceObject+20 acme!Close+3",
            "acme.sys stack-walk medium 0x18_OVER_DEREFERENCE_acme!Close",
        ),
        (
            "20 0 ffff 0 1; stack nt!KeBugCheckEx nt!PspExitThread+20",
            "ntkrnlmp.exe kernel low 0x20_NULLAPC_KAPC_NEGATIVE_nt!PspExitThread",
        ),
        // Completed twice: whoever does it the second time is on the stack, who has the request does not matter.
        (
            "44 aa 0 0 0; p1 irp disk.sys; stack nt!KeBugCheckEx nt!IopfCompleteRequest+20 acme!Complete+3",
            "acme.sys stack-walk medium 0x44_acme!Complete",
        ),
        ("44 aa 0 0 0; p1 irp acme.sys", "acme.sys parameter-object medium 0x44_acme!unknown_function"),
        (
            "e3 aa bb 0 0; stack nt!KeBugCheckEx nt!ExReleaseResourceLite+20 acme!Unlock+3",
            "acme.sys stack-walk medium 0xE3_acme!Unlock",
        ),
        (
            "153 aa bb 1 0; stack nt!KeBugCheckEx nt!KeCleanupThreadState+20",
            "ntkrnlmp.exe kernel low 0x153_KERNEL_LOCK_ENTRY_LEAKED_ON_THREAD_TERMINATION_LOCK_POINTER_NOT_NULL_nt!KeCleanupThreadState",
        ),
        (
            "162 aa bb ffffffff 0; stack nt!KeBugCheckEx nt!KeAbEntryFree+20 acme!Unlock+3",
            "acme.sys stack-walk medium 0x162_acme!Unlock",
        ),
    ]);
}

#[test]
fn power_devices_and_timeouts() {
    check(&[
        // A device, the driver object that is late, the IRP's holder (not the bus), the thread with the lock.
        ("9f 1 aa 0 0; p2 device acme.sys", "acme.sys parameter-object medium 0x9F_1_acme!unknown_function"),
        (
            "9f 2 aa bb cc; p2 device pci.sys; p4 driver acme.sys",
            "acme.sys parameter-object medium 0x9F_2_acme!unknown_function",
        ),
        (
            "9f 3 aa bb cc; p2 device pci.sys; p4 irp acme.sys; stack ~nt+20 ~other.sys+4",
            "acme.sys irp-holder high 0x9F_3_acme_IMAGE_pci.sys",
        ),
        ("9f 3 aa bb cc; stack ~nt+20 ~other.sys+4", "unknown nobody none 0x9F_3"),
        (
            "9f 3 aa bb cc; p2 device pci.sys; p4 irp usbhub3.sys",
            "usbhub3.sys irp-holder medium 0x9F_3_usbhub3_IMAGE_pci.sys",
        ),
        (
            "9f 4 12c aa bb; stack nt!KiSwapContext nt!KeWaitForSingleObject+3 acme!Unload+3",
            "acme.sys stack-walk medium 0x9F_4_acme!Unload",
        ),
        ("9f 5 aa bb 0; p2 device acme.sys", "acme.sys parameter-object medium 0x9F_5_acme!unknown_function"),
        ("9f 6 aa 1 0", "unknown nobody none 0x9F_6_ANALYSIS_INCONCLUSIVE!unknown_function"),
        // The display: parameter 2 lies in its driver, what is on the stack reports.
        (
            "116 aa bb cc 4; p2 address nvlddmkm.sys+20; stack nt!KeBugCheckEx dxgkrnl!TdrBugcheckOnTimeout+fe",
            "nvlddmkm.sys parameter-pointer high 0x116_IMAGE_nvlddmkm.sys",
        ),
        (
            "117 aa bb 0 0; p2 address amdkmdag.sys+20",
            "amdkmdag.sys parameter-pointer high LKD_0x117_IMAGE_amdkmdag.sys",
        ),
        (
            "141 aa bb 0 0; p2 address igdkmd64.sys+20",
            "igdkmd64.sys parameter-pointer high LKD_0x141_IMAGE_igdkmd64.sys",
        ),
        (
            "119 2 c000000d aa bb; stack nt!KeBugCheckEx watchdog!WdLogEvent5+20 dxgmms2!VidSchiSubmit+3",
            "dxgmms2.sys framework-on-stack low 0x119_2_DRIVER_FAILED_SUBMIT_COMMAND_dxgmms2!VidSchiSubmit",
        ),
        // One deferred call too long; too much in all.
        (
            "133 0 501 500 aa; at acme!Poll+20 interrupted",
            "acme.sys faulting-instruction medium 0x133_DPC_acme!Poll",
        ),
        (
            "133 0 501 500 aa; stack nt!KeBugCheckEx nt!KeAccumulateTicks+20 nt!KiUpdateRunTime+3 acme!Poll+3",
            "acme.sys stack-walk medium 0x133_DPC_acme!Poll",
        ),
        (
            "133 1 1e00 aa 0; stack nt!KeBugCheckEx nt!KeAccumulateTicks+20 nt!KeClockInterruptNotify+3",
            "ntkrnlmp.exe kernel low 0x133_ISR_nt!KeAccumulateTicks",
        ),
        // The processor that noticed is not the one that hangs.
        (
            "101 18 0 aa 2; stack nt!KeBugCheckEx nt!KeAccumulateTicks+20 acme!Poll+3",
            "hardware hardware low CLOCK_WATCHDOG_TIMEOUT_ANALYSIS_INCONCLUSIVE!unknown_function",
        ),
        (
            "10d 4 0 aa bb; p3 address acme.sys+20; stack nt!KeBugCheckEx Wdf01000!FxVerifierBugCheckWorker+20",
            "acme.sys parameter-pointer medium 0x10D_4_acme!unknown_function",
        ),
        (
            "10d 5 0 aa bb; stack nt!KeBugCheckEx Wdf01000!FxBugCheck+20 acme!Add+3",
            "acme.sys stack-walk medium 0x10D_5_acme!Add",
        ),
        (
            "fe 8 6 0 0; stack nt!KeBugCheckEx usbhub!Bug+20 acme!Urb+3",
            "acme.sys stack-walk medium 0xFE_acme!Urb",
        ),
    ]);
}

#[test]
fn drivers_that_are_gone() {
    check(&[
        (
            "ce fffff80001112222 10 aa 0; p1 address gone:acme.sys+20",
            "acme.sys unloaded-driver high 0xCE_IMAGE_acme.sys",
        ),
        (
            "d4 fffff80001112222 2 0 aa; at gone:acme.sys+20",
            "acme.sys unloaded-driver high 0xD4_IMAGE_acme.sys",
        ),
    ]);
}

#[test]
fn nobody_or_no_driver() {
    check(&[
        // The machine.
        (
            "124 0 aa be000000 800400; cpu GenuineIntel; status be00000000800400",
            "hardware hardware high 0x124_0_GenuineIntel_PROCESSOR_MAE_IMAGE_GenuineIntel.sys",
        ),
        (
            "124 0 aa bea00000 108; cpu AuthenticAMD; status bea0000000000108",
            "hardware hardware high 0x124_0_AuthenticAMD_PROCESSOR_CACHE_IMAGE_AuthenticAMD.sys",
        ),
        // A process that Windows cannot do without: the one that ran at the time is it, or ended it.
        (
            "ef aa 0 0 0; process csrss.exe; stack nt!KeBugCheckEx nt!PspCatchCriticalBreak+20 nt!NtTerminateProcess nt!KiSystemServiceCopyEnd+3 ntdll!NtTerminateProcess+14",
            "process:csrss.exe process low 0xEF_csrss.exe_BUGCHECK_CRITICAL_PROCESS_ntdll!NtTerminateProcess",
        ),
        (
            "f4 3 aa bb cc; process wininit.exe",
            "process:wininit.exe process low 0xF4_wininit.exe_BUGCHECK_CRITICAL_PROCESS_nt!unknown_function",
        ),
        (
            "f4 3 aa bb cc; process taskkill.exe; died csrss.exe",
            "process:csrss.exe process medium 0xF4_csrss.exe_BUGCHECK_CRITICAL_PROCESS_nt!unknown_function",
        ),
        (
            "ef aa 0 0 0; died svchost.exe",
            "process:svchost.exe process medium 0xEF_svchost.exe_BUGCHECK_CRITICAL_PROCESS_nt!unknown_function",
        ),
        ("f4 3 aa bb cc", "process process low 0xF4_unknown_BUGCHECK_CRITICAL_PROCESS_nt!unknown_function"),
        // Somebody asked for it: by keyboard, by the power button.
        (
            "e2 0 0 0 0; stack nt!KeBugCheckEx i8042prt!I8xProcessCrashDump+20 i8042prt!I8042KeyboardInterruptService+3",
            "manual manual high MANUALLY_INITIATED_CRASH_i8042prt!I8xProcessCrashDump",
        ),
        (
            "1c8 1b58 aa 0 0; stack nt!KeBugCheckEx nt!PopPowerButtonBugcheck+20",
            "manual manual high MANUALLY_INITIATED_POWER_BUTTON_HOLD_nt!PopPowerButtonBugcheck",
        ),
        // Settings, firmware, disks.
        (
            "18b 0 0 0 0; stack nt!KeBugCheckEx acme!Patch+2",
            "unknown nobody none 0x18B_ANALYSIS_INCONCLUSIVE!unknown_function",
        ),
        ("5d 0 0 0 0", "unknown nobody none 0x5D_ANALYSIS_INCONCLUSIVE!unknown_function"),
        (
            "7a 20 c0000185 aa bb; stack nt!KeBugCheckEx nt!MiWaitForInPageComplete+20",
            "hardware hardware low 0x7A_c0000185_nt!MiWaitForInPageComplete",
        ),
        ("7b aa 0 0 0", "unknown nobody none 0x7B_ANALYSIS_INCONCLUSIVE!unknown_function"),
        (
            "5c 7000 0 0 0; stack nt!KeBugCheckEx hal!HalpInit+3 nt!InitBootProcessor+20",
            "ntkrnlmp.exe kernel low 0x5C_HAL_INTERRUPT_REMAPPING_SETUP_FAILURE_nt!InitBootProcessor",
        ),
    ]);
}
