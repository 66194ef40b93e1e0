//! What a request asks: its URL, its headers and, where the body is not an insert's data, its body.
//! Checks who asks; executes nothing.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{HeaderMap, Method, Request};

use crate::core::USER;
use crate::statement::{Shape, shape, skip_to_data};

/// The most that a statement may have, inline VALUES included. Inserts' data is streamed and not bound by this.
const MAX_TEXT: usize = 16 * 1024 * 1024;
/// How long one piece of a body may be waited for.
pub(crate) const BODY_PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A request that cannot be executed, in ClickHouse's words.
pub(crate) struct Bad(pub(crate) String);

impl Bad {
    pub(crate) fn new(code: u32, text: &str, name: &str) -> Self {
        Self(format!("Code: {code}. DB::Exception: {text}. ({name})"))
    }
}

/// What to execute.
pub(crate) struct Asked {
    pub(crate) sql: String,
    pub(crate) work: Work,
    pub(crate) database: Option<String>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) read_only: bool,
}

impl Asked {
    /// Who waits for it, by ClickHouse's own `priority`.
    pub(crate) fn standing(&self) -> Standing {
        let priority = self.settings.iter().rev().find(|(name, _)| name == "priority");
        match priority.map_or(Ok(0), |(_, value)| value.parse::<u64>()) {
            Ok(0) | Err(_) => Standing::Apart,
            Ok(1) => Standing::Awaited,
            Ok(_) => Standing::Patient,
        }
    }
}

/// Who waits for a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It takes no part: nobody stands back for it, and it stands back for nobody.
    Apart,
    /// Somebody does.
    Awaited,
    /// Nobody does: it stands back for those.
    Patient,
}

/// How to execute it.
pub(crate) enum Work {
    /// Output in one piece. A question leaves nothing behind on its connection; anything else may.
    Whole { format: String, question: bool },
    /// Output piece by piece.
    Pieces { format: String },
    /// Rows from the body, after those that came with the statement.
    Insert { format: String, first: Bytes, body: Option<Incoming> },
}

/// The parts of a URL's query that are no settings.
#[derive(Default)]
struct Options {
    query: String,
    default_format: Option<String>,
    database: Option<String>,
    user: Option<String>,
    password: Option<String>,
    settings: Vec<(String, String)>,
    parameters: Vec<(String, String)>,
}

/// Things of ClickHouse's interface that need no doing here, and are no settings.
const IGNORED: &[&str] = &[
    "query_id",
    "quota_key",
    "stacktrace",
    "wait_end_of_query",
    "buffer_size",
    "client_protocol_version",
    "add_http_cors_header",
    "send_progress_in_http_headers",
];
/// Things that would change the meaning if they were ignored.
const REFUSED: &[&str] = &["session_id", "compress", "decompress", "role"];

/// Formats whose output may be put together from pieces: libchdb formats each piece by itself, from the header on.
/// (Of the header of `RowBinaryWithNamesAndTypes` only the first is kept.)
const IN_PIECES: &[&str] = &[
    "RowBinary",
    "RowBinaryWithNamesAndTypes",
    "Native",
    "TabSeparated",
    "TSV",
    "TabSeparatedRaw",
    "TSVRaw",
    "CSV",
    "JSONEachRow",
    "JSONLines",
    "NDJSON",
];

/// Reads a request up to where an insert's data begins.
pub(crate) async fn read(request: Request<Incoming>, password: &str) -> Result<Asked, Bad> {
    let (head, body) = request.into_parts();
    let mut options = options(head.uri.query().unwrap_or_default())?;
    authenticate(&head.headers, &options, password)?;
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    options.database = options.database.or_else(|| header("X-ClickHouse-Database"));
    options.default_format = options.default_format.or_else(|| header("X-ClickHouse-Format"));

    let read_only = head.method == Method::GET;
    let boundary = header(CONTENT_TYPE.as_str()).and_then(|kind| multer::parse_boundary(kind).ok());
    let (text, body) = match boundary {
        Some(boundary) => {
            form(body, boundary, &mut options).await?;
            (options.query.clone().into_bytes(), None)
        }
        None => prefix(options.query.clone().into_bytes(), body).await?,
    };
    let (sql, work) = work(text, body, options.default_format.take())?;
    let Options { database, settings, parameters, .. } = options;
    Ok(Asked { sql, work, database, settings, parameters, read_only })
}

