//! The few statistics that attribution and the rollout gate need. Numbers in, numbers out; never NaN, whatever the
//! counts.

/// Odds above which nothing more is learnt; a finite stand-in for "no machine of the reference has it".
pub(crate) const MOST_ODDS: f64 = 1e9;

/// How many machines have something: of the affected, and of the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Affected machines that have it.
    pub(crate) a: u32,
    /// Affected machines of which it is known whether they have it.
    pub(crate) n1: u32,
    /// The same in the reference.
    pub(crate) b: u32,
    /// See `b`.
    pub(crate) n0: u32,
}

impl Counts {
    fn cells(self) -> [f64; 4] {
        let (a, b) = (f64::from(self.a), f64::from(self.b));
        [a, (f64::from(self.n1) - a).max(0.0), b, (f64::from(self.n0) - b).max(0.0)]
    }

    /// Share of the reference that has it.
    pub(crate) fn exposed(self) -> f64 {
        if self.n0 == 0 { 0.0 } else { f64::from(self.b) / f64::from(self.n0) }
    }

    /// Odds ratio, with half a machine added to every cell.
    pub(crate) fn odds(self) -> f64 {
        let [a, c, b, d] = self.cells().map(|cell| cell + 0.5);
        (a * d / (c * b)).min(MOST_ODDS)
    }

    /// Odds ratios that lie within `z` standard errors, by profile likelihood.
    ///
    /// `OR exp(-z se)` with half a machine added to each cell is far too wide where a cell is empty, and with a bad build
    /// one always is: a build that all of 50 affected machines run, and half of the others, has a lower end of 1.4 that
    /// way and of 10 this way. Where all cells are large the two agree.
    pub(crate) fn odds_interval(self, z: f64) -> (f64, f64) {
        let [a, c, b, d] = self.cells();
        if a + c == 0.0 || b + d == 0.0 {
            return (0.0, MOST_ODDS);
        }
        let limit = MOST_ODDS.ln();
        let best = if a * d == 0.0 {
            -limit
        } else if c * b == 0.0 {
            limit
        } else {
            (a * d / (c * b)).ln().clamp(-limit, limit)
        };
        let outside = |ln_odds: f64| self.deviance(ln_odds) > z * z;
        let edge = |mut out: f64, mut inside: f64| {
            if !outside(out) {
                return out;
            }
            for _ in 0..48 {
                let middle = f64::midpoint(out, inside);
                if outside(middle) { out = middle } else { inside = middle }
            }
            out
        };
        let low = if a * d == 0.0 { 0.0 } else { edge(-limit, best).exp() };
        let high = if c * b == 0.0 { MOST_ODDS } else { edge(limit, best).exp() };
        (low, high)
    }

    /// Twice the likelihood that is lost when the odds ratio is set to this.
    fn deviance(self, ln_odds: f64) -> f64 {
        let [a, c, b, d] = self.cells();
        let (n1, n0, m, odds) = (a + c, b + d, a + b, ln_odds.exp());
        // The share of the reference that fits best under these odds is a root of a quadratic.
        let (square, linear) = (n0 * (odds - 1.0), n1.mul_add(odds, n0) - m * (odds - 1.0));
        let root = (linear * linear + 4.0 * square * m).max(0.0).sqrt();
        let share0 = if linear >= 0.0 { 2.0 * m / (linear + root) } else { (root - linear) / (2.0 * square) };
        let share0 = if share0.is_finite() { share0.clamp(0.0, 1.0) } else { m / (n1 + n0) };
        let share1 = odds * share0 / (odds - 1.0).mul_add(share0, 1.0);
        let rest1 = (1.0 - share0) / (odds - 1.0).mul_add(share0, 1.0);
        let free = times_ln(a, a / n1) + times_ln(c, c / n1) + times_ln(b, b / n0) + times_ln(d, d / n0);
        let held = times_ln(a, share1) + times_ln(c, rest1) + times_ln(b, share0) + times_ln(d, 1.0 - share0);
        2.0 * (free - held)
    }

    /// How likely it is that so many of the affected have it, or more, when it has nothing to do with it: Fisher's exact
    /// test where fewer than five could be expected in a cell, else the G-test.
    pub(crate) fn by_chance(self) -> f64 {
        let [a, c, b, d] = self.cells();
        let (n1, n0, all) = (a + c, b + d, a + b + c + d);
        if n1 == 0.0 || n0 == 0.0 || a * n0 <= b * n1 {
            return 1.0;
        }
        let (with, without) = (a + b, c + d);
        let expected = [n1 * with / all, n1 * without / all, n0 * with / all, n0 * without / all];
        if expected.iter().any(|cell| *cell < 5.0) {
            return fisher(self.a, self.n1, self.b, self.n0);
        }
        let g: f64 = [a, c, b, d].into_iter().zip(expected).map(|(cell, e)| times_ln(cell, cell / e)).sum();
        0.5 * erfc(g.max(0.0).sqrt())
    }
}

/// `x ln y`, which is 0 where x is.
fn times_ln(x: f64, y: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x * y.max(f64::MIN_POSITIVE).ln() }
}

/// The hypergeometric tail: `a` or more of `n1`, when `a + b` are dealt to `n1 + n0`. `a` is above what is expected, so
/// the terms fall from the first one on.
fn fisher(a: u32, n1: u32, b: u32, n0: u32) -> f64 {
    let [a, n1, b, n0] = [a, n1, b, n0].map(f64::from);
    let choose = |n: f64, k: f64| ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
    let mut term = (choose(n1, a) + choose(n0, b) - choose(n1 + n0, a + b)).exp();
    let (mut sum, mut more, mut less) = (0.0, a, b);
    while term > sum * 1e-9 && term > 0.0 {
        sum += term;
        term *= (n1 - more) * less / ((more + 1.0) * (n0 - less + 1.0));
        more += 1.0;
        less -= 1.0;
    }
    sum.min(1.0)
}

