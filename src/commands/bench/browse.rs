//! `bluescope bench --browse`: how fast the pages are over tens of millions of crashes. Makes up a fleet in the database,
//! starts the real executable on it in a process of its own, and asks each page and its API as a browser would.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;
use storage::bench::{BUSY_DRIVER, OUTAGE_DRIVER, RARE_DRIVER, Size, WITH_DRIVERS, WITH_REPORT};

use super::Service;
use crate::cli::BenchArgs;
use crate::terminal;

mod ask;
mod figures;
mod made;
mod routes;

use ask::Browser;

/// How often each address is asked, after once cold and once to warm up.
const TIMES: usize = 50;

/// Measures and prints.
pub(super) async fn run(arguments: &BenchArgs, data: &Path) -> anyhow::Result<ExitCode> {
    let size = Size { crashes: arguments.crashes, machines: arguments.machines, days: arguments.days };
    let crashes = made::ready(data, size).await?;
    let offline = [("BLUESCOPE_SYMBOLS__SOURCES", "[]".to_owned())];
    let service = Service::start(data, &offline).await?;
    terminal::remark(&format!("the service runs on {}, its data is in {}", service.url, data.display()));
    let browser = Browser::new(&service.url, service.child.id())?;
    let known = Known::ask(&browser).await?;
    let routes = routes::all(&known);
    let report = ask::measure(&browser, &routes, TIMES).await?;
    service.stop()?;
    terminal::print(&format!(
        "pages over {crashes} crashes of {} machines in {} days, all roles in one process; the newest {WITH_DRIVERS} have \
         lists of drivers, the newest {WITH_REPORT} of them reports\n",
        size.machines, size.days
    ));
    terminal::print(&figures::table(&report));
    Ok(if report.iter().all(figures::Measured::is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What pages are about: names that the fleet has, and ids that only the service knows.
struct Known {
    busy: &'static str,
    rare: &'static str,
    incident: String,
    crash: String,
    machine: String,
    bucket: String,
}

impl Known {
    async fn ask(browser: &Browser) -> anyhow::Result<Self> {
        let of = |value: &Value, at: &str| {
            let found = value.pointer(at).and_then(Value::as_str).map(str::to_owned);
            found.with_context(|| format!("an answer of the service has no {at}"))
        };
        let crashes = browser.json(&format!("/api/v1/crashes?driver={OUTAGE_DRIVER}")).await?;
        let incidents = browser.json("/api/v1/incidents").await?;
        Ok(Self {
            busy: BUSY_DRIVER,
            rare: RARE_DRIVER,
            incident: of(&incidents, "/incidents/0/incident_id")?,
            crash: of(&crashes, "/crashes/0/crash_id")?,
            machine: of(&crashes, "/crashes/0/machine")?,
            bucket: of(&crashes, "/crashes/0/bucket")?,
        })
    }
}
