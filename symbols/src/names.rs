//! Names out of a PDB: function, inlined functions, source file and line; on x86 also the frame data.
//!
//! A PDB is read where it lies. Opening one reads its directory and its list of compilation units; an address costs its
//! unit, read once and kept for a while, and a handful of reads for names. The types of a program, the larger half of any
//! PDB, never enter memory.
//!
//! `pdb2` and `pdb-addr2line` read the same format and are what the tests compare with. They are not used here because a
//! file from a stranger must not end the process: a scope that contains itself, or inlined calls that nest a hundred
//! thousand deep, overflow the stack there, which nothing can catch; both keep all they ever read; and the flags of FPO
//! data are looked for in the wrong bits.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

mod address;
mod annotations;
mod budget;
mod cache;
mod dbi;
mod demangle;
mod frames;
mod lines;
mod msf;
mod publics;
mod records;
mod source;
mod strings;
mod types;
mod unit;

use std::fs::File;
use std::sync::{Arc, OnceLock};

use breakpad_symbols::{FrameWalker, SimpleModule};
use bytes::Bytes;

use crate::id::PdbId;
use crate::image::{Damaged, Machine};
use address::AddressMap;
use budget::Budget;
use cache::{Answers, LARGE, Units};
use dbi::{Contribution, Dbi, UnitNames};
pub(crate) use dbi::{Identity, identity};
pub(crate) use demangle::demangle;
use frames::Frames;
pub(crate) use msf::{MAGIC, Msf};
use publics::{Public, Publics};
pub(crate) use source::Source;
use strings::Strings;
use types::{Id, TypeIndex};
use unit::Unit;

/// Scopes in scopes: a function in a function in a namespace. Ids may refer in a circle.
const MAX_SCOPES: usize = 8;

/// No stack is in the first 64 KB: Windows maps nothing there.
const LOWEST_STACK: u64 = 0x1_0000;

/// What stands at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Demangled, without arguments: `DataProcessor::ConsumeData`.
    pub function: String,
    /// Distance from the start of the function, the same for all places of one address.
    pub offset: u32,
    /// Source file.
    pub file: Option<String>,
    /// Source line; of an outer function: the line of the call.
    pub line: Option<u32>,
    /// Whether the compiler put it into the next one of the list.
    pub inlined: bool,
}

/// A PDB, ready to be asked. Parts of it are read at the first question that needs them.
pub struct Pdb {
    id: PdbId,
    msf: Msf<'static>,
    dbi: Dbi,
    addresses: AddressMap,
    strings: Strings,
    units: Units,
    unit_names: OnceLock<Result<UnitNames, Damaged>>,
    answers: Answers,
    publics: OnceLock<Result<Publics, Damaged>>,
    ids: OnceLock<Result<TypeIndex, Damaged>>,
    types: OnceLock<Result<TypeIndex, Damaged>>,
    frames: OnceLock<Result<Frames, Damaged>>,
}

impl std::fmt::Debug for Pdb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pdb").field(&self.id).finish()
    }
}

impl Pdb {
    /// Opens a PDB file. `name` is what it is called: it does not say so itself.
    ///
    /// # Errors
    /// [`Damaged`] where it is none that can be read.
    pub fn open(file: File, name: &str) -> Result<Self, Damaged> {
        Self::read(Source::File(file), name)
    }

    /// As [`Pdb::open`], of bytes that are in memory anyway.
    ///
    /// # Errors
    /// [`Damaged`] where they are none that can be read.
    pub fn from_bytes(bytes: Bytes, name: &str) -> Result<Self, Damaged> {
        Self::read(Source::Memory(bytes), name)
    }

    fn read(source: Source<'static>, name: &str) -> Result<Self, Damaged> {
        let msf = Msf::open(source)?;
        let Identity { guid, age, .. } = identity(&msf)?;
        let id = PdbId::new(name, guid, age)
            .ok_or_else(|| Damaged::new("PDB", "has no GUID, or a name that is none of a file"))?;
        let dbi = Dbi::read(&msf)?;
        Ok(Self {
            id,
            addresses: AddressMap::read(&msf, &dbi)?,
            strings: Strings::find(&msf)?,
            units: Units::new(&msf, &dbi.units),
            unit_names: OnceLock::new(),
            dbi,
            msf,
            answers: Answers::default(),
            publics: OnceLock::new(),
            ids: OnceLock::new(),
            types: OnceLock::new(),
            frames: OnceLock::new(),
        })
    }

    /// GUID and age as the file itself has them.
    pub fn id(&self) -> &PdbId {
        &self.id
    }

    /// What its image runs on.
    pub fn machine(&self) -> Machine {
        self.dbi.machine
    }

    /// Functions at an offset from the image's base, innermost first; empty where it knows none.
    pub fn places(&self, rva: u32) -> Vec<Place> {
        self.answers.get_or(rva, || match self.find(rva, &Budget::default()) {
            Ok(places) => places.unwrap_or_default(),
            Err(error) => {
                tracing::debug!(pdb = self.id.name(), rva, %error, "no names");
                Vec::new()
            }
        })
    }

