//! Bodies of notifications, one file a receiver's format. Pure: an incident in, JSON out, no secret in it; what only the
//! moment of sending knows (a key, an end that lies ahead) is added by `wire`.

pub(super) mod alertmanager;
pub(super) mod pagerduty;
pub(super) mod slack;
pub(super) mod teams;
pub(super) mod webhook;

use serde_json::Value;

use super::story::Fact;

/// The largest body that fits, with as many facts as it takes; the last ones are the least important.
fn fit(longest: usize, facts: &[Fact], render: impl Fn(&[Fact]) -> Value) -> Value {
    let mut kept = facts;
    loop {
        let body = render(kept);
        match kept.split_last() {
            Some((_, fewer)) if body.to_string().len() > longest => kept = fewer,
            _ => return body,
        }
    }
}
