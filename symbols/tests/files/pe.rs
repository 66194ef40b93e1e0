//! A writer of small PE images: headers, `.text`, `.rdata` with the debug directory, `.pdata`.

use uuid::Uuid;

use crate::pdb::{fields, text, u16s, u32s};

pub(crate) struct Pe {
    pub(crate) machine: u16,
    pub(crate) timestamp: u32,
    pub(crate) size: u32,
    pub(crate) sections: Vec<Section>,
    /// Number, start, length.
    pub(crate) directories: Vec<(usize, u32, u32)>,
    /// What stands where in the file.
    pub(crate) content: Vec<(usize, Vec<u8>)>,
    pub(crate) len: usize,
}

/// Name, memory and file (start and length), flags.
pub(crate) type Section = ([u8; 8], (u32, u32), (u32, u32), u32);

const TEXT: u32 = 0x6000_0020;
const DATA: u32 = 0x4000_0040;

impl Pe {
    /// `driver.sys`: `.text` at 0x1000, `.rdata` at 0x2000, `.pdata` at 0x3000, the last with less in the file than in
    /// memory.
    pub(crate) fn example() -> Self {
        let guid = Uuid::parse_str(crate::pdb::GUID).unwrap().to_bytes_le();
        let codeview = fields(&[b"RSDS", &guid, &u32s(&[7]), &text("d:\\build\\crash.pdb")]);
        let debug = u32s(&[0, 0, 0, 2, codeview.len() as u32, 0x2100, 0x900]);
        let exports = u32s(&[0, 0, 0, 0x2080]);
        Self {
            machine: 0x8664,
            timestamp: 0x5AB3_8077,
            size: 0x4000,
            sections: vec![
                (*b".text\0\0\0", (0x1000, 0x300), (0x400, 0x400), TEXT),
                (*b".rdata\0\0", (0x2000, 0x200), (0x800, 0x200), DATA),
                (*b".pdata\0\0", (0x3000, 0x1000), (0xA00, 0x200), DATA),
            ],
            directories: vec![(0, 0x2040, 0x40), (3, 0x3000, 24), (6, 0x2000, 28)],
            content: vec![
                (0x400, vec![0xC3; 0x400]),
                (0x800, debug),
                (0x840, exports),
                (0x880, text("linked.sys")),
                (0x900, codeview),
                (0xA00, (1..=24).collect()),
            ],
            len: 0xC00,
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut directories = vec![0; 128];
        for (number, start, len) in &self.directories {
            directories[number * 8..number * 8 + 8].copy_from_slice(&u32s(&[*start, *len]));
        }
        let wide = self.machine != 0x14C;
        let optional = [
            u16s(&[if wide { 0x20B } else { 0x10B }]),
            vec![0; 54],
            u32s(&[self.size, 0x400, 0]),
            vec![0; if wide { 44 } else { 28 }],
            directories,
        ]
        .concat();
        let mut bytes = b"MZ".to_vec();
        bytes.resize(0x3C, 0);
        bytes.extend(u32s(&[0x80]));
        bytes.resize(0x80, 0);
        bytes.extend(b"PE\0\0");
        bytes.extend(u16s(&[self.machine, self.sections.len() as u16]));
        bytes.extend(u32s(&[self.timestamp, 0, 0]));
        bytes.extend(u16s(&[optional.len() as u16, 0]));
        bytes.extend(optional);
        for (name, memory, file, flags) in &self.sections {
            let numbers = u32s(&[memory.1, memory.0, file.1, file.0, 0, 0, 0, *flags]);
            bytes.extend(fields(&[name, &numbers]));
        }
        bytes.resize(self.len, 0);
        for (start, content) in &self.content {
            bytes[*start..start + content.len()].copy_from_slice(content);
        }
        bytes
    }
}
