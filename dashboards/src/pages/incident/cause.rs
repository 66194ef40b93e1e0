//! Why an incident opened and what its machines share, in words and with the numbers behind them. Pure.

use detector::Change;
use detector::attribution::{Attribution, Claim, Facet};
use maud::{Markup, html};
use storage::questions::Evidence;

use crate::gather::incidents::Reason;
use crate::text;

/// The detector's numbers as sentences.
pub(super) fn reason(reason: &Reason) -> Markup {
    let counted = text::counted(reason.machines, "machine");
    let within = match reason.span_s {
        0 => "a second".to_owned(),
        span_s => text::length_s(i64::try_from(span_s).unwrap_or(i64::MAX)),
    };
    let expected = match text::decimal(reason.expected) {
        none if none == "0" => "none was".to_owned(),
        some => format!("at most {some} were"),
    };
    html! {
        @if reason.machines == 0 {
            span.none { "not recorded" }
        } @else {
            (counted)
            @if reason.sites > 0 { " at " (text::counted(reason.sites, "site")) }
            " within " (within) ", where " (expected) " to be expected."
            @if reason.spread_machines > 0 && reason.spread_machines < reason.machines {
                " " (text::number(reason.spread_machines)) " of them are not at its largest sites."
            }
            @if reason.baseline_per_minute > 0.0 { " Usual are at most " (text::per_minute(reason.baseline_per_minute)) "." }
            @if reason.late { " They uploaded late, more than 15 minutes after they crashed." }
            @if reason.common_mode > 1.5 {
                " The whole fleet was at " (text::decimal(reason.common_mode))
                " times its usual rate; that is allowed for."
            }
            @if reason.rho > 0.0 {
                " The chart that looks for " (text::decimal(reason.rho)) " times the usual stood at "
                (text::decimal(reason.score)) "; " (text::decimal(reason.threshold)) " opens an incident."
            } @else if reason.threshold > 0.0 {
                " Its score was " (text::decimal(reason.score)) "; " (text::decimal(reason.threshold)) " opens an incident."
            }
            @if reason.log10_chance < 0.0 { " Chance: 10" sup { (format!("{:.0}", reason.log10_chance)) } "." }
        }
    }
}

/// Explanations, what was cleared, and what was changed before.
pub(super) fn card(attribution: &Attribution, onset_ms: i64) -> Markup {
    let changes = attribution.change.is_some() || !attribution.also_changed.is_empty();
    html! {
        @if !attribution.claims.is_empty() || !attribution.vetoed.is_empty() || changes {
            section.card {
                h2 { "What explains it" }
                @if !attribution.claims.is_empty() { (claims(attribution)) }
                @if !attribution.vetoed.is_empty() {
                    h2 { "Cleared" }
                    ul { @for cleared in &attribution.vetoed { li { (text::visible(cleared)) } } }
                }
                @if changes { h2 { "Changed before" } (changed(attribution, onset_ms)) }
            }
        }
    }
}

fn claims(attribution: &Attribution) -> Markup {
    html! {
        p.quiet {
            "Held against " (text::counted(attribution.reference.into(), "machine"))
            " that could have gone down and did not. Odds: how much likelier a machine with it goes down than one without."
        }
        div.scroll {
            table {
                thead {
                    tr {
                        th { "They have" } th.n { "Affected" } th.n { "Others" } th { "Share of the excess" } th { "Odds" }
                    }
                }
                tbody { @for claim in &attribution.claims { (row(claim, attribution)) } }
            }
        }
    }
}

fn row(claim: &Claim, attribution: &Attribution) -> Markup {
    html! {
        tr {
            td {
                @for (index, element) in claim.elements.iter().enumerate() {
                    @if index > 0 { " and " }
                    (facet(element.facet)) " " (text::name(&element.value))
                }
            }
            td.n { (text::number(claim.affected.into())) " of " (text::number(attribution.affected.into())) }
            td.n { (text::number(claim.exposed.into())) " of " (text::number(attribution.reference.into())) }
            td.nowrap {
                (text::percent(claim.share))
                span.quiet { " (" (text::percent(claim.share_low)) " to " (text::percent(claim.share_high)) ")" }
            }
            td.nowrap {
                (text::odds(claim.odds)) span.quiet { " (at least " (text::odds(claim.odds_low)) ")" }
            }
        }
    }
}

