//! Heads of the firmware's ACPI tables. Reads the heads; never what follows them: one table holds the key that the
//! machine's Windows was bought with.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::text;

/// The common head of a table; nothing more is kept of tables that are programs.
const HEAD_LEN: u64 = 36;
const PROGRAMS: [&[u8]; 2] = [b"SSDT", b"DSDT"];
/// Least that was seen to be kept of a table: 12 bytes.
const LEAST_KEPT: u64 = 12;
/// Most that is kept of a table was 104 bytes.
const MOST_KEPT: u64 = 1024;
/// Real dumps have 3 to 30.
const MAX_TABLES: usize = 512;

/// The head of an ACPI table, as far as it was kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcpiTable {
    /// `FACP`. Where the firmware has several tables of a name, the first is there several times.
    pub signature: String,
    /// Length of the whole table.
    pub length: u32,
    /// Revision.
    pub revision: u8,
    /// Who made it.
    pub oem_id: Option<String>,
    /// The maker's name of it.
    pub oem_table_id: Option<String>,
    /// The maker's revision.
    pub oem_revision: Option<u32>,
    /// Who made the tool that built it.
    pub creator_id: Option<String>,
    /// Revision of the tool.
    pub creator_revision: Option<u32>,
}

/// Reads the content of the blob: of each table the first bytes, as many as there are but no more than some number, one
/// after another. That number is the same for all tables of a dump and nowhere written: it is the one with which the
/// tables end where the blob ends. Numbers seen: 12, 28, 44, 68, 92, 104.
pub(crate) fn read(blob: &[u8]) -> Option<Vec<AcpiTable>> {
    let blob = Bytes(blob);
    // the smallest first: the blob's own length always seems to fit, as one table
    let mut numbers = (LEAST_KEPT..=MOST_KEPT).filter(|most| most % 4 == 0);
    let most = numbers.find(|&most| ends_with_a_table(blob, most))?;
    let mut rest = blob;
    let mut tables = Vec::new();
    while let Some(len) = kept_of_first(rest, most) {
        tables.push(table(Bytes(rest.get(0, len)?))?);
        rest = rest.from(len);
    }
    Some(tables)
}

fn ends_with_a_table(mut rest: Bytes<'_>, most: u64) -> bool {
    for table in 0..=MAX_TABLES {
        if rest.len() == 0 {
            return table != 0;
        }
        let Some(len) = kept_of_first(rest, most) else { return false };
        rest = rest.from(len);
    }
    false
}

/// How much is kept of the table at the beginning of `rest`, where `most` is kept of any.
fn kept_of_first(rest: Bytes<'_>, most: u64) -> Option<u64> {
    let signature = rest.get(0, 4).filter(|signature| signature.iter().all(is_of_a_signature))?;
    let length = u64::from(rest.u32(4)?);
    let most = if PROGRAMS.contains(&signature) { most.min(HEAD_LEN) } else { most };
    let kept = length.min(most);
    (length >= HEAD_LEN && kept <= rest.len()).then_some(kept)
}

fn is_of_a_signature(byte: &u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b'!' | b'_' | b'$')
}

fn table(kept: Bytes<'_>) -> Option<AcpiTable> {
    let letters = |at, len| kept.get(at, len).and_then(text::narrow);
    Some(AcpiTable {
        signature: letters(0, 4)?,
        length: kept.u32(4)?,
        revision: kept.u8(8)?,
        oem_id: letters(10, 6),
        oem_table_id: letters(16, 8),
        oem_revision: kept.u32(24),
        creator_id: letters(28, 4),
        creator_revision: kept.u32(32),
    })
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn table_of(signature: &[u8; 4], length: u32, kept: usize) -> Vec<u8> {
        let mut table = signature.to_vec();
        table.extend(length.to_le_bytes());
        table.extend(b"\x03\x99MAKER MAKES IT");
        table.extend(7_u32.to_le_bytes());
        table.extend(b"TOOL\x09\0\0\0");
        table.resize(usize::try_from(length).unwrap(), 0xAA);
        table.truncate(kept);
        table
    }

    /// The two sorts, with as much kept as in a real dump each.
    #[test]
    fn what_is_kept_of_each_is_found_out() {
        for most in [12, 28, 44, 68, 92, 104] {
            let of = |signature, length: usize| {
                table_of(signature, u32::try_from(length).unwrap(), length.min(most))
            };
            let program = table_of(b"SSDT", 0x900, most.min(36));
            let blob =
                [of(b"FACP", 276), program.clone(), of(b"MCFG", 60), program, of(b"WSMT", 40)].concat();
            let found = read(&blob).unwrap();
            let signatures: Vec<_> = found.iter().map(|table| (&*table.signature, table.length)).collect();
            assert_eq!(
                signatures,
                [("FACP", 276), ("SSDT", 0x900), ("MCFG", 60), ("SSDT", 0x900), ("WSMT", 40)],
                "{most}"
            );
            assert_eq!(found[0].oem_table_id.as_deref(), (most >= 24).then_some("MAKES IT"), "{most}");
            assert_eq!(found[0].oem_revision, (most >= 28).then_some(7), "{most}");
            assert_eq!(found[0].creator_id.as_deref(), (most >= 36).then_some("TOOL"), "{most}");
        }
    }

    /// Three times 12 bytes are no table of 36 bytes.
    #[test]
    fn many_short_heads_are_more_likely_than_a_long_one() {
        let blob =
            [table_of(b"FACP", 244, 12), table_of(b"APIC", 84, 12), table_of(b"SSDT", 56, 12)].concat();
        assert_eq!(read(&blob).unwrap().len(), 3);
    }

    #[test]
    fn what_does_not_end_where_it_should_is_left_alone() {
        let whole = [table_of(b"FACP", 276, 44), table_of(b"APIC", 300, 44)].concat();
        assert!(read(&whole).is_some());
        assert_eq!(read(&whole[..whole.len() - 1]), None);
        assert_eq!(read(&table_of(b"fACP", 276, 44)), None);
        assert_eq!(read(&table_of(b"FACP", 35, 35)), None);
        assert_eq!(read(&[]), None);
    }
}
