//! What the beads of a convoy need of others: which object each need means, whether it is there, and the way by which
//! one comes back.

use std::collections::BTreeSet;

use gastown_crds::bead::BeadState;
use gastown_crds::common::{LABEL_BEAD, LABEL_CONVOY};
use gastown_crds::convoy::{ConvoySpec, Need};
use gastown_crds::{Bead, Convoy, Rig};
use kube::ResourceExt;

use super::settings::ConvoySettings;
use crate::objects::{Objects, created};

/// Beads that are followed to find the way back to one. Behind as many no circle is looked for: what is on it waits,
/// unexplained.
const FOLLOWED_MAX: usize = 10_000;

/// Most beads of a way that are named.
const SHOWN_MAX: usize = 10;

/// A bead that is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Needed {
    /// The name of its object; none where the convoy that would make it is not there, and has left none.
    pub name: Option<String>,
    /// As people write it.
    pub shown: String,
    /// The convoy that wants it, and its name in that.
    of: Option<(String, String)>,
}

impl Needed {
    /// What a need means in the convoy of this name and spec.
    pub fn of(own: &str, spec: &ConvoySpec, need: &str, objects: &Objects) -> Self {
        match spec.need(own, need) {
            Need::Own(bead) => Self::in_convoy(own, spec, bead, objects),
            Need::Of { convoy, bead } => match objects.get::<Convoy>(convoy) {
                Some(other) => Self::in_convoy(convoy, &other.spec, bead, objects),
                None => Self { name: left_by(convoy, bead, objects), shown: need.to_owned(), of: None },
            },
            Need::Bead(name) => Self { name: Some(name.to_owned()), shown: name.to_owned(), of: None },
        }
    }

    fn in_convoy(convoy: &str, spec: &ConvoySpec, bead: &str, objects: &Objects) -> Self {
        let settings = ConvoySettings::of(convoy, spec).beads.into_iter().find(|it| it.called == bead);
        let made = settings.and_then(|it| Some(it.object_name(objects.get::<Rig>(it.rig?)?)));
        let name = made.or_else(|| left_by(convoy, bead, objects));
        Self { name, shown: format!("{convoy}/{bead}"), of: Some((convoy.to_owned(), bead.to_owned())) }
    }

    /// The bead, if it is there.
    pub fn bead<'a>(&self, objects: &'a Objects) -> Option<&'a Bead> {
        objects.get::<Bead>(self.name.as_deref()?).map(AsRef::as_ref)
    }

    /// What it needs itself: by its own word if it is there, else by that of the convoy that wants it.
    fn needs(&self, objects: &Objects) -> Vec<Self> {
        if let Some(bead) = self.bead(objects) {
            let is_over =
                bead.spec.closed.is_some() || bead.status.as_ref().is_some_and(|it| it.state == BeadState::Landing);
            let needs = bead.spec.needs.iter().filter(|_| !is_over);
            return needs
                .map(|need| Self { name: Some(need.clone()), shown: shown(need, objects), of: None })
                .collect();
        }
        let Some((own, called)) = &self.of else { return Vec::new() };
        let Some(convoy) = objects.get::<Convoy>(own) else { return Vec::new() };
        let needs = convoy.spec.bead(called).map(|bead| &bead.needs[..]).unwrap_or_default();
        needs.iter().map(|need| Self::of(own, &convoy.spec, need, objects)).collect()
    }
}

/// The way from what a bead needs back to the bead, of this object's name: `c/a → d/b → c/a`. None if there is none.
pub(super) fn way_back(from: &str, (name, needed): (&str, &[Needed]), objects: &Objects) -> Option<String> {
    let mut seen: BTreeSet<String> = BTreeSet::new();
    // Each with the way to it.
    let mut todo: Vec<(Needed, Vec<String>)> = needed.iter().map(|it| (it.clone(), vec![from.to_owned()])).collect();
    while let Some((next, mut way)) = todo.pop() {
        if next.name.as_deref() == Some(name) {
            way.push(from.to_owned());
            return Some(words(way));
        }
        way.push(next.shown.clone());
        let key = next.name.clone().unwrap_or_else(|| next.shown.clone());
        if seen.len() >= FOLLOWED_MAX || !seen.insert(key) {
            continue;
        }
        todo.extend(next.needs(objects).into_iter().map(|it| (it, way.clone())));
    }
    None
}

fn words(mut way: Vec<String>) -> String {
    if way.len() > SHOWN_MAX + 1 {
        let last = way.pop();
        way.truncate(SHOWN_MAX);
        way.push("…".to_owned());
        way.extend(last);
    }
    way.join(" → ")
}

/// A bead as people write it: as its convoy calls it, else by the name of its object.
fn shown(name: &str, objects: &Objects) -> String {
    let bead = objects.get::<Bead>(name);
    let labels = bead.and_then(|bead| Some((bead.labels().get(LABEL_CONVOY)?, bead.labels().get(LABEL_BEAD)?)));
    labels.map_or_else(|| name.to_owned(), |(convoy, called)| format!("{convoy}/{called}"))
}

/// The newest bead that a convoy has made by this name, and that has outlived it.
fn left_by(convoy: &str, called: &str, objects: &Objects) -> Option<String> {
    newest(called, objects.beads_of_convoy(convoy).map(AsRef::as_ref)).map(ResourceExt::name_any)
}

/// Of beads that one convoy has made, the newest that it calls so.
pub fn newest<'a>(called: &str, made: impl Iterator<Item = &'a Bead>) -> Option<&'a Bead> {
    made.filter(|bead| bead.labels().get(LABEL_BEAD).is_some_and(|it| it == called))
        .max_by_key(|bead| (created(*bead), bead.name_any()))
}
