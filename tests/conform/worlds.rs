//! What a script needs of a world beside its adapter: remotes and the people who use them, agents that do as they are
//! told, deaths and blindness, and a way to wait.

use std::collections::BTreeMap;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::WorldEvent;
use gastown_controllers::world::{Adapter, JobKey, Owner, SandboxId, SessionSpec};

/// Files by path.
pub type Files = BTreeMap<String, String>;

/// A change to files: what each path holds from then on.
pub type Change<'a> = &'a [(&'a str, &'a str)];

pub trait World: Adapter {
    /// Which it is.
    fn name(&self) -> &'static str;
    /// Waits, within a bound, for something to be so.
    fn until(&self, is_so: &mut dyn FnMut() -> bool) -> bool;
    /// What it has told so far.
    fn woken(&self) -> Vec<WorldEvent>;

    /// Where the remote of a name is, or would be.
    fn url(&self, remote: &str) -> String;
    /// A remote whose `main`, its HEAD, has one commit, `first`; no files: it has no branch at all.
    fn add_remote(&self, remote: &str, files: Option<Change>);
    /// Somebody commits to the `main` of the repository that a source is read from; it is at [`World::url`].
    fn declare(&self, origin: &str, change: Change);
    /// Somebody commits there once more, changes nothing and signs it, with the key that is in the town's file `signers`.
    fn sign(&self, origin: &str);
    /// Somebody else commits to a remote's branch; one that is not there begins at `main`.
    fn outside(&self, remote: &str, branch: &str, change: Change);
    /// Somebody else takes over a commit onto `main`, as `git cherry-pick` does, and edits it; without `names` under a message
    /// that does not say what it came from.
    fn pick(&self, remote: &str, commit: &Oid, names: bool, edit: Change);
    /// Somebody else merges a branch into `main` as one commit, and edits it; with `names` it says what it came from.
    fn squash(&self, remote: &str, branch: &str, names: bool, edit: Change);
    /// Somebody else moves `main` to a commit, wherever that is.
    fn reset(&self, remote: &str, to: &Oid);
    /// Somebody else deletes a remote's branch.
    fn delete(&self, remote: &str, branch: &str);
    /// Somebody works on `main` in the remote itself.
    fn check_out(&self, remote: &str, dirty: bool);
    /// Where a remote's branch is.
    fn tip(&self, remote: &str, branch: &str) -> Option<Oid>;
    /// What keeps commits reachable in a rig's clone: `heads/…`, `archive/…`, `rescue/…`.
    fn refs(&self, rig: &Owner) -> BTreeMap<String, Oid>;
    /// What an agent does before it says that it has finished: the clone gets its branch. The commit that it is at.
    fn hand_in(&self, sandbox: &SandboxId, branch: &str) -> Oid;
    /// The first line of a commit's message, and its tree.
    fn commit(&self, commit: &Oid) -> Option<(String, Oid)>;
    /// The parent of a commit.
    fn parent(&self, commit: &Oid) -> Oid;
    /// What a tree holds.
    fn tree(&self, tree: &Oid) -> Files;

    /// The command of an agent that does as these words say, one after the other, and ends with 0:
    /// `write PATH TEXT` (a line for each word of the text), `remove PATH`, `commit TITLE`, `wait GATE`, `exit CODE`.
    fn agent(&self, words: &[&str]) -> Vec<String>;
    /// Shell text that waits at a gate.
    fn waits(&self, gate: &str) -> String;
    /// Lets all go on that wait at a gate.
    fn open(&self, gate: &str);
    /// A crash in the middle of a start: the attempt's folder is there, nothing was started.
    fn intend(&self, spec: &SessionSpec);
    /// The agent of an attempt, which waits at this gate, ends with 0; whoever records that takes its time to go.
    fn end_slowly(&self, spec: &SessionSpec, gate: &str);
    /// Who took their time go.
    fn go(&self, spec: &SessionSpec);
    /// `kill -9` to the agent of an attempt.
    fn kill_agent(&self, spec: &SessionSpec);
    /// The machine dies under an attempt, without a trace.
    fn lose_session(&self, spec: &SessionSpec);
    /// Somebody deletes the rig's clone.
    fn lose_clone(&self, rig: &Owner);
    /// The terminal dies under all sessions.
    fn hang_up(&self);
    /// The machine dies under a job, without a trace.
    fn lose_job(&self, job: &JobKey);
    /// A job cannot be seen, or can be seen again.
    fn blind(&self, job: &JobKey, blind: bool);
}

pub fn rig() -> Owner {
    Owner::rig("shop", "rig-1")
}

pub fn polecat(name: &str) -> SandboxId {
    SandboxId { name: format!("shop-{name}"), uid: format!("uid-{name}") }
}

/// A text of a line for each word.
pub fn lines(words: &str) -> String {
    words.split(' ').filter(|word| !word.is_empty()).flat_map(|word| [word, "\n"]).collect()
}

/// Files whose texts are given by the words of their lines.
pub fn apply(files: &mut Files, change: Change) {
    for (path, words) in change {
        files.insert((*path).to_owned(), lines(words));
    }
}
