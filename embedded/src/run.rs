//! Runs statements on blocking threads, each on a connection that is its own meanwhile, and passes rows in and out piece by piece.
//! A client that goes away ends its statement; an insert whose body broke off is cancelled.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::core::{Core, Ready, Session, Turn};
use crate::ffi::{Connection, Statement, Summary};
use crate::request::{Asked, Bad, Work, piece};

/// Pieces of rows waiting between the network and the engine, each way.
const PIECES: usize = 4;
/// How much more of an insert's body is read, only to be heard by a client that listens when it has finished.
const DISCARD: usize = 64 * 1024 * 1024;
const STOPPING: &str = "Code: 236. DB::Exception: the engine is stopping. (ABORTED)";

/// What came out.
pub(crate) enum Output {
    /// All of it.
    Whole { format: String, bytes: Bytes, summary: Summary },
    /// The first piece, and where the others come from.
    Pieces { format: String, first: Bytes, rest: Pieces },
}

/// The pieces that follow, or the error that ends them. Dropped before the end, it ends the statement.
pub(crate) struct Pieces {
    pieces: mpsc::Receiver<Result<Bytes, String>>,
    _watch: Watch,
}

impl Pieces {
    pub(crate) async fn next(&mut self) -> Option<Result<Bytes, String>> {
        self.pieces.recv().await
    }
}

/// Ends a statement that nobody waits for any more.
struct Watch {
    core: Arc<Core>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// By which the statement is found, from when there is one.
    mark: OnceLock<String>,
    finished: AtomicBool,
    abandoned: AtomicBool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.abandoned.store(true, Ordering::SeqCst);
        if !self.state.finished.load(Ordering::SeqCst)
            && let Some(mark) = self.state.mark.get().cloned()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let core = Arc::clone(&self.core);
            drop(runtime.spawn_blocking(move || core.kill(Some(&mark))));
        }
    }
}

/// A statement on its blocking thread.
struct Job {
    core: Arc<Core>,
    session: Session,
    sql: String,
    parameters: Vec<(String, String)>,
    state: Arc<State>,
    _turn: Turn,
}

impl Job {
    fn ready(&self) -> Result<Ready, String> {
        let ready = self.core.ready(&self.session)?;
        // A job has one connection.
        let _is_first = self.state.mark.set(ready.mark.clone());
        // The client may have gone while this waited for its turn: then nothing is there yet that could be ended.
        if self.state.abandoned.load(Ordering::SeqCst) {
            return Err(
                "Code: 735. DB::Exception: the client went away. (QUERY_WAS_CANCELLED_BY_CLIENT)".to_owned()
            );
        }
        Ok(ready)
    }

    /// Gives the connection back once the statement has ended. Whoever abandoned it before may yet end what runs there.
    fn again(&self, ready: Ready) {
        if !self.state.abandoned.load(Ordering::SeqCst) {
            self.core.again(ready);
        }
    }

    fn statement<'a>(&'a self, format: &'a str) -> Statement<'a> {
        Statement { sql: &self.sql, format, parameters: &self.parameters }
    }

    /// Says what ran and for how long, to whoever looks for what is slow.
    fn ended(&self, begun: Instant) {
        self.state.finished.store(true, Ordering::SeqCst);
        tracing::debug!(
            ms = begun.elapsed().as_secs_f64() * 1e3,
            sql = self.sql.split_whitespace().collect::<Vec<_>>().join(" "),
            "a statement ended"
        );
    }

    fn whole(self, format: &str, leaves_nothing: bool) -> Result<(Bytes, Summary), String> {
        let begun = Instant::now();
        let mut ready = self.ready()?;
        let chunk = ready.connection.query(self.statement(format));
        self.ended(begun);
        let chunk = chunk?;
        let result = (Bytes::copy_from_slice(chunk.bytes()), chunk.summary());
        drop(chunk);
        if leaves_nothing {
            self.again(ready);
        }
        Ok(result)
    }

    /// The last piece is told when the statement has ended: many a client goes away once it has its row, and nothing is
    /// to be ended for that.
    fn pieces(self, format: &str, out: &mpsc::Sender<Result<Bytes, String>>) {
        let begun = Instant::now();
        let result = self.all_but_the_last(format, out);
        self.ended(begun);
        let last = match result {
            Ok(Some((ready, last))) => {
                self.again(ready);
                Ok(last)
            }
            Ok(None) => return,
            Err(error) => Err(error),
        };
        // Nobody hears it: the client has gone.
        drop(out.blocking_send(last));
    }

    /// Comes to the last piece, empty where there is none, or to nothing where nobody reads on.
    fn all_but_the_last(
        &self,
        format: &str,
        out: &mpsc::Sender<Result<Bytes, String>>,
    ) -> Result<Option<(Ready, Bytes)>, String> {
        let mut ready = self.ready()?;
        let mut stream = ready.connection.stream(self.statement(format))?;
        let (mut header, mut last) = (None, Bytes::new());
        loop {
            let next = stream.next();
            if !matches!(next, Ok(None))
                && !last.is_empty()
                && out.blocking_send(Ok(std::mem::take(&mut last))).is_err()
            {
                return Ok(None);
            }
            let Some(chunk) = next? else { break };
            let bytes = chunk.bytes();
            let skip = match header {
                None => {
                    header =
                        Some(if format == "RowBinaryWithNamesAndTypes" { header_length(bytes) } else { 0 });
                    0
                }
                Some(length) => length,
            };
            last = Bytes::copy_from_slice(bytes.get(skip..).unwrap_or_default());
        }
        drop(stream);
        Ok(Some((ready, last)))
    }

