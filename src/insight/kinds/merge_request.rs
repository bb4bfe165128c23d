//! `MergeRequest`: a branch that was handed in, and what blocks its landing.

use std::collections::BTreeSet;

use gastown_controllers::bead::state;
use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::reason::Reason;
use gastown_crds::{MergeRequest, Rig};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, rig, typed};
use crate::attention::Need;
use crate::conditions::{self, keeps_failing};
use crate::logs::Verification;
use crate::next::is_over;
use crate::related::{Cell, Columns, Section};
use crate::text::plain;
use crate::{Blocker, LogOf, Snapshot, Subject};

/// The kind's row.
pub const KIND: KindInsight = KindInsight {
    name: "MergeRequest",
    reads: &["Rig"],
    log_reads: Some(&["Rig"]),
    read: typed::<MergeRequest>,
    ..ANY
};

impl Subject for MergeRequest {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn reference(&self) -> String {
        format!("mr/{}", self.name_any())
    }

    fn blockers(&self, snapshot: &Snapshot) -> BTreeSet<Blocker> {
        let mut found = BTreeSet::new();
        block(self, snapshot, &mut found);
        found
    }

    fn never(&self, type_: &str) -> Option<String> {
        match state(self) {
            _ if type_ != types::MERGED => None,
            MergeState::Rejected => Some("it is rejected".to_owned()),
            MergeState::Withdrawn => Some("it is withdrawn".to_owned()),
            MergeState::Queued | MergeState::BranchReady | MergeState::BranchDeleted | MergeState::Merged => None,
        }
    }

    fn log(&self, snapshot: &Snapshot) -> Option<LogOf> {
        let status = self.status.clone().unwrap_or_default();
        let merged = condition(&status.conditions, types::MERGED);
        let why = merged.map_or_else(|| "came back".to_owned(), conditions::words);
        let is_over = status.state.is_final();
        let rig = snapshot.get::<Rig>(&self.spec.rig).and_then(ResourceExt::uid);
        Some(LogOf::Verification(Verification {
            job: status.job.filter(|_| is_over),
            kept: status.log.map(|text| (why, text)),
            queue: (!is_over).then(|| rig.unwrap_or_default()),
        }))
    }

    fn next_for(&self, reason: Reason, _: &Snapshot) -> Option<String> {
        let (name, bead) = (self.name_any(), &self.spec.bead);
        Some(match reason {
            Reason::BaseRed => {
                format!("the target's own tests fail: `gt describe rig/{}`", self.spec.rig)
            }
            Reason::PushRefused => {
                "do what its message says about the branch; the push is tried again by itself".to_owned()
            }
            Reason::VerifyError => {
                "the check could not run at all: see its log above; is everything it uses installed?".to_owned()
            }
            Reason::BranchReady => {
                let landed = self.status.as_ref().and_then(|status| status.landed.as_deref()).unwrap_or_default();
                format!("merge `gastown/{bead}` ({}) into the target", landed.get(..9).unwrap_or(landed))
            }
            Reason::PartlyMerged => {
                format!(
                    "merge the rest of `gastown/{bead}` into the target, or `bd close {bead}`; then `gt mr refresh {name}`"
                )
            }
            Reason::LooksMerged => {
                format!(
                    "if the commit that is named above is this work, `bd close {bead} --reason=no-changes`; else \
                     merge `gastown/{bead}`"
                )
            }
            Reason::BranchDeleted => {
                format!("if the work is not wanted, `bd close {bead}`; `gt sling {bead}` has it done anew")
            }
            Reason::LeftTarget => format!(
                "push it to the target again and `gt mr refresh {name}`; if it was meant to go, `gt delete mr/{name}`"
            ),
            Reason::Red => {
                format!("nothing: the work came back to its bead, `gt describe bead/{bead}`; `gt logs mr/{name}`")
            }
            Reason::Conflict => format!("nothing: the work came back to its bead, `gt describe bead/{bead}`"),
            _ => return None,
        })
    }

    fn next_when_well(&self) -> String {
        let step = if is_over(self) { "nothing: it has landed" } else { "nothing: it goes on by itself" };
        step.to_owned()
    }
}

/// The reasons for which a merge request waits for people, whatever its rig is like.
const PEOPLES: [Reason; 5] =
    [Reason::BranchReady, Reason::PartlyMerged, Reason::LooksMerged, Reason::BranchDeleted, Reason::LeftTarget];

