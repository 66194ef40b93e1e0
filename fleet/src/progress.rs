//! What a person sees while it runs: a bar on a terminal, a line every few seconds anywhere else.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress towards a known number.
pub(crate) enum Progress {
    Bar(ProgressBar),
    Lines { total: u64, last: Mutex<Instant> },
    Silent,
}

impl Progress {
    /// On stderr: results belong on stdout.
    pub(crate) fn new(total: u64, quiet: bool) -> Self {
        if quiet {
            return Self::Silent;
        }
        if !std::io::stderr().is_terminal() {
            return Self::Lines { total, last: Mutex::new(Instant::now()) };
        }
        let style = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}");
        let bar = ProgressBar::new(total);
        Self::Bar(if let Ok(style) = style { bar.with_style(style) } else { bar })
    }

    /// `done` of the total, and what else there is to say.
    pub(crate) fn show(&self, done: u64, say: impl FnOnce() -> String) {
        match self {
            Self::Bar(bar) => {
                bar.set_position(done);
                bar.set_message(say());
            }
            Self::Lines { total, last } => {
                let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    line(&format!("{done}/{total} {}", say()));
                }
            }
            Self::Silent => {}
        }
    }

    pub(crate) fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// A closed stderr stops nothing.
fn line(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}
