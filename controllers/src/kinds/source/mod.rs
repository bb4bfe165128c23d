//! The Source controller: what a branch or a folder declares is made so, and stays so.
//!
//! A revision is judged as a whole before anything of it is applied (`judge`). What it declares stands in the inventory
//! before it is made. Then objects are applied by server-side apply, with the source as their field manager (`object`), and
//! what is declared no more is pruned (`prune`). Nothing here waits: what is not there yet wakes this controller when it is.

mod judge;
mod lease;
mod leave;
mod object;
mod origin;
mod preview;
mod prune;
mod reconcile;

use std::collections::BTreeSet;

use gastown_crds::Source;
use gastown_crds::common::{ANNOTATION_PRUNE, ANNOTATION_RECONCILE, DISABLED, LABEL_SOURCE};
use gastown_crds::kinds::Kind;
use gastown_crds::source::Entry;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::key::{Controller, Lane};
use crate::kinds::{self, Visitor};
use crate::objects::{Change, Objects, Watched};
use crate::view::View;
use crate::watches::{Again, Watches};

pub use preview::{Preview, live_tree, only_anew, preview};
pub use reconcile::runner;

/// Sources and what they declare. It looks at the world, so it is looked at again now and then.
pub static CONTROLLER: Controller =
    Controller::of::<Source>("source", Lane::World, |name, view| view.with(name, reconcile::reconcile), watches);

impl Watched for Source {
    type Index = ();
}

/// Whatever its kind, an object may be declared.
fn watches(watches: &mut Watches) {
    struct Each<'a>(&'a mut Watches);
    impl Visitor for Each<'_> {
        fn visit<K: Watched>(&mut self) {
            self.0.on::<K>(declared);
        }
    }
    kinds::visit_watched(&mut Each(watches));
}

/// The source of an object looks again after a change of what it declares: not of the status.
fn declared<K: Watched>(change: &Change<'_, K>, _: &Objects, again: &mut Again<'_>) {
    let sources = || change.each().filter_map(|object| source_of(object.meta()));
    if sources().next().is_none() {
        return;
    }
    let part = |object: &K| {
        let meta = object.meta();
        (
            meta.uid.clone(),
            meta.generation,
            meta.labels.clone(),
            meta.annotations.clone(),
            meta.deletion_timestamp.clone(),
        )
    };
    if change.differs(part) {
        again.all(sources().map(str::to_owned));
    }
}

/// The source that declares an object.
pub fn source_of(meta: &ObjectMeta) -> Option<&str> {
    meta.labels.as_ref()?.get(LABEL_SOURCE).map(String::as_str)
}

/// Whether something is turned off by an annotation on an object.
fn is_off(meta: &ObjectMeta, annotation: &str) -> bool {
    meta.annotations.as_ref().and_then(|all| all.get(annotation)).is_some_and(|value| value == DISABLED)
}

/// Whether an object keeps what its source no longer declares.
fn keeps(meta: &ObjectMeta) -> bool {
    is_off(meta, ANNOTATION_PRUNE)
}

/// Whether an object's source leaves it as it is.
fn is_left(meta: &ObjectMeta) -> bool {
    is_off(meta, ANNOTATION_RECONCILE)
}

/// The objects of a source, by the place of their kind in the order of applying and by name.
type Names = BTreeSet<(usize, String)>;

/// The objects that an inventory names. A kind of another release is left out.
fn names(inventory: &[Entry]) -> Names {
    let of_kind = |entry: &Entry| Some((Kind::named(&entry.kind)?.rank(), entry.names.clone()));
    let kinds = inventory.iter().filter_map(of_kind);
    kinds.flat_map(|(rank, names)| names.into_iter().map(move |name| (rank, name))).collect()
}

/// An inventory of these objects.
fn inventory(names: &Names) -> Vec<Entry> {
    let mut found: Vec<Entry> = Vec::new();
    for (rank, name) in names {
        let kind = kind_at(*rank).name;
        match found.last_mut().filter(|entry| entry.kind == kind) {
            Some(entry) => entry.names.push(name.clone()),
            None => found.push(Entry { kind: kind.to_owned(), names: vec![name.clone()] }),
        }
    }
    found
}

/// Objects that a message or `status.drift` names.
const NAMED_MAX: usize = 10;

/// Some of these objects, for people.
fn some(objects: impl ExactSizeIterator<Item = String>) -> String {
    let more = objects.len().saturating_sub(NAMED_MAX);
    let mut named: Vec<String> = objects.take(NAMED_MAX).collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join(", ")
}

fn kind_at(rank: usize) -> &'static Kind {
    gastown_crds::KINDS[rank]
}

/// The other source that declares an object, if it is there to do so.
fn other_source<'a>(source: &Source, meta: &'a ObjectMeta, kind: &Kind, view: &View<'_>) -> Option<&'a str> {
    let other = source_of(meta).filter(|other| *other != source.name_any())?;
    let there = view.objects.get::<Source>(other)?;
    let name = meta.name.as_deref().unwrap_or_default();
    there.status.as_ref().is_some_and(|status| status.holds(kind.name, name)).then_some(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_inventory_names_what_it_was_made_of(all in prop::collection::btree_set((0..gastown_crds::KINDS.len(), "[a-c]{1,2}"), 0..20)) {
            let entries = inventory(&all);
            prop_assert_eq!(names(&entries), all);
            prop_assert!(entries.iter().all(|entry| entry.names.is_sorted() && !entry.names.is_empty()));
        }
    }
}
