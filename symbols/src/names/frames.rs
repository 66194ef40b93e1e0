//! x86: how to leave a function, as compilers noted it: frame data (a program) and FPO data (sizes). Owns the two tables;
//! running what they say is Breakpad's part.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use breakpad_symbols::SymbolFile;

use super::address::AddressMap;
use super::dbi::Dbi;
use super::msf::Msf;
use super::strings::Strings;
use crate::image::Damaged;
use crate::reader::Reader;

/// Sizes beyond this are none of a real frame, and what runs the programs adds them up unchecked.
const MAX_SIZE: u32 = 1 << 24;

/// A note has 16 or 32 bytes: this is for two million of them, and more.
const MAX_TABLE_BYTES: u32 = 64 << 20;

/// Notes looked at for one address: a function has one for each stage of its prolog, each to the end of the function.
const MAX_OVERLAP: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leave {
    /// Place of the program's text among the strings.
    Program(u32),
    /// Whether `ebp` is a register like any other.
    Sizes { base_pointer: bool },
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    start: u32,
    len: u32,
    locals: u32,
    parameters: u32,
    saved: u32,
    prolog: u32,
    stack: u32,
    leave: Leave,
}

/// Both tables, by address.
#[derive(Debug)]
pub(super) struct Frames {
    frames: Vec<Frame>,
}

impl Frames {
    pub(super) fn read(msf: &Msf<'_>, dbi: &Dbi, addresses: &AddressMap) -> Result<Self, Damaged> {
        let programs = msf.read(dbi.streams.frame_data, 0, MAX_TABLE_BYTES)?;
        let sizes = msf.read(dbi.streams.fpo, 0, MAX_TABLE_BYTES)?;
        let frames = programs.chunks_exact(32).map(frame_data).chain(sizes.chunks_exact(16).map(fpo));
        let moved = |mut frame: Frame| {
            frame.start = addresses.moved(frame.start)?;
            (frame.len > 0).then_some(frame)
        };
        let mut frames: Vec<Frame> = frames.flatten().filter_map(moved).collect();
        // A note with a program is preferred, and of two the later one is looked at first.
        frames.sort_by_key(|frame| (frame.start, matches!(frame.leave, Leave::Program(_))));
        Ok(Self { frames })
    }

    /// The innermost note for an address.
    fn at(&self, rva: u32) -> Option<&Frame> {
        let after = self.frames.partition_point(|frame| frame.start <= rva);
        let holds = |frame: &&Frame| rva.checked_sub(frame.start).is_some_and(|within| within < frame.len);
        self.frames.get(..after)?.iter().rev().take(MAX_OVERLAP).find(holds)
    }

    pub(super) fn parameter_bytes(&self, rva: u32) -> Option<u32> {
        self.at(rva).map(|frame| frame.parameters)
    }

    /// The note for an address as Breakpad writes it, and nothing else.
    pub(super) fn symbol_file(
        &self,
        msf: &Msf<'_>,
        strings: &Strings,
        rva: u32,
    ) -> Result<Option<SymbolFile>, Damaged> {
        let Some(frame) = self.at(rva) else { return Ok(None) };
        let (kind, has_program, leave) = match frame.leave {
            Leave::Program(place) => match strings.get(msf, place)? {
                Some(program) if !program.contains(['\r', '\n']) => (4, 1, named_registers(&program)),
                _ => return Ok(None),
            },
            Leave::Sizes { base_pointer } => (0, 0, u8::from(base_pointer).to_string()),
        };
        let Frame { start, len, prolog, parameters, saved, locals, stack, .. } = frame;
        let text = format!(
            "MODULE windows x86 0 x\nSTACK WIN {kind} {start:x} {len:x} {prolog:x} 0 {parameters:x} {saved:x} \
             {locals:x} {stack:x} {has_program} {leave}\n"
        );
        Ok(SymbolFile::from_bytes(text.as_bytes()).ok())
    }

    pub(super) fn held(&self) -> usize {
        self.frames.capacity().saturating_mul(size_of::<Frame>())
    }
}

/// A program with its registers by name. `crash.pdb` of the samples has those that were saved by `CodeView`'s numbers (`$20
/// $T0 40 - ^ =`), and `$ebp`, `$esp` and `$eip` by their names; what runs programs knows names alone.
fn named_registers(program: &str) -> String {
    let name = |token| match token {
        "$17" => "$eax",
        "$18" => "$ecx",
        "$19" => "$edx",
        "$20" => "$ebx",
        "$21" => "$esp",
        "$22" => "$ebp",
        "$23" => "$esi",
        "$24" => "$edi",
        token => token,
    };
    program.split_ascii_whitespace().map(name).collect::<Vec<_>>().join(" ")
}

/// `FRAMEDATA`.
fn frame_data(bytes: &[u8]) -> Option<Frame> {
    let mut reader = Reader::new(bytes);
    let start = reader.u32()?;
    let len = reader.u32()?;
    let locals = reader.u32()?.min(MAX_SIZE);
    let parameters = reader.u32()?.min(MAX_SIZE);
    let stack = reader.u32()?.min(MAX_SIZE);
    let leave = Leave::Program(reader.u32()?);
    let prolog = reader.u16()?.into();
    let saved = reader.u16()?.into();
    Some(Frame { start, len, locals, parameters, saved, prolog, stack, leave })
}

/// `FPO_DATA`. The last 16 bits: prolog 8, saved registers 3, SEH 1, `ebp` in use 1, reserved 1, kind of frame 2.
fn fpo(bytes: &[u8]) -> Option<Frame> {
    let mut reader = Reader::new(bytes);
    let start = reader.u32()?;
    let len = reader.u32()?;
    let locals = reader.u32()?.saturating_mul(4).min(MAX_SIZE);
    let parameters = u32::from(reader.u16()?).saturating_mul(4);
    let bits = u32::from(reader.u16()?);
    let saved = ((bits >> 8) & 7).saturating_mul(4);
    let leave = Leave::Sizes { base_pointer: bits & 0x1000 != 0 };
    // Kind 0 is a frame without a base pointer. Of traps and task switches the sizes say nothing.
    (bits >> 14 == 0).then_some(Frame {
        start,
        len,
        locals,
        parameters,
        saved,
        prolog: bits & 0xFF,
        stack: 0,
        leave,
    })
}
