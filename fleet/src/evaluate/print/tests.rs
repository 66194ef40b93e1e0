//! A whole report as it is printed.

use super::*;
use crate::evaluate::fixture::{runs, set};

#[test]
fn a_report_reads_well() {
    insta::assert_snapshot!(Report::new(&set(), runs()).text(false));
}

#[test]
fn colours_take_no_width() {
    let report = Report::new(&set(), runs());
    let (plain, coloured) = (report.text(false), report.text(true));
    assert!(!plain.contains('\x1b') && coloured.contains("\x1b[31mmissed\x1b[0m"));
    let mut stripped = coloured;
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

#[test]
fn names_out_of_files_say_nothing_to_a_terminal() {
    let mut runs = runs();
    runs[0].class = "\x1b]0;title\x07quiet".to_owned();
    let text = Report::new(&set(), runs).text(false);
    assert!(text.contains("]0;titlequiet") && !text.contains('\x1b') && !text.contains('\x07'));
}

#[test]
fn figures_have_the_digits_that_they_are_worth() {
    assert_eq!([0.0, 0.149, 12.34, 40_149.0].map(figure), ["0", "0.15", "12.3", "40,149"]);
    assert_eq!([0.4, 12.6, 4000.0].map(seconds), ["0.4", "13", "4,000"]);
    assert_eq!([1.0, 999.0, 1_000.0, 1_234_567.0].map(thousands), ["1", "999", "1,000", "1,234,567"]);
}
