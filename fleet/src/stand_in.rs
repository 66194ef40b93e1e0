//! A stand-in for the server in tests: the same routes, a few lines behind each, and faults on demand.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use dump::{KernelDump, identify};
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::clock::now_ms;
use crate::receiver::DEMO_SECRET;

/// How it behaves.
#[derive(Debug, Clone)]
pub(crate) struct Manners {
    /// The driver that its incident names.
    pub(crate) blames: &'static str,
    /// The driver whose tenth machine it opens it for.
    pub(crate) pages_for: &'static str,
    /// Uploads that it calls itself too busy for, at first.
    pub(crate) busy: u32,
    /// A crash in this many gets no row; 0 for none.
    pub(crate) forgets: u64,
    /// What it answers instead of taking anything.
    pub(crate) refuses: Option<StatusCode>,
    /// Where it sends its webhooks.
    pub(crate) webhook: Option<SocketAddr>,
    /// How loud they are.
    pub(crate) severity: &'static str,
    /// What it says that the machines share.
    pub(crate) origin: &'static str,
    /// Whether its incident is over as soon as it was told.
    pub(crate) resolves: bool,
    /// The token that it wants.
    pub(crate) token: Option<&'static str>,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            blames: "csagent.sys",
            pages_for: "csagent.sys",
            busy: 0,
            forgets: 0,
            refuses: None,
            webhook: None,
            severity: "sev1",
            origin: "all_versions",
            resolves: true,
            token: None,
        }
    }
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) uploads: u64,
    pub(crate) forms: u64,
    pub(crate) crashes: HashSet<String>,
    pub(crate) machines: HashSet<String>,
    /// Machines that told what they run.
    pub(crate) told: HashSet<String>,
    forgotten: u64,
    sick_machines: HashSet<String>,
    incidents: Vec<Value>,
}

pub(crate) struct StandIn {
    pub(crate) url: String,
    desk: Arc<Desk>,
}

struct Desk {
    manners: Mutex<Manners>,
    seen: Mutex<Seen>,
}

impl StandIn {
    pub(crate) async fn start(manners: Manners) -> Self {
        let desk = Arc::new(Desk { manners: Mutex::new(manners), seen: Mutex::default() });
        let router = Router::new()
            .route("/v1/crashes", post(take))
            .route("/v1/inventory", post(inventory))
            .route("/v1/symbols", post(file))
            .route("/v1/symbols/missing", get(missing))
            .route("/api/v1/status", get(status))
            .route("/api/v1/incidents", get(incidents))
            .route("/api/v1/incidents/{id}", get(incident))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&desk));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { url, desk }
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.desk.seen()
    }

    pub(crate) fn open_incident(&self, driver: &str) {
        self.seen().open(driver);
    }

    /// Ends all incidents, as the first one of a server's life.
    pub(crate) fn resolve_incidents(&self) {
        self.seen().resolve(1_000);
    }
}

