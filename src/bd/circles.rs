//! Circles of beads: that wait for each other, so that none can be taken up, or that are parts of each other.
//!
//! A bead waits for what it needs, for what it runs after the failure of, and, if it is a gate, for the bead that the gate awaits. Closed
//! beads wait for nothing. `waits-for` is no such tie: it names a bead whose parts are waited for.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_beads::slim::Slim;
use gastown_crds::bead::{CONDITIONAL_BLOCKS, Gate, Link};
use gastown_crds::{Bead, graph};
use kube::ResourceExt as _;

use super::scan::{Query, scan};

/// How the beads of a circle are tied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// Each waits for the next one.
    Waits,
    /// Each is a part of the next one.
    Part,
}

/// A circle: the names of the beads on it, from the smallest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circle {
    /// How they are tied.
    pub tie: Tie,
    /// The names.
    pub names: Vec<String>,
}

impl Circle {
    /// What is wrong, in words: `called` is what a bead is called, `place` where it stands, so that the path begins with the first one.
    pub fn message<K: Ord>(&self, place: impl Fn(&str) -> K, called: impl Fn(&str) -> String) -> String {
        let path = graph::from_first(self.names.iter().collect(), |name| place(name));
        let path: Vec<String> = path.into_iter().map(|name| called(name)).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let what = match self.tie {
            Tie::Waits => "beads would wait for each other in a circle",
            Tie::Part => "beads would be parts of each other in a circle",
        };
        format!("{what}: {}", graph::shown(&path))
    }

    /// The path, with how the beads are tied where they do not wait for each other.
    pub fn shown(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        let how = if self.tie == Tie::Part { "  [parent-child]" } else { "" };
        graph::shown(&names) + how
    }
}

/// What a bead waits for.
pub fn waits<'a>(needs: &'a [String], links: &'a [Link], gate: Option<&'a Gate>) -> impl Iterator<Item = &'a String> {
    let links = links.iter().filter(|link| link.type_ == CONDITIONAL_BLOCKS).map(|link| &link.to);
    needs.iter().chain(links).chain(gate.and_then(Gate::awaited_bead))
}

/// The ties of beads that could go in a circle, by the names of the beads.
#[derive(Debug, Default)]
pub struct Ties {
    /// Of each open bead: what it waits for, but as a gate.
    waits: BTreeMap<String, Vec<String>>,
    /// Of each gate: the bead that it awaits.
    awaits: BTreeMap<String, String>,
    /// Of each bead: what it is a part of.
    parents: BTreeMap<String, Vec<String>>,
}

impl Ties {
    /// The ties of all the town's beads.
    pub async fn of_town(context: &Context) -> Result<Self, Error> {
        let mut ties = Self::default();
        scan(context, &Query::default(), |slim| {
            ties.put_slim(&slim);
            Ok(ControlFlow::Continue(()))
        })
        .await?;
        Ok(ties)
    }

    /// Puts in the ties of a bead that was listed.
    pub fn put_slim(&mut self, bead: &Slim) {
        let spec = &bead.spec;
        if spec.closed.is_none() {
            let waits = waits(&spec.needs, &spec.links, None);
            self.waits.insert(bead.metadata.name.clone(), waits.cloned().collect());
            self.put_gate(&bead.metadata.name, spec.gate.as_ref());
        }
        self.parents.insert(bead.metadata.name.clone(), spec.parent.iter().cloned().collect());
    }

    /// Puts in the ties of a bead, beside those that it has already; of a gate, what it awaits in place of that. One that is closed
    /// here stays so.
    pub fn add(&mut self, bead: &Bead) {
        let (name, spec) = (bead.name_any(), &bead.spec);
        let is_closed = self.parents.contains_key(&name) && !self.waits.contains_key(&name);
        if spec.closed.is_some() {
            self.waits.remove(&name);
        } else if !is_closed {
            let waits = waits(&spec.needs, &spec.links, None);
            self.waits.entry(name.clone()).or_default().extend(waits.cloned());
            self.put_gate(&name, spec.gate.as_ref());
        }
        let parents = self.parents.entry(name).or_default();
        if let Some(parent) = &spec.parent {
            *parents = vec![parent.clone()];
        }
    }

