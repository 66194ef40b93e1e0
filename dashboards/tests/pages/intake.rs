//! What the document says of the intake is what its running routes do: the same paths and methods, and its own examples are
//! taken and answered as it says.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use dump::synth::SmallDump;
use ingest::{Ingest, IngestConfig, SymbolIntake, SymbolIntakeConfig};
use prometheus_client::registry::Registry;
use serde_json::Value;
use storage::blobs::Blobs;
use storage::signals::{Signals, SignalsConfig};
use storage::symbols::SymbolStore;
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::fixture::Fixture;
use crate::openapi::{Strict, check_methods, document, operations, paths};

/// The intake as it runs, over the fixture's stores.
async fn intake(fixture: &Fixture, dir: &TempDir) -> Router {
    let blobs = Blobs::open(&dir.path().join("blobs")).unwrap();
    let signals = Signals::open(&SignalsConfig::log(dir.path().join("signals"))).await.unwrap();
    let mut registry = Registry::default();
    let config = IngestConfig::default();
    let crashes = Ingest::new(config, fixture.queue.clone(), blobs.clone(), signals, &mut registry);
    let store = SymbolStore::new(blobs);
    let config = SymbolIntakeConfig::default();
    let symbols = SymbolIntake::new(config, store, fixture.database.clone(), &mut registry);
    crashes.router().merge(symbols.router())
}

/// Any upload of this kind.
fn sample(path: &str) -> Vec<u8> {
    match path {
        "/v1/crashes" => SmallDump::example().to_bytes(),
        "/v1/symbols" => {
            b"MODULE windows x86_64 3249D99D0C4049318610F4E4FB0B69361 crash.pdb\nFUNC 1000 20 0 main\n"
                .to_vec()
        }
        path => panic!("the document has no example of {path}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_intake_is_as_the_document_describes_it() {
    let Some(fixture) = Fixture::new().await else { return };
    let dir = TempDir::new().unwrap();
    let router = intake(&fixture, &dir).await;
    let document = document(&fixture).await;
    let described = operations(&document, "/v1/");
    let of_document = described.keys().map(|(path, _)| path.clone()).collect();
    assert_eq!(paths(&router, "/v1/"), of_document);
    check_methods(&router, &described).await;

    let strict = Strict::new(&document);
    for ((path, method), operation) in &described {
        let content = operation["requestBody"]["content"].as_object();
        let (media, body) = content
            .and_then(|content| content.iter().next())
            .map_or(("", &Value::Null), |(m, b)| (m.as_str(), b));
        let bytes = match (&body["example"], *method) {
            (_, "get") => Vec::new(),
            (Value::Null, _) => sample(path),
            (example, _) => example.to_string().into_bytes(),
        };
        let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
        let request = request.header("content-type", media).body(Body::from(bytes)).unwrap();
        check(&router, &strict, path, operation, request, StatusCode::OK).await;
        if *method == "post" {
            let nonsense = Request::post(path)
                .header("content-type", media)
                .body(Body::from("[{\"machine\":7}]"))
                .unwrap();
            check(&router, &strict, path, operation, nonsense, StatusCode::UNPROCESSABLE_ENTITY).await;
            let picture =
                Request::post(path).header("content-type", "image/png").body(Body::from("x")).unwrap();
            check(&router, &strict, path, operation, picture, StatusCode::UNSUPPORTED_MEDIA_TYPE).await;
        }
    }
    let wrong = Request::get("/v1/symbols/missing?before=x").body(Body::empty()).unwrap();
    let operation = described[&("/v1/symbols/missing".to_owned(), "get")];
    check(&router, &strict, "/v1/symbols/missing", operation, wrong, StatusCode::BAD_REQUEST).await;
    fixture.stop().await;
}

async fn check(
    router: &Router,
    strict: &Strict,
    path: &str,
    operation: &Value,
    request: Request<Body>,
    expected: StatusCode,
) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(status, expected, "{path}: {body}");
    strict.check(path, operation, status, &body);
}
