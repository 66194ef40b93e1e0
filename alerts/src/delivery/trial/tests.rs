//! A test reaches each kind of target, says what it is, and is told apart from a page.

use super::super::samples::{PAGES, one_of_each};
use super::super::stand_in::{Answer, StandIn};
use super::*;

#[tokio::test]
async fn every_kind_can_be_tried() {
    let receiver = StandIn::start(&[]).await;
    for target in one_of_each(&receiver.url).targets {
        let before = receiver.requests().len();
        let report = test_target(&target, PAGES, Duration::from_secs(5)).await.unwrap();
        assert_eq!((report.outcome, report.target.as_str()), (Ok(202), target.name.as_str()));
        let requests = receiver.requests().split_off(before);
        let first = &requests[0].body;
        let text = first.to_string();
        assert!(text.contains("nothing is wrong"), "{text}");
        match &target.kind {
            TargetKind::Webhook { .. } => assert_eq!(first["type"], "test"),
            TargetKind::PagerDuty { .. } => {
                assert_eq!(first["payload"]["severity"], "info");
                assert_eq!(requests[1].body["event_action"], "resolve");
                assert_eq!(requests[1].body["dedup_key"], first["dedup_key"]);
            }
            TargetKind::Alertmanager { .. } => {
                assert_eq!(first[0]["labels"]["alertname"], "BluescopeTest");
                assert!(first[0]["endsAt"].is_string());
            }
            TargetKind::Slack | TargetKind::Teams => {}
        }
    }
}

#[tokio::test]
async fn a_no_is_told_with_the_receivers_own_words() {
    let receiver = StandIn::start(&[Answer::Says(400, "invalid event")]).await;
    let target = one_of_each(&receiver.url).targets.remove(1);
    let report = test_target(&target, PAGES, Duration::from_secs(5)).await.unwrap();
    assert_eq!(report.outcome, Err("answered 400 Bad Request: invalid event".to_owned()));
    assert_eq!(receiver.requests().len(), 1);
}
