//! A receiver for tests: on loopback, takes any format, remembers everything and misbehaves as it is told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

/// Nothing here takes longer, except on a machine that is wholly overloaded.
const DEADLINE: Duration = Duration::from_secs(60);

/// How one request is answered; after the last of its answers a receiver says 202.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Status(u16),
    RetryAfter(u16, &'static str),
    Says(u16, &'static str),
    Hang,
    Redirect(String),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
    pub(super) body: Value,
    pub(super) at: Instant,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<[Answer]>,
    requests: Arc<Mutex<Vec<Request>>>,
}

pub(super) struct StandIn {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl StandIn {
    pub(super) async fn start(answers: &[Answer]) -> Self {
        // Another test of this process may have installed it.
        let _installed_before = rustls::crypto::ring::default_provider().install_default();
        let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
        let shared = Shared { answers: answers.into(), requests: Arc::clone(&requests) };
        let router = Router::new().fallback(receive).with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, requests, server }
    }

    /// One that resets every connection as soon as it has read something.
    pub(super) async fn resetting() -> Self {
        let mut stand_in = Self::start(&[]).await;
        stand_in.server.abort();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        stand_in.url = format!("http://{}", listener.local_addr().unwrap());
        stand_in.server = tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                // Closing with unread bytes is a reset.
                let _read = connection.read(&mut [0; 8]).await;
            }
        });
        stand_in
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// The first so many requests, once they are there.
    pub(super) async fn wait_for(&self, count: usize) -> Vec<Request> {
        let enough = async || Some(self.requests()).filter(|requests| requests.len() >= count);
        eventually("requests arrive", enough).await
    }
}

/// Asks until there is an answer.
pub(super) async fn eventually<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begun.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn receive(State(shared): State<Shared>, uri: Uri, headers: HeaderMap, bytes: Bytes) -> Response {
    let answer = {
        let body = serde_json::from_slice(&bytes).unwrap();
        let mut requests = shared.requests.lock().unwrap();
        requests.push(Request { path: uri.path().to_owned(), headers, bytes, body, at: Instant::now() });
        shared.answers.get(requests.len() - 1).cloned().unwrap_or(Answer::Status(202))
    };
    let status = |code| StatusCode::from_u16(code).unwrap();
    match answer {
        Answer::Status(code) => status(code).into_response(),
        Answer::RetryAfter(code, after) => (status(code), [("retry-after", after)]).into_response(),
        Answer::Says(code, words) => (status(code), words).into_response(),
        Answer::Hang => std::future::pending().await,
        Answer::Redirect(to) => Redirect::temporary(&to).into_response(),
    }
}
