//! A script's hand on one world: acts and looks, whose answers are written down in [`words`](super::words) and must be the
//! expected ones; and the beginnings that most scripts share.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::WorldEvent;
use gastown_controllers::world::{
    Act, Ask, AskAttempts, AskMerged, AskReplay, AskRepo, Candidate, Check, Fact, Job, JobKey, Limits, Owner, Replay,
    RepoFacts, SandboxFacts, SandboxSpec, SessionSpec, replay_key,
};
use gastown_crds::common::{NameValue, Person};
use jiff::Timestamp;

use super::words::Words;
use super::worlds::{Change, World, polecat, rig};

/// What the file `lines` of the usual remote holds: enough for changes that are apart.
pub const LINES: &str = "1 2 3 4 5";

pub struct Story {
    pub world: Box<dyn World>,
    /// What each commit is called.
    names: BTreeMap<Oid, String>,
}

impl Story {
    pub fn of(world: impl World + 'static) -> Self {
        Self { world: Box::new(world), names: BTreeMap::new() }
    }

    /// The usual beginning: the rig is cloned from the remote `shop`, whose `main` holds the file `lines`.
    pub fn cloned(&mut self) {
        self.world.add_remote("shop", Some(&[("lines", LINES)]));
        let clone = self.clone_job("shop", 1);
        self.runs(&clone, "exited OK");
    }

    #[track_caller]
    pub fn does(&mut self, act: &Act, expected: &str) {
        let answer = match self.world.act(act) {
            Ok(()) => "ok".to_owned(),
            Err(error) if expected == format!("refused: {}", error.reason) => return,
            Err(error) => format!("refused: {} ({})", error.reason, error.message),
        };
        assert_eq!(answer, expected, "in the {} world: {act:?}", self.world.name());
    }

    /// The look's answer, in words.
    pub fn look(&mut self, ask: &Ask) -> String {
        match self.world.look(ask) {
            Seen::Known(fact) => self.words(&fact),
            Seen::Unknown { .. } => "unknown".to_owned(),
        }
    }

    #[track_caller]
    pub fn sees(&mut self, ask: &Ask, expected: &str) {
        let answer = self.look(ask);
        assert_eq!(answer, expected, "in the {} world: {ask:?}", self.world.name());
    }

    /// The same, as soon as it is so.
    #[track_caller]
    pub fn comes_to_see(&mut self, ask: &Ask, expected: &str) {
        let Self { world, names } = self;
        let mut last = String::new();
        let so = world.until(&mut || {
            last = match world.look(ask) {
                Seen::Known(fact) => Words { world: world.as_ref(), names }.fact(&fact),
                Seen::Unknown { why, .. } => format!("unknown: {why}"),
            };
            last == expected
        });
        assert!(so, "in the {} world: {ask:?}\nis still {last}\ninstead of {expected}", world.name());
    }

    /// Starts a job and sees it end so.
    #[track_caller]
    pub fn runs(&mut self, job: &Job, expected: &str) {
        self.does(&Act::EnsureJob(job.clone()), "ok");
        self.comes_to_see(&Ask::Job(job.key()), expected);
    }

    /// Waits for the news of an end.
    #[track_caller]
    pub fn is_told(&self, woke: &WorldEvent) {
        let world = self.world.as_ref();
        let so = world.until(&mut || world.woken().contains(woke));
        assert!(so, "the {} world does not tell of {woke:?}", world.name());
    }

    fn words(&mut self, fact: &Fact) -> String {
        Words { world: self.world.as_ref(), names: &mut self.names }.fact(fact)
    }

    /// What a commit is called, and what it holds.
    pub fn named(&mut self, commit: &Oid) -> String {
        Words { world: self.world.as_ref(), names: &mut self.names }.commit(commit)
    }

    /// Everything that is kept in the rig's clone beside what was fetched. Rescues are named by what they hold.
    pub fn kept(&mut self) -> Vec<String> {
        let refs = self.world.refs(&rig());
        let mut kept = BTreeSet::new();
        for (name, commit) in refs {
            let name = if name.starts_with("rescue/") { "rescue" } else { name.as_str() };
            kept.insert(format!("{name}: {}", self.named(&commit)));
        }
        kept.into_iter().collect()
    }

