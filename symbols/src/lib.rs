//! Symbol files: what they are ([`identify`]), where they are fetched from ([`fetch`]), and what they say of an address:
//! names ([`names`]) and the frame below ([`unwind`]). Knows no dump, serves nothing, and judges nobody.
#![forbid(unsafe_code)]

pub mod fetch;
pub mod id;
pub mod identify;
pub mod image;
pub mod module;
pub mod names;
mod reader;
pub mod set;
pub mod unwind;

pub use breakpad_symbols::FrameWalker;
pub use fetch::{Library, LibraryConfig, PrivateStore, PrivateStoreError};
pub use id::{FileId, ImageId, PdbId};
pub use image::{Image, Machine};
pub use module::{Module, Names};
pub use set::{Answer, Missing, SymbolSet, Want};
