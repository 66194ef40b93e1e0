//! Where the fault is, whose stack it is, and what the names of it are: cases that were judged wrongly once.

use bluescope_blame::{Facts, Owners, OwnersConfig, Verdict, judge};

use super::crash::{check, check_words, facts};

fn of_json(json: &str) -> Verdict {
    judge(&Facts::from_json(json).unwrap(), &Owners::default())
}

fn runners_up(verdict: &Verdict) -> Vec<&str> {
    verdict.runners_up.iter().map(|it| it.image_name.as_str()).collect()
}

/// Only one flag may stand above a code. These stopped the machine, and are no other bug check by their last digits.
#[test]
fn statuses_are_bug_checks_of_their_own() {
    check(&[
        (
            "c0000142 0 0 0 0; stack nt!KeBugCheckEx nt!PopX",
            "ntkrnlmp.exe kernel low STATUS_DLL_INIT_FAILED_nt!PopX",
        ),
        (
            "c0000133 0 0 0 0; stack nt!KeBugCheckEx nt!PopX acme!Late+3",
            "acme.sys stack-walk medium 0xC0000133_acme!Late",
        ),
        (
            "c000021a aa c0000005 bb 0; died csrss.exe",
            "process:csrss.exe process medium STATUS_SYSTEM_PROCESS_TERMINATED_nt!unknown_function",
        ),
        ("deaddead 0 0 0 0", "manual manual high 0xDEADDEAD_ANALYSIS_INCONCLUSIVE!unknown_function"),
        (
            "1000007e c0000005 aa bb cc; at acme.sys+20",
            "acme.sys faulting-instruction high AV_acme!unknown_function",
        ),
        ("142 0 0 0 0; stack acme!Show+3", "acme.sys stack-walk medium LKD_0x142_acme!Show"),
    ]);
    check_words(&[("c0000142 0 0 0 0; stack nt!KeBugCheckEx nt!PopX", None, &["Nothing but the kernel"])]);
    let stopped = judge(&facts("c0000142 0 0 0 0; stack nt!KeBugCheckEx nt!PopX"), &Owners::default());
    assert!(!stopped.evidence.join(" ").contains("kept running"), "{stopped:?}");
}

/// The first word of a scan is just a word, whatever the bug check.
#[test]
fn a_scanned_word_is_no_failing_instruction() {
    check(&[
        (
            "139 3 aa bb 0; stack ~acmefilt.sys+1234 ~ntoskrnl.exe+3000 ~ntfs.sys+55",
            "acmefilt.sys stack-scan low 0x139_3_CORRUPT_LIST_ENTRY_acmefilt!unknown_function",
        ),
        (
            "be aa bb cc a; stack ~acmefilt.sys+3000 ~ntfs.sys+55",
            "acmefilt.sys stack-scan low AV_acmefilt!unknown_function",
        ),
        (
            "3b c0000005 aa bb 0; stack ~ntoskrnl.exe+3000 ~ntfs.sys+55",
            "ntoskrnl.exe kernel low AV_nt!unknown_function",
        ),
        // A debugger prints the stack of the fault itself.
        (
            "3b c0000005 aa bb 0; stack acme+30 nt!IofCallDriver",
            "acme.sys faulting-instruction high AV_acme!unknown_function",
        ),
        // A scan below the way in.
        (
            "d1 8 2 0 aa; stack nt!KeBugCheckEx nt!KiPageFault+3 ~acme.sys+30",
            "acme.sys stack-scan low AV_acme!unknown_function",
        ),
    ]);
    // Ours begin with the caller of the bug check where the fault is not known, and have no functions without symbols.
    let ours = r#"{"facts_version":1,"bugcheck_code":"0x3b","args":["0xc0000005","1","2","0"],"arch":"x64","os_build":19045,
        "stack":[{"module":"acme.sys","offset":"0x30","trust":"unwound"}]}"#;
    assert_eq!(of_json(ours).rule.as_str(), "stack-walk");
}