    /// Where a ref of the rig's clone is.
    #[track_caller]
    pub fn at(&self, name: &str) -> Oid {
        self.world.refs(&rig()).remove(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// The target as last fetched.
    #[track_caller]
    pub fn target(&self) -> Oid {
        match self.world.look(&repo(None)) {
            Seen::Known(Fact::Repo(RepoFacts { target: Some(target), .. })) => target,
            other => panic!("there is no target: {other:?}"),
        }
    }

    pub fn target_tree(&self) -> Oid {
        self.world.commit(&self.target()).unwrap().1
    }

    pub fn clone_job(&self, remote: &str, round: u32) -> Job {
        Job::Clone { owner: rig(), url: self.world.url(remote), secret: None, lease: None, round }
    }

    pub fn fetch_job(&self, remote: &str, round: u32) -> Job {
        Job::Fetch {
            owner: rig(),
            url: self.world.url(remote),
            secret: None,
            lease: None,
            cause: "a test".into(),
            round,
        }
    }

    /// When a polecat's worktree was made; any time, if there is none.
    pub fn made(&self, name: &str) -> Timestamp {
        match self.world.look(&sandbox(name)) {
            Seen::Known(Fact::Sandbox(SandboxFacts { sandbox: Some(sandbox), .. })) => sandbox.made,
            _ => Timestamp::UNIX_EPOCH,
        }
    }

    /// The setup of a polecat's worktree as it is now, if it is in this preparation.
    pub fn setup_job(&self, name: &str, prepared: &str, command: &str, round: u32) -> Job {
        Job::Setup {
            owner: rig(),
            sandbox: polecat(name),
            prepared: prepared.into(),
            made: self.made(name),
            commands: vec![command.into()],
            copy: Vec::new(),
            copy_from: None,
            timeout_s: 60,
            round,
        }
    }

    /// Somebody commits to the remote's `main`, and the rig fetches it.
    #[track_caller]
    pub fn moves(&mut self, change: Change, round: u32) {
        self.world.outside("shop", "main", change);
        let fetch = self.fetch_job("shop", round);
        self.runs(&fetch, "exited OK");
    }

    /// A preparation of a polecat for a bead, from the present target.
    #[track_caller]
    pub fn spec(&self, name: &str, bead: &str) -> SandboxSpec {
        let base = self.target();
        let (prepared, branch) = (format!("for-{bead}"), format!("polecat/{name}/{bead}"));
        SandboxSpec { owner: rig(), prepared, branch, base: base.clone(), start: base.clone(), target: base }
    }

    #[track_caller]
    pub fn prepares(&mut self, name: &str, bead: &str) {
        let act = Act::EnsureSandbox { sandbox: polecat(name), spec: self.spec(name, bead) };
        self.does(&act, "ok");
    }

    /// An attempt of a polecat at a bead, whose agent does as the words say.
    pub fn attempt(&self, name: &str, bead: &str, attempt: u32, words: &[&str]) -> SessionSpec {
        let email = format!("{name}@town.invalid");
        let env = [
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_AUTHOR_NAME", name),
            ("GIT_AUTHOR_EMAIL", &email),
            ("GIT_COMMITTER_NAME", name),
            ("GIT_COMMITTER_EMAIL", &email),
        ];
        let env = env.map(|(name, value)| NameValue { name: name.into(), value: value.into() }).into();
        SessionSpec {
            owner: Owner { kind: "Bead".into(), name: bead.into(), uid: bead.into() },
            attempt,
            work: "text".into(),
            command: self.world.agent(words),
            runtime: Box::default(),
            env,
            limits: Limits::default(),
            rework: None,
        }
    }

    /// Prepares a polecat for a bead, and has its agent do as the words say, to the end.
    #[track_caller]
    pub fn works(&mut self, name: &str, bead: &str, words: &[&str]) {
        self.prepares(name, bead);
        let spec = self.attempt(name, bead, 1, words);
        self.does(&Act::EnsureSession { sandbox: polecat(name), spec }, "ok");
        self.comes_to_see(&runs(bead), "1: ended with 0 by itself");
    }

    /// A polecat's branch goes to the clone; the commit that it is at.
    #[track_caller]
    pub fn hand_in(&self, name: &str, bead: &str) -> Oid {
        self.world.hand_in(&polecat(name), &format!("polecat/{name}/{bead}"))
    }

    /// What a polecat hands in for a bead that it began at the present target.
    #[track_caller]
    pub fn hands_in(&self, name: &str, bead: &str) -> Candidate {
        Candidate {
            merge_request: format!("{bead}-mr"),
            bead: bead.into(),
            head: self.hand_in(name, bead),
            base: self.target(),
            date: "2026-01-02T03:04:05Z".parse().unwrap(),
            title: format!("Do {bead}"),
        }
    }

    /// The replay of candidates onto the present target, and the question for its result.
    #[track_caller]
    pub fn replay(&self, candidates: &[Candidate]) -> (Act, Ask) {
        let onto = self.target();
        let key = replay_key(&rig(), &onto, candidates, &committer());
        let (candidates, ask) = (candidates.to_vec(), Ask::Replay(AskReplay(key.clone())));
        (Act::EnsureReplay(Replay { owner: rig(), key, onto, candidates, committer: committer() }), ask)
    }
}

pub fn session(name: &str, spec: &SessionSpec) -> Act {
    Act::EnsureSession { sandbox: polecat(name), spec: spec.clone() }
}

pub fn end(name: &str) -> Act {
    Act::EndSession { sandbox: polecat(name) }
}

pub fn freeze(name: &str) -> Act {
    Act::FreezeSession { sandbox: polecat(name) }
}

pub fn thaw(name: &str) -> Act {
    Act::ThawSession { sandbox: polecat(name) }
}

pub fn committer() -> Person {
    Person { name: "Gas Town".into(), email: "refinery@town.invalid".into() }
}

pub fn verify_job(commit: &Oid, tree: &Oid, checks: &[&str], round: u32) -> Job {
    let check = |run: &&str| Check { name: (*run).to_owned(), run: (*run).to_owned(), timeout_s: 60 };
    let (commit, tree, checks) = (commit.clone(), tree.clone(), checks.iter().map(check).collect());
    Job::Verify { owner: rig(), commit, tree, checks, round }
}

pub fn repo(branch: Option<&str>) -> Ask {
    Ask::Repo(AskRepo { owner: rig(), branch: branch.map(str::to_owned) })
}

/// Asks how much of a candidate `main` holds, of which the town has made this.
pub fn merged(candidate: &Candidate, made: Option<&Oid>) -> Ask {
    let (head, base) = (candidate.head.clone(), candidate.base.clone());
    let merge_request = candidate.merge_request.clone();
    Ask::Merged(AskMerged { owner: rig(), branch: None, merge_request, head, base, made: made.cloned() })
}

pub fn sandbox(name: &str) -> Ask {
    Ask::Sandbox(polecat(name))
}

pub fn runs(bead: &str) -> Ask {
    Ask::Attempts(AskAttempts(bead.to_owned()))
}

pub fn job(key: &JobKey) -> Ask {
    Ask::Job(key.clone())
}
