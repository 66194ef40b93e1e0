//! What a search asks of a crash, as a tree, and the SQL of it. Text of ours is all that goes into the SQL; what people
//! and machines wrote is bound. Never knows a query language.

use clickhouse::query::Query;

/// A column that holds a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextField {
    /// Architecture.
    Arch,
    /// BIOS version.
    Bios,
    /// Bucket id.
    Bucket,
    /// `FAILURE_ID_HASH`.
    BucketHash,
    /// The bug check's name, or the exception's.
    BugcheckName,
    /// `high`, `medium`, `low`, `none`.
    Confidence,
    /// Processor name.
    Cpu,
    /// What is blamed: `driver`, `hardware`, ...
    Culprit,
    /// Blamed driver or module.
    Driver,
    /// What the crash says of the machine's hardware.
    Hardware,
    /// `kernel`, `live`, `user`.
    Kind,
    /// Machine.
    Machine,
    /// System model.
    Model,
    /// `analysed`, `unreadable`, `dead_letter`.
    Outcome,
    /// Image name of the process.
    Process,
    /// Ring.
    Ring,
    /// The rule that decided.
    Rule,
    /// Site.
    Site,
    /// Tenant.
    Tenant,
    /// System vendor.
    Vendor,
}

impl TextField {
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Arch => "arch",
            Self::Bios => "bios",
            Self::Bucket => "bucket",
            Self::BucketHash => "bucket_hash",
            Self::BugcheckName => "bugcheck_name",
            Self::Confidence => "confidence",
            Self::Cpu => "cpu",
            Self::Culprit => "culprit",
            Self::Driver => "driver",
            Self::Hardware => "hardware_sign",
            Self::Kind => "kind",
            Self::Machine => "machine",
            Self::Model => "model",
            Self::Outcome => "outcome",
            Self::Process => "process",
            Self::Ring => "ring",
            Self::Rule => "rule",
            Self::Site => "site",
            Self::Tenant => "tenant",
            Self::Vendor => "vendor",
        }
    }
}

/// A column that holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberField {
    /// Bug check code.
    Bugcheck,
    /// OS build.
    Build,
    /// Offset of the fault inside the blamed image.
    Offset,
    /// OS update build revision.
    Ubr,
    /// Seconds since boot.
    Uptime,
    /// PE timestamp of the blamed image.
    Version,
}

impl NumberField {
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Bugcheck => "bugcheck",
            Self::Build => "os_build",
            Self::Offset => "fault_offset",
            Self::Ubr => "os_ubr",
            Self::Uptime => "uptime_s",
            Self::Version => "driver_timestamp",
        }
    }
}

/// Where a pattern's text has to be. Case never counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It is all.
    Whole,
    /// The value begins with it.
    Start,
    /// The value ends with it.
    End,
    /// Anywhere.
    Within,
}

/// A text that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The text. An empty one that is not the whole means: any but the empty.
    pub text: String,
    /// Where.
    pub place: Place,
}

/// What is asked of a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Every one of these; none of them: any crash.
    All(Vec<Condition>),
    /// At least one of these; none of them: no crash.
    Any(Vec<Condition>),
    /// The opposite.
    Not(Box<Condition>),
    /// A word.
    Text(TextField, Pattern),
    /// A number of `from` to `to`, both included.
    Number {
        /// Which.
        field: NumberField,
        /// Least.
        from: u64,
        /// Most.
        to: u64,
    },
    /// A hash as `fault_site` has it, 32 hexadecimal digits; what is none matches nothing.
    FaultSite(String),
    /// A module on the stack; known of crashes that were analysed since there is such a column.
    OnStack(Pattern),
    /// A driver in the list of loaded ones, in a certain build where that is given.
    Loaded {
        /// Its name.
        driver: Pattern,
        /// Its PE timestamp.
        timestamp: Option<u32>,
    },
    /// A tag, with this value where one is given.
    Tag {
        /// Its name, exactly.
        key: String,
        /// Its value.
        value: Option<Pattern>,
    },
}

enum Bound {
    Text(String),
    Number(u64),
}

/// A condition as SQL with the values to bind. The names of its parameters begin with `c`.
pub(super) struct Sql {
    text: String,
    bound: Vec<(String, Bound)>,
}

