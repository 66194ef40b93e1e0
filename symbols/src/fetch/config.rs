//! Where to look for symbol files, and how long. Owns how people write a source down; opens and asks nothing.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;

/// All of it. Each limit has its reason beside it, in [`Default`].
#[derive(Debug, Clone)]
pub struct LibraryConfig {
    /// Where files are kept; several processes may share the folder.
    pub cache_dir: PathBuf,
    /// How much may be kept there.
    pub cache_bytes: u64,
    /// Where to look, in this order.
    pub sources: Vec<SourceConfig>,
    /// Largest file, unpacked.
    pub file_bytes: u64,
    /// Loaded files that are held in memory.
    pub memory_bytes: u64,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// Requests at one source at the same time.
    pub concurrency: usize,
    /// Further attempts after one that may pass.
    pub retries: usize,
    /// How long a failure is believed.
    pub failures: FailureTtls,
    /// When a source that only fails is left alone.
    pub breaker: BreakerConfig,
}

impl LibraryConfig {
    /// Usual limits, no sources.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        Self {
            cache_dir: cache_dir.into(),
            // The files of a few Windows builds and of the drivers of a fleet.
            cache_bytes: 20 << 30,
            sources: Vec::new(),
            // The largest PDBs of browsers and games are a little above 1 GiB.
            file_bytes: 2 << 30,
            memory_bytes: 1 << 30,
            timeouts: Timeouts::default(),
            // As many as a browser opens towards one server.
            concurrency: 6,
            retries: 2,
            failures: FailureTtls::default(),
            breaker: BreakerConfig::default(),
        }
    }
}

/// How long anything may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until the head of an answer, and between two pieces of it.
    pub idle: Duration,
    /// For one file at one source, with further attempts; waiting for a turn may take as long again.
    pub whole: Duration,
    /// For [`super::Library::get`]. A download that is under way then goes on, and the next one finds it.
    pub wants: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            // A symbol server that fetches from another one first takes its time for the head.
            idle: Duration::from_secs(20),
            // 1 GiB at 4 MB/s.
            whole: Duration::from_secs(270),
            wants: Duration::from_secs(90),
        }
    }
}

/// How long a failure is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureTtls {
    /// The source does not have it. Builds are published hours after they are shipped, seldom later.
    pub not_found: Duration,
    /// The source did not answer.
    pub unreachable: Duration,
    /// What came is something else. Somebody has to mend that.
    pub damaged: Duration,
}

impl Default for FailureTtls {
    fn default() -> Self {
        Self {
            not_found: Duration::from_secs(6 * 60 * 60),
            unreachable: Duration::from_secs(2 * 60),
            damaged: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// When a source that only fails is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures in a row.
    pub failures: u32,
    /// How long nobody asks it then. After that one request goes out as a probe.
    pub open: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open: Duration::from_secs(30) }
    }
}

/// One source.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// Where it is.
    pub place: Place,
    /// How its folders are laid out; `None`: whatever such a source may have.
    pub layouts: Option<Vec<Layout>>,
    /// Whether redirects may lead to addresses that are not public. The configured host itself may always be inside.
    pub allow_private: bool,
    /// Sent as `Authorization: Bearer ...`, to the configured host only.
    pub token: Option<SecretString>,
    /// Further headers, to the configured host only.
    pub headers: Vec<(String, SecretString)>,
    /// Settings of an object store as `object_store` names them: `aws_endpoint`, `aws_region`, `aws_skip_signature`. What
    /// is not set here is taken from the environment, as other tools do.
    pub options: Vec<(String, SecretString)>,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A symbol server.
    Server(Url),
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket of an object store that speaks S3, and the prefix of its keys.
    Bucket {
        /// Name of the bucket.
        bucket: String,
        /// Without slashes at its ends; may be empty.
        prefix: String,
    },
}

/// How a store names its files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `crash.pdb/3249D99D0C4049318610F4E4FB0B69361/crash.pdb`, as `symstore` makes it. In folders also `file.ptr`.
    Microsoft,
    /// `cr/crash.pdb/...`, where the store has an `index2.txt`.
    TwoTier,
    /// `crash.pd_`: the last letter replaced, the file in a cabinet.
    Compressed,
    /// As `Microsoft`, in lower case.
    Ssqp,
    /// `crash.pdb/3249D99D0C4049318610F4E4FB0B69361/crash.sym`.
    Breakpad,
    /// Folders only: a file of that name directly in it.
    Flat,
}

impl Layout {
    const ALL: [Self; 6] =
        [Self::Microsoft, Self::TwoTier, Self::Compressed, Self::Ssqp, Self::Breakpad, Self::Flat];
}

/// A source that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceFault {
    /// Not written as any kind of source.
    #[error(
        "{0:?} is no symbol source: write https://host/path for a symbol server, an absolute path or file:///path for \
         a folder, s3://bucket/prefix for an object store"
    )]
    Unknown(String),
    /// A URL that is none.
    #[error("the symbol source is no URL: {0}")]
    Url(String),
    /// A password in a place where it would be logged.
    #[error(
        "the symbol source at {0} has a user, a password or a query in its URL, which would end in logs: take them out \
         and set `token` or `headers` for it"
    )]
    Credentials(String),
    /// A folder that depends on where the process was started.
    #[error("the symbol folder {0:?} is relative: write the whole path, with / in front")]
    Relative(String),
    /// No bucket.
    #[error("the symbol source s3:// needs a bucket: s3://bucket/prefix")]
    Bucket,
    /// A header or setting that cannot be.
    #[error("the symbol source {place} cannot have {key:?}: {why}")]
    Setting {
        /// Which source.
        place: String,
        /// The header or setting.
        key: String,
        /// In words.
        why: String,
    },
}

