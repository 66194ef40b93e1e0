//! The user-mode rules: the module of the exception address, unless it is a runtime that only reports other people's
//! mistakes; then the first module below it on the stack. Buckets as WinDbg writes them for processes. Pure.

use crate::RULES_VERSION;
use crate::bucket::{self, status_text};
use crate::facts::{Access, Facts, Fault, Frame, Place, Trust};
use crate::names::fast_fail_name;
use crate::verdict::{Confidence, Culprit, Rule, RunnerUp, Verdict};

/// Runtimes and system libraries: the code that notices, raises or waits, not the code that is wrong.
const RUNTIMES: [&str; 48] = [
    "advapi32.dll",
    "apphelp.dll",
    "bcryptprimitives.dll",
    "cfgmgr32.dll",
    "clr.dll",
    "clrjit.dll",
    "combase.dll",
    "coreclr.dll",
    "crypt32.dll",
    "dbghelp.dll",
    "gdi32.dll",
    "gdi32full.dll",
    "hostfxr.dll",
    "hostpolicy.dll",
    "imm32.dll",
    "kernel32.dll",
    "kernelbase.dll",
    "libc.so.6",
    "libpthread.so.0",
    "libstdc++-6.dll",
    "mscoree.dll",
    "mscoreei.dll",
    "mscorwks.dll",
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
    "shcore.dll",
    "shell32.dll",
    "shlwapi.dll",
    "ucrtbase.dll",
    "ucrtbased.dll",
    "user32.dll",
    "vcruntime140.dll",
    "vcruntime140_1.dll",
    "verifier.dll",
    "werfault.exe",
    "win32u.dll",
    "wow64.dll",
    "wow64cpu.dll",
    "wow64win.dll",
    "ws2_32.dll",
];

/// Runtimes of older compilers carry their version: `msvcr90.dll`, `vcruntime140d.dll`.
const RUNTIME_PREFIXES: [&str; 4] = ["msvcr", "msvcp", "vcruntime", "api-ms-win-"];

const ACCESS_VIOLATION: u64 = 0xC000_0005;
const IN_PAGE_ERROR: u64 = 0xC000_0006;
const STACK_OVERFLOW: u64 = 0xC000_00FD;
const HEAP_CORRUPTION: u64 = 0xC000_0374;
const FAST_FAIL: u64 = 0xC000_0409;
const CPP_THROW: u64 = 0xE06D_7363;
const CLR: [u64; 2] = [0xE043_4352, 0xE043_4F4D];
/// What Windows writes into the dump of a process that it ended because it did not answer.
const HANG: u64 = 0xCFFF_FFFF;
/// Addresses below are a null pointer with an offset.
const NULL_PAGE: u64 = 0x1_0000;
/// Others that are named beside the culprit.
const MOST_RUNNERS_UP: usize = 3;

/// Whether a module is a runtime or one of Windows' own libraries, by its base name in whatever case.
pub fn is_runtime(name: &str) -> bool {
    let mut lower = name.to_ascii_lowercase();
    // The debugger leaves the extension out.
    if !lower.contains('.') {
        lower.push_str(".dll");
    }
    RUNTIMES.binary_search(&lower.as_str()).is_ok()
        || RUNTIME_PREFIXES.iter().any(|prefix| lower.starts_with(prefix))
}

fn is_blameable(place: &Place<'_>) -> bool {
    !place.module.is_empty() && !is_runtime(&place.module)
}

struct Found<'f> {
    place: Option<&'f Place<'f>>,
    rule: Rule,
    confidence: Confidence,
    why: String,
}

fn nobody<'f>(why: &str) -> Found<'f> {
    Found { place: None, rule: Rule::Nobody, confidence: Confidence::None, why: why.to_owned() }
}

fn at(place: &Place<'_>) -> String {
    match place.offset {
        Some(offset) => format!("{}+{offset}", place.module),
        None => place.module.to_string(),
    }
}

/// What has no owner: the failing instruction is only where the damage was noticed.
fn is_damage(code: u64) -> bool {
    code == HEAP_CORRUPTION
}

