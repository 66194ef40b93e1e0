//! Numbers as hexadecimal text. A report has hundreds of them: several times as fast as `format!`.

/// `0xfffff80750c0b6f0`
pub(crate) fn hex(value: u64) -> String {
    let digits = (u64::BITS - value.leading_zeros()).div_ceil(4).max(1);
    let mut text = String::with_capacity(18);
    text.push_str("0x");
    push(&mut text, value, digits);
    text
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
