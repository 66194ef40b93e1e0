//! The SQL of the question, once, for the three ways of saying which machines are meant. Every value is a parameter.

/// Crashes of the window that were analysed. `received_at` follows from `happened_at` and lets partitions be skipped.
macro_rules! window {
    () => {
        "outcome = 'analysed' AND machine != ''
    AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    AND received_at >= fromUnixTimestamp64Milli({from:Int64} - 300000, 'UTC')"
    };
}

macro_rules! family {
    () => {
        "transform(bugcheck, {codes:Array(UInt32)}, {families:Array(UInt32)}, bugcheck)"
    };
}

/// Whether rows might make a machine suspect, by what is cheap to see: a sign, or enough of them of enough families. A row
/// that was written twice may let one machine too many in, never keep one out.
macro_rules! might_be {
    ($family:expr) => {
        concat!(
            "max(hardware_sign != '' OR bugcheck IN {machine_checks:Array(UInt32)})
        OR (count() >= {min_crashes:UInt64} AND uniqUpTo(9)(",
            $family,
            ") >= {min_families:UInt64})"
        )
    };
}

/// Machines that might be suspect. In an outage there are millions of groups, so they are hashes of machines with states
/// of a fixed size. Two machines with one hash may let one too many in, never keep one out.
macro_rules! candidates {
    ($whose:expr) => {
        concat!(
            "sipHash64(tenant, machine) IN (
    SELECT sipHash64(tenant, machine) AS hash FROM crashes
    WHERE kind = 'kernel' AND ",
            window!(),
            $whose,
            "
    GROUP BY hash
    HAVING ",
            might_be!(family!()),
            "
)"
        )
    };
}

/// Fault sites of these machines where many machines of their tenant fail. A site belongs to one tenant, and is held
/// against that one's machines alone: neither how many others there are nor what they do moves anything. How many of them
/// crash at all is a share's other side: whole hours tell it as well.
macro_rules! common {
    ($crashes:expr, $machines:expr) => {
        concat!(
            "
SELECT site FROM (
    SELECT fault_site AS site, tenant, uniqCombined64(14)(machine) AS failing FROM crashes
    WHERE kind = 'kernel' AND ",
            window!(),
            "
        AND fault_site IN (SELECT fault_site FROM ",
            $crashes,
            " WHERE ",
            window!(),
            " AND ",
            $machines,
            ")
    GROUP BY site, tenant
    HAVING failing >= {common_machines:UInt64}
) AS shared INNER JOIN (
    SELECT tenant, uniqCombined64Array(14)(crash_hours.machines) AS crashing FROM crash_hours
    WHERE kind = 'kernel' AND hour >= toStartOfHour(fromUnixTimestamp64Milli({from:Int64}, 'UTC'))
        AND hour < fromUnixTimestamp64Milli({to:Int64}, 'UTC')
    GROUP BY tenant
) AS whole USING tenant
WHERE failing >= intDiv(crashing, {common_share:UInt64})"
        )
    };
}

/// Which crashes of these machines did not fail where many machines fail.
macro_rules! own {
    ($crashes:expr, $machines:expr) => {
        concat!("best.9 NOT IN (", common!($crashes, $machines), ")")
    };
}

/// From the inside: the best form of each crash of these machines; which of them are their `own`, or left no place
/// (`nowhere`); what that says about each machine.
macro_rules! health {
    ($crashes:expr, $machines:expr, $own:expr) => {
        concat!(
            "
SELECT
    tenant,
    machine,
    CAST(machine_checks >= {min_machine_checks:UInt64}, 'Bool') AS by_machine_check,
    CAST(memory_signs >= {min_memory_signs:UInt64}, 'Bool') AS by_memory,
    CAST(by_memory AND (countIf(own AND sign = 'single bit') > 0
        OR (uniqExactIf(values, own AND damage) > 1 AND uniqExactIf(toDate(at), own AND damage) > 1)), 'Bool') AS memory_is_sure,
    CAST(own_crashes >= {min_crashes:UInt64} AND bugchecks >= {min_families:UInt64} AND places >= {min_places:UInt64}
        AND most_of_one_driver * {most_of_one:UInt64} <= own_crashes, 'Bool') AS by_spread,
    count() AS crashes,
    countIf(own) AS own_crashes,
    uniqExactIf(family, own) AS bugchecks,
    uniqExactIf((driver, if(kernel, fault_offset, 0), if(driver = '', bucket, '')), own) AS places,
    arrayMax(tupleElement(sumMapIf([driver], [toUInt64(1)], driver != '' AND NOT kernel), 2)) AS most_of_one_driver,
    countIf(own AND sign = 'machine check') AS machine_checks,
    countIf(damage AND (own OR nowhere)) AS memory_signs,
    countIf(sign = 'single bit' AND (own OR nowhere)) AS single_bits,
    uniqExact(toDate(at)) AS days,
    toUnixTimestamp64Milli(min(at)) AS first_ms,
    toUnixTimestamp64Milli(max(at)) AS last_ms,
    arrayMap(e -> (-e.1, e.2, e.3, e.4, e.5, e.6), groupArraySortedIf(50)(
        (-toUnixTimestamp64Milli(at), toString(crash_id), bugcheck, name, driver, sign),
        own OR (damage AND nowhere))) AS evidence
FROM (
    SELECT
        crash_id, best.1 AS tenant, best.2 AS machine, best.3 AS bugcheck, best.4 AS name, best.5 AS driver,
        best.6 AS fault_offset, best.7 AS at, best.11 AS bucket, best.13 AS values,
        ", family!(), " AS family,
        driver IN {kernels:Array(String)} AS kernel,
        driver = '' OR (kernel AND fault_offset = 0) AS nowhere,
        multiIf(
            best.8 IN ('memory', 'single bit'), best.8,
            best.8 != 'machine check' AND family != {machine_check:UInt32}, '',
            bugcheck != {machine_check:UInt32} OR best.12 IN {processor_sources:Array(UInt64)}, 'machine check',
            ''
        ) AS sign,
        sign IN ('memory', 'single bit') AS damage,
        ", $own, " AS own
    FROM (
        SELECT crash_id, argMax((
            toString(tenant), machine, bugcheck, toString(bugcheck_name), toString(driver), fault_offset, happened_at,
            toString(hardware_sign), fault_site, kind = 'kernel' AND culprit != 'manual',
            toString(bucket), parameters[1], sipHash64(bugcheck, parameters)
        ), revision) AS best
        FROM ", $crashes, "
        WHERE ", window!(), " AND ", $machines, "
        GROUP BY crash_id
    )
    WHERE best.10 AND best.3 NOT IN {by_hand:Array(UInt32)}
)
GROUP BY tenant, machine"
        )
    };
}

/// The same of machines that are found among all.
macro_rules! health_of_many {
    ($machines:expr) => {
        health!("crashes", $machines, own!("crashes", $machines))
    };
}

/// Suspect machines of the whole fleet, or of one tenant.
pub(super) const SUSPECTS: &str = concat!(
    health_of_many!(candidates!(" AND ({any_tenant:Bool} OR tenant = {tenant:String})")),
    "
HAVING by_machine_check OR by_memory OR by_spread
ORDER BY by_machine_check OR memory_is_sure DESC, by_memory DESC, own_crashes DESC, tenant, machine
LIMIT {limit:UInt32}"
);

/// Their names alone, of all tenants.
pub(super) const NAMES: &str = concat!(
    "SELECT tenant, machine FROM (",
    health_of_many!(candidates!("")),
    "
HAVING by_machine_check OR by_memory OR by_spread
)"
);

/// Machines that are known by name, whose crashes stand side by side.
macro_rules! these {
    () => {
        "machine_key IN (SELECT sipHash64(pair.1, pair.2) FROM (
            SELECT arrayJoin(arrayZip({tenants:Array(String)}, {machines:Array(String)})) AS pair))
            AND (tenant, machine) IN (SELECT arrayJoin(arrayZip({tenants:Array(String)}, {machines:Array(String)})) AS pair)"
    };
}

