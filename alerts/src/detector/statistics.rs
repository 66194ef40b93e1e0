//! The two distributions that the detector needs: how surprising a count is (Poisson), and how high a rate may
//! really be given few events (Gamma). Pure arithmetic; knows nothing of drivers.

/// `ln P(X >= n)` for a Poisson variable of mean `mean`.
///
/// Exact to about 1e-10 relative where it matters (the far tail), and in the logarithm, since the thresholds lie
/// where `f64` probabilities still exist but their complements do not.
pub(crate) fn ln_poisson_tail(n: u64, mean: f64) -> f64 {
    if n == 0 {
        return 0.0;
    }
    if mean <= 0.0 {
        return f64::NEG_INFINITY;
    }
    let n = count(n);
    if n <= mean {
        // Not surprising, whatever its exact value: at least about a half.
        return -core::f64::consts::LN_2;
    }
    if mean > 1e6 {
        // The sum below would be long; Chernoff's bound is never too surprised.
        return (n - mean - n * (n / mean).ln()).min(0.0);
    }
    // P(X >= n) = e^-m m^n / n! * (1 + m/(n+1) + m^2/((n+1)(n+2)) + ...); each factor is below one as n > m.
    let mut term = 1.0;
    let mut sum = 1.0;
    let mut next = n + 1.0;
    while term > sum * 1e-12 {
        term *= mean / next;
        sum += term;
        next += 1.0;
    }
    (n * mean.ln() - mean - ln_gamma(n + 1.0) + sum.ln()).min(0.0)
}

/// Upper 99 % quantile of a Gamma distribution of this shape and rate (Wilson and Hilferty's cube).
///
/// Off by less than 1 % for shapes of 0.5 and more, the smallest that occurs here.
pub(crate) fn gamma_upper(shape: f64, rate: f64) -> f64 {
    const Z99: f64 = 2.326_347_874;
    let cube = 1.0 - 1.0 / (9.0 * shape) + Z99 / (3.0 * shape.sqrt());
    shape * cube.powi(3) / rate
}

/// Counts of machines are far below 2^52, where this is exact.
pub(crate) fn count(n: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of machines stay far below 2^52")]
    let n = n as f64;
    n
}

/// Stirling's series, shifted to where it converges to full precision.
fn ln_gamma(x: f64) -> f64 {
    let mut x = x;
    let mut shift = 0.0;
    while x < 10.0 {
        shift -= x.ln();
        x += 1.0;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0)));
    shift + (x - 0.5) * x.ln() - x + 0.5 * (2.0 * core::f64::consts::PI).ln() + series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(left: f64, right: f64, relative: f64) {
        assert!((left - right).abs() <= relative * right.abs(), "{left} is not {right}");
    }

    #[test]
    fn poisson_tail_matches_a_plain_sum() {
        for mean in [0.05_f64, 0.8, 1.33, 7.0, 40.0] {
            for n in 1..120_u64 {
                if count(n) <= mean {
                    continue;
                }
                // Sum the far tail upwards, term by term.
                let mut ln_term = -mean;
                for k in 1..=n {
                    ln_term += (mean / count(k)).ln();
                }
                let mut sum = 0.0;
                let mut term = 1.0;
                for k in n + 1..n + 400 {
                    sum += term;
                    term *= mean / count(k);
                }
                close(ln_poisson_tail(n, mean), ln_term + f64::ln(sum), 1e-9);
            }
        }
    }

    #[test]
    fn poisson_tail_at_the_borders() {
        assert_eq!(ln_poisson_tail(0, 3.0), 0.0);
        assert_eq!(ln_poisson_tail(1, 0.0), f64::NEG_INFINITY);
        assert!(ln_poisson_tail(5, 50.0) > -1.0);
        close(ln_poisson_tail(1, 1e-9), (1e-9_f64).ln(), 1e-6);
    }

    #[test]
    fn gamma_quantile_matches_tables() {
        // Chi-square tables: the 99 % quantile of chi2(k) is twice that of Gamma(k/2, 1).
        for (degrees, table) in [(1.0, 6.634_897), (2.0, 9.210_340), (10.0, 23.209_251), (100.0, 135.806_723)]
        {
            close(gamma_upper(degrees / 2.0, 0.5), table, 0.01);
        }
    }
}
