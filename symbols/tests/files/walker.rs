//! A frame to be left: registers and a stack of 32 bits.

use std::collections::BTreeMap;

use bluescope_symbols::FrameWalker;

/// An x86 frame whose stack begins at `esp`.
#[derive(Default)]
pub(crate) struct Walker {
    pub(crate) instruction: u64,
    pub(crate) registers: BTreeMap<&'static str, u64>,
    pub(crate) stack: Vec<u32>,
    pub(crate) caller: BTreeMap<String, u64>,
}

impl FrameWalker for Walker {
    fn get_instruction(&self) -> u64 {
        self.instruction
    }

    fn has_grand_callee(&self) -> bool {
        false
    }

    fn get_grand_callee_parameter_size(&self) -> u32 {
        0
    }

    fn get_register_at_address(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(*self.registers.get("esp")?)?;
        self.stack.get(usize::try_from(offset / 4).ok()?).map(|value| u64::from(*value))
    }

    fn get_callee_register(&self, name: &str) -> Option<u64> {
        self.registers.get(name).copied()
    }

    fn set_caller_register(&mut self, name: &str, value: u64) -> Option<()> {
        self.caller.insert(name.to_owned(), value);
        Some(())
    }

    fn clear_caller_register(&mut self, name: &str) {
        self.caller.remove(name);
    }

    fn set_cfa(&mut self, value: u64) -> Option<()> {
        self.set_caller_register("esp", value)
    }

    fn set_ra(&mut self, value: u64) -> Option<()> {
        self.set_caller_register("eip", value)
    }
}
