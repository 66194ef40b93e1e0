//! Simulated fleets: weeks in which nothing may be reported, and outages that must be, in time and by their name.

use super::*;
use world::{AGENT, DAY, DISK, HOUR, Plan, RADIO, TENANT, TOUCHPAD, World, version};

mod world;

const PLAN: Plan = Plan { seed: 1, machines: 2000, sites: 40, pace: 5 };

fn say(dark: &[Dark], minute: u32) -> String {
    let one = |dark: &Dark| {
        format!(
            "driver {} {:?}: {} machines, {} sites, {:.1} expected, score {:.1} of {:.1}",
            dark.driver.0, dark.version, dark.machines, dark.sites, dark.expected, dark.score, dark.threshold
        )
    };
    let all: Vec<String> = dark.iter().map(one).collect();
    format!("day {} {:02}:{:02}: {}", minute / DAY, minute % DAY / HOUR, minute % HOUR, all.join("; "))
}

/// Goes on until a minute, and gives what was reported first.
fn until(world: &mut World, minute: u32) -> Option<String> {
    while world.minute < minute {
        let dark = world.tick(None);
        if !dark.is_empty() {
            return Some(say(&dark, world.minute));
        }
    }
    None
}

/// Goes on for so many minutes at most: what was reported first, and after how many.
fn first(world: &mut World, minutes: u32) -> Option<(u32, Vec<Dark>)> {
    (1..=minutes).find_map(|minute| {
        let dark = world.tick(None);
        (!dark.is_empty()).then_some((minute, dark))
    })
}

/// Four weeks with everything that is nobody's driver.
fn four_weeks(plan: Plan) -> Vec<String> {
    let mut world = World::new(plan);
    let mut reports = Vec::new();
    let mut deploying = Vec::new();
    while world.minute < 28 * DAY {
        let (day, of_day) = (world.minute / DAY, world.minute % DAY);
        match (day, of_day) {
            // The intake stalls: at work, while people leave, at night.
            (2 | 15, 660) | (9, 1080) | (19, 180) => world.stalled_until = world.minute + 20,
            // A site loses its power, and later three at once.
            (3 | 11 | 17, 600) => {
                let site = world.at_site(day % plan.sites);
                world.kill(&site, 120);
            }
            (22, 840) => {
                for site in 1..=3 {
                    let site = world.at_site(site % plan.sites);
                    world.kill(&site, 90);
                }
            }
            // A build of the agent goes to everybody within a week.
            (7, 0) => deploying = world.with(AGENT, None),
            _ => {}
        }
        let steps =
            if of_day > 540 && world.minute.is_multiple_of(3) { 1 + deploying.len() / 1000 } else { 0 };
        for _ in 0..steps {
            let Some(id) = deploying.pop() else { break };
            world.restart(id);
            world.deploy(id, AGENT, version(9));
        }
        let kind_of_day = match day {
            23 => Some(true),
            24 => Some(false),
            _ => None,
        };
        let dark = world.tick(kind_of_day);
        if !dark.is_empty() {
            reports.push(say(&dark, world.minute));
        }
    }
    reports
}

#[test]
fn four_weeks_of_office_life_alarm_nobody() {
    for seed in 1..=3 {
        let reports = four_weeks(Plan { seed, ..PLAN });
        assert!(reports.is_empty(), "seed {seed}: {} reports, first {:#?}", reports.len(), &reports[..1]);
    }
}

#[test]
fn one_office_and_many_shops_alarm_nobody_either() {
    for plan in [
        Plan { seed: 4, machines: 600, sites: 1, pace: 5 },
        Plan { seed: 5, machines: 2000, sites: 400, pace: 15 },
        Plan { seed: 6, machines: 1000, sites: 12, pace: 1 },
    ] {
        let reports = four_weeks(plan);
        assert!(reports.is_empty(), "{plan:?}: {} reports, first {:#?}", reports.len(), &reports[..1]);
    }
}

