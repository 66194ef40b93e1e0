//! From committed rows to receivers on loopback, which check what they get and misbehave.

use std::collections::BTreeMap;

use detector::{Severity, Step, Transition};
use prometheus_client::registry::Registry;
use serde_json::Value;
use standardwebhooks::Webhook;
use storage::alert_store::Turn;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::super::notices::{DELIVERED, PENDING, notices};
use super::super::samples::{PAGES, ROUTING_KEY, SECRET, one_of_each, target, transition};
use super::super::stand_in::{Answer, StandIn, eventually};
use super::super::target::{Auth, Target, TargetKind};
use super::*;

/// An outbox at work on a store of its own.
struct Desk {
    config: DeliveryConfig,
    store: AlertStore,
    letterbox: Letterbox,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _dir: TempDir,
}

impl Desk {
    async fn open(config: DeliveryConfig) -> Self {
        let dir = TempDir::new().unwrap();
        let store = AlertStore::open(dir.path()).await.unwrap();
        Self::on(store, dir, config)
    }

    fn on(store: AlertStore, dir: TempDir, config: DeliveryConfig) -> Self {
        let metrics = DeliveryMetrics::new(&mut Registry::default());
        let (outbox, letterbox) = Outbox::new(config.clone(), store.clone(), metrics).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(outbox.run(stop.clone()));
        Self { config, store, letterbox, stop, task, _dir: dir }
    }

    /// Ends this outbox, as a stop does, and starts another one on the same store.
    async fn again(self, config: DeliveryConfig) -> Self {
        self.stop.cancel();
        self.task.await.unwrap();
        Self::on(self.store, self._dir, config)
    }

    /// What the alerts loop does with a step.
    async fn tell(&self, transition: &Transition) -> Vec<NotificationRow> {
        let rows = notices(transition, &[], &self.config, PAGES, now_ms());
        let turn = Turn { notifications: rows.clone(), ..Turn::default() };
        self.store.commit(turn).await.unwrap();
        self.letterbox.put(rows.clone());
        rows
    }

    /// All rows in their newest state, by id.
    async fn rows(&self) -> BTreeMap<String, NotificationRow> {
        let rows = self.store.uncopied(1000).await.unwrap().notifications;
        rows.into_iter().map(|row| (row.notification_id.clone(), row)).collect()
    }

    /// The rows once none is pending any more, by target; markers left out.
    async fn settled(&self) -> BTreeMap<String, NotificationRow> {
        let done = async || {
            let rows: Vec<NotificationRow> = self
                .rows()
                .await
                .into_values()
                .filter(|row| !row.notification_id.contains("-repeat-"))
                .collect();
            rows.iter().all(|row| row.state != PENDING).then_some(rows)
        };
        let rows = eventually("all are settled", done).await;
        rows.into_iter().map(|row| (row.target.clone(), row)).collect()
    }
}

/// A step that happens now: what is a day old is not tried for long.
fn now(step: Step, incident: u128, seq: u32) -> Transition {
    let mut transition = transition(step);
    transition.incident.id = incident;
    transition.seq = seq;
    transition.at_ms = now_ms();
    transition
}

fn hook(name: &str, url: &str) -> Target {
    target(name, TargetKind::Webhook { secret: SECRET.into() }, url)
}

fn of(targets: Vec<Target>) -> DeliveryConfig {
    DeliveryConfig { targets, timeout: Duration::from_millis(500), ..DeliveryConfig::default() }
}

