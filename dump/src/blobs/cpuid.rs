//! What the processor says of itself: CPUID leaves and model-specific registers. Reads the list and the few leaves that
//! every analyst asks for; never the features of a particular model.

use serde::{Deserialize, Serialize};

use crate::bytes::Bytes;
use crate::text;

/// Kind, number, twice four registers.
const RECORD_LEN: usize = 0x28;
const KIND_CPUID: u32 = 0;
const KIND_MSR: u32 = 1;
/// Real dumps have 30 to 53.
const MAX_RECORDS: usize = 1024;

const LEAF_VENDOR: u32 = 0;
const LEAF_FEATURES: u32 = 1;
const LEAF_HYPERVISOR: u32 = 0x4000_0000;
const LEAVES_BRAND: [u32; 3] = [0x8000_0002, 0x8000_0003, 0x8000_0004];
/// ECX of leaf 1; Intel and AMD reserve the bit for hypervisors.
const HYPERVISOR_PRESENT: u32 = 1 << 31;

/// CPUID leaves and model-specific registers of one processor, each read twice.
///
/// On machines where Windows had started its own hypervisor, one reading has the bit that tells of it and the other, named
/// `earlier` here, has not; in some the latter also has an `EFER` without system calls, which no running Windows has. Which
/// processor either is of, is nowhere said; the APIC ids in leaf 1 often differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpuid {
    /// Leaves as they are recorded: leaf 3, which holds a serial number on old processors, is never among them.
    ///
    /// Windows 7 asks for sub-leaf 0, later ones for the sub-leaf of the leaf's own number: what leaves 4, 7, 0xB and
    /// 0xD then say is not what they say of sub-leaf 0.
    pub leaves: Vec<CpuidLeaf>,
    /// Model-specific registers.
    pub model_specific: Vec<ModelSpecificRegister>,
}

/// A CPUID leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuidLeaf {
    /// Its number: `EAX` before.
    pub leaf: u32,
    /// `EAX`, `EBX`, `ECX`, `EDX` after.
    pub registers: [u32; 4],
    /// The same, read earlier.
    pub earlier: [u32; 4],
}

/// A model-specific register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelSpecificRegister {
    /// Its number: `0xC0000080` is `EFER`.
    pub number: u32,
    /// Its value.
    pub value: u64,
    /// The same, read earlier.
    pub earlier: u64,
}

impl Cpuid {
    /// The registers of a leaf.
    pub fn leaf(&self, leaf: u32) -> Option<[u32; 4]> {
        self.leaves.iter().find(|it| it.leaf == leaf).map(|it| it.registers)
    }

    /// `GenuineIntel`
    pub fn vendor(&self) -> Option<String> {
        let [_, ebx, ecx, edx] = self.leaf(LEAF_VENDOR)?;
        letters([ebx, edx, ecx])
    }

    /// `11th Gen Intel(R) Core(TM) i5-11400 @ 2.60GHz`
    pub fn brand(&self) -> Option<String> {
        let leaves = LEAVES_BRAND.map(|leaf| self.leaf(leaf).unwrap_or_default());
        letters(leaves.into_iter().flatten())
    }

    /// Family, model and stepping, as Intel and AMD count them.
    pub fn family_model_stepping(&self) -> Option<(u32, u32, u32)> {
        let [eax, ..] = self.leaf(LEAF_FEATURES)?;
        let field = |shift: u32, mask: u32| eax.checked_shr(shift).unwrap_or(0) & mask;
        let (family, model) = (field(8, 0xF), field(4, 0xF));
        let model = if matches!(family, 6 | 15) { field(16, 0xF) << 4 | model } else { model };
        // at most 0xF + 0xFF
        let family = if family == 15 { family.saturating_add(field(20, 0xFF)) } else { family };
        Some((family, model, field(0, 0xF)))
    }

    /// Whether Windows ran on a hypervisor. That need not be a virtual machine: with virtualization-based security,
    /// Windows runs on its own hypervisor.
    pub fn hypervisor_present(&self) -> Option<bool> {
        let [_, _, ecx, _] = self.leaf(LEAF_FEATURES)?;
        Some(ecx & HYPERVISOR_PRESENT != 0)
    }

