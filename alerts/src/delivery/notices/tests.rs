//! Who hears of which step, and what the bodies are, against the receivers' published schemas.

use serde_json::json;

use super::super::Route;
use super::super::plain::rfc3339;
use super::super::samples::{AT_MS, PAGES, examples, hostile, one_of_each, transition};
use super::*;

fn told(transition: &Transition) -> Vec<(String, Value)> {
    let rows = notices(transition, &examples(), &one_of_each("https://a.example/"), PAGES, AT_MS);
    rows.into_iter().map(|row| (row.target, serde_json::from_str(&row.payload).unwrap())).collect()
}

fn names(transition: &Transition) -> Vec<String> {
    told(transition).into_iter().map(|(name, _)| name).collect()
}

fn to(target: &str, transition: &Transition) -> Vec<Value> {
    told(transition).into_iter().filter(|(name, _)| name == target).map(|(_, body)| body).collect()
}

#[test]
fn a_step_is_told_to_those_who_need_it() {
    let all = ["hook", "pager", "slack", "teams", "am"];
    for step in [Step::Opened, Step::Grew, Step::Attributed, Step::Reopened, Step::Resolved, Step::Merged] {
        assert_eq!(names(&transition(step)), all, "{step:?}");
    }
    assert_eq!(names(&transition(Step::Escalated)), ["hook", "pager", "pager", "slack", "teams", "am"]);
    assert_eq!(names(&transition(Step::Acknowledged)), ["pager"]);
    for step in [Step::Joined, Step::Muted, Step::Unmuted, Step::Commented] {
        assert_eq!(names(&transition(step)), [""; 0], "{step:?}");
    }
}

#[test]
fn a_muted_incident_tells_nobody_but_its_end_to_those_who_keep_its_state() {
    for step in [Step::Opened, Step::Escalated, Step::Grew, Step::Attributed, Step::Reopened] {
        assert_eq!(names(&Transition { tell: false, ..transition(step) }), [""; 0], "{step:?}");
    }
    for step in [Step::Resolved, Step::Merged] {
        assert_eq!(names(&Transition { tell: false, ..transition(step) }), ["hook", "pager", "am"]);
    }
}

#[test]
fn a_replay_gives_the_same_rows_whose_ids_sort_as_they_were_made() {
    let config = one_of_each("https://a.example/");
    let steps = |seq| Transition { seq, ..transition(Step::Escalated) };
    let rows: Vec<NotificationRow> = [0, 9, 10, 99_999]
        .into_iter()
        .flat_map(|seq| notices(&steps(seq), &[], &config, PAGES, AT_MS))
        .collect();
    let again: Vec<NotificationRow> = [0, 9, 10, 99_999]
        .into_iter()
        .flat_map(|seq| notices(&steps(seq), &[], &config, PAGES, AT_MS))
        .collect();
    assert_eq!(rows, again);
    let of_pager = rows.iter().filter(|row| row.target == "pager");
    let ids: Vec<&str> = of_pager.map(|row| row.notification_id.as_str()).collect();
    assert_eq!(ids[0], "00000000000000000000000000001234-00000-pager");
    assert_eq!(ids[1], "00000000000000000000000000001234-00000-pager.1");
    assert!(ids.is_sorted(), "{ids:?}");
    assert_eq!((rows[0].severity.as_str(), rows[0].target_kind.as_str()), ("sev1", "webhook"));
    assert_eq!((rows[0].created_at_ms, rows[0].state.as_str()), (AT_MS, PENDING));
}

#[test]
fn routes_are_followed() {
    let mut config = one_of_each("https://a.example/");
    config.routes = vec![Route { targets: vec!["slack".to_owned()], ..Route::default() }];
    let rows = notices(&transition(Step::Opened), &[], &config, PAGES, AT_MS);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].target, "slack");
}

#[test]
fn the_webhook_of_an_opened_incident() {
    let bodies = to("hook", &transition(Step::Opened));
    insta::assert_json_snapshot!(bodies[0]);
}

