//! Analysis and message header to a [`CrashRow`]. Pure; the message's identity wins over the dump's.

use storage::message::Meta;
use storage::queue::Position;
use storage::rows::{CrashRow, Outcome};
use uuid::Uuid;

use crate::analysis::{Analysis, Frame, ModuleReport, Verdict};
use crate::{ANALYZER_VERSION, text};

/// Longest text of the `problem` column.
const PROBLEM_CHARS: usize = 1_000;
/// Bytes of driver names in a row: real lists take 4 KB. A hostile dump can repeat one long name thousands of times,
/// and a batch holds a thousand rows.
const NAME_BYTES: usize = 48 << 10;
/// Below the version in a revision: the size of the dump, and whether it was kept.
const SIZE_BITS: u32 = 40;

/// Where a delivery came from.
pub(super) struct Origin<'o> {
    pub(super) queue_id: &'o str,
    pub(super) position: Position,
}

/// The dump's own time out of a crash id: 48 bits of ms since 1970, 0 where the dump had none.
fn crashed_at(crash_id: Uuid) -> i64 {
    let [a, b, c, d, e, f, ..] = *crash_id.as_bytes();
    i64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

/// Which form of one crash wins: newer rules first, then the larger dump. A row that says why there is no analysis
/// always loses to one that has it.
fn revision(outcome: Outcome, raw_len: u64) -> u64 {
    let version = if outcome == Outcome::Analysed { u64::from(ANALYZER_VERSION) } else { 0 };
    (version << SIZE_BITS) | raw_len.saturating_mul(2).min((1 << SIZE_BITS) - 2)
}

/// Notes where the dump was kept. Of two equal forms of one crash the row that knows a kept dump stays.
pub(super) fn keep(row: &mut CrashRow, key: String) {
    row.blob = key;
    row.revision |= 1;
}

/// The fault site of a row.
pub(super) fn site(row: &CrashRow) -> (String, u32, u32, u64) {
    (row.driver.clone(), row.driver_timestamp, row.driver_size, row.fault_offset)
}

/// A row with everything the message says and nothing of the dump.
fn of_message(origin: &Origin<'_>, meta: &Meta, outcome: Outcome) -> CrashRow {
    CrashRow {
        received_at: meta.received_at_ms,
        tenant: meta.tenant.clone(),
        machine: meta.machine.clone(),
        ring: meta.ring.clone(),
        site: meta.site.clone(),
        tags: meta.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
        raw_len: meta.raw_len,
        revision: revision(outcome, meta.raw_len),
        ..empty(origin, meta.crash_id, outcome)
    }
}

fn empty(origin: &Origin<'_>, crash_id: Uuid, outcome: Outcome) -> CrashRow {
    CrashRow {
        crash_id,
        crashed_at: crashed_at(crash_id),
        outcome: outcome.as_str().to_owned(),
        analyzer_version: ANALYZER_VERSION,
        revision: revision(outcome, 0),
        queue_id: origin.queue_id.to_owned(),
        queue_partition: origin.position.partition,
        queue_offset: origin.position.offset,
        ..CrashRow::default()
    }
}

/// The row of a message that could not be read: its identity is its place in the queue, the same each time it comes.
pub(super) fn malformed(origin: &Origin<'_>, reason: &str) -> CrashRow {
    let mut hasher = blake3::Hasher::new();
    hasher.update(origin.queue_id.as_bytes());
    hasher.update(&origin.position.partition.to_le_bytes());
    hasher.update(&origin.position.offset.to_le_bytes());
    let mut bytes = [0; 16];
    // The first 48 bits stay 0: a crash without a time.
    for (to, from) in bytes.iter_mut().skip(6).zip(hasher.finalize().as_bytes()) {
        *to = *from;
    }
    let crash_id = uuid::Builder::from_custom_bytes(bytes).into_uuid();
    CrashRow { problem: problem(reason), ..empty(origin, crash_id, Outcome::DeadLetter) }
}

/// The row of a message whose dump gave no analysis.
pub(super) fn failed(origin: &Origin<'_>, meta: &Meta, outcome: Outcome, reason: &str) -> CrashRow {
    CrashRow { problem: problem(reason), ..of_message(origin, meta, outcome) }
}

fn problem(reason: &str) -> String {
    text::clean(reason, PROBLEM_CHARS).into_owned()
}

/// The row of an analysed dump.
pub(super) fn analysed(
    origin: &Origin<'_>,
    meta: &Meta,
    analysis: &Analysis,
    report_bytes: usize,
) -> CrashRow {
    let mut problems = analysis.problems.clone();
    if analysis.crash_id != meta.crash_id.to_string() {
        // Who has changed the bytes since, or with which version they were identified, is for people to find out.
        problems.push(format!("the dump identifies itself as crash {}, not as accepted", analysis.crash_id));
    }
    let machine = &analysis.machine;
    let listed = listed(&analysis.modules);
    let exception = analysis.exception.as_ref();
    let bugcheck = analysis.bugcheck.as_ref();
    let name = bugcheck.map(|it| it.name.clone()).or_else(|| exception.map(|it| it.name.clone()));
    CrashRow {
        problem: problem(&problems.join("; ")),
        kind: analysis.kind.clone(),
        bugcheck: bugcheck.map_or(0, |it| it.code),
        bugcheck_name: name.unwrap_or_default(),
        parameters: parameters(analysis),
        exception_code: exception.map_or(0, |it| it.code),
        process: analysis.process.clone().unwrap_or_default(),
        os_build: machine.build,
        os_ubr: machine.ubr.unwrap_or(0),
        arch: machine.arch.clone(),
        cpu: machine.cpu.clone().unwrap_or_default(),
        vendor: machine.vendor.clone().unwrap_or_default(),
        model: machine.model.clone().unwrap_or_default(),
        bios: machine.bios.clone().unwrap_or_default(),
        uptime_s: analysis.uptime_s.map_or(0, whole_seconds),
        drivers: listed.iter().map(|module| module.name.to_lowercase()).collect(),
        driver_timestamps: listed.iter().map(|module| module.timestamp).collect(),
        driver_sizes: listed.iter().map(|module| module.size).collect(),
        stack_modules: on_stack(&analysis.stack),
        report: report(analysis, report_bytes),
        facts: analysis.facts.clone(),
        ..with_verdict(of_message(origin, meta, Outcome::Analysed), &analysis.verdict)
    }
}

/// The row with what a verdict decides: everything that is counted by.
pub fn with_verdict(row: CrashRow, verdict: &Verdict) -> CrashRow {
    let blames_image = matches!(verdict.culprit.as_str(), "driver" | "module");
    CrashRow {
        culprit: verdict.culprit.clone(),
        driver: if blames_image { verdict.name.to_lowercase() } else { String::new() },
        driver_timestamp: verdict.timestamp.unwrap_or(0),
        driver_size: verdict.size.unwrap_or(0),
        fault_offset: verdict.offset.unwrap_or(0),
        bucket: verdict.bucket.clone(),
        bucket_hash: verdict.bucket_hash.clone(),
        confidence: verdict.confidence.clone(),
        rule: verdict.rule.clone(),
        hardware_sign: verdict.hardware_sign.clone().unwrap_or_default(),
        ..row
    }
}

/// The modules whose names fit a row; the report says how many there are.
fn listed(modules: &[ModuleReport]) -> &[ModuleReport] {
    let mut left = NAME_BYTES;
    let fits = |module: &&ModuleReport| match left.checked_sub(module.name.len()) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let count = modules.iter().take_while(fits).count();
    modules.get(..count).unwrap_or(modules)
}

/// The modules of a stack, each once, from the top.
fn on_stack(stack: &[Frame]) -> Vec<String> {
    let mut left = NAME_BYTES;
    let mut modules: Vec<String> = Vec::new();
    for name in stack.iter().map(|frame| frame.module.to_lowercase()).filter(|name| !name.is_empty()) {
        // At most 200 frames are listed, so looking through what is there costs nothing.
        if !modules.contains(&name) {
            let Some(rest) = left.checked_sub(name.len()) else { break };
            left = rest;
            modules.push(name);
        }
    }
    modules
}

fn whole_seconds(seconds: f64) -> u64 {
    std::time::Duration::try_from_secs_f64(seconds).map_or(0, |uptime| uptime.as_secs())
}

fn number(hex: &str) -> Option<u64> {
    u64::from_str_radix(hex.strip_prefix("0x")?, 16).ok()
}

/// A bug check's parameters; for user-mode the accessed address, where there is one.
fn parameters(analysis: &Analysis) -> Vec<u64> {
    match (&analysis.bugcheck, &analysis.exception) {
        (Some(bugcheck), _) => bugcheck.parameters.iter().filter_map(|it| number(&it.value)).collect(),
        (None, Some(exception)) => exception.accessed.iter().filter_map(|it| number(it)).collect(),
        (None, None) => Vec::new(),
    }
}

/// The analysis as JSON, at most `most` bytes: one that is too large loses its lists, the longest first.
pub(crate) fn report(analysis: &Analysis, most: usize) -> String {
    // Plain data without maps of odd keys: serialising it cannot fail.
    let json = |analysis: &Analysis| serde_json::to_string(analysis).unwrap_or_default();
    let whole = json(analysis);
    if whole.len() <= most {
        return whole;
    }
    let mut cut = analysis.clone();
    cut.problems.push("the report was too large: its lists are left out".to_owned());
    cut.kernel = None;
    cut.modules.clear();
    cut.unloaded.clear();
    let without_modules = json(&cut);
    if without_modules.len() <= most {
        return without_modules;
    }
    cut.stack.clear();
    cut.problems.truncate(3);
    json(&cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_order_rules_before_size() {
        assert_eq!(revision(Outcome::Analysed, 5), (u64::from(ANALYZER_VERSION) << 40) | 10);
        assert!(revision(Outcome::Analysed, 0) > revision(Outcome::Unreadable, u64::MAX));
        assert_eq!(revision(Outcome::DeadLetter, u64::MAX), (1 << 40) - 2);
    }

    #[test]
    fn time_is_the_first_48_bits() {
        let id = Uuid::from_u128(0x0190_c9f0_1234_8000_8000_0000_0000_0001);
        assert_eq!(crashed_at(id), 0x0190_c9f0_1234);
    }

    #[test]
    fn modules_of_a_stack_are_listed_once_from_the_top() {
        let frame = |module: &str| Frame { module: module.to_owned(), ..Frame::default() };
        let stack = ["CSAgent.sys", "", "csagent.sys", "ntoskrnl.exe", "CSAgent.sys"].map(frame);
        assert_eq!(on_stack(&stack), ["csagent.sys", "ntoskrnl.exe"]);
    }

    #[test]
    fn malformed_messages_have_a_stable_identity() {
        let at = |offset| Origin { queue_id: "q", position: Position { partition: 0, offset } };
        assert_eq!(malformed(&at(7), "x").crash_id, malformed(&at(7), "x").crash_id);
        assert_ne!(malformed(&at(7), "x").crash_id, malformed(&at(8), "x").crash_id);
        assert_eq!(malformed(&at(7), "x").crashed_at, 0);
    }
}
