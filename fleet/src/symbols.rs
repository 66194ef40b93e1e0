//! Pushes symbol files, as a build server would, and asks which are missing. Reads a file as it is sent, never whole.

#[cfg(test)]
mod tests;

use std::io::{self, Read as _};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Ctx, Poll, ready};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::fs::File;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::ReaderStream;

use crate::client::{self, Client, Sent};

/// How much goes out at once.
const STEP: usize = 128 * 1024;

/// Where to push to, and on whose behalf.
#[derive(Clone)]
pub struct Pusher {
    client: Client,
}

/// How one file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// Filed as these; of an archive some may be of no use.
    Filed(Receipt),
    /// Refused for good, and why.
    Refused(String),
}

/// What the server says of a file or an archive that it took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Receipt {
    /// What is stored now.
    pub files: Vec<Filed>,
    /// What was of no use.
    #[serde(default)]
    pub refused: Vec<Useless>,
}

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Filed {
    /// `name/key`.
    pub id: String,
    /// `image`, `pdb`, `sym`.
    pub kind: String,
    /// Its length.
    pub bytes: u64,
}

/// A member of an archive that was of no use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Useless {
    /// What it is called.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// A file that the server wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// `name/key`.
    pub id: String,
    /// `image` or `pdb`.
    pub kind: String,
    /// Crashes of the last days that lack it.
    pub crashes: u64,
    /// Their machines.
    pub machines: u64,
    /// Their fault sites.
    pub sites: u64,
    /// What is blamed for them.
    pub drivers: Vec<String>,
    /// The last of them, ms since 1970.
    pub last_seen_ms: i64,
}

impl Pusher {
    /// Pushes to the server at `url`.
    pub fn new(url: &str, token: Option<&str>) -> Result<Self> {
        Ok(Self { client: Client::new(url, token, 1)? })
    }

    /// Pushes one file, patiently. `sent` is told how much of it has gone out, from the start again with each attempt.
    pub async fn push(&self, file: &Path, sent: impl Fn(u64) + Send + Sync + 'static) -> Result<Pushed> {
        let cannot_read = || format!("cannot read {}", file.display());
        let about = tokio::fs::metadata(file).await.with_context(cannot_read)?;
        anyhow::ensure!(about.is_file(), "{} is no file", file.display());
        File::open(file).await.with_context(cannot_read)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let sent = Arc::new(sent);
        let body = || {
            let reader = Outgoing { file: Source::open(file), gone: 0, sent: Arc::clone(&sent) };
            reqwest::Body::wrap_stream(ReaderStream::with_capacity(reader, STEP))
        };
        Ok(match self.client.push(&name, about.len(), body).await? {
            Sent::Taken(response) => Pushed::Filed(client::json(response).await?),
            Sent::Refused(reason) => Pushed::Refused(reason),
        })
    }

    /// The files that are wanted most, `most` of them.
    pub async fn missing(&self, most: usize) -> Result<Vec<Missing>> {
        #[derive(Deserialize)]
        struct Page {
            missing: Vec<Missing>,
            next: Option<String>,
        }
        let mut found: Vec<Missing> = Vec::new();
        let mut after = String::new();
        while found.len() < most {
            let limit = (most - found.len()).min(1_000);
            let page: Page = self.client.get(&format!("/v1/symbols/missing?limit={limit}{after}")).await?;
            found.extend(page.missing);
            let Some(next) = page.next else { break };
            after = format!("&after={}", client::encode(&next));
        }
        found.truncate(most);
        Ok(found)
    }
}

/// Whether a file begins like an image, a PDB, a `.sym` file, or an archive: a folder of a build holds thousands of others.
pub fn looks_useful(file: &Path) -> io::Result<bool> {
    const BEGINNINGS: [&[u8]; 5] =
        [b"MZ", b"Microsoft C/C++ MSF 7.00\r\n", b"MODULE windows ", b"PK\x03\x04", b"MSCF"];
    let mut head = Vec::new();
    std::fs::File::open(file)?.take(32).read_to_end(&mut head)?;
    Ok(BEGINNINGS.iter().any(|beginning| head.starts_with(beginning)))
}

/// A file on its way, which tells how far it has got.
struct Outgoing<F> {
    file: Source,
    gone: u64,
    sent: Arc<F>,
}

/// A file, or why there is none: an attempt that cannot read it fails as one that cannot send it does.
enum Source {
    File(File),
    Gone(io::ErrorKind),
}

impl Source {
    fn open(path: &Path) -> Self {
        match std::fs::File::open(path) {
            Ok(file) => Self::File(File::from_std(file)),
            Err(error) => Self::Gone(error.kind()),
        }
    }
}

impl<F: Fn(u64)> AsyncRead for Outgoing<F> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Ctx<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        match &mut self.file {
            Source::File(file) => ready!(Pin::new(file).poll_read(cx, buf))?,
            Source::Gone(kind) => return Poll::Ready(Err((*kind).into())),
        }
        self.gone += (buf.filled().len() - before) as u64;
        (self.sent)(self.gone);
        Poll::Ready(Ok(()))
    }
}
