//! Conflicts: fields that a configuration would change and another manager owns, in an apiserver's words.

use std::collections::BTreeMap;
use std::fmt;

use super::appliers;
use super::element::Element;
use super::managers::{Manager, Operation};
use super::set::{Path, Set, display};

/// One field that somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The owner as messages name it, with its quotes: `"kubectl-edit" using gastown.io/v1alpha1`.
    pub manager: String,
    /// The field, such as `.spec.repo.url`.
    pub field: String,
    path: Path,
    owner: Manager,
}

/// Who owns a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A source of the town, by its name.
    Source(&'a str),
    /// Another who applies.
    Applier(&'a str),
    /// Somebody who wrote it in another way, such as by an edit.
    Writer(&'a str),
}

impl Conflict {
    /// Who owns the field.
    pub fn owner(&self) -> Owner<'_> {
        let Manager { name, operation, .. } = &self.owner;
        match (operation, appliers::source_named(name)) {
            (Operation::Update, _) => Owner::Writer(name),
            (Operation::Apply, Some(source)) => Owner::Source(source),
            (Operation::Apply, None) => Owner::Applier(name),
        }
    }

    /// The way to the field, as far as it leads through fields: an item of a list has no place by its key.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.path.iter().map_while(|element| match element {
            Element::Field(name) => Some(name.as_str()),
            _ => None,
        })
    }
}

/// An apply that was refused because others own what it would change; `force` takes the fields over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conflicts(Vec<Conflict>);

impl Conflicts {
    pub(super) fn of(owned: &BTreeMap<Manager, Set>) -> Self {
        let of = |(owner, set): (&Manager, &Set)| {
            let manager = owner.to_string();
            let conflict =
                |path: Path| Conflict { manager: manager.clone(), field: display(&path), path, owner: owner.clone() };
            set.paths().into_iter().map(conflict).collect::<Vec<_>>()
        };
        Self(owned.iter().flat_map(of).collect())
    }

    /// The conflicts, by manager and field.
    pub fn iter(&self) -> impl Iterator<Item = &Conflict> {
        self.0.iter()
    }

    /// How many fields conflict.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing conflicts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Without the conflicts about these fields.
    pub(super) fn without(self, fields: &Set) -> Self {
        Self(self.0.into_iter().filter(|conflict| !fields.has(&conflict.path)).collect())
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Conflict { manager, field, .. }] = &self.0[..] {
            return write!(f, "Apply failed with 1 conflict: conflict with {manager}: {field}");
        }
        write!(f, "Apply failed with {} conflicts: ", self.0.len())?;
        let mut last = None;
        for (at, Conflict { manager, field, .. }) in self.0.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            if last != Some(manager) {
                writeln!(f, "conflicts with {manager}:")?;
                last = Some(manager);
            }
            write!(f, "- {field}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Conflicts {}
