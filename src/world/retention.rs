//! Leftovers: what is kept on disk of what is over, up to a number, the newest. Swept when a controller starts.
//!
//! Nothing here is work: attempts leave their output, checks their caches, replays their record. Clones stay, for the
//! branches and rescue refs in them; jobs have a sweep of their own.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::git::folders;
use super::layout::Layout;

/// Beads that are over and whose attempts are kept: at most 4 MiB of output each attempt.
const BEADS_KEPT: usize = 500;
/// Replays that are kept; one that is gone is made again, and gives the same.
const REPLAYS_KEPT: usize = 1000;

/// The beads and rigs that are not over, by uid.
#[derive(Debug, Default)]
pub struct Living {
    /// Beads that are open: their attempts count.
    pub beads: BTreeSet<String>,
    /// Rigs that are declared.
    pub rigs: BTreeSet<String>,
}

/// The folders and files of attempts, checks and replays, by the time of their last change.
#[derive(Debug)]
pub struct Leftovers {
    attempts: Vec<(SystemTime, PathBuf)>,
    caches: Vec<(SystemTime, PathBuf)>,
    replays: Vec<(SystemTime, PathBuf)>,
}

impl Leftovers {
    /// The folders and files that are there now.
    pub fn of(layout: &Layout) -> io::Result<Self> {
        Ok(Self {
            attempts: entries(&layout.attempts(""))?,
            caches: entries(&layout.verify_worktree(""))?,
            replays: layout.replay("").parent().map(entries).transpose()?.unwrap_or_default(),
        })
    }

    /// Removes of it what is over and too much. Answers how many folders and files went.
    pub fn sweep(self, living: &Living) -> usize {
        // Named by a uid alone; beside them lie locks and what is in quarantine.
        let is_over = |kept: &BTreeSet<String>, path: &Path| {
            let name = path.file_name().and_then(|name| name.to_str()).filter(|name| !name.contains('.'));
            name.is_some_and(|name| !kept.contains(name)) && path.is_dir()
        };
        let over = |all: Vec<(SystemTime, PathBuf)>, kept: &BTreeSet<String>| -> Vec<_> {
            all.into_iter().filter(|(_, path)| is_over(kept, path)).collect()
        };
        let (attempts, caches) = (over(self.attempts, &living.beads), over(self.caches, &living.rigs));
        let mut removed = 0;
        for path in [oldest(attempts, BEADS_KEPT), oldest(caches, 0), oldest(self.replays, REPLAYS_KEPT)].concat() {
            match folders::remove(&path) {
                Ok(()) => removed += 1,
                // What a check or an agent made unremovable is left to people; the rest goes.
                Err(error) => tracing::warn!(%error, "a leftover could not be removed"),
            }
        }
        removed
    }
}

/// The entries of a folder, by the time of their last change; a folder that is not there is empty.
fn entries(folder: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let listed = match fs_err::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry?;
        found.push((entry.metadata()?.modified()?, entry.path()));
    }
    Ok(found)
}

/// All but the newest so many.
fn oldest(mut all: Vec<(SystemTime, PathBuf)>, kept: usize) -> Vec<PathBuf> {
    all.sort();
    all.truncate(all.len().saturating_sub(kept));
    all.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second)
    }

    #[test]
    fn the_oldest_go_and_so_many_stay() {
        let all = |seconds: &[u64]| seconds.iter().map(|s| (at(*s), PathBuf::from(s.to_string()))).collect::<Vec<_>>();
        assert_eq!(oldest(all(&[3, 1, 2]), 1), ["1", "2"].map(PathBuf::from));
        assert!(oldest(all(&[3, 1]), 2).is_empty());
    }

    #[test]
    fn what_is_not_over_stays_whatever_its_age() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        for n in 0..BEADS_KEPT + 3 {
            fs_err::create_dir_all(layout.attempt(&format!("bead-{n}"), 1)).unwrap();
        }
        for rig in ["gone", "here"] {
            fs_err::create_dir_all(layout.verify_worktree(rig).join("target")).unwrap();
            fs_err::write(layout.verify_worktree(&format!("{rig}.lock")), "").unwrap();
        }
        let open: Vec<String> = (0..10).map(|n| format!("bead-{n}")).collect();
        let living = Living { beads: open.iter().cloned().collect(), rigs: BTreeSet::from(["here".to_owned()]) };
        let sweep = |living: &Living| Leftovers::of(&layout).unwrap().sweep(living);
        assert_eq!(sweep(&living), 1, "the caches of a rig that is gone");
        assert!(layout.verify_worktree("here").exists() && !layout.verify_worktree("gone").exists());
        assert!(layout.verify_worktree("here.lock").exists());
        for n in 0..10 {
            fs_err::create_dir_all(layout.attempt(&format!("more-{n}"), 1)).unwrap();
        }
        assert_eq!(sweep(&living), 3, "thirteen are open or among the newest");
        assert!(open.iter().all(|bead| layout.attempts(bead).exists()));
        assert_eq!(sweep(&Living::default()), 1 + 10, "what was open counts now, and goes by its age");
    }
}
