//! Lines of a stream, each no longer than a cap, in one buffer that is used again. Knows nothing of what they hold.

use std::io::{self, BufRead};

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'b> {
    /// A line, without its end.
    Text(&'b [u8]),
    /// One longer than the cap; it was passed over.
    TooLong,
    /// Nothing more.
    End,
}

/// Reads up to the end of a line. Of one that is too long no more is kept than the cap.
pub(super) fn next_line<'b>(
    input: &mut impl BufRead,
    line: &'b mut Vec<u8>,
    most: usize,
) -> io::Result<Line<'b>> {
    /// What one long line took is given back.
    const KEPT: usize = 1 << 20;
    line.clear();
    line.shrink_to(KEPT);
    let (mut began, mut too_long) = (false, false);
    loop {
        let there = match input.fill_buf() {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if there.is_empty() {
            break;
        }
        began = true;
        let end = there.iter().position(|byte| *byte == b'\n');
        let part = there.get(..end.unwrap_or(there.len())).unwrap_or(there);
        too_long |= part.len() > most.saturating_sub(line.len());
        if !too_long {
            line.extend_from_slice(part);
        }
        let used = part.len().saturating_add(usize::from(end.is_some()));
        input.consume(used);
        if end.is_some() {
            break;
        }
    }
    Ok(match (began, too_long) {
        (false, _) => Line::End,
        (true, true) => Line::TooLong,
        (true, false) => Line::Text(line),
    })
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn check(text: &[u8], capacity: usize, expected: &[Option<&[u8]>]) {
        let mut input = BufReader::with_capacity(capacity, text);
        let mut buffer = Vec::new();
        for line in expected {
            let line = line.map_or(Line::TooLong, Line::Text);
            assert_eq!(next_line(&mut input, &mut buffer, 4).unwrap(), line, "capacity {capacity}");
        }
        assert_eq!(next_line(&mut input, &mut buffer, 4).unwrap(), Line::End);
    }

    #[test]
    fn lines_and_the_cap() {
        for capacity in [1, 3, 5, 64] {
            check(b"", capacity, &[]);
            check(
                b"ab\n\nabcd\nabcde\nx",
                capacity,
                &[Some(b"ab"), Some(b""), Some(b"abcd"), None, Some(b"x")],
            );
            check(b"abcdefghi", capacity, &[None]);
        }
    }
}
