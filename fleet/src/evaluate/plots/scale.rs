//! Values to positions.

/// A straight or a logarithmic axis.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) values: (f64, f64),
    pub(super) pixels: (f64, f64),
    pub(super) logarithmic: bool,
}

impl Scale {
    /// Where a value lies; what is beyond the ends lies on them.
    pub(super) fn at(&self, value: f64) -> f64 {
        let (from, to) = self.values;
        let of = |value: f64| if self.logarithmic { value.ln() } else { value };
        let value = value.max(from.min(to)).min(from.max(to));
        let share = (of(value) - of(from)) / (of(to) - of(from));
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// Round values to mark: powers of ten, or about five steps.
    pub(super) fn marks(&self) -> Vec<f64> {
        let (from, to) = self.values;
        if self.logarithmic {
            let (low, high) = (from.log10().floor() as i32, to.log10().ceil() as i32);
            return (low..=high)
                .map(|power| 10_f64.powi(power))
                .filter(|mark| (from..=to).contains(mark))
                .collect();
        }
        let step = round((to - from) / 5.0);
        let first = (from / step).ceil() as i64;
        (first..).map(|number| number as f64 * step).take_while(|mark| *mark <= to).collect()
    }
}

/// The next round number: 1, 2 or 5 and zeros.
fn round(value: f64) -> f64 {
    let power = 10_f64.powf(value.abs().max(f64::MIN_POSITIVE).log10().floor());
    let digits = value / power;
    let digits = [1.0, 2.0, 5.0].into_iter().find(|round| digits <= *round).unwrap_or(10.0);
    digits * power
}

/// `0.01`, `10`, `10,000`.
pub(super) fn label(value: f64) -> String {
    if value < 1.0 {
        let text = format!("{value:.3}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    crate::evaluate::print::thousands(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_find_their_place() {
        let scale = Scale { values: (1.0, 100.0), pixels: (0.0, 200.0), logarithmic: true };
        assert_eq!(
            [1.0, 10.0, 100.0, 0.0, 1e9].map(|value| scale.at(value).round()),
            [0.0, 100.0, 200.0, 0.0, 200.0]
        );
        assert_eq!(scale.marks(), [1.0, 10.0, 100.0]);
        let scale = Scale { values: (-120.0, 260.0), pixels: (0.0, 380.0), logarithmic: false };
        assert_eq!(scale.at(0.0), 120.0);
        assert_eq!(scale.marks(), [-100.0, 0.0, 100.0, 200.0]);
    }

    #[test]
    fn labels_are_short() {
        assert_eq!([0.01, 0.1, 10.0, 10_000.0].map(label), ["0.01", "0.1", "10", "10,000"]);
    }
}
