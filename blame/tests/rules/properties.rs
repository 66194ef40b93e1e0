//! What holds whatever the facts say: they come out of dumps, and from anybody's standard input.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use bluescope_blame::{
    Access, Confidence, Exception, FACTS_VERSION, Facts, Fault, Frame, HardwareError, Kind, Lead, Led,
    Module, Number, Origin, Owners, Place, Trust, judge,
};
use proptest::option::of;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{collection, proptest, sample};

/// Real codes, real subcodes, addresses, anything.
fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        sample::select(vec![
            0,
            1,
            2,
            3,
            7,
            0x62,
            0x8,
            0x1236,
            0x41792,
            0xC000_0005,
            0xE06D_7363,
            0x2000_0000_0000
        ]),
        sample::select(dump::bugchecks().map(|known| u64::from(known.code)).collect::<Vec<_>>()),
        0xFFFF_F800_0000_0000..=u64::MAX,
        any::<u64>(),
    ]
    .prop_map(Number)
}

/// Modules that rules know, drivers, nonsense.
fn name() -> impl Strategy<Value = String> {
    let known = "nt ntoskrnl.exe hal.dll ndis.sys NETIO watchdog.sys verifierext.sys acme.sys ntdll.dll app.exe win32k";
    prop_oneof![
        sample::select(known.split(' ').map(str::to_owned).collect::<Vec<_>>()),
        Just(String::new()),
        "\\PC{0,12}",
        any::<String>(),
    ]
}

fn function() -> impl Strategy<Value = String> {
    let known =
        "KeBugCheckEx KiPageFault KiSystemServiceCopyEnd KiFastFailDispatch KiBugCheckDispatch VfCheck Work";
    prop_oneof![sample::select(known.split(' ').map(str::to_owned).collect::<Vec<_>>()), any::<String>()]
}

fn place() -> impl Strategy<Value = Place<'static>> {
    (name(), of(number()), of(function()), of(number()), any::<bool>()).prop_map(
        |(module, offset, function, function_offset, unloaded)| Place {
            module: module.into(),
            // With a function and one offset alone, that is the function's: debuggers write it so.
            offset: offset.filter(|_| function.is_none() || function_offset.is_some()),
            function: function.map(Into::into),
            function_offset,
            unloaded,
        },
    )
}

fn frame() -> impl Strategy<Value = Frame<'static>> {
    let trust = sample::select(vec![Trust::Unwound, Trust::Chained, Trust::Scanned]);
    (place(), trust).prop_map(|(place, trust)| Frame { place, trust })
}

fn fault() -> impl Strategy<Value = Fault<'static>> {
    let origins =
        [Origin::Header, Origin::TrapFrame, Origin::Interrupted, Origin::Debugger, Origin::Parameter];
    (number(), place(), sample::select(origins.to_vec()), any::<u8>())
        .prop_map(|(address, place, origin, parameter)| Fault { address, place, origin, parameter })
}

fn exception() -> impl Strategy<Value = Exception> {
    let access = sample::select(vec![Access::Read, Access::Write, Access::Execute]);
    (number(), of(access), of(number()), of(number()))
        .prop_map(|(code, access, accessed, detail)| Exception { code, access, accessed, detail })
}

fn lead() -> impl Strategy<Value = Lead<'static>> {
    let by = sample::select(vec![Led::Address, Led::Irp, Led::Device, Led::Driver, Led::Name]);
    (any::<u8>().prop_map(|at| at % 8), by, place()).prop_map(|(parameter, by, place)| Lead {
        parameter,
        by,
        place,
    })
}

