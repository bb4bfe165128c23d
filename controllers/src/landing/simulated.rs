//! Properties of the queue, driven through random small worlds until it rests.
//!
//! A tree is a set of atoms. A change adds an atom or takes one away; a tree is red if it holds a bad atom, or both of a
//! bad pair. `one_by_one` is the oracle: what becomes of each change if the queue took them singly, without any batch.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::world::exit;

type Atom = u8;
type Atoms = BTreeSet<Atom>;

/// The atom that makes the target red from the beginning.
const ROTTEN: Atom = u8::MAX;

#[derive(Debug, Clone)]
struct Change {
    /// Which atom it adds or takes away.
    atom: Atom,
    takes_away: bool,
    /// It does not apply where one of these is.
    clashes: Atoms,
    /// Its own atom makes every tree red.
    bad: bool,
    /// A tree that holds this atom too is red.
    bad_with: Option<Atom>,
    /// After how many steps it is queued, at the earliest.
    arrives: usize,
}

#[derive(Debug, Clone)]
struct World {
    changes: Vec<Change>,
    batch_max: usize,
    rotten: bool,
    /// Some first verdicts are falsely red.
    flakes: bool,
    /// Some tries cannot run or are lost.
    errors: bool,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Landed,
    Red,
    Conflict,
    Applied,
}

/// How a run ended.
#[derive(Debug)]
struct Rest {
    outcomes: BTreeMap<usize, Outcome>,
    verifications: usize,
    base_red: bool,
    atoms: Atoms,
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

    fn is_red(&self, atoms: &Atoms) -> bool {
        let spoils = |change: &Change| {
            let with = change.bad_with.is_some_and(|other| other != change.atom && atoms.contains(&other));
            !change.takes_away && atoms.contains(&change.atom) && (change.bad || with)
        };
        atoms.contains(&ROTTEN) || self.changes.iter().any(spoils)
    }

