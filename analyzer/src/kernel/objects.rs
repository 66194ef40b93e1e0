//! Kernel objects that parameters point at: IRP to device to driver to image (offsets of x64, seen to hold on every
//! build from 17763 to 26100), and strings that spell a driver's name. Follows at most a handful of pointers.

use dump::KernelDump;

use super::context::parameters;
use super::images::ImageMap;
use crate::facts::{Led, Site};
use crate::tables::Role;

/// IRP: `Tail.Overlay.CurrentStackLocation`.
const IRP_CURRENT_STACK_LOCATION: u64 = 0xB8;
/// `IO_STACK_LOCATION`: `DeviceObject`.
const STACK_LOCATION_DEVICE_OBJECT: u64 = 0x28;
/// `DEVICE_OBJECT`: `DriverObject`.
const DEVICE_DRIVER_OBJECT: u64 = 0x08;
/// `DRIVER_OBJECT`: `DriverStart`.
const DRIVER_START: u64 = 0x18;
/// Longest driver name that is read, in bytes.
const NAME_BYTES: usize = 512;

fn at(dump: &KernelDump<'_>, object: u64, offset: u64) -> Option<u64> {
    dump.read_u64(object.checked_add(offset)?).filter(|&value| value != 0)
}

fn of_driver(dump: &KernelDump<'_>, map: &ImageMap, driver_object: u64) -> Option<Site> {
    map.site(at(dump, driver_object, DRIVER_START)?)
}

fn of_device(dump: &KernelDump<'_>, map: &ImageMap, device: u64) -> Option<Site> {
    of_driver(dump, map, at(dump, device, DEVICE_DRIVER_OBJECT)?)
}

fn of_irp(dump: &KernelDump<'_>, map: &ImageMap, irp: u64) -> Option<Site> {
    let location = at(dump, irp, IRP_CURRENT_STACK_LOCATION)?;
    of_device(dump, map, at(dump, location, STACK_LOCATION_DEVICE_OBJECT)?)
}

/// Every parameter that is an object with a driver behind it.
pub(super) fn led(dump: &KernelDump<'_>, roles: &[Role; 4], map: &ImageMap) -> Vec<Led> {
    if dump.header().bits != 64 {
        return Vec::new();
    }
    parameters(dump, roles)
        .filter(|(_, value, _)| *value != 0)
        .filter_map(|(parameter, value, role)| {
            let (object, site) = match role {
                Role::Irp => ("IRP", of_irp(dump, map, value)?),
                Role::DeviceObj => ("device object", of_device(dump, map, value)?),
                Role::DriverObj => ("driver object", of_driver(dump, map, value)?),
                _ => return None,
            };
            Some(Led { parameter, object, site })
        })
        .collect()
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units.take_while(|&unit| unit != 0)).map(|c| c.unwrap_or('\u{FFFD}')).collect()
}

/// A `UNICODE_STRING` with its text.
fn unicode_string(dump: &KernelDump<'_>, address: u64) -> Option<String> {
    let length = dump.read(address, 2)?;
    let length = usize::from(u16::from_le_bytes([*length.first()?, *length.get(1)?]));
    let buffer = at(dump, address, 8)?;
    (length != 0 && length <= NAME_BYTES).then_some(())?;
    Some(utf16(dump.read(buffer, length)?))
}

/// Text at an address up to its terminator, UTF-16 or ASCII.
fn bare_text(dump: &KernelDump<'_>, address: u64) -> Option<String> {
    let bytes = [NAME_BYTES, 128, 64, 32, 16].into_iter().find_map(|len| dump.read(address, len))?;
    if bytes.get(1) == Some(&0) {
        return Some(utf16(bytes));
    }
    Some(ascii(bytes))
}

fn ascii(bytes: &[u8]) -> String {
    bytes.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
}

/// A name of a driver: text that could be one, without its folder.
fn plausible(name: &str) -> Option<String> {
    let base = name.rsplit(['\\', '/']).next().unwrap_or(name);
    let fits = base.len() >= 2 && base.len() <= 64;
    (fits && base.chars().all(|c| c.is_ascii_graphic() || c == ' ')).then(|| base.to_owned())
}

/// A driver that a parameter spells out, with the parameter's number.
pub(super) fn named(dump: &KernelDump<'_>, roles: &[Role; 4]) -> Option<(u8, String)> {
    if dump.header().bugcheck == 0x1D5 {
        // The first characters of the service's name stand in the parameter itself.
        let [first, ..] = dump.header().parameters;
        return plausible(&ascii(&first.to_le_bytes())).map(|name| (1, name));
    }
    parameters(dump, roles).find_map(|(parameter, value, role)| {
        (role == Role::DriverNamePtr).then_some(())?;
        let name = unicode_string(dump, value).and_then(|name| plausible(&name));
        Some((parameter, name.or_else(|| plausible(&bare_text(dump, value)?))?))
    })
}