fn facts() -> impl Strategy<Value = Facts<'static>> {
    let head = (
        sample::select(vec![Kind::Kernel, Kind::Live, Kind::User]),
        number(),
        [number(), number(), number(), number()],
        sample::select(vec!["x64", "x86", "arm64", "", "z80"]),
        sample::select(vec![0, 2600, 7601, 9600, 19045, u32::MAX]),
    );
    let rest = (
        of(fault()),
        of(exception()),
        of(place()),
        collection::vec(lead(), 0..4),
        collection::vec(frame(), 0..40),
        of(name()),
        of((any::<String>(), of(number()))),
        any::<bool>(),
    );
    (head, rest).prop_map(|((kind, code, args, arch, os_build), rest)| {
        let (fault, exception, caller, leads, stack, process_name, hardware, verifier) = rest;
        let modules = stack.iter().take(3).map(|frame| Module {
            name: frame.place.module.clone(),
            timestamp: 1,
            size: 2,
        });
        Facts {
            kind,
            bugcheck_code: code,
            args,
            arch: arch.into(),
            os_build,
            processor_vendor: process_name.clone().map(Into::into),
            process_name: process_name.map(Into::into),
            modules: modules.collect(),
            fault,
            exception,
            caller,
            leads,
            stack,
            hardware: hardware.map(|(summary, status)| HardwareError {
                summary: summary.into(),
                status,
                ..HardwareError::default()
            }),
            verifier,
            facts_version: FACTS_VERSION,
            ..Facts::default()
        }
    })
}

proptest! {
    /// The same facts, here and after they were stored, give the same verdict; and it is one that can be shown.
    #[test]
    fn any_facts(facts in facts()) {
        let owners = Owners::default();
        let verdict = judge(&facts, &owners);
        assert_eq!(judge(&facts, &owners), verdict);
        let stored = serde_json::to_string(&facts).unwrap();
        let read = Facts::from_json(&stored).unwrap();
        // Names longer than any real one are cut when they are read.
        if facts.stack.iter().all(|frame| frame.place.module.len() <= 512) {
            assert_eq!(judge(&read, &owners), verdict, "{stored}");
        }
        let bucket = &verdict.failure_bucket_id;
        assert!(!bucket.is_empty() && bucket.chars().count() <= 300 && !bucket.contains(char::is_control), "{bucket:?}");
        assert!(!verdict.evidence.is_empty() && !verdict.failure_id_hash.is_empty());
        assert!(verdict.runners_up.len() <= 3);
        let json = serde_json::to_string(&verdict).unwrap();
        assert!(!json.contains(char::is_control), "{json:?}");
    }

    /// Whatever comes in on standard input is facts or an error.
    #[test]
    fn any_text(text in any::<String>(), value in "\\{\"(stack|args|fault|os)\":[\\[\\{\"]?\\PC{0,20}[\\]\\}\"]{0,2}\\}") {
        for text in [&text, &value] {
            if let Ok(facts) = Facts::from_json(text) {
                judge(&facts, &Owners::default());
            }
        }
    }

    /// Nobody is blamed with confidence for a crash that says it is one flipped bit.
    #[test]
    fn a_single_bit_is_never_a_driver_with_confidence(bit in 0..64u32, stack in collection::vec(frame(), 0..10)) {
        let args = [Number(0x41792), Number(0), Number(1 << bit), Number(0)];
        let facts = Facts { bugcheck_code: Number(0x1A), args, stack, arch: "x64".into(), ..Facts::default() };
        assert!(judge(&facts, &Owners::default()).confidence <= Confidence::Low);
    }
}

/// The longest stack that is looked at, of the modules that take longest: each a stranger, each once.
#[test]
fn the_worst_stack_takes_no_time() {
    let mut stack = String::new();
    for index in 0..5_000 {
        let comma = if index == 0 { "" } else { "," };
        write!(
            stack,
            r#"{comma}{{"module":"driver_number_{index}","offset":"{index:x}","trust":"scanned"}}"#
        )
        .unwrap();
    }
    for code in ["0x9f", "0x1a", "0x50", "0xc5"] {
        let facts =
            format!(r#"{{"bugcheck_code":"{code}","arch":"x64","os_build":22621,"stack":[{stack}]}}"#);
        let facts = Facts::from_json(&facts).unwrap();
        assert_eq!(facts.stack.len(), 1_024);
        let before = Instant::now();
        judge(&facts, &Owners::default());
        let took = before.elapsed();
        assert!(took < Duration::from_secs(2), "{code}: {took:?}");
    }
}
