//! GUIDs as Windows stores them: three little-endian fields, then eight bytes. Owns their text and the names of those
//! that tag secondary data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A GUID, as stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// From the number its text reads as: `0xbc5c008f_1e3a_44d7_988d_86f6884c6758`.
    pub(crate) const fn from_text_order(text: u128) -> Self {
        let [a, b, c, d, e, f, g, h, tail @ ..] = text.to_be_bytes();
        let [i, j, k, l, m, n, o, p] = tail;
        Self([d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p])
    }

    /// What secondary data under this GUID is, where that is publicly known: `SMBIOS tables`.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(guid, _)| *guid == self).map(|&(_, name)| name)
    }
}

/// Secondary data by the GUID that tags it: those of public symbols and headers.
const NAMES: [(Guid, &str); 36] = {
    const fn row(text: u128, name: &'static str) -> (Guid, &'static str) {
        (Guid::from_text_order(text), name)
    }
    [
        // mssmbios
        row(0xbc5c008f_1e3a_44d7_988d_86f6884c6758, "SMBIOS tables"),
        row(0x6c7ac389_4313_47dc_9f34_a8800a0fb56c, "processor registry values"),
        row(0xd03dc06f_d88e_44c5_ba2a_fae035172d19, "processor CPUID leaves and registers"),
        row(0xe83b40d2_b0a0_4842_abea_71c9e3463dd1, "ACPI table heads"),
        // nt, pci
        row(0x9276c055_eb87_425c_b8b5_04e4d247f6cd, "PCI configuration"),
        row(0x2b88b710_1c93_4f7c_b06c_655ecc50decc, "ETW buffers"),
        row(0xf57308df_cc45_4e01_ad76_29a4ebb010ec, "black box: boot status"),
        row(0x00afe9c4_940d_4213_8016_cd3719b5bc20, "black box: NTFS"),
        row(0xb7631941_532a_4cd6_b1b1_edb5917d4557, "black box: PnP"),
        row(0x80cc79cf_a719_4af1_bf97_fe29ff76ebc1, "black box: sign-in"),
        row(0x4ee76bd8_3cf4_44a0_a0ac_3937643e37a3, "black box: code integrity"),
        row(0x2b4ae195_a64d_4f04_8ede_7e4f981bd42a, "triage data of components"),
        row(0xb0692a5e_6b7b_4073_8a7c_604e35032970, "secure kernel crash data"),
        row(0x9282756a_ab95_4d24_a137_ecddc5de53f5, "virtual secure mode failure log"),
        row(0x5bc8704a_6cb7_4378_ac72_ad06e2416e4a, "CAR data"),
        row(0x0f1f53f3_561f_42e7_bdb4_ba8e66b726d5, "feature configuration"),
        row(0x00dae7ca_6833_45c5_b147_bdaed7b61fd6, "hypervisor boot event log"),
        row(0x65755a40_f146_43ea_8c91_36b85728fd35, "crash dump driver"),
        // Kernel-Mode Driver Framework
        row(0x54c84888_01d1_4c1e_bed6_282c98241303, "KMDF log of a driver"),
        row(0xf87e4a4c_c5a1_4d2f_bff0_d5de63a5e4c3, "KMDF drivers"),
        // display
        row(0x270a33fd_3da6_460d_ba89_3c1bae21e39b, "display (TDR) report"),
        row(0xbf2297dc_34ba_11dc_868a_e19155d89593, "NVIDIA report"),
        // storage
        row(0xda82441d_7142_4bc1_b844_0807c5a4b67f, "storage port requests"),
        row(0xc939c73b_17dc_4a44_904c_e2d987f52649, "storage port paging device"),
        // control GUIDs of trace messages, and what their recorder derives from them
        row(0x0f81ec00_9e52_48e6_b899_eb3bbeede741, "trace recorder: win32kbase"),
        row(0x0f81ec00_9e50_48e6_b899_eb3bbeede741, "trace recorder log: win32kbase"),
        row(0x0f81ec00_9e51_48e6_b899_eb3bbeede741, "trace recorder log: win32kbase"),
        row(0x0f81ec00_9e56_48e6_b899_eb3bbeede741, "trace recorder log: win32kbase"),
        row(0x335d5e04_5638_4e58_aa36_7ed1cfe76fd6, "trace recorder: win32kfull"),
        row(0x335d5e04_563a_4e58_aa36_7ed1cfe76fd6, "trace recorder log: win32kfull"),
        row(0x335d5e04_563b_4e58_aa36_7ed1cfe76fd6, "trace recorder log: win32kfull"),
        row(0x21ba7b61_05f8_41f1_9048_c09493dcfe38, "trace recorder: Wi-Fi class library (WDI)"),
        row(0x21ba7b61_05f9_41f1_9048_c09493dcfe38, "trace recorder log: Wi-Fi class library (WDI)"),
        // no public symbol: named by their content
        row(0x7b581fa7_81c2_423f_a65c_1266fb10603d, "hypervisor"),
        row(0x0d910545_e694_4b15_870c_01625fb32a6f, "triage data of components, with content"),
        row(0xfe96ddbf_850d_4c4a_a7bf_c686be526047, "driver of the bug check"),
    ]
};

