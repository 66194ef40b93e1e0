//! Large dumps that are written here, page by page: what is read of them, sound, damaged and hostile.
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
