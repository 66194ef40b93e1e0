//! Text inside dumps: UTF-16 with or without a terminator, and single bytes. Owns the decoding; never escapes, since
//! that belongs to whoever prints.

/// UTF-16 units up to the first NUL; what is no character becomes U+FFFD.
pub(crate) fn utf16(bytes: &[u8]) -> String {
    let (units, _odd) = bytes.as_chunks::<2>();
    // nearly every name, and many times as fast: without a branch for each unit
    let bits = units.iter().fold(0, |bits, &unit| bits | u16::from_le_bytes(unit));
    if bits < 0x80 {
        let mut narrow: Vec<u8> = units.iter().map(|[low, _]| *low).collect();
        if narrow.contains(&0) {
            let len = narrow.iter().position(|&byte| byte == 0);
            narrow.truncate(len.unwrap_or(usize::MAX));
        }
        if let Ok(text) = String::from_utf8(narrow) {
            return text;
        }
    }
    let units = units.split(|&unit| unit == [0, 0]).next().unwrap_or_default();
    let units = units.iter().map(|&unit| u16::from_le_bytes(unit));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
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
