#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "tests write memory by hand"
)]

mod kdmp;
mod lists;
mod machine;
mod paging;

use machine::{Kind, Machine};
