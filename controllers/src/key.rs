//! `Key`: what one reconcile is about, a controller and the name of an object; and what the centre needs of a controller.

use std::cmp::Ordering;
use std::fmt;

use gastown_crds::kinds::Kind;

use crate::kinds::CONTROLLERS;
use crate::objects::{Objects, Watched};
use crate::plan::Plan;
use crate::view::View;
use crate::watches::Watches;

/// The order of keys when many are due: work is freed and landed before more is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Cheap, and others wait for it: beads, convoys, definitions.
    Objects,
    /// Decides over many objects, by what the first lane says of each: it runs once that has nothing more to say.
    Settled,
    /// Acts in the world: polecats, repositories, merge queues. What no event reports is looked at again now and then.
    World,
}

/// A controller, as the queue and the engine see it.
pub struct Controller {
    name: &'static str,
    lane: Lane,
    /// The kind whose objects it has a key for each; none: it has one key for the whole town.
    about: Option<About>,
    reconcile: fn(&str, &View<'_>) -> Plan,
    watches: fn(&mut Watches),
}

/// A kind, and whether it has an object of a name.
#[derive(Clone, Copy)]
struct About {
    kind: fn() -> &'static Kind,
    exists: fn(&Objects, &str) -> bool,
}

impl Controller {
    /// A controller with one key for each object of a kind. It looks at an object whenever that changes, and after what it
    /// `watches` beside. `reconcile` gets the object's name: see [`View::with`].
    pub const fn of<K: Watched>(
        name: &'static str,
        lane: Lane,
        reconcile: fn(&str, &View<'_>) -> Plan,
        watches: fn(&mut Watches),
    ) -> Self {
        let about = Some(About { kind: K::row, exists: |objects, name| objects.get::<K>(name).is_some() });
        Self { name, lane, about, reconcile, watches }
    }

    /// A controller with one key for the whole town. It runs once everything is known, and after what it `watches`.
    pub const fn single(
        name: &'static str,
        lane: Lane,
        reconcile: fn(&str, &View<'_>) -> Plan,
        watches: fn(&mut Watches),
    ) -> Self {
        Self { name, lane, about: None, reconcile, watches }
    }

    /// Whether it has a key for each object of this kind.
    pub(crate) fn is_about(&self, kind: &Kind) -> bool {
        self.about.is_some_and(|about| (about.kind)() == kind)
    }

    /// Declares what it watches beside.
    pub(crate) fn declare(&self, watches: &mut Watches) {
        (self.watches)(watches);
    }

    /// The key of an object.
    pub fn key(&'static self, name: impl Into<String>) -> Key {
        debug_assert!(CONTROLLERS.iter().any(|it| std::ptr::eq(*it, self)), "{} is not in CONTROLLERS", self.name);
        Key { controller: self, name: name.into() }
    }

    /// The key of a controller that has but one; none of any other.
    pub fn single_key(&'static self) -> Option<Key> {
        self.about.is_none().then(|| self.key(""))
    }
}

/// A controller and the name of the object that it looks at.
#[derive(Clone)]
pub struct Key {
    controller: &'static Controller,
    name: String,
}

impl Key {
    /// Runs its controller on what is known. An object that is gone wants nothing.
    pub fn reconcile(&self, view: &View<'_>) -> Plan {
        (self.controller.reconcile)(&self.name, view)
    }

    /// Its lane.
    pub fn lane(&self) -> Lane {
        self.controller.lane
    }

    /// Whether the object that it is about is there.
    pub fn exists(&self, objects: &Objects) -> bool {
        self.controller.about.is_none_or(|about| (about.exists)(objects, &self.name))
    }

    /// The name of its controller.
    pub fn controller(&self) -> &'static str {
        self.controller.name
    }

    /// The object that it is about; none: the whole town.
    pub fn object(&self) -> Option<(&'static Kind, &str)> {
        self.controller.about.map(|about| ((about.kind)(), &*self.name))
    }

    /// Where its controller stands among all.
    fn rank(&self) -> Option<usize> {
        CONTROLLERS.iter().position(|controller| self.is_of(controller))
    }

    #[inline]
    fn is_of(&self, controller: &Controller) -> bool {
        std::ptr::eq(self.controller, controller)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.controller.name)?;
        if self.name.is_empty() { Ok(()) } else { write!(f, "/{}", self.name) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Queue, gate and interest are maps by key, and compare keys more than they do anything else.
impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.is_of(other.controller) && self.name == other.name
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_of(other.controller) { self.name.cmp(&other.name) } else { self.rank().cmp(&other.rank()) }
    }
}
