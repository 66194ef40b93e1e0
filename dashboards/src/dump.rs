//! `GET /crashes/{id}/dump`: a kept dump as it was uploaded, inflated while it is sent, and written down: it holds
//! what was in the machine's memory. Never holds one in memory, and never makes a path or a header of a name that came from a client.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use storage::rows::CrashRow;
use tokio_util::io::ReaderStream;
use uuid::Uuid;

use crate::access::Who;
use crate::app::App;
use crate::gather::audit::Action;
use crate::respond::{Fault, PageFault};

/// Bytes of a dump that are on their way at a time.
const CHUNK: usize = 64 * 1024;
/// Characters of a machine's name in the name of a file.
const MOST_NAME: usize = 40;

/// The handler.
pub(crate) async fn download(
    State(app): State<App>,
    Extension(who): Extension<Who>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, PageFault> {
    let unknown = || Fault::NotFound("There is no such crash.".to_owned());
    let id = Uuid::parse_str(&id?.0).map_err(|_not_an_id| unknown())?;
    let (row, kept) =
        tokio::try_join!(app.database.crash(id), app.database.kept_dump(id)).map_err(Fault::from)?;
    let row = row.ok_or_else(unknown)?;
    let (Some(blobs), Some(kept)) = (app.blobs.as_ref(), kept) else {
        return Err(Fault::NotFound("The dump of this crash was not kept.".to_owned()).into());
    };
    let bytes = blobs.inflated(&kept.blob, kept.raw_len).await.map_err(Fault::from)?;
    app.audit(&who, Action::Download, &id.to_string(), &row.machine).await?;
    let name = HeaderValue::from_str(&format!("attachment; filename=\"{}\"", file_name(&row)));
    let name = name.unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_DISPOSITION, name),
        (CONTENT_LENGTH, HeaderValue::from(kept.raw_len)),
    ];
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(bytes, CHUNK))).into_response())
}

/// `PC-00007-<crash id>.dmp`: of the machine's name only what is harmless in the name of a file anywhere.
fn file_name(row: &CrashRow) -> String {
    let harmless = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let machine: String = row.machine.chars().filter(harmless).take(MOST_NAME).collect();
    let machine = machine.trim_matches('-');
    match machine {
        "" => format!("{}.dmp", row.crash_id),
        _ => format!("{machine}-{}.dmp", row.crash_id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_harmless() {
        let id = Uuid::from_u128(7);
        for (machine, begin) in [
            ("PC-00007", "PC-00007-0"),
            ("../../etc/passwd", "etcpasswd-0"),
            ("\"; filename=\"x.exe", "filenamexexe-0"),
            ("\r\nSet-Cookie: a=b", "Set-Cookieab-0"),
            ("--", "0"),
            ("Grüße\u{202e}", "Gre-0"),
            ("", "0"),
        ] {
            let name =
                file_name(&CrashRow { machine: machine.to_owned(), crash_id: id, ..CrashRow::default() });
            assert!(name.starts_with(begin) && name.ends_with(&format!("{id}.dmp")), "{name}");
        }
        let long = CrashRow { machine: "x".repeat(4096), ..CrashRow::default() };
        assert!(file_name(&long).len() < 100);
    }
}