    /// Whether code may stand at an offset from the image's base. Cheap, where [`Pdb::places`] may read a unit: whoever
    /// scans a stack asks it of every word.
    pub fn holds_code(&self, rva: u32) -> bool {
        self.addresses.place(rva).is_some_and(|(section, offset)| {
            let contributions = &self.dbi.contributions;
            self.addresses.is_code(section)
                && (contributions.is_empty() || self.dbi.contribution_at(section, offset).is_some())
        })
    }

    fn find(&self, rva: u32, budget: &Budget) -> Result<Option<Vec<Place>>, Damaged> {
        let Some((section, offset)) = self.addresses.place(rva) else { return Ok(None) };
        let contribution = self.dbi.contribution_at(section, offset);
        // What no unit contributed is padding. A PDB that names no contributions at all has only public symbols.
        if contribution.is_none() && !self.dbi.contributions.is_empty() {
            return Ok(None);
        }
        let unit = contribution.and_then(|found| self.unit(found.unit));
        let search = Search { pdb: self, rva, section, offset, budget };
        match unit.as_ref().and_then(|unit| Some((unit, unit.procedure_at(section, offset)?))) {
            Some((unit, procedure)) => search.procedure(unit, procedure).map(Some),
            None => search.public(contribution, unit.as_deref()),
        }
    }

    fn unit(&self, number: u16) -> Option<Arc<Unit>> {
        let info = self.dbi.units.get(usize::from(number))?;
        if self.msf.len(info.stream) > LARGE && !self.units.keeps(number) {
            return None;
        }
        self.units.get_or(number, || Unit::read(&self.msf, info))
    }

    fn publics(&self) -> Result<&Publics, Damaged> {
        part(&self.publics, || Publics::read(&self.msf, &self.dbi))
    }

    /// A unit other than the one that was asked about. A large one is read only once ever, so it costs a question nothing.
    fn other_unit(&self, number: u16, budget: &Budget) -> Option<Arc<Unit>> {
        let len = self.msf.len(self.dbi.units.get(usize::from(number))?.stream);
        budget.unit(number, if len > LARGE { 0 } else { len }, || self.unit(number))
    }

    /// Name of an inlined function.
    fn callee(&self, unit: &Unit, id: u32, budget: &Budget) -> Result<Option<String>, Damaged> {
        let Some(mut id) = self.resolve(unit, id, budget)? else { return Ok(None) };
        let mut names = Vec::new();
        for _ in 0..MAX_SCOPES {
            match part(&self.ids, || TypeIndex::read(&self.msf, types::IDS))?.id(&self.msf, id, budget)? {
                Some(Id::Function { scope, name }) => {
                    names.push(name);
                    id = scope;
                }
                Some(Id::Member { parent, name }) => {
                    names.push(name);
                    let types = part(&self.types, || TypeIndex::read(&self.msf, types::TYPES))?;
                    names.extend(types.type_name(&self.msf, parent, budget)?);
                    break;
                }
                Some(Id::Text(name)) if name.starts_with("?A0x") => {
                    names.push("`anonymous namespace'".to_owned());
                    break;
                }
                Some(Id::Text(name)) => {
                    names.push(name);
                    break;
                }
                None => break,
            }
        }
        names.reverse();
        Ok((!names.is_empty()).then(|| names.join("::")))
    }

    /// With link-time code generation, units refer to ids of other units by name and number.
    fn resolve(&self, unit: &Unit, id: u32, budget: &Budget) -> Result<Option<u32>, Damaged> {
        if id >> 31 == 0 {
            return Ok(Some(id));
        }
        let Some((name, number)) = unit.import(id) else { return Ok(None) };
        let Some(name) = self.strings.get(&self.msf, name)? else { return Ok(None) };
        let names = part(&self.unit_names, || self.dbi.unit_names(&self.msf))?;
        let other = names.get(&name).and_then(|other| self.other_unit(other, budget));
        Ok(other.and_then(|other| other.export(number)))
    }

    /// x86: the frame below, by frame data or FPO data.
    pub fn walk_frame(&self, base: u64, walker: &mut dyn FrameWalker) -> Option<()> {
        let rva = u32::try_from(walker.get_instruction().checked_sub(base)?).ok()?;
        walker.get_callee_register("esp").filter(|esp| *esp >= LOWEST_STACK)?;
        let note = self.frames().and_then(|frames| match frames {
            Some(frames) => frames.symbol_file(&self.msf, &self.strings, rva),
            None => Ok(None),
        });
        let symbols = note
            .inspect_err(|error| tracing::debug!(pdb = self.id.name(), rva, %error, "no frame data"))
            .ok()??;
        let module = SimpleModule { base_address: Some(base), ..SimpleModule::default() };
        symbols.walk_frame(&module, walker)
    }

    /// x86: bytes of arguments that the function at an offset takes off the stack.
    pub fn parameter_bytes(&self, rva: u32) -> Option<u32> {
        if self.dbi.machine != Machine::X86 {
            return None;
        }
        let noted = self.frames().ok().flatten().and_then(|frames| frames.parameter_bytes(rva));
        noted.or_else(|| {
            let (section, offset) = self.addresses.place(rva)?;
            let public = self.publics().ok()?.at_or_before(&self.msf, section, offset).ok()??;
            demangle::argument_bytes(&public.name)
        })
    }

