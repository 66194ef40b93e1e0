//! Secondary data of real dumps, where they are at hand (`../shared` beside this repository; none is part of it). What
//! they hold is compared with what other parts of the same dump say; nothing that names a machine is written here.
//! Then secondary data that take more memory than they have, made for that.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::fs;
use std::path::PathBuf;

use bluescope_dump::synth::SmallDump;
use bluescope_dump::{FileTime, KernelDump, StoragePort};

/// Names and bytes of all real dumps.
fn samples() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    if !folder.is_dir() {
        println!("skipped: there are no real dumps in ../shared");
        return Vec::new();
    }
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let dumps = files.filter(|path| path.extension().is_some_and(|extension| extension == "dmp"));
    dumps.map(|path| (path.file_stem().unwrap().display().to_string(), fs::read(path).unwrap())).collect()
}

fn has(dump: &KernelDump<'_>, guid: &str) -> bool {
    dump.blobs().iter().any(|blob| blob.guid == guid.parse().unwrap() && blob.len != 0)
}

/// The two forms of one list are read as one.
fn other_form(dump: &KernelDump<'_>, guid: &str) -> bool {
    let forms = ["2b4ae195-a64d-4f04-8ede-7e4f981bd42a", "0d910545-e694-4b15-870c-01625fb32a6f"];
    forms.contains(&guid) && forms.iter().any(|form| has(dump, form))
}

/// A reader understands its piece in every dump that has one.
#[test]
fn whatever_is_there_is_understood() {
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let understood = [
            ("bc5c008f-1e3a-44d7-988d-86f6884c6758", dump.smbios().is_some()),
            ("6c7ac389-4313-47dc-9f34-a8800a0fb56c", dump.processor().is_some()),
            ("d03dc06f-d88e-44c5-ba2a-fae035172d19", dump.cpuid().is_some()),
            (
                "7b581fa7-81c2-423f-a65c-1266fb10603d",
                dump.hypervisor().is_some_and(|it| it.version.is_some()),
            ),
            ("f87e4a4c-c5a1-4d2f-bff0-d5de63a5e4c3", !dump.wdf_drivers().is_empty()),
            ("54c84888-01d1-4c1e-bed6-282c98241303", dump.wdf_log().is_some()),
            ("270a33fd-3da6-460d-ba89-3c1bae21e39b", dump.tdr().is_some()),
            ("bf2297dc-34ba-11dc-868a-e19155d89593", dump.nvidia().is_some()),
            ("da82441d-7142-4bc1-b844-0807c5a4b67f", !dump.storage_logs().is_empty()),
            ("e83b40d2-b0a0-4842-abea-71c9e3463dd1", !dump.acpi_tables().is_empty()),
            ("9276c055-eb87-425c-b8b5-04e4d247f6cd", !dump.pci_functions().is_empty()),
            ("f57308df-cc45-4e01-ad76-29a4ebb010ec", dump.boot_status().is_some()),
            ("00afe9c4-940d-4213-8016-cd3719b5bc20", dump.ntfs_notes().is_some()),
            ("b7631941-532a-4cd6-b1b1-edb5917d4557", dump.pnp_event().is_some()),
            ("80cc79cf-a719-4af1-bf97-fe29ff76ebc1", dump.winlogon().is_some()),
            ("2b4ae195-a64d-4f04-8ede-7e4f981bd42a", !dump.triage_components().is_empty()),
            ("0d910545-e694-4b15-870c-01625fb32a6f", !dump.triage_components().is_empty()),
            ("fe96ddbf-850d-4c4a-a7bf-c686be526047", dump.bugcheck_driver().is_some()),
        ];
        for (guid, understood) in understood {
            assert_eq!(understood, has(&dump, guid) || other_form(&dump, guid), "{file}: {guid}");
        }
    }
}

/// Registry, CPUID and SMBIOS tell of the same processor.
#[test]
fn the_processor_is_the_same_in_all_words() {
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let (processor, cpuid) = (dump.processor().unwrap(), dump.cpuid().unwrap());
        assert_eq!(processor.vendor, cpuid.vendor(), "{file}");
        assert_eq!(processor.name, cpuid.brand(), "{file}");
        let (family, model, stepping) = cpuid.family_model_stepping().unwrap();
        let words = format!("Family {family} Model {model} Stepping {stepping}");
        assert!(processor.identifier.unwrap().ends_with(&words), "{file}: {words}");
        let signature = cpuid.model_specific.iter().find(|register| register.number == 0x8B);
        let revision = signature.map(|register| (register.value >> 32) as u32);
        assert_eq!(processor.microcode, revision, "{file}");
    }
}

