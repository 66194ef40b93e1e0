//! The frame below a frame, by what compilers left behind: `.pdata` and `UNWIND_INFO` on x64, `.pdata` and `.xdata` on
//! ARM64, frame data on x86, STACK CFI in `.sym` files. Pure; reads registers and memory through [`FrameWalker`].
//!
//! Never panics, whatever image, registers and memory hold; one frame takes bounded time: chains end after 32 links,
//! codes with their table. Never believes that a frame made progress: whoever walks a stack must bound it.
//!
//! What a walker is told, on x64 and ARM64, and only when the whole frame was understood:
//! - the stack pointer by `set_cfa`, the program counter by `set_ra`. A program counter of 0 is the end of the stack:
//!   Windows lets its first frames return there. That is an answer, so nobody scans for more;
//! - each register that functions must preserve, set or cleared. The walker of `minidump-unwind` forwards by itself only
//!   those of another calling convention, which lacks `rsi` and `rdi`;
//! - of the others those that were found on the stack, as below a trap frame. The rest is left alone.
#![cfg_attr(
    not(test),
    deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)
)]

mod arm64;
mod x64;

use breakpad_symbols::{FrameWalker, SimpleModule};

use crate::image::{Image, Machine};
use crate::module::{Module, Names};

/// How a frame came to the one that was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// By a call: its program counter is a return address.
    Called,
    /// By a trap or an interrupt: its program counter is the very instruction that was interrupted, and its stack may be
    /// another one.
    Trapped,
}

/// See [`Module::walk_frame`].
pub(crate) fn walk_frame(module: &Module, base: u64, walker: &mut dyn FrameWalker) -> Option<Caller> {
    let by_image = module.image.as_deref().and_then(|image| by_image(image, base, walker));
    by_image.or_else(|| match &module.names {
        Some(Names::Sym(sym)) => {
            let module = SimpleModule { base_address: Some(base), ..SimpleModule::default() };
            sym.walk_frame(&module, walker).map(|()| Caller::Called)
        }
        Some(Names::Pdb(pdb)) => pdb.walk_frame(base, walker).map(|()| Caller::Called),
        None => None,
    })
}

fn by_image(image: &Image, base: u64, walker: &mut dyn FrameWalker) -> Option<Caller> {
    let rva = u32::try_from(walker.get_instruction().checked_sub(base)?).ok()?;
    match image.machine() {
        Machine::X64 => x64::walk_frame(image, rva, walker),
        Machine::Arm64 => arm64::walk_frame(image, rva, walker),
        Machine::X86 | Machine::Unknown(_) => None,
    }
}

/// The last entry of an exception table that begins at or before an offset. Entries begin with where their function
/// does, and are sorted by it.
fn last_entry<const N: usize>(table: &[u8], rva: u32) -> Option<&[u8; N]> {
    let (entries, _) = table.as_chunks::<N>();
    let begins_before = |entry: &[u8; N]| {
        entry.first_chunk().is_some_and(|begin: &[u8; 4]| u32::from_le_bytes(*begin) <= rva)
    };
    entries.get(entries.partition_point(begins_before).checked_sub(1)?)
}

/// Whether an instruction without an entry in the table is in a function that needs none: one that calls nothing and
/// leaves the stack alone. A frame that did call something cannot be one, and a table that a dump holds in part may lack
/// the entry.
fn is_leaf(image: &Image, rva: u32, walker: &dyn FrameWalker) -> bool {
    !walker.has_grand_callee() && image.is_code(rva) && image.has_whole_exception_table()
}

#[cfg(test)]
mod tests;
