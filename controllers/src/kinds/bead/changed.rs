//! What a convoy says of a bead that is begun already, where that differs: `BeadChanged`, for the agent and for people.
//!
//! Such a bead is left as it was begun until nobody is at work on it: an agent is not given another text half way.

use gastown_crds::common::LABEL_BEAD;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy};
use kube::ResourceExt;

use super::{convoy_of, text_digest};
use crate::kinds::convoy::{ConvoySettings, is_busy};
use crate::view::View;

/// How a convoy has changed its mind about a bead that somebody is at work on, or that is landing.
pub(super) fn changed(bead: &Bead, view: &View<'_>) -> Option<(Reason, String)> {
    let name = convoy_of(bead)?;
    let convoy = view.objects.get::<Convoy>(name)?;
    if !is_busy(bead, view) {
        return None;
    }
    if convoy.metadata.deletion_timestamp.is_some() {
        let message = format!("its convoy `{name}` is being deleted; it is finished and lands all the same");
        return Some((Reason::Removed, message));
    }
    let rig = view.objects.get(&bead.spec.rig)?;
    let settings = ConvoySettings::of(name, &convoy.spec);
    let called = bead.labels().get(LABEL_BEAD)?;
    let is_it = |it: &&crate::kinds::convoy::BeadSettings<'_>| {
        it.called == called && it.rig == Some(bead.spec.rig.as_str()) && it.object_name(rig) == bead.name_any()
    };
    let Some(wanted) = settings.beads.iter().find(is_it) else {
        let message = format!("its convoy `{name}` no longer wants it; it is finished and lands all the same");
        return Some((Reason::Removed, message));
    };
    let wanted = wanted.spec(&bead.spec.rig, Vec::new());
    if text_digest(&wanted) == text_digest(&bead.spec) {
        return None;
    }
    let texts =
        [("title", Some(&wanted.title)), ("command", wanted.command.as_ref()), ("", wanted.description.as_ref())];
    let texts = texts.into_iter().filter_map(|(what, text)| Some((what, text?)));
    let lines = texts.map(|(what, text)| if what.is_empty() { text.clone() } else { format!("{what}: {text}") });
    let lines: Vec<String> = lines.collect();
    let what = format!("its convoy `{name}` has a new text for it; what is handed in is not worked on again");
    Some((Reason::TextChanged, format!("{what}:\n{}", lines.join("\n"))))
}