#[test]
fn an_outage_while_nothing_arrives_is_found_when_it_does() {
    let mut world = World::new(Plan { seed: 81, machines: 4000, ..PLAN });
    let from = 9 * DAY + 10 * HOUR;
    assert_eq!(until(&mut world, from), None, "before");
    world.stalled_until = from + 2 * HOUR;
    let ids = world.with(RADIO, None);
    world.kill(&ids, 12 * HOUR);
    assert_eq!(until(&mut world, from + 2 * HOUR), None, "nobody can know");
    let (minute, dark) = first(&mut world, 30).expect("found within half an hour");
    println!("{minute} min: {}", say(&dark, world.minute));
    assert_eq!(dark.iter().map(|dark| (dark.driver, dark.version)).collect::<Vec<_>>(), [(RADIO, None)]);
}

/// An outage of some machines at a minute: what was reported, and after how many minutes.
fn outage(plan: Plan, at: u32, driver: NameId, build: Option<Version>, share: u32) -> (u32, Vec<Dark>) {
    let mut world = World::new(plan);
    assert_eq!(until(&mut world, at), None, "before the outage");
    let mut ids = world.with(driver, build);
    ids.retain(|_| world.below(100) < share);
    world.kill(&ids, 6 * HOUR);
    if let Some(found) = first(&mut world, 4 * HOUR) {
        return found;
    }
    panic!("{} machines ({} on) were dark for hours", ids.len(), world.on(&ids));
}

#[test]
fn a_build_that_does_not_boot_is_named_in_time() {
    // Of 2 %, 10 % and 60 % of a fleet of 4,000: the build is deployed during an hour before.
    for (percent, at) in [(2, 9 * DAY + 11 * HOUR), (10, 8 * DAY + 3 * HOUR), (60, 2 * DAY + 10 * HOUR)] {
        for seed in 11..14 {
            let plan = Plan { seed, machines: 4000, ..PLAN };
            let mut world = World::new(plan);
            assert_eq!(until(&mut world, at - HOUR), None);
            let all = world.with(DISK, None);
            let ids: Vec<u32> = all.into_iter().filter(|_| world.below(100) < percent).collect();
            for (step, id) in ids.iter().enumerate() {
                world.deploy(*id, DISK, version(77));
                if step % (ids.len() / 50) == 0 {
                    assert!(world.tick(None).is_empty());
                }
            }
            assert_eq!(until(&mut world, at), None);
            world.kill(&ids, 5 * HOUR);
            let Some((minute, dark)) = first(&mut world, 3 * plan.pace + 1) else {
                panic!("{percent} %, seed {seed}: nothing")
            };
            let names: Vec<_> = dark.iter().map(|dark| (dark.driver, dark.version)).collect();
            assert_eq!(names, [(DISK, Some(version(77)))], "{percent} %, seed {seed}, minute {minute}");
            println!("{percent} % of 4,000, seed {seed}: {minute} min, {}", say(&dark, world.minute));
        }
    }
}

#[test]
fn an_outage_of_all_builds_is_the_drivers() {
    for (seed, at, share) in
        [(21, 11 * HOUR, 100), (22, 8 * DAY + 14 * HOUR, 80), (23, 13 * DAY + 3 * HOUR, 60)]
    {
        let (minutes, dark) = outage(Plan { seed, ..PLAN }, at, AGENT, None, share);
        let names: Vec<_> = dark.iter().map(|dark| (dark.driver, dark.version)).collect();
        assert_eq!(names, [(AGENT, None)], "seed {seed}");
        assert!(minutes <= 16, "{minutes}");
        let first = &dark[0];
        assert!(!first.sample.is_empty() && !first.reference.is_empty() || share == 100);
        assert!(first.sample.iter().all(|one| one.site != NameId::EMPTY && one.model != NameId::EMPTY));
        let onset_minute = (first.onset_ms - 1_759_708_800_000) / 60_000 - i64::from(at);
        assert!((-5..=5).contains(&onset_minute), "{onset_minute} min after the truth");
        println!("seed {seed}: {minutes} min, {}", say(&dark, at + minutes));
    }
}

