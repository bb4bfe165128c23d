//! The next session: whether it may start, when, in which conversation, and with what.

use gastown_crds::bead::{Rework, ReworkKind, Waiting};
use gastown_crds::polecat::{Activity, ActivityState, PolecatState, PolecatStatus};
use gastown_crds::quantity::Bytes;
use gastown_crds::reason::Reason;
use gastown_crds::runtime::{Dialect, OnRework};
use gastown_crds::{Runtime, RuntimeSpec};
use jiff::Timestamp;
use kube::ResourceExt;

use super::super::doing::{Doing, doing};
use super::super::{conversation, environment, sandbox_id};
use super::{Hook, note_refusal};
use crate::kinds::bead::{
    asked, attempts_max, did_its_part, did_not_begin, failures, got_nowhere, is_refused_by_provider, last_word,
    left_well, rework, starved, work_digest,
};
use crate::kinds::rig::RigSettings;
use crate::kinds::runtime;
use crate::kinds::town::accounts;
use crate::plan::{Confirm, Effect, Plan};
use crate::seen::Oid;
use crate::told::Told;
use crate::view::{Failure, NotSeen};
use crate::world::{
    Act, Attempt, AttemptEnd, AttemptState, OutOfMemory, Owner, RepoFacts, RuntimeParts, Sandbox, SessionSpec,
};

