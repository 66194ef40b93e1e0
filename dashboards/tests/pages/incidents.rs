//! An incident as the detector tells it: its page, its JSON, and what people do to it.

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use detector::attribution::{Attribution, Claim, Element, Facet, Origin};
use detector::incident::{Reason, Tally};
use detector::{Change, Incident, Severity, State, Subject, Version};
use serde_json::{Value, json};
use storage::questions::{ActCursor, IncidentEvent, SignalRows};
use storage::signals::InstallSignal;
use uuid::Uuid;

use crate::check_page;
use crate::driver::install;
use crate::fixture::{Fixture, Page, history, hostile, now_ms};

fn tally(name: &str) -> Vec<Tally> {
    vec![Tally { name: name.to_owned(), machines: 38 }]
}

/// An incident of `subject` that opened four minutes ago; `name` is in every place that a dump or a client can fill.
pub(crate) fn incident(subject: Subject, name: &str) -> Incident {
    let now = now_ms();
    Incident {
        id: Uuid::new_v4().as_u128(),
        tenant: "acme".to_owned(),
        subject,
        severity: Severity::Sev1,
        state: State::Open,
        onset_ms: now - 250_000,
        opened_at_ms: now - 240_000,
        resolved_at_ms: None,
        muted_until_ms: Some(now + 3_600_000),
        acknowledged_by: name.to_owned(),
        reopened: 1,
        grown: 0,
        merged_into: None,
        also: vec![Subject::BugCheck(0x7E), Subject::Silence(name.to_owned(), None)],
        machines: 62,
        exposed: Some(8_000),
        sites: 14,
        last_minute: 31,
        minute_before: 12,
        reason: Reason {
            rho: 50.0,
            score: 130.4,
            threshold: 22.8,
            machines: 62,
            spread_machines: 50,
            sites: 14,
            expected: 0.26,
            usual_per_minute: 0.0007,
            common_mode: 1.0,
            late: false,
        },
        attribution: Some(attribution(name, now)),
        versions: tally("0x66902c2a"),
        fault_sites: tally(&format!("{name}+0xe14ed")),
        bug_checks: tally("0x50"),
        os_builds: tally("19045"),
        models: tally(name),
        rings: tally(name),
        top_sites: tally(name),
    }
}

fn attribution(name: &str, now: i64) -> Attribution {
    let change = |what: &str, at_ms| Change {
        tenant: "acme".to_owned(),
        at_ms,
        what: what.to_owned(),
        version: name.to_owned(),
        timestamp: 0x6690_2C2A,
        ring: name.to_owned(),
        vendor: name.to_owned(),
    };
    let element = |facet, value: &str| Element { facet, value: value.to_owned() };
    Attribution {
        origin: Origin::NewVersion,
        claims: vec![Claim {
            elements: vec![element(Facet::Version, "0x66902c2a"), element(Facet::Model, name)],
            affected: 60,
            exposed: 9,
            share: 0.984,
            share_low: 0.95,
            share_high: 1.0,
            odds: 41.26,
            odds_low: 18.4,
            odds_high: 1e9,
        }],
        vetoed: vec![format!("0x5f000001: {name} failed before on other versions")],
        change: Some((change(name, now - 250_000 - 2_100_000), 2_100)),
        also_changed: vec![change("channel file 291", now - 250_000 - 60_000)],
        affected: 62,
        reference: 5_000,
        sentence: format!("Version 0x66902c2a of {name}, first seen 35 min before: 98 % of the excess."),
    }
}

