//! Every way in which an upload is not taken: status, code, and a sentence that says what to do. People get these; the
//! log gets the cause. Owns the words; decides nothing.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use dump::IdentifyError;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use storage::blobs::BlobError;
use storage::queue::QueueError;

/// Why an upload is not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "no token was sent, or one that is not known: send `Authorization: Bearer <token>` or `?token=<token>`"
    )]
    Unauthorized,
    #[error("send it with {0}")]
    WrongMethod(&'static str),
    #[error("content coding {0:?} is not understood: send the file as it is, or with gzip or zstd")]
    UnknownEncoding(String),
    #[error(
        "content type {0:?} is not understood: send the file as application/octet-stream or as multipart/form-data"
    )]
    UnknownType(String),
    #[error("the upload is larger than {limit} bytes, which is the most this server takes")]
    TooLarge { limit: u64 },
    #[error("the body inflates to more than {max_ratio} times its size, which nothing honest does")]
    Bomb { max_ratio: u64 },
    #[error("nothing arrived for {seconds} s: send the body without pauses, and try again")]
    Idle { seconds: u64 },
    #[error("the body was not complete within {seconds} s: try again on a faster connection")]
    Slow { seconds: u64 },
    #[error("the body ended before all of it was there: send it again")]
    BodyCut,
    #[error("the body is not whole {0}: compress the file again, or send it as it is")]
    BadEncoding(&'static str),
    #[error("the body is not the JSON that is expected: {0}")]
    BadJson(String),
    #[error("nothing in it could be taken: {0}")]
    NothingTaken(String),
    #[error("a form is not understood here: send JSON")]
    NoForm,
    #[error("the form cannot be read: {0}")]
    BadForm(String),
    #[error("the form has no dump: send it as the part upload_file_minidump")]
    NoDump,
    #[error("the form has no file")]
    NoFile,
    #[error("nothing in it is a symbol file: {0}")]
    NoSymbols(String),
    #[error("{what} is not acceptable: {why}")]
    BadValue { what: String, why: String },
    #[error("{0}")]
    NoCrash(#[from] IdentifyError),
    #[error("the upload is {0}: unpack it, and send one crash dump")]
    Packed(&'static str),
    #[error("too many uploads are under way: try again later")]
    Busy,
    #[error("the queue is full because the analysis is behind: try again later")]
    QueueFull,
    #[error("the upload could not be stored: try again later")]
    Unavailable,
    #[error("the storage behind this does not answer: try again later")]
    Away,
}

/// Retries of a fleet that was refused in one moment must not come back in one moment.
const RETRY_AFTER_SPREAD: u32 = 16;

impl Refusal {
    /// Stable word for machines and metrics.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::WrongMethod(_) => "method_not_allowed",
            Self::UnknownEncoding(_) => "unsupported_encoding",
            Self::UnknownType(_) => "unsupported_type",
            Self::TooLarge { .. } => "too_large",
            Self::Bomb { .. } => "inflates_too_much",
            Self::Idle { .. } | Self::Slow { .. } => "timeout",
            Self::BodyCut => "incomplete_body",
            Self::BadEncoding(_) => "bad_encoding",
            Self::BadJson(_) => "bad_json",
            Self::NothingTaken(_) => "nothing_taken",
            Self::NoForm => "unsupported_type",
            Self::BadForm(_) => "bad_form",
            Self::NoDump => "no_dump",
            Self::NoFile => "no_file",
            Self::NoSymbols(_) => "no_symbols",
            Self::BadValue { .. } => "bad_value",
            Self::NoCrash(error) => error.code(),
            Self::Packed(_) => "not_a_dump",
            Self::Busy => "busy",
            Self::QueueFull => "queue_full",
            Self::Unavailable | Self::Away => "unavailable",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownEncoding(_) | Self::UnknownType(_) | Self::NoForm => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::TooLarge { .. } | Self::Bomb { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Idle { .. } | Self::Slow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::BodyCut
            | Self::BadEncoding(_)
            | Self::BadJson(_)
            | Self::BadForm(_)
            | Self::NoDump
            | Self::NoFile
            | Self::BadValue { .. } => StatusCode::BAD_REQUEST,
            Self::NoCrash(IdentifyError::NotADump(_))
            | Self::Packed(_)
            | Self::NoSymbols(_)
            | Self::NothingTaken(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoCrash(_) => StatusCode::BAD_REQUEST,
            Self::Busy | Self::QueueFull | Self::Unavailable | Self::Away => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Whether the client may still be sending; not one that stopped.
    pub(crate) fn may_leave_body(&self) -> bool {
        !matches!(self, Self::Idle { .. } | Self::Slow { .. } | Self::BodyCut)
    }

    /// A header that the status asks for.
    fn header(&self, spread: u32) -> Option<(HeaderName, HeaderValue)> {
        let seconds = match self {
            Self::Unauthorized => {
                return Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
            }
            Self::WrongMethod(method) => return Some((header::ALLOW, HeaderValue::from_static(method))),
            Self::Busy | Self::Unavailable | Self::Away => 5,
            Self::QueueFull => 30,
            _ => return None,
        };
        Some((header::RETRY_AFTER, HeaderValue::from(seconds + spread % RETRY_AFTER_SPREAD)))
    }

    /// The answer. `spread` is any number that differs from one answer to the next.
    pub(crate) fn into_response(self, spread: u32) -> Response {
        let error = Error { code: self.code(), message: self.to_string() };
        let mut response = (self.status(), Json(Envelope { error })).into_response();
        if let Some((name, value)) = self.header(spread) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

#[derive(Serialize)]
struct Envelope {
    error: Error,
}

#[derive(Serialize)]
struct Error {
    code: &'static str,
    message: String,
}

/// Refusals travel through readers inside `io::Error`s.
impl From<Refusal> for io::Error {
    fn from(refusal: Refusal) -> Self {
        Self::other(refusal)
    }
}

impl Refusal {
    /// The refusal inside an error of a reader, if a reader of ours raised it.
    pub(crate) fn inside(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<Self>().cloned()
    }

    /// The refusal inside; any other error of a body is the connection's.
    pub(crate) fn from_read(error: &io::Error) -> Self {
        Self::inside(error).unwrap_or(Self::BodyCut)
    }
}

impl From<multer::Error> for Refusal {
    fn from(error: multer::Error) -> Self {
        match error {
            multer::Error::StreamReadFailed(cause) => match cause.downcast_ref::<io::Error>() {
                Some(cause) => Self::from_read(cause),
                None => Self::BodyCut,
            },
            multer::Error::IncompleteFieldData { .. }
            | multer::Error::IncompleteHeaders
            | multer::Error::IncompleteStream => Self::BadForm("it ends before its last boundary".to_owned()),
            other => Self::BadForm(short(&other.to_string())),
        }
    }
}

impl From<&QueueError> for Refusal {
    fn from(error: &QueueError) -> Self {
        if error.is_full() { Self::QueueFull } else { Self::Unavailable }
    }
}

/// Logged where it happens: the client learns only that it failed.
pub(crate) fn storage_failed(error: impl Into<Arc<BlobError>>) -> Refusal {
    let error = error.into();
    tracing::error!(cause = ?error, "the upload was not stored");
    Refusal::Unavailable
}

/// What a client sent, short enough to be shown.
pub(crate) fn short(text: &str) -> String {
    const LONGEST: usize = 100;
    text.chars().take(LONGEST).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