impl Sql {
    pub(super) fn of(condition: &Condition) -> Self {
        let mut sql = Self { text: String::new(), bound: Vec::new() };
        sql.write(condition);
        sql
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn bind(&self, query: Query) -> Query {
        self.bound.iter().fold(query, |query, (name, value)| match value {
            Bound::Text(text) => query.param(name, text),
            Bound::Number(number) => query.param(name, *number),
        })
    }

    fn push(&mut self, sql: &'static str) {
        self.text.push_str(sql);
    }

    fn value(&mut self, value: Bound) {
        let name = format!("c{}", self.bound.len());
        let kind = match value {
            Bound::Text(_) => ":String}",
            Bound::Number(_) => ":UInt64}",
        };
        for part in ["{", &name, kind] {
            self.text.push_str(part);
        }
        self.bound.push((name, value));
    }

    fn write(&mut self, condition: &Condition) {
        match condition {
            Condition::All(all) => self.join(all, " AND ", "1"),
            Condition::Any(any) => self.join(any, " OR ", "0"),
            Condition::Not(condition) => {
                self.push("NOT ");
                self.write(condition);
            }
            Condition::Text(field, pattern) => self.column(*field, pattern),
            Condition::Number { field, from, to } => {
                self.push("(");
                self.push(field.column());
                self.push(" BETWEEN ");
                self.value(Bound::Number(*from));
                self.push(" AND ");
                self.value(Bound::Number(*to));
                self.push(")");
            }
            // A text that is no hash becomes one of another length, which is equal to none.
            Condition::FaultSite(hash) => {
                self.push("(lower(hex(crashes.fault_site)) = lower(");
                self.value(Bound::Text(hash.clone()));
                self.push("))");
            }
            Condition::OnStack(pattern) => self.listed("stack_modules", pattern),
            Condition::Loaded { driver, timestamp: None } => self.listed("drivers", driver),
            Condition::Loaded { driver, timestamp: Some(timestamp) } => {
                self.push("arrayExists((name, build) -> build = ");
                self.value(Bound::Number(u64::from(*timestamp)));
                self.push(" AND ");
                self.matches("name", driver);
                self.push(", drivers, driver_timestamps)");
            }
            Condition::Tag { key, value } => {
                self.push("(mapContains(tags, ");
                self.value(Bound::Text(key.clone()));
                self.push(")");
                if let Some(value) = value {
                    self.push(" AND arrayExists((name, value) -> name = ");
                    self.value(Bound::Text(key.clone()));
                    self.push(" AND ");
                    self.matches("value", value);
                    self.push(", mapKeys(tags), mapValues(tags))");
                }
                self.push(")");
            }
        }
    }

    fn join(&mut self, conditions: &[Condition], between: &'static str, none: &'static str) {
        self.push("(");
        for (index, condition) in conditions.iter().enumerate() {
            self.push(if index == 0 { "" } else { between });
            self.write(condition);
        }
        self.push(if conditions.is_empty() { none } else { "" });
        self.push(")");
    }

    /// A column by itself: equality in a form that indexes of the table can answer.
    fn column(&mut self, field: TextField, pattern: &Pattern) {
        let indexed = matches!(field, TextField::Driver | TextField::Machine);
        if !(indexed && pattern.place == Place::Whole) {
            return self.matches(field.column(), pattern);
        }
        self.push("(");
        self.push(field.column());
        self.push(" IN (");
        let lower = pattern.text.to_lowercase();
        for (index, text) in
            [pattern.text.clone(), lower, pattern.text.to_uppercase()].into_iter().enumerate()
        {
            self.push(if index == 0 { "" } else { ", " });
            self.value(Bound::Text(text));
        }
        self.push("))");
    }

    fn listed(&mut self, column: &'static str, pattern: &Pattern) {
        if pattern.place == Place::Whole {
            self.push("has(");
            self.push(column);
            self.push(", ");
            self.value(Bound::Text(pattern.text.to_lowercase()));
            self.push(")");
            return;
        }
        self.push("arrayExists(name -> ");
        self.matches("name", pattern);
        self.push(", ");
        self.push(column);
        self.push(")");
    }

    fn matches(&mut self, place: &'static str, pattern: &Pattern) {
        if pattern.text.is_empty() && pattern.place != Place::Whole {
            self.push("(");
            self.push(place);
            self.push(" != '')");
            return;
        }
        let (before, between, after) = match pattern.place {
            Place::Whole => ("(lowerUTF8(", ") = lowerUTF8(", "))"),
            Place::Start => ("startsWith(lowerUTF8(", "), lowerUTF8(", "))"),
            Place::End => ("endsWith(lowerUTF8(", "), lowerUTF8(", "))"),
            Place::Within => ("(position(lowerUTF8(", "), lowerUTF8(", ")) > 0)"),
        };
        self.push(before);
        self.push(place);
        self.push(between);
        self.value(Bound::Text(pattern.text.clone()));
        self.push(after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Pattern {
        Pattern { text: text.to_owned(), place: Place::Whole }
    }

    #[test]
    fn nothing_that_was_given_is_in_the_sql() {
        let hostile = "'; DROP TABLE crashes; -- {c0:String}";
        let every = [Place::Whole, Place::Start, Place::End, Place::Within].map(|place| {
            let pattern = Pattern { text: hostile.to_owned(), place };
            Condition::Any(vec![
                Condition::Text(TextField::Machine, pattern.clone()),
                Condition::Text(TextField::Model, pattern.clone()),
                Condition::OnStack(pattern.clone()),
                Condition::Loaded { driver: pattern.clone(), timestamp: Some(7) },
                Condition::Tag { key: hostile.to_owned(), value: Some(pattern) },
                Condition::FaultSite(hostile.to_owned()),
            ])
        });
        let sql = Sql::of(&Condition::All(every.into()));
        assert!(!sql.text().contains("DROP") && !sql.text().contains('\'') && !sql.text().contains(';'));
        assert_eq!(sql.text().matches(['{']).count(), sql.bound.len());
    }

    #[test]
    fn trees_are_bracketed() {
        let ring = |ring| Condition::Text(TextField::Ring, whole(ring));
        let tree = Condition::All(vec![
            Condition::Not(Box::new(Condition::Any(vec![ring("a"), ring("b")]))),
            Condition::Number { field: NumberField::Build, from: 1, to: 2 },
        ]);
        assert_eq!(
            Sql::of(&tree).text(),
            "(NOT ((lowerUTF8(ring) = lowerUTF8({c0:String})) OR (lowerUTF8(ring) = lowerUTF8({c1:String}))) \
             AND (os_build BETWEEN {c2:UInt64} AND {c3:UInt64}))"
        );
        assert_eq!(Sql::of(&Condition::All(vec![])).text(), "(1)");
        assert_eq!(Sql::of(&Condition::Any(vec![])).text(), "(0)");
    }
}