/// The columns of a section of merge requests.
const COLUMNS: Columns = Columns {
    headings: &["NAME", "STATE", "REASON", "ATTEMPT", "HEAD", "AGE", "MESSAGE"],
    words: &["MESSAGE"],
    spare: &["HEAD", "AGE", "ATTEMPT"],
};

/// A section of merge requests.
pub(super) fn section<'a>(title: &'static str, requests: impl Iterator<Item = &'a MergeRequest>) -> Section {
    let row = |request: &MergeRequest| {
        let status = request.status.clone().unwrap_or_default();
        let merged = condition(&status.conditions, types::MERGED);
        let created = request.metadata.creation_timestamp.as_ref();
        vec![
            request.name_any().into(),
            status.state.to_string().into(),
            merged.map(|merged| merged.reason.clone()).into(),
            request.spec.attempt.to_string().into(),
            request.spec.head.get(..9).unwrap_or(&request.spec.head).to_owned().into(),
            created.map_or(Cell::Nothing, |created| Cell::Since(created.0)),
            merged.map(|merged| plain(&merged.message)).into(),
        ]
    };
    Section::new(title, COLUMNS, requests.map(row))
}

/// Adds the blockers of a branch that was handed in.
pub(super) fn block(request: &MergeRequest, snapshot: &Snapshot, found: &mut BTreeSet<Blocker>) {
    if state(request).is_final() {
        return;
    }
    let conditions = request.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
    let merged = condition(conditions, types::MERGED);
    let failures = request.status.as_ref().map_or(0, |status| status.consecutive_failures);
    let own = [Reason::VerifyError, Reason::PushRefused];
    let own = [&own[..], &PEOPLES].concat();
    let is_own = |it: &Condition| conditions::is_one_of(it, &own) || keeps_failing(it, failures);
    let blocks = |it: &&Condition| is_own(it) || it.status == ConditionStatus::Unknown;
    let object = format!("mr/{}", request.name_any());
    found.extend(merged.filter(blocks).map(|it| Blocker::of(object, it)));
    // What is left as a branch for people waits for them, whatever its rig is like.
    if merged.is_none_or(|it| !conditions::is_one_of(it, &PEOPLES)) {
        rig::block(&request.spec.rig, true, snapshot, found);
    }
}

/// Queues that do not move: what blocks a rig's queue is said of its first merge request, unless it is said of the rig.
pub fn queues_not_moving(snapshot: &Snapshot, before: &[Need]) -> Vec<Need> {
    let mut rigs: BTreeSet<&str> = before.iter().filter_map(|need| need.object.strip_prefix("rig/")).collect();
    let stuck = snapshot.all::<MergeRequest>().filter_map(|request| {
        let status = request.status.as_ref().filter(|status| !status.state.is_final())?;
        let merged = condition(&status.conditions, types::MERGED)
            .filter(|merged| keeps_failing(merged, status.consecutive_failures))?;
        let is_first = rigs.insert(&request.spec.rig);
        is_first.then(|| Need::new(format!("mergerequest/{}", request.name_any()), conditions::words(merged)))
    });
    stuck.collect()
}

/// Branches that are left for people to merge.
pub fn ready_to_be_merged(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let ready = snapshot.all::<MergeRequest>().filter(|request| state(request) == MergeState::BranchReady);
    let need = |request: &MergeRequest| {
        let merged = condition(request.conditions(), types::MERGED);
        let asked = [Reason::PartlyMerged, Reason::LooksMerged];
        if let Some(partly) = merged.filter(|it| conditions::is_one_of(it, &asked)) {
            return Need::new(format!("mergerequest/{}", request.name_any()), conditions::words(partly));
        }
        let what = format!("branch gastown/{} is ready to be merged in {}", request.spec.bead, request.spec.rig);
        Need::new(format!("mergerequest/{}", request.name_any()), what)
    };
    ready.map(need).collect()
}

/// What had landed and is not on its target any more.
pub fn left_target(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let left = snapshot.all::<MergeRequest>().filter_map(|request| {
        let left =
            condition(request.conditions(), types::LEFT_TARGET).filter(|it| it.status == ConditionStatus::True)?;
        Some(Need::new(format!("mergerequest/{}", request.name_any()), conditions::words(left)))
    });
    left.collect()
}
