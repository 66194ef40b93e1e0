//! From a file to an answer: unpacked, checked, loaded, on threads that may block. Owns how many load at once; fetches
//! nothing, and keeps nothing.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use flate2::read::GzDecoder;
use tokio::sync::Semaphore;

use super::disk::Part;
use super::failure::Failure;
use super::metrics::Metrics;
use crate::id::FileId;
use crate::identify;
use crate::image::{Damaged, Image};
use crate::module::Names;
use crate::set::Answer;

/// A PDB of 50 MB takes some hundred MB while it is loaded.
const MOST_AT_ONCE: usize = 4;

/// Loads files.
#[derive(Debug)]
pub(crate) struct Loader {
    turns: Arc<Semaphore>,
    limit: u64,
    metrics: Metrics,
}

/// An answer, and what it holds of the memory.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    pub(crate) answer: Answer,
    /// For what cannot say it itself.
    fixed: usize,
}

/// A file of a source that is what it should be.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The file, unpacked; beside the partial file, or that itself.
    pub(crate) finished: PathBuf,
    pub(crate) id: FileId,
    pub(crate) loaded: Loaded,
}

impl Loaded {
    /// Bytes held at present: a PDB reads more of itself when it is asked.
    pub(crate) fn held(&self) -> usize {
        match &self.answer {
            Answer::Image(image) => image.held(),
            Answer::Names(Names::Pdb(pdb)) => pdb.held(),
            Answer::Names(Names::Sym(_)) | Answer::Missing(_) => self.fixed,
        }
    }
}

impl Loader {
    pub(crate) fn new(limit: u64, metrics: Metrics) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new(threads.min(MOST_AT_ONCE))), limit, metrics }
    }

    /// Unpacks, checks and loads what was downloaded.
    pub(crate) async fn accept(&self, part: &Part, id: &FileId) -> Result<Accepted, Failure> {
        let (from, unpacked) = (part.path().to_owned(), part.unpacked());
        let (id, limit) = (id.clone(), self.limit);
        self.blocking(move || {
            let finished = if unpack(&from, &unpacked, limit)? { unpacked } else { from };
            let file = File::open(&finished).map_err(here)?;
            identify::check(&id, &file).map_err(damaged)?;
            let loaded = load(&id, file).map_err(damaged)?;
            Ok(Accepted { finished, id, loaded })
        })
        .await
    }

    /// Loads a file of the cache, which was checked when it came.
    pub(crate) async fn load(&self, id: FileId, file: File) -> Result<Loaded, Failure> {
        self.blocking(move || load(&id, file).map_err(damaged)).await
    }

    /// Checks and loads what somebody pushed. `folder`: where a file of no name may stand.
    pub(crate) async fn load_bytes(
        &self,
        id: FileId,
        bytes: Bytes,
        folder: PathBuf,
    ) -> Result<Loaded, Failure> {
        self.blocking(move || {
            let mut file = tempfile::tempfile_in(folder).map_err(here)?;
            file.write_all(&bytes).and_then(|()| file.rewind()).map_err(here)?;
            identify::check(&id, &file).map_err(damaged)?;
            file.rewind().map_err(here)?;
            load(&id, file).map_err(damaged)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| Failure::Untried(error.to_string()))?;
        let begun = Instant::now();
        let done = tokio::task::spawn_blocking(move || {
            // Held by the thread: a caller who goes away does not end the work.
            let _turn = turn;
            work()
        })
        .await;
        self.metrics.load_duration.observe(begun.elapsed().as_secs_f64());
        done.unwrap_or_else(|error| Err(Failure::Damaged(format!("its reader failed: {error}"))))
    }
}

fn damaged(damaged: Damaged) -> Failure {
    Failure::Damaged(damaged.to_string())
}

fn here(error: io::Error) -> Failure {
    tracing::error!(%error, "cannot read or write a symbol file on this machine");
    Failure::Untried(error.to_string())
}

/// Unpacks a cabinet or a gzip file; `false` where it is neither. By content, not by name: stores serve cabinets as
/// `crash.pdb`, and buckets serve `.sym` files as they were put there, gzipped, whatever we accept.
fn unpack(from: &Path, to: &Path, limit: u64) -> Result<bool, Failure> {
    let mut packed = File::open(from).map_err(here)?;
    let mut magic = Vec::new();
    (&packed).take(4).read_to_end(&mut magic).map_err(here)?;
    packed.rewind().map_err(here)?;
    let create = || File::create(to).map_err(here);
    match magic.as_slice() {
        b"MSCF" => identify::uncab(packed, &mut create()?, limit).map_err(damaged)?,
        [0x1f, 0x8b, ..] => gunzip(packed, &mut create()?, limit)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn gunzip(from: File, to: &mut File, limit: u64) -> Result<(), Failure> {
    let mut capped = GzDecoder::new(from).take(limit.saturating_add(1));
    let bytes = io::copy(&mut capped, to).map_err(|error| Failure::Damaged(format!("gzip: {error}")))?;
    if bytes > limit { Err(Failure::Damaged(format!("larger than {limit} bytes, unpacked"))) } else { Ok(()) }
}

fn load(id: &FileId, mut file: File) -> Result<Loaded, Damaged> {
    match id {
        FileId::Image(_) => {
            let mut bytes = Vec::new();
            let unreadable = |error: io::Error| Damaged { what: "image", why: error.to_string() };
            file.read_to_end(&mut bytes).map_err(unreadable)?;
            let image = Image::parse(Bytes::from(bytes))?;
            Ok(Loaded { answer: Answer::Image(Arc::new(image)), fixed: 0 })
        }
        FileId::Pdb(_) | FileId::Sym(_) => {
            let names = Names::load(id, file)?;
            // Of a .sym file that counts through all of it; it does not change.
            let fixed = if matches!(names, Names::Sym(_)) { names.held() } else { 0 };
            Ok(Loaded { answer: Answer::Names(names), fixed })
        }
    }
}
