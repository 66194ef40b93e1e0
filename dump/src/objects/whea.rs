//! `WHEA_ERROR_RECORD`, the hardware's error as the firmware standard (UEFI's common platform error record) and Windows
//! write it. Owns the header, the list of sections and machine checks; never judges the hardware.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::view::View;
use crate::bytes::Bytes;
use crate::guid::Guid;
use crate::text;

/// `WHEA_ERROR_RECORD_SIGNATURE`
const SIGNATURE: &[u8] = b"CPER";
/// What stands behind the signature and the revision.
const SIGNATURE_END: u32 = 0xFFFF_FFFF;
/// Sections of a record that are read.
const MAX_SECTIONS: u16 = 16;
const HEADER_LEN: usize = 0x80;
const DESCRIPTOR_LEN: u64 = 0x48;
/// `WHEA_XPF_MCA_SECTION` up to `Misc`, without gaps: the structures of this header are packed.
const MACHINE_CHECK_LEN: usize = 0x40;

const MACHINE_CHECK: Guid = Guid::from_text_order(0x8a1e1d01_42f9_4557_9c33_565e5cc3f7e8);

/// What sections are about.
const SECTIONS: [(Guid, &str); 14] = [
    (MACHINE_CHECK, "machine check"),
    (Guid::from_text_order(0x9876ccad_47b4_4bdb_b65e_16f193c4f3db), "processor"),
    (Guid::from_text_order(0xdc3ea0b0_a144_4797_b95b_53fa242b6e1d), "x86/x64 processor"),
    (Guid::from_text_order(0xe19e3d16_bc11_11e4_9caa_c2051d5d46b0), "ARM processor"),
    (Guid::from_text_order(0xa5bc1114_6f64_4ede_b863_3e83ed7c83b1), "memory"),
    (Guid::from_text_order(0x61ec04fc_48e6_d813_25c9_8daa44750b12), "memory"),
    (Guid::from_text_order(0xd995e954_bbc1_430f_ad91_b44dcb3c6f35), "PCI Express"),
    (Guid::from_text_order(0xc5753963_3b84_4095_bf78_eddad3f9c9dd), "PCI bus"),
    (Guid::from_text_order(0xeb5e4685_ca66_4769_b6a2_26068b001326), "PCI device"),
    (Guid::from_text_order(0x81212a96_09ed_4996_9471_8d729c8e69ed), "firmware's own record"),
    (Guid::from_text_order(0x81687003_dbfd_4728_9ffd_f0904f97597d), "persistent memory"),
    (Guid::from_text_order(0xe71254e7_c1b9_4940_ab76_909703a4320f), "nonmaskable interrupt"),
    (Guid::from_text_order(0xe71254e8_c1b9_4940_ab76_909703a4320f), "generic"),
    (Guid::from_text_order(0xe71254e9_c1b9_4940_ab76_909703a4320f), "error packet"),
];

/// How Windows learnt of errors.
const SOURCES: [(Guid, &str); 7] = [
    (Guid::from_text_order(0xe8f56ffe_919c_4cc5_ba88_65abe14913bb), "machine check exception"),
    (Guid::from_text_order(0x2dce8bb1_bdd7_450e_b9ad_9cf4ebd4f890), "corrected machine check"),
    (Guid::from_text_order(0x4e292f96_d843_4a55_a8c2_d481f27ebeee), "corrected platform error"),
    (Guid::from_text_order(0xcf93c01f_1a16_4dfc_b8bc_9c4daf67c104), "PCI Express error"),
    (Guid::from_text_order(0xcc5263e8_9308_454a_89d0_340bd39bc98e), "initialisation record"),
    (Guid::from_text_order(0x5bad89ff_b7e6_42c9_814a_cf2485d6e98a), "nonmaskable interrupt"),
    (Guid::from_text_order(0x3d61a466_ab40_409a_a698_f362d464b38f), "record of the last start"),
];

/// An error record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WheaRecord {
    /// How bad it was.
    pub severity: WheaSeverity,
    /// How Windows learnt of it.
    pub notify_type: Guid,
    /// Number of the record.
    pub record_id: u64,
    /// Bytes of the record.
    pub length: u32,
    /// What it says; at most 16.
    pub sections: Vec<WheaSection>,
}

/// One section of an error record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WheaSection {
    /// What it is about.
    pub kind: Guid,
    /// How bad it was.
    pub severity: WheaSeverity,
    /// Whether it is the one that the record was written for.
    pub primary: bool,
    /// Name of the part that can be replaced.
    pub part: Option<String>,
    /// What a processor's error bank held, in a section about a machine check.
    pub machine_check: Option<MachineCheck>,
}

/// What a processor's error bank held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineCheck {
    /// Number of the processor.
    pub processor: u32,
    /// Number of the bank.
    pub bank: u32,
    /// `MCi_STATUS`
    pub status: u64,
    /// `MCi_ADDR`
    pub address: u64,
    /// `MCi_MISC`
    pub misc: u64,
}

