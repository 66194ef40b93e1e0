//! The symbol files of the modules of one dump: which it would have, which the analysis was given, which it lacks. Shared
//! by kernel and user dumps. Never fetches.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use symbols::image::PAGE_BYTES;
use symbols::names::Place;
use symbols::{Answer, FileId, Image, ImageId, Machine, Missing, Module, Names, PdbId, SymbolSet, Want};

use crate::analysis::{Frame, SymbolReport};
use crate::hex::hex;

/// What a dump tells of a module's files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    pub(crate) name: String,
    pub(crate) size: u32,
    pub(crate) timestamp: u32,
    pub(crate) image: Option<ImageId>,
    /// Kernel dumps do not tell it; then the image does.
    pub(crate) pdb: Option<PdbId>,
}

struct Entry {
    ids: Ids,
    /// The image as it lies in the dump's own memory, where it does.
    own: OnceLock<Option<Arc<Image>>>,
    module: OnceLock<Module>,
}

/// A page of an image.
pub(crate) type Page = [u8; PAGE_BYTES];

/// Reads a page of a module's image, by the module's index and the page's offset, out of the dump's own memory.
pub(crate) type OwnPages<'d> = dyn Fn(usize, u32) -> Option<Page> + Sync + 'd;

/// Pages asked for in one analysis: 256 MiB of images. A hostile dump may say that the same bytes lie everywhere.
const MOST_PAGES: usize = 1 << 16;

/// The modules of one dump.
pub(crate) struct ModuleSymbols<'s> {
    set: Option<&'s SymbolSet>,
    entries: Vec<Entry>,
    own: &'s OwnPages<'s>,
    pages_left: AtomicUsize,
}

/// A place in the code that a walk came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CodeSite {
    /// Index of the module.
    pub(crate) module: usize,
    pub(crate) offset: u64,
    /// Whether it is the instruction itself and not a return address.
    pub(crate) exact: bool,
}

impl CodeSite {
    /// Where to ask for names: inside the call of a return address, which may be the last instruction of its function.
    fn asked(self) -> Option<u32> {
        u32::try_from(if self.exact { self.offset } else { self.offset.checked_sub(1)? }).ok()
    }
}

impl<'s> ModuleSymbols<'s> {
    /// `None` for the set: the fast path, which knows no symbols and wants none.
    pub(crate) fn new(
        set: Option<&'s SymbolSet>,
        modules: impl Iterator<Item = Ids>,
        own: &'s OwnPages<'s>,
    ) -> Self {
        let entry = |ids| Entry { ids, own: OnceLock::new(), module: OnceLock::new() };
        let entries = if set.is_some() { modules.map(entry).collect() } else { Vec::new() };
        Self { set, entries, own, pages_left: AtomicUsize::new(MOST_PAGES) }
    }

    /// Whether this is the deep path.
    pub(crate) fn asked_for(&self) -> bool {
        self.set.is_some()
    }

    fn image(&self, index: usize) -> Option<&Arc<Image>> {
        let entry = self.entries.get(index)?;
        let given = entry.ids.image.clone().and_then(|id| self.set?.get(&Want::Image(id)));
        if let Some(Answer::Image(image)) = given {
            return Some(image);
        }
        entry.own.get_or_init(|| self.own_image(index, &entry.ids).map(Arc::new)).as_ref()
    }

    fn own_image(&self, index: usize, ids: &Ids) -> Option<Image> {
        // Most dumps hold no image: one question tells, before every page is asked for.
        (self.own)(index, 0)?;
        let image = Image::mapped(ids.size, |rva| {
            let take = |left: usize| left.checked_sub(1);
            self.pages_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
            (self.own)(index, rva)
        });
        image.ok().filter(|image| image.timestamp() == ids.timestamp)
    }

    fn pdb_id(&self, index: usize) -> Option<PdbId> {
        let entry = self.entries.get(index)?;
        entry.ids.pdb.clone().or_else(|| self.image(index)?.pdb().cloned())
    }

    /// What there is of a module.
    pub(crate) fn module(&self, index: usize) -> Option<&Module> {
        let entry = self.entries.get(index)?;
        Some(entry.module.get_or_init(|| {
            let names = self.pdb_id(index).and_then(|id| match self.set?.get(&Want::Names(id))? {
                Answer::Names(names) => Some(names.clone()),
                Answer::Image(_) | Answer::Missing(_) => None,
            });
            Module { image: self.image(index).cloned(), names }
        }))
    }

    /// Functions at a place, innermost first.
    pub(crate) fn places(&self, site: CodeSite) -> Vec<Place> {
        let places = site.asked().and_then(|at| Some(self.module(site.module)?.places(at)));
        places.unwrap_or_default()
    }

