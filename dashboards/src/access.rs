//! Who asks, and what they may. Owns tokens, sessions, the word of proxies, form tokens, and the one gate that every
//! request passes; never renders a page of its own, and never keeps or logs a token.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};
use secrecy::SecretString;

use crate::respond::Fault;

mod cookie;
mod csrf;
mod gate;
mod here;
mod keys;
mod name;
mod needs;
mod network;
mod proxies;
mod role;
mod sessions;
mod throttle;
mod visit;

pub(crate) use cookie::{Cookie, NAME, NAME_SECONDS};
pub(crate) use gate::gate;
pub(crate) use name::person;
pub use network::{Network, NetworkError};
pub(crate) use role::{Means, Role, Who};
pub(crate) use sessions::LIFETIME;
pub(crate) use visit::{Visit, csrf_field, current, sign_in_link, signed_in};

use csrf::Csrf;
use keys::Keys;
use proxies::Proxies;
use sessions::Sessions;
use throttle::Throttle;

/// Who may look, respond and administer.
#[derive(Debug, Clone)]
pub struct AccessConfig {
    /// Who has one of these may look.
    pub viewer_tokens: Vec<SecretString>,
    /// And act on incidents.
    pub responder_tokens: Vec<SecretString>,
    /// And read the audit log.
    pub admin_tokens: Vec<SecretString>,
    /// Whose word on who asks is taken.
    pub trusted_proxies: Vec<Network>,
    /// Where they name the person.
    pub user_header: HeaderName,
    /// Where they say what the person may; a viewer, where they do not.
    pub role_header: HeaderName,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            viewer_tokens: Vec::new(),
            responder_tokens: Vec::new(),
            admin_tokens: Vec::new(),
            trusted_proxies: Vec::new(),
            user_header: HeaderName::from_static("x-forwarded-user"),
            role_header: HeaderName::from_static("x-bluescope-role"),
        }
    }
}

/// What strangers may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Nothing is configured: who is at this machine may everything, others may look.
    Open,
    /// There are tokens to act with, and everybody may look.
    Looking,
    /// Nothing.
    Closed,
}

/// All of it.
pub(crate) struct Access {
    mode: Mode,
    pub(crate) keys: Keys,
    proxies: Proxies,
    pub(crate) sessions: Sessions,
    pub(crate) throttle: Throttle,
    csrf: Csrf,
}

/// A request's sender.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// None where nobody is let in without a sign-in.
    pub(crate) who: Option<Who>,
    /// Where the request came from, past proxies that are trusted.
    pub(crate) address: Option<IpAddr>,
    /// Whether it came by https, as far as is known.
    pub(crate) secure: bool,
    /// The session's id, where there is one.
    pub(crate) session: Option<String>,
    /// What form tokens of this visitor are made of.
    bound: String,
}

impl Visitor {
    /// The address as it is written down.
    pub(crate) fn peer(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }
}

impl Access {
    /// `acts_token` is a responder's token of before there were roles: alone, it leaves looking to everybody.
    pub(crate) fn new(config: AccessConfig, acts_token: Option<&SecretString>) -> Self {
        let mut keys = Keys::default();
        for (role, tokens) in [
            (Role::Viewer, &config.viewer_tokens),
            (Role::Responder, &config.responder_tokens),
            (Role::Admin, &config.admin_tokens),
        ] {
            tokens.iter().for_each(|token| keys.add(role, token));
        }
        let closed = !keys.is_empty() || !config.trusted_proxies.is_empty();
        acts_token.iter().for_each(|token| keys.add(Role::Responder, token));
        let mode = match (closed, acts_token) {
            (true, _) => Mode::Closed,
            (false, Some(_)) => Mode::Looking,
            (false, None) => Mode::Open,
        };
        let proxies = Proxies::new(config.trusted_proxies, config.user_header, config.role_header);
        Self {
            mode,
            keys,
            proxies,
            sessions: Sessions::default(),
            throttle: Throttle::default(),
            csrf: Csrf::new(),
        }
    }

