//! From a file to an answer: unpacked, checked, loaded, on threads that may block. Owns how many load at once; fetches
//! nothing, and keeps nothing.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::disk::Part;
use super::failure::Failure;
use super::metrics::Metrics;
use crate::id::FileId;
use crate::identify::{self, InflateError, UncabError, copy_capped};
use crate::image::{Damaged, Image};
use crate::module::Names;
use crate::set::Answer;

/// A PDB of 50 MB takes some hundred MB while it is loaded.
const MOST_AT_ONCE: usize = 4;
/// Pushed files come from their store as a whole, each as large as a file may be.
const MOST_PUSHED: usize = 4;
/// An image is held whole, too. The largest drivers have some 100 MB.
const MAX_IMAGE: u64 = 512 << 20;

/// Loads files.
#[derive(Debug)]
pub(crate) struct Loader {
    turns: Arc<Semaphore>,
    pushed: Semaphore,
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
        let turns = Arc::new(Semaphore::new(threads.min(MOST_AT_ONCE)));
        Self { turns, pushed: Semaphore::new(MOST_PUSHED), limit, metrics }
    }

    /// Unpacks, checks and loads what was downloaded.
    pub(crate) async fn accept(&self, part: &Part, id: &FileId) -> Result<Accepted, Failure> {
        let (from, unpacked) = (part.path().to_owned(), part.unpacked());
        let (id, limit) = (id.clone(), self.limit);
        self.blocking(move || {
            let finished = if unpack(&from, &unpacked, limit)? { unpacked } else { from };
            let file = File::open(&finished).map_err(here)?;
            identify::check(&id, &file).map_err(|error| blame(&file, error))?;
            let loaded = load(&id, file)?;
            Ok(Accepted { finished, id, loaded })
        })
        .await
    }

    /// Loads a file of the cache, which was checked when it came.
    pub(crate) async fn load(&self, id: FileId, file: File) -> Result<Loaded, Failure> {
        self.blocking(move || load(&id, file)).await
    }

    /// Leave to have a pushed file in memory, from asking its store until it is loaded. Others than those for loading: a
    /// store that does not answer must not keep public files waiting.
    pub(crate) async fn pushed_turn(&self) -> Result<SemaphorePermit<'_>, Failure> {
        self.pushed.acquire().await.map_err(|error| Failure::Untried(error.to_string()))
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
            drop(bytes);
            identify::check(&id, &file).map_err(|error| blame(&file, error))?;
            load(&id, file)
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