    /// The function at a place and the distance from its start, the outermost where the compiler put several into one.
    pub(crate) fn function(&self, site: CodeSite) -> Option<(String, u32)> {
        let place = self.places(site).pop()?;
        Some((place.function, place.offset.saturating_add(u32::from(!site.exact))))
    }

    /// Whether a word on the stack may be a return address to this place, as far as that can be known: a call stands
    /// before it, or at least code. Asked of every such word: cheap.
    pub(crate) fn may_return_to(&self, index: usize, offset: u64) -> bool {
        let Some(module) = self.module(index) else { return true };
        let called = u32::try_from(offset).ok().and_then(|rva| Some((rva, rva.checked_sub(1)?)));
        let Some((rva, call)) = called else { return false };
        match (&module.image, &module.names) {
            (Some(image), _) => image.is_code(call) && follows_call(image, rva),
            (None, Some(names)) => names.holds_code(call),
            (None, None) => true,
        }
    }

    /// Whether the image says that a call through a pointer returns to this place.
    pub(crate) fn called_by_pointer(&self, index: usize, offset: u64) -> bool {
        let image = self.module(index).and_then(|module| module.image.as_ref());
        image.zip(u32::try_from(offset).ok()).is_some_and(|(image, rva)| follows_indirect_call(image, rva))
    }

    /// Whether code may stand at a place, as far as that can be known.
    pub(crate) fn holds_code(&self, index: usize, offset: u64) -> bool {
        let image = self.module(index).and_then(|module| module.image.as_ref());
        image.is_none_or(|image| u32::try_from(offset).is_ok_and(|rva| image.is_code(rva)))
    }

    /// Files that were not asked for yet, of the modules given, each once.
    pub(crate) fn wants(&self, modules: impl Iterator<Item = usize>) -> Vec<Want> {
        let Some(set) = self.set else { return Vec::new() };
        let mut seen = BTreeSet::new();
        let mut wants = Vec::new();
        for index in modules.filter(|index| seen.insert(*index)) {
            let image = self.entries.get(index).and_then(|entry| entry.ids.image.clone()).map(Want::Image);
            let names = self.pdb_id(index).map(Want::Names);
            wants.extend([image, names].into_iter().flatten().filter(|want| set.get(want).is_none()));
        }
        wants
    }

    /// What became of the files of the modules given.
    pub(crate) fn reports(&self, modules: impl Iterator<Item = usize>) -> Vec<SymbolReport> {
        let mut seen = BTreeSet::new();
        let seen = modules.filter(|index| seen.insert(*index));
        seen.filter_map(|index| self.report(index)).collect()
    }

    fn report(&self, index: usize) -> Option<SymbolReport> {
        let (entry, set) = (self.entries.get(index)?, self.set?);
        let image = entry.ids.image.clone();
        let pdb = self.pdb_id(index);
        let status = |want: Option<Want>| match want.as_ref().map(|want| set.get(want)) {
            None => "unknown",
            Some(None) => "not asked",
            Some(Some(Answer::Image(_) | Answer::Names(_))) => "found",
            Some(Some(Answer::Missing(Missing::NotFound))) => "not found",
            Some(Some(Answer::Missing(Missing::Unreachable))) => "unreachable",
            Some(Some(Answer::Missing(Missing::Damaged))) => "damaged",
        };
        let found = match status(image.clone().map(Want::Image)) {
            "found" => "found",
            _ if self.image(index).is_some() => "in the dump",
            _ if self.module(index).is_some_and(knows_frames) => "not needed",
            other => other,
        };
        Some(SymbolReport {
            module: entry.ids.name.clone(),
            image: found.to_owned(),
            names: status(pdb.clone().map(Want::Names)).to_owned(),
            image_id: image.map(|id| canonical(&FileId::Image(id))),
            names_id: pdb.map(|id| canonical(&FileId::Pdb(id))),
        })
    }

    /// The frames of a report: functions that the compiler put into another one stand before it.
    pub(crate) fn frames(&self, walked: &Walked, name: &str) -> Vec<Frame> {
        let plain = Frame {
            address: hex(walked.address),
            module: name.to_owned(),
            offset: walked.site.map_or(0, |site| site.offset),
            trust: walked.trust.as_str().to_owned(),
            sp: walked.sp.map(hex),
            args: walked.args.iter().copied().map(hex).collect(),
            ..Frame::default()
        };
        let places = walked.site.map(|site| self.places(site)).unwrap_or_default();
        let behind = u32::from(walked.site.is_some_and(|site| !site.exact));
        let frame = |place: Place| Frame {
            function: Some(place.function),
            function_offset: (!place.inlined).then(|| place.offset.saturating_add(behind)),
            file: place.file,
            line: place.line,
            inlined: place.inlined,
            ..plain.clone()
        };
        if places.is_empty() { vec![plain] } else { places.into_iter().map(frame).collect() }
    }
}

