//! The user-mode rules: the module of the exception address, unless it is a runtime that only reports other people's
//! mistakes; then the first module below it on the stack. Pure.

use dump::status_name;
use minidump::{MinidumpModule, Module};

use super::{UserException, base_name};
use crate::Limits;
use crate::analysis::{Frame, Verdict};
use crate::blame::{Confidence, Rule};
use crate::bucket;
use crate::facts::Access;

/// What the rules look at.
pub(super) struct UserFacts<'f> {
    pub(super) exception: Option<&'f UserException>,
    pub(super) frames: &'f [Frame],
    pub(super) modules: &'f [&'f MinidumpModule],
    pub(super) main_module: Option<&'f str>,
    pub(super) limits: &'f Limits,
}

/// Runtimes and system libraries: the code that notices, raises or waits, not the code that is wrong.
const RUNTIMES: [&str; 34] = [
    "advapi32.dll",
    "apphelp.dll",
    "clr.dll",
    "combase.dll",
    "coreclr.dll",
    "gdi32.dll",
    "gdi32full.dll",
    "imm32.dll",
    "kernel32.dll",
    "kernelbase.dll",
    "libc.so.6",
    "libpthread.so.0",
    "msctf.dll",
    "msvcp140.dll",
    "msvcp_win.dll",
    "msvcrt.dll",
    "mswsock.dll",
    "ntdll.dll",
    "ole32.dll",
    "oleaut32.dll",
    "rpcrt4.dll",
    "sechost.dll",
    "shell32.dll",
    "shlwapi.dll",
    "ucrtbase.dll",
    "ucrtbased.dll",
    "user32.dll",
    "vcruntime140.dll",
    "vcruntime140_1.dll",
    "verifier.dll",
    "win32u.dll",
    "wow64.dll",
    "wow64cpu.dll",
    "ws2_32.dll",
];

/// Runtimes of older compilers carry their version: `msvcr90.dll`, `vcruntime140d.dll`.
const RUNTIME_PREFIXES: [&str; 4] = ["msvcr", "msvcp", "vcruntime", "api-ms-win-"];

/// Whether a module, by its base name in lower case, is a runtime.
pub(super) fn is_runtime(lower: &str) -> bool {
    RUNTIMES.binary_search(&lower).is_ok() || RUNTIME_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
}

struct Found<'m> {
    module: Option<&'m MinidumpModule>,
    offset: Option<u64>,
    rule: Rule,
    confidence: Confidence,
    why: String,
}

fn module_at<'m>(facts: &UserFacts<'m>, address: u64) -> Option<(&'m MinidumpModule, u64)> {
    facts.modules.iter().find_map(|module| {
        let offset = address.checked_sub(module.base_address())?;
        (offset < module.size()).then_some((*module, offset))
    })
}

fn is_blameable(name: &str) -> bool {
    !name.is_empty() && !is_runtime(&name.to_ascii_lowercase())
}

fn find<'m>(facts: &UserFacts<'m>) -> Found<'m> {
    let nobody = |why: &str| Found {
        module: None,
        offset: None,
        rule: Rule::Nobody,
        confidence: Confidence::None,
        why: why.to_owned(),
    };
    let Some(exception) = facts.exception else {
        return nobody("The dump holds no exception: somebody asked for it, or the process hung.");
    };
    let at_fault = module_at(facts, exception.address);
    let name = |module: &MinidumpModule| base_name(&module.name, facts.limits);
    if let Some((module, offset)) = at_fault.filter(|(module, _)| is_blameable(&name(module))) {
        let why = format!("The failing instruction is at {}+0x{offset:x}.", name(module));
        return Found {
            module: Some(module),
            offset: Some(offset),
            rule: Rule::FaultingModule,
            confidence: Confidence::High,
            why,
        };
    }
    let Some((depth, frame)) = facts.frames.iter().enumerate().find(|(_, frame)| is_blameable(&frame.module))
    else {
        return nobody("Only runtimes and system libraries are on the stack of the failing thread.");
    };
    let seen = match at_fault {
        Some((module, _)) => format!("The exception was raised in {}, which is a runtime", name(module)),
        None => format!("The exception address 0x{:x} lies in no module", exception.address),
    };
    let why = format!(
        "{seen}; the first module below it is {}+0x{:x} (frame {depth}, found by {}).",
        frame.module, frame.offset, frame.trust
    );
    let confidence = if frame.trust == "scan" { Confidence::Low } else { Confidence::Medium };
    let module = facts.modules.iter().find(|module| name(module) == frame.module).copied();
    Found { module, offset: Some(frame.offset), rule: Rule::ModuleOnStack, confidence, why }
}

