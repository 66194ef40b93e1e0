//! Text inside dumps: UTF-16 with or without a terminator, and single bytes. Owns the decoding; never escapes, since
//! that belongs to whoever prints.

/// UTF-16 units up to the first NUL; what is no character becomes U+FFFD.
pub(crate) fn utf16(bytes: &[u8]) -> String {
    let (pairs, _odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    let units = pairs.iter().map(|&pair| u16::from_le_bytes(pair)).take_while(|&unit| unit != 0);
    text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    text
}

/// The most memory [`utf16`] takes for a text of `len` bytes: three bytes for each unit, in a string that doubles.
pub(crate) fn utf16_cost(len: usize) -> usize {
    len.saturating_mul(2)
}

/// Single bytes up to the first NUL, without blanks around; what is no UTF-8 becomes U+FFFD. `None` where nothing is
/// left.
pub(crate) fn narrow(bytes: &[u8]) -> Option<String> {
    let text = bytes.split(|&byte| byte == 0).next()?;
    let text = String::from_utf8_lossy(text);
    Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
}
