//! Kept dumps for people: inflated while they are sent, and put into the spool once more. Never holds a dump in memory.

#![expect(clippy::disallowed_types, reason = "this is the capped inflater of what was kept: the one place")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::ZstdDecoder;
use async_compression::zstd::DParameter;
use futures_util::TryStreamExt as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::StreamReader;
use uuid::Uuid;

use super::{Blobs, BlobError, check_key, spool_key, store_error};
use object_store::ObjectStoreExt as _;

/// log2 of the largest window that a frame may ask for: what intake writes asks for far less.
const WINDOW_LOG: u32 = 27;

/// A kept dump, inflated: exactly as many bytes as it is known to have, or an error before the end, so that nobody takes
/// half a dump for a whole one.
pub struct Inflated {
    inner: Pin<Box<dyn AsyncRead + Send>>,
    left: u64,
}

impl std::fmt::Debug for Inflated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflated").field("left", &self.left).finish_non_exhaustive()
    }
}

impl AsyncRead for Inflated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 || buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let room = buf.remaining().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(self.inner.as_mut().poll_read(cx, &mut part))?;
        let read = part.filled().len();
        if read == 0 {
            let why = format!("the kept dump ends {} bytes too early", self.left);
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
        }
        buf.advance(read);
        self.left = self.left.saturating_sub(u64::try_from(read).unwrap_or(self.left));
        Poll::Ready(Ok(()))
    }
}

impl Blobs {
    /// A kept dump as it was uploaded, `raw_len` bytes.
    pub async fn inflated(&self, key: &str, raw_len: u64) -> Result<Inflated, BlobError> {
        let key = check_key(key)?;
        let found =
            self.store.get(&key).await.map_err(|source| store_error("reading", key.as_ref(), source))?;
        let bytes = StreamReader::new(found.into_stream().map_err(io::Error::other));
        let mut decoder = ZstdDecoder::with_params(bytes, &[DParameter::window_log_max(WINDOW_LOG)]);
        decoder.multiple_members(true);
        Ok(Inflated { inner: Box::pin(decoder), left: raw_len })
    }

    /// Puts a kept dump into the spool as if it were uploaded now; returns its key there. Whoever analyses it deletes that
    /// copy, never the kept one.
    pub async fn spool_again(&self, key: &str, crash_id: Uuid) -> Result<String, BlobError> {
        let key = check_key(key)?;
        let spooled = spool_key(crash_id);
        let to = check_key(&spooled)?;
        self.store.copy(&key, &to).await.map_err(|source| store_error("copying", key.as_ref(), source))?;
        Ok(spooled)
    }
}
