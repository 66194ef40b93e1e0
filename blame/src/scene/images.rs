//! The images of a stack, learnt in one pass: rule after rule asks for them, frame by frame, and a stack may be long and of
//! one image. Owns how they are found again; what is made of them is the rules' business.

use std::collections::HashMap;

use crate::facts::{Frame, Place};
use crate::owners::{Owner, Owners};

/// Images that are looked through one by one: few stacks have more, and for a handful that is the fastest way.
const FEW: usize = 16;

struct Image<'s> {
    name: &'s str,
    owner: Owner,
    third_party: bool,
    first: &'s Place<'s>,
    repeated: bool,
}

/// Which images are on a stack.
#[derive(Default)]
pub(super) struct Images<'s> {
    few: Vec<Image<'s>>,
    more: HashMap<&'s str, Image<'s>>,
    /// A framework is among them that does not come with Windows.
    foreign: bool,
}

impl<'s> Images<'s> {
    pub(super) fn new(stack: &'s [Frame<'s>], owners: &Owners) -> Self {
        let mut images =
            Self { few: Vec::with_capacity(FEW.min(stack.len())), more: HashMap::new(), foreign: false };
        for place in stack.iter().map(|frame| &frame.place) {
            images.add(place, owners);
        }
        images
    }

    fn add(&mut self, place: &'s Place<'s>, owners: &Owners) {
        let name = place.module.as_ref();
        let known = match self.few.iter_mut().find(|image| image.name == name) {
            Some(image) => Some(image),
            None => self.more.get_mut(name),
        };
        if let Some(image) = known {
            image.repeated = image.repeated || !is_same(image.first, place);
            return;
        }
        let owner = owners.of(name);
        let third_party = owner == Owner::Definite && owners.is_third_party(name);
        let image = Image { name, owner, third_party, first: place, repeated: false };
        self.foreign = self.foreign || (image.owner == Owner::Maybe && !owners.is_inbox(name));
        if self.few.len() < FEW {
            self.few.push(image);
        } else {
            self.more.insert(name, image);
        }
    }

    fn find(&self, name: &str) -> Option<&Image<'s>> {
        self.few.iter().find(|image| image.name == name).or_else(|| self.more.get(name))
    }

    /// The class of an image that is on the stack.
    pub(super) fn owner(&self, name: &str) -> Option<Owner> {
        self.find(name).map(|image| image.owner)
    }

    /// Whether all frameworks on the stack come with Windows.
    pub(super) fn only_windows(&self) -> bool {
        !self.foreign
    }

    /// Whether an image on the stack is more than a word of Windows' that may be there by chance: it is to be blamed, and
    /// another maker's or there more than once.
    pub(super) fn is_sign(&self, name: &str) -> bool {
        let image = self.find(name).filter(|image| image.owner == Owner::Definite);
        image.is_some_and(|image| image.third_party || image.repeated)
    }

    /// Whether different words of the stack point into an image.
    pub(super) fn is_repeated(&self, name: &str) -> bool {
        self.find(name).is_some_and(|image| image.repeated)
    }
}

/// Of two places in one image.
fn is_same(a: &Place<'_>, b: &Place<'_>) -> bool {
    (a.offset, a.function_offset) == (b.offset, b.function_offset) && a.function == b.function
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Number;

    #[test]
    fn many_images_are_found_as_few_are() {
        let frame = |index: u64, offset: u64| Frame {
            place: Place {
                module: format!("driver{index}.sys").into(),
                offset: Some(Number(offset)),
                ..Place::default()
            },
            ..Frame::default()
        };
        // Each twice: at one place where the number is even, at two where it is odd.
        let stack: Vec<Frame<'_>> = (0..40)
            .map(|index| frame(index, 1))
            .chain((0..40).map(|index| frame(index, 1 + index % 2)))
            .collect();
        let images = Images::new(&stack, &Owners::default());
        for index in 0..40 {
            let name = format!("driver{index}.sys");
            assert_eq!(images.owner(&name), Some(Owner::Definite), "{name}");
            assert_eq!(images.is_repeated(&name), index % 2 == 1, "{name}");
        }
        assert_eq!((images.owner("driver40.sys"), images.is_repeated("driver40.sys")), (None, false));
    }
}
