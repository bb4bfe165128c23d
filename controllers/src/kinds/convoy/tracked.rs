//! The beads that a convoy tracks: those that it names, and of an epic among them its parts and theirs, as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gastown_crds::bead::{PARENTS_MAX, PINNED};
use gastown_crds::convoy::{ConvoySpec, Need};
use gastown_crds::{Bead, Convoy};
use kube::ResourceExt;

use crate::kinds::bead::{convoy_of, epic, upward};
use crate::objects::{Objects, Presence, change};

/// Parts of epics that one convoy follows; a hundred times as many as an epic of Beads has. A convoy of more does not
/// land.
pub const PARTS_MAX: usize = 10_000;

/// The index of convoys.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Index {
    /// Bead to the convoys that name it in `tracks`.
    trackers: BTreeMap<String, BTreeSet<String>>,
    /// Bead to the convoys of which a bead needs it, by the name of its object.
    that_need: BTreeMap<String, BTreeSet<String>>,
    /// Convoy to the convoys of which a bead needs one of its beads.
    that_need_of: BTreeMap<String, BTreeSet<String>>,
}

impl Index {
    /// Takes a convoy in, or out.
    pub(super) fn convoy(&mut self, convoy: &Convoy, presence: Presence) {
        for track in &convoy.spec.tracks {
            change(&mut self.trackers, track.bead.clone(), convoy.name_any(), presence);
        }
        let own = convoy.name_any();
        for need in convoy.spec.beads.iter().flat_map(|bead| &bead.needs) {
            match convoy.spec.need(&own, need) {
                Need::Own(_) => {}
                Need::Of { convoy, bead: _ } => {
                    change(&mut self.that_need_of, convoy.to_owned(), own.clone(), presence);
                }
                Need::Bead(name) => change(&mut self.that_need, name.to_owned(), own.clone(), presence),
            }
        }
    }
}

/// What a convoy tracks.
#[derive(Debug, Default)]
pub struct Tracked<'a> {
    /// The beads that it names, as far as they are there.
    pub named: Vec<&'a Bead>,
    /// The names that no bead has.
    pub missing: Vec<&'a str>,
    /// The parts of epics among them, and theirs; but for records, and what is pinned: it stays open for ever.
    pub parts: Vec<&'a Bead>,
    /// There are more parts than are followed.
    pub is_cut: bool,
}

impl<'a> Tracked<'a> {
    /// Follows what the convoy of this spec tracks: `get` finds a bead by its name, `parts_of` the children of one,
    /// steps left out.
    pub fn of<P: IntoIterator<Item = &'a Bead>>(
        spec: &'a ConvoySpec,
        get: impl Fn(&str) -> Option<&'a Bead>,
        parts_of: impl Fn(&str) -> P,
    ) -> Self {
        let mut tracked = Self::default();
        for track in &spec.tracks {
            match get(&track.bead) {
                Some(bead) => tracked.named.push(bead),
                None => tracked.missing.push(&track.bead),
            }
        }
        let mut seen: BTreeSet<&str> = tracked.named.iter().filter_map(|bead| bead.metadata.name.as_deref()).collect();
        let mut above = tracked.named.clone();
        for _ in 0..PARENTS_MAX {
            let epics = above.iter().filter(|bead| bead.spec.type_.asks_for_parts());
            let parts = epics.flat_map(|epic| parts_of(&epic.name_any()));
            let is_work = |part: &&Bead| !part.spec.type_.is_record() && part.spec.held.as_deref() != Some(PINNED);
            let mut news: Vec<&Bead> = parts.filter(is_work).collect();
            news.retain(|part| part.metadata.name.as_deref().is_some_and(|name| seen.insert(name)));
            let room = PARTS_MAX - tracked.parts.len();
            tracked.is_cut |= news.len() > room;
            news.truncate(room);
            if news.is_empty() {
                break;
            }
            tracked.parts.extend(&news);
            above = news;
        }
        tracked
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &'a Bead> {
        self.named.iter().chain(&self.parts).copied()
    }
}

