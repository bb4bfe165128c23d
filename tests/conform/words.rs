//! Facts in words: what a controller reads in them, and nothing of what may differ from world to world.
//!
//! A commit is called by the first line of its message; further ones of that message get a number, in order of
//! appearance, so equal words mean equal ids. A tree is called by what it holds: `{path: its lines}`. Times, log tails
//! and pids are left out.

use std::collections::BTreeMap;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{
    Attempt, AttemptState, Declared, Fact, Found, Frozen, JobState, Limiting, Merged, OwnBranch, Replayed, RepoFacts,
    SandboxFacts, Session, Signature, exit,
};

use super::worlds::World;

/// Facts in words.
pub struct Words<'a> {
    pub world: &'a dyn World,
    /// What each commit is called.
    pub names: &'a mut BTreeMap<Oid, String>,
}

impl Words<'_> {
    pub fn fact(&mut self, fact: &Fact) -> String {
        match fact {
            Fact::Repo(facts) => self.repo(facts),
            Fact::Merged(merged) => match merged {
                Merged::No => "not merged".to_owned(),
                Merged::Part { missing, of } => format!("lacks {} of {of}", missing.join(", ")),
                Merged::Like { commit } => format!("looks like {}", self.name(commit)),
                Merged::All { landed: None } => "all there".to_owned(),
                Merged::All { landed: Some(landed) } => format!("merged as {}", self.name(landed)),
            },
            Fact::Sandbox(facts) => self.sandbox(facts),
            Fact::Attempts(runs) => runs.iter().map(run).collect::<Vec<_>>().join("; "),
            Fact::Job(state) => match state {
                JobState::Absent => "absent".to_owned(),
                JobState::Running => "running".to_owned(),
                JobState::Exited(exited) => format!("exited {}", code(exited.code)),
                JobState::Lost { .. } => "lost".to_owned(),
            },
            Fact::Newest(key) => key.as_ref().map_or("none", |key| &key.0).to_owned(),
            Fact::Replay(None) => "no replay".to_owned(),
            Fact::Replay(Some(results)) => {
                let results: Vec<_> = results.iter().map(|result| self.replayed(result)).collect();
                results.join("; ")
            }
            Fact::Program(there) => there.to_string(),
            Fact::Happened(_) => panic!("no adapter knows what has happened"),
            // What a machine can do differs; that it says so does not.
            Fact::Limiting(Limiting::Cgroup { .. } | Limiting::No(_)) => "limits or a reason".to_owned(),
            Fact::Free(free) => format!("{} free", if free.memory > 0 && free.disk > 0 { "some" } else { "nothing" }),
            Fact::Revision(Found::At(revision)) => {
                let (branch, commit) = revision.name.split_once("@sha1:").expect("a branch and a commit");
                assert_eq!((commit.len(), revision.author.is_empty()), (40, false));
                let signed = match &revision.signature {
                    Signature::NotAsked => "",
                    Signature::Good => ", signed",
                    Signature::Refused(_) => ", not signed",
                    Signature::Unchecked(_) => ", unchecked",
                };
                format!("{branch}: {}{signed}", revision.subject)
            }
            Fact::Revision(Found::Missing(_)) => "nothing there".to_owned(),
            Fact::Revision(Found::Changing(_)) => "changing".to_owned(),
            Fact::Declared(None) => "unreadable".to_owned(),
            Fact::Declared(Some(declared)) => {
                let Declared { tree: _, objects, mistakes, mistakes_count, unread } = declared.as_ref();
                assert_eq!(mistakes.is_empty(), *mistakes_count == 0);
                let named = objects.iter().map(|object| format!("{} {}", object.manifest.kind, object.manifest.name));
                let mut said: Vec<String> = named.collect();
                said.extend((!unread.is_empty()).then(|| format!("{} unread", unread.len())));
                said.extend((*mistakes_count > 0).then(|| format!("{mistakes_count} mistakes")));
                said.join(", ")
            }
            Fact::Lease(None) => "nobody's".to_owned(),
            Fact::Lease(Some(lease)) => format!("held by {} on {}", lease.holder, lease.machine),
            Fact::Machine(machine) => format!("{} cores", if machine.cores > 0 { "some" } else { "no" }),
        }
    }

    fn repo(&mut self, facts: &RepoFacts) -> String {
        let RepoFacts { cloned, branch, target, target_tree, landed, beads, own, left } = facts;
        if !cloned {
            assert_eq!(*facts, RepoFacts::default());
            return "not cloned".to_owned();
        }
        let (Some(branch), Some(target)) = (branch, target) else {
            assert_eq!((target, target_tree, landed.len(), beads.len(), left.len()), (&None, &None, 0, 0, 0));
            return branch.as_ref().map_or("no branch".to_owned(), |branch| format!("{branch} is not there"));
        };
        assert_eq!(target_tree.as_ref(), self.world.commit(target).map(|(_, tree)| tree).as_ref());
        let mut parts = vec![format!("{branch} at {}", self.commit(target))];
        parts.extend(landed.iter().map(|(request, commit)| format!("{request} landed as {}", self.name(commit))));
        parts.extend(beads.iter().map(|(bead, done)| format!("{bead} done as {}", self.name(&done.commit))));
        for (branch, OwnBranch { pushed, of, there }) in own {
            assert!(of.is_some(), "the town made {pushed}");
            let there = match there {
                Some(there) if there == pushed => "as pushed".to_owned(),
                Some(there) => format!("at {}", self.name(there)),
                None => "not there".to_owned(),
            };
            parts.push(format!("{branch} {there}"));
        }
        let mut gone: Vec<_> = left.iter().map(|(commit, request)| (self.name(commit), request.as_deref())).collect();
        gone.sort();
        let of = |request: Option<&str>| request.map(|request| format!(" of {request}")).unwrap_or_default();
        parts.extend(gone.into_iter().map(|(name, request)| format!("{name}{} has left", of(request))));
        parts.join("; ")
    }

    fn sandbox(&mut self, facts: &SandboxFacts) -> String {
        let SandboxFacts { sandbox, session, runtime: _, frozen, activity: _ } = facts;
        let worktree = match sandbox {
            None => "no worktree".to_owned(),
            Some(s) if s.prepared.is_empty() => "in no preparation".to_owned(),
            Some(s) => format!("{} on {} from {}", s.prepared, s.branch, self.name(&s.base)),
        };
        match session {
            Session::None => worktree,
            Session::Running { owner_uid: bead_uid, attempt } => {
                let how = match frozen {
                    Frozen::No => "runs",
                    Frozen::Partly => "is partly frozen",
                    Frozen::Wholly => "is frozen",
                };
                format!("{worktree}; attempt {attempt} at {bead_uid} {how}")
            }
            Session::Strays { .. } => format!("{worktree}; strays"),
        }
    }

    fn replayed(&mut self, result: &Replayed) -> String {
        match result {
            Replayed::Clean { commit, tree } => {
                assert_eq!(self.world.commit(commit).map(|(_, tree)| tree).as_ref(), Some(tree));
                self.commit(commit)
            }
            Replayed::Conflict { files } => format!("conflict in {}", files.join(", ")),
            Replayed::Empty => "empty".to_owned(),
            Replayed::Missing => "missing".to_owned(),
        }
    }

    /// What a commit is called, and what it holds.
    pub fn commit(&mut self, commit: &Oid) -> String {
        let name = self.name(commit);
        let tree = self.world.commit(commit).map(|(_, tree)| self.world.tree(&tree)).unwrap_or_default();
        let files = tree.iter().map(|(path, text)| format!("{path}: {}", text.trim_end().replace('\n', " ")));
        format!("{name} {{{}}}", files.collect::<Vec<_>>().join("; "))
    }

    fn name(&mut self, commit: &Oid) -> String {
        if let Some(name) = self.names.get(commit) {
            return name.clone();
        }
        let subject = self.world.commit(commit).map_or_else(|| commit.to_string(), |(subject, _)| subject);
        // A name for each commit so far would do.
        let name = (1..=self.names.len() + 1)
            .map(|n| if n == 1 { subject.clone() } else { format!("{subject} #{n}") })
            .find(|name| !self.names.values().any(|taken| taken == name))
            .unwrap();
        self.names.insert(commit.clone(), name.clone());
        name
    }
}

fn run(run: &Attempt) -> String {
    let Attempt { attempt, work, runtime: _, state, conversation: _ } = run;
    // A start that was cut short may or may not have said what it is for.
    assert!(work == "text" || *state == AttemptState::Intended, "{run:?}");
    match state {
        AttemptState::Intended => format!("{attempt}: intended"),
        AttemptState::Running => format!("{attempt}: running"),
        AttemptState::Ended(end) if end.own => format!("{attempt}: ended with {} by itself", end.code),
        AttemptState::Ended(end) => format!("{attempt}: was ended with {}", end.code),
        AttemptState::Lost { .. } => format!("{attempt}: lost"),
    }
}

fn code(code: i32) -> String {
    let name = match code {
        exit::OK => "OK",
        exit::FAILED => "FAILED",
        exit::CHECKED_OUT => "CHECKED_OUT",
        exit::PROTECTED => "PROTECTED",
        exit::CONTENDED => "CONTENDED",
        exit::NO_BRANCH => "NO_BRANCH",
        exit::UNABLE => "UNABLE",
        exit::ERROR => "ERROR",
        exit::AUTH => "AUTH",
        exit::CONFIG => "CONFIG",
        other => return other.to_string(),
    };
    name.to_owned()
}
