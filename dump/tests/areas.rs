//! What the copies of processor, process, thread, debugger data and memory manager tell, in real dumps where they are
//! at hand (`../shared` beside this repository; none is part of it). The expected numbers were read from the files with
//! another program, and checked against a debugger's output where there is one.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::fs;
use std::path::PathBuf;

use bluescope_dump::{KernelDump, ThreadState, Writer};

/// What one dump tells.
struct Expected {
    file: &'static str,
    process: (&'static str, u64, Option<u64>),
    /// Id, and the time of its start as text up to the second.
    thread: (u64, &'static str),
    priority: u8,
    /// Number, frequency, family, model, stepping, level of interrupts.
    processor: (u32, u32, u8, u8, u8, Option<u64>),
    dpc_active: bool,
    /// Committed pages.
    committed: Option<u64>,
}

macro_rules! expected {
    ($($file:literal: $name:literal $id:literal $parent:expr, $thread:literal $began:literal $priority:literal,
        $number:literal $mhz:literal $family:literal $model:literal $stepping:literal $level:expr, $dpc:literal,
        $committed:expr;)*) => {
        [$(Expected {
            file: $file,
            process: ($name, $id, $parent),
            thread: ($thread, $began),
            priority: $priority,
            processor: ($number, $mhz, $family, $model, $stepping, $level),
            dpc_active: $dpc,
            committed: $committed,
        }),*]
    };
}

const EXPECTED: [Expected; 14] = expected! {
    "eolaruhagen__083125-14875-01": "notmyfault64.e" 3244 Some(3124), 4536 "2025-08-31T21:32:03" 12,
        0 3072 6 198 2 Some(2), false, Some(490_841);
    "nforest__pagedump": "conhost.exe" 4496 Some(680), 10568 "2015-04-19T06:59:36" 8,
        0 3392 6 58 9 None, false, Some(1_776_517);
    "proxyrule__011620-8250-01": "System" 4 None, 408 "2020-01-16T01:12:59" 13,
        6 1800 6 142 10 Some(0), false, Some(125_829);
    "r-techsupport__116_0": "System" 4 None, 496 "2024-11-26T12:06:53" 14,
        2 2667 6 23 10 Some(0), false, None;
    "r-techsupport__13a": "svchost.exe" 12028 Some(1040), 17216 "2024-11-23T03:48:47" 8,
        11 3693 25 33 2 Some(0), false, Some(2_239_607);
    "r-techsupport__1e": "obs64.exe" 1760 Some(4820), 16836 "2024-06-26T19:27:14" 10,
        0 2592 6 167 1 Some(2), true, None;
    "r-techsupport__3b_0": "explorer.exe" 17472 Some(16144), 4968 "2024-11-23T03:33:10" 10,
        2 3693 25 33 2 Some(0), false, Some(1_945_174);
    "r-techsupport__50_0": "System" 4 None, 14704 "2024-11-23T01:37:20" 14,
        5 3693 25 33 2 Some(0), false, Some(2_810_012);
    "r-techsupport__7e_0": "System" 4 None, 296 "2024-06-16T10:43:39" 16,
        9 2592 6 167 1 Some(0), false, None;
    "r-techsupport__9f": "EpicGamesLaunc" 11040 Some(6448), 10624 "2025-01-05T20:58:10" 9,
        6 2808 6 165 5 Some(2), true, None;
    "r-techsupport__be_0": "Discord.exe" 13920 Some(15528), 14688 "2024-11-23T01:03:27" 9,
        11 3693 25 33 2 Some(2), false, Some(1_248_452);
    "r-techsupport__d1": "audiodg.exe" 4304 Some(6456), 16812 "2024-06-30T19:23:09" 22,
        9 2592 6 167 1 Some(2), false, None;
    "r-techsupport__ef": "svchost.exe" 3656 Some(704), 4268 "2024-12-07T18:21:09" 9,
        0 2667 6 23 10 Some(0), false, None;
    "rizinorg__triage_x64": "System" 4 None, 264 "2021-02-21T01:38:19" 13,
        0 3593 23 113 0 Some(0), false, None;
};

/// Each dump that is at hand, with what it tells.
fn dumps() -> Vec<(&'static Expected, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples/kernel");
    if !folder.is_dir() {
        println!("skipped: there are no real dumps in ../shared");
        return Vec::new();
    }
    let read = |expected: &'static Expected| {
        (expected, fs::read(folder.join(format!("{}.dmp", expected.file))).unwrap())
    };
    EXPECTED.iter().map(read).collect()
}

#[test]
fn processes_and_threads() {
    for (expected, bytes) in dumps() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let file = expected.file;
        let (process, thread) = (dump.process().unwrap(), dump.thread().unwrap());
        let (name, id, parent_id) = expected.process;
        assert_eq!((process.name.as_deref(), process.id), (Some(name), Some(id)), "{file}");
        assert_eq!(process.parent_id, parent_id, "{file}");
        // the kernel's own process has no memory of its own in user mode
        assert_eq!(process.peb.is_some(), id != 4, "{file}");

        let (thread_id, began) = expected.thread;
        assert_eq!((thread.id, thread.process_id), (Some(thread_id), Some(id)), "{file}");
        assert!(thread.create_time.unwrap().to_string().starts_with(began), "{file}");
        // the kernel's process is made after its first threads
        assert!(id == 4 || process.create_time <= thread.create_time, "{file}");
        assert!(thread.create_time <= dump.header().system_time, "{file}");
        assert_eq!(thread.state, Some(ThreadState::Running), "{file}");
        assert_eq!(thread.priority, Some(expected.priority), "{file}");
        assert!(thread.process.is_some(), "{file}");

        let start = thread.start_address;
        if id == 4 {
            assert_eq!(start, thread.win32_start_address, "{file}");
            assert!(dump.driver_at(start.unwrap()).is_some(), "{file}: a thread of the system is a driver's");
        } else {
            // 1e: callbacks are where the start address was
            assert_eq!(start.is_some(), file != "r-techsupport__1e", "{file}");
            assert!(thread.win32_start_address.is_some(), "{file}");
        }
    }
}

