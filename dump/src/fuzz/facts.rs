//! All that a dump says, in one hash: two readings are the same where their hashes are.

use std::fmt::{self, Debug, Write};

use crate::kernel_dump::KernelDump;

/// A hash of every answer that is not mere memory.
pub fn facts(dump: &KernelDump<'_>) -> [u8; 32] {
    let mut facts = Facts(blake3::Hasher::new());
    facts.add(dump.header());
    facts.add(&dump.context());
    facts.add(&dump.exception());
    facts.add(&dump.stack().map(|(start, bytes)| (start, bytes.len())));
    lists(dump, &mut facts);
    machine(dump, &mut facts);
    secondary(dump, &mut facts);
    for va in dump.header().parameters {
        facts.add(&dump.location_at(va));
        facts.add(&dump.context_at(va));
        facts.add(&dump.trap_frame_at(va));
        facts.add(&dump.exception_at(va));
        facts.add(&dump.device_at(va));
        facts.add(&dump.driver_object_at(va));
        facts.add(&dump.irp_at(va));
        facts.add(&dump.unicode_string_at(va));
        facts.add(&dump.text_at(va));
        facts.add(&dump.read_word(va));
    }
    facts.add(&dump.parameters());
    facts.add(&dump.problems());
    *facts.0.finalize().as_bytes()
}

fn lists(dump: &KernelDump<'_>, facts: &mut Facts) {
    facts.add(&dump.drivers());
    facts.add(&dump.drivers_overflowed());
    facts.add(&dump.broken_driver());
    facts.add(&dump.unloaded());
    for blob in dump.blobs() {
        facts.add(&blob.guid);
    }
}

fn machine(dump: &KernelDump<'_>, facts: &mut Facts) {
    facts.add(&dump.debugger_data());
    facts.add(&dump.lab());
    facts.add(&dump.prcb());
    facts.add(&dump.process());
    facts.add(&dump.thread());
    facts.add(&dump.memory_manager());
    facts.add(&dump.boot_id());
}

fn secondary(dump: &KernelDump<'_>, facts: &mut Facts) {
    facts.add(&dump.smbios());
    facts.add(&dump.smbios_identity());
    facts.add(&dump.processor());
    facts.add(&dump.cpuid());
    facts.add(&dump.hypervisor());
    facts.add(&dump.wdf_drivers());
    facts.add(&dump.wdf_log());
    facts.add(&dump.tdr());
    facts.add(&dump.nvidia());
    facts.add(&dump.storage_logs());
    facts.add(&dump.acpi_tables());
    facts.add(&dump.pci_functions());
    facts.add(&dump.boot_status());
    facts.add(&dump.ntfs_notes());
    facts.add(&dump.pnp_event());
    facts.add(&dump.winlogon());
    facts.add(&dump.bugcheck_driver());
    facts.add(&dump.triage_components());
    facts.add(&dump.recorder_logs());
}

/// Text to be hashed, never held.
struct Facts(blake3::Hasher);

impl Facts {
    fn add(&mut self, answer: &dyn Debug) {
        let written = writeln!(self, "{answer:?}");
        debug_assert!(written.is_ok(), "a hash takes any text");
    }
}

impl Write for Facts {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}
