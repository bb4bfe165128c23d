//! What the merge queue does next: replay, verify, land, send back, or wait.
//!
//! [`next`] keeps no state. Batch, bisection and blame are computed anew from two records that never change once made:
//! what a replay gave, and how the tries at verifying a tree ended. Replay is deterministic, so the commits behind a
//! prefix that has just landed keep their ids and trees, and what was learnt about them is still known.
//!
//! # Rules, first match wins
//!
//! 1. The first candidates, up to `batch_max`, are replayed in order. If the very first conflicts, changes nothing or is
//!    lost, that is final. One that is so behind a survivor is left out and judged in a later batch, on a target that may hold
//!    by then what stood before it.
//! 2. The target must be green before anybody is blamed. If its red is confirmed, nobody is charged, and a repair may
//!    pass: each queued candidate is replayed alone onto the target and tried, one at a time in order; the first whose
//!    own tree is green lands. At most two tries each (second tries only once everybody had a first), so a red target
//!    costs at most 2·n verifications of n candidates. Then the target itself may be tried again, at the caller's pace: a
//!    red that came from elsewhere, such as a network that was down, ends with the first green.
//! 3. The longest green prefix of the batch lands at once, whatever is undecided, running or red.
//! 4. A first candidate whose red is confirmed, on a target that is green, is sent back.
//! 5. One verification at a time: while one of the batch runs, the queue waits for it.
//! 6. With no red known, the tip of the whole batch is verified. Else the middle of the shortest red prefix, where one
//!    unconfirmed red is enough; if that is the first candidate alone, it is tried a second time.
//!
//! # How many verifications
//!
//! With *k* bad of *n* candidates in one batch: at most k·(⌈log₂ n⌉ + 2) + 2. The target costs one and the last, green tip
//! one. Each bad candidate costs one red tip, ⌈log₂ n⌉ halvings, and one confirming try: of its two reds the first was
//! already paid as the tip or a halving, since the prefix it ends has the same tree after the prefix before has landed.
//!
//! Invariant: no answer depends on anything but the [`Queue`]. Every step, once done, adds a fact, so a caller that does
//! what it is told comes to [`Step::Idle`] or [`Step::BaseRed`]. A red target, and trees that could not be verified, are
//! tried for ever: the caller's delay bounds how often.

use std::slice;

use crate::seen::Oid;
use jiff::Timestamp;

use crate::world::{Candidate, JobState, Replayed};

mod verdict;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

use verdict::{Again, Target, Tried, Upcoming};
pub use verdict::{Failed, Red};

/// Everything the decision rests on.
pub struct Queue<'a> {
    /// The commit at the tip of the target, as last fetched.
    pub target: &'a Oid,
    /// Its tree.
    pub target_tree: &'a Oid,
    /// The merge requests that wait, in order of creation.
    pub candidates: &'a [Candidate],
    /// How many are taken together; at least one is.
    pub batch_max: usize,
    /// False if the rig declares no checks and allows that: then every tree is green.
    pub verified: bool,
    /// The recorded results of replaying these onto `target`, one for each; none: not replayed yet.
    pub replays: &'a dyn Fn(&[Candidate]) -> Option<Vec<Replayed>>,
    /// The tries at verifying a tree: rounds 1, 2, … without gaps. What follows an absent or running one is not read.
    pub tries: &'a dyn Fn(&Oid) -> Vec<JobState>,
}

/// The next step, and what there is to report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The one thing to do or to wait for.
    pub step: Step,
    /// The target is red, confirmed: whatever the step, nobody is charged.
    pub base_red: Option<Red>,
    /// Reds that a second try refuted, among the trees that were looked at.
    pub flaky: Vec<Flaky>,
}

/// One thing to do or to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing is queued.
    Idle,
    /// Replay these onto the target, in order, and record the result.
    Replay {
        /// What, in order.
        candidates: Vec<Candidate>,
    },
    /// Start this verification.
    Verify {
        /// The commit to check out.
        commit: Oid,
        /// Its tree.
        tree: Oid,
        /// The number of the try, from 1.
        round: u32,
    },
    /// Wait for this verification.
    Running {
        /// The tree.
        tree: Oid,
        /// The number of the try.
        round: u32,
    },
    /// The last try could not run. Start this verification, but not before a delay that grows with `errors`.
    RetryVerify {
        /// The commit to check out.
        commit: Oid,
        /// Its tree.
        tree: Oid,
        /// The number of the try.
        round: u32,
        /// How many tries in a row could not run, at least 1.
        errors: u32,
        /// How the last one ended.
        last: Failed,
    },
    /// Push this green commit to the target.
    Land {
        /// The commit.
        commit: Oid,
        /// The merge requests that land with it, in order: the name of each, and the commit that it becomes.
        merge_requests: Vec<(String, Oid)>,
    },
    /// Send this back.
    Reject {
        /// The merge request's name.
        merge_request: String,
        /// The reason.
        why: Rejection,
    },
    /// The target holds all of this already.
    AlreadyApplied {
        /// The merge request's name.
        merge_request: String,
    },
    /// The target is red and nothing queued repairs it: wait until it moves, or a candidate arrives. After a delay that
    /// grows with `round`, verify it again.
    BaseRed {
        /// The number of the next try at its tree.
        round: u32,
        /// When the one before was over.
        over: Timestamp,
    },
}

