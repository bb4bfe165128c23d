//! Where the work of a polecat is kept: its branches and rescue refs in the clones, and worktrees in quarantine.

use std::path::Path;

use gastown_controllers::world::SandboxId;
use git2::Repository;

use super::super::folders::list;
use crate::git::Git;

/// Characters of a commit that people tell apart.
const COMMIT_CHARS: usize = 12;

impl Git {
    /// Each place, in words; `called` is the polecat's name within its rig. For people: what cannot be read is left out.
    pub fn kept_of(&self, id: &SandboxId, called: &str) -> Vec<String> {
        let mut kept = Vec::new();
        for clone in list(&self.layout.clones()).unwrap_or_default() {
            let refs = [format!("refs/gt/rescue/{}/*", id.name), format!("refs/heads/polecat/{called}/*")];
            kept.extend(refs.iter().flat_map(|glob| in_clone(&clone, glob)));
        }
        let worktree = self.layout.worktree(&id.uid);
        let quarantined = format!("{}.kept-", id.uid);
        let beside = worktree.parent().map(|folder| list(folder).unwrap_or_default()).unwrap_or_default();
        let is_kept = |path: &Path| path.file_name().is_some_and(|it| it.to_string_lossy().starts_with(&quarantined));
        kept.extend(
            beside.iter().filter(|path| is_kept(path)).map(|path| format!("its worktree, as {}", path.display())),
        );
        kept
    }
}

fn in_clone(clone: &Path, glob: &str) -> Vec<String> {
    let Ok(repo) = Repository::open_bare(clone) else { return Vec::new() };
    let Ok(refs) = repo.references_glob(glob) else { return Vec::new() };
    let place = |reference: git2::Reference<'_>| {
        let commit = reference.target()?.to_string();
        let name = reference.name().ok()?.trim_start_matches("refs/heads/").to_owned();
        Some(format!("{name} at {} in {}", &commit[..COMMIT_CHARS.min(commit.len())], clone.display()))
    };
    refs.flatten().filter_map(place).collect()
}
