//! What pages show of who looks: the corner of the frame, and the hidden field of forms. It is with the task that answers,
//! and not in the arguments of every page: what is wrong is rendered too, by code that has never seen the request.

use maud::{Markup, html};

use super::role::{Means, Role, Who};
use crate::{link, text};

/// The field of a form that has its token.
pub(super) const FIELD: &str = "csrf";

/// Who looks.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) who: Option<Who>,
    pub(super) form_token: String,
    pub(super) can_sign_in: bool,
    /// The name that somebody gave who does not sign in.
    pub(crate) remembered: String,
    /// The address of this page.
    pub(super) here: String,
}

impl Visit {
    /// Whether they may do what needs this role.
    pub(crate) fn may(&self, role: Role) -> bool {
        self.who.as_ref().is_some_and(|who| who.role >= role)
    }

    pub(crate) fn token(&self) -> &str {
        &self.form_token
    }
}

tokio::task_local! {
    static VISIT: Visit;
}

pub(super) async fn within<T>(visit: Visit, answer: impl Future<Output = T>) -> T {
    VISIT.scope(visit, answer).await
}

/// Who looks; none outside of a request.
pub(crate) fn current() -> Option<Visit> {
    VISIT.try_with(Clone::clone).ok()
}

/// What every form that is posted has inside. Without it the form is refused.
pub(crate) fn csrf_field() -> Markup {
    let token = current().map(|visit| visit.form_token).unwrap_or_default();
    html! { input type="hidden" name=(FIELD) value=(token); }
}

/// Where to sign in and come back; none where there is nothing to sign in with.
pub(crate) fn sign_in_link() -> Option<String> {
    let visit = current().filter(|visit| visit.can_sign_in)?;
    let back = if visit.here.starts_with("/login") { "/" } else { visit.here.as_str() };
    Some(link::with_query("/login", &[("then", back)]))
}

/// Who is signed in, for the frame; empty where nobody is and nobody can.
pub(crate) fn signed_in() -> Markup {
    let Some(visit) = current() else { return html! {} };
    let link = sign_in_link();
    html! {
        @match &visit.who {
            Some(who) if who.is_named() => {
                div.who {
                    span { (text::name(&who.name)) " " span.badge { (who.role.name()) } }
                    @if who.role == Role::Admin { a href="/audit" { "Audit log" } }
                    @if who.means == Means::Session {
                        form method="post" action="/logout" { (csrf_field()) button type="submit" { "Sign out" } }
                    }
                }
            }
            Some(who) if who.role == Role::Admin => { div.who { a href="/audit" { "Audit log" } } }
            _ => { @if let Some(link) = link { div.who { a href=(link) { "Sign in" } } } }
        }
    }
}