/// Why a merge request comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// Red twice with it, green without it.
    Red(Red),
    /// It does not apply onto the target.
    Conflict {
        /// The files.
        files: Vec<String>,
    },
    /// Its commits are not there any more.
    Missing,
}

/// A red verdict that did not hold: the second try was green. It counts as green.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaky {
    /// The tree.
    pub tree: Oid,
    /// The try that was red.
    pub round: u32,
    /// The merge request at whose commit it happened; none: the target itself.
    pub merge_request: Option<String>,
}

/// A candidate that applies, and so the end of a prefix of the batch.
struct Prefix {
    merge_request: String,
    commit: Oid,
    tree: Oid,
    tried: Tried,
}

/// The newest red of the target's own tree, if its tries add up to red.
pub fn red_target(tree: &Oid, tries: &[JobState]) -> Option<Red> {
    match verdict::of_target(tree, tries) {
        Target::Red(red, _) => Some(red),
        Target::Green { .. } | Target::Open(_) => None,
    }
}

/// Decides. Pure and total.
pub fn next(queue: &Queue) -> Decision {
    let mut decision = Decision { step: Step::Idle, base_red: None, flaky: Vec::new() };
    let Some(first) = queue.candidates.first() else { return decision };
    let batch = queue.candidates.get(..queue.batch_max.max(1)).unwrap_or(queue.candidates);
    let Some(replayed) = queue.replayed(batch) else {
        decision.step = Step::Replay { candidates: batch.to_vec() };
        return decision;
    };
    if let Some(step) = judge_alone(first, replayed.first()) {
        decision.step = step;
        return decision;
    }
    decision.step = match queue.tried_target() {
        Target::Green { refuted, since } => {
            decision.flaky.extend(flaky(queue.target_tree, refuted, None));
            let prefixes = queue.prefixes(batch, replayed, since);
            decision.flaky.extend(prefixes.iter().filter_map(Prefix::flaky));
            land_or_narrow(&prefixes)
        }
        Target::Red(red, again) => {
            decision.base_red = Some(red);
            match again {
                Again::Wait { round } => Step::Running { tree: queue.target_tree.clone(), round },
                Again::After { round, over } => {
                    repair(queue, &mut decision.flaky).unwrap_or(Step::BaseRed { round, over })
                }
            }
        }
        Target::Open(upcoming) => attempt(queue.target, queue.target_tree, upcoming),
    };
    decision
}

impl Queue<'_> {
    /// A record that does not fit its inputs is none: it is asked for again.
    fn replayed(&self, candidates: &[Candidate]) -> Option<Vec<Replayed>> {
        (self.replays)(candidates).filter(|results| results.len() == candidates.len())
    }

    fn tried_target(&self) -> Target {
        if !self.verified {
            return Target::Green { refuted: None, since: None };
        }
        verdict::of_target(self.target_tree, &(self.tries)(self.target_tree))
    }

    /// The candidates that replayed cleanly; reds until `since` are not counted.
    fn prefixes(&self, batch: &[Candidate], replayed: Vec<Replayed>, since: Option<Timestamp>) -> Vec<Prefix> {
        let each = batch.iter().zip(replayed);
        each.filter_map(|(candidate, result)| {
            let Replayed::Clean { commit, tree } = result else { return None };
            let tried = if self.verified {
                verdict::of(&tree, &(self.tries)(&tree), since)
            } else {
                Tried::Green { refuted: None }
            };
            Some(Prefix { merge_request: candidate.merge_request.clone(), commit, tree, tried })
        })
        .collect()
    }
}

impl Prefix {
    fn flaky(&self) -> Option<Flaky> {
        let Tried::Green { refuted } = self.tried else { return None };
        flaky(&self.tree, refuted, Some(&self.merge_request))
    }
}

