//! An incident in words: the line that a lock screen shows, and the facts below it. What an engineer who was just woken
//! needs first, in the order in which it is needed. Pure; knows no receiver's format.

use std::cmp::Ordering;

use detector::attribution::Origin;
use detector::{Incident, Severity, State, Step, Subject, Transition};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::plain::{count, cut, plain, rate, share_of};
use super::template::{Field, Template};

/// Longest string from a dump: enough for any driver name, too little to flood a chat.
pub(super) const LONGEST: usize = 200;
/// Longest name of a machine in a link.
const LONGEST_MACHINE: usize = 60;
/// Longest sentence about what machines share.
pub(super) const LONGEST_SENTENCE: usize = 600;
/// Values of each list that are named.
const NAMED: usize = 3;
/// Growths that have a name of their own: a thousand million machines is more than there are.
pub(super) const MOST_GROWN: u32 = 9;
/// A time of day says enough for this long; after it the date is needed.
const HALF_A_DAY_MS: i64 = 12 * 3_600_000;

/// One labelled fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub(super) label: &'static str,
    pub(super) value: String,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) text: String,
    pub(super) url: String,
}

/// A crash of an incident, to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Its id.
    pub crash_id: uuid::Uuid,
    /// Name of the machine.
    pub machine: String,
    /// When it happened, ms since 1970; 0 where that is not known.
    pub at_ms: i64,
}

impl Example {
    /// Where it is shown.
    pub(super) fn url(&self, page_url: &str) -> String {
        format!("{}/crashes/{}", page_url.trim_end_matches('/'), self.crash_id)
    }
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
    /// Where to look then.
    pub(super) more: Vec<Link>,
}

/// Puts the words together; `template` replaces the line.
pub(super) fn story(
    transition: &Transition,
    examples: &[Example],
    page_url: &str,
    template: Option<&Template>,
) -> Story {
    let incident = &transition.incident;
    let link = link(page_url, incident.id);
    let ours = line(transition);
    let line = match template {
        None => ours,
        Some(template) => template.fill(|field| fill(field, transition, &ours, &link)),
    };
    let other = incident
        .merged_into
        .map(|id| Link { text: "The incident that it is part of".to_owned(), url: self::link(page_url, id) });
    let crashes = examples.iter().take(NAMED).map(|example| Link {
        text: format!("Crash of {}", plain(&example.machine, LONGEST_MACHINE)),
        url: example.url(page_url),
    });
    let more = other.into_iter().chain(crashes).collect();
    Story { title: title(incident), line, facts: facts(transition), link, more }
}

/// Where an incident is shown.
fn link(page_url: &str, id: u128) -> String {
    format!("{}/incidents/{}", page_url.trim_end_matches('/'), uuid::Uuid::from_u128(id))
}

/// Its so-manieth growth: `x10`, `x100`; none for the incident itself.
pub(super) fn growth(grown: u32) -> Option<String> {
    let zeros = usize::try_from(grown.min(MOST_GROWN)).unwrap_or_default();
    (zeros > 0).then(|| format!("x1{}", "0".repeat(zeros)))
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
    let (title, toll) = (title(incident), toll(incident));
    match incident.state {
        State::Resolved => {
            let lasted =
                incident.resolved_at_ms.unwrap_or(transition.at_ms).saturating_sub(incident.onset_ms);
            return format!("{title}: over after {}, {toll}", span(lasted));
        }
        State::Merged => return format!("{title}: is part of another incident from now on, {toll}"),
        State::Open | State::Acknowledged => {}
    }
    let so_far = format!("{toll} since {}, {}", clock(incident.onset_ms, transition.at_ms), pace(incident));
    // Sentences that say that nothing is known yet are for whoever looks closer.
    let known = incident.attribution.as_ref().is_some_and(|found| found.origin != Origin::Unknown);
    let cause = shared(incident).filter(|_| known);
    let mut parts = match (transition.step, cause) {
        (Step::Attributed, Some(cause)) => vec![format!("what they share is known. {cause}"), so_far],
        (step, cause) => {
            let news = match step {
                Step::Escalated => "now a page, ",
                Step::Grew => "ten times more, ",
                Step::Reopened => "is back, ",
                _ => "",
            };
            std::iter::once(format!("{news}{so_far}")).chain(cause).collect()
        }
    };
    parts.extend(top_site(incident));
    format!("{title}: {}", parts.join("; "))
}

/// `900 in the last minute, up from 400`.
fn pace(incident: &Incident) -> String {
    let (now, before) = (incident.last_minute, incident.minute_before);
    let change = match now.cmp(&before) {
        Ordering::Greater if before > 0 => format!(", up from {}", count(before)),
        Ordering::Less => format!(", down from {}", count(before)),
        _ => String::new(),
    };
    format!("{} in the last minute{change}", count(now))
}

/// `78 min`, `2 h 5 min`, `3 d 4 h`.
fn span(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    let (days, hours) = (minutes / 1440, minutes / 60);
    match minutes {
        0 => "less than a minute".to_owned(),
        1..120 => format!("{minutes} min"),
        120..2880 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
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
    let since = clock(incident.onset_ms, transition.at_ms);
    let ended = incident.resolved_at_ms.map(|at| format!(" until {}", clock(at, transition.at_ms)));
    let lasted = incident.resolved_at_ms.unwrap_or(transition.at_ms).saturating_sub(incident.onset_ms);
    add("Since", format!("{since}{} ({})", ended.unwrap_or_default(), span(lasted)));
    add("Growth", paces(incident));
    add("They share", shared(incident).unwrap_or_default());
    add("Change before it", change(incident));
    add("Fault sites", named(&incident.fault_sites));
    add("Bug checks", named(&incident.bug_checks));
    add("Versions", named(&incident.versions));
    add("Windows builds", named(&incident.os_builds));
    add("Models", named(&incident.models));
    add("Also alarmed", incident.also.iter().take(NAMED).map(subject).collect::<Vec<_>>().join(", "));
    add("Tenant", plain(&incident.tenant, LONGEST));
    add("By", plain(&transition.by, LONGEST));
    add("Words", plain(&transition.words, LONGEST_SENTENCE));
    facts
}

fn paces(incident: &Incident) -> String {
    let (now, before) = (count(incident.last_minute), count(incident.minute_before));
    let usual = match incident.reason.usual_per_minute {
        // Machines that went dark are held against no rate.
        none if none <= 0.0 => String::new(),
        usual => format!("; usual are at most {} a minute", rate(usual)),
    };
    format!("{now} machines in the last minute, {before} in the one before{usual}")
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
        Field::Step => transition.step.word().to_owned(),
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

#[cfg(test)]
#[path = "story/tests.rs"]
mod tests;
