//! Names as they may be shown. They come out of dumps and from anybody's standard input, and a verdict carries them to
//! terminals, pages and tickets. Owns what is cut and replaced; which names a verdict uses is not its business.

use std::borrow::Cow;

use super::{Facts, Module, Place};
use crate::owners;
use crate::text::is_deceptive;

/// Bytes of one name that are kept.
pub(super) const MOST_TEXT: usize = 512;

/// Windows keeps so many UTF-16 units of the name of a driver that it unloaded: `NetworkPriva`, `prl_pl011.sy`.
const KEPT_OF_UNLOADED: usize = 12;

impl<'a> Facts<'a> {
    /// The same with names that may be shown. Nearly always they are such already, and nothing is copied.
    pub(crate) fn tidied(&self) -> Cow<'_, Facts<'a>> {
        let places = || {
            let stack = self.stack.iter().map(|frame| &frame.place);
            let leads = self.leads.iter().map(|lead| &lead.place);
            stack.chain(leads).chain(self.fault.iter().map(|fault| &fault.place)).chain(&self.caller)
        };
        let hardware = self.hardware.iter().flat_map(|error| error.sections.iter().chain([&error.summary]));
        let names =
            [&self.process_name, &self.dead_process, &self.processor_vendor, &self.os, &self.faulting_ip];
        let tidy = places()
            .all(|place| is_image(&place.module) && place.function.as_deref().is_none_or(is_plain))
            && self.modules.iter().all(|module| is_image(&module.name))
            && names.into_iter().flatten().chain([&self.arch]).chain(hardware).all(|text| is_plain(text))
            && !places().any(|place| place.unloaded && is_cut(&place.module));
        if tidy {
            return Cow::Borrowed(self);
        }
        let mut facts = self.clone();
        facts.tidy();
        for_each_place(&mut facts, complete_name);
        Cow::Owned(facts)
    }

    /// Cuts and replaces what no name of a real file has.
    pub(super) fn tidy(&mut self) {
        for_each_place(self, |place, _| {
            image(&mut place.module);
            place.function.iter_mut().for_each(plain);
        });
        self.modules.iter_mut().for_each(|module| image(&mut module.name));
        let names = [
            &mut self.process_name,
            &mut self.dead_process,
            &mut self.processor_vendor,
            &mut self.os,
            &mut self.faulting_ip,
        ];
        let hardware = self.hardware.iter_mut();
        let hardware = hardware.flat_map(|error| error.sections.iter_mut().chain([&mut error.summary]));
        names.into_iter().flatten().chain(hardware).chain([&mut self.arch]).for_each(plain);
    }
}

/// Every place that facts name, and the images of which more is known.
fn for_each_place<'a>(facts: &mut Facts<'a>, change: impl Fn(&mut Place<'a>, &[Module<'a>])) {
    let Facts { stack, leads, fault, caller, modules, .. } = facts;
    let stack = stack.iter_mut().map(|frame| &mut frame.place);
    let leads = leads.iter_mut().map(|lead| &mut lead.place);
    let fault = fault.iter_mut().map(|fault| &mut fault.place);
    stack.chain(leads).chain(fault).chain(caller).for_each(|place| change(place, modules));
}

/// Looks at all bytes whatever the first ones say: that is a few instructions for sixteen of them.
fn is_printable(text: &str) -> bool {
    text.bytes().fold(true, |so_far, byte| so_far & (byte.wrapping_sub(b' ') < 0x5F))
}

fn is_plain(text: &str) -> bool {
    text.len() <= MOST_TEXT && (is_printable(text) || !text.chars().any(is_deceptive))
}

/// An exclamation mark would pass for the one between module and function.
fn is_image(name: &str) -> bool {
    let printable = |byte: u8| (byte.wrapping_sub(b' ') < 0x5F) & (byte != b'!');
    name.len() <= MOST_TEXT
        && (name.bytes().fold(true, |so_far, byte| so_far & printable(byte))
            || !name.chars().any(|c| c == '!' || is_deceptive(c)))
}

