//! Places of physical pages in files of all types, written by hand.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "tests write files by hand"
)]

use std::borrow::Cow;

use proptest::prelude::*;

use super::*;
use crate::bytes::Width;
use crate::layout::{LAYOUT32, LAYOUT64};
use crate::problem::Problem;

const SIZE: usize = 0x1000;

fn put(file: &mut [u8], at: usize, value: u64) {
    file[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn put32(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Pages whose bytes are their number in the file, from 1.
fn pages(count: usize) -> impl Iterator<Item = u8> {
    (1..=count).flat_map(|page| [page as u8; SIZE])
}

/// A full dump with these runs, each followed by as many pages.
fn full(layout: &Layout, runs: &[(u64, u64)]) -> Vec<u8> {
    let mut file = vec![0; layout.header.size as usize];
    let count: u64 = runs.iter().map(|run| run.1).sum();
    if layout.width == Width::W64 {
        put32(&mut file, 0x88, runs.len() as u32);
        put(&mut file, 0x90, count);
        for (index, run) in runs.iter().enumerate().take(42) {
            put(&mut file, 0x98 + index * 16, run.0);
            put(&mut file, 0xA0 + index * 16, run.1);
        }
    } else {
        put32(&mut file, 0x64, runs.len() as u32);
        put32(&mut file, 0x68, count as u32);
        for (index, run) in runs.iter().enumerate().take(86) {
            put32(&mut file, 0x6C + index * 8, run.0 as u32);
            put32(&mut file, 0x70 + index * 8, run.1 as u32);
        }
    }
    file.extend(pages(count as usize));
    file
}

/// A bitmap dump with these pages.
fn bitmap(layout: &Layout, bits: u64, present: &[u64]) -> Vec<u8> {
    let at = layout.header.size as usize;
    let first = (at + 0x38 + bits.div_ceil(8) as usize).next_multiple_of(SIZE);
    let mut file = vec![0; first];
    file[at..at + 8].copy_from_slice(b"SDMPDUMP");
    put(&mut file, at + 0x20, first as u64);
    put(&mut file, at + 0x28, present.len() as u64);
    put(&mut file, at + 0x30, bits);
    for page in present {
        file[at + 0x38 + (page / 8) as usize] |= 1 << (page % 8);
    }
    file.extend(pages(present.len()));
    file
}

/// The old form of the same.
fn summary(layout: &Layout, bits: u64, present: &[u64]) -> Vec<u8> {
    let at = layout.header.size as usize;
    let bits_at = at + if layout.width == Width::W64 { 0x28 } else { 0x20 };
    let first = (bits_at + bits.div_ceil(8) as usize).next_multiple_of(SIZE);
    let mut file = vec![0; first];
    file[at..at + 8].copy_from_slice(b"SDMPDUMP");
    for (offset, value) in [(0x0C, first as u64), (0x10, bits), (0x14, present.len() as u64), (0x18, bits)] {
        put32(&mut file, at + offset, value as u32);
    }
    for page in present {
        file[bits_at + (page / 8) as usize] |= 1 << (page % 8);
    }
    file.extend(pages(present.len()));
    file
}

/// A dump of ranges.
fn ranges(runs: &[(u64, u64)], complete: bool) -> Vec<u8> {
    let first = 0x2030 + runs.len() * 16 + 0x20;
    let count: u64 = runs.iter().map(|run| run.1).sum();
    let mut file = vec![0; first];
    put32(&mut file, 0x2000, 0x40);
    file[0x2004..0x200C].copy_from_slice(b"RDMPDUMP");
    put(&mut file, 0x2010, (first - 0x2020) as u64);
    put(&mut file, 0x2018, first as u64);
    if complete {
        put32(&mut file, 0x2020, runs.len() as u32);
        put(&mut file, 0x2028, count);
    }
    for (index, run) in runs.iter().enumerate() {
        put(&mut file, 0x2030 + index * 16, run.0);
        put(&mut file, 0x2038 + index * 16, run.1);
    }
    file.extend(pages(count as usize));
    file
}

struct Answer {
    /// The first byte of each page that was asked for.
    bytes: Vec<Option<u8>>,
    end: u64,
    problems: Vec<Damage>,
}

fn read(file: &[u8], layout: &Layout, dump_type: DumpType, asked: &[u64]) -> Option<Answer> {
    let store = Store::Bytes(Cow::Borrowed(file));
    let mut problems = Problems::default();
    let physical = Physical::read(&store, Bytes(file), layout, dump_type, &mut problems);
    let problems = problems.into_vec().into_iter().map(|Problem { part, damage }| {
        assert_eq!(part, Part::PhysicalMemory);
        damage
    });
    let problems: Vec<Damage> = problems.collect();
    let Some(physical) = physical else {
        assert!(!problems.is_empty() || file.len() < layout.header.size as usize + 0x40);
        return None;
    };
    let byte = |&page: &u64| {
        let offset = physical.offset_of(&store, page.saturating_mul(PAGE))?;
        assert!(offset < store.size());
        Some(file[offset as usize])
    };
    Some(Answer { bytes: asked.iter().map(byte).collect(), end: physical.end(), problems })
}

/// Pages `asked` for are the ones of these numbers in the file, 0 for those it does not have.
fn check(file: &[u8], layout: &Layout, dump_type: DumpType, asked: &[(u64, u8)], problems: &[Damage]) {
    let numbers: Vec<u64> = asked.iter().map(|asked| asked.0).collect();
    let answer = read(file, layout, dump_type, &numbers).unwrap();
    let found: Vec<(u64, u8)> =
        asked.iter().zip(&answer.bytes).map(|(asked, byte)| (asked.0, byte.unwrap_or(0))).collect();
    assert_eq!((found.as_slice(), answer.problems.as_slice()), (asked, problems), "{dump_type}");
    if problems.is_empty() {
        assert_eq!(answer.end, file.len() as u64);
    }
}

const PAGES: [(u64, u8); 7] = [(0, 0), (3, 1), (4, 2), (5, 0), (0x100, 3), (0x101, 0), (u64::MAX >> 12, 0)];

#[test]
fn every_form_of_either_width() {
    use DumpType::*;
    let runs = [(3, 2), (0x100, 1)];
    let bits = [3, 4, 0x100];
    for layout in [&LAYOUT64, &LAYOUT32] {
        check(&full(layout, &runs), layout, Full, &PAGES, &[]);
        for dump_type in [BitmapFull, BitmapKernel, Automatic, Unknown(11)] {
            check(&bitmap(layout, 0x101, &bits), layout, dump_type, &PAGES, &[]);
        }
        check(&summary(layout, 0x101, &bits), layout, Summary, &PAGES, &[]);
        let mut file = bitmap(layout, 0x101, &bits);
        file[layout.header.size as usize] = b'F';
        check(&file, layout, BitmapFull, &PAGES, &[]);
    }
    for dump_type in [RangesKernel, RangesActive, RangesFull] {
        check(&ranges(&runs, dump_type == RangesFull), &LAYOUT64, dump_type, &PAGES, &[]);
    }
    // the first page of the machine is in complete dumps only
    check(&ranges(&[(0, 1), (5, 1)], true), &LAYOUT64, RangesFull, &[(0, 1), (5, 2)], &[]);
}

#[test]
fn pages_above_four_gigabytes_in_a_32_bit_dump() {
    let asked = [(0x10_0000, 1), (0x12_3456, 2), (0x12_3457, 0)];
    check(&full(&LAYOUT32, &[(0x10_0000, 1), (0x12_3456, 1)]), &LAYOUT32, DumpType::Full, &asked, &[]);
}

#[test]
fn a_cut_file_keeps_the_pages_before_the_cut() {
    let asked = [(3, 1), (4, 2), (0x100, 0)];
    let runs = [(3, 2), (0x100, 1)];
    let files = [
        (DumpType::Full, full(&LAYOUT64, &runs)),
        (DumpType::BitmapKernel, bitmap(&LAYOUT64, 0x101, &[3, 4, 0x100])),
        (DumpType::RangesActive, ranges(&runs, false)),
    ];
    for (dump_type, mut file) in files {
        file.truncate(file.len() - SIZE);
        let (offset, len, needed) = ((file.len() - 2 * SIZE) as u64, 2 * PAGE, 3 * PAGE);
        check(&file, &LAYOUT64, dump_type, &asked, &[Damage::Cut { offset, len, needed }]);
        file.truncate(file.len() - 2 * SIZE);
        let none = asked.map(|(page, _)| (page, 0));
        check(&file, &LAYOUT64, dump_type, &none, &[Damage::Outside { offset }]);
    }
}

#[test]
fn runs_that_make_no_sense() {
    let check = |runs: &[(u64, u64)], asked: &[(u64, u8)], problems: &[Damage]| {
        check(&full(&LAYOUT64, runs), &LAYOUT64, DumpType::Full, asked, problems);
    };
    let invalid = |entry, count| Damage::EntryInvalid { entry, count };
    // descending: found all the same
    check(&[(9, 1), (3, 2)], &[(9, 1), (3, 2), (4, 3)], &[]);
    // overlapping: the lower one counts, the other has what is left
    check(&[(3, 3), (5, 2)], &[(3, 1), (4, 2), (5, 3), (6, 5), (7, 0)], &[invalid(2, 2)]);
    check(&[(3, 4), (4, 1), (9, 1)], &[(3, 1), (4, 2), (6, 4), (9, 6)], &[invalid(2, 3)]);
    // empty: what follows would be anywhere
    check(
        &[(3, 1), (7, 0), (9, 1)],
        &[(3, 1), (9, 0)],
        &[invalid(2, 3), Damage::Count { count: 2, read: 1 }],
    );
    let mut file = full(&LAYOUT64, &[(3, 1), (9, 1)]);
    for (first, count) in [(u64::MAX, 1), (1, u64::MAX), (1 << 40, 1), (0, u64::MAX >> 12)] {
        put(&mut file, 0xA8, first);
        put(&mut file, 0xB0, count);
        let asked = [(3, 1), (9, 0), (1 << 40, 0)];
        let problems = [invalid(2, 2), Damage::Count { count: 2, read: 1 }];
        super::tests::check(&file, &LAYOUT64, DumpType::Full, &asked, &problems);
    }
    let file = full(&LAYOUT64, &[(7, 1); 43]);
    let answer = read(&file, &LAYOUT64, DumpType::Full, &[7]).unwrap();
    assert_eq!(answer.problems[0], Damage::Count { count: 43, read: 42 });
    assert_eq!(answer.bytes, [Some(1)]);
}

#[test]
fn a_header_without_runs() {
    for count in [0, u32::from_le_bytes(*b"PAGE")] {
        let mut file = full(&LAYOUT64, &[(3, 1)]);
        put32(&mut file, 0x88, count);
        assert!(read(&file, &LAYOUT64, DumpType::Full, &[3]).is_none());
    }
}

#[test]
fn bitmaps_that_make_no_sense() {
    let sound = bitmap(&LAYOUT64, 0x101, &[3, 4, 0x100]);
    let with = |at: usize, value: u64| {
        let mut file = sound.clone();
        put(&mut file, at, value);
        file
    };
    let count = |count, read| Damage::Count { count, read };
    // four terabytes of bitmap: what there is of it is read, with the bytes behind it
    let file = &with(0x2030, 1 << 45)[..0x3000];
    let answer = read(file, &LAYOUT64, DumpType::BitmapFull, &PAGES.map(|page| page.0)).unwrap();
    assert_eq!(answer.problems[0], count(1 << 45, 0xFC8 * 8));
    let (pages, kernel) = (PAGES.map(|page| (page.0, page.1)), DumpType::BitmapKernel);
    // the number of pages that are present says nothing that the bits do not
    check(&with(0x2028, 77), &LAYOUT64, kernel, &pages, &[count(77, 3)]);
    // bits behind the last page
    let mut file = sound.clone();
    file[0x2038 + 0x20] |= 0xF0;
    check(&file, &LAYOUT64, kernel, &pages, &[]);
    for first in [0, 0x2038, u64::MAX] {
        let answer = read(&with(0x2020, first), &LAYOUT64, kernel, &[3, 4]);
        assert!(answer.is_none_or(|answer| answer.bytes == [None, None] && !answer.problems.is_empty()));
    }
    let mut file = sound.clone();
    file[0x2000] = b'X';
    assert!(read(&file, &LAYOUT64, kernel, &[]).is_none());
}

#[test]
fn ranges_that_make_no_sense() {
    let sound = ranges(&[(3, 2), (0x100, 1)], true);
    let with = |at: usize, value: u64| {
        let mut file = sound.clone();
        put(&mut file, at, value);
        file
    };
    let (full, count) = (DumpType::RangesFull, |count, read| Damage::Count { count, read });
    check(&with(0x2010, 8), &LAYOUT64, full, &PAGES, &[Damage::Invalid]);
    check(&with(0x2028, 9), &LAYOUT64, full, &PAGES, &[count(9, 3)]);
    let answer = read(&with(0x2028, 2), &LAYOUT64, full, &[3, 4, 0x100]).unwrap();
    assert_eq!((answer.bytes, answer.problems), (vec![Some(1), Some(2), None], vec![]));
    assert!(read(&with(0x2018, 0x2000), &LAYOUT64, full, &[]).is_none());
    let answer = read(&with(0x2038, u64::MAX), &LAYOUT64, full, &[3, 0x100]).unwrap();
    assert_eq!(answer.problems[0], Damage::EntryInvalid { entry: 1, count: 1 });
    assert_eq!(answer.bytes, [None, None]);
    // the 32-bit form of this header was never seen: all of it has to agree
    assert!(read(&sound, &LAYOUT32, full, &[]).is_none());
}

/// Which pages there are, over several blocks of the directory and both ends of its chunks.
fn present() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::btree_set(
        prop_oneof![0..40_000_u64, 4090..4100_u64, 524_280..524_300_u64, 1_048_570..1_048_600_u64],
        0..60,
    )
    .prop_map(|pages| pages.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_directory_counts_as_one_would(present in present(), surplus in 1..9_u64, asked in 0..1_048_610_u64) {
        let bits = present.last().map_or(1, |last| last + surplus);
        let file = bitmap(&LAYOUT64, bits, &present);
        let asked: Vec<u64> = present.iter().flat_map(|page| [*page, page + 1, page.saturating_sub(1)]).chain([asked]).collect();
        let answer = read(&file, &LAYOUT64, DumpType::BitmapKernel, &asked).unwrap();
        for (page, byte) in asked.iter().zip(answer.bytes) {
            let number = present.iter().position(|present| present == page);
            prop_assert_eq!(byte, number.map(|number| number as u8 + 1), "{}", page);
        }
        prop_assert!(answer.problems.is_empty() || present.is_empty(), "{:?}", answer.problems);
    }

    #[test]
    fn any_numbers(
        form in 0..5_usize,
        fields in prop::collection::vec((0..0x60_usize, prop_oneof![any::<u64>(), 0..0x5000_u64, Just(u64::MAX)]), 0..6),
        cut in prop::option::of(0..0x6000_usize),
    ) {
        use DumpType::*;
        let runs = [(3, 2), (0x100, 1)];
        let (mut file, layout, dump_type, at) = match form {
            0 => (full(&LAYOUT64, &runs), &LAYOUT64, Full, 0x88),
            1 => (full(&LAYOUT32, &runs), &LAYOUT32, Full, 0x64),
            2 => (bitmap(&LAYOUT64, 0x101, &[3, 4, 0x100]), &LAYOUT64, BitmapFull, 0x2008),
            3 => (summary(&LAYOUT32, 0x101, &[3, 4, 0x100]), &LAYOUT32, Summary, 0x1008),
            _ => (ranges(&runs, false), &LAYOUT64, RangesKernel, 0x200C),
        };
        for (offset, value) in fields {
            put(&mut file, at + offset, value);
        }
        file.truncate(cut.unwrap_or(usize::MAX));
        if file.len() > layout.header.size as usize {
            read(&file, layout, dump_type, &PAGES.map(|page| page.0));
        }
    }
}
