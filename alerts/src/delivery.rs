//! Who is told, and how it arrives: from a step of an incident's life to a receiver's 2xx.
//!
//! `notices` is pure: which targets hear of a step, with the bodies that they get, under ids that a replay makes again.
//! The alerts loop writes these rows in the same transaction as the step itself; the [`Outbox`] sends them until each
//! receiver has said yes, says no for good, or a day is over. Never decides what is an incident.

mod address;
mod body;
mod config;
mod lane;
mod limit;
mod metrics;
mod notices;
mod outbox;
mod plain;
mod repeat;
mod rollout;
mod route;
#[cfg(test)]
pub(crate) mod samples;
mod schedule;
mod send;
#[cfg(test)]
mod stand_in;
mod story;
mod target;
mod template;
mod trial;
mod wire;

pub use self::body::webhook::{Payload, schema};
pub use self::config::DeliveryConfig;
pub use self::lane::{Health, TargetState};
pub use self::metrics::DeliveryMetrics;
pub use self::notices::notices;
pub use self::outbox::{Letterbox, Outbox};
pub(crate) use self::plain::chain;
pub(crate) use self::repeat::is_marker;
pub use self::rollout::{RolloutStop, rollout_notices};
pub use self::route::Route;
pub use self::story::Example;
pub use self::target::{Auth, PAGERDUTY_URL, Target, TargetFault, TargetKind};
pub use self::template::{Template, TemplateFault};
pub use self::trial::{Report, test_target};
