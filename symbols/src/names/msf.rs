//! The container of a PDB: numbered streams, scattered over the blocks of a file (MSF 7.00). Owns which bytes belong to
//! which stream; knows nothing of what they mean. Reads the directory, and of the streams only what is asked for.
//!
//! A directory is believed only where its streams fit into the file side by side, as they do in every file that a linker
//! wrote: so nobody can make one block of a file into gigabytes of streams.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::io;

use super::source::Source;
use crate::image::Damaged;
use crate::reader::{Reader, index, len32};

pub(crate) const MAGIC: &[u8] = b"Microsoft C/C++ MSF 7.00\r\n\x1a\x44\x53\0\0\0";

/// `Size` of a stream that was deleted.
const NIL: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    size: u32,
    /// Where its blocks begin in the list of all.
    first: usize,
}

#[derive(Debug)]
pub(crate) struct Msf<'a> {
    source: Source<'a>,
    block: u32,
    streams: Vec<Stream>,
    /// Blocks of all streams, in the order of the streams.
    blocks: Vec<u32>,
}

pub(super) fn damaged(why: impl Into<String>) -> Damaged {
    Damaged::new("PDB", why)
}

fn unreadable(error: &io::Error) -> Damaged {
    damaged(format!("cannot be read: {error}"))
}

impl<'a> Msf<'a> {
    pub(crate) fn open(source: Source<'a>) -> Result<Self, Damaged> {
        let len = source.len().map_err(|error| unreadable(&error))?;
        let mut head = vec![0; index(u32::try_from(len.min(4096)).unwrap_or(0))];
        source.read_exact_at(&mut head, 0).map_err(|error| unreadable(&error))?;
        let mut reader = Reader::new(&head);
        if reader.take(MAGIC.len()) != Some(MAGIC) {
            return Err(damaged("does not begin with `Microsoft C/C++ MSF 7.00`"));
        }
        let cut = || damaged("cut short in its first block");
        let block = reader.u32().ok_or_else(cut)?;
        if !block.is_power_of_two() || !(512..=65_536).contains(&block) {
            return Err(damaged(format!("blocks of {block} bytes")));
        }
        reader.skip(8).ok_or_else(cut)?;
        let directory_size = reader.u32().ok_or_else(cut)?;
        reader.skip(4).ok_or_else(cut)?;
        if u64::from(directory_size) > len {
            return Err(damaged("its directory is larger than the file"));
        }
        let count = u32::try_from(len.div_ceil(u64::from(block))).map_err(|_| damaged("larger than 2 TB"))?;
        let mut msf = Self { source, block, streams: Vec::new(), blocks: Vec::new() };
        // The list of the directory's blocks has a list of blocks of its own, which stands in the first block.
        let list_size = directory_size.div_ceil(block).saturating_mul(4);
        let list = msf.read_blocks(&numbers(&mut reader, list_size.div_ceil(block), count)?, list_size)?;
        let blocks = numbers(&mut Reader::new(&list), directory_size.div_ceil(block), count)?;
        let directory = msf.read_blocks(&blocks, directory_size)?;
        msf.read_directory(&directory, count)?;
        Ok(msf)
    }

    fn read_directory(&mut self, directory: &[u8], count: u32) -> Result<(), Damaged> {
        let cut = || damaged("its directory is cut short");
        let mut reader = Reader::new(directory);
        let streams = reader.u32().ok_or_else(cut)?;
        let mut sizes = Reader::new(reader.take_u32(streams.saturating_mul(4)).ok_or_else(cut)?);
        let mut total = 0_u64;
        while let Some(size) = sizes.u32() {
            let size = if size == NIL { 0 } else { size };
            total = total.saturating_add(u64::from(size.div_ceil(self.block)));
            self.streams.push(Stream { size, first: 0 });
        }
        if total > u64::from(count) {
            return Err(damaged("its streams together are larger than the file"));
        }
        self.blocks = numbers(&mut reader, len32(usize::try_from(total).unwrap_or(usize::MAX)), count)?;
        let mut first = 0_usize;
        for stream in &mut self.streams {
            stream.first = first;
            first = first.saturating_add(index(stream.size.div_ceil(self.block)));
        }
        Ok(())
    }

    /// Length of a stream; 0 where there is none of that number.
    pub(crate) fn len(&self, stream: u16) -> u32 {
        self.streams.get(usize::from(stream)).map_or(0, |stream| stream.size)
    }

    /// Part of a stream, cut where the stream ends.
    pub(crate) fn read(&self, stream: u16, offset: u32, len: u32) -> Result<Vec<u8>, Damaged> {
        let Some(stream) = self.streams.get(usize::from(stream)) else { return Ok(Vec::new()) };
        let len = len.min(stream.size.saturating_sub(offset));
        if len == 0 {
            return Ok(Vec::new());
        }
        let within = offset.checked_rem(self.block).unwrap_or(0);
        let first = stream.first.saturating_add(index(offset.checked_div(self.block).unwrap_or(0)));
        let count = index(within.saturating_add(len).div_ceil(self.block));
        let blocks = self.blocks.get(first..).and_then(|blocks| blocks.get(..count)).unwrap_or_default();
        self.read_run(blocks, within, len)
    }

    pub(crate) fn held(&self) -> usize {
        let streams = self.streams.len().saturating_mul(size_of::<Stream>());
        self.blocks.len().saturating_mul(4).saturating_add(streams)
    }

    fn read_blocks(&self, blocks: &[u32], len: u32) -> Result<Vec<u8>, Damaged> {
        self.read_run(blocks, 0, len)
    }

    /// Bytes that begin `within` the first of some blocks. Blocks that lie side by side in the file are read at once.
    fn read_run(&self, blocks: &[u32], within: u32, len: u32) -> Result<Vec<u8>, Damaged> {
        let mut bytes = vec![0; index(len)];
        let mut rest = bytes.as_mut_slice();
        let mut within = within;
        for run in blocks.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
            let Some(start) = run.first() else { break };
            let there = u64::from(self.block)
                .saturating_mul(u64::try_from(run.len()).unwrap_or(u64::MAX))
                .saturating_sub(u64::from(within));
            let take = rest.len().min(usize::try_from(there).unwrap_or(usize::MAX));
            let (now, later) = std::mem::take(&mut rest).split_at_mut_checked(take).unwrap_or_default();
            let at =
                u64::from(*start).saturating_mul(u64::from(self.block)).saturating_add(u64::from(within));
            self.source.read_exact_at(now, at).map_err(|error| unreadable(&error))?;
            rest = later;
            within = 0;
        }
        if rest.is_empty() { Ok(bytes) } else { Err(damaged("a stream ends before its stated size")) }
    }
}

/// Block numbers, none of them outside of the file.
fn numbers(reader: &mut Reader<'_>, count: u32, blocks: u32) -> Result<Vec<u32>, Damaged> {
    let bytes =
        reader.take_u32(count.saturating_mul(4)).ok_or_else(|| damaged("a list of blocks is cut short"))?;
    let mut numbers = Vec::with_capacity(index(count));
    let mut reader = Reader::new(bytes);
    while let Some(number) = reader.u32() {
        if number >= blocks {
            return Err(damaged(format!("block {number} lies outside of the file")));
        }
        numbers.push(number);
    }
    Ok(numbers)
}