impl SourceConfig {
    /// Reads a source as people write it.
    ///
    /// # Errors
    /// [`SourceFault`], which says how to write it.
    pub fn parse(text: &str) -> Result<Self, SourceFault> {
        let text = text.trim();
        let place = match text.split_once("://") {
            Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
                "http" | "https" => server(text)?,
                "file" => Place::Folder(file_path(text)?),
                "s3" => bucket(rest)?,
                _ => return Err(SourceFault::Unknown(safe_text(text))),
            },
            None if text.starts_with('/') => Place::Folder(PathBuf::from(text)),
            None if text.starts_with('.') => return Err(SourceFault::Relative(text.to_owned())),
            None => return Err(SourceFault::Unknown(safe_text(text))),
        };
        Ok(Self::at(place))
    }

    /// A source with nothing but its place.
    pub fn at(place: Place) -> Self {
        Self {
            place,
            layouts: None,
            allow_private: false,
            token: None,
            headers: Vec::new(),
            options: Vec::new(),
        }
    }

    /// The source for people, logs and metrics; it has no credentials.
    pub fn label(&self) -> String {
        match &self.place {
            Place::Server(url) => url.as_str().trim_end_matches('/').to_owned(),
            Place::Folder(path) => path.display().to_string(),
            Place::Bucket { bucket, prefix } if prefix.is_empty() => format!("s3://{bucket}"),
            Place::Bucket { bucket, prefix } => format!("s3://{bucket}/{prefix}"),
        }
    }

    /// The layouts to try.
    pub(crate) fn usual_layouts(&self) -> Vec<Layout> {
        if let Some(layouts) = &self.layouts {
            return layouts.clone();
        }
        match &self.place {
            // Ignores case, has one tier, no .sym files: every further question would be a 404 of 200 ms.
            Place::Server(url) if url.host_str() == Some("msdl.microsoft.com") => {
                vec![Layout::Microsoft, Layout::Compressed]
            }
            Place::Server(_) | Place::Bucket { .. } => {
                Layout::ALL.into_iter().filter(|layout| *layout != Layout::Flat).collect()
            }
            Place::Folder(_) => Layout::ALL.to_vec(),
        }
    }
}

fn server(text: &str) -> Result<Place, SourceFault> {
    let url = Url::parse(text).map_err(|error| SourceFault::Url(error.to_string()))?;
    let host = url.host_str().unwrap_or_default().to_owned();
    let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (bare && url.fragment().is_none()).then_some(Place::Server(url)).ok_or(SourceFault::Credentials(host))
}

fn file_path(text: &str) -> Result<PathBuf, SourceFault> {
    let url = Url::parse(text).map_err(|error| SourceFault::Url(error.to_string()))?;
    url.to_file_path().map_err(|()| SourceFault::Relative(text.to_owned()))
}

fn bucket(rest: &str) -> Result<Place, SourceFault> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains(['@', '?']) || prefix.contains('?') {
        return Err(SourceFault::Credentials("s3".to_owned()));
    }
    (!bucket.is_empty()).then_some(()).ok_or(SourceFault::Bucket)?;
    Ok(Place::Bucket { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
}

/// What was written, without what may be a password in it.
fn safe_text(text: &str) -> String {
    if text.contains('@') { "(a text with a password)".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_read_as_people_write_them() {
        for (text, label) in [
            ("https://msdl.microsoft.com/download/symbols", "https://msdl.microsoft.com/download/symbols"),
            (" HTTP://Symbols.Example/ ", "http://symbols.example"),
            ("/srv/symbols", "/srv/symbols"),
            ("file:///srv/my%20symbols", "/srv/my symbols"),
            ("s3://symbols/windows/", "s3://symbols/windows"),
            ("s3://symbols", "s3://symbols"),
        ] {
            assert_eq!(SourceConfig::parse(text).unwrap().label(), label, "{text}");
        }
    }

    #[test]
    fn faults_say_what_to_do_and_no_password() {
        for (text, says) in [
            ("symbols", "write https://host/path"),
            ("", "write https://host/path"),
            ("ftp://host/x", "write https://host/path"),
            ("srv*c:\\symbols*https://host", "write https://host/path"),
            ("./symbols", "write the whole path"),
            ("file://host/x", "write the whole path"),
            ("s3://", "needs a bucket"),
            ("https://", "no URL"),
            ("https://user:hunter2@host/", "set `token`"),
            ("https://host/symbols?sv=hunter2", "set `token`"),
            ("s3://hunter2@bucket/x", "set `token`"),
            ("gs://hunter2@bucket/x", "write https://host/path"),
        ] {
            let fault = SourceConfig::parse(text).unwrap_err().to_string();
            assert!(fault.contains(says), "{text}: {fault}");
            assert!(!fault.contains("hunter2"), "{fault}");
        }
    }
}
