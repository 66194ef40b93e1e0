//! What attribution finds in drawn incidents whose truth is known, and what holds for any machines whatever.

mod draw;
mod toys;

use std::collections::BTreeMap;

use bluescope_detector::attribution::{Attribution, Facet, Origin, Profile, Question, attribute};
use bluescope_detector::names::{NameId, Names};
use bluescope_detector::{Change, Version};
use draw::{CLASSES, Dice, Drawn, draw};
use proptest::prelude::*;

const EACH: usize = 120;

fn is_right(drawn: &Drawn, answer: &Attribution) -> bool {
    let claimed = answer.claims.first().map(|claim| claim.elements.as_slice()).unwrap_or_default();
    let holds = |(facet, value): &(Facet, String)| {
        claimed.iter().any(|element| element.facet == *facet && element.value == *value)
    };
    answer.origin == drawn.truth && drawn.elements.iter().all(holds)
}

#[test]
fn drawn_incidents_are_attributed_to_what_they_come_from() {
    let mut table: BTreeMap<(usize, String), usize> = BTreeMap::new();
    let (mut right, mut wrong) = (0, Vec::new());
    for (row, class) in CLASSES.into_iter().enumerate() {
        for seed in 0..EACH {
            let drawn = draw(class, &mut Dice((row * 10_000 + seed) as u64));
            let answer = attribute(&drawn.question());
            let named = if is_right(&drawn, &answer) {
                right += 1;
                format!("{:?}", answer.origin)
            } else {
                wrong.push(format!(
                    "{class:?} {seed}: {}\n    {} {:?}",
                    drawn.about, answer.sentence, answer.vetoed
                ));
                if answer.origin == class { "other".to_owned() } else { format!("{:?}", answer.origin) }
            };
            *table.entry((row, named)).or_default() += 1;
        }
    }
    let columns: Vec<String> = CLASSES.iter().map(|class| format!("{class:?}")).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).chain(["Unknown", "other"]).collect();
    println!("{:<12}{}", "truth", columns.iter().map(|name| format!("{name:>12}")).collect::<String>());
    for (row, class) in CLASSES.iter().enumerate() {
        let counts =
            columns.iter().map(|column| table.get(&(row, (*column).to_owned())).copied().unwrap_or(0));
        println!(
            "{:<12}{}",
            format!("{class:?}"),
            counts.map(|count| format!("{count:>12}")).collect::<String>()
        );
    }
    let all = EACH * CLASSES.len();
    println!("{right} of {all} right: {:.1} %\n{}", 100.0 * right as f64 / all as f64, wrong.join("\n"));
    assert!(right * 100 >= all * 97, "{right} of {all}");
    for (row, class) in CLASSES.iter().enumerate() {
        let right = table.get(&(row, format!("{class:?}"))).copied().unwrap_or(0);
        assert!(right * 100 >= EACH * 96, "{class:?}: {right} of {EACH}");
    }
}

/// Small numbers, so that machines share things; now and then any number at all.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0_u32..4, 1 => any::<u32>()]
}

fn version() -> impl Strategy<Value = Version> {
    (number(), number()).prop_map(|(timestamp, size)| Version { timestamp, size })
}

fn machine() -> impl Strategy<Value = Profile> {
    let modules = prop::collection::vec((number().prop_map(NameId), version()), 0..6);
    let at = prop_oneof![4 => 0_i64..1_000_000, 1 => any::<i64>()];
    (any::<u64>(), at, version(), [number(), number(), number(), number()], 0_u64..4, modules).prop_map(
        |(machine, at_ms, version, [os_build, model, ring, site], fault_offset, modules)| Profile {
            machine,
            at_ms,
            version,
            fault_offset,
            os_build,
            model: NameId(model),
            ring: NameId(ring),
            site: NameId(site),
            modules,
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    (any::<i64>(), number(), "(csagent|a)(\\.sys)?", "(0x[0-3])?", "[ab]?").prop_map(
        |(at_ms, timestamp, what, version, vendor)| Change {
            tenant: String::new(),
            at_ms,
            what,
            version,
            timestamp,
            ring: String::new(),
            vendor,
        },
    )
}

fn machines(most: usize) -> impl Strategy<Value = Vec<Profile>> {
    prop::collection::vec(machine(), 0..most)
}

fn ask(
    machines: [&[Profile]; 3],
    changes: &[Change],
    first: &[(Version, i64)],
    onset_ms: i64,
) -> Attribution {
    let mut names = Names::default();
    for name in ["csagent.sys", "a", "b\n"] {
        names.number(name);
    }
    let [affected, reference, history] = machines;
    let question = Question {
        driver: "csagent.sys",
        onset_ms,
        now_ms: onset_ms.saturating_add(60_000),
        affected,
        reference,
        history,
        first_seen: first,
        changes,
        names: &names,
    };
    attribute(&question)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_machines_give_numbers_and_one_line(
        affected in machines(120),
        reference in machines(120),
        history in machines(20),
        changes in prop::collection::vec(change(), 0..6),
        first in prop::collection::vec((version(), any::<i64>()), 0..6),
        onset_ms in prop_oneof![0_i64..2_000_000, any::<i64>()],
    ) {
        let answer = ask([&affected, &reference, &history], &changes, &first, onset_ms);
        for claim in &answer.claims {
            let numbers = [claim.share, claim.share_low, claim.share_high, claim.odds, claim.odds_low, claim.odds_high];
            prop_assert!(numbers.iter().all(|number| number.is_finite() && *number >= 0.0), "{claim:?}");
            prop_assert!(claim.share_low <= claim.share && claim.share <= claim.share_high, "{claim:?}");
            prop_assert!(claim.odds_low <= claim.odds && claim.odds <= claim.odds_high, "{claim:?}");
            prop_assert!(claim.share >= 0.7 && claim.odds_low >= 3.0, "{claim:?}");
        }
        prop_assert!(!answer.sentence.is_empty() && !answer.sentence.contains(char::is_control), "{}", answer.sentence);

        let alone = ask([&affected, &[], &history], &changes, &first, onset_ms);
        let told = matches!(alone.origin, Origin::Unknown | Origin::AllVersions);
        prop_assert!(alone.claims.is_empty() && told, "{alone:?}");
    }

    #[test]
    fn the_order_of_machines_does_not_matter(seed in any::<u64>(), class in 0..CLASSES.len()) {
        let mut dice = Dice(seed);
        let mut drawn = draw(CLASSES[class], &mut dice);
        let before = attribute(&drawn.question());
        for machines in [&mut drawn.affected, &mut drawn.reference, &mut drawn.history] {
            for at in (1..machines.len()).rev() {
                machines.swap(at, dice.below(at + 1));
            }
        }
        drawn.first_seen.reverse();
        prop_assert_eq!(before, attribute(&drawn.question()));
    }
}
