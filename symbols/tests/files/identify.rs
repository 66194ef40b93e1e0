//! What uploads and downloads are taken for.

use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use bluescope_symbols::identify::{UnpackLimits, Unpacked, check, uncab, unpack};
use bluescope_symbols::{FileId, ImageId, PdbId};
use cab::{CabinetBuilder, CompressionType};
use uuid::Uuid;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::pe::Pe;

const SYM: &str = "MODULE windows x86_64 3249D99D0C4049318610F4E4FB0B69363 crash.pdb\nPUBLIC 10 0 main\n";

fn pdb() -> Vec<u8> {
    crate::names::program().to_bytes()
}

fn shown(unpacked: &Unpacked) -> Vec<String> {
    let files = unpacked.files.iter().map(|file| format!("{} {}", file.id.kind(), file.id));
    let refused = unpacked.refused.iter().map(|(name, why)| format!("no: {name}: {why}"));
    files.chain(refused).collect()
}

fn zipped(members: &[(&str, &[u8], CompressionMethod)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes, method) in members {
        writer.start_file(*name, SimpleFileOptions::default().compression_method(*method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.add_directory("folder", SimpleFileOptions::default()).unwrap();
    writer.finish().unwrap().into_inner()
}

fn cabinet(members: &[(&str, &[u8])], compression: CompressionType) -> Vec<u8> {
    let mut builder = CabinetBuilder::new();
    let folder = builder.add_folder(compression);
    members.iter().for_each(|(name, _)| {
        folder.add_file(*name);
    });
    let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
    let mut contents = members.iter();
    while let Some(mut file) = writer.next_file().unwrap() {
        file.write_all(contents.next().unwrap().1).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn content_says_what_a_file_is_and_the_name_only_how_it_is_called() {
    let limits = UnpackLimits::default();
    for (name, bytes, expected) in [
        ("C:\\fakepath\\Driver.SYS", Pe::example().to_bytes(), "image Driver.SYS/5AB380774000/Driver.SYS"),
        ("upload", Pe::example().to_bytes(), "image linked.sys/5AB380774000/linked.sys"),
        ("driver.sys", pdb(), "pdb driver.sys/3249D99D0C4049318610F4E4FB0B69363/driver.sys"),
        ("../x.zip", SYM.into(), "sym crash.pdb/3249D99D0C4049318610F4E4FB0B69363/crash.sym"),
        ("a:b.pdb", pdb(), "no: a:b.pdb: PDB: no name that a file can have, or no GUID"),
        ("a\x1b.pdb", b"MZ".into(), "no: a\u{FFFD}.pdb: image: cut short in its headers"),
        ("x", Vec::new(), "no: x: file: no image, no PDB of Visual C++ 7 or later, no .sym file"),
        ("x", b"MODULE Linux x86_64 0 x\n".into(), "no: x: .sym file: does not begin with `MODULE windows`"),
        ("x", b"MODULE windows x86 123 x\n".into(), "no: x: .sym file: `123 x` names no PDB"),
    ] {
        assert_eq!(shown(&unpack(name, bytes.into(), &limits)), [expected], "{name}");
    }
}

#[test]
fn archives_are_opened_once() {
    let (pe, pdb) = (Pe::example().to_bytes(), pdb());
    let inner = zipped(&[("a.sys", &pe, CompressionMethod::Stored)]);
    let outer = zipped(&[
        ("out/driver.sys", &pe, CompressionMethod::Stored),
        ("out\\driver.pdb", &pdb, CompressionMethod::Deflated),
        ("readme.txt", b"hello", CompressionMethod::Deflated),
        ("inner.zip", &inner, CompressionMethod::Deflated),
    ]);
    let expected = [
        "image driver.sys/5AB380774000/driver.sys",
        "pdb driver.pdb/3249D99D0C4049318610F4E4FB0B69363/driver.pdb",
        "no: readme.txt: file: no image, no PDB of Visual C++ 7 or later, no .sym file",
        "no: inner.zip: archive: inside of another",
    ];
    assert_eq!(shown(&unpack("x.zip", outer.into(), &UnpackLimits::default())), expected);
    let members: [(&str, &[u8]); 2] = [("driver.sys", &pe), ("driver.pdb", &pdb)];
    for compression in [CompressionType::None, CompressionType::MsZip] {
        let cabinet = cabinet(&members, compression);
        let unpacked = unpack("x.cab", cabinet.into(), &UnpackLimits::default());
        assert_eq!(shown(&unpacked), expected[..2], "{compression:?}");
        assert_eq!((&unpacked.files[0].bytes[..], &unpacked.files[1].bytes[..]), (&pe[..], &pdb[..]));
    }
    let empty = unpack("x.zip", zipped(&[]).into(), &UnpackLimits::default());
    assert_eq!(shown(&empty), ["no: x.zip: an empty archive"]);
}

#[test]
fn archives_have_bounds() {
    let (pe, zeros) = (Pe::example().to_bytes(), vec![0; 20 << 20]);
    let limits = UnpackLimits { file_bytes: 4_000, total_bytes: 7_000, files: 3 };
    let three = |last: &[u8]| {
        let stored = CompressionMethod::Stored;
        zipped(&[("a.sys", &pe, stored), ("b.sys", &pe, stored), ("c.sys", last, stored)])
    };
    // A folder is an entry too.
    assert_eq!(shown(&unpack("x", three(&pe).into(), &limits)), ["no: : 4 files"]);
    let limits = UnpackLimits { files: 4, ..limits };
    let refusal = "no: c.sys: unpacks to more than 856 bytes";
    assert_eq!(shown(&unpack("x", three(&pe).into(), &limits))[2], refusal);
    let plenty = UnpackLimits { total_bytes: 1 << 40, ..limits };
    let refusal = "no: c.sys: unpacks to more than 4000 bytes";
    assert_eq!(shown(&unpack("x", three(&[7; 4_001]).into(), &plenty))[2], refusal);
    assert_eq!(shown(&unpack("x", zeros.clone().into(), &plenty)), ["no: x: larger than 4000 bytes"]);

    let deflated = zipped(&[("zeros", &zeros, CompressionMethod::Deflated)]);
    let bomb = unpack("x", deflated.into(), &UnpackLimits::default());
    assert_eq!(shown(&bomb), ["no: zeros: unpacks to more than 16777216 bytes"]);
    let cabinet = cabinet(&[("zeros", &zeros)], CompressionType::MsZip);
    let bomb = unpack("x", cabinet.into(), &UnpackLimits::default());
    assert_eq!(shown(&bomb), ["no: zeros: cabinet: unpacks to more than 16777216 bytes"]);

    let entries = b"PK\x03\x04".iter().chain(b"PK\x01\x02".iter().cycle().take(4 * 20_000));
    let crowded = unpack("x", entries.copied().collect(), &UnpackLimits::default());
    assert_eq!(shown(&crowded), ["no: : more than 1000 files"]);
}

#[test]
fn a_packed_file_is_unpacked_in_place_of_another() {
    let pdb = pdb();
    let unpacked = |cabinet: Vec<u8>, limit: u64| {
        let mut to = crate::file(&vec![b'x'; 100_000]);
        uncab(crate::file(&cabinet), &mut to, limit).map(|()| {
            let mut bytes = Vec::new();
            to.seek(SeekFrom::Start(0)).unwrap();
            to.read_to_end(&mut bytes).unwrap();
            bytes
        })
    };
    let len = pdb.len() as u64;
    let packed = cabinet(&[("crash.pdb", &pdb)], CompressionType::MsZip);
    assert!(unpacked(packed.clone(), len).unwrap() == pdb);
    let error = |cabinet, limit| unpacked(cabinet, limit).unwrap_err().to_string();
    assert_eq!(error(packed.clone(), len - 1), format!("cabinet: unpacks to more than {} bytes", len - 1));
    let two = cabinet(&[("a", b"a"), ("b", b"b")], CompressionType::None);
    assert_eq!(error(two, 99), "cabinet: 2 members, not one");
    assert_eq!(error(pdb.clone(), 99), "cabinet: does not begin with MSCF");
    // The member says that it begins far behind the end of its folder.
    let list = u32::from_le_bytes(packed[16..20].try_into().unwrap()) as usize;
    let mut far = packed;
    far[list + 4..list + 8].copy_from_slice(&1_000_000_u32.to_le_bytes());
    assert!(error(far, 10 << 20).starts_with("cabinet: damaged"));
}

#[test]
fn a_wrong_file_under_the_right_name_is_noticed() {
    let guid = Uuid::parse_str(crate::pdb::GUID).unwrap();
    let image = |timestamp, size| FileId::Image(ImageId::new("driver.sys", timestamp, size).unwrap());
    let names = |age| PdbId::new("crash.pdb", guid, age).unwrap();
    let other = PdbId::new("crash.pdb", Uuid::from_u128(7), 1).unwrap();
    let found = |id: &FileId, bytes: &[u8]| {
        let file = crate::file(bytes);
        let result = check(id, &file).map_err(|error| error.to_string());
        assert_eq!((&file).stream_position().unwrap(), bytes.len() as u64, "moved the file's position");
        result
    };
    let pe = Pe::example().to_bytes();
    assert_eq!(found(&image(0x5AB3_8077, 0x4000), &pe), Ok(()));
    let wrong = "image: is 5AB380774000, not 5AB380764000".to_owned();
    assert_eq!(found(&image(0x5AB3_8076, 0x4000), &pe), Err(wrong));
    assert!(found(&image(0x5AB3_8077, 0x4000), b"<html>").is_err());
    for (age, fits) in [(2, true), (3, true), (4, false)] {
        assert_eq!(found(&FileId::Pdb(names(age)), &pdb()).is_ok(), fits, "{age}");
        assert_eq!(found(&FileId::Sym(names(age)), SYM.as_bytes()).is_ok(), fits, "{age}");
    }
    let wrong = "PDB: is 3249D99D0C4049318610F4E4FB0B69363, not 000000000000000000000000000000071";
    assert_eq!(found(&FileId::Pdb(other.clone()), &pdb()), Err(wrong.to_owned()));
    assert!(found(&FileId::Sym(other), SYM.as_bytes()).is_err());
    assert!(found(&FileId::Pdb(names(1)), SYM.as_bytes()).is_err());
}

pub(crate) fn a_zip() -> Vec<u8> {
    zipped(&[
        ("a.sys", &Pe::example().to_bytes(), CompressionMethod::Deflated),
        ("b", b"b", CompressionMethod::Stored),
    ])
}

pub(crate) fn a_cabinet() -> Vec<u8> {
    cabinet(&[("a.sys", &Pe::example().to_bytes())], CompressionType::MsZip)
}
