//! ClickHouse inside this process: libchdb opened at run time, behind a loopback HTTP endpoint that speaks
//! ClickHouse's own HTTP interface. Owns the engine's life and knows nothing of what is stored; the only crate with
//! `unsafe`, all of it in `ffi`.

#[expect(unsafe_code, reason = "libchdb is a C library; every call to it is in this one file")]
mod ffi;

mod core;
mod error;
mod library;
mod request;
mod run;
mod server;
mod statement;
#[cfg(feature = "testing")]
pub mod testing;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

pub use error::EngineError;
pub use library::find_library;

use crate::core::Core;

/// Where the engine's data and its library are.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder of the data; made where it is missing. One process at a time.
    pub dir: PathBuf,
    /// libchdb.so, where it is not in one of the places that [`find_library`] looks.
    pub library: Option<PathBuf>,
}

/// ClickHouse, running inside this process. libchdb serves one folder a process, so there can be only one; a second
/// start waits for one that is stopping, and fails beside one that is not.
///
/// It has a thread and a runtime of its own: a busy host does not starve it, and it outlives the runtime it was
/// started from.
pub struct Engine {
    url: String,
    user: &'static str,
    password: String,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads libchdb, opens the folder and begins to listen on 127.0.0.1, on a port and with a password of its own.
    pub async fn start(config: EngineConfig) -> Result<Self, EngineError> {
        let (ready, started) = oneshot::channel();
        let stop = CancellationToken::new();
        let password = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let (stop_inside, secret) = (stop.clone(), password.clone());
        let thread = std::thread::Builder::new()
            .name("clickhouse-http".to_owned())
            .spawn(move || live(&config, secret, &stop_inside, ready))
            .map_err(EngineError::Io)?;
        let address = started
            .await
            .map_err(|_| EngineError::Io(std::io::Error::other("the engine's thread ended")))??;
        Ok(Self { url: format!("http://{address}"), user: core::USER, password, stop, thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The only user.
    pub fn user(&self) -> &str {
        self.user
    }

    /// Made at the start; every request must carry it.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Answers what is under way, then closes the folder so that it can be opened again.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take()
            && tokio::task::spawn_blocking(move || thread.join().is_ok()).await.is_ok_and(|ended| !ended)
        {
            tracing::error!("the embedded engine's thread panicked");
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The engine's thread: from opening the folder to closing it.
fn live(
    config: &EngineConfig,
    password: String,
    stop: &CancellationToken,
    ready: oneshot::Sender<Result<SocketAddr, EngineError>>,
) {
    let opened = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .thread_name("clickhouse-query")
        .max_blocking_threads(core::MAX_RUNNING + 4)
        .build()
        .map_err(EngineError::Io)
        .and_then(|runtime| Ok((runtime, Core::open(config, password, stop)?)));
    let (runtime, core) = match opened {
        Ok((runtime, core)) => (runtime, Arc::new(core)),
        Err(error) => {
            // Nobody waits any more: the start was given up.
            drop(ready.send(Err(error)));
            return;
        }
    };
    runtime.block_on(async {
        let bound = async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        match bound.await {
            Ok((listener, address)) => {
                if ready.send(Ok(address)).is_ok() {
                    server::serve(listener, &core, stop).await;
                }
            }
            Err(error) => drop(ready.send(Err(EngineError::Io(error)))),
        }
    });
    // Waits for the blocking threads, each of which holds a connection at most: then the folder is free.
    drop(runtime);
    core.close();
}
