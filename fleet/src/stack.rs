//! A kernel stack under construction: records and return addresses at fixed places, the rest as real stacks have it.

use dump::synth::{SynthRegisters, context_record, exception_record, hash};

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
}

impl Stack {
    /// Zeros, small numbers, and addresses of stack and pool: nothing that lies in a driver.
    pub(crate) fn new(base: u64, seed: u64) -> Self {
        let word = |at: u64| {
            let dice = hash(seed ^ at);
            match dice & 7 {
                0 => base + (dice >> 8 & 0xff8),
                1 | 2 => 0xffff_d20b_0000_0000 | (dice >> 8 & 0x0fff_fff0),
                3 => dice >> 56,
                _ => 0,
            }
        };
        Self { bytes: (0..LEN as u64 / 8).flat_map(|at| word(at).to_le_bytes()).collect() }
    }

    pub(crate) fn put(&mut self, at: usize, record: &[u8]) {
        self.bytes[at..at + record.len()].copy_from_slice(record);
    }

    /// A return address.
    pub(crate) fn frame(&mut self, at: usize, address: u64) {
        self.put(at, &address.to_le_bytes());
    }

    /// An exception record and the context it happened in.
    pub(crate) fn put_exception(&mut self, status: u32, faulting: &SynthRegisters, information: &[u64]) {
        self.put(EXCEPTION_AT, &exception_record(status, faulting.rip, information));
        self.put(CONTEXT_AT, &context_record(faulting));
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
