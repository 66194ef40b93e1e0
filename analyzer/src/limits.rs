//! How much of a dump the analysis looks at. Every limit carries its reason; nothing here is about durability.

/// Bounds of one analysis: with these, time and memory stay proportional to the dump whatever its bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Larger dumps are refused: a small dump is 0.16 to 4.2 MB, a mini dump with data rarely beyond 100 MB.
    pub dump_bytes: u64,
    /// Loaded drivers or modules listed in the report. The largest real lists hold about 210 drivers.
    pub modules: usize,
    /// Unloaded drivers or modules listed. Windows keeps 50.
    pub unloaded: usize,
    /// Frames listed, and for user-mode the frames kept of the walked stack.
    pub frames: usize,
    /// Bytes of stack that are scanned or walked. A kernel stack is 24 KiB, with expansions 92 KiB at most.
    pub stack_bytes: usize,
    /// Threads a user dump may have; the real ones have tens, rarely thousands.
    pub threads: usize,
    /// Problems listed; the rest is counted.
    pub problems: usize,
    /// Characters kept of any string out of the dump. `MAX_PATH` is 260.
    pub text: usize,
    /// Whether the report of a kernel dump has all that the dump says of the machine, beyond what a verdict needs.
    pub details: bool,
}

impl Limits {
    /// The usual limits, and a report with all details.
    pub fn with_details() -> Self {
        Self { details: true, ..Self::default() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dump_bytes: 256 << 20,
            modules: 2_000,
            unloaded: 200,
            frames: 200,
            stack_bytes: 128 << 10,
            threads: 20_000,
            problems: 50,
            text: 300,
            details: false,
        }
    }
}