#[test]
fn an_address_is_no_driver() {
    let bare = |at: &str, more: &str| {
        of_json(&format!(
            r#"{{"bugcheck_code":"0x3b","args":["0xc0000005","{at}","1","0"],"arch":"x64","os_build":19045,{more}}}"#
        ))
    };
    for at in ["ffffe506`12345678", "0xffffe50612345678", "ffffe506'12345678"] {
        let printed = bare(
            at,
            &format!(r#""faulting_ip":"{at}","stack":[{{"module":"nt","function":"KeBugCheckEx"}}]"#),
        );
        assert_eq!((printed.image_name.as_str(), printed.rule.as_str()), ("ntkrnlmp.exe", "kernel"), "{at}");
        let frame =
            bare(at, &format!(r#""stack":[{{"module":"{at}"}},{{"module":"goodfilt","function":"x"}}]"#));
        assert_eq!((frame.image_name.as_str(), frame.confidence.as_str()), ("goodfilt.sys", "low"), "{at}");
        assert!(
            frame.evidence.join(" ").contains("at 0xffffe50612345678, outside every driver"),
            "{frame:?}"
        );
    }
}

/// Code that is in no image: whoever is further down is a hint at best, and is said to be no more.
#[test]
fn code_that_nobody_loaded() {
    let crash = |access: &str, accessed: &str| {
        of_json(&format!(
            r#"{{"bugcheck_code":"0x3b","args":["0xc0000005","ffffe50612345678","1","0"],"arch":"x64","os_build":19045,
                "fault":{{"address":"ffffe50612345678","module":"","origin":"context_record","parameter":3}},
                "exception":{{"code":"0xc0000005","access":"{access}","accessed":"{accessed}"}},
                "stack":[{{"module":"innocent.sys","offset":"20","trust":"scanned"}}]}}"#
        ))
    };
    let mapped = crash("read", "10");
    assert_eq!((mapped.image_name.as_str(), mapped.confidence.as_str()), ("innocent.sys", "low"));
    let why = mapped.evidence.join(" ");
    assert!(why.contains("mapped by hand") && why.contains("need not be at fault"), "{mapped:?}");
    // What cannot be fetched did not run.
    let jumped = crash("execute", "ffffe50612345678");
    assert_eq!((jumped.image_name.as_str(), jumped.rule.as_str()), ("innocent.sys", "stack-scan"));
}

/// The first way in of the processor is the crash's; others below are those that Windows was serving.
#[test]
fn nested_faults() {
    check(&[
        (
            "a ffffe0010 2 0 aa; stack nt!KeBugCheckEx nt!KiBugCheckDispatch+69 nt!KiPageFault+463 nt!MiDemoteCombinedPte+52 nt!MmAccessFault+4a2 nt!KiPageFault+35e acmefilt!ReadHeader+12",
            "acmefilt.sys stack-walk low AV_acmefilt!ReadHeader",
        ),
        // An exception is handed on to where its way in is.
        (
            "1e c0000005 aa 0 8; stack nt!KeBugCheckEx nt!RtlDispatchException+3 nt!KiDispatchException+1 nt!KiExceptionDispatch+2 nt!KiPageFault+3 acme!Read+3",
            "acme.sys faulting-instruction high 0x1E_c0000005_R_acme!Read",
        ),
        // One that failed while it was handed on: the driver did raise the first.
        (
            "50 aa 0 bb 2; stack nt!KeBugCheckEx nt!MmAccessFault nt!KiPageFault+3 nt!RtlpUnwindPrologue+4 nt!KiDispatchException+1 nt!KiExceptionDispatch+2 nt!KiGeneralProtectionFault+3 acme!Read+3",
            "acme.sys stack-walk medium AV_R_(null)_acme!Read",
        ),
        (
            "8e c0000005 aa bb 0; build 2600; arch x86; stack nt!KeBugCheckEx nt!KiDispatchException+1ac nt!CommonDispatchException+4a nt!KiExceptionExit+192 acme+30",
            "acme.sys faulting-instruction high 0x8E_acme+30",
        ),
        (
            "50 8ba10000 0 82154573 0; arch x86; build 16299; stack nt!KeBugCheckEx nt!MmAccessFault nt!_KiTrap0E+ec nt!memcpy+33 acme+30",
            "acme.sys stack-walk medium AV_R_INVALID_acme!unknown_function",
        ),
    ]);
    let words = "no mistake of the driver's";
    check_words(&[(
        "a 10 2 0 aa; stack nt!KeBugCheckEx nt!KiPageFault nt!MiAge nt!MmAccessFault nt!KiPageFault acme!Read+1",
        None,
        &[words],
    )]);
}

/// ARM64 has other names for the same; the second stack is Windows 11 24H2's.
#[test]
fn arm64() {
    check(&[
        (
            "3b c0000005 aa bb 0; arch arm64; stack nt!KeBugCheckEx nt!KiBugCheckDispatch+1 nt!KiDispatchException+1 nt!KiSynchronousException+1 nt!KiKernelExceptionHandler+1 acme!Io+1",
            "acme.sys faulting-instruction high AV_acme!Io",
        ),
        (
            "139 2 aa bb 0; arch arm64; stack nt!KeBugCheck2 nt!KeBugCheckEx nt!KiDispatchFastFail+ac nt!KiPreprocessFault+64 nt!KiDispatchException+2a4 nt!KiSynchronousException+dc nt!KzSynchronousException+24 nt!KiArm64ExceptionVectors+5c acme+10dc acme+1020",
            "acme.sys faulting-instruction high 0x139_MISSING_GSFRAME_acme!unknown_function",
        ),
        (
            "3b c0000005 aa bb 0; arch arm64; stack nt!ObX+1 nt!KiSystemService+5 nt!KiUserExceptionHandler+3 app!main+4",
            "ntkrnlmp.exe kernel low AV_nt!ObX",
        ),
    ]);
}

#[test]
fn a_single_bit() {
    let at = |arch: &str, accessed: &str| format!("50 {accessed} 0 aa 2; at acme.sys+20; arch {arch}");
    let sign = |line: &str| judge(&facts(line), &Owners::default()).hardware_sign.map(|sign| sign.as_str());
    for (arch, accessed, expected) in [
        ("x64", "fffb840500000074", Some("single bit")),
        ("x64", "7fff840500000074", Some("single bit")),
        ("arm64", "fffb840500000074", Some("single bit")),
        ("x86", "fffb840500000074", None),
        ("x64", "fff3840500000074", None),
        ("x64", "fffb040500000074", None),
        // The largest number with a sign, and its neighbours: marks, no addresses.
        ("x64", "7ffffffffffffff0", None),
        ("x64", "7fffffffffffffff", None),
        ("x64", "fffbffffffffffff", None),
        // ARM64's own mark in a pointer whose signature was wrong.
        ("arm64", "dfff840500000074", None),
        ("arm64", "bfff840500000074", None),
        ("x64", "bfff840500000074", Some("single bit")),
    ] {
        assert_eq!(sign(&at(arch, accessed)), expected, "{arch} {accessed}");
    }
    for (entry, high, arch, expected) in [
        ("200000000000", "0", "x64", "single bit"),
        ("1000", "0", "x64", "single bit"),
        // Flags of an entry that Windows itself wrote.
        ("20", "0", "x64", "memory"),
        ("80", "0", "x64", "memory"),
        // On x86 an entry has a second half.
        ("0", "4", "x86", "single bit"),
        ("80000", "4", "x86", "memory"),
    ] {
        let line = format!("1a 41792 aa {entry} {high}; arch {arch}");
        assert_eq!(sign(&line), Some(expected), "{line}");
    }
}

/// Drivers that are gone, as debuggers print them and as Windows cut their names.
#[test]
fn unloaded_drivers() {
    let gone = of_json(
        r#"{"bugcheck_code":"0xce","args":["fffff80412341234","10","fffff80412341234","0"],"arch":"x64","os_build":19045,
            "stack":[{"module":"nt","function":"KeBugCheckEx"},{"module":"nt","function":"KiPageFault","offset":"35e"},
            {"module":"<Unloaded_acmeusb.sys>","offset":"1234"},{"module":"nt","function":"KiExpire"}]}"#,
    );
    assert_eq!(
        (gone.rule.as_str(), gone.failure_bucket_id.as_str()),
        ("unloaded-driver", "0xCE_IMAGE_acmeusb.sys")
    );
    assert!(gone.evidence[0].starts_with("The processor was running at acmeusb.sys+0x1234,"), "{gone:?}");
    check(&[
        (
            "ce fffff80001112222 10 aa 0; p1 address gone:AppLockerFlt+20",
            "applockerfltr.sys unloaded-driver high 0xCE_IMAGE_applockerfltr.sys",
        ),
        (
            "ce fffff80001112222 10 aa 0; p1 address gone:acmestorage_+20",
            "acmestorage_ unloaded-driver high 0xCE_IMAGE_acmestorage_",
        ),
        (
            "ce fffff80001112222 10 aa 0; stack nt!KeBugCheckEx nt!MiX",
            "ntkrnlmp.exe kernel low 0xCE_IMAGE_ntkrnlmp.exe",
        ),
    ]);
}

