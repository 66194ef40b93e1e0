//! Numbers as people and debuggers write them: `0xfffff802bbab83e9`, `fffff802'bbab83e9`, 41. Owns the spelling alone.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number that is written in hexadecimal: most are addresses, and JSON's own numbers lose bits of those.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Number(pub u64);

impl Number {
    /// Reads what a debugger prints: hexadecimal, with or without `0x` and the mark in the middle.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        let digits: String = digits.chars().filter(|c| !matches!(c, '`' | '\'')).collect();
        // The parser would take a sign.
        let bare = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
        bare.then(|| u64::from_str_radix(&digits, 16).ok().map(Self)).flatten()
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:x}", self.0)
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self(value.into())
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct Spelling;

impl Visitor<'_> for Spelling {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hexadecimal number as text, such as \"0xd1\", or a whole number")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        // Sign-extended codes: -1073741819 is c0000005.
        Ok(Number(value.cast_unsigned()))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Number, E> {
        Number::parse(value).ok_or_else(|| E::invalid_value(Unexpected::Str(value), &self))
    }
}

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Hexadecimal as text, with or without `0x` and the mark in the middle, as debuggers print it; or a \
                            whole number.",
            "anyOf": [
                { "type": "string", "pattern": "^\\s*(0[xX])?['`]*[0-9a-fA-F]['`0-9a-fA-F]*\\s*$" },
                { "type": "integer" },
            ],
        })
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Spelling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings() {
        let check = |text: &str, expected: u64| {
            assert_eq!(serde_json::from_str::<Number>(text).unwrap().0, expected, "{text}");
        };
        check("\"0xD1\"", 0xD1);
        check("\"fffff802`bbab83e9\"", 0xFFFF_F802_BBAB_83E9);
        check("\"0X10\"", 16);
        check("41", 41);
        check("-1", u64::MAX);
        for bad in ["\"\"", "\"0x\"", "\"+1\"", "\"xyz\"", "\"0x10000000000000000\"", "1.5", "null"] {
            assert!(serde_json::from_str::<Number>(bad).is_err(), "{bad}");
        }
        assert_eq!(serde_json::to_string(&Number(0xD1)).unwrap(), "\"0xd1\"");
    }
}
