//! The rollout gate over HTTP: nothing unknown passes, a build that takes machines down stops, and the answer may be kept
//! for seconds. A `pass` needs an hour by the clock of the server: the tests of `dashboards` and `storage` have that.

use dump::synth::SmallDump;
use serde_json::{Value, json};

use crate::support::{Service, eventually};

async fn ask(service: &Service, query: &str) -> Value {
    let response = service.http.get(service.url(&format!("/api/v1/gate?{query}"))).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["cache-control"], "max-age=5");
    response.json().await.unwrap()
}

/// 400 machines: those with a number below `new` run that build of the driver, the rest the one before it.
fn inventory(new: u64, timestamp: u32) -> Value {
    (0..400_u64)
        .map(|number| {
            let is_new = number < new;
            let (version, stamp) = if is_new { ("2.0", timestamp) } else { ("1.0", timestamp - 86_400) };
            json!({
                "machine": format!("pc-{number:04}"), "site": format!("site-{:02}", number % 20), "model": "T14",
                "ring": if number % 10 == 0 { "early" } else { "broad" }, "os_build": 19045,
                "drivers": [{ "name": "rtwlane.sys", "version": version, "timestamp": stamp }],
            })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_takes_machines_down_is_stopped() {
    let dump = SmallDump::example();
    let timestamp = dump.drivers.iter().find(|driver| driver.name == "rtwlane.sys").unwrap().timestamp;
    let build = format!("driver=RTWLANE.sys&version=0x{timestamp:08x}");
    let service = Service::start().await;
    let refused = service.http.get(service.url("/api/v1/gate?driver=a.sys&vresion=1")).send().await.unwrap();
    assert_eq!(refused.status(), 400, "a gate that looked at other machines than was meant would pass");
    let unknown = ask(&service, &build).await;
    assert_eq!((&unknown["answer"], &unknown["machines_exposed"]), (&"hold".into(), &0.into()), "{unknown}");

    for new in [0, 100] {
        let (status, receipt) = service.post("/v1/inventory", &inventory(new, timestamp)).await;
        assert_eq!((status, &receipt["taken"]), (200, &400.into()), "{receipt}");
    }
    let early = eventually("the inventory to count", || async {
        let gate = ask(&service, &format!("{build}&ring=broad")).await;
        (gate["machines_exposed"] == 90).then_some(gate)
    })
    .await;
    assert_eq!(
        (&early["answer"], &early["source"]),
        (&"hold".into(), &"inventory".into()),
        "too early: {early}"
    );
    assert_eq!(early["previous"]["versions"], json!(["1.0"]));

    service.outage(&dump, 60).await;
    let stop = eventually("the build to be stopped", || async {
        let gate = ask(&service, &build).await;
        (gate["answer"] == "stop").then_some(gate)
    })
    .await;
    assert_eq!(stop["machines_exposed"], 100, "{stop}");
    assert!(
        stop["machines_crashed"].as_u64().unwrap() >= 3 && stop["retry_after_s"].as_u64().unwrap() > 0,
        "{stop}"
    );
    // Either its crashes alone are enough, or the incident that blames it: whichever is known first.
    let why = stop["why"].as_str().unwrap();
    assert!(why.contains("rtwlane.sys") || stop["incident"]["blames_version"] == true, "{stop}");
}
