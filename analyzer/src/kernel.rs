//! A kernel dump to an [`Analysis`]: gathers the facts, has `blame` judge them, and writes the report. Pure.

mod context;
mod details;
mod facts;
mod found;
mod gather;
mod images;
mod objects;
mod report;
mod stack;
mod walk;

use blame::Owners;
use dump::{Identity, KernelDump};
use symbols::image::PAGE_BYTES;
use symbols::{ImageId, SymbolSet};

use crate::analysis::Analysis;
use crate::module_symbols::{Ids, ModuleSymbols, Page};
use crate::{Limits, text};

/// Analyses a kernel dump of any type, whose file has so many bytes.
pub(crate) fn analyze(
    dump: &KernelDump<'_>,
    identity: &Identity,
    dump_bytes: u64,
    symbols: Option<&SymbolSet>,
    owners: &Owners,
    limits: &Limits,
) -> Analysis {
    let names = gather::Names::new(dump, limits);
    let own = |index, rva| page(dump, index, rva);
    let symbols = ModuleSymbols::new(symbols, ids(dump, limits), &own);
    let gathered = gather::gather(dump, &names, &symbols, limits);
    let facts = facts::facts(dump, &gathered, &symbols, limits);
    let verdict = blame::judge(&facts, owners);
    let source = report::Source { dump, identity, dump_bytes, symbols: &symbols, facts: &facts, limits };
    report::write(&source, &gathered, verdict)
}

/// A page of a driver's image, where the dump's own memory has it: large dumps hold most of the kernel's.
fn page(dump: &KernelDump<'_>, index: usize, rva: u32) -> Option<Page> {
    let address = dump.drivers().get(index)?.base.checked_add(rva.into())?;
    dump.read(address, PAGE_BYTES)?.first_chunk().copied()
}

/// What the list of drivers tells of their files.
fn ids(dump: &KernelDump<'_>, limits: &Limits) -> impl Iterator<Item = Ids> {
    dump.drivers().iter().take(limits.modules).map(move |driver| Ids {
        name: text::clean(&driver.name, limits.text).into_owned(),
        size: driver.size,
        timestamp: driver.timestamp,
        image: ImageId::new(&driver.name, driver.timestamp, driver.size),
        pdb: None,
    })
}

/// A string out of the dump, cleaned and owned.
fn owned(value: Option<String>, limits: &Limits) -> Option<String> {
    value.map(|value| text::clean(&value, limits.text).into_owned()).filter(|value| !value.trim().is_empty())
}