impl Fixture {
    /// Writes an incident's steps, each with the incident as it is.
    pub(crate) async fn steps(&self, incident: &Incident, steps: &[(&str, &str, &str)]) -> Uuid {
        let incident_id = Uuid::from_u128(incident.id);
        for (seq, (kind, by, words)) in (0..).zip(steps) {
            let detail = json!({ "machines": incident.machines, "severity": incident.severity, "tell": seq == 0,
                "by": by, "words": words });
            // Not through a `Value`: it has no room for a number of 128 bits.
            let detail = detail.to_string();
            let known = serde_json::to_string(incident).unwrap();
            let detail = format!("{},\"incident\":{known}}}", detail.strip_suffix('}').unwrap());
            let event = IncidentEvent {
                incident_id,
                seq,
                at_ms: incident.opened_at_ms + i64::from(seq) * 1000,
                kind: (*kind).to_owned(),
                tenant: incident.tenant.clone(),
                driver: incident.subject.to_string(),
                detail,
            };
            self.database.put_incident_event(&event).await.unwrap();
        }
        incident_id
    }

    /// Posts JSON from this machine.
    pub(crate) async fn post(&self, address: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let peer: std::net::SocketAddr = "127.0.0.1:5000".parse().unwrap();
        let mut request =
            Request::post(address).header("host", "127.0.0.1:8080").extension(ConnectInfo(peer));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    pub(crate) async fn json(&self, address: &str) -> Value {
        let page = self.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.body);
        serde_json::from_str(&page.body).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_shown_with_all_that_the_detector_knows() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(history(40)).await;
    let incident = incident(Subject::Driver("csagent.sys".to_owned()), "Latitude 5420");
    let id = fixture
        .steps(
            &incident,
            &[("opened", "", ""), ("attributed", "", ""), ("commented", "ada", "rolling\nback")],
        )
        .await;
    let address = format!("/incidents/{id}");
    let page = fixture.get(&address).await;
    check_page(&address, &page);
    for words in [
        "is taking machines down",
        "SEV1",
        "0.7 %",
        "of 8,000 exposed",
        "Version 0x66902c2a of Latitude 5420, first seen 35 min before: 98 % of the excess.",
        "98 %",
        "(95 % to 100 %)",
        "41.3",
        "(at least 18.4)",
        "60 of 62",
        "9 of 5,000",
        "35m 0s before the onset",
        "1m 0s before the onset",
        "channel file 291",
        "failed before on other versions",
        "machines in the last minute",
        "new ones a minute over the last five",
        "from onset to detect",
        "What stands out",
        "Who was told, and whether it arrived",
        "62 machines at 14 sites within 10s, where at most 0.3 were to be expected.",
        "50 times the usual stood at 130; 22.8 opens",
        "opened as SEV1",
        "rolling<br>back",
        "Muted until",
        "Came back",
        "that went dark",
        "0x7E",
        "Fault sites",
    ] {
        assert!(page.body.contains(words), "{words:?} is not in {}", page.body);
    }
    let json = fixture.json(&format!("/api/v1{address}")).await;
    assert_eq!((&json["severity"], &json["state"]), (&"sev1".into(), &"open".into()));
    assert_eq!(json["subject"], json!({ "kind": "driver", "name": "csagent.sys" }));
    assert_eq!((&json["machines"], &json["exposed"]), (&62.into(), &8000.into()));
    assert_eq!(json["attribution"]["claims"][0]["share_low"], 0.95);
    assert_eq!(json["evidence"]["machines"], 40);
    assert_eq!(
        (&json["events"][2]["by"], &json["events"][2]["words"]),
        (&"ada".into(), &"rolling\nback".into())
    );
    assert_eq!(json["events"][0]["detail"], "", "the incident is there once, not once a step");

    assert_eq!((&json["crashes"], &json["now"]["growth_per_minute"].is_number()), (&40.into(), &true));
    let kinds: Vec<&str> =
        json["timeline"].as_array().unwrap().iter().map(|moment| moment["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "step").count(), 3, "{kinds:?}");
    assert!(kinds.contains(&"onset") && kinds.contains(&"first_crash"), "{kinds:?}");
    assert_eq!((&json["times"]["to_detect_s"], &json["times"]["to_resolve_s"]), (&10.into(), &Value::Null));

    let list = fixture.json("/api/v1/incidents").await;
    let line = &list["incidents"][0];
    assert_eq!(line["crashes"], 40);
    assert_eq!(
        (&line["severity"], &line["subject"], &line["exposed"]),
        (&"sev1".into(), &"driver".into(), &8000.into())
    );
    assert!(line["sentence"].as_str().unwrap().contains("first seen 35 min"));
    let fleet = fixture.get("/").await;
    assert!(fleet.body.contains("SEV1") && fleet.body.contains("first seen 35 min before"), "{}", fleet.body);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_called_as_inventories_call_them() {
    let Some(fixture) = Fixture::new().await else { return };
    let mut rows = history(40);
    let old = rows.iter_mut().find(|row| row.driver == "csagent.sys").unwrap();
    old.driver_timestamp = 0x6000_0001;
    fixture.insert(rows).await;
    let mut signals = SignalRows::default();
    let told = |number, version| install(number, now_ms() - 3_600_000, "csagent.sys", 0x6690_2C2A, version);
    let elsewhere = InstallSignal { tenant: "globex".to_owned(), ..told(3, "7.12") };
    signals.installs(&[told(1, "<b>7.11"), told(2, ""), elsewhere]);
    fixture.database.put_signals(&signals).await.unwrap();
    let incident = incident(Subject::Driver("csagent.sys".to_owned()), "Latitude 5420");
    let id = fixture.steps(&incident, &[("opened", "", "")]).await;

    let page = fixture.get(&format!("/incidents/{id}")).await;
    check_page("/incidents/...", &page);
    assert!(page.body.contains("<bdi class=\"name\">&lt;b&gt;7.11</bdi>"), "{}", page.body);
    assert!(page.body.contains("not reported"), "{}", page.body);
    let json = fixture.json(&format!("/api/v1/incidents/{id}")).await;
    assert_eq!(json["version_names"], json!([{ "timestamp": 0x6690_2C2A, "version": "<b>7.11" }]));
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_no_driver_is_not_looked_up_as_one() {
    let Some(fixture) = Fixture::new().await else { return };
    // Somebody's driver is called like a bug check.
    let mut rows = history(10);
    for row in rows.iter_mut().filter(|row| row.driver == "csagent.sys") {
        row.driver = "bug check 0x1A".to_owned();
    }
    fixture.insert(rows).await;
    let version = Version { timestamp: 0x6690_2C2A, size: 0 };
    for (subject, words, examples) in [
        (Subject::BugCheck(0x1A), "Bug check <code>0x1A</code>: machines go down", true),
        (Subject::OsBuild(19045), "Windows build 19045: machines go down", false),
        (Subject::Bucket("AV_R_INVALID_ntfs!unknown_function".to_owned()), "AV_R_INVALID_ntfs", true),
        (Subject::Unattributed, "blamed on nobody: machines go down", true),
        (Subject::Everything, "All crashes: machines go down", true),
        (
            Subject::Silence("csagent.sys".to_owned(), Some(version)),
            "<code>66902c2a</code> that went dark",
            false,
        ),
    ] {
        let mut incident = incident(subject, "Latitude 5420");
        incident.onset_ms -= 3_600_000;
        let id = fixture.steps(&incident, &[("opened", "", "")]).await;
        let page = fixture.get(&format!("/incidents/{id}")).await;
        check_page(words, &page);
        assert!(page.body.contains(words), "{words:?} is not in {}", page.body);
        assert!(page.body.contains("Of a sample of the first machines"), "{}", page.body);
        let json = fixture.json(&format!("/api/v1/incidents/{id}")).await;
        assert_eq!((&json["evidence"]["machines"], &json["machines"]), (&0.into(), &62.into()), "{words}");
        assert_eq!(!json["examples"].as_array().unwrap().is_empty(), examples, "{words}");
    }
    let list = fixture.json("/api/v1/incidents").await;
    for line in list["incidents"].as_array().unwrap() {
        assert_eq!((&line["crashes"], &line["machines"]), (&0.into(), &62.into()), "{line}");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_keeps_its_crashes() {
    let Some(fixture) = Fixture::new().await else { return };
    fixture.insert(history(40)).await;
    let begun = incident(Subject::Driver("csagent.sys".to_owned()), "x");
    // The steps name machines and no crashes. An hour later, by the clock of the steps, it is over.
    let mut steps = vec![("opened", "", "")];
    steps.extend(std::iter::repeat_n(("grew", "", ""), 299));
    steps.push(("resolved", "", ""));
    let id = fixture.steps(&begun, &steps).await;
    let list = fixture.json("/api/v1/incidents").await;
    let line = &list["incidents"][0];
    assert_eq!((&line["state"], &line["crashes"]), (&"resolved".into(), &40.into()), "{line}");
    let one = fixture.json(&format!("/api/v1/incidents/{id}")).await;
    assert_eq!((&one["crashes"], &one["now"]), (&40.into(), &Value::Null));
    assert_eq!(one["times"]["to_resolve_s"], 310);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_filtered_and_paged() {
    let Some(fixture) = Fixture::new().await else { return };
    for number in 0..63_i64 {
        let mut begun = incident(Subject::BugCheck(0x1A), "x");
        (begun.opened_at_ms, begun.onset_ms) =
            (begun.opened_at_ms - number * 1_000, begun.onset_ms - number * 1_000);
        let steps = [("opened", "", ""), ("resolved", "", "")];
        fixture.steps(&begun, if number % 20 == 10 { &steps[..1] } else { &steps }).await;
    }
    let mut ids = std::collections::BTreeSet::new();
    let mut lengths = Vec::new();
    let mut address = "/api/v1/incidents".to_owned();
    loop {
        let list = fixture.json(&address).await;
        let lines = list["incidents"].as_array().unwrap();
        lengths.push(lines.len());
        if lengths.len() == 1 {
            assert!(lines[..3].iter().all(|line| line["state"] == "open"), "open ones first");
        }
        ids.extend(lines.iter().map(|line| line["incident_id"].as_str().unwrap().to_owned()));
        let Some(next) = list["next"].as_str() else { break };
        address = format!("/api/v1/incidents?before={next}");
    }
    assert_eq!((ids.len(), lengths), (63, vec![53, 10]));
    let open = fixture.json("/api/v1/incidents?state=open").await;
    assert_eq!((open["incidents"].as_array().unwrap().len(), &open["next"]), (3, &Value::Null));
    let page = fixture.get("/incidents?state=over").await;
    check_page("/incidents?state=over", &page);
    assert!(page.body.contains("Older"), "{}", page.body);
    for wrong in ["/incidents?state=odd", "/incidents?before=yesterday"] {
        assert_eq!(fixture.get(wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_in_an_incident_are_only_text() {
    let Some(fixture) = Fixture::new().await else { return };
    for name in hostile() {
        for subject in [
            Subject::Driver(name.clone()),
            Subject::Bucket(name.clone()),
            Subject::Silence(name.clone(), None),
        ] {
            let incident = incident(subject, &name);
            let id = fixture.steps(&incident, &[("opened", "", ""), ("commented", &name, &name)]).await;
            let address = format!("/incidents/{id}");
            check_page(&address, &fixture.get(&address).await);
            fixture.json(&format!("/api/v1{address}")).await;
        }
    }
    check_page("/incidents", &fixture.get("/incidents").await);
    check_page("/", &fixture.get("/").await);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_are_written_down_for_the_alerts_role() {
    let Some(fixture) = Fixture::new().await else { return };
    let begun = incident(Subject::Driver("csagent.sys".to_owned()), "x");
    let id = fixture.steps(&begun, &[("opened", "", "")]).await;
    let address = |act: &str| format!("/api/v1/incidents/{id}/{act}");
    let json = [("content-type", "application/json")];
    let done = fixture.post(&address("mute"), &json, r#"{"by":"ada","for":"2h","words":"known"}"#).await;
    assert_eq!(done.status, StatusCode::ACCEPTED, "{}", done.body);
    let accepted: Value = serde_json::from_str(&done.body).unwrap();
    assert_eq!((&accepted["kind"], &accepted["incident_id"]), (&"mute".into(), &id.to_string().into()));
    assert_eq!(accepted["until_ms"].as_i64().unwrap(), accepted["at_ms"].as_i64().unwrap() + 7_200_000);

    let written = fixture.database.incident_acts(id).await.unwrap();
    let kinds: Vec<(&str, &str)> = written.iter().map(|act| (act.kind.as_str(), act.by.as_str())).collect();
    assert_eq!(kinds, [("mute", "ada"), ("comment", "ada")], "words are words whatever is done");
    assert_eq!(written[0].act_id.to_string(), accepted["act_id"].as_str().unwrap());
    let detail = |at: usize| serde_json::from_str::<Value>(&written[at].detail).unwrap();
    assert_eq!((&detail(0)["until_ms"], &detail(1)["words"]), (&accepted["until_ms"], &"known".into()));

    let other = Uuid::new_v4();
    for (address, headers, body, status) in [
        (address("mute"), &json[..], r#"{"by":"ada"}"#, StatusCode::BAD_REQUEST),
        (address("explode"), &json[..], r#"{"by":"ada"}"#, StatusCode::NOT_FOUND),
        (
            format!("/api/v1/incidents/{other}/comment"),
            &json[..],
            r#"{"by":"a","words":"x"}"#,
            StatusCode::NOT_FOUND,
        ),
        (address("comment"), &[][..], r#"{"by":"ada","words":"x"}"#, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            address("comment"),
            &[json[0], ("sec-fetch-site", "cross-site")][..],
            r#"{"by":"ada","words":"x"}"#,
            StatusCode::FORBIDDEN,
        ),
        (address("comment"), &json[..], &"x".repeat(20_000), StatusCode::BAD_REQUEST),
    ] {
        let refused = fixture.post(&address, headers, body).await;
        assert_eq!(refused.status, status, "{address}: {}", refused.body);
        let told: Value = serde_json::from_str(&refused.body).unwrap();
        assert!(told["error"]["message"].as_str().unwrap().ends_with('.'), "{told}");
    }
    // Over, it still takes words.
    fixture.steps(&begun, &[("opened", "", ""), ("resolved", "", "")]).await;
    let late = fixture.post(&address("acknowledge"), &json, r#"{"by":"ada"}"#).await;
    assert_eq!(late.status, StatusCode::CONFLICT, "{}", late.body);
    let words = fixture.post(&address("comment"), &json, r#"{"by":"ada","words":"it was the cache"}"#).await;
    assert_eq!(words.status, StatusCode::ACCEPTED, "{}", words.body);
    assert_eq!(fixture.database.incident_acts(id).await.unwrap().len(), 3);
    assert!(fixture.database.acts_since(&ActCursor::default()).await.unwrap().len() <= 3);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_token_acts_come_from_anywhere() {
    let Some(fixture) = Fixture::with_acts_token("a-long-secret").await else { return };
    let begun = incident(Subject::Everything, "x");
    let id = fixture.steps(&begun, &[("opened", "", "")]).await;
    let address = format!("/api/v1/incidents/{id}/acknowledge");
    let json = ("content-type", "application/json");
    let refused = fixture.post(&address, &[json], r#"{"by":"ada"}"#).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{}", refused.body);
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    let token = ("authorization", "Bearer a-long-secret");
    let done = fixture.post(&address, &[json, token], r#"{"by":"ada"}"#).await;
    assert_eq!(done.status, StatusCode::ACCEPTED, "{}", done.body);
    let kinds: Vec<String> =
        fixture.database.incident_acts(id).await.unwrap().into_iter().map(|act| act.kind).collect();
    assert_eq!(kinds, ["acknowledge"]);
    fixture.stop().await;
}