impl Objects {
    /// What a convoy tracks.
    pub fn tracked<'a>(&'a self, convoy: &'a Convoy) -> Tracked<'a> {
        let get = |name: &str| self.get::<Bead>(name).map(AsRef::as_ref);
        Tracked::of(&convoy.spec, get, |name| self.children_of(name).map(AsRef::as_ref).collect::<Vec<_>>())
    }

    /// The beads that a convoy has made, and those that it tracks.
    pub fn members_of<'a>(&'a self, convoy: &'a Convoy) -> Vec<&'a Bead> {
        let name = convoy.name_any();
        self.beads_of_convoy(&name).map(AsRef::as_ref).chain(self.tracked(convoy).all()).collect()
    }

    /// Whether a convoy names a bead in `tracks`, and so asks for it.
    pub fn is_tracked(&self, bead: &str) -> bool {
        self.named::<Convoy>(self.index::<Convoy>().trackers.get(bead)).any(|convoy| !is_leaving(convoy))
    }

    /// The convoys that track a bead, or an epic that it is a part of.
    pub fn trackers_of(&self, bead: &Bead) -> BTreeSet<&str> {
        let trackers = &self.index::<Convoy>().trackers;
        if trackers.is_empty() || bead.spec.is_step() {
            return BTreeSet::new();
        }
        let names = upward(bead, |bead| epic(bead, self)).map(ResourceExt::name_any);
        names.filter_map(|name| trackers.get(&name)).flatten().map(String::as_str).collect()
    }

    /// The convoys of which a bead needs this one, by the name of its object.
    pub fn convoys_that_need(&self, bead: &str) -> BTreeSet<String> {
        self.index::<Convoy>().that_need.get(bead).cloned().unwrap_or_default()
    }

    /// The convoys of which a bead needs one of this convoy.
    pub fn convoys_that_need_of(&self, convoy: &str) -> BTreeSet<String> {
        self.index::<Convoy>().that_need_of.get(convoy).cloned().unwrap_or_default()
    }

    /// The convoys that a bead belongs to, each of which may hold it: the one that has made it, else those that track
    /// it.
    pub fn convoys_of<'a>(&'a self, bead: &Bead) -> Vec<&'a Arc<Convoy>> {
        if let Some(own) = convoy_of(bead).and_then(|name| self.get::<Convoy>(name)) {
            return vec![own];
        }
        let trackers = self.trackers_of(bead).into_iter().filter_map(|name| self.get::<Convoy>(name));
        trackers.filter(|convoy| !is_leaving(convoy)).collect()
    }
}

/// Of some convoys those that track one of these beads: a bead, and the epics above it.
pub fn trackers<'a>(convoys: impl Iterator<Item = &'a Convoy>, beads: &[String]) -> Vec<&'a Convoy> {
    let tracks = |convoy: &&Convoy| convoy.spec.tracks.iter().any(|track| beads.contains(&track.bead));
    convoys.filter(tracks).filter(|convoy| !is_leaving(convoy)).collect()
}

/// Whether a convoy is being deleted: it asks for nothing any more.
pub(crate) fn is_leaving(convoy: &Convoy) -> bool {
    convoy.metadata.deletion_timestamp.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::tests::assert_index_is_that_of_a_fresh_fold;
    use proptest::prelude::*;
    use serde_json::json;

    fn convoy(name: u8, shape: u8) -> Convoy {
        let tracks: Vec<_> = (0..shape % 4).map(|nth| json!({ "bead": format!("b{}", (shape + nth) % 5) })).collect();
        serde_json::from_value(json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Convoy", "metadata": { "name": format!("c{name}") },
            "spec": { "tracks": tracks, "beads": [
                { "name": "a", "title": "a" },
                { "name": "b", "title": "b", "needs": ["a", format!("b{}", shape % 3), format!("c{}/a", shape % 3)] },
            ] },
        }))
        .unwrap()
    }

    proptest! {
        #[test]
        fn an_index_is_what_a_fold_from_scratch_gives(
            changes in prop::collection::vec((0_u8..4, 0_u8..20, any::<bool>()), 0..40)
        ) {
            let changes = changes.into_iter().map(|(name, shape, gone)| (convoy(name, shape), gone));
            assert_index_is_that_of_a_fresh_fold(changes.collect());
        }
    }
}