impl Hook<'_> {
    /// The state before the next session; it is started once it may.
    pub(super) fn session(
        &self,
        rig: &RigSettings<'_>,
        runtime: &Runtime,
        repo: &RepoFacts,
        plan: &mut Plan,
        status: &mut PolecatStatus,
    ) -> Result<Doing, NotSeen> {
        let bead_uid = self.bead.uid().unwrap_or_default();
        let attempts = self.view.attempts(&bead_uid)?;
        self.tell_end(attempts, plan);
        let settings = &self.view.settings;
        let failed = failures(&self.bead.spec, attempts, &self.requests, &runtime.name_any());
        let limits = runtime::limits(runtime);
        let over = if last_word(&self.bead.spec, attempts, &self.requests).is_some() {
            Some(Reason::WouldFailAgain)
        } else if starved(&self.bead.spec, attempts, &self.requests, limits.memory).is_some() {
            Some(Reason::OutOfMemory)
        } else {
            (failed >= attempts_max(self.bead, settings)).then_some(Reason::TooManyAttempts)
        };
        if let Some(reason) = over {
            return Ok(doing(PolecatState::Stalled, reason, "its bead is being set aside"));
        }
        let last = attempts.last();
        // One that was meant and did not begin tells nothing of how the work ended.
        let out_of_memory =
            attempts.iter().rev().find(|run| run.state != AttemptState::Intended).and_then(out_of_memory);
        let attempt = match last.map(|r| (&r.state, r.attempt)) {
            None => 1,
            // Made before the spawn, and nothing was spawned: the same attempt goes on.
            Some((AttemptState::Intended, n)) => n,
            // The lock is free and no exit is recorded yet: it is ending just now, and its exit wakes us.
            Some((AttemptState::Running, _)) => return Ok(doing(PolecatState::Starting, Reason::Switching, "")),
            Some((AttemptState::Ended(_) | AttemptState::Lost { .. }, n)) => n + 1,
        };
        status.attempt = Some(attempt);
        let refusal = last.and_then(refused).filter(|refusal| refusal.state.is_of_account());
        note_refusal(refusal, status);
        let account = match accounts::choose(&runtime.name_any(), self.view, refusal) {
            Ok(account) => account,
            Err(refused) => {
                plan.again_at(refused.until);
                let stalled = doing(PolecatState::Stalled, refused.reason, refused.message);
                return Ok(self.waits(Waiting::Bead, stalled, plan));
            }
        };
        // Another account has refused nobody.
        let is_another = refusal.is_some_and(|it| it.account.as_ref().is_some_and(|last| *last != account.name));
        if let Some(due) = self.due(attempts, failed, &runtime.name_any()).filter(|_| !is_another) {
            plan.again_at(due);
            let refused = last.and_then(refused);
            let not_begun = last.and_then(not_begun);
            let (reason, how) = match (refused, not_begun, out_of_memory) {
                (Some(activity), ..) if activity.state == ActivityState::LoginRequired => {
                    (Reason::LoginRequired, said_of_refusal(activity))
                }
                (Some(activity), ..) => (Reason::Limited, said_of_refusal(activity)),
                (None, Some(end), _) => (Reason::NotStarted, format!("{}, before it began", said_of_end(end))),
                (None, None, Some(out_of_memory)) => (Reason::BackOff, said_of_memory(out_of_memory)),
                (None, None, None) if last.is_some_and(|run| got_nowhere(&self.bead.spec, run)) => {
                    (Reason::BackOff, "handed off without a commit or a closed step, as those before it".to_owned())
                }
                (None, None, None) => (Reason::BackOff, self.said_of_rework(attempt - 1)),
            };
            let message = format!("attempt {} {how}; restarts at {due:.0}", attempt - 1);
            return Ok(self.waits(Waiting::Bead, doing(PolecatState::Stalled, reason, message), plan));
        }
        // A session that was told not to have begun may yet: it gets a moment. Without its variables nothing was begun.
        let is_put_off = |failure: &Failure| failure.count > 1 || failure.reason == Reason::EnvFromFailed;
        let put_off = if self.view.failed.is_some_and(is_put_off) { self.put_off(Waiting::Rig, plan) } else { None };
        if let Some(doing) = put_off.or_else(|| self.needs_slot(plan)) {
            return Ok(doing);
        }
        let rework = rework(&self.requests).map(|r| (r.kind, r.log));
        let account_name = Some(&*account.name).filter(|_| account.is_declared);
        let talk = conversation::of(
            (runtime, account_name),
            &sandbox_id(self.polecat),
            (&bead_uid, attempt),
            self.same_work(runtime, attempts),
            &self.bead.spec.questions,
        );
        let RuntimeSpec { command, start, resume, env, env_from, unset_env, files, .. } = &runtime.spec;
        let more = if talk.resumes { resume } else { start };
        // Read again, the bead must still name this polecat, as being at work.
        let claim = self.assignee(None);
        let what = format!("names {}", claim.polecat);
        plan.effects.push(Effect::Confirm(Confirm::field(self.bead, "/spec/assignee", &claim, what)));
        plan.act(Act::EnsureSession {
            sandbox: sandbox_id(self.polecat),
            spec: SessionSpec {
                owner: Owner::of(self.bead),
                attempt,
                work: work_digest(&self.bead.spec),
                command: command.iter().chain(more).cloned().collect(),
                runtime: Box::new(RuntimeParts {
                    name: runtime.name_any(),
                    env: env.iter().chain(account.env).cloned().collect(),
                    env_from: env_from.clone(),
                    unset_env: unset_env.clone(),
                    files: files.clone(),
                    grace_seconds: runtime.spec.termination_grace_period_seconds,
                    reports: runtime.spec.dialect != Dialect::None,
                    fails_in_transcript: runtime.spec.dialect == Dialect::Codex,
                    prompt_delivery: runtime.spec.prompt_delivery,
                }),
                env: environment::of(
                    self.polecat,
                    self.bead,
                    (rig, runtime, runtime::name_of_whole(self.bead, self.polecat, self.view), account_name),
                    (attempt, &self.base(repo)),
                    &talk,
                    out_of_memory,
                ),
                limits,
                rework,
            },
        });
        Ok(doing(PolecatState::Starting, Reason::Switching, format!("attempt {attempt} is being started")))
    }

    /// How an attempt ended that is followed by another: what it handed in came back, or it has handed in nothing.
    fn said_of_rework(&self, attempt: u32) -> String {
        match rework(&self.requests).filter(|_| self.requests.last().is_some_and(|it| it.spec.attempt == attempt)) {
            Some(Rework { kind: ReworkKind::Conflict, .. }) => {
                "handed in, and came back: it conflicts with the target".to_owned()
            }
            Some(Rework { kind: ReworkKind::Red, .. }) => "handed in, and came back: it fails verification".to_owned(),
            None => "ended without `gt done`".to_owned(),
        }
    }

    /// The attempts at this text that another may go on from: none before the last handoff, and where work is done anew, none that
    /// was handed in.
    fn same_work<'a>(&self, runtime: &Runtime, attempts: &'a [Attempt]) -> &'a [Attempt] {
        let work = work_digest(&self.bead.spec);
        let restarts = runtime.spec.on_rework == OnRework::Restart;
        let over = self.requests.last().filter(|_| restarts).map_or(0, |request| request.spec.attempt);
        let over = over.max(self.bead.spec.handoffs.last().map_or(0, |handoff| handoff.attempt));
        let before = attempts.iter().rposition(|run| run.work != work || run.attempt <= over).map_or(0, |at| at + 1);
        &attempts[before..]
    }

    /// Tells how the last attempt ended, if its own status says that it is at work on it still. One that handed in ended well,
    /// whatever it ended with.
    fn tell_end(&self, attempts: &[Attempt], plan: &mut Plan) {
        let handed_in = |run: &Attempt| self.requests.iter().any(|it| it.spec.attempt == run.attempt);
        let Some(last) = attempts.last().filter(|last| !handed_in(last)) else { return };
        let is_at_it = self.polecat.status.as_ref().is_some_and(|status| {
            let at_work = matches!(status.state, PolecatState::Starting | PolecatState::Working | PolecatState::Zombie);
            at_work && status.attempt == Some(last.attempt)
        });
        let handed_off =
            self.bead.spec.handoff_of(last.attempt).map(|handoff| format!("handed off: {}", handoff.subject));
        let (warns, how) = match (&last.state, handed_off) {
            (AttemptState::Ended(_), Some(handed_off)) => (false, handed_off),
            (AttemptState::Intended | AttemptState::Running, _) => return,
            (AttemptState::Lost { .. }, _) => (true, "was lost with its machine or its tmux".to_owned()),
            (AttemptState::Ended(_), None) if asked(&self.bead.spec, last) => {
                (false, "ended with a question".to_owned())
            }
            (AttemptState::Ended(end), None) if !end.own => (false, "was ended by the town".to_owned()),
            (AttemptState::Ended(end), None) => {
                let with = || {
                    let word = end.said().next().map(|line| format!(": {line}")).unwrap_or_default();
                    format!("ended with {}, without `gt done`{word}", end.code)
                };
                let refused = refused(last).map(said_of_refusal);
                (true, refused.or_else(|| end.out_of_memory.map(said_of_memory)).unwrap_or_else(with))
            }
        };
        if is_at_it {
            plan.tell(Told::new(warns, "SessionEnded", "Run", &format!("attempt {} {how}", last.attempt)));
        }
    }

    /// Where its branch began.
    fn base(&self, repo: &RepoFacts) -> Oid {
        let sandbox: Option<&Sandbox> = self.facts.sandbox.as_ref();
        sandbox.map(|s| s.base.clone()).or_else(|| repo.target.clone()).unwrap_or_else(|| Oid(String::new()))
    }

    /// When the next session may start, if not now: the first restart and the first rework are at once, the later ones
    /// back off, whether they are charged or not.
    fn due(&self, attempts: &[Attempt], failed: u32, next: &str) -> Option<Timestamp> {
        let handed_in = |run: &Attempt| self.requests.iter().any(|r| r.spec.attempt == run.attempt);
        let counts = |at: &usize| {
            let run = &attempts[*at];
            !handed_in(run) && run.state != AttemptState::Intended && !did_its_part(attempts, *at, next)
        };
        let spec = &self.bead.spec;
        let ended = (0..attempts.len()).rev().take_while(counts).filter(|at| !left_well(spec, &attempts[*at])).count();
        let restarts = u32::try_from(ended).unwrap_or(u32::MAX).max(failed).saturating_sub(1);
        let at = match &attempts.last()?.state {
            AttemptState::Ended(end) => end.at,
            AttemptState::Lost { at } => *at,
            AttemptState::Intended | AttemptState::Running => return None,
        };
        let delay = self.view.settings.delay(restarts, &self.bead.uid().unwrap_or_default());
        self.view.wait_after(at, delay).filter(|_| restarts > 0)
    }
}