#[test]
fn webhooks_are_of_a_type_that_is_published() {
    let schema = serde_json::to_string(&super::webhook::schema()).unwrap();
    for (step, kind) in [
        (Step::Opened, "incident.opened"),
        (Step::Escalated, "incident.escalated"),
        (Step::Grew, "incident.grew"),
        (Step::Attributed, "incident.attributed"),
        (Step::Resolved, "incident.resolved"),
        (Step::Merged, "incident.resolved"),
        (Step::Reopened, "incident.reopened"),
    ] {
        let body = &to("hook", &transition(step))[0];
        assert_eq!(body["type"], kind);
        assert!(schema.contains(&format!("\"{kind}\"")), "{kind}");
    }
    let over = &to("hook", &transition(Step::Resolved))[0]["data"];
    assert_eq!((&over["state"], &over["resolved_at"]), (&"resolved".into(), &"2024-07-19T05:28:00Z".into()));
    let merged = &to("hook", &transition(Step::Merged))[0]["data"];
    assert_eq!(merged["merged_into"], "00000000-0000-0000-0000-000000000099");
}

/// What the published description of the Events API v2 demands (`openapiv3.json` of PagerDuty's API schema).
fn check_pagerduty(event: &Value) {
    let action = event["event_action"].as_str().unwrap();
    assert!(["trigger", "acknowledge", "resolve"].contains(&action), "{event}");
    assert!((1..=255).contains(&event["dedup_key"].as_str().unwrap().len()), "{event}");
    assert!(event.get("routing_key").is_none(), "a secret is stored: {event}");
    assert!(event.to_string().len() <= 512_000);
    if action != "trigger" {
        return;
    }
    let payload = &event["payload"];
    for required in ["summary", "source"] {
        assert!(!payload[required].as_str().unwrap().is_empty(), "{event}");
    }
    assert!(payload["summary"].as_str().unwrap().chars().count() <= 1024);
    let severity = payload["severity"].as_str().unwrap();
    assert!(["critical", "error", "warning", "info"].contains(&severity), "{event}");
    payload["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(payload["custom_details"].is_object());
    for optional in ["component", "group", "class"] {
        assert!(payload[optional].is_string(), "{event}");
    }
    assert!(event["links"][0]["href"].as_str().unwrap().starts_with("https://"));
}

/// What PagerDuty is sent for a step of an incident that has grown so often: `trigger x10`.
fn events(step: Step, grown: u32) -> Vec<String> {
    let mut told = transition(step);
    told.incident.grown = grown;
    let events = to("pager", &told);
    events.iter().for_each(check_pagerduty);
    let id = "00000000-0000-0000-0000-000000001234";
    let one = |event: &Value| {
        let key = event["dedup_key"].as_str().unwrap().strip_prefix(id).unwrap();
        format!("{}{}", event["event_action"].as_str().unwrap(), key.replace('/', " "))
    };
    events.iter().map(one).collect()
}

#[test]
fn pagerduty_gets_an_alert_an_incident_and_one_for_each_growth() {
    for (step, grown, expected) in [
        (Step::Opened, 0, &["trigger"][..]),
        // Under the key that is open already it would call nobody.
        (Step::Grew, 1, &["trigger x10"]),
        (Step::Grew, 2, &["trigger x100"]),
        (Step::Attributed, 2, &["trigger"]),
        (Step::Escalated, 0, &["resolve", "trigger"]),
        (Step::Escalated, 1, &["resolve", "resolve x10", "trigger"]),
        (Step::Acknowledged, 1, &["acknowledge", "acknowledge x10"]),
        (Step::Resolved, 0, &["resolve"]),
        (Step::Resolved, 2, &["resolve", "resolve x10", "resolve x100"]),
        (Step::Merged, 1, &["resolve", "resolve x10"]),
    ] {
        assert_eq!(events(step, grown), expected, "{step:?} {grown}");
    }
    assert_eq!(events(Step::Resolved, u32::MAX).len(), 10, "a damaged count sends no flood");
    let mut ticket = transition(Step::Opened);
    assert_eq!(to("pager", &ticket)[0]["payload"]["severity"], "critical");
    ticket.incident.severity = Severity::Sev2;
    assert_eq!(to("pager", &ticket)[0]["payload"]["severity"], "warning");
}

/// What Slack's reference of blocks demands.
fn check_slack(message: &Value) {
    assert!(!message["text"].as_str().unwrap().contains(['<', '>']), "{message}");
    assert_eq!(message["mrkdwn"], false);
    let blocks = message["blocks"].as_array().unwrap();
    assert!((1..=50).contains(&blocks.len()));
    assert_eq!((&blocks[0]["type"], &blocks[0]["text"]["type"]), (&"header".into(), &"plain_text".into()));
    assert!((1..=150).contains(&blocks[0]["text"]["text"].as_str().unwrap().chars().count()));
    assert_eq!(blocks[1]["type"], "rich_text");
    let section = &blocks[1]["elements"][0];
    assert_eq!(section["type"], "rich_text_section");
    for element in section["elements"].as_array().unwrap() {
        assert!(!element["text"].as_str().unwrap().is_empty(), "{element}");
        match element["type"].as_str().unwrap() {
            "text" => {}
            "link" => assert!(element["url"].as_str().unwrap().len() <= 3000),
            other => panic!("{other}"),
        }
    }
    assert!(message.to_string().len() <= 40_000);
}

/// What adaptive cards 1.4 and the workflow "post when a webhook request is received" demand.
fn check_teams(message: &Value) {
    assert_eq!(message["type"], "message");
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1);
    assert_eq!(attachments[0]["contentType"], "application/vnd.microsoft.card.adaptive");
    let card = &attachments[0]["content"];
    assert_eq!((&card["type"], &card["version"]), (&"AdaptiveCard".into(), &"1.4".into()));
    for block in card["body"].as_array().unwrap() {
        assert_eq!(block["type"], "RichTextBlock");
        for run in block["inlines"].as_array().unwrap() {
            assert_eq!(run["type"], "TextRun");
            assert!(run["text"].is_string());
        }
    }
    let actions = card["actions"].as_array().unwrap();
    assert!((1..=6).contains(&actions.len()), "{actions:?}");
    for action in actions {
        assert_eq!(action["type"], "Action.OpenUrl");
        assert!(action["url"].as_str().unwrap().starts_with("https://"));
    }
    assert!(message.to_string().len() <= 28 * 1024, "{} bytes", message.to_string().len());
}

