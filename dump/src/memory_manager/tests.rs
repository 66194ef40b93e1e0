//! Storage made by hand.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "tests write structures by hand"
)]

use super::*;

fn storage(word: usize, numbers: [u8; 7]) -> Vec<u8> {
    let mut bytes = vec![0; 0x18 + 7 * word];
    bytes[0] = 1;
    bytes[4] = u8::try_from(bytes.len()).unwrap();
    bytes[0x10] = 9;
    for (place, number) in numbers.into_iter().enumerate() {
        bytes[0x18 + place * word] = number;
    }
    bytes
}

#[test]
fn numbers_are_as_wide_as_the_dump() {
    for (width, word, len) in [(Width::W32, 4, 0x34), (Width::W64, 8, 0x50)] {
        let bytes = storage(word, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(bytes.len(), len);
        let found = read(Bytes(&bytes), width).unwrap();
        assert_eq!(found.verify_driver_level, 9);
        assert_eq!((found.maximum_non_paged_pool, found.allocated_non_paged_pool), (1, 2));
        assert_eq!((found.paged_pool_maximum, found.paged_pool_allocated), (3, 4));
        assert_eq!(
            (found.committed_pages, found.committed_pages_peak, found.commit_limit_maximum),
            (5, 6, 7)
        );
    }
}

#[test]
fn zeros_another_version_and_less_than_it_says_are_none() {
    let sound = storage(8, [1; 7]);
    let mut other_version = sound.clone();
    other_version[0] = 2;
    let mut endless = sound.clone();
    endless[7] = 0xFF;
    for bytes in [storage(8, [0; 7]), other_version, endless, sound[..0x4F].to_vec(), Vec::new()] {
        assert_eq!(read(Bytes(&bytes), Width::W64), None);
    }
    assert!(read(Bytes(&sound), Width::W64).is_some());
}
