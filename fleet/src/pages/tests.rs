//! Outages against the stand-in, which pages for the driver that it is told to.

use std::net::TcpListener;
use std::time::Duration;

use super::{Outage, PagesConfig, PagesReport, run};
use crate::machines::{Fleet, FleetConfig};
use crate::receiver::{DEMO_SECRET, Receiver, ReceiverConfig};
use crate::stand_in::{Manners, StandIn};

/// One outage, for whose driver the stand-in pages or not.
async fn measured(blames: &'static str, patience: Duration) -> PagesReport {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let secret = DEMO_SECRET.to_owned();
    let receiver = Receiver::start(&ReceiverConfig { listen: address, secret }).await.unwrap();
    let manners =
        Manners { webhook: Some(address), blames, pages_for: "fresh00004.sys", ..Manners::default() };
    let server = StandIn::start(manners).await;
    let config = PagesConfig {
        url: server.url.clone(),
        rate: 100.0,
        outages: 1,
        first: 4,
        patience,
        pause: Duration::ZERO,
        quiet: true,
        ..PagesConfig::default()
    };
    run(&config, &receiver).await.unwrap()
}

#[tokio::test]
async fn a_page_is_timed_from_the_tenth_machine() {
    let report = measured("fresh00004.sys", Duration::from_secs(30)).await;
    assert_eq!((report.delays.len(), report.max()), (1, report.delays.first().copied()));
    assert!(report.max().unwrap() < Duration::from_secs(10) && report.machines >= 9.0, "{report:?}");
}

#[tokio::test]
async fn a_page_for_another_driver_is_none() {
    let report = measured("fresh00008.sys", Duration::from_millis(600)).await;
    assert_eq!((report.delays.len(), report.within(0.5), report.max()), (0, None, None));
}

#[test]
fn delays_count_the_outages_that_were_missed() {
    let delays = (1..=99).map(Duration::from_secs).collect();
    let report = PagesReport { rate: 2.0, outages: 100, delays, machines: 12.0 };
    assert_eq!(report.within(0.5), Some(Duration::from_secs(50)));
    assert_eq!(report.within(0.99), Some(Duration::from_secs(99)));
    assert_eq!(report.max(), None);
}

#[test]
fn each_outage_is_of_a_driver_of_its_own() {
    let fleet = Fleet::new(&FleetConfig { machines: 4, sites: 2, seed: 1 });
    for number in [0, 3] {
        let outage = Outage::new(&fleet, number, 0).unwrap();
        let dump = dump::KernelDump::parse(outage.template.bytes()).unwrap();
        let names = || dump.drivers().iter().filter(|driver| driver.name == outage.driver);
        assert_eq!(names().count(), 1, "{}", outage.driver);
    }
}
