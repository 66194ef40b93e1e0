//! Shares and how sure they are. Pure.

use serde::Serialize;
use storage::questions::{FacetKind, Facets};
use utoipa::ToSchema;

/// 95 % between both ends.
const USUAL: f64 = 1.96;
/// What is picked out of thousands of values must be surer than one thing asked alone: 1 in 30,000 by chance.
const STRICT: f64 = 4.0;
/// Fewer machines than that are a coincidence whatever the numbers say.
const LEAST: u64 = 5;

/// A share between 0 and 1 and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Rate {
    /// The share.
    pub(crate) rate: f64,
    /// Lower end of its 95 % interval.
    pub(crate) low: f64,
    /// Upper end of its 95 % interval.
    pub(crate) high: f64,
}

/// How much likelier a value is among ours than among the others, and its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub(crate) struct Lift {
    /// The share among ours over that among the others.
    pub(crate) lift: f64,
    /// Lower end of its 95 % interval.
    pub(crate) low: f64,
    /// Upper end of its 95 % interval.
    pub(crate) high: f64,
}

/// Counts here are of machines: far below where a float would round.
#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 machines nobody counts")]
fn float(count: u64) -> f64 {
    count as f64
}

/// `part` of `whole` by Wilson: stays within 0 and 1 and is honest where nothing was seen. `None` of nothing, or where the
/// part is larger than the whole.
pub(crate) fn rate(part: u64, whole: u64) -> Option<Rate> {
    if whole == 0 || part > whole {
        return None;
    }
    let (n, z2) = (float(whole), USUAL * USUAL);
    let p = float(part) / n;
    let scale = 1.0 + z2 / n;
    let middle = (p + z2 / (2.0 * n)) / scale;
    let half = USUAL * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt() / scale;
    Some(Rate {
        rate: p,
        low: if part == 0 { 0.0 } else { (middle - half).max(0.0) },
        high: if part == whole { 1.0 } else { (middle + half).min(1.0) },
    })
}

/// The ratio of two shares, with half a machine added to each count, so that none of the others is no division by zero.
fn ratio(ours: (u64, u64), others: (u64, u64), z: f64) -> Lift {
    let [a, n, b, m] = [ours.0, ours.1, others.0, others.1].map(|count| float(count) + 0.5);
    let lift = (a / n) / (b / m);
    let deviation = (1.0 / a - 1.0 / n + 1.0 / b - 1.0 / m).max(0.0).sqrt();
    let factor = (z * deviation).exp();
    Lift { lift, low: lift / factor, high: lift * factor }
}

/// How many standard deviations lie between two shares, if both were the same: unlike the ratio's interval it is sure of
/// what none of the others has.
fn deviations(ours: (u64, u64), others: (u64, u64)) -> f64 {
    let [a, n, b, m] = [ours.0, ours.1, others.0, others.1].map(float);
    let both = (a + b) / (n + m);
    let deviation = (both * (1.0 - both) * (1.0 / n + 1.0 / m)).sqrt();
    if deviation > 0.0 { (a / n - b / m) / deviation } else { 0.0 }
}

/// `a` of `n` against `b` of `m`. `None` where it means nothing: too few machines, nobody to compare with, or no more
/// than chance brings when this many values are looked at.
pub(crate) fn lift(ours: (u64, u64), others: (u64, u64)) -> Option<Lift> {
    if ours.0 < LEAST || others.1 < LEAST || ours.0 > ours.1 || others.0 > others.1 {
        return None;
    }
    let lift = ratio(ours, others, USUAL);
    (deviations(ours, others) >= STRICT && lift.low > 1.0).then_some(lift)
}