/// A frame as a walk left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walked {
    /// The instruction, or the return address.
    pub(crate) address: u64,
    pub(crate) sp: Option<u64>,
    pub(crate) trust: Trust,
    pub(crate) site: Option<CodeSite>,
    /// Where the first four arguments have their home, as far as it was saved.
    pub(crate) args: Vec<u64>,
}

/// How a frame was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The registers that the dump saved.
    Context,
    /// What the compiler left behind for this.
    UnwindInfo,
    /// A chain of frame pointers.
    FramePointer,
    /// A word on the stack that looks like a return address.
    Scan,
}

impl Trust {
    /// As reports have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Context => "context",
            Self::UnwindInfo => "unwind-info",
            Self::FramePointer => "frame-pointer",
            Self::Scan => "scan",
        }
    }
}

/// Whether names alone undo every frame: `.sym` files do, and on x86 the PDB has what x64 has in the image.
fn knows_frames(module: &Module) -> bool {
    match &module.names {
        Some(Names::Sym(_)) => true,
        Some(Names::Pdb(pdb)) => pdb.machine() == Machine::X86,
        None => false,
    }
}

/// As rows and JSON name a file: `name/key`, lower case; a PDB and what was made from it are one.
pub(crate) fn canonical(id: &FileId) -> String {
    format!("{}/{}", id.name(), id.key()).to_ascii_lowercase()
}

/// Whether the instruction before this one is a call.
fn follows_call(image: &Image, rva: u32) -> bool {
    let before = |distance: u32| image.at(rva.checked_sub(distance)?);
    let direct = match image.machine() {
        // BL
        Machine::Arm64 => word_before(image, rva).is_some_and(|word| word & 0xFC00_0000 == 0x9400_0000),
        Machine::X64 | Machine::X86 => before(5).is_some_and(|code| code.first() == Some(&0xE8)),
        Machine::Unknown(_) => true,
    };
    direct || follows_indirect_call(image, rva)
}

fn word_before(image: &Image, rva: u32) -> Option<u32> {
    image.at(rva.checked_sub(4)?)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

/// Whether the instruction before this one is a call through a pointer.
fn follows_indirect_call(image: &Image, rva: u32) -> bool {
    let before = |distance: u32| image.at(rva.checked_sub(distance)?);
    match image.machine() {
        // BLR, BLRAA and its kin.
        Machine::Arm64 => word_before(image, rva)
            .is_some_and(|word| word & 0xFFFF_FC1F == 0xD63F_0000 || word & 0xFEFF_F800 == 0xD63F_0800),
        Machine::X64 | Machine::X86 => {
            [2, 3, 4, 6, 7].iter().any(|&length| before(length).is_some_and(|code| indirect(code, length)))
        }
        Machine::Unknown(_) => false,
    }
}

/// Whether `FF /2`, a call through a register or memory, stands here with exactly this length.
fn indirect(code: &[u8], length: u32) -> bool {
    let [0xFF, form, rest @ ..] = code else { return false };
    let (mode, register, memory) = (form >> 6, (form >> 3) & 7, form & 7);
    let with_index = memory == 4;
    // With an index and no base, a displacement of four bytes follows after all.
    let no_base = with_index && rest.first().is_some_and(|index| index & 7 == 5);
    let actual = match (mode, with_index) {
        (3, _) => 2,
        (0, false) if memory == 5 => 6,
        (0, false) => 2,
        (0, true) if no_base => 7,
        (0, true) => 3,
        (1, false) => 3,
        (1, true) => 4,
        (_, false) => 6,
        (_, true) => 7,
    };
    register == 2 && actual == length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indirect_calls_are_told_by_their_length() {
        let check = |code: &[u8], length: u32| {
            for other in 2..8 {
                assert_eq!(indirect(code, other), other == length, "{code:x?} at {other}");
            }
        };
        check(&[0xFF, 0xD0, 0, 0, 0, 0, 0], 2); // call rax
        check(&[0xFF, 0x10, 0, 0, 0, 0, 0], 2); // call [rax]
        check(&[0xFF, 0x15, 1, 2, 3, 4, 0], 6); // call [rip+..]
        check(&[0xFF, 0x50, 8, 0, 0, 0, 0], 3); // call [rax+8]
        check(&[0xFF, 0x54, 0x24, 8, 0, 0, 0], 4); // call [rsp+8]
        check(&[0xFF, 0x14, 0xC8, 0, 0, 0, 0], 3); // call [rax+rcx*8]
        check(&[0xFF, 0x90, 0, 1, 0, 0, 0], 6); // call [rax+100h]
        check(&[0xFF, 0xE0, 0, 0, 0, 0, 0], 0); // jmp rax
    }
}
