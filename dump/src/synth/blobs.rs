//! The secondary data behind the dump proper: a run of blobs, each under a GUID, appended by drivers and the kernel.

use super::image::{Image, utf16_z};
use super::noise::noise;
use super::{SmallDump, SynthProcessor, SynthSmbios, SynthWriter};

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
    image.append(b"DumpBlob");
    image.append(&0x10_u32.to_le_bytes());
    image.append(&(0xf000_0000 | dump.build).to_le_bytes());
    append_blob(dump, image, WDF_LOG, &noise(dump.seed ^ 0x11, 0x1000));
    append_blob(dump, image, DISPLAY, &noise(dump.seed ^ 0x12, 0xfa8));
    append_blob(dump, image, STORAGE, &noise(dump.seed ^ 0x13, 0xfdc));
    append_blob(dump, image, WDF_CLIENTS, &noise(dump.seed ^ 0x14, 0x541));
    if let Some(smbios) = &dump.smbios {
        append_blob(dump, image, SMBIOS, &smbios_tables(smbios));
    }
    if let Some(processor) = &dump.processor {
        append_blob(dump, image, PROCESSOR, &processor_values(processor));
    }
    append_blob(dump, image, CPUID, &noise(dump.seed ^ 0x15, 0x550));
    append_blob(dump, image, ACPI, &[]);
    append_blob(dump, image, TRACE, &noise(dump.seed ^ 0x16, dump.filler));
    if dump.writer == SynthWriter::Kernel {
        image.append_zeros(KERNEL_TAIL);
    }
}

/// The debugger engine pads every blob to 8 bytes and says so; the kernel does not pad.
fn append_blob(dump: &SmallDump, image: &mut Image, guid: [u8; 16], data: &[u8]) {
    let padding = match dump.writer {
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

/// The strings behind one SMBIOS structure, and the numbers that its fields refer to them by.
#[derive(Default)]
struct TableStrings(Vec<String>);

impl TableStrings {
    fn add(&mut self, text: &str) -> u8 {
        if text.is_empty() {
            return 0;
        }
        self.0.push(text.to_owned());
        self.0.len() as u8
    }
}

/// Eight bytes of head (method, version, length), then the tables.
fn smbios_tables(smbios: &SynthSmbios) -> Vec<u8> {
    let mut tables = Image::with_capacity(512);

    let mut strings = TableStrings::default();
    let mut bios = vec![0; 0x14];
    bios[0] = strings.add(&smbios.bios_vendor);
    bios[1] = strings.add(&smbios.bios_version);
    bios[4] = strings.add(&smbios.bios_date);
    append_table(&mut tables, 0, &bios, strings);

    let mut strings = TableStrings::default();
    let mut system = vec![0; 0x17];
    system[0] = strings.add(&smbios.vendor);
    system[1] = strings.add(&smbios.model);
    system[20] = 6; // woken by the power switch
    append_table(&mut tables, 1, &system, strings);

    let mut strings = TableStrings::default();
    let mut board = vec![0; 0x0b];
    board[0] = strings.add(&smbios.board_vendor);
    board[1] = strings.add(&smbios.board);
    board[9] = 10; // motherboard
    append_table(&mut tables, 2, &board, strings);

    append_table(&mut tables, 127, &[], TableStrings::default());
    let tables = tables.into_bytes();
    let mut blob = vec![0, 3, 2, 0];
    blob.extend((tables.len() as u32).to_le_bytes());
    blob.extend(tables);
    blob
}

fn append_table(tables: &mut Image, kind: u8, fields: &[u8], strings: TableStrings) {
    let handle = u16::from(kind) + 1;
    tables.append(&[kind, fields.len() as u8 + 4]);
    tables.append(&handle.to_le_bytes());
    tables.append(fields);
    for text in &strings.0 {
        tables.append(text.as_bytes());
        tables.append(&[0]);
    }
    // an empty list of strings still has two zeros
    tables.append(if strings.0.is_empty() { &[0, 0] } else { &[0] });
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
