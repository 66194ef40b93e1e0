//! How much memory a zstd body asks for, from the header of its first frame (RFC 8878, 3.1.1.1). Inflates nothing.

/// Every frame's first bytes.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The smallest window there is: 1 KiB.
const LEAST_LOG: u32 = 10;

/// log2, rounded up, of the window of the frame that begins here; `None` where the header is cut or is none.
pub(crate) fn window_log(head: &[u8]) -> Option<u32> {
    let (&descriptor, rest) = head.strip_prefix(&MAGIC)?.split_first()?;
    let single_segment = descriptor & 0x20 != 0;
    let window = if single_segment {
        // Such a frame is its own window: its length stands behind the dictionary's id.
        let id_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
        content_size(descriptor >> 6, rest.get(id_bytes..)?)?
    } else {
        let &window = rest.first()?;
        let base = 1u64 << (u32::from(window >> 3).saturating_add(LEAST_LOG));
        base.saturating_add((base / 8).saturating_mul(u64::from(window & 7)))
    };
    // The next power of two at or above it.
    let log = u64::BITS.saturating_sub(window.saturating_sub(1).leading_zeros());
    Some(log.max(LEAST_LOG))
}

/// The content size of a single-segment frame, in the form that its flag names.
fn content_size(flag: u8, field: &[u8]) -> Option<u64> {
    let number = |len: usize| {
        let mut bytes = [0; 8];
        bytes.get_mut(..len)?.copy_from_slice(field.get(..len)?);
        Some(u64::from_le_bytes(bytes))
    };
    match flag {
        0 => number(1),
        1 => number(2).map(|size| size.saturating_add(256)),
        2 => number(4),
        _ => number(8),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_frame_of_known_length_asks_for_no_more() {
        for (len, log) in [(100, 10), (1024, 10), (1025, 11), (70_000, 17), (180 * 1024, 18), (1 << 20, 19)] {
            let frame = zstd::bulk::compress(&vec![7; len], 1).unwrap();
            assert_eq!(window_log(&frame), Some(log), "{len}");
        }
    }

    #[test]
    fn a_stream_asks_for_the_window_of_its_level() {
        for (level, log) in [(1, 19), (3, 21), (19, 23)] {
            let mut encoder = zstd::Encoder::new(Vec::new(), level).unwrap();
            encoder.write_all(&[7; 5000]).unwrap();
            encoder.flush().unwrap();
            assert_eq!(window_log(encoder.get_ref()), Some(log), "level {level}");
        }
    }

    #[test]
    fn what_is_no_header_says_nothing() {
        let frame = zstd::bulk::compress(&[7; 70_000], 1).unwrap();
        assert!((0..6).all(|len| window_log(&frame[..len]).is_none()));
        assert_eq!(window_log(b"PK\x03\x04 and more"), None);
        assert_eq!(window_log(&[&MAGIC[..], &[0, 0xff]].concat()), Some(42), "3.75 TB");
        assert_eq!(window_log(&[&MAGIC[..], &[0xe0], &[0xff; 8]].concat()), Some(64));
    }
}