#[tokio::test]
async fn each_kind_gets_what_it_wants() {
    let receiver = StandIn::start(&[]).await;
    let desk = Desk::open(one_of_each(&receiver.url)).await;
    desk.tell(&now(Step::Opened, 7, 0)).await;
    let rows = desk.settled().await;
    assert!(rows.values().all(|row| (row.state.as_str(), row.attempts) == (DELIVERED, 1)), "{rows:#?}");
    let requests = receiver.requests();
    assert_eq!(requests.len(), 5);
    let with = |key: &str| requests.iter().find(|request| request.body.get(key).is_some()).unwrap();

    let signed = with("type");
    assert_eq!(signed.body["data"]["driver"], "csagent.sys");
    if signed.body["type"] == "incident.opened" {
        Webhook::new(SECRET).unwrap().verify(&signed.bytes, &signed.headers).unwrap();
        assert_eq!(signed.headers["webhook-id"], rows["hook"].notification_id.as_str());
    }
    assert_eq!(with("routing_key").body["routing_key"], ROUTING_KEY);
    assert!(!rows["pager"].payload.contains(ROUTING_KEY), "no key is stored");
    with("blocks");
    assert_eq!(with("attachments").body["type"], "message");
    let alerts = requests.iter().find(|request| request.path == "/api/v2/alerts").unwrap();
    let ends: jiff::Timestamp = alerts.body[0]["endsAt"].as_str().unwrap().parse().unwrap();
    assert!(ends.as_millisecond() > now_ms() + 200_000, "it ends ahead: {ends}");
    assert!(desk.letterbox.target_states().iter().all(|state| state.health == Health::Working));
}

