//! What the objects and names that parameters lead to say of drivers. Follows no pointer itself: that is `dump`'s.

use dump::{Parameter, Resolved};

use super::context::numbered;
use super::found::Led;
use super::images::ImageMap;

/// Every parameter that is an object with a driver behind it.
pub(super) fn led(parameters: &[Parameter], map: &ImageMap) -> Vec<Led> {
    numbered(parameters)
        .filter_map(|(number, parameter)| {
            let resolved = parameter.resolved.as_ref()?;
            let by = match resolved {
                Resolved::Irp(_) => blame::Led::Irp,
                Resolved::Device(_) => blame::Led::Device,
                Resolved::Driver(_) => blame::Led::Driver,
                _ => return None,
            };
            Some(Led { parameter: number, by, site: map.site(resolved.image()?.address)? })
        })
        .collect()
}

/// A name of a driver: text that could be one, without its folder.
fn plausible(name: &str) -> Option<String> {
    let base = name.rsplit(['\\', '/']).next().unwrap_or(name);
    let fits = base.len() >= 2 && base.len() <= 64;
    (fits && base.chars().all(|c| c.is_ascii_graphic() || c == ' ')).then(|| base.to_owned())
}

/// A driver that a parameter spells out, with the parameter's number.
pub(super) fn named(parameters: &[Parameter]) -> Option<(u8, String)> {
    numbered(parameters).find_map(|(number, parameter)| match &parameter.resolved {
        Some(Resolved::DriverName(name)) => Some((number, plausible(name)?)),
        _ => None,
    })
}
