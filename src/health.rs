//! `/healthz` (the process answers), `/readyz` (its stores answer too) and `/metrics` (Prometheus text).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::registry::Registry;
use storage::database::Database;
use storage::queue::Queue;

/// A store that takes longer than this is not ready: load balancers commonly wait five seconds.
const PATIENCE: Duration = Duration::from_secs(3);

struct Shared {
    registry: Registry,
    database: Option<Database>,
    queue: Option<Queue>,
}

/// The three routes.
pub(crate) fn router(registry: Registry, database: Option<Database>, queue: Option<Queue>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Shared { registry, database, queue }))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    match tokio::time::timeout(PATIENCE, check(&shared)).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(which)) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{which} does not answer\n")).into_response()
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "a store takes too long to answer\n").into_response(),
    }
}

async fn check(shared: &Shared) -> Result<(), &'static str> {
    if let Some(database) = &shared.database
        && let Err(error) = database.ping().await
    {
        tracing::warn!(%error, "not ready: the database does not answer");
        return Err("the database");
    }
    if let Some(queue) = &shared.queue
        && let Err(error) = queue.state().await
    {
        tracing::warn!(%error, "not ready: the queue does not answer");
        return Err("the queue");
    }
    Ok(())
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "cannot encode the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
