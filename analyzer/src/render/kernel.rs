//! Where the kernel's things were, and what processor, process and thread were at.

use super::lists::registers;
use super::page::Page;
use super::{bare, exception_record, shown};
use crate::analysis::{Analysis, KernelDetails, ProcessDetails, ProcessorState, ThreadDetails};

/// `STATUS_BREAKPOINT`: the header's exception record of nearly every dump, the kernel's own stop.
const BREAKPOINT: u32 = 0x8000_0003;

/// Process and thread that ran, by their numbers.
pub(super) fn who(page: &mut Page, details: &KernelDetails) {
    let thread = details.thread.as_ref();
    let process = thread.and_then(|it| it.process_id).or(details.process.as_ref().and_then(|it| it.id));
    match (process, thread.and_then(|it| it.id)) {
        (Some(process), Some(thread)) => page.field("Cid", &format!("{process:04x}.{thread:04x}")),
        (Some(process), None) => page.field("Cid", &format!("{process:04x}")),
        (None, _) => {}
    }
    let current = details.processor.as_ref().and_then(|processor| processor.current_thread.as_deref());
    page.optional("FAULTING_THREAD", current.map(bare));
}

pub(super) fn print(page: &mut Page, analysis: &Analysis, details: &KernelDetails) {
    let note = "the caller of KeBugCheckEx";
    registers(page, "REGISTERS OF THE HEADER", note, &details.header_registers);
    if let Some(record) = details.header_exception.as_ref().filter(|record| record.code != BREAKPOINT) {
        page.heading("EXCEPTION RECORD OF THE HEADER", "");
        exception_record(page, record);
    }
    if let Some(processor) = &details.processor {
        self::processor(page, processor);
    }
    running(page, analysis, details);
    addresses(page, details);
    memory(page, details);
}

