//! `bluescope bench --pages`: from the tenth machine's upload to the signed webhook, outage after outage, against the real
//! executable in a process of its own. The receiver and the machines are here.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use fleet::pages::{self, PagesConfig, PagesReport};
use fleet::receiver::{DEMO_SECRET, Receiver, ReceiverConfig};

use super::Service;
use crate::cli::BenchArgs;
use crate::terminal;

/// What one delay in a hundred may exceed, by machines a second.
const GOALS: [(f64, Duration); 2] = [(2.0, Duration::from_secs(15)), (500.0, Duration::from_secs(5))];

/// Measures and prints.
pub(super) async fn run(arguments: &BenchArgs, data: &Path) -> anyhow::Result<ExitCode> {
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let receiver = Receiver::start(&ReceiverConfig { listen, secret: DEMO_SECRET.to_owned() }).await?;
    let address = receiver.address();
    let target = format!(
        "[{{ name = \"bench\", url = \"http://{address}/\", secret = \"{DEMO_SECRET}\", allow_private = true }}]"
    );
    let settings = [("BLUESCOPE_ALERTS__TARGETS", target), ("BLUESCOPE_SYMBOLS__SOURCES", "[]".to_owned())];
    let service = Service::start(data, &settings).await?;
    terminal::remark(&format!("the service runs on {}, its data is in {}", service.url, data.display()));

    let (mut reports, mut first) = (Vec::new(), 0);
    for ((rate, goal), outages) in GOALS.into_iter().zip([arguments.slow_outages, arguments.fast_outages]) {
        if outages == 0 {
            continue;
        }
        let config = PagesConfig { url: service.url.clone(), rate, outages, first, ..PagesConfig::default() };
        reports.push((pages::run(&config, &receiver).await?, goal));
        first += outages;
    }
    service.stop()?;
    receiver.stop().await?;
    terminal::print(&table(&reports));
    let met = reports.iter().all(|(report, goal)| is_met(report, *goal));
    Ok(if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_met(report: &PagesReport, goal: Duration) -> bool {
    report.within(0.99).is_some_and(|delay| delay <= goal)
}

/// One line a rate, under a head.
fn table(reports: &[(PagesReport, Duration)]) -> String {
    let mut text =
        "from the tenth machine's durable upload to the signed webhook, all roles in one process\n\n  \
                    machines/s  outages  paged  machines      p50      p90      p99      max     goal"
            .to_owned();
    for (report, goal) in reports {
        let PagesReport { rate, outages, delays, machines } = report;
        let paged = delays.len();
        write!(text, "\n  {rate:>10}  {outages:>7}  {paged:>5}  {machines:>8.0}").ok();
        let delays = [report.within(0.5), report.within(0.9), report.within(0.99), report.max()];
        for delay in delays {
            let delay = delay.map_or("never".to_owned(), seconds);
            write!(text, "  {delay:>7}").ok();
        }
        let verdict = if is_met(report, *goal) { "met" } else { "missed" };
        write!(text, "  {:>7}  {verdict}", seconds(*goal)).ok();
    }
    text.push_str("\n\n  machines: uploads until the page, on average");
    text
}

fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_was_missed() {
        let report = |rate, outages, milliseconds: &[u64]| PagesReport {
            rate,
            outages,
            delays: milliseconds.iter().copied().map(Duration::from_millis).collect(),
            machines: 14.2,
        };
        let slow = (report(2.0, 4, &[1100, 1200, 1300, 14_999]), Duration::from_secs(15));
        let fast = (report(500.0, 2, &[900]), Duration::from_secs(5));
        assert!(is_met(&slow.0, slow.1) && !is_met(&fast.0, fast.1));
        let table = table(&[slow, fast]);
        let lines: Vec<&str> = table.lines().map(str::trim).collect();
        assert_eq!(
            lines[3..5],
            [
                "2        4      4        14   1.20 s  15.00 s  15.00 s  15.00 s  15.00 s  met",
                "500        2      1        14   0.90 s    never    never    never   5.00 s  missed",
            ]
        );
    }
}
