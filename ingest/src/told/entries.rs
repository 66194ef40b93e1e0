//! The entries of a body: one object, a list of them, or a list under a name. Owns how many there may be and how their
//! texts, numbers and moments are read; nothing is kept of what is beyond a limit.

use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::refusal::{Refusal, short};

/// A list that is refused as soon as it is longer than `MOST`.
#[derive(Debug)]
pub(super) struct AtMost<T, const MOST: usize>(pub(super) Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List<T, const MOST: usize>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
            type Value = AtMost<T, MOST>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST} entries")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(one) = seq.next_element()? {
                    if list.len() == MOST {
                        return Err(A::Error::custom(format!("there are more than {MOST} entries")));
                    }
                    list.push(one);
                }
                Ok(AtMost(list))
            }
        }

        deserializer.deserialize_seq(List(PhantomData))
    }
}

/// Entries that are not read yet.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    list: Vec<&'a RawValue>,
    /// Whether there is one only, which may leave out what the head says.
    pub(super) is_single: bool,
}

#[derive(Deserialize)]
struct Named<'a, const MOST: usize> {
    #[serde(borrow)]
    machines: Option<AtMost<&'a RawValue, MOST>>,
}

impl<'a> Entries<'a> {
    /// Entries of `{"machines": [..]}`, of `[..]`, or the one that the body is.
    pub(super) fn of<const MOST: usize>(text: &'a [u8]) -> Result<Self, Refusal> {
        let bad = |error: serde_json::Error| Refusal::BadJson(short(&error.to_string()));
        if text.trim_ascii_start().first() == Some(&b'[') {
            let AtMost(list) = serde_json::from_slice::<AtMost<&RawValue, MOST>>(text).map_err(bad)?;
            return Ok(Self { list, is_single: false });
        }
        let named: Named<'a, MOST> = serde_json::from_slice(text).map_err(bad)?;
        match named.machines {
            Some(AtMost(list)) => Ok(Self { list, is_single: false }),
            None => {
                let one = serde_json::from_slice::<&RawValue>(text).map_err(bad)?;
                Ok(Self { list: vec![one], is_single: true })
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.list.iter().map(|entry| entry.get())
    }
}

/// One entry, or why it is none.
pub(super) fn entry<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| short(&error.to_string()))
}

/// A text, trimmed, within its length, on one line.
pub(super) fn text(what: &str, value: Option<String>, longest: usize) -> Result<String, String> {
    let value = value.unwrap_or_default();
    let value = value.trim();
    if value.len() > longest {
        return Err(format!("{what} has {} bytes, the most is {longest}", value.len()));
    }
    if value.chars().any(char::is_control) {
        return Err(format!("{what} has control characters"));
    }
    Ok(value.to_owned())
}

/// The base name of an image in lower case, as the analyzer writes it.
pub(super) fn base_name(path: &str) -> String {
    path.rsplit(['\\', '/']).next().unwrap_or(path).trim().to_lowercase()
}

/// A moment, ms since 1970.
pub(super) fn moment(value: &str) -> Result<i64, String> {
    let moment: Result<Timestamp, _> = value.trim().parse();
    moment
        .map(Timestamp::as_millisecond)
        .map_err(|_error| format!("{:?} is no moment: write it as 2026-01-31T12:00:00Z", short(value)))
}

/// A number of 32 bits: as such, or as a text like `0x66902c2a`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Number(pub(super) u32);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number of 32 bits, or one in hexadecimal as a text: \"0x66902c2a\"")
            }

            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Number, E> {
                let number = u32::try_from(value);
                number.map(Number).map_err(|_large| E::custom(format!("{value} has more than 32 bits")))
            }

            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Number, E> {
                let digits = value.trim();
                let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => digits.parse(),
                };
                number
                    .map(Number)
                    .map_err(|_bad| E::custom(format!("{:?} is no number of 32 bits", short(value))))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_three_shapes() {
        for (text, expected) in [
            (r#"{"machine":"a"}"#, Some((1, true))),
            (r#" [{"machine":"a"}, 7]"#, Some((2, false))),
            (r#"{"machines":[{},{},{}]}"#, Some((3, false))),
            (r#"{"machines":[]}"#, Some((0, false))),
            (r#"{"machines":[1,2,3,4]}"#, None),
            ("[1,2,3,4]", None),
            ("[1,2", None),
            ("", None),
            ("nonsense", None),
            (r#"{"machines":7}"#, None),
        ] {
            let entries = Entries::of::<3>(text.as_bytes()).ok();
            assert_eq!(entries.map(|entries| (entries.len(), entries.is_single)), expected, "{text}");
        }
    }

    #[test]
    fn numbers_come_in_two() {
        for (text, expected) in [
            ("1720724522", Some(0x6690_2c2a)),
            ("\"0x66902c2a\"", Some(0x6690_2c2a)),
            ("\"1720724522\"", Some(0x6690_2c2a)),
            ("4294967296", None),
            ("-1", None),
            ("1.5", None),
            ("\"0x\"", None),
            ("\"66902c2ag\"", None),
            ("null", None),
        ] {
            assert_eq!(entry::<Number>(text).ok(), expected.map(Number), "{text}");
        }
    }

    #[test]
    fn names_are_base_names() {
        for (path, name) in [
            (r"\SystemRoot\System32\drivers\CSAgent.SYS", "csagent.sys"),
            ("C:/drivers/a.sys ", "a.sys"),
            ("a.sys", "a.sys"),
            (r"C:\drivers\", ""),
        ] {
            assert_eq!(base_name(path), name);
        }
    }
}
