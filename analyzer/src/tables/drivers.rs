//! `data/drivers.json`: known drivers by name, with vendor and rank. An image that is not listed is somebody else's.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

/// How far an image may be blamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rank {
    /// The kernel and what serves it: never blamed while anybody else is in sight.
    Core,
    /// Runs other people's drivers: a definite one lower down wins.
    Framework,
    /// Everything else, listed or not: the first one wins.
    Definite,
}

/// One known driver.
#[derive(Debug, Deserialize)]
pub(crate) struct KnownDriver {
    name: String,
    pub(crate) vendor: String,
    pub(crate) inbox: bool,
    pub(crate) rank: Rank,
}

static TABLE: LazyLock<HashMap<&'static str, &'static KnownDriver>> = LazyLock::new(|| {
    static LIST: LazyLock<Vec<KnownDriver>> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../data/drivers.json")).unwrap_or_default());
    LIST.iter().map(|driver| (driver.name.as_str(), driver)).collect()
});

/// Kernel helpers whose names carry a vendor or a transport: `mcupdate_AuthenticAMD.dll`, `kdnet.dll`, and the copies
/// of the storage stack that write the dump or the hibernation file.
const CORE_PREFIXES: [&str; 5] = ["dump_", "hiber_", "mcupdate", "kdnet", "kd_"];

/// Other names of the kernel, as built for other machines.
const KERNELS: [&str; 4] = ["ntkrnlmp.exe", "ntkrnlpa.exe", "ntkrpamp.exe", "ntkrnl.exe"];

/// The kernel's image, whatever it was built as.
pub(crate) fn is_kernel(lower: &str) -> bool {
    lower == "ntoskrnl.exe" || KERNELS.contains(&lower)
}

/// What is known of a driver, by its base name in lower case.
pub(crate) fn driver(lower: &str) -> (Rank, Option<&'static KnownDriver>) {
    let known = TABLE.get(lower).copied();
    let rank = match known {
        Some(known) => known.rank,
        None if KERNELS.contains(&lower) => Rank::Core,
        None if CORE_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) => Rank::Core,
        None => Rank::Definite,
    };
    (rank, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks() {
        assert_eq!(TABLE.len(), 542);
        let check = |name, rank| assert_eq!(driver(name).0, rank, "{name}");
        check("ntoskrnl.exe", Rank::Core);
        check("hal.dll", Rank::Core);
        check("dump_iastora.sys", Rank::Core);
        check("mcupdate_authenticamd.dll", Rank::Core);
        check("ndis.sys", Rank::Framework);
        check("ks.sys", Rank::Framework);
        // Seen blamed with a third party below (fileinfo), and rightly with a driver of Windows below (winhvr).
        check("fileinfo.sys", Rank::Definite);
        check("winhvr.sys", Rank::Definite);
        check("csagent.sys", Rank::Definite);
        check("never_heard_of_it.sys", Rank::Definite);
    }

    #[test]
    fn the_frameworks_of_the_fact_file_are_frameworks() {
        let names = "fltmgr ntfs ndis usbport usbhub usbccgp usbxhci acpi pci wdf01000 storport scsiport ataport classpnp \
                     disk partmgr volmgr volsnap fvevol tcpip netio afd dxgkrnl dxgmms1 dxgmms2 watchdog win32k \
                     win32kbase win32kfull ks portcls hidclass hidusb bthport cng fwpkclnt verifierext";
        for name in names.split_whitespace() {
            assert_eq!(driver(&format!("{name}.sys")).0, Rank::Framework, "{name}");
        }
    }
}
