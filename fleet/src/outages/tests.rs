//! The table: it reads, and it holds together.

use std::collections::BTreeSet;

use super::{Culprit, outage, outages, read};

#[test]
fn the_table_reads() {
    assert_eq!(read().unwrap().len(), 33);
    let names: BTreeSet<&str> = outages().iter().map(|outage| outage.id.as_str()).collect();
    assert_eq!(names.len(), 33);
    assert_eq!(outages().iter().filter(|outage| outage.has_dumps()).count(), 28);
    assert!(outage("no such outage").is_none());
}

#[test]
fn every_outage_holds_together() {
    for outage in outages() {
        let id = &outage.id;
        assert!(!outage.title.is_empty() && !outage.seen.is_empty() && outage.date.len() >= 4, "{id}");
        let shares: u32 = outage.crashes.iter().map(|crash| crash.share).sum();
        assert_eq!(shares, if outage.has_dumps() { 100 } else { 0 }, "{id}");
        for driver in &outage.drivers {
            assert!(driver.size > 0x4000 && driver.size % 0x1000 == 0 && !driver.version.is_empty(), "{id}");
        }
        for crash in &outage.crashes {
            assert_eq!(crash.driver.is_some(), outage.culprit == Culprit::Driver, "{id}");
            let own = outage.drivers.iter().find(|driver| Some(&driver.name) == crash.driver.as_ref());
            if crash.fault_in.is_none() {
                assert!(own.is_none_or(|driver| crash.offset < u64::from(driver.size)), "{id}");
            }
        }
        assert_eq!(outage.blamed().is_empty(), outage.culprit != Culprit::Driver, "{id}");
        let hidden = |name: &String| outage.drivers.iter().any(|driver| driver.name == *name);
        assert!(outage.hidden.as_ref().is_none_or(hidden), "{id}");
    }
}

#[test]
fn the_likeliest_driver_comes_first() {
    assert_eq!(outage("citrix-ctxuvi").unwrap().blamed(), ["ctxuvi.sys", "picadm.sys"]);
    assert_eq!(outage("crowdstrike").unwrap().blamed(), ["csagent.sys"]);
    assert!(outage("crowdstrike").unwrap().bugchecks().into_iter().eq([0x50, 0x7e]));
    assert!(outage("intel-raptorlake-2023").unwrap().blamed().is_empty());
}