    fn insert(self, format: &str, rows: &mut mpsc::Receiver<Rows>) -> Result<Summary, String> {
        let begun = Instant::now();
        let mut ready = self.ready()?;
        let result = self.write(&mut ready.connection, format, rows);
        self.ended(begun);
        result
    }

    fn write(
        &self,
        connection: &mut Connection,
        format: &str,
        rows: &mut mpsc::Receiver<Rows>,
    ) -> Result<Summary, String> {
        let mut insert = connection.insert(self.statement(format))?;
        loop {
            match rows.blocking_recv() {
                Some(Rows::Piece(bytes)) => insert.append(&bytes)?,
                Some(Rows::End) => return insert.finish(),
                // Dropping the insert cancels it.
                None => {
                    return Err("Code: 210. DB::Exception: the body broke off. (NETWORK_ERROR)".to_owned());
                }
            }
        }
    }
}

/// What an insert's body consists of; without the end it broke off.
enum Rows {
    Piece(Bytes),
    End,
}

/// Runs what was asked.
pub(crate) async fn run(core: &Arc<Core>, asked: Asked) -> Result<Output, Bad> {
    let stopping = || Bad(STOPPING.to_owned());
    let turn = core.turn(asked.standing()).await.ok_or_else(stopping)?;
    let state = Arc::new(State::default());
    let watch = Watch { core: Arc::clone(core), state: Arc::clone(&state) };
    let Asked { sql, work, database, mut settings, parameters, read_only } = asked;
    // Clients keep theirs in no order; of one that is named twice the later one stays the later one.
    settings.sort_by(|(one, _), (other, _)| one.cmp(other));
    let whole = matches!(work, Work::Whole { .. });
    let session = Session { database, settings, read_only, whole };
    let job = Job { core: Arc::clone(core), session, sql, parameters, state, _turn: turn };
    match work {
        Work::Whole { format, question } => {
            let asked = format.clone();
            let ran = tokio::task::spawn_blocking(move || job.whole(&asked, question));
            let ran = ran.await.map_err(|_| stopping())?;
            drop(watch);
            let (bytes, summary) = ran.map_err(Bad)?;
            Ok(Output::Whole { format, bytes, summary })
        }
        Work::Pieces { format } => {
            let (out, mut pieces) = mpsc::channel(PIECES);
            let asked = format.clone();
            tokio::task::spawn_blocking(move || job.pieces(&asked, &out));
            // An error before the first row is still an HTTP status.
            let first = pieces.recv().await.transpose().map_err(Bad)?.unwrap_or_default();
            Ok(Output::Pieces { format, first, rest: Pieces { pieces, _watch: watch } })
        }
        Work::Insert { format, first, body } => {
            let (rows, mut received) = mpsc::channel(PIECES);
            let (done, result) = oneshot::channel();
            let asked = format.clone();
            tokio::task::spawn_blocking(move || {
                let result = job.insert(&asked, &mut received);
                received.close();
                // Nobody hears it: the client has gone.
                drop(done.send(result));
            });
            let fed = feed(rows, first, body).await;
            let result = result.await.map_err(|_| stopping())?;
            drop(watch);
            fed?;
            Ok(Output::Whole { format, bytes: Bytes::new(), summary: result.map_err(Bad)? })
        }
    }
}

/// Passes a body on. An insert that has failed takes no more; the rest is read and dropped, because many a client
/// listens only when it has said all.
async fn feed(
    rows: mpsc::Sender<Rows>,
    first: Bytes,
    body: Option<hyper::body::Incoming>,
) -> Result<(), Bad> {
    let mut taken = first.is_empty() || rows.send(Rows::Piece(first)).await.is_ok();
    let mut discarded = 0;
    if let Some(mut body) = body {
        while let Some(bytes) = piece(&mut body).await? {
            if taken {
                taken = rows.send(Rows::Piece(bytes)).await.is_ok();
            } else {
                discarded += bytes.len();
                if discarded > DISCARD {
                    return Ok(());
                }
            }
        }
    }
    if taken {
        // A send that fails now is an insert that has failed: its own error says why.
        drop(rows.send(Rows::End).await);
    }
    Ok(())
}

/// Length of the names and types before the rows; 0 where they cannot be read.
fn header_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    let Some(columns) = varint(bytes, &mut at) else { return 0 };
    for _ in 0..columns.saturating_mul(2) {
        let Some(length) = varint(bytes, &mut at).and_then(|length| usize::try_from(length).ok()) else {
            return 0;
        };
        at = match at.checked_add(length) {
            Some(next) if next <= bytes.len() => next,
            _ => return 0,
        };
    }
    at
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::header_length;

    #[test]
    fn the_header_is_measured() {
        assert_eq!(header_length(b"\x01\x01x\x05UInt8\x01"), 9);
        assert_eq!(header_length(b"\x02\x01x\x01y\x05UInt8\x06String..."), 18);
        assert_eq!(header_length(b"\x00"), 1);
        for hostile in
            [&b""[..], b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", b"\x01\x7Fx", b"\xFF\xFF\xFF\xFF\x7F"]
        {
            assert_eq!(header_length(hostile), 0);
        }
    }
}
