//! The API's document is true: it has every route and no other, its references resolve, and what the endpoints really
//! answer is what it says, field by field.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, StatusCode};
use detector::Subject;
use serde_json::{Value, json};
use storage::questions::{SignalRows, TargetRow};
use storage::rows::SymbolFileRow;
use storage::signals::{DriverSignal, InstallSignal};

use crate::check_page;
use crate::fixture::{Fixture, Page, crash, history, now_ms, report};
use crate::incidents::incident;

const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

/// The document as it is served.
pub(crate) async fn document(fixture: &Fixture) -> Value {
    let page = fixture.get("/api/v1/openapi.json").await;
    assert_eq!(
        (page.status, page.headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "application/json")
    );
    serde_json::from_str(&page.body).unwrap()
}

/// Paths and methods of the document below a prefix, with what it says of them.
pub(crate) fn operations<'d>(
    document: &'d Value,
    prefix: &str,
) -> BTreeMap<(String, &'static str), &'d Value> {
    let mut found = BTreeMap::new();
    for (path, item) in
        document["paths"].as_object().unwrap().iter().filter(|(path, _)| path.starts_with(prefix))
    {
        for (method, about) in item.as_object().unwrap() {
            let method = METHODS.into_iter().find(|known| known == method).unwrap();
            found.insert((path.clone(), method), about);
        }
    }
    found
}

/// The paths of a router, which axum only tells for debugging.
pub(crate) fn paths(router: &Router, prefix: &str) -> BTreeSet<String> {
    let text = format!("{router:?}");
    let quoted = text.split("RouteId(").filter_map(|part| part.split_once("): \"")?.1.split_once('"'));
    let paths = quoted.map(|(path, _)| path.to_owned());
    paths.filter(|path| path.starts_with(prefix) && !path.contains("__private__")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_has_every_route_and_no_other() {
    let Some(fixture) = Fixture::new().await else { return };
    let document = document(&fixture).await;
    let described = operations(&document, "/api/v1/");
    let of_document: BTreeSet<String> = described.keys().map(|(path, _)| path.clone()).collect();
    assert!(of_document.len() > 10);
    assert_eq!(paths(&fixture.router, "/api/v1/"), of_document, "add routes as routes!(handler)");
    check_methods(&fixture.router, &described).await;
    fixture.stop().await;
}

/// Whether a router takes the methods that are described, and no other.
pub(crate) async fn check_methods(router: &Router, described: &BTreeMap<(String, &'static str), &Value>) {
    for path in described.keys().map(|(path, _)| path) {
        for method in METHODS {
            let address = path.replace(['{', '}'], "");
            let request =
                Request::builder().method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap());
            let request = request.uri(address).header("content-type", "application/json");
            let request = here(request.body(Body::empty()).unwrap());
            let status = tower::ServiceExt::oneshot(router.clone(), request).await.unwrap().status();
            let is_described = described.contains_key(&(path.clone(), method));
            assert_eq!(status != StatusCode::METHOD_NOT_ALLOWED, is_described, "{method} {path}: {status}");
        }
    }
}

/// As somebody at this machine asks, who may do everything.
fn here(mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("host", "127.0.0.1:8080".parse().unwrap());
    request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 9))));
    request
}

async fn get(fixture: &Fixture, address: &str) -> Page {
    fixture.send(here(Request::get(address).body(Body::empty()).unwrap())).await
}

/// Everything in a document that refers to another part of it.
fn references<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_whole() {
    let Some(fixture) = Fixture::new().await else { return };
    let document = document(&fixture).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in &found {
        assert!(document.pointer(reference.strip_prefix('#').unwrap()).is_some(), "{reference}");
    }
    // A type that nobody refers to is one that was renamed, or two of one name.
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}").as_str()), "{name} is of no use");
    }
    let tags: Vec<&Value> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    for ((path, method), about) in operations(&document, "/") {
        let place = format!("{method} {path}");
        assert!(about["summary"].as_str().is_some_and(|words| words.len() > 5), "{place} has no summary");
        assert!(about["tags"].as_array().unwrap().iter().all(|tag| tags.contains(&tag)), "{place}");
        let parameters = about["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        for parameter in parameters {
            assert!(
                parameter["description"].as_str().is_some_and(|words| !words.is_empty()),
                "{place}: {parameter}"
            );
        }
        let named = parameters.iter().filter(|one| one["in"] == "path");
        assert_eq!(named.count(), path.matches('{').count(), "{place} does not say what is in its path");
        // Lists that go on are all asked the same way.
        let answer =
            about.pointer("/responses/200/content/application~1json/schema/$ref").and_then(Value::as_str);
        let answer = answer.and_then(|reference| document.pointer(reference.strip_prefix('#')?));
        let goes_on = answer.is_some_and(|schema| schema.pointer("/properties/next").is_some());
        let before = parameters.iter().any(|one| one["name"] == "before" && one["in"] == "query");
        assert_eq!(goes_on, before, "{place}: `before` takes what `next` gives");
    }
    fixture.stop().await;
}

