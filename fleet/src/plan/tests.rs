//! The plan: repeatable, of distinct crashes, with an outage that looks like its model.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use dump::identify;

use super::{PlanConfig, Upload, plan};
use crate::crash::{Cause, describe};
use crate::machines::{Fleet, FleetConfig};

const START_MS: i64 = 1_721_361_600_000;
const CONFIG: PlanConfig = PlanConfig {
    warm_up: Duration::from_secs(20),
    outage: Duration::from_secs(30),
    background_per_s: 5.0,
    victims: 1200,
    seed: 5,
};

fn fleet() -> Fleet {
    facing("crowdstrike")
}

fn facing(outage: &str) -> Fleet {
    let config = FleetConfig { machines: 3000, sites: 150, seed: 5 };
    Fleet::with_outage(&config, crate::outage(outage).unwrap())
}

#[test]
fn a_seed_is_a_plan() {
    let fleet = fleet();
    assert_eq!(plan(&fleet, &CONFIG, START_MS), plan(&fleet, &CONFIG, START_MS));
    assert_ne!(plan(&fleet, &CONFIG, START_MS), plan(&fleet, &PlanConfig { seed: 6, ..CONFIG }, START_MS));
}

#[test]
fn the_outage_has_both_bug_checks_and_boot_loops() {
    let fleet = fleet();
    let uploads = plan(&fleet, &CONFIG, START_MS);
    let falcon = fleet.outage_driver("csagent.sys");
    assert!(uploads.iter().all(|upload| upload.crash.of.is_some() == (upload.crash.driver == falcon)));
    let first = |upload: &&Upload| upload.crash.driver == falcon && !upload.repeat;
    let crashes: Vec<&Upload> = uploads.iter().filter(first).collect();
    assert!(crashes.iter().all(|upload| upload.after >= CONFIG.warm_up));
    let page_faults = crashes.iter().filter(|upload| upload.crash.cause == Cause::PageFault).count();
    let share = page_faults as f64 / crashes.len() as f64;
    assert!((0.7..0.8).contains(&share), "{share}");
    let machines: BTreeSet<usize> = crashes.iter().map(|upload| upload.crash.machine).collect();
    assert_eq!(machines.len(), CONFIG.victims);
    assert!(crashes.len() > machines.len() + 100, "{} of {}", crashes.len(), machines.len());
    let sites: BTreeSet<_> = machines.iter().map(|&machine| &fleet.machines[machine].site).collect();
    assert!(sites.len() > 100);
}

#[test]
fn the_background_is_many_drivers_and_sometimes_nobodys() {
    let fleet = fleet();
    let config = PlanConfig { background_per_s: 60.0, victims: 0, ..CONFIG };
    let uploads = plan(&fleet, &config, START_MS);
    let drivers: BTreeSet<_> = uploads.iter().filter_map(|upload| upload.crash.driver).collect();
    assert!(drivers.len() > 150, "{}", drivers.len());
    assert!(!drivers.contains(&fleet.outage_driver("csagent.sys").unwrap()));
    let causes: std::collections::HashSet<_> = uploads.iter().map(|upload| upload.crash.cause).collect();
    assert_eq!(causes.len(), 10);
}

#[test]
fn a_crash_has_one_identity_and_no_two_share_it() {
    let fleet = fleet();
    let mut ids: HashMap<_, u64> = HashMap::new();
    let uploads = plan(&fleet, &PlanConfig { victims: 300, ..CONFIG }, START_MS);
    for upload in &uploads {
        let bytes = describe(&fleet, &upload.crash, upload.writer, 0).to_bytes();
        let id = identify(&bytes, &[0; 32], bytes.len() as u64).unwrap().id;
        let time = *ids.entry(id.to_string()).or_insert(upload.crash.system_time);
        assert_eq!(time, upload.crash.system_time);
    }
    let firsts = uploads.iter().filter(|upload| !upload.repeat).count();
    assert_eq!(ids.len(), firsts);
    assert!(uploads.len() > firsts);
}

#[test]
fn a_known_troublemaker_is_quiet_before_its_outage() {
    let fleet = facing("nvidia-tdr-waves");
    let place = fleet.outage_driver("nvlddmkm.sys").unwrap();
    let display = |upload: &&Upload| upload.crash.truth(&fleet) == Some("nvlddmkm.sys");
    let uploads = plan(&fleet, &CONFIG, START_MS);
    assert!(uploads.iter().filter(display).all(|upload| upload.crash.driver == Some(place)));
    assert!(uploads.iter().filter(display).all(|upload| upload.after >= CONFIG.warm_up));
    assert!(uploads.iter().filter(display).count() >= CONFIG.victims);
}

#[test]
fn broken_hardware_breaks_in_every_way() {
    let fleet = facing("intel-raptorlake-2023");
    let mut ways: HashMap<usize, BTreeSet<u32>> = HashMap::new();
    for upload in plan(&fleet, &PlanConfig { victims: 20, ..CONFIG }, START_MS) {
        if upload.crash.of.is_some() {
            assert_eq!(upload.crash.driver, None);
            ways.entry(upload.crash.machine).or_default().insert(upload.crash.cause.bugcheck());
        }
    }
    assert_eq!(ways.len(), 20);
    assert!(ways.values().all(|ways| ways.len() == 7), "{ways:?}");
}
