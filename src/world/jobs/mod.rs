//! Jobs: what takes longer than a second, as supervised processes of their own that survive the controller.
//!
//! A job is named by its inputs. Its folder `jobs/<key>/` is made exclusively and holds:
//!
//! | file | what it says |
//! |---|---|
//! | `spec.json` | the job and the layout's folders |
//! | `started.json` | written under the lock: from now on this job is never started again |
//! | `log`, `log.1` | what it printed, 2 MiB each at most |
//! | `result.json` | how it ended |
//!
//! Its lock lies beside the sandboxes' (`locks/job-<key>`) and not in the folder: a lock inside a folder that somebody
//! deletes can be held twice. Which job was begun last on a track is on record too ([`newest`]). Killed, a job leaves no
//! result and a free lock: it is lost, and a new round, which is another key, is for the caller to decide. So are slots.
//! What a lost job left running is ended before another begins. Its programs see `GT_JOB`, the folder, by which they are
//! found.

mod sweep;
pub use sweep::Keep;

mod remains;

mod newest;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gastown_base::private;
use gastown_controllers::world::{Exited, Job, JobKey, JobState};
use gastown_supervisor::records::{self, JobResult, JobSpec, RecordError, Spec, Started};
use gastown_supervisor::{WORD, lock, log, watch};

use crate::exec::{Exec, ExecError};
use crate::layout::Layout;
use crate::session::children::Children;

/// How long a job may take to begin. It takes some milliseconds.
const BEGIN_MAX: Duration = Duration::from_millis(900);

/// The jobs of one town.
#[derive(Debug)]
pub struct Jobs {
    layout: Layout,
    gt: PathBuf,
    children: Arc<Children>,
    /// Jobs that are being started: another of their track must not be.
    starting: Mutex<BTreeSet<JobKey>>,
}

/// Why a job could not be seen or started.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file system refused; the error names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A record could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// `gt` could not be started.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// Another job of its track runs.
    #[error("{job} waits: job {newest} runs there")]
    Behind {
        /// The job.
        job: String,
        /// The key of the one that runs.
        newest: String,
    },
    /// It was started and did not begin.
    #[error("job {key} did not begin within {limit:?}; it is tried again")]
    NotBegun {
        /// Which.
        key: String,
        /// The limit.
        limit: Duration,
    },
}

impl Jobs {
    /// The jobs of a town; `gt` is this program.
    pub fn new(layout: Layout, gt: PathBuf, children: Arc<Children>) -> Self {
        Self { layout, gt, children, starting: Mutex::default() }
    }

    /// How a job is.
    pub fn look(&self, key: &JobKey) -> Result<JobState, JobError> {
        if let Some(exited) = self.exited(key)? {
            return Ok(JobState::Exited(exited));
        }
        let started = self.layout.job(&key.0).join(records::STARTED);
        if records::read::<Started>(&started)?.is_none() {
            // Nothing of it has run. A start that is under way is absent too, and ensuring it again starts it once.
            return Ok(JobState::Absent);
        }
        if lock::held(&self.layout.job_lock(&key.0))? {
            return Ok(JobState::Running);
        }
        // It may have ended between the two looks; the result is written before the lock is freed.
        if let Some(exited) = self.exited(key)? {
            return Ok(JobState::Exited(exited));
        }
        Ok(JobState::Lost { at: records::written(&started)? })
    }

    /// The job of this name, as it was begun; none if its record is gone, or is not as this release writes it.
    pub fn begun(&self, key: &JobKey) -> Option<Job> {
        match records::read::<Spec<Job>>(&self.layout.job(&key.0).join(records::SPEC)) {
            Ok(Some(Spec::Job(JobSpec { job, .. }))) => Some(job),
            _ => None,
        }
    }

    /// The job runs, or has run. A lost one stays lost.
    pub fn ensure(&self, job: &Job) -> Result<(), JobError> {
        self.children.reap();
        let key = job.key();
        let (dir, lock) = (self.layout.job(&key.0), self.layout.job_lock(&key.0));
        let started = dir.join(records::STARTED);
        if records::read::<Started>(&started)?.is_some() {
            return Ok(());
        }
        for parent in [dir.parent(), lock.parent()].into_iter().flatten() {
            private::create(parent)?;
        }
        match private::create_new(&dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e.into()),
            _ => {}
        }
        let layout = [self.layout.data(), self.layout.state(), self.layout.runtime()].map(PathBuf::from);
        let spec = Spec::Job(JobSpec { dir: dir.clone(), lock, layout, job: job.clone() });
        let path = dir.join(records::SPEC);
        records::write(&path, &spec, false)?;
        let _starting = self.take_track(job)?;
        self.end_remains()?;
        let process = Exec::new(&self.gt).arg(WORD).arg(&path).env(remains::MARK, &dir);
        self.children.adopt(process.detach(log::append(&dir.join(records::LOG))?)?);
        if watch::until(&dir, BEGIN_MAX, || started.exists())? {
            return Ok(());
        }
        Err(JobError::NotBegun { key: key.0, limit: BEGIN_MAX })
    }

    /// Where a job's output is.
    pub fn log_path(&self, key: &JobKey) -> PathBuf {
        self.layout.job(&key.0).join(records::LOG)
    }

    fn exited(&self, key: &JobKey) -> Result<Option<Exited>, RecordError> {
        let result = records::read::<JobResult>(&self.layout.job(&key.0).join(records::RESULT))?;
        Ok(result.map(|JobResult { code, at }| Exited { code, at, tail: log::tail(&self.log_path(key)) }))
    }
}
