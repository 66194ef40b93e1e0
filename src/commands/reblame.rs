//! `bluescope reblame`: stored facts judged again by the present rules and the configuration's owners. Says first which
//! counts would move; writes only with `--apply`, and can be killed and run again at any moment.

mod apply;
mod judged;
mod pages;
mod sketch;
mod tally;
mod when;
mod words;

use std::process::ExitCode;

use anyhow::Context as _;
use storage::database::{Database, DatabaseError};
use storage::questions::ReplayFilter;

pub(crate) use self::when::moment;

use self::judged::{Judge, Said};
use self::pages::Pages;
use self::tally::Tally;
use crate::cli::{Colour, ReblameArgs};
use crate::config::{Config, file_to_read, load};
use crate::roles;
use crate::terminal;

/// Judges again, prints what changes, and writes it where that was asked for.
pub(crate) async fn run(arguments: ReblameArgs) -> anyhow::Result<ExitCode> {
    let mut config = load(file_to_read(arguments.config.as_deref()).as_deref(), std::env::vars())?;
    if let Some(data) = &arguments.data {
        config.server.data.clone_from(data);
    }
    let judge = Judge::new(config.owners()?);
    let filter = ReplayFilter {
        range: when::range(arguments.since, arguments.until)?,
        tenant: arguments.tenant.clone(),
        driver: arguments.driver.as_deref().map(str::to_lowercase),
    };
    let database = open(&config).await?;
    let outcome = reblame(&database, &judge, &filter, &arguments).await;
    database.close().await;
    outcome?;
    Ok(ExitCode::SUCCESS)
}

async fn reblame(
    database: &Database,
    judge: &Judge,
    filter: &ReplayFilter,
    arguments: &ReblameArgs,
) -> anyhow::Result<()> {
    let tally = survey(database, judge, filter).await?;
    terminal::print(&if arguments.json {
        words::json(&tally, filter)?
    } else {
        words::text(&tally, filter, terminal::colours(Colour::Auto))
    });
    if !arguments.apply {
        if !arguments.json && tally.changed() > 0 {
            terminal::remark("nothing was written: --apply writes it");
        }
        return Ok(());
    }
    let applied = apply::apply(database, judge, filter, tally.changed())
        .await
        .context("not everything was written: run it again, it goes on where it is needed")?;
    terminal::print(&if arguments.json {
        serde_json::to_string(&applied)?
    } else {
        words::applied(&applied)
    });
    Ok(())
}

/// Judges every crash again and counts what changes; writes nothing.
async fn survey(database: &Database, judge: &Judge, filter: &ReplayFilter) -> anyhow::Result<Tally> {
    let bar = terminal::bar(database.replay_count(filter).await?, "judging")?;
    let mut tally = Tally::default();
    let mut pages = Pages::of(database, filter);
    while let Some(page) = pages.next().await? {
        for row in &page {
            let said = Said::of_row(row);
            tally.count(row, said, judge.again(&row.facts, row.analyzer_version));
        }
        bar.inc(u64::try_from(page.len())?);
    }
    bar.finish_and_clear();
    Ok(tally)
}

/// The server that the configuration names, or the embedded database where no service has it open: the endpoint of a
/// running one answers to a password that it alone knows.
async fn open(config: &Config) -> anyhow::Result<Database> {
    if config.database.url.is_none() {
        let folder = config.clickhouse_dir();
        anyhow::ensure!(
            folder.is_dir(),
            "there is no database in {}: name the service's configuration or data folder (--config, --data)",
            folder.display()
        );
    }
    let say = |error: &DatabaseError| match error.in_use() {
        true => {
            "a service runs on this data folder, and an embedded database is open to one process at a time: stop the \
             service, run this, and start it again; uploads wait at the machines meanwhile. Beside a ClickHouse server \
             (database.url) it can go on running"
        }
        false => "cannot open the database",
    };
    Database::open(&roles::database_config(config)).await.map_err(|error| {
        let words = say(&error);
        anyhow::Error::new(error).context(words)
    })
}
