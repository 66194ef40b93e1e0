//! Outages: each class takes whom it says, at the rate that it says, and its truth is right.

use super::*;

/// A world with nothing but one outage of a class.
fn only(class: &str, more: &str) -> (World, Vec<Seen>) {
    let fields = format!(
        r#""days":0.25,"tick_s":5,"machines":2000000,"sites":2000,"drivers":1000,
           "outages":[{{"class":"{class}","rate":2,"duration_s":3600,"at_day":0.05,"loops":0{more}}}]"#
    );
    let mut world = World::new(&silent(&fields), 11);
    let crashes = run(&mut world);
    (world, crashes)
}

fn has(crash: &Seen, facet: Facet, value: &str) -> bool {
    match facet {
        Facet::Version => format!("{:#x}", crash.version) == value,
        Facet::OsBuild => crash.os_build.to_string() == value,
        Facet::Model => crash.model == value,
        Facet::Site => crash.site == value,
        Facet::Ring => crash.ring == value,
        Facet::Module => crash.modules.contains_key(value),
        Facet::ModuleVersion => false,
    }
}

#[test]
fn every_class_takes_whom_its_truth_names_at_its_rate() {
    let cases = [
        ("new_version", Origin::NewVersion),
        ("content", Origin::AllVersions),
        ("model", Origin::Model),
        ("os_build", Origin::OsBuild),
        ("ring", Origin::Ring),
        ("module", Origin::Module),
        ("busiest", Origin::AllVersions),
        ("during_release", Origin::AllVersions),
        ("wrong_blame", Origin::AllVersions),
    ];
    for (class, origin) in cases {
        let (world, crashes) = only(class, "");
        let [truth] = world.truths() else { panic!("{class}: one outage") };
        assert_eq!((truth.origin, truth.page, truth.class.name()), (origin, Expect::Page, class));
        assert_eq!(truth.elements.len(), usize::from(origin != Origin::AllVersions), "{class}");
        // a new build reaches nobody in its first moments
        assert!(
            near(crashes.len(), 7200.0) || class == "new_version" && crashes.len() > 6900,
            "{class} {}",
            crashes.len()
        );
        let machines: BTreeSet<u64> = crashes.iter().map(|crash| crash.machine).collect();
        assert_eq!(
            (machines.len(), truth.machines as usize),
            (crashes.len(), crashes.len()),
            "{class}: once each"
        );
        assert_eq!(truth.first_upload_ms, crashes.first().map(|crash| crash.arrived_ms));
        for crash in &crashes {
            assert!((truth.begin_ms..truth.end_ms).contains(&crash.crashed_ms), "{class}");
            assert!(
                crash.driver.is_empty() || truth.drivers.contains(&crash.driver),
                "{class} {}",
                crash.driver
            );
            for element in &truth.elements {
                assert!(has(crash, element.facet, &element.value), "{class}: {element:?} {crash:?}");
            }
        }
        let sites: BTreeSet<&str> = crashes.iter().map(|crash| crash.site.as_str()).collect();
        assert!(sites.len() > 500, "{class}: {} sites", sites.len());
    }
}

#[test]
fn a_content_update_hits_every_build_and_model_alike() {
    let (_, crashes) = only("content", "");
    let versions: BTreeSet<u32> = crashes.iter().map(|crash| crash.version).collect();
    let models: BTreeSet<&str> = crashes.iter().map(|crash| crash.model.as_str()).collect();
    assert!(versions.len() >= 2 && models.len() == 40, "{versions:?}");
    let rings = crashes.iter().filter(|crash| crash.ring == "broad").count() as f64 / crashes.len() as f64;
    assert!((rings - 0.9).abs() < 0.02, "{rings}");
}

#[test]
fn a_release_that_harms_nobody_is_under_way_when_content_breaks() {
    let (world, crashes) = only("during_release", "");
    let new = |crash: &&Seen| i64::from(crash.version) * 1000 > world.start_ms() - 30 * 86_400_000;
    let share = crashes.iter().filter(new).count() as f64 / crashes.len() as f64;
    assert!(share > 0.005 && share < 0.5, "{share}");
}

