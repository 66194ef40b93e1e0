//! Real dumps, where they are at hand (`../shared` beside this repository; none is part of it): against their manifest,
//! against a debugger's list of modules, and cut anywhere.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use bluescope_dump::fuzz::fuzz_one;
use bluescope_dump::{KernelDump, Writer, identify};

fn samples() -> Option<PathBuf> {
    let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples");
    if !samples.is_dir() {
        println!("skipped: there are no real dumps in ../shared");
        return None;
    }
    Some(samples)
}

/// Rows of a manifest by column.
fn manifest(kind: &str) -> Vec<(BTreeMap<String, String>, Vec<u8>)> {
    let Some(folder) = samples().map(|samples| samples.join(kind)) else { return Vec::new() };
    let text = fs::read_to_string(folder.join("MANIFEST.tsv")).unwrap();
    let mut lines = text.lines();
    let columns: Vec<_> = lines.next().unwrap().split('\t').collect();
    lines
        .map(|line| {
            let row: BTreeMap<String, String> =
                columns.iter().map(ToString::to_string).zip(line.split('\t').map(str::to_owned)).collect();
            let bytes = fs::read(folder.join(&row["file"])).unwrap();
            (row, bytes)
        })
        .collect()
}

#[test]
fn kernel_dumps_say_what_their_manifest_says() {
    for (row, bytes) in manifest("kernel") {
        let file = &row["file"];
        let dump = KernelDump::parse(&bytes).unwrap();
        assert_eq!(dump.problems(), [], "{file}");
        let header = dump.header();
        assert_eq!(format!("{}-bit", header.bits), row["bits"], "{file}");
        assert_eq!(header.build.to_string(), row["build"], "{file}");
        assert_eq!(format!("{:#x}", header.bugcheck_raw), row["bugcheck"], "{file}");
        assert_eq!(header.parameters.map(|value| format!("{value:x}")).join(" "), row["params"], "{file}");
        let time = header.system_time.unwrap().to_string();
        assert!(time.starts_with(row["time_utc"].trim_end_matches('Z')), "{file}: {time}");
        assert_eq!(header.writer == Writer::Kernel, row["writer"] == "kernel", "{file}");
        assert_eq!(dump.drivers().len().to_string(), row["drivers"], "{file}");
        assert_eq!(dump.unloaded().len().to_string(), row["unloaded"], "{file}");
        assert_eq!(dump.blobs().len().to_string(), row["secondary_blobs"], "{file}");
        assert_eq!(dump.data_blocks().count().to_string(), row["data_blocks"], "{file}");
        for block in dump.data_blocks() {
            let len = usize::try_from(block.len).unwrap();
            assert_eq!(dump.read(block.va, len).map(|bytes| bytes.len()), Some(len), "{file}: {block:?}");
        }

        let kernel = &dump.drivers()[0];
        assert_eq!((&*kernel.name, Some(kernel.base)), ("ntoskrnl.exe", dump.kernel_base()), "{file}");
        assert!(dump.process_name().is_some() && dump.processor().is_some(), "{file}");
        assert!(dump.stack().is_some(), "{file}");
        if header.bits == 64 {
            // the saved stack begins where KeBugCheckEx was called, also where the context is that of the fault
            assert!(dump.read(dump.context().unwrap().sp(), 8).is_some(), "{file}");
        }
        if row["fault_address_owner"] != "-" {
            let owners: Vec<_> = header
                .parameters
                .iter()
                .filter_map(|&va| dump.driver_at(va))
                .map(|(driver, offset)| format!("{}+{offset:#x}", driver.name))
                .collect();
            assert_eq!(owners, [row["fault_address_owner"].as_str()], "{file}");
        }
    }
}

/// The records that a bug check points at are on the saved stack and agree with its parameters.
#[test]
fn records_agree_with_parameters() {
    for (row, bytes) in manifest("kernel") {
        let dump = KernelDump::parse(&bytes).unwrap();
        let [p1, p2, p3, p4] = dump.header().parameters;
        match dump.header().bugcheck {
            0x7e => {
                let record = dump.exception_at(p3).unwrap();
                assert_eq!(
                    (u64::from(record.code), record.address),
                    (p1 & 0xffff_ffff, p2),
                    "{}",
                    row["file"]
                );
                assert_eq!(dump.context_at(p4).unwrap().pc(), p2, "{}", row["file"]);
                assert_eq!(dump.context().unwrap().pc(), p2, "{}", row["file"]);
            }
            0x3b => assert_eq!(dump.context_at(p3).unwrap().pc(), p2, "{}", row["file"]),
            0xbe => {
                assert!(dump.driver_at(dump.trap_frame_at(p3).unwrap().pc()).is_some(), "{}", row["file"])
            }
            _ => {}
        }
    }
}