#[test]
fn an_outage_of_the_first_day_is_found_while_it_grows() {
    for seed in 41..44 {
        let mut world = World::new(Plan { seed, machines: 4000, ..PLAN });
        assert_eq!(until(&mut world, 10 * HOUR), None, "seed {seed}");
        let ids = world.with(AGENT, None);
        // Half of the office leaves in 25 minutes, and these in twice that.
        let found = ids.chunks(ids.len() / 50).zip(1..).find_map(|(some, minute)| {
            world.kill(some, 6 * HOUR);
            let dark = world.tick(None);
            (!dark.is_empty()).then_some((minute, dark))
        });
        let Some((minute, dark)) = found else { panic!("seed {seed}: nothing") };
        println!("seed {seed}: {minute} min, {}", say(&dark, world.minute));
        assert_eq!(dark[0].driver, AGENT, "seed {seed}");
        assert!(minute <= 25, "{minute}");
    }
}

#[test]
fn laptops_may_break_too() {
    let plan = Plan { seed: 31, machines: 4000, ..PLAN };
    let (minutes, dark) = outage(plan, 8 * DAY + 10 * HOUR, RADIO, None, 100);
    assert_eq!(dark[0].driver, RADIO);
    assert!(minutes <= 16, "{minutes}");
    let (minutes, dark) = outage(Plan { seed: 32, ..plan }, 9 * DAY + 11 * HOUR, TOUCHPAD, None, 100);
    assert_eq!(dark[0].driver, TOUCHPAD);
    println!("on every laptop: {minutes} min");
}

#[test]
fn a_slow_pace_is_an_hour_and_a_report_ends_when_the_machines_are_back() {
    let plan = Plan { seed: 41, pace: 60, ..PLAN };
    let at = 3 * DAY + 9 * HOUR;
    let (minutes, dark) = outage(plan, at, AGENT, None, 90);
    assert!(minutes <= 3 * 60 + 1, "{minutes}");
    assert_eq!((dark.len(), dark[0].driver), (1, AGENT));

    let mut world = World::new(Plan { seed: 42, ..PLAN });
    assert_eq!(until(&mut world, at), None);
    let ids = world.with(AGENT, None);
    world.kill(&ids, 90);
    let mut last = 0;
    for minute in 0..4 * HOUR {
        if !world.tick(None).is_empty() {
            last = minute;
        }
    }
    assert!((85..110).contains(&last), "reported until {last} min after the onset");
}

#[test]
fn a_state_that_was_written_down_goes_on_as_if_nothing_had_been() {
    let mut world = World::new(Plan { seed: 51, machines: 800, ..PLAN });
    assert_eq!(until(&mut world, DAY + 9 * HOUR + 7), None);
    let state = postcard::to_stdvec(&world.silence).unwrap();
    println!("{} bytes a machine", state.len() / 800);
    let mut other = World::new(Plan { seed: 51, machines: 800, ..PLAN });
    assert_eq!(until(&mut other, DAY + 9 * HOUR + 7), None);
    other.silence = postcard::from_bytes(&state).unwrap();
    assert_eq!(postcard::to_stdvec(&other.silence).unwrap(), state);
    let ids = world.with(AGENT, None);
    for world in [&mut world, &mut other] {
        world.kill(&ids, 3 * HOUR);
    }
    let mut reported = 0;
    for _ in 0..5 * HOUR {
        let (one, two) = (world.tick(None), other.tick(None));
        assert_eq!(one, two);
        reported += one.len();
    }
    assert!(reported > 60);
    assert_eq!(postcard::to_stdvec(&world.silence).unwrap(), postcard::to_stdvec(&other.silence).unwrap());
    for cut in [0, 1, state.len() / 2, state.len() - 1] {
        assert!(postcard::from_bytes::<Silence>(&state[..cut]).is_err());
    }
}

