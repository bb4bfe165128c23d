//! `Rig`: what is wrong with it, and what that blocks.

use std::collections::BTreeSet;

use gastown_controllers::bead::state;
use gastown_crds::common::{Condition, ConditionStatus, condition, types};
use gastown_crds::reason::Reason;
use gastown_crds::rig::WhenCheckedOut;
use gastown_crds::url::redact;
use gastown_crds::{MergeRequest, Polecat, Rig};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{ANY, KindInsight, merge_request, polecat, typed};
use crate::attention::Need;
use crate::open_work::{OpenWork, SESSIONS};
use crate::overview::{DELETING, NOT_SEEN, RigLine};
use crate::related::{Columns, Section};
use crate::text::quoted;
use crate::{Blocker, Snapshot, Subject, conditions};

/// The kind's row.
pub const KIND: KindInsight = KindInsight {
    name: "Rig",
    reads: &["MergeRequest", "Polecat"],
    deletion_reads: &["Bead", "MergeRequest"],
    read: typed::<Rig>,
    ..ANY
};

impl Subject for Rig {
    fn kind(&self) -> &str {
        KIND.name
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn conditions(&self) -> &[Condition] {
        self.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default()
    }

    fn related(&self, snapshot: &Snapshot) -> Vec<Section> {
        let name = self.name_any();
        let open = |request: &&MergeRequest| request.spec.rig == name && !state(request).is_final();
        let here = |polecat: &&Polecat| polecat.spec.rig == name;
        vec![
            merge_request::section("Queue", snapshot.all::<MergeRequest>().filter(open)),
            polecat::section("Polecats", snapshot.all::<Polecat>().filter(here)),
        ]
    }

    fn open_work(&self, snapshot: &Snapshot) -> Option<String> {
        let (object, name) = (self.reference(), self.name_any());
        let open = OpenWork::among(snapshot.work().filter(|bead| bead.spec.rig == name), snapshot)?;
        let landing = if open.landing > 0 { ", and what was handed in is worked again there" } else { "" };
        Some(format!(
            "{object} has open work: {}\n  its polecats go with it: {SESSIONS}; its beads stay open and wait until a rig \
             `{name}` is applied again{landing}",
            open.words()
        ))
    }

    fn next_for(&self, reason: Reason, _: &Snapshot) -> Option<String> {
        let url = &redact(&self.spec.repo.url);
        let follows = self.spec.merge.when_checked_out == WhenCheckedOut::Update;
        Some(match reason {
            Reason::TargetCheckedOut if follows => {
                format!(
                    "commit or stash the changes in {url}, or move what its message names out of the way; it goes on by itself then"
                )
            }
            Reason::TargetCheckedOut => format!(
                "the branch is checked out in {url}. Choose: `merge.whenCheckedOut: Update` lets its files follow, or \
                 check out another branch there"
            ),
            Reason::TargetProtected => {
                "the remote takes no push to this branch: `merge.strategy: Branch`, then merge the branches there"
                    .to_owned()
            }
            Reason::TargetShared => "two rigs land on one branch: `gt delete` one of them".to_owned(),
            Reason::AuthRequired => format!(
                "git needs a key or password, and never asks here: try `git ls-remote {}` until it works without asking",
                quoted(url)
            ),
            Reason::BranchNotFound => "push a first commit to that branch, or name another in `repo.branch`".to_owned(),
            Reason::CloneFailed | Reason::FetchFailed => {
                format!("see that `git ls-remote {}` works; it is tried again by itself", quoted(url))
            }
            Reason::BaseRed => {
                "fix the branch itself, its own tests fail; nobody's work is rejected meanwhile".to_owned()
            }
            Reason::VerifyError => {
                "correct `merge.verify` of the rig and `gt apply -f` it, or fix the branch; nobody's work is rejected"
                    .to_owned()
            }
            _ => return None,
        })
    }

    fn next_when_well(&self) -> String {
        format!("declare work for it: a Convoy with `rig: {}`, then `gt apply -f` it", self.name_any())
    }
}

/// The columns of a section of rigs.
const COLUMNS: Columns = Columns { headings: &["NAME", "READY", "BRANCH", "QUEUE"], words: &[], spare: &[] };

/// A section of rigs.
pub(super) fn section<'a>(title: &'static str, rigs: impl Iterator<Item = &'a Rig>) -> Section {
    let row = |rig: &Rig| {
        let status = rig.status.clone().unwrap_or_default();
        let ready = condition(&status.conditions, types::READY);
        vec![
            rig.name_any().into(),
            ready.map(|ready| ready.reason.clone()).into(),
            status.branch.into(),
            status.queued.to_string().into(),
        ]
    };
    Section::new(title, COLUMNS, rigs.map(row))
}