fn processor(page: &mut Page, processor: &ProcessorState) {
    let number = processor.number.map(|number| format!(" {number}")).unwrap_or_default();
    let mut doing = Vec::new();
    if processor.dpc_active == Some(true) {
        doing.push("in a DPC".to_owned());
    }
    if processor.idle {
        doing.push("idle".to_owned());
    }
    doing.extend(processor.irql.map(|irql| format!("cr8={irql}")));
    registers(page, &format!("PROCESSOR{number}"), &doing.join(", "), &processor.special_registers);
    if processor.special_registers.is_empty() {
        page.heading(&format!("PROCESSOR{number}"), &doing.join(", "));
    }
    let at =
        |name: &str, address: &Option<String>| address.as_deref().map(|it| format!("{name} {}", bare(it)));
    let lines: Vec<String> = [
        at("next thread", &processor.next_thread),
        at("idle thread", &processor.idle_thread),
        at("DPC stack", &processor.dpc_stack),
        at("ISR stack", &processor.isr_stack),
        at("context", &processor.context),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !lines.is_empty() {
        page.line(&format!("  {}", lines.join("  ")));
    }
}

/// `  Name: value`, of what there is.
fn told(parts: &[(&str, Option<String>)]) -> String {
    let told = parts.iter().filter_map(|(name, value)| Some(format!("{name}: {}", value.as_ref()?)));
    told.collect::<Vec<_>>().join("  ")
}

fn address(value: &Option<String>) -> Option<String> {
    value.as_deref().map(|value| bare(value).into_owned())
}

fn text(value: &Option<String>) -> Option<String> {
    value.as_deref().map(|value| shown(value).into_owned())
}

fn running(page: &mut Page, analysis: &Analysis, details: &KernelDetails) {
    if details.process.is_none() && details.thread.is_none() {
        return;
    }
    page.blank();
    if let Some(process) = &details.process {
        page.field("PROCESS", &self::process(process, analysis));
    }
    if let Some(thread) = &details.thread {
        let current = details.processor.as_ref().and_then(|processor| processor.current_thread.clone());
        self::thread(page, thread, address(&current));
    }
}

/// As `!process` begins.
fn process(process: &ProcessDetails, analysis: &Analysis) -> String {
    let id = |id: Option<u64>| id.map(|id| format!("{id:04x}"));
    let rest = told(&[
        ("Cid", id(process.id)),
        ("Peb", address(&process.peb)),
        ("ParentCid", id(process.parent_id)),
        ("DirBase", address(&process.directory_table_base)),
        ("Image", text(&analysis.process)),
        ("Created", text(&process.create_time)),
    ]);
    format!("{}  {rest}", address(&process.address).unwrap_or_default()).trim().to_owned()
}

/// As `!thread` begins.
fn thread(page: &mut Page, thread: &ThreadDetails, at: Option<String>) {
    let cid = match (thread.process_id, thread.id) {
        (Some(process), Some(thread)) => Some(format!("{process:04x}.{thread:04x}")),
        (None, Some(thread)) => Some(format!("{thread:04x}")),
        (_, None) => None,
    };
    let first = told(&[
        ("Cid", cid),
        ("Teb", address(&thread.teb)),
        ("State", thread.state.map(|state| format!("{state:?}"))),
        ("Priority", thread.priority.map(|priority| priority.to_string())),
        ("Created", text(&thread.create_time)),
    ]);
    page.field("THREAD", format!("{}  {first}", at.unwrap_or_default()).trim());
    let place = |place: &Option<String>, at: &Option<String>| match (text(place), address(at)) {
        (Some(place), Some(at)) => Some(format!("{at} ({place})")),
        (_, at) => at,
    };
    let start = told(&[
        ("Start", place(&thread.start, &thread.start_address)),
        ("Win32Start", place(&thread.win32_start, &thread.win32_start_address)),
    ]);
    let stack = told(&[
        ("Base", address(&thread.stack_base)),
        ("Limit", address(&thread.stack_limit)),
        ("Init", address(&thread.initial_stack)),
        ("Current", address(&thread.kernel_stack)),
    ]);
    page.optional("THREAD_START", (!start.is_empty()).then(|| start.into()));
    page.optional("THREAD_STACK", (!stack.is_empty()).then(|| stack.into()));
}

fn addresses(page: &mut Page, details: &KernelDetails) {
    let header = &details.header;
    page.blank();
    page.optional("KERNEL_BASE", details.kernel_base.as_deref().map(bare));
    let all = [
        ("PsLoadedModuleList", &header.ps_loaded_module_list),
        ("PsActiveProcessHead", &header.ps_active_process_head),
        ("KdDebuggerDataBlock", &header.kd_debugger_data_block),
        ("PfnDataBase", &header.pfn_database),
        ("DirectoryTableBase", &header.directory_table_base),
    ];
    for (name, address) in all.into_iter().filter(|(_, address)| !matches!(address.as_str(), "" | "0x0")) {
        page.field(name, &bare(address));
    }
    page.some("PAGING_LEVELS", details.paging_levels);
    page.optional("POINTER_AUTH_MASK", details.pointer_auth_mask.as_deref().map(bare));
    page.some("PAE", header.pae.map(|pae| if pae { "on" } else { "off" }));
}

fn memory(page: &mut Page, details: &KernelDetails) {
    let Some(memory) = &details.memory else { return };
    page.blank();
    // Windows 7 notes no most
    let pool = |allocated: u64, most: u64| match most {
        0 => format!("{allocated} pages"),
        most => format!("{allocated} of {most} pages"),
    };
    page.field("NONPAGED_POOL", &pool(memory.allocated_non_paged_pool, memory.maximum_non_paged_pool));
    page.field("PAGED_POOL", &pool(memory.paged_pool_allocated, memory.paged_pool_maximum));
    page.field(
        "COMMITTED",
        &format!(
            "{} of {} pages, at most {}",
            memory.committed_pages, memory.commit_limit_maximum, memory.committed_pages_peak
        ),
    );
    let flags = [
        ("SPECIAL_POOL_TAG", memory.special_pool_tag),
        ("TRIAGE_ACTION_TAKEN", memory.triage_action_taken),
        ("VERIFIER_DRIVER_LEVEL", memory.verify_driver_level),
        ("VERIFIER_KERNEL", memory.kernel_verifier),
    ];
    for (name, value) in flags.into_iter().filter(|&(_, value)| value != 0) {
        page.field(name, &format!("0x{value:x}"));
    }
}
