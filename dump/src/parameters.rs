//! The four parameters of the bug check: what each is, and what it leads to in the dump's memory. Owns which role is
//! followed how; never decides which of them tells the culprit.

mod resolved;

pub use resolved::{Access, ProcessObject, Resolved, ThreadObject};

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::bugcheck::{Role, bugcheck};
use crate::bytes::{Bytes, Width};
use crate::kernel_dump::KernelDump;
use crate::objects::{
    self, DeviceObject, DriverObject, Irp, Location, View, WheaRecord, characters, plain_text, unicode_string,
};
use crate::process;
use crate::thread;

/// `DRIVER_PNP_WATCHDOG`: its first parameter is no address of a name but the first characters of one.
const PNP_WATCHDOG: u32 = 0x1D5;

/// More than any `EPROCESS` or `ETHREAD`.
const MOST_OBJECT: usize = 0x2000;

/// A parameter of the bug check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// The number.
    pub value: u64,
    /// What kind of thing it is.
    pub role: Role,
    /// What it means; empty for a bug check that is not in the table.
    pub meaning: Cow<'static, str>,
    /// What it leads to, as far as the dump has that.
    pub resolved: Option<Resolved>,
}

impl KernelDump<'_> {
    /// The four parameters of the bug check, followed to what they mean.
    pub fn parameters(&self) -> [Parameter; 4] {
        let header = self.header();
        let known = bugcheck(header.bugcheck, header.bugcheck_raw);
        let roles = known.map_or([Role::Undocumented; 4], |known| known.roles(&header.parameters));
        let mut indices = 0..4;
        roles.map(|role| {
            let index = indices.next().unwrap_or(0);
            let value = header.parameters.get(index).copied().unwrap_or(0);
            let meaning = known.map_or(Cow::Borrowed(""), |known| known.meaning(index, &header.parameters));
            let resolved = if header.bugcheck == PNP_WATCHDOG && index == 0 {
                name_within(value)
            } else {
                self.resolve(value, role)
            };
            Parameter { value, role, meaning, resolved }
        })
    }

    /// What a value of a role leads to.
    fn resolve(&self, value: u64, role: Role) -> Option<Resolved> {
        if value == 0 && !matches!(role, Role::AccessType | Role::Irql | Role::Ntstatus) {
            return None;
        }
        let found = match role {
            Role::ExcRecord => self
                .exception_at(value)
                .map(|record| Resolved::Exception { at: self.location_at(record.address), record }),
            Role::CtxRecord => self.context_at(value).map(|registers| Resolved::Context {
                at: self.location_at(registers.pc()),
                registers: Box::new(registers),
            }),
            Role::TrapFrame => self.trap_frame_at(value).map(|registers| Resolved::TrapFrame {
                at: self.location_at(registers.pc()),
                registers: Box::new(registers),
            }),
            Role::Irp => Irp::read(self, value).map(Resolved::Irp),
            Role::DeviceObj => DeviceObject::read(self, value).map(Resolved::Device),
            Role::DriverObj => DriverObject::read(self, value).map(Resolved::Driver),
            Role::TriageBlock => self.triage_block(value),
            Role::WheaRecord => WheaRecord::read(self, value).map(Resolved::Whea),
            Role::Process => self.process_object(value).map(Resolved::Process),
            Role::Thread => self.thread_object(value).map(Resolved::Thread),
            Role::DriverNamePtr => plain_text(self, value).map(Resolved::DriverName),
            Role::StringPtr => plain_text(self, value).map(Resolved::Text),
            Role::PoolTag => pool_tag(value).map(Resolved::PoolTag),
            Role::Ntstatus | Role::ExcCode => status(value).map(Resolved::Status),
            Role::AccessType => Access::from_raw(value).map(Resolved::Access),
            Role::Irql => u8::try_from(value).ok().map(Resolved::Irql),
            _ => None,
        };
        found.or_else(|| self.location_at(value).filter(|_| may_be_address(role)).map(Resolved::Location))
    }

    fn triage_block(&self, va: u64) -> Option<Resolved> {
        let power = objects::power_triage(self, va).map(Resolved::PowerTriage);
        power.or_else(|| objects::pnp_triage(self, va).map(Resolved::PnpTriage))
    }

    /// From memory, where the object's header says that it is one; else the copy of the current process, if it is that.
    fn process_object(&self, va: u64) -> Option<ProcessObject> {
        const PROCESS: u8 = 3;
        let read = || {
            let bytes = self.object(va, PROCESS)?;
            process::read(Bytes(&bytes), None, self.header(), self.debugger_data())
        };
        let is_current = || self.thread().and_then(|thread| thread.process) == Some(va);
        let process = read().or_else(|| self.process().filter(|_| is_current()))?;
        Some(ProcessObject { address: va, process })
    }

    fn thread_object(&self, va: u64) -> Option<ThreadObject> {
        const THREAD: u8 = 6;
        let read = || {
            let bytes = self.object(va, THREAD)?;
            thread::read(Bytes(&bytes), self.header(), self.debugger_data())
        };
        let is_current = || self.prcb().and_then(|prcb| prcb.current_thread) == Some(va);
        let thread = read().or_else(|| self.thread().filter(|_| is_current()))?;
        let process = thread.process.and_then(|process| self.process_object(process));
        Some(ThreadObject { address: va, thread, process })
    }

    /// An object whose `DISPATCHER_HEADER` is of a type.
    fn object(&self, va: u64, wanted: u8) -> Option<Cow<'_, [u8]>> {
        let bytes = self.read_run(va, MOST_OBJECT)?;
        (Bytes(&bytes).u8(0)? == wanted).then_some(bytes)
    }

    /// A `UNICODE_STRING` in memory, with its text: at most 256 characters.
    pub fn unicode_string_at(&self, va: u64) -> Option<String> {
        unicode_string(self, va)
    }

    /// Characters in memory up to their terminator, UTF-16 or single bytes: at most 512 bytes.
    pub fn text_at(&self, va: u64) -> Option<String> {
        characters(self, va)
    }

    /// A device object in memory, with the devices attached to it.
    pub fn device_at(&self, va: u64) -> Option<DeviceObject> {
        DeviceObject::read(self, va)
    }

    /// A driver object in memory.
    pub fn driver_object_at(&self, va: u64) -> Option<DriverObject> {
        DriverObject::read(self, va)
    }

    /// An I/O request in memory.
    pub fn irp_at(&self, va: u64) -> Option<Irp> {
        Irp::read(self, va)
    }

    /// The driver that owns an address, or owned it before it was unloaded.
    pub fn location_at(&self, va: u64) -> Option<Location> {
        if let Some((driver, offset)) = self.driver_at(va) {
            return Some(Location::new(va, &driver.name, offset, false));
        }
        let (driver, offset) = self.unloaded_at(va)?;
        Some(Location::new(va, &driver.name, offset, true))
    }
}

