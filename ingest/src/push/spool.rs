//! Uploads on their way into temporary files of the store. Looks at no byte of them.

use std::io;

use storage::symbols::SymbolStore;
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncWriteExt as _, BufWriter};
use tokio_util::io::StreamReader;

use crate::form::{Part, Parts, skip};
use crate::refusal::{Refusal, storage_failed};

/// Each write to a file is a trip to another thread: fewer and larger ones.
const STEP: usize = 256 * 1024;
/// Files and fields of one form.
const MOST_PARTS: usize = 256;

/// A file that arrived whole.
#[derive(Debug)]
pub(super) struct Spooled {
    /// What it was called.
    pub(super) name: String,
    pub(super) path: TempPath,
}

/// Writes one file down.
pub(super) async fn file(
    name: String,
    reader: &mut (impl AsyncRead + Unpin),
    store: &SymbolStore,
) -> Result<Spooled, Refusal> {
    let (file, path) = store.temp_file().map_err(storage_failed)?.into_parts();
    let mut file = BufWriter::with_capacity(STEP, File::from_std(file));
    tokio::io::copy(reader, &mut file).await.map_err(|error| failed(&error))?;
    file.flush().await.map_err(|error| failed(&error))?;
    Ok(Spooled { name, path })
}

/// Writes every file of a form down; its fields are passed over.
pub(super) async fn form(
    body: impl AsyncRead + Send + Unpin + 'static,
    boundary: String,
    store: &SymbolStore,
) -> Result<Vec<Spooled>, Refusal> {
    let mut parts = Parts::new(body, boundary, MOST_PARTS);
    let mut files = Vec::new();
    while let Some(Part { file_name, bytes, .. }) = parts.next().await? {
        match file_name {
            Some(name) => files.push(file(name, &mut StreamReader::new(bytes), store).await?),
            None => skip(bytes).await?,
        }
    }
    if files.is_empty() { Err(Refusal::NoFile) } else { Ok(files) }
}

/// Whatever goes wrong while reading is a refusal already; all else is the disk's.
fn failed(error: &io::Error) -> Refusal {
    Refusal::inside(error).unwrap_or_else(|| {
        tracing::error!(cause = ?error, "a symbol file was not written down");
        Refusal::Unavailable
    })
}
