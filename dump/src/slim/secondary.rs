//! The secondary data behind a small dump: which pieces keep their content. In 14 real dumps 33 kinds have at most 12 KB,
//! together 20 to 45 KB: firmware, processor, buses, storage, frameworks, what Windows noted of its last boots. Four
//! kinds are the bulk: trace buffers and what display drivers add, 25 KB to 2.5 MB each.

use super::write::Image;
use crate::blobs::{BOOT_STATUS, EntryHeader, PROCESSOR, SMBIOS};
use crate::bytes::Bytes;
use crate::guid::Guid;

/// Bytes kept altogether.
const BUDGET: u64 = 40 << 10;
/// A larger piece is bulk.
const MOST_OF_A_PIECE: usize = 16 << 10;
/// As the reader.
const MOST_PIECES: usize = 4096;

/// Kept before all others: what machine it was, and which boot.
const FIRST: [Guid; 3] = [PROCESSOR, BOOT_STATUS, SMBIOS];

const MARK: &[u8] = b"DumpBlob";
const HEAD_LEN: u64 = 0x10;
const PIECE_HEAD_LEN: u32 = 0x20;
/// The debugger engine begins every piece at a multiple of this.
const ALIGNED: u64 = 8;

struct Piece<'a> {
    guid: Guid,
    /// Where its content begins in the file.
    begin: u64,
    data: &'a [u8],
    /// Bytes of it that lie behind the end of the file.
    missing: u64,
}

/// The secondary data of a dump.
pub(super) struct Secondary<'a> {
    /// What it begins with.
    head: &'a [u8],
    /// Each, and whether it keeps its content.
    pieces: Vec<(Piece<'a>, bool)>,
    /// The beginning of a piece that the end of the file cuts.
    cut: &'a [u8],
}

impl<'a> Secondary<'a> {
    /// Reads the list that begins at `offset`.
    pub(super) fn read(file: Bytes<'a>, offset: u64) -> Self {
        let head = file.clip(offset, HEAD_LEN).unwrap_or_default();
        let first = Bytes(head).u32(8).filter(|_| head.starts_with(MARK));
        let begin = first.map_or(u64::MAX, |first| offset.saturating_add(first.into()));
        let (pieces, end) = pieces(file, begin);
        let kept = kept(&pieces);
        let cut = file.from(end).0;
        let cut = if Bytes(cut).len() < PIECE_HEAD_LEN.into() { cut } else { Default::default() };
        Self { head, pieces: pieces.into_iter().zip(kept).collect(), cut }
    }

    /// Whether a place in the file is in a piece that does not keep its content.
    pub(super) fn drops(&self, offset: u64) -> bool {
        let behind = self.pieces.partition_point(|(piece, _)| piece.begin <= offset);
        let before = behind.checked_sub(1).and_then(|at| self.pieces.get(at));
        before.is_some_and(|(piece, keep)| {
            !keep && offset.checked_sub(piece.begin).is_some_and(|at| at < Bytes(piece.data).len())
        })
    }

    /// Appends what is kept.
    pub(super) fn append(&self, image: &mut Image) {
        if Bytes(self.head).len() < HEAD_LEN || !self.head.starts_with(MARK) {
            // no list: what is there instead stays as a sign of the damage
            image.append(self.head);
            return;
        }
        image.append(MARK);
        image.u32(u32::try_from(HEAD_LEN).unwrap_or(0));
        image.append(self.head.get(12..).unwrap_or_default());
        for (piece, keep) in &self.pieces {
            let data = if *keep { piece.data } else { Default::default() };
            let len = Bytes(data).len();
            let padding = len.next_multiple_of(ALIGNED).saturating_sub(len);
            let padding = if piece.missing == 0 { padding } else { 0 };
            image.u32(PIECE_HEAD_LEN);
            image.append(&piece.guid.0);
            for number in [len.saturating_add(piece.missing), 0, padding] {
                image.u32(u32::try_from(number).unwrap_or(u32::MAX));
            }
            image.append(data);
            image.zeros(padding);
        }
        image.append(self.cut);
    }
}

/// The list, up to where it ends or is cut, and where that is.
fn pieces(file: Bytes<'_>, mut at: u64) -> (Vec<Piece<'_>>, u64) {
    let mut pieces = Vec::new();
    while let Some((piece, behind)) = piece(file, at).filter(|_| pieces.len() < MOST_PIECES) {
        pieces.push(piece);
        at = behind;
    }
    (pieces, at)
}

fn piece(file: Bytes<'_>, at: u64) -> Option<(Piece<'_>, u64)> {
    let EntryHeader { guid, before, size, after } = EntryHeader::read(file.get(at, PIECE_HEAD_LEN.into())?)?;
    let begin = at.checked_add(before)?;
    let data = file.clip(begin, size).unwrap_or_default();
    let missing = size.saturating_sub(Bytes(data).len());
    let behind = begin.checked_add(size)?.checked_add(after)?;
    Some((Piece { guid, begin, data, missing }, behind))
}

/// Which pieces keep their content, while the budget lasts.
fn kept(pieces: &[Piece<'_>]) -> Vec<bool> {
    let mut order: Vec<(usize, &Piece<'_>)> = pieces.iter().enumerate().collect();
    order.sort_by_key(|(_, piece)| (!FIRST.contains(&piece.guid), piece.data.len()));
    let mut kept = vec![false; pieces.len()];
    let mut left = BUDGET;
    for (index, piece) in order {
        let Some(rest) = left.checked_sub(Bytes(piece.data).len()) else { continue };
        if let Some(keep) = kept.get_mut(index).filter(|_| piece.data.len() <= MOST_OF_A_PIECE) {
            *keep = true;
            left = rest;
        }
    }
    kept
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "small numbers")]
mod tests {
    use super::*;

    /// A list whose pieces have a number of bytes each, and as many behind them; without its last bytes.
    fn list(lens: &[u32], without: usize) -> Vec<u8> {
        let mut list = [MARK, &[0x10, 0, 0, 0, 0, 0, 0, 0]].concat();
        for &len in lens {
            list.extend(PIECE_HEAD_LEN.to_le_bytes());
            list.extend([0xAB; 16]);
            list.extend([len, 0, len].into_iter().flat_map(u32::to_le_bytes));
            list.resize(list.len() + 2 * usize::try_from(len).unwrap(), 0xCD);
        }
        list.truncate(list.len() - without);
        list
    }

    /// Against the plain definition, at every place.
    #[test]
    fn a_place_is_dropped_with_its_piece() {
        const BULK: u32 = 0x4001;
        for (lens, without) in [
            (vec![], 0),
            (vec![BULK], 0),
            (vec![0, 3, 0, 0, BULK, 0, 8, BULK, BULK, 0], 0),
            (vec![5, BULK, 0, BULK], 0x6000),
            (vec![0x4000; 5], 0),
        ] {
            let list = list(&lens, without);
            let file = Bytes(&list);
            let secondary = Secondary::read(file, 0);
            assert_eq!(secondary.pieces.len(), lens.len());
            let dropped = secondary.pieces.iter().filter(|(_, keep)| !keep);
            let dropped: Vec<_> =
                dropped.map(|(piece, _)| piece.begin..piece.begin + Bytes(piece.data).len()).collect();
            for offset in 0..file.len() + 0x100 {
                let plain = dropped.iter().any(|range| range.contains(&offset));
                assert_eq!(secondary.drops(offset), plain, "{offset:#x} of {lens:?}");
            }
            assert!(!secondary.drops(u64::MAX));
            assert_eq!(dropped.is_empty(), lens.is_empty());
        }
    }
}
