//! The engine under the HTTP endpoint: its memory limits, its folder lock, and its connections.

use std::ffi::CString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::ffi::{Api, Connection, Statement};
use crate::request::Standing;
use crate::statement::quote;
use crate::{EngineConfig, EngineError, find_library};

/// The only user.
pub(crate) const USER: &str = "bluescope";

/// Output that is not read piece by piece is held whole.
const MAX_WHOLE: &str = "268435456";

/// Statements that run at the same time; more wait. Each has a thread and may take the memory below.
pub(crate) const MAX_RUNNING: usize = 8;

/// A patient statement begins when nobody has asked anything for so long: a page asks one thing after the other, and what
/// runs beside it can stand still between blocks, but not while it is planned.
const QUIET: Duration = Duration::from_millis(10);
/// It waits for that no longer than this, which most answers take. Where somebody always asks, longer waits would leave what
/// is kept too old to be given (measured with 300 ms), and then somebody waits for it.
const LONGEST_WAIT: Duration = Duration::from_millis(50);

/// For a machine of 4 GB that runs everything else too. libchdb takes `clickhouse local`'s arguments, server settings
/// and settings alike, and connections opened later inherit them.
const ARGUMENTS: &[&str] = &[
    // The whole engine, and one statement of it. A group-by spills to disk well before.
    "--max_server_memory_usage=1610612736",
    "--max_memory_usage=1073741824",
    "--max_bytes_before_external_group_by=402653184",
    "--max_bytes_before_external_sort=402653184",
    // Caches: the defaults are 5 GB each.
    "--mark_cache_size=67108864",
    "--primary_index_cache_size=67108864",
    "--uncompressed_cache_size=0",
    "--index_mark_cache_size=16777216",
    "--mmap_cache_size=0",
    "--compiled_expression_cache_size=16777216",
    // Threads: two merges at once, few others.
    "--background_pool_size=2",
    "--background_merges_mutations_concurrency_ratio=2",
    "--background_common_pool_size=2",
    "--background_move_pool_size=1",
    "--background_fetches_pool_size=1",
    "--background_schedule_pool_size=4",
    "--max_thread_pool_size=500",
    "--max_thread_pool_free_size=8",
    "--max_io_thread_pool_size=16",
    "--max_threads=4",
    // A request that nobody reads any more ends by itself.
    "--max_execution_time=600",
    // As a server behaves: statements are statements, and an insert is written when it is acknowledged.
    "--implicit_select=0",
    "--async_insert=0",
];

/// The engine of this process, from before its folder is opened until after it is closed.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);
/// Told when it has closed.
static CLOSED: Condvar = Condvar::new();

struct Running {
    dir: PathBuf,
    stop: CancellationToken,
}

/// A statement may run while it has one.
pub(crate) struct Turn {
    _slot: OwnedSemaphorePermit,
    _patient: Option<OwnedSemaphorePermit>,
    _awaited: Option<Awaited>,
}

/// Counts a statement that somebody waits for.
struct Awaited(watch::Sender<usize>);

impl Awaited {
    fn new(running: &watch::Sender<usize>) -> Self {
        running.send_modify(|running| *running += 1);
        Self(running.clone())
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running -= 1);
    }
}

/// Connections that wait for a request like their last one.
const MOST_IDLE: usize = 16;

/// What a request sets, in full and in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) database: Option<String>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) read_only: bool,
    /// Whether output is held whole, and so has a limit.
    pub(crate) whole: bool,
}

/// A connection on which all that is set.
pub(crate) struct Ready {
    session: Session,
    pub(crate) connection: Connection,
    /// By this its statement is found and ended.
    pub(crate) mark: String,
}

/// The open engine.
pub(crate) struct Core {
    api: Api,
    arguments: Vec<CString>,
    /// Keeps the folder open between requests.
    anchor: Mutex<Option<Connection>>,
    /// The one that was used last at the end.
    idle: Mutex<Vec<Ready>>,
    slots: Arc<Semaphore>,
    /// One at a time of those that nobody waits for.
    patient: Arc<Semaphore>,
    /// How many statements somebody waits for.
    awaited: watch::Sender<usize>,
    pub(crate) password: String,
}

