//! Which things, alone or up to three together, tell the affected machines from the others: a beam search over columns.
//! Finds and ranks explanations; whether one is believed, and what it means, is the verdict's business.

use super::Facet;
use super::stats::{Counts, wilson};
use super::table::{Bits, Column, Key, Table};

/// An explanation must cover this much of the excess.
const LEAST_SHARE: f64 = 0.7;
/// And this must be the least odds ratio.
const LEAST_ODDS: f64 = 3.0;
/// Standard errors of the interval of an odds ratio.
const ERRORS: f64 = 3.0;
/// Chance of one explanation that is none, over all that are tried.
const ALPHA: f64 = 0.05;
/// How many explanations are taken on to the next level.
const BEAM: usize = 20;
/// Things together.
const DEPTH: usize = 3;
/// What each further thing costs: the shorter of two like explanations wins.
const LENGTH: f64 = 0.15;

/// An explanation with its numbers.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// All of these, in order.
    pub(super) keys: Vec<Key>,
    /// Or this, where it is one thing.
    pub(super) or: Option<Key>,
    /// Who has all of it.
    pub(super) has: Bits,
    /// Of whom that is known.
    known: Bits,
    pub(super) counts: Counts,
    /// Share of the excess that it explains, with its interval.
    pub(super) share: f64,
    pub(super) share_low: f64,
    pub(super) share_high: f64,
    /// Odds ratio, with its interval.
    pub(super) odds: f64,
    pub(super) odds_low: f64,
    pub(super) odds_high: f64,
    /// How likely it is by chance.
    pub(super) chance: f64,
    pub(super) score: f64,
}

impl Found {
    /// `expected`: affected machines that would have crashed anyway.
    fn of(table: &Table, keys: Vec<Key>, or: Option<Key>, has: Bits, known: Bits, expected: f64) -> Self {
        let counts = table.counts(&has, &known);
        let (a, n1) = (f64::from(counts.a), f64::from(counts.n1));
        let everyone = f64::from(table.count(table.everyone()).0);
        let expected = if everyone > 0.0 { (expected * n1 / everyone).min(n1 / 2.0) } else { 0.0 };
        let anyway = expected * counts.exposed();
        let share = |with: f64| {
            if n1 > 0.0 { ((with - anyway) / (n1 - expected)).clamp(0.0, 1.0) } else { 0.0 }
        };
        let (least, most) = wilson(a, n1);
        // The interval costs fifty evaluations; what is not more frequent among the affected needs none.
        let (odds_low, odds_high) =
            if counts.odds() > 1.0 { counts.odds_interval(ERRORS) } else { (0.0, counts.odds()) };
        let longer = f64::from(u32::try_from(keys.len().saturating_sub(1)).unwrap_or(u32::MAX));
        Self {
            share: share(a),
            share_low: share(least * n1),
            share_high: share(most * n1),
            odds: counts.odds().clamp(odds_low, odds_high),
            odds_low,
            odds_high,
            chance: counts.by_chance(),
            score: share(a) * odds_low.max(1.0).ln() - LENGTH * longer,
            keys,
            or,
            has,
            known,
            counts,
        }
    }

    /// The only thing, where it is one.
    pub(super) fn single(&self) -> Option<Key> {
        match self.keys.as_slice() {
            [key] => Some(*key),
            _ => None,
        }
    }

    /// Whether it is of this facet alone.
    pub(super) fn is(&self, facet: Facet) -> bool {
        self.single().is_some_and(|key| key.facet() == facet)
    }

    /// Whether none of its things is of this facet.
    pub(super) fn is_without(&self, facet: Facet) -> bool {
        self.keys.iter().all(|key| key.facet() != facet)
    }

    /// Of whom it is known whether they have all of it.
    pub(super) fn known(&self) -> &Bits {
        &self.known
    }

    /// Whether the numbers carry it, `alpha` being left for a chance.
    fn stands(&self, alpha: f64) -> bool {
        self.share >= LEAST_SHARE && self.odds_low >= LEAST_ODDS && self.chance < alpha
    }

