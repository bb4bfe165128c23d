//! The branches that the town makes on a remote, `gastown/<bead>`: which there are, whose they are by now, and their removal.
//!
//! `refs/gt/own/*` notes the commit to which the town last pushed each. A commit that somebody else made on one is theirs.

use std::collections::BTreeMap;
use std::io::Write;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{OwnBranch, Owner, exit};
use gastown_crds::url::redact;
use git2::Repository;

use crate::git::clone::facts::{TARGETS, oid};
use crate::git::clone::message::merge_request;
use crate::git::failure::{Failure, say};
use crate::git::landing::push::{Push, refused};
use crate::git::{Git, GitError};

/// The ref namespace of what the town last pushed to branches of its own.
const OWN: &str = "refs/gt/own/";
/// Messages of git when the branch to be removed is not there.
const GONE_SIGNS: [&str; 2] = ["remote ref does not exist", "nonexistent ref"];

/// The ref that notes the commit to which the town last pushed a branch of its own.
pub(super) fn own_ref(branch: &str) -> String {
    format!("{OWN}{branch}")
}

/// The branches of the town's own, by name.
pub(in crate::git) fn all(repo: &Repository) -> Result<BTreeMap<String, OwnBranch>, git2::Error> {
    let mut found = BTreeMap::new();
    for reference in repo.references_glob(&format!("{OWN}*"))? {
        let reference = reference?;
        let (Some(pushed), Ok(name)) = (reference.target(), reference.name()) else { continue };
        let branch = name.strip_prefix(OWN).unwrap_or_default().to_owned();
        let there = repo.refname_to_id(&format!("{TARGETS}{branch}")).ok().map(oid);
        let of = merge_request(repo.find_commit(pushed)?.message_raw_bytes());
        found.insert(branch, OwnBranch { pushed: oid(pushed), of, there });
    }
    Ok(found)
}

impl Git {
    /// Notes that the town has pushed a branch of its own: what it is, and what the remote holds.
    pub(super) fn note_own(&self, push: &Push) -> Result<(), GitError> {
        let (clone, to) = (self.layout.bare_clone(&push.rig.uid), push.to);
        let refs = [own_ref(push.branch), format!("{TARGETS}{}", push.branch)];
        let lines = refs.map(|name| format!("update {name} {to}\n")).concat();
        self.call_in(&clone, format!("note what {} holds", push.branch))
            .args(["update-ref", "--stdin"])
            .stdin(lines)
            .run()?;
        Ok(())
    }

    /// Removes a branch of the town's own from the remote, if it holds what the town pushed there. That it is gone is success,
    /// and then nothing is noted of it any more.
    pub(in crate::git) fn remove_branch(
        &self,
        rig: &Owner,
        url: &str,
        branch: &str,
        pushed: &Oid,
        log: &mut dyn Write,
    ) -> Result<(), Failure> {
        let repo = self.open(rig)?;
        let (clone, shown) = (self.layout.bare_clone(&rig.uid), redact(url));
        let doing = format!("remove {branch} from {shown}");
        match repo.refname_to_id(&format!("{TARGETS}{branch}")).ok().map(oid) {
            Some(there) if there != *pushed => {
                let message = format!("somebody else has committed to {branch} of {shown}: it is left as it is");
                return Err(Failure { code: exit::PROTECTED, message });
            }
            Some(_) => {
                let push = Push { rig, url, branch, from: None, to: pushed, force: true, update_checked_out: false };
                let call = self.remote(self.call_in(&clone, &doing), url)?;
                let said = self.send(call, &push, None, &pushed.0)?;
                if let Some(said) = said.filter(|said| !GONE_SIGNS.iter().any(|sign| said.contains(sign))) {
                    return Err(refused(&doing, &said, &push));
                }
            }
            None => {}
        }
        let lines = format!("delete {}\ndelete {TARGETS}{branch}\n", own_ref(branch));
        self.call_in(&clone, format!("forget {branch}")).args(["update-ref", "--stdin"]).stdin(lines).run()?;
        say(log, &format!("{branch} of {shown} is gone"));
        Ok(())
    }
}
