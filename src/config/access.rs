//! `[access]`: who may look, respond and administer. Owns the keys, their faults, and the way from them to what the pages
//! take.

use std::collections::HashMap;
use std::str::FromStr;

use axum::http::HeaderName;
use dashboards::{AccessConfig, Network};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

/// Tokens are made by a machine; what people make up is guessed.
const SHORTEST_TOKEN: usize = 16;

/// `[access]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Access {
    /// Whoever has one may look.
    pub viewer_tokens: Vec<SecretString>,
    /// And act on incidents, fetch dumps, try targets.
    pub responder_tokens: Vec<SecretString>,
    /// And read the audit log.
    pub admin_tokens: Vec<SecretString>,
    /// Addresses and blocks of proxies that say who asks.
    pub trusted_proxies: Vec<String>,
    /// Where they name the person.
    pub user_header: String,
    /// Where they say `viewer`, `responder` or `admin`; a viewer, where they do not.
    pub role_header: String,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            viewer_tokens: Vec::new(),
            responder_tokens: Vec::new(),
            admin_tokens: Vec::new(),
            trusted_proxies: Vec::new(),
            user_header: "X-Forwarded-User".to_owned(),
            role_header: "X-Bluescope-Role".to_owned(),
        }
    }
}

impl Access {
    fn tokens(&self) -> [(&'static str, &[SecretString]); 3] {
        [
            ("viewer_tokens", &self.viewer_tokens),
            ("responder_tokens", &self.responder_tokens),
            ("admin_tokens", &self.admin_tokens),
        ]
    }

    /// What it may not say.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut known: HashMap<&str, &str> = HashMap::new();
        for (key, tokens) in self.tokens() {
            for (index, token) in tokens.iter().enumerate() {
                let token = token.expose_secret();
                if token.len() < SHORTEST_TOKEN || token.trim() != token {
                    faults.push(format!(
                        "access.{key}.{index}: must have at least {SHORTEST_TOKEN} characters, and no space around \
                         them: make one with `openssl rand -hex 32`"
                    ));
                }
                if let Some(other) = known.insert(token, key) {
                    faults.push(format!("access.{key}.{index}: stands in access.{other} too"));
                }
            }
        }
        for (index, text) in self.trusted_proxies.iter().enumerate() {
            if let Err(fault) = Network::from_str(text) {
                faults.push(format!("access.trusted_proxies.{index}: {fault}"));
            }
        }
        for (key, text) in [("user_header", &self.user_header), ("role_header", &self.role_header)] {
            if HeaderName::from_str(text).is_err() {
                faults.push(format!("access.{key}: must be the name of a header"));
            }
        }
        if self.user_header.eq_ignore_ascii_case(&self.role_header) {
            faults.push("access.role_header: must be another than access.user_header".to_owned());
        }
        faults
    }

    /// As the pages take it. `load` has told every fault already.
    pub(crate) fn pages(&self) -> anyhow::Result<AccessConfig> {
        let networks: Result<Vec<Network>, _> =
            self.trusted_proxies.iter().map(|text| Network::from_str(text)).collect();
        Ok(AccessConfig {
            viewer_tokens: self.viewer_tokens.clone(),
            responder_tokens: self.responder_tokens.clone(),
            admin_tokens: self.admin_tokens.clone(),
            trusted_proxies: networks?,
            user_header: HeaderName::from_str(&self.user_header)?,
            role_header: HeaderName::from_str(&self.role_header)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_their_key_and_no_token() {
        let access = Access {
            viewer_tokens: vec!["4711".into(), "a-secret-that-is-long-enough".into()],
            admin_tokens: vec!["a-secret-that-is-long-enough".into(), " a-secret-with-a-space-".into()],
            trusted_proxies: vec!["10.0.0.0/8".to_owned(), "proxy".to_owned(), "0.0.0.0/0".to_owned()],
            user_header: "X Forwarded".to_owned(),
            ..Access::default()
        };
        let faults = access.faults();
        let keys: Vec<&str> = faults.iter().map(|fault| fault.split_once(':').unwrap().0).collect();
        assert_eq!(
            keys,
            [
                "access.viewer_tokens.0",
                "access.admin_tokens.0",
                "access.admin_tokens.1",
                "access.trusted_proxies.1",
                "access.trusted_proxies.2",
                "access.user_header",
            ]
        );
        assert!(
            faults.iter().all(|fault| !fault.contains("4711") && !fault.contains("a-secret")),
            "{faults:?}"
        );
        assert!(Access::default().faults().is_empty());
        assert_eq!(Access::default().pages().unwrap().user_header, "x-forwarded-user");
    }
}