/// Who ran on a hypervisor says so; the one virtual machine names it.
#[test]
fn hypervisors_are_told() {
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let hypervisor = dump.hypervisor();
        match file.as_str() {
            "eolaruhagen__083125-14875-01" => {
                let hypervisor = hypervisor.unwrap();
                assert_eq!(hypervisor.vendor.as_deref(), Some("VBoxVBoxVBox"));
                assert_eq!(hypervisor.interface.as_deref(), Some("Hv#1"));
                assert_eq!(dump.smbios().unwrap().model.as_deref(), Some("VirtualBox"));
            }
            "proxyrule__011620-8250-01" | "rizinorg__triage_x64" => {
                assert_eq!(hypervisor.unwrap().vendor, None, "{file}: Windows' own");
                assert!(
                    has(&dump, "b0692a5e-6b7b-4073-8a7c-604e35032970"),
                    "{file}: without a secure kernel"
                );
            }
            _ => assert_eq!(hypervisor, None, "{file}"),
        }
    }
}

/// Drivers of the framework are loaded, and the one with a log is among them.
#[test]
fn drivers_of_the_framework_are_loaded() {
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let (drivers, log) = (dump.wdf_drivers(), dump.wdf_log().unwrap());
        assert_eq!((drivers[0].name.as_str(), drivers[0].globals), ("Wdf01000", None), "{file}");
        let kernel_half = if dump.header().bits == 32 { 0x8000_0000 } else { 0xFFFF_8000_0000_0000 };
        assert!(drivers[1..].iter().all(|driver| driver.globals.unwrap() >= kernel_half), "{file}");
        assert!(drivers.iter().any(|driver| driver.name == log.driver), "{file}: {}", log.driver);
        let is_loaded = |name: &str| {
            let name = format!("{}.sys", name.to_lowercase());
            dump.drivers().iter().any(|driver| driver.name.to_lowercase() == name)
        };
        // a service need not have the name of its file
        let loaded = drivers.iter().filter(|driver| is_loaded(&driver.name)).count();
        assert!(loaded * 10 >= drivers.len() * 8, "{file}: {loaded} of {}", drivers.len());

        let messages = &log.messages;
        assert!(messages.len() >= 20, "{file}: {}", messages.len());
        assert_eq!(messages.last().unwrap().sequence, log.written, "{file}");
        assert!(messages.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence), "{file}");
        let crash = dump.header().system_time.unwrap();
        let boot = FileTime(crash.0 - dump.header().uptime.unwrap().0);
        let times: Vec<_> = messages.iter().filter_map(|message| message.time).collect();
        assert_eq!(times.len(), if dump.header().build >= 26100 { messages.len() } else { 0 }, "{file}");
        assert!(times.iter().all(|time| (boot..=crash).contains(time)), "{file}");
    }
}

/// Only a crash of the display driver has the whole report, with what NVIDIA's driver wrote in it.
#[test]
fn a_timeout_of_an_adapter_has_a_report() {
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let report = dump.tdr().unwrap();
        assert_eq!(report.is_timeout(), dump.header().bugcheck == 0x116, "{file}");
        let blob = dump.blobs().iter().find(|blob| blob.guid.name() == Some("display (TDR) report")).unwrap();
        let last = report.sections.last().unwrap();
        assert_eq!(last.offset + last.len, blob.len, "{file}");
        for section in &report.sections {
            let expected = match section.kind {
                _ if report.is_timeout() => continue,
                0x09 | 0x30 => 8,
                0x20..=0x22 => 16,
                _ => continue,
            };
            assert_eq!(section.len, expected, "{file}: {section:?}");
        }
        if let Some(section) = report.driver_section {
            let data = dump.blob_data(blob);
            assert!(data[usize::try_from(section.offset).unwrap()..].starts_with(b"NVCD"), "{file}");
        }
        let drivers = dump.drivers();
        assert!(
            dump.nvidia().is_none()
                || drivers.iter().any(|driver| driver.name.eq_ignore_ascii_case("nvlddmkm.sys")),
            "{file}: NVIDIA's report without its driver"
        );
    }
}

/// Requests to a disk ended before the crash.
#[test]
fn requests_to_disks_have_times() {
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let crash = dump.header().system_time.unwrap();
        for log in dump.storage_logs() {
            assert!(
                dump.drivers().iter().any(|driver| driver.name.eq_ignore_ascii_case(&log.driver)),
                "{file}"
            );
            assert!((30..=67).contains(&log.requests.len()), "{file}: {}", log.requests.len());
            for request in log.requests.iter().filter(|_| log.port == StoragePort::StorPort) {
                // stamped with a clock that runs ahead by the time of a tick
                assert!(request.start.max(request.end) <= crash.0 + 1_000_000, "{file}: {request:?}");
            }
        }
    }
}

