//! Lines of the table for subcodes, exceptions and sources, and the sentences that belong to them.

use bluescope_blame::{Owners, judge};

use super::crash::{check, check_words, facts};

/// The same crash for each subcode of a line.
fn each(subcodes: &str, crash: &str, said: &str) {
    for subcode in subcodes.split(' ') {
        let (crash, said) = (crash.replace("SUB", subcode), said.replace("SUB", subcode));
        check(&[(&crash, &said)]);
    }
}

#[test]
fn exceptions_that_say_more_than_where() {
    check(&[
        (
            "3b c0000006 aa bb 0; at acme!ScanMapped+12",
            "acme.sys faulting-instruction low 0x3B_c0000006_acme!ScanMapped",
        ),
        // However the code was extended.
        (
            "1000007e ffffffffc0000006 aa bb cc; at acme!ScanMapped+12",
            "acme.sys faulting-instruction low 0x7E_c0000006_acme!ScanMapped",
        ),
        (
            "1e c0000096 aa 0 0; at acme!Start+20",
            "acme.sys faulting-instruction medium 0x1E_c0000096_acme!Start",
        ),
        (
            "8e c000001d aa bb 0; at acme!Start+20",
            "acme.sys faulting-instruction medium 0x8E_c000001d_acme!Start",
        ),
        ("3b c0000005 aa bb 0; at acme!Start+20", "acme.sys faulting-instruction high AV_acme!Start"),
        (
            "3b c0000094 aa bb 0; at acme!Rate+20",
            "acme.sys faulting-instruction high 0x3B_c0000094_acme!Rate",
        ),
    ]);
    check_words(&[
        (
            "3b c0000006 aa bb 0; at acme!ScanMapped+12",
            None,
            &["at acme!ScanMapped", "could not be read. Look at disk"],
        ),
        ("1e c0000096 aa 0 0; at acme!Start+20", None, &["an instruction that must not run there"]),
        ("1e c000001d aa 0 0; at acme!Start+20", None, &["what is no instruction"]),
        // The bug check's own sentence where the exception has none.
        ("3b c0000005 aa bb 0; at acme!Start+20", None, &["The failing instruction is at acme!Start"]),
    ]);
}

#[test]
fn traps() {
    let frames = "bfilt!Walk+10 ".repeat(12);
    let words: String = (1..13).map(|at| format!("~bfilt.sys+{at} ")).collect();
    let trap = "7f 8 aa bb cc; stack nt!KeBugCheckEx nt!KiBugCheckDispatch+69 nt!KiDoubleFaultAbort+2b \
                nt!ExAllocatePoolWithTag+4 afilt!Pre+1";
    let unwound = format!("{trap} {frames}");
    let scanned = format!("7f 8 aa bb cc; stack ~afilt.sys+1 {words}");
    let frameworks = format!("{trap} {}", "ntfs!Walk+10 ".repeat(12));
    check(&[
        (
            "7f 0 0 0 0; stack nt!KeBugCheckEx nt!KiBugCheckDispatch+69 nt!KiDivideErrorFault+a acme!Rate+10",
            "acme.sys faulting-instruction high 0x7F_0_acme!Rate",
        ),
        ("7f d 0 0 0; at acme!Rate+20", "acme.sys faulting-instruction high 0x7F_d_acme!Rate"),
        ("7f 6 0 0 0; at acme!Rate+20", "acme.sys faulting-instruction medium 0x7F_6_acme!Rate"),
        // Who fills the stack, not whose turn it was.
        (&unwound, "bfilt.sys recursion medium 0x7F_8_bfilt!Walk"),
        (&scanned, "bfilt.sys recursion low 0x7F_8_bfilt!unknown_function"),
        // A framework that fills it runs other people's code.
        (&frameworks, "afilt.sys stack-walk medium 0x7F_8_afilt!Pre"),
        // Two frames are no recursion.
        (
            "7f 8 aa bb cc; at acme.sys+20; stack bfilt!Walk+1 bfilt!Walk+2",
            "acme.sys faulting-instruction medium 0x7F_8_acme!unknown_function",
        ),
    ]);
    check_words(&[(
        &unwound,
        None,
        &["bfilt fills the stack: it is on it 12 times among 13 frames", "a stack that ran over"],
    )]);
}

