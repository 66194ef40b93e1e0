//! Fetching, against servers on the loopback that misbehave in every way that was thought of.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as tests do")]

#[path = "fetch/server.rs"]
mod server;
#[path = "fetch/support.rs"]
mod support;

#[path = "fetch/cache.rs"]
mod cache;
#[path = "fetch/content.rs"]
mod content;
#[path = "fetch/failing.rs"]
mod failing;
#[path = "fetch/places.rs"]
mod places;
#[path = "fetch/private.rs"]
mod private;
#[path = "fetch/redirects.rs"]
mod redirects;
