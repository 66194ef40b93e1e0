-- What one machine in twenty says that it runs: names and builds as the crashes have them.
INSERT INTO inventory (
    tenant, machine, seen_at, site, ring, model, os_build, drivers, driver_timestamps, driver_sizes, driver_versions)
WITH
    ['net', 'disk', 'gfx', 'usb', 'fs', 'vpn', 'av', 'aud', 'cam', 'hid', 'mem', 'tpm', 'bt', 'wifi', 'prn', 'raid',
        'edr', 'dlp', 'kvm', 'dock', 'pen', 'fan', 'rgb', 'lic'] AS stems,
    rank -> concat(stems[rank % 24 + 1], toString(rank), '.sys') AS name_of,
    toUInt32(intDiv({to:Int64}, 86400000) - 19675) AS day,
    (rank, day) -> toUInt32(1700006400 + intDiv(day + rank % 30, 30) * 2592000 - (rank % 30) * 86400) AS build_of
SELECT
    '',
    concat('PC-', leftPad(toString(machine_number), 7, '0')),
    fromUnixTimestamp64Milli({to:Int64} - toInt64(machine_hash % 864000000), 'UTC'),
    concat('site-', toString(toUInt32(pow(5000, (intDiv(machine_hash, 64) % 100000) / 100000)))),
    multiIf(machine_hash % 50 = 0, 'canary', machine_hash % 50 < 5, 'early', 'broad'),
    concat('Model ', toString(toUInt32(pow(400, (intDiv(machine_hash, 8192) % 100000) / 100000)))),
    [19045, 22621, 22631, 26100][intDiv(machine_hash, 7) % 4 + 1],
    arrayMap(rank -> name_of(rank), ranks),
    arrayMap(rank -> build_of(rank, day), ranks) AS builds,
    arrayMap(rank -> toUInt32(4096 * (20 + rank % 400)), ranks),
    arrayMap(build -> concat('10.', toString(intDiv(build, 2592000) - 655), '.', toString(intDiv(build, 86400) % 30)), builds)
FROM (
    SELECT
        number * 20 AS machine_number,
        sipHash64(machine_number, 3) AS machine_hash,
        -- The image of the machine, and for one in five the driver of the outage.
        arrayDistinct(arrayConcat(if(number % 5 = 0, [4242], []),
            arrayMap(i -> toUInt32(pow(10000, (sipHash64(machine_hash % 4096, i) % 1000000) / 1000000)) - 1, range(44)))) AS ranks
    FROM numbers({first:UInt64}, {rows:UInt64})
)
