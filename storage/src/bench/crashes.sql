-- A stretch of made-up crashes: numbers `first` to `first + rows` of `all`, spread over the span up to `to`.
-- All that varies follows from a hash of the crash's or its machine's number: a second fill makes the same fleet.
INSERT INTO crashes (
    crash_id, crashed_at, received_at, stored_at, tenant, machine, ring, site, outcome, kind, bugcheck, bugcheck_name,
    parameters, culprit, driver, driver_timestamp, driver_size, fault_offset, bucket, bucket_hash, confidence, rule,
    process, os_build, os_ubr, arch, cpu, vendor, model, bios, uptime_s, drivers, driver_timestamps, driver_sizes,
    third_party, third_party_timestamps, third_party_sizes, report, facts, hardware_sign, analyzer_version, raw_len,
    revision, queue_id, queue_partition, queue_offset)
WITH
    ['net', 'disk', 'gfx', 'usb', 'fs', 'vpn', 'av', 'aud', 'cam', 'hid', 'mem', 'tpm', 'bt', 'wifi', 'prn', 'raid',
        'edr', 'dlp', 'kvm', 'dock', 'pen', 'fan', 'rgb', 'lic'] AS stems,
    [0xD1, 0x50, 0x3B, 0x1E, 0x7E, 0x139, 0x9F, 0x133] AS codes,
    ['DRIVER_IRQL_NOT_LESS_OR_EQUAL', 'PAGE_FAULT_IN_NONPAGED_AREA', 'SYSTEM_SERVICE_EXCEPTION',
        'KMODE_EXCEPTION_NOT_HANDLED', 'SYSTEM_THREAD_EXCEPTION_NOT_HANDLED', 'KERNEL_SECURITY_CHECK_FAILURE',
        'DRIVER_POWER_STATE_FAILURE', 'DPC_WATCHDOG_VIOLATION'] AS code_names,
    ['AV', 'AV_R_INVALID', '0x3B_c0000005', '0x1E_c0000005', 'AV_W_NULL', '0x139_3', '0x9F_3', '0x133_DPC'] AS bucket_heads,
    -- Few drivers are on every machine, most on few; one per mille of a day's ranks is not released yet.
    rank -> concat(stems[rank % 24 + 1], toString(rank), '.sys') AS name_of,
    -- A release each 30 days, each driver on a day of its own.
    (rank, day) -> toUInt32(1700006400 + intDiv(day + rank % 30, 30) * 2592000 - (rank % 30) * 86400) AS build_of,
    toUInt32(intDiv({to:Int64} - toInt64((1 - ({first:UInt64} + {rows:UInt64} / 2) / {all:UInt64}) * {days:Float64} * 86400000), 86400000)
        - 19675) AS middle_day,
    -- What machines have loaded: each has one of 4,096 images, as they were on the day in the middle of this stretch.
    (
        SELECT groupArray((
            CAST(arrayMap(rank -> name_of(rank), ranks), 'Array(LowCardinality(String))'),
            arrayMap(rank -> build_of(rank, middle_day), ranks),
            arrayMap(rank -> toUInt32(4096 * (20 + rank % 400)), ranks)))
        FROM (
            SELECT arrayDistinct(arrayMap(i -> toUInt32(pow(10000, (sipHash64(number, i) % 1000000) / 1000000)) - 1, range(44))) AS ranks
            FROM numbers(4096)
        )
    ) AS images
