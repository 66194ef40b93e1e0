//! The loop of missing symbols: which dumps are due, what lacks what, and what names a crash.

use bluescope_storage::questions::{CrashFilter, DeepJob, DeepShown};
use bluescope_storage::rows::{CrashRow, DeepRow, SymbolFileRow};

use crate::fixture::{Fixture, crash, now};

const VERSION: u32 = 3;
const PDB: &str = "csagent.pdb/3249d99d0c4049318610f4e4fb0b69361";
const IMAGE: &str = "csagent.sys/66902c2a350000";

/// A crash whose dump was kept.
fn kept(number: u64, at_ms: i64) -> CrashRow {
    let mut row = crash(number, at_ms);
    row.blob = format!("kept/{}", row.crash_id);
    row
}

fn deep(crash: &CrashRow, analysed_at: i64, missing: &[(&str, &str)]) -> DeepRow {
    DeepRow {
        crash_id: crash.crash_id,
        crashed_at: crash.crashed_at,
        analysed_at,
        tenant: crash.tenant.clone(),
        kind: crash.kind.clone(),
        driver: crash.driver.clone(),
        driver_timestamp: crash.driver_timestamp,
        driver_size: crash.driver_size,
        fault_offset: crash.fault_offset,
        bucket: crash.bucket.clone(),
        analyzer_version: VERSION,
        deep_bucket: "AV_R_INVALID_csagent!CSFalcon".to_owned(),
        deep_bucket_hash: "{0}".to_owned(),
        deep_confidence: "high".to_owned(),
        report: r#"{"stack":[]}"#.to_owned(),
        missing: missing.iter().map(|(id, _)| (*id).to_owned()).collect(),
        missing_kinds: missing.iter().map(|(_, kind)| (*kind).to_owned()).collect(),
        retry_at: 0,
    }
}

fn file(tenant: &str, id: &str, arrived_at: i64) -> SymbolFileRow {
    let name = id.split('/').next().unwrap();
    SymbolFileRow {
        tenant: tenant.to_owned(),
        id: id.to_owned(),
        kind: if name.ends_with(".pdb") { "pdb" } else { "image" }.to_owned(),
        file_name: name.to_owned(),
        bytes: 1_000,
        arrived_at,
    }
}

fn brief(jobs: &[DeepJob]) -> Vec<(u128, &str)> {
    jobs.iter().map(|job| (job.crash_id.as_u128() & 0xFF, job.reason.as_str())).collect()
}

#[tokio::test]
async fn one_dump_of_each_site_comes_first_then_more_of_each_bucket() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let start = now() - 3_600_000;
    let at = |number: u64| start + i64::try_from(number).unwrap() * 1000;
    let mut rows: Vec<CrashRow> = (1..=5).map(|number| kept(number, at(number))).collect();
    // Another site of the same bucket, another tenant's, one that was not kept, and one that is too old.
    let mut other = kept(6, at(6));
    other.fault_offset = 1;
    let mut theirs = kept(7, at(7));
    theirs.tenant = "acme".to_owned();
    let mut old = kept(9, start - 15 * 86_400_000);
    old.bucket = "OLD".to_owned();
    rows.extend([other, theirs.clone(), crash(8, at(8)), old]);
    let nothing = database.deep_marks().await.unwrap();
    assert_eq!(database.deep_marks().await.unwrap(), nothing);
    fixture.insert(&rows).await;
    assert_ne!(database.deep_marks().await.unwrap(), nothing, "dumps were kept");
    let jobs = async |per_bucket, limit| {
        database.deep_jobs(start + 3_600_000, VERSION, per_bucket, limit).await.unwrap()
    };

    let first = jobs(3, 10).await;
    // Of each site its first dump, the site seen last before the others; then the bucket's first three.
    let (site, more) = ("new_site", "more_of_bucket");
    assert_eq!(brief(&first), [(7, site), (6, site), (1, site), (3, more), (2, more)]);
    assert_eq!((first[0].tenant.as_str(), first[0].blob.as_str()), ("acme", theirs.blob.as_str()));
    assert_eq!((first[0].received_at, first[0].raw_len), (theirs.received_at, theirs.raw_len));
    assert_eq!(brief(&jobs(0, 10).await), [(7, site), (6, site), (1, site)]);
    assert_eq!(brief(&jobs(3, 2).await), [(7, site), (6, site)]);

    let analysed = |number: usize| deep(&rows[number - 1], start + 60_000, &[]);
    database.insert_deep(&[analysed(1), analysed(6), analysed(7)]).await.unwrap();
    assert_eq!(brief(&jobs(3, 10).await), [(2, more)], "one more is the bucket's share");
    database.insert_deep(&[analysed(2)]).await.unwrap();
    assert_eq!(jobs(3, 10).await, []);
    let former = database.deep_before(&first[0]).await.unwrap().unwrap();
    assert_eq!(former, analysed(7));
    assert_eq!(
        database.deep_before(&DeepJob { bucket: "OTHER".to_owned(), ..first[0].clone() }).await.unwrap(),
        None
    );
    let newer = database.deep_jobs(start + 3_600_000, VERSION + 1, 1, 10).await.unwrap();
    assert_eq!(brief(&newer), [(7, site), (6, site), (1, site)], "rules that are newer start anew");
    let older = database.deep_jobs(start + 3_600_000, VERSION - 1, 3, 10).await.unwrap();
    assert_eq!(older, [], "and older ones do not take it back");
    // The site lives on, and its analysis has become old.
    let mut late = kept(10, start + 20 * 86_400_000);
    late.bucket.clone_from(&rows[0].bucket);
    fixture.insert(&[late]).await;
    let later = database.deep_jobs(start + 20 * 86_400_000 + 60_000, VERSION, 3, 10).await.unwrap();
    assert_eq!(brief(&later), [(10, site)]);
    fixture.stop().await;
}

