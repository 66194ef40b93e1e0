//! File + environment -> `Config`, or every fault at once. Never stops at the first one.

use std::path::Path;

use serde::de::IntoDeserializer as _;
use toml::{Table, Value};

use super::Config;
use super::faults::validate;

/// `BLUESCOPE_SERVER__LISTEN=0.0.0.0:8080` sets `server.listen`.
const PREFIX: &str = "BLUESCOPE_";

/// All that is wrong with a configuration, each line with the key it is about.
#[derive(Debug)]
pub(crate) struct Faults(pub Vec<String>);

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the configuration:", if count == 1 { "fault" } else { "faults" })?;
        for fault in &self.0 {
            write!(f, "\n  - {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

/// Reads the file (where there is one), lays the environment over it and checks everything.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, Faults> {
    let table = match file {
        Some(path) => read(path).map_err(|fault| Faults(vec![fault]))?,
        None => Table::new(),
    };
    from_table(table, environment)
}

fn read(path: &Path) -> Result<Table, String> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    text.parse::<Table>().map_err(|error| {
        // Not the line itself, which may hold a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.lines().count().max(1);
        format!("{} is not TOML, line {line} or the one after it: {}", path.display(), error.message())
    })
}

fn from_table(
    mut table: Table,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, Faults> {
    let mut faults = overlay(&mut table, environment);
    let config = deserialize(table, &mut faults);
    faults.extend(validate(&config));
    if faults.is_empty() { Ok(config) } else { Err(Faults(faults)) }
}

/// Sets every `BLUESCOPE_SECTION__KEY` in the table. A value that reads as TOML is taken as such, else as a string.
fn overlay(table: &mut Table, environment: impl Iterator<Item = (String, String)>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, text) in environment {
        let Some((section, key)) = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else {
            continue;
        };
        let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
        let value = value_of(&key, text);
        match table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new())) {
            Value::Table(inner) => {
                inner.insert(key, value);
            }
            _ => faults.push(format!("{section}: must be a section, and {name} sets a key of it")),
        }
    }
    faults
}

/// A password of digits is a password, not a number.
fn value_of(key: &str, text: String) -> Value {
    if is_secret(key) {
        return Value::String(text);
    }
    let parsed = format!("v = {text}").parse::<Table>().ok().and_then(|mut parsed| parsed.remove("v"));
    parsed.filter(|value| !matches!(value, Value::Datetime(_))).unwrap_or(Value::String(text))
}

/// Keys whose values no message may repeat.
fn is_secret(key: &str) -> bool {
    matches!(key, "password" | "token" | "acts_token" | "secret" | "routing_key")
}

/// Keys of lists of such values.
fn holds_secrets(key: &str) -> bool {
    matches!(key, "viewer_tokens" | "responder_tokens" | "admin_tokens")
}

/// Deserializes, and on a fault notes it, takes the offending key out and goes on: so one run lists them all.
fn deserialize(mut table: Table, faults: &mut Vec<String>) -> Config {
    loop {
        let source = Value::Table(table.clone()).into_deserializer();
        let error = match serde_path_to_error::deserialize::<_, Config>(source) {
            Ok(config) => return config,
            Err(error) => error,
        };
        let mut path = keys(error.path());
        let message = error.inner().to_string();
        let mut message = message.trim().lines().next().unwrap_or("is wrong").to_owned();
        // The text of a fault quotes the value; Kafka's options hold passwords too.
        if path.iter().any(|key| is_secret(key) || key == "options") {
            "must be a string in quotes".clone_into(&mut message);
        }
        if path.iter().any(|key| holds_secrets(key)) {
            "must be a list of strings in quotes".clone_into(&mut message);
        }
        if let Some(unknown) = quoted_after(&message, "unknown field `")
            && path.last().map(String::as_str) != Some(unknown)
        {
            path.push(unknown.to_owned());
        }
        faults.push(format!("{}: {message}", path.join(".")));
        if !remove(&mut table, &path) {
            return Config::default();
        }
    }
}

fn keys(path: &serde_path_to_error::Path) -> Vec<String> {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => "?".to_owned(),
        })
        .collect()
}

