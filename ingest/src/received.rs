//! One dump on its way in: hashed, its head kept, compressed again, and out of memory once it is large. Never holds
//! more than the inline limit, whatever the dump's size.

use std::io::{self, Write as _};

use bytes::Bytes;
use dump::{HEAD_LEN, IdentifyError};
use storage::blobs::Blobs;
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use crate::refusal::{Refusal, storage_failed};

/// How much is worked on before the next task gets its turn. Inflating, hashing and compressing 64 KiB takes less than
/// half a millisecond: short enough to stay in the request's own task, where the body's pace is the back-pressure and a dump needs
/// no other thread; `spawn_blocking` for each step would cost more than it saves, and for a whole body it would let
/// slow clients hold threads.
const STEP: usize = 64 * 1024;
/// zstd's fastest usual level. Compressing is most of an upload's work already (230 MB/s, where hashing does 2 GB/s and
/// inflating 500 MB/s); level 3 takes up to twice as long for 3 to 10 % of size.
const LEVEL: i32 = 1;
/// Memory of one upload besides the compressed dump: the step, the head and the compressor's tables at level 1.
pub(crate) const WORKING_BYTES: usize = STEP + HEAD_LEN + 1024 * 1024;

/// A whole dump.
#[derive(Debug)]
pub(crate) struct Received {
    /// BLAKE3 of the inflated dump.
    pub(crate) digest: [u8; 32],
    /// Its first [`HEAD_LEN`] bytes.
    pub(crate) head: Vec<u8>,
    /// Its length.
    pub(crate) raw_len: u64,
    /// Its length compressed.
    pub(crate) stored_len: u64,
    pub(crate) compressed: Compressed,
}

/// The dump, zstd-compressed.
#[derive(Debug)]
pub(crate) enum Compressed {
    Memory(Bytes),
    File(TempPath),
}

/// Reads a dump to its end.
pub(crate) async fn receive(
    reader: &mut (impl AsyncRead + Unpin),
    blobs: &Blobs,
    max_inline_bytes: usize,
) -> Result<Received, Refusal> {
    let mut step = vec![0; STEP];
    let mut head = Vec::new();
    let mut hasher = blake3::Hasher::new();
    let mut raw_len = 0u64;
    let mut sink = Sink::new(blobs, max_inline_bytes)?;
    loop {
        let filled = fill(reader, &mut step).await?;
        let Some(chunk) = step.get(..filled).filter(|chunk| !chunk.is_empty()) else { break };
        let room = HEAD_LEN.saturating_sub(head.len()).min(chunk.len());
        head.extend_from_slice(chunk.get(..room).unwrap_or_default());
        if raw_len == 0 {
            // Not a dump at all: found out before the rest of it is read.
            check_first_bytes(&head)?;
        }
        raw_len = raw_len.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX));
        hasher.update(chunk);
        sink.write(chunk).await?;
        tokio::task::yield_now().await;
    }
    let (compressed, stored_len) = sink.finish().await?;
    Ok(Received { digest: *hasher.finalize().as_bytes(), head, raw_len, stored_len, compressed })
}

/// Fills the step, or as much of it as there is.
async fn fill(reader: &mut (impl AsyncRead + Unpin), step: &mut [u8]) -> Result<usize, Refusal> {
    let mut filled = 0;
    while let Some(rest) = step.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match reader.read(rest).await.map_err(|error| Refusal::from_read(&error))? {
            0 => break,
            more => filled = filled.saturating_add(more),
        }
    }
    Ok(filled)
}

fn check_first_bytes(head: &[u8]) -> Result<(), Refusal> {
    if let Some(packed) = packed(head) {
        return Err(Refusal::Packed(packed));
    }
    let identified = dump::identify(head, &[0; 32], u64::try_from(head.len()).unwrap_or(u64::MAX));
    match identified {
        Err(error @ IdentifyError::NotADump(_)) => Err(error.into()),
        // Cut or not is known at the end.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// What people send instead of a dump.
fn packed(head: &[u8]) -> Option<&'static str> {
    const KNOWN: [(&[u8], &str); 6] = [
        (b"PK\x03\x04", "a zip file"),
        (b"\x1f\x8b", "gzip, and no Content-Encoding says so"),
        (b"\x28\xb5\x2f\xfd", "zstd, and no Content-Encoding says so"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z file"),
        (b"MSCF", "a cabinet file"),
        (b"\xfd7zXZ\0", "an xz file"),
    ];
    KNOWN.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name)
}

/// Compresses, in memory first and into a file of the blob store from the limit on.
struct Sink<'a> {
    encoder: zstd::stream::write::Encoder<'static, Vec<u8>>,
    max_inline_bytes: usize,
    spill: Spill<'a>,
}

impl<'a> Sink<'a> {
    fn new(blobs: &'a Blobs, max_inline_bytes: usize) -> Result<Self, Refusal> {
        let mut encoder =
            zstd::stream::write::Encoder::new(Vec::new(), LEVEL).map_err(|error| sink_failed(&error))?;
        // Four bytes that tell a damaged blob from a damaged dump.
        encoder.include_checksum(true).map_err(|error| sink_failed(&error))?;
        Ok(Self { encoder, max_inline_bytes, spill: Spill { blobs, file: None, bytes: 0 } })
    }

    async fn write(&mut self, chunk: &[u8]) -> Result<(), Refusal> {
        self.encoder.write_all(chunk).map_err(|error| sink_failed(&error))?;
        let compressed = self.encoder.get_mut();
        if self.spill.file.is_some() || compressed.len() > self.max_inline_bytes {
            self.spill.write(compressed).await?;
            compressed.clear();
        }
        Ok(())
    }

    async fn finish(self) -> Result<(Compressed, u64), Refusal> {
        let Self { encoder, max_inline_bytes, mut spill } = self;
        let rest = encoder.finish().map_err(|error| sink_failed(&error))?;
        if spill.file.is_none() && rest.len() <= max_inline_bytes {
            let length = u64::try_from(rest.len()).unwrap_or(u64::MAX);
            return Ok((Compressed::Memory(rest.into()), length));
        }
        spill.write(&rest).await?;
        let bytes = spill.bytes;
        Ok((Compressed::File(spill.finish().await?), bytes))
    }
}

/// A temporary file of the blob store, once there is something for it.
struct Spill<'a> {
    blobs: &'a Blobs,
    file: Option<(File, TempPath)>,
    bytes: u64,
}

impl Spill<'_> {
    async fn write(&mut self, compressed: &[u8]) -> Result<(), Refusal> {
        let (file, _) = match &mut self.file {
            Some(open) => open,
            closed => {
                let (file, path) = self.blobs.temp_file().map_err(storage_failed)?.into_parts();
                closed.insert((File::from_std(file), path))
            }
        };
        file.write_all(compressed).await.map_err(|error| sink_failed(&error))?;
        self.bytes = self.bytes.saturating_add(u64::try_from(compressed.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    async fn finish(self) -> Result<TempPath, Refusal> {
        let (mut file, path) = self.file.ok_or(Refusal::Unavailable)?;
        file.flush().await.map_err(|error| sink_failed(&error))?;
        Ok(path)
    }
}

fn sink_failed(error: &io::Error) -> Refusal {
    tracing::error!(cause = ?error, "the upload was not written down");
    Refusal::Unavailable
}
