//! What the crashed machine was doing: copies of KPRCB, EPROCESS and ETHREAD, with the facts where the build has them.
//! Small dumps hold the copies, large dumps the structures themselves.

use super::builds::{self, Build};
use super::debugger_data::field;
use super::image::Image;
use super::noise::{hash, noise};
use super::records::context_record;
use super::{SynthContext, SynthDriver, SynthMachine, SynthProcessor, SynthState, SynthWriter};

/// Everything the structures say, with the addresses that a description leaves open made up.
pub(super) struct Scene<'a> {
    pub(super) machine: SynthMachine,
    pub(super) build: Build,
    pub(super) writer: SynthWriter,
    pub(super) context: SynthContext,
    pub(super) state: SynthState,
    pub(super) process: &'a str,
    pub(super) processor: Option<&'a SynthProcessor>,
    pub(super) directory_table_base: u64,
    pub(super) kernel: Option<&'a SynthDriver>,
    pub(super) ps_loaded_module_list: u64,
    pub(super) seed: u64,
}

/// What a scene is made of.
pub(super) struct Described<'a> {
    pub(super) writer: SynthWriter,
    pub(super) build: u32,
    pub(super) context: SynthContext,
    pub(super) state: SynthState,
    pub(super) process: &'a str,
    pub(super) processor: Option<&'a SynthProcessor>,
    pub(super) directory_table_base: u64,
    pub(super) drivers: &'a [SynthDriver],
    pub(super) ps_loaded_module_list: u64,
    pub(super) stack: (u64, usize),
    pub(super) seed: u64,
}

/// An address in the system's pool region, always the same for the same seed.
pub(super) fn pool_address(machine: SynthMachine, seed: u64) -> u64 {
    if machine.is_64_bit() {
        0xffff_d20b_0000_0000 | (hash(seed) & 0xffff_fff0)
    } else {
        0x8500_0000 | (hash(seed) & 0x00ff_fff0)
    }
}

impl<'a> Scene<'a> {
    pub(super) fn new(described: Described<'a>) -> Self {
        let machine = described.context.machine();
        let or_made_up = |given: u64, what: u64| {
            if given == 0 { pool_address(machine, described.seed ^ what) & !0xfff | 0x80 } else { given }
        };
        let given = described.state;
        let (stack_base, stack_len) = described.stack;
        let end = stack_base.wrapping_add(stack_len as u64).wrapping_add(0xfff) & !0xfff;
        let stack_end = if given.stack_end == 0 { end } else { given.stack_end };
        let usual_limit = stack_end.saturating_sub(if machine.is_64_bit() { 0x6000 } else { 0x3000 });
        let stack_limit = match given.stack_limit {
            0 => usual_limit.min(stack_base & !0xfff),
            limit => limit,
        };
        let state = SynthState {
            prcb: or_made_up(given.prcb, 0x201),
            idle_thread: or_made_up(given.idle_thread, 0x202),
            process: or_made_up(given.process, 0x203),
            thread: or_made_up(given.thread, 0x204),
            stack_limit,
            stack_end,
            ..given
        };
        Self {
            machine,
            build: builds::of(machine, described.build),
            writer: described.writer,
            context: described.context,
            state,
            process: described.process,
            processor: described.processor,
            directory_table_base: described.directory_table_base,
            kernel: described.drivers.first(),
            ps_loaded_module_list: described.ps_loaded_module_list,
            seed: described.seed,
        }
    }

    /// Bytes of a pointer.
    pub(super) fn word(&self) -> usize {
        if self.machine.is_64_bit() { 8 } else { 4 }
    }

