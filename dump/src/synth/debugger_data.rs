//! `KDDEBUGGER_DATA64`: where the kernel's variables are, how large its structures are and where their fields lie.

use super::image::Image;
use super::state::Scene;
use super::{SynthMachine, SynthWriter};

/// Fields that Windows 7 leaves zero.
const ZERO_IN_7: [usize; 16] = [
    0x28, 0x40, 0xa8, 0xb0, 0xc8, 0xd0, 0x108, 0x118, 0x120, 0x178, 0x210, 0x278, 0x280, 0x288, 0x290, 0x318,
];
/// Fields that later kernels leave zero too: the debugger asks for symbols instead.
const ZERO_SINCE_8: [usize; 28] = [
    0xb8, 0xd8, 0xe0, 0xe8, 0xf0, 0xf8, 0x100, 0x110, 0x128, 0x130, 0x148, 0x150, 0x158, 0x160, 0x168, 0x180,
    0x188, 0x190, 0x198, 0x1a0, 0x1a8, 0x1b0, 0x200, 0x250, 0x258, 0x260, 0x320, 0x328,
];
/// And those that went with the pools of Windows 10 1903: filled in 17763, zero in 19041.
const ZERO_SINCE_1903: [usize; 3] = [0x68, 0x70, 0x1c0];

/// Offsets of the fields that a large dump's memory has values for.
pub(super) mod field {
    pub(in super::super) const PS_ACTIVE_PROCESS_HEAD: usize = 0x50;
    pub(in super::super) const KI_BUGCHECK_DATA: usize = 0x88;
    pub(in super::super) const NT_BUILD_LAB: usize = 0x208;
    pub(in super::super) const KI_PROCESSOR_BLOCK: usize = 0x218;
    pub(in super::super) const MM_UNLOADED_DRIVERS: usize = 0x220;
    pub(in super::super) const MM_LAST_UNLOADED_DRIVER: usize = 0x228;
}

