//! The user-mode rules: the module of the exception address, unless it is a runtime that only reports other people's
//! mistakes; then the first module below it on the stack. Buckets as WinDbg writes them for processes. Pure.

mod runtimes;

pub use runtimes::is_runtime;

use crate::RULES_VERSION;
use crate::bucket::{self, ACCESS_VIOLATION, NULL_PAGE, status_text};
use crate::facts::{Access, Facts, Place, Trust};
use crate::names::fast_fail_name;
use crate::owners::{Owner, Owners};
use crate::table;
use crate::verdict::{Confidence, Culprit, Rule, RunnerUp, Verdict};

const IN_PAGE_ERROR: u64 = 0xC000_0006;
const STACK_OVERFLOW: u64 = 0xC000_00FD;
const HEAP_CORRUPTION: u64 = 0xC000_0374;
const FAST_FAIL: u64 = 0xC000_0409;
const CPP_THROW: u64 = 0xE06D_7363;
const CLR: [u64; 2] = [0xE043_4352, 0xE043_4F4D];
/// What Windows writes into the dump of a process that it ended because it did not answer.
const HANG: u64 = 0xCFFF_FFFF;
/// Others that are named beside the culprit.
const MOST_RUNNERS_UP: usize = 3;

/// What the operator says of a module, else whether it is a runtime. The table of drivers has no say: a process may have
/// modules that are called like one.
fn class(place: &Place<'_>, owners: &Owners) -> Owner {
    match owners.told(&place.module) {
        _ if place.module.is_empty() => Owner::Ignore,
        Some(owner) => owner,
        None if is_runtime(&place.module) => Owner::Ignore,
        None => Owner::Definite,
    }
}

