//! Competitions: several beads of a convoy that are attempts at the same thing. The first that lands wins.

use gastown_crds::bead::CloseReason;
use gastown_crds::common::LABEL_BEAD;
use gastown_crds::{Bead, Convoy, Rig};
use kube::ResourceExt;

use super::settings::ConvoySettings;
use crate::kinds::bead::convoy_of;
use crate::objects::Objects;

/// The other attempts at the same thing as a bead, as far as they are made.
pub(crate) fn rivals<'a>(bead: &Bead, objects: &'a Objects) -> Vec<&'a Bead> {
    let Some((name, called)) = convoy_of(bead).zip(bead.labels().get(LABEL_BEAD)) else { return Vec::new() };
    let Some(convoy) = objects.get::<Convoy>(name) else { return Vec::new() };
    let rivals: Vec<&str> = convoy.spec.rivals(called).map(|rival| rival.name.as_str()).collect();
    if rivals.is_empty() {
        return Vec::new();
    }
    let settings = ConvoySettings::of(name, &convoy.spec).beads.into_iter();
    let names = settings
        .filter(|it| rivals.contains(&it.called))
        .filter_map(|it| Some(it.object_name(objects.get::<Rig>(it.rig?)?)));
    names.filter_map(|name| objects.get::<Bead>(&name)).map(AsRef::as_ref).collect()
}

/// Whether an attempt has won: it has landed.
pub(crate) fn has_won(bead: &Bead) -> bool {
    bead.spec.closed.as_ref().is_some_and(|closed| closed.reason == CloseReason::Merged)
}
