//! Public symbols: the names that linkers see, all that Microsoft leaves in the PDBs of Windows. Owns the look-up by
//! address. The symbols stay in the file; only the list of their places is held.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use super::dbi::Dbi;
use super::msf::Msf;
use super::records::{MAX_NAME, S_PUB32};
use crate::image::Damaged;
use crate::reader::Reader;

/// One read while a stream is searched for public symbols.
const CHUNK: u32 = 1 << 20;

/// Places of sixty million symbols.
const MAX_MAP_BYTES: u32 = 256 << 20;

/// Largest record: its length has 16 bits, and does not count itself.
const MAX_RECORD: u32 = 65_537;

/// A public symbol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Public {
    pub(super) section: u16,
    pub(super) offset: u32,
    pub(super) name: Vec<u8>,
}

/// Places of public symbols in the stream of symbols, by address.
#[derive(Debug)]
pub(super) struct Publics {
    symbols: u16,
    places: Vec<u32>,
}

impl Publics {
    pub(super) fn read(msf: &Msf<'_>, dbi: &Dbi) -> Result<Self, Damaged> {
        let head = msf.read(dbi.publics, 0, 28)?;
        let mut reader = Reader::new(&head);
        let (hash, map) = (reader.u32().unwrap_or(0), reader.u32().unwrap_or(0));
        let map = msf.read(dbi.publics, hash.saturating_add(28), map.min(MAX_MAP_BYTES))?;
        let mut reader = Reader::new(&map);
        let mut places = Vec::with_capacity(map.len().checked_div(4).unwrap_or(0));
        while let Some(place) = reader.u32() {
            places.push(place);
        }
        if places.is_empty() {
            places = search(msf, dbi.symbols)?;
        }
        Ok(Self { symbols: dbi.symbols, places })
    }

    /// The last one at or before an address, in its section; the first one where several share the address.
    pub(super) fn at_or_before(
        &self,
        msf: &Msf<'_>,
        section: u16,
        offset: u32,
    ) -> Result<Option<Public>, Damaged> {
        let wanted = (section, offset);
        let after = self.after(msf, |address| address <= wanted)?;
        let Some(place) = after.checked_sub(1).and_then(|last| self.places.get(last)) else {
            return Ok(None);
        };
        let Some(found) = address(msf, self.symbols, *place)? else { return Ok(None) };
        // Identical functions are folded into one by the linker, and a look-up should say the same name every time.
        let first = self.after(msf, |address| address < found)?;
        let place = self.places.get(first).unwrap_or(place);
        Ok(public(msf, self.symbols, *place)?.filter(|public| public.section == section))
    }

    /// How many come first. Each step reads a dozen bytes of the file.
    fn after(&self, msf: &Msf<'_>, before: impl Fn((u16, u32)) -> bool) -> Result<usize, Damaged> {
        let (mut low, mut high) = (0_usize, self.places.len());
        while low < high {
            let middle = low.midpoint(high);
            let place = self.places.get(middle).copied().unwrap_or(0);
            if address(msf, self.symbols, place)?.is_some_and(&before) {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    pub(super) fn held(&self) -> usize {
        self.places.capacity().saturating_mul(4)
    }
}

/// Section and offset of the symbol at a place.
fn address(msf: &Msf<'_>, symbols: u16, place: u32) -> Result<Option<(u16, u32)>, Damaged> {
    let head = msf.read(symbols, place, 14)?;
    Ok(parse(&head).map(|found| (found.section, found.offset)))
}

fn public(msf: &Msf<'_>, symbols: u16, place: u32) -> Result<Option<Public>, Damaged> {
    Ok(parse(&msf.read(symbols, place, MAX_NAME.saturating_add(14))?))
}

fn parse(record: &[u8]) -> Option<Public> {
    let mut reader = Reader::new(record);
    let len = usize::from(reader.u16()?);
    let body = reader.rest();
    let mut reader = Reader::new(body.get(..len).unwrap_or(body));
    (reader.u16()? == S_PUB32).then_some(())?;
    reader.skip(4)?;
    let offset = reader.u32()?;
    let section = reader.u16()?;
    Some(Public { section, offset, name: reader.name().to_vec() })
}

/// Public symbols of a PDB that has no list of them by address.
fn search(msf: &Msf<'_>, symbols: u16) -> Result<Vec<u32>, Damaged> {
    let mut found = Vec::new();
    let mut place = 0_u32;
    while place < msf.len(symbols) {
        let chunk = msf.read(symbols, place, CHUNK)?;
        let read = search_chunk(&chunk, place, &mut found);
        if read == 0 {
            break;
        }
        place = place.saturating_add(read);
    }
    found.sort_unstable();
    Ok(found.into_iter().map(|(_, place)| place).collect())
}

/// Returns how many bytes of whole records there were.
fn search_chunk(chunk: &[u8], place: u32, found: &mut Vec<((u16, u32), u32)>) -> u32 {
    let mut reader = Reader::new(chunk);
    let mut read = 0_u32;
    while let Some(len) = reader.u16() {
        let Some(record) = reader.take(usize::from(len)) else { break };
        let mut fields = Reader::new(record);
        if fields.u16() == Some(S_PUB32) {
            let address = fields.skip(4).and_then(|()| fields.u32()).zip(fields.u16());
            found.extend(address.map(|(offset, section)| ((section, offset), place.saturating_add(read))));
        }
        read = read.saturating_add(u32::from(len)).saturating_add(2).min(CHUNK.saturating_add(MAX_RECORD));
    }
    read
}
