//! What each route needs. Whatever is not named here needs a viewer to be read, and a responder to be written: a route that
//! was forgotten is open to nobody. Pure.

use axum::http::Method;

use super::role::Role;
use crate::assets;

/// The least role for a route, by its pattern; `None` where nobody needs to be known.
pub(super) fn role(method: &Method, route: Option<&str>) -> Option<Role> {
    match route {
        // What a sign-in page is made of.
        Some("/login" | "/logout") => None,
        Some(route) if assets::is(route) => None,
        Some("/audit" | "/api/v1/audit") => Some(Role::Admin),
        // A dump holds what was in the machine's memory: passwords, and what people wrote.
        Some(route) if route.ends_with("/dump") => Some(Role::Responder),
        // Leads nowhere, which is nobody's business but those who may look.
        None => Some(Role::Viewer),
        Some(_) if method.is_safe() => Some(Role::Viewer),
        Some(_) => Some(Role::Responder),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_is_closed() {
        for (method, route, role_) in [
            (Method::GET, Some("/login"), None),
            (Method::POST, Some("/login"), None),
            (Method::GET, Some("/app.js"), None),
            (Method::GET, Some("/"), Some(Role::Viewer)),
            (Method::HEAD, Some("/"), Some(Role::Viewer)),
            (Method::POST, Some("/"), Some(Role::Responder)),
            (Method::DELETE, Some("/new/one"), Some(Role::Responder)),
            (Method::GET, Some("/audit"), Some(Role::Admin)),
            (Method::GET, Some("/crashes/{id}/dump"), Some(Role::Responder)),
            (Method::GET, None, Some(Role::Viewer)),
        ] {
            assert_eq!(role(&method, route), role_, "{method} {route:?}");
        }
    }
}
