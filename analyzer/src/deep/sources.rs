//! Tells the pages how the sources of symbols are doing: when that changes, and again and again, so that one that is
//! configured no more is not shown.

use std::time::Duration;

use storage::database::Database;
use storage::questions::SymbolSourceRow;
use symbols::fetch::{BreakerState, Library, SourceHealth};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{now_ms, unix_ms};
use crate::worker::retry::chain;

/// How often to look.
const LOOK: Duration = Duration::from_secs(2);
/// What has not changed is said again after this.
const AGAIN_MS: i64 = 60_000;
/// A source answers many times a second: when it did so last is worth a row this often.
const OFTEN_MS: i64 = 10_000;

/// Looks and says until told to stop.
pub(super) async fn tell(database: &Database, library: &Library, stop: &CancellationToken) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Vec<SymbolSourceRow> = Vec::new();
    let mut away = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        let now_ms = now_ms();
        let rows: Vec<SymbolSourceRow> = library.health().into_iter().map(|one| row(one, now_ms)).collect();
        if known(&rows, &told) {
            continue;
        }
        let put = tokio::select! {
            () = stop.cancelled() => return,
            put = database.put_symbol_sources(&rows) => put,
        };
        match put {
            Ok(()) => {
                away = false;
                told = rows;
            }
            Err(error) if !std::mem::replace(&mut away, true) => {
                warn!(error = %chain(&error), "how sources of symbols are doing is not shown for now");
            }
            Err(_still_away) => {}
        }
    }
}

/// Whether the pages know all of this, and lately.
fn known(rows: &[SymbolSourceRow], told: &[SymbolSourceRow]) -> bool {
    let known = |new: &SymbolSourceRow, old: &SymbolSourceRow| {
        let same = new.source == old.source && new.state == old.state && new.last_error == old.last_error;
        let moved = new.answered_at_ms != old.answered_at_ms || new.failed_at_ms != old.failed_at_ms;
        same && new.updated_at_ms.saturating_sub(old.updated_at_ms) < if moved { OFTEN_MS } else { AGAIN_MS }
    };
    rows.len() == told.len() && rows.iter().zip(told).all(|(new, old)| known(new, old))
}

fn row(health: SourceHealth, now_ms: i64) -> SymbolSourceRow {
    let (last_error, failed_at) = health.last_error.unzip();
    SymbolSourceRow {
        source: health.source,
        state: match health.state {
            BreakerState::Closed => "asked",
            BreakerState::Open => "left alone",
            BreakerState::HalfOpen => "tried again",
        }
        .to_owned(),
        answered_at_ms: health.answered_at.map(unix_ms),
        failed_at_ms: failed_at.map(unix_ms),
        last_error: last_error.unwrap_or_default(),
        updated_at_ms: now_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_not_said_until_it_is_old() {
        let row = |state: &str, answered_at_ms, updated_at_ms| SymbolSourceRow {
            source: "https://symbols.example/".to_owned(),
            state: state.to_owned(),
            answered_at_ms,
            updated_at_ms,
            ..SymbolSourceRow::default()
        };
        let told = [row("asked", Some(5), 1_000)];
        let knows = |rows: &[SymbolSourceRow]| known(rows, &told);
        assert!(knows(&[row("asked", Some(5), 60_999)]));
        assert!(!knows(&[row("asked", Some(5), 61_000)]));
        assert!(knows(&[row("asked", Some(7), 10_999)]));
        assert!(!knows(&[row("asked", Some(7), 11_000)]));
        assert!(!knows(&[row("left alone", Some(5), 1_001)]));
        assert!(!knows(&[]));
    }
}
