//! A stop goes to those who keep no open alerts, once a day.

use super::super::samples::{AT_MS, PAGES, one_of_each};
use super::*;

fn stop() -> RolloutStop {
    RolloutStop {
        at_ms: AT_MS,
        driver: "a b.sys".to_owned(),
        version: "7.16".to_owned(),
        ring: "early".to_owned(),
        tenant: "acme".to_owned(),
        machines_exposed: 1200,
        machines_crashed: 31,
        ratio: Some((14.2, 6.1, f64::INFINITY)),
        reason: "14 times the rate of 7.15".to_owned(),
    }
}

fn told(stop: &RolloutStop) -> Vec<NotificationRow> {
    rollout_notices(stop, &one_of_each("https://a.example/"), PAGES, AT_MS)
}

#[test]
fn a_stop_is_told() {
    let rows = told(&stop());
    let targets: Vec<&str> = rows.iter().map(|row| row.target.as_str()).collect();
    assert_eq!(targets, ["hook", "slack", "teams"]);
    let body: Value = serde_json::from_str(&rows[0].payload).unwrap();
    assert_eq!(body["type"], "rollout.stop");
    let data = &body["data"];
    assert_eq!(
        data["summary"],
        "Stop the rollout of a b.sys 7.16 in ring early: 31 of 1,200 machines with it went down"
    );
    assert_eq!(data["url"], "https://bluescope.example/drivers/a%20b.sys");
    assert_eq!((&data["machines_exposed"], &data["machines_crashed"]), (&1200.into(), &31.into()));
    assert!(data["ratio_high"].is_number(), "{data}");
    let slack: Value = serde_json::from_str(&rows[1].payload).unwrap();
    assert!(slack.to_string().contains("14.2 times its rate"), "{slack}");
}

#[test]
fn it_is_told_once_a_day_for_each_ring() {
    let ids = |stop: &RolloutStop| -> Vec<String> {
        told(stop).into_iter().map(|row| row.notification_id).collect()
    };
    let later = RolloutStop { at_ms: AT_MS + 3_600_000, machines_crashed: 40, ..stop() };
    assert_eq!(ids(&stop()), ids(&later));
    assert_ne!(ids(&stop()), ids(&RolloutStop { at_ms: AT_MS + 86_400_000, ..stop() }));
    assert_ne!(ids(&stop()), ids(&RolloutStop { ring: "broad".to_owned(), ..stop() }));
    assert_ne!(ids(&stop()), ids(&RolloutStop { driver: "b.sys".to_owned(), ..stop() }));
}
