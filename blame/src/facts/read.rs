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
/// Digits of a number that can only be an address.
const ADDRESS_DIGITS: usize = 8;

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

/// A number, null for none.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Number, D::Error> {
    Ok(Option::<Number>::deserialize(deserializer)?.unwrap_or_default())
}

/// A list, null for none.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(List::<T, MOST_FRAMES>(PhantomData))
}

/// `win32k!ReadLayoutFile+183`, `srvkp+32fa`, `nt!KeBugCheckEx`, and for code in no image `ffffe506'12345678`.
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
    (!module.is_empty()).then(|| Place {
        module: Cow::Owned(module.to_owned()),
        offset,
        function: function.map(|function| Cow::Owned(function.to_owned())),
        ..Place::default()
    })
}

/// An address where a debugger knew no name.
fn address(text: &str) -> Option<Number> {
    let hex = text.chars().filter(char::is_ascii_hexdigit).count();
    Number::parse(text).filter(|_| hex >= ADDRESS_DIGITS)
}

/// Understands a place as debuggers spell it.
fn respell(place: &mut Place<'_>) {
    // What is printed counts from the function.
    if place.function.is_some() && place.function_offset.is_none() {
        place.function_offset = place.offset.take();
    }
    if let Some(address) = address(&place.module) {
        let offset = place.offset.map_or(0, |offset| offset.0);
        *place = Place { offset: Some(Number(address.0.wrapping_add(offset))), ..Place::default() };
        return;
    }
    let module = place.module.as_ref();
    let inner = module.strip_prefix('<').map_or(module, |inner| inner.strip_suffix('>').unwrap_or(inner));
    if let Some(name) = inner.strip_prefix("Unloaded_") {
        place.module = Cow::Owned(name.to_owned());
        place.unloaded = true;
    }
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
        self.tidy();
        // What we wrote ourselves is spelt as it is meant.
        if self.facts_version == 0 {
            self.stack.iter_mut().for_each(|frame| respell(&mut frame.place));
            self.leads.iter_mut().for_each(|lead| respell(&mut lead.place));
            self.caller.iter_mut().for_each(respell);
            self.fault.iter_mut().for_each(|fault| respell(&mut fault.place));
        }
        if self.fault.is_none()
            && let Some(mut place) = self.faulting_ip.take().and_then(|text| symbol(&text))
        {
            respell(&mut place);
            let nowhere = if place.module.is_empty() { place.offset.take() } else { None };
            let address = nowhere.unwrap_or_default();
            self.fault = Some(Fault { address, place, origin: Origin::Debugger, ..Fault::default() });
        }
        if self.os_build == 0 {
            self.os_build = self.os.take().and_then(|os| build(&os)).unwrap_or(0);
        }
        if self.arch.is_empty() && self.facts_version == 0 {
            self.arch = Cow::Borrowed(self.likely_arch());
        }
    }

    /// The machine of debugger output that does not say: by functions that only x86 has, else by how wide the addresses
    /// in the parameters are.
    fn likely_arch(&self) -> &'static str {
        const ONLY_X86: [&str; 5] =
            ["KiTrap0", "_KiTrap", "KiFastCallEntry", "KiFastSystemCallRet", "KiThreadStartup"];
        const WIDE: u64 = 0xFFFF_8000_0000_0000;
        let x86 = |function: &str| ONLY_X86.iter().any(|name| function.starts_with(name));
        let mut functions = self.stack.iter().filter_map(|frame| frame.place.function.as_deref());
        // A status looks like an address of x86: c0000005.
        let narrow = |value: u64| (0x8000_0000..0xC000_0000).contains(&value) || value >> 28 == 0xF;
        match () {
            () if functions.any(x86) => "x86",
            () if self.args.iter().any(|arg| arg.0 >= WIDE) => "x64",
            () if self.args.iter().any(|arg| narrow(arg.0)) => "x86",
            () => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_of_output_that_does_not_say() {
        let check = |facts: &str, expected: &str| {
            assert_eq!(Facts::from_json(facts).unwrap().arch, expected, "{facts}");
        };
        check(r#"{"args":["0xfffff88005a0bfd2"]}"#, "x64");
        check(r#"{"args":["0x41414141","0x2","0x0","0xf76e21bd"]}"#, "x86");
        check(r#"{"args":["0x50"],"stack":[{"module":"nt","function":"KiTrap0E","offset":"0xdc"}]}"#, "x86");
        check(r#"{"args":["0xc0000005"]}"#, "");
        check(r#"{"args":["0xf76e21bd"],"arch":"arm64"}"#, "arm64");
    }

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
    fn addresses_and_drivers_that_are_gone_are_no_names() {
        let facts = Facts::from_json(
            r#"{"faulting_ip":"ffffe506`12345678","stack":[{"module":"0xffffe506'12345678","offset":"0x8"},
                {"module":"<Unloaded_acmeusb.sys>","offset":"1234"},{"module":"Unloaded_acmeusb.sys","offset":"5"},
                {"module":"facade","offset":"1"}]}"#,
        )
        .unwrap();
        let fault = facts.fault.unwrap();
        assert_eq!((fault.address, fault.place), (Number(0xFFFF_E506_1234_5678), Place::default()));
        let [nowhere, gone, also, driver] = facts.stack.as_slice() else { panic!("four frames") };
        assert_eq!(
            (nowhere.place.module.as_ref(), nowhere.place.offset),
            ("", Some(Number(0xFFFF_E506_1234_5680)))
        );
        assert!(gone.place.unloaded && gone.place.module == "acmeusb.sys" && also.place.unloaded);
        assert_eq!((driver.place.module.as_ref(), driver.place.unloaded), ("facade", false));
    }

    #[test]
    fn what_we_wrote_is_not_spelt_anew() {
        let json = r#"{"facts_version":1,"stack":[{"module":"ntoskrnl.exe","offset":"0x3f4e10","function":"KeBugCheckEx"}]}"#;
        let facts = Facts::from_json(json).unwrap();
        let [frame] = facts.stack.as_slice() else { panic!("one frame") };
        assert_eq!((frame.place.offset, frame.place.function_offset), (Some(Number(0x3F_4E10)), None));
        assert_eq!(Facts::from_json(&serde_json::to_string(&facts).unwrap()).unwrap(), facts);
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
        assert!(facts.stack.iter().all(|frame| frame.place.module.len() <= super::super::tidy::MOST_TEXT));
        assert!(Facts::from_json("[1]").is_err() && Facts::from_json("{\"args\":5}").is_err());
        let many = vec!["{}"; 5_000].join(",");
        let facts =
            Facts::from_json(&format!(r#"{{"stack":[{many}],"leads":[{many}],"args":[1,2,3,4,5,{many}]}}"#));
        let facts = facts.unwrap();
        assert_eq!((facts.stack.len(), facts.leads.len()), (MOST_FRAMES, MOST_FRAMES));
        assert_eq!(facts.parameters(), [1, 2, 3, 4]);
    }
}
