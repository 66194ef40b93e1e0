//! What an analysis found against what there was, and a table of it.

use std::collections::BTreeMap;
use std::fmt;

use bluescope_analyzer::analysis::Frame;

use super::cases::{Case, Truth};

/// `None` where all frames are the true ones; else both stacks, the first difference marked.
pub(crate) fn compare(stack: &[Frame], truth: &[Truth]) -> Option<String> {
    let mut inlined = Vec::new();
    let mut found = Vec::new();
    for frame in stack {
        let name = frame.function.clone().unwrap_or_default();
        if frame.inlined {
            inlined.push(name);
        } else {
            found.push((frame, name, std::mem::take(&mut inlined)));
        }
    }
    let same = |place: usize| match (found.get(place), truth.get(place)) {
        (Some((frame, name, inlined)), Some(truth)) => {
            let trust = if place == 0 { "context" } else { "unwind-info" };
            frame.address == truth.pc
                && frame.sp.as_deref() == Some(truth.sp.as_str())
                && frame.module == truth.module.as_deref().unwrap_or_default()
                && name == truth.function.as_deref().unwrap_or_default()
                && truth.inlined.as_ref().is_none_or(|truth| inlined == truth)
                && frame.trust == trust
        }
        _ => false,
    };
    let wrong = (0..found.len().max(truth.len())).find(|&place| !same(place))?;
    let first = wrong.saturating_sub(2);
    let mut text = String::new();
    for place in first..(wrong + 3).min(found.len().max(truth.len())) {
        let mark = if place == wrong { '>' } else { ' ' };
        let is = found.get(place).map(|(frame, name, inlined)| {
            let sp = frame.sp.as_deref().unwrap_or("?");
            format!("{sp} {} {}!{name} {inlined:?} {}", frame.address, frame.module, frame.trust)
        });
        let was = truth.get(place).map(|it| {
            let module = it.module.as_deref().unwrap_or_default();
            let function = it.function.as_deref().unwrap_or_default();
            let inlined = it.inlined.as_deref().unwrap_or_default();
            format!("{} {} {module}!{function} {inlined:?}", it.sp, it.pc)
        });
        let line = |text: Option<String>| text.unwrap_or_else(|| "no frame".to_owned());
        text.push_str(&format!(" {mark} {place:3} is  {}\n       was {}\n", line(is), line(was)));
    }
    Some(text)
}

#[derive(Default)]
struct Row {
    dumps: usize,
    frames: usize,
    trusts: BTreeMap<String, usize>,
    right: usize,
}

/// Cases by what they are and by machine.
#[derive(Default)]
pub(crate) struct Table {
    rows: BTreeMap<(String, String), Row>,
}

impl Table {
    pub(crate) fn add(&mut self, case: &Case, stack: &[Frame], right: bool) {
        let what = case.name.splitn(3, '/').last().unwrap_or_default().to_owned();
        let row = self.rows.entry((what, case.machine.clone())).or_default();
        row.dumps += 1;
        row.frames += stack.len();
        row.right += usize::from(right);
        for frame in stack {
            *row.trusts.entry(frame.trust.clone()).or_default() += 1;
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:44} {:6} {:>5} {:>5} {:>6}  trust", "case", "on", "dumps", "right", "frames")?;
        for ((what, machine), row) in &self.rows {
            let trusts: Vec<_> = row.trusts.iter().map(|(trust, count)| format!("{trust} {count}")).collect();
            let (dumps, right, frames) = (row.dumps, row.right, row.frames);
            writeln!(f, "{what:44} {machine:6} {dumps:5} {right:5} {frames:6}  {}", trusts.join(", "))?;
        }
        let sum = |part: fn(&Row) -> usize| self.rows.values().map(part).sum::<usize>();
        let (dumps, right, frames) = (sum(|row| row.dumps), sum(|row| row.right), sum(|row| row.frames));
        write!(f, "{:44} {:6} {dumps:5} {right:5} {frames:6}", "all", "")
    }
}
