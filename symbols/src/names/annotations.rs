//! The little programs that say which code came from an inlined call, and from which of its lines. Owns their decoding;
//! one program takes time in proportion to its length.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use super::lines::Line;
use crate::reader::Reader;

/// What a program says of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Covered {
    /// The line, where its code covers the address.
    pub(super) line: Option<Line>,
    /// File of the first code it covers at all.
    pub(super) file: Option<u32>,
}

/// Code that one line of the callee became.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u32,
    len: Option<u32>,
    statement: u32,
    line: Line,
}

#[derive(Debug)]
struct Machine {
    base: u32,
    offset: u32,
    /// Length for the next run.
    len: Option<u32>,
    statement: u32,
    line: Line,
    run: Option<Run>,
    address: u32,
    covered: Covered,
}

/// Runs a program. `start` is the first line of the callee; `procedure` and `address` are offsets in one section.
pub(super) fn covered(program: &[u8], start: Line, procedure: u32, address: u32) -> Covered {
    let mut machine = Machine {
        base: 0,
        offset: procedure,
        len: None,
        statement: 1,
        line: start,
        run: None,
        address,
        covered: Covered::default(),
    };
    let mut reader = Reader::new(program);
    while machine.step(&mut reader, procedure).is_some() && machine.covered.line.is_none() {}
    machine.finish();
    machine.covered
}

impl Machine {
    /// `None` at the end, and at what is no instruction.
    fn step(&mut self, reader: &mut Reader<'_>, procedure: u32) -> Option<()> {
        match number(reader)? {
            1 => self.offset = procedure.wrapping_add(number(reader)?),
            2 => self.base = number(reader)?,
            3 => {
                let delta = number(reader)?;
                self.emit(delta);
            }
            4 => {
                let len = number(reader)?;
                self.close(len);
                self.offset = self.offset.wrapping_add(len);
            }
            5 => self.line.file = number(reader)?,
            6 => self.line.line = self.line.line.wrapping_add_signed(signed(number(reader)?)),
            8 => self.statement = number(reader)?,
            // End lines and columns.
            7 | 9 | 10 | 13 => {
                number(reader)?;
            }
            11 => {
                let both = number(reader)?;
                self.line.line = self.line.line.wrapping_add_signed(signed(both >> 4));
                self.emit(both & 0xF);
            }
            12 => {
                self.len = Some(number(reader)?);
                let delta = number(reader)?;
                self.emit(delta);
            }
            _ => return None,
        }
        Some(())
    }

    /// Begins a run; the one before it ends here, where nothing said its length.
    fn emit(&mut self, delta: u32) {
        self.offset = self.offset.wrapping_add(delta);
        let start = self.offset.wrapping_add(self.base);
        if let Some(run) = self.run {
            self.close(start.wrapping_sub(run.start));
        }
        self.finish();
        self.run = Some(Run { start, len: self.len.take(), statement: self.statement, line: self.line });
    }

    fn close(&mut self, len: u32) {
        let statement = self.statement;
        if let Some(run) = self.run.as_mut().filter(|run| run.len.is_none() && run.statement == statement) {
            run.len = Some(len);
        }
    }

    fn finish(&mut self) {
        let Some(run) = self.run.take() else { return };
        let Some(len) = run.len.filter(|len| *len > 0) else { return };
        self.covered.file.get_or_insert(run.line.file);
        if self.address.checked_sub(run.start).is_some_and(|within| within < len) {
            self.covered.line.get_or_insert(run.line);
        }
    }
}

/// A number of one, two or four bytes.
fn number(reader: &mut Reader<'_>) -> Option<u32> {
    let first = u32::from(reader.u8()?);
    if first & 0x80 == 0 {
        return Some(first);
    }
    let second = u32::from(reader.u8()?);
    if first & 0xC0 == 0x80 {
        return Some((first & 0x3F) << 8 | second);
    }
    (first & 0xE0 == 0xC0).then_some(())?;
    let (third, fourth) = (u32::from(reader.u8()?), u32::from(reader.u8()?));
    Some((first & 0x1F) << 24 | second << 16 | third << 8 | fourth)
}

/// The lowest bit is the sign.
fn signed(number: u32) -> i32 {
    let value = i32::try_from(number >> 1).unwrap_or(i32::MAX);
    if number & 1 == 0 { value } else { value.wrapping_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(program: &[u8], address: u32, expected: Option<u32>) {
        let start = Line { file: 8, line: 10 };
        let line = covered(program, start, 0x1000, address).line.map(|line| line.line);
        assert_eq!(line, expected, "{program:02x?} at {address:x}");
    }

    #[test]
    fn a_run_ends_where_the_next_begins_or_its_length_says() {
        // Line 11 at +4, line 10 at +7, which is 9 long.
        let program = [11, (2 << 4) | 4, 11, (3 << 4) | 3, 4, 9, 0, 0];
        for (address, line) in [
            (0x1003, None),
            (0x1004, Some(11)),
            (0x1006, Some(11)),
            (0x1007, Some(10)),
            (0x100F, Some(10)),
            (0x1010, None),
        ] {
            check(&program, address, line);
        }
        // A length, and then the code it is of; a number of two bytes.
        check(&[12, 0x10, 0x81, 0x00], 0x1100, Some(10));
        check(&[12, 0x10, 0x81, 0x00], 0x1110, None);
        // Cut short, an unknown instruction, a number that is none.
        for program in [&[3][..], &[3, 1, 200], &[3, 1, 15], &[0xFF; 8]] {
            check(program, 0x1001, None);
        }
    }
}
