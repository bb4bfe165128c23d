//! One turn of a key: its controller decides, what it misses is looked at, what it wants is done, its status is written.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use gastown_controllers::backoff;
use gastown_controllers::key::{Key, Lane};
use gastown_controllers::plan::{Effect, Plan, StatusWrite, Version};
use gastown_controllers::seen::Seen;
use gastown_controllers::told::Told;
use gastown_controllers::town::TownSettings;
use gastown_controllers::view::{Facts, View};
use gastown_controllers::world::{Act, Ask, Fact, Job, JobKey, JobState, Machine, Owner, Pool, WorldEvent};
use gastown_crds::reason::Reason;
use jiff::Timestamp;
use tracing::{debug, error, info, warn};

use super::apply::{Applied, Wrote};
use super::{Engine, TaskResult};

/// Rounds of looking for one reconcile; a controller asks for a handful of facts, then for what they lead to.
const LOOKS_MAX: u32 = 500;
/// After a conflict the watch brings the newer object within microseconds here, milliseconds on a cluster. One conflict
/// after another says that it does not, or that somebody writes all the time.
const CONFLICT_DELAY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));
/// What could not be seen is looked at again after this: a tool that does not answer costs its timeout each time.
const BLIND_DELAY: Duration = Duration::from_secs(10);
/// What a bug keeps from being decided is tried again after this: something may have changed.
const BUG_DELAY: Duration = Duration::from_mins(5);

impl Engine {
    /// Runs a controller on what is known; looks at what it misses, else applies what it wants.
    pub(super) fn reconcile(&mut self, key: Key, mut facts: Facts, mut looks: u32) {
        let (now, plan) = loop {
            let now = self.clock.now();
            // A watch may have failed while it was looked.
            let held = if self.knows_all() { self.conflicts.holds(&key, now) } else { Some(now) };
            if let Some(at) = held {
                self.queue.add(key.clone(), at);
                self.queue.done(&key);
                return;
            }
            debug!(%key, looks, "reconciles");
            let view = View::new(now, &self.objects, &facts, self.gate.failure(&key));
            let plan = match catch_unwind(AssertUnwindSafe(|| key.reconcile(&view))) {
                Ok(plan) => plan,
                // A simulation is to fail by it; in a town, one object must not take all others along.
                Err(panic) if !self.applier.blocking => resume_unwind(panic),
                Err(_) => {
                    error!(%key, "a bug in its controller: nothing is done for it; the lines above say where");
                    self.queue.add(key.clone(), now + BUG_DELAY);
                    self.queue.done(&key);
                    return;
                }
            };
            let missing = view.missing();
            if missing.is_empty() || looks >= LOOKS_MAX {
                break (now, plan);
            }
            looks += 1;
            match self.look(&key, facts, looks, missing) {
                Some(seen) => facts = seen,
                None => return,
            }
        };
        self.interest.keep(&key, facts.keys());
        self.note_jobs(&key, &facts, now);
        self.counters.reconciles += 1;
        let Plan { effects, mut status, requeue, keeps_failure, told: _, related } = plan;
        // Until a status can be written, what was done with it is wanted still, and is not done again and again.
        let done = self.unwritten.holds(&key, &effects, now).filter(|_| !effects.is_empty());
        let unwritten = self.unwritten.failure(&key).map(|failure| failure.until);
        let unwritten = unwritten.filter(|until| *until > now && !status.is_empty());
        if unwritten.is_some() {
            status.clear();
        } else if status.is_empty() && done.is_none() {
            self.unwritten.worked(&key);
        }
        let held = self.gate.holds(&key, &effects, now).or(done);
        // No event says when a thing can be seen again.
        let blind = facts.values().any(|fact| fact.known().is_none()).then(|| now + BLIND_DELAY);
        if let Some(at) = held.into_iter().chain(requeue).chain(blind).chain(unwritten).min() {
            self.queue.add(key.clone(), at);
        }
        if held.is_some() || effects.is_empty() {
            self.leave_slots(&key, now);
            // With nothing to try, there is nothing that fails, unless it is only put off.
            let reopened = held.is_none() && !keeps_failure && self.gate.worked(&key);
            if reopened {
                self.queue.add(key.clone(), now);
            }
            if status.is_empty() {
                self.conflicts.worked(&key);
                self.quiet(&key, now);
                self.queue.done(&key);
            } else {
                self.write_statuses(key, status);
            }
            return;
        }
        self.resync.forget(&key);
        let now_done = match self.give_slots(&key, &effects, &facts, now) {
            Ok(now_done) => now_done,
            Err(job) => {
                debug!(%key, "waits for a job slot");
                self.queue.done(&key);
                self.slots.park(key, &job);
                return;
            }
        };
        self.leave_slots(&key, now);
        info!(%key, effects = %shown(&effects[..now_done]), "acts");
        let applier = self.applier.clone();
        let plan = Box::new(Plan { effects, status, requeue, keeps_failure, related, ..Plan::none() });
        self.tasks.push(Box::pin(async move {
            let mut wrote = Wrote::default();
            let applied = applier.effects(&plan.effects[..now_done], &mut wrote.versions).await;
            let whole = now_done == plan.effects.len();
            // Observations after the effects they explain; a stale one is written by the look that follows.
            let statuses = if matches!(applied, Applied::All(_)) && whole && !plan.status.is_empty() {
                Some(applier.statuses(&plan.status, &mut wrote).await)
            } else {
                None
            };
            TaskResult::Applied(key, plan, applied, statuses, wrote)
        }));
    }

