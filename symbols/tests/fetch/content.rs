//! What comes is unpacked, checked, and loaded.

use std::time::Duration;

use bluescope_symbols::identify::{UnpackLimits, unpack};
use bluescope_symbols::{Answer, Want};

use crate::server::{Reply, Server};
use crate::support::*;

#[tokio::test]
async fn an_image_is_fetched_once_and_loaded() {
    let server = Server::with_files([(image_path(1), image(1))]).await;
    let (library, cache) = library(&[server.url("/")]);
    let answers = library.get("tenant", &[Want::Image(image_id(1)), Want::Image(image_id(1))]).await;
    for (_, answer) in &answers {
        let Answer::Image(image) = answer else { panic!("{answer:?}") };
        assert_eq!((image.timestamp(), image.size()), (image_id(1).timestamp(), image_id(1).size()));
    }
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert_eq!(server.count(&image_path(1)), 1);
    // Another process, or this one after a restart.
    let again = open(config(cache.path(), &[server.url("/")]));
    assert_eq!(get_image(&again, 1).await, Got::Image);
    assert_eq!(server.count(&image_path(1)), 1);
    assert!(files(cache.path(), ".part").is_empty() && files(cache.path(), ".note").is_empty());
}

#[tokio::test]
async fn names_come_from_a_sym_file_where_there_is_no_pdb() {
    let server = Server::with_files([(sym_path(2), sym(2))]).await;
    let (library, _cache) = library(&[server.url("")]);
    let answers = library.get("tenant", &[Want::Names(pdb_id(2))]).await;
    let Answer::Names(names) = &answers[0].1 else { panic!("{answers:?}") };
    assert_eq!(names.places(0x1004)[0].function, "DriverEntry2");
    let pdb = format!("/{0}/{1}/{0}", pdb_id(2).name(), pdb_id(2).key());
    assert!(server.paths().contains(&pdb), "{:?}", server.paths());
}

#[tokio::test]
async fn packed_files_are_unpacked_by_what_they_hold() {
    let packed_path = image_path(1).strip_suffix('s').unwrap().to_owned() + "_";
    let server = Server::with_files([
        (packed_path, cabinet("Driver1.sys", &image(1))),
        (image_path(2), cabinet("Driver2.sys", &image(2))),
        (sym_path(3), gzip(&sym(3))),
    ])
    .await;
    let (library, cache) = library(&[server.url("/")]);
    assert_eq!(get_image(&library, 1).await, Got::Image, "{:?}", server.paths());
    assert_eq!(get_image(&library, 2).await, Got::Image);
    assert_eq!(get_names(&library, 3).await, Got::Names);
    assert!(files(cache.path(), ".unpacked").is_empty());
    assert_eq!(std::fs::read(&files(cache.path(), "/driver1.sys")[0]).unwrap(), image(1));
}

#[tokio::test]
async fn a_wrong_file_under_the_right_name_is_passed_over() {
    let wrong =
        Server::with_files([(image_path(1), image(7)), (image_path(2), b"<html>sorry".to_vec())]).await;
    let right = Server::with_files([(image_path(1), image(1))]).await;
    let (library, cache) = library(&[wrong.url("/"), right.url("/")]);
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert_eq!(get_image(&library, 2).await, DAMAGED);
    assert_eq!(get_image(&library, 2).await, DAMAGED);
    assert_eq!(wrong.count(&image_path(2)), 1, "a wrong file is not asked for again");
    age(cache.path(), ".failed", Duration::from_secs(90_000));
    assert_eq!(get_image(&library, 2).await, DAMAGED);
    assert_eq!(wrong.count(&image_path(2)), 2, "until its time is over");
}

#[tokio::test]
async fn a_page_is_no_file_and_a_cut_image_is_no_image() {
    let server = Server::start(|request| match request.path.as_str() {
        path if path == image_path(1) => Reply::ok("<html>log in").with("Content-Type", "text/html"),
        path if path == image_path(2) => Reply::ok(&image(2)[..0x5ff]),
        path if path == sym_path(3) => {
            let (one, two) = (&sym(3)[..20], &sym(3)[20..]);
            Reply::ok([gzip(one), gzip(two)].concat())
        }
        _ => Reply::status(404),
    })
    .await;
    let (library, _cache) = library(&[server.url("/")]);
    assert_eq!(get_image(&library, 1).await, UNREACHABLE);
    assert_eq!(get_image(&library, 2).await, DAMAGED);
    assert_eq!(get_names(&library, 3).await, Got::Names, "gzip in several pieces");
    // Who pushes one is told at once.
    let whole = unpack("Driver2.sys", image(2).into(), &UnpackLimits::default());
    assert_eq!(whole.files.len(), 1, "{whole:?}");
    let cut = unpack("Driver2.sys", image(2)[..0x5ff].to_vec().into(), &UnpackLimits::default());
    assert_eq!(cut.refused[0].1, "image: cut short: 1535 bytes, and its sections end at 1536");
}

