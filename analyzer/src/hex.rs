//! Numbers as hexadecimal text. A report has hundreds of them: several times as fast as `format!`.

/// `0xfffff80750c0b6f0`
pub(crate) fn hex(value: u64) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (u64::BITS - value.leading_zeros()).div_ceil(4).max(1);
    let mut text = *b"0x0000000000000000";
    let mut rest = value;
    for place in text.iter_mut().skip(2).take(usize::try_from(digits).unwrap_or(16)).rev() {
        *place = DIGITS.get(usize::try_from(rest & 0xF).unwrap_or(0)).copied().unwrap_or(b'0');
        rest >>= 4;
    }
    let written = text.get(..usize::try_from(digits).unwrap_or(16) + 2).unwrap_or(&text);
    std::str::from_utf8(written).unwrap_or_default().to_owned()
}

/// Appends the last digits of a number.
pub(crate) fn push(text: &mut String, value: u64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = u8::try_from(value >> (4 * place) & 0xF).unwrap_or(0);
        text.push(char::from(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_format_does() {
        for value in [0, 1, 9, 0xA, 0xF, 0x10, 0x1234_5678_9ABC_DEF0, u64::MAX] {
            assert_eq!(hex(value), format!("0x{value:x}"));
            let mut text = String::new();
            push(&mut text, value, 4);
            assert_eq!(text, format!("{:04x}", value & 0xFFFF));
        }
    }
}
