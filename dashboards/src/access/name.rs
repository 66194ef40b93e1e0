//! A person's name, as they give it.

use crate::respond::Fault;

/// Characters of a person's name.
const MOST_NAME: usize = 100;

/// The name, where it is one; `field` is what the request calls it.
pub(crate) fn person(text: &str, field: &str) -> Result<String, Fault> {
    let name = text.trim();
    let why = match name {
        "" => "is missing: who does it.",
        _ if name.chars().count() > MOST_NAME => "is longer than 100 characters.",
        _ if name.chars().any(char::is_control) => "has control characters.",
        _ => return Ok(name.to_owned()),
    };
    Err(Fault::BadRequest(format!("`{field}` {why}")))
}