#[test]
fn the_caller_of_the_pool() {
    let stack = "stack nt!KeBugCheckEx nt!ExFreePool+20 acme!Free+3";
    let said = "acme.sys stack-walk medium 0xC2_SUB_acme!Free";
    each("6 7 8 9 a 40 41 42 43 44 46 47 48 50 60 99 41286", &format!("c2 SUB aa bb cc; {stack}"), said);
    each("0 9a 9b 9c 9d", &format!("c2 SUB aa bb cc; {stack}"), said);
    // The caller's address is in a parameter there.
    each(
        "9b 9c 9d",
        "c2 SUB aa bb cc; p4 address acme.sys+20",
        "acme.sys parameter-pointer high 0xC2_SUB_acme!unknown_function",
    );
    // A header that was damaged before.
    each("1 2 4 d", &format!("c2 SUB aa bb cc; {stack}"), "acme.sys stack-walk low 0xC2_SUB_acme!Free");
    check_words(&[
        ("c2 46 aa bb cc; stack nt!KeBugCheckEx acme!Free+3", None, &["an address that was never allocated"]),
        ("c2 9d aa bb cc; stack nt!KeBugCheckEx acme!New+3", None, &["whoever calls is at fault"]),
        ("c2 7 aa bb cc; stack nt!KeBugCheckEx acme!Free+3", None, &["freed twice"]),
        ("c2 2 aa bb cc; stack nt!KeBugCheckEx acme!Free+3", None, &["memory that was already damaged"]),
    ]);
}

#[test]
fn the_memory_manager() {
    let stack = "stack nt!KeBugCheckEx nt!MiFind+20 acme!Call+3";
    let tables = "403 404 411 3451 3452 5003 5100 8884 8885 8886 8887 8888 8889 888a 9696 41201 41202 41283 41284 41287 \
                  41785 41790 41793 61940 61941";
    let memory = "memory memory low 0x1A_SUB_nt!MiFind";
    each(tables, &format!("1a SUB aa bb cc; {stack}"), memory);
    for subcode in tables.split(' ') {
        check_words(&[(
            &format!("1a {subcode} aa bb cc"),
            Some("memory"),
            &["belongs to the memory manager"],
        )]);
    }
    // Drivers do that too: nothing is said of the machine.
    each("3453 5200", &format!("1a SUB aa bb cc; {stack}"), memory);
    each(
        "1000 1233 1235 1236 1240 1241 5305 41286 61946 61948",
        &format!("1a SUB aa bb cc; {stack}"),
        "acme.sys stack-walk medium 0x1A_SUB_acme!Call",
    );
    each(
        "6001",
        &format!("1a SUB ffffffffc0000185 bb cc; {stack}"),
        "hardware hardware low 0x1A_SUB_nt!MiFind",
    );
    // What nobody has looked at yet.
    each("3030303", &format!("1a SUB aa bb cc; {stack}"), "acme.sys stack-walk low 0x1A_SUB_acme!Call");
    check_words(&[
        ("1a 5200 aa bb cc", None, &["belongs to the memory manager"]),
        ("1a 3453 aa bb cc", None, &["belongs to the memory manager"]),
        ("1a 1240 aa bb cc; stack nt!KeBugCheckEx acme!Map+3", None, &["mapped or locked pages"]),
        ("1a 41286 aa bb cc; stack nt!KeBugCheckEx acme!Free+3", None, &["never allocated"]),
        ("1a 6001 c0000185 bb cc", None, &["more often than a driver's", "could not read a page"]),
    ]);
}