/// The exception's code: 32 bits, however it was extended.
fn code(facts: &Facts<'_>) -> Option<u64> {
    facts.exception.as_ref().map(|exception| exception.code.0 & 0xFFFF_FFFF)
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

fn find<'f>(facts: &'f Facts<'f>, owners: &Owners) -> Found<'f> {
    let Some(code) = code(facts) else {
        return nobody("The dump holds no exception: somebody asked for it, or the process hung.");
    };
    let of = |wanted| at_fault(facts, owners, wanted).or_else(|| on_stack(facts, owners, wanted));
    let found = of(Owner::Definite).or_else(|| {
        // What the operator calls a framework, and nobody else in sight.
        let found = of(Owner::Maybe)?;
        Some(Found { confidence: Confidence::Low, ..found })
    });
    match found {
        Some(found) if is_damage(code) => Found { confidence: Confidence::Low, ..found },
        Some(found) => found,
        None => nobody("Only runtimes and system libraries are on the stack of the failing thread."),
    }
}

fn at_fault<'f>(facts: &'f Facts<'f>, owners: &Owners, wanted: Owner) -> Option<Found<'f>> {
    let fault = facts.fault.as_ref().filter(|fault| class(&fault.place, owners) == wanted)?;
    let (confidence, why) = if fault.place.unloaded {
        // Who called into it, and who let it go too early, is not in the dump.
        let why = format!(
            "The exception address {} lies where {} had been loaded until it was unloaded: something still called \
             into it.",
            fault.address, fault.place.module
        );
        (Confidence::Medium, why)
    } else {
        (Confidence::High, format!("The failing instruction is at {}.", at(&fault.place)))
    };
    Some(Found { place: Some(&fault.place), rule: Rule::FaultingModule, confidence, why })
}

fn on_stack<'f>(facts: &'f Facts<'f>, owners: &Owners, wanted: Owner) -> Option<Found<'f>> {
    let mut frames = facts.stack.iter().enumerate();
    let (depth, frame) = frames.find(|(_, frame)| class(&frame.place, owners) == wanted)?;
    let seen = match &facts.fault {
        Some(fault) if owners.told(&fault.place.module).is_some() => {
            format!("The exception was raised in {}, which the configuration leaves out", fault.place.module)
        }
        Some(fault) if !fault.place.module.is_empty() => {
            format!("The exception was raised in {}, which is a runtime", fault.place.module)
        }
        Some(fault) => format!("The exception address {} lies in no module", fault.address),
        None => "Where the exception was raised is not known".to_owned(),
    };
    let (confidence, found_by) = match frame.trust {
        Trust::Unwound => (Confidence::Medium, "unwound to there"),
        Trust::Chained => (Confidence::Medium, "by a chain of frame pointers"),
        Trust::Scanned => (Confidence::Low, "by a word on the stack"),
    };
    let why =
        format!("{seen}; the first module below it is {} (frame {depth}, {found_by}).", at(&frame.place));
    Some(Found { place: Some(&frame.place), rule: Rule::ModuleOnStack, confidence, why })
}

/// The problem class of WinDbg's user-mode buckets.
fn problem(facts: &Facts<'_>, called: bool) -> String {
    let Some((exception, code)) = facts.exception.as_ref().zip(code(facts)) else {
        return "NO_EXCEPTION".to_owned();
    };
    let null = exception.accessed.is_some_and(|accessed| accessed.0 < NULL_PAGE);
    let pointer = if null { "NULL_POINTER" } else { "INVALID_POINTER" };
    match code {
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
    let failed = code(facts).map(|code| format!("_{code:08x}")).unwrap_or_default();
    let problem = problem(facts, place.is_some());
    // What is damaged belongs to nobody: the pseudo module, and the process for the function.
    if code(facts).is_some_and(is_damage) {
        return bucket::tidy(&format!("{problem}{failed}_heap_corruption!{process}"));
    }
    let Some(place) = place else {
        let function = if failed.is_empty() { "Unknown" } else { "unknown_error_in_process" };
        return bucket::tidy(&format!("{problem}{failed}_{process}!{function}"));
    };
    let function = place.function.as_deref().filter(|_| symbols && !place.unloaded).map(bucket::plain);
    let unknown = if place.unloaded { "Unloaded" } else { "Unknown" };
    bucket::tidy(&format!("{problem}{failed}_{}!{}", place.module, function.as_deref().unwrap_or(unknown)))
}

/// What the exception is, in words.
fn exception_text(facts: &Facts<'_>) -> Option<String> {
    let exception = facts.exception.as_ref()?;
    let code = code(facts)?;
    let what = match code {
        HANG => return Some(format!("The process did not answer and was ended (exception 0x{code:08x}).")),
        CPP_THROW => "a C++ exception that nobody caught".to_owned(),
        code if CLR.contains(&code) => "a .NET exception that nobody caught".to_owned(),
        code => status_text(u32::try_from(code).unwrap_or(0)),
    };
    let tried = exception.access.zip(exception.accessed);
    let tried = tried.map(|(access, at)| format!(", trying to {} {at}", access.as_str())).unwrap_or_default();
    let ended = exception.detail.filter(|_| code == FAST_FAIL).map(|detail| {
        let name = fast_fail_name(detail.0).unwrap_or("unknown");
        format!(" The process ended itself: fast-fail code {}, {name}.", detail.0)
    });
    Some(format!("Exception 0x{code:08x} is {what}{tried}.{}", ended.unwrap_or_default()))
}

fn runners_up(facts: &Facts<'_>, owners: &Owners, first: Option<&Place<'_>>) -> Vec<RunnerUp> {
    let mut seen = vec![first.map(|place| place.module.as_ref()).unwrap_or_default()];
    let mut others = Vec::new();
    let places = facts.stack.iter().map(|frame| &frame.place);
    for place in places.filter(|place| class(place, owners) != Owner::Ignore) {
        if others.len() < MOST_RUNNERS_UP && !seen.contains(&place.module.as_ref()) {
            let why = format!("It is further down the stack of the failing thread, at {}.", at(place));
            others.push(RunnerUp { image_name: place.module.to_string(), rule: Rule::ModuleOnStack, why });
            seen.push(&place.module);
        }
    }
    others
}

/// Judges the crash of a process.
pub(crate) fn judge(facts: &Facts<'_>, owners: &Owners) -> Verdict {
    let found = find(facts, owners);
    // As in the kernel; its other exceptions are a program's own doing more often (`ud2` ends many on purpose).
    let unread = code(facts).filter(|code| *code == IN_PAGE_ERROR).and_then(table::exception);
    let cap = unread.map_or(Confidence::High, |(cap, _)| cap);
    let because = unread.map(|(_, because)| because.to_owned());
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
        confidence: found.confidence.min(cap),
        rule: found.rule,
        evidence: std::iter::once(found.why).chain(exception_text(facts)).chain(because).collect(),
        runners_up: runners_up(facts, owners, found.place),
        failure_id_hash: bucket::hash("um:", &bucket),
        unrefined_bucket_id: (unrefined != bucket).then_some(unrefined),
        failure_bucket_id: bucket,
        ..Verdict::default()
    }
}