fn plain(text: &mut Cow<'_, str>) {
    if !is_plain(text) {
        replace(text, is_deceptive);
    }
}

fn image(name: &mut Cow<'_, str>) {
    if !is_image(name) {
        replace(name, |c| c == '!' || is_deceptive(c));
    }
}

fn replace(text: &mut Cow<'_, str>, is_odd: impl Fn(char) -> bool) {
    let mut kept = String::with_capacity(text.len().min(MOST_TEXT));
    for c in text.chars().map(|c| if is_odd(c) { '_' } else { c }) {
        if kept.len() + c.len_utf8() > MOST_TEXT {
            break;
        }
        kept.push(c);
    }
    *text = Cow::Owned(kept);
}

/// Whether the name of an unloaded driver may lack its end.
pub(crate) fn is_cut(name: &str) -> bool {
    let ends = |extension: &str| {
        let start = name.len().checked_sub(extension.len());
        start.and_then(|start| name.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(extension))
    };
    name.encode_utf16().count() == KEPT_OF_UNLOADED && ![".sys", ".dll", ".exe"].into_iter().any(ends)
}

/// Puts back the end of an unloaded driver's name, where only one is known that begins so: else its crashes would be
/// counted apart from those in which it was still there.
fn complete_name<'a>(place: &mut Place<'a>, modules: &[Module<'a>]) {
    if !place.unloaded || !is_cut(&place.module) {
        return;
    }
    let cut = place.module.as_ref();
    let begins = |name: &str| name.get(..cut.len()).is_some_and(|start| start.eq_ignore_ascii_case(cut));
    let mut listed = modules.iter().map(|module| module.name.as_ref()).filter(|name| begins(name));
    let whole = match (listed.next(), listed.next()) {
        (Some(name), None) => Some(name.to_owned()),
        (Some(_), Some(_)) => None,
        (None, _) => owners::only_one_that_begins(cut).map(str::to_owned),
    };
    let extension = [".sy", ".s"].into_iter().find_map(|end| cut.strip_suffix(end));
    if let Some(name) = whole.or_else(|| extension.map(|stem| format!("{stem}.sys"))) {
        place.module = Cow::Owned(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_unloaded_drivers_are_completed_where_only_one_begins_so() {
        let modules = ["acmestorage_filter.sys", "acmestorage_disk.sys", "acme_one_only.sys"]
            .map(|name| Module { name: name.into(), ..Module::default() });
        let check = |name: &str, expected: &str| {
            let mut place = Place { module: name.into(), unloaded: true, ..Place::default() };
            complete_name(&mut place, &modules);
            assert_eq!(place.module, expected);
        };
        check("acme_one_onl", "acme_one_only.sys");
        check("acmestorage_", "acmestorage_");
        check("prl_pl011.sy", "prl_pl011.sys");
        check("acmeusb1.sys", "acmeusb1.sys");
        check("acme_one", "acme_one");
        check("AppLockerFlt", "applockerfltr.sys");
        check("WindowsTrust", "WindowsTrust");
        check("nobodyknowss", "nobodyknowss");
    }

    #[test]
    fn names_are_cut_and_shown_characters_stay() {
        let check = |name: &str, expected: &str| {
            let facts = Facts {
                fault: Some(super::super::Fault::default()),
                process_name: Some(name.into()),
                ..Facts::default()
            };
            assert_eq!(facts.tidied().process_name.as_deref(), Some(expected));
        };
        check("a b(1).exe", "a b(1).exe");
        check("\u{e4}\u{4e2d}.exe", "\u{e4}\u{4e2d}.exe");
        check("a\u{202E}b\n", "a_b_");
        check(&"é".repeat(400), &"é".repeat(256));
        let clean = Facts { arch: "x64".into(), ..Facts::default() };
        assert!(matches!(clean.tidied(), Cow::Borrowed(_)));
    }
}
