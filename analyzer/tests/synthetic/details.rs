//! All that a kernel dump says: whole reports of the three machines and of a large dump, and how dumps are read by range.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use bluescope_analyzer::render::{Style, text};
use bluescope_analyzer::{Analysis, Limits, Owners, Source, SourceError, analyze, analyze_source};
use dump::synth::{LargeDump, SmallDump, SynthDumpType, SynthMachine, SynthSmbios};

/// A dump in memory that counts what is read of it, and fails where it is told to.
struct Counted {
    bytes: Vec<u8>,
    /// Size that it claims; what is behind the bytes is zero.
    size: u64,
    /// Reads that touch bytes from here on fail.
    broken_from: u64,
    read: AtomicU64,
}

impl Counted {
    fn new(bytes: Vec<u8>) -> Self {
        let size = bytes.len() as u64;
        Self { bytes, size, broken_from: u64::MAX, read: AtomicU64::new(0) }
    }

    fn explain(&self) -> Result<Analysis, SourceError> {
        analyze_source(self, None, &Owners::default(), &Limits::with_details())
    }
}

impl Source for Counted {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset + buffer.len() as u64;
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        if end > self.size || end > self.broken_from {
            return Err(io::Error::other("no such sector"));
        }
        for (at, byte) in (offset..).zip(buffer) {
            *byte = self.bytes.get(usize::try_from(at).unwrap()).copied().unwrap_or(0);
        }
        Ok(())
    }
}

fn detailed(bytes: &[u8]) -> Analysis {
    analyze(bytes, None, &Owners::default(), &Limits::with_details()).unwrap()
}

fn memory_dump() -> Vec<u8> {
    LargeDump::example(SynthMachine::X64, SynthDumpType::BitmapKernel).to_bytes()
}

/// The text whole; of the JSON the new part and the registers, the rest has snapshots of its own.
fn check(name: &str, mut analysis: Analysis) {
    insta::assert_snapshot!(format!("{name}_text"), text(&analysis, Style { colour: false }));
    analysis.modules.clear();
    insta::assert_json_snapshot!(format!("{name}_json"), analysis);
}

#[test]
fn everything_of_each_machine() {
    check("x64", detailed(&SmallDump::example_of(SynthMachine::X64).to_bytes()));
    check("arm64", detailed(&SmallDump::example_of(SynthMachine::Arm64).to_bytes()));
    check("x86", detailed(&SmallDump::example_of(SynthMachine::X86).to_bytes()));
}

#[test]
fn everything_of_a_memory_dump() {
    check("memory_dump", Counted::new(memory_dump()).explain().unwrap());
}

/// The verdict of a crash does not depend on which dump of it is at hand.
#[test]
fn large_dumps_of_every_kind_are_read_by_range() {
    for machine in [SynthMachine::X64, SynthMachine::Arm64, SynthMachine::X86] {
        let small = detailed(&SmallDump::example_of(machine).to_bytes());
        for dump_type in SynthDumpType::ALL {
            let bytes = LargeDump::example(machine, dump_type).to_bytes();
            let by_range = Counted::new(bytes.clone()).explain().unwrap();
            assert_eq!(by_range, detailed(&bytes), "{machine:?} {dump_type:?}");
            assert_eq!(by_range.verdict.name, small.verdict.name, "{machine:?} {dump_type:?}");
            assert_eq!(by_range.crash_id, small.crash_id, "{machine:?} {dump_type:?}");
            assert_eq!(by_range.modules.len(), small.modules.len(), "{machine:?} {dump_type:?}");
            assert_eq!(by_range.process, small.process, "{machine:?} {dump_type:?}");
            assert!(by_range.problems.is_empty(), "{machine:?} {dump_type:?}: {:?}", by_range.problems);
        }
    }
}

/// Of a dump of 64 GB no more is read than of a small one.
#[test]
fn a_large_dump_is_hardly_touched() {
    let source = Counted { size: 64 << 30, ..Counted::new(memory_dump()) };
    let analysis = source.explain().unwrap();
    assert_eq!(analysis.dump_bytes, 64 << 30);
    assert_eq!(analysis.verdict.name, "rtwlane.sys");
    let read = source.read.load(Ordering::Relaxed);
    assert!(read < 8 << 20, "{read} bytes");
}