impl Core {
    /// Opens the folder; waits for an engine of this process that is about to close. Blocking.
    pub(crate) fn open(
        config: &EngineConfig,
        password: String,
        stop: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let path = find_library(config.library.as_deref())?;
        fs::create_dir_all(&config.dir).map_err(EngineError::Io)?;
        let dir = config.dir.canonicalize().map_err(EngineError::Io)?;
        let mut running = lock(&RUNNING);
        while let Some(other) = running.as_ref() {
            if !other.stop.is_cancelled() {
                return Err(EngineError::AlreadyRunning { dir: other.dir.clone() });
            }
            running = CLOSED.wait(running).unwrap_or_else(PoisonError::into_inner);
        }
        check_lock(&dir)?;
        let api = Api::load(&path).map_err(|source| EngineError::LibraryUnusable { path, source })?;
        let refused = || EngineError::Refused { dir: dir.clone() };
        let folder = dir.to_str().ok_or_else(refused)?;
        let arguments = ["clickhouse".to_owned(), format!("--path={folder}")]
            .into_iter()
            .chain(ARGUMENTS.iter().map(|&argument| argument.to_owned()))
            .map(CString::new)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| refused())?;
        let anchor = api.connect(&arguments).ok_or_else(refused)?;
        *running = Some(Running { dir: dir.clone(), stop: stop.clone() });
        Ok(Self {
            api,
            arguments,
            anchor: Mutex::new(Some(anchor)),
            idle: Mutex::new(Vec::new()),
            slots: Arc::new(Semaphore::new(MAX_RUNNING)),
            patient: Arc::new(Semaphore::new(1)),
            awaited: watch::Sender::new(0),
            password,
        })
    }

    /// Waits for a turn; `None` once the engine stops.
    pub(crate) async fn turn(&self, standing: Standing) -> Option<Turn> {
        let patient = match standing {
            Standing::Patient => {
                let patient = Arc::clone(&self.patient).acquire_owned().await.ok()?;
                let _quiet_or_not = timeout(LONGEST_WAIT, quiet(self.awaited.subscribe())).await;
                Some(patient)
            }
            Standing::Apart | Standing::Awaited => None,
        };
        let awaited = (standing == Standing::Awaited).then(|| Awaited::new(&self.awaited));
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        Some(Turn { _slot: slot, _patient: patient, _awaited: awaited })
    }

    /// A connection on which this is set and nothing else: one that has served the same session, or a new one. To connect
    /// and to set takes half of a small statement's time.
    pub(crate) fn ready(&self, session: &Session) -> Result<Ready, String> {
        {
            let mut idle = lock(&self.idle);
            if let Some(place) = idle.iter().rposition(|ready| ready.session == *session) {
                return Ok(idle.remove(place));
            }
        }
        let mut connection = self.connect()?;
        let mut run = |sql: &str, parameters: &[(String, String)]| {
            connection.query(Statement { sql, format: "Null", parameters }).map(drop)
        };
        if let Some(database) = &session.database {
            run("USE {database:Identifier}", &[("database".to_owned(), database.clone())])?;
        }
        let mark = uuid::Uuid::new_v4().to_string();
        let mut set = format!("SET log_comment = {}", quote(&mark));
        if session.whole {
            set += ", max_result_bytes = ";
            set += MAX_WHOLE;
        }
        for (name, value) in &session.settings {
            set += &format!(", {name} = {}", quote(value));
        }
        if session.read_only {
            set += ", readonly = 2";
        }
        run(&set, &[])?;
        Ok(Ready { session: session.clone(), connection, mark })
    }

    /// Takes a connection back whose statement was a question that went well, was read to its end and that nobody ends any
    /// more. Such a statement leaves nothing behind.
    pub(crate) fn again(&self, ready: Ready) {
        let mut idle = lock(&self.idle);
        // After this there is nothing that a connection could hold open.
        if lock(&self.anchor).is_none() {
            return;
        }
        if idle.len() >= MOST_IDLE {
            idle.remove(0);
        }
        idle.push(ready);
    }

    /// A connection that nobody has used.
    fn connect(&self) -> Result<Connection, String> {
        // Never the last one to close: that would close the folder under the others.
        if lock(&self.anchor).is_none() {
            return Err("Code: 236. DB::Exception: the engine is stopping. (ABORTED)".to_owned());
        }
        self.api.connect(&self.arguments).ok_or_else(|| {
            "Code: 439. DB::Exception: libchdb gave no connection. (CANNOT_SCHEDULE_TASK)".to_owned()
        })
    }

    /// Ends the statements that carry this mark, or all where there is none. Blocking.
    pub(crate) fn kill(&self, mark: Option<&str>) {
        let (sql, parameters) = match mark {
            Some(mark) => (
                "KILL QUERY WHERE Settings['log_comment'] = {mark:String} ASYNC FORMAT Null",
                vec![("mark".to_owned(), mark.to_owned())],
            ),
            None => ("KILL QUERY WHERE query NOT LIKE 'KILL %' ASYNC FORMAT Null", Vec::new()),
        };
        let killed = self.connect().and_then(|mut connection| {
            connection.query(Statement { sql, format: "Null", parameters: &parameters }).map(drop)
        });
        if let Err(error) = killed {
            tracing::warn!(error, "a statement that nobody waits for could not be ended");
        }
    }

    /// Begins no more statements and ends those that run. Blocking, but briefly.
    pub(crate) fn end_all(&self) {
        self.patient.close();
        self.slots.close();
        self.kill(None);
    }

    /// Closes the folder.
    pub(crate) fn close(&self) {
        {
            let mut idle = lock(&self.idle);
            idle.clear();
            drop(lock(&self.anchor).take());
        }
        *lock(&RUNNING) = None;
        CLOSED.notify_all();
    }
}

