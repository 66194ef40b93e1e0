//! Schema, writes and questions against the embedded engine, or against the server that `CLICKHOUSE_URL` names.
#![expect(clippy::unwrap_used, reason = "a test's helpers fail and speak as tests do")]

#[path = "database/acts.rs"]
mod acts;
#[path = "database/audit.rs"]
mod audit;
#[path = "database/buckets.rs"]
mod buckets;
#[path = "database/counts.rs"]
mod counts;
#[path = "database/deep.rs"]
mod deep;
#[path = "database/drivers.rs"]
mod drivers;
#[path = "database/exposed.rs"]
mod exposed;
#[path = "database/fixture.rs"]
mod fixture;
#[path = "database/grafana.rs"]
mod grafana;
#[path = "database/hours.rs"]
mod hours;
#[path = "database/incidents.rs"]
mod incidents;
#[path = "database/lists.rs"]
mod lists;
#[path = "database/live.rs"]
mod live;
#[path = "database/newcomers.rs"]
mod newcomers;
#[path = "database/reblame.rs"]
mod reblame;
#[path = "database/rollout.rs"]
mod rollout;
#[path = "database/schema.rs"]
mod schema;
#[path = "database/search.rs"]
mod search;
#[path = "database/signals.rs"]
mod signals;
#[path = "database/suspects.rs"]
mod suspects;
#[path = "database/windows.rs"]
mod windows;