    /// `Microsoft Hv`. No dump seen so far records the leaf.
    pub fn hypervisor_vendor(&self) -> Option<String> {
        let [_, ebx, ecx, edx] = self.leaf(LEAF_HYPERVISOR)?;
        letters([ebx, ecx, edx])
    }
}

/// The letters that registers hold.
pub(super) fn letters(registers: impl IntoIterator<Item = u32>) -> Option<String> {
    let bytes: Vec<u8> = registers.into_iter().flat_map(u32::to_le_bytes).collect();
    text::narrow(&bytes)
}

/// Reads the content of the blob. `None` where it is not such a list: leaf 0 comes first and there are only leaves and
/// model-specific registers.
pub(crate) fn read(blob: &[u8]) -> Option<Cpuid> {
    let mut found = Cpuid { leaves: Vec::new(), model_specific: Vec::new() };
    let (records, _rest) = blob.as_chunks::<RECORD_LEN>();
    for record in records.iter().take(MAX_RECORDS) {
        let record = Bytes(record);
        let number = record.u32(4)?;
        let (now, earlier) = (registers(record, 8)?, registers(record, 0x18)?);
        match record.u32(0)? {
            KIND_CPUID => found.leaves.push(CpuidLeaf { leaf: number, registers: now, earlier }),
            KIND_MSR => {
                let (value, earlier) = (record.u64(8)?, record.u64(0x18)?);
                found.model_specific.push(ModelSpecificRegister { number, value, earlier });
            }
            _ => return None,
        }
        if found.leaves.first()?.leaf != LEAF_VENDOR {
            return None;
        }
    }
    (!found.leaves.is_empty()).then_some(found)
}

fn registers(record: Bytes<'_>, at: u64) -> Option<[u32; 4]> {
    let (registers, _) = record.get(at, 0x10)?.as_chunks::<4>();
    Some(registers.first_chunk::<4>()?.map(u32::from_le_bytes))
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "bytes built by hand")]
mod tests {
    use super::*;

    fn record(kind: u32, number: u32, now: [u32; 4], earlier: [u32; 4]) -> Vec<u8> {
        [kind, number].into_iter().chain(now).chain(earlier).flat_map(u32::to_le_bytes).collect()
    }

    const VENDOR: [u32; 4] = [0x16, 0x756e_6547, 0x6c65_746e, 0x4965_6e69];

    #[test]
    fn leaves_and_registers_are_told_apart() {
        let ecx = |bits| [0x000A_0655, 0, bits, 0];
        let blob = [
            record(0, 0, VENDOR, VENDOR),
            record(0, 1, ecx(0xFEDA_F387), ecx(0x7FFA_FBBF)),
            record(1, 0x8B, [0, 0xC8, 0, 0], [0, 0xC8, 0, 0]),
            record(0, 0x8000_0002, [0x6548_6C6C, 0, 0, 0], [0; 4]),
        ]
        .concat();
        let found = read(&blob).unwrap();
        assert_eq!((found.leaves.len(), found.model_specific.len()), (3, 1));
        assert_eq!(found.vendor().as_deref(), Some("GenuineIntel"));
        assert_eq!(found.family_model_stepping(), Some((6, 0xA5, 5)));
        assert_eq!(found.hypervisor_present(), Some(true));
        assert_eq!(found.leaves[1].earlier[2] & HYPERVISOR_PRESENT, 0);
        assert_eq!(found.model_specific[0].value, 0xC8_0000_0000);
        assert_eq!(found.brand().as_deref(), Some("llHe"));
        assert_eq!((found.hypervisor_vendor(), found.leaf(2)), (None, None));
    }

    #[test]
    fn families_beyond_15_are_added() {
        let blob = [record(0, 0, VENDOR, VENDOR), record(0, 1, [0x00A2_0F12, 0, 0, 0], [0; 4])].concat();
        assert_eq!(read(&blob).unwrap().family_model_stepping(), Some((25, 0x21, 2)));
    }

    #[test]
    fn other_content_is_left_alone() {
        assert_eq!(read(&record(0, 1, VENDOR, VENDOR)), None, "leaf 1 first");
        assert_eq!(read(&record(1, 0, VENDOR, VENDOR)), None, "a register first");
        assert_eq!(read(&[record(0, 0, VENDOR, VENDOR), record(2, 0, VENDOR, VENDOR)].concat()), None);
        assert_eq!(read(&record(0, 0, VENDOR, VENDOR)[..39]), None, "cut");
    }
}