    /// Whether there is anything to sign in with.
    pub(crate) fn can_sign_in(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Whether strangers may look.
    pub(crate) fn is_closed(&self) -> bool {
        self.mode == Mode::Closed
    }

    /// Who sends a request. A proxy's word comes first: whoever signs in there is who asks, whatever else the browser
    /// still sends, and what the proxy sends as `Authorization` is its own affair.
    pub(crate) fn visitor(
        &self,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
        now: Instant,
    ) -> Result<Visitor, Fault> {
        let peer = peer.map(|peer| peer.ip().to_canonical());
        let address = self.proxies.client(headers, peer);
        let secure = self.proxies.is_https(headers, peer);
        let visitor =
            |who: Option<Who>, bound: String| Visitor { who, address, secure, session: None, bound };
        let shown = address.map(|address| address.to_string()).unwrap_or_default();
        let someone =
            |name: &str, role, means| Who { name: name.to_owned(), role, means, peer: shown.clone() };
        if self.mode == Mode::Open {
            return Ok(match here::is_here(headers, peer) {
                true => visitor(
                    Some(someone("somebody at this machine", Role::Admin, Means::Here)),
                    "here".into(),
                ),
                false => visitor(Some(someone("somebody", Role::Viewer, Means::Anyone)), "anyone".into()),
            });
        }
        if let Some((name, role)) = self.proxies.user(headers, peer)? {
            let bound = format!("proxy:{name}");
            return Ok(visitor(Some(someone(&name, role, Means::Proxy)), bound));
        }
        if let Some(token) = bearer(headers) {
            match self.keys.role(token) {
                Some(role) => {
                    let name = format!("{} token", role.name());
                    return Ok(visitor(Some(someone(&name, role, Means::Token)), "token".into()));
                }
                None if self.is_closed() => return Err(self.wrong_bearer(address, now)),
                // Everybody may look: those too who send the token that uploads need, as the drill does.
                None => {}
            }
        }
        let id = Cookie::session(secure).get(headers);
        if let Some((id, session)) = id.and_then(|id| Some((id, self.sessions.get(id, now)?))) {
            let who = someone(&session.name, session.role, Means::Session);
            let session = Some(id.to_owned());
            return Ok(Visitor { session, ..visitor(Some(who), format!("session:{id}")) });
        }
        let who = (!self.is_closed()).then(|| someone("somebody", Role::Viewer, Means::Anyone));
        Ok(visitor(who, "anyone".into()))
    }

    /// A right token passes whatever else comes from its address: a script with an old one must not lock out the others
    /// behind the same address, and tokens are too long to be guessed at any rate.
    fn wrong_bearer(&self, address: Option<IpAddr>, now: Instant) -> Fault {
        if let Some(wait) = self.throttle.wait(address, now) {
            return Fault::TooMany(wait);
        }
        self.throttle.failed(address, now);
        tracing::warn!(peer = ?address, "a request came with a token that nobody has");
        Fault::Unauthorized("There is no such token.".to_owned())
    }

    /// Whether a visitor may have what needs this role.
    pub(crate) fn allows(&self, visitor: &Visitor, needed: Role) -> Result<(), Fault> {
        match &visitor.who {
            Some(who) if who.role >= needed => Ok(()),
            Some(Who { means: Means::Anyone, .. }) if self.mode == Mode::Open => Err(Fault::Forbidden(
                "Nothing is configured to sign in with, so this is for this server itself only, by a loopback address \
                 such as http://127.0.0.1:8080 and past no proxy. Configure tokens under [access] to do it from \
                 elsewhere."
                    .to_owned(),
            )),
            None | Some(Who { means: Means::Anyone, .. }) if self.can_sign_in() => Err(Fault::Unauthorized(
                format!("This needs a {}. Sign in, or send a token as `Authorization: Bearer TOKEN`.", needed.name()),
            )),
            None | Some(Who { means: Means::Anyone, .. }) => Err(Fault::Unauthorized(
                "Who asks is not known: come by the proxy where people sign in.".to_owned(),
            )),
            Some(who) => Err(Fault::Forbidden(format!(
                "This needs a {}, and you are a {}.",
                needed.name(),
                who.role.name()
            ))),
        }
    }

    /// What a form of this visitor carries.
    pub(crate) fn form_token(&self, visitor: &Visitor) -> String {
        self.csrf.token(&visitor.bound)
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// 256 random bits, in hexadecimal: made of four ids of 122 random bits each.
fn random() -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for _ in 0..4 {
        hasher.update(uuid::Uuid::new_v4().as_bytes());
    }
    hasher.finalize()
}

#[cfg(test)]
mod tests;
