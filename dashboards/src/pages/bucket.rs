//! `/buckets/{bucket}?tenant=&range=&fault=`: one bucket: the verdict of its newest crash, how much of it there is, what it
//! goes with, and what people know of it.

mod counts;
mod kin;
mod notes;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::Html;
use maud::{Markup, html};

use super::Answer;
use super::crash::{self, stack};
use crate::app::App;
use crate::gather::bucket::{Bucket, BucketQuery, gather};
use crate::gather::crash::Crash;
use crate::layout::{self, Here};
use crate::query::Key;
use crate::range::Span;
use crate::{chart, link, text};

/// `GET /buckets/{bucket}`
pub(crate) async fn page(
    State(app): State<App>,
    bucket: Result<Path<String>, PathRejection>,
    query: Result<Query<BucketQuery>, QueryRejection>,
) -> Answer {
    let bucket = gather(&app, bucket?.0, query?.0).await?;
    let body = render(&bucket);
    Ok(Html(layout::page(&bucket.bucket, Here::Nowhere, None, &body).into_string()))
}

fn render(bucket: &Bucket) -> Markup {
    html! {
        (head(bucket))
        @if let Some(example) = &bucket.example { (verdict(bucket, example)) (fault(bucket, example)) }
        (counts::cards(bucket))
        (kin::cards(bucket))
        (notes::card(bucket))
        section.card {
            div.head {
                h2 { "Newest crashes" }
                a href=(link::search(&[(Key::Bucket, &bucket.bucket)])) { "All" }
            }
            (layout::crashes(&bucket.recent))
        }
        p.ledger { a href=(format!("/api/v1{}", address(bucket, bucket.range))) { "All of it as JSON" } }
    }
}

/// This page for another range.
fn address(bucket: &Bucket, range: Span) -> String {
    let tenant = bucket.tenant.as_deref().map(|tenant| ("tenant", tenant));
    let fault = bucket.fault.as_deref().map(|fault| ("fault", fault));
    let pairs: Vec<(&str, &str)> = tenant.into_iter().chain(fault).chain([("range", range.name())]).collect();
    link::with_query(&link::bucket(None, &bucket.bucket), &pairs)
}

fn head(bucket: &Bucket) -> Markup {
    let deep = bucket.example.as_ref().and_then(|example| example.deep.as_ref());
    html! {
        section.card {
            div.head {
                h1.mono { (text::name(&bucket.bucket)) }
                nav.ranges aria-label="Range" {
                    @for span in Span::ALL {
                        a href=(address(bucket, span)) aria-current=[(span == bucket.range).then_some("true")] { (span.name()) }
                    }
                }
            }
            @if let Some(fault) = &bucket.fault {
                p.hint {
                    "Only its fault site " code { (fault) } ". "
                    a href=(link::bucket(bucket.tenant.as_deref(), &bucket.bucket)) { "Show the whole bucket" }
                }
            }
            dl {
                @if let Some(deep) = deep.filter(|deep| deep.deep_bucket != bucket.bucket && !deep.deep_bucket.is_empty()) {
                    dt { "With symbols" } dd.mono { (text::name(&deep.deep_bucket)) }
                }
                @if let Some(example) = &bucket.example {
                    dt { "FAILURE_ID_HASH" }
                    dd { (copied(&example.crash.bucket_hash)) }
                }
                @if let Some(tenant) = &bucket.tenant { dt { "Tenant" } dd { (text::name(tenant)) } }
                @if let Some(issue) = &bucket.known_issue { dt { "Known issue" } dd { (notes::link_to(issue)) } }
                dt { "First seen" } dd { (text::time_ago(bucket.first_seen_ms, bucket.now_ms)) }
                dt { "Last seen" } dd { (text::time_ago(bucket.last_seen_ms, bucket.now_ms)) }
            }
            (figures(bucket))
            @if bucket.crashes == 0 {
                p.hint {
                    "No crash of it in " (bucket.range.words()) "."
                    @if bucket.range != Span::Week { " " a href=(address(bucket, Span::Week)) { "Look at 7 days" } }
                }
            } @else {
                (chart::machines(
                    &format!("Machines taken down in {}", bucket.range.words()), &bucket.series, bucket.range.step_words(),
                ))
            }
        }
    }
}

