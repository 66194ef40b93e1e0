//! The rule about a stack that ran over: whoever fills it, not whoever's turn it was when it was full.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Finding, shown};
use crate::facts::{Frame, Trust};
use crate::scene::Scene;
use crate::verdict::Confidence;

/// Frames that one driver needs: fewer are an ordinary chain of calls.
const SIGN: usize = 4;

/// How often an image is on the stack, and where first. Equal frames count, however many: they are what recursion looks like.
struct Count<'s> {
    first: &'s Frame<'s>,
    all: usize,
    unwound: usize,
}

fn counts<'s>(stack: &'s [Frame<'s>]) -> Vec<Count<'s>> {
    let mut at: HashMap<&str, usize> = HashMap::new();
    let mut counts: Vec<Count<'s>> = Vec::new();
    for frame in stack {
        let index = *at.entry(frame.place.module.as_ref()).or_insert(counts.len());
        if index == counts.len() {
            counts.push(Count { first: frame, all: 0, unwound: 0 });
        }
        if let Some(count) = counts.get_mut(index) {
            count.all += 1;
            count.unwound += usize::from(frame.trust == Trust::Unwound);
        }
    }
    counts
}

pub(super) fn recursion<'s>(scene: &Scene<'s>) -> Option<Finding<'s>> {
    let mut counts = counts(scene.stack);
    // Stable: of two that are there equally often the first one down the stack stays first.
    counts.sort_by_key(|count| Reverse(count.all));
    let often = counts.iter().take_while(|count| count.all >= SIGN);
    let most = often.into_iter().find(|count| scene.is_definite(&count.first.place))?;
    let place = &most.first.place;
    let (confidence, found) = if most.unwound >= SIGN {
        (Confidence::Medium, "frames that were unwound")
    } else {
        (Confidence::Low, "words found there")
    };
    let why = format!(
        "{} fills the stack: it is on it {} times among {} {found}, first at {}.",
        place.module,
        most.all,
        scene.stack.len(),
        shown(place)
    );
    Some(Finding::driver(place, confidence, why))
}
