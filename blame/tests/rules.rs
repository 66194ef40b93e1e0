//! Every rule on short made-up crashes: what is known on one side, what is said on the other, printed as a table.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may")]

#[path = "rules/crash.rs"]
mod crash;
#[path = "rules/general.rs"]
mod general;
#[path = "rules/kernel.rs"]
mod kernel;
#[path = "rules/properties.rs"]
mod properties;
#[path = "rules/scene.rs"]
mod scene;
#[path = "rules/table.rs"]
mod table;
#[path = "rules/user.rs"]
mod user;
