-- What the rules of blame were decided on, as JSON: rules that are changed are replayed on it, without the dump.
ALTER TABLE crashes ADD COLUMN IF NOT EXISTS facts String CODEC(ZSTD(3)) AFTER report;

-- '', 'machine check', 'memory' or 'single bit': what this crash by itself says about the machine's hardware.
ALTER TABLE crashes ADD COLUMN IF NOT EXISTS hardware_sign LowCardinality(String) AFTER facts;