fn quoted_after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    text.split_once(prefix).and_then(|(_, rest)| rest.split_once('`')).map(|(name, _)| name)
}

/// Takes the value at the path out of the table; a path that leads deeper than the table takes its nearest ancestor.
fn remove(table: &mut Table, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return false };
    let removed_below = match (table.get_mut(first), rest.first()) {
        (Some(Value::Table(inner)), Some(_)) => remove(inner, rest),
        (Some(Value::Array(items)), Some(index)) => match index.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    };
    removed_below || table.remove(first).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, environment: &[(&str, &str)]) -> Result<Config, Faults> {
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        from_table(text.parse::<Table>().unwrap(), environment)
    }

    #[test]
    fn an_empty_file_is_a_whole_configuration() {
        let config = check("", &[]).unwrap();
        assert_eq!(config.server.listen.port(), 8080);
        assert_eq!(config.server.public_url(), "http://127.0.0.1:8080");
    }

    #[test]
    fn every_fault_is_listed_at_once() {
        let faults = check(
            "[server]\nlisten = \"nowhere\"\ncolour = 1\n[ingest]\nmax_dump = \"many\"\n[queue]\nkind = \"kafka\"\n\
             [[alerts.targets]]\ncolour = \"a\"\n[typo]\nx = 1\n",
            &[("BLUESCOPE_ALERTS__TICK", "soon")],
        )
        .unwrap_err();
        let all = faults.to_string();
        let keys = [
            "server.listen",
            "server.colour",
            "ingest.max_dump",
            "queue.brokers",
            "alerts.targets",
            "typo",
            "alerts.tick",
        ];
        for key in keys {
            assert!(all.contains(key), "{key} is missing in:\n{all}");
        }
        assert_eq!(faults.0.len(), keys.len(), "{all}");
    }

    #[test]
    fn a_secret_is_never_repeated_and_may_be_all_digits() {
        let faults =
            check("[database]\npassword = 20240719\n[queue]\noptions = { \"sasl.password\" = 4711 }\n", &[]);
        let text = faults.unwrap_err().to_string();
        assert!(text.contains("database.password") && text.contains("queue.options"), "{text}");
        assert!(!text.contains("20240719") && !text.contains("4711"), "{text}");
        let config = check("", &[("BLUESCOPE_DATABASE__PASSWORD", "20240719")]).unwrap();
        assert_eq!(secrecy::ExposeSecret::expose_secret(&config.database.password), "20240719");

        for value in ["4711-is-no-list", "[4711, 4712]", "hunter2"] {
            let text = check("", &[("BLUESCOPE_ACCESS__ADMIN_TOKENS", value)]).unwrap_err().to_string();
            assert!(text.contains("access.admin_tokens") && !text.contains("4711"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        let list = r#"["0123456789012345678", "9876543210987654321"]"#;
        assert_eq!(
            check("", &[("BLUESCOPE_ACCESS__ADMIN_TOKENS", list)]).unwrap().access.admin_tokens.len(),
            2
        );

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[log]\n[database]\npassword = hunter2\n").unwrap();
        let text = load(Some(file.path()), std::iter::empty()).unwrap_err().to_string();
        assert!(text.contains("line ") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let targets = r#"[{name="a", url="https://example.org/", secret="whsec_c2VjcmV0c2VjcmV0c2VjcmV0"}]"#;
        let config = check(
            "[server]\nlisten = \"127.0.0.1:1\"\n",
            &[
                ("BLUESCOPE_SERVER__LISTEN", "127.0.0.1:9"),
                ("BLUESCOPE_INGEST__MAX_DUMP", "1MiB"),
                ("BLUESCOPE_ALERTS__FALSE_PAGES_PER_MONTH", "0.25"),
                ("BLUESCOPE_ALERTS__TARGETS", targets),
                ("HOME", "/root"),
            ],
        )
        .unwrap();
        assert_eq!(config.server.listen.port(), 9);
        assert_eq!(config.ingest.max_dump.as_u64(), 1 << 20);
        assert!((config.alerts.false_pages_per_month - 0.25).abs() < f64::EPSILON);
        assert_eq!(config.alerts.targets.len(), 1);
    }
}
