//! `Bead`: a piece of work, where it is and why, and what blocks it.

mod blockers;

mod overview;

mod related;

use std::collections::BTreeSet;

use gastown_controllers::bead::convoy_of;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadState, BeadType};
use gastown_crds::common::{Condition, condition, types};
use gastown_crds::reason::Reason;
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, polecat, typed};
use crate::next::is_over;
use crate::text::plain;
use crate::{Blocker, LogOf, Section, Snapshot, Subject};

pub use blockers::{explained, is_failed_bead};
pub use overview::{asked, asked_words, failed_too_often, gates, landed, lines, not_as_declared, open};
pub use related::{beads, beads_of_convoy, last_of, missing};

/// The kind's row.
pub const KIND: KindInsight = KindInsight {
    name: "Bead",
    reads: &["Bead", "Convoy", "MergeRequest", "Polecat", "Rig", "Town"],
    log_reads: Some(&[]),
    read: typed::<Bead>,
    ..ANY
};

/// The state of a bead that failed too often, in a few words.
const NEEDS_PERSON: &str = "needs a person";

impl Subject for Bead {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn blockers(&self, snapshot: &Snapshot) -> BTreeSet<Blocker> {
        let mut found = BTreeSet::new();
        if self.spec.type_ != BeadType::Step {
            blockers::follow(self, snapshot, &mut found, &mut BTreeSet::new());
        }
        found
    }

    fn moves(&self, snapshot: &Snapshot) -> bool {
        blockers::moves(self, snapshot)
    }

    fn never(&self, type_: &str) -> Option<String> {
        // What has landed may leave its target yet.
        let may_come = [types::CLOSED, types::LEFT_TARGET].contains(&type_);
        (self.spec.closed.is_some() && !may_come).then(|| "it is closed".to_owned())
    }

    fn related(&self, snapshot: &Snapshot) -> Vec<Section> {
        related::of(self, snapshot)
    }

    fn log(&self, _: &Snapshot) -> Option<LogOf> {
        Some(LogOf::bead(self))
    }

    fn open_work(&self, _: &Snapshot) -> Option<String> {
        let (object, convoy) = (self.reference(), convoy_of(self)?);
        Some(format!(
            "{object} is of convoy/{convoy}, which creates it again: its work is done again, even if it has landed\n  to be rid \
             of it, take it out of the convoy and `gt apply` that"
        ))
    }

    fn next_for(&self, reason: Reason, _: &Snapshot) -> Option<String> {
        let name = self.name_any();
        match reason {
            Reason::BranchDeleted => {
                Some(format!("if the work is not wanted, `bd close {name}`; `gt sling {name}` has it done anew"))
            }
            Reason::LeftTarget => Some(format!(
                "push it to the target again and `gt mr refresh`; if it was meant to go, delete its merge request: `gt describe \
                 bead/{name}` lists it"
            )),
            Reason::TooManyAttempts | Reason::WouldFailAgain => {
                Some(match self.status.as_ref().and_then(|status| status.rework.as_ref()) {
                    Some(rework) => format!(
                        "read why it came back, `gt logs mr/{}`; then `gt sling {name}` tries again, and so does a new text \
                         in its convoy",
                        rework.merge_request
                    ),
                    None => format!(
                        "read the last output, `gt logs bead/{name}`; fix it, then `gt sling {name}` tries again, and so does \
                         a new text in its convoy"
                    ),
                })
            }
            Reason::Asking | Reason::Stuck if self.spec.open_question().is_some() => {
                Some(format!("`gt answer {name} \"...\"`: its session goes on with the answer"))
            }
            Reason::Claimed => Some(format!("`gt logs -f bead/{name}` to read along")),
            // One that waits says what its polecat says.
            _ => self.spec.assignee.as_ref().and_then(|assignee| polecat::next_for(reason, &assignee.polecat)),
        }
    }

    fn next_when_well(&self) -> String {
        let step = if is_over(self) { "nothing: it is closed" } else { "nothing: it goes on by itself" };
        step.to_owned()
    }
}

/// The state of a bead. It is closed as soon as its spec says so; its status follows a moment later.
pub fn state(bead: &Bead) -> BeadState {
    if bead.spec.closed.is_some() {
        return BeadState::Closed;
    }
    bead.status.as_ref().map(|status| status.state).unwrap_or_default()
}

/// The summary of a bead that is set aside: `failed 6 times; needs a person: Say width`.
fn failures(bead: &Bead) -> String {
    let set_aside = condition(bead.conditions(), types::SET_ASIDE);
    if set_aside.is_some_and(|it| it.reason == Reason::BranchDeleted) {
        return format!("its branch was deleted, unmerged; {NEEDS_PERSON}: {}", plain(&bead.spec.title));
    }
    let failures = bead.status.as_ref().map_or(0, |status| status.failures);
    let how = match set_aside {
        Some(it) if it.reason == Reason::WouldFailAgain => "would fail again".to_owned(),
        Some(it) if it.reason == Reason::OutOfMemory => "out of memory twice".to_owned(),
        _ => format!("failed {failures} times"),
    };
    format!("{how}; {NEEDS_PERSON}: {}", plain(&bead.spec.title))
}