#[test]
fn others_on_the_stack_are_named() {
    let filters = facts(
        "3b c0000005 aa bb 0; stack Ntfs!Read+12 Ntfs!Fsd+3 FLTMGR!A+1 afilt!Pre+2 FLTMGR!x+1 bfilt!Pre+2 FLTMGR!x+1 cfilt!Pre+3",
    );
    let verdict = judge(&filters, &Owners::default());
    assert_eq!(verdict.image_name, "afilt.sys");
    assert_eq!(runners_up(&verdict), ["ntfs.sys", "bfilt.sys", "cfilt.sys"]);
    // By words alone: no driver of Windows that is there once.
    let scanned = facts("d1 8 2 0 aa; at nt+20; stack ~acme.sys+1 ~storahci.sys+2 ~zzz.sys+4");
    assert_eq!(runners_up(&judge(&scanned, &Owners::default())), ["zzz.sys"]);
    // Where the stack says nothing, nobody on it is named.
    let manual = facts("e2 0 0 0 0; stack nt!KeBugCheckEx acme!Key+3");
    assert!(judge(&manual, &Owners::default()).runners_up.is_empty());
}

/// A filter of Windows that everybody runs, and another maker's behind it in the same chain of calls.
#[test]
fn a_driver_of_windows_before_a_third_party() {
    let defender = "3b c0000005 aa bb 0; stack Ntfs!Read+12 FLTMGR!L+1 WdFilter!MpPostCreate+2 FLTMGR!x+1 acmefilt!Pre+2";
    check(&[
        (defender, "acmefilt.sys stack-walk low AV_acmefilt!Pre"),
        // It failed in the filter itself; behind it somebody only asked for the file; only words tell of the other.
        (
            "3b c0000005 aa bb 0; stack WdFilter!MpPostCreate+2 FLTMGR!x+1 acmefilt!Pre+2",
            "wdfilter.sys faulting-instruction high AV_WdFilter!MpPostCreate",
        ),
        (
            "3b c0000005 aa bb 0; stack Ntfs!Read+12 FLTMGR!L+1 WdFilter!MpPostCreate+2 nt!IopParseDevice nt!NtCreateFile nt!KiSystemServiceCopyEnd+25 nt!KiServiceLinkage acme!Open+2",
            "wdfilter.sys stack-walk medium AV_WdFilter!MpPostCreate",
        ),
        (
            "3b c0000005 aa bb 0; stack Ntfs!Read+12 FLTMGR!L+1 WdFilter!MpPostCreate+2 ~acmefilt.sys+2",
            "wdfilter.sys stack-walk medium AV_WdFilter!MpPostCreate",
        ),
    ]);
    check_words(&[(defender, None, &["WdFilter, which comes with Windows and is not where it failed"])]);
    assert!(runners_up(&judge(&facts(defender), &Owners::default())).contains(&"wdfilter.sys"));
}

