//! A small world to drive the queue through until it rests, and the oracle for how that must end.
//!
//! A tree is a set of atoms. A change adds an atom or takes one away; a tree is red if it holds a bad atom, or both of a
//! bad pair. `one_by_one` is the oracle: what becomes of each change if the queue took them singly, without any batch.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::*;
use crate::world::{Exited, exit};

pub(super) type Atom = u8;
pub(super) type Atoms = BTreeSet<Atom>;

/// The atom that makes the target red from the beginning.
pub(super) const ROTTEN: Atom = u8::MAX;

#[derive(Debug, Clone)]
pub(super) struct Change {
    /// Which atom it adds or takes away.
    pub(super) atom: Atom,
    pub(super) takes_away: bool,
    /// It does not apply where one of these is.
    pub(super) clashes: Atoms,
    /// Its own atom makes every tree red.
    pub(super) bad: bool,
    /// A tree that holds this atom too is red.
    pub(super) bad_with: Option<Atom>,
    /// After how many steps it is queued, at the earliest.
    pub(super) arrives: usize,
}

#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) changes: Vec<Change>,
    pub(super) batch_max: usize,
    pub(super) rotten: bool,
    /// Some first verdicts are falsely red.
    pub(super) flakes: bool,
    /// Some tries cannot run or are lost.
    pub(super) errors: bool,
    pub(super) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Landed,
    Red,
    Conflict,
    Applied,
}

/// How a run ended.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) outcomes: BTreeMap<usize, Outcome>,
    pub(super) verifications: usize,
    pub(super) base_red: bool,
    pub(super) atoms: Atoms,
}

impl World {
    fn apply(&self, atoms: &Atoms, which: usize) -> Result<Atoms, Replayed> {
        let change = &self.changes[which];
        let mut after = atoms.clone();
        if !change.clashes.is_disjoint(atoms) {
            return Err(Replayed::Conflict { files: vec![format!("{}.rs", change.atom)] });
        }
        let changed = if change.takes_away { after.remove(&change.atom) } else { after.insert(change.atom) };
        if changed { Ok(after) } else { Err(Replayed::Empty) }
    }

    pub(super) fn is_red(&self, atoms: &Atoms) -> bool {
        let spoils = |change: &Change| {
            let with = change.bad_with.is_some_and(|other| other != change.atom && atoms.contains(&other));
            !change.takes_away && atoms.contains(&change.atom) && (change.bad || with)
        };
        atoms.contains(&ROTTEN) || self.changes.iter().any(spoils)
    }

    pub(super) fn one_by_one(&self) -> BTreeMap<usize, Outcome> {
        let mut atoms = Atoms::new();
        let mut outcomes = BTreeMap::new();
        for which in 0..self.changes.len() {
            let outcome = match self.apply(&atoms, which) {
                Err(Replayed::Conflict { .. }) => Outcome::Conflict,
                Err(_) => Outcome::Applied,
                Ok(after) if self.is_red(&after) => Outcome::Red,
                Ok(after) => {
                    atoms = after;
                    Outcome::Landed
                }
            };
            outcomes.insert(which, outcome);
        }
        outcomes
    }

    /// Chance that depends on nothing but the seed, the tree and the try.
    fn one_in(&self, odds: u8, tree: &Oid, what: &str, nth: usize) -> bool {
        let inputs = [&self.seed.to_string(), &tree.0, what, &nth.to_string()];
        gastown_crds::names::digest(&inputs).bytes().map(u32::from).sum::<u32>() % u32::from(odds) == 0
    }

    /// How a try ends, given those before it.
    fn outcome(&self, tree: &Oid, before: &[JobState]) -> JobState {
        let code = |state: &JobState| if let JobState::Exited(exited) = state { exited.code } else { exit::ERROR };
        let nth = before.len();
        if self.errors && nth < 9 && self.one_in(3, tree, "error", nth) {
            let lost = before.iter().filter(|state| matches!(state, JobState::Lost { .. })).count();
            return if lost < 4 && self.one_in(2, tree, "lost", nth) {
                JobState::Lost { at: Timestamp::UNIX_EPOCH }
            } else {
                exited(exit::ERROR)
            };
        }
        let first = before.iter().all(|state| code(state) == exit::ERROR);
        let false_red = self.flakes && first && self.one_in(3, tree, "flake", 0);
        let red = self.is_red(&atoms_of(tree)) || false_red;
        exited(if red { exit::FAILED } else { exit::OK })
    }

    pub(super) fn candidate(&self, which: usize) -> Candidate {
        let name = which.to_string();
        let oid = Oid(format!("{name}@{:?}", self.changes[which].atom));
        Candidate {
            merge_request: name.clone(),
            bead: name.clone(),
            head: oid.clone(),
            base: oid,
            date: Timestamp::UNIX_EPOCH,
            title: name,
        }
    }

