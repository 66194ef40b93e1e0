//! Signals as the detector is told them. Pure.

use detector::attribution::Profile;
use detector::{Beat, Change, Crash, Detector, Install, Module, Version, machine_number};
use storage::questions::ExposedMachine;
use storage::signals::{BeatSignal, ChangeSignal, CrashSignal, InstallSignal};

fn version(timestamp: u32, size: u32) -> Version {
    Version { timestamp, size }
}

pub(super) fn crash(detector: &mut Detector, signal: &CrashSignal, suspect: bool) {
    let modules: Vec<Module<'_>> = signal
        .modules
        .iter()
        .map(|(name, timestamp, size)| Module { name, version: version(*timestamp, *size) })
        .collect();
    detector.crash(&Crash {
        tenant: &signal.tenant,
        machine: machine_number(&signal.machine),
        crashed_at_ms: signal.crashed_at_ms,
        arrived_at_ms: signal.arrived_at_ms,
        driver: &signal.driver,
        version: version(signal.timestamp, signal.size),
        fault_offset: signal.fault_offset,
        bugcheck: signal.bugcheck,
        os_build: signal.os_build,
        bucket: &signal.bucket,
        model: &signal.model,
        ring: &signal.ring,
        site: if signal.site.is_empty() { &signal.network } else { &signal.site },
        modules: &modules,
        suspect,
    });
}

pub(super) fn beat(detector: &mut Detector, signal: &BeatSignal) {
    detector.beat(&Beat {
        tenant: &signal.tenant,
        machine: machine_number(&signal.machine),
        at_ms: signal.at_ms,
        farewell: signal.farewell,
    });
}

pub(super) fn install(detector: &mut Detector, signal: &InstallSignal) {
    let modules: Vec<Module<'_>> = signal
        .drivers
        .iter()
        .map(|driver| Module { name: &driver.name, version: version(driver.timestamp, driver.size) })
        .collect();
    detector.install(&Install {
        tenant: &signal.tenant,
        machine: machine_number(&signal.machine),
        at_ms: signal.at_ms,
        site: &signal.site,
        ring: &signal.ring,
        model: &signal.model,
        os_build: signal.os_build,
        modules: &modules,
    });
}

pub(super) fn change(signal: &ChangeSignal) -> Change {
    Change {
        tenant: signal.tenant.clone(),
        at_ms: signal.at_ms,
        what: signal.what.clone(),
        version: signal.version.clone(),
        timestamp: signal.timestamp,
        ring: signal.ring.clone(),
        vendor: signal.vendor.clone(),
    }
}

/// A machine of attribution's reference, as ClickHouse knows it.
pub(super) fn profile(detector: &mut Detector, machine: &ExposedMachine) -> Profile {
    Profile {
        machine: machine_number(&machine.machine),
        at_ms: machine.seen_at_ms,
        version: version(machine.timestamp, machine.size),
        fault_offset: 0,
        os_build: machine.os_build,
        model: detector.number(&machine.model),
        ring: detector.number(&machine.ring),
        site: detector.number(&machine.site),
        modules: machine
            .modules
            .iter()
            .map(|(name, timestamp, size)| (detector.number(name), version(*timestamp, *size)))
            .collect(),
    }
}
