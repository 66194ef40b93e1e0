//! The kernel's own table of contents, `KDDEBUGGER_DATA64` of `wdbgexts.h`: where its lists are, and where in its
//! structures the fields are that a debugger needs. The same 64-bit block in dumps of either width, longer with every
//! release. Owns the places of its fields; never follows an address.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Width};

const OWNER_TAG: u64 = 0x10;
const SIZE: u64 = 0x14;
const FLAGS: u64 = 0x36;

/// More than the name of any build.
const LAB_LEN: usize = 128;

/// Up to and with `KernBase`.
const MIN_LEN: u64 = 0x20;

/// A structure, the places of its fields, and how one is read: fields side by side with their documentation.
macro_rules! fields {
    (
        $(#[$about:meta])*
        pub struct $name:ident read by $read:ident { $($(#[$doc:meta])* $field:ident: $kind:ident at $offset:literal,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name { $($(#[$doc])* pub $field: Option<u64>,)* }

        fn $read(block: Block<'_>) -> $name {
            $name { $($field: block.$kind($offset),)* }
        }
    };
}

fields! {
    /// Addresses in the kernel's image, most of them of a variable of the name given here. A small dump holds few of
    /// the pages they are on. `None` where the block is too short, or says 0.
    pub struct KernelAddresses read by addresses {
        /// `DbgBreakPointWithStatus`, its breakpoint.
        breakpoint_with_status: address at 0x20,
        /// The context that `KeBugCheckEx` saved.
        saved_context: address at 0x28,
        /// Routine that calls user mode.
        ki_call_user_mode: address at 0x38,
        /// Where user mode is entered for a callback: in `ntdll`.
        ke_user_callback_dispatcher: address at 0x40,
        /// Head of the list of loaded drivers.
        ps_loaded_module_list: address at 0x48,
        /// Head of the list of processes.
        ps_active_process_head: address at 0x50,
        /// Table of process and thread ids.
        psp_cid_table: address at 0x58,
        /// Head of the list of executive resources (locks).
        exp_system_resources_list: address at 0x60,
        /// `ExpPagedPoolDescriptor`
        exp_paged_pool_descriptor: address at 0x68,
        /// `ExpNumberOfPagedPools`
        exp_number_of_paged_pools: address at 0x70,
        /// `KeTimeIncrement`
        ke_time_increment: address at 0x78,
        /// `KeBugCheckCallbackListHead`
        ke_bug_check_callback_list_head: address at 0x80,
        /// The bug check code and its four parameters, five words.
        ki_bugcheck_data: address at 0x88,
        /// `IopErrorLogListHead`
        iop_error_log_list_head: address at 0x90,
        /// `ObpRootDirectoryObject`
        obp_root_directory_object: address at 0x98,
        /// `ObpTypeObjectType`
        obp_type_object_type: address at 0xA0,
        /// `MmSystemCacheStart`
        mm_system_cache_start: address at 0xA8,
        /// `MmSystemCacheEnd`
        mm_system_cache_end: address at 0xB0,
        /// `MmSystemCacheWs`
        mm_system_cache_ws: address at 0xB8,
        /// `MmPfnDatabase`
        mm_pfn_database: address at 0xC0,
        /// `MmSystemPtesStart`
        mm_system_ptes_start: address at 0xC8,
        /// `MmSystemPtesEnd`
        mm_system_ptes_end: address at 0xD0,
        /// `MmSubsectionBase`
        mm_subsection_base: address at 0xD8,
        /// `MmNumberOfPagingFiles`
        mm_number_of_paging_files: address at 0xE0,
        /// `MmLowestPhysicalPage`
        mm_lowest_physical_page: address at 0xE8,
        /// `MmHighestPhysicalPage`
        mm_highest_physical_page: address at 0xF0,
        /// `MmNumberOfPhysicalPages`
        mm_number_of_physical_pages: address at 0xF8,
        /// `MmMaximumNonPagedPoolInBytes`
        mm_maximum_non_paged_pool_in_bytes: address at 0x100,
        /// `MmNonPagedSystemStart`
        mm_non_paged_system_start: address at 0x108,
        /// `MmNonPagedPoolStart`
        mm_non_paged_pool_start: address at 0x110,
        /// `MmNonPagedPoolEnd`
        mm_non_paged_pool_end: address at 0x118,
        /// `MmPagedPoolStart`
        mm_paged_pool_start: address at 0x120,
        /// `MmPagedPoolEnd`
        mm_paged_pool_end: address at 0x128,
        /// `MmPagedPoolInformation`
        mm_paged_pool_information: address at 0x130,
        /// `MmSizeOfPagedPoolInBytes`
        mm_size_of_paged_pool_in_bytes: address at 0x140,
        /// `MmTotalCommitLimit`
        mm_total_commit_limit: address at 0x148,
        /// `MmTotalCommittedPages`
        mm_total_committed_pages: address at 0x150,
        /// `MmAvailablePages`
        mm_available_pages: address at 0x1A8,
        /// `MmResidentAvailablePages`
        mm_resident_available_pages: address at 0x1B0,
        /// `PoolTrackTable`: who has allocated how much, by tag.
        pool_track_table: address at 0x1B8,
        /// `NonPagedPoolDescriptor`
        non_paged_pool_descriptor: address at 0x1C0,
        /// `MmHighestUserAddress`
        mm_highest_user_address: address at 0x1C8,
        /// `MmSystemRangeStart`
        mm_system_range_start: address at 0x1D0,
        /// `MmUserProbeAddress`
        mm_user_probe_address: address at 0x1D8,
        /// What drivers printed for a debugger.
        kd_print_circular_buffer: address at 0x1E0,
        /// Its end.
        kd_print_circular_buffer_end: address at 0x1E8,
        /// Where the next text would go.
        kd_print_write_pointer: address at 0x1F0,
        /// How often it was overwritten.
        kd_print_rollover_count: address at 0x1F8,
        /// Modules of user mode, for a debugger.
        mm_loaded_user_image_list: address at 0x200,
        /// Full name of the build: `19041.1.amd64fre.vb_release.191206-1406`.
        nt_build_lab: address at 0x208,
        /// Array of addresses of the processors' `KPRCB`.
        ki_processor_block: address at 0x218,
        /// Pointer to the array of unloaded drivers.
        mm_unloaded_drivers: address at 0x220,
        /// Number of unloaded drivers: the next place in the array.
        mm_last_unloaded_driver: address at 0x228,
        /// `MmTriageActionTaken`
        mm_triage_action_taken: address at 0x230,
        /// `MmSpecialPoolTag`
        mm_special_pool_tag: address at 0x238,
        /// Whether drivers are verified.
        kernel_verifier: address at 0x240,
        /// What the driver verifier knows.
        mm_verifier_data: address at 0x248,
        /// `MmAllocatedNonPagedPool`
        mm_allocated_non_paged_pool: address at 0x250,
        /// `MmPeakCommitment`
        mm_peak_commitment: address at 0x258,
        /// `MmTotalCommitLimitMaximum`
        mm_total_commit_limit_maximum: address at 0x260,
        /// Service pack version.
        cm_nt_csd_version: address at 0x268,
        /// Pointer to the runs of physical memory.
        mm_physical_memory_block: address at 0x270,
        /// `MmSessionBase`
        mm_session_base: address at 0x278,
        /// `MmSessionSize`
        mm_session_size: address at 0x280,
        /// Pointer to the buffer of `DbgPrint` texts.
        kd_print_circular_buffer_ptr: address at 0x2C8,
        /// Its size.
        kd_print_buffer_size: address at 0x2D0,
        /// What the boot loader handed over.
        ke_loader_block: address at 0x2D8,
        /// Number of data blocks that drivers added to a small dump.
        iop_num_triage_dump_data_blocks: address at 0x308,
        /// Those blocks.
        iop_triage_dump_data_blocks: address at 0x310,
        /// What the driver verifier noted of this crash.
        vf_crash_data_block: address at 0x318,
        /// Number of bad pages found.
        mm_bad_pages_detected: address at 0x320,
        /// Number of zeroed pages found with one bit set: broken memory.
        mm_zeroed_page_single_bit_errors_detected: address at 0x328,
        /// Event tracing, for its debugger extension.
        etwp_debugger_data: address at 0x330,
        /// Where page tables are mapped, from Windows 10 1607 on. No variable: the address itself.
        pte_base: address at 0x360,
        /// Whether kernel stacks have shadow stacks.
        shadow_stack_enabled: address at 0x388,
    }
}

fields! {
    /// Places of fields in the kernel's structures, and sizes of these, in bytes, as this very kernel was built. `None`
    /// where the block is too short, or says 0.
    pub struct StructureOffsets read by offsets {
        /// `KTHREAD.NextProcessor`
        kthread_next_processor: half at 0x298,
        /// `KTHREAD.Teb`
        kthread_teb: half at 0x29A,
        /// `KTHREAD.KernelStack`
        kthread_kernel_stack: half at 0x29C,
        /// `KTHREAD.InitialStack`
        kthread_initial_stack: half at 0x29E,
        /// `KTHREAD.ApcState.Process`
        kthread_apc_process: half at 0x2A0,
        /// `KTHREAD.State`
        kthread_state: half at 0x2A2,
        /// Size of `EPROCESS`.
        eprocess_size: half at 0x2A8,
        /// `EPROCESS.Peb`
        eprocess_peb: half at 0x2AA,
        /// `EPROCESS.InheritedFromUniqueProcessId`
        eprocess_parent_cid: half at 0x2AC,
        /// `EPROCESS.Pcb.DirectoryTableBase`
        eprocess_directory_table_base: half at 0x2AE,
        /// Size of `KPRCB`.
        prcb_size: half at 0x2B0,
        /// `KPRCB.DpcRoutineActive`
        prcb_dpc_routine: half at 0x2B2,
        /// `KPRCB.CurrentThread`
        prcb_current_thread: half at 0x2B4,
        /// `KPRCB.MHz`
        prcb_mhz: half at 0x2B6,
        /// `KPRCB.CpuType`
        prcb_cpu_type: half at 0x2B8,
        /// `KPRCB.VendorString`
        prcb_vendor_string: half at 0x2BA,
        /// `KPRCB.ProcessorState.ContextFrame`
        prcb_proc_state_context: half at 0x2BC,
        /// `KPRCB.Number`
        prcb_number: half at 0x2BE,
        /// Size of `ETHREAD`.
        ethread_size: half at 0x2C0,
        /// Size of `KPCR`.
        pcr_size: half at 0x2E0,
        /// `KPCR.Self`
        pcr_self_pcr: half at 0x2E2,
        /// `KPCR.CurrentPrcb`
        pcr_current_prcb: half at 0x2E4,
        /// `KPCR.Prcb`
        pcr_contained_prcb: half at 0x2E6,
        /// `KPRCB.ProcessorState.SpecialRegisters`
        prcb_proc_state_special_reg: half at 0x2F2,
        /// `KPRCB.Context`, a pointer.
        prcb_context: half at 0x338,
        /// `KTHREAD.StackLimit`
        kthread_stack_limit: whole at 0x340,
        /// `KTHREAD.StackBase`
        kthread_stack_base: whole at 0x344,
        /// `KTHREAD.QueueListEntry`
        kthread_queue_list_entry: whole at 0x348,
        /// `ETHREAD.IrpList`
        ethread_irp_list: whole at 0x34C,
        /// `KPRCB.IdleThread`
        prcb_idle_thread: half at 0x350,
        /// `KPRCB.NormalDpcState`
        prcb_normal_dpc_state: half at 0x352,
        /// `KPRCB.DpcStack`
        prcb_dpc_stack: half at 0x354,
        /// `KPRCB.IsrStack`
        prcb_isr_stack: half at 0x356,
        /// Size of `KDPC_STACK_FRAME`.
        kdpc_stack_frame_size: half at 0x358,
        /// `KPRIQUEUE.ThreadListHead`
        kpriqueue_thread_list_head: half at 0x35A,
        /// `KTHREAD.WaitReason`
        kthread_wait_reason: half at 0x35C,
        /// `EPROCESS.MmHotPatchContext`
        eprocess_mm_hot_patch_context: half at 0x37C,
        /// `KTHREAD.KernelShadowStackLimit`
        kthread_shadow_stack_limit: whole at 0x380,
        /// `KTHREAD.KernelShadowStackBase`
        kthread_shadow_stack_base: whole at 0x384,
        /// `KPRCB.ExceptionStack`
        prcb_exception_stack: half at 0x398,
    }
}

/// The kernel's debugger data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebuggerData {
    /// Size the block says it has.
    pub size: u32,
    /// Address of the kernel's image.
    pub kernel_base: u64,
    /// Physical addresses of more than 32 bits.
    pub pae_enabled: bool,
    /// Levels of page tables, where the kernel tells: Windows 11 does.
    pub paging_levels: Option<u8>,
    /// The bits of an address that are none but its signature, on ARM64.
    pub pointer_auth_mask: Option<u64>,
    /// Where its lists and variables are.
    pub addresses: KernelAddresses,
    /// Where the fields of its structures are.
    pub offsets: StructureOffsets,
}

/// A block, as long as it says and as there is.
#[derive(Clone, Copy)]
struct Block<'a> {
    bytes: Bytes<'a>,
    width: Width,
}

impl Block<'_> {
    fn address(self, offset: u64) -> Option<u64> {
        self.bytes.u64(offset).map(|va| self.width.address(va)).filter(|&va| va != 0)
    }

    fn half(self, offset: u64) -> Option<u64> {
        self.bytes.u16(offset).filter(|&value| value != 0).map(u64::from)
    }

    fn whole(self, offset: u64) -> Option<u64> {
        self.bytes.u32(offset).filter(|&value| value != 0).map(u64::from)
    }
}

impl DebuggerData {
    /// Reads a block. `None` where its mark is missing, or it is too short for anything.
    pub(crate) fn read(bytes: Bytes<'_>, width: Width) -> Option<Self> {
        bytes.get(OWNER_TAG, 4).filter(|tag| tag == b"KDBG")?;
        let size = bytes.u32(SIZE).filter(|&size| u64::from(size) >= MIN_LEN)?;
        let block = Block { bytes: Bytes(bytes.clip(0, size.into())?), width };
        let flags = block.bytes.u16(FLAGS).unwrap_or(0);
        let paging_levels = u8::try_from(flags >> 2 & 0xF).ok().filter(|&levels| levels != 0);
        Some(Self {
            size,
            kernel_base: block.address(0x18)?,
            pae_enabled: flags & 1 != 0,
            paging_levels,
            pointer_auth_mask: block.bytes.u64(0x390).filter(|&mask| mask != 0),
            addresses: addresses(block),
            offsets: offsets(block),
        })
    }

    /// The full name of the build, `19041.1.amd64fre.vb_release.191206-1406`, where the memory that `NtBuildLab` is in
    /// was saved: by the debugger engine in a small dump, never by the kernel. `read` gives up to so many bytes from an
    /// address on.
    pub(crate) fn lab<'m>(
        &self,
        build: u32,
        read: impl FnOnce(u64, usize) -> Option<Cow<'m, [u8]>>,
    ) -> Option<String> {
        let bytes = read(self.addresses.nt_build_lab?, LAB_LEN)?;
        let text = bytes.split(|&byte| byte == 0).next().filter(|text| text.len() < bytes.len())?;
        let text =
            str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))?;
        let (first, _) = text.split_once('.')?;
        (first.parse() == Ok(build)).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests;
