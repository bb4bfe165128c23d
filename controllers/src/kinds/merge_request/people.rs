//! What people did with what the town made: merged it, in whole or in part, with an edit or without; deleted its branch; or took
//! the target back after it had landed. None of that is worked again by itself.

use std::collections::BTreeSet;
use std::sync::Arc;

use gastown_crds::common::{is_true, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::reason::Reason;
use gastown_crds::rig::Strategy;
use gastown_crds::{Bead, MergeRequest};
use kube::ResourceExt;

use super::queue::{Landing, is_wanted};
use crate::kinds::bead::state;
use crate::kinds::rig::RigSettings;
use crate::plan::Plan;
use crate::seen::Oid;
use crate::tries::{Tried, tried};
use crate::view::{NotSeen, View};
use crate::world::{Act, AskMerged, Job, Merged, OwnBranch, RepoFacts, exit};

/// The prefix of the branches that the town makes on a remote.
const OWN_PREFIX: &str = "gastown/";
/// Tries at removing a branch. A remote may keep branches from being removed, and one that stays does no harm.
const REMOVALS_MAX: u32 = 5;
/// The message about a branch whose checks contradicted one another.
const FOUND_FLAKY: &str = "found on the target; a check of it was red once and then green, so it is flaky: see the job";

/// The branch of the town's own for a merge request.
pub(super) fn own_branch(request: &MergeRequest) -> String {
    format!("{OWN_PREFIX}{}", request.spec.bead)
}

/// Removes the branches of the town's own whose beads are over, where nobody else has moved them.
pub(super) fn remove_over(
    rig: &RigSettings<'_>,
    facts: &RepoFacts,
    view: &View<'_>,
    plan: &mut Plan,
) -> Result<(), NotSeen> {
    for (branch, OwnBranch { pushed, of: _, there }) in &facts.own {
        let bead = branch.strip_prefix(OWN_PREFIX).and_then(|bead| view.objects.get::<Bead>(bead));
        let is_over = bead.is_none_or(|bead| bead.spec.closed.is_some());
        let is_theirs = there.as_ref().is_some_and(|there| there != pushed);
        if !is_over || is_theirs {
            continue;
        }
        let job = |round| rig.remove_job(branch, pushed, round);
        match tried(view, job)? {
            Tried::Due(Job::RemoveBranch { round, .. }) if round > REMOVALS_MAX => {}
            Tried::Due(job) => plan.act(Act::EnsureJob(job)),
            Tried::Running | Tried::Done(_) => {}
            Tried::Waiting { last, failures, due } => {
                if failures < REMOVALS_MAX {
                    plan.again_at(due);
                }
                if last.is_some_and(|last| last.code == exit::CONTENDED) {
                    is_fetched(rig, &job(failures).key().0, view, plan)?;
                }
            }
        }
    }
    Ok(())
}

/// Fetches once for a cause. Answers whether it is done.
fn is_fetched(rig: &RigSettings<'_>, cause: &str, view: &View<'_>, plan: &mut Plan) -> Result<bool, NotSeen> {
    match tried(view, |round| rig.fetch_job(cause, round))? {
        Tried::Due(job) => plan.act(Act::EnsureJob(job)),
        Tried::Waiting { due, .. } => plan.again_at(due),
        Tried::Running => {}
        Tried::Done(_) => return Ok(true),
    }
    Ok(false)
}

impl Landing<'_> {
    /// Says where a merge request stands that has landed, or that people have dealt with. False: it is the queue's to land.
    pub(super) fn is_dealt_with(
        &mut self,
        request: &MergeRequest,
        facts: &RepoFacts,
        plan: &mut Plan,
    ) -> Result<bool, NotSeen> {
        let name = request.name_any();
        let own = facts.own.get(&own_branch(request)).filter(|own| own.of.as_ref() == Some(&name));
        let made = own.map(|own| own.pushed.clone()).or_else(|| landed(request));
        let left = has_left(request, facts) || is_left(request);
        let merged = self.merged(request, made.as_ref(), left, facts)?;
        if let Merged::All { landed } = &merged {
            self.is_merged(request, facts.landed.get(&name).or(landed.as_ref()).cloned());
        } else if !is_wanted(request, self.view) {
            // The queue keeps its head before it says so.
            return Ok(false);
        } else if left {
            self.says_it_left(request, MergeState::Queued, facts);
        } else if self.rig.strategy == Strategy::Push {
            return Ok(false);
        } else if let Merged::Part { missing, of } = merged {
            let message = format!(
                "the target holds {} of its {of} commits, and not: {}. Merge the rest of `{}`, or close the bead",
                of.saturating_sub(missing.len()),
                missing.join(", "),
                own_branch(request)
            );
            self.set(&name, MergeState::BranchReady, Reason::PartlyMerged, &message, made);
        } else if let Merged::Like { commit } = merged {
            let message = format!(
                "{} on the target looks like an edit of it, and names no merge request: if it is, close the bead with a \
                 reason that begins with `no-changes`; else merge `{}`",
                commit.short(),
                own_branch(request)
            );
            self.set(&name, MergeState::BranchReady, Reason::LooksMerged, &message, made);
        } else if let Some(OwnBranch { pushed, there: None, .. }) = own {
            self.is_deleted(request, pushed, plan)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn is_merged(&mut self, request: &MergeRequest, landed: Option<Oid>) {
        let flaky = request.status.as_ref().is_some_and(|s| s.job.is_some());
        let (reason, message) = match landed {
            Some(_) if flaky => (Reason::Merged, FOUND_FLAKY),
            Some(_) => (Reason::Merged, "found on the target"),
            None => (Reason::AlreadyApplied, "the target already holds its changes"),
        };
        self.set(&request.name_any(), MergeState::Merged, reason, message, landed);
    }

    /// How much of a merge request the target holds. Of what the town pushes itself, the very commit is found there, unless it
    /// has `left` or had.
    fn merged(
        &self,
        request: &MergeRequest,
        made: Option<&Oid>,
        left: bool,
        facts: &RepoFacts,
    ) -> Result<Merged, NotSeen> {
        let name = request.name_any();
        let named = facts.landed.get(&name);
        if named.is_some() && named == made {
            return Ok(Merged::All { landed: made.cloned() });
        }
        let may_be_there = self.rig.strategy == Strategy::Branch || left;
        if named.is_none() && (made.is_none() || !may_be_there) {
            return Ok(Merged::No);
        }
        let asked = AskMerged {
            owner: self.rig.id.clone(),
            branch: self.rig.branch.map(str::to_owned),
            merge_request: name,
            head: Oid(request.spec.head.clone()),
            base: Oid(request.spec.base.clone()),
            made: made.cloned(),
        };
        self.view.merged(&asked).cloned()
    }

    /// The branch that was left for people is not there: that is believed once a fetch that began after the push says so.
    fn is_deleted(&mut self, request: &MergeRequest, pushed: &Oid, plan: &mut Plan) -> Result<(), NotSeen> {
        let (name, branch) = (request.name_any(), own_branch(request));
        if let Some(hold) = &self.held {
            // Nothing is fetched here now. What was said of its branch stays said.
            if state(request) != MergeState::BranchDeleted {
                let (reason, message) = (hold.reason, hold.message.clone());
                self.waits(request, reason, &message);
            }
            return Ok(());
        }
        if is_fetched(self.rig, &format!("deleted-{pushed}"), self.view, plan)? {
            // Another may be handed in for its bead from now on: the head is kept before that is said.
            if state(request) != MergeState::BranchDeleted {
                let (owner, head) = (self.rig.id.clone(), Oid(request.spec.head.clone()));
                plan.act(Act::Archive { owner, name: name.clone(), head });
                if self.view.failed.is_some() {
                    return Ok(());
                }
            }
            let message = format!(
                "`{branch}` was deleted, and its changes are not on the target: close the bead, have it done anew with `gt sling \
                 {}`, or push {} there again",
                request.spec.bead,
                pushed.short()
            );
            self.set(&name, MergeState::BranchDeleted, Reason::BranchDeleted, &message, Some(pushed.clone()));
        } else {
            let message = format!("`{branch}` is not there: the remote is asked again");
            self.set(&name, MergeState::BranchReady, Reason::BranchReady, &message, Some(pushed.clone()));
        }
        Ok(())
    }

    /// Looks at what has landed before and may have left the target, or be back. Answers with those.
    pub(super) fn look_back(&mut self, facts: &RepoFacts) -> Result<Vec<Arc<MergeRequest>>, NotSeen> {
        let rig = &self.rig.id.name;
        let objects = self.view.objects;
        let mut names: BTreeSet<String> = objects.left_target(rig).map(|request| request.name_any()).collect();
        // Looked for among all of them only while something has left.
        if !facts.left.is_empty() {
            let all = objects.all::<MergeRequest>().filter(|request| request.spec.rig == *rig);
            names.extend(all.filter(|request| has_left(request, facts)).map(|request| request.name_any()));
        }
        let mut found = Vec::new();
        for request in names.iter().filter_map(|name| objects.get::<MergeRequest>(name)) {
            if state(request) != MergeState::Merged {
                continue;
            }
            let made = landed(request);
            // What has left is back once it is found: that nobody remembers any more what has left says nothing.
            match self.merged(request, made.as_ref(), true, facts)? {
                Merged::All { .. } => self.is_merged(request, made),
                Merged::No | Merged::Part { .. } | Merged::Like { .. } => {
                    self.says_it_left(request, MergeState::Merged, facts);
                }
            }
            found.push(Arc::clone(request));
        }
        Ok(found)
    }

    fn says_it_left(&mut self, request: &MergeRequest, state: MergeState, facts: &RepoFacts) {
        let (name, landed) = (request.name_any(), landed(request));
        let message = format!(
            "{} is not on `{}` any more, which was reset or pushed over: push it there again, or, if that was meant, \
             `gt delete mr/{name}`",
            landed.as_ref().map_or("its commit", Oid::short),
            facts.branch.as_deref().unwrap_or("the target"),
        );
        self.set(&name, state, Reason::LeftTarget, &message, landed);
    }
}

/// Whether a commit of it was on the target, or was pushed there, and is not any more.
fn has_left(request: &MergeRequest, facts: &RepoFacts) -> bool {
    let name = request.name_any();
    let landed = landed(request);
    facts.left.iter().any(|(commit, of)| of.as_ref() == Some(&name) || Some(commit) == landed.as_ref())
}

/// The commit that it became, or that is left as a branch, by its status.
fn landed(request: &MergeRequest) -> Option<Oid> {
    request.status.as_ref().and_then(|status| status.landed.clone()).map(Oid)
}

/// Whether its status says that it has left the target.
pub(super) fn is_left(request: &MergeRequest) -> bool {
    request.status.as_ref().is_some_and(|status| is_true(&status.conditions, types::LEFT_TARGET))
}