    /// Looks at what is missing. Gives all that is known then; none: that comes with the end of a task.
    fn look(&mut self, key: &Key, mut facts: Facts, looks: u32, missing: BTreeSet<Ask>) -> Option<Facts> {
        debug!(%key, ?missing, "looks");
        self.interest.note(key, &missing);
        self.counters.looks += missing.len() as u64;
        let now = self.clock.now();
        // What has happened is known here, or not at all.
        let mut missing = missing;
        missing.retain(|ask| {
            let Ask::Happened(asked) = ask else { return true };
            facts.insert(ask.clone(), self.happenings.answer(asked, &self.applier.client, now));
            false
        });
        // What this machine bears was seen once, at the start: asking for it takes no thread, and dispatch asks each time.
        let known = missing.iter().all(|ask| *ask == Ask::Machine);
        if known || !self.applier.blocking {
            for ask in missing {
                let seen = self.applier.adapter.look(&ask);
                facts.insert(ask, seen);
            }
            return Some(facts);
        }
        let key = key.clone();
        self.facts.insert(key.clone(), (facts, looks));
        let adapter = Arc::clone(&self.applier.adapter);
        self.tasks.push(Box::pin(async move {
            let asks = missing.clone();
            let looked = tokio::task::spawn_blocking(move || {
                asks.into_iter().map(|ask| (ask.clone(), adapter.look(&ask))).collect::<Facts>()
            });
            let facts = looked.await.unwrap_or_else(|panic| {
                let unknown = |ask| (ask, Seen::Unknown { why: format!("a bug: {panic}"), since: now });
                missing.into_iter().map(unknown).collect()
            });
            TaskResult::Looked(key, facts)
        }));
        None
    }

