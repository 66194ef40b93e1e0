//! The processor that brought the machine down, from the raw copy of its `KPRCB`. Where the fields are, the kernel's
//! debugger data say. Owns the checks of what is found there; never uses a table of builds.

use serde::{Deserialize, Serialize};

use crate::bytes::{Bytes, Width};
use crate::debugger_data::DebuggerData;
use crate::header::{Header, Machine};
use crate::structure::Structure;

/// `KPRCB.VendorString`: 12 characters of `CPUID` leaf 0, and a NUL.
const VENDOR_LEN: u64 = 12;
/// No processor is faster.
const MAX_MHZ: u32 = 20_000;
/// `CR0`: protected mode with paging, without which no Windows runs.
const PAGING: u64 = 0x8000_0001;
/// Place of `Cr8` among the special registers of x64, in words.
const CR8: u64 = 20;

/// What a processor was at. Each fact is `None` where it is missing or makes no sense.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prcb {
    /// Number of the processor, from 0.
    pub number: Option<u32>,
    /// Address of the `ETHREAD` that runs.
    pub current_thread: Option<u64>,
    /// Address of the `ETHREAD` that was chosen to run next.
    pub next_thread: Option<u64>,
    /// Address of the `ETHREAD` that runs when no other does.
    pub idle_thread: Option<u64>,
    /// Frequency.
    pub mhz: Option<u32>,
    /// `GenuineIntel`, `AuthenticAMD`. x86 and x64 only.
    pub vendor: Option<String>,
    /// x86 and x64 only.
    pub model: Option<CpuModel>,
    /// x86 and x64 only.
    pub special_registers: Option<SpecialRegisters>,
    /// Address of the `CONTEXT` that this processor saved when it was stopped.
    pub context: Option<u64>,
    /// Whether it ran a deferred procedure call.
    pub dpc_active: Option<bool>,
    /// Highest address of the stack that deferred procedure calls run on.
    pub dpc_stack: Option<u64>,
    /// Highest address of the stack that interrupts run on.
    pub isr_stack: Option<u64>,
}

/// What the `CPUID` instruction says of an x86 or x64 processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuModel {
    /// Family, the extended one added.
    pub family: u8,
    /// Model, the extended one above it.
    pub model: u8,
    /// Stepping.
    pub stepping: u8,
}

/// Control and debug registers of an x86 or x64 processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialRegisters {
    /// Modes.
    pub cr0: u64,
    /// Address of the last page fault.
    pub cr2: u64,
    /// Page table in use.
    pub cr3: u64,
    /// Extensions in use.
    pub cr4: u64,
    /// Addresses of the breakpoints that the processor watches.
    pub debug_addresses: [u64; 4],
    /// Which of them was hit.
    pub dr6: u64,
    /// Which of them are on.
    pub dr7: u64,
    /// Level below which interrupts wait, the IRQL. x64 only.
    pub cr8: Option<u64>,
}

impl Prcb {
    /// Whether the processor had nothing to do.
    pub fn is_idle(&self) -> bool {
        self.current_thread.is_some() && self.current_thread == self.idle_thread
    }
}

/// Reads a `KPRCB`. `None` where nothing in it makes sense.
pub(crate) fn read(bytes: Bytes<'_>, header: &Header, debugger_data: &DebuggerData) -> Option<Prcb> {
    let prcb = Structure::new(bytes, header);
    let at = &debugger_data.offsets;
    let intel = matches!(header.machine, Machine::X64 | Machine::X86);
    let of_intel = |offset: Option<u64>| offset.filter(|_| intel);
    // `CurrentThread`, `NextThread`, `IdleThread`: on all machines, in every Windows. 7 tells of the first only
    let behind_current =
        |words: u64| at.prcb_current_thread?.checked_add(words.checked_mul(prcb.word_len())?);
    let number = at.prcb_number.and_then(|offset| bytes.u32(offset));
    let found = Prcb {
        number: number.filter(|&number| number < header.processors),
        current_thread: prcb.kernel_pointer(at.prcb_current_thread),
        next_thread: prcb.kernel_pointer(behind_current(1)),
        idle_thread: prcb.kernel_pointer(at.prcb_idle_thread.or(behind_current(2))),
        mhz: at.prcb_mhz.and_then(|offset| bytes.u32(offset)).filter(|mhz| (1..MAX_MHZ).contains(mhz)),
        vendor: of_intel(at.prcb_vendor_string).and_then(|offset| vendor(bytes, offset)),
        model: of_intel(at.prcb_cpu_type).and_then(|offset| model(bytes, offset)),
        special_registers: of_intel(at.prcb_proc_state_special_reg)
            .and_then(|offset| special_registers(prcb, offset)),
        context: prcb.kernel_pointer(at.prcb_context),
        dpc_active: at.prcb_dpc_routine.and_then(|offset| flag(bytes.u8(offset)?)),
        dpc_stack: prcb.kernel_pointer(at.prcb_dpc_stack),
        isr_stack: prcb.kernel_pointer(at.prcb_isr_stack),
    };
    let told = found.number.is_some() || found.current_thread.is_some() || found.mhz.is_some();
    told.then_some(found)
}

fn flag(byte: u8) -> Option<bool> {
    match byte {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn vendor(prcb: Bytes<'_>, offset: u64) -> Option<String> {
    let text = prcb.get(offset, VENDOR_LEN)?;
    let text = text.split(|&byte| byte == 0).next().filter(|text| !text.is_empty())?;
    let printable = text.iter().all(|byte| matches!(byte, 0x20..=0x7E));
    printable.then(|| String::from_utf8_lossy(text).trim().to_owned()).filter(|text| !text.is_empty())
}

/// `CpuType` (family), `CpuID` (whether the processor has the instruction), stepping, model: a byte each.
fn model(prcb: Bytes<'_>, offset: u64) -> Option<CpuModel> {
    let [family, has_cpuid, stepping, model] = *prcb.get(offset, 4)?.first_chunk::<4>()?;
    (family != 0 && has_cpuid == 1 && stepping <= 15).then_some(CpuModel { family, model, stepping })
}

/// `KSPECIAL_REGISTERS`. Believed where it says that memory is paged.
fn special_registers(prcb: Structure<'_>, offset: u64) -> Option<SpecialRegisters> {
    let register = |index: u64| prcb.word(offset.checked_add(index.checked_mul(prcb.word_len())?)?);
    Some(SpecialRegisters {
        cr0: register(0).filter(|cr0| cr0 & PAGING == PAGING)?,
        cr2: register(1)?,
        cr3: register(2).filter(|&cr3| cr3 != 0)?,
        cr4: register(3)?,
        debug_addresses: [register(4)?, register(5)?, register(6)?, register(7)?],
        dr6: register(8)?,
        dr7: register(9)?,
        cr8: register(CR8).filter(|&level| prcb.width == Width::W64 && level <= 15),
    })
}

#[cfg(test)]
mod tests;