impl Desk {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn manners(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    /// What its manners make it answer instead of taking anything.
    fn refusal(&self, request: &Request) -> Option<Response> {
        let manners = self.manners().clone();
        let token = request.headers().get("authorization").and_then(|token| token.to_str().ok());
        if manners.token.is_some_and(|wanted| token != Some(&format!("Bearer {wanted}"))) {
            return Some(StatusCode::UNAUTHORIZED.into_response());
        }
        if let Some(status) = manners.refuses {
            return Some(status.into_response());
        }
        if manners.busy > 0 {
            self.manners().busy -= 1;
            return Some((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response());
        }
        None
    }
}

impl Seen {
    fn open(&mut self, driver: &str) {
        let number = self.incidents.len();
        self.incidents.push(json!({
            "incident_id": format!("00000000-0000-0000-0000-{number:012}"), "tenant": "", "driver": driver,
            "state": "open", "opened_at_ms": now_ms(), "resolved_at_ms": null, "machines": 10, "crashes": 10,
        }));
    }

    fn resolve(&mut self, at_ms: i64) {
        for incident in &mut self.incidents {
            incident["state"] = "resolved".into();
            incident["resolved_at_ms"] = at_ms.into();
        }
    }

    /// As a server that has had such an incident does: it comes back.
    fn open_or_reopen(&mut self, driver: &str) -> String {
        match self.incidents.iter_mut().find(|incident| incident["driver"] == driver) {
            Some(incident) => {
                incident["state"] = "open".into();
                incident["reopened_at_ms"] = now_ms().into();
            }
            None => self.open(driver),
        }
        let last = self.incidents.iter().find(|incident| incident["driver"] == driver);
        last.map(|incident| incident["incident_id"].as_str().unwrap().to_owned()).unwrap()
    }
}

async fn take(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    if let Some(refusal) = desk.refusal(&request) {
        return refusal;
    }
    let manners = desk.manners().clone();
    let headers = request.headers().clone();
    let (dump, is_form) = read(request).await;
    let id = identify(&dump, &[0; 32], dump.len() as u64).unwrap().id.to_string();
    let machine = headers["x-bluescope-machine"].to_str().unwrap().to_owned();
    // the fleet's machines say all three, a person's own dump may say one
    assert_eq!(is_numbered(&machine), headers.contains_key("x-bluescope-site"));
    assert_eq!(headers.contains_key("x-bluescope-site"), headers.contains_key("x-bluescope-ring"));
    let page = remember(&mut desk.seen(), &manners, &id, machine, is_form, has(&dump, manners.pages_for));
    if let Some(incident) = page {
        tokio::spawn(tell(Arc::clone(&desk), manners, incident));
    }
    if is_form && headers.get("accept").is_none_or(|accept| accept != "application/json") {
        return format!("CrashID=bp-{id}\n").into_response();
    }
    Json(json!({ "crash_id": id })).into_response()
}

/// Whether a machine is one of a fleet's: `pc-000017`.
fn is_numbered(machine: &str) -> bool {
    machine
        .strip_prefix("pc-")
        .is_some_and(|rest| rest.len() >= 6 && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The incident to page for, where this upload is the tenth machine of the outage.
fn remember(
    seen: &mut Seen,
    manners: &Manners,
    id: &str,
    machine: String,
    is_form: bool,
    is_sick: bool,
) -> Option<String> {
    seen.uploads += 1;
    seen.forms += u64::from(is_form);
    let new = seen.crashes.insert(id.to_owned());
    if new && manners.forgets > 0 && (seen.crashes.len() as u64).is_multiple_of(manners.forgets) {
        seen.forgotten += 1;
    }
    seen.machines.insert(machine.clone());
    let page = is_sick && seen.sick_machines.insert(machine) && seen.sick_machines.len() == 10;
    page.then(|| seen.open_or_reopen(manners.blames))
}

async fn read(request: Request) -> (Vec<u8>, bool) {
    let is = |headers: &HeaderMap, name: &str, value: &str| {
        headers.get(name).is_some_and(|header| header.to_str().unwrap().starts_with(value))
    };
    if is(request.headers(), "content-type", "multipart/form-data") {
        let mut form = Multipart::from_request(request, &()).await.unwrap();
        while let Some(field) = form.next_field().await.unwrap() {
            if field.name() == Some("upload_file_minidump") {
                return (field.bytes().await.unwrap().to_vec(), true);
            }
        }
        panic!("a form without a dump");
    }
    let zstd = is(request.headers(), "content-encoding", "zstd");
    let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.unwrap();
    (if zstd { zstd::stream::decode_all(&*body).unwrap() } else { body.to_vec() }, false)
}

/// Whether one of a dump's parameters points into a driver.
fn has(bytes: &[u8], name: &str) -> bool {
    let dump = KernelDump::parse(bytes).unwrap();
    let at = |address: u64| dump.driver_at(address).is_some_and(|(driver, _)| driver.name == name);
    dump.header().parameters.into_iter().any(at)
}

/// The page, and the end where it comes to one.
async fn tell(desk: Arc<Desk>, manners: Manners, incident: String) {
    let data = |state: &str| {
        let summary = format!("{} {}: 10 machines down", manners.severity.to_uppercase(), manners.blames);
        json!({
            "driver": manners.blames, "severity": manners.severity, "incident_id": incident, "machines": 10,
            "summary": summary, "state": state,
        })
    };
    if let Some(address) = manners.webhook {
        send_webhook(address, "msg_1", json!({ "type": "incident.opened", "data": data("open") })).await;
    }
    if manners.resolves {
        desk.seen().resolve(now_ms());
        if let Some(address) = manners.webhook {
            let body = json!({ "type": "incident.resolved", "data": data("resolved") });
            send_webhook(address, "msg_2", body).await;
        }
    }
}

async fn send_webhook(address: SocketAddr, id: &str, body: Value) {
    let (body, seconds) = (body.to_string(), now_ms() / 1000);
    let signature = Webhook::new(DEMO_SECRET).unwrap().sign(id, seconds, body.as_bytes()).unwrap();
    let client = crate::client::Client::new("http://unused", None, 1).unwrap();
    let request = client
        .http()
        .post(format!("http://{address}/"))
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", signature)
        .body(body);
    assert_eq!(request.send().await.unwrap().status(), 204);
}

async fn status(State(desk): State<Arc<Desk>>) -> Json<Value> {
    let seen = desk.seen();
    Json(json!({ "ledger": {
        "accepted": seen.uploads, "analysed": seen.uploads, "unreadable": 0, "dead_lettered": 0, "queued": 0,
        "crashes": seen.crashes.len() as u64 - seen.forgotten, "balanced": true,
    }}))
}

async fn incidents(State(desk): State<Arc<Desk>>) -> Json<Value> {
    Json(json!({ "incidents": desk.seen().incidents }))
}

async fn incident(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Response {
    let origin = desk.manners().origin;
    let seen = desk.seen();
    let found = seen.incidents.iter().find(|incident| incident["incident_id"] == id.as_str());
    let Some(found) = found else { return StatusCode::NOT_FOUND.into_response() };
    let mut events = vec![json!({ "kind": "opened", "at_ms": found["opened_at_ms"] })];
    let back = &found["reopened_at_ms"];
    if !back.is_null() {
        events.push(json!({ "kind": "reopened", "at_ms": back }));
    }
    let mut page = found.clone();
    page["events"] = events.into();
    page["reopened"] = i32::from(!back.is_null()).into();
    page["attribution"] = json!({ "origin": origin, "sentence": "As the stand-in says." });
    Json(page).into_response()
}

async fn inventory(State(desk): State<Arc<Desk>>, Json(machines): Json<Vec<Value>>) -> Json<Value> {
    assert!(machines.iter().all(|machine| machine["drivers"].as_array().is_some_and(|all| !all.is_empty())));
    let names = machines.iter().map(|machine| machine["machine"].as_str().unwrap().to_owned());
    desk.seen().told.extend(names);
    Json(json!({ "taken": machines.len() }))
}

#[derive(serde::Deserialize)]
struct FileQuery {
    name: String,
}

/// Files everything under the name it was given.
async fn file(State(desk): State<Arc<Desk>>, Query(query): Query<FileQuery>, request: Request) -> Response {
    if let Some(refusal) = desk.refusal(&request) {
        return refusal;
    }
    let bytes = Bytes::from_request(request, &()).await.unwrap();
    let filed = json!({ "id": query.name, "kind": "pdb", "name": query.name, "bytes": bytes.len() });
    Json(json!({ "files": [filed], "refused": [] })).into_response()
}

#[derive(serde::Deserialize)]
struct MissingQuery {
    limit: usize,
    after: Option<String>,
}

/// Lacks three files, and tells two at a time.
async fn missing(Query(query): Query<MissingQuery>) -> Json<Value> {
    let all = ["a&b.pdb/1", "c d.sys/2", "e.pdb/3"];
    let begin = query.after.map_or(0, |after| all.iter().position(|id| *id == after).unwrap() + 1);
    let end = (begin + query.limit.min(2)).min(all.len());
    let line = |id: &&str| {
        json!({
            "id": id, "kind": "pdb", "crashes": 1, "machines": 1, "sites": 1, "drivers": [], "last_seen_ms": 1,
        })
    };
    let next = (end < all.len()).then(|| all[end - 1]);
    Json(json!({ "missing": all[begin..end].iter().map(line).collect::<Vec<_>>(), "next": next }))
}
