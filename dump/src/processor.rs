//! What the registry says of the processor. Reads names and frequency; never other values of the key.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::text;

/// No name of a processor is longer: in bytes of UTF-16.
const MAX_TEXT: u64 = 512;

const REG_SZ: u32 = 1;
const REG_DWORD: u32 = 4;

/// The processor, as Windows describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Processor {
    /// `11th Gen Intel(R) Core(TM) i5-11400 @ 2.60GHz`
    pub name: Option<String>,
    /// `GenuineIntel`
    pub vendor: Option<String>,
    /// `Intel64 Family 6 Model 167 Stepping 1`
    pub identifier: Option<String>,
    /// Nominal frequency.
    pub mhz: Option<u32>,
}

/// Reads the content of the processor blob: values after one another, each as u32 length of the name, the name (with
/// a NUL), u32 type, u32 length of the data, the data. `None` where it tells nothing.
pub(crate) fn read(blob: &[u8]) -> Option<Processor> {
    let mut found = Processor::default();
    let mut rest = Bytes(blob);
    while let Some((value, next)) = value(rest) {
        match (value.name.as_str(), value.kind) {
            ("ProcessorNameString", REG_SZ) => found.name = found.name.or_else(|| value.text()),
            ("VendorIdentifier", REG_SZ) => found.vendor = found.vendor.or_else(|| value.text()),
            ("Identifier", REG_SZ) => found.identifier = found.identifier.or_else(|| value.text()),
            ("~MHz", REG_DWORD) => found.mhz = found.mhz.or_else(|| value.data.u32(0)),
            _ => {}
        }
        rest = next;
    }
    (found != Processor::default()).then_some(found)
}

struct Value<'a> {
    name: String,
    kind: u32,
    data: Bytes<'a>,
}

impl Value<'_> {
    fn text(&self) -> Option<String> {
        let text = text::utf16(self.data.clip(0, MAX_TEXT)?);
        Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned)
    }
}

/// The value at the beginning of `rest`, and what follows it.
fn value(rest: Bytes<'_>) -> Option<(Value<'_>, Bytes<'_>)> {
    let name_len = u64::from(rest.u32(0)?);
    let name = rest.get(4, name_len)?;
    let after_name = name_len.checked_add(4)?;
    let kind = rest.u32(after_name)?;
    let data_len = u64::from(rest.u32(after_name.checked_add(4)?)?);
    let data_begin = after_name.checked_add(8)?;
    let data = Bytes(rest.clip(data_begin, data_len).unwrap_or_default());
    let name = text::utf16(Bytes(name).clip(0, MAX_TEXT).unwrap_or_default());
    Some((Value { name, kind, data }, rest.from(data_begin.checked_add(data_len)?)))
}
