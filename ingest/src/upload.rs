//! One upload, step by step: who, how large, read, identify, make durable, answer. Reads the wall clock, once.

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Json, Response};
use http::request::Parts;
use http::{StatusCode, header};
use serde::Serialize;
use storage::blobs::{Blobs, spool_key};
use storage::message::{Content, META_VERSION, Message, Meta};
use storage::queue::Queue;
use tokio::io::AsyncBufReadExt as _;
use uuid::Uuid;

use crate::Inner;
use crate::admission::Need;
use crate::body::{Incoming, WireLimits};
use crate::config::FORM_ROOM;
use crate::form;
use crate::inflate::{Caps, Encoding, inflate};
use crate::metrics::Outcome;
use crate::origin::{Origin, network};
use crate::received::{Compressed, receive};
use crate::refusal::{Refusal, short, storage_failed};

/// `POST /v1/crashes`.
pub(crate) async fn upload(State(ingest): State<Arc<Inner>>, request: Request) -> Response {
    let begin = Instant::now();
    let (request, body) = request.into_parts();
    let body = Incoming::new(body);
    ingest.metrics.under_way.inc();
    let _leaving = Leaving(&ingest);
    let taken = take(&ingest, &request, &body).await;
    let (outcome, response) = match taken {
        Ok(accepted) => ("accepted", accepted.into_response(&request)),
        Err(refusal) => {
            // A client that waits for `100 Continue` has sent nothing yet, and must not be asked to.
            let sends = body.bytes() > 0 || !request.headers.contains_key(header::EXPECT);
            if refusal.may_leave_body() && sends {
                body.clone().drain().await;
            }
            log(&refusal, &request, body.bytes());
            (refusal.code(), refusal.into_response(ingest.next_spread()))
        }
    };
    ingest.metrics.received.inc_by(body.bytes());
    ingest.metrics.uploads.get_or_create(&Outcome { outcome }).inc();
    ingest.metrics.upload_duration.observe(begin.elapsed().as_secs_f64());
    response
}

/// Counts an upload out however it ends; a client that goes away drops the whole call.
struct Leaving<'a>(&'a Inner);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.metrics.under_way.dec();
        self.0.show_held();
    }
}

/// An upload that is durable.
struct Accepted {
    crash_id: Uuid,
    is_form: bool,
}

/// Takes an upload, or says why not. What can be refused by the head alone is refused before the body is read.
async fn take(ingest: &Inner, request: &Parts, body: &Incoming) -> Result<Accepted, Refusal> {
    let config = &ingest.config;
    let tenant = ingest.tenants.tenant(request)?.to_owned();
    let encoding = Encoding::of(&request.headers)?;
    let boundary = boundary(request)?;
    let declared = declared_length(request);
    if declared.is_some_and(|bytes| bytes > config.max_upload_bytes.saturating_add(FORM_ROOM)) {
        return Err(Refusal::TooLarge { limit: config.max_upload_bytes });
    }
    let mut origin = Origin::from_headers(request)?;
    let is_form = boundary.is_some();
    let mut wire = body.reader(WireLimits::from(config));
    let encoding = match encoding {
        // The first frame's header says how much of the largest window it needs.
        Encoding::Zstd { .. } => {
            encoding.bound_to(wire.fill_buf().await.map_err(|error| Refusal::from_read(&error))?)
        }
        Encoding::Identity | Encoding::Gzip => encoding,
    };
    let share = ingest.admission.enter(Need { encoding, is_form, declared }, config).await?;
    ingest.show_held();

    let caps = Caps { bytes: config.max_upload_bytes, ratio: config.max_ratio };
    let received = match boundary {
        None => receive(&mut inflate(encoding, wire, caps), &ingest.blobs, config.max_inline_bytes).await?,
        Some(boundary) => {
            let form = inflate(encoding, wire, Caps { bytes: caps.bytes.saturating_add(FORM_ROOM), ..caps });
            let limits = (caps, config.max_inline_bytes);
            form::read(form, boundary, &mut origin, &ingest.blobs, limits).await?
        }
    };
    let identity = dump::identify(&received.head, &received.digest, received.raw_len)?;
    let crash_id = Uuid::from_bytes(identity.id.0);
    ingest.count(&received, &origin);
    let (machine, network) = (origin.machine(request), network(request));
    tracing::debug!(
        %crash_id, tenant, machine, format = identity.format.as_str(), raw_len = received.raw_len,
        stored_len = received.stored_len, form = is_form, "upload received"
    );
    let (ring, site, tags) = origin.into_rest();
    let meta = Meta {
        version: META_VERSION,
        crash_id,
        tenant,
        machine,
        ring,
        site,
        network,
        tags,
        received_at_ms: now_ms(),
        raw_len: received.raw_len,
        content: Content::Inline,
    };
    let begin = Instant::now();
    // A task of its own: a client that hangs up now must not leave a blob without its message.
    let storing = store(ingest.queue.clone(), ingest.blobs.clone(), meta, received.compressed);
    // The memory is given back with the bytes, not with the client.
    let stored = tokio::spawn(async move {
        let stored = storing.await;
        drop(share);
        stored
    });
    stored.await.map_err(|error| {
        tracing::error!(cause = ?error, "the upload was not stored");
        Refusal::Unavailable
    })??;
    ingest.metrics.append_duration.observe(begin.elapsed().as_secs_f64());
    Ok(Accepted { crash_id, is_form })
}