/// A value that machines of ours have more often than others.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct StandsOut {
    pub(crate) facet: FacetKind,
    /// The value.
    pub(crate) name: String,
    /// Machines of ours with it.
    pub(crate) machines: u64,
    /// All machines of ours.
    pub(crate) of_machines: u64,
    /// Machines that crashed otherwise with it.
    pub(crate) others: u64,
    /// All machines that crashed otherwise, as far as they were counted.
    pub(crate) of_others: u64,
    #[serde(flatten)]
    pub(crate) lift: Lift,
}

/// The sides of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Against {
    /// Machines that crash so.
    pub(crate) machines: u64,
    /// Machines that crashed otherwise meanwhile, as far as they were counted.
    pub(crate) others: u64,
    /// Of the others one in so many was counted.
    pub(crate) others_one_in: u64,
    /// Where only the newest crashes were looked at: those since then.
    pub(crate) since_ms: Option<i64>,
}

impl Against {
    pub(crate) fn of(facets: &Facets) -> Self {
        Self {
            machines: facets.machines,
            others: facets.others,
            others_one_in: facets.others_one_in,
            since_ms: facets.since_ms,
        }
    }
}

/// What stands out, the surest first, a few.
pub(crate) fn stand_out(facets: &Facets) -> Vec<StandsOut> {
    let mut found: Vec<StandsOut> = facets
        .values
        .iter()
        .filter(|value| !value.name.is_empty() && !value.name.starts_with("0."))
        .filter_map(|value| {
            let lift = lift((value.machines, facets.machines), (value.others, facets.others))?;
            Some(StandsOut {
                facet: value.facet,
                name: value.name.clone(),
                machines: value.machines,
                of_machines: facets.machines,
                others: value.others,
                of_others: facets.others,
                lift,
            })
        })
        .collect();
    found.sort_by(|a, b| b.lift.low.total_cmp(&a.lift.low));
    found.truncate(12);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::questions::ComparedValue;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 5e-4, "{found} is not {expected}");
    }

    #[test]
    fn wilson_is_as_in_the_books() {
        // Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
        for (part, whole, low, high) in [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ] {
            let rate = rate(part, whole).unwrap();
            close(rate.low, low);
            close(rate.high, high);
            assert!(rate.low <= rate.rate && rate.rate <= rate.high);
        }
        let all = rate(7, 7).unwrap();
        assert_eq!((all.rate, all.high), (1.0, 1.0));
        assert_eq!((rate(1, 0), rate(2, 1), rate(0, 0)), (None, None, None));
    }

    #[test]
    fn a_ratio_has_a_wide_interval_where_little_is_known() {
        let sure = ratio((500, 1_000), (100, 1_000), USUAL);
        close(sure.lift, 4.98);
        assert!(sure.low > 4.0 && sure.high < 6.1, "{sure:?}");
        let vague = ratio((5, 10), (1, 10), USUAL);
        assert!(vague.low < 1.0 && vague.high > 15.0, "{vague:?}");
        assert!(ratio((5, 10), (0, 100), USUAL).lift.is_finite());
    }

    #[test]
    fn only_what_is_more_than_chance_stands_out() {
        assert!(lift((4, 4), (0, 1_000)).is_none(), "too few");
        assert!(lift((50, 50), (0, 0)).is_none(), "nobody to compare with");
        assert!(lift((34, 100), (330, 1_000)).is_none(), "the same share");
        assert!(lift((10, 100), (50, 1_000)).is_none(), "twice, and by chance now and then");
        assert!(lift((90, 100), (330, 1_000)).is_some());
        let value = |name: &str, machines, others| ComparedValue {
            facet: FacetKind::Ring,
            name: name.to_owned(),
            machines,
            crashes: machines,
            others,
        };
        let values =
            vec![value("canary", 60, 30), value("", 60, 1), value("broad", 40, 970), value("early", 90, 30)];
        let facets = Facets { machines: 100, others: 1_000, values, ..Facets::default() };
        let found: Vec<String> = stand_out(&facets).into_iter().map(|one| one.name).collect();
        assert_eq!(found, ["early", "canary"]);
    }
}
