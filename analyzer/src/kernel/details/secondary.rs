//! What drivers and parts of Windows left behind the dump: summaries of what is understood, names of the rest.

use dump::{BootStatus, Guid, KernelDump, PciFunction, StorageLog, StoragePort};

use super::Clean;
use crate::analysis::{
    AcpiDetails, BootDetails, ComponentDetails, DisplayDetails, KernelDetails, KmdfDriver, KmdfLog,
    NtfsDetails, NvidiaDetails, PnpDetails, RecorderDetails, SecondaryDetails, StorageDetails,
};
use crate::hex::{self, hex};

/// Entries of a list: real dumps have up to 60 drivers, 42 functions, 36 pieces of data.
const LISTED: usize = 128;

/// `SRB_STATUS_SUCCESS`, and the drive's status register without an error.
const STORPORT_SUCCESS: u32 = 1;
const ATAPORT_SUCCESS: u32 = 0x50;

pub(super) fn gather(dump: &KernelDump<'_>, clean: Clean, details: &mut KernelDetails) {
    frameworks(dump, clean, details);
    display(dump, details);
    black_boxes(dump, clean, details);
    details.storage = dump.storage_logs().iter().map(|log| storage(log, clean)).collect();
    details.acpi = acpi(dump, clean);
    details.pci = dump.pci_functions().iter().take(LISTED).map(pci).collect();
    details.bugcheck_driver = clean.optional(dump.bugcheck_driver());
    let components = dump.triage_components();
    let components = components.iter().take(LISTED).map(|component| ComponentDetails {
        name: clean.text(&component.name),
        blocks: component.blocks.len(),
        bytes: component.blocks.iter().map(|block| u64::from(block.len)).sum(),
    });
    details.triage_components = components.collect();
    let logs = dump.recorder_logs();
    let logs = logs.into_iter().take(LISTED).map(|log| RecorderDetails {
        driver: clean.optional(log.driver).unwrap_or_else(|| log.provider.to_string()),
        number: log.number,
        name: clean.optional(log.name),
    });
    details.recorder_logs = logs.collect();
    let secondary = dump.blobs().iter().take(LISTED).map(|blob| SecondaryDetails {
        guid: guid(blob.guid),
        name: blob.guid.name().map(str::to_owned),
        size: blob.len,
    });
    details.secondary_data = secondary.collect();
}

fn frameworks(dump: &KernelDump<'_>, clean: Clean, details: &mut KernelDetails) {
    let drivers = dump.wdf_drivers();
    let driver = |driver: &dump::WdfDriver| KmdfDriver {
        name: clean.text(&driver.name),
        version: format!("{}.{}", driver.version.major, driver.version.minor),
    };
    details.kmdf_drivers = drivers.iter().take(LISTED).map(driver).collect();
    details.kmdf_log = dump.wdf_log().map(|log| KmdfLog {
        driver: clean.text(&log.driver),
        written: log.written,
        kept: log.messages.len(),
    });
}

fn display(dump: &KernelDump<'_>, details: &mut KernelDetails) {
    details.display = dump.tdr().map(|report| DisplayDetails {
        timeout: report.is_timeout(),
        sections: report.sections.len(),
        driver_bytes: report.driver_section.map(|section| section.len),
    });
    details.nvidia = dump.nvidia().map(|report| NvidiaDetails {
        format: report.format.to_string(),
        size: report.size,
        checksum: report.checksum,
    });
}

fn black_boxes(dump: &KernelDump<'_>, clean: Clean, details: &mut KernelDetails) {
    details.boot = dump.boot_status().as_ref().map(boot);
    details.ntfs = dump.ntfs_notes().map(|notes| NtfsDetails {
        since: notes.since.to_string(),
        slow: notes.slow.iter().map(|slow| hex(slow.irp)).collect(),
    });
    details.pnp = dump.pnp_event().map(|event| PnpDetails {
        device: clean.text(&event.device),
        time: event.time.to_string(),
        in_progress: event.in_progress,
        problem: event.problem,
        information: event.information,
    });
    details.winlogon = dump.winlogon().map(|mut winlogon| {
        winlogon.state = clean.text(&winlogon.state);
        winlogon
    });
}

fn boot(status: &BootStatus) -> BootDetails {
    let activity = status.activity;
    let all = [
        (activity.running, "running"),
        (activity.standby, "standby"),
        (activity.user_shutdown, "user shutdown"),
        (activity.system_shutdown, "system shutdown"),
        (activity.sleep != 0, "sleep"),
    ];
    BootDetails {
        attempts: status.attempts,
        succeeded: status.succeeded,
        shutdown: status.shutdown,
        activity: all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()).collect(),
        last_note: status.last_note.map(|time| time.to_string()),
        last_clean_boot_id: status.last_clean_boot_id,
        last_reported_crash_boot_id: status.last_reported_crash_boot_id,
        power_button: status.power_button.map(|(time, _)| time.to_string()),
        error: status.error.map(|error| error.status),
    }
}

fn storage(log: &StorageLog, clean: Clean) -> StorageDetails {
    let success = match log.port {
        StoragePort::StorPort => STORPORT_SUCCESS,
        StoragePort::AtaPort => ATAPORT_SUCCESS,
    };
    // places of the ring that were never used have no begin
    let made = || log.requests.iter().filter(|request| request.start != 0);
    StorageDetails {
        driver: clean.text(&log.driver),
        reason: log.reason,
        requests: made().count(),
        unfinished: made().filter(|request| request.end == 0).count(),
        failed: made().filter(|request| request.end != 0 && request.status != success).count(),
    }
}

fn acpi(dump: &KernelDump<'_>, clean: Clean) -> Option<AcpiDetails> {
    let found = dump.acpi_tables();
    let mut tables: Vec<(String, usize)> = Vec::new();
    for table in found.iter().take(LISTED) {
        match tables.iter_mut().find(|(name, _)| *name == table.signature) {
            Some((_, count)) => *count += 1,
            None => tables.push((clean.text(&table.signature), 1)),
        }
    }
    let oem = found.iter().find_map(|table| table.oem_id.clone());
    (!tables.is_empty()).then(|| AcpiDetails { oem: clean.optional(oem), tables })
}

/// `00:1f.2 8086:a102 class 010601 rev 31`
fn pci(function: &PciFunction) -> String {
    let [class, subclass, interface] = function.class;
    let parts: [(&str, u64, u32); 9] = [
        ("", function.bus.into(), 2),
        (":", function.device.into(), 2),
        (".", function.function.into(), 1),
        (" ", function.vendor_id.into(), 4),
        (":", function.device_id.into(), 4),
        (" class ", class.into(), 2),
        ("", subclass.into(), 2),
        ("", interface.into(), 2),
        (" rev ", function.revision.into(), 2),
    ];
    let mut text = String::with_capacity(40);
    for (before, value, digits) in parts {
        text.push_str(before);
        hex::push(&mut text, value, digits);
    }
    text
}

/// Several times as fast as the GUID's own text.
fn guid(guid: Guid) -> String {
    uuid::Uuid::from_bytes_le(guid.0).to_string()
}
