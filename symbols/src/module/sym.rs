//! Breakpad's `.sym` files: loading, within bounds, and names out of them.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use breakpad_symbols::SymbolFile;
use uuid::Uuid;

use crate::id::PdbId;
use crate::image::Damaged;
use crate::names::{Place, demangle};

/// Largest file that is loaded. Those of the samples take twice as much in memory; one of nothing but short lines would
/// take ten times as much.
pub const MAX_SYM_BYTES: u64 = 128 << 20;

/// What identifies it is in its first line.
pub(crate) const HEAD_BYTES: usize = 4_096;

/// Arguments beyond this are none, and whoever unwinds with them adds unchecked.
const MAX_PARAMETER_BYTES: u32 = 1 << 16;

/// Inlined functions of one address.
const MAX_INLINED: u32 = 128;

fn damaged(why: impl Into<String>) -> Damaged {
    Damaged::new(".sym file", why)
}

/// Reads the first line: `MODULE windows x86_64 3249D99D0C4049318610F4E4FB0B69361 crash.pdb`.
pub(crate) fn id(bytes: &[u8]) -> Result<PdbId, Damaged> {
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).map_err(|_| damaged("its first line is no text"))?;
    let mut words = line.trim_end().splitn(5, ' ');
    let (Some("MODULE"), Some("windows"), Some(_), Some(key), Some(name)) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(damaged("does not begin with `MODULE windows`"));
    };
    parse_key(key)
        .and_then(|(guid, age)| PdbId::new(name, guid, age))
        .ok_or_else(|| damaged(format!("`{key} {name}` names no PDB")))
}

fn parse_key(key: &str) -> Option<(Uuid, u32)> {
    let (guid, age) = key.split_at_checked(32)?;
    Some((Uuid::try_parse(guid).ok()?, u32::from_str_radix(age, 16).ok()?))
}

/// Loads a file.
///
/// # Errors
/// [`Damaged`] where it is none, or is too large.
pub fn load(file: &File) -> Result<SymbolFile, Damaged> {
    let len = file.metadata().map_err(|error| damaged(format!("cannot be read: {error}")))?.len();
    if len > MAX_SYM_BYTES {
        return Err(damaged(format!("{len} bytes, more than {MAX_SYM_BYTES}")));
    }
    // Its parser warns of each line that it drops; a file from a stranger would fill the log.
    let quiet = tracing::subscriber::NoSubscriber::default();
    tracing::subscriber::with_default(quiet, || SymbolFile::parse(Start { file, read: 0 }.take(len), |_| ()))
        .map_err(|error| damaged(error.to_string()))
}

/// A file from its start, whatever its position.
struct Start<'a> {
    file: &'a File,
    read: u64,
}

impl Read for Start<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let more = self.file.read_at(to, self.read)?;
        self.read = self.read.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        Ok(more)
    }
}

/// Functions at an offset from the image's base, innermost first.
pub(super) fn places(symbols: &SymbolFile, rva: u32) -> Vec<Place> {
    let address = u64::from(rva);
    let Some(function) = symbols.functions.get(address) else {
        return public(symbols, address).into_iter().collect();
    };
    let offset = distance(function.address, address);
    let file = |number: u32| symbols.files.get(&number).cloned();
    let place = |name: &str, at: Option<(u32, u32)>, inlined| Place {
        function: plain(name),
        offset,
        file: at.and_then(|(number, _)| file(number)),
        line: at.map(|(_, line)| line),
        inlined,
    };
    // A call is noted with the name of the callee, but with the line in the caller: each name goes with the next line.
    let mut places = Vec::new();
    let mut name = function.name.as_str();
    for depth in 0..MAX_INLINED {
        let Some((call_file, line, _, callee)) = function.get_inlinee_at_depth(depth, address) else { break };
        places.push(place(name, Some((call_file, line)), depth > 0));
        name = symbols.inline_origins.get(&callee).map_or("<inlined>", String::as_str);
    }
    let line = function.get_innermost_sourceloc(address).map(|(number, line, _)| (number, line));
    places.push(place(name, line, !places.is_empty()));
    places.reverse();
    places
}

/// Whether a function stands at an offset, or a public symbol before it.
pub(super) fn holds_code(symbols: &SymbolFile, rva: u32) -> bool {
    let address = u64::from(rva);
    symbols.functions.get(address).is_some() || public_at(symbols, address).is_some()
}

fn public(symbols: &SymbolFile, address: u64) -> Option<Place> {
    let public = symbols.publics.get(public_at(symbols, address)?)?;
    Some(Place {
        function: plain(&public.name),
        offset: distance(public.address, address),
        file: None,
        line: None,
        inlined: false,
    })
}

