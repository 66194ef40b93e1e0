//! Pages and the JSON API for people.
//!
//! Reads storage, and writes nothing but what people do to incidents. Each page is gathered as one plain struct, which
//! `/api/v1` serves as it is and the page renders; both have the same figures. Everything that came out of a dump is
//! hostile: it is shown through `text` and linked through `link`, and no page has a script of its own.
#![forbid(unsafe_code)]

mod access;
mod act;
mod api;
mod app;
mod assets;
mod chart;
mod disassembly;
mod dump;
mod expected;
mod gather;
mod layout;
mod link;
mod live;
mod metrics;
mod openapi;
mod pages;
mod query;
mod range;
mod report;
mod respond;
mod routes;
mod stats;
mod text;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use prometheus_client::registry::Registry;
use secrecy::SecretString;
use storage::{blobs::Blobs, database::Database, queue::Queue};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

use access::Access;
use app::App;
use metrics::DashboardsMetrics;
use routes::Routes;

pub use access::{AccessConfig, Network, NetworkError};

/// The pages, the JSON API and what they read from.
#[derive(Clone)]
pub struct Dashboards {
    database: Database,
    queue: Queue,
    blobs: Option<Blobs>,
    metrics: DashboardsMetrics,
    upload_url: String,
    access: AccessConfig,
    acts_token: Option<SecretString>,
    stop: CancellationToken,
}

impl Dashboards {
    /// Pages over `database`; the ledger compares it with `queue`.
    pub fn new(database: Database, queue: Queue, registry: &mut Registry) -> Self {
        let metrics = DashboardsMetrics::new(registry);
        let upload_url = "http://127.0.0.1:8080".to_owned();
        let access = AccessConfig::default();
        let stop = CancellationToken::new();
        Self { database, queue, blobs: None, metrics, upload_url, access, acts_token: None, stop }
    }

    /// Where machines upload, for the hint on an empty page.
    #[must_use]
    pub fn with_upload_url(mut self, url: impl Into<String>) -> Self {
        self.upload_url = url.into();
        self
    }

    /// Where dumps are kept: without, none is given out and none is analysed again.
    #[must_use]
    pub fn with_blobs(mut self, blobs: Blobs) -> Self {
        self.blobs = Some(blobs);
        self
    }

    /// Who may look, respond and administer. Where it names nobody, whoever is at this machine may do everything, and
    /// others may look. Requests need the `ConnectInfo` of their connection.
    #[must_use]
    pub fn with_access(mut self, access: AccessConfig) -> Self {
        self.access = access;
        self
    }

    /// A responder's token; alone, it leaves looking to everybody.
    #[must_use]
    pub fn with_acts_token(mut self, token: Option<SecretString>) -> Self {
        self.acts_token = token;
        self
    }

    /// Pages that update themselves hold a connection each: they let go of it when this is cancelled.
    #[must_use]
    pub fn with_stop(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Every path that has a route, as it was registered.
    pub fn paths() -> Vec<String> {
        routes().paths
    }

    /// Every page, the same as JSON, and the style sheet. Its fallback answers unknown paths, in JSON under `/api/v1`;
    /// axum merges it only with routers that have none of their own.
    pub fn router(self) -> Router {
        let metrics = self.metrics.clone();
        let access = Access::new(self.access, self.acts_token.as_ref());
        let app =
            App::new(self.database, self.queue, self.blobs, self.upload_url, access, self.metrics, self.stop);
        routes()
            .router
            .fallback(not_found)
            .layer(middleware::from_fn_with_state(app.clone(), access::gate))
            .layer(middleware::from_fn_with_state(metrics, metrics::count))
            .layer(middleware::map_response(respond::guard))
            .layer(CompressionLayer::new())
            .with_state(app)
    }
}

/// What each needs of who asks is said in `access/needs.rs`.
fn routes() -> Routes {
    Routes::default()
        .route("/", get(pages::fleet::page))
        .route("/audit", get(pages::audit::page))
        .route("/drivers/{name}", get(pages::driver::page))
        .route("/search", get(pages::search::page))
        .route("/crashes", get(pages::search::of_old))
        .route("/buckets/{bucket}", get(pages::bucket::page))
        .route("/buckets/{bucket}/notes", post(act::notes::form))
        .route("/crashes/{id}", get(pages::crash::page))
        .route("/crashes/{id}/dump", get(dump::download))
        .route("/crashes/{id}/analyse", post(act::analyse::form))
        .route("/incidents", get(pages::incidents::page))
        .route("/incidents/{id}", get(pages::incident::page))
        .route("/incidents/{id}/{act}", post(act::form))
        .route("/login", get(pages::login::page).post(pages::login::sign_in))
        .route("/logout", post(pages::login::sign_out))
        .route("/machines/{machine}", get(pages::machine::page))
        .route("/symbols", get(pages::symbols::page))
        .route("/status", get(pages::status::page))
        .route("/status/dead-letters/{partition}/{offset}", post(act::retry::form))
        .route("/targets", get(pages::targets::page))
        .route("/targets/{name}/test", post(act::test::form))
        .route("/api", get(pages::api::page))
        .route("/live", get(live::events))
        .merge(assets::routes())
        .nest(openapi::BASE, api::routes())
}

/// The page for a path that leads nowhere.
async fn not_found() -> axum::response::Response {
    respond::Fault::NotFound("There is no such page.".to_owned()).page()
}
