//! What each page shows, as plain structs: asked of storage here, served as JSON as they are, rendered by `pages`.

pub(crate) mod audit;
pub(crate) mod bucket;
pub(crate) mod crash;
pub(crate) mod crashes;
pub(crate) mod driver;
pub(crate) mod fleet;
pub(crate) mod gate;
pub(crate) mod hardware;
pub(crate) mod incidents;
pub(crate) mod ledger;
pub(crate) mod machine;
pub(crate) mod named;
pub(crate) mod search;
pub(crate) mod status;
pub(crate) mod symbols;
pub(crate) mod targets;

/// Lines of a list that is not the page's main matter.
const FEW: u32 = 20;
