//! What is understood, what is refused and where, and that nothing is lost on the way to text and back.

use proptest::prelude::*;
use storage::questions::{self as ask, NumberField, Place, TextField};

use super::*;

const NOW: i64 = 1_721_362_140_000;

fn text(field: TextField, text: &str, place: Place) -> Condition {
    Condition::Text(field, ask::Pattern { text: text.to_owned(), place })
}

fn number(field: NumberField, from: u64, to: u64) -> Condition {
    Condition::Number { field, from, to }
}

/// What one term means.
fn meaning_of(query: &str) -> Condition {
    let parsed = Query::parse(query).unwrap_or_else(|fault| panic!("{query}: {fault:?}"));
    assert_eq!(parsed.terms.len(), 1, "{query}");
    parsed.terms[0].condition.clone()
}

fn one(condition: Condition) -> Condition {
    Condition::Any(vec![condition])
}

#[test]
fn words_stars_and_lists() {
    use TextField as F;
    for (query, meaning) in [
        ("driver:csagent.sys", one(text(F::Driver, "csagent.sys", Place::Whole))),
        ("model:\"Latitude 5440\"", one(text(F::Model, "Latitude 5440", Place::Whole))),
        ("machine:PC-*", one(text(F::Machine, "PC-", Place::Start))),
        ("machine:*-01", one(text(F::Machine, "-01", Place::End))),
        ("cpu:*Ryzen*", one(text(F::Cpu, "Ryzen", Place::Within))),
        ("site:\"*\"", one(text(F::Site, "*", Place::Whole))),
        ("site:*", one(text(F::Site, "", Place::Within))),
        ("site:\"\"", one(text(F::Site, "", Place::Whole))),
        (
            "RING:a,b",
            Condition::Any(vec![text(F::Ring, "a", Place::Whole), text(F::Ring, "b", Place::Whole)]),
        ),
        ("-ring:canary", Condition::Not(Box::new(one(text(F::Ring, "canary", Place::Whole))))),
        ("hardware:memory", one(text(F::Hardware, "memory", Place::Whole))),
        ("bucket:\"a\\\"b\\\\c\\u{202e}\"", one(text(F::Bucket, "a\"b\\c\u{202e}", Place::Whole))),
        ("site:\"C:\\dir\\u\"", one(text(F::Site, "C:\\dir\\u", Place::Whole))),
    ] {
        assert_eq!(meaning_of(query), meaning, "{query}");
    }
    let Condition::Any(anywhere) = meaning_of("csagent") else { panic!("a bare word is an alternative") };
    let Condition::Any(fields) = &anywhere[0] else { panic!("of three columns") };
    assert_eq!(fields[1], text(F::Machine, "csagent", Place::Within));
    assert_eq!(fields.len(), 3);
}

#[test]
fn numbers_and_ranges() {
    use NumberField as F;
    for (query, meaning) in [
        ("version:0x66902C2A", number(F::Version, 0x6690_2C2A, 0x6690_2C2A)),
        ("version:66902c2a", number(F::Version, 0x6690_2C2A, 0x6690_2C2A)),
        ("version:1720724522", number(F::Version, 1_720_724_522, 1_720_724_522)),
        ("bugcheck:0x50", number(F::Bugcheck, 0x50, 0x50)),
        ("bugcheck:7e", number(F::Bugcheck, 0x7E, 0x7E)),
        ("bugcheck:0x100..0x1ff", number(F::Bugcheck, 0x100, 0x1FF)),
        ("bugcheck:PAGE_FAULT*", text(TextField::BugcheckName, "PAGE_FAULT", Place::Start)),
        ("build:>=22621", number(F::Build, 22621, u64::MAX)),
        ("offset:0xe14ed", number(F::Offset, 0xE14ED, 0xE14ED)),
        ("offset:<5", number(F::Offset, 0, 4)),
        ("uptime:<1h", number(F::Uptime, 0, 3_599)),
        ("uptime:1h..1d12h", number(F::Uptime, 3_600, 129_600)),
        ("uptime:>90", number(F::Uptime, 91, u64::MAX)),
        (
            "build:19045.4651",
            Condition::All(vec![number(F::Build, 19045, 19045), number(F::Ubr, 4651, 4651)]),
        ),
        ("offset:>18446744073709551615", number(F::Offset, 1, 0)),
    ] {
        assert_eq!(meaning_of(query), one(meaning), "{query}");
    }
}