/// Who is to blame: the readers also call damaged what this machine's disk cannot read. So the file is read once more, to
/// its end, before it is called so for a day, or removed from the cache.
fn blame(file: &File, why: Damaged) -> Failure {
    let mut chunk = vec![0; 64 << 10];
    let mut at = 0_u64;
    loop {
        match file.read_at(&mut chunk, at) {
            Ok(0) => return damaged(why),
            Ok(read) => at = at.saturating_add(u64::try_from(read).unwrap_or(u64::MAX)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return here(error),
        }
    }
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
        b"MSCF" => identify::uncab(packed, &mut create()?, limit).map_err(|error| match error {
            UncabError::Damaged(why) => damaged(why),
            UncabError::Io(error) => here(error),
        })?,
        [0x1f, 0x8b, ..] => gunzip(packed, &mut create()?, limit)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// All members of it: files that were compressed in pieces, or appended to, have several.
fn gunzip(from: File, to: &mut impl io::Write, limit: u64) -> Result<(), Failure> {
    match copy_capped(MultiGzDecoder::new(from), to, limit) {
        Ok(_bytes) => Ok(()),
        Err(InflateError::Write(error)) => Err(here(error)),
        // The system's own errors have numbers, and those of the decoder have none.
        Err(InflateError::Damaged(error)) if error.raw_os_error().is_some() => Err(here(error)),
        Err(error @ (InflateError::Damaged(_) | InflateError::TooLarge(_))) => {
            Err(Failure::Damaged(format!("gzip: {error}")))
        }
    }
}

fn load(id: &FileId, file: File) -> Result<Loaded, Failure> {
    match id {
        FileId::Image(_) => {
            let image = Image::parse(whole_image(file)?).map_err(damaged)?;
            Ok(Loaded { answer: Answer::Image(Arc::new(image)), fixed: 0 })
        }
        FileId::Pdb(_) | FileId::Sym(_) => {
            let again = file.try_clone().map_err(here)?;
            let names = Names::load(id, file).map_err(|error| blame(&again, error))?;
            // Of a .sym file that counts through all of it; it does not change.
            let fixed = if matches!(names, Names::Sym(_)) { names.held() } else { 0 };
            Ok(Loaded { answer: Answer::Names(names), fixed })
        }
    }
}

fn whole_image(mut file: File) -> Result<Bytes, Failure> {
    let len = file.metadata().map_err(here)?.len();
    if len > MAX_IMAGE {
        let why = format!("{len} bytes, more than the {MAX_IMAGE} that an image may have");
        return Err(damaged(Damaged { what: "image", why }));
    }
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.take(MAX_IMAGE).read_to_end(&mut bytes)).map_err(here)?;
    Ok(Bytes::from(bytes))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::{ImageId, PdbId};

    fn ids() -> [FileId; 3] {
        let pdb = PdbId::new("a.pdb", Uuid::from_u128(7), 1).unwrap();
        let image = ImageId::new("a.sys", 0x5AB3_8077, 0x9000).unwrap();
        [FileId::Image(image), FileId::Pdb(pdb.clone()), FileId::Sym(pdb)]
    }

    /// The disk's part is played by a folder, which can be opened, and of which no byte can be read.
    #[test]
    fn a_disk_that_fails_says_nothing_of_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let open = || File::open(folder.path()).unwrap();
        for id in ids() {
            let failure = load(&id, open()).unwrap_err();
            assert!(matches!(failure, Failure::Untried(_)), "{id}: {failure}");
            let failure = identify::check(&id, &open()).map_err(|error| blame(&open(), error)).unwrap_err();
            assert!(matches!(failure, Failure::Untried(_)), "{id}: {failure}");
        }
        let failure = gunzip(open(), &mut io::sink(), 99).unwrap_err();
        assert!(matches!(failure, Failure::Untried(_)), "{failure}");
        let error = identify::uncab(open(), &mut tempfile::tempfile().unwrap(), 99).unwrap_err();
        assert!(matches!(error, UncabError::Io(_)), "{error}");
    }

    /// `/dev/full` takes no byte, as a full disk does.
    #[test]
    fn a_full_disk_says_nothing_of_a_packed_file() {
        let full = || File::options().write(true).open("/dev/full").unwrap();
        let mut packed =
            flate2::write::GzEncoder::new(tempfile::tempfile().unwrap(), flate2::Compression::fast());
        packed.write_all(&[7; 100_000]).unwrap();
        let mut packed = packed.finish().unwrap();
        packed.rewind().unwrap();
        let failure = gunzip(packed, &mut full(), 1 << 20).unwrap_err();
        assert!(matches!(failure, Failure::Untried(_)), "{failure}");

        let mut builder = cab::CabinetBuilder::new();
        builder.add_folder(cab::CompressionType::MsZip).add_file("a.pdb");
        let mut packed = builder.build(tempfile::tempfile().unwrap()).unwrap();
        packed.next_file().unwrap().unwrap().write_all(&[7; 100_000]).unwrap();
        let error = identify::uncab(packed.finish().unwrap(), &mut full(), 1 << 20).unwrap_err();
        assert!(matches!(error, UncabError::Io(_)), "{error}");
    }

    #[test]
    fn what_is_no_such_file_is_damaged() {
        for id in ids() {
            let failure = load(&id, tempfile::tempfile().unwrap()).unwrap_err();
            assert!(matches!(failure, Failure::Damaged(_)), "{id}: {failure}");
        }
        let large = tempfile::tempfile().unwrap();
        large.set_len(MAX_IMAGE + 1).unwrap();
        let [image, ..] = ids();
        let failure = load(&image, large).unwrap_err().to_string();
        assert!(failure.contains("more than the 536870912"), "{failure}");
    }
}
