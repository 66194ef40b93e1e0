//! What the registry says of the processor: the values of its key. Never judges them.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::text;

/// No name of a processor is longer: in bytes of UTF-16.
const MAX_TEXT: u64 = 512;
/// No value seen has more than 96 bytes.
const MAX_DATA: u64 = 4096;
/// Real dumps have 7 to 9; on ARM64 there is one for each identification register.
const MAX_VALUES: usize = 256;

const REG_SZ: u32 = 1;
const REG_BINARY: u32 = 3;
const REG_DWORD: u32 = 4;
const REG_QWORD: u32 = 11;

/// The processor, as Windows describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Processor {
    /// `11th Gen Intel(R) Core(TM) i5-11400 @ 2.60GHz`
    pub name: Option<String>,
    /// `GenuineIntel`
    pub vendor: Option<String>,
    /// `Intel64 Family 6 Model 167 Stepping 1`
    pub identifier: Option<String>,
    /// Nominal frequency.
    pub mhz: Option<u32>,
    /// Revision of the microcode that runs: 0x3C. A hypervisor shows 0xFFFFFFFF. AMD's is not told.
    pub microcode: Option<u32>,
    /// Revision of the microcode that the firmware had loaded.
    pub previous_microcode: Option<u32>,
    /// What became of Windows' own update of the microcode.
    pub update_status: Option<u32>,
    /// Bits of Windows' own for what the processor can do.
    pub feature_set: Option<u32>,
    /// All values, also those above.
    pub values: Vec<ProcessorValue>,
}

/// A value of the processor's registry key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessorValue {
    /// `~MHz`
    pub name: String,
    /// Its content.
    pub data: RegistryData,
}

/// Content of a registry value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RegistryData {
    /// `REG_SZ`
    Text(String),
    /// `REG_DWORD`
    Dword(u32),
    /// `REG_QWORD`
    Qword(u64),
    /// `REG_BINARY`
    Binary(Vec<u8>),
    /// Any other type.
    Other {
        /// The type.
        kind: u32,
        /// Its bytes.
        data: Vec<u8>,
    },
}

/// Reads the content of the processor blob: values after one another, each as u32 length of the name, the name (with
/// a NUL), u32 type, u32 length of the data, the data. `None` where it tells nothing.
pub(crate) fn read(blob: &[u8]) -> Option<Processor> {
    let mut values = Vec::new();
    let mut rest = Bytes(blob);
    while values.len() < MAX_VALUES
        && let Some((value, next)) = value(rest)
    {
        values.push(value);
        rest = next;
    }
    let found = Processor {
        name: text_of(&values, "ProcessorNameString"),
        vendor: text_of(&values, "VendorIdentifier"),
        identifier: text_of(&values, "Identifier"),
        mhz: dword_of(&values, "~MHz"),
        // The first is documented, dumps of Windows 7 have the second, and those since only the register itself.
        microcode: ["Update Revision", "Update Signature", "MSR8B"]
            .into_iter()
            .find_map(|name| revision_of(&values, name)),
        previous_microcode: revision_of(&values, "Previous Update Revision"),
        update_status: dword_of(&values, "Update Status"),
        feature_set: dword_of(&values, "FeatureSet"),
        values: Vec::new(),
    };
    (found != Processor::default()).then_some(Processor { values, ..found })
}

fn all<'v>(values: &'v [ProcessorValue], name: &str) -> impl Iterator<Item = &'v RegistryData> {
    values.iter().filter(move |value| value.name == name).map(|value| &value.data)
}

fn text_of(values: &[ProcessorValue], name: &str) -> Option<String> {
    all(values, name).find_map(|data| match data {
        RegistryData::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        _ => None,
    })
}

fn dword_of(values: &[ProcessorValue], name: &str) -> Option<u32> {
    all(values, name).find_map(|data| match data {
        RegistryData::Dword(value) => Some(*value),
        _ => None,
    })
}

/// Intel's register has the revision in its upper half and zeros below; other halves are not a revision.
fn revision_of(values: &[ProcessorValue], name: &str) -> Option<u32> {
    let register = all(values, name).find_map(|data| match data {
        RegistryData::Qword(value) => Some(*value),
        RegistryData::Binary(bytes) => Bytes(bytes).u64(0),
        _ => None,
    })?;
    (register & 0xFFFF_FFFF == 0).then_some(())?;
    u32::try_from(register >> 32).ok().filter(|&revision| revision != 0)
}