/// What Alertmanager's `openapi.yaml` demands of `postableAlerts`, and its parser of labels.
fn check_alertmanager(alerts: &Value) {
    for alert in alerts.as_array().unwrap() {
        for set in ["labels", "annotations"] {
            for (name, value) in alert[set].as_object().unwrap() {
                assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{name}");
                assert!(!value.as_str().unwrap().is_empty(), "{name}");
            }
        }
        assert_eq!(alert["labels"]["alertname"], "BluescopeIncident");
        let starts: jiff::Timestamp = alert["startsAt"].as_str().unwrap().parse().unwrap();
        if let Some(ends) = alert.get("endsAt") {
            assert!(ends.as_str().unwrap().parse::<jiff::Timestamp>().unwrap() >= starts, "{alert}");
        }
        assert!(alert["generatorURL"].as_str().unwrap().starts_with("https://"));
    }
}

#[test]
fn alertmanager_gets_an_alert_that_keeps_its_labels() {
    let opened = &to("am", &transition(Step::Opened))[0];
    check_alertmanager(opened);
    let labels = json!({
        "alertname": "BluescopeIncident", "severity": "critical", "subject": "csagent.sys", "driver": "csagent.sys",
        "tenant": "acme", "incident": "00000000-0000-0000-0000-000000001234",
    });
    assert_eq!((&opened[0]["labels"], opened[0].get("endsAt")), (&labels, None));
    let resolved = &to("am", &transition(Step::Resolved))[0];
    check_alertmanager(resolved);
    assert_eq!(resolved[0]["labels"], labels);
    assert_eq!(resolved[0]["endsAt"], "2024-07-19T05:28:00Z");
    // A ticket that becomes a page is another alert to routes that go by severity: the old one ends.
    let escalated = &to("am", &transition(Step::Escalated))[0];
    check_alertmanager(escalated);
    let of = |index: usize| (&escalated[index]["labels"]["severity"], escalated[index].get("endsAt"));
    assert_eq!(of(0), (&"warning".into(), Some(&rfc3339(AT_MS).into())));
    assert_eq!(of(1), (&"critical".into(), None));
}

