//! Who is signed in, in memory: a restart signs everybody out. Keeps hashes of the ids, so that a look into the memory of
//! the process lets nobody in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::role::Role;

/// A night on call; who leaves a browser open on Friday is signed out on Monday.
pub(crate) const LIFETIME: Duration = Duration::from_hours(12);
/// Some 2 MB of them. Whoever has a token could make more.
const MOST: usize = 10_000;

/// One sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) name: String,
    pub(crate) role: Role,
    begun: Instant,
}

impl Session {
    fn lives(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.begun) < LIFETIME
    }
}

/// All of them, by the hash of their id.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: Mutex<HashMap<[u8; 32], Session>>,
}

fn key(id: &str) -> [u8; 32] {
    *blake3::hash(id.as_bytes()).as_bytes()
}

impl Sessions {
    /// Signs somebody in. The id is new whatever the browser sent before: one that was put there by somebody else never
    /// becomes a session.
    pub(crate) fn begin(&self, name: String, role: Role, now: Instant) -> String {
        let id = super::random().to_hex().to_string();
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.retain(|_, session| session.lives(now));
        }
        if all.len() >= MOST
            && let Some(oldest) = all.iter().min_by_key(|(_, session)| session.begun).map(|(key, _)| *key)
        {
            all.remove(&oldest);
        }
        all.insert(key(&id), Session { name, role, begun: now });
        id
    }

    /// Whose session that is.
    pub(super) fn get(&self, id: &str, now: Instant) -> Option<Session> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(id);
        if !all.get(&key)?.lives(now) {
            all.remove(&key);
        }
        all.get(&key).cloned()
    }

    /// Signs somebody out.
    pub(crate) fn end(&self, id: &str) {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).remove(&key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lives_for_its_time() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let id = sessions.begin("ada".to_owned(), Role::Viewer, now);
        assert_eq!(id.len(), 64);
        let found = sessions.get(&id, now + LIFETIME - Duration::from_secs(1)).unwrap();
        assert_eq!((found.name.as_str(), found.role), ("ada", Role::Viewer));
        assert_eq!(sessions.get(&id, now + LIFETIME), None);
        assert_eq!(sessions.get(&id, now), None, "what is over is forgotten");
        let other = sessions.begin("ada".to_owned(), Role::Viewer, now);
        assert_ne!(other, id);
        sessions.end(&other);
        assert_eq!(sessions.get(&other, now), None);
        assert_eq!(sessions.get("", now), None);
    }

    #[test]
    fn there_are_never_too_many() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin("first".to_owned(), Role::Viewer, now);
        let later = now + Duration::from_secs(1);
        let second = sessions.begin("second".to_owned(), Role::Viewer, later);
        for _ in 2..=MOST {
            sessions.begin("x".to_owned(), Role::Viewer, later + Duration::from_secs(1));
        }
        assert_eq!(sessions.all.lock().unwrap().len(), MOST);
        assert_eq!(sessions.get(&first, later), None, "the oldest goes");
        assert!(sessions.get(&second, later).is_some());
    }
}
