//! `FAILURE_BUCKET_ID` in WinDbg's grammar and its `FAILURE_ID_HASH`. Pure text; a bucket id that is right carries Microsoft's
//! own hash, so people can search for it.
//!
//! The table gives each bug check a list of parts; a word in capitals stands for itself, the others are the functions below,
//! and a part that has nothing to say is left out. What cannot be known is left out, never invented: without symbols the
//! function is `unknown_function`.

use dump::status_name;
use md5::{Digest, Md5};

use crate::facts::{Access, Led, Place, is_cut};
use crate::kernel::Finding;
use crate::names::fast_fail_name;
use crate::owners::{is_kernel, known};
use crate::plumbing;
use crate::scene::Scene;
use crate::text::is_deceptive;
use crate::verdict::Culprit;

/// `FAILURE_ID_HASH`: the MD5 of the lower-cased bucket id with its prefix in UTF-16LE, written as a GUID in
/// little-endian field order. The prefix is `km:` or `um:`.
pub fn hash(prefix: &str, bucket: &str) -> String {
    let mut md5 = Md5::new();
    for unit in prefix.encode_utf16().chain(bucket.to_lowercase().encode_utf16()) {
        md5.update(unit.to_le_bytes());
    }
    let uuid = uuid::Uuid::from_bytes_le(md5.finalize().into());
    uuid.braced().to_string()
}