#[test]
fn a_fleet_is_what_was_heard_within_a_week() {
    let (tenant, driver) = (NameId(1), NameId(9));
    let begin = EPOCH_MS + 1000;
    let mut silence = Silence::new();
    fn what(at_ms: i64, site: u32, modules: &[(NameId, Version)]) -> Installed<'_> {
        let (ring, model) = (NameId::EMPTY, NameId::EMPTY);
        Installed { at_ms, site: NameId(site), ring, model, os_build: 19045, modules }
    }
    assert_eq!((silence.fleet(tenant), silence.exposed(tenant, driver)), (None, None));
    for machine in 0..10 {
        silence.install(tenant, machine, what(begin, 3, &[(driver, version(0)), (NameId(8), version(1))]));
        silence.install(tenant, 100 + machine, what(begin, 4, &[(NameId(8), version(1))]));
        silence.beat(tenant, 200 + machine, begin, false);
        silence.beat(NameId(2), machine, begin, false);
    }
    silence.crash(tenant, 999, begin);
    silence.tick(begin + 60_000, 1.0);
    assert_eq!(
        silence.fleet(tenant),
        Some(Size { machines: 30, sites: 12 }),
        "those without a site are sites"
    );
    assert_eq!(silence.fleet(NameId(2)), Some(Size { machines: 10, sites: 10 }));
    assert_eq!((silence.exposed(tenant, driver), silence.exposed(NameId(2), driver)), (Some(10), None));
    // The driver goes from one, and nine are never heard of again.
    let week = 8 * 1440;
    for minute in 2..week {
        let at_ms = begin + i64::from(minute) * 60_000;
        if minute % 60 == 0 {
            silence.install(tenant, 0, what(at_ms, 3, &[(NameId(8), version(1))]));
            silence.beat(tenant, 1, at_ms, false);
        }
        assert!(silence.tick(at_ms, 1.0).is_empty());
    }
    assert_eq!(silence.fleet(tenant), Some(Size { machines: 2, sites: 1 }));
    assert_eq!(silence.exposed(tenant, driver), Some(1));
    assert_eq!(silence.fleet(NameId(2)), None);
}

#[test]
fn nonsense_harms_nobody() {
    let mut world = World::new(Plan { seed: 61, machines: 50, ..PLAN });
    let silence = &mut world.silence;
    for at_ms in [i64::MIN, -1, 0, i64::MAX / 2, i64::MAX] {
        silence.beat(TENANT, 7, at_ms, false);
        silence.beat(TENANT, 7, at_ms, true);
        silence.crash(TENANT, 7, at_ms);
        let what = Installed {
            at_ms,
            site: NameId(u32::MAX),
            ring: NameId(1),
            model: NameId(1),
            os_build: u32::MAX,
            modules: &[(NameId(1), version(0)); 50],
        };
        silence.install(TENANT, 8, what);
    }
    assert_eq!(until(&mut world, 200), None);
    world.silence.tick(i64::MIN, f64::NAN);
    world.silence.tick(0, 0.0);
    assert_eq!(until(&mut world, 400), None);
}

#[test]
fn more_machines_than_are_remembered_one_by_one() {
    let mut silence = Silence::new();
    let begin = EPOCH_MS + 26 * 365 * 86_400_000;
    let with = [(AGENT, version(0)), (DISK, version(0))];
    for machine in 0..160_000u32 {
        let modules = if machine % 8 < 6 { &with[..] } else { &with[1..] };
        let what = Installed {
            at_ms: begin,
            site: NameId(5000 + machine % 300),
            ring: NameId::EMPTY,
            model: NameId(1 + machine % 7),
            os_build: 26100,
            modules,
        };
        silence.install(TENANT, u64::from(machine), what);
    }
    let (mut first, mut last) = (None, None);
    for minute in 0..35u32 {
        let at_ms = begin + i64::from(minute) * 60_000;
        // Each beats every five minutes; those with the agent no longer from the fifteenth on.
        for machine in (0..160_000u32).filter(|machine| machine % 5 == minute % 5) {
            if minute < 15 || machine % 8 >= 6 {
                silence.beat(TENANT, u64::from(machine), at_ms + 1, false);
            }
        }
        let mut reported = silence.tick(at_ms + 60_000, 0.5);
        assert!(reported.len() <= 1, "minute {minute}: {} reported", reported.len());
        if let Some(dark) = reported.pop() {
            assert_eq!((dark.driver, dark.version), (AGENT, None), "it has one build: the driver's");
            assert!(dark.sample.is_empty() || dark.sample.len() == 2000, "{}", dark.sample.len());
            first = first.or(Some(minute));
            last = Some(dark);
        }
    }
    assert!(first.is_some_and(|minute| minute <= 15 + 16), "{first:?}");
    let dark = last.unwrap();
    assert_eq!((dark.machines, dark.sites), (120_000, 300));
}
