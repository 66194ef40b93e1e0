//! An address in a driver. Owns how it is written; never looks one up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest names of drivers' files have half as many characters; a damaged dump does not get to say otherwise.
const MAX_NAME: usize = 128;

/// An address that a driver owns, or owned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// The address.
    pub address: u64,
    /// Name of the driver: `ks.sys`. Cut by Windows to 12 characters where it was unloaded.
    pub driver: String,
    /// Distance from the driver's first address.
    pub offset: u64,
    /// Whether the driver was gone when the machine went down.
    pub unloaded: bool,
}

impl Location {
    pub(crate) fn new(address: u64, driver: &str, offset: u64, unloaded: bool) -> Self {
        Self { address, driver: driver.chars().take(MAX_NAME).collect(), offset, unloaded }
    }
}

/// `ks.sys+0x1ae9`, `<unloaded> dump_storpor+0x10`
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.unloaded { "<unloaded> " } else { "" };
        write!(f, "{mark}{}+{:#x}", self.driver, self.offset)
    }
}
