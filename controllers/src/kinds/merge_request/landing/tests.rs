//! Each rule of the queue as one claim about one decision.
//!
//! Notation: candidates `a b c` are replayed onto `t`, and become the commits `a' b' c'` with the trees `A B C`. Tries at
//! a tree are spelt one character each: `g`reen, `r`ed, `u`nable, `e`rror, `l`ost, `.` running.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::*;
use crate::world::{Exited, exit};

fn oid(text: &str) -> Oid {
    Oid(text.to_owned())
}

fn candidate(name: &str) -> Candidate {
    Candidate {
        merge_request: name.to_owned(),
        bead: format!("bead-{name}"),
        head: oid(&format!("{name}-head")),
        base: oid("base"),
        date: Timestamp::UNIX_EPOCH,
        title: name.to_owned(),
    }
}

fn ended(code: i32) -> Exited {
    Exited { code, at: Timestamp::UNIX_EPOCH, tail: format!("exit {code}") }
}

fn state(letter: char) -> JobState {
    match letter {
        'g' => JobState::Exited(ended(exit::OK)),
        'r' => JobState::Exited(ended(exit::FAILED)),
        'e' => JobState::Exited(ended(exit::ERROR)),
        'u' => JobState::Exited(ended(exit::UNABLE)),
        'l' => JobState::Lost { at: Timestamp::UNIX_EPOCH },
        '.' => JobState::Running,
        _ => JobState::Absent,
    }
}

fn clean(commit: &str, tree: &str) -> Replayed {
    Replayed::Clean { commit: oid(commit), tree: oid(tree) }
}

/// A queue in one line each: what waits, what replays gave, what tries gave.
struct Given {
    names: &'static str,
    batch_max: usize,
    verified: bool,
    replays: BTreeMap<String, Vec<Replayed>>,
    tries: BTreeMap<Oid, Vec<JobState>>,
}

/// Candidates `names`, one letter each, that all apply: the whole batch is replayed already, nothing is verified.
fn queue(names: &'static str) -> Given {
    let each = names.chars().map(|name| clean(&format!("{name}'"), &name.to_uppercase().to_string()));
    let replays = BTreeMap::from([(names.to_owned(), each.collect())]);
    Given { names, batch_max: 8, verified: true, replays, tries: BTreeMap::new() }
}

impl Given {
    fn tried(mut self, tree: &str, letters: &str) -> Self {
        self.tries.insert(oid(tree), letters.chars().map(state).collect());
        self
    }

    fn replayed(mut self, names: &str, results: Vec<Replayed>) -> Self {
        self.replays.insert(names.to_owned(), results);
        self
    }

    fn decide(&self) -> Decision {
        let candidates: Vec<_> = self.names.chars().map(|name| candidate(&name.to_string())).collect();
        next(&Queue {
            target: &oid("t"),
            target_tree: &oid("T"),
            candidates: &candidates,
            batch_max: self.batch_max,
            verified: self.verified,
            replays: &|asked| {
                let key: String = asked.iter().map(|one| one.merge_request.as_str()).collect();
                self.replays.get(&key).cloned()
            },
            tries: &|tree| self.tries.get(tree).cloned().unwrap_or_default(),
        })
    }

    /// The step in a few words.
    fn step(&self) -> String {
        match self.decide().step {
            Step::Idle => "idle".to_owned(),
            Step::Replay { candidates } => {
                format!("replay {}", candidates.iter().map(|one| one.merge_request.as_str()).collect::<String>())
            }
            Step::Verify { commit, tree, round } => format!("verify {tree} at {commit}, round {round}"),
            Step::Running { tree, round } => format!("wait for {tree}, round {round}"),
            Step::RetryVerify { tree, round, errors, last, .. } => {
                format!("retry {tree}, round {round}, after {errors} in a row, {}", last.tail)
            }
            Step::Land { commit, merge_requests } => {
                let each: Vec<_> = merge_requests.iter().map(|(name, commit)| format!("{name}={commit}")).collect();
                format!("land {commit}: {}", each.join(" "))
            }
            Step::Reject { merge_request, why: Rejection::Red(Red { tree, round, tail, .. }) } => {
                format!("reject {merge_request}: {tree} red in round {round}, {tail}")
            }
            Step::Reject { merge_request, why: Rejection::Conflict { files } } => {
                format!("reject {merge_request}: conflict in {}", files.join(" "))
            }
            Step::Reject { merge_request, why: Rejection::Missing } => format!("reject {merge_request}: missing"),
            Step::AlreadyApplied { merge_request } => format!("already applied {merge_request}"),
            Step::BaseRed { round, .. } => format!("base red, round {round} later"),
        }
    }
}

