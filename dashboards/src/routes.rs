//! A router that knows its own paths, so that tests can walk them: axum's own does not tell.

use axum::Router;
use axum::routing::MethodRouter;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The router, and what was put into it.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) router: Router<App>,
    pub(crate) paths: Vec<String>,
}

impl Routes {
    /// Routes with their descriptions.
    pub(crate) fn described(routes: OpenApiRouter<App>) -> Self {
        let (router, document) = routes.split_for_parts();
        Self { router, paths: document.paths.paths.into_keys().collect() }
    }

    pub(crate) fn route(mut self, path: &str, methods: MethodRouter<App>) -> Self {
        self.paths.push(path.to_owned());
        Self { router: self.router.route(path, methods), ..self }
    }

    /// All of `other` beside.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        Self { router: self.router.merge(other.router), ..self }
    }

    /// All of `inner`, under a prefix.
    pub(crate) fn nest(mut self, prefix: &str, inner: Self) -> Self {
        self.paths.extend(inner.paths.iter().map(|path| format!("{prefix}{path}")));
        Self { router: self.router.nest(prefix, inner.router), ..self }
    }

    /// What answers paths that have no route.
    pub(crate) fn fallback<H, T>(self, handler: H) -> Self
    where
        H: axum::handler::Handler<T, App>,
        T: 'static,
    {
        Self { router: self.router.fallback(handler), ..self }
    }
}
