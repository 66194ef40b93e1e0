//! The frame below a frame, by what compilers left behind: `.pdata` and `UNWIND_INFO` on x64, `.pdata` and `.xdata` on
//! ARM64, frame data on x86, STACK CFI in `.sym` files. Pure; reads registers and memory through [`FrameWalker`].

use breakpad_symbols::FrameWalker;

use crate::module::Module;

/// See [`Module::walk_frame`].
pub(crate) fn walk_frame(module: &Module, base: u64, walker: &mut dyn FrameWalker) -> Option<()> {
    let _ = (module, base, walker);
    None
}