    fn one_by_one(&self) -> BTreeMap<usize, Outcome> {
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
            return if self.one_in(2, tree, "lost", nth) { JobState::Lost } else { exited(exit::ERROR) };
        }
        let first = before.iter().all(|state| code(state) == exit::ERROR);
        let false_red = self.flakes && first && self.one_in(3, tree, "flake", 0);
        let red = self.is_red(&atoms_of(tree)) || false_red;
        exited(if red { exit::FAILED } else { exit::OK })
    }

    fn candidate(&self, which: usize) -> Candidate {
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
    fn run(&self) -> Rest {
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
                Step::Idle | Step::BaseRed if queued.len() + outcomes.len() < all => patience += 1,
                Step::Idle | Step::BaseRed => {
                    let base_red = decision.step == Step::BaseRed;
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

fn exited(code: i32) -> JobState {
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

/// Changes that only add: each has its own atom, or now and then the atom of another.
fn additions(arrivals: usize) -> impl Strategy<Value = Vec<Change>> {
    let atom = 0..12_u8;
    let change = (
        prop::option::weighted(0.1, atom.clone()),
        prop::collection::btree_set(atom.clone(), 0..2),
        prop::bool::weighted(0.2),
        prop::option::weighted(0.1, atom),
        0..=arrivals,
    );
    prop::collection::vec(change, 0..12).prop_map(|drawn| {
        let each = (0_u8..).zip(drawn).map(|(own, (same_as, clashes, bad, bad_with, arrives))| {
            let atom = same_as.unwrap_or(own);
            let clashes = clashes.into_iter().filter(|other| *other != atom).collect();
            Change { atom, takes_away: false, clashes, bad, bad_with, arrives }
        });
        each.collect()
    })
}

/// The same, and changes that undo others or mend a rotten target.
fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    (additions(40), prop::collection::vec(0..10_u8, 12)).prop_map(|(mut changes, kinds)| {
        for (change, kind) in changes.iter_mut().zip(kinds) {
            change.takes_away = kind < 4;
            if kind == 0 {
                change.atom = ROTTEN;
            }
        }
        changes
    })
}

/// One that was empty behind a survivor may be overtaken by what it clashes with, and is then a conflict.
fn roughly(outcomes: &BTreeMap<usize, Outcome>) -> Vec<Outcome> {
    let blur = |outcome: &Outcome| if *outcome == Outcome::Applied { Outcome::Conflict } else { *outcome };
    outcomes.values().map(blur).collect()
}

fn any_try() -> impl Strategy<Value = JobState> {
    let code = prop::sample::select(vec![exit::OK, exit::FAILED, exit::FAILED, exit::ERROR, 127, -1]);
    prop_oneof![Just(JobState::Absent), Just(JobState::Running), Just(JobState::Lost), code.prop_map(exited)]
}

fn ceil_log2(n: usize) -> usize {
    n.next_power_of_two().trailing_zeros() as usize
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_batch_ends_as_if_taken_one_by_one_within_the_bound(changes in additions(0)) {
        let n = changes.len();
        let world = World { changes, batch_max: 12, rotten: false, flakes: false, errors: false, seed: 0 };
        let rest = world.run();
        let bad = rest.outcomes.values().filter(|outcome| **outcome == Outcome::Red).count();
        prop_assert_eq!(roughly(&rest.outcomes), roughly(&world.one_by_one()));
        let bound = bad * (ceil_log2(n) + 2) + 2;
        prop_assert!(rest.verifications <= bound, "{} verifications > {}, {} bad of {}", rest.verifications, bound, bad, n);
    }

    #[test]
    fn errors_arrivals_and_a_false_red_change_when_never_what(
        changes in additions(60), batch_max in 1..6_usize, flakes: bool, errors: bool, seed: u64,
    ) {
        let world = World { changes, batch_max, rotten: false, flakes, errors, seed };
        let (outcomes, expected) = (world.run().outcomes, world.one_by_one());
        prop_assert_eq!(roughly(&outcomes), roughly(&expected));
        prop_assert!(batch_max > 1 || outcomes == expected);
    }

    #[test]
    fn it_rests_in_every_world_with_everybody_answered_once_or_a_red_target(
        changes in any_changes(), batch_max in 1..6_usize, rotten: bool, flakes: bool, errors: bool, seed: u64,
    ) {
        let world = World { changes, batch_max, rotten, flakes, errors, seed };
        let rest = world.run();
        prop_assert_eq!(rest.base_red, world.is_red(&rest.atoms) && rest.outcomes.len() < world.changes.len());
        prop_assert!(rest.base_red || rest.outcomes.len() == world.changes.len());
        prop_assert!(rest.outcomes.len() <= world.changes.len());
    }

    #[test]
    fn whatever_was_recorded_it_decides(
        results in prop::collection::vec(0..7_u8, 0..8), tries in prop::collection::vec(prop::collection::vec(any_try(), 0..6), 4),
        waiting in 0..8_usize, batch_max in 0..9_usize, verified: bool,
    ) {
        let change = Change { atom: 0, takes_away: false, clashes: Atoms::new(), bad: false, bad_with: None, arrives: 0 };
        let world = World { changes: vec![change; 8], batch_max, rotten: false, flakes: false, errors: false, seed: 0 };
        let candidates: Vec<_> = (0..waiting).map(|which| world.candidate(which)).collect();
        let tree = |which: u8| Oid(which.to_string());
        let replayed = |kind: &u8| match kind {
            0 => Replayed::Empty,
            1 => Replayed::Conflict { files: Vec::new() },
            kind => Replayed::Clean { commit: tree(*kind), tree: tree(*kind % 4) },
        };
        let tried = |tree: &Oid| tries[tree.0.parse::<usize>().expect("a number")].clone();
        let decision = next(&Queue {
            target: &tree(9),
            target_tree: &tree(0),
            candidates: &candidates,
            batch_max,
            verified,
            // Records may be missing, or too short.
            replays: &|asked| (!results.is_empty()).then(|| results.iter().take(asked.len()).map(replayed).collect()),
            tries: &tried,
        });
        prop_assert_eq!(decision.step == Step::Idle, waiting == 0);
    }
}
