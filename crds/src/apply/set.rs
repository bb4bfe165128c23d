//! Sets of fields, and their form on the wire, `fieldsV1`: `{"f:spec": {"f:rig": {}, "f:beads": {"k:{…}": {".": {}}}}}`.
//!
//! A node may be a member itself, have members below it, or both (`.`). Owning a node does not mean owning what is below.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::element::{BadElement, Element};
use super::shape::Type;

/// A path from the root of an object.
pub(super) type Path = Vec<Element>;

/// A set of fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// What is in the set at this level.
    pub(super) members: BTreeSet<Element>,
    /// What has members below it. No child is empty.
    pub(super) children: BTreeMap<Element, Set>,
}

impl Set {
    pub(super) fn of(paths: &[&[&str]]) -> Self {
        let mut set = Self::default();
        for path in paths {
            set.insert(&path.iter().map(|name| Element::field(name)).collect::<Vec<_>>());
        }
        set
    }

    /// Adds one path; the root itself is nobody's.
    pub(super) fn insert(&mut self, path: &[Element]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Set::is_empty)
    }

    pub(super) fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.has(rest)),
        }
    }

    pub(super) fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.extend(other);
        union
    }

    /// Adds all of another set.
    pub(super) fn extend(&mut self, other: &Self) {
        self.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            self.children.entry(element.clone()).or_default().extend(child);
        }
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let members = self.members.intersection(&other.members).cloned().collect();
        Self {
            members,
            children: self.children_with(|element, child| Some(child.intersection(other.children.get(element)?))),
        }
    }

    /// What is here and not there, node by node: taking away a parent leaves what is below it.
    pub(super) fn difference(&self, other: &Self) -> Self {
        let members = self.members.difference(&other.members).cloned().collect();
        let children = self.children_with(|element, child| {
            Some(other.children.get(element).map_or_else(|| child.clone(), |there| child.difference(there)))
        });
        Self { members, children }
    }

    /// What is here and neither there nor below anything there.
    pub(super) fn without_trees(&self, other: &Self) -> Self {
        let members = self.members.difference(&other.members).cloned().collect();
        let children = self.children_with(|element, child| {
            if other.members.contains(element) {
                return None;
            }
            Some(other.children.get(element).map_or_else(|| child.clone(), |there| child.without_trees(there)))
        });
        Self { members, children }
    }

    fn children_with(&self, keep: impl Fn(&Element, &Set) -> Option<Set>) -> BTreeMap<Element, Set> {
        let kept = self.children.iter().filter_map(|(element, child)| Some((element.clone(), keep(element, child)?)));
        kept.filter(|(_, child)| !child.is_empty()).collect()
    }

    /// What is in the set below a path.
    pub(super) fn below(&self, path: &[Element]) -> Option<&Self> {
        path.iter().try_fold(self, |set, element| set.children.get(element))
    }

    /// Of this level, the elements that are picked, with all that is below them.
    pub(super) fn only(&self, is_picked: impl Fn(&Element) -> bool) -> Self {
        let members = self.members.iter().filter(|element| is_picked(element)).cloned().collect();
        Self { members, children: self.children_with(|element, child| is_picked(element).then(|| child.clone())) }
    }

    /// Adds all of another set below a path.
    pub(super) fn graft(&mut self, path: &[Element], other: Self) {
        if other.is_empty() {
            return;
        }
        match path {
            [] => self.extend(&other),
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().graft(rest, other),
        }
    }

    /// The set with each declared field as a member that has members below it: who owns `spec.rig` owns `spec` too.
    pub(super) fn with_named_fields(&self, type_: Type<'_>) -> Self {
        let mut members = self.members.clone();
        let mut children = BTreeMap::new();
        for (element, child) in &self.children {
            let below = match element {
                Element::Field(name) => {
                    let field = type_.field(name);
                    if field.is_declared {
                        members.insert(element.clone());
                    }
                    field.type_
                }
                _ => type_.item(),
            };
            children.insert(element.clone(), child.with_named_fields(below));
        }
        Self { members, children }
    }

    /// Every member's path, parents first.
    pub(super) fn paths(&self) -> Vec<Path> {
        fn walk(set: &Set, at: &mut Path, found: &mut Vec<Path>) {
            for member in &set.members {
                found.push(at.iter().chain([member]).cloned().collect());
            }
            for (element, child) in &set.children {
                at.push(element.clone());
                walk(child, at, found);
                at.pop();
            }
        }
        let mut found = Vec::new();
        walk(self, &mut Vec::new(), &mut found);
        found
    }

    /// As `fieldsV1`.
    pub(super) fn encode(&self) -> Value {
        let mut map = Map::new();
        for member in &self.members {
            map.insert(member.encode(), json!({}));
        }
        for (element, child) in self.children.iter().filter(|(_, child)| !child.is_empty()) {
            let mut below = child.encode();
            if self.members.contains(element) {
                below["."] = json!({});
            }
            map.insert(element.encode(), below);
        }
        Value::Object(map)
    }

    /// Reads `fieldsV1`.
    pub(super) fn decode(fields: &Value) -> Result<Self, BadElement> {
        let map = fields.as_object().ok_or_else(|| BadElement(fields.to_string()))?;
        let mut set = Self::default();
        for (key, below) in map.iter().filter(|(key, _)| *key != ".") {
            let Some(element) = Element::decode(key)? else { continue };
            let child = Self::decode(below)?;
            if child.is_empty() || below.get(".").is_some() {
                set.members.insert(element.clone());
            }
            if !child.is_empty() {
                set.children.insert(element, child);
            }
        }
        Ok(set)
    }
}

/// A path as messages print it.
pub(super) fn display(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_and_read_alike() {
        let fields = json!({
            "f:spec": { ".": {}, "f:rig": {}, "f:beads": { "k:{\"name\":\"a\"}": { ".": {}, "f:name": {} } } },
            "f:metadata": { "f:finalizers": { "v:\"a/b\"": {} } },
        });
        let set = Set::decode(&fields).unwrap();
        assert_eq!(set.encode(), fields);
        let paths: Vec<_> = set.paths().iter().map(|path| display(path)).collect();
        assert_eq!(
            paths,
            [
                ".spec",
                ".metadata.finalizers[=\"a/b\"]",
                ".spec.rig",
                ".spec.beads[name=\"a\"]",
                ".spec.beads[name=\"a\"].name",
            ]
        );
        assert!(Set::decode(&json!({ "spec": {} })).is_err());
        assert!(Set::decode(&json!([])).is_err());
    }

    #[test]
    fn taking_away_a_parent_leaves_what_is_below_it() {
        let set = Set::of(&[&["a"], &["a", "b"], &["c"]]);
        let parent = Set::of(&[&["a"]]);
        assert_eq!(set.difference(&parent), Set::of(&[&["a", "b"], &["c"]]));
        assert_eq!(set.without_trees(&parent), Set::of(&[&["c"]]));
        assert_eq!(set.intersection(&parent), parent);
        assert_eq!(parent.union(&Set::of(&[&["a", "b"], &["c"]])), set);
    }
}