fn flaky(tree: &Oid, refuted: Option<u32>, merge_request: Option<&str>) -> Option<Flaky> {
    Some(Flaky { tree: tree.clone(), round: refuted?, merge_request: merge_request.map(str::to_owned) })
}

/// The step that is final for the first candidate, since nothing stands before it but the target.
fn judge_alone(first: &Candidate, replayed: Option<&Replayed>) -> Option<Step> {
    let merge_request = first.merge_request.clone();
    match replayed? {
        Replayed::Clean { .. } => None,
        Replayed::Conflict { files } => {
            Some(Step::Reject { merge_request, why: Rejection::Conflict { files: files.clone() } })
        }
        Replayed::Empty => Some(Step::AlreadyApplied { merge_request }),
        Replayed::Missing => Some(Step::Reject { merge_request, why: Rejection::Missing }),
    }
}

/// The target is green: land what is green, else make the red part smaller.
fn land_or_narrow(prefixes: &[Prefix]) -> Step {
    if let Some(longest) = prefixes.iter().rposition(|prefix| prefix.tried.is_green()) {
        return land(&prefixes[..=longest]);
    }
    if let Some(Prefix { merge_request, tried: Tried::Red(red), .. }) = prefixes.first() {
        return Step::Reject { merge_request: merge_request.clone(), why: Rejection::Red(red.clone()) };
    }
    if let Some(running) = prefixes.iter().find_map(running) {
        return running;
    }
    let wanted = match prefixes.iter().position(|prefix| prefix.tried.was_red()) {
        None => prefixes.last(),
        // The prefix that ends at index r has length r + 1; half of that, rounded down, ends here.
        Some(red) => prefixes.get(red.saturating_sub(1) / 2),
    };
    match wanted {
        Some(Prefix { commit, tree, tried: Tried::Open { upcoming, .. }, .. }) => {
            attempt(commit, tree, upcoming.clone())
        }
        // The batch starts with a survivor; what is shorter than the shortest red is open.
        Some(_) | None => Step::Idle,
    }
}

/// The target is red: let one candidate pass that makes it green by itself. None: none does.
fn repair(queue: &Queue, refuted: &mut Vec<Flaky>) -> Option<Step> {
    // All are asked for before any is missed: a caller that has to look, looks once.
    let each = queue.candidates.iter().map(slice::from_ref);
    let replayed: Vec<_> = each.map(|only| (only, queue.replayed(only))).collect();
    let mut alone = Vec::new();
    for (only, replayed) in replayed {
        let Some(replayed) = replayed else { return Some(Step::Replay { candidates: only.to_vec() }) };
        alone.extend(queue.prefixes(only, replayed, None));
    }
    if let Some(green) = alone.iter().find(|prefix| prefix.tried.is_green()) {
        refuted.extend(green.flaky());
        return Some(land(slice::from_ref(green)));
    }
    if let Some(running) = alone.iter().find_map(running) {
        return Some(running);
    }
    // First tries, then second ones, then those that could not run: they may have to wait.
    let rank = |tried: &Tried| match tried {
        Tried::Open { upcoming: Upcoming::Retry { .. }, .. } => Some(2),
        Tried::Open { was_red, .. } => Some(u8::from(*was_red)),
        Tried::Green { .. } | Tried::Red(_) => None,
    };
    let ranked = alone.iter().filter_map(|prefix| Some((rank(&prefix.tried)?, prefix)));
    match ranked.min_by_key(|(rank, _)| *rank) {
        Some((_, Prefix { commit, tree, tried: Tried::Open { upcoming, .. }, .. })) => {
            Some(attempt(commit, tree, upcoming.clone()))
        }
        Some(_) | None => None,
    }
}

fn land(prefixes: &[Prefix]) -> Step {
    let Some(tip) = prefixes.last() else { return Step::Idle };
    let merge_requests = prefixes.iter().map(|prefix| (prefix.merge_request.clone(), prefix.commit.clone())).collect();
    Step::Land { commit: tip.commit.clone(), merge_requests }
}

fn running(prefix: &Prefix) -> Option<Step> {
    let Tried::Open { upcoming: Upcoming::Wait { round }, .. } = prefix.tried else { return None };
    Some(Step::Running { tree: prefix.tree.clone(), round })
}

fn attempt(commit: &Oid, tree: &Oid, upcoming: Upcoming) -> Step {
    let (commit, tree) = (commit.clone(), tree.clone());
    match upcoming {
        Upcoming::Start { round } => Step::Verify { commit, tree, round },
        Upcoming::Wait { round } => Step::Running { tree, round },
        Upcoming::Retry { round, errors, last } => Step::RetryVerify { commit, tree, round, errors, last },
    }
}