/// Whether an attempt ended because it was killed for memory.
fn out_of_memory(attempt: &Attempt) -> Option<OutOfMemory> {
    match &attempt.state {
        AttemptState::Ended(end) if end.own => end.out_of_memory,
        _ => None,
    }
}

/// How it ended, to complete "attempt 1 …".
fn said_of_memory(out_of_memory: OutOfMemory) -> String {
    match out_of_memory {
        OutOfMemory::Limit(limit) => format!("was killed at its memory limit of {}", Bytes(limit)),
        OutOfMemory::Machine => "was killed because the machine was out of memory".to_owned(),
    }
}

/// What the agent of an attempt reported at last, if its model's provider refused it.
fn refused(attempt: &Attempt) -> Option<&Activity> {
    match &attempt.state {
        AttemptState::Ended(end) if is_refused_by_provider(end) => end.activity.as_ref(),
        _ => None,
    }
}

/// The end of an attempt whose program did not begin.
fn not_begun(attempt: &Attempt) -> Option<&AttemptEnd> {
    match &attempt.state {
        AttemptState::Ended(end) if did_not_begin(end) => Some(end),
        _ => None,
    }
}

/// How it ended, with its last word.
fn said_of_end(end: &AttemptEnd) -> String {
    let word = end.said().next().map(|line| format!(" ({line})")).unwrap_or_default();
    format!("ended with {}{word}", end.code)
}

/// How it ended, to complete "attempt 1 …".
fn said_of_refusal(activity: &Activity) -> String {
    let said = activity.message.as_deref().map(|said| format!(": {said}")).unwrap_or_default();
    format!("was refused by its model's provider{said}")
}
