//! The views of `schema/` that turn crashes into a table, as statements over some of the crashes: a back-fill and
//! `reblame` say what the view says because they are the view's own words.

use super::DatabaseError;
use super::migrations;

/// Where every such view names the crashes that it takes.
const CRASHES: &str = "\nFROM crashes\nWHERE ";
/// Where it groups them, if it does.
const GROUPED: &str = "\nGROUP BY";

/// What a table is made of.
#[derive(Debug)]
pub(crate) struct View {
    table: &'static str,
    /// Everything before the crashes are named.
    select: &'static str,
    /// Which crashes.
    condition: &'static str,
    /// What it groups by; empty where each crash is a row.
    keys: &'static str,
}

impl View {
    /// The view that fills a table.
    pub(crate) fn into_table(table: &'static str) -> Result<Self, DatabaseError> {
        migrations::all_statements()
            .find_map(|statement| Self::read(table, statement))
            .ok_or(DatabaseError::Invalid("no view makes crashes into this table"))
    }

    fn read(table: &'static str, statement: &'static str) -> Option<Self> {
        let (_create, view) = statement.split_once("CREATE MATERIALIZED VIEW IF NOT EXISTS ")?;
        let (name, view) = view.split_once(" AS\n")?;
        let (select, rest) = view.split_once(CRASHES)?;
        let (condition, keys) = rest.split_once(GROUPED).unwrap_or((rest, ""));
        (name == format!("{table}_of_crashes TO {table}")).then_some(Self {
            table,
            select,
            condition,
            keys: keys.trim(),
        })
    }

    /// What it makes of the crashes of `from` (a table, perhaps with `FINAL`) for which `which` holds.
    pub(crate) fn select(&self, from: &str, which: &str) -> String {
        let Self { select, condition, keys, .. } = self;
        let grouped = if keys.is_empty() { String::new() } else { format!("{GROUPED} {keys}") };
        format!("{select}\nFROM {from}\nWHERE {condition} AND {which}{grouped}")
    }

    /// Adds that to the table.
    pub(crate) fn insert(&self, from: &str, which: &str) -> String {
        format!("INSERT INTO {} ({})\n{}", self.table, self.columns().join(", "), self.select(from, which))
    }

    /// What it groups by; empty where each crash is a row.
    pub(crate) fn keys(&self) -> &str {
        self.keys
    }

    /// Names of what it selects.
    fn columns(&self) -> Vec<&str> {
        let mut depth = 0_usize;
        let list = self.select.trim_start_matches("SELECT");
        let items = list.split(move |c| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        });
        items.map(|item| item.rsplit_once(" AS ").map_or(item, |(_what, name)| name).trim()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_taken_apart_and_said_again() {
        let view = View::into_table("sightings").unwrap();
        assert_eq!(view.keys(), "tenant, kind, culprit, driver, bucket");
        assert_eq!(
            view.insert("crashes FINAL", "tenant = ''"),
            "INSERT INTO sightings (tenant, kind, culprit, driver, bucket, first_seen, last_seen)
SELECT tenant, kind, culprit, driver, bucket, min(happened_at) AS first_seen, max(happened_at) AS last_seen
FROM crashes FINAL
WHERE outcome = 'analysed' AND tenant = ''
GROUP BY tenant, kind, culprit, driver, bucket"
        );
        assert_eq!(View::into_table("bucket_crashes").unwrap().keys(), "");
        assert_eq!(View::into_table("arrivals").unwrap().columns().last(), Some(&"sites"));
        let sample = View::into_table("crash_sample").unwrap().insert("crashes", "true");
        assert_eq!(
            sample,
            "INSERT INTO crash_sample (* EXCEPT (report, facts))
SELECT * EXCEPT (report, facts)
FROM crashes
WHERE sipHash64(tenant, machine) % 16 = 0 AND true"
        );
        assert!(View::into_table("crashes").is_err());
    }

    #[test]
    fn each_table_that_is_filled_has_a_view_that_can_be_read() {
        let filled = migrations::all_statements().filter_map(migrations::backfilled);
        let tables: Vec<&str> = filled.chain(["arrivals", "crash_minutes"]).collect();
        assert!(tables.len() >= 9, "{tables:?}");
        for table in tables {
            let view = View::into_table(table).unwrap();
            let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
            assert!(table == "crash_sample" || view.columns().iter().all(is_name), "{table}");
            assert!(view.keys().split(", ").all(|key| is_name(&key)), "{table}: {}", view.keys());
        }
    }
}
