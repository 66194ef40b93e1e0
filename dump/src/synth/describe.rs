//! The parts that descriptions of dumps are made of: drivers, firmware, processor, process and thread.

/// Which program the dump looks written by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynthWriter {
    /// The crashing kernel itself ("small memory dump").
    Kernel,
    /// The debugger engine, shrinking a larger dump afterwards.
    DebugEngine,
}

/// One loaded driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynthDriver {
    /// Base name; the debugger engine's form writes the whole NT path made from it.
    pub name: String,
    /// First address.
    pub base: u64,
    /// Size of the image.
    pub size: u32,
    /// PE timestamp.
    pub timestamp: u32,
}

/// What the SMBIOS tables say; empty strings are written as absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the SMBIOS fields'")]
pub struct SynthSmbios {
    pub vendor: String,
    pub model: String,
    pub version: String,
    pub serial: String,
    /// As the table holds it: the first three parts of the printed form little-endian.
    pub uuid: [u8; 16],
    pub sku: String,
    pub family: String,
    pub bios_vendor: String,
    pub bios_version: String,
    /// `mm/dd/yyyy`.
    pub bios_date: String,
    pub board_vendor: String,
    pub board: String,
    pub board_version: String,
    pub board_serial: String,
    pub chassis_serial: String,
    /// Version of the first socket's processor; no processor table while this and the vendor are empty.
    pub cpu: String,
    pub cpu_vendor: String,
}

/// What the processor's registry key says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SynthProcessor {
    /// `ProcessorNameString`.
    pub name: String,
    /// `VendorIdentifier`; the first twelve bytes also become the vendor string of the KPRCB.
    pub vendor: String,
    /// `Identifier`.
    pub identifier: String,
    /// `~MHz`; also in the KPRCB.
    pub mhz: u32,
}

/// What the copies of KPRCB, EPROCESS and ETHREAD say. Addresses left at zero are made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynthState {
    /// The processor that crashed.
    pub processor_number: u16,
    /// Address of its KPRCB.
    pub prcb: u64,
    /// Address of its idle thread.
    pub idle_thread: u64,
    /// Address of the current EPROCESS.
    pub process: u64,
    /// Its id.
    pub process_id: u64,
    /// The id of its parent.
    pub parent_id: u64,
    /// Its PEB; zero, as in `System`, is written as zero.
    pub peb: u64,
    /// Address of the current ETHREAD.
    pub thread: u64,
    /// Its id.
    pub thread_id: u64,
    /// Lowest address of its kernel stack.
    pub stack_limit: u64,
    /// The address that its kernel stack ends before.
    pub stack_end: u64,
}

impl Default for SynthState {
    fn default() -> Self {
        Self {
            processor_number: 0,
            prcb: 0,
            idle_thread: 0,
            process: 0,
            process_id: 4,
            parent_id: 0,
            peb: 0,
            thread: 0,
            thread_id: 0x7c,
            stack_limit: 0,
            stack_end: 0,
        }
    }
}

/// `DUMP_MM_STORAGE`, by its own names; sizes count pages, except the two that the pool counts in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the structure's")]
pub struct SynthMemoryManager {
    pub special_pool_tag: u32,
    pub triage_action_taken: u32,
    pub verify_driver_level: u32,
    pub kernel_verifier: u32,
    pub maximum_nonpaged_pool: u64,
    pub allocated_nonpaged_pool: u64,
    pub paged_pool_maximum: u64,
    pub paged_pool_allocated: u64,
    pub committed_pages: u64,
    pub committed_pages_peak: u64,
    pub committed_pages_maximum: u64,
}

impl SynthMemoryManager {
    /// An 8 GB machine at work.
    pub fn example() -> Self {
        Self {
            special_pool_tag: 0,
            triage_action_taken: 0,
            verify_driver_level: 0,
            kernel_verifier: 0,
            maximum_nonpaged_pool: 0x1_0000_0000,
            allocated_nonpaged_pool: 0x3ee6,
            paged_pool_maximum: 0x1_0000_0000,
            paged_pool_allocated: 0x6500,
            committed_pages: 0x7_7d59,
            committed_pages_peak: 0x9_7b64,
            committed_pages_maximum: 0x1f_ff8d,
        }
    }
}

/// What few dumps have, and few descriptions need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SynthDetails {
    /// The driver that the kernel blames, as a place in the list.
    pub broken_driver: Option<usize>,
    /// The option bit that says not all drivers found room; only the kernel's form can say so.
    pub driver_list_overflow: bool,
    /// Left out, the kernel's form has [`SynthMemoryManager::example`] and the debugger engine's has zeros.
    pub memory_manager: Option<SynthMemoryManager>,
    /// Further blobs, before the trace buffers: GUID as it lies in the file, data.
    pub blobs: Vec<([u8; 16], Vec<u8>)>,
    /// Taken of a machine that went on running.
    pub live: bool,
}
