//! The HTTP face: connections in, answers out, in ClickHouse's own statuses and headers.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, service::service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::core::Core;
use crate::ffi::Summary;
use crate::request::{self, Bad};
use crate::run::{self, Output};

/// How long a stop waits for statements under way before it ends them.
const DRAIN: Duration = Duration::from_secs(5);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves until `stop`, then answers what is under way or ends it.
pub(crate) async fn serve(listener: TcpListener, core: &Arc<Core>, stop: &CancellationToken) {
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, as a rule: wait for some to come back.
                tracing::warn!(%error, "the embedded engine could not accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a loopback connection without TCP_NODELAY");
        }
        let core = Arc::clone(core);
        let service = service_fn(move |request| {
            let core = Arc::clone(&core);
            async move { Ok::<_, Infallible>(answer(&core, request).await) }
        });
        let connection =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a client of the embedded engine went away");
            }
        });
    }
    drop(listener);
    // Idle connections close at once; the others get some time.
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("statements still run in the embedded engine after {DRAIN:?}: ending them");
        core.end_all();
    }
}

async fn answer(core: &Arc<Core>, request: Request<Incoming>) -> Response<Body> {
    match (request.method(), request.uri().path(), request.uri().query()) {
        (&Method::GET | &Method::HEAD, "/ping", _) | (&Method::GET | &Method::HEAD, "/", None) => {
            respond(StatusCode::OK, text("Ok.\n"))
        }
        (&Method::GET | &Method::POST, "/", _) => {
            let id = uuid::Uuid::new_v4().to_string();
            match execute(core, request, &id).await {
                Ok(response) => response,
                Err(bad) => refuse(&bad, &id),
            }
        }
        _ => respond(StatusCode::NOT_FOUND, text("There is no handle here. Use / or /ping.\n")),
    }
}

async fn execute(core: &Arc<Core>, request: Request<Incoming>, id: &str) -> Result<Response<Body>, Bad> {
    let asked = request::read(request, &core.password).await?;
    let mut response = match run::run(core, asked).await? {
        Output::Whole { format, bytes, summary } => {
            let mut response = respond(StatusCode::OK, Full::new(bytes).boxed_unsync());
            set(&mut response, "x-clickhouse-format", &format);
            set(&mut response, "x-clickhouse-summary", &summary_text(summary));
            response
        }
        Output::Pieces { format, first, rest } => {
            let tag = id.get(..16).unwrap_or_default().replace('-', "_");
            let pieces = stream::unfold(Some((Some(first), rest, tag.clone())), next_piece);
            let mut response = respond(StatusCode::OK, StreamBody::new(pieces).boxed_unsync());
            set(&mut response, "x-clickhouse-format", &format);
            set(&mut response, "x-clickhouse-exception-tag", &tag);
            response
        }
    };
    set(&mut response, "x-clickhouse-query-id", id);
    Ok(response)
}

type Pieces = Option<(Option<Bytes>, run::Pieces, String)>;

/// The next frame of a body whose status has been sent: an error can only be told inside of it, as ClickHouse does.
async fn next_piece(state: Pieces) -> Option<(Result<Frame<Bytes>, Infallible>, Pieces)> {
    let (first, mut rest, tag) = state?;
    if let Some(first) = first {
        return Some((Ok(Frame::data(first)), Some((None, rest, tag))));
    }
    match rest.next().await? {
        Ok(bytes) => Some((Ok(Frame::data(bytes)), Some((None, rest, tag)))),
        Err(error) => {
            let error = error.trim_end();
            let length = error.len() + 1;
            let told = format!("\r\n__exception__\r\n{tag}\r\n{error}\n{length} {tag}\r\n__exception__\r\n");
            Some((Ok(Frame::data(Bytes::from(told))), None))
        }
    }
}

fn refuse(bad: &Bad, id: &str) -> Response<Body> {
    let code = code(&bad.0);
    let mut response = respond(status(code), text(&format!("{}\n", bad.0.trim_end())));
    set(&mut response, "x-clickhouse-exception-code", &code.to_string());
    set(&mut response, "x-clickhouse-query-id", id);
    response
}

/// `62` of `Code: 62. DB::Exception: ...`; 1002, "unknown exception", where there is none.
fn code(error: &str) -> u32 {
    error
        .split_once("Code: ")
        .and_then(|(_, rest)| rest.split_once('.'))
        .and_then(|(code, _)| code.parse().ok())
        .unwrap_or(1002)
}

/// The HTTP status that a ClickHouse server gives for a code.
fn status(code: u32) -> StatusCode {
    match code {
        // Syntax, arguments, types, data that cannot be parsed.
        6 | 26 | 27 | 36 | 38 | 41 | 42 | 43 | 44 | 53 | 62 | 70 | 72 | 117 | 130 | 131 | 307 | 441 | 456
        | 457 => StatusCode::BAD_REQUEST,
        192 | 193 | 497 | 516 => StatusCode::FORBIDDEN,
        194 => StatusCode::UNAUTHORIZED,
        // Unknown tables, columns, functions, databases, settings, formats.
        16 | 46 | 47 | 50 | 56 | 60 | 73 | 81 | 115 => StatusCode::NOT_FOUND,
        48 => StatusCode::NOT_IMPLEMENTED,
        209 | 439 | 236 => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn summary_text(summary: Summary) -> String {
    let Summary { read_rows, read_bytes, written_rows, written_bytes } = summary;
    format!(
        r#"{{"read_rows":"{read_rows}","read_bytes":"{read_bytes}","written_rows":"{written_rows}","written_bytes":"{written_bytes}"}}"#
    )
}

fn text(text: &str) -> Body {
    Full::new(Bytes::copy_from_slice(text.as_bytes())).boxed_unsync()
}

fn respond(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
    response
}

fn set(response: &mut Response<Body>, name: &'static str, value: &str) {
    // A format's name is the client's word: what is no header value is left out.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