/// The saved stack is the thread's, unless the processor ran on one of its own.
#[test]
fn stacks() {
    for (expected, bytes) in dumps() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let thread = dump.thread().unwrap();
        let (limit, base) = (thread.stack_limit.unwrap(), thread.stack_base.unwrap());
        let (saved, stack) = dump.stack().unwrap();
        let saved_end = saved + u64::try_from(stack.len()).unwrap();
        let own = (limit..base).contains(&saved) && saved_end <= base;
        assert_eq!(own, !expected.dpc_active, "{}", expected.file);
        assert!((limit..=base).contains(&thread.initial_stack.unwrap()), "{}", expected.file);
    }
}

#[test]
fn processors() {
    for (expected, bytes) in dumps() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let (header, prcb, file) = (dump.header(), dump.prcb().unwrap(), expected.file);
        let (number, mhz, family, model, stepping, level) = expected.processor;
        assert_eq!((prcb.number, prcb.mhz), (Some(number), Some(mhz)), "{file}");
        let cpu = prcb.model.unwrap();
        assert_eq!((cpu.family, cpu.model, cpu.stepping), (family, model, stepping), "{file}");
        assert_eq!(prcb.dpc_active, Some(expected.dpc_active), "{file}");
        let registers = prcb.special_registers.unwrap();
        assert_eq!(registers.cr8, level, "{file}");
        // flags in the low bits, where the processor tags what it keeps of page tables
        assert_eq!(registers.cr3 & !0xFFF, header.directory_table_base & !0xFFF, "{file}");
        assert!(prcb.current_thread.is_some() && !prcb.is_idle(), "{file}");
        if header.bugcheck == 0x50 || header.bugcheck == 0xBE {
            assert_eq!(registers.cr2, header.parameters[0], "{file}: the address of the page fault");
        }

        // what the registry says of the processor, in the secondary data
        let registry = dump.processor().unwrap();
        let identifier = format!("Family {family} Model {model} Stepping {stepping}");
        assert!(registry.identifier.unwrap().ends_with(&identifier), "{file}");
        assert_eq!((registry.vendor, registry.mhz), (prcb.vendor, prcb.mhz), "{file}");
    }
}

#[test]
fn debugger_data() {
    for (expected, bytes) in dumps() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let (data, file) = (dump.debugger_data().unwrap(), expected.file);
        let header = dump.header();
        assert_eq!(data.kernel_base, dump.drivers()[0].base, "{file}");
        assert_eq!(data.addresses.ps_loaded_module_list, Some(header.ps_loaded_module_list), "{file}");
        assert!(data.pae_enabled, "{file}");
        assert_eq!(data.paging_levels, (header.build == 26100).then_some(4), "{file}");
        let size = match header.build {
            7601 => 0x340,
            26100 => 0x3A0,
            _ => 0x380,
        };
        assert_eq!(data.size, size, "{file}");
        let buffer = (data.addresses.kd_print_circular_buffer, data.addresses.kd_print_circular_buffer_end);
        assert_eq!(buffer.1.unwrap() - buffer.0.unwrap(), 0x1000, "{file}");
        // a variable of the kernel is in its image
        let variables = [
            data.addresses.ps_active_process_head,
            data.addresses.ki_bugcheck_data,
            data.addresses.nt_build_lab,
            data.addresses.ki_processor_block,
            data.addresses.mm_unloaded_drivers,
            data.addresses.mm_physical_memory_block,
        ];
        for va in variables {
            assert_eq!(dump.driver_at(va.unwrap()).unwrap().0.name, "ntoskrnl.exe", "{file}");
        }
    }
}

#[test]
fn memory_managers() {
    for (expected, bytes) in dumps() {
        let dump = KernelDump::parse(&bytes).unwrap();
        let (found, file) = (dump.memory_manager(), expected.file);
        assert_eq!(found.map(|found| found.committed_pages), expected.committed, "{file}");
        assert_eq!(found.is_some(), dump.header().writer == Writer::Kernel, "{file}");
        if let Some(found) = found {
            assert!(found.committed_pages <= found.committed_pages_peak, "{file}");
            assert!(found.committed_pages_peak <= found.commit_limit_maximum, "{file}");
            assert!(found.allocated_non_paged_pool <= found.maximum_non_paged_pool, "{file}");
            assert!(found.paged_pool_allocated <= found.paged_pool_maximum, "{file}");
            assert_eq!((found.verify_driver_level, found.kernel_verifier), (0, 0), "{file}");
        }
    }
}
