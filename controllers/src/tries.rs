//! A job that is tried until it works: one round after another, with back-off between.
//!
//! The rounds are the record: each is a job with a name of its own, so how often something failed survives a restart.
//! A round whose inputs have moved is another job; it waits for the one that runs (see [`Track`](crate::world::Track)).

use jiff::Timestamp;

use crate::view::{NotSeen, View};
use crate::world::{Exited, Job, JobKey, JobState, exit};

/// Rounds that back off one after another; then one is tried in each longest delay, for as long as it takes. At the
/// default of five minutes, the first ones last some fifteen hours.
pub const ROUNDS_MAX: u32 = 200;
/// From this round on, later ones are asked for with it.
const MANY_ROUNDS: u32 = 4;

/// Where a job stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Tried {
    /// It runs; or another job runs on its track, and it waits for that.
    Running,
    /// It worked, in this round.
    Done(Job),
    /// This round is to be started.
    Due(Job),
    /// The last round failed; the next is due then.
    Waiting {
        /// How it ended; none if it was lost.
        last: Option<Exited>,
        /// How many have failed.
        failures: u32,
        /// When the next is due.
        due: Timestamp,
    },
}

/// Finds where a job stands; `job` makes it for a round, counted from 1.
pub fn tried(view: &View<'_>, job: impl Fn(u32) -> Job) -> Result<Tried, NotSeen> {
    tried_until(view, job, |exited| exited.code == exit::OK)
}

/// The same for a job whose success depends on more than its exit code.
pub fn tried_until(
    view: &View<'_>,
    job: impl Fn(u32) -> Job,
    worked: impl Fn(&Exited) -> bool,
) -> Result<Tried, NotSeen> {
    let mut last: Option<Exited> = None;
    let mut over = None;
    let mut round = 1;
    loop {
        let this = job(round);
        let key = this.key();
        match seen_with_later(view, &job, round, &key)? {
            JobState::Running => return Ok(Tried::Running),
            JobState::Exited(exited) if worked(exited) => return Ok(Tried::Done(this)),
            JobState::Exited(exited) => (over, last) = (Some(exited.at), Some(exited.clone())),
            // One that kills its machine must not do so without a pause.
            JobState::Lost { at } => (over, last) = (Some(*at), None),
            JobState::Absent => {
                let failures = round - 1;
                let Some(over) = over else { return due(view, this) };
                return match view.wait_after(over, view.settings.delay(failures, &key.0)) {
                    Some(due) => Ok(Tried::Waiting { last, failures, due }),
                    None => due(view, this),
                };
            }
        }
        if round >= ROUNDS_MAX {
            break;
        }
        round += 1;
    }
    late(view, &job, last, &worked)
}

/// The state of a round. Where it was not looked at yet, and many before it failed, as many later ones are asked for with it:
/// a look for each of hundreds would go there and back hundreds of times.
fn seen_with_later<'a>(
    view: &View<'a>,
    job: &impl Fn(u32) -> Job,
    round: u32,
    key: &JobKey,
) -> Result<&'a JobState, NotSeen> {
    let state = view.job(key);
    if round >= MANY_ROUNDS && state.as_ref().is_err_and(|not_seen| not_seen.since.is_none()) {
        for later in round + 1..=(round * 2).min(ROUNDS_MAX) {
            // Whether it is seen is of no interest yet: it is asked for.
            let _ = view.job(&job(later).key());
        }
    }
    state
}

/// A round is to be started, unless the same with other inputs runs: those of its key may have moved meanwhile.
fn due(view: &View<'_>, job: Job) -> Result<Tried, NotSeen> {
    Ok(if view.is_free(&job.track())? { Tried::Due(job) } else { Tried::Running })
}

/// The round past a bound, and when the next begins: it is the number of the longest delay that the present falls into,
/// so none is tried twice.
pub fn round_past(bound: u32, view: &View<'_>) -> (u32, Timestamp) {
    let delay = i64::try_from(view.settings.max_delay().as_secs()).unwrap_or(i64::MAX).max(1);
    let window = view.now.as_second().max(0) / delay;
    let next = Timestamp::from_second((window + 1).saturating_mul(delay)).unwrap_or(Timestamp::MAX);
    (bound.saturating_add(u32::try_from(window).unwrap_or(u32::MAX)), next)
}

fn late(
    view: &View<'_>,
    job: &impl Fn(u32) -> Job,
    last: Option<Exited>,
    worked: &impl Fn(&Exited) -> bool,
) -> Result<Tried, NotSeen> {
    let (round, next) = round_past(ROUNDS_MAX, view);
    let this = job(round);
    Ok(match view.job(&this.key())? {
        JobState::Running => Tried::Running,
        JobState::Exited(exited) if worked(exited) => Tried::Done(this),
        JobState::Exited(exited) => Tried::Waiting { last: Some(exited.clone()), failures: ROUNDS_MAX, due: next },
        JobState::Lost { .. } => Tried::Waiting { last, failures: ROUNDS_MAX, due: next },
        JobState::Absent => return due(view, this),
    })
}
