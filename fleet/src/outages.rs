//! Outages of the past, out of `data/outages.toml`: what crashed, how it looks in a dump, and who was to blame. The
//! ground truth of drills and of the tests of blame; knows nothing of how a dump is written or judged.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::LazyLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::crash::Cause;

/// One outage.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// What `bluescope drill` calls it.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// When it began, as exactly as is known: a day, a month or a year.
    pub date: String,
    /// What set it off.
    pub trigger: Trigger,
    /// What went wrong, and what a fleet saw of it.
    pub seen: String,
    /// Whom one dump of it must lead to.
    pub culprit: Culprit,
    /// The driver that did it although no dump says so: only what the machines share does.
    pub hidden: Option<String>,
    /// Whether the bug check is not in the sources, but the commonest one of that kind of driver.
    #[serde(default)]
    pub assumed: bool,
    /// What its machines are.
    #[serde(default)]
    pub machine: Architecture,
    /// The build of Windows that crashed; left out, that of each machine of the fleet.
    pub build: Option<u32>,
    /// Why it left no kernel dumps.
    pub no_dumps: Option<String>,
    /// Drivers that are loaded on its machines and do not come with Windows.
    #[serde(default, rename = "driver")]
    pub drivers: Vec<OutageDriver>,
    /// The ways to crash; none where there are no dumps.
    #[serde(default, rename = "crash")]
    pub crashes: Vec<OutageCrash>,
}

/// What sets outages off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// Definitions, rules, signatures: no driver's version changes.
    ContentUpdate,
    /// A new driver.
    DriverUpdate,
    /// A patch of Windows.
    OsUpdate,
    /// A new Windows.
    OsUpgrade,
    /// A new BIOS.
    Firmware,
    /// The hardware itself.
    Hardware,
    /// Nothing new: something rare that machines do, such as going to sleep.
    Use,
}

/// Whom a dump must lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Culprit {
    /// The driver of [`OutageCrash::driver`].
    Driver,
    /// The machine.
    Hardware,
    /// Nobody: one dump cannot tell.
    Nobody,
}

/// Processors of an outage's machines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// 64 bits.
    #[default]
    X64,
    /// 32 bits.
    X86,
}

/// A driver that an outage's machines run.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutageDriver {
    /// Base name.
    pub name: String,
    /// As its file says; no small dump holds it.
    pub version: String,
    /// PE timestamp.
    pub timestamp: u32,
    /// Size of the image.
    pub size: u32,
}

/// One way in which machines crashed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutageCrash {
    /// The bug check and its shape.
    pub cause: Cause,
    /// Out of a hundred crashes, how many look like this.
    pub share: u32,
    /// The driver to blame.
    pub driver: Option<String>,
    /// The image that the failing instruction lies in, where that is not the driver: Windows, called by it.
    pub fault_in: Option<String>,
    /// Where in that image.
    #[serde(default)]
    pub offset: u64,
    /// The address that was touched.
    #[serde(default, deserialize_with = "hexadecimal")]
    pub touched: u64,
    /// The first parameter of bug checks that have kinds.
    pub subcode: Option<u64>,
    /// The current process; left out, whatever crashes that way mostly have.
    pub process: Option<String>,
    /// The driver of the bus that a power request's device hangs on; left out, `pci.sys`.
    pub bus: Option<String>,
    /// Owners of return addresses below the fault, the kernel's left out; `*` is any third-party driver of the machine.
    /// Left out, the driver three times and the filter manager that called it.
    pub stack: Option<Vec<String>>,
}

/// TOML's integers end below the kernel's addresses.
fn hexadecimal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").ok_or_else(|| D::Error::custom("an address begins with 0x"))?;
    u64::from_str_radix(digits, 16).map_err(D::Error::custom)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    outage: Vec<Outage>,
}

fn read() -> Result<Vec<Outage>, toml::de::Error> {
    toml::from_str(include_str!("../data/outages.toml")).map(|table: Table| table.outage)
}

/// All outages, the one that everything is built for first.
pub fn outages() -> &'static [Outage] {
    // the table is part of the executable, and a test reads it
    static OUTAGES: LazyLock<Vec<Outage>> = LazyLock::new(|| {
        read().unwrap_or_else(|error| {
            tracing::error!(%error, "the table of outages cannot be read");
            Vec::new()
        })
    });
    &OUTAGES
}

/// The outage of a name.
pub fn outage(id: &str) -> Option<&'static Outage> {
    outages().iter().find(|outage| outage.id == id)
}

impl Outage {
    /// Whether it can be replayed: whether it left dumps.
    pub fn has_dumps(&self) -> bool {
        self.no_dumps.is_none()
    }

    /// The drivers to page for, the likeliest first; none where no dump names one.
    pub fn blamed(&self) -> Vec<&str> {
        let mut shares: Vec<(&str, u32)> = Vec::new();
        for crash in self.crashes.iter().filter(|_| self.culprit == Culprit::Driver) {
            let Some(driver) = &crash.driver else { continue };
            match shares.iter_mut().find(|(name, _)| name == driver) {
                Some((_, share)) => *share += crash.share,
                None => shares.push((driver, crash.share)),
            }
        }
        shares.sort_by_key(|(_, share)| std::cmp::Reverse(*share));
        shares.into_iter().map(|(name, _)| name).collect()
    }

    /// Numbers of its bug checks, in order.
    pub fn bugchecks(&self) -> BTreeSet<u32> {
        self.crashes.iter().map(|crash| crash.cause.bugcheck()).collect()
    }
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driver => "driver",
            Self::Hardware => "hardware",
            Self::Nobody => "nobody",
        })
    }
}

#[cfg(test)]
mod tests;