/// The problem class of WinDbg's user-mode buckets.
fn class(exception: &UserException) -> &'static str {
    let null = exception.accessed.is_some_and(|accessed| accessed < 0x1_0000);
    match (exception.code, exception.access) {
        (0xC000_0005, Some(Access::Read)) if null => "NULL_POINTER_READ",
        (0xC000_0005, Some(Access::Write)) if null => "NULL_POINTER_WRITE",
        (0xC000_0005, Some(Access::Execute)) if null => "NULL_POINTER_EXECUTE",
        (0xC000_0005, Some(Access::Read)) => "INVALID_POINTER_READ",
        (0xC000_0005, Some(Access::Write)) => "INVALID_POINTER_WRITE",
        (0xC000_0005, Some(Access::Execute)) => "INVALID_POINTER_EXECUTE",
        (0xC000_0374, _) => "HEAP_CORRUPTION",
        (0x8000_0003, _) => "BREAKPOINT",
        (0xC000_0409, _) => "FAIL_FAST",
        (0xC000_00FD, _) => "STACK_OVERFLOW",
        (0xC000_0094, _) => "INTEGER_DIVIDE_BY_ZERO",
        (0xC000_001D, _) => "ILLEGAL_INSTRUCTION",
        (0xE06D_7363, _) => "CPP_EXCEPTION",
        (0xE043_4352, _) => "CLR_EXCEPTION",
        _ => "APPLICATION_FAULT",
    }
}

/// Judges.
pub(super) fn decide(facts: &UserFacts<'_>) -> Verdict {
    let found = find(facts);
    let name = found.module.map(|module| base_name(&module.name, facts.limits)).unwrap_or_default();
    let image = if name.is_empty() { facts.main_module.unwrap_or("unknown") } else { &name };
    // The outermost of those that the compiler put into one: that is what a debugger calls it.
    let is_it = |frame: &&Frame| {
        !frame.inlined && !name.is_empty() && frame.module == name && Some(frame.offset) == found.offset
    };
    let function = facts.frames.iter().find(is_it).and_then(|frame| frame.function.as_deref());
    let function = function.unwrap_or("unknown_function");
    let bucket = match facts.exception {
        Some(exception) => format!("{}_{:08x}_{image}!{function}", class(exception), exception.code),
        None => format!("NO_EXCEPTION_{image}!{function}"),
    };
    let mut evidence = vec![found.why];
    if let Some(exception) = facts.exception {
        let status = status_name(exception.code).unwrap_or("an exception that is not in the tables");
        let access = exception.access.zip(exception.accessed);
        let tried = access.map(|(access, at)| format!(", trying to {} 0x{at:x}", access.as_str()));
        evidence.push(format!(
            "Exception 0x{:08x} is {status}{}.",
            exception.code,
            tried.unwrap_or_default()
        ));
        if let Some(code) = exception.detail.filter(|_| exception.code == 0xC000_0409) {
            let fast_fail = crate::tables::fast_fail_name(code).unwrap_or("unknown");
            evidence.push(format!("The process ended itself: fast-fail code {code}, {fast_fail}."));
        }
    }
    Verdict {
        culprit: if name.is_empty() { "unknown" } else { "module" }.to_owned(),
        timestamp: found.module.map(|module| module.raw.time_date_stamp),
        size: found.module.map(|module| module.raw.size_of_image),
        offset: found.offset,
        confidence: found.confidence.as_str().to_owned(),
        rule: found.rule.as_str().to_owned(),
        evidence,
        bucket_hash: bucket::hash("um:", &bucket),
        bucket,
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_sorted_and_found() {
        assert!(RUNTIMES.is_sorted());
        for (name, expected) in [("ntdll.dll", true), ("msvcr90.dll", true), ("crash.exe", false)] {
            assert_eq!(is_runtime(name), expected, "{name}");
        }
    }
}