impl View for KernelDump<'_> {
    fn width(&self) -> Width {
        self.header().width()
    }

    fn bytes(&self, va: u64, len: usize) -> Option<Cow<'_, [u8]>> {
        self.read(va, len)
    }

    fn run(&self, va: u64, most: usize) -> Option<Cow<'_, [u8]>> {
        self.read_run(va, most)
    }

    fn location(&self, va: u64) -> Option<Location> {
        self.location_at(va)
    }
}

/// Whether a value of a role that led nowhere may still lie in a driver.
fn may_be_address(role: Role) -> bool {
    !matches!(
        role,
        Role::Ntstatus
            | Role::ExcCode
            | Role::AccessType
            | Role::Irql
            | Role::PoolTag
            | Role::HwStatus
            | Role::Pte
            | Role::Pfn
            | Role::Flags
            | Role::Size
            | Role::Count
            | Role::Timeout
    )
}

/// The four characters of a tag; the bit of the last that protects a block is no part of it.
fn pool_tag(value: u64) -> Option<String> {
    let [a, b, c, d, rest @ ..] = value.to_le_bytes();
    let tag = [a, b, c, d & 0x7F];
    let printable = tag.iter().all(|byte| matches!(byte, 0x20..=0x7E));
    (rest == [0; 4] && printable).then(|| tag.map(char::from).iter().collect())
}

/// 64-bit dumps hold codes sign-extended or not.
fn status(value: u64) -> Option<u32> {
    let code = u32::try_from(value & 0xFFFF_FFFF).ok()?;
    matches!(value >> 32, 0 | 0xFFFF_FFFF).then_some(code)
}

/// The characters that a parameter is made of: eight, or four of UTF-16.
fn name_within(value: u64) -> Option<Resolved> {
    let bytes = value.to_le_bytes();
    let wide = bytes.as_chunks::<2>().0.iter().all(|[_, high]| *high == 0);
    let name: String = if wide {
        bytes.iter().step_by(2).take_while(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
    } else {
        bytes.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
    };
    let printable =
        name.len() > 1 && name.chars().all(|character| character.is_ascii_graphic() || character == ' ');
    printable.then_some(Resolved::DriverName(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags() {
        assert_eq!(pool_tag(0x206F_6C46).as_deref(), Some("Flo "));
        assert_eq!(pool_tag(0xE66F_6C46).as_deref(), Some("Flof"), "a protected block's");
        assert_eq!(pool_tag(0x0000_6C46), None);
        assert_eq!(pool_tag(0xFFFF_8001_206F_6C46), None, "an address");
    }

    #[test]
    fn codes() {
        assert_eq!(status(0xFFFF_FFFF_C000_0005), Some(0xC000_0005));
        assert_eq!(status(0xC000_0005), Some(0xC000_0005));
        assert_eq!(status(0xFFFF_8001_C000_0005), None);
    }

    #[test]
    fn names_within_a_parameter() {
        let of = |name: &[u8; 8]| name_within(u64::from_le_bytes(*name));
        assert_eq!(of(b"nvlddmkm"), Some(Resolved::DriverName("nvlddmkm".to_owned())));
        assert_eq!(of(b"disk\0\0\0\0"), Some(Resolved::DriverName("disk".to_owned())));
        assert_eq!(of(b"d\0i\0s\0k\0"), Some(Resolved::DriverName("disk".to_owned())));
        assert_eq!(of(b"\x01\x02\x03\x04\0\0\0\0"), None);
        assert_eq!(of(&[0; 8]), None);
    }
}