    pub(super) fn back(&mut self, back: TaskResult) {
        let now = self.clock.now();
        match back {
            TaskResult::Looked(key, new) => {
                let (mut facts, looks) = self.facts.remove(&key).unwrap_or_default();
                facts.extend(new);
                self.reconcile(key, facts, looks);
            }
            TaskResult::Applied(key, plan, applied, statuses, wrote) => {
                self.wrote(&key, wrote, now);
                let is_contended = statuses == Some(Applied::Conflict);
                match statuses {
                    Some(statuses) => self.statuses_written(&key, plan.effects.clone(), statuses, now),
                    None if applied == Applied::All(plan.effects.len()) => {
                        self.unwritten.also(&key, plan.effects.clone());
                    }
                    None => {}
                }
                match applied {
                    Applied::All(n) => {
                        self.counters.effects += n as u64;
                        if !plan.keeps_failure || self.gate.is_about(&key, &plan.effects) {
                            self.gate.worked(&key);
                        }
                        if is_contended {
                            self.contended(&key, now);
                        } else {
                            self.conflicts.worked(&key);
                            self.queue.add(key.clone(), now);
                        }
                    }
                    Applied::Conflict => {
                        // What the plan would have started may not be wanted any more.
                        for job in jobs_of(&plan.effects) {
                            self.free(&job);
                        }
                        self.contended(&key, now);
                    }
                    Applied::Failed(reason, message) => {
                        self.tell_failure(&key, plan.related, reason, &message, now);
                        self.failed(&key, plan.effects, reason, message, now);
                    }
                }
                self.queue.done(&key);
            }
            TaskResult::Recorded(results) => self.recorder.recorded(results),
            TaskResult::Ended(jobs) => {
                for job in jobs {
                    self.world_changed(&WorldEvent::Job(job));
                }
            }
            TaskResult::StatusesWritten(key, applied, wrote) => {
                self.writing -= 1;
                self.wrote(&key, wrote, now);
                match applied {
                    Applied::All(_) => self.conflicts.worked(&key),
                    Applied::Conflict => self.contended(&key, now),
                    Applied::Failed(..) => {}
                }
                self.statuses_written(&key, Vec::new(), applied, now);
                self.quiet(&key, now);
                self.queue.done(&key);
            }
        }
        self.record();
    }

    fn failed(&mut self, key: &Key, effects: Vec<Effect>, reason: Reason, message: String, now: Timestamp) {
        warn!(%key, %reason, message, "an effect failed");
        for job in jobs_of(&effects) {
            self.free(&job);
        }
        let settings = TownSettings::of(&self.objects);
        let seed = key.to_string();
        let until = self.gate.failed(key, effects, (reason, message), now, |n| settings.delay(n, &seed));
        self.queue.add(key.clone(), until);
        // At once, to write its status; the gate keeps it from trying.
        self.queue.add(key.clone(), now);
    }

    /// What a key wrote had changed meanwhile: it looks again, and later each time in a row.
    fn contended(&mut self, key: &Key, now: Timestamp) {
        let ((first, longest), seed) = (CONFLICT_DELAY, key.to_string());
        let until = self.conflicts.failed(key, now, |n| backoff::delay(n, first, longest, &seed));
        self.queue.add(key.clone(), until);
    }

    /// Counts the statuses that were written after these effects; those that could not be are tried again with the delays of
    /// the gate.
    fn statuses_written(&mut self, key: &Key, effects: Vec<Effect>, applied: Applied, now: Timestamp) {
        match applied {
            Applied::All(n) => {
                self.counters.statuses += n as u64;
                self.unwritten.worked(key);
            }
            Applied::Conflict => {}
            Applied::Failed(reason, message) => {
                warn!(%key, %reason, message, "a status could not be written");
                let (settings, seed) = (TownSettings::of(&self.objects), key.to_string());
                let until = self.unwritten.failed(key, effects, (reason, message), now, |n| settings.delay(n, &seed));
                self.queue.add(key.clone(), until);
            }
        }
    }

    fn write_statuses(&mut self, key: Key, status: Vec<StatusWrite>) {
        let applier = self.applier.clone();
        self.writing += 1;
        self.tasks.push(Box::pin(async move {
            let mut wrote = Wrote::default();
            let applied = applier.statuses(&status, &mut wrote).await;
            TaskResult::StatusesWritten(key, applied, wrote)
        }));
    }

    fn wrote(&mut self, key: &Key, wrote: Wrote, now: Timestamp) {
        let Wrote { versions, told } = wrote;
        for (kind, version) in versions {
            self.lag.wrote(kind, version, now);
        }
        for (Version { kind, name, uid, .. }, told) in told {
            self.recorder.told(key.controller(), Owner { kind: kind.name.into(), name, uid }, told, now);
        }
    }

