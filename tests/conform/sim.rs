//! The simulated world as a script sees it: virtual time, and a behavior that reads the words that the real shell reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use gastown::world::sim::behavior::Behavior;
use gastown::world::sim::clock::SimClock;
use gastown::world::sim::commits::Tree;
use gastown::world::sim::{AgentHandle, SimWorld};
use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::WorldEvent;
use gastown_controllers::world::{
    Act, ActError, Adapter, Ask, AskAttempts, Attempt, AttemptState, Fact, Job, JobKey, Owner, SandboxId, SessionSpec,
    exit,
};
use tokio::runtime::{Builder, Runtime};

use super::worlds::{Change, Files, World, apply, lines};

/// How long a script waits, in virtual time.
const WAIT_MAX: Duration = Duration::from_hours(1);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub struct Simulated {
    world: SimWorld,
    gates: Gates,
    /// What the repositories hold that sources are read from.
    origins: Mutex<BTreeMap<String, Tree>>,
    woken: Arc<Mutex<Vec<WorldEvent>>>,
    runtime: Runtime,
}

type Gates = Arc<Mutex<BTreeSet<String>>>;

struct Words {
    gates: Gates,
}

impl Behavior for Words {
    fn ends(&self, job: &Job, tree: Option<&Tree>) -> (i32, String) {
        let said = |code| (code, format!("ended with {code}"));
        let commands: Vec<&str> = match job {
            Job::Setup { commands, .. } => commands.iter().map(String::as_str).collect(),
            Job::Verify { checks, .. } => checks.iter().map(|check| check.run.as_str()).collect(),
            Job::Clone { .. }
            | Job::Fetch { .. }
            | Job::Push { .. }
            | Job::RemoveBranch { .. }
            | Job::Lease { .. }
            | Job::Notify { .. }
            | Job::Gate { .. } => Vec::new(),
        };
        let verifies = matches!(job, Job::Verify { .. });
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            let code = match words[..] {
                ["true"] | ["while", ..] => 0,
                ["test", "-e", path] => i32::from(!tree.is_some_and(|tree| tree.contains_key(path))),
                ["exit", code] => code.parse().unwrap(),
                _ => 127,
            };
            match code {
                0 => {}
                126 | 127 if verifies => return said(exit::UNABLE),
                exit::CONFIG if !verifies => return said(exit::CONFIG),
                _ => return said(exit::FAILED),
            }
        }
        said(exit::OK)
    }

    fn has_program(&self, name: &str) -> bool {
        name == "sh"
    }

    fn agent(&self, handle: AgentHandle) -> BoxFuture<'static, i32> {
        let gates = Arc::clone(&self.gates);
        Box::pin(async move {
            let command = handle.spec.command.clone();
            let mut words = command.iter().map(String::as_str);
            if words.next() != Some("agent") {
                return 127;
            }
            while let Some(word) = words.next() {
                let what = words.next().unwrap();
                match word {
                    "write" => handle.edit(|tree| drop(tree.insert(what.to_owned(), lines(words.next().unwrap())))),
                    "remove" => handle.edit(|tree| drop(tree.remove(what))),
                    "commit" => handle.commit(what),
                    "wait" => {
                        while !gates.lock().unwrap().contains(what) {
                            tokio::time::sleep(LOOK_EVERY).await;
                        }
                    }
                    _ => return what.parse().unwrap(),
                }
            }
            0
        })
    }
}

impl Simulated {
    pub fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (gates, woken) = (Gates::default(), Arc::default());
        let world = {
            let _time = runtime.enter();
            let clock = SimClock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
            SimWorld::new(Arc::new(clock), Arc::new(Words { gates: Arc::clone(&gates) }))
        };
        let mut wakes = world.wakes();
        let list: Arc<Mutex<Vec<WorldEvent>>> = Arc::clone(&woken);
        runtime.spawn(async move {
            while let Some(woke) = wakes.next().await {
                list.lock().unwrap().push(woke);
            }
        });
        Self { world, gates, origins: Mutex::default(), woken, runtime }
    }
}

impl Adapter for Simulated {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        let _time = self.runtime.enter();
        self.world.look(ask)
    }

    fn begun(&self, job: &JobKey) -> Option<Job> {
        self.world.begun(job)
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        let _time = self.runtime.enter();
        self.world.act(act)
    }
}

