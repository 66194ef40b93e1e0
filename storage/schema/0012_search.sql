-- Modules on the stack, each once: what the report lists frame by frame. Rows from before have none.
ALTER TABLE crashes ADD COLUMN IF NOT EXISTS stack_modules Array(LowCardinality(String)) AFTER third_party_sizes;
