//! How many verifications the merge queue asks for when k of n changes are bad: the real decision in a small world.

use std::cell::Cell;
use std::collections::BTreeMap;

use gastown_controllers::merge_request::{Queue, Rejection, Step, next};
use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Candidate, Exited, JobState, Replayed, exit};
use jiff::Timestamp;

use crate::table::{Row, Table};

/// How many wait, and how many of them are bad.
const WAITING: [usize; 3] = [1, 8, 16];
const BAD: [usize; 4] = [0, 1, 2, 4];
/// More steps than any of these worlds takes: a guard, not a measure.
const STEPS_MAX: usize = 10_000;

pub fn measure(table: &mut Table) {
    for n in WAITING {
        for k in BAD.into_iter().filter(|k| *k <= n) {
            let placements: Vec<u32> = (0..1_u32 << n).filter(|bad| bad.count_ones() as usize == k).collect();
            let worst = placements.iter().map(|bad| verifications(n, *bad)).max().unwrap();
            let bound = k * (n.next_power_of_two().trailing_zeros() as usize + 2) + 2;
            table.row(Row {
                figure: format!("merge queue, {k} bad of {n}"),
                measured: format!("{worst} verifications (worst of {} placements)", placements.len()),
                floor: "–".into(),
                ratio: "–".into(),
                goal: format!("≤ {bound}"),
                met: worst <= bound,
            });
        }
    }
}

/// Does what the queue says until it rests. A tree is a bit for each change in it; it is red if a bad one is.
fn verifications(n: usize, bad: u32) -> usize {
    let mut target = 0_u32;
    let mut left: Vec<usize> = (0..n).collect();
    let mut replayed: BTreeMap<String, Vec<Replayed>> = BTreeMap::new();
    let mut tries: BTreeMap<Oid, Vec<JobState>> = BTreeMap::new();
    let (count, mut landed, mut rejected) = (Cell::new(0), 0_u32, 0_u32);
    for _ in 0..STEPS_MAX {
        let candidates: Vec<Candidate> = left.iter().map(|which| candidate(*which)).collect();
        let at = oid(target);
        let key = |asked: &[Candidate]| format!("{at}: {asked:?}");
        let decision = next(&Queue {
            target: &at,
            target_tree: &at,
            candidates: &candidates,
            batch_max: 16,
            verified: true,
            replays: &|asked| replayed.get(&key(asked)).cloned(),
            tries: &|tree| tries.get(tree).cloned().unwrap_or_default(),
        });
        match decision.step {
            Step::Replay { candidates } => {
                let mut tip = target;
                let results = candidates.iter().map(|one| {
                    tip |= 1 << number(&one.merge_request);
                    Replayed::Clean { commit: oid(tip), tree: oid(tip) }
                });
                let results = results.collect();
                replayed.insert(key(&candidates), results);
            }
            Step::Verify { tree, .. } => {
                count.set(count.get() + 1);
                let red = u32::from_str_radix(&tree.0, 2).unwrap() & bad != 0;
                let code = if red { exit::FAILED } else { exit::OK };
                let ended = Exited { code, at: Timestamp::UNIX_EPOCH, tail: String::new() };
                tries.entry(tree).or_default().push(JobState::Exited(ended));
            }
            Step::Land { commit, merge_requests } => {
                target = u32::from_str_radix(&commit.0, 2).unwrap();
                for (name, _) in merge_requests {
                    landed |= 1 << number(&name);
                    left.retain(|which| *which != number(&name));
                }
            }
            Step::Reject { merge_request, why: Rejection::Red(_) } => {
                rejected |= 1 << number(&merge_request);
                left.retain(|which| *which != number(&merge_request));
            }
            Step::Idle => {
                assert_eq!((rejected, landed & bad, (landed | rejected).count_ones() as usize), (bad, 0, n));
                return count.get();
            }
            other => panic!("nothing here runs by itself, conflicts or is lost: {other:?}"),
        }
    }
    panic!("{n} changes, bad {bad:b}: not at rest after {STEPS_MAX} steps");
}

fn number(name: &str) -> usize {
    name.parse().unwrap()
}

/// The commit with these changes, which is also its own tree.
fn oid(changes: u32) -> Oid {
    Oid(format!("{changes:b}"))
}

fn candidate(which: usize) -> Candidate {
    Candidate {
        merge_request: which.to_string(),
        bead: which.to_string(),
        head: oid(1 << which),
        base: oid(0),
        date: Timestamp::UNIX_EPOCH,
        title: String::new(),
    }
}