fn conflict() -> Replayed {
    Replayed::Conflict { files: vec!["x.rs".to_owned()] }
}

#[test]
fn an_empty_queue_verifies_nothing() {
    assert_eq!(queue("").step(), "idle");
}

#[test]
fn only_the_first_candidates_are_taken_together() {
    assert_eq!(Given { batch_max: 2, ..queue("abc") }.step(), "replay ab");
    assert_eq!(Given { batch_max: 0, ..queue("abc") }.step(), "replay a");
}

#[test]
fn a_record_that_does_not_fit_its_inputs_is_none() {
    assert_eq!(queue("ab").replayed("ab", vec![clean("a'", "A")]).step(), "replay ab");
}

#[test]
fn the_target_is_verified_before_anybody_is_blamed() {
    assert_eq!(queue("a").step(), "verify T at t, round 1");
    assert_eq!(queue("a").tried("A", "rr").step(), "verify T at t, round 1");
    assert_eq!(queue("a").tried("T", ".").step(), "wait for T, round 1");
    assert_eq!(queue("a").tried("T", "r").step(), "verify T at t, round 2");
}

#[test]
fn the_tip_of_the_whole_batch_comes_first_and_lands_all() {
    let given = queue("abc").tried("T", "g");
    assert_eq!(given.step(), "verify C at c', round 1");
    assert_eq!(given.tried("C", "g").step(), "land c': a=a' b=b' c=c'");
}

#[test]
fn a_red_tip_is_halved_on_one_unconfirmed_red() {
    let given = queue("abcdefgh").tried("T", "g").tried("H", "r");
    assert_eq!(given.step(), "verify D at d', round 1");
    assert_eq!(given.tried("D", "r").step(), "verify B at b', round 1");
}

#[test]
fn a_green_prefix_lands_at_once_whatever_is_red_or_running() {
    let given = queue("abcd").tried("T", "g").tried("D", "r").tried("C", ".").tried("B", "g");
    assert_eq!(given.step(), "land b': a=a' b=b'");
}

#[test]
fn a_longer_green_wins_over_a_shorter_red() {
    assert_eq!(queue("abc").tried("T", "g").tried("A", "rr").tried("C", "g").step(), "land c': a=a' b=b' c=c'");
}

#[test]
fn the_first_alone_is_confirmed_and_then_sent_back() {
    let given = queue("ab").tried("T", "g").tried("B", "r").tried("A", "r");
    assert_eq!(given.step(), "verify A at a', round 2");
    assert_eq!(given.tried("A", "rr").step(), "reject a: A red in round 2, exit 1");
}

#[test]
fn a_refuted_red_counts_as_green_and_is_recorded() {
    let decision = queue("ab").tried("T", "erg").tried("B", "r").tried("A", "rg").decide();
    assert!(matches!(&decision.step, Step::Land { commit, .. } if *commit == oid("a'")), "{decision:?}");
    assert_eq!(
        decision.flaky,
        [
            Flaky { tree: oid("T"), round: 2, merge_request: None },
            Flaky { tree: oid("A"), round: 1, merge_request: Some("a".to_owned()) },
        ]
    );
}

