//! Where each field of a document stands in its file: a tree of the same shape as the value.

use std::collections::BTreeMap;
use std::ops::Range;

/// Where one value, and the key that names it, stand in the file, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spans {
    /// The key that names it; an item of a list and a document have none.
    pub key: Option<Range<usize>>,
    /// The value itself.
    pub value: Range<usize>,
    /// The spans of what lies inside.
    pub inside: Inside,
}

/// What lies inside a value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Inside {
    /// A scalar.
    #[default]
    Nothing,
    /// The fields of a mapping.
    Fields(BTreeMap<String, Spans>),
    /// The items of a list.
    Items(Vec<Spans>),
}

/// One step of the way from a document to a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Into a field.
    Field(&'a str),
    /// Into an item, counted from 0.
    Item(usize),
}

impl<'a> From<&'a str> for Step<'a> {
    fn from(field: &'a str) -> Self {
        Self::Field(field)
    }
}

impl From<usize> for Step<'_> {
    fn from(item: usize) -> Self {
        Self::Item(item)
    }
}

impl Spans {
    /// The spans of what lies one step inside, if the file has it.
    pub fn step(&self, step: Step<'_>) -> Option<&Spans> {
        match (&self.inside, step) {
            (Inside::Fields(fields), Step::Field(name)) => fields.get(name),
            (Inside::Items(items), Step::Item(index)) => items.get(index),
            _ => None,
        }
    }

    /// The spans of what is at the end of a path, or the nearest above it that the file has; and whether it was found.
    pub fn nearest<'a>(&self, path: impl IntoIterator<Item = Step<'a>>) -> (&Spans, bool) {
        let mut spans = self;
        for step in path {
            match spans.step(step) {
                Some(inner) => spans = inner,
                None => return (spans, false),
            }
        }
        (spans, true)
    }

    /// What to underline when the value is wrong: the value, or its key where the value is empty.
    pub fn of_value(&self) -> Range<usize> {
        match &self.key {
            Some(key) if self.value.is_empty() || !matches!(self.inside, Inside::Nothing) => key.clone(),
            _ => self.value.clone(),
        }
    }

    /// What to underline when the field should not be there, or lacks something: its key, where it has one.
    pub fn of_key(&self) -> Range<usize> {
        self.key.clone().unwrap_or_else(|| self.value.clone())
    }
}
