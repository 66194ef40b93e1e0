//! Ranges: what the shape of a file cannot say. Each limit is one that the simulation needs, or past which a world is no
//! world any more.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::{Drawn, Fault, Kind, NoiseConfig, OutageConfig, ScenarioSet, TenantConfig, VERSION, WorldConfig};
use crate::world::{MOST_WATCHED, OutageClass, needs_heartbeats, usual_length_s};

/// Drivers that one outage lists as loaded, at most: its own, another image, two of the same maker.
const WATCHED_BY_ONE: usize = 4;

/// Counts twice.
const TWO: Kind = Kind::Class(OutageClass::TwoAtOnce);

struct Checker<'a> {
    faults: &'a mut Vec<Fault>,
    path: String,
}

/// Everything out of range.
pub(super) fn set(set: &ScenarioSet, faults: &mut Vec<Fault>) {
    let mut checker = Checker { faults, path: String::new() };
    checker.that(set.version == VERSION, "version", "this build reads version 1");
    checker.that(!set.name.is_empty(), "name", "must not be empty");
    checker.that(!set.worlds.is_empty(), "worlds", "must not be empty");
    let goals = &set.goals;
    for (name, share) in [
        ("goals.min_recall", goals.min_recall),
        ("goals.min_ticket_recall", goals.min_ticket_recall),
        ("goals.min_attribution", goals.min_attribution),
    ] {
        checker.within(name, share.unwrap_or(0.0), 0.0..=1.0);
    }
    let mut names = BTreeSet::new();
    for (place, one) in set.worlds.iter().enumerate() {
        checker.path = format!("worlds[{place}].");
        checker.that(names.insert(&one.name), "name", "another world has this name");
        checker.world(one);
    }
}

