//! Properties of the queue in random small worlds: how it ends, what it costs, and that it always decides.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;

use super::simulated::{Atoms, Change, Outcome, ROTTEN, World};
use super::*;
use crate::world::{Exited, exit};

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
    let code = prop::sample::select(vec![exit::OK, exit::FAILED, exit::FAILED, exit::ERROR, exit::UNABLE, -1]);
    let at = (0..9_i64).prop_map(|second| Timestamp::from_second(second).unwrap());
    let ended = (code, at.clone()).prop_map(|(code, at)| JobState::Exited(Exited { code, at, tail: String::new() }));
    prop_oneof![Just(JobState::Absent), Just(JobState::Running), at.prop_map(|at| JobState::Lost { at }), ended]
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
            2 => Replayed::Missing,
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
