//! `bluescope detector evaluate`: reads the sets, runs them, prints a report each, writes what else was asked for.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::Context as _;
use fleet::evaluate::{EvaluateOptions, Progress, Report, evaluate};
use fleet::scenario::ScenarioSet;
use serde::Serialize;

use crate::cli::{Baselines, EvaluateArgs};
use crate::terminal;

/// What a file of reports holds.
#[derive(Serialize)]
struct Reports<'r> {
    version: u32,
    reports: &'r [Report],
}

const VERSION: u32 = 1;

/// Evaluates; or lists the sets, or prints one.
pub(super) fn run(arguments: &EvaluateArgs) -> anyhow::Result<ExitCode> {
    if arguments.list {
        terminal::print(&list());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(name) = &arguments.write_set {
        terminal::print(ScenarioSet::builtin_json(name).with_context(|| unknown(name))?.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    // all of them are read before the first one runs for minutes
    let sets = arguments.sets.iter().map(|name| set(name)).collect::<anyhow::Result<Vec<_>>>()?;
    let names = file_names(&sets)?;
    if let Some(folder) = &arguments.plots {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let options = options(arguments);
    let colour = terminal::colours(arguments.color);
    let mut reports = Vec::new();
    for (set, name) in sets.iter().zip(&names) {
        let report = one(set, &options)?;
        terminal::print(&report.text(colour));
        if let Some(folder) = &arguments.plots {
            draw(&report, folder, name)?;
        }
        reports.push(report);
    }
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&Reports { version: VERSION, reports: &reports })?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let missed = arguments.check && !reports.iter().all(Report::meets_goals);
    Ok(if missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn options(arguments: &EvaluateArgs) -> EvaluateOptions {
    let mut options = EvaluateOptions {
        compare: arguments.baselines == Baselines::All,
        only: arguments.only.clone(),
        seed_count: arguments.seed_count.map(|count| count as usize),
        threads: match arguments.threads {
            Some(threads) => threads as usize,
            None => available_parallelism().map_or(1, usize::from),
        },
        ..EvaluateOptions::default()
    };
    if let Some(pages) = arguments.false_pages_per_month {
        options.detector.false_pages_per_month = pages;
    }
    options
}

fn one(set: &ScenarioSet, options: &EvaluateOptions) -> anyhow::Result<Report> {
    let bar = terminal::bar(0, "days")?;
    let report = evaluate(set, options, &|progress: Progress| {
        bar.set_length(progress.of_days as u64);
        bar.set_position(progress.days as u64);
    });
    bar.finish_and_clear();
    Ok(report?)
}

/// A set by its name on the command line.
fn set(name: &str) -> anyhow::Result<ScenarioSet> {
    if let Some(builtin) = name.strip_prefix("builtin:") {
        return ScenarioSet::builtin(builtin).with_context(|| unknown(builtin));
    }
    let text = fs::read_to_string(name).with_context(|| format!("cannot read {name}"))?;
    ScenarioSet::from_json(&text).with_context(|| format!("{name} is no scenario set"))
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = ScenarioSet::builtins().iter().map(|(name, _)| *name).collect();
    format!("no set `{name}` is built in; there are: {}", names.join(", "))
}

fn list() -> String {
    let builtins = ScenarioSet::builtins();
    let width = builtins.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> =
        builtins.iter().map(|(name, what)| format!("builtin:{name:width$}  {what}")).collect();
    lines.join("\n")
}

/// What a set's pictures begin with. The name comes out of a file, and is never a path.
fn file_names(sets: &[ScenarioSet]) -> anyhow::Result<Vec<String>> {
    let safe = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    let names: Vec<String> = sets.iter().map(|set| set.name.chars().map(safe).take(60).collect()).collect();
    for (number, name) in names.iter().enumerate() {
        anyhow::ensure!(
            !names.iter().skip(number + 1).any(|other| other == name),
            "two sets are called `{name}`"
        );
    }
    Ok(names)
}

fn draw(report: &Report, folder: &Path, name: &str) -> anyhow::Result<()> {
    for plot in report.plots() {
        let file = folder.join(format!("{name}-{}.svg", plot.name));
        fs::write(&file, plot.svg).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_stay_in_their_folder() {
        let set = |name: &str| {
            let text = format!(r#"{{"version":1,"name":"{name}","worlds":[{{"name":"one"}}]}}"#);
            serde_json::from_str::<ScenarioSet>(&text).unwrap()
        };
        assert_eq!(
            file_names(&[set("../../etc/Passwd"), set("smoke")]).unwrap(),
            ["------etc-passwd", "smoke"]
        );
        let twice = file_names(&[set("a b"), set("A-b")]).unwrap_err();
        assert_eq!(twice.to_string(), "two sets are called `a-b`");
    }

    #[test]
    fn a_set_that_is_not_there_is_answered_with_those_that_are() {
        let error = set("builtin:nonsense").unwrap_err().to_string();
        assert!(error.starts_with("no set `nonsense` is built in; there are:"), "{error}");
        assert!(set("/nonexistent/set.json").is_err());
    }
}
