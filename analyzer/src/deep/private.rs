//! The symbol files that people pushed, as the library asks for them.

use bytes::Bytes;
use std::pin::Pin;
use storage::symbols::{SymbolKey, SymbolStore};
use symbols::{FileId, PrivateStore, PrivateStoreError};

/// Reads the private store; largest file it reads into memory.
#[derive(Debug)]
pub struct PrivateSymbols {
    store: SymbolStore,
    limit: u64,
}

impl PrivateSymbols {
    /// Files of at most `limit` bytes.
    pub fn new(store: SymbolStore, limit: u64) -> Self {
        Self { store, limit }
    }
}

impl PrivateStore for PrivateSymbols {
    fn get<'s>(
        &'s self,
        scope: &'s str,
        id: &'s FileId,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Bytes>, PrivateStoreError>> + Send + 's>> {
        Box::pin(async move {
            // What could not have been pushed was not.
            let Some(key) = SymbolKey::new(id.name(), &id.key(), &id.file_name()) else { return Ok(None) };
            self.store.get(scope, &key, self.limit).await.map_err(|error| PrivateStoreError(Box::new(error)))
        })
    }
}
