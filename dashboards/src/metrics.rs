//! What the dashboards tell Prometheus: how many requests, how they ended, how long they took.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// All of them; clones share the values.
#[derive(Debug, Clone)]
pub(crate) struct DashboardsMetrics {
    requests: Family<Labels, Counter>,
    duration: Histogram,
    sign_ins: Family<SignIn, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignIn {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    /// The route's pattern, never the path itself: paths are chosen by whoever asks.
    route: String,
    status: u16,
}

impl DashboardsMetrics {
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            duration: Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0]),
            sign_ins: Family::default(),
        };
        let to = registry.sub_registry_with_prefix("dashboards");
        to.register("requests", "Requests answered, by route and status", metrics.requests.clone());
        to.register_with_unit(
            "request_duration",
            "Time until an answer was ready",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        to.register("sign_ins", "Sign-ins, by outcome: in, refused, slowed", metrics.sign_ins.clone());
        metrics
    }

    /// Counts a sign-in.
    pub(crate) fn sign_in(&self, outcome: &'static str) {
        self.sign_ins.get_or_create(&SignIn { outcome }).inc();
    }
}

/// Counts one request.
pub(crate) async fn count(
    State(metrics): State<DashboardsMetrics>,
    request: Request,
    next: Next,
) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    metrics.duration.observe(begun.elapsed().as_secs_f64());
    metrics.requests.get_or_create(&Labels { route, status: response.status().as_u16() }).inc();
    response
}
