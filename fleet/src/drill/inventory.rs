//! What the machines of a fleet tell before they crash: where they stand, and what they run.

use crate::client::{Installed, InstalledDriver};
use crate::crash::images;
use crate::machines::{Fleet, Machine};

/// One entry a machine.
pub(super) fn of(fleet: &Fleet) -> Vec<Installed> {
    fleet.machines.iter().map(|machine| installed(fleet, machine)).collect()
}

fn installed(fleet: &Fleet, machine: &Machine) -> Installed {
    let images = images(fleet, machine, &machine.installed);
    let driver = |(name, size, timestamp)| InstalledDriver { name, timestamp, size };
    Installed {
        machine: machine.id.clone(),
        site: machine.site.clone(),
        ring: machine.ring,
        model: machine.smbios.model.clone(),
        os_build: machine.build,
        drivers: images.into_iter().map(driver).collect(),
    }
}
