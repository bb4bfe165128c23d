//! What does not land, or not now: branches whose beads were closed otherwise, and what a person holds. A push that was begun
//! before is seen to its end all the same.

use gastown_crds::merge_request::MergeState;
use gastown_crds::overrides::Mode;
use gastown_crds::reason::Reason;
use gastown_crds::rig::Strategy;
use gastown_crds::{Bead, MergeRequest};

use kube::ResourceExt;

use super::queue::{Landing, Looked, WITHDRAWN, is_wanted, may_have_moved};
use crate::holds::{Hold, PartOf};
use crate::kinds::bead::{is_landing, requests, state};
use crate::kinds::convoy::{has_won, rivals};
use crate::objects::created;
use crate::plan::Plan;
use crate::seen::Oid;
use crate::view::NotSeen;
use crate::world::{Act, Candidate, JobState, RepoFacts};

/// How often the head of a withdrawn branch is tried to be kept.
const ARCHIVE_TRIES_MAX: u32 = 3;

/// Why a merge request does not land.
pub(super) enum Stays {
    /// Its bead was closed otherwise.
    Over,
    /// A person keeps it from landing for now.
    Held(Hold),
}

impl Landing<'_> {
    /// Why a merge request may not land, or not now.
    pub(super) fn stays(&self, request: &MergeRequest) -> Option<Stays> {
        if !is_wanted(request, self.view) {
            return Some(Stays::Over);
        }
        let hold = self.held.clone().or_else(|| self.own_hold(request)).or_else(|| self.behind_rival(request));
        hold.map(Stays::Held)
    }

    /// What keeps an attempt from landing while another at the same thing may: of those that are handed in, the first
    /// goes first.
    fn behind_rival(&self, request: &MergeRequest) -> Option<Hold> {
        let objects = self.view.objects;
        let bead = objects.get::<Bead>(&request.spec.bead)?;
        let before = (created(request), request.name_any());
        let message = rivals(bead, objects).into_iter().find_map(|rival| {
            let name = rival.name_any();
            let newest = requests(rival, self.view).last().copied();
            if has_won(rival) || newest.is_some_and(|newest| state(newest) == MergeState::Merged) {
                return Some(format!("{name} has landed, an attempt at the same thing: this one is withdrawn"));
            }
            let first = newest.filter(|it| is_landing(it) && (created(it.as_ref()), it.name_any()) < before)?;
            let hold = PartOf::of_bead(rival, self.view).hold(self.view.now);
            let is_held = hold.is_some_and(|hold| !hold.mode.may_land());
            (!is_held).then(|| {
                format!("waits for {}, an attempt at the same thing that was handed in before", first.name_any())
            })
        })?;
        Some(Hold { mode: Mode::Paused, reason: Reason::Queued, message })
    }

    /// What keeps this one from landing, whatever its rig.
    fn own_hold(&self, request: &MergeRequest) -> Option<Hold> {
        let bead = self.view.objects.get::<Bead>(&request.spec.bead)?;
        let own = PartOf { rig: None, ..PartOf::of_bead(bead, self.view) };
        own.hold(self.view.now).filter(|hold| !hold.mode.may_land())
    }

    /// A push that was begun is followed to its end, whoever is held, withdrawn or handed in since: the target may have moved.
    /// Answers whether there is one.
    pub(super) fn finish(
        &mut self,
        go: &[Candidate],
        stay: &[(Candidate, Stays)],
        facts: &RepoFacts,
        plan: &mut Plan,
    ) -> Result<bool, NotSeen> {
        // A branch of the town's own is no target.
        let Some(branch) = facts.branch.as_deref().filter(|_| self.rig.strategy == Strategy::Push) else {
            return Ok(false);
        };
        // Said before a push is begun, and until it is known what it came to.
        let all = go.iter().chain(stay.iter().map(|(candidate, _)| candidate));
        let status =
            |name: &str| self.view.objects.get::<MergeRequest>(name).and_then(|request| request.status.as_ref());
        let pushed = |of: &Candidate| Some((of.merge_request.clone(), Oid(status(&of.merge_request)?.landed.clone()?)));
        let landing: Vec<(String, Oid)> = all.clone().filter_map(pushed).collect();
        let Some((_, to)) = landing.first() else { return Ok(false) };
        let track = self.rig.push_job(branch, None, to, false, 1).track();
        let looked = match self.view.newest(&track)? {
            Some((_, JobState::Running)) => Looked::NotYet,
            Some((push, state)) if may_have_moved(state) => self.look_again(push, plan)?,
            _ => Looked::Done,
        };
        if matches!(looked, Looked::Done) {
            return Ok(false);
        }
        for candidate in all {
            self.set(&candidate.merge_request, MergeState::Queued, Reason::Queued, "", None);
        }
        self.set_all(&landing, MergeState::Queued, Reason::Pushing, "verified");
        self.not_seen(&landing, "its push", looked);
        Ok(true)
    }

    /// Says of one that does not land why it does not.
    pub(super) fn stay(&mut self, candidate: &Candidate, why: Stays, plan: &mut Plan) {
        let name = &candidate.merge_request;
        match why {
            // A branch that is left for people is there, whatever is held here.
            Stays::Held(hold) if self.rig.strategy == Strategy::Branch => {
                if let Some(request) = self.view.objects.get::<MergeRequest>(name) {
                    self.waits(request, hold.reason, &hold.message);
                }
            }
            Stays::Held(hold) => self.set(name, MergeState::Queued, hold.reason, &hold.message, None),
            Stays::Over => {
                // Kept before it is said: its bead may be made anew, on the same branch. What cannot be kept may not be
                // there any more (was the rig made anew?), and holds nobody up for long.
                let failed = self.view.failed.map_or(0, |failure| failure.count);
                if failed < ARCHIVE_TRIES_MAX {
                    let (owner, head) = (self.rig.id.clone(), candidate.head.clone());
                    plan.act(Act::Archive { owner, name: name.clone(), head });
                }
                if failed == 0 || failed >= ARCHIVE_TRIES_MAX {
                    self.set(name, MergeState::Withdrawn, Reason::Withdrawn, WITHDRAWN, None);
                }
            }
        }
    }
}
