//! An incident in words: the line that a lock screen shows, and the facts below it. What an engineer who was just woken
//! needs first, in the order in which it is needed. Pure; knows no receiver's format.

use detector::{Incident, Severity, State, Step, Subject, Transition};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::plain::{count, cut, plain, rate, share_of};
use super::template::{Field, Template};

/// Longest string from a dump: enough for any driver name, too little to flood a chat.
pub(super) const LONGEST: usize = 200;
/// Longest sentence about what machines share.
pub(super) const LONGEST_SENTENCE: usize = 600;
/// Values of each list that are named.
const NAMED: usize = 3;
/// A time of day says enough for this long; after it the date is needed.
const HALF_A_DAY_MS: i64 = 12 * 3_600_000;

/// One labelled fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: String,
}

/// All that people are told of one step. Nothing in it can carry a receiver's mark-up over lines or turn text around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Story {
    /// `SEV1 csagent.sys`.
    pub(super) title: String,
    /// The line for a lock screen.
    pub(super) line: String,
    /// What is below it, the most important first.
    pub(super) facts: Vec<Fact>,
    /// Where to look.
    pub(super) link: String,
}

/// Puts the words together; `template` replaces the line.
pub(super) fn story(transition: &Transition, page_url: &str, template: Option<&Template>) -> Story {
    let incident = &transition.incident;
    let link = link(page_url, incident);
    let ours = line(transition);
    let line = match template {
        None => ours,
        Some(template) => template.fill(|field| fill(field, transition, &ours, &link)),
    };
    Story { title: title(incident), line, facts: facts(transition), link }
}

/// Where the incident is shown.
pub(super) fn link(page_url: &str, incident: &Incident) -> String {
    format!("{}/incidents/{}", page_url.trim_end_matches('/'), uuid::Uuid::from_u128(incident.id))
}

/// `SEV1`, `SEV2`.
pub(super) fn loud(severity: Severity) -> &'static str {
    match severity {
        Severity::Sev1 => "SEV1",
        Severity::Sev2 => "SEV2",
    }
}

fn title(incident: &Incident) -> String {
    format!("{} {}", loud(incident.severity), subject(&incident.subject))
}

/// What is counted, in words.
pub(super) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Driver(name) => plain(name, LONGEST),
        Subject::BugCheck(code) => format!("bug check 0x{code:x}"),
        Subject::OsBuild(build) => format!("Windows build {build}"),
        Subject::Bucket(name) => format!("bucket {}", plain(name, LONGEST)),
        Subject::Unattributed => "crashes blamed on nobody".to_owned(),
        Subject::Everything => "all crashes".to_owned(),
        Subject::Silence(name, version) => match version {
            None => format!("silence of {}", plain(name, LONGEST)),
            Some(version) => {
                format!("silence of {} 0x{:08x}", plain(name, LONGEST), version.timestamp)
            }
        },
    }
}

fn line(transition: &Transition) -> String {
    let incident = &transition.incident;
    let so_far = format!("{} since {}", toll(incident), clock(incident.onset_ms, transition.at_ms));
    let title = title(incident);
    let usual = match incident.state {
        State::Resolved => "over, ",
        State::Merged => "part of another incident, ",
        State::Open | State::Acknowledged => match transition.step {
            Step::Escalated => "now a page, ",
            Step::Grew => "growing, ",
            Step::Attributed => "cause, ",
            Step::Reopened => "again, ",
            _ => "",
        },
    };
    let mut line = format!("{title}: {usual}{so_far}");
    if matches!(incident.state, State::Resolved | State::Merged) {
        return line;
    }
    line.push_str(&format!(", {} in the last minute", count(incident.last_minute)));
    for more in [shared(incident), top_site(incident)].into_iter().flatten() {
        line.push_str("; ");
        line.push_str(&more);
    }
    line
}

/// `1,816 of 8,000 machines down (22.7 %)`.
fn toll(incident: &Incident) -> String {
    let how = match incident.subject {
        Subject::Silence(..) => "dark",
        _ => "down",
    };
    match incident.exposed {
        Some(exposed) if exposed > 0 => format!(
            "{} of {} machines {how} ({})",
            count(incident.machines),
            count(exposed),
            share_of(incident.machines, exposed)
        ),
        _ => format!("{} machines {how}", count(incident.machines)),
    }
}

fn shared(incident: &Incident) -> Option<String> {
    let sentence = plain(&incident.attribution.as_ref()?.sentence, LONGEST_SENTENCE);
    (!sentence.is_empty()).then(|| sentence.trim_end_matches('.').to_owned())
}

fn top_site(incident: &Incident) -> Option<String> {
    let site = incident.fault_sites.first()?;
    Some(format!("at {}", plain(&site.name, LONGEST)))
}

/// `04:09 UTC`, or with its date where that is not today's. Times that no calendar holds become the epoch.
pub(super) fn clock(at_ms: i64, now_ms: i64) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC);
    let recent = now_ms.saturating_sub(at_ms).abs() < HALF_A_DAY_MS;
    at.strftime(if recent { "%H:%M UTC" } else { "%Y-%m-%d %H:%M UTC" }).to_string()
}

