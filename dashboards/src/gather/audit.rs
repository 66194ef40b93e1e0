//! The audit log, filtered, a page at a time; and the closed set of what can stand in it.

use serde::{Deserialize, Serialize};
use storage::questions::{AuditCursor, AuditFilter, AuditRow};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::app::App;
use crate::respond::Fault;

/// Lines on one page.
const PAGE: u32 = 100;

/// What is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    SignIn,
    SignInRefused,
    SignOut,
    Acknowledge,
    Resolve,
    Mute,
    Unmute,
    Comment,
    Ticket,
    Note,
    Test,
    Download,
    Export,
    Reanalyse,
    Retry,
    SymbolPush,
}

impl Action {
    pub(crate) const ALL: [Self; 16] = [
        Self::SignIn,
        Self::SignInRefused,
        Self::SignOut,
        Self::Acknowledge,
        Self::Resolve,
        Self::Mute,
        Self::Unmute,
        Self::Comment,
        Self::Ticket,
        Self::Note,
        Self::Test,
        Self::Download,
        Self::Export,
        Self::Reanalyse,
        Self::Retry,
        Self::SymbolPush,
    ];

    /// As it stands in the row and in addresses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SignInRefused => "sign_in_refused",
            Self::SignOut => "sign_out",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
            Self::Mute => "mute",
            Self::Unmute => "unmute",
            Self::Comment => "comment",
            Self::Ticket => "ticket",
            Self::Note => "note",
            Self::Test => "test",
            Self::Download => "download",
            Self::Export => "export",
            Self::Reanalyse => "reanalyse",
            Self::Retry => "retry",
            Self::SymbolPush => "symbol_push",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::SignIn => "signed in",
            Self::SignInRefused => "was refused at the sign-in",
            Self::SignOut => "signed out",
            Self::Acknowledge => "acknowledged an incident",
            Self::Resolve => "resolved an incident",
            Self::Mute => "muted an incident",
            Self::Unmute => "unmuted an incident",
            Self::Comment => "commented on an incident",
            Self::Ticket => "linked a ticket",
            Self::Note => "left a note",
            Self::Test => "tried a target",
            Self::Download => "downloaded a dump",
            Self::Export => "exported a search",
            Self::Reanalyse => "had a crash analysed again",
            Self::Retry => "had a dead letter tried again",
            Self::SymbolPush => "pushed symbols",
        }
    }
}

/// The query string. An empty value means any, as a form sends it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only what this person did.
    pub(crate) who: Option<String>,
    /// Only what is called so: `sign_in`, `acknowledge`, `download`, ...
    pub(crate) action: Option<String>,
    /// `next` of the page before.
    pub(crate) before: Option<String>,
}

/// Everything on the page.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Audit {
    pub(crate) filter: AuditQuery,
    /// Newest first.
    pub(crate) lines: Vec<AuditRow>,
    /// `before` of the next page, where there is one.
    pub(crate) next: Option<String>,
}

pub(crate) async fn gather(app: &App, query: AuditQuery) -> Result<Audit, Fault> {
    let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
    let filter = AuditFilter { who: given(&query.who), action: given(&query.action) };
    let before = given(&query.before).map(|text| cursor(&text)).transpose()?;
    let mut lines = app.database.audit(&filter, PAGE + 1, before).await?;
    let more = lines.len() > PAGE as usize;
    lines.truncate(PAGE as usize);
    let last = lines.last().filter(|_| more).map(AuditRow::cursor);
    let next = last.map(|cursor| format!("{}.{}", cursor.at_ms, cursor.audit_id));
    Ok(Audit { filter: query, lines, next })
}

fn cursor(text: &str) -> Result<AuditCursor, Fault> {
    let parsed =
        text.split_once('.').and_then(|(at, id)| Some((at.parse().ok()?, Uuid::parse_str(id).ok()?)));
    let (at_ms, audit_id) =
        parsed.ok_or_else(|| Fault::BadRequest("before must be what a page gave as next.".to_owned()))?;
    Ok(AuditCursor { at_ms, audit_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_has_a_name_of_its_own() {
        for action in Action::ALL {
            assert_eq!(Action::of(action.name()), Some(action));
        }
        assert_eq!(Action::of("praise"), None);
    }
}