#[test]
fn what_could_not_run_is_neither_pass_nor_red() {
    assert_eq!(queue("a").tried("T", "e").step(), "retry T, round 2, after 1 in a row, exit 75");
    assert_eq!(
        queue("a").tried("T", "g").tried("A", "eel").step(),
        "retry A, round 4, after 3 in a row, its process was killed"
    );
    assert_eq!(queue("a").tried("T", "g").tried("A", "ree").step(), "retry A, round 4, after 2 in a row, exit 75");
    assert_eq!(queue("a").tried("T", "g").tried("A", "erer").step(), "reject a: A red in round 4, exit 1");
    assert_eq!(queue("a").tried("T", "g").tried("A", "ele.").step(), "wait for A, round 4");
}

#[test]
fn a_tree_that_keeps_the_checks_from_running_is_red_where_they_run_on_the_target() {
    let given = queue("ab").tried("T", "g");
    assert_eq!(given.tried("B", "uu").step(), "retry B, round 3, after 2 in a row, exit 14");
    let given = queue("ab").tried("T", "g").tried("B", "ueeuu");
    assert_eq!(given.step(), "verify A at a', round 1");
    assert_eq!(given.tried("A", "uuu").step(), "reject a: A red in round 3, exit 14");
    assert_eq!(queue("a").tried("T", "g").tried("A", "eeee").step(), "retry A, round 5, after 4 in a row, exit 75");
    assert_eq!(
        queue("a").tried("T", "g").tried("A", "lllel").step(),
        "retry A, round 6, after 5 in a row, its process was killed"
    );
    let killed = queue("a").tried("T", "g").tried("A", "lllell");
    assert_eq!(killed.step(), "reject a: A red in round 6, its process was killed");
    let stuck = queue("a").tried("T", "uuu").tried("A", "rr");
    assert_eq!(stuck.step(), "base red, round 4 later");
}

#[test]
fn a_verdict_never_changes_once_it_is_reached() {
    assert_eq!(queue("a").tried("T", "grr").tried("A", "rrg").step(), "reject a: A red in round 2, exit 1");
}

#[test]
fn an_arrival_starts_nothing_while_a_verification_of_the_batch_runs() {
    assert_eq!(queue("abc").tried("T", "g").tried("B", ".").step(), "wait for B, round 1");
}

#[test]
fn a_conflict_or_nothing_to_apply_is_final_for_the_first_even_before_the_target_is_verified() {
    assert_eq!(queue("ab").replayed("ab", vec![conflict(), clean("b'", "B")]).step(), "reject a: conflict in x.rs");
    assert_eq!(queue("ab").replayed("ab", vec![Replayed::Empty, clean("b'", "B")]).step(), "already applied a");
}

#[test]
fn behind_a_survivor_a_conflict_is_left_out_and_not_judged() {
    let results = vec![clean("a'", "A"), conflict(), Replayed::Empty, clean("d'", "D")];
    let given = queue("abcd").replayed("abcd", results).tried("T", "g");
    assert_eq!(given.step(), "verify D at d', round 1");
    assert_eq!(given.tried("D", "g").step(), "land d': a=a' d=d'");
}

#[test]
fn a_prefix_with_the_tree_of_the_target_is_green_already() {
    let results = vec![clean("a'", "A"), clean("b'", "T")];
    assert_eq!(queue("ab").replayed("ab", results).tried("T", "g").tried("A", "rr").step(), "land b': a=a' b=b'");
}

#[test]
fn two_prefixes_with_one_tree_are_told_apart_by_length() {
    let results = vec![clean("a'", "A"), clean("b'", "B"), clean("c'", "A")];
    let given = queue("abc").replayed("abc", results).tried("T", "g").tried("A", "r");
    assert_eq!(given.step(), "verify A at a', round 2");
    assert_eq!(given.tried("A", "rg").step(), "land c': a=a' b=b' c=c'");
}

#[test]
fn without_checks_every_tree_is_green() {
    let given = Given { verified: false, ..queue("ab") }.tried("T", "rr").tried("A", "rr");
    assert_eq!(given.step(), "land b': a=a' b=b'");
}

