//! What a process cost so far, as Linux tells it in `/proc`.

use anyhow::Context as _;

/// Clock ticks a second in `/proc`: 100 on every Linux that Rust runs on (`USER_HZ`).
const TICKS: f64 = 100.0;

/// Memory and processor time of one process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage {
    /// Most memory it ever held, in MiB, without files that it merely maps.
    pub(super) peak_mib: f64,
    /// Memory it holds now, in MiB.
    pub(super) resident_mib: f64,
    /// Seconds on a processor, user and system.
    pub(super) cpu_s: f64,
}

impl Usage {
    pub(super) fn of(process: u32) -> anyhow::Result<Self> {
        let read = |name: &str| {
            let path = format!("/proc/{process}/{name}");
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
        };
        let status = read("status")?;
        Ok(Self {
            peak_mib: kib(&status, "VmHWM:")? / 1024.0,
            resident_mib: kib(&status, "VmRSS:")? / 1024.0,
            cpu_s: cpu_ticks(&read("stat")?)? / TICKS,
        })
    }
}

fn kib(status: &str, key: &str) -> anyhow::Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).with_context(|| format!("no {key} in /proc"))
}

/// Fields 14 and 15, counted behind the command's name, which may hold spaces.
fn cpu_ticks(stat: &str) -> anyhow::Result<f64> {
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
    let field = |index: usize| {
        fields.as_ref().and_then(|fields| fields.get(index)).and_then(|text| text.parse::<f64>().ok())
    };
    field(11).zip(field(12)).map(|(user, system)| user + system).context("/proc has no processor times")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_cost_something() {
        let usage = Usage::of(std::process::id()).unwrap();
        assert!(
            usage.peak_mib > 1.0 && usage.resident_mib <= usage.peak_mib && usage.cpu_s >= 0.0,
            "{usage:?}"
        );
        assert!(cpu_ticks("1 (a b) c) S 1 1 1 0 -1 4 1 0 0 0 250 50 0 0").unwrap() == 300.0);
    }
}
