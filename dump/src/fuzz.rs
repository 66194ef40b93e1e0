//! The crate's whole surface on hostile bytes, for fuzzers and property tests. Never judges an answer.

use std::hint::black_box;

use crate::identity::identify;
use crate::kernel_dump::KernelDump;

/// Addresses that are looked up, beside those of the dump itself.
const ADDRESSES: [u64; 4] = [0, 0xFFFF_F800_0000_0000, u64::MAX - 7, u64::MAX];

/// Identifies and reads `bytes`, and asks everything that can be asked.
pub fn fuzz_one(bytes: &[u8]) {
    let total_len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if let Ok(identity) = identify(bytes, &[0; 32], total_len) {
        black_box(format!("{} {:?} {}", identity.id, identity.time, identity.crashed_at_ms));
    }
    let Ok(dump) = KernelDump::parse(bytes) else { return };
    let header = dump.header();
    black_box((
        header.system_time.map(|time| time.to_string()),
        header.uptime.map(|ticks| ticks.as_duration()),
    ));
    let own = [header.kd_debugger_data_block, header.ps_loaded_module_list].into_iter();
    let edges =
        dump.drivers().iter().take(64).flat_map(|driver| {
            [driver.base, driver.entry_point, driver.base.saturating_add(driver.size.into())]
        });
    for va in own.chain(header.parameters).chain(ADDRESSES).chain(edges) {
        black_box((dump.driver_at(va).is_some(), dump.unloaded_at(va).is_some(), dump.read_u64(va)));
        black_box((dump.context_at(va), dump.trap_frame_at(va), dump.exception_at(va)));
        black_box((dump.read(va, 16), dump.read_run(va)));
    }
    black_box((dump.context(), dump.exception(), dump.stack(), dump.kernel_base(), dump.process_name()));
    black_box((dump.smbios(), dump.processor()));
    for problem in dump.problems() {
        black_box(problem.to_string());
    }
    for blob in dump.blobs() {
        black_box((blob.guid.to_string(), blob.data.len()));
    }
}
