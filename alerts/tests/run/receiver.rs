//! A receiver of webhooks that verifies every signature and misbehaves as it is told.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bluescope_alerts::delivery::{Auth, Target, TargetKind};

use crate::fixture::eventually;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// How one request is answered; after the last of a receiver's answers it says 204.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Status(StatusCode, &'static [(&'static str, &'static str)]),
}

/// A request that was verified.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) body: serde_json::Value,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<[Answer]>,
    requests: Arc<Mutex<Vec<Request>>>,
}

pub(crate) struct Receiver {
    url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receiver {
    pub(crate) async fn start(answers: &[Answer]) -> Self {
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let shared = Shared { answers: answers.into(), requests: requests.clone() };
        let router = Router::new()
            .route("/hook", post(receive))
            .route("/api/v2/alerts", post(alerts))
            .with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, requests, server }
    }

    pub(crate) fn hook(&self, name: &str) -> Target {
        Target {
            name: name.to_owned(),
            kind: TargetKind::Webhook { secret: SECRET.to_owned().into() },
            url: self.url.clone().into(),
            allow_private: true,
            template: None,
        }
    }

    /// The same place as an Alertmanager.
    pub(crate) fn alertmanager(&self, name: &str) -> Target {
        Target {
            kind: TargetKind::Alertmanager { auth: Auth::None },
            url: self.url.trim_end_matches("/hook").into(),
            ..self.hook(name)
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// The request of this number, once it is there.
    pub(crate) async fn request(&self, index: usize) -> Request {
        eventually("a webhook arrives", async || self.requests.lock().unwrap().get(index).cloned()).await
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let verifier = standardwebhooks::Webhook::new(SECRET).unwrap();
    if let Err(error) = verifier.verify(&body, &headers) {
        return (StatusCode::BAD_REQUEST, error.to_string()).into_response();
    }
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let answer = {
        let mut requests = shared.requests.lock().unwrap();
        requests.push(Request { id, body: serde_json::from_slice(&body).unwrap() });
        shared.answers.get(requests.len() - 1).copied()
    };
    match answer {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(Answer::Status(status, headers)) => {
            let mut response = status.into_response();
            for (name, value) in headers {
                response.headers_mut().insert(*name, value.parse().unwrap());
            }
            response
        }
    }
}

async fn alerts(State(shared): State<Shared>, body: Bytes) -> StatusCode {
    let body = serde_json::from_slice(&body).unwrap();
    shared.requests.lock().unwrap().push(Request { id: String::new(), body });
    StatusCode::OK
}
