//! The last witness of what is done: the commits on a rig's own target, each of which names its bead.
//!
//! It speaks where the town has no record of its own: store and ledger are lost, and the same manifests are applied again. The name
//! of a convoy's bead follows from the convoy, its run and the bead, so a commit of that name is of the same work, whichever town
//! landed it. A bead that somebody filed has a name that another may have had: it counts only if it was filed before that commit was
//! handed in. Who wants it done all the same is told how: a convoy is run again under other names.

use gastown_crds::Bead;
use gastown_crds::actor::CONTROLLER;
use gastown_crds::bead::{CloseReason, Closed};

use super::requests;
use crate::objects::created;
use crate::view::View;
use crate::world::{LandedBead, RepoFacts};

/// How a bead is closed that the target of its rig names already, though nothing that is on record here landed it; none where the
/// target does not name it.
pub fn witnessed(bead: &Bead, facts: &RepoFacts, view: &View<'_>) -> Option<Closed> {
    let name = bead.metadata.name.as_ref()?;
    let LandedBead { commit, at } = facts.beads.get(name)?;
    let filed = bead.spec.created_at.or_else(|| bead.spec.created_by.as_ref().map(|_| created(bead)));
    if filed.is_some_and(|filed| filed > *at) || !requests(bead, view).is_empty() {
        return None;
    }
    let message = format!(
        "landed before as {}, which names it; to have it done anew, count up `run` of its convoy, or file another bead",
        commit.short()
    );
    Some(Closed::new(CloseReason::Merged, Some(message), view.now, CONTROLLER))
}
