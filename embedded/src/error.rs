//! Why the engine does not start, in words that say what to do.

use std::path::PathBuf;

/// The embedded engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No libchdb anywhere.
    #[error(
        "no libchdb found: run `scripts/setup`, which puts one into .deps/libchdb, or name one with LIBCHDB; looked at {}",
        list(.looked)
    )]
    LibraryMissing {
        /// Where it was looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// There is a library, but it cannot be used.
    #[error("{} cannot be used as libchdb: it is damaged, of another platform, or too old (26.7 is known to work)", path.display())]
    LibraryUnusable {
        /// Which one.
        path: PathBuf,
        /// The dynamic linker's reason.
        #[source]
        source: libloading::Error,
    },
    /// Another process has the folder open.
    #[error("{} is in use by another process{}: stop it, or ask it through its HTTP endpoint", dir.display(), holder(.pid))]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The other process, where the folder names it.
        pid: Option<u32>,
    },
    /// This process has an engine already.
    #[error("an embedded engine is running in this process already, in {}", dir.display())]
    AlreadyRunning {
        /// Its folder.
        dir: PathBuf,
    },
    /// libchdb refused the folder; it writes the reason to the standard error output.
    #[error("libchdb could not open {}: its reason is on the standard error output", dir.display())]
    Refused {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder or the loopback port.
    #[error("the embedded engine could not start")]
    Io(#[source] std::io::Error),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn holder(pid: &Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}
