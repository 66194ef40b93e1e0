//! Facts as they come from outside: our own, and what debuggers print, with nulls and fewer parameters than four. Nothing
//! that is not understood changes what is.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Facts, Fault, Number, Origin, Place};

/// Frames of one stack that are looked at, and the most of any other list: no kernel stack has more.
const MOST_FRAMES: usize = 1024;
/// Bytes of one name that are kept.
const MOST_TEXT: usize = 512;

/// Why a text holds no facts.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// A list or a bare value.
    #[error("not facts of a crash: a JSON object is wanted, {{...}}")]
    NoObject,
    /// Not JSON, or a field of another kind.
    #[error("not facts of a crash: {0}")]
    Json(#[from] serde_json::Error),
}

/// A list of which so many are kept and the others passed over: a line of a few MiB may hold millions.
struct List<T, const MOST: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list, or null")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut given: A) -> Result<Vec<T>, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < MOST {
            match given.next_element()? {
                Some(element) => kept.push(element),
                None => return Ok(kept),
            }
        }
        while given.next_element::<IgnoredAny>()?.is_some() {}
        Ok(kept)
    }
}

/// Parameters that are missing or unknown are 0.
pub(super) fn args<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[Number; 4], D::Error> {
    let given: Vec<Option<Number>> = deserializer.deserialize_any(List::<_, 4>(PhantomData))?;
    let mut args = [Number::default(); 4];
    for (slot, value) in args.iter_mut().zip(given) {
        *slot = value.unwrap_or_default();
    }
    Ok(args)
}

/// A name, null for none.
pub(super) fn text<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'a, str>, D::Error> {
    Ok(Cow::Owned(Option::<String>::deserialize(deserializer)?.unwrap_or_default()))
}

/// A list, null for none.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(List::<T, MOST_FRAMES>(PhantomData))
}

/// `win32k!ReadLayoutFile+183`, `srvkp+32fa`, `nt!KeBugCheckEx`.
fn symbol(text: &str) -> Option<Place<'static>> {
    let (name, offset) = match text.rsplit_once('+') {
        Some((name, offset)) => (name, Some(Number::parse(offset)?)),
        None => (text, None),
    };
    let (module, function) = match name.split_once('!') {
        Some((module, function)) => (module, Some(function)),
        None => (name, None),
    };
    let module = module.trim();
    (!module.is_empty() && !module.starts_with("0x")).then(|| Place {
        module: Cow::Owned(module.to_owned()),
        offset,
        function: function.map(|function| Cow::Owned(function.to_owned())),
        ..Place::default()
    })
}

/// The build in a debugger's text: `10.0.22621.2506`, `9600.18146.amd64fre.winblue_ltsb`, `6.1.7601`.
fn build(os: &str) -> Option<u32> {
    let parts: Vec<&str> = os.split('.').collect();
    let at = match parts.as_slice() {
        ["10", "0", build, ..] | ["6" | "5", _, build, ..] | [build, ..] => build,
        [] => return None,
    };
    at.trim().parse().ok()
}

