//! A folder is asked on threads that may block, and waited for no longer than agreed: a network mount whose server is gone
//! hangs for as long as that is gone, and nothing ends such a thread. Each keeps its turn at the source until it comes
//! back, so that never more hang than have a turn; what it reads after all that goes nowhere.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::Folder;
use crate::fetch::disk::Part;
use crate::fetch::layout::Attempt;
use crate::fetch::remote::{Bounds, Fault};

/// Leave to be one of the few who ask a source.
pub(crate) type Turn = Arc<OwnedSemaphorePermit>;

impl Folder {
    /// Whether it is a store of two tiers; [`Fault::Absent`] where not.
    pub(crate) async fn ask_tiers(&self, turn: &Turn, bounds: &Bounds) -> Result<(), Fault> {
        let folder = self.clone();
        let has = self.wait(turn, bounds.until(bounds.head), move || Ok(folder.two_tiers())).await?;
        if has { Ok(()) } else { Err(Fault::Absent) }
    }

    /// Copies a file of it into the partial file, which is left alone where there is none. `heard` is called when it was
    /// found.
    pub(crate) async fn bring(
        &self,
        attempt: &Attempt,
        part: &mut Part,
        turn: &Turn,
        bounds: &Bounds,
        heard: &mut (dyn FnMut() + Send),
    ) -> Result<(), Fault> {
        let (folder, attempt) = (self.clone(), attempt.clone());
        let from = self.wait(turn, bounds.until(bounds.head), move || folder.open(&attempt)).await?;
        heard();
        part.clear().map_err(Fault::Here)?;
        let target = Target::new(part.file().map_err(Fault::Here)?);
        let (folder, mut to, limit) = (self.clone(), target.writer(), bounds.bytes);
        self.wait(turn, bounds.deadline, move || folder.copy(from, &mut to, limit)).await
    }

    async fn wait<T: Send + 'static>(
        &self,
        turn: &Turn,
        until: Instant,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let turn = Arc::clone(turn);
        let thread = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        match timeout_at(until, thread).await {
            Ok(done) => done.unwrap_or_else(|error| Err(Fault::Here(io::Error::other(error)))),
            Err(_elapsed) => Err(Fault::failing(format!("{} does not answer in time", self.root.display()))),
        }
    }
}

/// A file that is written to until this is dropped: somebody else's download may stand in it then.
struct Target(Arc<Mutex<Option<File>>>);

/// The end of it that writes.
struct Writer(Arc<Mutex<Option<File>>>);

impl Target {
    fn new(file: File) -> Self {
        Self(Arc::new(Mutex::new(Some(file))))
    }

    fn writer(&self) -> Writer {
        Writer(Arc::clone(&self.0))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        *lock(&self.0) = None;
    }
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match lock(&self.0).as_mut() {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("nobody waits for it any more")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock(file: &Mutex<Option<File>>) -> MutexGuard<'_, Option<File>> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn what_comes_too_late_goes_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let target = Target::new(file.reopen().unwrap());
        let mut writer = target.writer();
        writer.write_all(b"in time").unwrap();
        drop(target);
        assert!(writer.write_all(b"too late").is_err());
        assert_eq!(std::fs::read(file.path()).unwrap(), b"in time");
    }

    #[tokio::test]
    async fn a_thread_that_hangs_keeps_its_turn_and_nobody_waiting() {
        let turns = Arc::new(Semaphore::new(1));
        let turn: Turn = Arc::new(Arc::clone(&turns).acquire_owned().await.unwrap());
        let folder = Folder::new(std::path::Path::new("/mount"));
        let (release, hung) = std::sync::mpsc::channel::<()>();
        let soon = Instant::now() + Duration::from_millis(20);
        let outcome = folder.wait(&turn, soon, move || hung.recv().map_err(|_gone| Fault::Absent)).await;
        assert!(matches!(outcome, Err(Fault::Failing { .. })), "{outcome:?}");
        drop(turn);
        assert_eq!(turns.available_permits(), 0);
        drop(release);
        let back = tokio::time::timeout(Duration::from_secs(20), turns.acquire()).await;
        assert!(back.is_ok(), "its turn is over when it comes back");
    }
}
