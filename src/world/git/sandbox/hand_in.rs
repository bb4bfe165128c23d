//! Handing in: the commits of a sandbox's own repository go to the rig's clone, before anybody is told of them.

use std::path::Path;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::SandboxId;
use git2::Repository;

use super::repository::adopt;
use super::rescue::Held;
use crate::git::history::History;
use crate::git::{Git, GitError};

impl Git {
    /// The clone holds `head` and has it as `branch`. A worktree whose repository is no sandbox's own has nothing to bring:
    /// those of earlier releases are the clone's.
    pub fn hand_in(&self, worktree: &Path, polecat: &str, branch: &str, head: &Oid) -> Result<(), GitError> {
        let doing = || format!("hand in {}", head.short());
        let read = |source| GitError::Read { doing: doing(), source };
        let own = Repository::discover(worktree).map_err(read)?;
        let own = own.commondir();
        let io = |source| GitError::Io { doing: doing(), source };
        let sandboxes = self.layout.sandboxes();
        if !sandboxes.exists()
            || own.parent().map(fs_err::canonicalize).transpose().map_err(io)?
                != Some(fs_err::canonicalize(&sandboxes).map_err(io)?)
        {
            return Ok(());
        }
        let Some(uid) = self.lender(own) else {
            return Err(io(std::io::Error::other("the rig's clone is not there")));
        };
        let clone = self.layout.bare_clone(&uid);
        let reference = format!("refs/heads/{branch}");
        let repo_lock = self.repo_lock(&uid)?;
        let held = Held { clone: &clone, repo_lock: &repo_lock };
        let there = Repository::open_bare(&clone).map_err(read)?;
        let before = there.refname_to_id(&reference).ok();
        if before.is_some_and(|before| before.to_string() == head.0) {
            return Ok(());
        }
        // All that it has: as good as fetched, and a third of the time.
        adopt(own, &clone).map_err(io)?;
        let complete = there.find_commit(git2::Oid::from_str(&head.0).map_err(read)?).and_then(|head| head.tree());
        complete.map_err(read)?;
        self.set_ref(&held, &reference, &head.0)?;
        // What an older hand-in, or a namesake's, had there.
        let before = before.filter(|before| there.find_commit(*before).is_ok());
        let new = git2::Oid::from_str(&head.0).map_err(read)?;
        let is_behind = |before| History::of(&there).and_then(|history| history.reaches(new, before)).unwrap_or(false);
        if let Some(before) = before.filter(|before| !is_behind(*before)) {
            let id = SandboxId { name: polecat.to_owned(), uid };
            self.keep(&held, &id, &[before].into(), None)?;
        }
        Ok(())
    }
}
