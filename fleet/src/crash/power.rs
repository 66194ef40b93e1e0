//! A power request that somebody holds: device, driver objects, IRP and stack location, as far as a reader must follow
//! them to the holder.

use dump::synth::SynthDriver;

/// The objects, from `pool` on: blocks of memory to put into the dump, and the addresses of device and IRP.
pub(super) struct HeldRequest {
    pub(super) blocks: Vec<(u64, Vec<u8>)>,
    pub(super) device: u64,
    pub(super) irp: u64,
}

impl HeldRequest {
    /// Held by `holder`, for a device that `bus` made.
    pub(super) fn new(pool: u64, bus: Option<&SynthDriver>, holder: Option<&SynthDriver>) -> Self {
        let [pdo, device, bus_object, object, irp, name] =
            [0x0, 0x1000, 0x2000, 0x3000, 0x4000, 0x5000].map(|offset| pool + offset);
        let path = holder.map_or_else(String::new, |driver| {
            format!("\\Driver\\{}", driver.name.split('.').next().unwrap_or_default())
        });
        let units: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let len = units.len() as u64;
        let driver_object = |driver: Option<&SynthDriver>| {
            let (start, size) = driver.map_or((0, 0), |driver| (driver.base, u64::from(driver.size)));
            let text = (0x38, len | len << 16);
            words(0x150, &[(0, 0x0150_0004), (0x18, start), (0x20, size), text, (0x40, name)])
        };
        let location = irp + 0xd0;
        let blocks = vec![
            (pdo, words(0x150, &[(0, 0x0150_0003), (0x08, bus_object), (0x18, device)])),
            (device, words(0x150, &[(0, 0x0150_0003), (0x08, object)])),
            (bus_object, driver_object(bus)),
            (object, driver_object(holder)),
            (irp, words(0x118, &[(0, 0x0118_0006), (0xb8, location), (0xd0, 0x0216), (0xf8, device)])),
            (name, units),
        ];
        Self { blocks, device: pdo, irp }
    }
}

fn words(len: usize, values: &[(usize, u64)]) -> Vec<u8> {
    let mut block = vec![0; len];
    for &(at, value) in values {
        block[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    block
}
