//! Numbers as hexadecimal text. A report has hundreds of them: several times as fast as `format!`.

/// Both digits of each byte.
const PAIRS: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        pairs[byte] = [DIGITS[byte >> 4], DIGITS[byte & 0xF]];
        byte += 1;
    }
    pairs
};

/// `0xfffff80750c0b6f0`
pub(crate) fn hex(value: u64) -> String {
    let mut digits = [0; 16];
    let (pairs, _none) = digits.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(value.to_be_bytes()) {
        *pair = PAIRS[usize::from(byte)];
    }
    let zeros = usize::try_from(value.leading_zeros() / 4).unwrap_or(0).min(15);
    let mut text = String::with_capacity(18);
    text.push_str("0x");
    text.push_str(std::str::from_utf8(digits.get(zeros..).unwrap_or(&digits)).unwrap_or_default());
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