/// Two candidates on a target whose red is confirmed; each is replayed alone.
fn red_base() -> Given {
    queue("ab").tried("T", "rr").replayed("a", vec![clean("a'", "A")]).replayed("b", vec![clean("b''", "B2")])
}

#[test]
fn on_a_red_target_nobody_is_charged() {
    let decision = red_base().tried("A", "rr").tried("B2", "rr").decide();
    assert_eq!(decision.step, Step::BaseRed { round: 3, over: Timestamp::UNIX_EPOCH });
    assert_eq!(decision.base_red, Some(Red { tree: oid("T"), round: 2, failed: true, tail: "exit 1".to_owned() }));
}

#[test]
fn on_a_red_target_each_candidate_is_tried_alone_in_order() {
    assert_eq!(queue("ab").tried("T", "rr").step(), "replay a");
    assert_eq!(red_base().step(), "verify A at a', round 1");
    assert_eq!(red_base().tried("A", ".").step(), "wait for A, round 1");
    assert_eq!(red_base().tried("A", "r").step(), "verify B2 at b'', round 1");
    assert_eq!(red_base().tried("A", "r").tried("B2", "r").step(), "verify A at a', round 2");
}

#[test]
fn on_a_red_target_one_that_cannot_be_tried_does_not_hold_up_the_repair() {
    assert_eq!(red_base().tried("A", "e").step(), "verify B2 at b'', round 1");
    assert_eq!(red_base().tried("A", "e").tried("B2", "rr").step(), "retry A, round 2, after 1 in a row, exit 75");
}

#[test]
fn on_a_red_target_a_repair_lands_alone() {
    assert_eq!(red_base().tried("A", "r").tried("B2", "g").step(), "land b'': b=b''");
    assert_eq!(
        red_base().tried("A", "r").replayed("b", vec![conflict()]).tried("A", "rr").step(),
        "base red, round 3 later"
    );
}

#[test]
fn a_red_target_is_tried_again_and_one_green_refutes_it() {
    let given = red_base().tried("A", "rr").tried("B2", "rr");
    assert_eq!(given.tried("T", "rrr").step(), "base red, round 4 later");
    assert_eq!(red_base().tried("T", "rre").step(), "verify A at a', round 1");
    assert_eq!(red_base().tried("T", "rre.").step(), "wait for T, round 4");
    let decision = queue("ab").tried("T", "rrerg").decide();
    assert_eq!(decision.base_red, None);
    assert_eq!(decision.flaky, [Flaky { tree: oid("T"), round: 4, merge_request: None }]);
    assert_eq!(queue("ab").tried("T", "rrerg").step(), "verify B at b', round 1");
}

#[test]
fn what_was_red_together_with_the_target_is_not_blamed_for_it() {
    // All of these ended at the same instant; what is red from now on counts.
    let given = queue("a").tried("T", "rrg").tried("A", "rr");
    assert_eq!(given.step(), "verify A at a', round 3");
    let later = |code| JobState::Exited(Exited { at: Timestamp::from_second(9).unwrap(), ..ended(code) });
    let mut given = given;
    given.tries.get_mut(&oid("A")).unwrap().extend([later(exit::FAILED), later(exit::FAILED)]);
    assert_eq!(given.step(), "reject a: A red in round 4, exit 1");
    // A clock that was set back dates them all earlier: there is an end to that, too.
    let given = queue("a").tried("T", "rrg").tried("A", "rrrr");
    assert_eq!(given.step(), "reject a: A red in round 4, exit 1");
}

#[test]
fn one_whose_commits_are_lost_is_sent_back_and_holds_up_nobody() {
    let given = queue("ab").replayed("ab", vec![Replayed::Missing, clean("b'", "B")]);
    assert_eq!(given.step(), "reject a: missing");
    let given = queue("ab").replayed("ab", vec![clean("a'", "A"), Replayed::Missing]).tried("T", "g").tried("A", "g");
    assert_eq!(given.step(), "land a': a=a'");
}
