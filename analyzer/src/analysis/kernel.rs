//! What a kernel dump says beyond the crash: the machine, its firmware, what was running, what drivers left behind.
//! Plain data of the report. Addresses are text, `0x...`, as everywhere in the report: a JSON number loses their last
//! digits. Never has a serial number. Of what the `dump` crate has in its own words the published schema only says that it is
//! an object.

use dump::{DumpType, Hypervisor, MemoryManager, Smbios, ThreadState, Winlogon};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::secondary::{
    AcpiDetails, BootDetails, ComponentDetails, DisplayDetails, KmdfDriver, KmdfLog, NtfsDetails,
    NvidiaDetails, PnpDetails, RecorderDetails, SecondaryDetails, StorageDetails,
};

/// What a kernel dump says beyond the crash.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KernelDetails {
    /// The dump's header.
    pub header: HeaderDetails,
    /// Address of the kernel's image.
    pub kernel_base: Option<String>,
    /// Full name of the build: `19041.1.amd64fre.vb_release.191206-1406`.
    pub lab: Option<String>,
    /// Levels of the page tables.
    pub paging_levels: Option<u8>,
    /// Bits of an ARM64 address that are its signature.
    pub pointer_auth_mask: Option<String>,
    /// Records that parameters point at.
    pub records: Vec<RecordDetails>,
    /// The exception record that a parameter points at.
    pub exception_record: Option<ExceptionRecordDetails>,
    /// The header's exception record: in most dumps a breakpoint of the kernel's own.
    pub header_exception: Option<ExceptionRecordDetails>,
    /// Registers of the header's context, where they are not those of the fault.
    pub header_registers: Vec<(String, String)>,
    /// What the processor was at that stopped the machine.
    pub processor: Option<ProcessorState>,
    /// The process in whose memory it ran.
    pub process: Option<ProcessDetails>,
    /// The thread that ran.
    pub thread: Option<ThreadDetails>,
    /// Pool, commitment and driver verification, in pages.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub memory: Option<MemoryManager>,
    /// The driver that the kernel names as broken.
    pub broken_driver: Option<String>,
    /// The driver that the kernel names for the bug check.
    pub bugcheck_driver: Option<String>,
    /// More drivers were loaded than are listed.
    pub drivers_overflowed: bool,
    /// What the firmware says of the machine.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub firmware: Option<Smbios>,
    /// What registry and processor say of the processor.
    pub cpu: CpuDetails,
    /// `VirtualBox`, `VMware`, `HyperV`, where the machine is a virtual one that names itself.
    pub virtual_machine: Option<String>,
    /// The hypervisor that Windows ran on: in a virtual machine, or its own.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub hypervisor: Option<Hypervisor>,
    /// Drivers of the Kernel-Mode Driver Framework, the framework first.
    pub kmdf_drivers: Vec<KmdfDriver>,
    /// The framework's log of one driver.
    pub kmdf_log: Option<KmdfLog>,
    /// What the graphics kernel wrote.
    pub display: Option<DisplayDetails>,
    /// The report of NVIDIA's driver.
    pub nvidia: Option<NvidiaDetails>,
    /// The last requests of each storage port driver.
    pub storage: Vec<StorageDetails>,
    /// The firmware's ACPI tables.
    pub acpi: Option<AcpiDetails>,
    /// PCI functions: `00:1f.2 8086:a102 class 010601 rev 31`.
    pub pci: Vec<String>,
    /// What Windows noted about its boots.
    pub boot: Option<BootDetails>,
    /// What the file system noted.
    pub ntfs: Option<NtfsDetails>,
    /// What the device manager noted.
    pub pnp: Option<PnpDetails>,
    /// What the sign-in noted.
    #[schemars(with = "Option<Map<String, Value>>")]
    pub winlogon: Option<Winlogon>,
    /// Components that added memory to the dump.
    pub triage_components: Vec<ComponentDetails>,
    /// Logs that drivers kept of their trace messages.
    pub recorder_logs: Vec<RecorderDetails>,
    /// All secondary data.
    pub secondary_data: Vec<SecondaryDetails>,
}

/// The dump's header, beyond what the rest of the report has of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct HeaderDetails {
    /// Form of the dump.
    #[schemars(with = "Option<Value>")]
    pub dump_type: Option<DumpType>,
    /// 15 for a free build, 12 for a checked one.
    pub major: u32,
    /// Physical address of the page table in use.
    pub directory_table_base: String,
    /// Address of the table of physical pages.
    pub pfn_database: String,
    /// Head of the list of loaded drivers.
    pub ps_loaded_module_list: String,
    /// Head of the list of processes.
    pub ps_active_process_head: String,
    /// Address of the kernel's debugger data.
    pub kd_debugger_data_block: String,
    /// Whether a 32-bit kernel used physical address extension.
    pub pae: Option<bool>,
    /// `DUMP_FILE_ATTRIBUTES`
    pub attributes: Option<u32>,
    /// `VER_SUITE_*`
    pub suite_mask: Option<u32>,
    /// Service pack build: 0x100 on Windows 7 SP1.
    pub service_pack: Option<u32>,
    /// Size of the file as its writer planned it.
    pub required_dump_space: Option<u64>,
    /// Which parts a small dump was meant to have.
    pub mini_dump_fields: Option<u32>,
    /// NTSTATUS of the secondary data.
    pub secondary_data_state: Option<u32>,
    /// What a person wrote into the dump.
    pub comment: Option<String>,
    /// How the kernel says its writing ended.
    pub status: Option<String>,
}

