//! Drills of other outages than the one of 19 July 2024, against the real service: one that must page, one that must not,
//! and the list to choose from.

use std::process::{Output, Stdio};

use crate::support::{Service, executable};

async fn drill(service: &Service, outage: &'static str) -> Output {
    let url = service.url("");
    tokio::task::spawn_blocking(move || {
        executable()
            .args(["drill", outage, "--machines", "120", "--background", "2", "--outage", "4", "--url", &url])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_is_paged_for_and_an_update_of_windows_is_not() {
    let service = Service::start().await;
    for (outage, words) in [("realtek-rtsper-9f", "rtsper.sys"), ("kb5055523-2025", "names a driver")] {
        let output = drill(&service, outage).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        println!("{outage}\n{text}");
        assert!(output.status.success(), "{text}\n{}", service.log());
        assert!(text.to_lowercase().contains(words), "{text}");
    }
    let incidents = service.json("/api/v1/incidents").await;
    let drivers: Vec<&str> = incidents["incidents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|incident| incident["driver"].as_str().unwrap())
        .collect();
    assert_eq!(drivers, ["rtsper.sys"]);
    service.settled().await;
}

#[test]
fn the_list_says_what_can_be_replayed() {
    let run = |arguments: &[&str]| executable().arg("drill").args(arguments).output().unwrap();
    let list = run(&["--list"]);
    assert!(list.status.success());
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.lines().count(), 34, "{list}");
    let line = |id: &str| list.lines().find(|line| line.starts_with(id)).unwrap().to_owned();
    assert!(line("crowdstrike ").ends_with("2024-07-19  csagent.sys              0x50 0x7E"), "{list}");
    assert!(line("mcafee-5958-2010").contains("none: "), "{list}");

    let refused = run(&["kb5009543-2022"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().contains("left no dumps"));
    assert!(!run(&["y2k"]).status.success() && !run(&[]).status.success());
}
