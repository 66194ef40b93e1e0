//! One file per page: a handler that gathers, and a pure function that renders.

pub(crate) mod api;
pub(crate) mod audit;
pub(crate) mod bucket;
pub(crate) mod crash;
pub(crate) mod driver;
pub(crate) mod fleet;
pub(crate) mod incident;
pub(crate) mod incidents;
pub(crate) mod login;
pub(crate) mod machine;
pub(crate) mod search;
mod stands_out;
pub(crate) mod status;
pub(crate) mod symbols;
pub(crate) mod targets;

use axum::response::Html;

use crate::respond::PageFault;

/// What a page's handler returns.
type Answer = Result<Html<String>, PageFault>;
