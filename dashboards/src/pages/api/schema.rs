//! Schemas of the API's document in words: what a type is called, and which fields it has.

use maud::{Markup, html};
use serde_json::Value;

use super::{Row, marked, text};

const PREFIX: &str = "#/components/schemas/";

/// Where a type is on the page.
pub(super) fn anchor(name: &str) -> String {
    format!("type-{name}")
}

fn referred(schema: &Value) -> Option<&str> {
    schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix(PREFIX))
}

fn resolve<'d>(document: &'d Value, schema: &'d Value) -> Option<&'d Value> {
    match referred(schema) {
        Some(name) => document.get("components")?.get("schemas")?.get(name),
        None => Some(schema),
    }
}

/// A type in words.
pub(super) fn kind(schema: &Value) -> Markup {
    if let Some(name) = referred(schema) {
        return html! { a href=(format!("#{}", anchor(name))) { (name) } };
    }
    for (key, between) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if let Some(parts) = schema.get(key).and_then(Value::as_array) {
            return html! {
                @for (index, part) in parts.iter().enumerate() {
                    @if index > 0 { (between) }
                    (kind(part))
                }
            };
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return html! {
            @for (index, value) in values.iter().enumerate() {
                @if index > 0 { ", " }
                code { (value.as_str().map_or_else(|| value.to_string(), str::to_owned)) }
            }
        };
    }
    let format = text(schema, "format");
    html! {
        @match schema.get("type") {
            Some(Value::String(name)) => { (plain(schema, name, format)) },
            Some(Value::Array(names)) => {
                @for (index, name) in names.iter().filter_map(Value::as_str).enumerate() {
                    @if index > 0 { " or " }
                    (plain(schema, name, format))
                }
            },
            _ => { "anything" },
        }
    }
}

fn plain(schema: &Value, name: &str, format: &str) -> Markup {
    html! {
        @match (name, format) {
            ("null", _) => { "null" },
            ("array", _) => {
                "list of "
                @match (schema.get("prefixItems").and_then(Value::as_array), schema.get("items")) {
                    (Some(parts), _) => {
                        @for (index, part) in parts.iter().enumerate() {
                            @if index > 0 { ", " }
                            (kind(part))
                        }
                    },
                    (None, Some(items)) => { (kind(items)) },
                    (None, None) => { "anything" },
                }
            },
            ("integer" | "number", _) | (_, "") => { (name) },
            (_, "uuid") => { "UUID" },
            (_, format) => { (name) " (" (format) ")" },
        }
    }
}

/// The fields of a type that is an object; a list has those of its entries.
pub(super) fn named_fields(document: &Value, schema: &Value) -> Option<Vec<Row>> {
    let schema = resolve(document, schema)?;
    match schema.get("items") {
        Some(items) => fields(document, resolve(document, items)?),
        None => fields(document, schema),
    }
}

/// The same of a type as it is written.
pub(super) fn fields(document: &Value, schema: &Value) -> Option<Vec<Row>> {
    let mut rows = Vec::new();
    collect(document, schema, &mut rows, 0);
    (!rows.is_empty()).then_some(rows)
}

/// Types that consist of others have all their fields. None of ours nests deeper than this.
const DEEPEST: u32 = 4;

fn collect(document: &Value, schema: &Value, rows: &mut Vec<Row>, depth: u32) {
    let Some(schema) = resolve(document, schema).filter(|_| depth < DEEPEST) else { return };
    for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        collect(document, part, rows, depth + 1);
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    rows.extend(properties.into_iter().flatten().map(|(name, field)| Row {
        name: html! { code { (name) } },
        kind: kind(field),
        words: marked(text(field, "description")),
    }));
}
