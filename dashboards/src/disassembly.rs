//! Machine code to lines that people read. Pure; whatever the bytes are, the work follows from their number.

use iced_x86::{Decoder, DecoderOptions, Formatter as _, Instruction, IntelFormatter};
use serde::Serialize;
use utoipa::ToSchema;

use crate::report::{Code, Report};

/// A report has 64 bytes; another version's may have more, and nobody reads more.
const MOST_BYTES: usize = 256;

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Instruction)]
pub(crate) struct Line {
    /// Where it lies, `0x...`.
    pub(crate) address: String,
    /// `csagent.sys+0xe14ed`, where the module is known.
    pub(crate) place: String,
    /// Its bytes, two digits each.
    pub(crate) bytes: String,
    /// As Intel writes it.
    pub(crate) text: String,
    /// Whether it is the one that failed.
    pub(crate) fault: bool,
}

/// The instructions around the fault of a crash; empty where the dump had no code there, or the processor is of a kind
/// whose code is not read (ARM64).
pub(crate) fn of_report(report: &Report) -> Vec<Line> {
    let Some((code, bits)) = report.code.as_ref().zip(bits(&report.machine.arch)) else { return Vec::new() };
    let Some((start, fault, bytes)) = parts(code) else { return Vec::new() };
    // The first frame is the fault itself; its module and offset tell where all the others lie.
    let at_fault = report.stack.first().filter(|frame| number(&frame.address) == Some(fault));
    let place = |address: u64| {
        let frame = at_fault.filter(|frame| !frame.module.is_empty())?;
        let offset = frame.offset.checked_add(address)?.checked_sub(fault)?;
        Some(format!("{}+0x{offset:x}", frame.module))
    };
    let mut formatter = formatter();
    let mut lines = Vec::new();
    for (at, instruction) in decoded(bits, &bytes, start, fault) {
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        let address = instruction.ip();
        let own = bytes.get(at..at.saturating_add(instruction.len())).unwrap_or_default();
        lines.push(Line {
            address: format!("0x{address:x}"),
            place: place(address).unwrap_or_default(),
            bytes: own.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
            text,
            fault: address == fault,
        });
    }
    lines
}

fn bits(arch: &str) -> Option<u32> {
    match arch {
        "x64" => Some(64),
        "x86" => Some(32),
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

/// Where the bytes begin, where the fault is, and the bytes.
fn parts(code: &Code) -> Option<(u64, u64, Vec<u8>)> {
    let (start, fault) = (number(&code.address)?, number(&code.fault)?);
    let (pairs, _odd) = code.bytes.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = pairs.iter().take(MOST_BYTES).map(byte).collect::<Option<Vec<u8>>>()?;
    let ahead = usize::try_from(fault.checked_sub(start)?).ok()?;
    (ahead < bytes.len()).then_some((start, fault, bytes))
}

/// Each instruction with the place of its first byte. Code cannot be read backwards: of the places before the fault at
/// which an instruction may begin, the first is taken from which reading on comes to the fault. Two readings of the same
/// code meet after some instructions, so those next to the fault are the surest.
fn decoded(bits: u32, bytes: &[u8], start: u64, fault: u64) -> Vec<(usize, Instruction)> {
    let ahead = usize::try_from(fault.saturating_sub(start)).unwrap_or(0);
    let before = |first: usize| {
        let mut found = Vec::new();
        let mut at = first;
        while at < ahead {
            let instruction = one(bits, bytes, start, at)?;
            found.push((at, instruction));
            at = at.saturating_add(instruction.len());
        }
        (at == ahead).then_some(found)
    };
    let mut found = (0..ahead).find_map(before).unwrap_or_default();
    let mut at = ahead;
    // The last one may be cut: it is left out.
    while let Some(instruction) = one(bits, bytes, start, at) {
        found.push((at, instruction));
        at = at.saturating_add(instruction.len());
    }
    found
}

fn one(bits: u32, bytes: &[u8], start: u64, at: usize) -> Option<Instruction> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    let ip = start.wrapping_add(u64::try_from(at).ok()?);
    let instruction = Decoder::with_ip(bits, rest, ip, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

fn formatter() -> IntelFormatter {
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_branch_leading_zeros(false);
    options.set_show_branch_size(false);
    options.set_space_after_operand_separator(true);
    formatter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Frame, Machine};

    fn report(arch: &str, address: &str, fault: &str, bytes: &str) -> Report {
        let of = |text: &str| text.to_owned();
        Report {
            code: Some(Code { address: of(address), fault: of(fault), bytes: of(bytes) }),
            machine: Machine { arch: of(arch), ..Machine::default() },
            stack: vec![Frame {
                address: of(fault),
                module: of("csagent.sys"),
                offset: 0xE14ED,
                ..Frame::default()
            }],
            ..Report::default()
        }
    }

    fn check(report: &Report, expected: &[(&str, &str, bool)]) {
        let lines = of_report(report);
        let found: Vec<(&str, &str, bool)> =
            lines.iter().map(|line| (line.place.as_str(), line.text.as_str(), line.fault)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_instruction_of_the_outage() {
        // What failed on 19 July 2024: `mov r9d, [r8]` with r8 = 0x9c; before it the test for null, behind a cut one.
        let code = report("x64", "0xfffff8021dc414e8", "0xfffff8021dc414ed", "4d85c0740b458b08e900");
        check(
            &code,
            &[
                ("csagent.sys+0xe14e8", "test r8, r8", false),
                ("csagent.sys+0xe14eb", "je 0xfffff8021dc414f8", false),
                ("csagent.sys+0xe14ed", "mov r9d, [r8]", true),
            ],
        );
        assert_eq!(of_report(&code)[2].bytes, "45 8b 08");
    }

    #[test]
    fn the_same_bytes_are_other_instructions_on_32_bits() {
        check(
            &report("x86", "0x1000", "0x1000", "8b01c3"),
            &[("csagent.sys+0xe14ed", "mov eax, [ecx]", true), ("csagent.sys+0xe14ef", "ret", false)],
        );
    }

    #[test]
    fn a_run_that_begins_inside_an_instruction_is_read_from_the_next() {
        // 0xff 0xff is no instruction, whatever follows.
        let found = of_report(&report("x64", "0x1000", "0x1003", "ffff90c3"));
        assert_eq!(found.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["nop", "ret"]);
    }

    #[test]
    fn what_makes_no_sense_is_nothing() {
        for (arch, address, fault, bytes) in [
            ("arm64", "0x1000", "0x1000", "c3"),
            ("", "0x1000", "0x1000", "c3"),
            ("x64", "0x1000", "0x0fff", "c3"),
            ("x64", "0x1000", "0x2000", "c3"),
            ("x64", "1000", "0x1000", "c3"),
            ("x64", "0x1000", "0x1000", "<b>"),
            ("x64", "0x1000", "0x1000", "é0"),
            ("x64", "0x1000", "0x1000", "06"),
            ("x64", "0xffffffffffffffff", "0xffffffffffffffff", ""),
        ] {
            assert_eq!(of_report(&report(arch, address, fault, bytes)), [], "{arch} {address} {bytes}");
        }
        let long =
            of_report(&report("x64", "0xfffffffffffffff0", "0xfffffffffffffff0", &"90".repeat(100_000)));
        assert_eq!(long.len(), MOST_BYTES);
    }
}
