//! How large KPRCB, EPROCESS, ETHREAD and `KDDEBUGGER_DATA64` are in each build, and where their facts lie.
//!
//! From the structures in Microsoft's public symbols; where a real dump of the build was at hand, from its KDBG.
//! Assumed, for want of either: `DpcRoutineActive` of x64 9600 and 22000, EPROCESS's size of x86 19041, and what
//! [`arm64`] says of its own. Nothing may be read out of those that the written KDBG does not say.

use super::registers::SynthMachine;

/// KPRCB.
pub(super) struct Prcb {
    pub(super) size: usize,
    pub(super) current_thread: usize,
    pub(super) idle_thread: usize,
    pub(super) number: usize,
    pub(super) cpu_type: usize,
    pub(super) mhz: usize,
    /// Twelve bytes and a zero; ARM64 has none.
    pub(super) vendor: usize,
    /// Pointer to the CONTEXT that the bug check saved.
    pub(super) context: usize,
    /// `KPROCESSOR_STATE.ContextFrame` and `.SpecialRegisters`.
    pub(super) state_context: usize,
    pub(super) special_registers: usize,
    pub(super) dpc_routine_active: usize,
}

/// EPROCESS.
pub(super) struct Process {
    pub(super) size: usize,
    pub(super) directory_table_base: usize,
    pub(super) id: usize,
    /// `InheritedFromUniqueProcessId`.
    pub(super) parent: usize,
    pub(super) peb: usize,
    pub(super) image_name: usize,
}

/// ETHREAD.
pub(super) struct Thread {
    pub(super) size: usize,
    pub(super) initial_stack: usize,
    pub(super) stack_limit: usize,
    pub(super) stack_end: usize,
    pub(super) kernel_stack: usize,
    pub(super) teb: usize,
    /// `ApcState.Process`, and `Process` itself.
    pub(super) apc_process: usize,
    pub(super) process: usize,
    pub(super) state: usize,
    pub(super) next_processor: usize,
    /// `Cid`: process id, then thread id.
    pub(super) client_id: usize,
}

/// All of one build.
pub(super) struct Build {
    pub(super) number: u32,
    pub(super) prcb: Prcb,
    pub(super) process: Process,
    pub(super) thread: Thread,
    /// Size of `KDDEBUGGER_DATA64`.
    pub(super) debugger_data: usize,
    pub(super) pcr_size: u16,
}

/// The nearest build whose sizes are known.
pub(super) fn of(machine: SynthMachine, build: u32) -> Build {
    let (prcb, process, thread) = match machine {
        SynthMachine::X64 => x64(build),
        SynthMachine::Arm64 => arm64(build),
        SynthMachine::X86 => x86(build),
    };
    let debugger_data = match build {
        ..=9199 => 0x340,
        9200..=14392 => 0x360,
        14393..=17762 => 0x368,
        17763..=22620 => 0x380,
        _ => 0x3a0,
    };
    let pcr_size = match machine {
        SynthMachine::X64 => prcb.size + 0x180,
        SynthMachine::Arm64 => prcb.size + 0x980,
        SynthMachine::X86 => prcb.size + 0x120,
    };
    Build { number: build, prcb, process, thread, debugger_data, pcr_size: pcr_size as u16 }
}

fn x64(build: u32) -> (Prcb, Process, Thread) {
    match build {
        ..=9199 => (
            Prcb {
                cpu_type: 0x5f0,
                mhz: 0x5f4,
                state_context: 0x120,
                special_registers: 0x40,
                ..prcb_x64(0x4d00, 0x4bb8, 0x4bd8, 0x21da)
            },
            process_x64(0x4d0, 0x180, 0x290, 0x338, 0x2e0),
            Thread {
                stack_end: 0x278,
                kernel_stack: 0x38,
                teb: 0xb8,
                apc_process: 0x70,
                process: 0x210,
                state: 0x164,
                next_processor: 0x7c,
                ..thread_x64(0x498, 0x3b0)
            },
        ),
        9200..=17762 => (
            prcb_x64(0x5d80, 0x5958, 0x5980, 0x2dea),
            process_x64(0x6d8, 0x2e0, 0x3d0, 0x3e8, 0x438),
            thread_x64(0x778, 0x620),
        ),
        17763..=18361 => (
            prcb_x64(0x7ec0, 0x6290, 0x62c0, 0x2e6a),
            process_x64(0x850, 0x2e0, 0x3e0, 0x3f8, 0x450),
            thread_x64(0x810, 0x638),
        ),
        18362..=21999 => (
            prcb_x64(0xaf00, 0x8590, 0x85c0, 0x312a),
            process_x64(0xa40, 0x440, 0x540, 0x550, 0x5a8),
            thread_x64(0x898, 0x478),
        ),
        22000..=26099 => (
            prcb_x64(0xbf00, 0x8990, 0x89c0, 0x347a),
            process_x64(0xb80, 0x440, 0x540, 0x550, 0x5a8),
            thread_x64(0x900, 0x4c8),
        ),
        _ => (
            prcb_x64(0xcf00, 0x8f90, 0x8fc0, 0x38ba),
            process_x64(0x840, 0x1d0, 0x2d0, 0x2e0, 0x338),
            thread_x64(0x788, 0x508),
        ),
    }
}

