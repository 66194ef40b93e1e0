//! One machine's crashes, and what they say about its hardware.

use serde::Serialize;
use storage::questions::CrashFilter;
use utoipa::ToSchema;

use super::driver::cut;
use super::hardware::{self, Hardware};
use super::named::{CrashLine, named};
use crate::app::{App, now_ms};
use crate::respond::Fault;

/// Crashes shown: a machine with more is broken, and the list says so.
const MOST: u32 = 200;

/// Everything on a machine's page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Machine {
    pub(crate) now_ms: i64,
    pub(crate) tenant: String,
    pub(crate) machine: String,
    /// What the week's kernel crashes say about its hardware; `None` without any.
    pub(crate) hardware: Option<Hardware>,
    /// Newest first.
    pub(crate) crashes: Vec<CrashLine>,
    /// Whether there are more.
    pub(crate) more: bool,
}

pub(crate) async fn gather(app: &App, tenant: String, machine: String) -> Result<Machine, Fault> {
    let filter = CrashFilter {
        machine: Some(machine.clone()),
        tenant: Some(tenant.clone()),
        ..CrashFilter::default()
    };
    let mut crashes = app.database.crashes(&filter, MOST + 1, None).await?;
    let more = crashes.len() > MOST as usize;
    crashes.truncate(MOST as usize);
    if crashes.is_empty() {
        return Err(Fault::NotFound(format!("No crash of a machine {:?} is known.", cut(&machine))));
    }
    let crashes = named(app, crashes).await?;
    let hardware = hardware::of_machine(app, &tenant, &machine).await?;
    Ok(Machine { now_ms: now_ms(), tenant, machine, hardware, crashes, more })
}
