//! Where a source is read: a repository or folder on this machine, or the town's clone of one that is elsewhere.

use std::ops::ControlFlow;

use gastown_crds::common::ANNOTATION_REFRESH;
use gastown_crds::reason::Reason;
use gastown_crds::source::{GitOrigin, LeasePolicy, Source, SourceStatus};
use gastown_crds::url::redact;
use jiff::Timestamp;
use kube::ResourceExt;

use super::lease;
use super::reconcile::Outcome;
use crate::conditions::times;
use crate::objects::created;
use crate::plan::Plan;
use crate::tries::{Tried, tried_until};
use crate::view::{NotSeen, View};
use crate::world::{Act, AskRepo, At, Exited, Job, JobState, Owner, exit};

/// The longest word that asks for something, as its field in the status says.
const WORD_BYTES_MAX: usize = 253;

/// What is known of a remote by its last fetch.
pub(super) struct Fetched {
    /// Whether it was fetched in this interval.
    pub(super) is_fresh: bool,
    /// When that ended; none in the first interval, whose news is the clone.
    pub(super) at: Option<Timestamp>,
    /// What keeps it from being fetched.
    pub(super) trouble: Option<Outcome>,
}

/// The word that asks for a look now, if that was not done yet.
pub(super) fn asked_for<'a>(source: &'a Source, status: &SourceStatus) -> Option<&'a String> {
    word(source, ANNOTATION_REFRESH).filter(|word| status.refreshed.as_ref() != Some(word))
}

/// The word by which an annotation asks for something; none for one that is too long to be answered.
pub(super) fn word<'a>(source: &'a Source, annotation: &str) -> Option<&'a String> {
    source.annotations().get(annotation).filter(|word| word.len() <= WORD_BYTES_MAX)
}

/// Brings the town's clone of a remote up to date: made once, then fetched once an interval and when somebody asks. Breaks with
/// why it cannot be read yet.
pub(super) fn fetch(
    source: &Source,
    git: &GitOrigin,
    at: &At,
    view: &View<'_>,
    plan: &mut Plan,
    status: &mut SourceStatus,
) -> Result<ControlFlow<Outcome, Fetched>, NotSeen> {
    let owner = Owner::of(source);
    let branch = if let At::Branch(branch) = at { Some(branch.clone()) } else { None };
    let shown = redact(&git.url);
    if !view.repository(&AskRepo { owner: owner.clone(), branch })?.cloned {
        // It has been seen not to be there: that a round worked says nothing.
        let tried = tried_until(view, |round| clone_job(source, git, round), |_| false)?;
        let failed = (Reason::CloneFailed, format!("cloning `{shown}` failed"));
        let outcome = outcome(tried, failed, git, plan);
        return Ok(ControlFlow::Break(
            outcome.unwrap_or(Outcome::Progress(Reason::Cloning, format!("cloning `{shown}`"))),
        ));
    }
    let follows = follows(&shown, at);
    if status.fetched.as_ref() != Some(&follows) {
        // What lies here is of another address, or as old as an interval: it is not what is meant.
        if let Some(outcome) = anew(source, git, view, plan)? {
            status.fetched = None;
            return Ok(ControlFlow::Break(outcome));
        }
        status.fetched = Some(follows);
    }
    let asked = asked_for(source, status).cloned();
    let (window, next) = view.interval(created(source), git.fetch_interval());
    plan.again_at(next);
    let cause = match &asked {
        Some(word) => format!("refresh-{word}"),
        // The clone itself is the news of the first one.
        None if window == 0 => return Ok(ControlFlow::Continue(Fetched { is_fresh: true, at: None, trouble: None })),
        None => format!("interval-{window}"),
    };
    let job = |round| fetch_job(source, git, &cause, round);
    let tried = tried_until(view, job, |exited| exited.code == exit::OK && exited.at <= view.now)?;
    let at = match &tried {
        Tried::Done(job) => match view.job(&job.key())? {
            JobState::Exited(exited) => Some(exited.at),
            _ => None,
        },
        _ => None,
    };
    if at.is_some() && asked.is_some() {
        status.refreshed = asked;
    }
    let trouble = outcome(tried, fetch_failed(&shown), git, plan);
    Ok(ControlFlow::Continue(Fetched { is_fresh: at.is_some(), at, trouble }))
}

