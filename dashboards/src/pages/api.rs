//! `/api`: the API for people, made of its own document: each endpoint with what it takes and gives, and a call that can be
//! copied. Everything shown is the program's own text.

use std::sync::LazyLock;

use axum::response::Html;
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::layout::{self, Here};
use crate::link;
use crate::openapi::DOCUMENT;

mod schema;

use schema::{fields, kind, named_fields};

/// What stands before the address in calls: whoever copies them sets it once.
const SERVER: &str = "$BLUESCOPE";

/// The document as it is served: the page shows nothing that is not in it.
static BODY: LazyLock<Markup> = LazyLock::new(|| {
    let document = serde_json::to_value(&DOCUMENT.api).unwrap_or_default();
    render(&document)
});

/// `GET /api`
pub(crate) async fn page() -> Html<String> {
    Html(layout::page("API", Here::Nowhere, None, &BODY).into_string())
}

/// One way to ask.
struct Operation<'d> {
    method: &'d str,
    path: &'d str,
    about: &'d Map<String, Value>,
}

pub(super) fn text<'d>(value: &'d Value, key: &str) -> &'d str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'d>(value: &'d Value, key: &str) -> &'d [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths
        .flat_map(|(path, item)| {
            let item = item.as_object().into_iter().flatten();
            item.filter_map(move |(method, about)| {
                Some(Operation { method, path, about: about.as_object()? })
            })
        })
        .collect()
}

fn render(document: &Value) -> Markup {
    let operations = operations(document);
    let info = document.get("info").unwrap_or(&Value::Null);
    html! {
        section.card {
            div.head {
                h1 { "API" }
                a href=(format!("{}/openapi.json", crate::openapi::BASE)) { "openapi.json" }
            }
            p { (marked(text(info, "description"))) }
            h2 { "To call it" }
            pre { code { "BLUESCOPE=http://127.0.0.1:8080\nTOKEN=...    # where the configuration has tokens: -H \"Authorization: Bearer $TOKEN\"" } }
            p.quiet {
                "A refusal is " code { "{\"error\":{\"code\":\"...\",\"message\":\"...\"}}" } " with its status: the code is for programs "
                "and stays, the sentence is for people. After 503 the same question may be asked again in a moment."
            }
        }
        @for tag in list(document, "tags") {
            section.card.endpoints {
                h2 { (text(tag, "name")) }
                p.quiet { (text(tag, "description")) }
                @for one in operations.iter().filter(|one| is_tagged(one, text(tag, "name"))) { (operation(document, one)) }
            }
        }
        section.card {
            h2 { "Types" }
            @for (name, schema) in document.pointer("/components/schemas").and_then(Value::as_object).into_iter().flatten() {
                details.endpoint id=(schema::anchor(name)) {
                    summary { code { (name) } " " span.quiet { (marked(first_line(text(schema, "description")))) } }
                    @match fields(document, schema) {
                        Some(rows) => { (table(&rows)) },
                        None => { p { (kind(schema)) } },
                    }
                }
            }
        }
    }
}

fn is_tagged(operation: &Operation<'_>, tag: &str) -> bool {
    let tags = operation.about.get("tags").and_then(Value::as_array);
    tags.is_some_and(|tags| tags.iter().any(|one| one == tag))
}

fn operation(document: &Value, operation: &Operation<'_>) -> Markup {
    let about = operation.about;
    let words = |key: &str| about.get(key).and_then(Value::as_str).unwrap_or_default();
    let parameters = about.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let answers = about.get("responses").and_then(Value::as_object);
    html! {
        details.endpoint {
            summary {
                code.method { (operation.method.to_ascii_uppercase()) } " " code { (operation.path) } " "
                span.quiet { (words("summary")) }
            }
            @if !words("description").is_empty() { p { (marked(words("description"))) } }
            @if !parameters.is_empty() {
                h3 { "Parameters" }
                (table(&parameters.iter().map(parameter).collect::<Vec<_>>()))
            }
            @for (media, body) in media(about.get("requestBody")) {
                h3 { "Body " span.quiet { (media) } }
                @match body.get("schema").and_then(|schema| named_fields(document, schema)) {
                    Some(rows) => { (table(&rows)) },
                    None => { p { (kind(body.get("schema").unwrap_or(&Value::Null))) } },
                }
            }
            @for (status, answer) in answers.into_iter().flatten() {
                @for (_, content) in media(Some(answer)) {
                    h3 { "Answer " span.quiet { (status) " " (text(answer, "description")) } }
                    p { (kind(content.get("schema").unwrap_or(&Value::Null))) }
                    @if status.starts_with('2')
                        && let Some(rows) = content.get("schema").and_then(|schema| named_fields(document, schema)) {
                        (table(&rows))
                    }
                }
            }
            p.quiet { "Refusals: " (refusals(answers)) }
            h3 { "Example" }
            pre { code { (example(operation, parameters)) } }
        }
    }
}

/// Each type of a body with what it holds.
fn media(body: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    body.and_then(|body| body.get("content")).and_then(Value::as_object).into_iter().flatten()
}

fn refusals(answers: Option<&Map<String, Value>>) -> String {
    let codes = answers.into_iter().flatten().map(|(status, _)| status.as_str());
    let codes: Vec<&str> = codes.filter(|status| !status.starts_with('2')).collect();
    codes.join(", ")
}

/// A line of a table: a name, its type, and what it means.
pub(super) struct Row {
    pub(super) name: Markup,
    pub(super) kind: Markup,
    pub(super) words: Markup,
}

fn parameter(parameter: &Value) -> Row {
    let required = parameter.get("required").and_then(Value::as_bool).unwrap_or_default();
    let old = parameter.get("deprecated").and_then(Value::as_bool).unwrap_or_default();
    Row {
        name: html! { code { (text(parameter, "name")) } div.quiet { (text(parameter, "in")) } },
        kind: html! {
            (kind(parameter.get("schema").unwrap_or(&Value::Null)))
            @if required { div.quiet { "required" } }
            @if old { div.quiet { "deprecated" } }
        },
        words: marked(text(parameter, "description")),
    }
}

fn table(rows: &[Row]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { th { "Name" } th { "Type" } th { "What" } } }
                tbody { @for row in rows { tr { td { (row.name) } td { (row.kind) } td { (row.words) } } } }
            }
        }
    }
}

