//! Who somebody is, and what that lets them do.

use serde::Serialize;
use utoipa::ToSchema;

/// What somebody may; each may all that the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Look.
    Viewer,
    /// Act on incidents, fetch dumps, try targets.
    Responder,
    /// Read who did what.
    Admin,
}

impl Role {
    pub(crate) const ALL: [Self; 3] = [Self::Viewer, Self::Responder, Self::Admin];

    /// As it stands in headers, rows and on pages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Responder => "responder",
            Self::Admin => "admin",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name.trim()))
    }
}

/// How it is known who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Means {
    /// It is not, but they are at this machine.
    Here,
    /// It is not.
    Anyone,
    /// They sent a token; only its role is known.
    Token,
    /// They signed in.
    Session,
    /// A trusted proxy says so.
    Proxy,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) means: Means,
    /// The address that the request came from.
    pub(crate) peer: String,
}

impl Who {
    /// Whether the name is that of a person, whatever a request says.
    pub(crate) fn is_named(&self) -> bool {
        matches!(self.means, Means::Session | Means::Proxy)
    }

    /// The same, under the name that they gave with a request.
    pub(crate) fn called(&self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self.clone() }
    }
}