#[test]
fn alertmanager_gets_one_more_alert_for_what_has_grown() {
    let alerts = |step: Step, grown: u32| -> Vec<String> {
        let mut told = transition(step);
        told.incident.grown = grown;
        let body = to("am", &told).remove(0);
        check_alertmanager(&body);
        let one = |alert: &Value| {
            let label =
                |name: &str| alert["labels"].get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            let end = if alert.get("endsAt").is_some() { " ends" } else { "" };
            format!("{} {}{end}", label("severity"), label("growth"))
        };
        body.as_array().unwrap().iter().map(one).collect()
    };
    assert_eq!(alerts(Step::Opened, 0), ["critical -"]);
    assert_eq!(alerts(Step::Grew, 1), ["critical -", "critical x10"]);
    assert_eq!(alerts(Step::Grew, 2), ["critical x10 ends", "critical -", "critical x100"]);
    assert_eq!(
        alerts(Step::Attributed, 2),
        ["critical -", "critical x100"],
        "the last word keeps both burning"
    );
    assert_eq!(
        alerts(Step::Escalated, 1),
        ["warning - ends", "warning x10 ends", "critical -", "critical x10"]
    );
    assert_eq!(alerts(Step::Resolved, 2), ["critical - ends", "critical x100 ends"]);
}

#[test]
fn each_format_leads_to_example_crashes() {
    let told = transition(Step::Opened);
    let url = "https://bluescope.example/crashes/00000000-0000-0000-0000-0000000000e1";
    for target in ["hook", "pager", "slack", "teams", "am"] {
        let body = to(target, &told).remove(0).to_string();
        assert!(body.contains(url), "{target}: {body}");
    }
    let hook = &to("hook", &told)[0]["data"]["examples"][0];
    assert_eq!(
        *hook,
        json!({ "crash_id": "00000000-0000-0000-0000-0000000000e1", "machine": "PC-0001", "at": "2024-07-19T04:09:40Z",
            "url": url })
    );
    let merged = &to("slack", &transition(Step::Merged))[0].to_string();
    assert!(merged.contains("/incidents/00000000-0000-0000-0000-000000000099"), "{merged}");
}

#[test]
fn what_people_read() {
    for target in ["pager", "slack", "teams", "am"] {
        insta::assert_json_snapshot!(format!("opened_{target}"), to(target, &transition(Step::Opened))[0]);
    }
}

#[test]
fn people_get_what_slack_and_teams_take() {
    for step in [Step::Opened, Step::Attributed, Step::Resolved] {
        check_slack(&to("slack", &transition(step))[0]);
        check_teams(&to("teams", &transition(step))[0]);
    }
}

#[test]
fn hostile_names_break_no_format_and_no_limit() {
    let bodies = told(&hostile());
    assert_eq!(bodies.len(), 5);
    check_pagerduty(&to("pager", &hostile())[0]);
    check_slack(&to("slack", &hostile())[0]);
    check_teams(&to("teams", &hostile())[0]);
    check_alertmanager(&to("am", &hostile())[0]);
    let hook = &to("hook", &hostile())[0];
    assert_eq!(hook["data"]["driver"].as_str().unwrap().chars().count(), 201);
    assert!(hook.to_string().len() < 60_000, "{} bytes", hook.to_string().len());
    // Every number is one: a null would not be as the schema says.
    assert!(hook["data"]["reason"]["expected"].is_number() && hook["data"]["usual_per_minute"].is_number());
    assert!(hook["data"]["attribution"]["claims"][0]["odds_high"].is_number());
}
