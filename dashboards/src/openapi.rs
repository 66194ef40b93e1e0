//! The document of the API, made of the routes themselves: what `/api/v1/openapi.json` serves and the page `/api` shows. Owns
//! what all endpoints have in common: how to be let in, and how a refusal looks.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;

use crate::api;
use crate::respond::Body;

mod intake;

/// Where the API is.
pub(crate) const BASE: &str = "/api/v1";
/// Names of the ways to be let in.
const BEARER: &str = "bearer";
const TOKEN: &str = "token";

/// What can go wrong at any endpoint: status, name of the answer, and when.
const REFUSALS: [(&str, &str, &str); 8] = [
    ("400", "BadRequest", "A parameter or the body makes no sense; the sentence says which."),
    ("401", "Unauthorized", "No token was sent, or one that is not known."),
    ("403", "Forbidden", "Who asks is known, and may not."),
    ("404", "NotFound", "There is no such thing."),
    ("409", "Conflict", "It cannot be done as things stand."),
    ("415", "MediaType", "The body is of another type than is taken."),
    ("429", "TooMany", "Too many tokens were wrong; `Retry-After` says when it may be tried again."),
    ("503", "Away", "The storage behind it does not answer. Try again in a moment; nothing is lost."),
];

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Bluescope",
        description = "What the pages show, as JSON, and what machines and build scripts send. Everything under `/api/v1` stays as it \
            is: fields are added, never renamed or removed, so ignore what you do not know. Times are milliseconds since 1970, UTC, where \
            a name ends in `_ms`; counts of crashes and machines are sizes of sets, so that whatever is sent twice counts once. A list \
            that goes on has `next`: ask again with `before=` that, until it is null.",
    ),
    components(schemas(Body<'_>)),
    tags(
        (name = "Fleet", description = "Everything at a glance"),
        (name = "Crashes", description = "Crashes, found and whole"),
        (name = "Drivers", description = "Who is blamed"),
        (name = "Incidents", description = "What was wrong, who works on it, who is told"),
        (name = "Rollouts", description = "May it go on?"),
        (name = "Machines", description = "Machines and their hardware"),
        (name = "Symbols", description = "Files that give crashes names"),
        (name = "Pipeline", description = "Whether everything that was accepted is accounted for"),
        (name = "Access", description = "Who may, and who did"),
        (name = "Intake", description = "What machines, relays and build scripts send. Served by the intake's port; tokens are `[[ingest.tokens]]`."),
    )
)]
struct Common;

/// The document, and its text.
pub(crate) struct Document {
    pub(crate) api: OpenApi,
    text: String,
}

/// It says what this build does: it is made once.
pub(crate) static DOCUMENT: LazyLock<Document> = LazyLock::new(|| {
    let router = OpenApiRouter::with_openapi(Common::openapi()).nest(BASE, api::described());
    let mut api = router.into_openapi();
    api.merge(intake::Intake::openapi());
    let components = api.components.get_or_insert_with(Components::new);
    add_common(components);
    for (path, item) in &mut api.paths.paths {
        for operation in operations(item) {
            complete(path, operation);
        }
    }
    // Maps with keys of text and plain values: there is nothing in it that cannot be written.
    let text = serde_json::to_string(&api).unwrap_or_default();
    Document { api, text }
});

/// The document of all this
///
/// `OpenAPI` 3.1, as generated from the program.
#[utoipa::path(get, path = "/openapi.json", tag = "Pipeline", responses((status = 200, description = "OK", body = serde_json::Value)))]
pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")], DOCUMENT.text.as_str())
        .into_response()
}

/// Every operation of a path that is there.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

fn add_common(components: &mut Components) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
    let bearer =
        bearer.description(Some("`Authorization: Bearer TOKEN`, one of the tokens in the configuration."));
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    let token =
        ApiKeyValue::with_description("token", "The intake's token, for clients that cannot send headers.");
    components.add_security_scheme(TOKEN, SecurityScheme::ApiKey(ApiKey::Query(token)));
    for (_, name, words) in REFUSALS {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Refusal"))).build();
        let response = ResponseBuilder::new().description(words).content("application/json", content);
        components.responses.insert(name.to_owned(), RefOr::T(response.build()));
    }
}

/// Adds what follows from what an operation takes: the ways to be let in, and the refusals.
fn complete(path: &str, operation: &mut Operation) {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let is_path = |parameter: &RefOr<Parameter>| matches!(parameter, RefOr::T(one) if one.parameter_in == ParameterIn::Path);
    let has_path = parameters.iter().any(is_path);
    let (has_any, has_body) = (!parameters.is_empty(), operation.request_body.is_some());
    let of_pages = path.starts_with(BASE);
    let fits = |status: &str| match status {
        "400" => has_any || has_body,
        "404" => has_path,
        "409" => of_pages && has_body,
        "415" => has_body,
        "429" => of_pages,
        _ => true,
    };
    for (status, name, _) in REFUSALS.into_iter().filter(|(status, ..)| fits(status)) {
        let response = RefOr::Ref(Ref::from_response_name(name));
        operation.responses.responses.entry(status.to_owned()).or_insert(response);
    }
    let mut ways =
        vec![SecurityRequirement::default(), SecurityRequirement::new(BEARER, Vec::<String>::new())];
    if !of_pages {
        ways.push(SecurityRequirement::new(TOKEN, Vec::<String>::new()));
    }
    operation.security = Some(ways);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::DOCUMENT;

    /// The schemas that one is made of.
    fn parts(schema: &Value) -> Vec<&Value> {
        ["allOf", "oneOf", "anyOf"].iter().filter_map(|key| schema[*key].as_array()).flatten().collect()
    }

    /// A type of its own is described where it stands.
    fn is_referred(field: &Value) -> bool {
        field["$ref"].is_string() || parts(field).into_iter().any(is_referred)
    }

    fn bare(name: &str, schema: &Value) -> Vec<String> {
        let mut found = Vec::new();
        for (field, about) in schema["properties"].as_object().into_iter().flatten() {
            let words = about["description"].as_str().unwrap_or_default();
            if words.trim().is_empty() && !is_referred(about) {
                found.push(format!("{name}.{field}"));
            }
        }
        found.extend(parts(schema).into_iter().flat_map(|part| bare(name, part)));
        found
    }

    #[test]
    fn every_field_is_described() {
        let document: Value = serde_json::from_str(&DOCUMENT.text).unwrap();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let found: Vec<String> = schemas.iter().flat_map(|(name, schema)| bare(name, schema)).collect();
        assert!(found.is_empty(), "fields without a description: {}", found.join(", "));
    }
}
