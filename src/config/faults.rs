//! What a configuration may not say, beyond what its types rule out. Each fault names its key and what to write.

use std::time::Duration;

use analyzer::Owners;
use secrecy::ExposeSecret as _;

use super::{Config, Database, Ingest, Queue, QueueKind, Server, Signals, Symbols};

/// Every fault of a configuration that deserialized.
pub(super) fn validate(config: &Config) -> Vec<String> {
    let mut faults = Checks(Vec::new());
    server(&mut faults, &config.server);
    faults.0.extend(config.access.faults());
    ingest(&mut faults, &config.ingest);
    queue(&mut faults, &config.queue);
    signals(&mut faults, &config.signals);
    database(&mut faults, &config.database);
    faults.must(config.analyzer.threads != Some(0), "analyzer.threads", "must be at least 1");
    if let Err(errors) = Owners::new(&config.blame) {
        faults.0.extend(errors.iter().map(|error| format!("blame: {error}")));
    }
    symbols(&mut faults, &config.symbols);
    faults.0.extend(config.alerts.faults());
    faults.0
}

struct Checks(Vec<String>);

impl Checks {
    fn must(&mut self, holds: bool, key: &str, otherwise: &str) {
        if !holds {
            self.0.push(format!("{key}: {otherwise}"));
        }
    }
}

fn server(checks: &mut Checks, server: &Server) {
    checks.must(server.max_connections > 0, "server.max_connections", "must be at least 1");
    checks.must(!server.head_timeout.is_zero(), "server.head_timeout", "must be longer than nothing");
    if let Some(url) = &server.public_url {
        checks.must(is_http(url), "server.public_url", "must begin with http:// or https://");
    }
    if let Some(token) = &server.acts_token {
        checks.must(token.expose_secret().len() >= 8, "server.acts_token", "must have at least 8 characters");
    }
}

fn ingest(checks: &mut Checks, ingest: &Ingest) {
    checks.must(
        ingest.max_dump.as_u64() >= 0x3000,
        "ingest.max_dump",
        "must be at least 12 KiB: no kernel dump is smaller",
    );
    checks.must(
        (64 << 10..=16 << 20).contains(&ingest.max_inline.as_u64()),
        "ingest.max_inline",
        "must lie between 64 KiB and 16 MiB: it is the size of a queue message",
    );
    checks.must(
        ingest.max_in_flight.as_u64() / 4 >= ingest.max_inline.as_u64(),
        "ingest.max_in_flight",
        "must be at least four times ingest.max_inline, or uploads wait for each other",
    );
    checks.must(ingest.timeout >= Duration::from_secs(1), "ingest.timeout", "must be at least 1s");
    for (index, token) in ingest.tokens.iter().enumerate() {
        checks.must(
            token.token.expose_secret().len() >= 8,
            &format!("ingest.tokens.{index}.token"),
            "must have at least 8 characters",
        );
    }
}

fn queue(checks: &mut Checks, queue: &Queue) {
    checks.must(queue.max_size.as_u64() >= 64 << 20, "queue.max_size", "must be at least 64 MiB");
    if queue.kind == QueueKind::Kafka {
        checks.must(
            !queue.brokers.is_empty(),
            "queue.brokers",
            "must name at least one host:port with kind = \"kafka\"",
        );
        checks.must(!queue.topic.is_empty(), "queue.topic", "must not be empty");
        checks.must(queue.partitions >= 1, "queue.partitions", "must be at least 1");
        checks.must(queue.replication >= 1, "queue.replication", "must be at least 1");
    }
}

fn signals(checks: &mut Checks, signals: &Signals) {
    checks.must(
        (Duration::from_hours(1)..=Duration::from_hours(24 * 90)).contains(&signals.keep),
        "signals.keep",
        "must lie between 1h and 90d",
    );
    checks.must(signals.max_size.as_u64() >= 64 << 20, "signals.max_size", "must be at least 64 MiB");
}

fn database(checks: &mut Checks, database: &Database) {
    if let Some(url) = &database.url {
        checks.must(is_http(url), "database.url", "must begin with http:// or https://");
    }
    let name = &database.database;
    checks.must(
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'),
        "database.database",
        "must be letters, digits and underscores",
    );
}

fn symbols(checks: &mut Checks, symbols: &Symbols) {
    for (index, source) in symbols.sources.iter().enumerate() {
        if let Err(fault) = crate::library::source(source) {
            checks.0.push(format!("symbols.sources.{index}: {fault}"));
        }
    }
    checks.must(symbols.threads > 0, "symbols.threads", "must be at least 1");
    checks.must(
        symbols.max_file.as_u64() >= 1 << 20,
        "symbols.max_file",
        "must be at least 1 MiB: the smallest PDBs have that",
    );
    checks.must(
        symbols.cache.as_u64() >= symbols.max_file.as_u64(),
        "symbols.cache",
        "must be at least symbols.max_file, or one file pushes out all others and itself",
    );
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}