/// A call that can be copied: what is required, or has an example.
fn example(operation: &Operation<'_>, parameters: &[Value]) -> String {
    let mut path = operation.path.to_owned();
    let mut query = Vec::new();
    let mut heads = String::new();
    for parameter in parameters {
        let (name, place) = (text(parameter, "name"), text(parameter, "in"));
        let given = parameter.get("example").map(plain);
        match (place, given) {
            ("path", given) => {
                path = path.replace(
                    &format!("{{{name}}}"),
                    &given.unwrap_or_else(|| format!("${}", name.to_ascii_uppercase())),
                )
            }
            ("query", Some(given)) => query.push((name, given)),
            ("header", Some(given)) => heads.push_str(&format!(" \\\n     -H '{name}: {given}'")),
            _ => {}
        }
    }
    let pairs: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let address = link::with_query(&path, &pairs);
    let body =
        media(operation.about.get("requestBody")).next().map(|(media, body)| match body.get("example") {
            Some(example) => format!(" \\\n     -H 'Content-Type: {media}' \\\n     -d '{example}'"),
            None => " \\\n     --data-binary @FILE".to_owned(),
        });
    format!("curl \"{SERVER}{address}\"{heads}{}", body.unwrap_or_default())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn first_line(words: &str) -> &str {
    words.lines().next().unwrap_or_default()
}

/// Words in which backticks mark code, as comments have them.
pub(super) fn marked(words: &str) -> Markup {
    html! {
        @for (index, part) in words.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}