/// Every machine has a host bridge and a graphics adapter among its PCI functions, and each function is there once.
#[test]
fn pci_functions_have_places() {
    for (file, bytes) in samples() {
        let functions = KernelDump::parse(&bytes).unwrap().pci_functions();
        let mut places: Vec<_> = functions.iter().map(|it| (it.bus, it.device, it.function)).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), functions.len(), "{file}");
        assert!(functions.iter().all(|it| ![0, 0xFFFF].contains(&it.vendor_id)), "{file}");
        assert!(
            functions.is_empty() || functions.iter().any(|it| it.class[..2] == [6, 0]),
            "{file}: no bridge"
        );
    }
}

/// Firmware has a fixed description and an interrupt table; the lengths of two are fixed.
#[test]
fn tables_of_the_firmware_are_the_usual_ones() {
    for (file, bytes) in samples() {
        let tables = KernelDump::parse(&bytes).unwrap().acpi_tables();
        for needed in ["FACP", "APIC"] {
            assert!(tables.iter().any(|table| table.signature == needed), "{file}: {needed}");
        }
        for table in &tables {
            let expected = match table.signature.as_str() {
                "HPET" => 56,
                "WSMT" => 40,
                _ => continue,
            };
            assert_eq!(table.length, expected, "{file}: {table:?}");
        }
    }
}

/// The counter of boots agrees with the header's; notes were taken before the crash.
#[test]
fn black_boxes_agree_with_the_header() {
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let crash = dump.header().system_time.unwrap();
        if let Some(status) = dump.boot_status() {
            assert!(status.activity.running && status.succeeded && !status.shutdown, "{file}");
            assert!(status.boot_id.unwrap() > status.last_clean_boot_id, "{file}");
            assert!(dump.header().boot_id.is_none_or(|boot_id| Some(boot_id) == status.boot_id), "{file}");
            assert!(status.last_note.unwrap() <= crash, "{file}");
        }
        assert!(dump.ntfs_notes().is_none_or(|notes| notes.since < crash && notes.slow.is_empty()), "{file}");
        assert!(dump.pnp_event().is_none_or(|event| event.time < crash && !event.in_progress), "{file}");
        let states = ["ShellSta", "ShellRes", "WluiRequ", "WluiDisp"];
        assert!(
            dump.winlogon().is_none_or(|it| states.iter().any(|state| it.state.starts_with(state))),
            "{file}"
        );
        if let Some(name) = dump.bugcheck_driver() {
            let (owner, _) = dump.header().parameters.iter().find_map(|&va| dump.driver_at(va)).unwrap();
            assert!(owner.name.eq_ignore_ascii_case(&name), "{file}: {name}");
        }
    }
}

/// What components added is memory of the dump; where content is written with the list, it is the same as there.
#[test]
fn components_added_memory() {
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let components = dump.triage_components();
        let mut compared = 0;
        for block in components.iter().flat_map(|component| &component.blocks) {
            assert!(block.va >= 0xFFFF_8000_0000_0000, "{file}: {block:?}");
            let Some(offset) = block.offset else { continue };
            let begin = usize::try_from(offset).unwrap();
            let content = &bytes[begin..begin + usize::try_from(block.len).unwrap()];
            assert_eq!(dump.read(block.va, content.len()).as_deref(), Some(content), "{file}: {block:?}");
            compared += 1;
        }
        if has(&dump, "0d910545-e694-4b15-870c-01625fb32a6f") {
            assert!(compared >= 40, "{file}: {compared}");
        }
        assert!(components.is_empty() || components[0].name == "IoTriageDumpData", "{file}");
    }
}

/// Each log of a recorder leads to a provider, and nearly always to who owns it.
#[test]
fn recorders_belong_to_drivers() {
    let (mut logs, mut owned) = (0, 0);
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        for log in dump.recorder_logs() {
            assert!((1..=4).contains(&log.number), "{file}: {log:?}");
            logs += 1;
            owned += u32::from(log.driver.is_some());
        }
        if file == "rizinorg__triage_x64" {
            let drivers: Vec<_> = dump.recorder_logs().into_iter().map(|log| log.driver).collect();
            assert_eq!(drivers, [Some("AmdPPM".to_owned())], "the driver that crashed");
        }
    }
    assert_eq!((logs, owned), if logs == 0 { (0, 0) } else { (81, 81) });
}