#[test]
fn a_new_build_goes_ring_by_ring_where_the_rate_allows() {
    let (world, crashes) = only("new_version", r#","installed":0.9"#);
    let begin = world.truths()[0].begin_ms;
    let early = crashes.iter().filter(|crash| crash.crashed_ms < begin + 900_000);
    assert!(early.clone().count() > 1500 && early.clone().all(|crash| crash.ring == "canary"));
    let (_, crashes) = only("new_version", r#","rollout_s":1200"#);
    assert!(crashes.iter().filter(|crash| crash.ring == "broad").count() * 10 > crashes.len() * 8);
}

#[test]
fn two_at_once_are_two() {
    let (world, crashes) = only("two_at_once", "");
    let [a, b] = world.truths() else { panic!("two outages") };
    assert_eq!((a.origin, b.origin), (Origin::AllVersions, Origin::NewVersion));
    assert!(a.drivers[0] != b.drivers[0] && (b.begin_ms - a.begin_ms).abs() < 300_000);
    for truth in [a, b] {
        let count = crashes.iter().filter(|crash| crash.driver == truth.drivers[0]).count();
        assert!(count > 6800 && count == truth.machines as usize, "{count}");
    }
}

#[test]
fn a_slow_burn_grows_with_its_rollout() {
    let fields = r#""days":3,"tick_s":60,"machines":1000000,"sites":500,"drivers":1000,
        "outages":[{"class":"slow_burn","rate":0.1,"duration_s":172800,"at_day":0.1,"loops":0}]"#;
    let mut world = World::new(&silent(fields), 2);
    let crashes = run(&mut world);
    let begin = world.truths()[0].begin_ms;
    let between = |from: i64, until: i64| {
        let hours = (begin + from * 3_600_000)..(begin + until * 3_600_000);
        crashes.iter().filter(|crash| hours.contains(&crash.crashed_ms)).count()
    };
    assert!(between(0, 2) < 80 && near(between(10, 48), 0.1 * 38.0 * 3600.0), "{}", between(10, 48));
    assert_eq!(world.truths()[0].page, Expect::Ticket);
}

#[test]
fn ramps_begin_low_and_reach_the_rate() {
    for (ramp, share) in [("linear", 0.5), ("exponential", 0.215)] {
        let (world, crashes) = only("content", &format!(r#","ramp":"{ramp}","ramp_s":1800"#));
        let middle = world.truths()[0].begin_ms + 1_800_000;
        let (first, second): (Vec<_>, Vec<_>) = crashes.iter().partition(|crash| crash.crashed_ms < middle);
        assert!(near(first.len(), 3600.0 * share) && near(second.len(), 3600.0), "{ramp} {}", first.len());
    }
}

#[test]
fn a_small_fleet_is_used_up_and_no_machine_taken_twice() {
    let fields = r#""days":0.2,"tick_s":1,"machines":300,"sites":1,"drivers":200,
        "outages":[{"class":"content","rate":50,"at_day":0.02,"loops":0}]"#;
    let mut world = World::new(&silent(fields), 2);
    let crashes = run(&mut world);
    let machines: BTreeSet<u64> = crashes.iter().map(|crash| crash.machine).collect();
    assert_eq!(machines.len(), crashes.len());
    assert!((240..290).contains(&machines.len()), "{}", machines.len());
    assert_eq!((world.truths()[0].page, crashes[0].site.as_str()), (Expect::Page, "site-0001"));
}

#[test]
fn machines_loop_and_late_ones_come_after() {
    let fields = r#""days":2,"tick_s":10,"machines":500000,"sites":500,"drivers":1000,
        "outages":[{"class":"content","rate":2,"at_day":0.1,"loops":0.5}]"#;
    let mut config = silent(fields);
    config.noise.uploads = crate::scenario::Uploads::default();
    let mut world = World::new(&config, 2);
    let crashes = run(&mut world);
    let truth = &world.truths()[0];
    assert!(crashes.len() as f64 > 1.8 * truth.machines as f64);
    let machines: BTreeSet<u64> = crashes.iter().map(|crash| crash.machine).collect();
    assert!(machines.len().abs_diff(truth.machines as usize) < 200);
    let late = crashes.iter().filter(|crash| crash.arrived_ms > truth.begin_ms + 3_900_000).count();
    let beyond = crashes.iter().filter(|crash| crash.arrived_ms > truth.end_ms).count();
    assert!(late > 200 && beyond < 100, "{late} late, {beyond} beyond the end");
}

#[test]
fn every_outage_of_the_past_comes_as_its_data_has_it() {
    for world in ScenarioSet::builtin("real").unwrap().worlds {
        let ids: Vec<String> = world.outages.iter().map(|outage| outage.class.clone().into()).collect();
        let config = WorldConfig {
            days: 2.0,
            tick_s: 60,
            crashes_per_minute: Some(0.0),
            noise: NoiseConfig::none(),
            outages: world
                .outages
                .into_iter()
                .map(|outage| crate::scenario::OutageConfig { duration_s: Some(1200), ..outage })
                .collect(),
            ..world
        };
        let mut world = World::new(&config, 3);
        let crashes = run(&mut world);
        assert_eq!(world.truths().len(), ids.len());
        for truth in world.truths() {
            let id = ids.iter().find(|id| truth.id.starts_with(*id)).unwrap();
            let past = crate::outage(id.trim_start_matches("catalogue:")).unwrap();
            let own: Vec<&Seen> = crashes
                .iter()
                .filter(|crash| (truth.begin_ms..truth.end_ms).contains(&crash.crashed_ms))
                .collect();
            if !past.has_dumps() {
                assert_eq!((own.len(), truth.machines, truth.page), (0, 0, Expect::Nothing), "{id}");
                assert!(truth.drivers.is_empty() && !truth.subjects_any, "{id}");
                continue;
            }
            assert!(own.len() > 1000 && truth.page == Expect::Page, "{id}: {} {:?}", own.len(), truth.page);
            let wanted = past.bugchecks();
            assert!(own.iter().all(|crash| wanted.contains(&crash.bugcheck)), "{id}");
            let blamed: BTreeSet<String> = past.blamed().iter().map(|name| name.to_lowercase()).collect();
            let seen: BTreeSet<String> =
                own.iter().map(|crash| crash.driver.clone()).filter(|name| !name.is_empty()).collect();
            assert_eq!(seen, blamed, "{id}");
            assert_eq!(truth.subjects_any, blamed.is_empty(), "{id}");
        }
    }
}

#[test]
fn dark_machines_fall_silent_and_hardly_upload() {
    let fields = r#""days":0.75,"tick_s":10,"machines":2000,"sites":40,"drivers":200,
        "heartbeats":{"interval_s":120},"outages":[{"class":"boot_loop_dark","rate":0.5,"at_day":0.4,"duration_s":1200}]"#;
    let mut world = World::new(&silent(fields), 3);
    let begin = world.truths()[0].begin_ms;
    let (mut beats, mut crashes, mut installed) = (BTreeMap::<u64, (i64, i64)>::new(), 0, BTreeSet::new());
    let mut sink = |input: Input<'_>| match input {
        Input::Beat(beat) => {
            let (before, after) = beats.entry(beat.machine).or_default();
            if beat.at_ms < begin && beat.at_ms > begin - 600_000 {
                *before += 1;
            } else if beat.at_ms > begin + 1_300_000 && beat.at_ms < begin + 1_900_000 {
                *after += 1;
            }
        }
        Input::Install(install) => {
            installed.insert(install.machine);
            assert!(install.modules.len() < 60);
        }
        Input::Crash(_) => crashes += 1,
        Input::Change(_) => {}
    };
    while world.tick(&mut sink).is_some() {}
    let truth = &world.truths()[0];
    let gone = beats.values().filter(|(before, after)| *before >= 4 && *after == 0).count();
    let steady = beats.values().filter(|(before, after)| (4..=5).contains(before) && *after >= 4).count();
    assert!(
        (gone as f64) > 0.8 * truth.machines as f64 && truth.machines > 350,
        "{gone} of {}",
        truth.machines
    );
    assert!(steady > 700, "{steady}");
    assert!(crashes < 60 && installed.len() > 1900, "{crashes} {}", installed.len());
    assert!(truth.first_upload_ms.unwrap() - truth.begin_ms < 30_000 && truth.page == Expect::Page);
}

#[test]
fn machines_that_go_home_are_off_at_night_and_some_say_so() {
    let fields =
        r#""days":7,"tick_s":60,"machines":200,"sites":1,"drivers":200,"heartbeats":{"interval_s":600}"#;
    let mut world = World::new(&silent(fields), 3);
    let start = world.start_ms();
    let (mut by_hour, mut farewells) = (vec![0_u32; 168], 0);
    while world
        .tick(&mut |input| {
            if let Input::Beat(beat) = input {
                farewells += u32::from(beat.farewell);
                by_hour[((beat.at_ms - start) / 3_600_000) as usize] += 1;
            }
        })
        .is_some()
    {}
    // Tuesday noon and night in Europe, Sunday noon
    assert!(by_hour[24 + 11] > by_hour[24 + 2] + 450, "{} {}", by_hour[35], by_hour[26]);
    assert!(by_hour[6 * 24 + 11] < by_hour[24 + 11] - 400, "{}", by_hour[6 * 24 + 11]);
    assert!((300..5000).contains(&farewells), "{farewells}");
}
