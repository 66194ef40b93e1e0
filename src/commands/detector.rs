//! `bluescope detector`: the detector without a service. Which worlds, what is printed and where files go is here; worlds,
//! judgement and measuring are the `fleet` crate's business.

mod evaluate;

use std::process::ExitCode;

use fleet::evaluate::{PaceOptions, pace};

use crate::cli::{DetectorBenchArgs, DetectorCommand};
use crate::terminal;

/// Runs one of its commands.
pub(crate) fn run(command: &DetectorCommand) -> anyhow::Result<ExitCode> {
    match command {
        DetectorCommand::Evaluate(arguments) => evaluate::run(arguments),
        DetectorCommand::Bench(arguments) => bench(arguments),
    }
}

fn bench(arguments: &DetectorBenchArgs) -> anyhow::Result<ExitCode> {
    let [series, crashes, ticks] =
        [arguments.series, arguments.crashes, arguments.ticks].map(|number| number as usize);
    let bar = terminal::bar((series.div_ceil(crashes) + ticks) as u64, "ticks")?;
    let pace = pace(PaceOptions { series, crashes, ticks }, &|tick| bar.set_position(tick as u64))?;
    bar.finish_and_clear();
    terminal::print(&pace.to_string());
    Ok(ExitCode::SUCCESS)
}
