//! Hostile bytes, read and asked everything.
#![no_main]

use bluescope_dump_fuzz::mutate;
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|input: &[u8]| dump::fuzz::parse(&dump::fuzz::expand(input)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed)
});
