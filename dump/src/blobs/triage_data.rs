//! Who added memory to the dump: components of Windows name what a debugger will want to see. Reads who and which
//! addresses; never the memory.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::text;

/// Address, length, zero.
const BLOCK_LEN: u64 = 16;
/// Real dumps have 22 to 56.
pub(crate) const MAX_BLOCKS: usize = 16_384;
const MAX_COMPONENTS: usize = 256;
const MAX_NAME: u64 = 64;

/// A component that added memory to the dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriageComponent {
    /// `IoTriageDumpData`. Components that give their name in UTF-16 are known by its first letter: `b`, `M`.
    pub name: String,
    /// What it added.
    pub blocks: Vec<TriageBlock>,
}

/// Memory that a component added to the dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriageBlock {
    /// Address.
    pub va: u64,
    /// Length.
    pub len: u32,
    /// Where in the file its content is. Windows 11 24H2 writes it here, and that of some components nowhere else;
    /// before, it is among the dump's blocks of memory, if anywhere.
    pub offset: Option<u64>,
}

/// Reads a list without content, of at most `left` blocks: of each component u32 number of blocks, u32 length of its
/// name, the blocks, the name. `None` where it does not end with the blob.
pub(crate) fn list(blob: &[u8], left: &mut usize) -> Option<Vec<TriageComponent>> {
    let mut rest = Bytes(blob);
    let mut components = Vec::new();
    while rest.len() != 0 {
        let (count, name_len) = (rest.u32(0)?, rest.u32(4)?);
        let blocks_len = BLOCK_LEN.checked_mul(count.into())?;
        let blocks = Bytes(rest.get(8, blocks_len)?);
        *left = left.checked_sub(usize::try_from(count).ok()?)?;
        let name_at = blocks_len.checked_add(8)?;
        let name = name(rest.get(name_at, name_len.into())?)?;
        let (blocks, _) = blocks.0.as_chunks::<16>();
        let mut read = Vec::with_capacity(blocks.len());
        read.extend(blocks.iter().filter_map(|entry| block(Bytes(entry), None)));
        components.push(TriageComponent { name, blocks: read });
        if components.len() > MAX_COMPONENTS {
            return None;
        }
        rest = rest.from(name_at.checked_add(name_len.into())?);
    }
    (!components.is_empty()).then_some(components)
}

const HEADER_LEN: u64 = 0x18;
const COMPONENT_HEADER_LEN: u64 = 0x14;

/// Reads a list with content, of at most `left` blocks, whose first byte is at `offset` of the file: u32 length of the
/// header, u16 1, u16 number of components, twice u32 length of the whole; of each component u32 length of its header,
/// u32 number of blocks, u64 length of what follows the header, u32 length of its name, the name; then the blocks,
/// each with its content behind it. `None` where the parts do not add up.
pub(crate) fn list_with_content(blob: &[u8], offset: u64, left: &mut usize) -> Option<Vec<TriageComponent>> {
    let whole = Bytes(blob);
    whole.u32(0).filter(|&len| u64::from(len) == HEADER_LEN)?;
    whole.u32(8).filter(|&len| u64::from(len) == whole.len())?;
    let count = usize::from(whole.u16(6)?);
    let mut at = HEADER_LEN;
    let mut components = Vec::new();
    for _ in 0..count.min(MAX_COMPONENTS) {
        let header = whole.from(at);
        let (header_len, blocks, body_len) = (u64::from(header.u32(0)?), header.u32(4)?, header.u64(8)?);
        let name_len = u64::from(header.u32(0x10)?);
        if header_len != COMPONENT_HEADER_LEN.checked_add(name_len)? {
            return None;
        }
        let name = name(header.get(COMPONENT_HEADER_LEN, name_len)?)?;
        let begin = at.checked_add(header_len)?;
        *left = left.checked_sub(usize::try_from(blocks).ok()?)?;
        let body = Bytes(whole.get(begin, body_len)?);
        let blocks = blocks_with_content(body, blocks, offset.checked_add(begin)?)?;
        components.push(TriageComponent { name, blocks });
        at = begin.checked_add(body_len)?;
    }
    (at == whole.len() && !components.is_empty()).then_some(components)
}

fn blocks_with_content(body: Bytes<'_>, count: u32, offset: u64) -> Option<Vec<TriageBlock>> {
    body.get(0, BLOCK_LEN.checked_mul(count.into())?)?;
    let mut blocks = Vec::with_capacity(usize::try_from(count).ok()?);
    let mut at = 0_u64;
    for _ in 0..count {
        let content = at.checked_add(BLOCK_LEN)?;
        let block = block(body.from(at), Some(offset.checked_add(content)?))?;
        blocks.push(block);
        at = content.checked_add(block.len.into())?;
    }
    (at == body.len()).then_some(blocks)
}

