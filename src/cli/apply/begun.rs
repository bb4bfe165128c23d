//! Work that somebody has begun, or that has landed, and of which a convoy now says otherwise: a warning that says what
//! will happen. It is applied all the same.

use gastown_controllers::bead::text_digest;
use gastown_controllers::convoy::{BeadSettings, ConvoySettings, is_withdrawn};
use gastown_crds::bead::BeadState;
use gastown_crds::common::LABEL_BEAD;
use gastown_crds::convoy::OnRemove;
use gastown_crds::manifest::{self, Diagnostic, Manifest};
use gastown_crds::{Bead, ConvoySpec, Rig};
use kube::ResourceExt;

use super::too_late::warning;

/// How far a bead has come.
enum Stage {
    /// This polecat is at work on it.
    Working(String),
    /// This polecat has begun it, and waits with it.
    Waiting(String),
    /// Its branch is in the merge queue.
    Landing,
    /// It has landed, or was closed otherwise.
    Closed,
}

fn stage(bead: &Bead) -> Option<Stage> {
    if bead.spec.closed.is_some() {
        return (!is_withdrawn(bead)).then_some(Stage::Closed);
    }
    match &bead.spec.assignee {
        Some(assignee) if assignee.waiting.is_some() => Some(Stage::Waiting(assignee.polecat.clone())),
        Some(assignee) => Some(Stage::Working(assignee.polecat.clone())),
        None => bead.status.as_ref().is_some_and(|it| it.state == BeadState::Landing).then_some(Stage::Landing),
    }
}

/// A convoy, as its manifest says and as it is stored.
pub struct Change<'a> {
    /// The manifest.
    pub manifest: &'a Manifest,
    /// What it says.
    pub new: &'a ConvoySpec,
    /// What is stored; none: it is new, and may have had a namesake.
    pub old: Option<&'a ConvoySpec>,
}

/// Warnings about what a convoy no longer says of its beads as it did. `rig` reads a rig; while one is missing, nobody knows
/// what is no longer wanted.
pub fn check(change: &Change<'_>, beads: &[Bead], rig: impl Fn(&str) -> Option<Rig>) -> Vec<Diagnostic> {
    let Change { manifest, new, old } = change;
    let wanted = ConvoySettings::of(&manifest.name, new).beads;
    let before = old.map(|old| ConvoySettings::of(&manifest.name, old).beads);
    let named = |bead: &BeadSettings<'_>| Some(bead.object_name(&rig(bead.rig?)?));
    let names: Vec<Option<String>> = wanted.iter().map(named).collect();
    let said_so = |bead: &Bead, digest: &str| {
        let same = |it: &&BeadSettings<'_>| named(it) == Some(bead.name_any());
        let text = |it: &BeadSettings<'_>| text_digest(&it.spec(&bead.spec.rig, Vec::new()));
        before.as_ref().is_some_and(|before| before.iter().find(same).is_some_and(|it| text(it) == digest))
    };
    let mut found = Vec::new();
    let work = || beads.iter().filter(|bead| !bead.spec.is_step());
    for (nth, (settings, name)) in wanted.iter().zip(&names).enumerate() {
        let Some(bead) = work().find(|bead| Some(bead.name_any()) == *name) else { continue };
        let digest = text_digest(&settings.spec(&bead.spec.rig, Vec::new()));
        if digest != text_digest(&bead.spec) && !said_so(bead, &digest) {
            let path = vec!["spec".into(), "beads".into(), nth.into(), "name".into()];
            let told = rewritten(bead, settings.called);
            found.extend(told.map(|(message, hint)| warning("begun", message, manifest, path).hint(hint)));
        }
    }
    let listed = |bead: &Bead| {
        let before = before.as_ref();
        before.is_none_or(|before| before.iter().any(|it| named(it) == Some(bead.name_any())))
    };
    if names.iter().all(Option::is_some) {
        for bead in work().filter(|bead| !names.contains(&Some(bead.name_any())) && listed(bead)) {
            let path = vec!["metadata".into(), "name".into()];
            let told = removed(bead, new.on_remove);
            found.extend(told.map(|(message, hint)| warning("begun", message, manifest, path).hint(hint)));
        }
    }
    found
}

/// What becomes of a bead with a new text, and what else could be said. One that is closed is told of elsewhere.
fn rewritten(bead: &Bead, called: &str) -> Option<(String, &'static str)> {
    let called = manifest::quote(called);
    let another = "a bead of another name is worked on whatever becomes of this one";
    Some(match stage(bead)? {
        Stage::Working(polecat) => (
            format!(
                "{called} has a new text while {polecat} works on it: the agent is told, and what it hands in counts"
            ),
            another,
        ),
        Stage::Landing => (format!("{called} has a new text while it is landing: it lands with the old one"), another),
        Stage::Waiting(polecat) => (
            format!("{called} has a new text: {polecat} begins it anew, and what was made is kept on a rescue ref"),
            "`git for-each-ref refs/gt/rescue` in the rig's clone lists what was kept",
        ),
        Stage::Closed => return None,
    })
}

/// What becomes of a bead that is taken out, and what else could be said.
fn removed(bead: &Bead, on_remove: OnRemove) -> Option<(String, &'static str)> {
    let called = bead.labels().get(LABEL_BEAD).cloned().unwrap_or_else(|| bead.name_any());
    let called = manifest::quote(&called);
    let (cancel, finish) = (
        "`onRemove: Cancel` ends it instead, and keeps what was made on a rescue ref",
        "`onRemove: Finish` lets it be finished instead",
    );
    Some(match (stage(bead)?, on_remove) {
        (Stage::Working(polecat), OnRemove::Finish) => {
            (format!("{called} is taken out while {polecat} works on it: it is finished, and lands"), cancel)
        }
        (Stage::Working(polecat), OnRemove::Cancel) => (
            format!(
                "{called} is taken out while {polecat} works on it: its session is ended, and what was made is kept on a rescue ref"
            ),
            finish,
        ),
        (Stage::Landing, OnRemove::Finish) => (format!("{called} is taken out while it is landing: it lands"), cancel),
        (Stage::Landing, OnRemove::Cancel) => {
            (format!("{called} is taken out while it is landing: it does not land, unless it is being pushed"), finish)
        }
        (Stage::Waiting(polecat), _) => (
            format!(
                "{called} is taken out, and {polecat} had begun it: it is withdrawn, and what was made is kept on a rescue ref"
            ),
            "put back into the convoy, it is begun anew",
        ),
        (Stage::Closed, _) => (
            format!("{called} has landed or was closed: to take it out changes nothing there"),
            "put back into the convoy, it is not done again",
        ),
    })
}
