//! `Objects`: every object that the controllers know, by kind and name, with what follows from them.
//!
//! Folded from watch events, one `(old, new)` at a time. Each kind keeps an index of its own, so that a reconcile costs
//! what its key touches. Invariant: an index is always what a fold from scratch would give; a property test compares them.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use gastown_crds::kinds::{Kind, Registered};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::key::Key;
use crate::kinds;
use crate::watches::Watchers;

/// A kind whose objects are held in memory, because controllers decide by them. The engine watches each such kind.
pub trait Watched:
    Registered
    + Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + fmt::Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
    /// The index that is kept of the objects of this kind, by whatever controllers look up. `()` where names are enough.
    type Index: Default + fmt::Debug + PartialEq + Send + Sync + 'static;

    /// Takes this object into the index, or out of it.
    fn index(&self, _: &mut Self::Index, _: Presence) {}

    /// Whether no more than a part of this object is kept: see [`Watched::slim`].
    fn is_slim(&self) -> bool {
        false
    }

    /// The part that is kept of an object that is never worked on again.
    fn slim(object: Arc<Self>) -> Arc<Self> {
        object
    }
}

/// Whether an object enters an index or leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is there from now on.
    Added,
    /// It is there no more, as it was.
    Removed,
}

/// An object before and after; one of them at least is there.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a, K> {
    /// As it was.
    pub old: Option<&'a K>,
    /// As it is.
    pub new: Option<&'a K>,
}

impl<'a, K: Resource> Change<'a, K> {
    /// The object as it was and as it is, as far as it is there.
    pub fn each(&self) -> impl Iterator<Item = &'a K> + use<'a, K> {
        self.old.into_iter().chain(self.new)
    }

    /// The object's name.
    pub fn name(&self) -> String {
        self.each().next().map(ResourceExt::name_any).unwrap_or_default()
    }

    /// Whether something differs, in the object as `part` gives it; an object that comes or goes differs in everything.
    pub fn differs<T: PartialEq>(&self, part: impl Fn(&'a K) -> T) -> bool {
        match (self.old, self.new) {
            (Some(old), Some(new)) => part(old) != part(new),
            _ => true,
        }
    }
}

/// An object of any kind that is watched.
#[derive(Clone)]
pub struct Object {
    kind: &'static Kind,
    name: String,
    inner: Arc<dyn Any + Send + Sync>,
}

impl Object {
    /// An object of a kind.
    pub fn new<K: Watched>(object: K) -> Self {
        Self { kind: K::row(), name: object.name_any(), inner: Arc::new(object) }
    }

    /// Its kind.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// An object of a kind that is watched, as the API has it; none for another kind, or where it is none.
pub fn read(kind: &Kind, value: Value) -> Option<Object> {
    struct Reader<'a> {
        kind: &'a Kind,
        value: Option<Value>,
        object: Option<Object>,
    }
    impl kinds::Visitor for Reader<'_> {
        fn visit<K: Watched>(&mut self) {
            if K::row() == self.kind
                && let Some(value) = self.value.take()
            {
                self.object = serde_json::from_value::<K>(value).ok().map(Object::new);
            }
        }
    }
    let mut reader = Reader { kind, value: Some(value), object: None };
    kinds::visit_watched(&mut reader);
    reader.object
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.named_object(&self.name))
    }
}

/// Everything that is known.
#[derive(Debug)]
pub struct Objects {
    /// One for each kind. They are few, and found by the address of the kind's row more often than anything else is done.
    stores: Vec<(&'static Kind, Box<dyn AnyStore>)>,
}

/// The objects of one kind.
#[derive(Debug)]
struct Store<K: Watched> {
    by_name: BTreeMap<String, Arc<K>>,
    index: K::Index,
    watchers: Watchers<K>,
}

/// A [`Store`], whatever its kind.
trait AnyStore: fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn names(&self) -> Vec<String>;
    fn metadata(&self, name: &str) -> Option<&ObjectMeta>;
    fn value(&self, name: &str) -> Option<Value>;
    /// Takes in one change, and answers the object as it was.
    fn fold(&mut self, name: &str, new: Option<Object>) -> Option<Object>;
    /// The keys that look again after a change of the object of this name from `old` to what is held now.
    fn wakes(&self, name: &str, old: Option<&Object>, objects: &Objects) -> BTreeSet<Key>;
}

