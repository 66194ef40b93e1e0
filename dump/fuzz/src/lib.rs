//! The mutator that the fuzz targets share. It knows where a dump has its fields and what stands in such fields; what it
//! makes may be any bytes. Never judges a dump: that is `dump::fuzz`.

mod places;
mod random;

use dump::fuzz::{MOST_BYTES, expand, pack, piece};
use libfuzzer_sys::fuzzer_mutate;

use crate::places::{place, value};
use crate::random::Random;

/// Changes an input: a few fields of the dump that it stands for, or any bytes.
///
/// A change is a further piece of the sparse form. The whole dump is packed again only now and then: that looks at every
/// byte of it, under a compiler that counts every look.
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut random = Random::new(seed);
    // Now and then the form itself, so that inputs that are no sparse ones stay reachable.
    if random.below(32) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut dump = expand(&data[..size]).into_owned();
    let is_sparse = data[..size].starts_with(b"SPARSE01");
    let mut input = if is_sparse { data[..size].to_vec() } else { pack(&dump) };
    for _ in 0..=random.below(4) {
        change(&mut dump, &mut input, &mut random);
    }
    if input.len() > max_size || random.below(64) == 0 {
        input = pack(&dump);
    }
    if input.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..input.len()].copy_from_slice(&input);
    input.len()
}

fn change(dump: &mut Vec<u8>, input: &mut Vec<u8>, random: &mut Random) {
    let (at, bytes) = match random.below(16) {
        0 => {
            resize(dump, random);
            *input = pack(dump);
            return;
        }
        1 => copy(dump, random),
        2 => (place(dump, random), vec![0; 1 + random.below(64)]),
        3..6 => any_bytes(dump, random),
        _ => field(dump, random),
    };
    let len = bytes.len().min(dump.len().saturating_sub(at));
    if let Some(to) = dump.get_mut(at..at + len).filter(|to| !to.is_empty()) {
        to.copy_from_slice(&bytes[..len]);
        input.extend(piece(at, &bytes[..len]));
    }
}

/// Cuts the dump, or lets zeros follow.
fn resize(dump: &mut Vec<u8>, random: &mut Random) {
    let len = match random.below(4) {
        0 => random.below(dump.len() + 1),
        1 => dump.len().saturating_sub(random.below(64)),
        2 => dump.len() + random.below(64),
        _ => dump.len() + random.below(0x4000),
    };
    dump.resize(len.min(MOST_BYTES), 0);
}

/// A few bytes for another place: an entry of a table, a whole structure.
fn copy(dump: &[u8], random: &mut Random) -> (usize, Vec<u8>) {
    let len = random.one_of([4, 8, 16, 0x20, 0x38, 0x4c, 0x90, 0x100]);
    let from = place(dump, random).min(dump.len());
    (place(dump, random), dump[from..dump.len().min(from + len)].to_vec())
}

/// What libFuzzer itself would do to some bytes: it knows what they were compared with.
fn any_bytes(dump: &[u8], random: &mut Random) -> (usize, Vec<u8>) {
    let from = place(dump, random).min(dump.len());
    let len = (1 + random.below(32)).min(dump.len() - from);
    let mut window = dump[from..from + len].to_vec();
    if len > 0 {
        fuzzer_mutate(&mut window, len, len);
    }
    (from, window)
}

/// A number that fields of dumps have.
fn field(dump: &[u8], random: &mut Random) -> (usize, Vec<u8>) {
    let width = random.one_of([4, 4, 4, 8, 8, 8, 2, 1]);
    let at = place(dump, random) & !(width - 1);
    (at, value(dump, random).to_le_bytes()[..width].to_vec())
}