#[test]
fn requests_and_devices() {
    check(&[
        // The holder is the kernel, or is not there: the device's driver, if one made it, with caution.
        (
            "9f 3 aa bb cc; p4 irp ntoskrnl.exe; p2 device acmebus.sys",
            "acmebus.sys parameter-object low 0x9F_3_acmebus_IMAGE_acmebus.sys",
        ),
        (
            "9f 3 aa bb cc; p2 device acmebus.sys",
            "acmebus.sys parameter-object low 0x9F_3_acmebus_IMAGE_acmebus.sys",
        ),
        (
            "9f 3 aa bb cc; p4 irp acme.sys; p2 device acmebus.sys",
            "acme.sys irp-holder high 0x9F_3_acme_IMAGE_acmebus.sys",
        ),
        ("9f 3 aa bb cc; p4 irp ntoskrnl.exe; p2 device pci.sys", "unknown nobody none 0x9F_3"),
        // Elsewhere an object is worth what it was.
        (
            "9f 2 aa bb cc; p4 driver acme.sys",
            "acme.sys parameter-object medium 0x9F_2_acme!unknown_function",
        ),
    ]);
    let nothing: &[&str] = &["Nothing in this dump points at anybody."];
    check_words(&[
        (
            "9f 3 aa bb cc; p4 irp ntoskrnl.exe",
            None,
            &["The request in parameter 4 waits in ntoskrnl.exe, which is Windows' own"],
        ),
        ("9f 3 aa bb cc; p2 device pci.sys", None, &["is not in this dump", "one of pci.sys"]),
        ("9f 3 aa bb cc", None, &["The request in this bug check's parameters is not in this dump"]),
        ("9f 6 aa 1 0", None, nothing),
        ("ca 1 aa bb 0", None, &["The device in this bug check's parameters is not in this dump"]),
        ("ca 1 aa bb 0; p2 device pci.sys", None, &["The device in parameter 2 is one of pci.sys"]),
        ("fe 1 0 0 0", None, nothing),
        ("144 1020 1 2 0", None, nothing),
        ("44 aa 0 0 0", None, &["The request in this bug check's parameters is not in this dump"]),
    ]);
}

#[test]
fn the_display_behind_its_framework() {
    for (code, bucket) in [("116", "0x116"), ("117", "LKD_0x117"), ("141", "LKD_0x141")] {
        let framework = format!("{code} aa bb cc 4; p2 address dxgkrnl.sys+20");
        let stack = format!(
            "{code} aa bb cc 4; stack nt!KeBugCheckEx dxgkrnl!TdrBugcheckOnTimeout+1 nvlddmkm+8f1234"
        );
        let scanned = format!("{code} aa bb cc 4; stack ~nvlddmkm.sys+20 ~nvlddmkm.sys+30");
        check(&[
            (&framework, &format!("dxgkrnl.sys framework-at-fault low {bucket}_IMAGE_dxgkrnl.sys")),
            (&stack, &format!("nvlddmkm.sys stack-walk medium {bucket}_IMAGE_nvlddmkm.sys")),
            // Words of that stack are the reporting's.
            (&scanned, &format!("unknown nobody none {bucket}")),
        ]);
    }
    // The display's log stands between the kernel and whoever complained.
    check(&[
        (
            "10e 33 aa bb 0; stack nt!KeBugCheckEx watchdog!WdLogEvent5+20 dxgmms2!VidMmTerminate+3",
            "dxgmms2.sys framework-on-stack low 0x10E_33_dxgmms2!VidMmTerminate",
        ),
        (
            "119 2 aa bb 0; stack nt!KeBugCheckEx watchdog!WdLogEvent5+20 acmevid!Submit+3",
            "acmevid.sys stack-walk medium 0x119_2_DRIVER_FAILED_SUBMIT_COMMAND_acmevid!Submit",
        ),
    ]);
}