    /// Tells that an effect failed, of the object that its key is about. Dispatch is about none: what it writes is told of
    /// the beads.
    fn tell_failure(&mut self, key: &Key, related: Option<Owner>, reason: Reason, message: &str, now: Timestamp) {
        let Some((kind, name)) = key.object() else { return };
        let Some(uid) = self.objects.metadata(kind, name).and_then(|meta| meta.uid.clone()) else { return };
        let regarding = Owner { kind: kind.name.into(), name: name.to_owned(), uid };
        let told = Told { related, ..Told::new(true, reason.as_str(), "Apply", message) };
        self.recorder.told(key.controller(), regarding, told, now);
    }

    /// Begins to write what was told since the last time, if that is written.
    pub(super) fn record(&mut self) {
        let lot = self.recorder.next_lot();
        if lot.is_empty() {
            return;
        }
        let writes = self.recorder.write(&self.applier.client, lot);
        self.tasks.push(Box::pin(async move { TaskResult::Recorded(writes.await) }));
    }

    /// A key found nothing to do: it is looked at again ever more rarely.
    fn quiet(&mut self, key: &Key, now: Timestamp) {
        if !key.exists(&self.objects) {
            // Its object is gone: nothing is remembered of it.
            self.gate.worked(key);
            self.conflicts.worked(key);
            self.unwritten.worked(key);
            self.resync.forget(key);
            self.interest.forget(key);
        } else if key.lane() == Lane::World {
            self.resync.quiet(key, now);
        }
    }

    /// Brings the slots in line with what was seen of jobs. Who is interested in one that is over has just seen so, or is
    /// known by its end; one that is absent may be started yet.
    fn note_jobs(&mut self, key: &Key, facts: &Facts, now: Timestamp) {
        for (ask, fact) in facts {
            let (Ask::Job(job), Seen::Known(Fact::Job(state))) = (ask, fact) else { continue };
            match state {
                JobState::Running if self.slots.holds(job) => {}
                // Another controller process began it.
                JobState::Running => {
                    if let Some(job) = self.applier.adapter.begun(job) {
                        self.slots.hold(&job, now);
                    }
                }
                JobState::Absent => {}
                JobState::Exited(_) | JobState::Lost { .. } => {
                    self.free(job);
                    self.interest.lose(key, &WorldEvent::Job(job.clone()));
                }
            }
        }
    }

    /// Gives slots to the jobs that effects start, in order. Answers how many effects may be applied now: if a job got a
    /// slot, those before the first that gets none, and the others are wanted again once these are done; if none did, it
    /// answers the job that waits: effects that are done again with nothing to show for it would be done without end.
    fn give_slots(&mut self, key: &Key, effects: &[Effect], facts: &Facts, now: Timestamp) -> Result<usize, Box<Job>> {
        let mut given = false;
        for (nth, effect) in effects.iter().enumerate() {
            let Effect::Act(Act::EnsureJob(job)) = effect else { continue };
            let name = job.key();
            let runs = matches!(facts.get(&Ask::Job(name.clone())), Some(Seen::Known(Fact::Job(JobState::Running))));
            if runs || self.slots.holds(&name) {
                continue;
            }
            if !self.slots.may_have(key, job, self.slots_max(job.pool())) {
                return if given { Ok(nth) } else { Err(Box::new(job.clone())) };
            }
            self.slots.hold(job, now);
            given = true;
        }
        Ok(effects.len())
    }

    /// A key waits for no slot any more; who waits behind it tries again.
    fn leave_slots(&mut self, key: &Key, now: Timestamp) {
        for other in self.slots.leave(key) {
            self.queue.add(other, now);
        }
    }

    fn slots_max(&self, pool: Pool) -> usize {
        let machine = match self.applier.adapter.look(&Ask::Machine) {
            Seen::Known(Fact::Machine(machine)) => machine,
            _ => Machine { cores: 1, ..Machine::default() },
        };
        TownSettings::of(&self.objects).jobs_max(pool, &machine) as usize
    }
}

fn jobs_of(effects: &[Effect]) -> Vec<JobKey> {
    let job = |effect: &Effect| match effect {
        Effect::Act(Act::EnsureJob(job)) => Some(job.key()),
        _ => None,
    };
    effects.iter().filter_map(job).collect()
}

/// Effects in one line, for the log.
fn shown(effects: &[Effect]) -> String {
    effects.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
