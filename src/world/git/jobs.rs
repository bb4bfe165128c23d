//! The bodies of a rig's jobs, as the job's own process runs them: each gives an exit code of one table.

use std::io::Write;

use gastown_controllers::world::{Job, exit};

use super::clone::lease::Move;
use super::failure::{Failure, say};
use super::gate::Look;
use super::landing::push::Push;
use super::sandbox::setup::Setup;
use super::{Git, address};
use crate::notify;

impl Git {
    /// Does a job to its end, and gives the exit code of its process; its log is for people.
    pub fn run_job(&self, job: &Job, log: &mut dyn Write) -> i32 {
        let done = match &address::resolved(job, &self.layout) {
            Job::Clone { owner: rig, url, secret, lease, round: _ } => {
                self.with_secret(url, secret.as_ref()).and_then(|git| git.clone_rig(rig, url, lease.as_deref(), log))
            }
            Job::Fetch { owner: rig, url, secret, lease, cause: _, round: _ } => {
                self.with_secret(url, secret.as_ref()).and_then(|git| git.fetch_rig(rig, url, lease.as_deref(), log))
            }
            Job::Lease { owner: source, url, secret, reference, from, machine, cause: _, round: _ } => {
                let (from, machine) = (from.as_ref(), machine.as_deref());
                let moving = Move { source, url, reference, from, machine };
                self.with_secret(url, secret.as_ref()).and_then(|git| git.move_lease(&moving, log))
            }
            Job::Setup { owner: rig, sandbox, prepared, made, commands, copy, copy_from, timeout_s, round: _ } => {
                let (made, timeout_s) = (*made, *timeout_s);
                let setup = Setup { rig, sandbox, prepared, made, commands, copy, copy_from, timeout_s };
                self.set_up(&setup, log)
            }
            Job::Verify { owner: rig, commit, tree, checks, round: _ } => self.verify(rig, commit, tree, checks, log),
            Job::Push { owner: rig, url, branch, from, to, force, update_checked_out, round: _ } => {
                let push = Push {
                    rig,
                    url,
                    branch,
                    from: from.as_ref().filter(|_| !force),
                    to,
                    force: *force,
                    update_checked_out: *update_checked_out,
                };
                self.push(&push, log)
            }
            Job::RemoveBranch { owner: rig, url, branch, pushed, round: _ } => {
                self.remove_branch(rig, url, branch, pushed, log)
            }
            Job::Notify { owner: _, command, timeout_s, cause: _, facts, round: _ } => {
                let told = notify::send(command, facts, *timeout_s, &self.layout, log);
                told.map_err(|message| Failure { code: exit::FAILED, message })
            }
            Job::Gate { owner, rig, url, question, timeout_s, asked: _, round: _ } => {
                let look = Look {
                    key: &job.key(),
                    gate: owner,
                    rig: rig.as_ref(),
                    url: url.as_deref(),
                    timeout_s: *timeout_s,
                };
                self.look_at_gate(&look, question, log)
            }
        };
        match done {
            Ok(()) => exit::OK,
            Err(Failure { code, message }) => {
                say(log, &message);
                code
            }
        }
    }
}
