//! What people know of a bucket, and the form with which they say it.

use maud::{Markup, html};

use crate::access::{self, Role, Visit, csrf_field};
use crate::gather::bucket::Bucket;
use crate::{link, text};

/// The notes, newest first, and the form.
pub(super) fn card(bucket: &Bucket) -> Markup {
    html! {
        section.card id="notes" {
            h2 { "Notes" }
            @if bucket.notes.is_empty() {
                p.none { "Nobody has noted anything. Write down what is known, and where the issue is tracked." }
            } @else {
                ul.timeline {
                    @for note in &bucket.notes {
                        li {
                            (text::time_ago(note.at_ms, bucket.now_ms)) " " b { (text::name(&note.who)) }
                            @if bucket.tenant.is_none() && !note.tenant.is_empty() {
                                span.quiet { " of " (text::name(&note.tenant)) }
                            }
                            @if !note.note.is_empty() { div.words { (text::lines(&note.note)) } }
                            @if !note.link.is_empty() { div.words { (link_to(&note.link)) } }
                        }
                    }
                }
            }
            @if let Some(visit) = access::current().filter(|visit| visit.may(Role::Responder)) {
                @if let Some(address) = link::notes(bucket.tenant.as_deref(), &bucket.bucket) { (form(&address, &visit)) }
            }
        }
    }
}

/// A link that leads away: only to a page of the web, and that learns nothing of where it was.
pub(super) fn link_to(address: &str) -> Markup {
    html! {
        @match link::outside(address) {
            Some(to) => a href=(to) rel="noopener noreferrer nofollow" { (text::visible(to)) },
            None => (text::visible(address)),
        }
    }
}

fn form(address: &str, visit: &Visit) -> Markup {
    html! {
        form.filter.act method="post" action=(address) {
            (csrf_field())
            @if !visit.who.as_ref().is_some_and(access::Who::is_named) {
                label {
                    span { "Your name" }
                    input type="text" name="by" value=(text::visible(&visit.remembered)) maxlength="100" required
                        autocomplete="name";
                }
            }
            label {
                span { "Known issue (its address)" }
                input type="url" name="link" maxlength="500" placeholder="https://…";
            }
            label.words { span { "Note" } textarea name="note" rows="2" maxlength="2000" {} }
            button type="submit" { "Add" }
        }
    }
}
