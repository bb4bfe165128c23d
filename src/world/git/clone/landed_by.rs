//! What an author has landed on a rig's target, by the trailers of its commits: it is there when nothing else is any more.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::Owner;
use gastown_crds::common::Person;
use git2::Repository;
use jiff::Timestamp;

use super::facts::{oid, target};
use super::message;
use crate::git::history::History;
use crate::git::{Git, GitError};

/// The depth to which a target is searched, in commits.
const COMMITS_MAX: usize = 1000;

/// A commit that landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LandedCommit {
    /// Its id.
    pub commit: Oid,
    /// When it was made.
    pub at: Timestamp,
    /// The bead that it is of.
    pub bead: String,
    /// The merge request that it came from.
    pub merge_request: String,
    /// The first line of its message.
    pub subject: String,
}

impl Git {
    /// The last commit of each merge request on a rig's target that is by this author, the newest first; without a branch, on
    /// the remote's HEAD branch. Nothing where there is no clone.
    pub fn landed_by(&self, rig: &Owner, branch: Option<&str>, author: &Person) -> Result<Vec<LandedCommit>, GitError> {
        if !self.layout.bare_clone(&rig.uid).exists() {
            return Ok(Vec::new());
        }
        let repo = self.open(rig)?;
        read(&repo, branch, author)
            .map_err(|source| GitError::Read { doing: format!("read the target of rig `{}`", rig.name), source })
    }
}

fn read(repo: &Repository, branch: Option<&str>, author: &Person) -> Result<Vec<LandedCommit>, git2::Error> {
    let (_, Some(tip)) = target(repo, branch)? else { return Ok(Vec::new()) };
    let mut found: Vec<LandedCommit> = Vec::new();
    for id in History::of(repo)?.newest(tip.id(), COMMITS_MAX)? {
        let commit = repo.find_commit(id)?;
        let (by, text) = (commit.author(), commit.message_raw_bytes());
        if by.name_bytes() != author.name.as_bytes() || by.email_bytes() != author.email.as_bytes() {
            continue;
        }
        let (Some(bead), Some(merge_request)) = (message::bead(text), message::merge_request(text)) else { continue };
        if found.iter().any(|it| it.merge_request == merge_request) {
            continue;
        }
        let at = Timestamp::from_second(commit.time().seconds()).unwrap_or(Timestamp::UNIX_EPOCH);
        let subject = String::from_utf8_lossy(text).lines().next().unwrap_or_default().to_owned();
        found.push(LandedCommit { commit: oid(id), at, bead, merge_request, subject });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;
    use git2::{Signature, Time};

    #[test]
    fn what_an_author_landed_is_read_from_the_target_alone() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        let (rig, git) = (Owner::rig("shop", "u"), Git::new(layout.clone()));
        let nux = Person { name: "nux".into(), email: "nux@town.invalid".into() };
        assert_eq!(git.landed_by(&rig, Some("main"), &nux).unwrap(), []);
        let repo = Repository::init_bare(layout.bare_clone("u")).unwrap();
        let tree = repo.find_tree(repo.treebuilder(None).unwrap().write().unwrap()).unwrap();
        let mut second = 0;
        let mut land = |name: &str, text: &str| {
            second += 1;
            let by = Signature::new(name, &format!("{name}@town.invalid"), &Time::new(second, 0)).unwrap();
            let name = "refs/gt/target/main";
            let parent = repo.find_reference(name).ok().and_then(|it| it.peel_to_commit().ok());
            let parents: Vec<_> = parent.iter().collect();
            repo.commit(Some(name), &by, &by, text, &tree, &parents).unwrap();
        };
        land("nux", "One\n\nGastown-Bead: shop-a\nGastown-MR: shop-a-1\n");
        land("nux", "One more\n\nGastown-Bead: shop-a\nGastown-MR: shop-a-1\n");
        land("toast", "Two\n\nGastown-Bead: shop-b\nGastown-MR: shop-b-1\n");
        land("nux", "By hand\n");
        land("nux", "Three\n\nGastown-Bead: shop-c\nGastown-MR: shop-c-1\n");
        let landed = git.landed_by(&rig, Some("main"), &nux).unwrap();
        let said: Vec<String> =
            landed.iter().map(|it| format!("{} {} {} {}", it.at, it.bead, it.merge_request, it.subject)).collect();
        assert_eq!(
            said,
            ["1970-01-01T00:00:05Z shop-c shop-c-1 Three", "1970-01-01T00:00:02Z shop-a shop-a-1 One more"]
        );
        assert_eq!(git.landed_by(&rig, Some("other"), &nux).unwrap(), []);
        land("kim", "Revert \"Two\"\n\nThis reverts commit 0123.\n\nGastown-Bead: shop-d\nGastown-MR: shop-d-1\n");
        let beads = git.facts(&rig, Some("main")).unwrap().beads;
        let said: Vec<String> =
            beads.iter().map(|(bead, landed)| format!("{bead} {}", landed.at.as_second())).collect();
        assert_eq!(said, ["shop-a 2", "shop-b 3", "shop-c 5"], "the last of each, and nothing that was taken back");
    }
}