impl<K: Watched> AnyStore for Store<K> {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn names(&self) -> Vec<String> {
        self.by_name.keys().cloned().collect()
    }

    fn metadata(&self, name: &str) -> Option<&ObjectMeta> {
        self.by_name.get(name).map(|object| object.meta())
    }

    fn value(&self, name: &str) -> Option<Value> {
        let object = self.by_name.get(name).filter(|object| !object.is_slim())?;
        serde_json::to_value(object.as_ref()).ok()
    }

    fn fold(&mut self, name: &str, new: Option<Object>) -> Option<Object> {
        let old = self.by_name.remove(name);
        if let Some(old) = &old {
            old.index(&mut self.index, Presence::Removed);
        }
        if let Some(new) = new.and_then(|new| new.inner.downcast::<K>().ok()) {
            let new = K::slim(new);
            new.index(&mut self.index, Presence::Added);
            self.by_name.insert(name.to_owned(), new);
        }
        old.map(|inner| Object { kind: K::row(), name: name.to_owned(), inner })
    }

    fn wakes(&self, name: &str, old: Option<&Object>, objects: &Objects) -> BTreeSet<Key> {
        let old = old.and_then(|old| old.inner.downcast_ref::<K>());
        let new = self.by_name.get(name).map(AsRef::as_ref);
        if old.is_none() && new.is_none() {
            return BTreeSet::new();
        }
        self.watchers.keys(&Change { old, new }, objects)
    }
}

impl Default for Objects {
    fn default() -> Self {
        struct Empty(Vec<(&'static Kind, Box<dyn AnyStore>)>);
        impl kinds::Visitor for Empty {
            fn visit<K: Watched>(&mut self) {
                let watchers = Watchers::of(kinds::CONTROLLERS);
                let store = Store::<K> { by_name: BTreeMap::new(), index: K::Index::default(), watchers };
                self.0.push((K::row(), Box::new(store)));
            }
        }
        let mut stores = Empty(Vec::new());
        kinds::visit_watched(&mut stores);
        Self { stores: stores.0 }
    }
}

impl Objects {
    /// Takes in one change: the object as it is now, or none if it is gone. Answers the keys that look again.
    pub fn change(&mut self, kind: &'static Kind, name: &str, new: Option<Object>) -> BTreeSet<Key> {
        let Some((_, store)) = self.stores.iter_mut().find(|(of, _)| std::ptr::eq(*of, kind)) else {
            return BTreeSet::new();
        };
        let old = store.fold(name, new);
        self.store_of(kind).map(|store| store.wakes(name, old.as_ref(), self)).unwrap_or_default()
    }

    /// An object by name.
    pub fn get<K: Watched>(&self, name: &str) -> Option<&Arc<K>> {
        self.store::<K>().by_name.get(name)
    }

    /// All objects of a kind, by name.
    pub fn all<K: Watched>(&self) -> impl Iterator<Item = &Arc<K>> {
        self.store::<K>().by_name.values()
    }

    /// The name of every object of a kind.
    pub fn names(&self, kind: &Kind) -> Vec<String> {
        self.store_of(kind).map(AnyStore::names).unwrap_or_default()
    }

    /// The metadata of an object of any kind.
    pub fn metadata(&self, kind: &Kind, name: &str) -> Option<&ObjectMeta> {
        self.store_of(kind)?.metadata(name)
    }

    /// An object of any kind as the API has it; none if it is not there, or not kept whole.
    pub fn value(&self, kind: &Kind, name: &str) -> Option<Value> {
        self.store_of(kind)?.value(name)
    }

    /// The index of the objects of a kind.
    pub(crate) fn index<K: Watched>(&self) -> &K::Index {
        &self.store::<K>().index
    }

    /// The objects that an index names, as far as they are there.
    pub(crate) fn named<'a, K: Watched>(
        &'a self,
        names: Option<&'a BTreeSet<String>>,
    ) -> impl Iterator<Item = &'a Arc<K>> {
        let store = self.store::<K>();
        names.into_iter().flatten().filter_map(|name| store.by_name.get(name))
    }