impl Checker<'_> {
    fn that(&mut self, is_right: bool, name: &str, message: &str) {
        if !is_right {
            let path = format!("{}{name}", self.path);
            self.faults.push(Fault { path, message: message.to_owned() });
        }
    }

    fn within(&mut self, name: &str, value: f64, range: RangeInclusive<f64>) {
        let message = format!("must be {} to {}, is {value}", range.start(), range.end());
        self.that(range.contains(&value), name, &message);
    }

    fn world(&mut self, world: &WorldConfig) {
        self.that(!world.name.is_empty(), "name", "must not be empty");
        self.within("runs", f64::from(world.runs), 1.0..=1000.0);
        self.that(world.seeds.len() <= 1000, "seeds", "must be at most 1000");
        self.within("start_ms", world.start_ms as f64, 0.0..=4e12);
        self.within("days", world.days, 0.01..=366.0);
        self.within("warmup_days", f64::from(world.warmup_days), 0.0..=90.0);
        self.within("tick_s", f64::from(world.tick_s), 1.0..=60.0);
        self.within("site_slope", world.site_slope, 0.0..=1.5);
        self.within("drivers", f64::from(world.drivers), 100.0..=200_000.0);
        self.within("zipf", world.zipf, 0.0..=2.5);
        self.within("crashes_per_minute", world.crash_rate(), 0.0..=100_000.0);
        self.within("rings.canary", world.rings.canary, 0.0..=1.0);
        self.within("rings.early", world.rings.early, 0.0..=1.0);
        self.within("rings.canary and rings.early", world.rings.canary + world.rings.early, 0.0..=1.0);
        self.within("models", f64::from(world.models), 1.0..=1000.0);
        self.within("popular", f64::from(world.popular), 0.0..=100.0);
        self.that((1..=50).contains(&world.os_builds.len()), "os_builds", "must be 1 to 50");
        for (place, os) in world.os_builds.iter().enumerate() {
            self.within(&format!("os_builds[{place}].share"), os.share, 1e-6..=1e6);
        }
        self.heartbeats(world);
        self.tenants(world);
        self.noise(&world.noise);
        self.outages(world);
    }

    fn heartbeats(&mut self, world: &WorldConfig) {
        let beats = &world.heartbeats;
        self.within("heartbeats.home_share", beats.home_share, 0.0..=1.0);
        self.within("heartbeats.farewell_share", beats.farewell_share, 0.0..=1.0);
        self.within("heartbeats.inventory_h", f64::from(beats.inventory_h), 0.0..=720.0);
        self.that(
            beats.interval_s == 0 || (10..=3600).contains(&beats.interval_s),
            "heartbeats.interval_s",
            "must be 0 (none) or 10 to 3600",
        );
    }

    fn tenants(&mut self, world: &WorldConfig) {
        self.that(world.tenants.len() <= 100, "tenants", "must be at most 100");
        let mut names = BTreeSet::new();
        for (place, TenantConfig { name, machines, sites, share }) in world.tenants().iter().enumerate() {
            let at = if world.tenants.is_empty() { String::new() } else { format!("tenants[{place}].") };
            self.that(names.insert(name.clone()), &format!("{at}name"), "another tenant has this name");
            self.within(&format!("{at}machines"), *machines as f64, 10.0..=50_000_000.0);
            self.within(&format!("{at}sites"), f64::from(*sites), 1.0..=100_000.0);
            self.that(u64::from(*sites) <= *machines, &format!("{at}sites"), "must be at most one a machine");
            self.within(&format!("{at}share"), share.unwrap_or(1.0), 1e-9..=1e9);
        }
    }

    fn noise(&mut self, noise: &NoiseConfig) {
        let NoiseConfig { bad_machines, site_clusters, bursts, stalls, uploads, clocks, blame, .. } = noise;
        let clusters = site_clusters.per_day.unwrap_or(0.0);
        let fields = [
            ("weekly", noise.weekly, 0.0..=1.0),
            ("drift", noise.drift, 0.0..=1.0),
            ("bad_machines.share", bad_machines.share, 0.0..=0.5),
            ("bad_machines.crashes", f64::from(bad_machines.crashes), 2.0..=100.0),
            ("bad_machines.gap_min", bad_machines.gap_min, 0.0..=1440.0),
            ("bad_machines.known", bad_machines.known, 0.0..=1.0),
            ("site_clusters.per_day", clusters, 0.0..=1000.0),
            ("site_clusters.most", f64::from(site_clusters.most), 2.0..=10_000.0),
            ("site_clusters.two_sites", site_clusters.two_sites, 0.0..=1.0),
            ("site_clusters.least_min", site_clusters.least_min, 0.1..=site_clusters.most_min),
            ("site_clusters.most_min", site_clusters.most_min, 0.1..=1440.0),
            ("bursts.per_day", bursts.per_day.unwrap_or(0.0), 0.0..=1000.0),
            ("bursts.most", f64::from(bursts.most), 3.0..=10_000.0),
            ("bursts.most_min", bursts.most_min, 0.1..=1440.0),
            ("stalls.per_day", stalls.per_day, 0.0..=100.0),
            ("stalls.least_min", stalls.least_min, 0.01..=stalls.most_min),
            ("stalls.most_min", stalls.most_min, 0.01..=1440.0),
            ("stalls.release_s", stalls.release_s, 0.0..=3600.0),
            ("uploads.prompt_s", uploads.prompt_s, 0.0..=3600.0),
            ("uploads.late_share", uploads.late_share, 0.0..=1.0),
            ("uploads.late_median_h", uploads.late_median_h, 0.01..=240.0),
            ("uploads.late_most_h", uploads.late_most_h, 0.01..=720.0),
            ("clocks.wrong_share", clocks.wrong_share, 0.0..=1.0),
            ("clocks.unknown_share", clocks.unknown_share, 0.0..=1.0),
            ("blame.nobody", blame.nobody, 0.0..=1.0),
            ("blame.wrong", blame.wrong, 0.0..=1.0),
            ("patch_day.factor", noise.patch_day.factor, 0.1..=100.0),
            ("patch_day.hours", noise.patch_day.hours, 1.0..=48.0),
            ("growth.per_week", noise.growth.per_week, -0.5..=2.0),
            ("releases.per_day", noise.releases.per_day.unwrap_or(0.0), 0.0..=10_000.0),
            ("releases.told", noise.releases.told, 0.0..=1.0),
            ("releases.least_h", noise.releases.least_h, 0.1..=noise.releases.most_h),
            ("releases.most_h", noise.releases.most_h, 0.1..=2400.0),
            ("new_drivers.per_day", noise.new_drivers.per_day.unwrap_or(0.0), 0.0..=1000.0),
        ];
        for (name, value, range) in fields {
            self.within(&format!("noise.{name}"), value, range);
        }
    }

    fn outages(&mut self, world: &WorldConfig) {
        let root = self.path.clone();
        for (place, outage) in world.outages.iter().enumerate() {
            self.path = format!("{root}outages[{place}].");
            self.outage(world, outage);
        }
        for (place, drawn) in world.drawn.iter().enumerate() {
            self.path = format!("{root}drawn[{place}].");
            self.drawn(world, drawn);
        }
        self.path = root;
        let drawn =
            world.drawn.iter().flat_map(|drawn| drawn.classes.iter().cycle().take(drawn.count as usize));
        let classes = world.outages.iter().map(|outage| &outage.class).chain(drawn);
        let count: usize = classes.map(|class| if *class == TWO { 2 } else { 1 }).sum();
        let most = (MOST_WATCHED - world.popular.min(100) as usize) / WATCHED_BY_ONE;
        self.that(
            count <= most,
            "outages and drawn",
            &format!("must be at most {most} together, are {count}"),
        );
        let timed = world.outages.iter().filter(|outage| outage.at_day.is_none());
        let timed = timed.map(|outage| f64::from(outage.duration_s.unwrap_or(usual_length_s(&outage.class))));
        let drawn: f64 = world.drawn.iter().map(drawn_s).sum();
        let busy = timed.sum::<f64>() + drawn;
        let room = world.days * 86_400.0 * 0.8;
        let message = format!("those without a time take {busy} s, four fifths of the world are {room} s");
        self.that(busy <= room, "outages and drawn", &message);
    }

    fn outage(&mut self, world: &WorldConfig, outage: &OutageConfig) {
        self.within("at_day", outage.at_day.unwrap_or(0.0), 0.0..=world.days);
        self.shape(world, &outage.class, outage.rate, outage.duration_s, outage.ramp_s);
        let known = world.tenants().iter().any(|tenant| tenant.name == outage.tenant);
        self.that(known || outage.tenant.is_empty(), "tenant", "there is no such tenant");
        self.that(outage.driver.len() <= 100, "driver", "must be at most 100 characters");
        self.that(outage.rank.unwrap_or(0) <= world.drivers, "rank", "must be at most the number of drivers");
        self.within("installed", outage.installed.unwrap_or(1.0), 0.001..=1.0);
        self.within("rollout_s", f64::from(outage.rollout_s.unwrap_or(1)), 1.0..=5_000_000.0);
        self.within("loops", outage.loops, 0.0..=1.0);
    }

    fn drawn(&mut self, world: &WorldConfig, drawn: &Drawn) {
        self.that(!drawn.classes.is_empty() || drawn.count == 0, "classes", "must not be empty");
        for class in &drawn.classes {
            self.shape(world, class, None, drawn.duration_s, drawn.ramp_s);
        }
        for rate in &drawn.rates {
            self.within("rates", *rate, 1e-4..=10_000.0);
        }
    }

    fn shape(
        &mut self,
        world: &WorldConfig,
        class: &Kind,
        rate: Option<f64>,
        duration_s: Option<u32>,
        ramp_s: Option<u32>,
    ) {
        self.within("rate", rate.unwrap_or(1.0), 1e-4..=10_000.0);
        self.within("duration_s", f64::from(duration_s.unwrap_or(60)), 60.0..=5_000_000.0);
        self.within("ramp_s", f64::from(ramp_s.unwrap_or(1)), 1.0..=5_000_000.0);
        let dark = needs_heartbeats(class) && world.heartbeats.interval_s == 0;
        self.that(
            !dark,
            "class",
            "machines that go dark are seen by heartbeats only: set heartbeats.interval_s",
        );
        let ring = *class == Kind::Class(OutageClass::Ring) && world.rings.early == 0.0;
        self.that(!ring, "class", "it hits the ring `early`, which has no machines");
    }
}

fn drawn_s(drawn: &Drawn) -> f64 {
    let lengths = drawn.classes.iter().cycle().take(drawn.count as usize);
    lengths.map(|class| f64::from(drawn.duration_s.unwrap_or(usual_length_s(class)))).sum()
}
