//! The one place of this crate that inflates: zstd to bytes, never more than asked for.

#![expect(clippy::disallowed_types, reason = "this is the capped inflater: the one place")]

use std::io::Read;

/// Largest window a frame may ask for: 128 MiB is zstd's own default limit and what its highest normal level uses.
const WINDOW_LOG: u32 = 27;

/// Why the bytes could not be inflated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InflateError {
    #[error("the compressed dump is damaged: {0}")]
    Damaged(std::io::Error),
    #[error("the dump inflates to more than {0} bytes")]
    TooLarge(u64),
}

/// Inflates at most `limit` bytes. `expected` is what the message says; memory is reserved for no more than that.
pub(crate) fn inflate(compressed: &[u8], expected: u64, limit: u64) -> Result<Vec<u8>, InflateError> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(compressed).map_err(InflateError::Damaged)?;
    decoder.window_log_max(WINDOW_LOG).map_err(InflateError::Damaged)?;
    let reserve = usize::try_from(expected.min(limit)).unwrap_or(0);
    let mut bytes = Vec::with_capacity(reserve);
    // One byte more than allowed tells "exactly at the limit" from "cut there".
    decoder.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(InflateError::Damaged)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limit {
        return Err(InflateError::TooLarge(limit));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inflates_up_to_the_limit() {
        let plain = vec![7_u8; 100_000];
        let compressed = zstd::encode_all(&plain[..], 3).unwrap();
        assert_eq!(inflate(&compressed, 100_000, 100_000).unwrap(), plain);
        assert!(matches!(inflate(&compressed, 100_000, 99_999), Err(InflateError::TooLarge(99_999))));
        assert!(matches!(
            inflate(&compressed[..compressed.len() - 1], 100_000, 100_000),
            Err(InflateError::Damaged(_))
        ));
        assert!(matches!(inflate(b"not zstd at all", 0, 100_000), Err(InflateError::Damaged(_))));
    }
}
