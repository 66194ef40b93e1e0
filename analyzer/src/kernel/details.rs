//! What the dump says beyond the crash, gathered for the report. Owns which of it goes there: lists of bulk as names and
//! numbers. Asks for no serial number, judges nothing.

mod machine;
mod secondary;

use dump::{ExceptionRecord64, KernelDump, Parameter, Registers, Resolved, Smbios};

use super::context::numbered;
use super::gather::Gathered;
use super::report::named;
use crate::analysis::{
    ExceptionRecordDetails, HeaderDetails, KernelDetails, ProcessDetails, ProcessorState, RecordDetails,
    ThreadDetails,
};
use crate::hex::hex;
use crate::{Limits, text};

/// Strings out of the dump, cleaned for the report.
#[derive(Clone, Copy)]
struct Clean {
    limit: usize,
}

impl Clean {
    fn text(self, text: &str) -> String {
        text::clean(text, self.limit).into_owned()
    }

    fn optional(self, text: Option<String>) -> Option<String> {
        let cleaned = text.map(|text| self.text(&text));
        cleaned.filter(|text| !text.trim().is_empty())
    }
}

/// Asks the dump for everything that the verdict does not need.
pub(super) fn gather(
    dump: &KernelDump<'_>,
    firmware: Option<Smbios>,
    gathered: &Gathered<'_>,
    limits: &Limits,
) -> KernelDetails {
    let clean = Clean { limit: limits.text };
    let mut details = KernelDetails {
        header: header(dump, clean),
        kernel_base: dump.kernel_base().map(hex),
        lab: clean.optional(dump.lab()),
        paging_levels: dump.debugger_data().and_then(|data| data.paging_levels),
        pointer_auth_mask: dump.debugger_data().and_then(|data| data.pointer_auth_mask).map(hex),
        records: records(&gathered.parameters),
        exception_record: gathered.parameters.iter().find_map(|parameter| match &parameter.resolved {
            Some(Resolved::Exception { record, .. }) => Some(exception(record)),
            _ => None,
        }),
        header_exception: dump.exception().as_ref().map(exception),
        header_registers: header_registers(dump, gathered.registers.as_ref()),
        memory: dump.memory_manager(),
        broken_driver: dump.broken_driver().map(|driver| clean.text(&driver.name)),
        drivers_overflowed: dump.drivers_overflowed(),
        ..KernelDetails::default()
    };
    running(dump, clean, &mut details);
    machine::gather(dump, firmware, clean, &mut details);
    secondary::gather(dump, clean, &mut details);
    details
}

fn header(dump: &KernelDump<'_>, clean: Clean) -> HeaderDetails {
    let header = dump.header();
    HeaderDetails {
        dump_type: Some(header.dump_type),
        major: header.major,
        directory_table_base: hex(header.directory_table_base),
        pfn_database: hex(header.pfn_database),
        ps_loaded_module_list: hex(header.ps_loaded_module_list),
        ps_active_process_head: hex(header.ps_active_process_head),
        kd_debugger_data_block: hex(header.kd_debugger_data_block),
        pae: header.pae,
        attributes: header.attributes,
        suite_mask: header.suite_mask,
        service_pack: header.service_pack,
        required_dump_space: header.required_dump_space,
        mini_dump_fields: header.mini_dump_fields,
        secondary_data_state: header.secondary_data_state,
        comment: clean.optional(header.comment.clone()),
        status: clean.optional(header.status.clone()),
    }
}

fn records(parameters: &[Parameter]) -> Vec<RecordDetails> {
    let record = |(number, parameter): (u8, &Parameter)| {
        let kind = match parameter.resolved {
            Some(Resolved::Exception { .. }) => "EXCEPTION_RECORD",
            Some(Resolved::Context { .. }) => "CONTEXT",
            Some(Resolved::TrapFrame { .. }) => "TRAP_FRAME",
            _ => return None,
        };
        Some(RecordDetails { parameter: number, kind: kind.to_owned(), address: hex(parameter.value) })
    };
    numbered(parameters).filter_map(record).collect()
}

fn exception(record: &ExceptionRecord64) -> ExceptionRecordDetails {
    ExceptionRecordDetails {
        code: record.code,
        flags: record.flags,
        address: hex(record.address),
        information: record.information.iter().copied().map(hex).collect(),
    }
}

/// The header's registers, where the report's are others.
fn header_registers(dump: &KernelDump<'_>, of_fault: Option<&Registers>) -> Vec<(String, String)> {
    let header = dump.context().filter(|context| Some(*context) != of_fault);
    header.map(named).unwrap_or_default()
}

fn running(dump: &KernelDump<'_>, clean: Clean, details: &mut KernelDetails) {
    let prcb = dump.prcb();
    let thread = dump.thread();
    details.process = dump.process().map(|process| ProcessDetails {
        id: process.id,
        parent_id: process.parent_id,
        create_time: process.create_time.map(|time| time.to_string()),
        address: thread.as_ref().and_then(|thread| thread.process).map(hex),
        peb: process.peb.map(hex),
        directory_table_base: process.directory_table_base.map(hex),
    });
    details.thread = thread.map(|thread| ThreadDetails {
        id: thread.id,
        process_id: thread.process_id,
        create_time: thread.create_time.map(|time| time.to_string()),
        state: thread.state,
        priority: thread.priority,
        start_address: thread.start_address.map(hex),
        start: place(dump, thread.start_address, clean),
        win32_start_address: thread.win32_start_address.map(hex),
        win32_start: place(dump, thread.win32_start_address, clean),
        teb: thread.teb.map(hex),
        stack_base: thread.stack_base.map(hex),
        stack_limit: thread.stack_limit.map(hex),
        initial_stack: thread.initial_stack.map(hex),
        kernel_stack: thread.kernel_stack.map(hex),
    });
    details.processor = prcb.map(|prcb| ProcessorState {
        number: prcb.number,
        current_thread: prcb.current_thread.map(hex),
        next_thread: prcb.next_thread.map(hex),
        idle_thread: prcb.idle_thread.map(hex),
        idle: prcb.is_idle(),
        dpc_active: prcb.dpc_active,
        dpc_stack: prcb.dpc_stack.map(hex),
        isr_stack: prcb.isr_stack.map(hex),
        context: prcb.context.map(hex),
        irql: prcb.special_registers.and_then(|special| special.cr8),
        special_registers: prcb.special_registers.as_ref().map(special).unwrap_or_default(),
    });
}

/// `driver.sys+0x...`
fn place(dump: &KernelDump<'_>, address: Option<u64>, clean: Clean) -> Option<String> {
    dump.location_at(address?).map(|location| clean.text(&location.to_string()))
}

fn special(registers: &dump::SpecialRegisters) -> Vec<(String, String)> {
    let [dr0, dr1, dr2, dr3] = registers.debug_addresses;
    let all = [
        ("cr0", registers.cr0),
        ("cr2", registers.cr2),
        ("cr3", registers.cr3),
        ("cr4", registers.cr4),
        ("dr0", dr0),
        ("dr1", dr1),
        ("dr2", dr2),
        ("dr3", dr3),
        ("dr6", registers.dr6),
        ("dr7", registers.dr7),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), hex(value))).collect()
}
