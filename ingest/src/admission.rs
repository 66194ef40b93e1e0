//! Bounds the memory of all uploads together. Each takes its worst case before it reads on from its first bytes, so that none starts
//! that cannot end, and nobody waits for another while holding some. Owns the estimate; refuses, never cuts off.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::config::IngestConfig;
use crate::form::FORM_BYTES;
use crate::inflate::Encoding;
use crate::received::WORKING_BYTES;
use crate::refusal::Refusal;

/// A semaphore counts in 32 bits on some machines: in KiB it reaches far enough on all.
const UNIT: usize = 1024;

/// The memory that is left.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    free: Arc<Semaphore>,
    units: usize,
}

/// What an upload will hold at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    pub(crate) encoding: Encoding,
    pub(crate) is_form: bool,
    /// Its declared length on the wire, if any.
    pub(crate) declared: Option<u64>,
}

impl Admission {
    pub(crate) fn new(config: &IngestConfig) -> Self {
        let units = (config.max_in_flight_bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(units)), units }
    }

    /// Bytes that uploads under way have taken.
    pub(crate) fn taken_bytes(&self) -> usize {
        self.units.saturating_sub(self.free.available_permits()).saturating_mul(UNIT)
    }

    /// Takes an upload's share; waits a moment when there is none.
    pub(crate) async fn enter(
        &self,
        need: Need,
        config: &IngestConfig,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        self.take(need.bytes(config), config).await
    }

    /// Takes so many bytes of it; waits a moment when they are not there.
    pub(crate) async fn take(
        &self,
        bytes: usize,
        config: &IngestConfig,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        // One that needs more than there is at all enters alone.
        let units = bytes.div_ceil(UNIT).min(self.units);
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.free).acquire_many_owned(units);
        match timeout(config.admission_wait, share).await {
            Ok(Ok(share)) => Ok(share),
            Ok(Err(_)) | Err(_) => Err(Refusal::Busy),
        }
    }
}

impl Need {
    fn bytes(self, config: &IngestConfig) -> usize {
        let declared = self.declared.and_then(|bytes| usize::try_from(bytes).ok());
        // What is not compressed on the wire cannot become longer when it is.
        let kept = match (self.encoding, self.is_form) {
            (Encoding::Identity, false) => declared.unwrap_or(usize::MAX).min(config.max_inline_bytes),
            _ => config.max_inline_bytes,
        };
        let decoder = self.encoding.decoder_bytes();
        let form = if self.is_form { FORM_BYTES } else { 0 };
        kept.saturating_add(decoder).saturating_add(form).saturating_add(WORKING_BYTES)
    }
}
