//! Group commit: one writer thread takes everything that waits into one transaction, and its one fsync answers all
//! callers. Owns the thread, the lock file and the order of writes; what is written is its ledger's.

use std::fs::File;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::error;
use crate::store_error::StoreError;

/// How many calls may wait for the writer thread: more than fit into one transaction, so that the next one is
/// already there when the first is synced.
const WAITING_CALLS: usize = 1024;
/// Most calls of one transaction.
const BATCH_CALLS: usize = 512;
/// A transaction takes no more calls beyond this: the first caller must not wait for the hundredth megabyte.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What is done inside the transactions of one file.
pub(crate) trait Ledger: Send + 'static {
    /// What a caller wants written.
    type Work: Send + 'static;
    /// What the file's numbers are in memory; thrown away with a transaction that fails.
    type State: Clone + Send + 'static;
    /// What callers get when it does not work.
    type Error: Clone + From<StoreError> + Send + 'static;

    /// What the file is called in errors.
    const STORE: &'static str;

    /// Bytes of one work, roughly.
    fn weigh(work: &Self::Work) -> usize;

    /// Does one work. The outer error ends the transaction for all, the inner one is its caller's alone.
    fn apply(
        &mut self,
        transaction: &Transaction<'_>,
        state: &mut Self::State,
        work: &Self::Work,
    ) -> rusqlite::Result<Result<(), Self::Error>>;

    /// What ends each transaction.
    fn finish(&mut self, transaction: &Transaction<'_>, state: &mut Self::State) -> rusqlite::Result<()>;

    /// The transaction is durable.
    fn committed(&mut self, state: &Self::State);
}

type Reply<L> = oneshot::Sender<Result<(), <L as Ledger>::Error>>;

enum Command<L: Ledger> {
    Write(L::Work, Reply<L>),
    Close(oneshot::Sender<()>),
}

/// A handle on the writer thread; clones share it.
pub(crate) struct Group<L: Ledger> {
    commands: mpsc::Sender<Command<L>>,
}

impl<L: Ledger> std::fmt::Debug for Group<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Group").field("store", &L::STORE).finish_non_exhaustive()
    }
}

impl<L: Ledger> Clone for Group<L> {
    fn clone(&self) -> Self {
        Self { commands: self.commands.clone() }
    }
}

impl<L: Ledger> Group<L> {
    /// Starts the writer thread.
    pub(crate) fn start(
        thread: &'static str,
        connection: Connection,
        lock: File,
        ledger: L,
        state: L::State,
    ) -> Result<Self, StoreError> {
        let (commands, waiting) = mpsc::channel(WAITING_CALLS);
        let writer = Writer { connection, ledger, state, _lock: lock };
        std::thread::Builder::new()
            .name(thread.to_owned())
            .spawn(move || writer.run(waiting))
            .map_err(|error| StoreError::unavailable(L::STORE, "starting the writer", error))?;
        Ok(Self { commands })
    }

    /// Hands work to the writer thread and waits for its transaction.
    pub(crate) async fn write(&self, work: L::Work) -> Result<(), L::Error> {
        let closed = || L::Error::from(StoreError::Closed { store: L::STORE });
        let (reply, done) = oneshot::channel();
        self.commands.send(Command::Write(work, reply)).await.map_err(|_writer_ended| closed())?;
        done.await.map_err(|_writer_ended| closed())?
    }

    pub(crate) fn check_open(&self) -> Result<(), L::Error> {
        if self.commands.is_closed() { Err(StoreError::Closed { store: L::STORE }.into()) } else { Ok(()) }
    }

    /// Finishes what waits, then lets go of the file.
    pub(crate) async fn close(&self) {
        let (reply, done) = oneshot::channel();
        if self.commands.send(Command::Close(reply)).await.is_ok() {
            // An error here is the writer having ended by itself: closed all the same.
            drop(done.await);
        }
    }
}

struct Writer<L: Ledger> {
    connection: Connection,
    ledger: L,
    state: L::State,
    _lock: File,
}

impl<L: Ledger> Writer<L> {
    /// Works until closed or until the last handle is gone.
    fn run(mut self, mut waiting: mpsc::Receiver<Command<L>>) {
        let mut closing = None;
        while closing.is_none()
            && let Some(first) = waiting.blocking_recv()
        {
            let (batch, close) = gather(first, &mut waiting);
            if !batch.is_empty() {
                self.write(batch);
            }
            closing = close;
        }
        waiting.close();
        if let Err(error) = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
            tracing::warn!(store = L::STORE, %error, "the write-ahead log was not folded back, the next start does it");
        }
        // The connection and the lock first: whoever awaits the close may open the file again at once.
        drop(self);
        if let Some(reply) = closing
            && reply.send(()).is_err()
        {
            tracing::debug!(store = L::STORE, "nobody waited for the file to close");
        }
    }

    fn write(&mut self, batch: Vec<(L::Work, Reply<L>)>) {
        let mut state = self.state.clone();
        let answers = match self.transact(&batch, &mut state) {
            Ok(answers) => {
                self.state = state;
                self.ledger.committed(&self.state);
                answers
            }
            Err(failure) => {
                let failure = error(L::STORE, "writing", failure);
                tracing::error!(cause = ?failure, calls = batch.len(), "nothing was written");
                vec![Err(failure.into()); batch.len()]
            }
        };
        for ((_, reply), answer) in batch.into_iter().zip(answers) {
            // A caller that went away was cancelled; what it wrote stays, as after a lost acknowledgement.
            drop(reply.send(answer));
        }
    }

    /// One transaction and its answers; when it fails, nothing of it is there.
    fn transact(
        &mut self,
        batch: &[(L::Work, Reply<L>)],
        state: &mut L::State,
    ) -> rusqlite::Result<Vec<Result<(), L::Error>>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut answers = Vec::with_capacity(batch.len());
        for (work, _) in batch {
            answers.push(self.ledger.apply(&transaction, state, work)?);
        }
        self.ledger.finish(&transaction, state)?;
        transaction.commit()?;
        Ok(answers)
    }
}

type Gathered<L> = (Vec<(<L as Ledger>::Work, Reply<L>)>, Option<oneshot::Sender<()>>);

/// Takes what waits beside the first command, up to the limits of a transaction. A close ends the batch.
fn gather<L: Ledger>(first: Command<L>, waiting: &mut mpsc::Receiver<Command<L>>) -> Gathered<L> {
    let (mut batch, mut bytes, mut next) = (Vec::new(), 0usize, Some(first));
    while let Some(command) = next {
        match command {
            Command::Close(reply) => return (batch, Some(reply)),
            Command::Write(work, reply) => {
                bytes = bytes.saturating_add(L::weigh(&work));
                batch.push((work, reply));
            }
        }
        next = if batch.len() < BATCH_CALLS && bytes < BATCH_BYTES { waiting.try_recv().ok() } else { None };
    }
    (batch, None)
}