/// `WHEA_ERROR_SEVERITY`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WheaSeverity {
    /// 0: work can go on after repair.
    Recoverable,
    /// 1: the machine had to stop.
    Fatal,
    /// 2: it was repaired.
    Corrected,
    /// 3: not an error.
    Informational,
    /// Another number.
    Unknown(u32),
}

impl WheaSeverity {
    fn from_raw(raw: u32) -> Self {
        match raw {
            0 => Self::Recoverable,
            1 => Self::Fatal,
            2 => Self::Corrected,
            3 => Self::Informational,
            other => Self::Unknown(other),
        }
    }
}

impl WheaRecord {
    pub(crate) fn read(view: &impl View, va: u64) -> Option<Self> {
        let bytes = view.bytes(va, HEADER_LEN)?;
        let header = Bytes(&bytes);
        let signed = header.get(0, 4) == Some(SIGNATURE) && header.u32(0x06) == Some(SIGNATURE_END);
        let count = header.u16(0x0A).filter(|_| signed)?;
        let sections = (0..u64::from(count.min(MAX_SECTIONS))).map_while(|index| {
            let offset = index.checked_mul(DESCRIPTOR_LEN)?.checked_add(0x80)?;
            WheaSection::read(view, va, va.checked_add(offset)?)
        });
        Some(Self {
            severity: WheaSeverity::from_raw(header.u32(0x0C)?),
            length: header.u32(0x14)?,
            notify_type: guid(header, 0x50)?,
            record_id: header.u64(0x60)?,
            sections: sections.collect(),
        })
    }

    /// How Windows learnt of it, where that is one of the standard ways.
    pub fn source(&self) -> Option<&'static str> {
        name(&SOURCES, self.notify_type)
    }
}

impl WheaSection {
    fn read(view: &impl View, record: u64, va: u64) -> Option<Self> {
        /// `WHEA_SECTION_DESCRIPTOR_FLAGS_PRIMARY`
        const PRIMARY: u32 = 1;
        /// `FRUText` is set.
        const WITH_PART: u8 = 2;
        let bytes = view.bytes(va, usize::try_from(DESCRIPTOR_LEN).ok()?)?;
        let descriptor = Bytes(&bytes);
        let kind = guid(descriptor, 0x10)?;
        let data = record.checked_add(descriptor.u32(0)?.into())?;
        let with_part = descriptor.u8(0x0A)? & WITH_PART != 0;
        Some(Self {
            kind,
            severity: WheaSeverity::from_raw(descriptor.u32(0x30)?),
            primary: descriptor.u32(0x0C)? & PRIMARY != 0,
            part: descriptor.get(0x34, 20).filter(|_| with_part).and_then(text::narrow),
            machine_check: if kind == MACHINE_CHECK { MachineCheck::read(view, data) } else { None },
        })
    }

    /// What it is about, where that is known.
    pub fn name(&self) -> Option<&'static str> {
        name(&SECTIONS, self.kind)
    }
}

impl MachineCheck {
    fn read(view: &impl View, va: u64) -> Option<Self> {
        let bytes = view.bytes(va, MACHINE_CHECK_LEN)?;
        let section = Bytes(&bytes);
        Some(Self {
            processor: section.u32(0x10)?,
            bank: section.u32(0x24)?,
            status: section.u64(0x28)?,
            address: section.u64(0x30)?,
            misc: section.u64(0x38)?,
        })
    }
}

fn guid(bytes: Bytes<'_>, offset: u64) -> Option<Guid> {
    bytes.get(offset, 16)?.first_chunk().copied().map(Guid)
}

fn name(names: &[(Guid, &'static str)], guid: Guid) -> Option<&'static str> {
    names.iter().find(|(known, _)| *known == guid).map(|(_, name)| *name)
}

impl fmt::Display for WheaSeverity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recoverable => f.write_str("recoverable"),
            Self::Fatal => f.write_str("fatal"),
            Self::Corrected => f.write_str("corrected"),
            Self::Informational => f.write_str("informational"),
            Self::Unknown(other) => write!(f, "severity {other}"),
        }
    }
}

/// `fatal error (machine check exception): machine check in bank 5 of processor 2, status 0xbe00000000800400`
impl fmt::Display for WheaRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} error", self.severity)?;
        if let Some(source) = self.source() {
            write!(f, " ({source})")?;
        }
        for (index, section) in self.sections.iter().enumerate() {
            f.write_str(if index == 0 { ": " } else { ", " })?;
            match section.name() {
                Some(name) => f.write_str(name)?,
                None => write!(f, "{}", section.kind)?,
            }
            if let Some(check) = section.machine_check {
                write!(f, " in bank {} of processor {}", check.bank, check.processor)?;
                write!(f, ", status {:#x}", check.status)?;
            }
        }
        Ok(())
    }
}