/// A document in which no object may have more fields than it says.
pub(crate) struct Strict(Value);

impl Strict {
    pub(crate) fn new(document: &Value) -> Self {
        let mut strict = document.clone();
        let raw = document["components"]["schemas"].clone();
        let schemas = strict["components"]["schemas"].as_object_mut().unwrap();
        schemas.values_mut().for_each(|schema| close(schema, &raw));
        Self(strict)
    }

    /// Checks an answer of an operation against what is said of it.
    pub(crate) fn check(&self, place: &str, operation: &Value, status: StatusCode, body: &str) {
        let answer = &operation["responses"][status.as_str()];
        assert!(!answer.is_null(), "{place}: {status} is not described: {body}");
        let answer = match answer["$ref"].as_str() {
            Some(reference) => self.0.pointer(reference.strip_prefix('#').unwrap()).unwrap(),
            None => answer,
        };
        let schema = &answer["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{place}: {status} has no schema");
        let whole = json!({ "components": self.0["components"], "allOf": [schema] });
        let body: Value =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("{place}: {error}: {body}"));
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(
            faults.is_empty(),
            "{place} {status}:\n{}",
            faults.join("\n").chars().take(4000).collect::<String>()
        );
    }
}

/// Forbids fields that are not named. What an object shares with others (`allOf`) is put into it first, since each part
/// would forbid the fields of the rest.
fn close(schema: &mut Value, raw: &Value) {
    if let Some(parts) = schema.get_mut("allOf").and_then(Value::as_array_mut) {
        for part in parts.iter_mut() {
            if let Some(name) = part["$ref"].as_str().and_then(|reference| reference.rsplit('/').next()) {
                *part = raw[name].clone();
            }
            close(part, raw);
            part.as_object_mut().unwrap().remove("unevaluatedProperties");
        }
        schema["unevaluatedProperties"] = json!(false);
        return;
    }
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| close(value, raw));
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("unevaluatedProperties".to_owned(), json!(false));
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| close(value, raw)),
        _ => {}
    }
}

