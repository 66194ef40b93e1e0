//! The one place that inflates, and nothing gets out of it uncapped: neither in bytes nor in relation to what went in.

#![expect(clippy::disallowed_types, reason = "this is the capped inflater: the one place")]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use http::{HeaderMap, header};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use crate::refusal::{Refusal, short};
use crate::window::window_log;

/// Below this the ratio says nothing: a few KiB of zeros are no bomb.
pub(crate) const RATIO_FROM_BYTES: u64 = 4 * 1024 * 1024;
/// log2 of the largest zstd window: 8 MiB, the most that the coding allows on the web (RFC 9659). A frame may ask for
/// 128 MiB by default, and one request would hold them.
const WINDOW_LOG: u32 = 23;
/// What a zstd decoder holds besides its window.
const ZSTD_DECODER_BYTES: usize = 256 * 1024;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    /// No frame may ask for a larger window than this (log2).
    Zstd {
        window_log: u32,
    },
}

impl Encoding {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
        let unknown = |name: &[u8]| Refusal::UnknownEncoding(short(&String::from_utf8_lossy(name)));
        let Some(value) = values.next() else { return Ok(Self::Identity) };
        if values.next().is_some() {
            return Err(unknown(b"several"));
        }
        match value.as_bytes().trim_ascii().to_ascii_lowercase().as_slice() {
            b"" | b"identity" => Ok(Self::Identity),
            b"gzip" | b"x-gzip" => Ok(Self::Gzip),
            b"zstd" => Ok(Self::Zstd { window_log: WINDOW_LOG }),
            _ => Err(unknown(value.as_bytes())),
        }
    }

    /// The same, bound to the window of the frame at hand: small dumps ask for far less than the most there is.
    pub(crate) fn bound_to(self, head: &[u8]) -> Self {
        match (self, window_log(head)) {
            (Self::Zstd { window_log: most }, Some(log)) => Self::Zstd { window_log: log.min(most) },
            _ => self,
        }
    }

    /// What a decoder may hold.
    pub(crate) fn decoder_bytes(self) -> usize {
        match self {
            Self::Identity => 0,
            Self::Gzip => 64 * 1024,
            Self::Zstd { window_log } => (1usize << window_log).saturating_add(ZSTD_DECODER_BYTES),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Identity => "bytes",
            Self::Gzip => "gzip",
            Self::Zstd { .. } => "zstd",
        }
    }
}

/// How much may come out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caps {
    pub(crate) bytes: u64,
    pub(crate) ratio: u64,
}

/// What comes out, within its caps.
pub(crate) struct Inflated<'a> {
    encoding: Encoding,
    inner: Pin<Box<dyn AsyncRead + Send + 'a>>,
    taken: Arc<AtomicU64>,
    given: u64,
    caps: Caps,
}

/// Inflates `input`; a body that is not compressed passes through the same caps.
pub(crate) fn inflate<'a>(
    encoding: Encoding,
    input: impl AsyncBufRead + Send + Unpin + 'a,
    caps: Caps,
) -> Inflated<'a> {
    let taken = Arc::new(AtomicU64::new(0));
    let input = Counted { inner: input, taken: Arc::clone(&taken) };
    let inner: Pin<Box<dyn AsyncRead + Send + 'a>> = match encoding {
        Encoding::Identity => Box::pin(input),
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(input);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Encoding::Zstd { window_log } => {
            let mut decoder = ZstdDecoder::with_params(input, &[DParameter::window_log_max(window_log)]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
    };
    Inflated { encoding, inner, taken, given: 0, caps }
}

impl AsyncRead for Inflated<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Err(error) = ready!(self.inner.as_mut().poll_read(cx, buf)) {
            // What is not from below is the decoder's own complaint.
            let refusal = Refusal::inside(&error).unwrap_or(Refusal::BadEncoding(self.encoding.name()));
            return Poll::Ready(Err(refusal.into()));
        }
        let more = buf.filled().len().saturating_sub(before);
        self.given = self.given.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        let allowed = self.taken.load(Ordering::Relaxed).saturating_mul(self.caps.ratio);
        let refusal = if self.given > self.caps.bytes {
            Refusal::TooLarge { limit: self.caps.bytes }
        } else if self.given > RATIO_FROM_BYTES && self.given > allowed {
            Refusal::Bomb { max_ratio: self.caps.ratio }
        } else {
            return Poll::Ready(Ok(()));
        };
        // A reader that fails has given nothing: tokio's `read_to_end` panics on one that has.
        buf.set_filled(before);
        Poll::Ready(Err(refusal.into()))
    }
}

/// Counts what a decoder takes.
struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R> Counted<R> {
    fn count(&self, bytes: usize) {
        self.taken.fetch_add(u64::try_from(bytes).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl<R: AsyncBufRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.count(buf.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<R: AsyncBufRead + Unpin> AsyncBufRead for Counted<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().inner).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, bytes: usize) {
        self.count(bytes);
        Pin::new(&mut self.inner).consume(bytes);
    }
}
