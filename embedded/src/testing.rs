//! One engine for all tests of a process, each with a database of its own: they run side by side, and none waits for
//! another's engine to start and to close.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::{Engine, EngineConfig, EngineError, find_library};

/// libchdb serves one folder a process: many tests share its engine, or one has the process to itself.
static TURNS: RwLock<()> = RwLock::const_new(());
/// Held by a test that may have to start it.
static STARTING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

struct Running {
    engine: Engine,
    /// Goes once the engine has closed it.
    dir: TempDir,
    users: usize,
}

/// The engine that this process's tests share, for as long as one of them holds it.
#[derive(Debug)]
pub struct Shared {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// The only user.
    pub user: String,
    /// That user's.
    pub password: String,
    _turn: RwLockReadGuard<'static, ()>,
}

/// The right to start engines: no other test has one.
#[derive(Debug)]
pub struct Alone {
    _turn: RwLockWriteGuard<'static, ()>,
}

/// Waits for a turn beside other tests. `None` where there is no libchdb, which CI does not accept.
pub async fn shared() -> Result<Option<Shared>, EngineError> {
    if !is_installed()? {
        return Ok(None);
    }
    let turn = TURNS.read().await;
    let _starting = STARTING.lock().await;
    if lock().is_none() {
        let dir = TempDir::new().map_err(EngineError::Io)?;
        let config = EngineConfig { dir: dir.path().join("clickhouse"), library: None };
        let engine = Engine::start(config).await?;
        *lock() = Some(Running { engine, dir, users: 0 });
    }
    let mut running = lock();
    Ok(running.as_mut().map(|Running { engine, users, .. }| {
        *users += 1;
        Shared {
            url: engine.url().to_owned(),
            user: engine.user().to_owned(),
            password: engine.password().to_owned(),
            _turn: turn,
        }
    }))
}

/// Waits until no other test has an engine. `None` where there is no libchdb, which CI does not accept.
pub async fn alone() -> Result<Option<Alone>, EngineError> {
    Ok(if is_installed()? { Some(Alone { _turn: TURNS.write().await }) } else { None })
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut running = lock();
        if let Some(Running { users, .. }) = running.as_mut() {
            *users -= 1;
        }
        if let Some(Running { mut engine, dir, .. }) = running.take_if(|running| running.users == 0) {
            engine.stop.cancel();
            let _panicked = engine.thread.take().map(std::thread::JoinHandle::join);
            drop(dir);
        }
    }
}

fn lock() -> MutexGuard<'static, Option<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::print_stdout, reason = "a test that is skipped says so where tests speak")]
fn is_installed() -> Result<bool, EngineError> {
    match find_library(None) {
        Ok(_path) => Ok(true),
        Err(error) if std::env::var_os("CI").is_some() => Err(error),
        Err(_absent) => {
            println!("skipped: no libchdb here");
            Ok(false)
        }
    }
}
