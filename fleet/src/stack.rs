//! A kernel stack under construction: records and return addresses at fixed places, the rest as real stacks have it.

use dump::synth::{SynthContext, SynthMachine, context_record, exception_record, exception_record_32, hash};

/// Where a stack holds what; offsets from its lowest saved address.
pub(crate) const TRAP_FRAME_AT: usize = 0x140;
pub(crate) const EXCEPTION_AT: usize = 0x300;
pub(crate) const CONTEXT_AT: usize = 0x3c0;
/// Where RSP was when it happened.
pub(crate) const FRAMES_AT: usize = 0x900;
const LEN: usize = 0xf78;

/// The saved part of a stack.
pub(crate) struct Stack {
    bytes: Vec<u8>,
    is_narrow: bool,
}

impl Stack {
    /// Zeros, small numbers, and addresses of stack and pool: nothing that lies in a driver.
    pub(crate) fn new(base: u64, seed: u64, is_narrow: bool) -> Self {
        let word = |at: u64| {
            let dice = hash(seed ^ at);
            match dice & 7 {
                0 => base + (dice >> 8 & 0xff8),
                1 | 2 => 0xffff_d20b_0000_0000 | (dice >> 8 & 0x0fff_fff0),
                3 => dice >> 56,
                _ => 0,
            }
        };
        let bytes = (0..LEN as u64 / 8).flat_map(|at| word(at).to_le_bytes()).collect();
        Self { bytes, is_narrow }
    }

    pub(crate) fn put(&mut self, at: usize, record: &[u8]) {
        self.bytes[at..at + record.len()].copy_from_slice(record);
    }

    /// A return address.
    pub(crate) fn frame(&mut self, at: usize, address: u64) {
        let bytes = address.to_le_bytes();
        self.put(at, if self.is_narrow { &bytes[..4] } else { &bytes });
    }

    /// An exception record.
    pub(crate) fn put_record(&mut self, status: u32, faulting: &SynthContext, information: &[u64]) {
        let record = if faulting.machine() == SynthMachine::X86 {
            let words: Vec<u32> = information.iter().map(|&word| word as u32).collect();
            exception_record_32(status, faulting.pc() as u32, &words)
        } else {
            exception_record(status, faulting.pc(), information)
        };
        self.put(EXCEPTION_AT, &record);
    }

    /// An exception record and the context it happened in.
    pub(crate) fn put_exception(&mut self, status: u32, faulting: &SynthContext, information: &[u64]) {
        self.put_record(status, faulting, information);
        self.put(CONTEXT_AT, &context_record(faulting));
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
