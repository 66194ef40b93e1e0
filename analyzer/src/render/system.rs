//! The machine under the debugger's names: when, Windows, processor, firmware, and the dump itself.

use std::borrow::Cow;

use dump::{Chassis, DumpType, Smbios};

use super::page::Page;
use super::shown;
use crate::analysis::{Analysis, CpuDetails, HeaderDetails, KernelDetails};
use crate::os;

pub(super) fn print(page: &mut Page, analysis: &Analysis) {
    let details = analysis.kernel.as_deref();
    page.blank();
    page.known("CRASH_TIME", &analysis.crash_time);
    page.some("UPTIME", analysis.uptime_s.map(uptime));
    windows(page, analysis, details);
    processor(page, analysis, details.map(|details| &details.cpu));
    machine(page, analysis, details);
    page.blank();
    dump(page, analysis, details.map(|details| &details.header));
}

/// `1 d 02:03:04`.
fn uptime(seconds: f64) -> String {
    let whole = std::time::Duration::try_from_secs_f64(seconds).map_or(0, |uptime| uptime.as_secs());
    let (days, rest) = (whole / 86_400, whole % 86_400);
    format!("{days} d {:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

/// `VER_SUITE_*`, by the debugger's names.
const SUITES: [(u32, &str); 13] = [
    (0x1, "SmallBusiness"),
    (0x2, "Enterprise"),
    (0x4, "BackOffice"),
    (0x8, "CommunicationServer"),
    (0x10, "TerminalServer"),
    (0x20, "SmallBusinessRestricted"),
    (0x40, "EmbeddedNT"),
    (0x80, "DataCenter"),
    (0x100, "SingleUserTS"),
    (0x200, "Personal"),
    (0x400, "Blade"),
    (0x2000, "StorageServer"),
    (0x4000, "ComputeServer"),
];

/// `DUMP_FILE_ATTRIBUTES`: the documented bits.
const ATTRIBUTES: [(u32, &str); 10] = [
    (0x1, "Hiber Crash Dump"),
    (0x2, "Dump Device Power Off"),
    (0x4, "Insufficient Dumpfile Size"),
    (0x8, "Kernel Generated Triage Dump"),
    (0x10, "Live Generated Dump"),
    (0x20, "Dump Generated Offline"),
    (0x40, "Filter Dump File"),
    (0x80, "Early Boot Crash"),
    (0x100, "Encrypted Dump Data"),
    (0x200, "Decrypted Dump"),
];

/// The names of the bits that are set.
fn bits(value: u32, names: &[(u32, &'static str)]) -> Vec<&'static str> {
    names.iter().filter(|(bit, _)| value & bit != 0).map(|&(_, name)| name).collect()
}

/// ` (names)`, or nothing.
fn in_brackets(names: &[&str]) -> String {
    if names.is_empty() { String::new() } else { format!(" ({})", names.join(" ")) }
}

fn windows(page: &mut Page, analysis: &Analysis, details: Option<&KernelDetails>) {
    let machine = &analysis.machine;
    page.field("OSNAME", &shown(&machine.os));
    page.field("OSPLATFORM_TYPE", &shown(&machine.arch));
    let lab = details.and_then(|details| details.lab.as_deref());
    let parts: Vec<&str> = lab.map(|lab| lab.split('.').collect()).unwrap_or_default();
    // what follows the build is the revision where the dump tells it, else that of the kernel's name
    let revision =
        machine.ubr.map(|ubr| ubr.to_string()).or(parts.get(1).map(|part| shown(part).into_owned()));
    let revision = revision.map(|revision| format!(".{revision}")).unwrap_or_default();
    page.field("OS_VERSION", &format!("{}{revision}", os::version(machine.build)));
    page.optional("BUILD_VERSION_STRING", lab.map(shown));
    page.optional("BUILDLAB_STR", parts.get(3).map(|part| shown(part)));
    let number = match machine.product.as_deref() {
        Some("workstation") => "1 ",
        Some("domain controller") => "2 ",
        Some("server") => "3 ",
        _ => "",
    };
    page.some("PRODUCT_TYPE", machine.product.as_deref().map(|name| format!("{number}({})", shown(name))));
    let Some(header) = details.map(|details| &details.header) else { return };
    page.some(
        "SUITE_MASK",
        header.suite_mask.map(|mask| format!("{mask}{}", in_brackets(&bits(mask, &SUITES)))),
    );
    page.some("OSSERVICEPACK", header.service_pack.filter(|&pack| pack != 0).map(|pack| format!("{pack:x}")));
    if header.major == 12 {
        page.field("OSBUILD_TYPE", "checked");
    }
}

/// Numbers of the debugger are hexadecimal; from ten on the decimal one stands beside.
fn hexadecimal(value: u32) -> String {
    if value < 10 { value.to_string() } else { format!("{value:x} ({value})") }
}

fn processor(page: &mut Page, analysis: &Analysis, cpu: Option<&CpuDetails>) {
    let machine = &analysis.machine;
    let count = machine.processors;
    page.some("CPU_COUNT", (count != 0).then(|| hexadecimal(count)));
    let processors = if count == 0 { String::new() } else { format!("{count} x ") };
    if let Some(cpu) = cpu {
        page.some("CPU_MHZ", cpu.mhz.map(hexadecimal));
        page.known("CPU_VENDOR", &cpu.vendor);
        page.some("CPU_FAMILY", cpu.family.map(|family| format!("{family:x}")));
        page.some("CPU_MODEL", cpu.model.map(|model| format!("{model:x}")));
        page.some("CPU_STEPPING", cpu.stepping.map(|stepping| format!("{stepping:x}")));
        microcode(page, cpu);
        page.known("CPU_IDENTIFIER", &cpu.identifier);
        page.some("CPU_FEATURE_SET", cpu.feature_set.map(|bits| format!("{bits:x}")));
        page.some("CPU_UPDATE_STATUS", cpu.update_status);
    }
    let brand = machine.cpu.as_ref().or(cpu.and_then(|cpu| cpu.brand.as_ref()));
    page.some("PROCESSOR", brand.map(|brand| format!("{processors}{}", shown(brand))));
}

/// As `!cpuinfo` and `!analyze` write it: family, model, stepping, and the microcode now and as the firmware left it.
fn microcode(page: &mut Page, cpu: &CpuDetails) {
    let (Some(family), Some(model), Some(stepping)) = (cpu.family, cpu.model, cpu.stepping) else { return };
    let Some(now) = cpu.microcode else { return };
    let before =
        cpu.previous_microcode.map(|before| format!(" {before:X}'00000000 (init)")).unwrap_or_default();
    page.field(
        "CPU_MICROCODE",
        &format!("{family:x},{model:x},{stepping:x},0 (F,M,S,R)  SIG: {now:X}'00000000 (cache){before}"),
    );
}

fn machine(page: &mut Page, analysis: &Analysis, details: Option<&KernelDetails>) {
    if let Some(details) = details {
        page.known("VIRTUAL_MACHINE", &details.virtual_machine);
        page.some("HYPERVISOR", hypervisor(details));
    }
    if let Some(firmware) = details.and_then(|details| details.firmware.as_ref()) {
        self::firmware(page, firmware);
        return;
    }
    let machine = &analysis.machine;
    page.known("SYSTEM_MANUFACTURER", &machine.vendor);
    page.known("SYSTEM_PRODUCT_NAME", &machine.model);
    page.known("BIOS_VERSION", &machine.bios);
}

fn hypervisor(details: &KernelDetails) -> Option<String> {
    let Some(hypervisor) = &details.hypervisor else {
        return details.cpu.hypervisor_present.and_then(|present| present.then(|| "present".to_owned()));
    };
    let texts = [&hypervisor.vendor, &hypervisor.interface].into_iter().flatten();
    let mut words: Vec<String> = texts.map(|text| shown(text).into_owned()).collect();
    words.extend(
        hypervisor.version.map(|it| format!("{}.{}.{}.{}", it.major, it.minor, it.build, it.service_pack)),
    );
    Some(if words.is_empty() { "present".to_owned() } else { words.join(" ") })
}

fn firmware(page: &mut Page, firmware: &Smbios) {
    page.known("SYSTEM_MANUFACTURER", &firmware.vendor);
    page.known("SYSTEM_PRODUCT_NAME", &firmware.model);
    page.known("SYSTEM_SKU", &firmware.sku);
    page.known("SYSTEM_FAMILY", &firmware.family);
    page.known("SYSTEM_VERSION", &firmware.model_version);
    page.known("BIOS_VENDOR", &firmware.bios_vendor);
    page.known("BIOS_VERSION", &firmware.bios_version);
    page.known("BIOS_DATE", &firmware.bios_date);
    page.some("BIOS_REVISION", firmware.bios_revision.map(|(major, minor)| format!("{major}.{minor}.0.0")));
    page.known("BASEBOARD_MANUFACTURER", &firmware.board_vendor);
    page.known("BASEBOARD_PRODUCT", &firmware.board);
    page.known("BASEBOARD_VERSION", &firmware.board_version);
    let chassis = firmware.chassis.filter(|chassis| !matches!(chassis, Chassis::Unknown(_)));
    page.some("CHASSIS", chassis.map(|chassis| format!("{chassis:?}")));
    page.some("SMBIOS_VERSION", firmware.version.map(|(major, minor)| format!("{major}.{minor}")));
}

/// The debugger's number for a kind of dump, and its qualifier.
fn kind(form: DumpType) -> Option<(u32, u32)> {
    match form {
        DumpType::Full | DumpType::BitmapFull | DumpType::RangesFull => Some((0, 0x402)),
        DumpType::Summary
        | DumpType::BitmapKernel
        | DumpType::Automatic
        | DumpType::RangesKernel
        | DumpType::RangesActive => Some((1, 0x401)),
        DumpType::Triage => Some((2, 0x400)),
        DumpType::Header | DumpType::Unknown(_) => None,
    }
}

fn dump(page: &mut Page, analysis: &Analysis, header: Option<&HeaderDetails>) {
    if let Some((number, qualifier)) = header.and_then(|header| kind(header.dump_type?)) {
        page.field("DUMP_TYPE", &number.to_string());
        page.field("DUMP_QUALIFIER", &format!("{qualifier:x}"));
    }
    page.field("DUMP", &format!("{}, {} bytes", shown(&analysis.dump_type), analysis.dump_bytes));
    if let Some(header) = header {
        let attributes = |attributes: u32| {
            let names = bits(attributes, &ATTRIBUTES).join(", ");
            format!("0x{attributes:x} {names}").trim_end().to_owned()
        };
        page.some("DUMP_FILE_ATTRIBUTES", header.attributes.map(attributes));
        page.known("DUMP_STATUS", &header.status);
        page.known("DUMP_COMMENT", &header.comment);
        let planned = header.required_dump_space.filter(|&size| size != analysis.dump_bytes);
        page.some("REQUIRED_DUMP_SPACE", planned.map(|size| format!("{size} bytes")));
        page.some("MINI_DUMP_FIELDS", header.mini_dump_fields.map(|fields| format!("0x{fields:x}")));
        let state = header.secondary_data_state.filter(|&state| state != 0);
        let named = |state| dump::status_name(state).map(Cow::Borrowed).unwrap_or_default();
        page.some(
            "SECONDARY_DATA_STATE",
            state.map(|state| format!("{state:08x} {}", named(state)).trim_end().to_owned()),
        );
    }
    page.some("BOOT_ID", analysis.machine.boot_id);
    page.field("CRASH_ID", &shown(&analysis.crash_id));
}
