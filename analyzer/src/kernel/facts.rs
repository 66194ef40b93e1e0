//! What was found to the facts that are judged and stored: indices become names, and code its functions where symbols tell.

use std::borrow::Cow;

use blame::{Exception, FACTS_VERSION, Facts, Frame, HardwareError, Kind, Lead, Led, Module, Place};
use dump::{KernelDump, Machine, Parameter, Resolved, Strategy};

use super::found::{Fault, Found, Hit, Origin, Owner, Site};
use super::gather::Gathered;
use super::owned;
use crate::Limits;
use crate::module_symbols::{CodeSite, ModuleSymbols};

/// The facts of a crash.
pub(super) fn facts<'g>(
    dump: &KernelDump<'_>,
    gathered: &'g Gathered<'_>,
    symbols: &ModuleSymbols<'_>,
    limits: &Limits,
) -> Facts<'g> {
    let found = &gathered.found;
    let namer = Namer { found, symbols };
    Facts {
        facts_version: FACTS_VERSION,
        kind: if found.live { Kind::Live } else { Kind::Kernel },
        bugcheck_code: found.raw_code.into(),
        args: found.parameters.map(Into::into),
        arch: Cow::Borrowed(arch(dump.header().machine)),
        os_build: dump.header().build,
        process_name: found.process.map(Cow::Borrowed),
        dead_process: dead_process(dump, gathered, limits).map(Cow::Owned),
        processor_vendor: found.processor_vendor.map(Cow::Borrowed),
        fault: found.fault.filter(Fault::is_exact).map(|fault| namer.fault(&fault)),
        exception: found.exception.map(|exception| Exception {
            code: exception.code.into(),
            access: exception.access,
            accessed: exception.accessed.map(Into::into),
            detail: None,
        }),
        caller: found.bad_jump_caller.and_then(|owner| namer.owned(owner, false)),
        leads: namer.leads(),
        stack: namer.stack(),
        modules: mentioned(found),
        hardware: gathered.parameters.iter().find_map(hardware),
        ..Facts::default()
    }
}

/// As reports have it.
fn arch(machine: Machine) -> &'static str {
    match machine {
        Machine::X64 => "x64",
        Machine::Arm64 => "arm64",
        Machine::X86 => "x86",
        Machine::Unknown(_) => "",
    }
}

struct Namer<'n, 's> {
    found: &'n Found<'n>,
    symbols: &'s ModuleSymbols<'s>,
}

impl<'n> Namer<'n, '_> {
    fn image(&self, index: usize) -> Cow<'n, str> {
        Cow::Borrowed(self.found.images.get(index).map_or("", |image| image.name))
    }

    fn place(&self, site: Site, exact: bool) -> Place<'n> {
        let at = CodeSite { module: site.image, offset: site.offset, exact };
        let (function, offset) = self.symbols.function(at).unzip();
        Place {
            module: self.image(site.image),
            offset: Some(site.offset.into()),
            function: function.map(Cow::Owned),
            function_offset: offset.map(|offset: u32| offset.into()),
            unloaded: false,
        }
    }

    fn owned(&self, owner: Owner, exact: bool) -> Option<Place<'n>> {
        match owner {
            Owner::Loaded(site) => Some(self.place(site, exact)),
            Owner::Unloaded(index, offset) => Some(Place {
                module: Cow::Borrowed(self.found.unloaded.get(index).copied().unwrap_or_default()),
                offset: Some(offset.into()),
                unloaded: true,
                ..Place::default()
            }),
            Owner::Nobody => None,
        }
    }

    fn fault(&self, fault: &Fault) -> blame::Fault<'n> {
        let (origin, parameter) = match fault.origin {
            Origin::Header => (blame::Origin::Header, 0),
            Origin::ContextRecord(parameter) => (blame::Origin::ContextRecord, parameter),
            Origin::TrapFrame(parameter) => (blame::Origin::TrapFrame, parameter),
            Origin::MachineFrame(parameter) => (blame::Origin::MachineFrame, parameter),
            Origin::Interrupted => (blame::Origin::Interrupted, 0),
            Origin::Parameter(parameter) => (blame::Origin::Parameter, parameter),
            Origin::BugCheckCaller => (blame::Origin::Debugger, 0),
        };
        let place = self.owned(fault.owner, true).unwrap_or_default();
        blame::Fault { address: fault.address.into(), place, origin, parameter }
    }

    fn leads(&self) -> Vec<Lead<'n>> {
        let address = |(parameter, owner): (u8, Owner)| {
            Some(Lead { parameter, by: Led::Address, place: self.owned(owner, true)? })
        };
        let whole = |image: usize| Place { module: self.image(image), ..Place::default() };
        let addresses = (1..).zip(self.found.owners).filter_map(address);
        let objects = self.found.led.iter().map(|led| Lead {
            parameter: led.parameter,
            by: led.by,
            place: whole(led.site.image),
        });
        let named = self.found.named.as_ref().map(|named| Lead {
            parameter: named.parameter,
            by: Led::Name,
            place: match named.image {
                Some(image) => whole(image),
                None => Place { module: Cow::Borrowed(named.name.as_str()), ..Place::default() },
            },
        });
        addresses.chain(objects).chain(named).collect()
    }

    fn stack(&self) -> Vec<Frame<'n>> {
        let frame = |hit: &Hit| Frame { place: self.place(hit.site, hit.exact), trust: hit.trust };
        let mut stack: Vec<Frame<'n>> = self.found.stack.iter().map(frame).collect();
        // A walk that began at the header's context began inside this function, whatever symbols there are.
        let reporting = self.found.stack.first().is_some_and(|hit| hit.exact);
        let first = stack.first_mut().filter(|first| reporting && blame::is_kernel(&first.place.module));
        if let Some(first) = first.filter(|first| first.place.function.is_none()) {
            first.place.function = Some(Cow::Borrowed("KeBugCheckEx"));
        }
        stack
    }
}