/// What these machines look like, suspect or not.
pub(super) const THESE: &str = concat!(
    health!("machine_crashes", these!(), own!("machine_crashes", these!())),
    "
ORDER BY tenant, machine"
);

/// Whether a machine might be suspect, which tells of nearly every one that it is sound, for a twentieth of the price. Two
/// machines with one key may let one too many through, and so may bug checks of one family; nothing keeps one out.
pub(super) const MIGHT_BE: &str = concat!(
    "SELECT CAST(",
    might_be!("bugcheck"),
    ", 'Bool') FROM machine_crashes
PREWHERE machine_key = sipHash64({tenant:String}, {machine:String})
WHERE kind = 'kernel'
    AND happened_at >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
    AND happened_at < fromUnixTimestamp64Milli({to:Int64}, 'UTC')"
);

macro_rules! of_driver {
    () => {
        "kind = 'kernel' AND outcome = 'analysed' AND tenant = {tenant:String} AND driver = {driver:String}"
    };
}

macro_rules! of_late {
    () => {
        "stored_at >= toDateTime({end_s:Int64} - 900, 'UTC') AND stored_at < toDateTime({end_s:Int64}, 'UTC')"
    };
}

/// Distinct machines and sites of one driver by the spans of the detector, without those that are suspect and failed
/// where hardly anybody else does. Whatever a machine's memory is like: what fails at one place on several machines is
/// the driver. Machines beyond the newest `most` are taken for sound unasked.
pub(super) const SOUND: &str = concat!(
    "
SELECT
    uniqExactIf(machine, stored_at >= toDateTime({end_s:Int64} - 60, 'UTC')) AS last_1,
    uniqExactIf(machine, stored_at >= toDateTime({end_s:Int64} - 300, 'UTC')) AS last_5,
    uniqExact(machine) AS last_15,
    uniqExact(if(site = '', concat('machine ', machine), concat('site ', site))) AS sites
FROM crashes
WHERE ",
    of_driver!(),
    " AND ",
    of_late!(),
    "
    AND (fault_site IN (
        SELECT fault_site FROM crashes
        WHERE ",
    of_driver!(),
    " AND ",
    window!(),
    "
        GROUP BY fault_site
        HAVING uniqCombined64(14)(machine) >= {common_machines:UInt64}
    ) OR machine NOT IN (SELECT machine FROM (",
    health_of_many!(candidates!(concat!(
        " AND tenant = {tenant:String} AND machine IN (
        SELECT machine FROM crashes
        WHERE ",
        of_driver!(),
        " AND ",
        of_late!(),
        "
        GROUP BY machine
        ORDER BY max(stored_at) DESC, machine
        LIMIT {most:UInt32}
    )"
    ))),
    "
HAVING by_machine_check OR by_memory OR by_spread
    )))"
);
