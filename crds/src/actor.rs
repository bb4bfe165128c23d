//! `Actor`: the name under which somebody acts, in requests, in a bead's `closed.by` and in an agent's environment.
//!
//! The forms are Gas Town's addresses: `<rig>/polecats/<name>`, `<rig>/crew/<name>`, `<rig>/witness`, `mayor`. Every other
//! name is a person's; `gt` is the controllers' own.

use std::fmt;

use crate::names;

/// The name under which controllers act.
pub const CONTROLLER: &str = "gt";

/// Roles of a town whose sessions are agents.
const TOWN_ROLES: [&str; 2] = ["mayor", "deacon"];
/// Roles of a rig, and the groups that its agents' addresses name.
const RIG_ROLES: [&str; 4] = ["witness", "refinery", "crew", "polecats"];

/// Somebody who acts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// An agent that works on beads.
    Polecat(Worker),
    /// Any other agent, by its address: `mayor`, `shop/crew/kim`.
    Role(String),
    /// A person, or a controller.
    Person(String),
}

/// A polecat, by its rig and its name within the rig.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Worker {
    /// The Rig's name.
    pub rig: String,
    /// The polecat's name within its rig.
    pub name: String,
}

impl Worker {
    /// A worker of a rig.
    pub fn new(rig: impl Into<String>, name: impl Into<String>) -> Self {
        Self { rig: rig.into(), name: name.into() }
    }

    /// Reads `<rig>/polecats/<name>`; none if the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (rig, name) = text.split_once("/polecats/")?;
        (names::is_label(rig) && names::is_label(name)).then(|| Self::new(rig, name))
    }

    /// The worker whose Polecat object has this name, in a rig; none if the object is of another rig.
    pub fn of_object(rig: &str, object: &str) -> Option<Self> {
        let name = object.strip_prefix(rig)?.strip_prefix('-')?;
        Some(Self::new(rig, name))
    }

    /// The name of its Polecat object.
    pub fn object(&self) -> String {
        names::polecat(&self.rig, &self.name)
    }
}

impl fmt::Display for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/polecats/{}", self.rig, self.name)
    }
}

impl Actor {
    /// Reads a name. One that has the form of an agent's address and is not a polecat's is a role's, so that nobody who
    /// acts under such a name is taken for a person.
    pub fn parse(text: &str) -> Self {
        if let Some(worker) = Worker::parse(text) {
            return Self::Polecat(worker);
        }
        let mut parts = text.split('/');
        let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if TOWN_ROLES.contains(&first) || RIG_ROLES.contains(&second) {
            return Self::Role(text.to_owned());
        }
        Self::Person(text.to_owned())
    }

    /// Whether it is an agent of any role.
    pub fn is_agent(&self) -> bool {
        !matches!(self, Self::Person(_))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Polecat(worker) => worker.fmt(f),
            Self::Role(name) | Self::Person(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_read_as_it_is_written() {
        for text in ["shop/polecats/nux", "mayor", "shop/crew/kim", "shop/witness", "kim", "gt", ""] {
            assert_eq!(Actor::parse(text).to_string(), text);
        }
    }

    #[test]
    fn whatever_has_the_form_of_an_agent_is_no_person() {
        for agent in ["shop/polecats/nux", "mayor", "mayor/", "shop/witness", "shop/crew/kim", "a/polecats/../b"] {
            assert!(Actor::parse(agent).is_agent(), "{agent}");
        }
        for person in ["kim", "gt", "kim@example.org", "team/kim", ""] {
            assert!(!Actor::parse(person).is_agent(), "{person}");
        }
    }

    #[test]
    fn a_worker_and_its_object_name_each_other() {
        let worker = Worker::new("shop", "nux");
        assert_eq!(worker.object(), "shop-nux");
        assert_eq!(Worker::of_object("shop", "shop-nux"), Some(worker));
        assert_eq!(Worker::of_object("shop", "site-nux"), None);
    }
}
