//! The drill of 19 July 2024 against the real service: the page goes out, is signed, names csagent.sys and its cause, and
//! is taken back when the outage is over.

use std::process::Stdio;

use serde_json::Value;

use crate::support::{Service, executable, free_address};

#[tokio::test(flavor = "multi_thread")]
async fn the_drill_pages_and_its_incident_has_a_page() {
    let receiver = free_address();
    let secret = "whsec_Ymx1ZXNjb3BlLWVuZC10by1lbmQtdGVzdHM=";
    let service = Service::configured(&format!(
        "alerts.resolve_after = \"5s\"\n[[alerts.targets]]\nname = \"on-call\"\nurl = \"http://{receiver}/hook\"\nsecret = \"{secret}\"\nallow_private = true\n"
    ))
    .await;
    let output = tokio::task::spawn_blocking({
        let url = service.url("");
        move || {
            executable()
                .args(["drill", "crowdstrike", "--machines", "300", "--background", "8", "--outage", "8"])
                .args([
                    "--resolved-within",
                    "60",
                    "--url",
                    &url,
                    "--receive",
                    &receiver.to_string(),
                    "--secret",
                    secret,
                ])
                .stdin(Stdio::null())
                .output()
                .unwrap()
        }
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{text}");
    assert!(
        output.status.success(),
        "{text}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        service.log()
    );
    let line = |name: &str| text.lines().find(|line| line.trim().starts_with(name)).unwrap_or_default();
    assert!(line("page says").contains("SEV1 csagent.sys: "), "{text}");
    assert!(
        line("machines share").contains("all versions at once: content, configuration or outside trigger"),
        "{text}"
    );
    assert!(line("incident over").contains("after the last upload"), "{text}");
    assert!(!text.contains('\x1b'), "colours in a pipe");

    let incidents = service.json("/api/v1/incidents").await;
    let incidents = incidents["incidents"].as_array().unwrap();
    assert_eq!(incidents.len(), 1, "one incident, whatever its bug checks: {incidents:?}");
    let incident: &Value = &incidents[0];
    assert_eq!((&incident["driver"], &incident["state"]), (&"csagent.sys".into(), &"resolved".into()));
    let page = service.page(&format!("/incidents/{}", incident["incident_id"].as_str().unwrap())).await;
    assert!(page.contains("csagent.sys") && page.contains("e14ed"), "{page}");
    assert!(service.page("/").await.contains("csagent.sys"));
    service.settled().await;
}
