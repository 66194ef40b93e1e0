//! The secondary data behind the dump proper: a run of blobs, each under a GUID, appended by drivers and the kernel.

use super::image::{Image, utf16_z};
use super::noise::noise;
use super::{SmallDump, SynthMachine, SynthProcessor, SynthWriter, smbios};

/// GUIDs as their 16 bytes lie in the file.
const WDF_LOG: [u8; 16] = guid(0x54c8_4888, 0x01d1, 0x4c1e, 0xbed6_282c_9824_1303);
const DISPLAY: [u8; 16] = guid(0x270a_33fd, 0x3da6, 0x460d, 0xba89_3c1b_ae21_e39b);
const STORAGE: [u8; 16] = guid(0xda82_441d, 0x7142, 0x4bc1, 0xb844_0807_c5a4_b67f);
const WDF_CLIENTS: [u8; 16] = guid(0xf87e_4a4c, 0xc5a1, 0x4d2f, 0xbff0_d5de_63a5_e4c3);
const SMBIOS: [u8; 16] = guid(0xbc5c_008f, 0x1e3a, 0x44d7, 0x988d_86f6_884c_6758);
const PROCESSOR: [u8; 16] = guid(0x6c7a_c389, 0x4313, 0x47dc, 0x9f34_a880_0a0f_b56c);
const CPUID: [u8; 16] = guid(0xd03d_c06f, 0xd88e, 0x44c5, 0xba2a_fae0_3517_2d19);
const ACPI: [u8; 16] = guid(0xe83b_40d2, 0xb0a0, 0x4842, 0xabea_71c9_e346_3dd1);
const TRACE: [u8; 16] = guid(0x2b88_b710, 0x1c93, 0x4f7c, 0xb06c_655e_cc50_decc);

/// What a kernel-written file still holds behind the last blob.
const KERNEL_TAIL: usize = 0xe00;

const REG_SZ: u32 = 1;
const REG_DWORD: u32 = 4;

pub(super) fn append(dump: &SmallDump, image: &mut Image) {
    let kernel = dump.drivers.first().map_or(0, |driver| driver.base);
    let build = match dump.machine() {
        // Windows 7 writes the address of NtBuildNumber where later ones write its value
        SynthMachine::X86 if dump.build < 9200 => kernel.wrapping_add(0x4_abe4) as u32,
        _ => 0xf000_0000 | dump.build,
    };
    append_head(image, build);
    append_blob(dump.writer, image, WDF_LOG, &noise(dump.seed ^ 0x11, 0x1000));
    append_blob(dump.writer, image, DISPLAY, &noise(dump.seed ^ 0x12, 0xfa8));
    append_blob(dump.writer, image, STORAGE, &noise(dump.seed ^ 0x13, 0xfdc));
    append_blob(dump.writer, image, WDF_CLIENTS, &noise(dump.seed ^ 0x14, 0x541));
    if let Some(smbios) = &dump.smbios {
        append_blob(dump.writer, image, SMBIOS, &smbios::blob(smbios));
    }
    if let Some(processor) = &dump.processor {
        append_blob(dump.writer, image, PROCESSOR, &processor_values(processor));
    }
    for (guid, data) in &dump.details.blobs {
        append_blob(dump.writer, image, *guid, data);
    }
    append_blob(dump.writer, image, CPUID, &noise(dump.seed ^ 0x15, 0x550));
    append_blob(dump.writer, image, ACPI, &[]);
    append_blob(dump.writer, image, TRACE, &noise(dump.seed ^ 0x16, dump.filler));
    if dump.writer == SynthWriter::Kernel {
        image.append_zeros(KERNEL_TAIL);
    }
}

/// The head of the secondary data.
pub(super) fn append_head(image: &mut Image, build: u32) {
    image.append(b"DumpBlob");
    image.append(&0x10_u32.to_le_bytes());
    image.append(&build.to_le_bytes());
}

/// The debugger engine pads every blob to 8 bytes and says so; the kernel does not pad.
pub(super) fn append_blob(writer: SynthWriter, image: &mut Image, guid: [u8; 16], data: &[u8]) {
    let padding = match writer {
        SynthWriter::Kernel => 0,
        SynthWriter::DebugEngine => data.len().next_multiple_of(8) - data.len(),
    };
    image.append(&0x20_u32.to_le_bytes());
    image.append(&guid);
    image.append(&(data.len() as u32).to_le_bytes());
    image.append(&0_u32.to_le_bytes());
    image.append(&(padding as u32).to_le_bytes());
    image.append(data);
    image.append_zeros(padding);
}

/// The parts of `aaaaaaaa-bbbb-cccc-dddd-dddddddddddd` in file order: the first three little-endian.
const fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let (a, b, c, d) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes(), d.to_be_bytes());
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

/// The values of the processor's registry key.
fn processor_values(processor: &SynthProcessor) -> Vec<u8> {
    let mut blob = Image::with_capacity(512);
    let text = |value: &str| utf16_z(value);
    append_value(&mut blob, "~MHz", REG_DWORD, &processor.mhz.to_le_bytes());
    append_value(&mut blob, "Identifier", REG_SZ, &text(&processor.identifier));
    append_value(&mut blob, "ProcessorNameString", REG_SZ, &text(&processor.name));
    append_value(&mut blob, "Update Status", REG_DWORD, &2_u32.to_le_bytes());
    append_value(&mut blob, "VendorIdentifier", REG_SZ, &text(&processor.vendor));
    blob.into_bytes()
}

fn append_value(blob: &mut Image, name: &str, kind: u32, data: &[u8]) {
    let name = utf16_z(name);
    blob.append(&(name.len() as u32).to_le_bytes());
    blob.append(&name);
    blob.append(&kind.to_le_bytes());
    blob.append(&(data.len() as u32).to_le_bytes());
    blob.append(data);
}