#[test]
fn small_and_user_dumps_are_read_whole() {
    let bytes = SmallDump::example().to_bytes();
    assert_eq!(Counted::new(bytes.clone()).explain().unwrap(), detailed(&bytes));
    let bytes = dump::synth::user_minidump(&dump::synth::UserDump::example());
    assert_eq!(Counted::new(bytes.clone()).explain().unwrap(), detailed(&bytes));
    let too_large = Counted { size: 1 << 40, ..Counted::new(bytes) };
    let Err(SourceError::Unreadable(error)) = too_large.explain() else { panic!("read a terabyte") };
    assert_eq!(error.code, "too_large");
    let Err(SourceError::Unreadable(error)) = Counted::new(b"hello".to_vec()).explain() else {
        panic!("no dump")
    };
    assert_eq!(error.code, "not_a_dump");
}

#[test]
fn a_disk_that_fails_is_told() {
    let bytes = memory_dump();
    let middle = bytes.len() as u64 / 2;
    let half = Counted { broken_from: middle, ..Counted::new(bytes.clone()) }.explain().unwrap();
    assert!(half.problems.iter().any(|problem| problem.contains("no such sector")), "{:?}", half.problems);
    assert_eq!(half.bugcheck.unwrap().code, 0xd1);
    let dead = Counted { broken_from: 0, ..Counted::new(bytes) }.explain();
    assert!(matches!(dead, Err(SourceError::Read(error)) if error.to_string() == "no such sector"));
    let small = Counted { broken_from: 100_000, ..Counted::new(SmallDump::example().to_bytes()) }.explain();
    assert!(matches!(small, Err(SourceError::Read(_))));
}

#[test]
fn serial_numbers_are_not_told_and_firmware_is_cleaned() {
    let dump = SmallDump {
        smbios: Some(SynthSmbios {
            vendor: "\x1b]0;owned\x07".into(),
            board: "\u{202e}draob".into(),
            serial: "SERIAL0001".into(),
            board_serial: "SERIAL0002".into(),
            chassis_serial: "SERIAL0003".into(),
            model: "Model".into(),
            ..SynthSmbios::default()
        }),
        ..SmallDump::example()
    };
    let analysis = detailed(&dump.to_bytes());
    let firmware = analysis.kernel.as_ref().unwrap().firmware.as_ref().unwrap();
    assert_eq!(firmware.vendor.as_deref(), Some("\u{fffd}]0;owned\u{fffd}"));
    assert_eq!(firmware.board.as_deref(), Some("\u{fffd}draob"));
    let json = serde_json::to_string(&analysis).unwrap();
    let printed = text(&analysis, Style { colour: false });
    assert!(!json.contains("SERIAL") && !printed.contains("SERIAL"));
    assert!(printed.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')));
}

/// Reports outlive versions: one without details, and one with fewer of them.
#[test]
fn older_reports_still_load() {
    let bytes = SmallDump::example().to_bytes();
    let plain = analyze(&bytes, None, &Owners::default(), &Limits::default()).unwrap();
    let mut json = serde_json::to_value(&plain).unwrap();
    assert!(json.get("kernel").is_none());
    let facts = plain.facts.clone();
    let whole = |read: Analysis| Analysis { facts: facts.clone(), ..read };
    assert_eq!(whole(serde_json::from_value(json.clone()).unwrap()), plain);
    json["kernel"] = serde_json::json!({ "lab": "19041.1", "processor": { "number": 3 }, "new": 1 });
    let loaded: Analysis = serde_json::from_value(json).unwrap();
    let details = loaded.kernel.as_ref().unwrap();
    assert_eq!(details.processor.as_ref().unwrap().number, Some(3));
    assert!(text(&loaded, Style { colour: false }).contains("PROCESSOR 3"));
    let detailed = detailed(&bytes);
    let read = serde_json::from_str(&serde_json::to_string(&detailed).unwrap()).unwrap();
    assert_eq!(whole(read), detailed);
    assert_eq!(Analysis { kernel: None, ..detailed }, plain);
}