fn prcb_x64(size: usize, vendor: usize, context: usize, dpc_routine_active: usize) -> Prcb {
    Prcb {
        size,
        current_thread: 0x08,
        idle_thread: 0x18,
        number: 0x24,
        cpu_type: 0x40,
        mhz: 0x44,
        vendor,
        context,
        state_context: 0x1f0,
        special_registers: 0x100,
        dpc_routine_active,
    }
}

fn process_x64(size: usize, id: usize, parent: usize, peb: usize, image_name: usize) -> Process {
    Process { size, directory_table_base: 0x28, id, parent, peb, image_name }
}

fn thread_x64(size: usize, client_id: usize) -> Thread {
    Thread {
        size,
        initial_stack: 0x28,
        stack_limit: 0x30,
        stack_end: 0x38,
        kernel_stack: 0x58,
        teb: 0xf0,
        apc_process: 0xb8,
        process: 0x220,
        state: 0x184,
        next_processor: 0x218,
        client_id,
    }
}

/// The symbols give only the first 0x800 bytes of an ARM64 KPRCB, so its size and what follows is assumed; of the
/// ETHREAD of 22000 the place of the ids.
fn arm64(build: u32) -> (Prcb, Process, Thread) {
    let prcb = Prcb {
        size: 0xb000,
        current_thread: 0x08,
        idle_thread: 0x18,
        number: 0x24,
        cpu_type: 0x770,
        mhz: 0x774,
        vendor: 0x910,
        context: 0x9c0,
        state_context: 0x380,
        special_registers: 0x40,
        dpc_routine_active: 0xb9a,
    };
    let thread = |size, client_id| Thread {
        kernel_stack: 0x58,
        teb: 0xe8,
        apc_process: 0xb0,
        process: 0x240,
        state: 0x17c,
        next_processor: 0x238,
        ..thread_x64(size, client_id)
    };
    match build {
        ..=26099 => (prcb, process_x64(0xc80, 0x3f8, 0x4f8, 0x508, 0x560), thread(0x8b8, 0x498)),
        _ => (prcb, process_x64(0x900, 0x1c0, 0x2c0, 0x2d0, 0x328), thread(0x768, 0x4e8)),
    }
}

fn x86(build: u32) -> (Prcb, Process, Thread) {
    let prcb = |size, vendor, context, dpc_routine_active| Prcb {
        size,
        current_thread: 0x04,
        idle_thread: 0x0c,
        number: 0x3cc,
        cpu_type: 0x14,
        mhz: 0x3c0,
        vendor,
        context,
        state_context: 0x18,
        special_registers: 0x2e4,
        dpc_routine_active,
    };
    let process = |size, id, parent, peb, image_name| Process {
        size,
        directory_table_base: 0x18,
        id,
        parent,
        peb,
        image_name,
    };
    match build {
        ..=9199 => (
            prcb(0x3628, 0x336c, 0x3618, 0x1932),
            process(0x2c0, 0xb4, 0x140, 0x1a8, 0x16c),
            Thread {
                size: 0x2b8,
                initial_stack: 0x28,
                stack_limit: 0x2c,
                stack_end: 0x190,
                kernel_stack: 0x30,
                teb: 0x88,
                apc_process: 0x50,
                process: 0x150,
                state: 0x68,
                next_processor: 0x58,
                client_id: 0x22c,
            },
        ),
        _ => (
            prcb(0x5f00, 0x3d3c, 0x4168, 0x223a),
            process(0x4d0, 0xe8, 0x170, 0x17c, 0x1ac),
            Thread {
                size: 0x4e0,
                initial_stack: 0x20,
                stack_limit: 0x24,
                stack_end: 0x28,
                kernel_stack: 0x48,
                teb: 0xa8,
                apc_process: 0x80,
                process: 0x150,
                state: 0x90,
                next_processor: 0x148,
                client_id: 0x2ac,
            },
        ),
    }
}
