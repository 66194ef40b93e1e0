//! The machine: firmware, processor, hypervisor.

use dump::{Hypervisor, KernelDump, Smbios};

use super::Clean;
use crate::analysis::{CpuDetails, KernelDetails};

/// Devices of a kind that are listed; a machine with more has them all alike.
const DEVICES: usize = 32;

pub(super) fn gather(
    dump: &KernelDump<'_>,
    smbios: Option<Smbios>,
    clean: Clean,
    details: &mut KernelDetails,
) {
    details.firmware = smbios.map(|smbios| firmware(smbios, clean));
    details.cpu = cpu(dump, clean);
    details.hypervisor = dump.hypervisor().map(|hypervisor| Hypervisor {
        vendor: clean.optional(hypervisor.vendor),
        interface: clean.optional(hypervisor.interface),
        version: hypervisor.version,
    });
    details.virtual_machine =
        virtual_machine(details.firmware.as_ref(), details.hypervisor.as_ref()).map(str::to_owned);
}

fn firmware(mut smbios: Smbios, clean: Clean) -> Smbios {
    smbios.processors.truncate(DEVICES);
    smbios.memory.truncate(DEVICES);
    let sockets = smbios.processors.iter_mut();
    let of_sockets = sockets.flat_map(|it| [&mut it.socket, &mut it.manufacturer, &mut it.version]);
    let modules = smbios.memory.iter_mut();
    let of_modules =
        modules.flat_map(|it| [&mut it.slot, &mut it.bank, &mut it.manufacturer, &mut it.part_number]);
    let of_machine = [
        &mut smbios.vendor,
        &mut smbios.model,
        &mut smbios.family,
        &mut smbios.model_version,
        &mut smbios.sku,
        &mut smbios.bios_vendor,
        &mut smbios.bios_version,
        &mut smbios.bios_date,
        &mut smbios.board_vendor,
        &mut smbios.board,
        &mut smbios.board_version,
    ];
    for text in of_machine.into_iter().chain(of_sockets).chain(of_modules) {
        *text = clean.optional(text.take());
    }
    smbios
}

fn cpu(dump: &KernelDump<'_>, clean: Clean) -> CpuDetails {
    let registry = dump.processor().unwrap_or_default();
    let cpuid = dump.cpuid();
    let prcb = dump.prcb();
    let of_cpuid = cpuid.as_ref().and_then(|cpuid| cpuid.family_model_stepping());
    let of_kernel = prcb.as_ref().and_then(|prcb| prcb.model);
    let of_kernel = of_kernel.map(|it| (it.family.into(), it.model.into(), it.stepping.into()));
    let (family, model, stepping) = match of_kernel.or(of_cpuid) {
        Some((family, model, stepping)) => (Some(family), Some(model), Some(stepping)),
        None => (None, None, None),
    };
    let vendor = registry.vendor.or_else(|| prcb.as_ref()?.vendor.clone());
    CpuDetails {
        vendor: clean.optional(vendor.or_else(|| cpuid.as_ref()?.vendor())),
        identifier: clean.optional(registry.identifier),
        brand: clean.optional(cpuid.as_ref().and_then(|cpuid| cpuid.brand())),
        mhz: registry.mhz.or_else(|| prcb.as_ref()?.mhz),
        family,
        model,
        stepping,
        microcode: registry.microcode,
        previous_microcode: registry.previous_microcode,
        update_status: registry.update_status,
        feature_set: registry.feature_set,
        hypervisor_present: cpuid.as_ref().and_then(|cpuid| cpuid.hypervisor_present()),
        cpuid_leaves: cpuid.as_ref().map_or(0, |cpuid| cpuid.leaves.len()),
        model_specific_registers: cpuid.as_ref().map_or(0, |cpuid| cpuid.model_specific.len()),
    }
}

/// What virtual machines call themselves in their firmware, and the debugger's name for them.
const IN_FIRMWARE: [(&str, &str); 5] = [
    ("virtualbox", "VirtualBox"),
    ("vmware", "VMware"),
    ("qemu", "QEMU"),
    ("xen", "Xen"),
    ("parallels", "Parallels"),
];

/// The same of hypervisors. Microsoft's is not among them: it is also under every Windows with virtualization-based
/// security.
const HYPERVISORS: [(&str, &str); 5] = [
    ("VBoxVBoxVBox", "VirtualBox"),
    ("VMwareVMware", "VMware"),
    ("KVMKVMKVM", "QEMU"),
    ("XenVMMXenVMM", "Xen"),
    ("prl hyperv", "Parallels"),
];

fn virtual_machine(firmware: Option<&Smbios>, hypervisor: Option<&Hypervisor>) -> Option<&'static str> {
    let of_hypervisor = || {
        let vendor = hypervisor?.vendor.as_deref()?;
        HYPERVISORS.iter().find(|(known, _)| vendor.trim().starts_with(known)).map(|&(_, name)| name)
    };
    let of_firmware = || {
        let firmware = firmware?;
        let vendor = firmware.vendor.as_deref().unwrap_or_default().to_lowercase();
        let model = firmware.model.as_deref().unwrap_or_default().to_lowercase();
        if vendor == "microsoft corporation" && model == "virtual machine" {
            return Some("HyperV");
        }
        let is = |known: &str| vendor.starts_with(known) || model.starts_with(known);
        IN_FIRMWARE.iter().find(|(known, _)| is(known)).map(|&(_, name)| name)
    };
    of_hypervisor().or_else(of_firmware)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(vendor: &str, model: &str, hypervisor: Option<&str>, expected: Option<&str>) {
        let text = |text: &str| Some(text.to_owned());
        let firmware = Smbios { vendor: text(vendor), model: text(model), ..Smbios::default() };
        let hypervisor =
            hypervisor.map(|vendor| Hypervisor { vendor: text(vendor), interface: None, version: None });
        assert_eq!(virtual_machine(Some(&firmware), hypervisor.as_ref()), expected, "{vendor} {model}");
    }

    #[test]
    fn virtual_machines_name_themselves() {
        check("innotek GmbH", "VirtualBox", None, Some("VirtualBox"));
        check("VMware, Inc.", "VMware7,1", Some("VMwareVMware"), Some("VMware"));
        check("Microsoft Corporation", "Virtual Machine", Some("Microsoft Hv"), Some("HyperV"));
        check("Microsoft Corporation", "Surface Pro 9", Some("Microsoft Hv"), None);
        check("LENOVO", "20XW0026GE", None, None);
        check("LENOVO", "20XW0026GE", Some("VBoxVBoxVBox"), Some("VirtualBox"));
    }
}
