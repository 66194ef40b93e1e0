//! What people do to an incident: who may, how it shows, and who is told.

use dump::synth::SmallDump;
use serde_json::{Value, json};

use crate::support::{Service, eventually, free_address, receiver, target};

const TOKEN: &str = "correct-horse-battery-staple";

/// Does something to the incident; the status of the answer.
async fn act(service: &Service, id: &str, act: &str, token: &str, body: Value) -> u16 {
    let url = service.url(&format!("/api/v1/incidents/{id}/{act}"));
    service.http.post(url).bearer_auth(token).json(&body).send().await.unwrap().status().as_u16()
}

/// The step of this kind, once it is one.
async fn step(service: &Service, id: &str, kind: &str) -> Value {
    eventually(kind, || async {
        let incident = service.json(&format!("/api/v1/incidents/{id}")).await;
        let mut events = incident["events"].as_array().unwrap().iter();
        events.find(|event| event["kind"] == kind).cloned()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_show_in_the_incident_and_tell_whom_they_must() {
    let address = free_address();
    let receiver = receiver(address).await;
    let service =
        Service::configured(&format!("[server]\nacts_token = \"{TOKEN}\"\n{}", target(address))).await;
    service.outage(&SmallDump::example(), 60).await;
    let incident = service.incident("rtwlane.sys").await;
    let id = incident["incident_id"].as_str().unwrap();
    eventually("the page", || async { receiver.arrivals().iter().any(|one| one.is_page()).then_some(()) })
        .await;

    let who = json!({ "by": "ada" });
    assert_eq!(act(&service, id, "acknowledge", "a-guess", who.clone()).await, 401);
    assert_eq!(act(&service, id, "acknowledge", TOKEN, json!({})).await, 400, "nobody did it");
    assert_eq!(act(&service, id, "praise", TOKEN, who.clone()).await, 404);
    assert_eq!(act(&service, id, "acknowledge", TOKEN, who.clone()).await, 202);
    assert_eq!(step(&service, id, "acknowledged").await["by"], "ada");

    let words = "rolled back; <b>watching</b>";
    assert_eq!(act(&service, id, "comment", TOKEN, json!({ "by": "ada", "words": words })).await, 202);
    assert_eq!(step(&service, id, "commented").await["words"], words);
    assert_eq!(act(&service, id, "mute", TOKEN, json!({ "by": "bob", "for": "2h" })).await, 202);
    let muted = step(&service, id, "muted").await;
    assert_eq!((&muted["by"], &muted["tell"]), (&"bob".into(), &false.into()));
    let incident = service.json(&format!("/api/v1/incidents/{id}")).await;
    assert_eq!((&incident["state"], &incident["acknowledged_by"]), (&"acknowledged".into(), &"ada".into()));
    assert!(incident["muted_until_ms"].as_i64().unwrap() > incident["now_ms"].as_i64().unwrap());
    let page = service.page(&format!("/incidents/{id}")).await;
    assert!(
        page.contains("ada") && page.contains("&lt;b&gt;watching") && !page.contains("<b>watching"),
        "{page}"
    );

    assert_eq!(act(&service, id, "resolve", TOKEN, who.clone()).await, 202);
    assert_eq!(step(&service, id, "resolved").await["by"], "ada");
    assert_eq!(service.json(&format!("/api/v1/incidents/{id}")).await["state"], "resolved");
    // A target that keeps an incident's state hears of its end although it is muted.
    eventually("the end to be told", || async { receiver.over(id) }).await;
    let told = receiver.arrivals();
    let kinds = ["incident.opened", "incident.attributed", "incident.grew", "incident.resolved"];
    assert!(told.iter().all(|one| kinds.contains(&one.kind())), "acts are nobody's page: {told:?}");
    assert_eq!(act(&service, id, "acknowledge", TOKEN, who).await, 409, "it is over");
    assert!(!service.log().contains(TOKEN), "the token is in the log");
}
