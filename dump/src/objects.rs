//! Kernel objects that addresses in a dump lead to: driver and device objects, I/O requests, strings, error records.
//! Owns their layouts (those the driver kit publishes, or that every published kernel since Windows 7 shares) and the
//! rule that an object is believed only where its type says it is one. Every chain has an end: so many steps, so many
//! characters.

mod device;
mod irp;
mod irp_names;
mod location;
mod power;
mod text;
mod view;
mod whea;

#[cfg(test)]
mod tests;

pub use device::{DeviceObject, DriverObject};
pub use irp::{Irp, IrpLocation, PowerState};
pub use location::Location;
pub use power::{PendingDevice, PendingIrp, PnpTriage, PowerTriage};
pub use whea::{MachineCheck, WheaRecord, WheaSection, WheaSeverity};

pub(crate) use power::{pnp_triage, power_triage};
pub(crate) use text::{characters, plain_text, unicode_string};
pub(crate) use view::View;
