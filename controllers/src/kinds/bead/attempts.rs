//! What was tried of a bead: its attempts and hand-ins, which of them failed, and why its branch came back.

use std::sync::Arc;

use gastown_crds::bead::{BeadSpec, Rework, ReworkKind};
use gastown_crds::common::{condition, types};
use gastown_crds::merge_request::MergeState;
use gastown_crds::polecat::ActivityState;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, MergeRequest, names};
use kube::ResourceExt;

use super::handoffs::got_nowhere;
use crate::view::View;
use crate::world::{Attempt, AttemptEnd, AttemptState, OutOfMemory, exit};

/// How many attempts at a text the machine's shortage of memory may end without a charge.
const MACHINE_KILLS_MAX: u32 = 3;

/// A digest of what people wrote, and of how often they had it tried anew: attempts at an older text do not count against a
/// newer one.
pub fn work_digest(spec: &BeadSpec) -> String {
    match spec.retry {
        None => text_digest(spec),
        Some(retry) => names::digest(&["again", &text_digest(spec), &retry.to_string()]),
    }
}

/// A digest of what people wrote.
pub fn text_digest(spec: &BeadSpec) -> String {
    let text = serde_json::json!([spec.title, spec.description, spec.command, spec.formula, spec.vars]);
    names::digest(&["work", &text.to_string()])
}

/// How often a bead has failed since its text last changed: sessions that ended by themselves without handing in, and
/// branches that came back. What its model's provider refused is not charged, nor is an attempt that did not begin or ended in
/// a question, or that did its part of the steps, `next` being the Runtime of the next attempt. One that handed off is charged
/// only where it and those before it got nowhere ([`got_nowhere`]). Reboots, lost tmux servers and sessions that we ended are not
/// charged. Nor are the first
/// [`MACHINE_KILLS_MAX`] that were killed because the machine was out of memory: more than that, and the work itself may be what
/// uses it up. All that reached their own limit count as one; [`starved`] is their bound.
pub fn failures(spec: &BeadSpec, attempts: &[Attempt], requests: &[&Arc<MergeRequest>], next: &str) -> u32 {
    if attempts.is_empty() {
        return 0;
    }
    let work = work_digest(spec);
    let (mut reached_limit, mut by_machine) = (false, 0);
    let failed =
        |(at, run): &(usize, &Attempt)| match (requests.iter().find(|r| r.spec.attempt == run.attempt), &run.state) {
            (Some(request), _) => came_back(request),
            (None, _) if left_well(spec, run) || did_its_part(attempts, *at, next) => false,
            (None, state) if spec.handoff_of(run.attempt).is_some() => matches!(state, AttemptState::Ended(_)),
            (None, AttemptState::Ended(end)) if end.own && !is_refused_by_provider(end) && !did_not_begin(end) => {
                match end.out_of_memory {
                    None => true,
                    Some(OutOfMemory::Machine) => {
                        by_machine += 1;
                        by_machine > MACHINE_KILLS_MAX
                    }
                    Some(OutOfMemory::Limit(_)) => !std::mem::replace(&mut reached_limit, true),
                }
            }
            (None, _) => false,
        };
    let count = attempts.iter().enumerate().filter(|(_, run)| run.work == work).filter(failed).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How long a program that reports may have run, in seconds, for its end without a report to say that it did not begin: where its
/// hooks are switched off, it may have worked for longer.
const BEGIN_S_MAX: i64 = 60;

/// Whether a program that reports ended by itself before it has, and not well: it refuses to run here, or wants to be set up.
pub fn did_not_begin(end: &AttemptEnd) -> bool {
    let starting = end.activity.as_ref().filter(|activity| activity.state == ActivityState::Starting);
    end.own && end.code != 0 && starting.is_some_and(|it| end.at.as_second() - it.since.as_second() < BEGIN_S_MAX)
}

/// Whether an attempt ended well, or was ended, and the one after it is of another Runtime, which `next` is for the last: it did
/// its part of the steps. That is bounded by how many steps there are.
pub fn did_its_part(attempts: &[Attempt], at: usize, next: &str) -> bool {
    let Attempt { runtime: Some(runtime), state: AttemptState::Ended(end), .. } = &attempts[at] else { return false };
    let after = attempts.get(at + 1).map_or(Some(next), |run| run.runtime.as_deref());
    (end.code == 0 || !end.own) && after.is_some_and(|after| after != runtime)
}

/// Whether an attempt left its work for a reason that is no failure: it has asked people something, or handed off and got somewhere.
pub fn left_well(spec: &BeadSpec, run: &Attempt) -> bool {
    asked(spec, run) || (spec.handoff_of(run.attempt).is_some() && !got_nowhere(spec, run))
}

/// Whether an attempt has asked people something.
pub fn asked(spec: &BeadSpec, run: &Attempt) -> bool {
    spec.questions.iter().any(|question| question.attempt == run.attempt)
}

/// Whether its model's provider refused it at last: it could not do anything.
pub fn is_refused_by_provider(end: &AttemptEnd) -> bool {
    end.activity.as_ref().is_some_and(|activity| activity.state.is_refused())
}

/// The last attempt and the limit that it reached, if it and the one before it were both killed at a memory limit no lower
/// than the present one: another would end the same way. The first was told so, and could do with less.
pub fn starved(
    spec: &BeadSpec,
    attempts: &[Attempt],
    requests: &[&Arc<MergeRequest>],
    limit: Option<u64>,
) -> Option<(u32, u64)> {
    let work = work_digest(spec);
    let handed_in = |run: &Attempt| requests.iter().any(|it| it.spec.attempt == run.attempt);
    let reached = |run: &Attempt| match &run.state {
        AttemptState::Ended(AttemptEnd { own: true, out_of_memory: Some(OutOfMemory::Limit(reached)), .. }) => {
            let counts = run.work == work && !handed_in(run) && limit.is_some_and(|limit| limit <= *reached);
            counts.then_some((run.attempt, *reached))
        }
        _ => None,
    };
    let begun = |run: &&Attempt| run.state != AttemptState::Intended;
    let mut ended = attempts.iter().rev().filter(begun);
    let last = reached(ended.next()?)?;
    reached(ended.next()?).map(|_| last)
}

/// The attempt at its present text that said that another would end the same way, and how it ended.
pub fn last_word<'a>(
    spec: &BeadSpec,
    attempts: &'a [Attempt],
    requests: &[&Arc<MergeRequest>],
) -> Option<(u32, &'a AttemptEnd)> {
    let work = work_digest(spec);
    let said = |run: &'a Attempt| match &run.state {
        AttemptState::Ended(end) if end.own && end.code == exit::CONFIG && run.work == work => Some((run.attempt, end)),
        _ => None,
    };
    attempts.iter().filter_map(said).find(|(attempt, _)| requests.iter().all(|it| it.spec.attempt != *attempt))
}

