//! The whole result of a search as CSV or JSON, page after page while it is read: no more than a page is ever in memory.

use std::collections::VecDeque;

use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use storage::questions::{CrashSummary, ROWS_AT_ONCE, Range, SearchCursor, SearchFilter, SearchKey};
use utoipa::{IntoParams, ToSchema};

use super::{Refused, understand};
use crate::app::{App, now_ms};
use crate::respond::Fault;
use json::Json;

mod csv;
mod json;

/// More rows than a spreadsheet is read with, and some 40 MB.
const MOST: usize = 100_000;
/// Keys that are found at once: a pass over the range each.
const KEYS_AT_ONCE: usize = 25_000;

/// In which form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// RFC 4180.
    #[default]
    Csv,
    /// One object whose `crashes` are as in the search.
    Json,
}

impl Format {
    /// As it stands in the address.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }
}

/// The query string.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportQuery {
    /// The query; empty: any crash.
    #[param(example = "driver:csagent.sys time:7d")]
    pub(crate) q: String,
    /// In which form.
    #[param(inline)]
    pub(crate) format: Format,
}

/// An export as JSON: its schema. What is sent is written while it is read.
#[derive(ToSchema)]
#[schema(as = SearchExport)]
#[expect(dead_code, reason = "read by the macro that makes the schema")]
pub(crate) struct File {
    /// The query as it was understood.
    query: String,
    between: Range,
    /// Newest first, at most 100,000.
    crashes: Vec<CrashSummary>,
    /// How many there are.
    rows: usize,
    /// Whether there would be more.
    cut: bool,
}

/// How far an export is.
struct Export {
    app: App,
    filter: SearchFilter,
    form: Form,
    most: usize,
    /// Found, and not read yet.
    keys: VecDeque<SearchKey>,
    /// Where the search for more goes on.
    after: Option<SearchCursor>,
    /// Whether there may be more.
    more: bool,
    written: usize,
    ended: bool,
}

enum Form {
    Csv,
    Json(Json),
}

impl Form {
    fn head(&self) -> String {
        match self {
            Self::Csv => csv::head(),
            Self::Json(json) => json.head(),
        }
    }

    fn rows(&mut self, rows: &[CrashSummary]) -> Result<String, Fault> {
        match self {
            Self::Csv => Ok(csv::rows(rows)),
            Self::Json(json) => json.rows(rows),
        }
    }

    fn tail(&self, written: usize, cut: bool) -> String {
        match self {
            Self::Csv => csv::tail(written, cut),
            Self::Json(_) => json::tail(written, cut),
        }
    }
}

/// Answers with a stream. The first page is read before, so that what is wrong is said with a status.
pub(crate) async fn answer(app: &App, asked: ExportQuery) -> Result<Response, Refused> {
    let (kind, disposition) = match asked.format {
        Format::Csv => {
            ("text/csv; charset=utf-8; header=present", "attachment; filename=\"bluescope-crashes.csv\"")
        }
        Format::Json => ("application/json", "attachment; filename=\"bluescope-crashes.json\""),
    };
    let mut export = Export::new(app, &asked, MOST)?;
    let first = export.next().await?;
    let rest = stream::try_unfold(export, |mut export| async move {
        match export.next().await {
            Ok(None) => Ok(None),
            Ok(Some(text)) => Ok(Some((Bytes::from(text), export))),
            // The connection breaks off: whoever saves it learns that it is not whole. The log has the cause already.
            Err(_) => Err(std::io::Error::other("an export broke off")),
        }
    });
    let begin = stream::iter(first.map(|text| Ok(Bytes::from(text))));
    let body = Body::from_stream(futures_util::StreamExt::chain(begin, rest));
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition)], body).into_response())
}

impl Export {
    fn new(app: &App, asked: &ExportQuery, most: usize) -> Result<Self, Refused> {
        let query = understand(&asked.q)?;
        let filter = SearchFilter { range: query.range(now_ms()), condition: query.condition() };
        let form = match asked.format {
            Format::Csv => Form::Csv,
            Format::Json => Form::Json(Json::new(query.to_string(), filter.range)),
        };
        let app = app.clone();
        let keys = VecDeque::new();
        Ok(Self { app, filter, form, most, keys, after: None, more: true, written: 0, ended: false })
    }

    /// The next part of the text; `None` after the last.
    async fn next(&mut self) -> Result<Option<String>, Fault> {
        if self.ended {
            return Ok(None);
        }
        let mut text = if self.written == 0 { self.form.head() } else { String::new() };
        if self.keys.is_empty() && self.more && self.written < self.most {
            self.find().await?;
        }
        let count = self.keys.len().min(ROWS_AT_ONCE).min(self.most - self.written);
        let page: Vec<SearchKey> = self.keys.drain(..count).collect();
        let rows = self.app.database.search_rows(&page).await?;
        text.push_str(&self.form.rows(&rows)?);
        self.written += page.len();
        let cut = self.written == self.most && (self.more || !self.keys.is_empty());
        if cut || (self.keys.is_empty() && !self.more) {
            self.ended = true;
            text.push_str(&self.form.tail(self.written, cut));
        }
        Ok(Some(text))
    }

    /// Looks for more keys than will be read by one, so that it is known whether there are more.
    async fn find(&mut self) -> Result<(), Fault> {
        let wanted = KEYS_AT_ONCE.min(self.most - self.written);
        let limit = u32::try_from(wanted).unwrap_or(u32::MAX).saturating_add(1);
        let mut found = self.app.database.search_keys(&self.filter, limit, self.after).await?;
        self.more = found.len() > wanted;
        found.truncate(wanted);
        self.after = found.last().map(SearchKey::cursor);
        self.keys = found.into();
        Ok(())
    }
}
