//! The published shapes of facts and verdicts as JSON Schema. Derived from the types, so that they cannot differ.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::facts::Facts;
use crate::verdict::Verdict;

/// What [`Facts::from_json`] takes.
pub fn facts_schema() -> Value {
    schema_document::<Facts<'_>>(SchemaSettings::draft2020_12().for_deserialize())
}

/// What a verdict is written as.
pub fn verdict_schema() -> Value {
    schema_document::<Verdict>(SchemaSettings::draft2020_12().for_serialize())
}

/// The schema of a type; what it is stands at its beginning, where people look.
pub fn schema_document<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let Value::Object(mut fields) = schema else { return schema };
    let mut document = Map::new();
    for key in ["$schema", "title", "description"] {
        document.extend(fields.remove_entry(key));
    }
    document.append(&mut fields);
    Value::Object(document)
}
