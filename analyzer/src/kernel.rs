//! A kernel dump to an [`Analysis`]: gathers the facts, has `blame` judge them, and writes the report. Pure.

mod context;
mod gather;
mod images;
mod objects;
mod report;
mod stack;

use dump::{Identity, KernelDump};

use crate::analysis::Analysis;
use crate::{Limits, Unreadable, blame, text};

/// Analyses a kernel dump.
pub(crate) fn analyze(bytes: &[u8], identity: &Identity, limits: &Limits) -> Result<Analysis, Unreadable> {
    let dump = KernelDump::parse(bytes).map_err(|error| Unreadable::new("damaged", error))?;
    let names = gather::Names::new(&dump, limits);
    let gathered = gather::gather(&dump, &names, limits);
    let decision = blame::decide(&gathered.facts);
    Ok(report::write(&report::Source { dump: &dump, identity, bytes, limits }, &gathered, decision))
}

/// A string out of the dump, cleaned and owned.
fn owned(value: Option<String>, limits: &Limits) -> Option<String> {
    value.map(|value| text::clean(&value, limits.text).into_owned()).filter(|value| !value.trim().is_empty())
}
