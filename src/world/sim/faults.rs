//! Faults that a test or a seed injects into a world.

use gastown_controllers::world::{AttemptState, JobState};
use std::time::Duration;

use super::SimWorld;
use gastown_controllers::world::WorldEvent;

/// A shell's exit code for SIGKILL.
const KILLED: i32 = 128 + 9;
/// A shell's exit code for SIGHUP, which a terminal that goes away sends.
const HUNG_UP: i32 = 128 + 1;

impl SimWorld {
    /// Kills the agent of a bead (by uid), as `kill -9` would. Answers whether it had one.
    pub fn kill_agent_of(&self, owner_uid: &str) -> bool {
        let found = self
            .state()
            .sessions
            .iter()
            .find(|(_, live)| live.owner_uid == owner_uid)
            .map(|(sandbox, live)| (sandbox.clone(), live.attempt));
        let Some((sandbox, attempt)) = found else { return false };
        self.over(&sandbox, &(owner_uid.to_owned(), attempt), KILLED, true);
        true
    }

    /// The terminal dies, and every session with it: without a trace, or with an end that was not the agent's own.
    /// Answers how many there were.
    pub fn kill_all_sessions(&self, without_a_trace: bool) -> usize {
        let all: Vec<_> = self
            .state()
            .sessions
            .iter()
            .map(|(uid, live)| (uid.clone(), (live.owner_uid.clone(), live.attempt), live.since))
            .collect();
        for (sandbox, attempt, since) in &all {
            if without_a_trace {
                self.free(sandbox, attempt, AttemptState::Lost { at: *since });
            } else {
                self.over(sandbox, attempt, HUNG_UP, false);
            }
        }
        all.len()
    }

    /// A rig's clone is deleted, and with it what was handed in and never pushed. Its polecats' worktrees borrow from it: until
    /// it is made again, they are in no preparation.
    pub fn lose_clone(&self, rig_uid: &str) {
        let mut state = self.state();
        state.clones.remove(rig_uid);
        state.replays.retain(|_, (rig, _)| rig != rig_uid);
        state.handed_in.retain(|(rig, _)| rig != rig_uid);
    }

    /// The supervisors of all jobs die: each has begun and leaves no result. Answers how many there were.
    pub fn lose_all_jobs(&self) -> usize {
        let mut lost = Vec::new();
        for (key, begun) in &mut self.state().jobs {
            if begun.state == JobState::Running {
                begun.state = JobState::Lost { at: begun.at };
                lost.push(key.clone());
            }
        }
        for key in &lost {
            self.notify(WorldEvent::Job(key.clone()));
        }
        lost.len()
    }

    /// Nothing can be seen for a while from now on.
    pub fn blind_for(&self, duration: Duration) {
        let now = self.now();
        self.state().blind = Some((now, now + duration));
    }

    /// Sends the events of all that ever ended or began again: spurious news.
    pub fn notify_of_everything(&self) {
        let jobs = self.state().jobs.keys().cloned().map(WorldEvent::Job).collect::<Vec<_>>();
        let sandboxes = self.state().worktrees.keys().cloned().map(WorldEvent::Sandbox).collect::<Vec<_>>();
        for event in jobs.into_iter().chain(sandboxes) {
            self.notify(event);
        }
    }
}
