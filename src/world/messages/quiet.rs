//! Do not disturb: who is told nothing for now. Messages wait meanwhile, unless they are forced.
//!
//! A file for each sandbox, and one for all: agents' hooks ask as well as commands, with the controller up or down, and after a restart.

use std::io;
use std::path::{Path, PathBuf};

use gastown_base::private;
use gastown_supervisor::records::{self, RecordError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The folder in the town's data.
const FOLDER: &str = "quiet";

/// The file that is about all sandboxes. A uid has no such name.
const ALL: &str = "all";

/// Who wanted it to be quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietRecord {
    /// The person or agent.
    pub by: String,
    /// Since when.
    pub at: Timestamp,
}

/// Who is not to be disturbed in a town.
#[derive(Debug, Clone)]
pub struct Quiet {
    folder: PathBuf,
}

impl Quiet {
    /// Of the town whose data lie here.
    pub fn of(data: &Path) -> Self {
        Self { folder: data.join(FOLDER) }
    }

    /// Whether this sandbox, or every one, is not to be disturbed. A record that cannot be read says so, too.
    pub fn is_kept(&self, sandbox_uid: &str) -> bool {
        self.of_all().is_some() || self.folder.join(sandbox_uid).exists()
    }

    /// Whether no sandbox is to be disturbed, and who wanted that.
    pub fn of_all(&self) -> Option<Option<QuietRecord>> {
        let file = self.folder.join(ALL);
        file.exists().then(|| records::read(&file).ok().flatten())
    }

    /// Keeps a sandbox, or all of them, from being disturbed, or no longer.
    pub fn keep(&self, sandbox_uid: Option<&str>, wanted: Option<&QuietRecord>) -> Result<(), RecordError> {
        let file = self.folder.join(sandbox_uid.unwrap_or(ALL));
        match wanted {
            Some(record) => {
                private::create(&self.folder)?;
                records::write(&file, record, true)
            }
            None => match fs_err::remove_file(&file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
                _ => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_all_are_left_in_peace_until_that_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let quiet = Quiet::of(dir.path());
        let record = QuietRecord { by: "kim".to_owned(), at: Timestamp::from_second(0).unwrap() };
        quiet.keep(Some("a"), Some(&record)).unwrap();
        assert_eq!((quiet.is_kept("a"), quiet.is_kept("b")), (true, false));
        quiet.keep(None, Some(&record)).unwrap();
        assert_eq!((quiet.is_kept("b"), quiet.of_all()), (true, Some(Some(record))));
        for which in [None, Some("a"), Some("a")] {
            quiet.keep(which, None).unwrap();
        }
        assert!(!quiet.is_kept("a") && !quiet.is_kept("b"));
    }
}
