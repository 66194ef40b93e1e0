//! An operator's own line of text: `{driver}: {machines} down, {link}`. Owns what may stand between the braces; an
//! unknown name is a fault of the configuration, so that no page goes out with a hole in it. Pure.

use std::fmt;
use std::str::FromStr;

/// A line with places to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Field(Field),
}

/// What can be filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Line,
    Step,
    Severity,
    Subject,
    Driver,
    Tenant,
    Machines,
    Exposed,
    Share,
    Sites,
    Since,
    Growth,
    Attribution,
    FaultSite,
    BugCheck,
    Version,
    Link,
    Id,
}

const FIELDS: [(&str, Field); 18] = [
    ("line", Field::Line),
    ("step", Field::Step),
    ("severity", Field::Severity),
    ("subject", Field::Subject),
    ("driver", Field::Driver),
    ("tenant", Field::Tenant),
    ("machines", Field::Machines),
    ("exposed", Field::Exposed),
    ("share", Field::Share),
    ("sites", Field::Sites),
    ("since", Field::Since),
    ("growth", Field::Growth),
    ("attribution", Field::Attribution),
    ("fault_site", Field::FaultSite),
    ("bug_check", Field::BugCheck),
    ("version", Field::Version),
    ("link", Field::Link),
    ("id", Field::Id),
];

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateFault {
    /// Nothing is called that.
    #[error("{{{0}}} is not known; there are {known}", known = Known)]
    Unknown(String),
    /// A brace without its other half.
    #[error("a {{ or }} without its other half; write {{{{ or }}}} for one that is meant")]
    Brace,
    /// Longer than any line that people read.
    #[error("must be one line of at most 500 characters")]
    Long,
}

struct Known;

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, _)) in FIELDS.iter().enumerate() {
            write!(f, "{}{{{name}}}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl FromStr for Template {
    type Err = TemplateFault;

    fn from_str(text: &str) -> Result<Self, TemplateFault> {
        if text.chars().count() > 500 || text.chars().any(char::is_control) {
            return Err(TemplateFault::Long);
        }
        let (mut pieces, mut plain) = (Vec::new(), String::new());
        let mut left = text.chars();
        while let Some(next) = left.next() {
            let mut ahead = left.clone();
            match (next, ahead.next()) {
                ('{', Some('{')) | ('}', Some('}')) => {
                    plain.push(next);
                    left = ahead;
                }
                ('{', _) => {
                    let (name, rest) = left.as_str().split_once('}').ok_or(TemplateFault::Brace)?;
                    let known = FIELDS.iter().find(|(known, _)| *known == name.trim());
                    let (_, field) = known.ok_or_else(|| TemplateFault::Unknown(name.trim().to_owned()))?;
                    pieces.extend([Piece::Text(std::mem::take(&mut plain)), Piece::Field(*field)]);
                    left = rest.chars();
                }
                ('}', _) => return Err(TemplateFault::Brace),
                _ => plain.push(next),
            }
        }
        pieces.push(Piece::Text(plain));
        Ok(Self(pieces))
    }
}

impl Template {
    /// The line, with each place filled in.
    pub(super) fn fill(&self, value: impl Fn(Field) -> String) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Field(field) => value(*field),
        };
        self.0.iter().map(piece).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_and_doubled_braces_stay() {
        let template: Template = "{{{driver}}}: { machines } down {link}".parse().unwrap();
        let said = template.fill(|field| format!("<{field:?}>"));
        assert_eq!(said, "{<Driver>}: <Machines> down <Link>");
        assert_eq!("plain".parse::<Template>().unwrap().fill(|_| String::new()), "plain");
    }

    #[test]
    fn what_cannot_be_filled_in_is_a_fault() {
        let fault = |text: &str| text.parse::<Template>().unwrap_err();
        assert_eq!(fault("{drivr} is down"), TemplateFault::Unknown("drivr".to_owned()));
        assert!(fault("{drivr}").to_string().contains("{driver}, {tenant}"), "{}", fault("{drivr}"));
        assert_eq!(fault("{driver"), TemplateFault::Brace);
        assert_eq!(fault("driver}"), TemplateFault::Brace);
        assert_eq!(fault(&"x".repeat(501)), TemplateFault::Long);
        assert_eq!(fault("two\nlines"), TemplateFault::Long);
    }

    #[test]
    fn every_field_has_a_name() {
        for (name, field) in FIELDS {
            let template: Template = format!("{{{name}}}").parse().unwrap();
            assert_eq!(template.fill(|found| format!("{found:?}")), format!("{field:?}"));
        }
    }
}
