//! Names of what requests ask for: `IRP_MJ_*`, and the `IRP_MN_*` of those functions that bug checks are about.

/// `IRP_MJ_POWER`
pub(super) const POWER: u8 = 0x16;
/// `IRP_MN_WAIT_WAKE`
pub(super) const WAIT_WAKE: u8 = 0;
/// `IRP_MN_SET_POWER`
pub(super) const SET_POWER: u8 = 2;
/// `IRP_MN_QUERY_POWER`
pub(super) const QUERY_POWER: u8 = 3;

/// `IRP_MJ_SYSTEM_CONTROL`
const SYSTEM_CONTROL: u8 = 0x17;
/// `IRP_MJ_PNP`
const PNP: u8 = 0x1B;

const MAJOR: [&str; 28] = [
    "IRP_MJ_CREATE",
    "IRP_MJ_CREATE_NAMED_PIPE",
    "IRP_MJ_CLOSE",
    "IRP_MJ_READ",
    "IRP_MJ_WRITE",
    "IRP_MJ_QUERY_INFORMATION",
    "IRP_MJ_SET_INFORMATION",
    "IRP_MJ_QUERY_EA",
    "IRP_MJ_SET_EA",
    "IRP_MJ_FLUSH_BUFFERS",
    "IRP_MJ_QUERY_VOLUME_INFORMATION",
    "IRP_MJ_SET_VOLUME_INFORMATION",
    "IRP_MJ_DIRECTORY_CONTROL",
    "IRP_MJ_FILE_SYSTEM_CONTROL",
    "IRP_MJ_DEVICE_CONTROL",
    "IRP_MJ_INTERNAL_DEVICE_CONTROL",
    "IRP_MJ_SHUTDOWN",
    "IRP_MJ_LOCK_CONTROL",
    "IRP_MJ_CLEANUP",
    "IRP_MJ_CREATE_MAILSLOT",
    "IRP_MJ_QUERY_SECURITY",
    "IRP_MJ_SET_SECURITY",
    "IRP_MJ_POWER",
    "IRP_MJ_SYSTEM_CONTROL",
    "IRP_MJ_DEVICE_CHANGE",
    "IRP_MJ_QUERY_QUOTA",
    "IRP_MJ_SET_QUOTA",
    "IRP_MJ_PNP",
];

/// `IRP_MJ_POWER`
const POWER_MINOR: [&str; 4] =
    ["IRP_MN_WAIT_WAKE", "IRP_MN_POWER_SEQUENCE", "IRP_MN_SET_POWER", "IRP_MN_QUERY_POWER"];

/// `IRP_MJ_PNP`; 0x0E is no function.
const PNP_MINOR: [&str; 26] = [
    "IRP_MN_START_DEVICE",
    "IRP_MN_QUERY_REMOVE_DEVICE",
    "IRP_MN_REMOVE_DEVICE",
    "IRP_MN_CANCEL_REMOVE_DEVICE",
    "IRP_MN_STOP_DEVICE",
    "IRP_MN_QUERY_STOP_DEVICE",
    "IRP_MN_CANCEL_STOP_DEVICE",
    "IRP_MN_QUERY_DEVICE_RELATIONS",
    "IRP_MN_QUERY_INTERFACE",
    "IRP_MN_QUERY_CAPABILITIES",
    "IRP_MN_QUERY_RESOURCES",
    "IRP_MN_QUERY_RESOURCE_REQUIREMENTS",
    "IRP_MN_QUERY_DEVICE_TEXT",
    "IRP_MN_FILTER_RESOURCE_REQUIREMENTS",
    "",
    "IRP_MN_READ_CONFIG",
    "IRP_MN_WRITE_CONFIG",
    "IRP_MN_EJECT",
    "IRP_MN_SET_LOCK",
    "IRP_MN_QUERY_ID",
    "IRP_MN_QUERY_PNP_DEVICE_STATE",
    "IRP_MN_QUERY_BUS_INFORMATION",
    "IRP_MN_DEVICE_USAGE_NOTIFICATION",
    "IRP_MN_SURPRISE_REMOVAL",
    "IRP_MN_QUERY_LEGACY_BUS_INFORMATION",
    "IRP_MN_DEVICE_ENUMERATED",
];

/// `IRP_MJ_SYSTEM_CONTROL`; 0x0A is no function.
const SYSTEM_CONTROL_MINOR: [&str; 12] = [
    "IRP_MN_QUERY_ALL_DATA",
    "IRP_MN_QUERY_SINGLE_INSTANCE",
    "IRP_MN_CHANGE_SINGLE_INSTANCE",
    "IRP_MN_CHANGE_SINGLE_ITEM",
    "IRP_MN_ENABLE_EVENTS",
    "IRP_MN_DISABLE_EVENTS",
    "IRP_MN_ENABLE_COLLECTION",
    "IRP_MN_DISABLE_COLLECTION",
    "IRP_MN_REGINFO",
    "IRP_MN_EXECUTE_METHOD",
    "",
    "IRP_MN_REGINFO_EX",
];

pub(super) fn major_name(major: u8) -> Option<&'static str> {
    MAJOR.get(usize::from(major)).copied()
}

pub(super) fn minor_name(major: u8, minor: u8) -> Option<&'static str> {
    let names: &[&str] = match major {
        POWER => &POWER_MINOR,
        SYSTEM_CONTROL => &SYSTEM_CONTROL_MINOR,
        PNP => &PNP_MINOR,
        _ => return None,
    };
    names.get(usize::from(minor)).copied().filter(|name| !name.is_empty())
}
