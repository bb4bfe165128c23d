//! What a killed job left running: found by a variable that its programs inherit, and ended before another job begins,
//! so that two rounds never work in one folder.

use std::path::Path;

use gastown_controllers::world::{JobKey, JobState};
use gastown_supervisor::proc;
use gastown_supervisor::process::ProcessId;
use rustix::process::Signal;

use super::{JobError, Jobs};

/// The variable that says which job's folder a program works for.
pub(super) const MARK: &str = "GT_JOB";

impl Jobs {
    /// Ends the programs of lost jobs. Those of a job that left its result, such as a server that a setup started, are
    /// left alone. Returns how many were ended.
    pub fn end_remains(&self) -> Result<usize, JobError> {
        let jobs = self.layout.job("");
        let mut ended = 0;
        for pid in proc::pids()? {
            // Known before its environment is read: what is signalled is what was looked at.
            let Some(process) = ProcessId::of(pid) else { continue };
            let Some(key) = proc::variable(pid, MARK).and_then(|dir| key_below(&jobs, Path::new(&dir))) else {
                continue;
            };
            if matches!(self.look(&key), Ok(JobState::Lost { .. })) {
                process.signal(Signal::KILL);
                ended += 1;
            }
        }
        Ok(ended)
    }
}

/// The job whose folder this is, if it is one of this town's.
fn key_below(jobs: &Path, dir: &Path) -> Option<JobKey> {
    (dir.parent() == Some(jobs)).then(|| dir.file_name()?.to_str().map(|name| JobKey(name.to_owned())))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_this_town_are_its_jobs() {
        let key = |dir: &str| key_below(Path::new("/state/jobs/"), Path::new(dir)).map(|key| key.0);
        assert_eq!(key("/state/jobs/abc").as_deref(), Some("abc"));
        assert_eq!(key("/other/jobs/abc"), None);
        assert_eq!(key("/state/jobs/abc/def"), None);
    }
}
