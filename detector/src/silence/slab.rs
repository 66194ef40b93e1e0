//! Things with numbers, whose numbers are used again.

use serde::{Deserialize, Serialize};

use crate::index::NONE;

/// A list with holes.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Slab<T> {
    list: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { list: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    pub(super) fn get(&self, id: u32) -> Option<&T> {
        self.list.get(usize::try_from(id).ok()?)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut T> {
        self.list.get_mut(usize::try_from(id).ok()?)?.as_mut()
    }

    pub(super) fn add(&mut self, thing: T) -> u32 {
        if let Some(id) = self.free.pop()
            && let Some(place) = usize::try_from(id).ok().and_then(|id| self.list.get_mut(id))
        {
            *place = Some(thing);
            return id;
        }
        let id = u32::try_from(self.list.len()).unwrap_or(NONE);
        self.list.push(Some(thing));
        id
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<T> {
        let thing = usize::try_from(id).ok().and_then(|id| self.list.get_mut(id))?.take()?;
        self.free.push(id);
        Some(thing)
    }

    pub(super) fn len(&self) -> usize {
        self.list.len() - self.free.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0u32..).zip(&self.list).filter_map(|(id, thing)| Some((id, thing.as_ref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        (0u32..).zip(&mut self.list).filter_map(|(id, thing)| Some((id, thing.as_mut()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again() {
        let mut slab = Slab::default();
        let (a, b) = (slab.add("a"), slab.add("b"));
        assert_eq!(slab.remove(a), Some("a"));
        assert_eq!((slab.remove(a), slab.get(a), slab.get(NONE)), (None, None, None));
        assert_eq!((slab.add("c"), slab.len()), (a, 2));
        assert_eq!(slab.iter().collect::<Vec<_>>(), [(a, &"c"), (b, &"b")]);
    }
}
