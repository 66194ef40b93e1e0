//! Symbol files from their sources: a cache on disk, local folders, symbol servers, object stores, in the order of the
//! configuration. The rim of this crate: everything else is pure.

use bytes::Bytes;
use prometheus_client::registry::Registry;

use crate::id::FileId;
use crate::set::{Answer, Want};

/// Where to look, and how long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibraryConfig {}

/// The private store failed.
#[derive(Debug, thiserror::Error)]
#[error("the private symbol store failed")]
pub struct PrivateStoreError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Files that people pushed, asked before any other source. A scope (a tenant) sees only its own.
pub trait PrivateStore: Send + Sync + std::fmt::Debug {
    /// The file's bytes; `None` where it is not there.
    fn get<'s>(
        &'s self,
        scope: &'s str,
        id: &'s FileId,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Option<Bytes>, PrivateStoreError>> + Send + 's>>;
}

/// Loaded files, and the way to get others.
#[derive(Debug)]
pub struct Library {}

impl Library {
    /// Opens the cache; asks nobody yet.
    ///
    /// # Errors
    /// Where the cache cannot be opened, or a source is none.
    pub fn open(
        config: LibraryConfig,
        private: Option<std::sync::Arc<dyn PrivateStore>>,
        registry: &mut Registry,
    ) -> Result<Self, String> {
        let _ = (config, private, registry);
        Ok(Self {})
    }

    /// Fetches and loads, all wants side by side. Always answers, in bounded time.
    pub async fn get(&self, scope: &str, wants: &[Want]) -> Vec<(Want, Answer)> {
        let _ = (scope, wants);
        Vec::new()
    }
}
