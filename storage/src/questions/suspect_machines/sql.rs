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

/// Machines that might be suspect, by what is cheap to see: a sign, or enough rows of enough families. In an outage there
/// are millions of groups, so they are hashes of machines with states of a fixed size. A row that was written twice and
/// two machines with one hash may let one too many in, never keep one out.
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
    HAVING max(hardware_sign != '' OR ",
            family!(),
            " = {machine_check:UInt32})
        OR (count() >= {min_crashes:UInt64} AND uniqUpTo(9)(",
            family!(),
            ") >= {min_families:UInt64})
)"
        )
    };
}

/// From the inside: the best form of each crash of these machines; which of them failed where many machines fail; what
/// that says about each machine.
macro_rules! health {
    ($machines:expr) => {
        concat!(
            "
SELECT
    tenant,
    machine,
    CAST(machine_checks >= {min_machine_checks:UInt64}, 'Bool') AS by_machine_check,
    CAST(memory_signs >= {min_memory_signs:UInt64}, 'Bool') AS by_memory,
    CAST(own_crashes >= {min_crashes:UInt64} AND bugchecks >= {min_families:UInt64} AND places >= {min_places:UInt64}
        AND most_of_one_driver * {most_of_one:UInt64} <= own_crashes, 'Bool') AS by_spread,
    count() AS crashes,
    countIf(own) AS own_crashes,
    uniqExactIf(family, own) AS bugchecks,
    uniqExactIf((driver, if(kernel, fault_offset, 0), if(driver = '', bucket, '')), own) AS places,
    arrayMax(tupleElement(sumMapIf([driver], [toUInt64(1)], own AND driver != '' AND NOT kernel), 2)) AS most_of_one_driver,
    countIf(sign = 'machine check') AS machine_checks,
    countIf(sign = 'single bit' OR (sign = 'memory' AND own)) AS memory_signs,
    countIf(sign = 'single bit') AS single_bits,
    uniqExact(toDate(at)) AS days,
    toUnixTimestamp64Milli(min(at)) AS first_ms,
    toUnixTimestamp64Milli(max(at)) AS last_ms,
    arrayReverseSort(groupArrayIf(50)((toUnixTimestamp64Milli(at), toString(crash_id), bugcheck, name, driver, sign),
        own OR sign != '')) AS evidence
FROM (
    SELECT
        crash_id, best.1 AS tenant, best.2 AS machine, best.3 AS bugcheck, best.4 AS name, best.5 AS driver,
        best.6 AS fault_offset, best.7 AS at, best.11 AS bucket,
        ", family!(), " AS family,
        driver IN {kernels:Array(String)} AS kernel,
        if(best.8 = '' AND family = {machine_check:UInt32}, 'machine check', best.8) AS sign,
        best.9 NOT IN (
            SELECT fault_site FROM crashes
            WHERE kind = 'kernel' AND ", window!(), "
                AND fault_site IN (SELECT fault_site FROM crashes WHERE ", window!(), " AND ", $machines, ")
            GROUP BY fault_site
            HAVING uniqCombined64(14)(machine) >= greatest({common_machines:UInt64}, intDiv((
                SELECT uniqCombined64(14)((tenant, machine)) FROM crashes WHERE kind = 'kernel' AND ", window!(), "
            ), {common_share:UInt64}))
        ) AS own
    FROM (
        SELECT crash_id, argMax((
            toString(tenant), machine, bugcheck, toString(bugcheck_name), toString(driver), fault_offset, happened_at,
            toString(hardware_sign), fault_site, kind = 'kernel' AND culprit != 'manual',
            toString(bucket)
        ), revision) AS best
        FROM crashes
        WHERE ", window!(), " AND ", $machines, "
        GROUP BY crash_id
    )
    WHERE best.10 AND best.3 NOT IN {by_hand:Array(UInt32)}
)
GROUP BY tenant, machine"
        )
    };
}

/// Suspect machines of the whole fleet, or of one tenant.
pub(super) const SUSPECTS: &str = concat!(
    health!(candidates!(" AND ({any_tenant:Bool} OR tenant = {tenant:String})")),
    "
HAVING by_machine_check OR by_memory OR by_spread
ORDER BY by_machine_check DESC, by_memory DESC, own_crashes DESC, tenant, machine
LIMIT {limit:UInt32}"
);

/// What these machines look like, suspect or not.
pub(super) const THESE: &str = concat!(
    health!(
        "machine IN {machines:Array(String)}
            AND (tenant, machine) IN (SELECT arrayJoin(arrayZip({tenants:Array(String)}, {machines:Array(String)})) AS pair)"
    ),
    "
ORDER BY tenant, machine"
);

/// Distinct machines and sites of one driver without those that are suspect, by the spans of the detector. Machines
/// beyond the newest `most` are taken for sound unasked.
pub(super) const SOUND: &str = concat!(
    "
SELECT
    uniqExactIf(machine, stored_at >= toDateTime({end_s:Int64} - 60, 'UTC')) AS last_1,
    uniqExactIf(machine, stored_at >= toDateTime({end_s:Int64} - 300, 'UTC')) AS last_5,
    uniqExact(machine) AS last_15,
    uniqExact(if(site = '', concat('machine ', machine), concat('site ', site))) AS sites
FROM crashes
WHERE kind = 'kernel' AND outcome = 'analysed' AND tenant = {tenant:String} AND driver = {driver:String}
    AND stored_at >= toDateTime({end_s:Int64} - 900, 'UTC') AND stored_at < toDateTime({end_s:Int64}, 'UTC')
    AND machine NOT IN (SELECT machine FROM (",
    health!(candidates!(
        " AND tenant = {tenant:String} AND machine IN (
        SELECT machine FROM crashes
        WHERE kind = 'kernel' AND outcome = 'analysed' AND tenant = {tenant:String} AND driver = {driver:String}
            AND stored_at >= toDateTime({end_s:Int64} - 900, 'UTC') AND stored_at < toDateTime({end_s:Int64}, 'UTC')
        GROUP BY machine
        ORDER BY max(stored_at) DESC, machine
        LIMIT {most:UInt32}
    )"
    )),
    "
HAVING by_machine_check OR by_memory OR by_spread
    ))"
);