/// Name of a module as the debugger has it: the image name without its extension, the kernel as `nt`, and whatever
/// cannot stand in a symbol expression as `_`.
pub fn module_name(image: &str) -> String {
    if is_kernel(image) {
        return "nt".to_owned();
    }
    let stem = image.rsplit_once('.').map_or(image, |(stem, _)| stem);
    stem.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// What the image is called: the debugger leaves the extension out, and calls the kernel by what it was built as.
pub(crate) fn image_name(place: &Place<'_>, arch: &str) -> String {
    let module = place.module.as_ref();
    if module.eq_ignore_ascii_case("nt") {
        return if arch == "x86" { "ntkrpamp.exe" } else { "ntkrnlmp.exe" }.to_owned();
    }
    if module.contains('.') || (place.unloaded && is_cut(module)) {
        return module.to_owned();
    }
    let extension = if plumbing::is_user(place) { "dll" } else { "sys" };
    known(module).map_or_else(|| format!("{module}.{extension}"), |driver| driver.name.clone())
}

/// `KERNEL_SECURITY_CHECK_FAILURE`: its first parameter is a code of `__fastfail`.
const FAST_FAIL: u32 = 0x139;
/// `STATUS_ACCESS_VIOLATION`.
pub(crate) const ACCESS_VIOLATION: u64 = 0xC000_0005;
/// Characters of a process's name in the kernel's own record of it.
const MOST_PROCESS: usize = 14;
/// Addresses below are a null pointer with an offset.
pub(crate) const NULL_PAGE: u64 = 0x1_0000;

/// What buckets are made of, besides words in capitals.
const PARTS: [&str; 23] = [
    "apc",
    "av",
    "av_bare",
    "av_where",
    "bus",
    "code",
    "error",
    "exception",
    "image",
    "inconclusive",
    "module",
    "name",
    "ntstatus",
    "one_bit",
    "process",
    "rw",
    "sub",
    "sub_decimal",
    "symbol",
    "vendor",
    "vendor_image",
    "vrf",
    "IMAGE",
];

/// Whether a word of the table is a part of a bucket.
#[cfg(test)]
pub(crate) fn is_part(word: &str) -> bool {
    PARTS.contains(&word)
        || (!word.is_empty()
            && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
}

struct Writer<'w, 's> {
    scene: &'w Scene<'s>,
    finding: &'w Finding<'s>,
    /// Whether symbols may be used.
    symbols: bool,
}

/// The bucket id of a kernel crash, with or without what symbols tell.
pub(crate) fn kernel(scene: &Scene<'_>, finding: &Finding<'_>, symbols: bool) -> String {
    let writer = Writer { scene, finding, symbols };
    let mut bucket = if scene.live() { "LKD".to_owned() } else { String::new() };
    for word in scene.judged.bucket().split(' ') {
        let part = if PARTS.contains(&word) { writer.part(word) } else { Some(word.to_owned()) };
        for part in part.into_iter().filter(|part| !part.is_empty()) {
            if !bucket.is_empty() {
                bucket.push('_');
            }
            bucket.push_str(&part);
        }
        // The one part that may stand alone: it says everything.
        if word == "one_bit" && scene.is_single_bit() {
            break;
        }
    }
    tidy(&bucket)
}

/// Names come out of dumps and a bucket goes everywhere: one line, of a length that no real one reaches, of characters that
/// show. Real ones come out as they went in.
pub(crate) fn tidy(bucket: &str) -> String {
    const MOST: usize = 300;
    bucket.chars().take(MOST).map(|c| if is_deceptive(c) { '_' } else { c }).collect()
}

/// What a debugger makes of characters that it does not want in a bucket.
pub(crate) fn plain(function: &str) -> String {
    function
        .chars()
        .map(|c| if matches!(c, '<' | '>' | '&' | '~' | '`' | '\'' | ' ') { '_' } else { c })
        .collect()
}

impl Writer<'_, '_> {
    fn part(&self, word: &str) -> Option<String> {
        let scene = self.scene;
        match word {
            "code" => Some(self.code()),
            "sub" => Some(format!("{:x}", scene.judged.sub?)),
            "sub_decimal" => Some(scene.judged.sub.or(scene.parameters.first().copied())?.to_string()),
            "name" => self.name(),
            "exception" => Some(format!("{:x}", self.status()?)),
            "ntstatus" => Some(format!("{:x}", self.parameter(dump::Role::Ntstatus)? & 0xFFFF_FFFF)),
            "rw" => self.letter().map(str::to_owned),
            "av" | "av_bare" | "av_where" if scene.classic => Some(self.code()),
            "av" => Some(self.access_violation()),
            "av_bare" => Some(self.paged_code().unwrap_or("AV").to_owned()),
            "av_where" => Some(self.where_it_failed()),
            "vrf" => scene.verifier.then(|| "VRF".to_owned()),
            "symbol" => Some(self.symbol()),
            "inconclusive" => Some(self.inconclusive()),
            "module" => self.place().map(|place| module_name(&place.module)),
            // A word that stands before what may be missing.
            "IMAGE" => self.names_an_image().then(|| "IMAGE".to_owned()),
            "image" => self.place().map(|place| self.image(place)),
            "bus" => self.bus(),
            "process" => Some(self.process()),
            "vendor" => Some(self.vendor().to_owned()),
            "vendor_image" => Some(format!("{}.sys", self.vendor())),
            "error" => Some(self.machine_check()),
            "one_bit" if scene.is_single_bit() => Some("MEMORY_CORRUPTION_ONE_BIT".to_owned()),
            "one_bit" => Some(format!("{}_{:x}", self.code(), scene.judged.sub?)),
            "apc" => Some(self.apc().to_owned()),
            _ => None,
        }
    }

    fn code(&self) -> String {
        /// Bug checks from here on are statuses: what Windows cannot run without reported it and ended.
        const FATAL: u32 = 0xC000_0000;
        if let Some(name) = status_name(self.scene.code).filter(|_| self.scene.code >= FATAL) {
            return name.to_owned();
        }
        let number = format!("0x{:X}", self.scene.code);
        if self.scene.classic && self.scene.facts.arch == "x64" { format!("X64_{number}") } else { number }
    }

    fn name(&self) -> Option<String> {
        let fast_fail = || fast_fail_name(self.scene.judged.sub?).filter(|_| self.scene.code == FAST_FAIL);
        self.scene.judged.name().or_else(fast_fail).map(str::to_owned)
    }

    /// The exception behind the bug check: as it was recorded, else as a parameter says.
    fn status(&self) -> Option<u64> {
        let recorded = self.scene.exception.as_ref().map(|exception| exception.code.0);
        let in_parameter = || self.parameter(dump::Role::ExcCode).map(|code| code & 0xFFFF_FFFF);
        recorded.filter(|code| *code != 0).or_else(in_parameter)
    }

    /// The first parameter of a role.
    fn parameter(&self, wanted: dump::Role) -> Option<u64> {
        let mut parameters = self.scene.roles.iter().zip(self.scene.parameters);
        parameters.find(|(role, _)| **role == wanted).map(|(_, value)| value)
    }

    fn accessed(&self) -> Option<(Access, u64)> {
        let exception = self.scene.exception.as_ref()?;
        Some((exception.access?, exception.accessed?.0))
    }

    /// Of an access violation, what it tried.
    fn letter(&self) -> Option<&'static str> {
        let violation = self.status().is_none_or(|code| code == ACCESS_VIOLATION);
        let (access, _) = self.accessed().filter(|_| violation && !self.scene.classic)?;
        Some(match access {
            Access::Read => "R",
            Access::Write => "W",
            Access::Execute => "X",
        })
    }

    /// `AV`; for an exception that is something else its code behind the bug check's.
    fn access_violation(&self) -> String {
        let jumped_to_null =
            self.accessed().is_some_and(|(access, address)| access == Access::Execute && address < NULL_PAGE);
        match self.status() {
            // 0: the exception is not known, but an instruction failed.
            Some(code) if code != ACCESS_VIOLATION && code != 0 => format!("{}_{code:x}", self.code()),
            _ if jumped_to_null => "AV_NULL_IP".to_owned(),
            _ => "AV".to_owned(),
        }
    }

    /// `AV_R_INVALID`, `AV_W_(null)`: the word in the end is of the part of memory, not of the address. Seen as `INVALID` in
    /// dumps of Windows 10 (16299, and of csagent), as an empty word in those of Windows 11 (22621, 26100).
    fn where_it_failed(&self) -> String {
        const EMPTY_WORD_SINCE: u32 = 22000;
        let build = self.scene.facts.os_build;
        let part = if build == 0 || build >= EMPTY_WORD_SINCE { "(null)" } else { "INVALID" };
        match self.letter() {
            Some(letter) => format!("AV_{letter}_{part}"),
            None => "AV".to_owned(),
        }
    }

    /// The processor ran off to where no code is, at an IRQL where none can be fetched.
    fn paged_code(&self) -> Option<&'static str> {
        let (access, address) = self.accessed()?;
        let fault = self.scene.fault.as_ref();
        let at = fault.map(|fault| fault.address.0).filter(|at| *at != 0).or(self
            .scene
            .parameters
            .last()
            .copied())?;
        let in_image = self.scene.fault_in_image().is_some();
        match () {
            () if access != Access::Execute && address != at => None,
            () if address < NULL_PAGE => Some("AV_CODE_AV_NULL_IP"),
            () if in_image => Some("AV_CODE_AV_PAGED_IP"),
            () => Some("AV_CODE_AV_BAD_IP"),
        }
    }

    /// What was wrong with a thread's asynchronous calls when it ended.
    fn apc(&self) -> &'static str {
        /// Counts of 16 bits, however they were extended.
        const NEGATIVE: u64 = 0x8000;
        let [pending, disabled, ..] = self.scene.parameters;
        match (pending, disabled & NEGATIVE != 0) {
            (0, true) => "NULLAPC_KAPC_NEGATIVE",
            (0, false) => "NULLAPC",
            (_, true) => "KAPC_NEGATIVE",
            (_, false) => "",
        }
    }

    /// The process that ended: the debugger knows 14 characters of it, and so do dumps.
    fn process(&self) -> String {
        let facts = self.scene.facts;
        let name = facts.dead_process.as_deref().or(facts.process_name.as_deref()).unwrap_or("unknown");
        name.chars().take(MOST_PROCESS).collect()
    }

    fn vendor(&self) -> &str {
        self.scene.facts.processor_vendor.as_deref().unwrap_or("hardware")
    }

    fn inconclusive(&self) -> String {
        let function = if self.scene.classic { "" } else { "!unknown_function" };
        format!("ANALYSIS_INCONCLUSIVE{function}")
    }

    fn place(&self) -> Option<&Place<'_>> {
        self.finding.place.as_ref().filter(|_| self.finding.culprit == Culprit::Driver)
    }

    fn names_an_image(&self) -> bool {
        self.place().is_some() || self.finding.culprit == Culprit::Hardware
    }

    fn image(&self, place: &Place<'_>) -> String {
        image_name(place, &self.scene.facts.arch)
    }

    fn symbol(&self) -> String {
        let place = match (&self.finding.place, self.finding.culprit) {
            (_, Culprit::Process) => match self.scene.process_place() {
                Some(place) => place,
                None => return "nt!unknown_function".to_owned(),
            },
            (Some(place), _) => place,
            // Nobody's fault, but it happened somewhere, and that is what the debugger writes here.
            (None, Culprit::Memory | Culprit::Manual) => match self.scene.noticed() {
                Some(place) => place,
                None => return self.inconclusive(),
            },
            (None, _) => return self.inconclusive(),
        };
        if place.unloaded {
            return format!("{}!Unloaded", place.module);
        }
        let module = module_name(&place.module);
        let function = place.function.as_deref().filter(|_| self.symbols).map(plain);
        if !self.scene.classic {
            return format!("{module}!{}", function.as_deref().unwrap_or("unknown_function"));
        }
        let offset = if function.is_some() { place.function_offset } else { place.offset };
        let offset = offset.map(|offset| format!("+{:x}", offset.0)).unwrap_or_default();
        match function {
            Some(function) => format!("{module}!{function}{offset}"),
            None => format!("{module}{offset}"),
        }
    }

    /// In a power failure: the driver of the bus that made the device.
    fn bus(&self) -> Option<String> {
        let place = self.place()?;
        let lead = self.scene.facts.leads.iter().find(|lead| lead.by == Led::Device);
        // What the kernel itself made is a device of software: there is no bus, and the driver's own image stands there.
        let bus = lead.filter(|lead| !is_kernel(&lead.place.module));
        Some(bus.map_or_else(|| self.image(place), |lead| lead.place.module.to_string()))
    }

    /// What a machine check was about, by the architecture's own code for it.
    fn machine_check(&self) -> String {
        let unknown = || "_UNKNOWN".to_owned();
        let Some(error) = self.scene.facts.hardware.as_ref() else { return unknown() };
        let section = |name: &str| error.sections.iter().any(|section| section == name);
        let Some(status) = error.status else {
            let kinds =
                [("PCI Express", "PCIEXPRESS"), ("memory", "MEMORY"), ("nonmaskable interrupt", "NMI")];
            return kinds
                .iter()
                .find(|(name, _)| section(name))
                .map_or_else(unknown, |(_, kind)| (*kind).to_owned());
        };
        let kind = match status.0 & 0xFFFF {
            code if code & 0xFF80 == 0x0080 || code & 0xEF80 == 0x0080 => "MEMORY",
            code if code & 0xE800 == 0x0800 => "PROCESSOR_BUS",
            code if code & 0xEF00 == 0x0100 => "PROCESSOR_CACHE",
            code if code & 0xEFF0 == 0x0010 => "PROCESSOR_TLB",
            _ => "PROCESSOR_MAE",
        };
        kind.to_owned()
    }
}

/// The name of an exception for buckets of processes; its number where it has none.
pub(crate) fn status_text(code: u32) -> String {
    status_name(code).map_or_else(|| format!("{code:08x}"), str::to_owned)
}
