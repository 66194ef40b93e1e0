//! Pictures are whole documents, and hold what they are of.

use super::*;
use crate::evaluate::fixture::{runs, set};

fn plots() -> Vec<Plot> {
    Report::new(&set(), runs()).plots()
}

/// Every element that was opened is closed, in order.
fn well_formed(svg: &str) {
    let mut open = Vec::new();
    for tag in svg.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{tag}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "a position is no number");
}

#[test]
fn there_are_four_well_formed_pictures() {
    let plots = plots();
    let names: Vec<&str> = plots.iter().map(|plot| plot.name).collect();
    assert_eq!(names, ["delay", "false-alarms", "near", "recall"]);
    plots.iter().for_each(|plot| well_formed(&plot.svg));
}

#[test]
fn each_outage_is_a_dot() {
    let delay = &plots()[0].svg;
    assert_eq!(delay.matches("class=\"ours dot\"").count(), 3);
    assert_eq!(delay.matches("class=\"bad\" cx").count(), 1, "the one that was missed");
}

#[test]
fn names_out_of_files_are_text() {
    let mut runs = runs();
    let near = runs.iter_mut().find_map(|run| run.near.as_mut()).unwrap();
    near.driver = "<script>alert(1)</script>\u{7}&.sys".to_owned();
    for plot in Report::new(&set(), runs).plots() {
        well_formed(&plot.svg);
        assert!(!plot.svg.contains("<script"));
    }
}

#[test]
fn without_outages_there_is_nothing_to_draw_of_them() {
    let quiet = runs().into_iter().take(2).collect();
    let names: Vec<&str> = Report::new(&set(), quiet).plots().iter().map(|plot| plot.name).collect();
    assert_eq!(names, ["false-alarms"]);
}
