//! Somebody who asks as a browser does: from an address, with cookies, with the forms of our own pages.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request};

use crate::fixture::{Fixture, Page};

/// On the machine itself.
pub(crate) const HERE: &str = "127.0.0.1:5000";
/// On another one.
pub(crate) const THERE: &str = "192.0.2.1:5000";
/// A proxy that is trusted.
pub(crate) const PROXY: &str = "10.0.0.7:5000";

/// A browser with its cookies.
pub(crate) struct Browser {
    pub(crate) peer: SocketAddr,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) cookies: Vec<(String, String)>,
}

impl Browser {
    pub(crate) fn here() -> Self {
        Self::at(HERE)
    }

    pub(crate) fn at(peer: &str) -> Self {
        Self { peer: peer.parse().unwrap(), headers: Vec::new(), cookies: Vec::new() }
    }

    /// Behind a proxy that says this.
    pub(crate) fn behind(headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { headers, ..Self::at(PROXY) }
    }

    pub(crate) async fn send(
        &self,
        fixture: &Fixture,
        method: Method,
        address: &str,
        extra: &[(&str, &str)],
        body: String,
    ) -> Page {
        fixture.send(self.request(method, address, extra, body)).await
    }

    pub(crate) fn request(
        &self,
        method: Method,
        address: &str,
        extra: &[(&str, &str)],
        body: String,
    ) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(address).header("host", "127.0.0.1:8080");
        for (name, value) in &self.headers {
            request = request.header(name, value.as_bytes());
        }
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        request.extension(ConnectInfo(self.peer)).body(Body::from(body)).unwrap()
    }

    pub(crate) async fn get(&self, fixture: &Fixture, address: &str) -> Page {
        self.send(fixture, Method::GET, address, &[], String::new()).await
    }

    /// Sends a form of our own page.
    pub(crate) async fn post(&self, fixture: &Fixture, address: &str, fields: &[(&str, &str)]) -> Page {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", "http://127.0.0.1:8080"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(fixture, Method::POST, address, &headers, encoded(fields)).await
    }

    /// The token of the forms of a page; empty where it has none.
    pub(crate) async fn form_token(&self, fixture: &Fixture, page: &str) -> String {
        let body = self.get(fixture, page).await.body;
        let found = body.split_once("name=\"csrf\" value=\"").and_then(|(_, rest)| rest.split_once('"'));
        found.map(|(token, _)| token.to_owned()).unwrap_or_default()
    }

    pub(crate) async fn sign_in(&mut self, fixture: &Fixture, name: &str, token: &str) -> Page {
        let csrf = self.form_token(fixture, "/login?then=%2Fincidents").await;
        let fields = [("csrf", csrf.as_str()), ("name", name), ("token", token), ("then", "/incidents")];
        let page = self.post(fixture, "/login", &fields).await;
        self.keep(&page.headers);
        page
    }

    pub(crate) fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all("set-cookie") {
            let (pair, attributes) = line.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite=Lax"), "{line:?}");
            self.cookies.retain(|(known, _)| known != name);
            if !attributes.contains("Max-Age=0;") {
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
    }
}

pub(crate) fn encoded(fields: &[(&str, &str)]) -> String {
    let quoted = |text: &str| -> String { text.bytes().map(|byte| format!("%{byte:02X}")).collect() };
    let pairs: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", quoted(value))).collect();
    pairs.join("&")
}
