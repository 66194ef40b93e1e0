//! Where a redirect may lead, and what goes with it.

use bluescope_symbols::fetch::SourceConfig;

use crate::server::{Reply, Server};
use crate::support::*;

/// Redirects everything there.
async fn redirecting(to: String) -> Server {
    Server::start(move |_| Reply::status(302).with("Location", to.clone())).await
}

#[tokio::test]
async fn a_redirect_within_the_configured_host_is_followed_with_credentials() {
    let server = Server::start(|request| match request.path.strip_prefix("/moved") {
        Some(rest) if rest == image_path(1) => Reply::ok(image(1)),
        Some(_) => Reply::status(404),
        None => Reply::status(301).with("Location", format!("/moved{}", request.path)),
    })
    .await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[server.url("/")]);
    config.sources[0].token = Some("hunter2".into());
    config.sources[0].headers = vec![("x-key".to_owned(), "hunter3".into())];
    let library = open(config);
    assert_eq!(get_image(&library, 1).await, Got::Image);
    for request in server.requests() {
        assert_eq!(request.header("authorization"), Some("Bearer hunter2"));
        assert_eq!(request.header("x-key"), Some("hunter3"));
    }
    let debug = format!("{library:?}");
    assert!(!debug.contains("hunter"), "{debug}");
}

#[tokio::test]
async fn a_redirect_elsewhere_inside_is_not_followed() {
    let inner = Server::with_files([(image_path(1), image(1))]).await;
    for to in [inner.url(&image_path(1)), inner.url(&image_path(1)).replace("127.0.0.1", "localhost")] {
        let server = redirecting(to.clone()).await;
        let (library, _cache) = library(&[server.url("/")]);
        assert_eq!(get_image(&library, 1).await, UNREACHABLE);
        let (why, _) = library.health()[0].last_error.clone().unwrap();
        assert!(why.contains("not a public address"), "{to}: {why}");
        assert_eq!(server.paths().len(), 2, "index2.txt and the file: no further attempts");
    }
    assert_eq!(inner.paths().len(), 0);
}

#[tokio::test]
async fn a_redirect_inside_that_is_allowed_goes_without_credentials() {
    let inner = Server::with_files([(image_path(1), image(1))]).await;
    let server = redirecting(inner.url(&image_path(1))).await;
    let cache = tempfile::tempdir().unwrap();
    let mut config = config(cache.path(), &[]);
    let mut source = SourceConfig::parse(&server.url("/")).unwrap();
    source.allow_private = true;
    source.token = Some("hunter2".into());
    config.sources = vec![source];
    let library = open(config);
    assert_eq!(get_image(&library, 1).await, Got::Image);
    assert!(server.requests().iter().all(|request| request.header("authorization").is_some()));
    assert!(!inner.requests().is_empty());
    assert!(inner.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn redirects_end() {
    let server =
        Server::start(|request| Reply::status(307).with("Location", format!("{}x", request.path))).await;
    let (library, _cache) = library(&[server.url("/")]);
    assert_eq!(get_image(&library, 1).await, UNREACHABLE);
    assert_eq!(server.paths().len(), 12, "six for index2.txt, six for the file");
}
