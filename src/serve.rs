//! The one HTTP port: accepts connections, caps them, and stops without cutting requests under way.
//! Knows nothing of what the routes do.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::config::Server;

/// A request's head has at most this many bytes: room for a page of tags, far below what a client could make us hold.
const MAX_HEAD: usize = 32 * 1024;

/// A client that takes nothing of its answer for this long is cut off, or it would hold its slot for ever.
const UNREAD: Duration = Duration::from_secs(30);

/// After a failed accept (no file descriptors left, say): wait this long, or the loop would burn a core on it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Binds the configured address.
pub(crate) async fn bind(server: &Server) -> anyhow::Result<TcpListener> {
    TcpListener::bind(server.listen).await.with_context(|| {
        format!(
            "cannot listen on {}: is another bluescope running? (choose another with --listen)",
            server.listen
        )
    })
}

/// Serves until told to stop, then waits for requests under way, at most `server.shutdown_timeout`.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    server: &Server,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let slots = Arc::new(Semaphore::new(server.max_connections));
    let graceful = GracefulShutdown::new();
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = Arc::clone(&slots).acquire_owned() => permit?,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection gone before it was served");
            continue;
        }
        // Roles see who is at the other end: an upload that names no machine is counted as its address.
        let service = router.clone().map_request(move |mut request: Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(UNREAD));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(server.head_timeout)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended early");
            }
            drop(permit);
        });
    }
    drop(listener);
    if tokio::time::timeout(server.shutdown_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!(timeout = ?server.shutdown_timeout, "requests still under way are cut off");
    }
    Ok(())
}
