//! A crash's row to what the detector is told of it. Pure; the row decides what is blamed, the message whose it is.

use storage::message::Meta;
use storage::rows::{CrashRow, Outcome};
use storage::signals::{CrashSignal, MOST_MODULES};

/// What the detector is told of an analysed crash; nothing where it would not count: a live dump's machine kept running,
/// and programs are not what it pages for.
pub(super) fn of(row: &CrashRow, meta: &Meta) -> Option<CrashSignal> {
    if row.outcome != Outcome::Analysed.as_str() || row.kind != "kernel" {
        return None;
    }
    Some(CrashSignal {
        crash_id: row.crash_id,
        tenant: row.tenant.clone(),
        machine: row.machine.clone(),
        crashed_at_ms: row.crashed_at,
        arrived_at_ms: row.received_at,
        driver: row.driver.clone(),
        timestamp: row.driver_timestamp,
        size: row.driver_size,
        fault_offset: row.fault_offset,
        bugcheck: row.bugcheck,
        os_build: row.os_build,
        bucket: row.bucket.clone(),
        model: row.model.clone(),
        bios: row.bios.clone(),
        ring: row.ring.clone(),
        site: row.site.clone(),
        network: meta.network.clone(),
        kind: row.kind.clone(),
        confidence: row.confidence.clone(),
        modules: modules(row),
    })
}

/// The blamed image, whoever's it is, then the third-party ones.
fn modules(row: &CrashRow) -> Vec<(String, u32, u32)> {
    let blamed = (row.driver.clone(), row.driver_timestamp, row.driver_size);
    let blamed = (!row.driver.is_empty()).then_some(blamed);
    let others = row.third_party.iter().zip(&row.third_party_timestamps).zip(&row.third_party_sizes);
    let others = others
        .filter(|((name, _), _)| **name != row.driver)
        .map(|((name, timestamp), size)| (name.clone(), *timestamp, *size));
    blamed.into_iter().chain(others).take(MOST_MODULES).collect()
}

#[cfg(test)]
mod tests {
    use storage::message::{Content, META_VERSION};

    use super::*;

    fn meta() -> Meta {
        serde_json::from_value(serde_json::json!({
            "version": META_VERSION, "crash_id": uuid::Uuid::nil(), "tenant": "", "machine": "pc",
            "received_at_ms": 5, "raw_len": 1, "network": "192.0.2.0/24", "content": Content::Inline,
        }))
        .unwrap()
    }

    fn row() -> CrashRow {
        CrashRow {
            outcome: "analysed".to_owned(),
            kind: "kernel".to_owned(),
            driver: "ntfs.sys".to_owned(),
            driver_timestamp: 7,
            driver_size: 8,
            third_party: vec!["a.sys".to_owned(), "b.sys".to_owned()],
            third_party_timestamps: vec![1, 2],
            third_party_sizes: vec![3, 4],
            ..CrashRow::default()
        }
    }

    #[test]
    fn the_blamed_image_comes_first_and_once() {
        assert_eq!(of(&row(), &meta()).unwrap().network, "192.0.2.0/24");
        let of = |row: CrashRow| of(&row, &meta()).unwrap().modules;
        let named = |name: &str, timestamp, size| (name.to_owned(), timestamp, size);
        let (a, b) = (named("a.sys", 1, 3), named("b.sys", 2, 4));
        assert_eq!(of(row()), [named("ntfs.sys", 7, 8), a.clone(), b.clone()]);
        assert_eq!(
            of(CrashRow { driver: "b.sys".to_owned(), driver_timestamp: 2, driver_size: 4, ..row() }),
            [b.clone(), a.clone()]
        );
        assert_eq!(of(CrashRow { driver: String::new(), ..row() }), [a, b]);
    }

    #[test]
    fn only_kernel_crashes_that_were_read_are_told() {
        for (outcome, kind, told) in [
            ("analysed", "kernel", true),
            ("analysed", "live", false),
            ("analysed", "user", false),
            ("unreadable", "", false),
            ("dead_letter", "kernel", false),
        ] {
            let row = CrashRow { outcome: outcome.to_owned(), kind: kind.to_owned(), ..row() };
            assert_eq!(of(&row, &meta()).is_some(), told, "{outcome} {kind}");
        }
    }
}