/// Text that is taken elsewhere: one click or key selects it, and a script may put a button beside it.
fn copied(value: &str) -> Markup {
    html! { code.copied data-copy=(text::visible(value)) { (text::name(value)) } }
}

fn figures(bucket: &Bucket) -> Markup {
    let recurrence = &bucket.recurrence;
    let gap = recurrence.median_gap_ms.map(|gap_ms| text::length_s(gap_ms / 1000));
    html! {
        div.figures {
            (layout::figure(&html! { (text::number(bucket.machines)) }, "machines"))
            (layout::figure(&html! { (text::number(bucket.crashes)) }, "crashes"))
            (layout::figure(
                &html! { (text::share(recurrence.recurring, recurrence.machines)) @if recurrence.machines == 0 { "–" } },
                "of machines more than once",
            ))
            (layout::figure(&html! { (gap.unwrap_or_else(|| "–".to_owned())) }, "until it comes back (median)"))
        }
        @if recurrence.one_in > 1 {
            p.quiet {
                "What comes back is counted on " (text::counted(recurrence.machines, "machine")) ", one in "
                (text::number(recurrence.one_in)) "."
            }
        }
    }
}

/// Who is blamed and why, by the newest analysed crash.
fn verdict(bucket: &Bucket, example: &Crash) -> Markup {
    let row = &example.crash;
    html! {
        section.card {
            div.head {
                h2 {
                    @if row.driver.is_empty() { (crash::culprit(&row.culprit)) }
                    @else {
                        a href=(link::driver(&row.driver)) { (text::name(&row.driver)) }
                        @if row.fault_offset != 0 { span.mono.quiet { "+0x" (format!("{:x}", row.fault_offset)) } }
                    }
                    " is blamed"
                }
                @if !row.confidence.is_empty() && row.confidence != "none" {
                    span class="badge" { (text::name(&row.confidence)) " confidence" }
                }
            }
            p.quiet {
                "By its newest crash that was analysed: "
                a href=(link::crash(row.crash_id)) { (text::time(row.crashed_at)) } " on "
                a href=(link::machine(&row.tenant, &row.machine)) { (text::name(&row.machine)) }
                @if bucket.fault.is_none() && bucket.fault_sites.len() > 1 { "; other fault sites are below" }
                "."
            }
            @let verdict = &example.read.verdict;
            @if !verdict.evidence.is_empty() {
                ul.evidence { @for line in &verdict.evidence { li { (text::visible(line)) } } }
            }
            dl {
                @if row.bugcheck != 0 || !row.bugcheck_name.is_empty() {
                    dt { "Stopped with" } dd { (layout::bugcheck(row.bugcheck, &row.bugcheck_name)) }
                }
                @if row.driver_timestamp != 0 { dt { "Version" } dd { (text::version(row.driver_timestamp)) } }
                @if let Some(deep) = &example.deep { (crash::refined(example, deep)) }
                @if !row.rule.is_empty() { dt { "Rule" } dd { code { (text::visible(&row.rule)) } } }
            }
            (crash::others(verdict))
        }
    }
}

/// The place itself: stack, parameters, instructions, registers.
fn fault(bucket: &Bucket, example: &Crash) -> Markup {
    let report = &example.read;
    html! {
        (stack::cards(example))
        (crash::bugcheck(report))
        @if let Some(exception) = &report.exception { (crash::exception_card(exception)) }
        (super::crash::code::card(&bucket.disassembly, report))
        @if !report.registers.is_empty() { (crash::registers(report)) }
    }
}