/// Wilson's interval of a share, at 95 %.
pub(crate) fn wilson(part: f64, whole: f64) -> (f64, f64) {
    if whole <= 0.0 {
        return (0.0, 1.0);
    }
    let z2 = 1.96 * 1.96;
    let share = (part / whole).clamp(0.0, 1.0);
    let middle = (share + z2 / (2.0 * whole)) / (1.0 + z2 / whole);
    let half =
        (z2 * (share * (1.0 - share) / whole + z2 / (4.0 * whole * whole))).sqrt() / (1.0 + z2 / whole);
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

/// How likely `count` or more are when `mean` are expected.
pub(crate) fn poisson_tail(count: u32, mean: f64) -> f64 {
    if count == 0 {
        return 1.0;
    }
    if mean <= 0.0 {
        return 0.0;
    }
    let term = |k: f64| (k * mean.ln() - mean - ln_gamma(k + 1.0)).exp();
    let count = f64::from(count);
    if count < mean {
        let mut below = 0.0;
        let mut k = 0.0;
        while k < count {
            below += term(k);
            k += 1.0;
        }
        return (1.0 - below).clamp(0.0, 1.0);
    }
    let (mut sum, mut k, mut last) = (0.0, count, term(count));
    while last > sum * 1e-12 && last > 0.0 {
        sum += last;
        k += 1.0;
        last *= mean / k;
    }
    sum.min(1.0)
}

/// The error function's complement; relative error below 2e-7 (Chebyshev fit of Numerical Recipes, 6.2).
fn erfc(x: f64) -> f64 {
    const FIT: [f64; 10] = [
        0.170_872_77,
        -0.822_152_23,
        1.488_515_87,
        -1.135_203_98,
        0.278_868_07,
        -0.186_288_06,
        0.096_784_18,
        0.374_091_96,
        1.000_023_68,
        -1.265_512_23,
    ];
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    let fit = FIT.iter().fold(0.0, |sum, factor| sum * t + factor);
    let value = t * (fit - x * x).exp();
    if x >= 0.0 { value } else { 2.0 - value }
}

/// Natural logarithm of the gamma function, for x > 0 (Lanczos, g = 7, nine terms).
pub(crate) fn ln_gamma(x: f64) -> f64 {
    const LANCZOS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Reflection; only shapes of one half come near.
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin().abs()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let (mut sum, mut at) = (0.999_999_999_999_809_9, x);
    for factor in LANCZOS {
        at += 1.0;
        sum += factor / at;
    }
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64, within: f64) {
        assert!((left - right).abs() <= within * right.abs().max(1e-300), "{left} is not {right}");
    }

    #[test]
    fn known_values() {
        near(ln_gamma(0.5), 0.572_364_942_924_700_1, 1e-12);
        near(ln_gamma(101.0), 363.739_375_555_563_47, 1e-12);
        near(erfc(1.0), 0.157_299_207_050_285_13, 3e-7);
        near(erfc(-0.5), 1.520_499_877_813_046_6, 3e-7);
        near(poisson_tail(10, 3.0), 0.001_102_488_1, 1e-6);
        near(poisson_tail(2, 3.0), 0.800_851_726_5, 1e-6);
        // A lady tasting tea: 3 of 4 cups.
        near(fisher(3, 4, 1, 4), 17.0 / 70.0, 1e-9);
        let (low, high) = wilson(50.0, 50.0);
        near(low, 0.928_65, 1e-4);
        near(high, 1.0, 1e-12);
        // chi2(1) = 6.6349 is a two-sided 1 %: the one-sided G-test has half of it.
        let table = Counts { a: 60, n1: 100, b: 418, n0: 1000 };
        assert!((1e-4..1e-3).contains(&table.by_chance()), "{}", table.by_chance());
    }

    #[test]
    fn the_interval_holds_where_a_cell_is_empty() {
        // 0.00135 is beyond three standard errors: all of 50 have it by less than that where at most 88 % do.
        let (low, high) = Counts { a: 50, n1: 50, b: 5_000, n0: 10_000 }.odds_interval(3.0);
        assert!((9.0..11.5).contains(&low), "{low}");
        near(high, MOST_ODDS, 1e-9);
        let (low, high) = Counts { a: 400, n1: 1000, b: 4_000, n0: 10_000 }.odds_interval(3.0);
        // The normal approximation is right here: exp(-+3 se), se = 0.0679.
        near(low, 0.815, 0.01);
        near(high, 1.224, 0.01);
        assert_eq!(Counts { a: 3, n1: 3, b: 0, n0: 0 }.odds_interval(3.0), (0.0, MOST_ODDS));
    }

    #[test]
    fn the_interval_covers_the_odds_ratio() {
        for (a, n1, b, n0) in
            [(7, 20, 30, 400), (1, 50, 1, 60), (49, 50, 10, 300), (20, 20, 0, 5), (0, 9, 4, 9)]
        {
            let counts = Counts { a, n1, b, n0 };
            let (low, high) = counts.odds_interval(3.0);
            assert!(low <= counts.odds() && counts.odds() <= high, "{counts:?}: {low} {high}");
            let (inner, outer) = counts.odds_interval(2.0);
            assert!(low <= inner && outer <= high, "{counts:?}");
        }
    }
}
