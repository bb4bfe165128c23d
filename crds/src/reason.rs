//! `Reason`: why a condition is as it is, as one word that programs compare, with who has to act and what to do.
//!
//! Invariant: what is decided by a reason is decided here or by its variant, never by reading a message.

use std::fmt;

use crate::bead::CloseReason;
use crate::overrides::Mode;

/// Who has to act before a condition with this reason changes. What the town tries again by itself is the town's, even if a
/// person could end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acts {
    /// The town: it goes on by itself.
    Town,
    /// A person.
    Person,
    /// Nobody: it is as it should be, or it is over.
    Nobody,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $Reason:ident => $acts:ident $($mark:ident)* $(, $hint:literal)?;)+) => {
        /// Why a condition is as it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $Reason,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$Reason),+];

            /// The word that stands in the condition.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$Reason => stringify!($Reason),)+
                }
            }

            /// The text beside it in the table.
            const fn doc(self) -> &'static str {
                match self {
                    $(Self::$Reason => concat!($($doc),+),)+
                }
            }

            /// Who has to act.
            pub const fn acts(self) -> Acts {
                match self {
                    $(Self::$Reason => Acts::$acts,)+
                }
            }

            /// Whether it says that something else has to happen first: what that is, is the next thing to look at.
            pub const fn waits(self) -> bool {
                match self {
                    $(Self::$Reason => reasons!(@waits $($mark)*),)+
                }
            }

            /// Whether it says that something went wrong, whoever has to act: an Event with it is a warning.
            pub const fn warns(self) -> bool {
                match self {
                    $(Self::$Reason => reasons!(@warns $($mark)*),)+
                }
            }

            /// What a person may do about it, whatever the object; a kind may know better.
            pub const fn hint(self) -> Option<&'static str> {
                match self {
                    $(Self::$Reason => reasons!(@hint $($hint)?),)+
                }
            }
        }
    };
    (@waits) => { false };
    (@waits waits $($rest:ident)*) => { true };
    (@waits warns $($rest:ident)*) => { reasons!(@waits $($rest)*) };
    (@warns) => { false };
    (@warns warns $($rest:ident)*) => { true };
    (@warns waits $($rest:ident)*) => { reasons!(@warns $($rest)*) };
    (@hint) => { None };
    (@hint $hint:literal) => { Some($hint) };
}