fn find<'f>(facts: &'f Facts<'f>, fault: Option<&'f Fault<'f>>) -> Found<'f> {
    let Some(exception) = &facts.exception else {
        return nobody("The dump holds no exception: somebody asked for it, or the process hung.");
    };
    let code = exception.code.0;
    if let Some(fault) = fault.filter(|fault| is_blameable(&fault.place)) {
        let why = format!("The failing instruction is at {}.", at(&fault.place));
        let confidence = if is_damage(code) { Confidence::Low } else { Confidence::High };
        return Found { place: Some(&fault.place), rule: Rule::FaultingModule, confidence, why };
    }
    let Some((depth, frame)) = facts.stack.iter().enumerate().find(|(_, frame)| is_blameable(&frame.place))
    else {
        return nobody("Only runtimes and system libraries are on the stack of the failing thread.");
    };
    let seen = match fault {
        Some(fault) if !fault.place.module.is_empty() => {
            format!("The exception was raised in {}, which is a runtime", fault.place.module)
        }
        Some(fault) => format!("The exception address {} lies in no module", fault.address),
        None => "Where the exception was raised is not known".to_owned(),
    };
    let found_by = match frame.trust {
        Trust::Unwound => "unwound to there",
        Trust::Chained => "by a chain of frame pointers",
        Trust::Scanned => "by a word on the stack",
    };
    let why =
        format!("{seen}; the first module below it is {} (frame {depth}, {found_by}).", at(&frame.place));
    let confidence = match frame.trust {
        _ if is_damage(code) => Confidence::Low,
        Trust::Scanned => Confidence::Low,
        Trust::Unwound | Trust::Chained => Confidence::Medium,
    };
    Found { place: Some(&frame.place), rule: Rule::ModuleOnStack, confidence, why }
}

/// The problem class of WinDbg's user-mode buckets.
fn class(facts: &Facts<'_>, called: bool) -> String {
    let Some(exception) = &facts.exception else { return "NO_EXCEPTION".to_owned() };
    let null = exception.accessed.is_some_and(|accessed| accessed.0 < NULL_PAGE);
    let pointer = if null { "NULL_POINTER" } else { "INVALID_POINTER" };
    match exception.code.0 {
        ACCESS_VIOLATION => match exception.access {
            Some(Access::Read) => format!("{pointer}_READ"),
            Some(Access::Write) => format!("{pointer}_WRITE"),
            // Data run as code: the debugger writes this where it can name who called, and the pointer where it cannot.
            Some(Access::Execute) if called && !null => "SOFTWARE_NX_FAULT".to_owned(),
            Some(Access::Execute) => format!("{pointer}_EXECUTE"),
            None => "ACCESS_VIOLATION".to_owned(),
        },
        IN_PAGE_ERROR => "IN_PAGE_ERROR".to_owned(),
        HEAP_CORRUPTION => "HEAP_CORRUPTION".to_owned(),
        0x8000_0003 => "BREAKPOINT".to_owned(),
        FAST_FAIL => match exception.detail.and_then(|code| fast_fail_name(code.0)) {
            // The one code that buckets of processes spell in their own way.
            Some("STACK_COOKIE_CHECK_FAILURE") => {
                "FAIL_FAST_STACK_BUFFER_OVERRUN_STACK_COOKIE_CHECK_FAILURE_MISSING_GSFRAME".to_owned()
            }
            Some(name) => format!("FAIL_FAST_{name}"),
            None => "FAIL_FAST".to_owned(),
        },
        STACK_OVERFLOW => "STACK_OVERFLOW".to_owned(),
        0xC000_0094 => "INTEGER_DIVIDE_BY_ZERO".to_owned(),
        0xC000_001D => "ILLEGAL_INSTRUCTION".to_owned(),
        CPP_THROW => "CPP_EXCEPTION".to_owned(),
        code if CLR.contains(&code) => "CLR_EXCEPTION".to_owned(),
        HANG => "APPLICATION_HANG".to_owned(),
        _ => "APPLICATION_FAULT".to_owned(),
    }
}

