//! A writer of small PDBs: one unit, its functions, lines and inlined calls, ids and types, public symbols. Written from
//! the published layouts, and shares none with the reader.

use uuid::Uuid;

const BLOCK: usize = 512;

/// What a unit is made of.
#[derive(Default)]
pub(crate) struct Program {
    pub(crate) machine: u16,
    /// Records of the unit.
    pub(crate) symbols: Vec<u8>,
    /// Subsections of lines.
    pub(crate) lines: Vec<u8>,
    pub(crate) ids: Vec<Vec<u8>>,
    pub(crate) types: Vec<Vec<u8>>,
    /// Section, offset, name.
    pub(crate) publics: Vec<(u16, u32, &'static str)>,
    /// Section, offset, length: code of the unit.
    pub(crate) contributions: Vec<(u16, u32, u32)>,
    pub(crate) names: Names,
    pub(crate) frame_data: Vec<u8>,
    pub(crate) fpo: Vec<u8>,
    /// Whether the linker noted where types are, and public symbols by address.
    pub(crate) indexed: bool,
    pub(crate) omap: Option<(Vec<u8>, Vec<u8>)>,
}

pub(crate) const GUID: &str = "3249d99d-0c40-4931-8610-f4e4fb0b6936";

/// Text of the `/names` stream.
pub(crate) struct Names(Vec<u8>);

impl Default for Names {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Names {
    /// Adds a text, and says where it is.
    pub(crate) fn add(&mut self, text: &str) -> u32 {
        let place = self.0.len() as u32;
        self.0.extend([text.as_bytes(), &[0]].concat());
        place
    }
}

/// Fields one after the other.
pub(crate) fn fields(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(crate) fn u16s(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(crate) fn u32s(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

pub(crate) fn text(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

/// A record of symbols or types.
pub(crate) fn record(kind: u16, parts: &[&[u8]]) -> Vec<u8> {
    let mut body = fields(parts);
    body.resize(body.len().next_multiple_of(4), 0);
    fields(&[&u16s(&[body.len() as u16 + 2, kind]), &body])
}

/// `S_GPROC32`; `end` is where its `S_END` stands.
pub(crate) fn function(name: &str, section: u16, start: u32, len: u32, end: u32) -> Vec<u8> {
    let numbers = u32s(&[0, end, 0, len, 0, 0, 0, start]);
    record(0x1110, &[&numbers, &u16s(&[section]), &[0], &text(name)])
}

/// `S_INLINESITE`.
pub(crate) fn inline_site(end: u32, callee: u32, annotations: &[u8]) -> Vec<u8> {
    record(0x114D, &[&u32s(&[0, end, callee]), annotations])
}

pub(crate) fn end() -> Vec<u8> {
    record(0x0006, &[])
}

pub(crate) fn inline_end() -> Vec<u8> {
    record(0x114E, &[])
}

/// A subsection of lines.
pub(crate) fn subsection(kind: u32, parts: &[&[u8]]) -> Vec<u8> {
    let body = fields(parts);
    fields(&[&u32s(&[kind, body.len() as u32]), &body])
}

/// Lines of one file: offset and line.
pub(crate) fn lines(section: u16, start: u32, len: u32, file: u32, entries: &[(u32, u32)]) -> Vec<u8> {
    let numbers: Vec<u32> = entries.iter().flat_map(|(offset, line)| [*offset, line | 0x8000_0000]).collect();
    let block = u32s(&[file, entries.len() as u32, 12 + 8 * entries.len() as u32]);
    subsection(0xF2, &[&u32s(&[start]), &u16s(&[section, 0]), &u32s(&[len]), &block, &u32s(&numbers)])
}

impl Program {
    /// All of it as a file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let none = u16::MAX;
        let (symbols, places) = self.public_symbols();
        let publics = if self.indexed { places } else { Vec::new() };
        let publics = fields(&[&u32s(&[0, publics.len() as u32, 0, 0, 0, 0, 0]), &publics]);
        let (omap_to, omap_from) = self.omap.clone().unwrap_or_default();
        let moved = if self.omap.is_some() { [11, 12, 6] } else { [none; 3] };
        let debug = u16s(&[8, none, none, moved[0], moved[1], 6, none, none, none, 9, moved[2]]);
        let (types, type_places) = self.records(&self.types, 13);
        let (ids, id_places) = self.records(&self.ids, 14);
        let strings = fields(&[&u32s(&[0xEFFE_EFFE, 1, self.names.0.len() as u32]), &self.names.0]);
        let streams = vec![
            Vec::new(),
            self.pdb_stream(),
            types,
            self.dbi_stream(&debug),
            ids,
            symbols,
            section_headers(),
            publics,
            self.fpo.clone(),
            self.frame_data.clone(),
            self.unit(),
            omap_to,
            omap_from,
            type_places,
            id_places,
            strings,
        ];
        container(&streams)
    }

    fn pdb_stream(&self) -> Vec<u8> {
        let names = text("/names");
        let head = fields(&[&u32s(&[20_000_404, 1, 2]), &Uuid::parse_str(GUID).unwrap().to_bytes_le()]);
        let map = u32s(&[1, 1, 1, 1, 0, 0, 15]);
        fields(&[&head, &u32s(&[names.len() as u32]), &names, &map])
    }

    fn dbi_stream(&self, debug: &[u8]) -> Vec<u8> {
        let symbols = 4 + self.symbols.len() as u32;
        let unit = [
            vec![0; 34],
            u16s(&[10]),
            u32s(&[symbols, 0, self.lines.len() as u32]),
            vec![0; 16],
            text("unit.obj"),
            text("unit.obj"),
        ]
        .concat();
        let mut unit = unit;
        unit.resize(unit.len().next_multiple_of(4), 0);
        let mut contributions = u32s(&[0xEFFE_0000 + 19_970_605]);
        for (section, start, len) in &self.contributions {
            contributions.extend(fields(&[&u16s(&[*section, 0]), &u32s(&[*start, *len, 0x6000_0020])]));
            contributions.extend(fields(&[&u16s(&[0, 0]), &u32s(&[0, 0])]));
        }
        let head = [
            u32s(&[u32::MAX, 19_990_903, 3]),
            u16s(&[u16::MAX, 0, 7, 0, 5, 0]),
            u32s(&[unit.len() as u32, contributions.len() as u32, 0, 0, 0, 0, debug.len() as u32, 0]),
            u16s(&[0, self.machine]),
            u32s(&[0]),
        ]
        .concat();
        [head, unit, contributions, debug.to_vec()].concat()
    }

    fn unit(&self) -> Vec<u8> {
        [u32s(&[4]), self.symbols.clone(), self.lines.clone(), u32s(&[0])].concat()
    }

    fn public_symbols(&self) -> (Vec<u8>, Vec<u8>) {
        let mut symbols = record(0x1107, &[&u32s(&[0x74]), &u16s(&[3]), &text("a_constant")]);
        let mut places = Vec::new();
        for (section, offset, name) in &self.publics {
            places.push(((*section, *offset), symbols.len() as u32));
            symbols.extend(record(0x110E, &[&u32s(&[2, *offset]), &u16s(&[*section]), &text(name)]));
        }
        places.sort_unstable();
        let places: Vec<u32> = places.into_iter().map(|(_, place)| place).collect();
        (symbols, u32s(&places))
    }

    /// A stream of types or ids, and the stream of its hashes.
    fn records(&self, records: &[Vec<u8>], hash: u16) -> (Vec<u8>, Vec<u8>) {
        let places = if self.indexed { u32s(&[0x1000, 0]) } else { Vec::new() };
        let body = records.concat();
        let head = [
            u32s(&[20_040_203, 56, 0x1000, 0x1000 + records.len() as u32, body.len() as u32]),
            u16s(&[hash, u16::MAX]),
            u32s(&[4, 0x3FFFF, 0, 0, 0, places.len() as u32, 0, 0]),
        ]
        .concat();
        ([head, body].concat(), places)
    }
}

/// `.text` at 0x1000 and `.data` at 0x3000, of 0x2000 bytes each.
fn section_headers() -> Vec<u8> {
    let header = |name: &[u8; 8], start: u32, flags: u32| {
        fields(&[name, &u32s(&[0x2000, start, 0x2000, 0x400, 0, 0, 0, flags])])
    };
    [header(b".text\0\0\0", 0x1000, 0x6000_0020), header(b".data\0\0\0", 0x3000, 0xC000_0040)].concat()
}

/// Streams as a file of blocks.
pub(crate) fn container(streams: &[Vec<u8>]) -> Vec<u8> {
    let mut file = vec![vec![0; BLOCK]; 3];
    let mut place = |bytes: &[u8], backwards: bool| -> Vec<u32> {
        // Every other stream lies backwards, so that blocks are not side by side.
        let mut blocks: Vec<&[u8]> = bytes.chunks(BLOCK).collect();
        if backwards {
            blocks.reverse();
        }
        let first = file.len() as u32;
        for block in &blocks {
            let mut block = block.to_vec();
            block.resize(BLOCK, 0);
            file.push(block);
        }
        let mut numbers: Vec<u32> = (first..file.len() as u32).collect();
        if backwards {
            numbers.reverse();
        }
        numbers
    };
    let mut directory = u32s(&[streams.len() as u32]);
    directory.extend(streams.iter().flat_map(|stream| (stream.len() as u32).to_le_bytes()));
    for (number, stream) in streams.iter().enumerate() {
        directory.extend(u32s(&place(stream, number % 2 == 0)));
    }
    let directory_blocks = place(&directory, false);
    let list = place(&u32s(&directory_blocks), false);
    let head = [
        b"Microsoft C/C++ MSF 7.00\r\n\x1a\x44\x53\0\0\0".to_vec(),
        u32s(&[BLOCK as u32, 1, file.len() as u32, directory.len() as u32, 0]),
        u32s(&list),
    ]
    .concat();
    file[0][..head.len()].copy_from_slice(&head);
    file.concat()
}
