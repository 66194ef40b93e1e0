//! Names to small numbers and back: the state holds numbers, people read names. Never forgets a name by itself; what is
//! long is cut, and beyond a number that no fleet reaches names are no longer told apart: clients may invent them.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};

/// Names that are told apart. A client that invents names must not take the memory.
const MOST_NAMES: usize = 2_000_000;
/// Longest name, bytes: buckets and paths of images stay below.
const LONGEST: usize = 512;

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

    /// The number of a name, given to it at first sight; the empty name's where there are too many.
    pub fn number(&mut self, name: &str) -> NameId {
        let name = cut(name);
        if let Some(id) = self.numbers.get(name) {
            return *id;
        }
        if self.list.len() >= MOST_NAMES {
            return NameId::EMPTY;
        }
        let id = NameId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.push(name.into());
        self.numbers.insert(name.into(), id);
        id
    }

    /// The number of a name that was seen.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<NameId> {
        self.numbers.get(cut(name)).copied()
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

fn cut(name: &str) -> &str {
    name.get(..name.floor_char_boundary(LONGEST)).unwrap_or_default()
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

    #[test]
    fn who_invents_names_takes_no_memory() {
        let mut names = Names::default();
        let long = "ü".repeat(10_000);
        let id = names.number(&long);
        assert_eq!((names.name(id).len(), names.get(&long)), (LONGEST, Some(id)));
        for invented in 0..MOST_NAMES {
            names.number(&invented.to_string());
        }
        assert_eq!((names.list().count(), names.number("one more")), (MOST_NAMES, NameId::EMPTY));
        assert_eq!(names.name(names.get("7").unwrap()), "7");
    }
}
