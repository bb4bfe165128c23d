//! `Watches`: the changes after which a controller looks again, as each controller declares them for itself.
//!
//! As kube-runtime's `Controller::watches`: a function from a changed object to the names of those to look at. So no kind
//! knows who depends on it, and a new controller edits no other kind.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;

use gastown_crds::kinds::Kind;

use crate::key::{Controller, Key};
use crate::objects::{Change, Objects, Watched};

/// Names those that look again after a change of an object of kind `K`. `Objects` already holds what is new; the change has
/// before and after, so that whoever *loses* something looks again too.
pub type Names<K> = fn(&Change<'_, K>, &Objects, &mut Again<'_>);

/// Takes a controller's declarations: what it watches beside the objects that it is about, which it always does.
pub struct Watches {
    /// The kind that is asked about; declarations about others are left out.
    kind: &'static Kind,
    found: Vec<Box<dyn Any>>,
}

impl Watches {
    /// Watches a kind.
    pub fn on<K: Watched>(&mut self, names: Names<K>) {
        if K::row() == self.kind {
            self.found.push(Box::new(names));
        }
    }
}

/// Takes the names of those that one controller looks at again.
pub struct Again<'a> {
    controller: &'static Controller,
    keys: &'a mut BTreeSet<Key>,
}

impl Again<'_> {
    /// The object of this name.
    pub fn at(&mut self, name: impl Into<String>) {
        self.keys.insert(self.controller.key(name));
    }

    /// The objects of these names.
    pub fn all(&mut self, names: impl IntoIterator<Item = String>) {
        self.keys.extend(names.into_iter().map(|name| self.controller.key(name)));
    }

    /// The one key of a controller that has but one.
    pub fn single(&mut self) {
        self.keys.extend(self.controller.single_key());
    }
}

/// The controllers that watch one kind, each with the function that names those to look at; none: the object itself.
pub(crate) struct Watchers<K: Watched>(Vec<(&'static Controller, Option<Names<K>>)>);

impl<K: Watched> Watchers<K> {
    /// Reads the declarations of all these controllers.
    pub(crate) fn of(controllers: &[&'static Controller]) -> Self {
        let mut found = Vec::new();
        for controller in controllers {
            if controller.is_about(K::row()) {
                found.push((*controller, None));
            }
            let mut watches = Watches { kind: K::row(), found: Vec::new() };
            controller.declare(&mut watches);
            let names = watches.found.into_iter().filter_map(|names| names.downcast::<Names<K>>().ok());
            found.extend(names.map(|names| (*controller, Some(*names))));
        }
        Self(found)
    }

    /// The keys that look again after a change.
    pub(crate) fn keys(&self, change: &Change<'_, K>, objects: &Objects) -> BTreeSet<Key> {
        let mut keys = BTreeSet::new();
        for (controller, names) in &self.0 {
            let mut again = Again { controller, keys: &mut keys };
            match names {
                Some(names) => names(change, objects, &mut again),
                None => again.at(change.name()),
            }
        }
        keys
    }
}

impl<K: Watched> fmt::Debug for Watchers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} watchers", self.0.len())
    }
}