/// Waits until nobody has waited for anything for a while.
async fn quiet(mut awaited: watch::Receiver<usize>) {
    while awaited.wait_for(|&running| running == 0).await.is_ok() {
        // Somebody who came and went meanwhile counts too. It is never an error: whoever waits here holds the sender.
        if timeout(QUIET, awaited.changed()).await.is_err() {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing of ours panics with these locks held; and if it did, what they hold would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// ClickHouse locks `status` in its folder. libchdb refuses a locked folder with nothing but a null pointer, so the
/// lock is tried here first, for the sake of the message.
fn check_lock(dir: &Path) -> Result<(), EngineError> {
    let status = dir.join("status");
    let file = match File::open(&status) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(EngineError::Io(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let pid = fs::read_to_string(&status).ok().as_deref().and_then(pid_in);
            Err(EngineError::InUse { dir: dir.to_path_buf(), pid })
        }
        Err(TryLockError::Error(error)) => Err(EngineError::Io(error)),
    }
}

/// `PID: 1234` in ClickHouse's status file.
fn pid_in(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("PID: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::{Awaited, QUIET, quiet};

    #[tokio::test]
    async fn it_is_quiet_when_nobody_has_asked_for_a_while() {
        let running = watch::Sender::new(0);
        let begun = Instant::now();
        quiet(running.subscribe()).await;
        assert!(begun.elapsed() >= QUIET);

        // A page asks twice, with a pause that is no quiet.
        let first = Awaited::new(&running);
        let mut waiting = Box::pin(quiet(running.subscribe()));
        assert!(timeout(5 * QUIET, &mut waiting).await.is_err());
        drop(first);
        let second = Awaited::new(&running);
        assert!(timeout(5 * QUIET, &mut waiting).await.is_err());
        let begun = Instant::now();
        drop(second);
        waiting.await;
        assert!(begun.elapsed() >= QUIET);
    }

    #[test]
    fn the_status_file_names_the_process() {
        assert_eq!(super::pid_in("PID: 4711\nStarted at: 2026-01-01 00:00:00\nRevision: 1\n"), Some(4711));
        assert_eq!(super::pid_in(""), None);
    }
}
