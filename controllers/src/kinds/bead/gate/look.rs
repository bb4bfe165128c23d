//! Gates that ask a program: a command of their own, or GitHub's `gh`. It is asked time and again, with back-off, as a job.
//!
//! How often it was asked stands in the status, so the records of old jobs may go. A job runs only while what waits for the gate
//! waits for nothing else.

use gastown_crds::bead::{Gate, GateStatus, GateType};
use gastown_crds::common::{ANNOTATION_GATE_ASKED, whole_second};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Rig};
use kube::ResourceExt;

use super::Outcome;
use crate::conditions::{tail, times};
use crate::draft::Draft;
use crate::holds::PartOf;
use crate::objects::created;
use crate::plan::Plan;
use crate::view::{NotSeen, View};
use crate::world::{Exited, GateQuestion, Job, JobState, Owner, exit};

/// How long a program may take where its gate does not say so.
const RUN_TIMEOUT_S: u64 = 60;
/// How much of what it printed is kept, in bytes: its last words.
const SAID_BYTES_MAX: usize = 300;
/// Answers that are taken in at once. There is one, unless a status was lost.
const LOOKS_AT_ONCE_MAX: u32 = 8;

/// The reason of a gate of this type that was not answered so far.
pub(super) fn reason(type_: GateType) -> Reason {
    if type_ == GateType::Run { Reason::AwaitsCommand } else { Reason::AwaitsGithub }
}

/// What is different each time that somebody asks for a look: `bd gate check`.
pub(super) fn asked(bead: &Bead) -> Option<&String> {
    bead.annotations().get(ANNOTATION_GATE_ASKED)
}

/// What the program has said, and the job that asks it again, if it is time.
pub(super) fn look(
    (bead, gate): (&Bead, &Gate),
    until: &str,
    view: &View<'_>,
    plan: &mut Plan,
    draft: &mut Draft<'_, Bead>,
) -> Result<(Outcome, Option<Job>), NotSeen> {
    let asking = Asking { bead, gate, view };
    let question = asking.job(0).key().0;
    let mut known = draft.status.gate.take().filter(|known| known.question == question);
    let mut runs = false;
    for _ in 0..LOOKS_AT_ONCE_MAX {
        let looks = known.as_ref().map_or(0, |known| known.looks) + 1;
        let key = asking.job(looks).key();
        let (code, at, said) = match view.job(&key)? {
            JobState::Absent => break,
            JobState::Running => {
                runs = true;
                break;
            }
            JobState::Exited(Exited { code, at, tail }) => (*code, *at, last_words(tail)),
            JobState::Lost { at } => (exit::KILLED, *at, "it was cut short".to_owned()),
        };
        known = Some(GateStatus { question: question.clone(), looks, at: whole_second(at), code, said, job: key.0 });
    }
    draft.status.gate.clone_from(&known);
    let (looks, outcome) = match &known {
        None => (0, Outcome::Waits((reason(gate.type_), format!("{}{until}", words(gate))))),
        Some(known) => (known.looks, asking.outcome(known, until)),
    };
    // A command says itself that it will not be of use again; a run on GitHub may be run again, and a pull request opened again.
    let is_over = match outcome {
        Outcome::Opens(..) => true,
        Outcome::Failed(_) => gate.type_ == GateType::Run,
        Outcome::Waits(_) => false,
    };
    let held = PartOf::of_bead(bead, view).in_town(view).hold(view.now).filter(|hold| !hold.mode.may_start());
    if is_over || runs {
        return Ok((outcome, None));
    }
    if let Some(hold) = held {
        let outcome = match outcome {
            Outcome::Waits(_) => Outcome::Waits((hold.reason, hold.message)),
            failed => failed,
        };
        return Ok((outcome, None));
    }
    let job = asking.job(looks + 1);
    let due = known.and_then(|known| view.wait_after(known.at, view.settings.delay(looks, &question)));
    if let Some(due) = due {
        plan.again_at(due);
        return Ok((outcome, None));
    }
    // A job with other inputs, of a command that was changed, ends first.
    let job = view.is_free(&job.track())?.then_some(job);
    Ok((outcome, job))
}

/// What a gate waits for, in a few words.
fn words(gate: &Gate) -> String {
    let id = gate.await_id.as_deref().unwrap_or_default();
    match gate.type_ {
        GateType::GithubRun => format!("waits for run {id} on GitHub to succeed"),
        GateType::GithubPullRequest => format!("waits for pull request {id} on GitHub to be merged"),
        _ => "its command is run until it ends with 0".to_owned(),
    }
}

/// The last two lines of what a program printed, as one.
fn last_words(log: &str) -> String {
    let lines: Vec<&str> =
        log.lines().map(|line| line.trim().trim_start_matches("gt: ")).filter(|it| !it.is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(2)..).unwrap_or_default().join("; ");
    tail(&last, SAID_BYTES_MAX).to_owned()
}

struct Asking<'a, 'v> {
    bead: &'a Bead,
    gate: &'a Gate,
    view: &'a View<'v>,
}

impl Asking<'_, '_> {
    fn job(&self, round: u32) -> Job {
        let rig = self.view.objects.get::<Rig>(&self.bead.spec.rig);
        let id = self.gate.await_id.clone().unwrap_or_default();
        let question = match self.gate.type_ {
            GateType::GithubRun => {
                GateQuestion::GithubRun { id, since: self.bead.spec.created_at.unwrap_or(created(self.bead)) }
            }
            GateType::GithubPullRequest => GateQuestion::GithubPullRequest { id },
            _ => GateQuestion::Command { run: self.gate.run.clone().unwrap_or_default() },
        };
        let timeout = self.gate.run_timeout.map(std::time::Duration::from);
        Job::Gate {
            owner: Owner::of(self.bead),
            rig: rig.map(|rig| Owner::of(rig.as_ref())),
            url: rig.map(|rig| rig.spec.repo.url.clone()),
            question,
            timeout_s: timeout.map_or(RUN_TIMEOUT_S, |timeout| timeout.as_secs()),
            asked: asked(self.bead).cloned(),
            round,
        }
    }

    fn outcome(&self, known: &GateStatus, until: &str) -> Outcome {
        let said = &known.said;
        match known.code {
            exit::OK => {
                let is_command = self.gate.type_ == GateType::Run;
                let why = if is_command { "its command ended with 0".to_owned() } else { said.clone() };
                Outcome::Opens(why, (reason(self.gate.type_), "it opens".to_owned()))
            }
            exit::CONFIG => Outcome::Failed(said.clone()),
            exit::FAILED => {
                let message = format!("not yet{until}; looked {}, at last at {}: {said}", times(known.looks), known.at);
                Outcome::Waits((reason(self.gate.type_), message))
            }
            _ => {
                let message =
                    format!("could not look{until}; tried {}, at last at {}: {said}", times(known.looks), known.at);
                Outcome::Waits((Reason::GateUnable, message))
            }
        }
    }
}