fn options(query: &str) -> Result<Options, Bad> {
    let mut options = Options::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = value.into_owned();
        match &*name {
            "query" => options.query = value,
            "default_format" => options.default_format = Some(value),
            "database" => options.database = Some(value),
            "user" => options.user = Some(value),
            "password" => options.password = Some(value),
            // What clients send to say "no" is no request for anything.
            name if REFUSED.contains(&name) && !matches!(value.as_str(), "" | "0" | "false") => {
                return Err(Bad::new(48, &format!("{name} is not supported here"), "NOT_IMPLEMENTED"));
            }
            name if REFUSED.contains(&name) || IGNORED.contains(&name) => {}
            name => match name.strip_prefix("param_") {
                Some(parameter) => options.parameters.push((parameter.to_owned(), value)),
                None if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') => {
                    options.settings.push((name.to_owned(), value));
                }
                None => return Err(Bad::new(115, "this is no name of a setting", "UNKNOWN_SETTING")),
            },
        }
    }
    Ok(options)
}

fn authenticate(headers: &HeaderMap, options: &Options, password: &str) -> Result<(), Bad> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let basic = text(AUTHORIZATION.as_str()).and_then(|value| basic(&value));
    let (user, key) = match (text("X-ClickHouse-User"), text("X-ClickHouse-Key"), basic) {
        (None, None, Some(pair)) => pair,
        (None, None, None) => {
            (options.user.clone().unwrap_or_default(), options.password.clone().unwrap_or_default())
        }
        (user, key, _) => (user.unwrap_or_default(), key.unwrap_or_default()),
    };
    // Both are always compared, each in constant time.
    if same(user.as_bytes(), USER.as_bytes()) & same(key.as_bytes(), password.as_bytes()) {
        return Ok(());
    }
    Err(Bad::new(
        516,
        "Authentication failed: password is incorrect, or there is no user with such name",
        "AUTHENTICATION_FAILED",
    ))
}

/// Compares in a time that depends on the length of `given` alone.
fn same(given: &[u8], expected: &[u8]) -> bool {
    let mut differences = u8::from(given.len() != expected.len());
    for (index, byte) in given.iter().enumerate() {
        differences |= byte ^ expected.get(index % expected.len().max(1)).copied().unwrap_or_default();
    }
    std::hint::black_box(differences) == 0
}

/// `Basic base64(user:password)`.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(base64(encoded.trim())?).ok()?;
    decoded.split_once(':').map(|(user, key)| (user.to_owned(), key.to_owned()))
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0u32);
    for symbol in text.trim_end_matches('=').bytes() {
        let value = match symbol {
            b'A'..=b'Z' => symbol - b'A',
            b'a'..=b'z' => symbol - b'a' + 26,
            b'0'..=b'9' => symbol - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    Some(bytes)
}

/// A form's fields: the statement and its parameters.
async fn form(body: Incoming, boundary: String, options: &mut Options) -> Result<(), Bad> {
    let broken = |_| Bad::new(36, "the form cannot be read", "BAD_ARGUMENTS");
    let limits = multer::SizeLimit::new().whole_stream(u64::try_from(MAX_TEXT).unwrap_or(u64::MAX));
    let constraints = multer::Constraints::new().size_limit(limits);
    let mut fields = multer::Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    while let Some(field) = fields.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        let value = field.text().await.map_err(broken)?;
        match name.strip_prefix("param_") {
            Some(parameter) => options.parameters.push((parameter.to_owned(), value)),
            None if name == "query" => options.query.push_str(&value),
            None => return Err(Bad::new(48, "tables in a form are not supported here", "NOT_IMPLEMENTED")),
        }
    }
    Ok(())
}

