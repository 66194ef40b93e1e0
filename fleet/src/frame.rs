//! zstd frames of many dumps that differ in their head alone, without compressing each: a raw block with the head, then
//! the compressed blocks of the rest, made once. One ordinary frame; any decoder reads it.

use anyhow::{Result, ensure};

/// Magic number, a descriptor that promises nothing, and the window's size.
const FRAME_HEADER: usize = 6;
const MAX_RAW_BLOCK: usize = 128 * 1024;

/// The compressed rest.
pub(crate) struct Tail {
    frame: Vec<u8>,
}

impl Tail {
    /// Compresses what all dumps share.
    pub(crate) fn new(rest: &[u8]) -> Result<Self> {
        let frame = zstd::stream::encode_all(rest, 3)?;
        // the blocks of a frame that knows neither its length nor a checksum can follow another block
        ensure!(frame.len() > FRAME_HEADER && frame[4] == 0, "this zstd writes another kind of frame");
        Ok(Self { frame })
    }

    /// The frame of `head` and the rest.
    pub(crate) fn after(&self, head: &[u8]) -> Vec<u8> {
        debug_assert!(head.len() <= MAX_RAW_BLOCK);
        let mut frame = Vec::with_capacity(self.frame.len() + head.len() + 3);
        frame.extend_from_slice(&self.frame[..FRAME_HEADER]);
        // not the last block (bit 0), raw (bits 1 and 2), then the length
        let block_header = (head.len() as u32) << 3;
        frame.extend_from_slice(&block_header.to_le_bytes()[..3]);
        frame.extend_from_slice(head);
        frame.extend_from_slice(&self.frame[FRAME_HEADER..]);
        frame
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_types, reason = "reads back what the test wrote")]
mod tests {
    use dump::synth::{Crash, PATCHED_BYTES, SmallDump, Template};

    use super::Tail;

    #[test]
    fn a_frame_is_the_whole_dump() {
        let template = Template::new(&SmallDump::example());
        let tail = Tail::new(&template.bytes()[PATCHED_BYTES..]).unwrap();
        for time in [1, 133_546_200_861_234_567] {
            let crash = Crash { system_time: time, uptime: 2, parameters: [time, 2, 3, 4], boot_id: 9 };
            let frame = tail.after(&template.head(&crash));
            assert_eq!(zstd::stream::decode_all(frame.as_slice()).unwrap(), template.with(&crash));
            // a decoder that stops after one frame must have read it all
            let one_frame = zstd::stream::read::Decoder::new(frame.as_slice()).unwrap().single_frame();
            let mut bytes = Vec::new();
            std::io::copy(&mut { one_frame }, &mut bytes).unwrap();
            assert_eq!(bytes, template.with(&crash));
            assert!(frame.len() * 4 < bytes.len(), "{}", frame.len());
        }
    }
}