/// Display drivers of the old model draw through `win32k`, which calls them.
#[test]
fn frameworks_of_others() {
    check(&[
        (
            "d1 8 2 0 bf9e2222; arch x86; build 2600; stack nt!KeBugCheckEx nt!KiTrap0E+238 nv4_disp+2222 win32k!GreFoo+1",
            "nv4_disp.dll faulting-instruction high 0xD1_nv4_disp+2222",
        ),
        (
            "d6 8 1 aa 0; stack nt!KeBugCheckEx nt!KiPageFault win32k!EngTextOut+1 VBoxDisp+4b4b",
            "win32k.sys framework-at-fault low 0xD6_VRF_win32k!EngTextOut",
        ),
        (
            "133 0 501 500 0; at intelppm.sys+1234 interrupted; stack ~ntoskrnl.exe+2",
            "intelppm.sys framework-at-fault low 0x133_DPC_intelppm!unknown_function",
        ),
    ]);
    check_words(&[
        (
            "133 0 501 500 0; at intelppm.sys+1234 interrupted",
            None,
            &["What ran when the watchdog fired was intelppm.sys", "lets a processor wait"],
        ),
        (
            "d1 8 2 0 aa; stack nt!KeBugCheckEx ~nv4_disp+2 ~nv4_disp+3",
            None,
            &["Only parts of Windows and frameworks"],
        ),
    ]);
}