fn facts(transition: &Transition) -> Vec<Fact> {
    let incident = &transition.incident;
    let mut facts = Vec::new();
    let mut add = |label: &'static str, value: String| {
        if !value.is_empty() {
            facts.push(Fact { label, value });
        }
    };
    let sites = match incident.sites {
        0 => String::new(),
        sites => format!(", at {} {}", count(sites), if sites == 1 { "site" } else { "sites" }),
    };
    add("Machines", format!("{}{sites}", toll(incident)));
    let ended = incident.resolved_at_ms.map(|at| format!(" until {}", clock(at, transition.at_ms)));
    let since = clock(incident.onset_ms, transition.at_ms);
    add("Since", format!("{since}{}", ended.unwrap_or_default()));
    add(
        "Growth",
        format!(
            "{} in the last minute, {} in the one before; usual are {}",
            count(incident.last_minute),
            count(incident.minute_before),
            rate(incident.reason.usual_per_minute),
        ),
    );
    add("In common", shared(incident).unwrap_or_default());
    add("Change before it", change(incident));
    add("Fault sites", named(&incident.fault_sites));
    add("Bug checks", named(&incident.bug_checks));
    add("Versions", named(&incident.versions));
    add("Windows builds", named(&incident.os_builds));
    add("Models", named(&incident.models));
    add("Also", incident.also.iter().take(NAMED).map(subject).collect::<Vec<_>>().join(", "));
    add("Tenant", plain(&incident.tenant, LONGEST));
    add("By", plain(&transition.by, LONGEST));
    add("Words", plain(&transition.words, LONGEST_SENTENCE));
    facts
}

fn change(incident: &Incident) -> String {
    let Some((change, before_s)) = incident.attribution.as_ref().and_then(|found| found.change.as_ref())
    else {
        return String::new();
    };
    let what = [change.what.as_str(), change.version.as_str()].join(" ");
    let before = match before_s.unsigned_abs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    };
    let when = if *before_s < 0 { "after" } else { "before" };
    format!("{}, {before} {when} the first machine", plain(what.trim(), LONGEST))
}

fn named(tallies: &[detector::incident::Tally]) -> String {
    let one = |tally: &detector::incident::Tally| {
        format!("{} ({})", plain(&tally.name, LONGEST), count(tally.machines))
    };
    tallies.iter().filter(|tally| !tally.name.is_empty()).take(NAMED).map(one).collect::<Vec<_>>().join(", ")
}

fn fill(field: Field, transition: &Transition, line: &str, link: &str) -> String {
    let incident = &transition.incident;
    let first = |list: &[detector::incident::Tally]| {
        list.first().map(|tally| plain(&tally.name, LONGEST)).unwrap_or_default()
    };
    match field {
        Field::Line => line.to_owned(),
        Field::Step => step(transition.step).to_owned(),
        Field::Severity => loud(incident.severity).to_owned(),
        Field::Subject => subject(&incident.subject),
        Field::Driver => plain(&driver(&incident.subject), LONGEST),
        Field::Tenant => plain(&incident.tenant, LONGEST),
        Field::Machines => count(incident.machines),
        Field::Exposed => incident.exposed.map_or_else(|| "?".to_owned(), count),
        Field::Share => match incident.exposed {
            Some(exposed) if exposed > 0 => share_of(incident.machines, exposed),
            _ => "?".to_owned(),
        },
        Field::Sites => count(incident.sites),
        Field::Since => clock(incident.onset_ms, transition.at_ms),
        Field::Growth => count(incident.last_minute),
        Field::Attribution => shared(incident).unwrap_or_else(|| "not known yet".to_owned()),
        Field::FaultSite => first(&incident.fault_sites),
        Field::BugCheck => first(&incident.bug_checks),
        Field::Version => first(&incident.versions),
        Field::Link => link.to_owned(),
        Field::Id => uuid::Uuid::from_u128(incident.id).to_string(),
    }
}

/// The driver that it is about; empty where it is about none.
pub(super) fn driver(subject: &Subject) -> String {
    match subject {
        Subject::Driver(name) | Subject::Silence(name, _) => cut(name, LONGEST),
        Subject::BugCheck(_)
        | Subject::OsBuild(_)
        | Subject::Bucket(_)
        | Subject::Unattributed
        | Subject::Everything => String::new(),
    }
}

/// A step in one word.
pub(super) fn step(step: Step) -> &'static str {
    match step {
        Step::Opened => "opened",
        Step::Escalated => "escalated",
        Step::Grew => "grew",
        Step::Attributed => "attributed",
        Step::Joined => "joined",
        Step::Merged => "merged",
        Step::Resolved => "resolved",
        Step::Reopened => "reopened",
        Step::Acknowledged => "acknowledged",
        Step::Muted => "muted",
        Step::Unmuted => "unmuted",
        Step::Commented => "commented",
    }
}

#[cfg(test)]
#[path = "story/tests.rs"]
mod tests;