/// A fleet in which every answer has something to say, and the addresses at which it says it.
#[expect(clippy::too_many_lines, reason = "a table")]
async fn busy(fixture: &Fixture) -> BTreeMap<&'static str, Vec<String>> {
    let mut rows = history(60);
    for row in rows.iter_mut().filter(|row| row.machine == "PC-00003") {
        row.hardware_sign = "machine check".to_owned();
    }
    let row = crash("csagent.sys", 7, now_ms() - 90_000);
    rows.push(row.clone());
    rows.push(crash("csagent.sys", 10_000, now_ms() - 80_000));
    fixture.insert(rows.clone()).await;
    fixture.analyse(&row, report("f"), &["crash.pdb/3249d9"]).await;
    fixture
        .database
        .insert_symbol_files(&[SymbolFileRow {
            tenant: "acme".to_owned(),
            id: "other.pdb/1".to_owned(),
            kind: "pdb".to_owned(),
            file_name: "other.pdb".to_owned(),
            bytes: 1,
            arrived_at: now_ms(),
        }])
        .await
        .unwrap();
    let target = TargetRow { name: "on-call".to_owned(), updated_at_ms: now_ms(), ..TargetRow::default() };
    fixture.database.put_targets(&[target]).await.unwrap();
    let driver = DriverSignal {
        name: "csagent.sys".to_owned(),
        version: "7.11".to_owned(),
        timestamp: 0x6690_2C2A,
        size: 0,
    };
    let mut signals = SignalRows::default();
    signals.installs(&[InstallSignal {
        tenant: "acme".to_owned(),
        machine: row.machine.clone(),
        at_ms: now_ms() - 600_000,
        site: "Berlin".to_owned(),
        ring: "broad".to_owned(),
        model: "Latitude 5420".to_owned(),
        os_build: 19045,
        drivers: vec![driver],
    }]);
    fixture.database.put_signals(&signals).await.unwrap();
    let old = fixture.incident("csagent.sys", true).await;
    let subject = Subject::Driver("csagent.sys".to_owned());
    let new = fixture
        .steps(&incident(subject, "csagent.sys"), &[("opened", "", ""), ("commented", "ada", "hm")])
        .await;
    let bare = fixture.steps(&incident(Subject::Everything, "x"), &[("opened", "", "")]).await;
    let unreadable = rows.iter().find(|row| row.outcome == "unreadable").unwrap();
    [
        ("/api/v1/fleet", vec![String::new(), "?range=7d".to_owned()]),
        ("/api/v1/drivers", vec!["?range=24h".to_owned()]),
        ("/api/v1/drivers/{name}", vec!["/api/v1/drivers/csagent.sys?range=24h".to_owned()]),
        ("/api/v1/crashes", vec![String::new(), "?driver=csagent.sys&ring=broad".to_owned()]),
        (
            "/api/v1/crashes/{id}",
            vec![
                format!("/api/v1/crashes/{}", row.crash_id),
                format!("/api/v1/crashes/{}", unreadable.crash_id),
            ],
        ),
        ("/api/v1/crashes/{id}/facts", vec![format!("/api/v1/crashes/{}/facts", row.crash_id)]),
        (
            "/api/v1/buckets/{bucket}",
            ["", "?range=24h&tenant=acme"]
                .map(|query| format!("/api/v1/buckets/{}{query}", row.bucket.replace('!', "%21")))
                .into(),
        ),
        ("/api/v1/incidents", vec![String::new()]),
        ("/api/v1/incidents/{id}", [old, new, bare].map(|id| format!("/api/v1/incidents/{id}")).into()),
        (
            "/api/v1/gate",
            vec![
                "?driver=csagent.sys&version=0x66902c2a&tenant=acme".to_owned(),
                "?driver=nobody.sys&version=1".to_owned(),
            ],
        ),
        ("/api/v1/machines", vec!["?suspect=true".to_owned()]),
        (
            "/api/v1/machines/{machine}",
            ["PC-00003", "PC-10003"].map(|name| format!("/api/v1/machines/{name}?tenant=acme")).into(),
        ),
        ("/api/v1/symbols/missing", vec![String::new()]),
        ("/api/v1/search", vec![String::new(), "?q=driver:csagent.sys&facets=false".to_owned()]),
        ("/api/v1/search/complete", vec!["?q=driver:cs".to_owned()]),
        ("/api/v1/search/export", vec!["?q=driver:csagent.sys&format=json".to_owned()]),
        ("/api/v1/me", vec![String::new()]),
        ("/api/v1/audit", vec![String::new()]),
        ("/api/v1/status", vec![String::new()]),
        ("/api/v1/targets", vec![String::new()]),
        ("/api/v1/openapi.json", vec![String::new()]),
    ]
    .into()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_what_the_document_says() {
    let Some(fixture) = Fixture::alone().await else { return };
    let document = document(&fixture).await;
    let strict = Strict::new(&document);
    let quiet = [
        "/api/v1/fleet",
        "/api/v1/crashes",
        "/api/v1/incidents",
        "/api/v1/status",
        "/api/v1/symbols/missing",
    ];
    let operations = operations(&document, "/api/v1/");
    for path in quiet {
        let page = get(&fixture, path).await;
        strict.check(path, operations[&(path.to_owned(), "get")], page.status, &page.body);
    }
    let mut addresses = busy(&fixture).await;
    for ((path, method), operation) in operations.iter().filter(|((_, method), _)| *method == "get") {
        let asked = addresses.remove(path.as_str());
        for address in asked.unwrap_or_else(|| panic!("say in `busy` how to ask {method} {path}")) {
            let address = if address.starts_with('/') { address } else { format!("{path}{address}") };
            let page = get(&fixture, &address).await;
            assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.body);
            strict.check(&address, operation, page.status, &page.body);
        }
    }
    assert!(addresses.is_empty(), "{addresses:?}");
    for (path, address) in [
        ("/api/v1/crashes", "/api/v1/crashes?before=x"),
        ("/api/v1/incidents", "/api/v1/incidents?before=x"),
        ("/api/v1/crashes/{id}", "/api/v1/crashes/x"),
        ("/api/v1/fleet", "/api/v1/fleet?range=x"),
        ("/api/v1/search", "/api/v1/search?q=drivr:x"),
        ("/api/v1/search", "/api/v1/search?before=x"),
    ] {
        let page = get(&fixture, address).await;
        assert!(page.status.is_client_error(), "{address}");
        strict.check(address, operations[&(path.to_owned(), "get")], page.status, &page.body);
    }
    fixture.database.clone().close().await;
    let page = get(&fixture, "/api/v1/status").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    strict.check("away", operations[&("/api/v1/status".to_owned(), "get")], page.status, &page.body);
    fixture.stop().await;
}

