//! Lock files that a killed git left in a clone: every later git refuses because of them, and none takes them away.
//!
//! One is removed when it is met, and only if it is old: gits that do not take our locks (an agent's push, received in the
//! clone) hold theirs for milliseconds.

use std::path::{Path, PathBuf};

use gastown_supervisor::records::written;
use jiff::{SignedDuration, Timestamp};

/// The age from which no git that runs holds a lock file: a thousand times what writing a ref takes, and ten times what
/// writing 100,000 of them does.
const STALE_MIN: SignedDuration = SignedDuration::from_secs(10);

/// What git says before and after the path of a lock file, or of the file it is for, that it could not make.
const COMPLAINTS: [(&str, &str); 2] =
    [("Unable to create '", "': File exists"), ("could not lock config file ", ": File exists")];

/// Removes the stale lock files below `clones` that a git run in `cwd` complains of; whether there was one.
pub(super) fn remove(complaint: &str, clones: &Path, cwd: &Path, now: Timestamp) -> bool {
    let is_stale = |lock: &PathBuf| written(lock).is_ok_and(|at| now.duration_since(at) >= STALE_MIN);
    let stale: Vec<_> = named(complaint, cwd).filter(|lock| lock.starts_with(clones)).filter(is_stale).collect();
    stale.into_iter().fold(false, |removed, lock| {
        tracing::warn!(lock = %lock.display(), "a killed git left a lock file; it is removed");
        // Gone by now is fine: it is tried again.
        fs_err::remove_file(lock).is_ok() || removed
    })
}

/// The lock files that a complaint names.
fn named<'a>(complaint: &'a str, cwd: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
    let in_line = move |line: &'a str| {
        COMPLAINTS.into_iter().find_map(|(before, after)| {
            let path = cwd.join(line.split_once(before)?.1.split_once(after)?.0);
            let is_lock = path.extension().is_some_and(|extension| extension == "lock");
            Some(if is_lock { path } else { PathBuf::from(format!("{}.lock", path.display())) })
        })
    };
    complaint.lines().filter_map(in_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_names_the_lock_that_is_in_its_way() {
        let complaint = "error: cannot lock ref 'refs/a': Unable to create '/c/refs/a.lock': File exists.\n\n\
                         Another git process seems to be running in this repository, e.g.\n\
                         error: could not lock config file config: File exists";
        let named: Vec<_> = named(complaint, Path::new("/c")).collect();
        assert_eq!(named, [Path::new("/c/refs/a.lock"), Path::new("/c/config.lock")]);
    }

    #[test]
    fn only_an_old_one_in_a_clone_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("HEAD.lock");
        let complaint = format!("fatal: Unable to create '{}': File exists.", lock.display());
        let made = |age: i64| {
            fs_err::write(&lock, "").unwrap();
            let now = written(&lock).unwrap() + SignedDuration::from_secs(age);
            (remove(&complaint, dir.path(), dir.path(), now), lock.exists())
        };
        assert_eq!(made(9), (false, true));
        assert_eq!(made(10), (true, false));
        fs_err::write(&lock, "").unwrap();
        let elsewhere = dir.path().join("clones");
        assert!(!remove(&complaint, &elsewhere, dir.path(), written(&lock).unwrap() + SignedDuration::from_hours(1)));
    }
}
