//! Rollouts that are drawn, and asked about from beginning to end: harmless ones must not be stopped by asking often, and
//! bad ones must be stopped after few crashes.

use super::evidence::Counts;
use super::{Answer, Arm, Limits, Rollout, reason};

fn arm(machines: u64, crashed: u64, machine_hours: f64) -> Arm {
    Arm { machines, crashed, machine_hours }
}

/// Splitmix64.
struct Dice(u64);

impl Dice {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        ((x >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// Crashes in a step with so many expected, few enough for inversion.
    fn poisson(&mut self, mean: f64) -> u64 {
        let (least, mut product, mut count) = ((-mean).exp(), self.unit(), 0);
        while product > least {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

/// A rollout over four days in so many steps: machines move from the old version to the new one, which is asked about at
/// every step. Returns the crashed machines at the first stop.
fn first_stop(
    dice: &mut Dice,
    (steps, rate, ratio): (u32, f64, f64),
    stops: impl Fn(Arm, Arm) -> bool,
) -> Option<u64> {
    let hours = 96.0 / f64::from(steps);
    let (mut new, mut old) = (arm(0, 0, 0.0), arm(10_000, 0, 0.0));
    // Canaries for a day, then more each hour.
    for step in 0..steps {
        let at = hours * f64::from(step);
        let share = if at < 24.0 { 0.03 } else { (0.03 + (at - 24.0) / 60.0).min(1.0) };
        let (on_new, on_old) = (10_000.0 * share * hours, 10_000.0 * (1.0 - share) * hours);
        new = arm(
            (10_000.0 * share) as u64,
            new.crashed + dice.poisson(on_new * rate * ratio),
            new.machine_hours + on_new,
        );
        old = arm(10_000, old.crashed + dice.poisson(on_old * rate), old.machine_hours + on_old);
        if stops(new, old) {
            return Some(new.crashed);
        }
    }
    None
}

/// As the gate decides it, without what is only told.
fn stops(new: Arm, old: Arm) -> bool {
    let rollout = Rollout {
        driver: "csagent.sys",
        version: "7.11",
        ring: "",
        new,
        old,
        open_incident: None,
        hours_since_first: 1.0,
    };
    let limits = Limits::default();
    reason(&rollout, &limits, Counts::of(new, old)).answer() == Answer::Stop
}

/// What a test for one look says at 99 %, when it is asked all the time.
fn stops_at_one_look(new: Arm, old: Arm) -> bool {
    let (crashed, all) = (new.crashed as f64, (new.crashed + old.crashed) as f64);
    let share = new.machine_hours / (new.machine_hours + old.machine_hours);
    crashed >= 3.0 && crashed - all * share > 2.33 * (all * share * (1.0 - share)).sqrt()
}

#[test]
fn a_harmless_rollout_is_hardly_ever_stopped() {
    let rates = [1e-5, 1e-4, 1e-3];
    let count = |runs: usize, stops: fn(Arm, Arm) -> bool| {
        let mut dice = Dice(1);
        (0..runs).filter(|run| first_stop(&mut dice, (10_000, rates[run % 3], 1.0), stops).is_some()).count()
    };
    let (stopped, naive) = (count(300, stops), count(60, stops_at_one_look));
    println!(
        "harmless rollouts, each asked 10,000 times: {stopped} of 300 stopped; by one look's test {naive} of 60"
    );
    assert!(stopped <= 3, "{stopped}");
    assert!(naive >= 6, "these rollouts would not tell a bad rule: {naive}");
}

#[test]
fn a_bad_version_is_stopped_after_few_crashes() {
    for (ratio, most) in [(5.0, 16), (20.0, 8), (100.0, 5)] {
        let mut dice = Dice(2);
        let mut run = || first_stop(&mut dice, (2_000, 1e-4, ratio), stops).unwrap_or(u64::MAX);
        let mut crashed: Vec<u64> = (0..101).map(|_| run()).collect();
        crashed.sort_unstable();
        let (median, p90) = (crashed[50], crashed[90]);
        println!("{ratio} times as bad: stopped after {median} crashed machines (median), {p90} (90 %)");
        assert!(median <= most && p90 <= 2 * most, "{ratio}: {median}, {p90}");
    }
}
