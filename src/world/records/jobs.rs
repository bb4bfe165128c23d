//! The records of jobs: what each does, for which rig, and how it ended.

use std::time::SystemTime;

use gastown_controllers::world::Job;
use gastown_supervisor::lock;
use gastown_supervisor::records::{self as files, JobResult, JobSpec, Spec, Started};

use crate::layout::Layout;

/// A job on record.
#[derive(Debug)]
pub struct JobRecord {
    /// The job's key.
    pub key: String,
    /// The kind of job: `verify`.
    pub verb: &'static str,
    /// The name of the rig that it works for.
    pub rig: String,
    /// The job's end, or that it runs.
    pub end: JobEnd,
    /// The uid of the rig whose queue it verifies, if it does that.
    pub(super) verifies: Option<String>,
    /// The instant of its folder's last change.
    touched: SystemTime,
}

/// The end of a job, as its record and its lock say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// The job runs.
    Running,
    /// The job ended with this exit code.
    Ended(i32),
    /// The job neither runs nor left a result.
    Lost,
}

impl JobRecord {
    /// Whether the job runs now.
    pub fn is_running(&self) -> bool {
        self.end == JobEnd::Running
    }
}

/// Whether a text could be a job's key.
pub fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// All jobs, the newest first.
pub(super) fn all(layout: &Layout) -> Vec<JobRecord> {
    let entries = fs_err::read_dir(layout.job("")).into_iter().flatten().flatten();
    let mut found: Vec<JobRecord> =
        entries.filter_map(|entry| record(layout, entry.file_name().into_string().ok()?)).collect();
    found.sort_by_key(|job| (std::cmp::Reverse(job.touched), job.key.clone()));
    found
}

fn record(layout: &Layout, key: String) -> Option<JobRecord> {
    let dir = layout.job(&key);
    let Some(Spec::Job(JobSpec { job, .. })) = files::read::<Spec<Job>>(&dir.join(files::SPEC)).ok()? else {
        return None;
    };
    let has_started = files::read::<Started>(&dir.join(files::STARTED)).ok()?.is_some();
    let result = files::read::<JobResult>(&dir.join(files::RESULT)).ok()?;
    let end = match result {
        Some(JobResult { code, at: _ }) => JobEnd::Ended(code),
        None if has_started && lock::held(&layout.job_lock(&key)).unwrap_or(false) => JobEnd::Running,
        None => JobEnd::Lost,
    };
    let touched = fs_err::metadata(&dir).and_then(|it| it.modified()).ok()?;
    let (verb, verifies) = match &job {
        Job::Clone { .. } => ("clone", None),
        Job::Fetch { .. } => ("fetch", None),
        Job::Setup { .. } => ("setup", None),
        Job::Verify { owner: rig, .. } => ("verify", Some(rig.uid.clone())),
        Job::Push { .. } => ("push", None),
        Job::RemoveBranch { .. } => ("remove", None),
        Job::Lease { .. } => ("lease", None),
        Job::Notify { .. } => ("notify", None),
        Job::Gate { .. } => ("gate", None),
    };
    Some(JobRecord { key, verb, rig: job.owner().name.clone(), end, verifies, touched })
}