reasons! {
    /// Anything: all is as declared.
    Ok => Nobody;
    /// A named object does not exist (yet).
    RefNotFound => Person warns, "declare what is missing, and `gt apply -f` it; this goes on by itself then";
    /// The spec asks to wait.
    Suspended => Person waits, "take `suspend: true` out where it stands, and `gt apply -f` it";
    /// A person has said that no new work is begun here.
    Cordoned => Person waits, "`gt resume KIND/NAME` lets it go on; `gt status` says who said so, and why";
    /// A person has said that no session is started here any more.
    Draining => Person waits, "`gt resume KIND/NAME` lets it go on; `gt status` says who said so, and why";
    /// A person has paused it.
    Paused => Person waits, "`gt resume KIND/NAME` lets it go on; `gt status` says who said so, and why";
    /// A person has frozen it: its sessions are kept and do nothing.
    Frozen => Person waits, "`gt thaw KIND/NAME` lets it go on; `gt status` says who said so, and why";
    /// A person has stopped it.
    Stopped => Person waits, "`gt resume KIND/NAME` lets it go on; `gt status` says who said so, and why";
    /// Bead: it was begun with another text than its convoy has now.
    TextChanged => Nobody;
    /// Bead: its convoy no longer wants it; it is finished all the same.
    Removed => Nobody;
    /// Something could not be observed; waiting until it can be.
    Unknown => Town warns, "waiting until it can be observed: see the message above, and `gt doctor`";
    /// A failed effect is tried again after a delay.
    BackOff => Town warns;
    /// Rig: the repository is being cloned.
    Cloning => Town;
    /// Rig: the clone failed.
    CloneFailed => Town warns;
    /// Rig: a fetch failed.
    FetchFailed => Town warns;
    /// Rig: the remote asks for a password or key that is not there.
    AuthRequired => Town warns;
    /// Rig: the branch does not exist there.
    BranchNotFound => Town warns;
    /// Rig: another rig lands on the same branch of the same remote.
    TargetShared => Person warns;
    /// Rig: the target is checked out in a working copy, which refuses a push.
    TargetCheckedOut => Town warns;
    /// Rig: the remote refuses a push to the target.
    TargetProtected => Town warns;
    /// Rig: the target's own tree fails verification.
    BaseRed => Town warns;
    /// Rig, merge request: a verification could not run.
    VerifyError => Town warns;
    /// Runtime: the program is not on the session's PATH.
    CommandNotFound => Town warns, "install the program that is named above; `gt doctor` lists what is missing";
    /// Polecat: its Runtime skips the agent's permission prompts, and the town does not trust agents so far.
    NotTrusted => Person warns, "`spec.trust: Full` of the Town lets agents run any command without asking; or use a Runtime that has no `skipsPermissions`";
    /// Runtime: this machine cannot hold its sessions to their limits; they run without.
    CannotLimit => Person warns, "let systemd run the sessions, as the message says, or take `resources.limits` out of the Runtime";
    /// Formula, bead: no steps can be made of the formula; the message says why.
    InvalidFormula => Person warns, "correct the formula, or the vars that its bead gives it, and `gt apply -f` it";
    /// Convoy: beads are still open.
    InProgress => Town waits;
    /// Convoy: some bead is set aside.
    NeedsYou => Person waits warns;
    /// Convoy: all beads are closed.
    Landed => Nobody;
    /// Bead: a bead it needs is open.
    NeedsOpen => Town waits;
    /// Bead: it may be dispatched.
    Ready => Town waits;
    /// Bead: nobody has asked for it so far.
    Backlog => Nobody, "`gt sling BEAD` has it worked on";
    /// Bead: somebody has set its status by hand.
    Held => Nobody, "`bd update BEAD --status open` takes that back";
    /// Bead: somebody who is no polecat has it.
    AssignedTo => Nobody, "`bd update BEAD --assignee \"\"` gives it back to the pool";
    /// Bead: it is not to be taken up before some day.
    Deferred => Town waits;
    /// Gate: it waits for a person.
    AwaitsApproval => Person warns, "`gt gate approve GATE`, or `gt gate reject GATE`";
    /// Gate: it has waited for longer than it should.
    GateOverdue => Person warns, "`gt gate approve GATE`, or `gt gate reject GATE`";
    /// Gate: it opens when a time has gone by.
    AwaitsTime => Town waits;
    /// Gate: it opens when another bead is closed.
    AwaitsBead => Town waits;
    /// Gate: it opens once its condition on the steps of a molecule holds.
    AwaitsCondition => Town waits;
    /// Gate: it opens once an event of a type is filed.
    AwaitsEvent => Town waits;
    /// Gate: it opens when its command ends with 0, which is run time and again.
    AwaitsCommand => Town waits;
    /// Gate: it opens by what GitHub says, which is asked time and again.
    AwaitsGithub => Town waits;
    /// Gate: what it waits for could not be looked at; it is tried again.
    GateUnable => Town warns, "`gt logs bead/GATE` shows what its command printed";
    /// Gate: what it waits for has failed.
    GateFailed => Person warns, "`gt gate approve GATE`, or `gt gate reject GATE`";
    /// Epic: its parts are open.
    PartsOpen => Town waits;
    /// Bead: it was for the case that another fails, and that went well.
    Skipped => Nobody;
    /// Bead: a polecat works on it.
    Claimed => Town waits;
    /// Bead: its branch is in the merge queue.
    Landing => Town waits;
    /// Bead: it was tried too often.
    TooManyAttempts => Person warns;
    /// Bead, polecat: its agent, or a setup, said that another attempt would end the same way (exit code 78).
    WouldFailAgain => Person warns;
    /// Bead, polecat: two attempts in a row were killed at the memory limit of their session.
    OutOfMemory => Person warns, "raise `resources.limits.memory` of the Runtime: its bead goes on by itself then";
    /// Bead: it is closed.
    Closed => Nobody;
    /// Anything: git ended with an error.
    GitFailed => Town warns;
    /// Anything: a repository or worktree could not be read or written.
    GitUnreadable => Town warns;
    /// Anything: the rig's repository is in use.
    RepoBusy => Town;
    /// Anything: the rig has no clone.
    NotCloned => Town;
    /// Polecat: what is in its place belongs to something else.
    ForeignSandbox => Town warns;
    /// Polecat: a session still runs in its worktree.
    SandboxInUse => Town;
    /// Bead: it is open.
    Open => Town;
    /// Polecat: nothing on its hook.
    Idle => Nobody;
    /// Polecat: its session runs.
    Working => Town;
    /// Polecat: the agent's program was started and has reported nothing: it waits at a dialog, most likely.
    DialogOpen => Person warns, "`gt attach` shows its screen: answer there what it asks";
    /// Polecat: the agent's program ended before it began to work. It is not charged.
    NotStarted => Person warns, "`gt logs` shows what it said: start it by hand once, where it wants to be set up; `gt doctor`";
    /// Bead, polecat: the agent has asked a question, or for a permission.
    Asking => Person warns, "`gt answer BEAD \"...\"`, or `gt attach` where it is on its screen";
    /// Bead, polecat: the agent says that it cannot go on.
    Stuck => Person warns, "`gt answer BEAD \"...\"` says how to go on, and it does";
    /// Polecat: the agent's turn has ended with work on its hook, and sending it on did not help.
    TurnEnded => Person warns, "`gt attach` shows its screen: tell it there how to go on; `gt logs` says how far it came";
    /// Polecat: its model's provider refuses the agent for a rate limit, a spent allowance or an overload. It is not charged.
    Limited => Town warns, "it goes on by itself; `gt attach` shows what the agent's program says";
    /// Polecat: the agent's login is missing or has expired. It is not charged.
    LoginRequired => Person warns, "log the agent's program in, as it says; `gt attach` shows its screen";
    /// Polecat: a source of `envFrom` of its Runtime gave no variables. It is not charged.
    EnvFromFailed => Town warns, "correct the file or the command that the message names; it is tried again by itself";
    /// Polecat: its worktree is being made.
    Preparing => Town;
    /// Polecat: `workspace.setup` runs.
    SettingUp => Town;
    /// Polecat: a setup command failed.
    SetupFailed => Town warns;
    /// Polecat: what it waited for is over, and all slots are taken.
    WaitsForSlot => Town;
    /// Polecat: its session is being started or ended.
    Switching => Town;
    /// Polecat: processes of an ended session still hold its lock.
    Strays => Town warns;
    /// Merge request: waits for its turn.
    Queued => Town waits;
    /// Merge request: its tree is being verified.
    Verifying => Town waits;
    /// Merge request: verified, being pushed.
    Pushing => Town waits;
    /// Merge request: found on the target.
    Merged => Nobody;
    /// Merge request: the target already holds its changes.
    AlreadyApplied => Nobody;
    /// Merge request: verified and left as a branch for people.
    BranchReady => Person;
    /// Merge request: people have merged a part of its branch.
    PartlyMerged => Person;
    /// Merge request: a commit on the target could be an edit of its branch.
    LooksMerged => Person;
    /// Merge request, bead: people have deleted its branch and not merged it.
    BranchDeleted => Person warns;
    /// Merge request, bead, convoy: what had landed is not on the target any more.
    LeftTarget => Person warns;
    /// Merge request: it makes a green target red.
    Red => Nobody warns;
    /// Merge request: it conflicts with the target.
    Conflict => Nobody warns;
    /// Merge request: its own branch cannot be pushed. The message says why, and what to do.
    PushRefused => Town warns;
    /// Merge request: the clone does not hold its commits any more. Its bead is worked again, and not charged.
    HeadMissing => Nobody warns;
    /// Merge request: its bead was closed or withdrawn.
    Withdrawn => Nobody;
    /// Bead: closed, because there was nothing to change.
    NoChanges => Nobody;
    /// Bead: a step that was done.
    Done => Nobody;
    /// Source: a revision is being applied.
    Applying => Town;
    /// Source: an object of the revision waits for the one that is being deleted under its name.
    Deleting => Town waits;
    /// Source: the revision holds a mistake; nothing of it is applied.
    InvalidRevision => Person warns, "correct it and commit, or `git revert` it: the next revision is looked at at once";
    /// Source: the API refused an object of the revision; the last good one is live.
    RevisionRefused => Person warns, "correct it and commit, or `git revert` it: the next revision is looked at at once";
    /// Source: the revision declares something that another source declares.
    DeclaredTwice => Person warns, "take it out of one of the two sources";
    /// Source: the revision would prune more than `maxPrunePercent` allows, or everything.
    PruneHeld => Person warns, "`gt source approve NAME` lets it, `git revert` takes it back";
    /// Source: what it declares was changed by somebody else; it is put back.
    ChangedByOthers => Town warns;
    /// Source: the revision is not signed by a key that `spec.git.verify` names; the last good one is live.
    NotSigned => Person warns, "sign it with one of those keys, such as by `git commit --amend --no-edit -S`, or add its signer to the file that `spec.git.verify` names";
    /// Source: whether a revision is signed cannot be checked here: a program or a file of keys is missing. It is not applied.
    CannotVerify => Person warns, "put right what the message names; `gt source sync NAME` looks again";
    /// Source: the town on another machine applies it; this one only looks.
    AppliedElsewhere => Nobody, "to have it applied here: `gt source take NAME`; or, where `spec.runner` names a machine, commit this one's name there";
    /// Source: the lease in its remote is being taken or renewed; nothing is applied before that.
    Leasing => Town;
    /// Source: the machine that applied it has not renewed its lease; applying it here would begin work.
    LeaseEnded => Person warns, "`gt source take NAME` has it applied here, once that machine is known to be gone; `gt diff --source NAME` says what that begins";
    /// Source: what stands in the place of its lease in the remote is none.
    NotALease => Person warns, "remove that ref from the remote, as the message says";
    /// Source: the lease in its remote could not be taken or renewed; another machine may apply it.
    LeaseFailed => Town warns;
    /// Source: there is no such repository, branch, tag, commit or folder.
    RevisionNotFound => Person warns, "commit something there, or correct `spec.git` or `spec.directory`";
    /// Town: too little memory or disk is free for another session.
    Insufficient => Town warns, "free some of what is short, or lower what the message names: capacity.minFreeMemory or minFreeDisk of the Town, resources.requests of a Runtime; waiting beads go on by themselves";
    /// Town: nobody who waits could be started, were all of this machine free.
    Unsatisfiable => Person warns, "lower what the message names: capacity.minFreeMemory or minFreeDisk of the Town, resources.requests of a Runtime; or give this machine more";
    /// Town: the command of `notify` fails, so that people are not told of what needs them.
    NotifyFailed => Person warns, "correct `spec.notify` of the Town, or what its command needs: what could not be said is said then";
    /// Town: something that it would use is missing here.
    Degraded => Town warns;
}

