//! Outages, as the file says them.

use serde::{Deserialize, Serialize};

use crate::world::{Expect, OutageClass};

/// One outage. Every field but `class` has a default; times are seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutageConfig {
    /// What kind of outage.
    pub class: Kind,
    /// What reports call it; empty: its class and place.
    #[serde(default)]
    pub id: String,
    /// Days after the world's beginning; left out: drawn.
    #[serde(default)]
    pub at_day: Option<f64>,
    /// Machines that it takes down a second, at its height; left out: what is usual for the class.
    #[serde(default)]
    pub rate: Option<f64>,
    /// How long machines go down.
    #[serde(default)]
    pub duration_s: Option<u32>,
    /// How it begins.
    #[serde(default)]
    pub ramp: Ramp,
    /// How long the ramp is.
    #[serde(default)]
    pub ramp_s: Option<u32>,
    /// Whose machines; empty: the first tenant's.
    #[serde(default)]
    pub tenant: String,
    /// Base name of the driver; empty: the one of `rank`.
    #[serde(default)]
    pub driver: String,
    /// Its place among the busiest, from 1; 0: never seen before; left out: drawn from 20 to the last.
    #[serde(default)]
    pub rank: Option<u32>,
    /// Share of the machines that have it; left out: 0.4, or 0.9 in fleets below 20,000.
    #[serde(default)]
    pub installed: Option<f64>,
    /// Seconds that a new build takes to reach everybody; left out: what lets the rate be reached.
    #[serde(default)]
    pub rollout_s: Option<u32>,
    /// Share of its machines that crash again and again until it is over.
    #[serde(default = "loops")]
    pub loops: f64,
    /// Whether somebody tells of the change behind it.
    #[serde(default = "told")]
    pub told: bool,
    /// What is owed for it; left out: by rate and machines.
    #[serde(default)]
    pub expect: Option<Expect>,
}

fn loops() -> f64 {
    0.1
}

fn told() -> bool {
    true
}

impl OutageConfig {
    /// One of a kind, everything else as usual.
    #[must_use]
    pub fn of(class: Kind) -> Self {
        Self {
            class,
            id: String::new(),
            at_day: None,
            rate: None,
            duration_s: None,
            ramp: Ramp::Step,
            ramp_s: None,
            tenant: String::new(),
            driver: String::new(),
            rank: None,
            installed: None,
            rollout_s: None,
            loops: loops(),
            told: told(),
            expect: None,
        }
    }
}

/// What kind of outage: `content`, or `catalogue:crowdstrike`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Kind {
    /// One of the classes.
    Class(OutageClass),
    /// One of the outages of the past, by its id.
    Catalogue(String),
}

impl TryFrom<String> for Kind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if let Some(id) = text.strip_prefix("catalogue:") {
            return match crate::outage(id) {
                Some(_) => Ok(Self::Catalogue(id.to_owned())),
                None => Err(format!("there is no outage `{id}` in the catalogue")),
            };
        }
        OutageClass::of(&text).filter(|class| *class != OutageClass::Catalogue).map(Self::Class).ok_or_else(
            || {
                let names: Vec<&str> = OutageClass::ALL.iter().map(|class| class.name()).collect();
                format!("there is no class `{text}`: one of {} or catalogue:ID", names.join(", "))
            },
        )
    }
}

impl From<Kind> for String {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Class(class) => class.name().to_owned(),
            Kind::Catalogue(id) => format!("catalogue:{id}"),
        }
    }
}

/// How an outage begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ramp {
    /// At its full rate.
    #[default]
    Step,
    /// From nothing, evenly.
    Linear,
    /// From a hundredth of its rate, by the same factor every second.
    Exponential,
}

/// Outages at random times, hours apart, in drivers of random rank.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// How many.
    pub count: u32,
    /// Their classes, in turn.
    pub classes: Vec<Kind>,
    /// Their rates, in turn, each class with each rate; none: what is usual for the class.
    #[serde(default)]
    pub rates: Vec<f64>,
    /// How long machines go down.
    #[serde(default)]
    pub duration_s: Option<u32>,
    /// How they begin.
    #[serde(default)]
    pub ramp: Ramp,
    /// How long the ramp is.
    #[serde(default)]
    pub ramp_s: Option<u32>,
}
