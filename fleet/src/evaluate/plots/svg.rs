//! An SVG document, mark by mark. Marks have classes, and the style sheet has the colours, for a light and a dark page.

use std::fmt::Write as _;

/// The picture brings its own ground, because a page may be dark where the reader's system is light.
const STYLE: &str = "text{font:13px system-ui,-apple-system,'Segoe UI',sans-serif;fill:#1f2328}
.title{font-size:16px;font-weight:600}.dim{fill:#59636e}.strong{font-weight:600}
.ground{fill:#fff;stroke:#d1d9e0}.grid{stroke:#d1d9e0}.axis{stroke:#818b98}
.ours{fill:#0969da;stroke:#0969da}.other{fill:#818b98;stroke:#818b98}.bad{fill:#cf222e;stroke:#cf222e}
.good{fill:#1a7f37;stroke:#1a7f37}.warn{fill:#9a6700;stroke:#9a6700}.violet{fill:#8250df;stroke:#8250df}
.rose{fill:#bf3989;stroke:#bf3989}.dot{fill-opacity:.6;stroke:none}.bar{fill-opacity:.75;stroke:none}
.line{fill:none;stroke-width:2}.thin{stroke-width:1.5}.dash{stroke-dasharray:5 4}
text.ours,text.bad,text.good,text.warn,text.violet,text.rose,text.other{stroke:none}
@media(prefers-color-scheme:dark){text{fill:#f0f6fc}.dim{fill:#9198a1}.ground{fill:#0d1117;stroke:#3d444d}
.grid{stroke:#262c36}.axis{stroke:#656c76}.ours{fill:#4493f8;stroke:#4493f8}.other{fill:#9198a1;stroke:#9198a1}
.bad{fill:#f85149;stroke:#f85149}.good{fill:#3fb950;stroke:#3fb950}.warn{fill:#d29922;stroke:#d29922}
.violet{fill:#ab7df8;stroke:#ab7df8}.rose{fill:#db61a2;stroke:#db61a2}.line{fill:none}.dot,.bar{stroke:none}}";

/// Where a text begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A document that grows.
#[derive(Debug)]
pub(super) struct Svg {
    body: String,
}

impl Svg {
    /// With a title, and what the picture says for those who cannot see it.
    pub(super) fn new(width: f64, height: f64, title: &str, says: &str) -> Self {
        let mut svg = Self { body: String::new() };
        let (head, says) = (escaped(title), escaped(says));
        write!(
            svg.body,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n<title>{head}</title>\n<desc>{says}</desc>\n<style>{STYLE}</style>\n<rect class=\"ground\" x=\".5\" y=\".5\" width=\"{}\" height=\"{}\" rx=\"8\"/>\n",
            width - 1.0,
            height - 1.0
        )
        .ok();
        svg.text((20.0, 30.0), Anchor::Start, "title", title);
        svg
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        writeln!(
            self.body,
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        )
        .ok();
    }

    pub(super) fn rect(&mut self, corner: (f64, f64), width: f64, height: f64, class: &str) {
        writeln!(
            self.body,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
            corner.0,
            corner.1,
            width.max(0.0),
            height.max(0.0)
        )
        .ok();
    }

    pub(super) fn dot(&mut self, at: (f64, f64), radius: f64, class: &str) {
        writeln!(
            self.body,
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"/>",
            at.0, at.1
        )
        .ok();
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        writeln!(self.body, "<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")).ok();
    }

    pub(super) fn text(&mut self, at: (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        writeln!(
            self.body,
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{text}</text>",
            at.0, at.1
        )
        .ok();
    }

    pub(super) fn finish(mut self) -> String {
        self.body.push_str("</svg>\n");
        self.body
    }
}

/// Names come from files. Control characters are no XML at all.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars().filter(|letter| !letter.is_control()) {
        match letter {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(letter),
        }
    }
    safe
}