/// The merge requests of a bead, by attempt. One that was handed in for an older bead of the same name is not its own.
pub fn requests<'a>(bead: &Bead, view: &View<'a>) -> Vec<&'a Arc<MergeRequest>> {
    let mut requests = view.objects.requests_of(&bead.name_any());
    let own = |request: &MergeRequest| {
        let owners = request.owner_references();
        owners.is_empty() || owners.iter().any(|owner| Some(&owner.uid) == bead.metadata.uid.as_ref())
    };
    requests.retain(|request| own(request));
    requests
}

/// Where a merge request stands.
pub fn state(request: &MergeRequest) -> MergeState {
    request.status.as_ref().map(|s| s.state).unwrap_or_default()
}

/// Whether it waits to land. One whose branch people have deleted does not, though it may be merged yet.
pub fn is_landing(request: &MergeRequest) -> bool {
    !state(request).is_final() && state(request) != MergeState::BranchDeleted
}

/// Whether people have deleted its branch, and it was handed in for the text that its bead has now: the answer is theirs. An
/// attempt that is not on record was made for that text, as far as anybody knows.
pub fn is_refused(request: &MergeRequest, spec: &BeadSpec, attempts: &[Attempt]) -> bool {
    let of_another = |it: &Attempt| it.attempt == request.spec.attempt && it.work != work_digest(spec);
    state(request) == MergeState::BranchDeleted && !attempts.iter().any(of_another)
}

/// Whether it was sent back with a reason to work on: it is charged. That its commits were lost here is nobody's fault.
fn came_back(request: &MergeRequest) -> bool {
    let reason = request.status.as_ref().and_then(|s| condition(&s.conditions, types::MERGED)).map(|c| &c.reason);
    state(request) == MergeState::Rejected && reason.is_none_or(|reason| *reason != Reason::HeadMissing)
}

/// How often a bead's work was begun again after a hand-in.
pub fn round(requests: &[&Arc<MergeRequest>]) -> u32 {
    let n = requests.iter().filter(|r| state(r) == MergeState::Rejected).count();
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Why the newest branch came back, if it did.
pub fn rework(requests: &[&Arc<MergeRequest>]) -> Option<Rework> {
    let newest = requests.last().filter(|r| came_back(r))?;
    let status = newest.status.as_ref()?;
    let conflict = condition(&status.conditions, types::MERGED).is_some_and(|c| c.reason == Reason::Conflict);
    Some(Rework {
        kind: if conflict { ReworkKind::Conflict } else { ReworkKind::Red },
        merge_request: newest.name_any(),
        head: newest.spec.head.clone(),
        log: status.log.clone().unwrap_or_default(),
    })
}
