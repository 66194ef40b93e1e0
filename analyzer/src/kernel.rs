//! A kernel dump to an [`Analysis`]: gathers the facts, has `blame` judge them, and writes the report. Pure.

mod context;
mod details;
mod gather;
mod images;
mod objects;
mod report;
mod stack;

use dump::{Identity, KernelDump};

use crate::analysis::Analysis;
use crate::{Limits, blame, text};

/// Analyses a kernel dump of any type, whose file has so many bytes.
pub(crate) fn analyze(
    dump: &KernelDump<'_>,
    identity: &Identity,
    dump_bytes: u64,
    limits: &Limits,
) -> Analysis {
    let names = gather::Names::new(dump, limits);
    let gathered = gather::gather(dump, &names, limits);
    let decision = blame::decide(&gathered.facts);
    report::write(&report::Source { dump, identity, dump_bytes, limits }, &gathered, decision)
}

/// A string out of the dump, cleaned and owned.
fn owned(value: Option<String>, limits: &Limits) -> Option<String> {
    value.map(|value| text::clean(&value, limits.text).into_owned()).filter(|value| !value.trim().is_empty())
}