async fn post(fixture: &Fixture, path: &str, body: &Value, is_here: bool) -> Page {
    let request = Request::post(path).header("content-type", "application/json");
    let mut request = here(request.body(Body::from(body.to_string())).unwrap());
    if !is_here {
        request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from(([192, 0, 2, 1], 9))));
    }
    fixture.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_take_the_documents_own_examples() {
    let Some(fixture) = Fixture::new().await else { return };
    let document = document(&fixture).await;
    let strict = Strict::new(&document);
    let id = fixture.incident("csagent.sys", false).await;
    let over = fixture.incident("csagent.sys", true).await;
    let target = TargetRow { name: "on-call".to_owned(), updated_at_ms: now_ms(), ..TargetRow::default() };
    fixture.database.put_targets(&[target]).await.unwrap();
    let row = crash("csagent.sys", 7, now_ms() - 90_000);
    fixture.insert(vec![row.clone()]).await;
    let operations = operations(&document, "/api/v1/");
    let mut posts: BTreeSet<&str> =
        operations.keys().filter(|(_, method)| *method == "post").map(|(path, _)| path.as_str()).collect();
    for (path, address, expected) in [
        ("/api/v1/incidents/{id}/{act}", format!("/api/v1/incidents/{id}/acknowledge"), 202),
        ("/api/v1/incidents/{id}/{act}", format!("/api/v1/incidents/{over}/acknowledge"), 409),
        ("/api/v1/incidents/{id}/{act}", format!("/api/v1/incidents/{id}/applaud"), 404),
        ("/api/v1/incidents/{id}/{act}", format!("/api/v1/incidents/{id}/mute"), 400),
        ("/api/v1/targets/{name}/test", "/api/v1/targets/on-call/test".to_owned(), 202),
        ("/api/v1/targets/{name}/test", "/api/v1/targets/nobody/test".to_owned(), 404),
        ("/api/v1/buckets/{bucket}/notes", "/api/v1/buckets/AV_x/notes?tenant=acme".to_owned(), 201),
        ("/api/v1/crashes/{id}/analyse", format!("/api/v1/crashes/{}/analyse", row.crash_id), 409),
        ("/api/v1/crashes/{id}/analyse", "/api/v1/crashes/x/analyse".to_owned(), 404),
        ("/api/v1/dead-letters/{partition}/{offset}/retry", "/api/v1/dead-letters/0/7/retry".to_owned(), 404),
    ] {
        let operation = operations[&(path.to_owned(), "post")];
        let body = &operation["requestBody"]["content"]["application/json"]["example"];
        let page = post(&fixture, &address, body, true).await;
        assert_eq!(page.status.as_u16(), expected, "{address}: {}", page.body);
        strict.check(&address, operation, page.status, &page.body);
        let page = post(&fixture, &address, body, false).await;
        assert!(matches!(page.status.as_u16(), 401 | 403), "{address}: {}", page.status);
        strict.check(&address, operation, page.status, &page.body);
        posts.remove(path);
    }
    assert!(posts.is_empty(), "say here how to ask {posts:?}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_api_shows_every_endpoint_and_type() {
    let Some(fixture) = Fixture::new().await else { return };
    let document = document(&fixture).await;
    let page = fixture.get("/api").await;
    assert_eq!(page.status, StatusCode::OK);
    check_page("/api", &page);
    for ((path, method), _) in operations(&document, "/") {
        let shown = format!("<code class=\"method\">{}</code> <code>{path}</code>", method.to_uppercase());
        assert!(page.body.contains(&shown), "{shown}");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.body.contains(&format!("id=\"type-{name}\"")), "{name}");
    }
    let call = "curl \"$BLUESCOPE/api/v1/gate?driver=csagent.sys&amp;version=0x66902c2a\"";
    assert!(page.body.contains(&call.replace('"', "&quot;")), "{call}");
    // Links within the page lead somewhere.
    for part in page.body.split("href=\"#").skip(1) {
        let (anchor, _) = part.split_once('"').unwrap();
        assert!(page.body.contains(&format!("id=\"{anchor}\"")), "{anchor}");
    }
    fixture.stop().await;
}