#[tokio::test]
async fn a_file_that_arrives_makes_its_sites_due_and_a_silent_source_too() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let start = now() - 3_600_000;
    let mut rows: Vec<CrashRow> = (1..=3).map(|number| kept(number, start)).collect();
    rows[1].fault_offset = 2;
    rows[2].tenant = "acme".to_owned();
    fixture.insert(&rows).await;
    let lacking = [(PDB, "pdb"), (IMAGE, "image")];
    let began = start + 60_000;
    let deep_rows =
        [deep(&rows[0], began, &lacking), deep(&rows[1], began, &[]), deep(&rows[2], began, &lacking)];
    database.insert_deep(&deep_rows).await.unwrap();
    let due = async |now_ms| brief_owned(&database.deep_jobs(now_ms, VERSION, 1, 10).await.unwrap());
    assert_eq!(due(start + 120_000).await, []);

    // Another file, the same for another tenant, and the right one too early.
    let no_use =
        [file("", "other.pdb/0123456789", began + 1), file("beta", PDB, began + 1), file("", PDB, began)];
    database.insert_symbol_files(&no_use).await.unwrap();
    assert_eq!(due(start + 120_000).await, []);
    database.insert_symbol_files(&[file("acme", PDB, began + 5)]).await.unwrap();
    assert_eq!(due(start + 120_000).await, [(3, "due_again".to_owned())]);
    database.insert_symbol_files(&[file("", IMAGE, began + 9)]).await.unwrap();
    assert_eq!(due(start + 120_000).await, [(1, "due_again".to_owned()), (3, "due_again".to_owned())]);

    // Analysed again, and still without the PDB, which came before: not a loop.
    let again = deep(&rows[0], began + 10, &lacking[..1]);
    database.insert_deep(&[again.clone(), deep(&rows[2], began + 10, &[])]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(due(start + 120_000).await, []);
        fixture.merge().await;
    }
    let unreached = DeepRow { retry_at: start + 200_000, analysed_at: began + 11, ..again };
    database.insert_deep(std::slice::from_ref(&unreached)).await.unwrap();
    assert_eq!(due(start + 199_999).await, []);
    assert_eq!(due(start + 200_000).await, [(1, "due_again".to_owned())]);
    database.insert_deep(&[DeepRow { retry_at: 0, analysed_at: began + 12, ..unreached }]).await.unwrap();
    assert_eq!(due(start + 300_000).await, []);
    fixture.stop().await;
}