    fn store_of(&self, kind: &Kind) -> Option<&dyn AnyStore> {
        self.stores.iter().find(|(of, _)| std::ptr::eq(*of, kind)).map(|(_, store)| store.as_ref())
    }

    fn store<K: Watched>(&self) -> &Store<K> {
        let store = self.store_of(K::row()).and_then(|store| store.as_any().downcast_ref());
        store.expect("a test holds that every watched kind is in the list that stores are made from")
    }
}

/// When an object was made; an object without a date is as old as can be.
pub fn created(object: &impl ResourceExt) -> Timestamp {
    object.creation_timestamp().map_or(Timestamp::UNIX_EPOCH, |t| t.0)
}

/// Names by what they belong to, as most indexes keep them.
pub(crate) fn change<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: K, value: V, presence: Presence) {
    if presence == Presence::Added {
        map.entry(key).or_default().insert(value);
        return;
    }
    if let Some(set) = map.get_mut(&key) {
        set.remove(&value);
        if set.is_empty() {
            map.remove(&key);
        }
    }
}

/// How many there are, by what they belong to.
pub(crate) fn count<K: Ord>(map: &mut BTreeMap<K, u32>, key: K, presence: Presence) {
    let n = map.get(&key).copied().unwrap_or(0);
    let n = if presence == Presence::Added { n + 1 } else { n.saturating_sub(1) };
    if n == 0 {
        map.remove(&key);
    } else {
        map.insert(key, n);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use gastown_crds::KINDS;
    use gastown_crds::kinds::Role;

    /// Folds changes one by one, and what is left of them at once: the indexes must be the same.
    pub(crate) fn assert_index_is_that_of_a_fresh_fold<K: Watched>(changes: Vec<(K, bool)>) {
        let mut folded = Objects::default();
        for (object, gone) in changes {
            let object = Object::new(object);
            let name = object.name().to_owned();
            folded.change(K::row(), &name, (!gone).then_some(object));
        }
        let mut fresh = Objects::default();
        for object in folded.all::<K>() {
            fresh.change(K::row(), &object.name_any(), Some(Object::new(K::clone(object))));
        }
        assert_eq!(folded.index::<K>(), fresh.index::<K>());
    }

    #[test]
    fn every_kind_is_watched_but_records() {
        let mut watched: Vec<&str> = Objects::default().stores.into_iter().map(|(kind, _)| kind.name).collect();
        watched.sort_unstable();
        let reconciled = KINDS.iter().filter(|kind| kind.role == Role::Reconciled);
        let mut reconciled: Vec<&str> = reconciled.map(|kind| kind.name).collect();
        reconciled.sort_unstable();
        assert_eq!(watched, reconciled);
    }

    #[test]
    fn every_kind_but_records_has_a_controller() {
        // The queue of a rig decides about all of its merge requests at once.
        let decided_elsewhere = ["MergeRequest"];
        for kind in KINDS {
            let expected = kind.role == Role::Reconciled && !decided_elsewhere.contains(&kind.name);
            let has_one = kinds::CONTROLLERS.iter().any(|controller| controller.is_about(kind));
            assert_eq!(has_one, expected, "{}: add its controller to CONTROLLERS", kind.name);
        }
    }
}