fn bucket_of(facts: &Facts<'_>, place: Option<&Place<'_>>, symbols: bool) -> String {
    let process = facts.process_name.as_deref().unwrap_or("unknown");
    let code =
        facts.exception.as_ref().map(|exception| format!("_{:08x}", exception.code.0)).unwrap_or_default();
    let class = class(facts, place.is_some());
    // What is damaged belongs to nobody: the pseudo module, and the process for the function.
    if facts.exception.as_ref().is_some_and(|exception| is_damage(exception.code.0)) {
        return bucket::tidy(&format!("{class}{code}_heap_corruption!{process}"));
    }
    let Some(place) = place else {
        let function = if code.is_empty() { "Unknown" } else { "unknown_error_in_process" };
        return bucket::tidy(&format!("{class}{code}_{process}!{function}"));
    };
    let function = place.function.as_deref().filter(|_| symbols).map(bucket::plain);
    bucket::tidy(&format!("{class}{code}_{}!{}", place.module, function.as_deref().unwrap_or("Unknown")))
}

/// What the exception is, in words.
fn exception_text(facts: &Facts<'_>) -> Option<String> {
    let exception = facts.exception.as_ref()?;
    let code = exception.code.0;
    let what = match code {
        CPP_THROW => "a C++ exception that nobody caught".to_owned(),
        HANG => "that the process did not answer and was ended".to_owned(),
        code if CLR.contains(&code) => "a .NET exception that nobody caught".to_owned(),
        code => status_text(u32::try_from(code & 0xFFFF_FFFF).unwrap_or(0)),
    };
    let tried = exception.access.zip(exception.accessed);
    let tried = tried.map(|(access, at)| format!(", trying to {} {at}", access.as_str())).unwrap_or_default();
    let ended = exception.detail.filter(|_| code == FAST_FAIL).map(|detail| {
        let name = fast_fail_name(detail.0).unwrap_or("unknown");
        format!(" The process ended itself: fast-fail code {}, {name}.", detail.0)
    });
    Some(format!("Exception 0x{code:08x} is {what}{tried}.{}", ended.unwrap_or_default()))
}

fn runners_up(facts: &Facts<'_>, first: Option<&Place<'_>>) -> Vec<RunnerUp> {
    let mut seen = vec![first.map(|place| place.module.as_ref()).unwrap_or_default()];
    let mut others = Vec::new();
    for frame in facts.stack.iter().filter(|frame| is_blameable(&frame.place)) {
        let Frame { place, .. } = frame;
        if others.len() < MOST_RUNNERS_UP && !seen.contains(&place.module.as_ref()) {
            let why = format!("It is further down the stack of the failing thread, at {}.", at(place));
            others.push(RunnerUp { image_name: place.module.to_string(), rule: Rule::ModuleOnStack, why });
            seen.push(&place.module);
        }
    }
    others
}

/// Judges the crash of a process.
pub(crate) fn judge(facts: &Facts<'_>) -> Verdict {
    let found = find(facts, facts.fault.as_ref());
    let bucket = bucket_of(facts, found.place, true);
    let unrefined = bucket_of(facts, found.place, false);
    let place = found.place.cloned().unwrap_or_default();
    let listed = facts.modules.iter().find(|module| !place.module.is_empty() && module.name == place.module);
    let symbol = place.function.as_deref().map(|function| format!("!{function}")).unwrap_or_default();
    Verdict {
        rules_version: RULES_VERSION,
        culprit: if found.place.is_some() { Culprit::Module } else { Culprit::Unknown },
        image_name: place.module.to_string(),
        module_name: bucket::module_name(&place.module),
        symbol_name: format!("{}{symbol}", bucket::module_name(&place.module)),
        image_timestamp: listed.map(|module| module.timestamp),
        image_size: listed.map(|module| module.size),
        offset: place.offset.map(|offset| offset.0),
        confidence: found.confidence,
        rule: found.rule,
        evidence: std::iter::once(found.why).chain(exception_text(facts)).collect(),
        runners_up: runners_up(facts, found.place),
        failure_id_hash: bucket::hash("um:", &bucket),
        unrefined_bucket_id: (unrefined != bucket).then_some(unrefined),
        failure_bucket_id: bucket,
        ..Verdict::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runtimes_are_sorted_and_found() {
        assert!(RUNTIMES.is_sorted());
        for (name, expected) in [
            ("ntdll.dll", true),
            ("NTDLL", true),
            ("msvcr90.dll", true),
            ("crash.exe", false),
            ("app", false),
        ] {
            assert_eq!(is_runtime(name), expected, "{name}");
        }
    }
}
