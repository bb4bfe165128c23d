//! Where in an object something is: a list of field names and indexes that prints as an apiserver prints it.

use std::fmt;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A declared field of an object.
    Field(String),
    /// A key of a map, or a name that is no plain word; printed in brackets.
    Key(String),
    /// A position in a list, from 0.
    Index(usize),
}

/// The way from the root of an object to a value in it; prints as `spec.beads[2].name`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The object itself.
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of plain fields, such as `["metadata", "name"]`.
    pub fn of(fields: &[&str]) -> Self {
        Self(fields.iter().map(|name| Segment::Field((*name).to_owned())).collect())
    }

    /// This path, one step deeper.
    #[must_use]
    pub fn child(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    /// The steps, outermost first.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether this is the object itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("<nil>");
        }
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if at == 0 => f.write_str(name)?,
                Segment::Field(name) => write!(f, ".{name}")?,
                Segment::Key(name) => write!(f, "[{name}]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A path being walked: borrowed from the walker's own stack, so that a valid object costs no allocation.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Option<Step<'a>>,
}

#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Field(&'a str),
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    pub(super) const ROOT: At<'static> = At { parent: None, step: None };

    pub(super) fn field(&'a self, name: &'a str) -> At<'a> {
        At { parent: Some(self), step: Some(Step::Field(name)) }
    }

    pub(super) fn key(&'a self, name: &'a str) -> At<'a> {
        At { parent: Some(self), step: Some(Step::Key(name)) }
    }

    pub(super) fn index(&'a self, index: usize) -> At<'a> {
        At { parent: Some(self), step: Some(Step::Index(index)) }
    }

    pub(super) fn to_path(self) -> FieldPath {
        let mut segments = Vec::new();
        let mut here = Some(&self);
        while let Some(at) = here {
            match at.step {
                Some(Step::Field(name)) => segments.push(Segment::Field(name.to_owned())),
                Some(Step::Key(name)) => segments.push(Segment::Key(name.to_owned())),
                Some(Step::Index(index)) => segments.push(Segment::Index(index)),
                None => {}
            }
            here = at.parent;
        }
        segments.reverse();
        FieldPath(segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_an_apiserver_does() {
        let (spec, beads) = (At::ROOT.field("spec"), "beads");
        let (list, labels) = (spec.field(beads), spec.field("labels"));
        let third = list.index(2);
        assert_eq!(third.field("name").to_path().to_string(), "spec.beads[2].name");
        assert_eq!(labels.key("a/b").to_path().to_string(), "spec.labels[a/b]");
        assert_eq!(FieldPath::root().to_string(), "<nil>");
    }
}