#[test]
fn what_hardware_is_sure_of() {
    check(&[
        (
            "124 1 aa 0 0; cpu GenuineIntel",
            "hardware hardware high 0x124_1_GenuineIntel__UNKNOWN_IMAGE_GenuineIntel.sys",
        ),
        (
            "124 4 aa 0 0; cpu GenuineIntel",
            "hardware hardware medium 0x124_4_GenuineIntel__UNKNOWN_IMAGE_GenuineIntel.sys",
        ),
        (
            "124 5 aa 0 0; cpu AuthenticAMD",
            "hardware hardware medium 0x124_5_AuthenticAMD__UNKNOWN_IMAGE_AuthenticAMD.sys",
        ),
        (
            "124 10 aa 0 0; cpu GenuineIntel",
            "hardware hardware low 0x124_16_GenuineIntel__UNKNOWN_IMAGE_GenuineIntel.sys",
        ),
        (
            "80 4f4454 0 0 0; stack nt!KeBugCheckEx nt!KiProcessNMI+1",
            "hardware hardware low 0x80_nt!KiProcessNMI",
        ),
        (
            "2e 80001000 0 0 0; stack nt!KeBugCheckEx acme!Map+1",
            "hardware hardware low 0x2E_nt!unknown_function",
        ),
    ]);
    let own: &[&str] = &["an error of the hardware (processor, memory, bus or disk), not of a driver."];
    let rather = "more often than a driver's.";
    check_words(&[
        ("124 0 aa be000000 800400; cpu GenuineIntel", Some("machine check"), own),
        ("124 1 aa 0 0", Some("machine check"), own),
        ("9c 0 aa bb cc", Some("machine check"), own),
        ("124 4 aa 0 0", None, &[rather, "PCI Express reported it"]),
        ("124 3 aa 0 0", None, &[rather]),
        ("124 10 aa 0 0", None, &[rather, "A driver reported it through Windows"]),
        ("80 4f4454 0 0 0", None, &[rather, "management controller or hypervisor"]),
        ("2e 80001000 0 0 0", None, &[rather, "a driver that maps an address"]),
        ("101 18 0 aa 2", None, &[rather, "a driver that spins"]),
        ("154 aa bb 0 0", None, &[rather, "hardly ever a driver"]),
        ("7a 20 c0000185 aa bb", None, &[rather, "disk, cable or controller"]),
    ]);
}

/// Who is not blamed, but was in sight.
#[test]
fn others_in_sight() {
    let frames = "bfilt!Walk+10 ".repeat(12);
    for (crash, other) in [
        ("2e 80001000 0 0 0; stack nt!KeBugCheckEx acme!Map+1".to_owned(), "acme.sys"),
        (format!("7f 8 aa bb cc; at afilt!Pre+1; stack {frames}"), "afilt.sys"),
        ("9f 3 aa bb cc; p2 device acmebus.sys; p4 irp acme.sys".to_owned(), "acmebus.sys"),
        (
            "116 aa bb cc 4; p2 address nvlddmkm.sys+20; stack nt!KeBugCheckEx acme!Reset+1".to_owned(),
            "acme.sys",
        ),
    ] {
        let verdict = judge(&facts(&crash), &Owners::default());
        let others: Vec<_> = verdict.runners_up.iter().map(|other| other.image_name.as_str()).collect();
        assert_eq!(others, [other], "{crash}");
    }
}

#[test]
fn who_ended() {
    check_words(&[
        (
            "ef aa 0 0 0; process taskkill.exe",
            None,
            &["It was taskkill.exe that ran at the time: the one that ended, or the one that ended it."],
        ),
        (
            "ef aa 0 0 0; process taskkill.exe; died csrss.exe",
            None,
            &["ended: csrss.exe. It was taskkill.exe that ran at the time, and may have ended it."],
        ),
        (
            "ef aa 0 0 0; process csrss.exe; died CSRSS.EXE",
            None,
            &["Windows cannot live without ended: CSRSS.EXE."],
        ),
    ]);
}

/// Fast-fail codes of recent Windows have names too.
#[test]
fn fast_fail_names() {
    check(&[
        (
            "139 25 aa bb 0; at acme!Call+3",
            "acme.sys faulting-instruction high 0x139_25_GUARD_JUMPTABLE_acme!Call",
        ),
        (
            "139 3f aa bb 0; at acme!Call+3",
            "acme.sys faulting-instruction high 0x139_3f_INVALID_PFN_acme!Call",
        ),
        ("139 ff aa bb 0; at acme!Call+3", "acme.sys faulting-instruction high 0x139_ff_acme!Call"),
    ]);
}