/// Counter of boots: in the header of kernel-written dumps, in the secondary data of the others, and rising.
#[test]
fn boots_are_counted() {
    let rows = manifest("kernel");
    let boots: BTreeMap<_, _> = rows
        .iter()
        .map(|(row, bytes)| (&*row["file"], KernelDump::parse(bytes).unwrap().boot_id()))
        .collect();
    for (file, boot_id) in [
        ("eolaruhagen__083125-14875-01.dmp", 2),
        ("r-techsupport__be_0.dmp", 171),
        ("r-techsupport__50_0.dmp", 173),
        ("r-techsupport__7e_0.dmp", 563),
        ("r-techsupport__1e.dmp", 576),
        ("r-techsupport__d1.dmp", 585),
    ] {
        assert!(boots.is_empty() || boots[file] == Some(boot_id), "{file}: {:?}", boots[file]);
    }
}

/// Each line: `ffff9a14`09600000 ffff9a14`098ce000   win32kbase win32kbase.sys B8AC42DD (...)`.
#[test]
fn drivers_are_those_the_debugger_lists() {
    const FILE: &str = "eolaruhagen__083125-14875-01";
    let Some(samples) = samples() else { return };
    let bytes = fs::read(samples.join("kernel").join(FILE).with_extension("dmp")).unwrap();
    let dump = KernelDump::parse(&bytes).unwrap();
    let text = fs::read_to_string(samples.join("answers").join(format!("{FILE}.lm_t_n.txt"))).unwrap();
    let (loaded, unloaded) = text.split_once("Unloaded modules:").unwrap();
    let address = |word: &str| u64::from_str_radix(&word.replace('`', ""), 16).unwrap();

    let mut listed = 0;
    for line in loaded.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let words: Vec<_> = line.split_whitespace().collect();
        let hexadecimal = |word: &&str| {
            let word = word.trim_matches(['(', ')']);
            if word.len() == 8 { u32::from_str_radix(word, 16).ok() } else { None }
        };
        let timestamp = words[4..].iter().find_map(hexadecimal).unwrap();
        let (driver, offset) = dump.driver_at(address(words[0])).unwrap();
        assert_eq!((offset, driver.base + u64::from(driver.size)), (0, address(words[1])), "{line}");
        assert_eq!(driver.timestamp, timestamp, "{line}");
        let name = if words[2] == "nt" { "ntoskrnl.exe" } else { words[3] };
        assert_eq!(driver.name, name, "{line}");
        listed += 1;
    }
    assert_eq!((listed, dump.drivers().len()), (156, 156));

    let expected: Vec<_> = unloaded
        .lines()
        .filter(|line| line.contains('`'))
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .map(|words| (words[2].to_owned(), address(words[0]), address(words[1])))
        .collect();
    let read: Vec<_> =
        dump.unloaded().iter().map(|driver| (driver.name.clone(), driver.start, driver.end)).collect();
    assert_eq!(read, expected);
}

#[test]
fn dumps_have_the_names_their_analysts_saw() {
    for (row, bytes) in manifest("kernel") {
        let expected = match &*row["file"] {
            "eolaruhagen__083125-14875-01.dmp" => ("notmyfault64.e", Some("VirtualBox")),
            "nforest__pagedump.dmp" => ("conhost.exe", Some("System Product Name")),
            "r-techsupport__9f.dmp" => ("EpicGamesLaunc", Some("System Product Name")),
            "rizinorg__triage_x64.dmp" => ("System", None),
            _ => continue,
        };
        let dump = KernelDump::parse(&bytes).unwrap();
        let model = dump.smbios().and_then(|smbios| smbios.model);
        assert_eq!((dump.process_name().as_deref(), model.as_deref()), (Some(expected.0), expected.1));
    }
}

#[test]
fn cut_anywhere_they_do_no_harm() {
    for (row, bytes) in manifest("kernel").into_iter().chain(manifest("user")) {
        let whole = identify(&bytes, &[0; 32], bytes.len() as u64).unwrap();
        let heads = (0..0x2200).step_by(61).chain((0x2200..bytes.len()).step_by(bytes.len() / 50));
        for len in heads {
            let cut = &bytes[..len];
            fuzz_one(cut);
            if let Ok(identity) = identify(cut, &[0; 32], len as u64)
                && row.contains_key("drivers")
            {
                assert_eq!(identity, whole, "{} cut to {len}", row["file"]);
                let dump = KernelDump::parse(cut).unwrap();
                assert!(!dump.problems().is_empty(), "{} cut to {len}", row["file"]);
            }
        }
    }
}