fn brief_owned(jobs: &[DeepJob]) -> Vec<(u128, String)> {
    let mut brief: Vec<_> = brief(jobs).into_iter().map(|(id, reason)| (id, reason.to_owned())).collect();
    brief.sort();
    brief
}

fn shown(row: &DeepRow) -> DeepShown {
    let row = row.clone();
    DeepShown {
        crash_id: row.crash_id,
        analysed_at: row.analysed_at,
        analyzer_version: row.analyzer_version,
        deep_bucket: row.deep_bucket,
        deep_bucket_hash: row.deep_bucket_hash,
        deep_confidence: row.deep_confidence,
        report: row.report,
        missing: row.missing,
        missing_kinds: row.missing_kinds,
    }
}

#[tokio::test]
async fn a_crash_is_named_by_its_own_analysis_or_by_one_of_its_site() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let start = now();
    let mut rows: Vec<CrashRow> = (1..=4).map(|number| kept(number, start)).collect();
    rows[3].driver_size = 1;
    fixture.insert(&rows).await;
    assert_eq!(database.deep_of(rows[0].crash_id).await.unwrap(), None);
    let own = deep(&rows[0], start + 1, &[(PDB, "pdb")]);
    let newest = DeepRow { deep_bucket: "BETTER".to_owned(), ..deep(&rows[1], start + 2, &[]) };
    database.insert_deep(&[own.clone(), newest.clone()]).await.unwrap();
    assert_eq!(database.deep_of(rows[0].crash_id).await.unwrap(), Some(shown(&own)));
    assert_eq!(database.deep_of(rows[2].crash_id).await.unwrap(), Some(shown(&newest)));
    let site = database.crash_shown(rows[2].crash_id).await.unwrap().unwrap().fault_site;
    assert_eq!(database.deep_at(&site, rows[2].crash_id).await.unwrap(), Some(shown(&newest)));
    assert_eq!(database.deep_at(&site, rows[0].crash_id).await.unwrap(), Some(shown(&own)));
    assert_eq!(database.deep_of(rows[3].crash_id).await.unwrap(), None, "another version of the driver");
    let replaced = DeepRow { analysed_at: start + 3, ..own.clone() };
    database.insert_deep(std::slice::from_ref(&replaced)).await.unwrap();
    assert_eq!(database.deep_of(rows[0].crash_id).await.unwrap(), Some(shown(&replaced)));
    // Where its own failed, another one's says more.
    let (report, deep_bucket) = (String::new(), String::new());
    let failed = DeepRow { report, deep_bucket, ..deep(&rows[2], start + 4, &[]) };
    database.insert_deep(&[failed]).await.unwrap();
    assert_eq!(database.deep_of(rows[2].crash_id).await.unwrap().unwrap().report, own.report);

    let list = database.crashes(&CrashFilter::default(), 10, None).await.unwrap();
    let sites: Vec<&str> = list.iter().map(|line| line.fault_site.as_str()).collect();
    assert!(sites.iter().all(|site| site.len() == 32));
    let names = database.deep_buckets(&sites).await.unwrap();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].deep_bucket, own.deep_bucket);
    let of_driver = database.deep_sites("csagent.sys").await.unwrap();
    assert_eq!(of_driver.len(), 1);
    assert_eq!((of_driver[0].offset, of_driver[0].bucket.as_str()), (0xE14ED, rows[0].bucket.as_str()));
    // An analysis that found no better name than there was is none.
    database
        .insert_deep(&[DeepRow { analysed_at: start + 9, deep_bucket: own.bucket.clone(), ..own.clone() }])
        .await
        .unwrap();
    assert_eq!(database.deep_buckets(&sites).await.unwrap(), []);
    let wrong = DeepRow { missing_kinds: Vec::new(), ..own };
    assert!(database.insert_deep(&[wrong]).await.is_err());
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_missing_most_is_counted_by_the_crashes_that_lack_it() {
    let Some(fixture) = Fixture::new().await else { return };
    let database = &fixture.database;
    let start = now();
    let mut rows: Vec<CrashRow> = (1..=6).map(|number| kept(number, start)).collect();
    rows[1].machine = "machine-1".to_owned();
    (rows[3].fault_offset, rows[3].driver) = (7, String::new());
    rows[4].tenant = "acme".to_owned();
    // A crash of long ago, at the first site.
    rows[5].received_at = start - 8 * 86_400_000;
    fixture.insert(&rows).await;
    let all = async |tenant: Option<&str>, limit, after: Option<_>| {
        let since = start - 7 * 86_400_000;
        database.missing_symbols(tenant, since, limit, after.as_ref()).await.unwrap()
    };
    assert_eq!(all(None, 10, None).await, []);
    let began = start + 60_000;
    let both = [(PDB, "pdb"), (IMAGE, "image")];
    // The first site's older analysis lacked more.
    let older = deep(&rows[1], began - 5, &[("gone.pdb/0123456789", "pdb"), both[0]]);
    let first = deep(&rows[0], began, &both);
    database
        .insert_deep(&[older, first, deep(&rows[3], began, &both[..1]), deep(&rows[4], began, &both[1..])])
        .await
        .unwrap();
    for _ in 0..2 {
        let found = all(None, 10, None).await;
        let brief: Vec<_> = found
            .iter()
            .map(|line| {
                (line.tenant.as_str(), line.id.as_str(), line.kind.as_str(), line.crashes, line.machines)
            })
            .collect();
        assert_eq!(
            brief,
            [("", PDB, "pdb", 4, 3), ("", IMAGE, "image", 3, 2), ("acme", IMAGE, "image", 1, 1)]
        );
        assert_eq!((found[0].sites, found[0].drivers.as_slice()), (2, ["csagent.sys".to_owned()].as_slice()));
        assert_eq!(found[0].last_seen_ms, start);
        // A page at a time, and a tenant's own.
        let (mut paged, mut after) = (Vec::new(), None);
        while let [line] = all(None, 1, after).await.as_slice() {
            after = Some(line.cursor());
            paged.push(line.clone());
        }
        assert_eq!(paged, found);
        assert_eq!(all(Some("acme"), 10, None).await, found[2..]);
        fixture.merge().await;
    }
    // One that was there before the analysis was of no use to it; one that came since is no longer missing.
    database.insert_symbol_files(&[file("", IMAGE, began), file("", PDB, began + 1)]).await.unwrap();
    let ids: Vec<_> = all(None, 10, None).await.into_iter().map(|line| (line.tenant, line.id)).collect();
    assert_eq!(ids, [(String::new(), IMAGE.to_owned()), ("acme".to_owned(), IMAGE.to_owned())]);

    let arrived = database.symbol_files(None, 10).await.unwrap();
    assert_eq!(arrived, [file("", PDB, began + 1), file("", IMAGE, began)]);
    assert_eq!(database.symbol_files(Some("acme"), 10).await.unwrap(), []);
    fixture.stop().await;
}

