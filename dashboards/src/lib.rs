//! Pages and the JSON API for people.
//!
//! Reads storage, and writes nothing but what people do to incidents. Each page is gathered as one plain struct, which
//! `/api/v1` serves as it is and the page renders; both have the same figures. Everything that came out of a dump is
//! hostile: it is shown through `text` and linked through `link`, and there is no script on any page.
#![forbid(unsafe_code)]

mod act;
mod api;
mod app;
mod chart;
mod gather;
mod layout;
mod link;
mod metrics;
mod pages;
mod range;
mod report;
mod respond;
mod stats;
mod text;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use storage::{database::Database, queue::Queue};

use act::Permit;
use app::App;
use metrics::DashboardsMetrics;

/// The pages, the JSON API and what they read from.
#[derive(Clone)]
pub struct Dashboards {
    database: Database,
    queue: Queue,
    metrics: DashboardsMetrics,
    upload_url: String,
    acts_token: Option<SecretString>,
}

impl Dashboards {
    /// Pages over `database`; the ledger compares it with `queue`.
    pub fn new(database: Database, queue: Queue, registry: &mut Registry) -> Self {
        let metrics = DashboardsMetrics::new(registry);
        Self { database, queue, metrics, upload_url: "http://127.0.0.1:8080".to_owned(), acts_token: None }
    }

    /// Where machines upload, for the hint on an empty page.
    #[must_use]
    pub fn with_upload_url(mut self, url: impl Into<String>) -> Self {
        self.upload_url = url.into();
        self
    }

    /// Whoever sends this token may act on incidents. Without one, whoever is at this machine may: requests then need the
    /// `ConnectInfo` of their connection.
    #[must_use]
    pub fn with_acts_token(mut self, token: Option<SecretString>) -> Self {
        self.acts_token = token;
        self
    }

    /// Every page, the same as JSON, and the style sheet. Its fallback answers unknown paths, in JSON under `/api/v1`;
    /// axum merges it only with routers that have none of their own.
    pub fn router(self) -> Router {
        let metrics = self.metrics.clone();
        let app = App::new(self.database, self.queue, self.upload_url, Permit::new(self.acts_token.as_ref()));
        Router::new()
            .route("/", get(pages::fleet::page))
            .route("/drivers/{name}", get(pages::driver::page))
            .route("/crashes", get(pages::crashes::page))
            .route("/crashes/{id}", get(pages::crash::page))
            .route("/incidents", get(pages::incidents::page))
            .route("/incidents/{id}", get(pages::incident::page))
            .route("/machines/{machine}", get(pages::machine::page))
            .route("/symbols", get(pages::symbols::page))
            .route("/status", get(pages::status::page))
            .route("/targets", get(pages::targets::page))
            .route("/style.css", get(layout::style))
            .route("/favicon.svg", get(layout::icon))
            .nest("/api/v1", api::router())
            .fallback(not_found)
            .layer(middleware::from_fn_with_state(metrics, metrics::count))
            .layer(middleware::map_response(respond::guard))
            .with_state(app)
    }
}

/// The page for a path that leads nowhere.
async fn not_found() -> axum::response::Response {
    respond::Fault::NotFound("There is no such page.".to_owned()).page()
}
