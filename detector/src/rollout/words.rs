//! The gate's answer in one sentence.

use super::{Gate, Reason, Rollout};

pub(super) fn why(rollout: &Rollout<'_>, gate: &Gate, reason: Reason) -> String {
    let (new, driver, version) = (rollout.new, clean(rollout.driver), clean(rollout.version));
    let ring =
        if rollout.ring.is_empty() { String::new() } else { format!(" in ring {}", clean(rollout.ring)) };
    let seen = format!(
        "{} of {} machines with {driver} {version}{ring} crashed in it in {} machine-hours",
        thousands(new.crashed),
        thousands(new.machines),
        amount(new.machine_hours),
    );
    let times = |bound: &str, edge: f64| match gate.ratio {
        Some(ratio) => {
            format!("{} times the rate of the version before ({bound} {})", amount(ratio), amount(edge))
        }
        None => format!("{bound} {} times the rate of the version before", amount(edge)),
    };
    let open = rollout.open_incident.map_or_else(String::new, |open| clean(open.name));
    match reason {
        Reason::Blamed => format!("An open incident blames this version: {open}."),
        Reason::Worse => format!("{seen}: {}.", times("at least", gate.ratio_low)),
        Reason::Intolerable => format!("{seen}, and there is no version before to compare with."),
        Reason::Incident => format!("An incident of {driver} is open: {open}."),
        Reason::AsGood => format!("{seen}: {}.", times("at most", gate.ratio_high.unwrap_or(f64::MAX))),
        Reason::Tolerable => {
            let share = gate.per_day_high.unwrap_or(1.0).min(1.0) * 100.0;
            format!("{seen}: at most {share:.1} % of the machines a day.")
        }
        Reason::Early => match gate.hours_needed {
            Some(0.0) => format!("{seen}: so far it is fine, but more machines or more time are needed."),
            Some(hours) => format!("{seen}: too early to tell, about {} more are needed.", rough(hours)),
            None => format!("{seen}: no end of waiting tells whether that is worse than the version before."),
        },
    }
}

/// A name from outside, as part of one line.
fn clean(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// As many digits as anybody reads.
fn amount(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "unknown".to_owned(),
        _ if value < 0.05 => "0".to_owned(),
        _ if value < 9.95 => format!("{value:.1}"),
        _ => grouped(&format!("{value:.0}")),
    }
}

/// Two digits, and zeros.
fn rough(value: f64) -> String {
    let unit = 10.0_f64.powf((value.max(1.0).log10() - 1.0).floor().max(0.0));
    amount((value / unit).ceil() * unit)
}

fn thousands(count: u64) -> String {
    grouped(&count.to_string())
}

fn grouped(digits: &str) -> String {
    let mut words = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            words.push(',');
        }
        words.push(digit);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 0.04, 0.96, 9.94, 12.4, 1234.5, 31_000_000.0].map(amount);
        assert_eq!(numbers, ["0", "0", "1.0", "9.9", "12", "1,234", "31,000,000"]);
        assert_eq!([3.2, 46_208.0, 98.6, 99.4, 101.0].map(rough), ["4.0", "47,000", "99", "100", "110"]);
    }
}
