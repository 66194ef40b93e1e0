//! Headers that were written once must load for ever: `tests/messages/` holds one of each version.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;

use bluescope_storage::message::{Content, META_VERSION, Meta};
use uuid::Uuid;

fn v1() -> Meta {
    Meta {
        version: 1,
        crash_id: Uuid::from_u128(0x0198_fd5f_9bb3_8a41_9c0e_3b7d_2f9a_6c11),
        tenant: "acme".to_owned(),
        machine: "POS-BER-0042".to_owned(),
        ring: "broad".to_owned(),
        site: "Berlin 3".to_owned(),
        network: String::new(),
        tags: BTreeMap::from([("prod".to_owned(), "till".to_owned()), ("ver".to_owned(), "7.2".to_owned())]),
        received_at_ms: 1_756_675_981_923,
        raw_len: 1_048_576,
        content: Content::Blob(
            "spool/0198fd5f-9bb3-8a41-9c0e-3b7d2f9a6c11/6f7f8f0a-5b1e-4d7c-9a3e-0f1e2d3c4b5a".to_owned(),
        ),
    }
}

fn load(name: &str) -> Meta {
    let path = format!("{}/tests/messages/{name}", env!("CARGO_MANIFEST_DIR"));
    Meta::from_json(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_stored_version_loads() {
    assert_eq!(load("v1.json"), v1());
    let least = Meta {
        tenant: String::new(),
        ring: String::new(),
        site: String::new(),
        tags: BTreeMap::new(),
        raw_len: 262_144,
        content: Content::Inline,
        ..v1()
    };
    assert_eq!(load("v1-least.json"), least);
    assert_eq!(load("v1-network.json"), Meta { network: "192.0.2.0/24".to_owned(), ..v1() });
}

#[test]
fn what_this_build_writes_is_stored_as_a_sample() {
    let path = format!("{}/tests/messages/v{META_VERSION}.json", env!("CARGO_MANIFEST_DIR"));
    let sample: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let written: serde_json::Value = serde_json::from_slice(&v1().to_json().unwrap()).unwrap();
    assert_eq!(written, sample);
}

#[test]
fn a_newer_ingest_is_understood_and_nonsense_is_not() {
    let mut newer: serde_json::Value = serde_json::from_slice(&v1().to_json().unwrap()).unwrap();
    newer["version"] = 2.into();
    newer["colour"] = "blue".into();
    let loaded = Meta::from_json(newer.to_string().as_bytes()).unwrap();
    assert_eq!(loaded, Meta { version: 2, ..v1() });

    newer["version"] = 0.into();
    let old = newer.to_string();
    for nonsense in ["", "{}", "null", "[]", "\u{fffd}", "{\"version\": 1}", old.as_str()] {
        let malformed = Meta::from_json(nonsense.as_bytes()).unwrap_err();
        assert!(malformed.reason.contains("header"), "{nonsense:?}: {malformed}");
    }
    assert!(Meta::from_json(&[0xff, 0xfe, 0x00]).is_err());
}