impl Reason {
    /// Its meaning in a few words, for where nothing else is said: `its session runs`.
    pub fn meaning(self) -> &'static str {
        let text = self.doc().trim();
        // Before the colon stand the kinds that have it.
        let text = text.split_once(": ").map_or(text, |(_, text)| text);
        text.split_once(". ").map_or(text, |(first, _)| first).trim_end_matches('.')
    }

    /// The reason that a condition names; none for a word of another release.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == word)
    }
}

impl From<Mode> for Reason {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Cordoned => Self::Cordoned,
            Mode::Draining => Self::Draining,
            Mode::Paused => Self::Paused,
            Mode::Frozen => Self::Frozen,
            Mode::Stopped => Self::Stopped,
        }
    }
}

impl From<CloseReason> for Reason {
    fn from(closed: CloseReason) -> Self {
        match closed {
            CloseReason::Merged => Self::Merged,
            CloseReason::NoChanges => Self::NoChanges,
            CloseReason::Done => Self::Done,
            CloseReason::Withdrawn => Self::Withdrawn,
            CloseReason::Skipped => Self::Skipped,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl PartialEq<Reason> for String {
    fn eq(&self, reason: &Reason) -> bool {
        self == reason.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_it_is_written() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(&reason.to_string()), Some(*reason));
        }
        assert_eq!(Reason::parse("NoSuchReason"), None);
    }

    #[test]
    fn what_needs_a_person_warns_or_was_said_by_one() {
        let is_quiet = |reason: Reason| reason.acts() == Acts::Person && !reason.warns() && !reason.waits();
        // Work that is done, and that people merge when they like.
        let done = [Reason::BranchReady, Reason::PartlyMerged, Reason::LooksMerged];
        assert_eq!(Reason::ALL.iter().copied().filter(|it| is_quiet(*it)).collect::<Vec<_>>(), done);
    }

    #[test]
    fn every_reason_has_a_meaning_in_a_few_words() {
        assert_eq!(Reason::Working.meaning(), "its session runs");
        assert_eq!(Reason::PushRefused.meaning(), "its own branch cannot be pushed");
        let is_short = |reason: &&Reason| (5..100).contains(&reason.meaning().len());
        assert_eq!(Reason::ALL.iter().filter(|reason| !is_short(reason)).collect::<Vec<_>>(), [] as [&Reason; 0]);
    }
}