fn clip(text: &mut Cow<'_, str>) {
    if text.len() > MOST_TEXT {
        let end = (0..=MOST_TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.to_mut().truncate(end);
    }
}

fn clip_place(place: &mut Place<'_>) {
    clip(&mut place.module);
    place.function.iter_mut().for_each(clip);
    // What debuggers print counts from the function.
    if place.function.is_some() && place.function_offset.is_none() {
        place.function_offset = place.offset.take();
    }
}

impl Facts<'static> {
    /// Facts from JSON: our own, or a debugger's output in their shape.
    ///
    /// # Errors
    /// Where the text is no JSON object, or a field has a value of another kind.
    pub fn from_json(json: &str) -> Result<Self, FactsError> {
        // A list would be taken for the fields in their order.
        if !json.trim_start().starts_with('{') {
            return Err(FactsError::NoObject);
        }
        let mut facts: Self = serde_json::from_str(json)?;
        facts.complete();
        Ok(facts)
    }

    /// Puts what only debuggers print where the rules look for it, and cuts what is longer than anything real.
    fn complete(&mut self) {
        self.stack.iter_mut().for_each(|frame| clip_place(&mut frame.place));
        self.leads.iter_mut().for_each(|lead| clip_place(&mut lead.place));
        self.caller.iter_mut().for_each(clip_place);
        let names = [&mut self.process_name, &mut self.processor_vendor].into_iter().flatten();
        let images = self.modules.iter_mut().map(|module| &mut module.name);
        let hardware = self.hardware.iter_mut();
        let hardware = hardware.flat_map(|error| error.sections.iter_mut().chain([&mut error.summary]));
        names.chain(images).chain(hardware).chain([&mut self.arch]).for_each(clip);
        if let Some(fault) = &mut self.fault {
            clip_place(&mut fault.place);
        } else if let Some(mut place) = self.faulting_ip.take().and_then(|text| symbol(&text)) {
            clip_place(&mut place);
            self.fault = Some(Fault { place, origin: Origin::Debugger, ..Fault::default() });
        }
        if self.os_build == 0 {
            self.os_build = self.os.take().and_then(|os| build(&os)).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_debugger_printed() {
        let facts = Facts::from_json(
            r#"{"id":"x","bugcheck_code":"0x8e","args":["0xc0000005","ac08f2fa",null],"arch":"x86","process_name":null,
                "os":"10.0.22621.2506","faulting_ip":"srvkp+32fa","image_name":"srvkp.sys","stack":[
                {"module":"nt","function":"KeBugCheckEx","offset":"0x1e","ret":"82a1"},
                {"module":null,"function":null,"offset":null,"text":"0x77d270b4"},{"module":"vmx86","offset":"0xbd6"}]}"#,
        )
        .unwrap();
        assert_eq!((facts.code(), facts.parameters()), (0x8E, [0xC000_0005, 0xAC08_F2FA, 0, 0]));
        assert_eq!(facts.os_build, 22621);
        let fault = facts.fault.unwrap();
        assert_eq!((fault.place.module.as_ref(), fault.place.offset), ("srvkp", Some(Number(0x32FA))));
        let [first, second, third] = facts.stack.as_slice() else { panic!("three frames") };
        assert_eq!((first.place.offset, first.place.function_offset), (None, Some(Number(0x1E))));
        assert_eq!(second.place, Place::default());
        assert_eq!(third.place.offset, Some(Number(0xBD6)));
        assert_eq!(first.trust, super::super::Trust::Unwound);
    }

    #[test]
    fn a_round_trip_keeps_everything() {
        let facts = Facts::from_json(
            r#"{"facts_version":1,"kind":"live","bugcheck_code":"0x117","args":["0x1","0x2","0x3","0x4"],"arch":"x64",
                "os_build":22621,"stack":[{"module":"a.sys","offset":"0x10","function":"F","function_offset":"0x1",
                "trust":"scanned"}],"leads":[{"parameter":2,"by":"irp","module":"b.sys","offset":"0x20"}]}"#,
        )
        .unwrap();
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(Facts::from_json(&json).unwrap(), facts, "{json}");
    }

    #[test]
    fn builds() {
        for (text, expected) in [
            ("10.0.19041.1", Some(19041)),
            ("9600.18146.amd64fre.winblue_ltsb.151121-0600", Some(9600)),
            ("6.1.7601", Some(7601)),
            ("Windows 7", None),
            ("", None),
        ] {
            assert_eq!(build(text), expected, "{text}");
        }
    }

    #[test]
    fn long_names_are_cut_and_nonsense_refused() {
        let long = "é".repeat(5_000);
        let facts = Facts::from_json(&format!(r#"{{"stack":[{{"module":"{long}"}}]}}"#)).unwrap();
        assert!(facts.stack.iter().all(|frame| frame.place.module.len() <= MOST_TEXT));
        assert!(Facts::from_json("[1]").is_err() && Facts::from_json("{\"args\":5}").is_err());
        let many = vec!["{}"; 5_000].join(",");
        let facts =
            Facts::from_json(&format!(r#"{{"stack":[{many}],"leads":[{many}],"args":[1,2,3,4,5,{many}]}}"#));
        let facts = facts.unwrap();
        assert_eq!((facts.stack.len(), facts.leads.len()), (MOST_FRAMES, MOST_FRAMES));
        assert_eq!(facts.parameters(), [1, 2, 3, 4]);
    }
}