#[test]
fn lists_of_modules_drivers_and_tags() {
    let whole = |text: &str| ask::Pattern { text: text.to_owned(), place: Place::Whole };
    let starts = |text: &str| ask::Pattern { text: text.to_owned(), place: Place::Start };
    let tag = |key: &str, value| Condition::Tag { key: key.to_owned(), value };
    for (query, meaning) in [
        ("module:tcpip.sys", Condition::OnStack(whole("tcpip.sys"))),
        ("loaded:a.sys", Condition::Loaded { driver: whole("a.sys"), timestamp: None }),
        ("loaded:a.sys@66902c2a", Condition::Loaded { driver: whole("a.sys"), timestamp: Some(0x6690_2C2A) }),
        ("loaded:a@b.sys", Condition::Loaded { driver: whole("a@b.sys"), timestamp: None }),
        ("tag:asset=A17", tag("asset", Some(whole("A17")))),
        ("tag:asset=A*", tag("asset", Some(starts("A")))),
        ("tag:asset", tag("asset", None)),
        (
            "fault:00112233445566778899AABBCCDDEEFF",
            Condition::FaultSite("00112233445566778899aabbccddeeff".to_owned()),
        ),
    ] {
        assert_eq!(meaning_of(query), one(meaning), "{query}");
    }
}

#[test]
fn times() {
    let day = 86_400_000;
    let midnight = 1_721_347_200_000;
    for (query, from_ms, to_ms) in [
        ("", NOW - 7 * day, NOW),
        ("time:24h", NOW - day, NOW),
        ("time:2024-07-19", midnight, midnight + day),
        ("time:>2024-07-19", midnight, NOW),
        ("time:>=2024-07-19T04:00", midnight + 14_400_000, NOW),
        ("time:<=2024-07-18", midnight - 400 * day, midnight),
        ("time:2024-07-19T04:00..2024-07-19T05:30", midnight + 14_400_000, midnight + 19_800_000),
        ("time:2024-07-18..2024-07-19", midnight - day, midnight + day),
        ("time:7d..24h", NOW - 7 * day, NOW - day),
        ("time:>2500-01-01 x", 0, 0),
    ] {
        if from_ms == 0 {
            assert!(Query::parse(query).is_err(), "{query}");
            continue;
        }
        assert_eq!(Query::parse(query).unwrap().range(NOW), Range { from_ms, to_ms }, "{query}");
    }
    let future = Query::parse("time:>2030-01-01").unwrap().range(NOW);
    assert_eq!(future.from_ms, future.to_ms, "nothing has happened then, and nothing breaks");
}