/// The process that ended, where the bug check is about one: the object that a parameter leads to, its name spelt out, or
/// the current process where the parameter is its object.
fn dead_process(dump: &KernelDump<'_>, gathered: &Gathered<'_>, limits: &Limits) -> Option<String> {
    let about_one = gathered.found.entry.is_some_and(|entry| entry.strategy == Strategy::Process);
    if !about_one {
        return None;
    }
    let current = dump.thread().and_then(|thread| thread.process);
    let named = |parameter: &Parameter| match &parameter.resolved {
        Some(Resolved::Process(object)) => object.process.name.clone(),
        Some(Resolved::Thread(object)) => object.process.as_ref()?.process.name.clone(),
        // The second text of 0xF4 is a sentence.
        Some(Resolved::Text(text)) => {
            Some(text.clone()).filter(|text| text.to_ascii_lowercase().ends_with(".exe"))
        }
        _ if current == Some(parameter.value) => gathered.found.process.map(str::to_owned),
        _ => None,
    };
    owned(gathered.parameters.iter().find_map(named), limits)
}

/// The images that the facts name, each once.
fn mentioned<'n>(found: &'n Found<'_>) -> Vec<Module<'n>> {
    let of = |owner: Owner| match owner {
        Owner::Loaded(site) => Some(site.image),
        Owner::Unloaded(..) | Owner::Nobody => None,
    };
    let owners =
        found.owners.into_iter().chain(found.fault.map(|fault| fault.owner)).chain(found.bad_jump_caller);
    let mut indices: Vec<usize> = owners.filter_map(of).collect();
    indices.extend(found.led.iter().map(|led| led.site.image));
    indices.extend(found.named.iter().filter_map(|named| named.image));
    indices.extend(found.stack.iter().map(|hit| hit.site.image));
    // The kernel: rules name it where nobody else is.
    indices.extend(found.images.iter().position(|image| blame::is_kernel(image.name)));
    indices.sort_unstable();
    indices.dedup();
    let images = indices.into_iter().filter_map(|index| found.images.get(index));
    images
        .map(|image| Module { name: Cow::Borrowed(image.name), timestamp: image.timestamp, size: image.size })
        .collect()
}

fn hardware(parameter: &Parameter) -> Option<HardwareError<'static>> {
    let Some(Resolved::Whea(record)) = &parameter.resolved else { return None };
    let check = record.sections.iter().find_map(|section| section.machine_check);
    Some(HardwareError {
        summary: Cow::Owned(record.to_string()),
        sections: record.sections.iter().filter_map(|section| section.name()).map(Cow::Borrowed).collect(),
        status: check.map(|check| check.status.into()),
        bank: check.map(|check| check.bank),
    })
}
