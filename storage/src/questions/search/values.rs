//! Which values a fact has in the fleet: what is offered while somebody types a query.

use clickhouse::Row;
use serde::{Deserialize, Serialize};

use super::{NumberField, TextField, within};
use crate::database::{Database, DatabaseError};
use crate::questions::Range;

/// Whose values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValuesOf {
    /// A column that holds words.
    Text(TextField),
    /// A column that holds numbers; PE timestamps as 8 hexadecimal digits, others decimal.
    Number(NumberField),
    /// Modules on stacks.
    StackModules,
    /// Loaded drivers that are not Windows' own.
    Loaded,
    /// Names of tags.
    TagNames,
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub struct KnownValue {
    /// As text.
    pub value: String,
    /// Distinct machines.
    pub machines: u64,
}

impl ValuesOf {
    fn expression(self) -> [&'static str; 3] {
        match self {
            Self::Text(field) => ["toString(", field.column(), ")"],
            Self::Number(NumberField::Version) => ["lower(leftPad(hex(", "driver_timestamp", "), 8, '0'))"],
            Self::Number(field) => ["toString(", field.column(), ")"],
            Self::StackModules => ["toString(arrayJoin(", "stack_modules", "))"],
            Self::Loaded => ["toString(arrayJoin(", "third_party", "))"],
            Self::TagNames => ["toString(arrayJoin(", "mapKeys(tags)", "))"],
        }
    }
}

/// Forms of a crash that lost are looked at too: what is offered need not be exact, and comes while somebody types.
const SQL: [&str; 2] = [
    "SELECT value, uniqCombined64(12)(who) AS machines
FROM (
    SELECT ",
    concat!(
        " AS value, sipHash64(tenant, machine) AS who
    FROM crashes
    WHERE ",
        within!(),
        "1
)
WHERE value != '' AND position(lowerUTF8(value), lowerUTF8({part:String})) > 0
GROUP BY value
ORDER BY startsWith(lowerUTF8(value), lowerUTF8({part:String})) DESC, machines DESC, value
LIMIT {limit:UInt32}"
    ),
];

impl Database {
    /// The values that have `part` in them, those that begin with it first, then by machines.
    pub async fn known_values(
        &self,
        of: ValuesOf,
        part: &str,
        range: Range,
        limit: u32,
    ) -> Result<Vec<KnownValue>, DatabaseError> {
        let [before, after] = SQL;
        let [open, column, close] = of.expression();
        self.ask_built(&[before, open, column, close, after].concat())
            .param("part", part)
            .param("from", range.from_ms.max(0))
            .param("to", range.to_ms.max(0))
            .param("limit", limit)
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("list known values"))
    }
}