fn facet(facet: Facet) -> &'static str {
    match facet {
        Facet::Version => "version",
        Facet::OsBuild => "Windows build",
        Facet::Model => "model",
        Facet::Site => "site",
        Facet::Ring => "ring",
        Facet::Module | Facet::ModuleVersion => "loaded",
    }
}

fn changed(attribution: &Attribution, onset_ms: i64) -> Markup {
    let fitting = attribution.change.iter().map(|(change, _)| (change, true));
    let also = attribution.also_changed.iter().map(|change| (change, false));
    html! {
        div.scroll {
            table {
                thead {
                    tr { th { "What" } th { "Version" } th { "Ring" } th { "Vendor" } th { "When" } th { span.said { "Fits the onset" } } }
                }
                tbody {
                    @for (change, fits) in fitting.chain(also) {
                        tr {
                            td { (text::name(&change.what)) }
                            td { (version(change)) }
                            td { @if change.ring.is_empty() { "all" } @else { (text::name(&change.ring)) } }
                            td { @if !change.vendor.is_empty() { (text::name(&change.vendor)) } }
                            td { (text::time(change.at_ms)) span.quiet { ", " (age(change.at_ms, onset_ms)) } }
                            td { @if fits { span class="badge bad" { "fits" } } }
                        }
                    }
                }
            }
        }
    }
}

fn version(change: &Change) -> Markup {
    html! {
        @if !change.version.is_empty() { (text::name(&change.version)) " " }
        @if change.timestamp != 0 { (text::version(change.timestamp)) }
    }
}

/// A change may be dated a little after the onset: clocks differ.
fn age(at_ms: i64, onset_ms: i64) -> String {
    let before_s = onset_ms.saturating_sub(at_ms) / 1000;
    let side = if before_s < 0 { "after" } else { "before" };
    format!("{} {side} the onset", text::length_s(before_s.saturating_abs()))
}

/// The same from stored crashes alone, for incidents that nobody explained.
pub(super) fn seen(evidence: &Evidence) -> Markup {
    let whole = evidence.machines;
    let most = |machines: u64| whole > 0 && machines.saturating_mul(10) >= whole.saturating_mul(9);
    html! {
        @match evidence.versions.as_slice() {
            [] => { "No version of the driver is known. " }
            [one] => { "One version of the driver, " (text::version(one.timestamp)) ". " }
            [first, ..] if most(first.machines) => {
                (text::share(first.machines, whole)) " have version " (text::version(first.timestamp)) ". "
            }
            all => { (all.len()) " versions of the driver at once: suspect content or configuration rather than a new driver. " }
        }
        @if evidence.bugchecks.len() > 1 { (evidence.bugchecks.len()) " different bug checks. " }
        @if let [first, ..] = evidence.builds.as_slice() && first.build != 0 && most(first.machines) {
            (text::share(first.machines, whole)) " run build " (text::build(first.build, first.ubr)) ". "
        }
        @if let [first, ..] = evidence.sites.as_slice() && !first.name.is_empty() && most(first.machines) {
            (text::share(first.machines, whole)) " are at site " (text::name(&first.name)) ". "
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_before_or_after_the_onset() {
        assert_eq!(age(0, 2_100_000), "35m 0s before the onset");
        assert_eq!(age(90_000, 30_000), "1m 0s after the onset");
        assert!(age(i64::MIN, i64::MAX).ends_with(" before the onset"));
    }

    #[test]
    fn a_reason_says_what_it_knows() {
        let mut why = Reason {
            machines: 62,
            spread_machines: 50,
            sites: 14,
            span_s: 40,
            expected: 0.26,
            baseline_per_minute: 0.000_7,
            common_mode: 1.0,
            rho: 50.0,
            score: 130.4,
            threshold: 22.8,
            ..Reason::default()
        };
        assert_eq!(
            reason(&why).into_string(),
            "62 machines at 14 sites within 40s, where at most 0.3 were to be expected. 50 of them are not at its largest \
             sites. Usual are at most 1.0 a day. The chart that looks for 50 times the usual stood at 130; 22.8 opens an \
             incident."
        );
        (why.rho, why.late, why.common_mode) = (0.0, true, 2.6);
        (why.span_s, why.expected) = (0, 0.0);
        let said = reason(&why).into_string();
        assert!(said.contains("uploaded late") && said.contains("at 2.6 times its usual"), "{said}");
        assert!(said.contains("within a second, where none was to be expected."), "{said}");
        assert!(said.ends_with("Its score was 130; 22.8 opens an incident."), "{said}");
        assert!(reason(&Reason::default()).into_string().contains("not recorded"));
    }
}
