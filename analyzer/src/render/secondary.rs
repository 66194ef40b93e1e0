//! What firmware, drivers and parts of Windows left behind the dump: what tells in one line as a field, then the lists.

use super::page::Page;
use super::shown;
use crate::analysis::{BootDetails, KernelDetails};

/// Width of a terminal, for names that are listed side by side.
const WIDTH: usize = 118;

pub(super) fn print(page: &mut Page, details: &KernelDetails) {
    black_boxes(page, details);
    devices(page, details);
    names(
        page,
        "KMDF DRIVERS",
        "name, version of the framework it was built for",
        details
            .kmdf_drivers
            .iter()
            .map(|driver| format!("{} {}", shown(&driver.name), shown(&driver.version))),
    );
    names(
        page,
        "PCI FUNCTIONS",
        "place, vendor and device, class",
        details.pci.iter().map(|it| shown(it).into_owned()),
    );
    names(
        page,
        "COMPONENTS THAT ADDED MEMORY",
        "bytes",
        details.triage_components.iter().map(|it| format!("{} {}", shown(&it.name), it.bytes)),
    );
    names(
        page,
        "TRACE RECORDERS",
        "",
        details.recorder_logs.iter().map(|log| {
            let name = log.name.as_deref().map(|name| format!(": {}", shown(name))).unwrap_or_default();
            format!("{} #{}{name}", shown(&log.driver), log.number)
        }),
    );
    secondary_data(page, details);
}

/// A heading with the number of names, and the names in columns.
fn names(page: &mut Page, title: &str, note: &str, names: impl Iterator<Item = String>) {
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return;
    }
    page.heading(&format!("{title}: {}", names.len()), note);
    let widest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0) + 2;
    for row in names.chunks((WIDTH / widest).max(1)) {
        let cells: String = row.iter().map(|name| format!("  {name:<width$}", width = widest - 2)).collect();
        page.line(cells.trim_end());
    }
}

fn black_boxes(page: &mut Page, details: &KernelDetails) {
    let known = details.boot.is_some()
        || details.ntfs.is_some()
        || details.pnp.is_some()
        || details.winlogon.is_some();
    if known {
        page.blank();
    }
    page.some("BLACKBOXBSD", details.boot.as_ref().map(boot));
    page.some(
        "BLACKBOXNTFS",
        details.ntfs.as_ref().map(|ntfs| match ntfs.slow.len() {
            0 => format!("1 (no slow requests since {})", shown(&ntfs.since)),
            count => format!("1 ({count} slow requests since {})", shown(&ntfs.since)),
        }),
    );
    page.some(
        "BLACKBOXPNP",
        details.pnp.as_ref().map(|pnp| {
            let state = if pnp.in_progress { ", in progress" } else { "" };
            let problem = if pnp.problem == 0 { String::new() } else { format!(", problem {}", pnp.problem) };
            format!("1 ({} at {}{state}{problem})", shown(&pnp.device), shown(&pnp.time))
        }),
    );
    page.some(
        "BLACKBOXWINLOGON",
        details.winlogon.as_ref().map(|winlogon| {
            let state = if winlogon.pending { ", pending" } else { "" };
            format!("1 ({}{state})", shown(&winlogon.state))
        }),
    );
}

fn boot(boot: &BootDetails) -> String {
    let mut parts = vec![match (boot.succeeded, boot.attempts) {
        (true, 0 | 1) => "boot succeeded".to_owned(),
        (true, attempts) => format!("boot succeeded at attempt {attempts}"),
        (false, attempts) => format!("boot not ended, attempt {attempts}"),
    }];
    parts.extend(boot.shutdown.then(|| "shutting down".to_owned()));
    if !boot.activity.is_empty() {
        let activity: Vec<_> = boot.activity.iter().map(|it| shown(it)).collect();
        parts.push(activity.join(" and "));
    }
    parts.extend(boot.last_note.as_deref().map(|time| format!("noted {}", shown(time))));
    parts.push(format!("last clean boot {}", boot.last_clean_boot_id));
    parts.extend(
        (boot.last_reported_crash_boot_id != 0)
            .then(|| format!("last crash reported of boot {}", boot.last_reported_crash_boot_id)),
    );
    parts.extend(boot.power_button.as_deref().map(|time| format!("power button {}", shown(time))));
    parts.extend(boot.error.map(|status| format!("error {status:08x}")));
    format!("1 ({})", parts.join(", "))
}

