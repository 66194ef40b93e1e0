//! An incident's id as people and programs write it: a UUID where the format is for reading, 16 bytes where it is not.
//!
//! As a number it broke every reader but our own. JavaScript rounds it, and ClickHouse's simdjson takes a document with a
//! number beyond 64 bits for no JSON at all, so that every field of an incident came out empty.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(id: &u128, to: S) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() { to.collect_str(&Text(*id)) } else { to.serialize_u128(*id) }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
    if from.is_human_readable() { from.deserialize_str(Reader) } else { u128::deserialize(from) }
}

/// The same where there may be none.
pub(super) mod option {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Id(#[serde(with = "super")] u128);

    pub(in super::super) fn serialize<S: Serializer>(id: &Option<u128>, to: S) -> Result<S::Ok, S::Error> {
        id.map(Id).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<u128>, D::Error> {
        Ok(Option::<Id>::deserialize(from)?.map(|Id(id)| id))
    }
}

/// `01234567-89ab-cdef-0123-456789abcdef`.
struct Text(u128);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, digit) in format!("{:032x}", self.0).chars().enumerate() {
            let gap = if matches!(index, 8 | 12 | 16 | 20) { "-" } else { "" };
            write!(f, "{gap}{digit}")?;
        }
        Ok(())
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = u128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u128, E> {
        let read = u128::from_str_radix(&text.replace('-', ""), 16).ok();
        // One spelling only: what is written again must be what was read.
        read.filter(|id| Text(*id).to_string() == text).ok_or_else(|| E::custom("not a UUID in lower case"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(with = "super")]
        id: u128,
        #[serde(with = "super::option")]
        other: Option<u128>,
    }

    const ID: u128 = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210;

    #[test]
    fn json_has_a_uuid_and_other_formats_have_the_number() {
        for (other, json) in [(None, "null"), (Some(7), "\"00000000-0000-0000-0000-000000000007\"")] {
            let both = Both { id: ID, other };
            let text = serde_json::to_string(&both).unwrap();
            assert_eq!(text, format!("{{\"id\":\"01234567-89ab-cdef-fedc-ba9876543210\",\"other\":{json}}}"));
            assert_eq!(serde_json::from_str::<Both>(&text).unwrap(), both);
            let bytes = postcard::to_allocvec(&both).unwrap();
            assert_eq!(postcard::from_bytes::<Both>(&bytes).unwrap(), both);
        }
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        for id in [
            "7",
            "\"\"",
            "\"7\"",
            "\"01234567-89AB-cdef-fedc-ba9876543210\"",
            "null",
            "\"+1234567-89ab-cdef-fedc-ba9876543210\"",
        ] {
            assert!(
                serde_json::from_str::<Both>(&format!("{{\"id\":{id},\"other\":null}}")).is_err(),
                "{id}"
            );
        }
    }
}
