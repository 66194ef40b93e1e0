//! Images made here, as files and as they lie in memory.

use bluescope_symbols::image::{Image, PAGE_BYTES};
use bluescope_symbols::{FileId, Machine};

use crate::pe::Pe;

fn parse(pe: &Pe) -> Image {
    Image::parse(pe.to_bytes().into()).unwrap()
}

fn refused(pe: &Pe) -> String {
    Image::parse(pe.to_bytes().into()).unwrap_err().to_string()
}

/// As a loader lays it out.
fn in_memory(pe: &Pe) -> Vec<u8> {
    let bytes = pe.to_bytes();
    let mut memory = vec![0; pe.size as usize];
    memory[..0x400].copy_from_slice(&bytes[..0x400]);
    for (_, (start, _), (file, len), _) in &pe.sections {
        let (start, file, len) = (*start as usize, *file as usize, *len as usize);
        memory[start..start + len].copy_from_slice(&bytes[file..file + len]);
    }
    memory
}

fn page(memory: &[u8], rva: u32) -> [u8; PAGE_BYTES] {
    memory[rva as usize..][..PAGE_BYTES].try_into().unwrap()
}

#[test]
fn a_file_says_what_it_is() {
    let image = parse(&Pe::example());
    assert_eq!((image.machine(), image.timestamp(), image.size()), (Machine::X64, 0x5AB3_8077, 0x4000));
    let pdb = image.pdb().unwrap().clone();
    assert_eq!(FileId::Pdb(pdb).to_string(), "crash.pdb/3249D99D0C4049318610F4E4FB0B69367/crash.pdb");
    assert_eq!(image.exception_table(), (1..=24).collect::<Vec<u8>>());
    assert!(image.is_code(0x12FF) && !image.is_code(0x1300) && !image.is_code(0x2000) && !image.is_code(0));
    let narrow = parse(&Pe { machine: 0x14C, ..Pe::example() });
    assert_eq!((narrow.machine(), narrow.pdb().is_some()), (Machine::X86, true));
}

#[test]
fn bytes_end_where_the_file_or_the_section_ends() {
    let image = parse(&Pe::example());
    for (rva, len) in [
        (0, Some(0x400)),
        (0x3FF, Some(1)),
        (0x400, None),
        (0xFFF, None),
        // 0x300 of the 0x400 bytes in the file.
        (0x1000, Some(0x300)),
        (0x12FF, Some(1)),
        (0x1300, None),
        (0x2100, Some(0x100)),
        // 0x200 bytes in the file of 0x1000 in memory.
        (0x31FF, Some(1)),
        (0x3200, None),
        (0x4000, None),
        (u32::MAX, None),
    ] {
        assert_eq!(image.at(rva).map(<[u8]>::len), len, "{rva:x}");
    }
    let mut cut = Pe::example().to_bytes();
    cut.truncate(0xA10);
    let cut = Image::parse(cut.into()).unwrap();
    assert_eq!(cut.exception_table().len(), 16);
    assert!(!cut.has_whole_exception_table());
}

#[test]
fn memory_is_read_like_a_file_and_never_across_a_missing_page() {
    let memory = in_memory(&Pe::example());
    let whole = Image::mapped(0x4000, |rva| Some(page(&memory, rva))).unwrap();
    let file = parse(&Pe::example());
    assert_eq!(whole.pdb(), file.pdb());
    assert_eq!(whole.exception_table(), file.exception_table());
    assert!(whole.has_whole_exception_table());
    assert_eq!(whole.at(0x1000), file.at(0x1000));
    assert_eq!(whole.at(0x3000).unwrap().len(), 0x1000);

    let holes = Image::mapped(0x4000, |rva| (rva != 0x3000).then(|| page(&memory, rva))).unwrap();
    assert_eq!((holes.at(0x3000), holes.exception_table().len()), (None, 0));
    assert!(!holes.has_whole_exception_table());
    assert_eq!(holes.pdb(), file.pdb());
    assert_eq!(holes.held(), 0x3000);

    let headless = Image::mapped(0x4000, |rva| (rva != 0).then(|| page(&memory, rva)));
    assert_eq!(headless.unwrap_err().to_string(), "image: does not begin with MZ");
    let absurd = Image::mapped(u32::MAX, |_| panic!("asks for pages of an absurd image"));
    assert!(absurd.is_err());
}

#[test]
fn what_no_loader_takes_is_refused() {
    let section = |at: usize, memory: (u32, u32)| {
        let mut pe = Pe::example();
        pe.sections[at].1 = memory;
        refused(&pe)
    };
    assert_eq!(section(1, (0x1200, 0x100)), "image: section 1 begins inside of another");
    assert_eq!(section(1, (0x500, 0x100)), "image: section 1 begins inside of another");
    assert_eq!(section(2, (0x3000, u32::MAX)), "image: section 2 ends outside of the image");
    assert_eq!(Image::parse(b"MZ"[..].into()).unwrap_err().to_string(), "image: cut short in its headers");
    assert_eq!(Image::parse(b"PK"[..].into()).unwrap_err().to_string(), "image: does not begin with MZ");
    let mut bytes = Pe::example().to_bytes();
    bytes[0x86..0x88].copy_from_slice(&[0xFF, 0xFF]);
    let many = Image::parse(bytes.into()).unwrap_err();
    assert_eq!(many.to_string(), "image: 65535 sections, more than 256");
}

#[test]
fn directories_that_lead_nowhere_are_empty() {
    let pe =
        Pe { directories: vec![(3, 0xFFFF_FFF0, 0xFFFF), (6, 0x2000, u32::MAX), (0, 5, 5)], ..Pe::example() };
    let image = parse(&pe);
    assert!(image.exception_table().is_empty() && image.pdb().is_some());
}
