//! A job that is tried until it works: one round after another, with back-off between.
//!
//! The rounds are the record: each is a job with a name of its own, so how often something failed survives a restart.

use jiff::Timestamp;

use crate::settings::Settings;
use crate::view::{NotSeen, View};
use crate::world::{Exited, Job, JobState, exit};

/// Rounds after which nothing is tried any more until the job's inputs change. At the default of five minutes between
/// the last ones, this is some fifteen hours of trying.
pub const ROUNDS_MAX: u32 = 200;

/// Where a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Tried {
    /// It runs.
    Running,
    /// It worked.
    Done(Exited),
    /// This round is to be started.
    Due(Job),
    /// The last round failed; the next is due then.
    Waiting {
        /// How it ended; none if it was lost.
        last: Option<Exited>,
        /// How many have failed.
        failures: u32,
        /// When the next is due; none: no more.
        due: Option<Timestamp>,
    },
}

/// Finds where a job stands; `job` makes it for a round, counted from 1.
pub fn tried(view: &View<'_>, settings: &Settings, job: impl Fn(u32) -> Job) -> Result<Tried, NotSeen> {
    let mut last = None;
    for round in 1..=ROUNDS_MAX {
        let this = job(round);
        let key = this.key();
        match view.job(key.clone())? {
            JobState::Running => return Ok(Tried::Running),
            JobState::Exited(exited) if exited.code == exit::OK => return Ok(Tried::Done(exited.clone())),
            JobState::Exited(exited) => last = Some(exited.clone()),
            JobState::Lost => {}
            JobState::Absent => {
                let failures = round - 1;
                let due = last.as_ref().map(|l: &Exited| l.at + settings.delay(failures, &key.0));
                return Ok(match due {
                    Some(due) if due > view.now => Tried::Waiting { last, failures, due: Some(due) },
                    _ => Tried::Due(this),
                });
            }
        }
    }
    Ok(Tried::Waiting { last, failures: ROUNDS_MAX, due: None })
}
