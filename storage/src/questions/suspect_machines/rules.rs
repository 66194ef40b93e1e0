//! When a machine is suspect rather than what it blames: thresholds, each with its reason, and which bug checks are one
//! thing by different roads. The server decides by these values; nothing here looks at a row.

use clickhouse::query::Query;

/// How far back the evidence goes. Bad memory shows again within days of use, and a machine that was repaired must not
/// carry its past for long.
pub const SUSPECT_WINDOW_MS: i64 = 7 * 86_400_000;

/// One is enough: the processor itself reports it, and no driver takes part. Unless many others report the same: then it
/// is firmware or microcode that all of them were given.
const MIN_MACHINE_CHECKS: u64 = 1;
/// Who reported a 0x124 (its first parameter): the processor, by an exception or by a corrected error that it counts.
/// All others go through software: 4 is a bus device, whose driver can be what is wrong with it, and with 0x10 a driver
/// reports what it likes. Rows of older rules call them machine checks too.
const PROCESSOR_SOURCES: [u64; 2] = [0, 1];
/// A bit may flip once in a sound machine, and a driver can write over one page table entry. Twice in a week it may well
/// be the machine, but a driver that locks pages wrongly does it twice too: it is sure only where a single bit is wrong,
/// or where other values are on another day.
const MIN_MEMORY_SIGNS: u64 = 2;
/// With fewer crashes there is no telling chance from a pattern. Seen: a PC with bad memory made four in three hours.
const MIN_CRASHES: u64 = 4;
/// One bad driver shows two kinds of bug check easily: it reads a bad address, and it damages the pool. That PC showed
/// three kinds (0x50 and 0x3B are one, 0xBE, 0x13A) in its four dumps.
const MIN_FAMILIES: u64 = 3;
const _: () = assert!(MIN_FAMILIES <= 9, "the SQL sieves by uniqUpTo(9), which calls all above 10");
/// Drivers, places in the kernel, and buckets where nobody is blamed. One bad driver fails at a place or two.
const MIN_PLACES: u64 = 3;
/// No driver may have more than one crash for this many that are the machine's own, at whatever places: one that has is
/// the simpler explanation of the others too. Crashes that many machines share count here, since a driver that goes
/// wrong everywhere and damages memory shows as itself at one place, and at odd ones as something else.
const MOST_OF_ONE_DRIVER: u64 = 3;
/// A place where this many machines of a tenant fail says nothing about one of them. So an outage marks nobody: not even
/// one whose driver damages memory and fails in many ways, since it does so at the same places everywhere. Damaged memory
/// that left no place (0x1A names none, and is the same bucket for everybody) is no such place: five bad machines must
/// not clear each other. But where so many show it, it is sure of none.
const COMMON_MACHINES: u64 = 5;
/// And of all the tenant's machines that crash at least one in this many: in a large fleet five bad ones always share a
/// place. Leaving a machine out of an outage goes by `COMMON_MACHINES` alone: there a place too many does no harm.
const COMMON_SHARE: u64 = 100;

/// The kernel takes what nobody can be blamed for: it never explains crashes, and each place in it counts for itself.
const KERNELS: [&str; 5] = ["ntoskrnl.exe", "ntkrnlmp.exe", "ntkrnlpa.exe", "ntkrpamp.exe", "hal.dll"];
/// Made by hand.
const BY_HAND: [u32; 2] = [0xE2, 0x1C8];
/// The family of what hardware reports about itself.
const MACHINE_CHECK: u32 = 0x124;
const MACHINE_CHECKS: [u32; 2] = [MACHINE_CHECK, 0x9C];

/// Bug checks that are the same fault by different roads, each under its first. Any other code is a family by itself.
const FAMILIES: [&[u32]; 11] = [
    // A bad address was read, written or executed; which code comes of it depends on where and at which level. Drivers
    // that were freed or unloaded under somebody are that too.
    &[0x50, 0x0A, 0xD1, 0x3B, 0x7E, 0x8E, 0x1E, 0xCC, 0xCD, 0xCE, 0xD3, 0xD4, 0xD5, 0xD6],
    // A page table entry that forbids what is done there.
    &[0xBE, 0xFC],
    // Pool headers and lists.
    &[0x19, 0xC1, 0xC2, 0xC5, 0xD0, 0x13A],
    // The memory manager's own tables.
    &[0x1A, 0x4E, 0x12B],
    // Stack cookies and linked lists.
    &[0x139, 0xF7],
    // A page could not be read back from the disk.
    &[0x7A, 0x77],
    // A process that Windows cannot do without has ended.
    &[0xEF, 0xF4],
    // The display stack.
    &[0x116, 0x117, 0x119, 0x113, 0x10E, 0xEA, 0x141],
    // A processor did not come back in time.
    &[0x133, 0x101],
    // Driver Verifier.
    &[0xC4, 0xC6, 0xC9, 0xE6],
    &MACHINE_CHECKS,
];

/// In an outage of millions of machines each of them is a group: beyond this the server goes on with them on its disk.
const GROUPS_IN_MEMORY: &str = "400000000";

/// Binds everything that the rules need.
pub(super) fn bind(query: Query) -> Query {
    let pairs = || FAMILIES.iter().flat_map(|family| family.iter().map(|code| (*code, family.first())));
    let codes: Vec<u32> = pairs().map(|(code, _)| code).collect();
    let families: Vec<u32> = pairs().filter_map(|(_, first)| first.copied()).collect();
    bind_sieve(query)
        .with_setting("max_bytes_before_external_group_by", GROUPS_IN_MEMORY)
        .param("codes", codes)
        .param("families", families)
        .param("by_hand", BY_HAND.to_vec())
        .param("kernels", KERNELS.to_vec())
        .param("machine_check", MACHINE_CHECK)
        .param("processor_sources", PROCESSOR_SOURCES.to_vec())
        .param("min_machine_checks", MIN_MACHINE_CHECKS)
        .param("min_memory_signs", MIN_MEMORY_SIGNS)
        .param("min_places", MIN_PLACES)
        .param("most_of_one", MOST_OF_ONE_DRIVER)
        .param("common_machines", COMMON_MACHINES)
        .param("common_share", COMMON_SHARE)
}

/// Binds what the sieve needs. It is asked for each crash that is looked at, and each parameter costs.
pub(super) fn bind_sieve(query: Query) -> Query {
    query
        .param("machine_checks", MACHINE_CHECKS.to_vec())
        .param("min_crashes", MIN_CRASHES)
        .param("min_families", MIN_FAMILIES)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_bug_check_is_in_one_family() {
        let all: Vec<u32> = FAMILIES.iter().flat_map(|family| family.iter().copied()).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(FAMILIES.iter().all(|family| family.len() > 1), "one code is a family by itself anyway");
    }
}
