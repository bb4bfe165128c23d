//! The records and logs of attempts and jobs on this machine, for commands that show them.
//!
//! A record is a help, never a reason to fail: what cannot be read is left out. Controllers, for whom "not there" and "not
//! readable" differ, ask [`Sessions`](super::session::Sessions) and [`Jobs`](super::jobs::Jobs).

mod attempt;

mod jobs;

mod log;

mod reports;

mod screen;

pub mod tokens;

mod transcript;

mod writers;

use std::io;
use std::path::PathBuf;

use gastown_controllers::world::Attempt;
pub use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records as files;
use jiff::Timestamp;

use super::layout::Layout;
use super::session::attempts;

pub use attempt::AttemptRecord;
pub use jobs::{JobEnd, JobRecord, is_key};
pub use log::{Log, LogReader};
pub use reports::{Activity, Conversation, Doing, RecordError, Reports};
pub use screen::ROWS;
pub use transcript::Transcript;
pub use writers::Writers;

/// The records of one town.
#[derive(Debug, Clone)]
pub struct Records {
    layout: Layout,
}

impl Records {
    /// The records that lie in these folders.
    pub fn of(layout: &Layout) -> Self {
        Self { layout: layout.clone() }
    }

    /// The attempts at a bead, ascending.
    pub fn attempts(&self, bead_uid: &str) -> Vec<Attempt> {
        attempts::of(&self.layout, bead_uid).unwrap_or_default()
    }

    /// The numbers of all attempts at a bead, ascending; also of those whose record cannot be read.
    pub fn attempt_numbers(&self, bead_uid: &str) -> Vec<u32> {
        attempts::numbers(&self.layout, bead_uid).unwrap_or_default()
    }

    /// The output of an attempt's agent.
    pub fn attempt_log(&self, bead_uid: &str, attempt: u32) -> Log {
        Log::new(attempts::log_path(&self.layout, bead_uid, attempt), Some(files::EXIT))
    }

    /// What an attempt's terminal showed at last, after what had left it at its top; empty if it printed nothing.
    pub fn screen(&self, bead_uid: &str, attempt: u32) -> io::Result<Vec<String>> {
        let is_terminal =
            attempts::begin(&self.layout, bead_uid, attempt).is_none_or(|(_, begin)| begin.tmux.is_some());
        screen::shown(&attempts::log_path(&self.layout, bead_uid, attempt), is_terminal)
    }

    /// When an attempt was started.
    pub fn attempt_began(&self, bead_uid: &str, attempt: u32) -> Option<Timestamp> {
        attempts::begin(&self.layout, bead_uid, attempt).map(|(at, _)| at)
    }

    /// The sandbox of an attempt, by its uid.
    pub fn attempt_sandbox(&self, bead_uid: &str, attempt: u32) -> Option<String> {
        attempts::sandbox(&self.layout, bead_uid, attempt)
    }

    /// The transcript of the conversation that an attempt's agent reported, if there is one.
    pub fn transcript(&self, bead_uid: &str, attempt: u32) -> Option<PathBuf> {
        attempts::transcript(&self.layout, bead_uid, attempt)
    }

    /// The jobs, the newest first.
    pub fn jobs(&self) -> Vec<JobRecord> {
        jobs::all(&self.layout)
    }

    /// The job that verifies what waits in a rig's queue: the one that runs, else the last that ran. A rig verifies one
    /// thing at a time.
    pub fn verification(&self, rig_uid: &str) -> Option<JobRecord> {
        let mut of_rig: Vec<JobRecord> =
            self.jobs().into_iter().filter(|job| job.verifies.as_deref() == Some(rig_uid)).collect();
        of_rig.sort_by_key(|job| !job.is_running());
        of_rig.into_iter().next()
    }

    /// The output of a job, if there is such a job. The key becomes a folder's name, so one that could name another folder
    /// is of no job.
    pub fn job_log(&self, key: &str) -> Option<Log> {
        let dir = is_key(key).then(|| self.layout.job(key)).filter(|dir| dir.is_dir())?;
        Some(Log::new(dir.join(files::LOG), Some(files::RESULT)))
    }

    /// The controller's own log.
    pub fn controller_log(&self) -> Log {
        Log::new(self.layout.log(), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_supervisor::records::{Exit, write};

    #[test]
    fn attempts_are_numbered_by_their_folders_and_damage_hides_none() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        let records = Records::of(&layout);
        assert!(records.attempts("bead").is_empty() && records.attempt_numbers("bead").is_empty());
        for attempt in [10, 9] {
            fs_err::create_dir_all(layout.attempt("bead", attempt)).unwrap();
        }
        fs_err::write(layout.attempts("bead").join("notes"), "").unwrap();
        assert_eq!(records.attempt_numbers("bead"), [9, 10]);
        assert_eq!(records.attempts("bead").len(), 2);
        fs_err::write(layout.attempt("bead", 9).join(files::EXIT), "{").unwrap();
        assert_eq!(records.attempt_numbers("bead"), [9, 10]);
    }

    #[test]
    fn a_log_is_complete_once_the_end_is_on_record() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        let log = Records::of(&layout).attempt_log("bead", 1);
        fs_err::create_dir_all(log.folder()).unwrap();
        assert!(!log.is_complete());
        let exit = Exit { code: 0, own: true, at: jiff::Timestamp::UNIX_EPOCH, killed: None };
        write(&log.folder().join(files::EXIT), &exit, false).unwrap();
        assert!(log.is_complete());
        assert!(!Records::of(&layout).controller_log().is_complete(), "a controller's log has no end");
    }

    #[test]
    fn a_key_that_could_name_another_folder_is_of_no_job() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        fs_err::create_dir_all(layout.job("abc")).unwrap();
        let records = Records::of(&layout);
        assert!(records.job_log("abc").is_some());
        assert!(records.job_log("..").is_none() && records.job_log("").is_none() && records.job_log("abd").is_none());
    }
}
