//! Retention: the folders of jobs that are over are kept up to a number, the newest.

use std::time::SystemTime;

use gastown_controllers::world::{Job, JobKey, JobState};
use gastown_supervisor::lock;

use super::{JobError, Jobs};

/// Most folders that are removed at once: a log of 4 MiB each takes about a millisecond.
const SWEEP_MAX: usize = 200;

/// What is kept of the jobs that are over.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// This many in all, the newest.
    pub newest: usize,
    /// All fetches and looks of gates but so many go first: they outnumber the rest many times over, and an old one is good for
    /// nothing.
    pub fetches: usize,
}

impl Jobs {
    /// Removes the oldest folders of jobs that ended or are lost. Returns how many went.
    /// A job that runs or is about to begin is never touched.
    pub fn sweep(&self, keep: Keep) -> Result<usize, JobError> {
        let mut over = self.over()?;
        let too_many = over.len().saturating_sub(keep.newest).min(SWEEP_MAX);
        if too_many == 0 {
            return Ok(0);
        }
        over.sort();
        let (mut fetches, others): (Vec<_>, Vec<_>) = over.into_iter().partition(|(_, key)| self.is_fetch(key));
        let newest = fetches.split_off(fetches.len().saturating_sub(keep.fetches));
        let mut removed = 0;
        for (_, key) in fetches.into_iter().chain(others).chain(newest).take(too_many) {
            removed += usize::from(self.remove(&key)?);
        }
        self.sweep_tracks()?;
        Ok(removed)
    }

    fn is_fetch(&self, key: &JobKey) -> bool {
        matches!(self.begun(key), Some(Job::Fetch { .. } | Job::Lease { .. } | Job::Gate { .. }))
    }

    /// The jobs that are over, by when their folder was last written to.
    fn over(&self) -> Result<Vec<(SystemTime, JobKey)>, JobError> {
        let jobs = self.layout.job("");
        if !jobs.exists() {
            return Ok(Vec::new());
        }
        let mut over = Vec::new();
        for entry in fs_err::read_dir(jobs)? {
            let entry = entry?;
            let (Ok(name), Ok(written)) = (entry.file_name().into_string(), entry.metadata()?.modified()) else {
                continue;
            };
            let key = JobKey(name);
            // One that cannot be read is left for people to see.
            if matches!(self.look(&key), Ok(JobState::Exited(_) | JobState::Lost { .. })) {
                over.push((written, key));
            }
        }
        Ok(over)
    }

    /// Removes one that is over, holding its lock, so that it cannot begin meanwhile.
    fn remove(&self, key: &JobKey) -> Result<bool, JobError> {
        let path = self.layout.job_lock(&key.0);
        let Some(held) = lock::take(&path, std::time::Duration::ZERO)? else { return Ok(false) };
        fs_err::remove_dir_all(self.layout.job(&key.0))?;
        fs_err::remove_file(path)?;
        lock::release(&held);
        Ok(true)
    }
}