/// The value at the beginning of `rest`, and what follows it.
fn value(rest: Bytes<'_>) -> Option<(ProcessorValue, Bytes<'_>)> {
    let name_len = u64::from(rest.u32(0)?);
    let name = rest.get(4, name_len)?;
    let after_name = name_len.checked_add(4)?;
    let kind = rest.u32(after_name)?;
    let data_len = u64::from(rest.u32(after_name.checked_add(4)?)?);
    let data_begin = after_name.checked_add(8)?;
    let whole = Bytes(rest.clip(data_begin, data_len).unwrap_or_default());
    let bytes = || whole.clip(0, MAX_DATA).unwrap_or_default().to_vec();
    let data = match (kind, whole.len()) {
        (REG_SZ, _) => RegistryData::Text(text::utf16(whole.clip(0, MAX_TEXT).unwrap_or_default())),
        (REG_DWORD, 4) => RegistryData::Dword(whole.u32(0)?),
        (REG_QWORD, 8) => RegistryData::Qword(whole.u64(0)?),
        (REG_BINARY, _) => RegistryData::Binary(bytes()),
        _ => RegistryData::Other { kind, data: bytes() },
    };
    let name = text::utf16(Bytes(name).clip(0, MAX_TEXT).unwrap_or_default());
    Some((ProcessorValue { name, data }, rest.from(data_begin.checked_add(data_len)?)))
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect()
    }

    fn value_of(name: &str, kind: u32, data: &[u8]) -> Vec<u8> {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_le_bytes();
        let name = wide(name);
        [&len(&name)[..], &name, &kind.to_le_bytes(), &len(data), data].concat()
    }

    #[test]
    fn values_are_typed() {
        let blob = [
            value_of("~MHz", REG_DWORD, &2600_u32.to_le_bytes()),
            value_of("ProcessorNameString", REG_SZ, &wide("Processor 5   ")),
            value_of("Configuration Data", 9, &[0xFF; 16]),
            value_of("Update Revision", REG_BINARY, &[0, 0, 0, 0, 0x3C, 0, 0, 0]),
            value_of("Previous Update Revision", REG_BINARY, &[0, 0, 0, 0, 0x2A, 0, 0, 0]),
            value_of("Update Status", REG_DWORD, &2_u32.to_le_bytes()),
            value_of("FeatureSet", REG_DWORD, &7_u32.to_le_bytes()),
            value_of("CP 4000", REG_QWORD, &0x410F_D4F2_u64.to_le_bytes()),
        ]
        .concat();
        let found = read(&blob).unwrap();
        assert_eq!((found.mhz, found.name.as_deref()), (Some(2600), Some("Processor 5")));
        assert_eq!((found.microcode, found.previous_microcode), (Some(0x3C), Some(0x2A)));
        assert_eq!((found.update_status, found.feature_set), (Some(2), Some(7)));
        assert_eq!(found.values.len(), 8);
        assert_eq!(found.values[2].data, RegistryData::Other { kind: 9, data: vec![0xFF; 16] });
        assert_eq!(found.values[7].data, RegistryData::Qword(0x410F_D4F2));
    }

    #[test]
    fn the_register_tells_the_microcode_where_no_update_does() {
        let microcode = |value: u64| {
            let blob = [
                value_of("~MHz", REG_DWORD, &[1, 0, 0, 0]),
                value_of("MSR8B", REG_QWORD, &value.to_le_bytes()),
            ];
            read(&blob.concat()).unwrap().microcode
        };
        assert_eq!(microcode(0xC8_0000_0000), Some(0xC8));
        assert_eq!(microcode(0xFFFF_FFFF_0000_0000), Some(u32::MAX));
        assert_eq!((microcode(0), microcode(0x0A20_120E)), (None, None));
    }

    #[test]
    fn a_cut_value_ends_the_list() {
        let blob = [value_of("~MHz", REG_DWORD, &[1, 0, 0, 0]), value_of("Identifier", REG_SZ, &wide("x86"))]
            .concat();
        for len in 0..blob.len() {
            let found = read(&blob[..len]);
            assert!(found.is_none_or(|found| found.values.len() <= 2), "{len}");
        }
        assert_eq!(read(&value_of("Identifier", REG_DWORD, &[1, 0])), None, "a number of 2 bytes");
    }
}
