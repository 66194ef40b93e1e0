//! What the machines of a fleet tell before they crash: where they stand, and what they run.

use crate::client::{Installed, InstalledDriver};
use crate::crash::images;
use crate::machines::{Fleet, Machine};

const DAY: u32 = 86_400;

/// One entry a machine.
pub(super) fn of(fleet: &Fleet) -> Vec<Installed> {
    fleet.machines.iter().map(|machine| installed(fleet, machine)).collect()
}

fn installed(fleet: &Fleet, machine: &Machine) -> Installed {
    let images = images(fleet, machine, &machine.installed);
    let driver = |(name, size, timestamp)| InstalledDriver {
        name,
        timestamp,
        size,
        version: file_version(name, timestamp),
    };
    Installed {
        machine: machine.id.clone(),
        site: machine.site.clone(),
        ring: machine.ring,
        model: machine.smbios.model.clone(),
        os_build: machine.build,
        drivers: images.into_iter().map(driver).collect(),
    }
}

/// What the file says of itself, made up: a later build has the higher version.
fn file_version(name: &str, timestamp: u32) -> String {
    let major = 1 + name.bytes().map(usize::from).sum::<usize>() % 12;
    let day = timestamp / DAY;
    format!("{major}.{}.{day}.0", day / 365 % 100)
}

#[cfg(test)]
mod tests {
    use super::{DAY, file_version};

    #[test]
    fn a_later_build_has_the_higher_version() {
        assert_eq!(file_version("csagent.sys", 0x6680_9a17), "11.54.19903.0");
        assert_eq!(file_version("csagent.sys", 0x6680_9a17 - 90 * DAY), "11.54.19813.0");
    }
}
