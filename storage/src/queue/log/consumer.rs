//! The log's consumer: reads in order from the committed position. Owns how far it has read in this process; never
//! writes by itself, the writer thread does.

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout_at};

use super::writer::Work;
use super::{Log, store};
use crate::queue::{BatchLimits, Delivery, Position, QueueError, short_reason};

/// The consumer of a log. Like a topic with one partition: a second one waits until the first is dropped.
#[derive(Debug)]
pub struct LogConsumer {
    log: Log,
    /// The turn, and the next offset to read; none while another consumer has it.
    reading: Option<(OwnedSemaphorePermit, i64)>,
}

impl LogConsumer {
    pub(super) fn new(log: Log) -> Self {
        Self { log, reading: None }
    }

    pub(in crate::queue) async fn next(&mut self, limits: BatchLimits) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + limits.wait;
        let Some(from) = self.take_turn(deadline).await? else { return Ok(Vec::new()) };
        let mut end = self.log.inner.end.clone();
        match timeout_at(deadline, end.wait_for(|end| *end > from)).await {
            Ok(Ok(_)) => {}
            Ok(Err(_writer_ended)) => return Err(QueueError::Closed),
            Err(_elapsed) => return Ok(Vec::new()),
        }
        let batch = self
            .log
            .read("reading the log", move |connection| store::read_batch(connection, from, limits))
            .await?;
        // Only here, without an await behind it: a call dropped earlier has read nothing.
        if let (Some((_, next)), Some(last)) = (&mut self.reading, batch.last()) {
            *next = last.position.offset.saturating_add(1);
        }
        Ok(batch)
    }

    pub(in crate::queue) async fn commit(&mut self, batch: &[Position]) -> Result<(), QueueError> {
        let Some(last) = batch.iter().map(|position| position.offset).max() else { return Ok(()) };
        let position = last.saturating_add(1);
        self.log.write(Work::Commit { position }).await
    }

    pub(in crate::queue) async fn rewind(&mut self) -> Result<(), QueueError> {
        let counters = self.log.read("reading the log's position", store::counters).await?;
        if let Some((_, next)) = &mut self.reading {
            *next = counters.position;
        }
        Ok(())
    }

    pub(in crate::queue) async fn dead_letter(
        &mut self,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), QueueError> {
        let (offset, reason) = (delivery.position.offset, short_reason(reason));
        self.log.write(Work::DeadLetter { offset, reason }).await
    }

    /// Waits for the turn; then the offset to read from.
    async fn take_turn(&mut self, deadline: Instant) -> Result<Option<i64>, QueueError> {
        if let Some((_, next)) = &self.reading {
            return Ok(Some(*next));
        }
        let turn = self.log.inner.turn.clone().acquire_owned();
        let Ok(permit) = timeout_at(deadline, turn).await else { return Ok(None) };
        let permit = permit.map_err(|_never_closed| QueueError::Closed)?;
        let counters = self.log.read("reading the log's position", store::counters).await?;
        self.reading = Some((permit, counters.position));
        Ok(Some(counters.position))
    }
}