impl World for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn until(&self, is_so: &mut dyn FnMut() -> bool) -> bool {
        self.runtime.block_on(async {
            let started = tokio::time::Instant::now();
            while !is_so() {
                if started.elapsed() > WAIT_MAX {
                    return false;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            true
        })
    }

    fn woken(&self) -> Vec<WorldEvent> {
        self.woken.lock().unwrap().clone()
    }

    fn url(&self, remote: &str) -> String {
        remote.to_owned()
    }

    fn add_remote(&self, remote: &str, files: Option<Change>) {
        let Some(files) = files else { return self.world.add_empty_remote(remote) };
        let mut tree = Tree::new();
        apply(&mut tree, files);
        self.world.add_remote(remote, tree);
    }

    fn declare(&self, origin: &str, change: Change) {
        let _time = self.runtime.enter();
        let mut origins = self.origins.lock().unwrap();
        let tree = origins.entry(origin.to_owned()).or_default();
        apply(tree, change);
        let files: Vec<(&str, String)> = tree.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
        self.world.commit_to_origin(origin, &files);
    }

    fn sign(&self, origin: &str) {
        let _time = self.runtime.enter();
        let origins = self.origins.lock().unwrap();
        let tree = origins.get(origin).expect("something is declared there");
        let files: Vec<(&str, String)> = tree.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
        self.world.commit_signed_to_origin(origin, &files, true);
    }

    fn outside(&self, remote: &str, branch: &str, change: Change) {
        let _time = self.runtime.enter();
        self.world.push_from_outside(remote, branch, |tree| apply(tree, change));
    }

    fn pick(&self, remote: &str, commit: &Oid, names: bool, edit: Change) {
        let _time = self.runtime.enter();
        self.world.pick_from_outside(remote, "main", commit, names, |tree| apply(tree, edit));
    }

    fn squash(&self, remote: &str, branch: &str, names: bool, edit: Change) {
        let _time = self.runtime.enter();
        let tip = self.tip(remote, branch).unwrap();
        self.world.squash_from_outside(remote, "main", &tip, names, |tree| apply(tree, edit));
    }

    fn reset(&self, remote: &str, to: &Oid) {
        self.world.reset_from_outside(remote, "main", to);
    }

    fn delete(&self, remote: &str, branch: &str) {
        self.world.delete_from_outside(remote, branch);
    }

    fn check_out(&self, remote: &str, dirty: bool) {
        self.world.check_out_outside(remote, "main", dirty);
    }

    fn tip(&self, remote: &str, branch: &str) -> Option<Oid> {
        self.world.remote_tip(remote, branch)
    }

    fn refs(&self, rig: &Owner) -> BTreeMap<String, Oid> {
        self.world.refs(rig)
    }

    fn hand_in(&self, sandbox: &SandboxId, _: &str) -> Oid {
        self.world.hand_in(&sandbox.uid).unwrap()
    }

    fn commit(&self, commit: &Oid) -> Option<(String, Oid)> {
        let commit = self.world.commit(commit)?;
        Some((commit.message.lines().next().unwrap_or_default().to_owned(), commit.tree))
    }

    fn parent(&self, commit: &Oid) -> Oid {
        self.world.commit(commit).unwrap().parent.unwrap()
    }

    fn tree(&self, tree: &Oid) -> Files {
        self.world.tree(tree).unwrap()
    }

    fn agent(&self, words: &[&str]) -> Vec<String> {
        ["agent"].iter().chain(words).map(|word| (*word).to_owned()).collect()
    }

    fn waits(&self, gate: &str) -> String {
        // A job of this behavior takes a second; no script lets time pass before it opens the gate.
        format!("while {gate}")
    }

    fn open(&self, gate: &str) {
        self.gates.lock().unwrap().insert(gate.to_owned());
    }

    fn intend(&self, spec: &SessionSpec) {
        self.world.intend_session(spec);
    }

    fn end_slowly(&self, spec: &SessionSpec, gate: &str) {
        // Nobody takes their time here.
        self.open(gate);
        let runs = Ask::Attempts(AskAttempts(spec.owner.uid.clone()));
        let is_over = |run: &Attempt| run.attempt == spec.attempt && matches!(run.state, AttemptState::Ended(_));
        let mut over = || matches!(self.look(&runs), Seen::Known(Fact::Attempts(runs)) if runs.iter().any(is_over));
        assert!(self.until(&mut over));
    }

    fn go(&self, _: &SessionSpec) {}

    fn kill_agent(&self, spec: &SessionSpec) {
        let _time = self.runtime.enter();
        assert!(self.world.kill_agent_of(&spec.owner.uid));
    }

    fn lose_session(&self, _: &SessionSpec) {
        let _time = self.runtime.enter();
        assert_eq!(self.world.kill_all_sessions(true), 1);
    }

    fn lose_clone(&self, rig: &Owner) {
        self.world.lose_clone(&rig.uid);
    }

    fn hang_up(&self) {
        let _time = self.runtime.enter();
        assert_ne!(self.world.kill_all_sessions(false), 0);
    }

    fn lose_job(&self, _: &JobKey) {
        let _time = self.runtime.enter();
        assert_eq!(self.world.lose_all_jobs(), 1);
    }

    fn blind(&self, _: &JobKey, blind: bool) {
        let _time = self.runtime.enter();
        self.world.blind_for(if blind { WAIT_MAX } else { Duration::ZERO });
    }
}