    /// Whether it would explain the excess and is not one of so many by chance, but its least odds are too low to say it.
    pub(super) fn is_suspect(&self, of: usize) -> bool {
        self.share >= LEAST_SHARE && self.odds_low > 1.5 && self.chance < shared_out(ALPHA / 100.0, 1, of)
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Search {
    /// Explanations that stand, best first.
    pub(super) claims: Vec<Found>,
    /// Everything alone that half of the affected share.
    pub(super) singles: Vec<Found>,
}

/// Looks for explanations. `expected`: affected machines that would have crashed anyway.
pub(super) fn search(table: &Table, expected: f64) -> Search {
    let lone = |column: &Column| {
        let known = table.known(column).clone();
        Found::of(table, vec![column.key], column.or, column.has.clone(), known, expected)
    };
    let singles: Vec<Found> = table.columns.iter().map(lone).collect();
    let mut alpha = shared_out(ALPHA, 1, singles.len());
    let mut claims: Vec<Found> = singles.iter().filter(|found| found.stands(alpha)).cloned().collect();
    claims.retain(|found| productive_build(table, &singles, found, alpha));
    let mut beam = best(singles.iter().filter(|found| found.odds > 1.0).cloned().collect());
    for level in 2..=DEPTH {
        alpha = alpha.min(shared_out(ALPHA, level, beam.len() * singles.len()));
        let mut longer: Vec<Found> = Vec::new();
        for shorter in &beam {
            for more in singles.iter().filter(|more| may_join(shorter, more)) {
                if let Some(found) = join(table, shorter, more, expected, alpha)
                    && !longer.iter().any(|other| other.keys == found.keys)
                {
                    longer.push(found);
                }
            }
        }
        claims.extend(longer.iter().filter(|found| found.stands(alpha)).cloned());
        beam = best(longer);
    }
    if claims.is_empty() {
        claims = pairs(table, &lone, alpha);
    }
    claims.sort_by(rank);
    Search { claims, singles }
}

fn shared_out(alpha: f64, level: usize, tried: usize) -> f64 {
    let halvings = (0..level).fold(1.0, |factor, _| factor * 2.0);
    alpha / (halvings * f64::from(u32::try_from(tried.max(1)).unwrap_or(u32::MAX)))
}

fn rank(left: &Found, right: &Found) -> std::cmp::Ordering {
    let order = right.score.total_cmp(&left.score);
    order.then(left.keys.len().cmp(&right.keys.len())).then_with(|| left.keys.cmp(&right.keys))
}

fn best(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by(rank);
    found.truncate(BEAM);
    found
}

/// A build crashes first where it was rolled out first, and machines elsewhere run it untouched a while longer: together
/// with a ring or a site it always looks better than alone, and says no more.
fn may_join(shorter: &Found, more: &Found) -> bool {
    let Some(new) = more.single() else { return false };
    let place = |facet| matches!(facet, Facet::Ring | Facet::Site);
    shorter.keys.iter().all(|key| match (key.facet(), new.facet()) {
        (Facet::Version, other) | (other, Facet::Version) if place(other) => false,
        (Facet::Ring, Facet::Site) | (Facet::Site, Facet::Ring) => false,
        (Facet::Module | Facet::ModuleVersion, Facet::Module | Facet::ModuleVersion) => {
            image(*key) != image(new)
        }
        (old, new) => old != new,
    })
}

fn image(key: Key) -> Option<crate::names::NameId> {
    match key {
        Key::Module(name) | Key::ModuleVersion(name, _) => Some(name),
        _ => None,
    }
}

/// Two explanations together, where each says something within the other: what most machines have anyway adds nothing.
fn join(table: &Table, shorter: &Found, more: &Found, expected: f64, alpha: f64) -> Option<Found> {
    let key = more.single()?;
    let has = shorter.has.and(&more.has);
    let (a, _) = table.count(&has);
    if f64::from(a) < 0.85 * f64::from(shorter.counts.a.min(more.counts.a)) {
        return None;
    }
    let narrows = |outer: &Found, inner: &Found| narrows(table, outer, inner, alpha);
    if !narrows(shorter, more) || !narrows(more, shorter) {
        return None;
    }
    let mut keys = shorter.keys.clone();
    keys.push(key);
    keys.sort_unstable();
    Some(Found::of(table, keys, None, has, shorter.known.and(&more.known), expected))
}

/// Whether, among the machines with `outer`, those with `inner` are the ones that crash.
pub(super) fn narrows(table: &Table, outer: &Found, inner: &Found, alpha: f64) -> bool {
    let within = table.counts(&outer.has.and(&inner.has), &outer.has.and(&inner.known));
    within.odds() >= LEAST_ODDS && within.by_chance() < alpha
}

/// One build of another image says more than the image only where the image's other builds stay unharmed.
fn productive_build(table: &Table, singles: &[Found], found: &Found, alpha: f64) -> bool {
    let Some(Key::ModuleVersion(name, _)) = found.single() else { return true };
    let image = singles.iter().find(|other| other.single() == Some(Key::Module(name)));
    image.is_none_or(|image| narrows(table, image, found, alpha))
}

/// Two values of one facet that explain it only together: two builds released for two architectures, two sister models.
fn pairs(table: &Table, lone: &dyn Fn(&Column) -> Found, alpha: f64) -> Vec<Found> {
    let parts: Vec<(&Column, Found)> = table
        .columns
        .iter()
        .chain(&table.lesser)
        .filter(|column| !matches!(column.key.facet(), Facet::Module | Facet::ModuleVersion))
        .map(|column| (column, lone(column)))
        .filter(|(_, found)| found.odds_low > 1.0 && found.chance < alpha)
        .collect();
    let mut claims = Vec::new();
    for (at, (left, _)) in parts.iter().enumerate() {
        for (right, _) in parts.iter().skip(at + 1) {
            if left.key.facet() == right.key.facet() {
                let both = Column { key: left.key, or: Some(right.key), has: left.has.or(&right.has) };
                claims.push(lone(&both));
            }
        }
    }
    claims.retain(|found| found.stands(alpha));
    claims
}