/// The boundary of a form; none for a dump as it is. curl's and others' default types count as that.
pub(crate) fn boundary(request: &Parts) -> Result<Option<String>, Refusal> {
    let Some(value) = request.headers.get(header::CONTENT_TYPE) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "multipart/form-data" {
        let boundary = multer::parse_boundary(text.as_ref())
            .map_err(|_no_boundary| Refusal::BadForm("its Content-Type has no boundary".to_owned()))?;
        return Ok(Some(boundary));
    }
    let is_bytes = kind.is_empty() || kind.starts_with("application/");
    if is_bytes { Ok(None) } else { Err(Refusal::UnknownType(short(&kind))) }
}

pub(crate) fn declared_length(request: &Parts) -> Option<u64> {
    request.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Makes an upload durable: in the queue, or its bytes in the blob store first and then its key in the queue.
async fn store(queue: Queue, blobs: Blobs, mut meta: Meta, compressed: Compressed) -> Result<(), Refusal> {
    let crash_id = meta.crash_id;
    let key = spool_key(crash_id);
    match compressed {
        Compressed::Memory(value) => {
            let inline = Message { meta: meta.clone(), value: value.clone() };
            match queue.append(inline).await {
                // The inline limit is set higher than the queue's.
                Err(error) if error.is_too_large() => {
                    tracing::debug!(%crash_id, %error, "too large for the queue, stored as a blob");
                    blobs.put(&key, value).await.map_err(storage_failed)?;
                }
                appended => return appended.map_err(|error| append_failed(crash_id, &error)),
            }
        }
        Compressed::File(path) => blobs.put_file(&key, path).await.map_err(storage_failed)?,
    }
    meta.content = Content::Blob(key.clone());
    let appended = queue.append(Message { meta, value: bytes::Bytes::new() }).await;
    let Err(error) = appended else { return Ok(()) };
    if error.is_full()
        && let Err(error) = blobs.delete(&key).await
    {
        // Only after a certain no: in any other failure the message may be there, and needs its blob.
        tracing::warn!(key, cause = ?error, "a blob without a message stays behind");
    }
    Err(append_failed(crash_id, &error))
}

fn append_failed(crash_id: Uuid, error: &storage::queue::QueueError) -> Refusal {
    tracing::warn!(%crash_id, cause = ?error, "the upload was not queued");
    error.into()
}

pub(crate) fn log(refusal: &Refusal, request: &Parts, received: u64) {
    let (status, code) = (refusal.status().as_u16(), refusal.code());
    if status >= 500 {
        tracing::warn!(status, code, received, "upload refused: {refusal}");
    } else {
        let agent = request
            .headers
            .get(header::USER_AGENT)
            .map(|agent| short(&String::from_utf8_lossy(agent.as_bytes())));
        tracing::info!(status, code, received, agent, "upload refused: {refusal}");
    }
}

#[derive(Serialize)]
struct Receipt {
    crash_id: Uuid,
}

impl Accepted {
    /// JSON; for a form the text that crash reporters expect. Breakpad's sender looks for `CrashID=` (Socorro's answer,
    /// which puts `bp-` before the id), Crashpad keeps the whole text as the report's id. A form's sender that asks for
    /// JSON gets JSON.
    fn into_response(self, request: &Parts) -> Response {
        let crash_id = self.crash_id;
        let accepts = request.headers.get(header::ACCEPT).map(|accept| accept.as_bytes()).unwrap_or_default();
        if self.is_form && !String::from_utf8_lossy(accepts).contains("application/json") {
            return (StatusCode::OK, format!("CrashID=bp-{crash_id}\n")).into_response();
        }
        (StatusCode::OK, Json(Receipt { crash_id })).into_response()
    }
}

pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