/// What is said of how it was found is how it was found.
#[test]
fn words() {
    let chained = r#"{"bugcheck_code":"0xa","args":["0","2","1","aa"],"arch":"x86","os_build":2600,
        "fault":{"module":"nt","offset":"1234","origin":"machine_frame","parameter":4},
        "stack":[{"module":"storahci.sys","offset":"1","trust":"chained"},{"module":"acme.sys","offset":"10","trust":"chained"}]}"#;
    let why = of_json(chained).evidence.remove(0);
    assert!(why.contains("a chain of frame pointers") && why.contains("there by a single word"), "{why}");
    let printed = r#"{"bugcheck_code":"0xd1","args":["8","2","0","aa"],"arch":"x64","os_build":19045,"faulting_ip":"acme+20"}"#;
    assert!(of_json(printed).evidence[0].contains("what the debugger calls the faulting instruction"));
    check_words(&[
        ("d1 8 2 0 aa; stack nt!KeBugCheckEx nt!KiPageFault acme+20", None, &["the frame below the trap"]),
        ("3b c0000005 aa bb 0; stack acme+20", None, &["in this bug check the stack begins at the fault"]),
    ]);
}

/// Parts of a handler run above the frame that failed, whosever handler it is.
#[test]
fn funclets() {
    check(&[(
        "7e c0000005 aa bb cc; stack nt!KeBugCheckEx nt!PnpDeviceActionWorker$filt$0+1a nt!MiX+2 acme!Start+3",
        "acme.sys stack-walk medium AV_acme!Start",
    )]);
    let verdict = judge(
        &facts("20 0 ffff 0 1; stack nt!KeBugCheckEx nt!ExpWorkerThread$fin$0+3 nt!PspExitThread+20"),
        &Owners::default(),
    );
    assert_eq!(verdict.failure_bucket_id, "0x20_NULLAPC_KAPC_NEGATIVE_nt!PspExitThread");
}

/// What the operator says of a driver goes for those, too, that the dump names.
#[test]
fn the_operator_knows_better() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let owners = Owners::new(&OwnersConfig {
        ignore: names(&["shim.sys", "gone-usb.sys"]),
        maybe: names(&["acme_core*"]),
        ..OwnersConfig::default()
    })
    .unwrap();
    let said = |line: &str| {
        let verdict = judge(&facts(line), &owners);
        format!("{} {} {}", verdict.image_name, verdict.rule.as_str(), verdict.confidence.as_str())
    };
    for (line, expected) in [
        ("c4 62 aa 0 1; p2 name shim.sys; stack ~nt+1", "ntkrnlmp.exe kernel low"),
        ("c4 62 aa 0 1; p2 name acme_core.sys; stack ~nt+1", "acme_core.sys driver-name medium"),
        ("c4 62 aa 0 1; p2 name acme.sys; stack ~nt+1", "acme.sys driver-name high"),
        (
            "d1 fffff80412341234 2 8 fffff80412341234; at gone:gone_usb.sys+20; stack ~nt+1",
            "ntkrnlmp.exe kernel low",
        ),
        ("ce fffff80412341234 10 aa 0; p1 address gone:shim.sys+20; stack ~nt+1", "ntkrnlmp.exe kernel low"),
        ("ce fffff80412341234 10 aa 0; p1 address gone:acme_core+20", "acme_core.sys unloaded-driver medium"),
    ] {
        assert_eq!(said(line), expected, "{line}");
    }
    let core = judge(&facts("d1 8 2 0 aa; at acme_core.sys+20"), &owners);
    assert!(
        core.evidence[0].contains("listed in the configuration") && core.confidence.as_str() == "low",
        "{core:?}"
    );
}

/// Nothing of a hostile name reaches a terminal, and nothing of it passes for a function.
#[test]
fn names_are_shown_tidied() {
    let odd = |c: char| c.is_control() || matches!(c, '\u{202E}' | '\u{2066}' | '\u{FEFF}');
    for name in ["evil\u{202e}\u{1b}[31m.sys", "a\nb.sys", "a.sys!b", &"é".repeat(5_000)] {
        for read in [true, false] {
            let mut facts = facts("d1 8 2 0 aa; stack nt!KeBugCheckEx nt!KiPageFault acme!f+1 other!g+2");
            for frame in facts.stack.iter_mut().skip(2) {
                frame.place.module = format!("{name}{}", frame.place.module).into();
                frame.place.function = Some(format!("f{name}").into());
            }
            let read_again = Facts::from_json(&serde_json::to_string(&facts).unwrap()).unwrap();
            let verdict = judge(if read { &read_again } else { &facts }, &Owners::default());
            let json = serde_json::to_string(&verdict).unwrap();
            assert!(!json.contains(odd), "{json}");
            assert!(verdict.image_name.len() <= 520 && !verdict.image_name.contains('!'), "{verdict:?}");
            assert!(verdict.evidence.iter().all(|why| why.len() < 3_000), "{verdict:?}");
        }
    }
}