    fn put_gate(&mut self, name: &str, gate: Option<&Gate>) {
        if let Some(gate) = gate {
            self.awaits.remove(name);
            self.awaits.extend(gate.awaited_bead().map(|awaited| (name.to_owned(), awaited.clone())));
        }
    }

    /// Has a bead wait for another one.
    pub fn wait(&mut self, name: &str, on: &str) {
        if let Some(waits) = self.waits.get_mut(name) {
            waits.push(on.to_owned());
        }
    }

    /// Makes a bead a part of another one.
    pub fn part(&mut self, name: &str, parent: &str) {
        self.parents.insert(name.to_owned(), vec![parent.to_owned()]);
    }

    /// The circles.
    pub fn circles(&self) -> Vec<Circle> {
        let of = |ties: &BTreeMap<String, Vec<String>>, more: &BTreeMap<String, String>, tie: Tie| -> Vec<Circle> {
            let needs: graph::Needs<'_> = ties
                .iter()
                .map(|(name, all)| (name.as_str(), all.iter().chain(more.get(name)).map(String::as_str).collect()))
                .collect();
            let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
            graph::cycles(&needs).into_iter().map(|names| Circle { tie, names: owned(names) }).collect()
        };
        let mut circles = of(&self.waits, &self.awaits, Tie::Waits);
        circles.extend(of(&self.parents, &BTreeMap::new(), Tie::Part));
        circles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn bead(name: &str, spec: &Value) -> Bead {
        let mut all = json!({ "title": name, "rig": "shop" });
        all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        from_value(
            json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Bead", "metadata": { "name": name }, "spec": all }),
        )
        .unwrap()
    }

    fn found(beads: &[Bead]) -> Vec<String> {
        let mut ties = Ties::default();
        for bead in beads {
            ties.add(bead);
        }
        ties.circles().iter().map(Circle::shown).collect()
    }

    #[test]
    fn circles_go_through_needs_conditions_gates_and_parents() {
        let when = |to: &str| json!({ "links": [{ "to": to, "type": "conditional-blocks" }] });
        let gate = |on: &str| json!({ "type": "Gate", "gate": { "type": "Bead", "awaitId": on } });
        let needs = |on: &str| json!({ "needs": [on] });
        assert_eq!(found(&[bead("a", &when("b")), bead("b", &needs("a"))]), ["a → b → a"]);
        // Each waits for a gate that awaits the other.
        let crosswise =
            [bead("a", &needs("ga")), bead("b", &needs("gb")), bead("ga", &gate("b")), bead("gb", &gate("a"))];
        assert_eq!(found(&crosswise), ["a → ga → b → gb → a"]);
        let parts = [bead("a", &json!({ "parent": "b" })), bead("b", &json!({ "parent": "a" }))];
        assert_eq!(found(&parts), ["a → b → a  [parent-child]"]);
        let related = json!({ "links": [{ "to": "b", "type": "related" }, { "to": "b", "type": "waits-for" }] });
        assert_eq!(found(&[bead("a", &related), bead("b", &needs("a"))]), [""; 0]);
    }

    #[test]
    fn what_is_closed_waits_for_nothing() {
        let closed =
            json!({ "needs": ["a"], "closed": { "reason": "Done", "at": "2026-01-01T00:00:00Z", "by": "kim" } });
        assert_eq!(found(&[bead("a", &json!({ "needs": ["b"] })), bead("b", &closed)]), [""; 0]);
        // Here it is closed, whatever a line says of it.
        let mut ties = Ties::default();
        ties.put_slim(&Slim::of(&bead("b", &closed)).unwrap());
        ties.add(&bead("b", &json!({ "needs": ["a"] })));
        ties.add(&bead("a", &json!({ "needs": ["b"] })));
        assert_eq!(ties.circles(), []);
    }

    #[test]
    fn a_circle_is_told_from_the_first_of_the_file_on() {
        let circle = Circle { tie: Tie::Part, names: vec!["a".into(), "b".into(), "c".into()] };
        let place = |name: &str| ["c", "a", "b"].iter().position(|it| *it == name);
        let told = circle.message(place, str::to_uppercase);
        assert_eq!(told, "beads would be parts of each other in a circle: C → A → B → C");
    }
}