/// A text that is no GUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a GUID: 32 hexadecimal digits with hyphens after the 8th, 12th, 16th and 20th, in braces or not"
)]
pub struct ParseGuidError;

impl FromStr for Guid {
    type Err = ParseGuidError;

    /// Reads what `Display` writes, also in upper case and in braces, as debuggers write it.
    fn from_str(text: &str) -> Result<Self, ParseGuidError> {
        let bare = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(text);
        let parts: Vec<&str> = bare.split('-').collect();
        let digits = parts.concat();
        let shaped = parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]);
        if !shaped || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParseGuidError);
        }
        u128::from_str_radix(&digits, 16).map(Self::from_text_order).map_err(|_| ParseGuidError)
    }
}

/// `bc5c008f-1e3a-44d7-988d-86f6884c6758`
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g, h, i, j, k, tail @ ..] = self.0;
        let [l, m, n, o, p, q] = tail;
        let first = u32::from_le_bytes([a, b, c, d]);
        let (second, third) = (u16::from_le_bytes([e, g]), u16::from_le_bytes([h, i]));
        let (fourth, fifth) = (u16::from_be_bytes([j, k]), u64::from_be_bytes([0, 0, l, m, n, o, p, q]));
        write!(f, "{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{fifth:012x}")
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_it_is_written() {
        let text = "bc5c008f-1e3a-44d7-988d-86f6884c6758";
        let guid: Guid = text.parse().unwrap();
        assert_eq!(guid.0[..4], [0x8F, 0x00, 0x5C, 0xBC]);
        assert_eq!(guid.to_string(), text);
        assert_eq!(format!("{{{}}}", text.to_uppercase()).parse(), Ok(guid));
        assert_eq!(guid.name(), Some("SMBIOS tables"));
        assert_eq!(serde_json::to_value(guid).unwrap(), text);
        assert_eq!(serde_json::from_value::<Guid>(text.into()).unwrap(), guid);
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "bc5c008f1e3a44d7988d86f6884c6758",
            "bc5c008f-1e3a-44d7-988d-86f6884c675",
            "bc5c008f-1e3a-44d7-988d-86f6884c67588",
            "bc5c008-f1e3a-44d7-988d-86f6884c6758",
            "{bc5c008f-1e3a-44d7-988d-86f6884c6758",
            "+c5c008f-1e3a-44d7-988d-86f6884c6758",
            "é5c008f-1e3a-44d7-988d-86f6884c6758",
        ] {
            assert_eq!(text.parse::<Guid>(), Err(ParseGuidError), "{text}");
        }
    }

    #[test]
    fn each_name_is_of_one_guid() {
        for (index, (guid, name)) in NAMES.iter().enumerate() {
            assert!(!name.is_empty() && guid.name() == Some(name), "{index}: {guid} is there twice");
        }
        assert_eq!(Guid([0; 16]).name(), None);
    }
}
