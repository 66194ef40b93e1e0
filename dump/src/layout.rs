//! Where things are: the offsets of `DUMP_HEADER64`/`32`, `TRIAGE_DUMP64`/`32` and of the entries of their tables.
//! One [`Layout`] per bitness, side by side, to be proofread against the published structures. Never reads a byte.
//! Names are those of the structures.

use crate::bytes::Width;

/// All offsets of one bitness.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) width: Width,
    /// `DUMP_HEADER`, from the file's first byte.
    pub(crate) header: HeaderLayout,
    /// `TRIAGE_DUMP`, from the end of the header.
    pub(crate) triage: TriageLayout,
    /// One entry of the driver list.
    pub(crate) driver: DriverLayout,
    /// The list of unloaded drivers.
    pub(crate) unloaded: UnloadedLayout,
    /// `EXCEPTION_RECORD`.
    pub(crate) exception: ExceptionLayout,
}

/// `DUMP_HEADER`.
#[derive(Debug)]
pub(crate) struct HeaderLayout {
    pub(crate) size: u64,
    pub(crate) major_version: u64,
    pub(crate) minor_version: u64,
    pub(crate) directory_table_base: u64,
    pub(crate) pfn_data_base: u64,
    pub(crate) ps_loaded_module_list: u64,
    pub(crate) ps_active_process_head: u64,
    pub(crate) machine_image_type: u64,
    pub(crate) number_processors: u64,
    pub(crate) bug_check_code: u64,
    pub(crate) bug_check_parameter1: u64,
    /// `PaeEnabled`, u8: 32-bit only.
    pub(crate) pae_enabled: Option<u64>,
    pub(crate) kd_debugger_data_block: u64,
    /// `PHYSICAL_MEMORY_DESCRIPTOR`, and how much room it has.
    pub(crate) physical_memory_block: u64,
    pub(crate) physical_memory_block_size: u64,
    pub(crate) context_record: u64,
    pub(crate) context_record_size: u64,
    pub(crate) exception: u64,
    pub(crate) dump_type: u64,
    pub(crate) required_dump_space: u64,
    pub(crate) system_time: u64,
    pub(crate) system_up_time: u64,
    /// ANSI.
    pub(crate) comment: u64,
    pub(crate) comment_size: u64,
    pub(crate) mini_dump_fields: u64,
    pub(crate) secondary_data_state: u64,
    pub(crate) product_type: u64,
    pub(crate) suite_mask: u64,
    pub(crate) writer_status: u64,
    pub(crate) attributes: u64,
    pub(crate) boot_id: u64,
    /// Build number as UTF-16 text; only 64-bit kernels from build 26100 write it, and only when they write the file.
    pub(crate) build_string: Option<u64>,
    /// How the writing of the file ended, ANSI; from the same kernels.
    pub(crate) status_line: Option<u64>,
}

/// `TRIAGE_DUMP`. Every `..Offset` in it counts from the file's first byte.
#[derive(Debug)]
pub(crate) struct TriageLayout {
    pub(crate) size: u64,
    pub(crate) service_pack_build: u64,
    pub(crate) size_of_dump: u64,
    pub(crate) valid_offset: u64,
    pub(crate) mm_offset: u64,
    pub(crate) unloaded_drivers_offset: u64,
    pub(crate) prcb_offset: u64,
    pub(crate) process_offset: u64,
    pub(crate) thread_offset: u64,
    pub(crate) call_stack_offset: u64,
    pub(crate) size_of_call_stack: u64,
    pub(crate) driver_list_offset: u64,
    pub(crate) driver_count: u64,
    pub(crate) string_pool_offset: u64,
    pub(crate) broken_driver_offset: u64,
    pub(crate) triage_options: u64,
    pub(crate) top_of_stack: u64,
    pub(crate) data_page_address: u64,
    pub(crate) data_page_offset: u64,
    pub(crate) data_page_size: u64,
    pub(crate) debugger_data_offset: u64,
    pub(crate) debugger_data_size: u64,
    pub(crate) data_blocks_offset: u64,
    pub(crate) data_blocks_count: u64,
}

/// `DUMP_DRIVER_ENTRY`: the offset of the name, then a `KLDR_DATA_TABLE_ENTRY`.
#[derive(Debug)]
pub(crate) struct DriverLayout {
    pub(crate) stride: u64,
    pub(crate) driver_name_offset: u64,
    pub(crate) dll_base: u64,
    pub(crate) entry_point: u64,
    pub(crate) size_of_image: u64,
    pub(crate) flags: u64,
    pub(crate) check_sum: u64,
    pub(crate) time_date_stamp: u64,
}

/// `DUMP_UNLOADED_DRIVERS`.
#[derive(Debug)]
pub(crate) struct UnloadedLayout {
    /// From the count to the first entry.
    pub(crate) first: u64,
    pub(crate) stride: u64,
    /// Length of the name in bytes, u16.
    pub(crate) name_length: u64,
    /// 12 UTF-16 units.
    pub(crate) driver_name: u64,
    pub(crate) start_address: u64,
    pub(crate) end_address: u64,
}

/// `EXCEPTION_RECORD`.
#[derive(Debug)]
pub(crate) struct ExceptionLayout {
    pub(crate) exception_code: u64,
    pub(crate) exception_flags: u64,
    pub(crate) exception_address: u64,
    pub(crate) number_parameters: u64,
    pub(crate) exception_information: u64,
    pub(crate) information_stride: u64,
}

