//! Names to small numbers and back: the state holds numbers, people read names. Never forgets a name by itself.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

/// A name's number. [`NameId::EMPTY`] is the empty name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NameId(pub u32);

impl NameId {
    /// The number of the empty name.
    pub const EMPTY: Self = Self(0);
}

/// The names seen so far.
#[derive(Debug, Clone)]
pub struct Names {
    list: Vec<Box<str>>,
    numbers: HashMap<Box<str>, NameId, FixedState>,
}

impl Default for Names {
    fn default() -> Self {
        Self::of(&[])
    }
}

impl Names {
    /// Names in the order of their numbers, as [`Names::list`] gave them.
    #[must_use]
    pub fn of(list: &[String]) -> Self {
        let mut names = Self { list: Vec::new(), numbers: HashMap::default() };
        names.number("");
        for name in list.iter().skip(1) {
            names.number(name);
        }
        names
    }

    /// The number of a name, given to it at first sight.
    pub fn number(&mut self, name: &str) -> NameId {
        if let Some(id) = self.numbers.get(name) {
            return *id;
        }
        let id = NameId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(name.into());
        self.numbers.insert(name.into(), id);
        id
    }

    /// The number of a name that was seen.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<NameId> {
        self.numbers.get(name).copied()
    }

    /// The name of a number.
    #[must_use]
    pub fn name(&self, id: NameId) -> &str {
        usize::try_from(id.0).ok().and_then(|index| self.list.get(index)).map_or("", |name| name)
    }

    /// Every name, by number.
    pub fn list(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(AsRef::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_numbers_across_a_copy() {
        let mut names = Names::default();
        let (a, b) = (names.number("a.sys"), names.number("b.sys"));
        assert_eq!(names.number("a.sys"), a);
        assert_eq!((names.number(""), names.name(NameId::EMPTY)), (NameId::EMPTY, ""));
        let list: Vec<String> = names.list().map(str::to_owned).collect();
        let copy = Names::of(&list);
        assert_eq!((copy.get("a.sys"), copy.get("b.sys"), copy.get("c.sys")), (Some(a), Some(b), None));
        assert_eq!(copy.name(b), "b.sys");
        assert_eq!(copy.name(NameId(99)), "");
    }
}