    /// x64: distance from the stack pointer to the return address, anywhere between prolog and epilog of the function at
    /// an offset. What the image's unwind information tells better, for whoever has only the PDB.
    pub fn frame_bytes(&self, rva: u32) -> Option<u32> {
        (self.dbi.machine == Machine::X64).then_some(())?;
        let (section, offset) = self.addresses.place(rva)?;
        let unit = self.unit(self.dbi.contribution_at(section, offset)?.unit)?;
        unit.frame_bytes(unit.procedure_at(section, offset)?)
    }

    fn frames(&self) -> Result<Option<&Frames>, Damaged> {
        if self.dbi.machine != Machine::X86 {
            return Ok(None);
        }
        part(&self.frames, || Frames::read(&self.msf, &self.dbi, &self.addresses)).map(Some)
    }

    /// Bytes held, roughly: for the budget of a cache. Grows with questions, to a bound.
    pub fn held(&self) -> usize {
        let publics = self.publics.get().and_then(|part| part.as_ref().ok()).map_or(0, Publics::held);
        let frames = self.frames.get().and_then(|part| part.as_ref().ok()).map_or(0, Frames::held);
        let names = self.unit_names.get().and_then(|part| part.as_ref().ok()).map_or(0, UnitNames::held);
        let types = [&self.ids, &self.types];
        let types = types.into_iter().filter_map(|part| part.get()?.as_ref().ok());
        [self.msf.held(), self.dbi.held(), self.addresses.held(), self.units.held(), names, publics, frames]
            .into_iter()
            .chain(types.map(TypeIndex::held))
            .fold(cache::MAX_ANSWER_BYTES, usize::saturating_add)
    }
}

/// A part that is read at the first question. That it is damaged is kept too.
fn part<T>(
    cell: &OnceLock<Result<T, Damaged>>,
    read: impl FnOnce() -> Result<T, Damaged>,
) -> Result<&T, Damaged> {
    cell.get_or_init(read).as_ref().map_err(Clone::clone)
}

/// One question.
struct Search<'a> {
    pdb: &'a Pdb,
    rva: u32,
    section: u16,
    offset: u32,
    budget: &'a Budget,
}

impl Search<'_> {
    /// The function, and what was inlined into it at the address.
    fn procedure(&self, unit: &Unit, procedure: &records::Procedure) -> Result<Vec<Place>, Damaged> {
        let offset = self.from(procedure.start);
        let mut places = Vec::new();
        for inlined in unit.inlined_at(procedure, self.offset, self.budget).iter().rev() {
            places.push(Place {
                function: self
                    .pdb
                    .callee(unit, inlined.callee, self.budget)?
                    .unwrap_or_else(|| "<inlined>".to_owned()),
                offset,
                file: self.file(unit, inlined.file)?,
                line: inlined.line,
                inlined: true,
            });
        }
        // Only linkers decorate: a function that a compiler calls `_main` is called that.
        let name = demangle(unit.name(procedure).unwrap_or(b"<unnamed>"), false);
        places.push(self.place(name, offset, Some(unit))?);
        Ok(places)
    }

    /// The public symbol before the address, where no other code was contributed between the two.
    fn public(
        &self,
        contribution: Option<&Contribution>,
        unit: Option<&Unit>,
    ) -> Result<Option<Vec<Place>>, Damaged> {
        let found = self.pdb.publics()?.at_or_before(&self.pdb.msf, self.section, self.offset)?;
        let start = contribution.map_or(0, |found| found.start);
        let Some(Public { offset, name, .. }) = found.filter(|public| public.offset >= start) else {
            return Ok(None);
        };
        let name = demangle(&name, self.pdb.dbi.machine == Machine::X86);
        Ok(Some(vec![self.place(name, self.from(offset), unit)?]))
    }

    fn place(&self, function: String, offset: u32, unit: Option<&Unit>) -> Result<Place, Damaged> {
        let line = unit.and_then(|unit| unit.line_at(self.section, self.offset, self.budget));
        let file = match unit {
            Some(unit) => self.file(unit, line.map(|line| line.file))?,
            None => None,
        };
        Ok(Place { function, offset, file, line: line.map(|line| line.line), inlined: false })
    }

    fn file(&self, unit: &Unit, file: Option<u32>) -> Result<Option<String>, Damaged> {
        match file.and_then(|file| unit.file_name(file)) {
            Some(place) => self.pdb.strings.get(&self.pdb.msf, place),
            None => Ok(None),
        }
    }

    /// Distance from a start in the same section. Moved code (OMAP) may stand before it; then as it was linked.
    fn from(&self, start: u32) -> u32 {
        let now = self.pdb.addresses.rva(self.section, start).and_then(|start| self.rva.checked_sub(start));
        now.unwrap_or_else(|| self.offset.saturating_sub(start))
    }
}

#[cfg(test)]
#[expect(
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "writes files, reads none"
)]
mod tests;
