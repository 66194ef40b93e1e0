//! What can be done to an incident: forms for those who may, how to for others. Pure but for who looks.

use maud::{Markup, html};

use crate::access::{self, Role, Visit, csrf_field};
use crate::act::Kind;
use crate::gather::incidents::Incident;
use crate::{link, text};

/// Lengths of a mute that are one click away.
const MUTES: [(&str, &str); 3] = [("30m", "30 min"), ("2h", "2 h"), ("8h", "8 h")];

/// What was just done, in our words.
pub(super) fn note(did: Option<&str>, incident: &Incident) -> Markup {
    let soon = incident.waiting.iter().any(|one| one.soon);
    let words = did.and_then(Kind::named).map(|kind| match kind {
        Kind::Acknowledge => "You have acknowledged the incident.",
        Kind::Resolve => "You have resolved the incident.",
        Kind::Mute => "The incident is muted.",
        Kind::Unmute => "The incident is muted no more.",
        Kind::Comment => "Your comment stands in the time line.",
        Kind::Ticket => "The ticket is linked.",
    });
    html! {
        @if let Some(words) = words {
            p.note role="status" { (words) @if soon { " It takes effect within seconds." } }
        }
    }
}

pub(super) fn card(incident: &Incident, url: &str) -> Markup {
    let visit = access::current();
    html! {
        section.card {
            h2 { "Act" }
            @match visit.filter(|visit| visit.may(Role::Responder)) {
                Some(visit) => { (forms(incident, &visit)) }
                None => { (hint()) }
            }
            (by_program(incident, url))
        }
    }
}

fn hint() -> Markup {
    html! {
        p {
            @if let Some(link) = access::sign_in_link() {
                a href=(link) { "Sign in" } " as a responder to acknowledge, mute, comment, resolve, or link a ticket."
            } @else {
                "To acknowledge, mute, comment and resolve from here, configure tokens under " code { "[access]" }
                ", or open this page on the server itself."
            }
        }
    }
}

fn forms(incident: &Incident, visit: &Visit) -> Markup {
    let (id, open) = (incident.incident_id, !incident.is_over());
    let to = |kind: Kind| link::act(id, kind.name());
    html! {
        form.filter.act method="post" action=(to(Kind::Comment)) {
            (csrf_field()) (by(visit))
            label.words { span { "Words" } textarea name="words" rows="2" maxlength="2000" {} }
            @if open && incident.state == "open" {
                button type="submit" formaction=(to(Kind::Acknowledge)) { "Acknowledge" }
            }
            button.second type="submit" { "Comment" }
            @if open { button.second type="submit" formaction=(to(Kind::Resolve)) { "Resolve" } }
        }
        @if open {
            form.filter.act method="post" action=(to(Kind::Mute)) {
                (csrf_field()) (by(visit))
                @for (length, words) in MUTES {
                    button.second type="submit" name="for" value=(length) { "Mute " (words) }
                }
                label { span { "Until (UTC)" } input type="datetime-local" name="until"; }
                button.second type="submit" name="for" value="until" { "Mute until" }
                @if incident.muted_until_ms.is_some() {
                    button.second type="submit" formaction=(to(Kind::Unmute)) { "Unmute" }
                }
            }
        }
        form.filter.act method="post" action=(to(Kind::Ticket)) {
            (csrf_field()) (by(visit))
            label.words {
                span { "Ticket: its address, or its id" }
                input type="text" name="ticket" maxlength="500" required placeholder="https://…  or OPS-4711";
            }
            button.second type="submit" { "Link ticket" }
        }
    }
}

/// Who acts, where nobody is signed in.
fn by(visit: &Visit) -> Markup {
    let named = visit.who.as_ref().is_some_and(access::Who::is_named);
    html! {
        @if !named {
            label {
                span { "Your name" }
                input type="text" name="by" value=(text::visible(&visit.remembered)) maxlength="100" required
                    autocomplete="name";
            }
        }
    }
}

fn by_program(incident: &Incident, url: &str) -> Markup {
    let address = format!("{}/api/v1/incidents/{}", url.trim_end_matches('/'), incident.incident_id);
    let act = |act: &str, body: &str| {
        format!("curl -H 'Content-Type: application/json' -d '{body}' \\\n     {address}/{act}\n")
    };
    let all = [
        act("acknowledge", r#"{"by":"ada"}"#),
        act("mute", r#"{"by":"ada","for":"2h"}"#),
        act("unmute", r#"{"by":"ada"}"#),
        act("comment", r#"{"by":"ada","words":"rollback has begun"}"#),
        act("ticket", r#"{"by":"ada","ticket":"OPS-4711"}"#),
        act("resolve", r#"{"by":"ada"}"#),
    ];
    html! {
        details {
            summary { "By a program" }
            p {
                "From this server itself where nobody signs in, else with "
                code { "-H 'Authorization: Bearer …'" } " and a responder's token."
            }
            pre { code { @for one in &all { (lines(one)) "\n" } } }
        }
    }
}

/// The address is the operator's own, and still shown as any text is.
fn lines(text: &str) -> Markup {
    html! { @for line in text.lines() { (text::visible(line)) "\n" } }
}
