//! Values that others write in their own way. One odd detail must not cost the crash it stands in: what cannot be read is
//! passed over, as if it were not there. Owns the reading of single values; lists and what must be right are `read`'s.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Access, Number, Origin, Trust};

/// What can be made of a single value.
pub(super) trait Loose: Sized {
    fn text(_: &str) -> Option<Self> {
        None
    }

    fn number(_: u64) -> Option<Self> {
        None
    }

    fn truth(_: bool) -> Option<Self> {
        None
    }
}

struct Value<T>(PhantomData<T>);

impl<'de, T: Loose> Visitor<'de> for Value<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Option<T>, E> {
        Ok(T::text(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Option<T>, E> {
        Ok(T::number(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Option<T>, E> {
        Ok(T::number(value.cast_unsigned()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Option<T>, E> {
        Ok(T::truth(value))
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut given: A) -> Result<Option<T>, A::Error> {
        while given.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<Option<T>, A::Error> {
        while given.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A value where there is one that can be read.
pub(super) fn option<'de, D: Deserializer<'de>, T: Loose>(deserializer: D) -> Result<Option<T>, D::Error> {
    deserializer.deserialize_any(Value(PhantomData))
}

/// The same, and else what stands for none.
pub(super) fn value<'de, D: Deserializer<'de>, T: Loose + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(option(deserializer)?.unwrap_or_default())
}

/// A word of ours.
fn word<'t, T: Deserialize<'t>>(text: &'t str) -> Option<T> {
    T::deserialize(StrDeserializer::<ValueError>::new(text)).ok()
}

impl Loose for Number {
    /// Offsets are printed with their sign: `+0x12`.
    fn text(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::parse(text.strip_prefix('+').unwrap_or(text))
    }

    fn number(value: u64) -> Option<Self> {
        Some(Self(value))
    }
}

impl Loose for u32 {
    fn text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn number(value: u64) -> Option<Self> {
        value.try_into().ok()
    }
}

impl Loose for u8 {
    fn text(text: &str) -> Option<Self> {
        text.trim().parse().ok()
    }

    fn number(value: u64) -> Option<Self> {
        value.try_into().ok()
    }
}

impl Loose for bool {
    fn truth(value: bool) -> Option<Self> {
        Some(value)
    }
}

impl Loose for Cow<'_, str> {
    fn text(text: &str) -> Option<Self> {
        Some(Cow::Owned(text.to_owned()))
    }
}

impl Loose for Access {
    fn text(text: &str) -> Option<Self> {
        word(text)
    }
}

impl Loose for Origin {
    fn text(text: &str) -> Option<Self> {
        word(text)
    }
}

impl Loose for Trust {
    /// `context` is what reports call the frame that a stack begins with. A word that nobody knows is no reason to trust.
    fn text(text: &str) -> Option<Self> {
        Some(if text == "context" { Self::Unwound } else { word(text).unwrap_or(Self::Scanned) })
    }

    fn number(_: u64) -> Option<Self> {
        Some(Self::Scanned)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Facts, Fault, Frame};
    use super::*;

    #[test]
    fn odd_values_cost_nothing_but_themselves() {
        let facts = Facts::from_json(
            r#"{"bugcheck_code":null,"os_build":"19045","process_name":7,"verifier":"on","os":{"a":[1]},"arch":["x64"],
                "fault":{"address":"nowhere","module":"a.sys","offset":1.5,"origin":"guess","parameter":"3"},
                "exception":{"code":"0xc0000005","access":"lick","accessed":[8]},
                "stack":[{"module":"a.sys","offset":"+0x12","trust":"context"},
                         {"module":5,"function":{"name":"f"},"offset":"","trust":"call_frame_info","unloaded":1}]}"#,
        )
        .unwrap();
        assert_eq!(
            (facts.code(), facts.os_build, &facts.process_name, facts.verifier),
            (0, 19045, &None, false)
        );
        let fault = facts.fault.unwrap();
        assert_eq!((fault.address, fault.place.offset, fault.origin), (Number(0), None, Origin::Debugger));
        assert_eq!((fault.place.module.as_ref(), fault.parameter), ("a.sys", 3));
        let exception = facts.exception.unwrap();
        assert_eq!((exception.code.0, exception.access, exception.accessed), (0xC000_0005, None, None));
        let [first, second] = facts.stack.as_slice() else { panic!("two frames") };
        assert_eq!((first.place.offset, first.trust), (Some(Number(0x12)), Trust::Unwound));
        assert_eq!(*second, Frame { trust: Trust::Scanned, ..Frame::default() });
        assert_eq!(Fault::default().origin, Origin::Debugger);
    }

    #[test]
    fn what_decides_everything_must_be_right() {
        for bad in [
            r#"{"bugcheck_code":"d1 (driver)"}"#,
            r#"{"bugcheck_code":[1]}"#,
            r#"{"kind":"crash"}"#,
            r#"{"args":5}"#,
            r#"{"args":["x"]}"#,
            r#"{"stack":"nt!KeBugCheckEx"}"#,
            r#"{"leads":[{"by":"guess"}]}"#,
        ] {
            assert!(Facts::from_json(bad).is_err(), "{bad}");
        }
    }
}
