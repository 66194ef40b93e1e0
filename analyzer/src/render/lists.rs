//! The lists of a report: registers, modules, problems.

use super::page::Page;
use super::{bare, shown};
use crate::analysis::{Analysis, ModuleReport};

/// Registers in the debugger's order, and as many in a row as it prints of the machine.
pub(super) fn registers(page: &mut Page, title: &str, note: &str, registers: &[(String, String)]) {
    let Some((first, _)) = registers.first() else { return };
    page.heading(title, note);
    let (in_row, name_width, width) = match first.as_str() {
        "eax" => (6, 3, 8),
        "x0" => (4, 4, 16),
        _ => (3, 6, 16),
    };
    for row in registers.chunks(in_row) {
        let cells: Vec<String> = row
            .iter()
            .map(|(name, value)| format!("{:>name_width$}={:>width$}", shown(name), bare(value)))
            .collect();
        page.line(&cells.join(" "));
    }
}

fn module_line(page: &mut Page, module: &ModuleReport, blamed: &str) {
    let mark = if module.name == blamed { '*' } else { ' ' };
    let version = module.version.as_deref().map(|version| format!(" {}", shown(version))).unwrap_or_default();
    let vendor = shown(&module.vendor);
    let path = module.path.as_deref().map(|path| format!("  {}", shown(path))).unwrap_or_default();
    let line = format!(
        "{mark} {:>16} {:>8x} {:08x} {}{version}  {vendor}{path}",
        bare(&module.base),
        module.size,
        module.timestamp,
        shown(&module.name)
    );
    page.line(line.trim_end());
}

pub(super) fn modules(page: &mut Page, analysis: &Analysis) {
    let blamed = if analysis.verdict.culprit == "process" { "" } else { analysis.verdict.name.as_str() };
    let (inbox, others): (Vec<_>, Vec<_>) = analysis.modules.iter().partition(|module| module.inbox);
    let groups = [("THIRD-PARTY OR UNKNOWN", others), ("PART OF WINDOWS", inbox)];
    if analysis.kernel.as_ref().is_some_and(|details| details.drivers_overflowed) {
        page.heading("MORE DRIVERS WERE LOADED THAN THIS DUMP LISTS", "");
    }
    for (title, group) in groups.iter().filter(|(_, group)| !group.is_empty()) {
        page.heading(&format!("{title}: {}", group.len()), "base, size, timestamp, name");
        for module in group {
            module_line(page, module, blamed);
        }
    }
}

pub(super) fn unloaded(page: &mut Page, analysis: &Analysis) {
    if analysis.unloaded.is_empty() {
        return;
    }
    page.heading(
        &format!("UNLOADED: {}", analysis.unloaded.len()),
        "newest first; Windows cuts names to 12 characters",
    );
    for module in &analysis.unloaded {
        let time = module.time.as_deref().map(|time| format!("  {}", shown(time))).unwrap_or_default();
        let (start, end) = (bare(&module.start), bare(&module.end));
        page.line(&format!("{start:>16} {end:>16} {}{time}", shown(&module.name)));
    }
}

pub(super) fn problems(page: &mut Page, problems: &[String]) {
    if problems.is_empty() {
        return;
    }
    page.heading("PROBLEMS OF THIS DUMP", "");
    for problem in problems {
        page.line(&format!("- {}", shown(problem)));
    }
}
