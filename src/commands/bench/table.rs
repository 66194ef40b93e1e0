//! The benchmark's figures as people read them.

use std::fmt::Write as _;
use std::time::Duration;

use super::process::Usage;

/// Rows a second, and how far the analyzer was behind.
pub(super) fn summary(rows: u64, sent: Duration, done: Duration) -> String {
    format!(
        "  rows        {rows} in {:.1} s: {:.0} a second from upload to row\n  behind      {:.1} s after the last upload until the last row",
        done.as_secs_f64(),
        rows as f64 / done.as_secs_f64(),
        done.saturating_sub(sent).as_secs_f64(),
    )
}

/// What it cost.
pub(super) fn usage(server: &Usage, generator: &Usage, done: Duration) -> String {
    let mut text = String::from("\n  process          peak MiB    now MiB    cores used\n");
    for (name, usage) in [("service", server), ("load generator", generator)] {
        let cores = usage.cpu_s / done.as_secs_f64();
        let Usage { peak_mib, resident_mib, .. } = usage;
        writeln!(text, "  {name:15} {peak_mib:9.0} {resident_mib:10.0} {cores:13.2}").ok();
    }
    let peak = server.peak_mib + generator.peak_mib;
    write!(text, "  {:15} {peak:9.0}", "together").ok();
    text
}

/// Seconds of each stage, in the order of the way through.
#[derive(Debug, PartialEq)]
pub(super) struct Stages(Vec<(String, f64, f64)>);

/// Stages of the intake (histograms: sum and count) and of the analyzer (counters).
const HISTOGRAMS: &[(&str, &str)] = &[
    ("upload, whole request", "bluescope_ingest_upload_duration_seconds"),
    ("  of it: queue append", "bluescope_ingest_append_duration_seconds"),
];
const ANALYZER: &str = "bluescope_analyzer_stage_seconds_total{stage=\"";

impl Stages {
    /// Reads them out of Prometheus text.
    pub(super) fn read(metrics: &str) -> Self {
        let value = |name: &str| {
            metrics
                .lines()
                .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
                .unwrap_or(0.0)
        };
        let mut stages = Vec::new();
        for (label, name) in HISTOGRAMS {
            stages.push((
                (*label).to_owned(),
                value(&format!("{name}_sum")),
                value(&format!("{name}_count")),
            ));
        }
        for line in metrics.lines() {
            if let Some((stage, seconds)) =
                line.strip_prefix(ANALYZER).and_then(|rest| rest.split_once("\"}"))
                && let Ok(seconds) = seconds.trim().parse()
            {
                stages.push((format!("analyzer: {stage}"), seconds, 0.0));
            }
        }
        Self(stages)
    }

    /// Their table: seconds in all (parallel ones add up), and each as a share of the time that passed.
    pub(super) fn table(&self, done: Duration) -> String {
        let mut text = String::from("\n  stage                       seconds   of elapsed    each\n");
        for (name, seconds, count) in &self.0 {
            let share = seconds / done.as_secs_f64() * 100.0;
            let each =
                if *count > 0.0 { format!("{:.2} ms", seconds / count * 1000.0) } else { String::new() };
            writeln!(text, "  {name:25} {seconds:9.2} {share:11.0}% {each:>10}").ok();
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// How the deep path fared at a server that never answers.
pub(super) fn deep(metrics: &str, connections: u64) -> String {
    let sum = |name: &str| -> f64 {
        let of_name = metrics.lines().filter(|line| line.starts_with(name));
        of_name.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).fold(0.0, |sum, n| sum + n)
    };
    let (due, done) = (sum("bluescope_deep_due "), sum("bluescope_deep_analyses_total"));
    format!(
        "\n  symbol server that never answers: {connections} connections; deep analyses: {done} done, {due} under way or \
         waiting"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_read_from_the_metrics() {
        let stages = Stages::read(
            "bluescope_ingest_upload_duration_seconds_sum 4.5\nbluescope_ingest_upload_duration_seconds_count 9\n\
             bluescope_analyzer_stage_seconds_total{stage=\"insert\"} 1.25\n# EOF\n",
        );
        assert_eq!(stages.0[0], ("upload, whole request".to_owned(), 4.5, 9.0));
        assert_eq!(stages.0[2], ("analyzer: insert".to_owned(), 1.25, 0.0));
        assert!(stages.table(Duration::from_secs(5)).contains("500.00 ms"));
    }
}