fn block(entry: Bytes<'_>, offset: Option<u64>) -> Option<TriageBlock> {
    Some(TriageBlock { va: entry.u64(0)?, len: entry.u32(8)?, offset })
}

fn name(bytes: &[u8]) -> Option<String> {
    let name = text::narrow(Bytes(bytes).clip(0, MAX_NAME)?)?;
    name.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ').then_some(name)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn entry(va: u64, len: u32) -> Vec<u8> {
        [&va.to_le_bytes()[..], &len.to_le_bytes(), &[0; 4]].concat()
    }

    fn component(blocks: &[(u64, u32)], name: &[u8]) -> Vec<u8> {
        let numbers = [blocks.len(), name.len()].map(|number| u32::try_from(number).unwrap().to_le_bytes());
        let blocks: Vec<u8> = blocks.iter().flat_map(|&(va, len)| entry(va, len)).collect();
        [&numbers.concat()[..], &blocks, name].concat()
    }

    #[test]
    fn components_follow_one_another() {
        let blob = [component(&[(0xFFFF_8000_0000_1000, 16)], b"IoTriageDumpData\0"), component(&[], b"b\0")]
            .concat();
        let found = list(&blob, &mut 100).unwrap();
        let block = TriageBlock { va: 0xFFFF_8000_0000_1000, len: 16, offset: None };
        assert_eq!(found[0], TriageComponent { name: "IoTriageDumpData".to_owned(), blocks: vec![block] });
        assert_eq!((found[1].name.as_str(), found[1].blocks.len()), ("b", 0));
        assert_eq!(list(&blob[..blob.len() - 1], &mut 100), None, "cut");
        assert_eq!(list(&component(&[], b"\x01\0"), &mut 100), None, "no name");
        assert_eq!(list(&[], &mut 100), None);
    }

    fn with_content(blocks: &[(u64, u32)], name: &[u8]) -> Vec<u8> {
        let body: Vec<u8> = blocks
            .iter()
            .flat_map(|&(va, len)| [entry(va, len), vec![0xAB; usize::try_from(len).unwrap()]].concat())
            .collect();
        let number = |number: usize| u32::try_from(number).unwrap();
        let header =
            [number(0x14 + name.len()), number(blocks.len()), number(body.len()), 0, number(name.len())];
        let header: Vec<u8> = header.into_iter().flat_map(u32::to_le_bytes).collect();
        [&header[..], name, &body].concat()
    }

    fn whole(components: &[Vec<u8>]) -> Vec<u8> {
        let components_len = components.iter().map(Vec::len).sum::<usize>();
        let len = u32::try_from(0x18 + components_len).unwrap();
        let mut whole = 0x18_u32.to_le_bytes().to_vec();
        whole.extend([1, u16::try_from(components.len()).unwrap()].into_iter().flat_map(u16::to_le_bytes));
        whole.extend([len, len, 0, 0].into_iter().flat_map(u32::to_le_bytes));
        whole.extend(components.concat());
        whole
    }

    #[test]
    fn content_lies_behind_each_block() {
        let blob = whole(&[
            with_content(&[(0x1000, 3), (0x2000, 5)], b"IoTriageDumpData\0\0\0\0"),
            with_content(&[(0x3000, 1)], b"M\0\0\0"),
        ]);
        let found = list_with_content(&blob, 0x100, &mut 100).unwrap();
        let blocks: Vec<_> = found.iter().flat_map(|component| &component.blocks).copied().collect();
        let first = 0x100 + 0x18 + 0x14 + 20 + 16;
        let expected = [
            TriageBlock { va: 0x1000, len: 3, offset: Some(first) },
            TriageBlock { va: 0x2000, len: 5, offset: Some(first + 3 + 16) },
            TriageBlock { va: 0x3000, len: 1, offset: Some(first + 3 + 16 + 5 + 0x14 + 4 + 16) },
        ];
        assert_eq!(blocks, expected);
        for block in blocks {
            let at = usize::try_from(block.offset.unwrap() - 0x100).unwrap();
            assert!(blob[at..at + usize::try_from(block.len).unwrap()].iter().all(|&byte| byte == 0xAB));
        }
    }

    #[test]
    fn parts_must_add_up() {
        let blob = whole(&[with_content(&[(0x1000, 3)], b"Io\0\0")]);
        assert!(list_with_content(&blob, 0, &mut 100).is_some());
        assert_eq!(list_with_content(&blob[..blob.len() - 1], 0, &mut 100), None, "cut");
        let mut more = blob.clone();
        more[6] = 2;
        assert_eq!(list_with_content(&more, 0, &mut 100), None, "fewer components than it says");
        let mut longer = blob;
        longer[0x18 + 0x14 + 4 + 8] = 2;
        assert_eq!(list_with_content(&longer, 0, &mut 100), None, "a block of another length");
    }
}