/// Number of the public symbol before an address, where no function begins between the two. `SymbolFile` looks for it
/// from the end, one by one.
fn public_at(symbols: &SymbolFile, address: u64) -> Option<usize> {
    let last = symbols.publics.partition_point(|public| public.address <= address).checked_sub(1)?;
    let public = symbols.publics.get(last)?;
    let functions = symbols.functions.ranges_values().as_slice();
    let before = functions.partition_point(|(range, _)| range.start <= address);
    let hidden = before
        .checked_sub(1)
        .and_then(|last| functions.get(last))
        .is_some_and(|(range, _)| public.address <= range.start);
    (!hidden).then_some(last)
}

fn distance(start: u64, address: u64) -> u32 {
    u32::try_from(address.saturating_sub(start)).unwrap_or(u32::MAX)
}

/// A name, demangled where whoever wrote the file did not, and without its arguments.
fn plain(name: &str) -> String {
    let name = demangle(name.as_bytes(), false);
    without_arguments(&name).to_owned()
}

fn without_arguments(name: &str) -> &str {
    let end = name.trim_end_matches(" const").trim_end_matches(" volatile");
    if !end.ends_with(')') {
        return name;
    }
    let mut depth = 0_usize;
    for (at, c) in end.char_indices().rev() {
        match c {
            ')' => depth = depth.saturating_add(1),
            '(' => depth = depth.saturating_sub(1),
            _ => (),
        }
        if depth == 0 {
            // `operator()` is a name, and so is all that is nothing but parentheses.
            let stem = end.get(..at).unwrap_or_default();
            return if stem.is_empty() || stem.ends_with("operator") { name } else { stem };
        }
    }
    name
}

/// x86: bytes of arguments that the function at an offset takes off the stack. Notes for unwinding are right more often
/// than those of functions, as Breakpad found. In `kernel32.sym` of the samples (Windows XP, its code reordered) functions
/// lie in gaps of others, so a note counts only where it begins in the same function.
pub(super) fn parameter_bytes(symbols: &SymbolFile, rva: u32) -> Option<u32> {
    let address = u64::from(rva);
    let function = symbols.functions.get(address).map(|function| (function.address, function.parameter_size));
    let named = function.or_else(|| {
        let public = symbols.publics.get(public_at(symbols, address)?)?;
        Some((public.address, public.parameter_size))
    });
    let start = named.map_or(0, |(start, _)| start);
    let notes = [&symbols.win_stack_framedata_info, &symbols.win_stack_fpo_info];
    let noted = notes.into_iter().filter_map(|notes| notes.get(address)).find(|note| note.address >= start);
    let bytes = noted.map(|note| note.parameter_size).or(named.map(|(_, bytes)| bytes))?;
    (bytes <= MAX_PARAMETER_BYTES).then_some(bytes)
}

/// Bytes held, roughly.
pub(super) fn held(symbols: &SymbolFile) -> usize {
    let functions = symbols.functions.ranges_values().map(|(_, function)| {
        let lines = function.lines.ranges_values().len().saturating_mul(40);
        let inlinees = function.inlinees.len().saturating_mul(32);
        function.name.len().saturating_add(lines).saturating_add(inlinees).saturating_add(160)
    });
    let publics = symbols.publics.iter().map(|public| public.name.len().saturating_add(64));
    let texts = symbols.files.values().chain(symbols.inline_origins.values());
    let cfi = symbols.cfi_stack_info.ranges_values().map(|(_, info)| {
        let more = info.add_rules.iter().map(|rule| rule.rules.len().saturating_add(48));
        more.fold(info.init.rules.len().saturating_add(112), usize::saturating_add)
    });
    let windows = symbols.win_stack_framedata_info.ranges_values().len();
    let windows =
        windows.saturating_add(symbols.win_stack_fpo_info.ranges_values().len()).saturating_mul(256);
    functions
        .chain(publics)
        .chain(texts.map(|text| text.len().saturating_add(64)))
        .chain(cfi)
        .fold(windows, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_cut_off() {
        for (name, expected) in [
            ("main", "main"),
            ("f(int)", "f"),
            ("A::f(void (*)(int)) const", "A::f"),
            ("A::operator()", "A::operator()"),
            ("A::operator()(int)", "A::operator()"),
            ("(anonymous namespace)::f(int)", "(anonymous namespace)::f"),
            ("core::ops::FnOnce<fn()>", "core::ops::FnOnce<fn()>"),
            ("(", "("),
            ("()", "()"),
            (")", ")"),
        ] {
            assert_eq!(without_arguments(name), expected);
        }
    }
    #[test]
    fn code_stands_in_functions_and_behind_public_symbols() {
        let text = "MODULE windows x86_64 3249D99D0C4049318610F4E4FB0B69361 crash.pdb\n\
                    FUNC 1000 20 0 f\nPUBLIC 2000 0 g\n";
        let symbols = SymbolFile::from_bytes(text.as_bytes()).unwrap();
        for (rva, expected) in
            [(0xFFF, false), (0x1000, true), (0x101F, true), (0x1020, false), (0x2005, true)]
        {
            assert_eq!(holds_code(&symbols, rva), expected, "{rva:x}");
            assert_eq!(!places(&symbols, rva).is_empty(), expected, "{rva:x}");
        }
    }
}