#[test]
fn faults_have_a_place_and_often_a_way_out() {
    for (query, at, length, suggestion) in [
        ("drvier:x", 0, 6, Some("driver:x")),
        ("a -drvier:x b", 3, 6, Some("a -driver:x b")),
        ("stack:tcpip.sys", 0, 5, Some("module:tcpip.sys")),
        ("mach:x", 0, 4, Some("machine:x")),
        ("qqqqqq:x", 0, 6, None),
        ("ring:\"broad", 5, 6, Some("ring:\"broad\"")),
        ("ring:x model:\"Lat b", 13, 6, Some("ring:x model:\"Lat b\"")),
        ("offset:e14ed", 7, 5, Some("offset:0xe14ed")),
        ("build:new", 6, 3, None),
        ("build:5..3", 6, 4, Some("build:3..5")),
        ("build:5..", 6, 3, Some("build:>=5")),
        ("build:>", 6, 1, None),
        ("build:190*", 6, 4, None),
        ("bugcheck:0xzz", 9, 4, None),
        ("fault:12", 6, 2, None),
        ("ring:", 0, 5, None),
        ("ring:a,", 0, 7, None),
        ("a,", 1, 1, None),
        ("-", 0, 1, None),
        ("site:a*b", 5, 3, Some("site:\"a*b\"")),
        ("time:yesterday", 5, 9, None),
        ("time:24h time:1h", 9, 7, None),
        ("-time:24h", 0, 9, None),
        ("time:>24h", 5, 4, None),
        ("time:1h..2h", 5, 6, None),
        ("time:900d", 5, 4, None),
        ("uptime:soon", 7, 4, None),
        ("ünïcödé drvier:x", 8, 6, Some("ünïcödé driver:x")),
    ] {
        let fault = Query::parse(query).expect_err(query);
        assert_eq!(
            (fault.at, fault.length, fault.suggestion.as_deref()),
            (at, length, suggestion),
            "{query}"
        );
        assert!(fault.message.ends_with('.'), "{}", fault.message);
        if let Some(suggestion) = suggestion {
            assert!(Query::parse(suggestion).is_ok(), "{suggestion}");
        }
    }
    assert!(Query::parse(&"a ".repeat(65)).is_err());
    assert!(Query::parse(&"a".repeat(20_000)).is_err());
}

#[test]
fn terms_are_added_taken_away_and_turned_round() {
    let query = Query::parse("driver:A.sys ring:x time:24h").unwrap();
    assert!(query.asks_for(Key::Driver, "a.sys"));
    assert_eq!(query.toggled(Key::Driver, "a.sys"), "ring:x time:24h");
    assert_eq!(
        query.toggled(Key::Site, "Berlin Mitte"),
        "driver:A.sys ring:x time:24h site:\"Berlin Mitte\""
    );
    assert_eq!(query.excluding(Key::Ring, "x"), "driver:A.sys time:24h -ring:x");
    assert_eq!(query.over("7d"), "driver:A.sys ring:x time:7d");
    assert_eq!(written(false, Key::Driver, ".."), "driver:\"..\"");
}

#[test]
fn every_key_is_found_by_its_name_and_has_a_hint() {
    for key in Key::all() {
        assert_eq!(Key::named(key.name()), Some(key));
        assert!(!key.hint().is_empty());
    }
}

fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~]{0,12}", "[*\",\\\\:.<>=-]{0,6}"]
}

proptest! {
    #[test]
    fn any_text_is_understood_or_refused_within_it(query in any_value()) {
        match Query::parse(&query) {
            Ok(parsed) => {
                let again = Query::parse(&parsed.to_string());
                prop_assert_eq!(again.as_ref(), Ok(&parsed), "{}", parsed);
                parsed.range(NOW);
            }
            Err(fault) => prop_assert!(fault.at + fault.length <= query.chars().count(), "{:?}", fault),
        }
        wanted(&query, Some(query.len() / 2));
    }

    #[test]
    fn any_terms_survive_the_way_to_text_and_back(
        values in prop::collection::vec((any::<bool>(), 0..28_usize, any_value(), any::<(bool, bool)>()), 0..5)
    ) {
        let terms = values.into_iter().map(|(negated, key, text, (open_start, open_end))| {
            let key = Key::all().nth(key).map(Key::name).unwrap_or_default();
            let pattern = Pattern { text, open_start, open_end };
            format!("{}{key}:{pattern}", if negated { "-" } else { "" })
        });
        if let Ok(parsed) = Query::parse(&joined(terms)) {
            prop_assert_eq!(Query::parse(&parsed.to_string()), Ok(parsed));
        }
    }

    #[test]
    fn any_value_of_a_facet_is_a_query(text in any::<String>()) {
        let query = written(false, Key::Site, &text);
        let expected = Condition::Any(vec![self::text(TextField::Site, &text, Place::Whole)]);
        prop_assert_eq!(meaning_of(&query), expected);
        prop_assert!(!query.chars().any(crate::text::is_hidden));
    }
}