    /// KPRCB.
    pub(super) fn prcb(&self) -> Vec<u8> {
        let (at, word) = (&self.build.prcb, self.word());
        let mut area = Image::zeros(at.size);
        // two thirds of a PRCB are lookaside lists and arrays that are still empty
        area.put(0, &noise(self.seed ^ 0x01, at.size / 3));
        let legacy_number = self.state.processor_number as u8;
        match self.machine {
            SynthMachine::X64 => {
                area.u32(0x00, 0x1f80);
                area.u32(0x04, u32::from(legacy_number));
            }
            SynthMachine::Arm64 => area.u64(0x00, u64::from(legacy_number)),
            SynthMachine::X86 => area.u32(0x00, 0x0001_0001),
        }
        area.word(word, at.current_thread, self.state.thread);
        area.word(word, at.current_thread + word, 0);
        area.word(word, at.idle_thread, self.state.idle_thread);
        area.u32(at.number, u32::from(self.state.processor_number));
        area.put(at.cpu_type, &[6, 1, 1, 0x8c]);
        area.put(at.dpc_routine_active, &[0]);
        area.fill(at.vendor, at.vendor + 13, 0);
        if let Some(processor) = self.processor {
            area.u32(at.mhz, processor.mhz);
            let vendor = processor.vendor.as_bytes();
            area.put(at.vendor, &vendor[..vendor.len().min(12)]);
        }
        area.put(at.state_context, &context_record(&self.context));
        area.word(word, at.context, self.state.prcb + at.state_context as u64);
        area.into_bytes()
    }

    /// EPROCESS.
    pub(super) fn process(&self) -> Vec<u8> {
        let (at, word) = (&self.build.process, self.word());
        let mut area = Image::zeros(at.size);
        // counters and list links; the rest stays zero so that a search for a name finds one name
        area.put(0, &noise(self.seed ^ 0x02, 0x100));
        area.put(0, &[3, 0, 0, 0, 0, 0, 0, 0]);
        for place in 1..=2 {
            area.word(word, word * place, self.state.process + word as u64);
        }
        area.word(word, at.directory_table_base, self.directory_table_base);
        area.word(word, at.id, self.state.process_id);
        // ActiveProcessLinks: the only process on the list
        for place in 1..=2 {
            area.word(word, at.id + word * place, self.variable(field::PS_ACTIVE_PROCESS_HEAD));
        }
        area.word(word, at.parent, self.state.parent_id);
        area.word(word, at.peb, self.state.peb);
        let mut name = self.process.as_bytes().to_vec();
        name.truncate(14);
        area.put(at.image_name, &name);
        // PriorityClass follows the fifteen bytes of the name
        area.put(at.image_name + 15, &[2]);
        area.into_bytes()
    }

    /// ETHREAD.
    pub(super) fn thread(&self) -> Vec<u8> {
        let (at, word) = (&self.build.thread, self.word());
        let mut area = Image::zeros(at.size);
        area.put(0, &noise(self.seed ^ 0x03, at.size / 2));
        area.put(0, &[6, 0, 0, 0, 0, 0, 0, 0]);
        let state = &self.state;
        // room for the floating-point state at the top
        let initial = state.stack_end.saturating_sub(if word == 8 { 0x30 } else { 0x130 });
        area.word(word, at.initial_stack, initial);
        area.word(word, at.stack_limit, state.stack_limit);
        area.word(word, at.stack_end, state.stack_end);
        area.word(word, at.kernel_stack, self.context.sp());
        let teb = if state.peb == 0 { 0 } else { state.peb + 0x2000 };
        area.word(word, at.teb, teb);
        area.word(word, at.apc_process, state.process);
        area.word(word, at.process, state.process);
        area.put(at.state, &[RUNNING]);
        area.u32(at.next_processor, u32::from(state.processor_number));
        area.word(word, at.client_id, state.process_id);
        area.word(word, at.client_id + word, state.thread_id);
        // KeyedWaitSemaphore: its header, and a list of waiters that is empty
        let semaphore = at.client_id + 2 * word;
        let words = if word == 8 { 8 } else { 5 };
        area.put(semaphore, &[5, 0, words, 0, 0, 0, 0, 0]);
        for place in 0..2 {
            area.word(word, semaphore + 8 + word * place, state.thread + semaphore as u64 + 8);
        }
        area.into_bytes()
    }
}

/// `KTHREAD_STATE.Running`.
const RUNNING: u8 = 2;
