//! Who is taken for whom, and what they may, whichever way it is configured.

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HOST};

use super::csrf::Kind;
use super::*;

const HERE: &str = "127.0.0.1:5000";
const THERE: &str = "192.0.2.1:5000";
const PROXY: &str = "10.0.0.7:5000";
const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const OURS: (&str, &str) = ("origin", "http://127.0.0.1:8080");

fn open() -> Access {
    Access::new(AccessConfig::default(), None)
}

fn looking() -> Access {
    Access::new(AccessConfig::default(), Some(&SecretString::from("a-long-secret")))
}

fn closed() -> Access {
    let config = AccessConfig {
        viewer_tokens: vec!["the-viewer".into()],
        responder_tokens: vec!["the-responder".into()],
        admin_tokens: vec!["the-admin".into()],
        trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
        ..AccessConfig::default()
    };
    Access::new(config, Some(&SecretString::from("a-long-secret")))
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut all = HeaderMap::new();
    all.insert(HOST, HeaderValue::from_static("127.0.0.1:8080"));
    for (name, value) in pairs {
        all.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    all
}

fn visitor(access: &Access, peer: &str, pairs: &[(&'static str, &str)]) -> Result<Visitor, Fault> {
    access.visitor(&headers(pairs), peer.parse().ok(), Instant::now())
}

/// What somebody may who asks like this: their role, and how it is known.
fn role(access: &Access, peer: &str, pairs: &[(&'static str, &str)]) -> Option<(Role, Means)> {
    visitor(access, peer, pairs).unwrap().who.map(|who| (who.role, who.means))
}

#[test]
fn where_nothing_is_configured_only_this_machine_may_act() {
    let here = Some((Role::Admin, Means::Here));
    let anyone = Some((Role::Viewer, Means::Anyone));
    for (peer, pairs, expected) in [
        (HERE, vec![], here),
        ("[::1]:5000", vec![("host", "[::1]:8080")], here),
        ("[::ffff:127.0.0.1]:5000", vec![("host", "LOCALHOST")], here),
        ("10.0.0.7:5000", vec![], anyone),
        ("", vec![], anyone),
        (HERE, vec![("host", "rebound.example:8080")], anyone),
        (HERE, vec![("host", "127.0.0.1.example")], anyone),
        (HERE, vec![("x-forwarded-for", "10.0.0.7")], anyone),
        (HERE, vec![("via", "1.1 proxy")], anyone),
        (HERE, vec![("authorization", "Bearer guess")], here),
        (HERE, vec![("x-forwarded-user", "ada"), ("x-bluescope-role", "admin")], here),
        (THERE, vec![("x-forwarded-user", "ada"), ("x-bluescope-role", "admin")], anyone),
    ] {
        assert_eq!(role(&open(), peer, &pairs), expected, "{peer} {pairs:?}");
    }
    let stranger = visitor(&open(), THERE, &[]).unwrap();
    assert!(open().allows(&stranger, Role::Viewer).is_ok());
    assert!(matches!(open().allows(&stranger, Role::Responder), Err(Fault::Forbidden(_))));
}

#[test]
fn a_token_to_act_with_leaves_looking_to_everybody() {
    let anyone = Some((Role::Viewer, Means::Anyone));
    let responder = Some((Role::Responder, Means::Token));
    for (pairs, expected) in [
        (vec![], anyone),
        (vec![("authorization", "Bearer a-long-secre")], anyone),
        (vec![("authorization", "Basic a-long-secret")], anyone),
        (vec![("authorization", "bearer  a-long-secret ")], responder),
        (vec![("authorization", "Bearer a-long-secret"), ("x-forwarded-for", "10.0.0.7")], responder),
    ] {
        for peer in [HERE, THERE, ""] {
            assert_eq!(role(&looking(), peer, &pairs), expected, "{peer} {pairs:?}");
        }
    }
    let stranger = visitor(&looking(), HERE, &[]).unwrap();
    assert!(matches!(looking().allows(&stranger, Role::Responder), Err(Fault::Unauthorized(_))));
}

#[test]
fn with_roles_strangers_may_nothing() {
    let access = closed();
    let token = |role| Some((role, Means::Token));
    for (peer, pairs, expected) in [
        (HERE, vec![], None),
        (THERE, vec![("x-forwarded-user", "ada"), ("x-bluescope-role", "admin")], None),
        (THERE, vec![("cookie", "bluescope_session=chosen-by-somebody-else")], None),
        (THERE, vec![("authorization", "Bearer the-viewer")], token(Role::Viewer)),
        (THERE, vec![("authorization", "Bearer the-responder")], token(Role::Responder)),
        (THERE, vec![("authorization", "Bearer a-long-secret")], token(Role::Responder)),
        (THERE, vec![("authorization", "Bearer the-admin")], token(Role::Admin)),
        (PROXY, vec![], None),
        (PROXY, vec![("x-forwarded-user", "ada")], Some((Role::Viewer, Means::Proxy))),
        (
            PROXY,
            vec![
                ("x-forwarded-user", "ada"),
                ("x-bluescope-role", "responder"),
                ("authorization", "Bearer a token of the proxy's own"),
            ],
            Some((Role::Responder, Means::Proxy)),
        ),
    ] {
        assert_eq!(role(&access, peer, &pairs), expected, "{peer} {pairs:?}");
    }
    let wrong = visitor(&access, THERE, &[("authorization", "Bearer the-viewe")]);
    assert!(matches!(wrong, Err(Fault::Unauthorized(_))));
    let viewer = visitor(&access, THERE, &[("authorization", "Bearer the-viewer")]).unwrap();
    assert!(matches!(access.allows(&viewer, Role::Responder), Err(Fault::Forbidden(_))));
}

#[test]
fn those_who_guess_wait_and_those_who_know_do_not() {
    let access = closed();
    let guess = || visitor(&access, THERE, &[("authorization", "Bearer guess")]).unwrap_err();
    let slowed = (0..10).map(|_| guess()).filter(|fault| matches!(fault, Fault::TooMany(_))).count();
    assert_eq!(slowed, 4, "the first six are told that they are wrong");
    assert!(visitor(&access, THERE, &[("authorization", "Bearer the-viewer")]).is_ok());
}

#[test]
fn a_session_is_its_persons_until_it_ends() {
    let access = closed();
    let now = Instant::now();
    let id = access.sessions.begin("ada".to_owned(), Role::Responder, now);
    let cookie = format!("other=1; bluescope_session={id}");
    let ada = visitor(&access, THERE, &[("cookie", &cookie)]).unwrap();
    let who = ada.who.clone().unwrap();
    assert_eq!((who.name.as_str(), who.role, who.means), ("ada", Role::Responder, Means::Session));
    assert_eq!((who.peer.as_str(), ada.session.as_deref()), ("192.0.2.1", Some(id.as_str())));
    // By https it is another cookie.
    let by_https = [("cookie", cookie.as_str()), ("x-forwarded-proto", "https")];
    assert_eq!(role(&access, PROXY, &by_https), None);
    let later = access.visitor(&headers(&[("cookie", &cookie)]), None, now + LIFETIME).unwrap();
    assert_eq!(later.who, None);
    assert!(!format!("{:?}", access.keys).contains("the-viewer"));
}

fn checked(access: &Access, visitor: &Visitor, pairs: &[(&'static str, &str)], token: &str) -> u16 {
    let mut all = headers(pairs);
    if !pairs.iter().any(|(name, _)| *name == "content-type") {
        all.insert(CONTENT_TYPE, HeaderValue::from_static(FORM.1));
    }
    let body = format!("by=ada&csrf={token}");
    let head = access.check_head(&all, visitor);
    match head.and_then(
        |kind| if kind == Kind::Form { access.check_form(body.as_bytes(), visitor) } else { Ok(()) },
    ) {
        Ok(()) => 200,
        Err(Fault::Forbidden(_)) => 403,
        Err(Fault::MediaType(_)) => 415,
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_form_is_taken_from_our_own_page_of_the_same_visitor_only() {
    let access = closed();
    let of = |name: &str| {
        let id = access.sessions.begin(name.to_owned(), Role::Responder, Instant::now());
        visitor(&access, THERE, &[("cookie", &format!("bluescope_session={id}"))]).unwrap()
    };
    let (ada, bob) = (of("ada"), of("bob"));
    let token = access.form_token(&ada);
    for (pairs, status) in [
        (&[OURS][..], 200),
        (&[OURS, ("sec-fetch-site", "same-origin")], 200),
        (&[("sec-fetch-site", "same-origin")], 200),
        (&[], 403),
        (&[("origin", "null")], 403),
        (&[("origin", "https://evil.example")], 403),
        (&[("origin", "http://127.0.0.1:9090")], 403),
        (&[OURS, ("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[OURS, ("content-type", "text/plain")], 415),
        (&[OURS, ("content-type", "multipart/form-data; boundary=x")], 415),
    ] {
        assert_eq!(checked(&access, &ada, pairs, &token), status, "{pairs:?}");
    }
    let of_bob = access.form_token(&bob);
    let cut = token.get(..62).unwrap();
    for wrong in ["", "x", cut, &of_bob, &closed().form_token(&ada)] {
        assert_eq!(checked(&access, &ada, &[OURS], wrong), 403, "{wrong}");
    }
    assert_eq!(checked(&access, &bob, &[OURS], &of_bob), 200);
}

#[test]
fn json_of_a_browser_needs_the_token_too_and_that_of_a_program_none() {
    let access = closed();
    let id = access.sessions.begin("ada".to_owned(), Role::Responder, Instant::now());
    let ada = visitor(&access, THERE, &[("cookie", &format!("bluescope_session={id}"))]).unwrap();
    let by_proxy = visitor(&access, PROXY, &[("x-forwarded-user", "ada")]).unwrap();
    for somebody in [&ada, &by_proxy] {
        let token = access.form_token(somebody);
        assert_eq!(checked(&access, somebody, &[JSON, OURS], ""), 403);
        assert_eq!(checked(&access, somebody, &[JSON, OURS, ("x-csrf-token", &token)], ""), 200);
    }
    let program = visitor(&access, THERE, &[("authorization", "Bearer the-responder")]).unwrap();
    assert_eq!(checked(&access, &program, &[JSON], ""), 200);
    assert_eq!(checked(&access, &program, &[OURS], ""), 200, "a form of its own");
    assert_eq!(checked(&access, &program, &[JSON, ("origin", "https://evil.example")], ""), 403);

    let open = open();
    let here = visitor(&open, HERE, &[]).unwrap();
    for (pairs, status) in [
        (vec![JSON], 200),
        (vec![("content-type", "application/json; charset=utf-8")], 200),
        (vec![("content-type", "text/plain")], 415),
        (vec![JSON, ("sec-fetch-site", "cross-site")], 403),
        (vec![JSON, ("sec-fetch-site", "none")], 200),
        (vec![JSON, ("origin", "null")], 403),
    ] {
        assert_eq!(checked(&open, &here, &pairs, ""), status, "{pairs:?}");
    }
    assert_eq!(checked(&open, &here, &[OURS], &open.form_token(&here)), 200);
    assert_eq!(checked(&open, &here, &[OURS], ""), 403);
}