/// Sizes and speeds of memory modules are those of real ones.
#[test]
fn memory_modules_are_real() {
    let mut modules = 0;
    for (file, bytes) in samples() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let Some(smbios) = dump.smbios() else { continue };
        for module in &smbios.memory {
            modules += 1;
            assert!(
                module.size_mb.is_some_and(|size| size.is_power_of_two() && size >= 512),
                "{file}: {module:?}"
            );
            assert!(module.speed.is_none_or(|speed| (400..10_000).contains(&speed)), "{file}: {module:?}");
        }
        let cores: u16 = smbios.processors.iter().filter_map(|processor| processor.enabled_cores).sum();
        let threads: u16 = smbios.processors.iter().filter_map(|processor| processor.threads).sum();
        // the firmware of one machine counts cores as threads
        assert!(u32::from(threads) <= dump.header().processors, "{file}: {threads} threads");
        assert!(cores <= threads, "{file}");
        let told = serde_json::to_string(&smbios).unwrap();
        let identity = dump.smbios_identity().unwrap_or_default();
        let serials = identity.serial.iter().chain(&identity.board_serial).chain(&identity.memory_serials);
        // placeholders have no digits, or only zeros
        let is_real = |serial: &&String| serial.chars().any(|digit| digit.is_ascii_digit() && digit != '0');
        for serial in serials.filter(is_real).filter(|serial| serial.len() >= 6) {
            assert!(!told.contains(serial.as_str()), "{file}: a serial number is told");
        }
    }
    println!("{modules} memory modules");
}

/// A framework's log of `records` messages, each of which has all bytes that a length can say, its own successors among
/// them.
fn overlapping_log(records: u16, driver: &[u8; 8]) -> Vec<u8> {
    let mut log = vec![0; 0x48 + 28 * usize::from(records) + 0x1_0000];
    let len = u32::try_from(log.len() - 0x48).unwrap();
    log[..16].copy_from_slice(b"\x9d\x4c\x4d\x54\x2c\x94\xd5\x46\xbf\x50\xdf\x5c\xd9\x52\x4a\x50");
    log[0x18..0x1c].copy_from_slice(&len.to_le_bytes());
    log[0x1e..0x20].copy_from_slice(&(28 * (records - 1)).to_le_bytes());
    log[0x20..0x24].copy_from_slice(&u32::from(records).to_le_bytes());
    log[0x24..0x2c].copy_from_slice(driver);
    for (record, number) in log[0x48..].chunks_exact_mut(28).zip(0..records) {
        record[..4].copy_from_slice(b"LR\xff\xff");
        record[4..8].copy_from_slice(&(u32::from(number) + 1).to_le_bytes());
        record[8..10].copy_from_slice(&(28 * number.saturating_sub(1)).to_le_bytes());
    }
    log
}

/// A small dump without anything but secondary data, all of the framework's log.
fn with_logs(logs: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = SmallDump::example().to_bytes();
    bytes.truncate(0x2000);
    bytes.resize(0x3000, 0);
    bytes[0x2004..0x2008].copy_from_slice(&0x3000_u32.to_le_bytes());
    bytes.extend(*b"DumpBlob\x10\0\0\0\0\0\0\0");
    for log in logs {
        bytes.extend(0x20_u32.to_le_bytes());
        bytes.extend(*b"\x88\x48\xc8\x54\xd1\x01\x1e\x4c\xbe\xd6\x28\x2c\x98\x24\x13\x03");
        bytes.extend([u32::try_from(log.len()).unwrap(), 0, 0].into_iter().flat_map(u32::to_le_bytes));
        bytes.extend(log);
    }
    bytes
}

/// The log that is told is the last that is one, and of records that overlap only as many as there is room for.
#[test]
fn records_that_overlap_take_memory_in_proportion() {
    for logs in [1, 2, 16] {
        let mut logs = vec![overlapping_log(2340, b"first\0\0\0"); logs];
        logs.push(overlapping_log(2340, b"second\0\0"));
        logs.push(b"no log".to_vec());
        let bytes = with_logs(&logs);
        let dump = KernelDump::parse(&bytes).unwrap();
        assert_eq!(dump.blobs().len(), logs.len());
        let took = allocation_counter::measure(|| {
            let log = dump.wdf_log().unwrap();
            assert_eq!((log.driver.as_str(), log.written), ("second", 2340));
            let values: usize = log.messages.iter().map(|message| message.values.len()).sum();
            assert!(!log.messages.is_empty() && values < 0x2_0000, "{values}");
        });
        assert!(took.bytes_max < 0x4_0000, "{} logs: {took:?}", logs.len());
    }
}

/// Records of the least length: of one log there are never more than offsets.
#[test]
fn the_most_messages_of_a_log_take_memory_in_proportion() {
    let mut log = overlapping_log(2340, b"first\0\0\0");
    for record in log[0x48..].chunks_exact_mut(28).take(2340) {
        record[2..4].copy_from_slice(&28_u16.to_le_bytes());
    }
    let bytes = with_logs(&[log]);
    let dump = KernelDump::parse(&bytes).unwrap();
    assert_eq!(dump.blobs().len(), 1);
    let took = allocation_counter::measure(|| assert_eq!(dump.wdf_log().unwrap().messages.len(), 2340));
    assert!(took.bytes_max < 0x10_0000, "{took:?}");
}
