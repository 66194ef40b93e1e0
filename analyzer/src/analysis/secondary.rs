//! What firmware, drivers and parts of Windows left behind a kernel dump, as the report has it. Plain data: summaries, no
//! content.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A driver of the Kernel-Mode Driver Framework.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KmdfDriver {
    /// Name of its service.
    pub name: String,
    /// Version of the framework that it was built for: `1.15`.
    pub version: String,
}

/// The framework's log of one driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KmdfLog {
    /// Whose.
    pub driver: String,
    /// Messages it ever wrote.
    pub written: u32,
    /// Messages that the dump has.
    pub kept: usize,
}

/// What the graphics kernel wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DisplayDetails {
    /// An adapter was reset, or could not be.
    pub timeout: bool,
    /// Sections.
    pub sections: usize,
    /// Bytes that the adapter's driver added.
    pub driver_bytes: Option<u64>,
}

/// The report of NVIDIA's driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NvidiaDetails {
    /// GUID of its format.
    pub format: String,
    /// Bytes.
    pub size: u32,
    /// The maker's checksum.
    pub checksum: u8,
}

/// What a storage port driver was last asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StorageDetails {
    /// `storport.sys`
    pub driver: String,
    /// Why it was written.
    pub reason: u32,
    /// Requests that the dump has.
    pub requests: usize,
    /// Of those: without an end.
    pub unfinished: usize,
    /// Of those: ended without success.
    pub failed: usize,
}

/// ACPI tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AcpiDetails {
    /// Who made the first that says so.
    pub oem: Option<String>,
    /// Each name once, in the dump's order, with how many there are.
    pub tables: Vec<(String, usize)>,
}

/// What Windows noted about its boots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct BootDetails {
    /// Boots that were tried until this one came up.
    pub attempts: u8,
    /// This boot came up.
    pub succeeded: bool,
    /// This boot was being shut down.
    pub shutdown: bool,
    /// What the machine was at: `running`, `standby`, `user shutdown`, `system shutdown`, `sleep`.
    pub activity: Vec<String>,
    /// When this was noted, RFC 3339.
    pub last_note: Option<String>,
    /// The last boot that ended with a shutdown.
    pub last_clean_boot_id: u32,
    /// The last boot whose end without a shutdown was reported.
    pub last_reported_crash_boot_id: u32,
    /// When the power button was last pressed, RFC 3339.
    pub power_button: Option<String>,
    /// The last error of keeping these notes, NTSTATUS.
    pub error: Option<u32>,
}

/// What the file system noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NtfsDetails {
    /// Since when, RFC 3339.
    pub since: String,
    /// Requests to the disk that took too long: the addresses of their packets.
    pub slow: Vec<String>,
}

/// What the device manager noted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PnpDetails {
    /// Bus and kind of device.
    pub device: String,
    /// When it began, RFC 3339.
    pub time: String,
    /// It had not ended.
    pub in_progress: bool,
    /// Problem of the device, `CM_PROB_*`.
    pub problem: u32,
    /// What it was about, by the device manager's own numbers.
    pub information: u32,
}

/// A component that added memory to the dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComponentDetails {
    /// Its name.
    pub name: String,
    /// How many pieces.
    pub blocks: usize,
    /// How many bytes.
    pub bytes: u64,
}

/// A log of trace messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecorderDetails {
    /// The driver, else the GUID of its messages.
    pub driver: String,
    /// Number of the log.
    pub number: u16,
    /// Name of the log.
    pub name: Option<String>,
}

/// A piece of secondary data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecondaryDetails {
    /// Its GUID.
    pub guid: String,
    /// What that is publicly known as.
    pub name: Option<String>,
    /// Bytes.
    pub size: u64,
}