#[tokio::test]
async fn what_is_too_large_is_refused_whether_it_says_so_or_not() {
    let server = Server::start(|request| {
        let large = [image(1), vec![0; 100_000]].concat();
        match request.path.as_str() {
            path if path == image_path(1) => Reply::ok(large),
            path if path == image_path(2) => Reply::Unmeasured(large),
            path if path == image_path(3) => Reply::ok(cabinet("Driver3.sys", &large)),
            path if path == image_path(4) => Reply::ok(gzip(&large)),
            path if path == image_path(5) => Reply::ok(image(5)),
            _ => Reply::status(404),
        }
    })
    .await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.file_bytes = 50_000;
    let library = open(config);
    for number in 1..=4 {
        assert_eq!(get_image(&library, number).await, DAMAGED, "{number}");
    }
    assert_eq!(get_image(&library, 5).await, Got::Image);
    assert!(files(cache.path(), ".part").is_empty() && files(cache.path(), ".unpacked").is_empty());
}

#[tokio::test]
async fn a_cut_file_is_resumed_by_the_next_attempt() {
    let server = Server::start(|request| {
        let body = image(1);
        match (request.path == image_path(1), request.header("range")) {
            (false, _) => Reply::status(404),
            (true, None) => Reply::Cut { headers: Vec::new(), body, sent: 1_000 }.with("ETag", "\"one\""),
            (true, Some(range)) => {
                let from: usize = range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap();
                Reply::Answer { status: 206, headers: Vec::new(), body: body[from..].to_vec() }
                    .with("Content-Range", format!("bytes {from}-{}/{}", body.len() - 1, body.len()))
            }
        }
    })
    .await;
    // A folder without the file must leave alone what was begun elsewhere.
    let folder = tempfile::tempdir().unwrap();
    let (first, cache) = library(&[server.url("/"), folder.path().display().to_string()]);
    assert_eq!(get_image(&first, 1).await, UNREACHABLE);
    drop(first);
    age(cache.path(), ".failed", Duration::from_secs(100));
    let second = open(config(cache.path(), &[folder.path().display().to_string(), server.url("/")]));
    assert_eq!(get_image(&second, 1).await, Got::Image);
    let requests: Vec<_> = server.requests().into_iter().filter(|r| r.path == image_path(1)).collect();
    assert_eq!(requests.len(), 2);
    assert_eq!(
        (requests[1].header("range"), requests[1].header("if-range")),
        (Some("bytes=999-"), Some("\"one\""))
    );
    assert_eq!(std::fs::read(&files(cache.path(), "/driver1.sys")[0]).unwrap(), image(1));
}

#[tokio::test]
async fn a_cut_file_that_changed_meanwhile_is_begun_anew() {
    for gone in [false, true] {
        let server =
            Server::start(move |request| match (request.path == image_path(1), request.header("range")) {
                (false, _) => Reply::status(404),
                (true, None) if request.number == 0 => {
                    let body = [vec![1; 700], image(1)].concat();
                    Reply::Cut { headers: Vec::new(), body, sent: 700 }.with("ETag", "\"old\"")
                }
                (true, Some(_)) if gone => Reply::status(416),
                (true, _) => Reply::ok(image(1)),
            })
            .await;
        let (library, cache) = library(&[server.url("/")]);
        assert_eq!(get_image(&library, 1).await, UNREACHABLE);
        age(cache.path(), ".failed", Duration::from_secs(100));
        assert_eq!(get_image(&library, 1).await, Got::Image);
        let requests = server.requests().into_iter().filter(|request| request.path == image_path(1));
        let ranges: Vec<bool> = requests.map(|request| request.header("range").is_some()).collect();
        let expected: &[bool] = if gone { &[false, true, false] } else { &[false, true] };
        assert_eq!(ranges, expected);
        assert_eq!(std::fs::read(&files(cache.path(), "/driver1.sys")[0]).unwrap(), image(1));
    }
}
