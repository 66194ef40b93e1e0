-- Incidents of the past, each over, and the outage's, which is open: the steps of one, under other names and times.
INSERT INTO incident_events (incident_id, seq, at_ms, kind, tenant, driver, detail)
WITH
    ['net', 'disk', 'gfx', 'usb', 'fs', 'vpn', 'av', 'aud', 'cam', 'hid', 'mem', 'tpm', 'bt', 'wifi', 'prn', 'raid',
        'edr', 'dlp', 'kvm', 'dock', 'pen', 'fan', 'rgb', 'lic'] AS stems
SELECT
    reinterpretAsUUID(sipHash128(number, 'incident')),
    toUInt32(step - 1),
    fromUnixTimestamp64Milli(onset + toInt64(step) * 60000, 'UTC'),
    {kinds:Array(String)}[step],
    '',
    if(number = 0, {driver:String}, concat(stems[(number * 13) % 24 + 1], toString(number * 13), '.sys')) AS about,
    replaceAll(replaceAll({details:Array(String)}[step], {driver:String}, about), toString({onset:Int64}), toString(onset))
FROM (
    SELECT number, if(number = 0, {onset:Int64}, {onset:Int64} - 3600000 - toInt64(number) * {span:Int64}) AS onset
    FROM numbers({incidents:UInt64})
)
ARRAY JOIN arrayEnumerate({kinds:Array(String)}) AS step
WHERE number > 0 OR {kinds:Array(String)}[step] != 'resolved'
