//! A look at all that is there of a town, to begin a simulation from: see [`Observed`].
//!
//! Nothing is started and nothing is written: records, locks and repositories are read. What cannot be read is said, and
//! taken as not there, as nobody acts on what a simulation finds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use gastown_base::causes::in_a_line;
use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Frozen, Job, JobKey, JobState, Owner, SandboxFacts, SandboxId, Session};
use gastown_crds::{Bead, MergeRequest, Polecat, Rig};

use crate::git::Git;
use crate::jobs::Jobs;
use crate::session::children::Children;
use crate::session::{Sessions, probe};
use crate::sim::seed::{Observed, Repository};
use crate::town::Town;

/// Jobs on record that are looked at. A town keeps some thousand.
const JOBS_MAX: usize = 10_000;

/// The objects that the world is looked at for.
#[derive(Debug, Clone, Default)]
pub struct Subjects {
    /// Their repositories.
    pub rigs: Vec<Rig>,
    /// Their sandboxes and sessions.
    pub polecats: Vec<Polecat>,
    /// Their attempts.
    pub beads: Vec<Bead>,
    /// Their commits.
    pub requests: Vec<MergeRequest>,
}

/// What was seen, and what could not be.
#[derive(Debug, Default)]
pub struct Seen {
    /// What was seen.
    pub observed: Observed,
    /// What could not be seen, each with why.
    pub unseen: Vec<String>,
}

/// Looks at a town.
pub fn observe(town: &Town, sessions: &Sessions, subjects: &Subjects) -> Seen {
    let mut look = Look { git: Git::new(town.layout.clone()), sessions, seen: Seen::default() };
    look.seen.observed.machine = probe::size_of_machine(town.layout.data());
    let rigs: BTreeMap<String, Owner> =
        subjects.rigs.iter().map(Owner::of).map(|rig| (rig.name.clone(), rig)).collect();
    for polecat in &subjects.polecats {
        look.sandbox(polecat, rigs.get(&polecat.spec.rig));
    }
    for rig in &subjects.rigs {
        look.repository(rig, &subjects.requests);
    }
    for bead in &subjects.beads {
        look.attempts(bead);
    }
    look.jobs(town);
    look.seen
}

struct Look<'a> {
    git: Git,
    sessions: &'a Sessions,
    seen: Seen,
}

impl Look<'_> {
    fn sandbox(&mut self, polecat: &Polecat, rig: Option<&Owner>) {
        let Owner { name, uid, .. } = Owner::of(polecat);
        let id = SandboxId { name, uid };
        let sandbox = self.git.sandbox(&id).map_err(|error| error.message());
        let session = self.sessions.look(&id).map_err(|error| in_a_line(&error));
        let what = format!("the sandbox of polecat `{}`", id.name);
        let sandbox = self.or_unseen(&what, sandbox).flatten();
        let session = self.or_unseen(&format!("the session of polecat `{}`", id.name), session);
        let session = session.unwrap_or_default();
        let frozen = match session {
            Session::None => Frozen::No,
            _ => self.sessions.look_frozen(&id).unwrap_or_default(),
        };
        let Some(rig) = rig else { return };
        let runtime = self.sessions.runtime(&session).unwrap_or_default();
        let facts = SandboxFacts { sandbox, session, runtime, frozen, activity: None };
        self.seen.observed.sandboxes.push((id, rig.clone(), facts));
    }

    fn repository(&mut self, rig: &Rig, requests: &[MergeRequest]) {
        let owner = Owner::of(rig);
        let facts = self.git.facts(&owner, rig.spec.repo.branch.as_deref()).map_err(|error| error.message());
        let Some(facts) = self.or_unseen(&format!("the clone of rig `{}`", owner.name), facts) else { return };
        let of_rig = requests.iter().filter(|request| request.spec.rig == owner.name);
        let handed_in: Vec<(Oid, Oid)> =
            of_rig.map(|request| (Oid(request.spec.head.clone()), Oid(request.spec.base.clone()))).collect();
        let in_rig = self.seen.observed.sandboxes.iter().filter(|(_, of, _)| *of == owner);
        let bases = in_rig.filter_map(|(.., facts)| facts.sandbox.as_ref()).map(|sandbox| sandbox.base.clone());
        let began: BTreeSet<Oid> = bases.chain(handed_in.iter().map(|(_, base)| base.clone())).collect();
        let began = began.into_iter().filter(|base| !base.0.is_empty()).collect();
        let url = rig.spec.repo.url.clone();
        self.seen.observed.repositories.push(Repository { owner, url, facts, began, handed_in });
    }

    fn attempts(&mut self, bead: &Bead) {
        let Owner { name, uid, .. } = Owner::of(bead);
        let attempts = self.sessions.attempts(&uid).map_err(|error| in_a_line(&error));
        let attempts = self.or_unseen(&format!("the attempts at bead `{name}`"), attempts);
        self.seen.observed.attempts.extend(attempts.filter(|all| !all.is_empty()).map(|all| (uid, all)));
    }

    fn jobs(&mut self, town: &Town) {
        // Nothing is started through it: it needs no program.
        let jobs = Jobs::new(town.layout.clone(), PathBuf::new(), Arc::new(Children::default()));
        let entries = fs_err::read_dir(town.layout.job("")).into_iter().flatten().flatten();
        for entry in entries.take(JOBS_MAX) {
            let Ok(key) = entry.file_name().into_string().map(JobKey) else { continue };
            let Some(job) = jobs.begun(&key) else { continue };
            let state = jobs.look(&key).map_err(|error| in_a_line(&error));
            let Some(state) = self.or_unseen(&format!("the {job}"), state) else { continue };
            self.job(&jobs, job, state);
        }
    }

    fn job(&mut self, jobs: &Jobs, job: Job, state: JobState) {
        let newest = jobs.newest(&job.track()).map_err(|error| in_a_line(&error));
        let newest = self.or_unseen(&format!("what was begun after the {job}"), newest).flatten();
        self.seen.observed.newest.extend(newest.filter(|newest| *newest == job.key()));
        self.seen.observed.jobs.push((job, state));
    }

    fn or_unseen<T>(&mut self, what: &str, looked: Result<T, String>) -> Option<T> {
        looked.map_err(|why| self.seen.unseen.push(format!("{what}: {why}"))).ok()
    }
}
