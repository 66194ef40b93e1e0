//! The configured tokens. Keeps hashes only, and compares those in constant time.

use secrecy::{ExposeSecret as _, SecretString};

use super::role::Role;

/// Tokens and what they give.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    hashes: Vec<(blake3::Hash, Role)>,
}

impl Keys {
    pub(super) fn add(&mut self, role: Role, token: &SecretString) {
        self.hashes.push((blake3::hash(token.expose_secret().as_bytes()), role));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The most that a token gives. All are looked at: how long it takes tells nothing of which it was.
    pub(crate) fn role(&self, token: &str) -> Option<Role> {
        let presented = blake3::hash(token.as_bytes());
        // `Hash`'s equality takes constant time.
        self.hashes.iter().filter(|(hash, _)| *hash == presented).map(|(_, role)| *role).max()
    }
}