#[tokio::test]
async fn receivers_that_misbehave_are_tried_again_or_given_up() {
    let flaky = StandIn::start(&[Answer::Status(500), Answer::Status(503)]).await;
    let limited = StandIn::start(&[Answer::RetryAfter(429, "3")]).await;
    let hanging = StandIn::start(&[Answer::Hang]).await;
    let gone = StandIn::start(&[Answer::Says(410, "no\nmore")]).await;
    let inner = StandIn::start(&[]).await;
    let redirecting = StandIn::start(&[Answer::Redirect(inner.url.clone())]).await;
    let resetting = StandIn::resetting().await;
    let private = Target { allow_private: false, ..hook("private", &inner.url) };
    let desk = Desk::open(of(vec![
        hook("flaky", &flaky.url),
        hook("limited", &limited.url),
        hook("hanging", &hanging.url),
        hook("gone", &gone.url),
        hook("redirecting", &redirecting.url),
        private,
    ]))
    .await;
    desk.tell(&now(Step::Opened, 7, 0)).await;
    let rows = desk.settled().await;
    let said = |target: &str| (rows[target].state.as_str(), rows[target].attempts);
    assert_eq!(said("flaky"), (DELIVERED, 3));
    assert_eq!(said("limited"), (DELIVERED, 2));
    assert_eq!(said("hanging"), (DELIVERED, 2));
    for (target, why) in
        [("gone", "410 Gone: no\u{fffd}more"), ("redirecting", "redirect"), ("private", "allow_private")]
    {
        assert_eq!(said(target), (FAILED, 1), "{target}");
        assert!(rows[target].last_error.contains(why), "{}", rows[target].last_error);
    }
    assert_eq!(inner.requests().len(), 0);
    // One id over all attempts, and the pause that was asked for.
    let ids: Vec<_> = flaky.requests().iter().map(|request| request.headers["webhook-id"].clone()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    let pause = limited.requests()[1].at - limited.requests()[0].at;
    assert!(pause >= Duration::from_secs(3), "{pause:?}");

    let desk = Desk::open(of(vec![hook("resetting", &resetting.url)])).await;
    desk.tell(&now(Step::Opened, 7, 0)).await;
    let tried = async || desk.rows().await.into_values().find(|row| row.attempts >= 2);
    assert_eq!(eventually("it is tried again", tried).await.state, PENDING);
    let state = &desk.letterbox.target_states()[0];
    assert_eq!((state.health, state.pending), (Health::Failing, 1));
    assert!(!state.last_error.is_empty() && state.failing_since_ms.is_some(), "{state:?}");
}

#[tokio::test]
async fn a_hanging_target_delays_no_other() {
    let hanging = StandIn::start(&vec![Answer::Hang; 100]).await;
    let quick = StandIn::start(&[]).await;
    let config = DeliveryConfig {
        timeout: Duration::from_secs(30),
        ..of(vec![hook("hanging", &hanging.url), hook("quick", &quick.url)])
    };
    let desk = Desk::open(config).await;
    for incident in 0..40 {
        desk.tell(&now(Step::Opened, incident, 0)).await;
    }
    quick.wait_for(40).await;
    assert!(hanging.requests().len() <= 4, "{}", hanging.requests().len());
}

#[tokio::test]
async fn the_end_never_overtakes_the_beginning() {
    let flaky: Vec<Answer> =
        (0..4).map(|number| Answer::Status(if number % 2 == 0 { 500 } else { 202 })).collect();
    let receiver = StandIn::start(&flaky).await;
    let desk = Desk::open(of(vec![hook("hook", &receiver.url)])).await;
    for (seq, step) in (0..).zip([Step::Opened, Step::Attributed, Step::Resolved]) {
        desk.tell(&now(step, 7, seq)).await;
    }
    desk.settled().await;
    let requests = receiver.requests();
    let types: Vec<&str> = requests.iter().map(|request| request.body["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "incident.opened",
            "incident.opened",
            "incident.attributed",
            "incident.attributed",
            "incident.resolved"
        ]
    );
}

/// PagerDuty as its documentation describes it: a trigger under a key that is open is appended to the alert and calls
/// nobody, any other one calls; what is not open cannot be resolved.
fn calls(requests: &[super::super::stand_in::Request]) -> (usize, Vec<String>) {
    let (mut open, mut calls) = (std::collections::BTreeSet::new(), 0);
    for request in requests {
        let key = request.body["dedup_key"].as_str().unwrap().to_owned();
        match request.body["event_action"].as_str().unwrap() {
            "trigger" => calls += usize::from(open.insert(key)),
            "resolve" => {
                open.remove(&key);
            }
            other => assert_eq!(other, "acknowledge"),
        }
    }
    (calls, open.into_iter().collect())
}

#[tokio::test]
async fn pagerduty_calls_again_for_each_tenfold_and_all_its_alerts_end() {
    let receiver = StandIn::start(&[]).await;
    let kind = TargetKind::PagerDuty { routing_key: ROUTING_KEY.into() };
    let desk = Desk::open(of(vec![target("pager", kind, &receiver.url)])).await;
    let mut sent = 0;
    for (seq, (step, grown, more, called)) in (0..).zip([
        (Step::Opened, 0, 1, 1),
        (Step::Attributed, 0, 1, 1),
        (Step::Acknowledged, 0, 1, 1),
        (Step::Grew, 1, 1, 2),
        (Step::Attributed, 1, 1, 2),
        (Step::Grew, 2, 1, 3),
    ]) {
        let mut told = now(step, 7, seq);
        told.incident.grown = grown;
        desk.tell(&told).await;
        sent += more;
        let requests = receiver.wait_for(sent).await;
        assert_eq!(calls(&requests).0, called, "{step:?} {grown}");
    }
    let mut over = now(Step::Resolved, 7, 6);
    over.incident.grown = 2;
    desk.tell(&over).await;
    let requests = receiver.wait_for(sent + 3).await;
    assert_eq!(calls(&requests), (3, Vec::new()));
}

#[tokio::test]
async fn slack_is_told_one_thing_a_second_and_pages_first() {
    let receiver = StandIn::start(&[]).await;
    let desk = Desk::open(of(vec![target("slack", TargetKind::Slack, &receiver.url)])).await;
    let mut rows = Vec::new();
    for (incident, severity) in [(1, Severity::Sev2), (2, Severity::Sev2), (3, Severity::Sev1)] {
        let mut opened = now(Step::Opened, incident, 0);
        opened.incident.severity = severity;
        rows.extend(notices(&opened, &[], &desk.config, PAGES, now_ms()));
    }
    desk.store.commit(Turn { notifications: rows.clone(), ..Turn::default() }).await.unwrap();
    desk.letterbox.put(rows);
    let requests = receiver.wait_for(3).await;
    for pair in requests.windows(2) {
        let pause = pair[1].at - pair[0].at;
        assert!(pause >= Duration::from_millis(980), "{pause:?}");
    }
    let text = |index: usize| requests[index].body["text"].as_str().unwrap().to_owned();
    assert!(text(0).starts_with("SEV1") && text(1).starts_with("SEV2"), "{} {}", text(0), text(1));
}

#[tokio::test]
async fn what_was_not_delivered_goes_out_after_a_restart_under_the_same_id() {
    let down = StandIn::start(&vec![Answer::Status(502); 50]).await;
    let desk = Desk::open(of(vec![hook("hook", &down.url)])).await;
    desk.tell(&now(Step::Opened, 7, 0)).await;
    let tried = async || desk.rows().await.into_values().find(|row| row.attempts >= 1);
    eventually("a first attempt is recorded", tried).await;
    let up = StandIn::start(&[]).await;
    let desk = desk.again(of(vec![hook("hook", &up.url)])).await;
    let request = up.wait_for(1).await.remove(0);
    assert_eq!(request.headers["webhook-id"], down.requests()[0].headers["webhook-id"]);
    assert_eq!(request.body, down.requests()[0].body);
    assert_eq!(desk.settled().await["hook"].state, DELIVERED);
    // A replay of the loop writes and sends nothing.
    let rows = desk.rows().await;
    desk.store
        .commit(Turn { notifications: rows.values().cloned().collect(), ..Turn::default() })
        .await
        .unwrap();
    let desk = desk.again(of(vec![hook("hook", &up.url)])).await;
    desk.tell(&now(Step::Opened, 8, 0)).await;
    assert_eq!(up.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn an_alert_that_burned_before_a_restart_is_sent_again_at_once() {
    let receiver = StandIn::start(&[]).await;
    let manager = || {
        of(vec![target("am", TargetKind::Alertmanager { auth: Auth::Bearer("abc".into()) }, &receiver.url)])
    };
    let desk = Desk::open(manager()).await;
    desk.tell(&now(Step::Opened, 7, 0)).await;
    desk.settled().await;
    let desk = desk.again(manager()).await;
    let requests = receiver.wait_for(2).await;
    assert_eq!(requests[0].body[0]["labels"], requests[1].body[0]["labels"]);
    assert_eq!(requests[1].headers["authorization"], "Bearer abc");
    desk.tell(&now(Step::Resolved, 7, 1)).await;
    desk.settled().await;
    let desk = desk.again(manager()).await;
    assert_eq!(desk.store.pending().await.unwrap(), []);
    assert_eq!(receiver.requests().len(), 3);
}

#[tokio::test]
async fn what_no_target_can_take_is_given_up() {
    let receiver = StandIn::start(&[]).await;
    let dir = TempDir::new().unwrap();
    let store = AlertStore::open(dir.path()).await.unwrap();
    let old = of(vec![hook("gone", &receiver.url), hook("other", &receiver.url)]);
    let rows = notices(&now(Step::Opened, 7, 0), &[], &old, PAGES, now_ms());
    store.commit(Turn { notifications: rows, ..Turn::default() }).await.unwrap();
    let desk = Desk::on(store, dir, of(vec![target("other", TargetKind::Slack, &receiver.url)]));
    let rows = desk.settled().await;
    assert!(rows["gone"].last_error.contains("no target of this name"), "{}", rows["gone"].last_error);
    assert!(rows["other"].last_error.contains("kind webhook"), "{}", rows["other"].last_error);
    assert_eq!(receiver.requests().len(), 0);
}

#[tokio::test]
async fn a_store_that_fails_delays_no_page() {
    let receiver = StandIn::start(&[]).await;
    let desk = Desk::open(of(vec![hook("hook", &receiver.url)])).await;
    let rows = desk.tell(&now(Step::Opened, 7, 0)).await;
    desk.settled().await;
    desk.store.clone().close().await;
    let mut second = rows;
    second[0].notification_id.push('2');
    desk.letterbox.put(second);
    assert_eq!(receiver.wait_for(2).await.len(), 2);
    // It says so and goes on.
    assert!(!desk.task.is_finished());
}

/// Not a bound that a loaded machine could break; it prints what a page takes.
#[tokio::test]
async fn a_page_goes_out_at_once() {
    let receiver = StandIn::start(&[]).await;
    let desk = Desk::open(of(vec![hook("hook", &receiver.url)])).await;
    let mut took = Vec::new();
    for incident in 0..50 {
        let begun = std::time::Instant::now();
        desk.tell(&now(Step::Opened, incident, 0)).await;
        let requests = receiver.wait_for(usize::try_from(incident).unwrap() + 1).await;
        took.push(requests.last().unwrap().at - begun);
    }
    took.sort();
    println!("from commit to receiver: median {:?}, slowest of 50 {:?}", took[25], took[49]);
    assert!(took[25] < Duration::from_secs(2), "{took:?}");
    let body: Value = receiver.requests()[0].body.clone();
    assert_eq!(body["type"], "incident.opened");
}