#[tokio::test]
async fn dumps_that_were_kept_before_this_schema_are_found() {
    let Some(fixture) = Fixture::new().await else { return };
    let start = now();
    for table in [
        "crash_heads_of_crashes",
        "machine_crashes_of_crashes",
        "bucket_crashes_of_crashes",
        "kept_dumps_of_crashes",
        "kept_dumps",
        "deep_analyses",
        "symbol_files",
    ] {
        fixture.client.query_raw(&format!("DROP TABLE {table}")).execute().await.unwrap();
    }
    let before = "ALTER TABLE crashes DROP COLUMN fault_site";
    fixture.client.query_raw(before).execute().await.unwrap();
    fixture
        .client
        .query_raw("ALTER TABLE migrations DELETE WHERE number IN (6, 14) SETTINGS mutations_sync = 2")
        .execute()
        .await
        .unwrap();
    fixture.insert(&[kept(1, start), crash(2, start)]).await;
    let upgraded = bluescope_storage::database::Database::open(&fixture.config).await.unwrap();
    let mut better = kept(1, start);
    (better.revision, better.raw_len) = (2, 7);
    upgraded.insert_crashes(&[better]).await.unwrap();
    for _ in 0..2 {
        let jobs = upgraded.deep_jobs(start + 60_000, VERSION, 3, 10).await.unwrap();
        assert_eq!(brief(&jobs), [(1, "new_site")]);
        assert_eq!(jobs[0].raw_len, 7);
        fixture.merge().await;
    }
    fixture.stop().await;
}
