//! The newest job of each track: a file that names it, written before it is started.
//!
//! | file | what it says |
//! |---|---|
//! | `tracks/<digest>.json` | the key of the job that was begun last on the track of this name |

use std::io;
use std::sync::PoisonError;

use gastown_base::private;
use gastown_controllers::world::{Job, JobKey, JobState, Track};
use gastown_supervisor::records;
use serde::{Deserialize, Serialize};

use super::{JobError, Jobs};
use crate::git;

/// The job that was begun last on a track.
#[derive(Debug, Serialize, Deserialize)]
struct Newest {
    job: JobKey,
}

/// A job that is being started.
pub(super) struct Starting<'a> {
    jobs: &'a Jobs,
    key: JobKey,
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        self.jobs.starting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Jobs {
    /// The job that was begun last on a track; none if none is on record.
    pub fn newest(&self, track: &Track) -> Result<Option<JobKey>, JobError> {
        let newest = records::read::<Newest>(&self.layout.track(&git::track_id(track, &self.layout)))?;
        Ok(newest.map(|newest| newest.job))
    }

    /// From now on a job is the newest of its track, unless another runs there. While what is given back lives, the job is
    /// taken to run.
    pub(super) fn take_track(&self, job: &Job) -> Result<Starting<'_>, JobError> {
        let (track, key) = (job.track(), job.key());
        let mut starting = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(newest) = self.newest(&track)?.filter(|newest| *newest != key)
            && (starting.contains(&newest) || self.look(&newest)? == JobState::Running)
        {
            return Err(JobError::Behind { job: job.to_string(), newest: newest.0 });
        }
        let path = self.layout.track(&git::track_id(&track, &self.layout));
        if let Some(folder) = path.parent() {
            private::create(folder)?;
        }
        // It need not survive a loss of power: no job does.
        records::write(&path, &Newest { job: key.clone() }, false)?;
        starting.insert(key.clone());
        Ok(Starting { jobs: self, key })
    }

    /// Forgets the tracks whose newest job was swept. A job's folder is made before its track names it.
    pub(super) fn sweep_tracks(&self) -> Result<(), JobError> {
        let entries = match fs_err::read_dir(self.layout.tracks()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            // One that cannot be read is left for people to see.
            if let Ok(Some(Newest { job })) = records::read(&path)
                && !self.layout.job(&job.0).exists()
            {
                fs_err::remove_file(path)?;
            }
        }
        Ok(())
    }
}
