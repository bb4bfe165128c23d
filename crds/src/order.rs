//! The order in which objects are applied: what an object names comes before it. Deleting goes the other way.
//!
//! The references are those of each kind's row ([`Kind::references`]). Among objects that may come next, kinds decide in the
//! order of [`KINDS`], then names; so the order of the files has no say. What is in a circle, or names one that is, comes last.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::admission::references;
use crate::graph::{self, Needs};
use crate::kinds::{KINDS, Kind};
use crate::manifest::Manifest;

/// An object of a set: what it is called, and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    rank: usize,
    /// As `rig/shop`.
    name: String,
    references: Vec<String>,
}

impl Member {
    /// The object of this kind and name, with this spec.
    pub fn new(kind: &Kind, name: &str, spec: Option<&Value>) -> Self {
        let mut references = Vec::new();
        for reference in kind.references {
            let names = spec.map(|spec| references::named(spec, reference.field)).unwrap_or_default();
            let to = Kind::named(reference.kind).filter(|_| !names.is_empty());
            references.extend(to.into_iter().flat_map(|to| names.iter().map(|(_, name)| to.named_object(name))));
        }
        Self { rank: kind.rank(), name: kind.named_object(name), references }
    }

    /// Whether it names the object of this kind and name.
    pub fn names(&self, kind: &Kind, name: &str) -> bool {
        self.references.contains(&kind.named_object(name))
    }

    /// The object that a manifest declares. One of no kind of ours comes last.
    pub fn of(manifest: &Manifest) -> Self {
        let Some(kind) = Kind::named(&manifest.kind) else {
            return Self { rank: KINDS.len(), name: manifest.name.clone(), references: Vec::new() };
        };
        // Most of the cost of a manifest is to read its object.
        let value = (!kind.references.is_empty()).then(|| manifest.value());
        Self::new(kind, &manifest.name, value.as_ref().and_then(|value| value.get("spec")))
    }
}

/// The objects in the order in which they are applied.
pub fn sorted<T>(objects: Vec<T>, member: impl Fn(&T) -> Member) -> Vec<T> {
    let members: Vec<Member> = objects.iter().map(member).collect();
    let needs: Needs<'_> = members
        .iter()
        .map(|it| (&*it.name, it.references.iter().map(String::as_str).filter(|name| *name != it.name).collect()))
        .collect();
    let mut names: Vec<(usize, &str)> = members.iter().map(|it| (it.rank, &*it.name)).collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<&str> = names.into_iter().map(|(_, name)| name).collect();
    let places: BTreeMap<&str, usize> =
        graph::order(&names, &needs).into_iter().enumerate().map(|(place, name)| (name, place)).collect();
    let place = |it: &Member| places.get(&*it.name).copied().unwrap_or(usize::MAX);
    let mut sorted: Vec<(&Member, T)> = members.iter().zip(objects).collect();
    sorted.sort_by_key(|(it, _)| (place(it), it.rank, &*it.name));
    sorted.into_iter().map(|(_, object)| object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn names(members: &[(&str, &str, Value)]) -> Vec<String> {
        let member =
            |(kind, name, spec): &(&str, &str, Value)| Member::new(Kind::named(kind).unwrap(), name, Some(spec));
        sorted(members.iter().map(member).collect(), Member::clone).into_iter().map(|it| it.name).collect()
    }

    #[test]
    fn what_is_named_comes_first_whatever_its_kind_and_file() {
        let found = names(&[
            ("Convoy", "b", json!({ "rig": "shop", "beads": [{ "name": "x", "formula": "f" }] })),
            ("Convoy", "a", json!({ "beads": [{ "name": "x", "rig": "elsewhere" }] })),
            ("Rig", "shop", json!({ "runtime": "mine" })),
            ("Town", "town", json!({ "runtime": "mine" })),
            ("Formula", "f", json!({})),
            ("Runtime", "mine", json!({})),
            ("Source", "live", json!({})),
        ]);
        let expected = ["source/live", "runtime/mine", "town/town", "formula/f", "rig/shop", "convoy/a", "convoy/b"];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_circle_comes_last_in_the_order_of_kinds_and_names() {
        let member = |rank, name: &str, references: &[&str]| Member {
            rank,
            name: name.to_owned(),
            references: references.iter().map(|it| (*it).to_owned()).collect(),
        };
        let members = vec![member(2, "b", &["a"]), member(1, "a", &["b"]), member(3, "itself", &["itself"])];
        let found: Vec<_> = sorted(members, Member::clone).into_iter().map(|it| it.name).collect();
        assert_eq!(found, ["itself", "a", "b"]);
    }

    proptest! {
        #[test]
        fn each_comes_once_after_what_it_names_and_the_order_of_the_files_has_no_say(
            mut members in prop::collection::vec((0..3usize, prop::collection::vec(any::<prop::sample::Index>(), 0..3)), 1..9),
            turns in 0..9usize,
        ) {
            // No circles: each names some of those before it, by whatever rank.
            let all: Vec<Member> = members.drain(..).enumerate().map(|(nth, (rank, names))| {
                let names = names.iter().filter(|_| nth > 0).map(|it| format!("n{}", it.index(nth.max(1))));
                Member { rank, name: format!("n{nth}"), references: names.collect() }
            }).collect();
            let found = sorted(all.clone(), Member::clone);
            let at = |name: &str| found.iter().position(|it| it.name == name).unwrap();
            prop_assert_eq!(found.len(), all.len());
            for it in &all {
                prop_assert!(it.references.iter().all(|named| at(named) < at(&it.name)));
            }
            let mut turned = all.clone();
            turned.rotate_left(turns % all.len());
            prop_assert_eq!(sorted(turned, Member::clone), found);
        }
    }
}
