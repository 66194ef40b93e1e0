//! The SMBIOS tables of a described machine, as the blob that dumps carry them in.

use super::SynthSmbios;
use super::image::Image;

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
pub(super) fn blob(smbios: &SynthSmbios) -> Vec<u8> {
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
    system[2] = strings.add(&smbios.version);
    system[3] = strings.add(&smbios.serial);
    system[4..20].copy_from_slice(&smbios.uuid);
    system[20] = 6; // woken by the power switch
    system[21] = strings.add(&smbios.sku);
    system[22] = strings.add(&smbios.family);
    append_table(&mut tables, 1, &system, strings);

    let mut strings = TableStrings::default();
    let mut board = vec![0; 0x0b];
    board[0] = strings.add(&smbios.board_vendor);
    board[1] = strings.add(&smbios.board);
    board[2] = strings.add(&smbios.board_version);
    board[3] = strings.add(&smbios.board_serial);
    board[9] = 10; // motherboard
    append_table(&mut tables, 2, &board, strings);

    if !smbios.chassis_serial.is_empty() {
        let mut strings = TableStrings::default();
        let mut chassis = vec![0; 0x11];
        chassis[0] = strings.add(&smbios.vendor);
        chassis[1] = 10; // notebook
        chassis[3] = strings.add(&smbios.chassis_serial);
        append_table(&mut tables, 3, &chassis, strings);
    }
    if !(smbios.cpu.is_empty() && smbios.cpu_vendor.is_empty()) {
        append_processor(&mut tables, smbios);
    }

    append_table(&mut tables, 127, &[], TableStrings::default());
    let tables = tables.into_bytes();
    let mut blob = vec![0, 3, 2, 0];
    blob.extend((tables.len() as u32).to_le_bytes());
    blob.extend(tables);
    blob
}

/// Type 4, as long as version 3 has it.
fn append_processor(tables: &mut Image, smbios: &SynthSmbios) {
    let mut strings = TableStrings::default();
    let mut processor = vec![0; 0x2c];
    processor[0] = strings.add("U3E1");
    processor[1] = 3; // a central processor
    processor[2] = 0xcd; // Core i5
    processor[3] = strings.add(&smbios.cpu_vendor);
    processor[12] = strings.add(&smbios.cpu);
    processor[20] = 0x41; // socket populated, processor enabled
    append_table(tables, 4, &processor, strings);
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
