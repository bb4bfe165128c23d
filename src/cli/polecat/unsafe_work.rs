//! Work in a polecat's worktree that nobody else has yet: files that are not committed, and commits that are not handed in.

use std::path::PathBuf;

use gastown_controllers::polecat::sandbox_id;
use gastown_controllers::seen::Oid;
use gastown_crds::{MergeRequest, Polecat};
use kube::ResourceExt;

use crate::agent::worktree::Worktree;
use crate::town::Town;
use crate::world::git::{Git, commits_ahead};

/// Files that are named of what is not committed.
const FILES_MAX: usize = 10;

/// What would leave the worktree with the polecat.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UnsafeWork {
    /// The worktree.
    pub worktree: PathBuf,
    /// Files that are not committed, as `git status --short` lists them.
    pub files: Vec<String>,
    /// Commits that are in no merge request.
    pub commits: u32,
    /// The branch that they are on, or the commit.
    pub tip: String,
    /// Why it could not be seen what is there.
    pub unseen: Option<String>,
}

impl UnsafeWork {
    /// Whether nothing would be lost to anybody.
    pub fn is_none(&self) -> bool {
        self.files.is_empty() && self.commits == 0 && self.unseen.is_none()
    }

    /// What it is, a line for each sort.
    pub fn lines(&self) -> Vec<String> {
        let at = self.worktree.display();
        let mut lines = Vec::new();
        lines.extend(self.unseen.as_ref().map(|why| format!("it could not be seen what is in {at}: {why}")));
        lines.extend(match self.commits {
            0 => None,
            1 => Some(format!("1 commit on {} is not handed in", self.tip)),
            n => Some(format!("{n} commits on {} are not handed in", self.tip)),
        });
        let named = |many: &str| {
            let named = self.files.iter().take(FILES_MAX).map(|file| format!("\n      {file}")).collect::<Vec<_>>();
            let mut text = format!("{many} not committed in {at}:{}", named.concat());
            if self.files.len() > FILES_MAX {
                text += "\n      …";
            }
            text
        };
        lines.extend(match self.files.len() {
            0 => None,
            1 => Some(named("1 file is")),
            n => Some(named(&format!("{n} files are"))),
        });
        lines
    }
}

/// Looks for it. What was handed in is in the rig's clone, and what has landed on the target.
pub fn look(polecat: &Polecat, requests: &[MergeRequest], town: &Town) -> UnsafeWork {
    let sandbox = sandbox_id(polecat);
    let worktree = town.layout.worktree(&sandbox.uid);
    let found = UnsafeWork { worktree: worktree.clone(), ..UnsafeWork::default() };
    let unseen = |why: String| UnsafeWork { unseen: Some(why), worktree: worktree.clone(), ..UnsafeWork::default() };
    match fs_err::read_dir(&worktree).map(|mut entries| entries.next().is_some()) {
        Ok(true) => {}
        Ok(false) => return found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return found,
        Err(error) => return unseen(error.to_string()),
    }
    let record = match Git::new(town.layout.clone()).record(&sandbox) {
        Ok(Some(record)) => record,
        Ok(None) => return unseen("it is no whole worktree".to_owned()),
        Err(error) => return unseen(error.message()),
    };
    let seen = match Worktree::look(&worktree, &record.base.0) {
        Ok(seen) => seen,
        Err(error) => return unseen(error.to_string()),
    };
    let ahead = u32::try_from(seen.ahead).unwrap_or(u32::MAX);
    let name = polecat.name_any();
    let heads = requests.iter().filter(|request| request.spec.polecat == name).map(|it| Oid(it.spec.head.clone()));
    // A head that this repository does not have was handed in of an earlier bead.
    let beyond = heads.filter_map(|head| commits_ahead(&worktree, &head).ok());
    UnsafeWork {
        files: seen.dirty,
        commits: beyond.fold(ahead, u32::min),
        tip: seen.branch.unwrap_or(seen.head),
        ..found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_lost_is_named_with_its_place() {
        let nothing = UnsafeWork { worktree: "/w".into(), ..UnsafeWork::default() };
        assert!(nothing.is_none() && nothing.lines().is_empty());
        let files = (0..12).map(|nth| format!("?? f{nth}")).collect();
        let work = UnsafeWork { commits: 2, tip: "polecat/nux/shop-a".into(), files, ..nothing };
        assert!(!work.is_none());
        let lines = work.lines();
        assert_eq!(lines[0], "2 commits on polecat/nux/shop-a are not handed in");
        assert!(lines[1].starts_with("12 files are not committed in /w:\n      ?? f0\n"), "{}", lines[1]);
        assert!(lines[1].ends_with("?? f9\n      …"), "{}", lines[1]);
        let unseen = UnsafeWork { unseen: Some("denied".into()), worktree: "/w".into(), ..UnsafeWork::default() };
        assert!(!unseen.is_none());
        assert_eq!(unseen.lines(), ["it could not be seen what is in /w: denied"]);
    }
}