/// x64 and ARM64.
pub(crate) static LAYOUT64: Layout = Layout {
    width: Width::W64,
    header: HeaderLayout {
        size: 0x2000,
        major_version: 0x008,
        minor_version: 0x00C,
        directory_table_base: 0x010,
        pfn_data_base: 0x018,
        ps_loaded_module_list: 0x020,
        ps_active_process_head: 0x028,
        machine_image_type: 0x030,
        number_processors: 0x034,
        bug_check_code: 0x038,
        bug_check_parameter1: 0x040,
        pae_enabled: None,
        kd_debugger_data_block: 0x080,
        physical_memory_block: 0x088,
        physical_memory_block_size: 700,
        context_record: 0x348,
        context_record_size: 3000,
        exception: 0xF00,
        dump_type: 0xF98,
        required_dump_space: 0xFA0,
        system_time: 0xFA8,
        system_up_time: 0x1030,
        comment: 0xFB0,
        comment_size: 128,
        mini_dump_fields: 0x1038,
        secondary_data_state: 0x103C,
        product_type: 0x1040,
        suite_mask: 0x1044,
        writer_status: 0x1048,
        attributes: 0x1050,
        boot_id: 0x1054,
        build_string: Some(0x12F0),
        status_line: Some(0x11F0),
    },
    triage: TriageLayout {
        size: 0x80,
        service_pack_build: 0x00,
        size_of_dump: 0x04,
        valid_offset: 0x08,
        mm_offset: 0x14,
        unloaded_drivers_offset: 0x18,
        prcb_offset: 0x1C,
        process_offset: 0x20,
        thread_offset: 0x24,
        call_stack_offset: 0x28,
        size_of_call_stack: 0x2C,
        driver_list_offset: 0x30,
        driver_count: 0x34,
        string_pool_offset: 0x38,
        broken_driver_offset: 0x40,
        triage_options: 0x44,
        top_of_stack: 0x48,
        data_page_address: 0x60,
        data_page_offset: 0x68,
        data_page_size: 0x6C,
        debugger_data_offset: 0x70,
        debugger_data_size: 0x74,
        data_blocks_offset: 0x78,
        data_blocks_count: 0x7C,
    },
    driver: DriverLayout {
        stride: 0x90,
        driver_name_offset: 0x00,
        dll_base: 0x38,
        entry_point: 0x40,
        size_of_image: 0x48,
        flags: 0x70,
        check_sum: 0x80,
        time_date_stamp: 0x88,
    },
    unloaded: UnloadedLayout {
        first: 8,
        stride: 56,
        name_length: 0,
        driver_name: 16,
        start_address: 40,
        end_address: 48,
    },
    exception: ExceptionLayout {
        exception_code: 0x00,
        exception_flags: 0x04,
        exception_address: 0x10,
        number_parameters: 0x18,
        exception_information: 0x20,
        information_stride: 8,
    },
};

/// x86.
pub(crate) static LAYOUT32: Layout = Layout {
    width: Width::W32,
    header: HeaderLayout {
        size: 0x1000,
        major_version: 0x008,
        minor_version: 0x00C,
        directory_table_base: 0x010,
        pfn_data_base: 0x014,
        ps_loaded_module_list: 0x018,
        ps_active_process_head: 0x01C,
        machine_image_type: 0x020,
        number_processors: 0x024,
        bug_check_code: 0x028,
        bug_check_parameter1: 0x02C,
        pae_enabled: Some(0x05C),
        kd_debugger_data_block: 0x060,
        physical_memory_block: 0x064,
        physical_memory_block_size: 700,
        context_record: 0x320,
        context_record_size: 1200,
        exception: 0x7D0,
        dump_type: 0xF88,
        required_dump_space: 0xFA0,
        system_time: 0xFC0,
        system_up_time: 0xFB8,
        comment: 0x820,
        comment_size: 128,
        mini_dump_fields: 0xF8C,
        secondary_data_state: 0xF90,
        product_type: 0xF94,
        suite_mask: 0xF98,
        writer_status: 0xF9C,
        attributes: 0x8A0,
        boot_id: 0x8A4,
        build_string: None,
        status_line: None,
    },
    triage: TriageLayout {
        size: 0x68,
        service_pack_build: 0x00,
        size_of_dump: 0x04,
        valid_offset: 0x08,
        mm_offset: 0x14,
        unloaded_drivers_offset: 0x18,
        prcb_offset: 0x1C,
        process_offset: 0x20,
        thread_offset: 0x24,
        call_stack_offset: 0x28,
        size_of_call_stack: 0x2C,
        driver_list_offset: 0x30,
        driver_count: 0x34,
        string_pool_offset: 0x38,
        broken_driver_offset: 0x40,
        triage_options: 0x44,
        top_of_stack: 0x48,
        data_page_address: 0x4C,
        data_page_offset: 0x50,
        data_page_size: 0x54,
        debugger_data_offset: 0x58,
        debugger_data_size: 0x5C,
        data_blocks_offset: 0x60,
        data_blocks_count: 0x64,
    },
    driver: DriverLayout {
        stride: 0x4C,
        driver_name_offset: 0x00,
        dll_base: 0x1C,
        entry_point: 0x20,
        size_of_image: 0x24,
        flags: 0x38,
        check_sum: 0x44,
        time_date_stamp: 0x48,
    },
    unloaded: UnloadedLayout {
        first: 4,
        stride: 40,
        name_length: 0,
        driver_name: 8,
        start_address: 32,
        end_address: 36,
    },
    exception: ExceptionLayout {
        exception_code: 0x00,
        exception_flags: 0x04,
        exception_address: 0x0C,
        number_parameters: 0x10,
        exception_information: 0x14,
        information_stride: 4,
    },
};