/// What a source follows, for people and to be compared.
fn follows(shown: &str, at: &At) -> String {
    match at {
        At::Head => shown.to_owned(),
        At::Branch(name) | At::Commit(name) => format!("{shown}#{name}"),
        At::Tag(tag) => format!("{shown}#tags/{tag}"),
    }
}

/// Fetches what is followed since the spec was changed, once; none as soon as it is here.
fn anew(source: &Source, git: &GitOrigin, view: &View<'_>, plan: &mut Plan) -> Result<Option<Outcome>, NotSeen> {
    let generation = source.metadata.generation.unwrap_or_default();
    let shown = redact(&git.url);
    // What was just cloned is as it is there.
    let is_here = |exited: &Exited| exited.code == exit::OK;
    if generation <= 1 && matches!(tried_until(view, |round| clone_job(source, git, round), is_here)?, Tried::Done(_)) {
        return Ok(None);
    }
    let cause = format!("generation-{generation}");
    let tried = tried_until(view, |round| fetch_job(source, git, &cause, round), is_here)?;
    if matches!(tried, Tried::Done(_)) {
        return Ok(None);
    }
    let progress = Outcome::Progress(Reason::Cloning, format!("fetching from `{shown}`"));
    Ok(Some(outcome(tried, fetch_failed(&shown), git, plan).unwrap_or(progress)))
}

fn fetch_failed(shown: &str) -> (Reason, String) {
    (Reason::FetchFailed, format!("fetching from `{shown}` failed"))
}

fn clone_job(source: &Source, git: &GitOrigin, round: u32) -> Job {
    let (owner, secret, lease) = (Owner::of(source), git.secret_ref.clone(), leased(source, git));
    Job::Clone { owner, url: git.url.clone(), secret, lease, round }
}

fn fetch_job(source: &Source, git: &GitOrigin, cause: &str, round: u32) -> Job {
    let (owner, secret, lease) = (Owner::of(source), git.secret_ref.clone(), leased(source, git));
    Job::Fetch { owner, url: git.url.clone(), secret, lease, cause: cause.to_owned(), round }
}

/// The ref of the lease that is brought along.
fn leased(source: &Source, git: &GitOrigin) -> Option<String> {
    (git.lease == LeasePolicy::Auto && source.spec.runner.is_none()).then(|| lease::reference(source))
}

/// What a job's state means for the source; none while it runs or once it worked: what was fetched last is used.
pub(super) fn outcome(tried: Tried, failed: (Reason, String), git: &GitOrigin, plan: &mut Plan) -> Option<Outcome> {
    match tried {
        Tried::Done(_) | Tried::Running => None,
        Tried::Due(job) => {
            plan.act(Act::EnsureJob(job));
            None
        }
        Tried::Waiting { last, failures, due } => {
            plan.again_at(due);
            Some(said(last, failed, failures, git))
        }
    }
}

fn said(last: Option<Exited>, (otherwise, what): (Reason, String), failures: u32, git: &GitOrigin) -> Outcome {
    let what = format!("{what} {}", times(failures));
    let Some(last) = last else {
        return Outcome::Trouble(otherwise, format!("{what}: its process was killed"), failures);
    };
    let (reason, hint) = match last.code {
        exit::AUTH if git.secret_ref.is_some() => {
            (Reason::AuthRequired, "; see that what `spec.git.secretRef` names is right")
        }
        exit::AUTH => (Reason::AuthRequired, "; try the same git command by hand, git never prompts here"),
        _ => (otherwise, ""),
    };
    Outcome::Trouble(reason, format!("{what}{hint}:\n{}", last.tail), failures)
}