/// A record that a parameter points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordDetails {
    /// 1 to 4.
    pub parameter: u8,
    /// `EXCEPTION_RECORD`, `CONTEXT`, `TRAP_FRAME`.
    pub kind: String,
    /// Where it lies.
    pub address: String,
}

/// An exception record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionRecordDetails {
    /// NTSTATUS.
    pub code: u32,
    /// `EXCEPTION_*` flags.
    pub flags: u32,
    /// Instruction that raised it.
    pub address: String,
    /// What the code documents.
    pub information: Vec<String>,
}

/// A processor when the machine stopped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProcessorState {
    /// From 0.
    pub number: Option<u32>,
    /// The thread that ran.
    pub current_thread: Option<String>,
    /// The thread chosen to run next.
    pub next_thread: Option<String>,
    /// The thread that runs when no other does.
    pub idle_thread: Option<String>,
    /// Whether it had nothing to do.
    pub idle: bool,
    /// Whether it ran a deferred procedure call.
    pub dpc_active: Option<bool>,
    /// Where that runs.
    pub dpc_stack: Option<String>,
    /// Where interrupts run.
    pub isr_stack: Option<String>,
    /// The context it saved when it was stopped.
    pub context: Option<String>,
    /// The IRQL, as the processor has it.
    pub irql: Option<u64>,
    /// `cr0` to `cr4`, `dr0` to `dr7`.
    pub special_registers: Vec<(String, String)>,
}

/// A process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ProcessDetails {
    /// Its id.
    pub id: Option<u64>,
    /// Id of the process that made it.
    pub parent_id: Option<u64>,
    /// When it began, RFC 3339.
    pub create_time: Option<String>,
    /// Address of its `EPROCESS`.
    pub address: Option<String>,
    /// Its block in user mode.
    pub peb: Option<String>,
    /// Physical address of its page table.
    pub directory_table_base: Option<String>,
}

/// A thread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ThreadDetails {
    /// Its id.
    pub id: Option<u64>,
    /// Id of the process that owns it.
    pub process_id: Option<u64>,
    /// When it began, RFC 3339.
    pub create_time: Option<String>,
    /// What it was doing.
    #[schemars(with = "Option<Value>")]
    pub state: Option<ThreadState>,
    /// 0 to 31.
    pub priority: Option<u8>,
    /// Routine it began in.
    pub start_address: Option<String>,
    /// The same as `driver.sys+0x...`.
    pub start: Option<String>,
    /// Routine its maker gave.
    pub win32_start_address: Option<String>,
    /// The same as `driver.sys+0x...`.
    pub win32_start: Option<String>,
    /// Its block in user mode.
    pub teb: Option<String>,
    /// Highest address of its kernel stack.
    pub stack_base: Option<String>,
    /// Lowest address of its kernel stack.
    pub stack_limit: Option<String>,
    /// Where its kernel stack begins to be used.
    pub initial_stack: Option<String>,
    /// How far its kernel stack was used when it last waited.
    pub kernel_stack: Option<String>,
}

/// A processor, by registry, `CPUID` and the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CpuDetails {
    /// `GenuineIntel`
    pub vendor: Option<String>,
    /// `Intel64 Family 6 Model 167 Stepping 1`
    pub identifier: Option<String>,
    /// Its name for itself.
    pub brand: Option<String>,
    /// Nominal frequency.
    pub mhz: Option<u32>,
    /// Family, the extended one added.
    pub family: Option<u32>,
    /// Model, the extended one above it.
    pub model: Option<u32>,
    /// Stepping.
    pub stepping: Option<u32>,
    /// Microcode that runs.
    pub microcode: Option<u32>,
    /// Microcode that the firmware had loaded.
    pub previous_microcode: Option<u32>,
    /// What became of Windows' own update of it.
    pub update_status: Option<u32>,
    /// Windows' own bits for what it can do.
    pub feature_set: Option<u32>,
    /// Whether it says that it is under a hypervisor.
    pub hypervisor_present: Option<bool>,
    /// `CPUID` leaves that the dump has.
    pub cpuid_leaves: usize,
    /// Model-specific registers that the dump has.
    pub model_specific_registers: usize,
}