/// Rigs with trouble that a person has to fix.
pub fn in_trouble(snapshot: &Snapshot, _: &[Need]) -> Vec<Need> {
    let bad = snapshot.all::<Rig>().filter_map(|rig| {
        let bad = for_a_person(rig)?;
        Some(Need::new(format!("rig/{}", rig.name_any()), conditions::words(bad)))
    });
    bad.collect()
}

/// A rig in the overview.
pub fn line(rig: &Rig) -> RigLine {
    let status = rig.status.clone().unwrap_or_default();
    let ready = condition(&status.conditions, types::READY);
    let is_going = rig.metadata.deletion_timestamp.is_some();
    RigLine {
        name: rig.name_any(),
        ready: ready.is_some_and(|ready| ready.status == ConditionStatus::True) && !is_going,
        reason: match ready {
            _ if is_going => DELETING.to_owned(),
            Some(ready) => ready.reason.clone(),
            None => NOT_SEEN.to_owned(),
        },
        base_red: base_red(rig).is_some(),
        branch: status.branch,
        queued: status.queued,
    }
}

/// The reason why a rig is not Ready, in a few words; none if it is.
pub(super) fn not_ready(rig: &Rig) -> Option<String> {
    let conditions = rig.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
    match condition(conditions, types::READY) {
        Some(ready) if ready.status == ConditionStatus::True => None,
        Some(ready) => Some(ready.reason.clone()),
        None => Some(NOT_SEEN.to_owned()),
    }
}

/// Adds what blocks the dispatch of beads in a rig, or with `lands` the landing of branches.
pub(super) fn block(name: &str, lands: bool, snapshot: &Snapshot, found: &mut BTreeSet<Blocker>) {
    let object = format!("rig/{name}");
    let Some(rig) = snapshot.get::<Rig>(name) else { return };
    if rig.spec.suspend {
        let why = "suspended: nothing is dispatched, fetched or landed there".to_owned();
        found.insert(Blocker { object, what: Reason::Suspended.to_string(), why, needs_person: true });
        return;
    }
    let observed = rig.status.as_ref().is_some_and(|it| it.observed_generation == rig.metadata.generation);
    let bad = if lands { trouble(rig) } else { trouble(rig).filter(|bad| bad.type_ == types::READY) };
    // What a person has said of the rig or of the town is a blocker of its own.
    let passes = |bad: &Condition| conditions::is_one_of(bad, &ASKED_FOR) || bad.reason == Reason::Cloning;
    if let Some(bad) = bad.filter(|bad| observed && !passes(bad)) {
        found.insert(Blocker::of(object, bad));
    }
}

/// The condition that keeps work from being dispatched or landed: it is not Ready, or its branch fails its own checks.
fn trouble(rig: &Rig) -> Option<&Condition> {
    let conditions = &rig.status.as_ref()?.conditions;
    let not_ready = condition(conditions, types::READY).filter(|ready| ready.status != ConditionStatus::True);
    not_ready.or_else(|| base_red(rig))
}

/// The condition that its branch fails its own checks.
fn base_red(rig: &Rig) -> Option<&Condition> {
    condition(&rig.status.as_ref()?.conditions, types::BASE_RED).filter(|red| red.status == ConditionStatus::True)
}

/// Reasons of a rig that is as a person asked for.
const ASKED_FOR: [Reason; 4] = [Reason::Suspended, Reason::Paused, Reason::Frozen, Reason::Stopped];

/// The condition that a person has to fix: not a suspension, which a person asked for, nor what is under way.
fn for_a_person(rig: &Rig) -> Option<&Condition> {
    let passes = |found: &Condition| {
        found.status == ConditionStatus::Unknown
            || conditions::is_one_of(found, &ASKED_FOR)
            || found.reason == Reason::Cloning
    };
    trouble(rig).filter(|found| !passes(found)).or_else(|| base_red(rig))
}