fn devices(page: &mut Page, details: &KernelDetails) {
    page.blank();
    for module in details.firmware.iter().flat_map(|firmware| &firmware.memory) {
        let kind = module.kind.map(|kind| format!("{kind:?}").to_uppercase());
        let speed = module.configured_speed.or(module.speed).map(|speed| format!("{speed} MT/s"));
        let texts = [&module.manufacturer, &module.part_number, &module.slot];
        let parts = [module.size_mb.map(|size| format!("{size} MB")), kind, speed];
        let texts = texts.into_iter().flatten().map(|text| shown(text).into_owned());
        page.field("MEMORY_MODULE", &parts.into_iter().flatten().chain(texts).collect::<Vec<_>>().join(" "));
    }
    for socket in details.firmware.iter().flat_map(|firmware| &firmware.processors) {
        let texts = [&socket.socket, &socket.version].into_iter().flatten();
        let mut parts: Vec<String> = texts.map(|text| shown(text).into_owned()).collect();
        parts.extend(socket.cores.map(|cores| format!("{cores} cores")));
        parts.extend(socket.threads.map(|threads| format!("{threads} threads")));
        parts.extend(socket.current_mhz.map(|mhz| format!("{mhz} MHz")));
        page.field("PROCESSOR_SOCKET", &parts.join(", "));
    }
    for log in &details.storage {
        page.field(
            "STORAGE_LOG",
            &format!(
                "{}: {} requests, {} without an end, {} failed",
                shown(&log.driver),
                log.requests,
                log.unfinished,
                log.failed
            ),
        );
    }
    page.some(
        "DISPLAY_REPORT",
        details.display.as_ref().map(|display| {
            let timeout = if display.timeout { "timeout of an adapter" } else { "no timeout" };
            let driver = display
                .driver_bytes
                .map(|bytes| format!(", {bytes} bytes of its driver"))
                .unwrap_or_default();
            format!("{timeout}, {} sections{driver}", display.sections)
        }),
    );
    page.some(
        "NVIDIA_REPORT",
        details.nvidia.as_ref().map(|it| format!("{} bytes, format {}", it.size, shown(&it.format))),
    );
    page.some(
        "KMDF_LOG",
        details
            .kmdf_log
            .as_ref()
            .map(|log| format!("{}: {} messages kept of {}", shown(&log.driver), log.kept, log.written)),
    );
    page.some(
        "ACPI_TABLES",
        details.acpi.as_ref().map(|acpi| {
            let table = |(name, count): &(String, usize)| match count {
                1 => shown(name).into_owned(),
                count => format!("{} x{count}", shown(name)),
            };
            let oem = acpi.oem.as_deref().map(|oem| format!(" (by {})", shown(oem))).unwrap_or_default();
            format!("{}{oem}", acpi.tables.iter().map(table).collect::<Vec<_>>().join(" "))
        }),
    );
    if details.cpu.cpuid_leaves != 0 {
        let (leaves, registers) = (details.cpu.cpuid_leaves, details.cpu.model_specific_registers);
        page.field("CPUID", &format!("{leaves} leaves, {registers} model-specific registers"));
    }
}

fn secondary_data(page: &mut Page, details: &KernelDetails) {
    if details.secondary_data.is_empty() {
        return;
    }
    page.heading(&format!("SECONDARY DATA: {}", details.secondary_data.len()), "GUID, bytes, what it is");
    for piece in &details.secondary_data {
        let name = piece.name.as_deref().map(shown).unwrap_or_default();
        page.line(format!("{} {:>9} {name}", shown(&piece.guid), piece.size).trim_end());
    }
}
