//! The inputs that fuzzing found to be different from one another (`fuzz/corpus`, all of synthetic origin), through
//! every promise of the crate; and the form that they are kept in.

use std::fs;
use std::path::Path;

use bluescope_dump::fuzz::{MOST_BYTES, expand, fuzz_one, pack, piece};
use bluescope_dump::synth::{SmallDump, UserDump, user_minidump};
use proptest::prelude::*;

#[test]
fn every_kept_input_keeps_every_promise() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for target in ["parse", "slim", "identity"] {
        let (mut files, mut bytes) = (0, 0);
        for entry in fs::read_dir(corpus.join(target)).unwrap() {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            println!("{}", path.display());
            fuzz_one(&expand(&input));
            files += 1;
            bytes += input.len();
        }
        assert!(files > 0, "{target}: no inputs; scripts/fuzz --keep makes some");
        println!("{target}: {files} inputs of {bytes} bytes");
    }
}

fn check_sparse(dump: &[u8]) {
    let input = pack(dump);
    assert_eq!(expand(&input), dump);
    assert_eq!(pack(&expand(&input)), input);
}

#[test]
fn dumps_survive_the_sparse_form() {
    let dump = SmallDump::example().to_bytes();
    check_sparse(&dump);
    check_sparse(&user_minidump(&UserDump::example()));
    check_sparse(&vec![0; MOST_BYTES]);
    check_sparse(&b"PAGE".repeat(1000)[3..]);
    assert!(pack(&dump).len() < dump.len());
    assert_eq!(expand(&dump), dump, "no sparse input");
}

#[test]
fn a_later_piece_wins() {
    let mut input = pack(b"one two three");
    input.extend(piece(4, b"TWO"));
    input.extend(piece(11, b"outside"));
    assert_eq!(expand(&input), &b"one TWO throu"[..]);
}

/// Runs of zeros, of fill and of other bytes.
fn runs() -> impl Strategy<Value = Vec<u8>> {
    let run = prop_oneof![
        (1_usize..300).prop_map(|len| vec![0; len]),
        (1_usize..100).prop_map(|len| b"PAGE".iter().copied().cycle().skip(1).take(len).collect()),
        prop::collection::vec(any::<u8>(), 1..40),
    ];
    prop::collection::vec(run, 0..20).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_survive_the_sparse_form(bytes in runs()) {
        check_sparse(&bytes);
    }

    #[test]
    fn any_input_expands_to_a_bounded_dump(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let input = [b"SPARSE01", bytes.as_slice()].concat();
        prop_assert!(expand(&input).len() <= MOST_BYTES);
    }
}
