//! Forms: that of Crashpad and Breakpad, in which one part is the dump and the others say who, and one of symbol files.
//! Owns the parts' limits; hands a file's bytes on as they come.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use multer::{Field, Multipart};
use storage::blobs::Blobs;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::inflate::{Caps, Encoding, inflate};
use crate::origin::Origin;
use crate::received::{Received, receive};
use crate::refusal::Refusal;

/// The part that is the dump, as Breakpad and Crashpad name it.
const DUMP: &str = "upload_file_minidump";
/// Most parts: Crashpad sends some tens.
const PARTS: usize = 256;
/// How much of a part is kept before it is cut down to a tag's length.
const VALUE_BYTES: usize = 4 * 1024;
/// How far the parser may be ahead of what it gave: its buffer, and with it headers and boundaries without an end.
const AHEAD_BYTES: u64 = 256 * 1024;
/// What a form may hold besides the dump.
pub(crate) const FORM_BYTES: usize = 512 * 1024;
/// How much the parser gets at once.
const CHUNK: usize = 16 * 1024;

/// A form's parts, one after the other.
pub(crate) struct Parts {
    form: Multipart<'static>,
    given: Arc<AtomicU64>,
    seen: usize,
    most: usize,
}

/// One part.
pub(crate) struct Part {
    pub(crate) name: String,
    /// What a part that is a file was called.
    pub(crate) file_name: Option<String>,
    pub(crate) bytes: Counted,
}

impl Parts {
    /// Parts of a body, `most` at most.
    pub(crate) fn new(body: impl AsyncRead + Send + Unpin + 'static, boundary: String, most: usize) -> Self {
        let given = Arc::new(AtomicU64::new(0));
        let leash = Leash {
            stream: ReaderStream::with_capacity(body, CHUNK),
            taken: 0,
            given: Arc::clone(&given),
            rest: false,
        };
        Self { form: Multipart::new(leash, boundary), given, seen: 0, most }
    }

    /// The next one; the one before has to be read or dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, Refusal> {
        let Some(field) = self.form.next_field().await? else { return Ok(None) };
        self.seen = self.seen.saturating_add(1);
        if self.seen > self.most {
            return Err(Refusal::BadForm(format!("it has more than {} parts", self.most)));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let file_name = field.file_name().map(str::to_owned);
        let bytes = Counted { field, given: Arc::clone(&self.given) };
        Ok(Some(Part { name, file_name, bytes }))
    }
}

/// Reads a form to its end: the dump, and what its fields add to the origin.
pub(crate) async fn read(
    body: impl AsyncRead + Send + Unpin + 'static,
    boundary: String,
    origin: &mut Origin,
    blobs: &Blobs,
    (caps, max_inline_bytes): (Caps, usize),
) -> Result<Received, Refusal> {
    let mut parts = Parts::new(body, boundary, PARTS);
    let mut dump = None;
    while let Some(Part { name, file_name, bytes }) = parts.next().await? {
        if name == DUMP {
            if dump.is_some() {
                return Err(Refusal::BadForm(format!("it has {DUMP} twice: send one crash at a time")));
            }
            dump = Some(read_dump(bytes, blobs, caps, max_inline_bytes).await?);
        } else if file_name.is_some() {
            // Attachments (logs, screenshots) are nothing we look at.
            skip(bytes).await?;
        } else {
            let value = read_value(bytes, &name).await?;
            origin.add_field(&name, &value)?;
        }
    }
    dump.ok_or(Refusal::NoDump)
}

/// The dump's part. Some clients compress the file and not the body: gzip is known by its first bytes, which no dump
/// has.
async fn read_dump(
    mut field: Counted,
    blobs: &Blobs,
    caps: Caps,
    max_inline_bytes: usize,
) -> Result<Received, Refusal> {
    const GZIP: &[u8] = b"\x1f\x8b";
    let mut first = Vec::new();
    while first.len() < GZIP.len()
        && let Some(chunk) = field.next().await
    {
        first.extend_from_slice(&chunk.map_err(|error| Refusal::from_read(&error))?);
    }
    let encoding = if first.starts_with(GZIP) { Encoding::Gzip } else { Encoding::Identity };
    let input = io::Cursor::new(first).chain(StreamReader::new(field));
    receive(&mut inflate(encoding, input, caps), blobs, max_inline_bytes).await
}

/// The beginning of a part as text; the rest of it is passed over.
async fn read_value(mut field: Counted, name: &str) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    let mut is_cut = false;
    while let Some(chunk) = field.next().await {
        let chunk = chunk.map_err(|error| Refusal::from_read(&error))?;
        let room = VALUE_BYTES.saturating_sub(bytes.len()).min(chunk.len());
        bytes.extend_from_slice(chunk.get(..room).unwrap_or_default());
        is_cut |= room < chunk.len();
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        // The cut may have gone through a character.
        Err(error) if is_cut && error.utf8_error().error_len().is_none() => {
            Ok(String::from_utf8_lossy(error.as_bytes()).trim_end_matches('\u{fffd}').to_owned())
        }
        Err(_) => Err(Refusal::BadValue {
            what: format!("form field {}", crate::refusal::short(name)),
            why: "it is not UTF-8".to_owned(),
        }),
    }
}

/// Reads a part that nobody wants.
pub(crate) async fn skip(mut field: Counted) -> Result<(), Refusal> {
    while let Some(chunk) = field.next().await {
        chunk.map_err(|error| Refusal::from_read(&error))?;
    }
    Ok(())
}

/// Gives the parser one chunk at a time, and none when it is too far ahead. The parser takes whatever is ready before it
/// gives anything: a small gzip bomb would be whole in its buffer.
struct Leash<S> {
    stream: S,
    taken: u64,
    given: Arc<AtomicU64>,
    /// Whether the parser has to work before it gets more.
    rest: bool,
}

impl<S: Stream<Item = io::Result<Bytes>> + Unpin> Stream for Leash<S> {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rest) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.taken.saturating_sub(self.given.load(Ordering::Relaxed)) > AHEAD_BYTES {
            let refusal = Refusal::BadForm("its headers are too long".to_owned());
            return Poll::Ready(Some(Err(refusal.into())));
        }
        let next = ready!(self.stream.poll_next_unpin(cx));
        if let Some(Ok(chunk)) = &next {
            self.taken = self.taken.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            self.rest = true;
        }
        Poll::Ready(next)
    }
}

/// A part's bytes, counted as given.
pub(crate) struct Counted {
    field: Field<'static>,
    given: Arc<AtomicU64>,
}

impl Stream for Counted {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = ready!(self.field.poll_next_unpin(cx));
        if let Some(Ok(chunk)) = &next {
            self.given.fetch_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        Poll::Ready(next.map(|chunk| chunk.map_err(|error| Refusal::from(error).into())))
    }
}
