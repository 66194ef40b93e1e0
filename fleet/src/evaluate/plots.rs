//! A report as pictures: SVG with text as text, legible on light and dark pages. Draws what the report holds; computes
//! nothing but positions.
//!
//! The writer is our own (`plots/svg.rs`): what a picture of these needs is a dozen kinds of marks, and the chart crates
//! fix colours when they draw, so that their pictures suit a light page or a dark one.

mod delays;
mod false_alarms;
mod near;
mod recall;
mod scale;
mod svg;

use crate::evaluate::report::Report;

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plot {
    /// What it shows: the end of a file's name.
    pub name: &'static str,
    /// The document.
    pub svg: String,
}

impl Report {
    /// Every picture that there is something for.
    pub fn plots(&self) -> Vec<Plot> {
        let all = [
            ("delay", delays::draw(self)),
            ("false-alarms", false_alarms::draw(self)),
            ("near", near::draw(self)),
            ("recall", recall::draw(self)),
        ];
        all.into_iter().filter_map(|(name, svg)| svg.map(|svg| Plot { name, svg })).collect()
    }
}

#[cfg(test)]
mod tests;