impl Scene<'_> {
    /// The kernel's base, or zero where there are no drivers.
    pub(super) fn kernel_base(&self) -> u64 {
        self.kernel.map_or(0, |kernel| kernel.base)
    }

    /// Address of the variable that the field at `offset` points to: all lie in one part of the kernel's data.
    pub(super) fn variable(&self, offset: usize) -> u64 {
        let data = self.kernel.map_or(0, |kernel| (u64::from(kernel.size) * 3 / 4) & !0xfff);
        // each has 0x40 bytes to itself, the array of all processors as much as it needs
        let place = if offset == field::KI_PROCESSOR_BLOCK { 0x4000 } else { 8 * offset as u64 };
        self.kernel_base() + data + place
    }

    /// The whole block.
    pub(super) fn debugger_data(&self) -> Vec<u8> {
        let len = self.build.debugger_data;
        let mut area = Image::zeros(len);
        let is_64_bit = self.machine.is_64_bit();
        for at in (0x18..len.min(0x340)).step_by(8) {
            let is_zero = ZERO_IN_7.contains(&at)
                || self.build.number >= 9200 && ZERO_SINCE_8.contains(&at)
                || self.build.number >= 18362 && ZERO_SINCE_1903.contains(&at);
            if !is_zero {
                area.u64(at, self.widened(at, self.variable(at)));
            }
        }
        let head = self.variable(0);
        if is_64_bit {
            area.u64(0x00, head);
            area.u64(0x08, head);
        } else {
            // a list of 32-bit kernels links through a LIST_ENTRY32 in the place of a LIST_ENTRY64
            area.u32(0x00, head as u32);
            area.u32(0x04, head as u32);
        }
        area.put(0x10, b"KDBG");
        area.u32(0x14, len as u32);
        area.u64(0x18, self.widened(0x18, self.kernel_base()));
        area.u64(0x20, self.widened(0x20, self.kernel_base() + 0x3f_4e40));
        area.u64(0x48, self.widened(0x48, self.ps_loaded_module_list));
        area.u64(0x138, 0x1000);
        self.put_callback_frame(&mut area);
        self.put_offsets(&mut area);
        self.put_segments(&mut area);
        self.put_later_offsets(&mut area);
        area.into_bytes()
    }

    /// An x86 address in a field of 64 bits. Windows 7 extends all but one by zeros, that of `KeLoaderBlock` by its
    /// sign, and readers have met both; here later builds are all of the other kind.
    fn widened(&self, field: usize, address: u64) -> u64 {
        let is_extended_by_sign = field == 0x2d8 || self.build.number >= 9200;
        match self.machine {
            SynthMachine::X86 if is_extended_by_sign => address as u32 as i32 as u64,
            _ => address,
        }
    }

    /// `ThCallbackStack`, `NextCallback`, `FramePointer`, and a bit for physical addresses beyond 4 GB; from 22621 on
    /// also how many levels page tables have.
    fn put_callback_frame(&self, area: &mut Image) {
        let four_levels = if self.build.debugger_data >= 0x3a0 { 0x10 } else { 0 };
        let values =
            if self.machine == SynthMachine::X86 { [0x130, 8, 0x18, 1] } else { [0, 0, 0, 1 | four_levels] };
        for (place, value) in values.into_iter().enumerate() {
            area.u16(0x30 + 2 * place, value);
        }
    }

    fn put_offsets(&self, area: &mut Image) {
        let (prcb, process, thread) = (&self.build.prcb, &self.build.process, &self.build.thread);
        let values = [
            thread.next_processor,
            thread.teb,
            thread.kernel_stack,
            thread.initial_stack,
            thread.apc_process,
            thread.state,
            0,
            0,
            process.size,
            process.peb,
            process.parent,
            process.directory_table_base,
            prcb.size,
            prcb.dpc_routine_active,
            prcb.current_thread,
            prcb.mhz,
            prcb.cpu_type,
            prcb.vendor,
            prcb.state_context,
            prcb.number,
            thread.size,
            0,
            0,
            0,
        ];
        for (place, value) in values.into_iter().enumerate() {
            area.u16(0x298 + 2 * place, value as u16);
        }
    }

    /// Offsets in the KPCR, and the selectors. The kernel gives them as the GDT's offsets, the debugger engine, which
    /// writes the block anew, with the privilege of user code.
    fn put_segments(&self, area: &mut Image) {
        let user = if self.writer == SynthWriter::DebugEngine { 3 } else { 0 };
        let special = self.build.prcb.special_registers as u16;
        let size = self.build.pcr_size;
        let values: [u16; 20] = match self.machine {
            SynthMachine::X86 => [
                size, 0x1c, 0x20, 0x120, 0, 0, 0, 0, 0, special, 0x08, 0x10, 0x30, 0x18, 0x20, 0x38, 0x48,
                0x28, 0, 0,
            ],
            SynthMachine::X64 => [
                size,
                0x18,
                0x20,
                0x180,
                0,
                0,
                0,
                0,
                0,
                special,
                0x10,
                0x18,
                0,
                0x30 | user,
                0x28 | user,
                0,
                0,
                0x40,
                0x20 | user,
                0x50 | user,
            ],
            SynthMachine::Arm64 => {
                [size, 0x18, 0x20, 0x980, 0, 0, 0, 0, 0, special, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            }
        };
        for (place, value) in values.into_iter().enumerate() {
            area.u16(0x2e0 + 2 * place, value);
        }
    }

    /// What Windows 7, 8, 8.1 and later added.
    fn put_later_offsets(&self, area: &mut Image) {
        let (prcb, thread) = (&self.build.prcb, &self.build.thread);
        area.u64(0x338, prcb.context as u64);
        let len = self.build.debugger_data;
        if len < 0x360 {
            return;
        }
        for (place, value) in
            [thread.stack_limit, thread.stack_end, 0x208, thread.client_id + 0x38].into_iter().enumerate()
        {
            area.u32(0x340 + 4 * place, value as u32);
        }
        let dpc = prcb.dpc_routine_active;
        for (place, value) in [prcb.idle_thread, dpc + 2, dpc - 0x1a, prcb.context + 0x18, 0x50, 0x2a0, 0x283]
            .into_iter()
            .enumerate()
        {
            area.u16(0x350 + 2 * place, value as u16);
        }
        if len >= 0x368 && self.machine == SynthMachine::X64 {
            area.u64(0x360, 0xffff_8400_0000_0000);
        }
        if len >= 0x3a0 {
            area.u64(0x368, self.variable(0x368));
            for (place, value) in [0x144, 0x2000, 0x1000, 0x778, 0x420, 0x418].into_iter().enumerate() {
                area.u32(0x370 + 4 * place, value);
            }
            area.u64(0x388, self.variable(0x388));
            area.u64(0x398, 0x8768);
        }
    }
}
