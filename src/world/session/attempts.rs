//! The attempts at a bead, as their folders, their records and the lock of their sandbox say.

use std::io;
use std::path::PathBuf;

use gastown_controllers::world::{Attempt, AttemptEnd, AttemptState, Conversation, OutOfMemory};
use gastown_crds::polecat::{Activity, ActivityState};
use gastown_supervisor::log;
use gastown_supervisor::records::{self, AgentSpec, Doing, Exit, Holder, JobSpec, NoJob, RecordError, Spec, Started};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{SessionError, failed_turn, occupants, resets};
use crate::layout::Layout;
use crate::records::Reports;

/// The variable that names the account.
const ACCOUNT: &str = "GT_ACCOUNT";

/// Most attempts that are looked at, the newest; far more than any bead is allowed.
const ATTEMPTS_MAX: usize = 1000;

/// The numbers of all attempts at a bead, ascending.
pub fn numbers(layout: &Layout, owner_uid: &str) -> io::Result<Vec<u32>> {
    let entries = match fs_err::read_dir(layout.attempts(owner_uid)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(e),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The newest attempts at a bead, ascending.
pub fn of(layout: &Layout, owner_uid: &str) -> Result<Vec<Attempt>, SessionError> {
    let numbers = numbers(layout, owner_uid)?;
    let oldest = numbers.len().saturating_sub(ATTEMPTS_MAX);
    numbers[oldest..].iter().map(|attempt| one(layout, owner_uid, *attempt)).collect()
}

/// The file that an attempt's output goes to; its older half, if it was long, is beside it as `output.log.1`.
pub fn log_path(layout: &Layout, owner_uid: &str, attempt: u32) -> PathBuf {
    layout.attempt(owner_uid, attempt).join(records::OUTPUT)
}

/// The spec of an attempt, if it is on record.
pub(super) fn spec(layout: &Layout, owner_uid: &str, attempt: u32) -> Result<Option<AgentSpec>, RecordError> {
    let spec = records::read::<Spec<NoJob>>(&layout.attempt(owner_uid, attempt).join(records::SPEC))?;
    Ok(spec.map(|spec| match spec {
        Spec::Session(spec) => spec,
        Spec::Job(JobSpec { job, .. }) => match job {},
    }))
}

/// Whether the program of an attempt's agent reports what it does.
pub fn does_report(layout: &Layout, owner_uid: &str, attempt: u32) -> Result<bool, RecordError> {
    Ok(spec(layout, owner_uid, attempt)?.is_some_and(|spec| spec.reports))
}

/// The sandbox of an attempt, by its uid, if that is on record.
pub fn sandbox(layout: &Layout, owner_uid: &str, attempt: u32) -> Option<String> {
    spec(layout, owner_uid, attempt).ok()?.map(|spec| spec.sandbox_uid)
}

/// The start of an attempt, if it was started.
pub fn begin(layout: &Layout, owner_uid: &str, attempt: u32) -> Option<(Timestamp, Started)> {
    let file = layout.attempt(owner_uid, attempt).join(records::STARTED);
    Some((records::written(&file).ok()?, records::read(&file).ok()??))
}

fn one(layout: &Layout, owner_uid: &str, attempt: u32) -> Result<Attempt, SessionError> {
    let spec = spec(layout, owner_uid, attempt)?;
    let work = spec.as_ref().map(|spec| spec.work.clone()).unwrap_or_default();
    let runtime = spec.as_ref().and_then(|spec| spec.runtime.clone());
    let conversation = spec.as_ref().and_then(|spec| conversation(layout, spec));
    let does_report = spec.as_ref().is_some_and(|spec| spec.reports);
    let holder = Holder { owner_uid: owner_uid.to_owned(), attempt };
    let state = match (occupants::exit(layout, &holder)?, spec) {
        (Some(end), _) => ended(layout, &holder, &end, does_report)?,
        (None, Some(spec)) if occupants::started(layout, &holder)?.is_some() => {
            let meant = records::read::<Holder>(&spec.holder)?.as_ref() == Some(&holder);
            if meant && occupants::occupied(layout, &spec.sandbox_uid, &holder)? {
                AttemptState::Running
            } else if let Some(end) = occupants::exit(layout, &holder)? {
                // It has ended between the two looks; the end was recorded before the lock was freed.
                ended(layout, &holder, &end, does_report)?
            } else {
                // The start is recorded once, under the lock.
                AttemptState::Lost { at: records::written(&layout.attempt(owner_uid, attempt).join(records::STARTED))? }
            }
        }
        (None, _) => AttemptState::Intended,
    };
    Ok(Attempt { attempt, work, runtime, state, conversation })
}

fn ended(layout: &Layout, holder: &Holder, end: &Exit, does_report: bool) -> Result<AttemptState, SessionError> {
    let &Exit { code, own, at, ref killed } = end;
    let Holder { owner_uid, attempt } = holder;
    let tail = log::tail(&log_path(layout, owner_uid, *attempt));
    // An agent that outlived what was killed and ended in another way did not end of that.
    let killed = killed.as_ref().filter(|_| code == records::CODE_KILLED);
    let out_of_memory = killed.map(|killed| killed.limit.map_or(OutOfMemory::Machine, OutOfMemory::Limit));
    // Only of one that failed: others have nothing to say.
    let failed = || failed_turn::of(&transcript(layout, owner_uid, *attempt)?);
    let failed = if own && code != 0 { failed() } else { None };
    let failed = failed.map(|failed| with_account(known(layout, owner_uid, *attempt), failed));
    let mut activity = failed.or_else(|| activity(layout, owner_uid, *attempt));
    if activity.is_none() && does_report {
        activity = Some(starting(layout, owner_uid, *attempt)?);
    }
    Ok(AttemptState::Ended(AttemptEnd { code, own, at, tail, out_of_memory, activity }))
}

/// When an attempt began; none if it has not.
pub fn began(layout: &Layout, owner_uid: &str, attempt: u32) -> Option<Timestamp> {
    records::written(&layout.attempt(owner_uid, attempt).join(records::STARTED)).ok()
}

/// The folder of an attempt that `GT_RUN` names.
pub fn run_folder(layout: &Layout, owner_uid: &str, attempt: u32) -> PathBuf {
    layout.attempt(owner_uid, attempt).join(records::RUN)
}

/// An agent of a program that reports, until it has.
pub fn starting(layout: &Layout, owner_uid: &str, attempt: u32) -> Result<Activity, SessionError> {
    let since = records::written(&layout.attempt(owner_uid, attempt).join(records::STARTED))?;
    Ok(Activity { state: ActivityState::Starting, since, message: None, until: None, account: None })
}

/// The spec of an attempt, as far as it can be read.
fn known(layout: &Layout, owner_uid: &str, attempt: u32) -> Option<AgentSpec> {
    spec(layout, owner_uid, attempt).ok().flatten()
}

/// What an agent does, with the account that it works by as its spec says, and when that is taken again.
fn with_account(spec: Option<AgentSpec>, activity: Activity) -> Activity {
    let said = activity.message.as_deref().filter(|_| activity.state.is_of_account());
    let until = said.and_then(|said| resets::at(said, activity.since, &TimeZone::system()));
    let account = spec.and_then(|spec| account(&spec).or(spec.runtime));
    Activity { until, account, ..activity }
}

/// The account of the town's that an attempt works by; none where that is its Runtime's own.
fn account(spec: &AgentSpec) -> Option<String> {
    spec.env.iter().rev().find(|(name, _)| name == ACCOUNT).map(|(_, account)| account.clone())
}

/// What the agent of an attempt reports.
fn reports(layout: &Layout, owner_uid: &str, attempt: u32) -> Reports {
    Reports::of(run_folder(layout, owner_uid, attempt))
}

/// What an attempt's agent reported last; or that its turn has failed since, as its transcript says.
pub fn activity(layout: &Layout, owner_uid: &str, attempt: u32) -> Option<Activity> {
    let reports = reports(layout, owner_uid, attempt);
    let records::Activity { state, since, at, message, .. } = reports.activity()?;
    let spec = known(layout, owner_uid, attempt);
    if state == Doing::Busy
        && let Some(transcript) = failing(spec.as_ref(), &reports)
        && let Some(failed) = failed_turn::of(&transcript).filter(|failed| failed.since >= at)
    {
        return Some(with_account(spec, failed));
    }
    let state = match state {
        Doing::Starting => ActivityState::Starting,
        Doing::Busy => ActivityState::Busy,
        Doing::Idle => ActivityState::Idle,
        Doing::Asking => ActivityState::Asking,
        Doing::Limited => ActivityState::Limited,
        Doing::Overloaded => ActivityState::Overloaded,
        Doing::LoginRequired => ActivityState::LoginRequired,
    };
    let activity = Activity { state, since, message, until: None, account: None };
    Some(with_account(spec, activity))
}

/// The transcript of an attempt whose program reports no turn that fails; also where it is not there yet.
pub fn failing_transcript(layout: &Layout, owner_uid: &str, attempt: u32) -> Option<PathBuf> {
    failing(known(layout, owner_uid, attempt).as_ref(), &reports(layout, owner_uid, attempt))
}

fn failing(spec: Option<&AgentSpec>, reports: &Reports) -> Option<PathBuf> {
    spec.filter(|spec| spec.fails_in_transcript)?;
    reports.conversation()?.transcript
}

/// The file in which an agent's program keeps the conversation that an attempt reported.
pub fn transcript(layout: &Layout, owner_uid: &str, attempt: u32) -> Option<PathBuf> {
    reports(layout, owner_uid, attempt).conversation()?.transcript.filter(|path| path.is_file())
}

/// The conversation of an attempt, if it can be gone on with.
fn conversation(layout: &Layout, spec: &AgentSpec) -> Option<Conversation> {
    let reported = reports(layout, &spec.owner_uid, spec.attempt).conversation();
    let reported = reported.filter(records::Conversation::can_go_on)?;
    Some(Conversation { id: reported.id, sandbox_uid: spec.sandbox_uid.clone(), account: account(spec) })
}