SELECT
    reinterpretAsUUID(concat(
        substring(reinterpretAsString(bitOr(bitShiftLeft(toUInt64(at_ms), 16), 0x8000 + toUInt64(number % 4096))), 1, 8),
        reinterpretAsString(bitOr(bitShiftRight(sipHash64(number, 1), 2), 0x8000000000000000)))) AS crash_id,
    fromUnixTimestamp64Milli(at_ms, 'UTC') AS at,
    at + toIntervalMillisecond(20000 + random % 60000 + if(random % 200 = 0, 7200000, 0)) AS received,
    received + toIntervalMillisecond(800) AS stored,
    '' AS tenant,
    concat('PC-', leftPad(toString(machine_number), 7, '0')),
    multiIf(machine_hash % 50 = 0, 'canary', machine_hash % 50 < 5, 'early', 'broad'),
    concat('site-', toString(toUInt32(pow(5000, (intDiv(machine_hash, 64) % 100000) / 100000)))),
    'analysed' AS outcome,
    multiIf(random % 33 = 0, 'user', random % 101 = 0, 'live', 'kernel') AS kind,
    if(kind = 'user', 0, if(culprit = 'hardware', 0x124, codes[code])) AS bugcheck,
    if(kind = 'user', 'EXCEPTION_ACCESS_VIOLATION', if(culprit = 'hardware', 'WHEA_UNCORRECTABLE_ERROR', code_names[code])),
    [toUInt64(0xFFFF800000000000 + rank * 4096), 2, 0, toUInt64(0xFFFFF80000000000 + fault)],
    multiIf(kind = 'user', 'module', unblamed < 880, 'driver', unblamed < 910, 'hardware', unblamed < 920, 'process', 'unknown')
        AS culprit,
    multiIf(culprit = 'driver', name_of(rank), culprit = 'module', concat('app', toString(rank % 300), '.dll'), '') AS driver,
    if(driver = '', 0, blamed_build) AS driver_timestamp,
    if(driver = '', 0, 4096 * (20 + rank % 400)) AS driver_size,
    if(driver = '', 0, fault) AS fault_offset,
    multiIf(culprit = 'hardware', '0x124_0_unknown_image_hardware', driver = '', concat(bucket_heads[code], '_nt!unknown_function'),
        concat(bucket_heads[code], '_', substring(driver, 1, position(driver, '.') - 1), '!unknown_function')) AS bucket,
    concat('{', lower(hex(MD5(bucket))), '}'),
    multiIf(driver = '', 'none', random % 10 < 6, 'high', random % 10 < 9, 'medium', 'low'),
    if(driver = '', '', 'faulting-module'),
    if(kind = 'user', concat('app', toString(rank % 300), '.exe'), ['System', 'svchost.exe', 'explorer.exe', 'chrome.exe'][code % 4 + 1]),
    [19045, 22621, 22631, 26100][intDiv(machine_hash, 7) % 4 + 1],
    toUInt32(3000 + intDiv(day, 30) * 100),
    'x64',
    concat('Processor ', toString(machine_hash % 40)),
    concat('Vendor ', toString(model_number % 12)),
    concat('Model ', toString(model_number)),
    concat('1.', toString(model_number % 30)),
    random % 2000000,
    -- What is loaded in full, and reports, have only the newest: they are nine tenths of a row.
    if(whole, arrayConcat({windows:Array(String)}, third_party), []) AS drivers,
    if(whole, arrayConcat(arrayMap(name -> toUInt32(1712000000), {windows:Array(String)}), third_party_timestamps), []),
    if(whole, arrayConcat(arrayMap(name -> toUInt32(4096), {windows:Array(String)}), third_party_sizes), []),
    -- Half of what a row costs.
    if(number < {listed_from:UInt64}, [], if(culprit = 'driver', arrayPushBack(image.1, toLowCardinality(driver)), image.1)) AS third_party,
    if(number < {listed_from:UInt64}, [], if(culprit = 'driver', arrayPushBack(image.2, driver_timestamp), image.2)) AS third_party_timestamps,
    if(number < {listed_from:UInt64}, [], if(culprit = 'driver', arrayPushBack(image.3, driver_size), image.3)) AS third_party_sizes,
    if(whole, {report:String}, ''),
    if(whole, {facts:String}, ''),
    if(is_broken AND random % 3 = 0, ['memory', 'single bit', 'machine check'][random % 9 % 3 + 1], ''),
    1,
    1200000,
    1,
    {queue_id:String},
    0,
    -- Of no offset: the queue never saw them.
    -1
FROM (
    SELECT
        number,
        number >= {whole_from:UInt64} AS whole,
        sipHash64(number, {seed:UInt64}) AS random,
        -- Days have a rhythm, and it is the busy time of the day now.
        (number + 0.5) / {all:UInt64} * {days:Float64} AS place,
        {to:Int64} - toInt64({days:Float64} * 86400000)
            + toInt64((place + 0.1 * sin(2 * pi() * (place - {days:Float64}))) * 86400000) AS at_ms,
        toUInt32(intDiv(at_ms, 86400000) - 19675) AS day,
        -- One crash in two hundred is of a broken machine.
        random % 200 = 7 AS is_broken,
        if({outage:Bool}, intDiv({machines:UInt64}, 7) * (sipHash64(number, 2) % 7) + number % {outage_machines:UInt64},
            sipHash64(number, 2) % if(is_broken, greatest(1, intDiv({machines:UInt64}, 2000)), {machines:UInt64})) AS machine_number,
        sipHash64(machine_number, 3) AS machine_hash,
        toUInt32(pow(400, (intDiv(machine_hash, 8192) % 100000) / 100000)) AS model_number,
        toUInt32(pow(10000, (sipHash64(number, 4) % 1000000) / 1000000)) - 1 AS picked,
        multiIf({outage:Bool}, 4242, picked >= 500 AND picked % 97 = 0 AND place < cityHash64(picked) % toUInt64(ceil({days:Float64}) + 1),
            picked - 1, picked) AS rank,
        if({outage:Bool}, 0, sipHash64(number, 5) % 1000) AS unblamed,
        if({outage:Bool}, 0, toUInt32(pow(8, (sipHash64(number, 6) % 10000) / 10000)) - 1) AS site_number,
        (rank + site_number) % 8 + 1 AS code,
        toUInt64(0x1000 + (rank % 512) * 256 + site_number * 37) AS fault,
        -- One in eight is a release behind; an outage is what its own release does.
        toUInt32(if({outage:Bool}, intDiv({to:Int64}, 1000) - 14400,
            build_of(rank, day) - if(sipHash64(machine_number, rank) % 8 = 0, 2592000, 0))) AS blamed_build,
        images[machine_hash % 4096 + 1] AS image
    FROM numbers({first:UInt64}, {rows:UInt64})
)
