//! A parsed dump to [`KernelFacts`]: the one place that asks the dump everything the rules want to know.

use std::borrow::Cow;

use dump::{KernelDump, Parameter, Registers, bugcheck};

use super::found::{Found, Hit, Image, Named, Site};
use super::images::ImageMap;
use super::stack::Stack;
use super::walk;
use super::{context, objects, owned};
use crate::module_symbols::{ModuleSymbols, Trust, Walked};
use crate::{Limits, text};

/// Stack words kept: a full stack of 92 KiB has 11,776, of which a few hundred point into images. What is further from the
/// fault than this many says nothing about it.
const MOST_HITS: usize = 128;

/// Names out of the dump, cleaned once; the facts borrow them.
pub(super) struct Names<'d> {
    drivers: Vec<Cow<'d, str>>,
    unloaded: Vec<Cow<'d, str>>,
    process: Option<String>,
    processor_vendor: Option<String>,
}

impl<'d> Names<'d> {
    pub(super) fn new(dump: &'d KernelDump<'_>, limits: &Limits) -> Self {
        let drivers = dump.drivers().iter().take(limits.modules);
        let unloaded = dump.unloaded().iter().take(limits.unloaded);
        Self {
            drivers: drivers.map(|driver| name(dump, driver, limits)).collect(),
            unloaded: unloaded.map(|driver| text::clean(&driver.name, limits.text)).collect(),
            process: owned(dump.process_name(), limits),
            processor_vendor: owned(dump.processor().and_then(|processor| processor.vendor), limits),
        }
    }
}

/// The name of a driver. Where a dump was cut before its names, the kernel is still known by its place, and another one
/// by what its file is known by.
fn name<'d>(dump: &KernelDump<'_>, driver: &'d dump::Driver, limits: &Limits) -> Cow<'d, str> {
    let name = text::clean(&driver.name, limits.text);
    if !name.trim().is_empty() {
        return name;
    }
    if dump.kernel_base() == Some(driver.base) {
        return Cow::Borrowed("ntoskrnl.exe");
    }
    Cow::Owned(blame::unnamed(driver.timestamp, driver.size))
}

/// What was found, and the registers at the fault where they are known.
pub(super) struct Gathered<'n> {
    pub(super) found: Found<'n>,
    pub(super) registers: Option<Registers>,
    /// The whole stack, where it was walked.
    pub(super) walked: Option<Vec<Walked>>,
    /// The parameters, followed.
    pub(super) parameters: [Parameter; 4],
}

fn images<'n>(dump: &KernelDump<'_>, names: &'n Names<'_>) -> Vec<Image<'n>> {
    let image = |(loaded, name): (&dump::Driver, &'n Cow<'_, str>)| Image {
        name: name.as_ref(),
        known: blame::known(name),
        size: loaded.size,
        timestamp: loaded.timestamp,
    };
    dump.drivers().iter().zip(&names.drivers).map(image).collect()
}

/// The listed image that a driver's or service's name stands for. A name of eight characters may have been cut there.
fn image_named(images: &[Image<'_>], name: &str) -> Option<usize> {
    let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_ascii_lowercase();
    let wanted = stem(name);
    let exact = images.iter().position(|image| stem(image.name) == wanted);
    let cut = |image: &Image<'_>| wanted.len() == 8 && stem(image.name).starts_with(&wanted);
    exact.or_else(|| images.iter().position(cut))
}

/// Asks the dump everything.
pub(super) fn gather<'n>(
    dump: &KernelDump<'_>,
    names: &'n Names<'_>,
    symbols: &ModuleSymbols<'_>,
    limits: &Limits,
) -> Gathered<'n> {
    let header = dump.header();
    let entry = bugcheck(header.bugcheck, header.bugcheck_raw);
    let parameters = dump.parameters();
    let listed = dump.drivers().get(..limits.modules).unwrap_or(dump.drivers());
    let gone = dump.unloaded().get(..limits.unloaded).unwrap_or(dump.unloaded());
    let map = ImageMap::new(listed, gone);
    let images = images(dump, names);
    let found = context::fault(dump, &parameters, &map, limits.stack_bytes);
    let (fault, registers) = found.map_or((None, None), |(fault, registers)| (Some(fault), registers));
    let exception = context::exception(dump, &parameters);
    let walked = symbols.asked_for().then(|| {
        let source = walk::Source { dump, map: &map, symbols, limits };
        source.stack(fault.as_ref(), registers.as_ref())
    });
    let stack = match &walked {
        Some((frames, at)) => below(frames, *at, fault.is_some_and(|fault| fault.is_exact())),
        None => scan(dump, fault.and_then(|fault| fault.sp), &map, limits),
    };
    let led = objects::led(&parameters, &map);
    let named = objects::named(&parameters).map(|(parameter, name)| Named {
        parameter,
        image: image_named(&images, &name),
        name: text::clean(&name, limits.text).into_owned(),
    });
    let found = Found {
        code: header.bugcheck,
        raw_code: header.bugcheck_raw,
        parameters: header.parameters,
        entry,
        live: header.live || blame::always_live(header.bugcheck),
        unloaded: names.unloaded.iter().map(Cow::as_ref).collect(),
        owners: header.parameters.map(|parameter| map.owner(parameter)),
        bad_jump_caller: fault.and_then(|fault| context::bad_jump_caller(dump, &fault, exception, &map)),
        fault,
        exception,
        stack,
        led,
        named,
        process: names.process.as_deref(),
        processor_vendor: names.processor_vendor.as_deref(),
        images,
    };
    Gathered { found, registers, walked: walked.map(|(frames, _)| frames), parameters }
}

/// Words that point into images, from the fault's stack pointer upwards where it is known.
fn scan(dump: &KernelDump<'_>, sp: Option<u64>, map: &ImageMap, limits: &Limits) -> Vec<Hit> {
    let stack = match sp {
        Some(sp) => Stack::from(dump, sp, limits.stack_bytes),
        None => Stack::saved(dump, limits.stack_bytes),
    };
    stack.map(|stack| stack.hits(map, MOST_HITS)).unwrap_or_default()
}

/// The frames below the fault; where that is not known all of them, the reporting too. What is below a guess is one; and
/// a chain of frame pointers skips functions that keep none, so it shows who is on the stack, not who is first.
fn below(frames: &[Walked], fault: usize, exact: bool) -> Vec<Hit> {
    let mut certain = true;
    let mut hits = Vec::new();
    for (depth, frame) in frames.iter().enumerate() {
        certain &= matches!(frame.trust, Trust::Context | Trust::UnwindInfo);
        let trust = match frame.trust {
            _ if certain => blame::Trust::Unwound,
            Trust::Scan => blame::Trust::Scanned,
            _ => blame::Trust::Chained,
        };
        let counts = depth > fault || (depth == fault && !exact);
        if let Some(at) = frame.site.filter(|_| counts && hits.len() < MOST_HITS) {
            let site = Site { image: at.module, offset: at.offset };
            hits.push(Hit { address: frame.address, site, trust, exact: at.exact });
        }
    }
    hits
}
