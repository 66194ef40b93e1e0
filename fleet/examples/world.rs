//! How long the worlds of a set take to make, and what is in them: `world [SET or FILE] [WORLD]`.
#![expect(clippy::print_stdout, reason = "it is what this is for")]

use std::time::Instant;

use anyhow::Context as _;
use bluescope_fleet::scenario::ScenarioSet;
use bluescope_fleet::world::{Input, World};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "smoke".to_owned());
    let only = arguments.next();
    let set = match ScenarioSet::builtin(&name) {
        Some(set) => set,
        None => ScenarioSet::from_json(
            &std::fs::read_to_string(&name).with_context(|| format!("reading {name}"))?,
        )?,
    };
    for config in set.worlds.iter().filter(|world| only.as_ref().is_none_or(|only| *only == world.name)) {
        for seed in config.seeds() {
            let begin = Instant::now();
            let mut world = World::new(config, seed);
            let (new_s, mut hours) = (begin.elapsed().as_secs_f64(), 0_u64);
            let begin = Instant::now();
            world.history(&mut |_| hours += 1);
            let (history_s, begin) = (begin.elapsed().as_secs_f64(), Instant::now());
            let (mut ticks, mut counts, mut modules) = (0_u64, [0_u64; 4], 0_u64);
            while world
                .tick(&mut |input| match input {
                    Input::Crash(crash) => {
                        counts[0] += 1;
                        modules += crash.modules.len() as u64;
                    }
                    Input::Beat(_) => counts[1] += 1,
                    Input::Install(_) => counts[2] += 1,
                    Input::Change(_) => counts[3] += 1,
                })
                .is_some()
            {
                ticks += 1;
            }
            let seconds = begin.elapsed().as_secs_f64();
            let [crashes, beats, installs, changes] = counts;
            println!(
                "{} seed {seed}: new {new_s:.2} s, history {history_s:.2} s ({hours} rows), {ticks} ticks in {seconds:.2} s: \
                 {crashes} crashes ({modules} modules), {beats} beats, {installs} inventories, {changes} changes",
                config.name
            );
            for truth in world.truths() {
                println!(
                    "  {} {:?} {} at {:.2} d for {:.1} h, {}/s, {} machines, first upload after {:?} s, {:?} {:?}",
                    truth.id,
                    truth.page,
                    truth.drivers.join(" "),
                    (truth.begin_ms - world.start_ms()) as f64 / 864e5,
                    (truth.end_ms - truth.begin_ms) as f64 / 36e5,
                    truth.rate,
                    truth.machines,
                    truth.first_upload_ms.map(|at| (at - truth.begin_ms) / 1000),
                    truth.origin,
                    truth.elements.iter().map(|element| element.value.as_str()).collect::<Vec<_>>(),
                );
            }
        }
    }
    Ok(())
}
