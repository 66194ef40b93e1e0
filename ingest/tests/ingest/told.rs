//! Heartbeats, inventories and changes: what is taken, what reaches the stream, and what is refused.

use std::time::{SystemTime, UNIX_EPOCH};

use reqwest::Response;
use serde_json::{Value, json};
use storage::signals::{BeatSignal, ChangeSignal, DriverSignal, InstallSignal, Signal};

use crate::server::{FORM, assert_refused, config, gzip, start, start_with, token};

fn now_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

async fn taken(response: Response) -> Value {
    let status = response.status();
    let text = response.text().await.unwrap();
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn beats(signals: Vec<Signal>) -> Vec<BeatSignal> {
    let beats = signals.into_iter().map(|signal| match signal {
        Signal::Beats(beats) => beats,
        other => panic!("{other:?}"),
    });
    beats.flatten().collect()
}

#[tokio::test]
async fn a_machine_beats_by_its_headers_and_a_relay_for_many() {
    let server = start().await;
    let begin = now_ms();
    let post = || server.tell("heartbeats");
    let one = post().header("x-bluescope-machine", "POS-1").send().await.unwrap();
    assert_eq!(taken(one).await, json!({"taken": 1}));
    let bye = post().header("x-bluescope-machine", "POS-1").header("x-bluescope-farewell", "true");
    taken(bye.send().await.unwrap()).await;
    let by_body = post().header("x-bluescope-machine", "POS-1").body(r#"{"farewell": true}"#);
    taken(by_body.send().await.unwrap()).await;
    let nameless = taken(post().send().await.unwrap()).await;
    assert_eq!(nameless, json!({"taken": 1}));

    let relay = json!({"machines": [
        {"machine": " POS-2 "},
        {"machine": "POS-3", "at": "2001-01-01T00:00:00Z"},
        {"machine": "POS-4", "at": "2099-01-01T00:00:00+02:00", "farewell": true},
        {"machine": ""},
        7,
        {"machine": "POS-5", "at": "yesterday"},
        {"machine": "a\u{7}b"},
        {"machine": "POS-6", "colour": "blue"},
    ]});
    let body = zstd::encode_all(relay.to_string().as_bytes(), 3).unwrap();
    let receipt = taken(post().header("content-encoding", "zstd").body(body).send().await.unwrap()).await;
    assert_eq!(receipt["taken"], 3);
    let refused: Vec<u64> =
        receipt["refused"].as_array().unwrap().iter().map(|one| one["index"].as_u64().unwrap()).collect();
    assert_eq!(refused, [1, 3, 4, 5, 6]);
    assert!(receipt["refused"][0]["reason"].as_str().unwrap().contains("day ago"), "{receipt}");

    let beats = beats(server.told().await);
    let told: Vec<(&str, bool)> = beats.iter().map(|beat| (beat.machine.as_str(), beat.farewell)).collect();
    assert_eq!(
        told,
        [
            ("POS-1", false),
            ("POS-1", true),
            ("POS-1", true),
            ("addr-127.0.0.1", false),
            ("POS-2", false),
            ("POS-4", true),
            ("POS-6", false)
        ]
    );
    assert!(beats.iter().all(|beat| (begin..=now_ms()).contains(&beat.at_ms)), "{beats:?}");
}

#[tokio::test]
async fn an_inventory_is_taken_whole_and_in_the_analyzers_words() {
    let mut config = config();
    config.tokens = vec![token("secret", "acme")];
    let server = start_with(config, 1 << 20).await;
    assert_refused(server.tell("inventory").body("{}").send().await.unwrap(), 401, "unauthorized").await;
    let one = json!({
        "machine": "PC-7", "site": "Berlin 3", "ring": "broad", "model": "Latitude 5440", "os_build": 19045,
        "drivers": [
            {"name": r"\SystemRoot\System32\drivers\CSAgent.SYS", "version": "7.11.18110.0",
             "timestamp": "0x66902c2a", "size": 2_183_168},
            {"name": "netio.sys", "timestamp": 1_720_724_522},
        ],
    });
    let post = || server.tell("inventory").bearer_auth("secret");
    let body = gzip(one.to_string().as_bytes());
    let receipt = taken(post().header("content-encoding", "gzip").body(body).send().await.unwrap()).await;
    assert_eq!(receipt, json!({"taken": 1}));
    let many = json!({"machines": [
        {"machine": "a", "drivers": []},
        {"machine": "b"},
        {"machine": "c", "drivers": [{"name": "x.sys"}, {"name": ""}]},
        {"drivers": []},
        {"machine": "d", "drivers": [{"name": "x.sys", "timestamp": 4_294_967_296u64}]},
        {"machine": "e", "drivers": vec![json!({"name": "x.sys"}); 2001]},
        {"machine": "f".repeat(256), "drivers": []},
    ]});
    let receipt = taken(post().body(many.to_string()).send().await.unwrap()).await;
    assert_eq!(receipt["taken"], 1, "{receipt}");
    for (index, word) in
        [(1, "drivers"), (2, "drivers[1]"), (3, "machine"), (4, "32 bits"), (5, "2000"), (6, "256")]
    {
        let refused = &receipt["refused"][index - 1];
        assert_eq!(refused["index"], index);
        assert!(refused["reason"].as_str().unwrap().contains(word), "{refused}");
    }

    let signals = server.told().await;
    let [Signal::Installs(first), Signal::Installs(second)] = signals.as_slice() else {
        panic!("{signals:?}")
    };
    let driver = |name: &str, version: &str, size| DriverSignal {
        name: name.to_owned(),
        version: version.to_owned(),
        timestamp: 0x6690_2c2a,
        size,
    };
    let expected = InstallSignal {
        tenant: "acme".to_owned(),
        machine: "PC-7".to_owned(),
        at_ms: first[0].at_ms,
        site: "Berlin 3".to_owned(),
        ring: "broad".to_owned(),
        model: "Latitude 5440".to_owned(),
        os_build: 19045,
        drivers: vec![driver("csagent.sys", "7.11.18110.0", 2_183_168), driver("netio.sys", "", 0)],
    };
    assert_eq!(*first, [expected]);
    assert_eq!((second.len(), second[0].machine.as_str(), second[0].drivers.len()), (1, "a", 0));
}

#[tokio::test]
async fn a_change_told_twice_is_one() {
    let server = start().await;
    let recent = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(2);
    let one = json!({"what": "CSAgent.sys", "version": "7.11", "at": recent.to_string(), "ring": "broad"});
    for _ in 0..2 {
        let receipt = taken(server.tell("changes").body(one.to_string()).send().await.unwrap()).await;
        assert_eq!(receipt, json!({"taken": 1}));
    }
    let list = json!([
        {"what": "Channel File 291", "vendor": "CrowdStrike"},
        {"what": "  "},
        {"what": "old", "at": "2001-01-01T00:00:00Z"},
        {"what": "x.sys", "at": "2199-01-01T00:00:00Z"},
        {"what": "Channel File 291", "vendor": "CrowdStrike"},
    ]);
    let receipt = taken(server.tell("changes").body(list.to_string()).send().await.unwrap()).await;
    assert_eq!(
        (&receipt["taken"], receipt["refused"].as_array().unwrap().len()),
        (&json!(2), 3),
        "{receipt}"
    );
    let changes: Vec<ChangeSignal> = server
        .told()
        .await
        .into_iter()
        .map(|signal| match signal {
            Signal::Change(change) => change,
            other => panic!("{other:?}"),
        })
        .collect();
    let names: Vec<&str> = changes.iter().map(|change| change.what.as_str()).collect();
    assert_eq!(names, ["csagent.sys", "csagent.sys", "Channel File 291", "Channel File 291"]);
    assert_eq!(changes[0], changes[1]);
    assert_eq!(changes[0].at_ms, recent.as_millisecond());
    assert_eq!(changes[2].id, changes[3].id);
    assert_ne!(changes[0].id, changes[2].id);
}

#[tokio::test]
async fn what_is_no_entry_at_all_is_refused_and_harms_nobody() {
    let server = start().await;
    let deep = "[".repeat(100_000);
    let many = format!("[{}0]", "0,".repeat(10_000));
    let long = format!("{{\"machines\":[{{\"machine\":\"{}\"}}]}}", "x".repeat(5_000_000));
    let bomb = gzip(&vec![b' '; 40_000_000]);
    for (what, body, status, code) in [
        ("heartbeats", r#"{"machines":[]}"#, 422, "nothing_taken"),
        ("heartbeats", r#"{"machines":[{}]}"#, 422, "nothing_taken"),
        ("heartbeats", "{", 400, "bad_json"),
        ("heartbeats", "7", 400, "bad_json"),
        ("heartbeats", &deep, 400, "bad_json"),
        ("heartbeats", &many, 400, "bad_json"),
        ("heartbeats", &long, 413, "too_large"),
        ("inventory", "", 400, "bad_json"),
        ("inventory", "null", 400, "bad_json"),
        ("inventory", r#"{"machine":"a"}"#, 422, "nothing_taken"),
        ("changes", "{}", 422, "nothing_taken"),
        ("changes", "\u{feff}{}", 400, "bad_json"),
    ] {
        let response = server.tell(what).body(body.to_owned()).send().await.unwrap();
        assert_refused(response, status, code).await;
    }
    let response = server.tell("changes").header("content-encoding", "gzip").body(bomb).send().await.unwrap();
    assert_refused(response, 413, "too_large").await;
    let response = server.tell("inventory").header("content-type", FORM).body("--XXBOUND--").send().await;
    assert_refused(response.unwrap(), 415, "unsupported_type").await;
    let response = server.client.get(format!("http://{}/v1/heartbeats", server.address)).send().await;
    assert_refused(response.unwrap(), 405, "method_not_allowed").await;
    let broken = server.tell("heartbeats").header("content-encoding", "gzip").body("{}").send().await;
    assert_refused(broken.unwrap(), 400, "bad_encoding").await;
    assert_eq!(server.told().await, []);
    taken(server.tell("heartbeats").send().await.unwrap()).await;
    let metrics = server.metrics();
    assert!(metrics.contains(r#"told_total{what="heartbeats",outcome="accepted"} 1"#), "{metrics}");
}

#[tokio::test]
async fn ten_thousand_beats_are_one_request() {
    let server = start().await;
    let machines: Vec<Value> = (0..10_000).map(|id| json!({"machine": format!("pc-{id}")})).collect();
    let body = json!({ "machines": machines }).to_string();
    let receipt = taken(server.tell("heartbeats").body(body).send().await.unwrap()).await;
    assert_eq!(receipt, json!({"taken": 10_000}));
    assert_eq!(beats(server.told().await).len(), 10_000);
}