/// Reads on until it is an insert with data, or to the end. The body comes back where there may be more of it.
async fn prefix(mut text: Vec<u8>, mut body: Incoming) -> Result<(Vec<u8>, Option<Incoming>), Bad> {
    if !text.is_empty() {
        // A statement in the URL is whole; only its data, if any, is in the body.
        if matches!(shape(&text, true), Shape::Insert { .. }) {
            return Ok((text, Some(body)));
        }
        text.push(b'\n');
    }
    loop {
        if matches!(shape(&text, false), Shape::Insert { .. }) {
            return Ok((text, Some(body)));
        }
        match piece(&mut body).await? {
            Some(bytes) => text.extend_from_slice(&bytes),
            None => return Ok((text, None)),
        }
        if text.len() > MAX_TEXT {
            return Err(Bad::new(307, "the statement is longer than 16 MiB", "TOO_MANY_BYTES"));
        }
    }
}

/// The next bytes of a body; `None` at its end.
pub(crate) async fn piece(body: &mut Incoming) -> Result<Option<Bytes>, Bad> {
    loop {
        let frame = tokio::time::timeout(BODY_PATIENCE, body.frame())
            .await
            .map_err(|_| Bad::new(209, "the client stopped sending", "SOCKET_TIMEOUT"))?;
        match frame {
            None => return Ok(None),
            Some(Ok(frame)) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(_)) => return Err(Bad::new(210, "the client went away", "NETWORK_ERROR")),
        }
    }
}

fn work(
    text: Vec<u8>,
    body: Option<Incoming>,
    default_format: Option<String>,
) -> Result<(String, Work), Bad> {
    let asked =
        |format: Option<String>| format.or(default_format).unwrap_or_else(|| "TabSeparated".to_owned());
    let (end, work) = match shape(&text, true) {
        Shape::Insert { end, format, data } => {
            let first = Bytes::from(text.clone()).split_off(data);
            let first = first.slice(skip_to_data(&first)..);
            (end, Work::Insert { format, first, body })
        }
        Shape::Select { format, plain } => {
            let format = asked(format);
            let pieces = plain && IN_PIECES.contains(&format.as_str());
            let work = if pieces { Work::Pieces { format } } else { Work::Whole { format, question: true } };
            (text.len(), work)
        }
        Shape::Other { format } => (text.len(), Work::Whole { format: asked(format), question: false }),
        Shape::Several | Shape::Incomplete => {
            return Err(Bad::new(62, "Multi-statements are not allowed", "SYNTAX_ERROR"));
        }
    };
    let sql = text.get(..end).and_then(|text| std::str::from_utf8(text).ok());
    let sql = sql.ok_or_else(|| Bad::new(62, "The statement is no UTF-8", "SYNTAX_ERROR"))?.trim();
    if sql.is_empty() {
        return Err(Bad::new(62, "Empty query", "SYNTAX_ERROR"));
    }
    Ok((sql.to_owned(), work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_compared_whole() {
        assert!(same(b"secret", b"secret"));
        for wrong in ["", "s", "secre", "secret ", "secretsecret", "Secret"] {
            assert!(!same(wrong.as_bytes(), b"secret"), "{wrong}");
        }
        assert!(!same(b"x", b""));
    }

    #[test]
    fn basic_credentials() {
        let pair = |user: &str, key: &str| Some((user.to_owned(), key.to_owned()));
        assert_eq!(basic("Basic YTpi"), pair("a", "b"));
        assert_eq!(basic("basic YWI6Yzpk"), pair("ab", "c:d"));
        assert_eq!(basic("Basic YTo="), pair("a", ""));
        assert_eq!(basic("Bearer YTpi"), None);
        assert_eq!(basic("Basic !!"), None);
    }

    #[test]
    fn urls() {
        let read =
            options("query=SELECT+1&default_format=CSV&database=d&param_a=%00b&max_threads=2&session_id=");
        let Ok(read) = read else { panic!("refused") };
        assert_eq!(read.query, "SELECT 1");
        assert_eq!((read.default_format.as_deref(), read.database.as_deref()), (Some("CSV"), Some("d")));
        assert_eq!(read.parameters, [("a".to_owned(), "\0b".to_owned())]);
        assert_eq!(read.settings, [("max_threads".to_owned(), "2".to_owned())]);
        assert!(options("session_id=1").is_err());
        assert!(options("a%3D1%2Cb=2").is_err());
    }
}