    /// Does what the queue says until it has nothing more to do.
    pub(super) fn run(&self) -> Rest {
        let mut atoms: Atoms = self.rotten.then_some(ROTTEN).into_iter().collect();
        let mut target = Oid("t".to_owned());
        let mut replays: BTreeMap<String, Vec<Replayed>> = BTreeMap::new();
        let mut tries: BTreeMap<Oid, Vec<JobState>> = BTreeMap::new();
        let (mut outcomes, mut verifications, mut patience) = (BTreeMap::new(), 0, 0);
        let answer = |outcomes: &mut BTreeMap<usize, Outcome>, name: &str, outcome| {
            let before = outcomes.insert(name.parse().expect("names are numbers"), outcome);
            assert_eq!(before, None, "{name} was answered twice");
        };
        for steps in 0.. {
            let all = self.changes.len();
            // Each change needs its answer, a few replays and, for each tree, up to 12 tries of two steps.
            assert!(steps < 100 + 200 * all * all, "does not come to rest");
            let waiting = |which: &usize| !outcomes.contains_key(which);
            let arrived =
                |which: &usize| self.changes[..=*which].iter().all(|change| change.arrives <= steps + patience);
            let queued: Vec<_> = (0..all).filter(waiting).filter(arrived).map(|which| self.candidate(which)).collect();
            let target_tree = tree_of(&atoms);
            let key = |target: &Oid, asked: &[Candidate]| {
                let names: Vec<_> = asked.iter().map(|one| one.merge_request.as_str()).collect();
                format!("{target}: {}", names.join(" "))
            };
            let queue = Queue {
                target: &target,
                target_tree: &target_tree,
                candidates: &queued,
                batch_max: self.batch_max,
                verified: true,
                replays: &|asked| replays.get(&key(&target, asked)).cloned(),
                tries: &|tree| tries.get(tree).cloned().unwrap_or_default(),
            };
            let decision = next(&queue);
            assert_eq!(decision, next(&queue), "the same input gives the same output");
            match decision.step {
                Step::Idle | Step::BaseRed { .. } if queued.len() + outcomes.len() < all => patience += 1,
                Step::Idle | Step::BaseRed { .. } => {
                    let base_red = decision.base_red.is_some();
                    return Rest { outcomes, verifications, base_red, atoms };
                }
                Step::Replay { candidates } => {
                    let record = self.replay(&target, &atoms, &candidates);
                    let before = replays.insert(key(&target, &candidates), record);
                    assert_eq!(before, None, "a replay is asked for once");
                }
                Step::Verify { commit, tree, round } | Step::RetryVerify { commit, tree, round, .. } => {
                    assert!(commit == target || tree != target_tree, "the target is verified at its own commit");
                    if commit != target && decision.base_red.is_none() {
                        let batch = &queued[..queued.len().min(self.batch_max)];
                        assert_eq!(green_prefixes(&replays[&key(&target, batch)], &tries), 0, "green lands first");
                    }
                    let before = tries.entry(tree).or_default();
                    assert_eq!(before.len() + 1, round as usize, "rounds have no gaps");
                    before.push(JobState::Running);
                    verifications += 1;
                }
                Step::Running { tree, round } => {
                    let before = tries.get_mut(&tree).expect("it was started");
                    assert_eq!((before.len(), before.pop()), (round as usize, Some(JobState::Running)));
                    let ended = self.outcome(&tree, before);
                    before.push(ended);
                }
                Step::Land { commit, merge_requests } => {
                    for (name, _) in &merge_requests {
                        answer(&mut outcomes, name, Outcome::Landed);
                        atoms = self.apply(&atoms, name.parse().expect("a number")).expect("it applied");
                    }
                    assert!(!self.is_red(&atoms), "the target never turns red");
                    assert_eq!(Some(&commit), merge_requests.last().map(|(_, commit)| commit));
                    target = commit;
                }
                Step::Reject { merge_request, why } => {
                    assert_ne!(why, Rejection::Missing, "no commit is lost here");
                    let red = matches!(why, Rejection::Red(_));
                    assert!(!(red && self.is_red(&atoms)), "nobody is blamed on a red target");
                    answer(&mut outcomes, &merge_request, if red { Outcome::Red } else { Outcome::Conflict });
                }
                Step::AlreadyApplied { merge_request } => answer(&mut outcomes, &merge_request, Outcome::Applied),
            }
        }
        unreachable!("the loop has no end of its own")
    }

    fn replay(&self, onto: &Oid, atoms: &Atoms, candidates: &[Candidate]) -> Vec<Replayed> {
        let (mut tip, mut atoms) = (onto.clone(), atoms.clone());
        let each = candidates.iter().map(|candidate| {
            match self.apply(&atoms, candidate.merge_request.parse().expect("names are numbers")) {
                Err(left_out) => left_out,
                Ok(after) => {
                    (tip, atoms) = (Oid(format!("{tip}+{}", candidate.merge_request)), after);
                    Replayed::Clean { commit: tip.clone(), tree: tree_of(&atoms) }
                }
            }
        });
        each.collect()
    }
}

pub(super) fn exited(code: i32) -> JobState {
    JobState::Exited(Exited { code, at: Timestamp::UNIX_EPOCH, tail: String::new() })
}

fn tree_of(atoms: &Atoms) -> Oid {
    let names: Vec<_> = atoms.iter().map(ToString::to_string).collect();
    Oid(names.join(" "))
}

fn atoms_of(tree: &Oid) -> Atoms {
    tree.0.split_whitespace().map(|name| name.parse().expect("an atom")).collect()
}

fn green_prefixes(record: &[Replayed], tries: &BTreeMap<Oid, Vec<JobState>>) -> usize {
    let green = |tree| tries.get(tree).is_some_and(|tries| tries.contains(&exited(exit::OK)));
    record.iter().filter(|one| matches!(one, Replayed::Clean { tree, .. } if green(tree))).count()
}
