//! The crash loop: a fault at every single effect of a town, then at pairs of them; each run must end like the undisturbed.
//!
//! At the fault the engine is dropped with all its memory: queue, gate, objects. The store and the world go on: agents
//! work, jobs end. Then another engine starts, and runs to rest.

use std::collections::BTreeMap;
use std::io::Write;

use crate::effects::{MODES, Mode};
use crate::harness::{Run, all_hold, compare, run};
use crate::towns::{Town, chain, flowing, gated, merged_by_people, minimal, one_place, quickstart};

/// Sessions that a fault may cost a bead more: a crash changes when, and so who conflicts with whom.
const MORE_ATTEMPTS: usize = 2;

type Faults = BTreeMap<usize, Mode>;

/// How many runs there were is worth telling, of a test that passes too: what is printed by macro, the harness keeps.
pub fn say(line: &str) {
    writeln!(std::io::stdout(), "{line}").expect("somebody reads what a test says");
}

fn all_converge(town: fn() -> Town, undisturbed: &Run, all: &[Faults]) {
    let name = |faults: &Faults| {
        let each = faults.iter().map(|(n, mode)| format!("{mode:?} at {n}: {}", undisturbed.effects[n - 1]));
        each.collect::<Vec<_>>().join(", ")
    };
    all_hold(all, |faults| compare(run(&town(), None, faults.clone()), undisturbed, MORE_ATTEMPTS), name);
}

fn undisturbed(town: fn() -> Town) -> Run {
    run(&town(), None, BTreeMap::new()).expect("an undisturbed town comes to rest")
}

fn every_effect(town: fn() -> Town) {
    let undisturbed = undisturbed(town);
    assert!(undisturbed.outcome.landed, "{:#?}", undisturbed.outcome);
    let n = undisturbed.effects.len();
    let all: Vec<_> = (1..=n).flat_map(|at| MODES.map(|mode| Faults::from([(at, mode)]))).collect();
    all_converge(town, &undisturbed, &all);
    say(&format!("crash points: {n} effects, {} runs, all converge", all.len()));
}

#[test]
fn the_quickstart_survives_a_fault_at_every_effect() {
    each_effect_once(quickstart);
}

/// Each effect is met by one mode. Effects of one sort take turns with the modes, so that each sort meets all of them.
fn each_effect_once(town: fn() -> Town) {
    let undisturbed = undisturbed(town);
    assert!(undisturbed.outcome.landed, "{:#?}", undisturbed.outcome);
    let mut turns: BTreeMap<String, usize> = BTreeMap::new();
    let mut next_mode = |effect: &str| {
        let turn = turns.entry(sort(effect)).or_default();
        *turn += 1;
        MODES[(*turn - 1) % MODES.len()]
    };
    let all: Vec<_> = (1..).zip(&undisturbed.effects).map(|(at, it)| Faults::from([(at, next_mode(it))])).collect();
    all_converge(town, &undisturbed, &all);
    say(&format!("crash points: {} effects of {} sorts, each once, all converge", all.len(), turns.len()));
}

/// What an effect does and to what kind of object, without its name.
fn sort(effect: &str) -> String {
    let words = effect.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    words.take(2).collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "takes minutes: make crash"]
fn the_quickstart_survives_every_fault_at_every_effect() {
    every_effect(quickstart);
}

#[test]
fn the_minimal_town_survives_a_fault_at_every_effect() {
    every_effect(minimal);
}

/// The capacity holds at every fault, as in all the others; here there is most to hold.
#[test]
fn one_place_that_two_beads_share_survives_a_fault_at_every_effect() {
    every_effect(one_place);
}

/// Its command is run again until it says yes.
#[test]
fn a_gate_that_runs_a_command_survives_a_fault_at_every_effect() {
    every_effect(gated);
}

/// An iteration, and what is made of a step's output, is made once and whole.
#[test]
fn a_molecule_that_goes_on_by_itself_survives_a_fault_at_every_effect() {
    each_effect_once(flowing);
}

/// A chain of steps, of which one run is killed at every so many effects. Every step is done once.
fn chain_with_kills(steps: usize, every: usize) {
    let effects = undisturbed(|| chain(2)).effects.len() * steps;
    let faults: Faults = (every..effects).step_by(every).zip(MODES.into_iter().cycle()).collect();
    let run = run(&chain(steps), None, faults.clone()).expect("it comes to rest");
    assert_eq!(run.wrong, Vec::<String>::new());
    assert!(run.outcome.landed, "{:#?}", run.outcome);
    let more: Vec<_> = run.attempts.iter().filter(|(_, attempts)| **attempts > 1 + MORE_ATTEMPTS).collect();
    assert!(more.is_empty(), "worked more often than they were killed: {more:?}");
    let kills = faults.range(..run.effects.len()).count();
    say(&format!("a chain of {steps} steps, {} effects, {kills} kills", run.effects.len()));
}

#[test]
fn a_chain_of_steps_is_run_to_its_end_with_kills_between() {
    chain_with_kills(48, 11);
}

#[test]
#[ignore = "takes minutes: make chain"]
fn a_chain_of_1025_steps_is_run_to_its_end_with_kills_between() {
    chain_with_kills(1025, 97);
}

/// What people merge is merged whatever dies, and worked once.
#[test]
fn branches_that_people_merge_survive_a_fault_at_every_effect() {
    every_effect(merged_by_people);
}

/// Recovery is crashed too. All pairs would be some ten thousand runs; this many are drawn.
#[test]
fn the_minimal_town_survives_pairs_of_faults() {
    const PAIRS: usize = 200;
    let undisturbed = undisturbed(minimal);
    let n = undisturbed.effects.len();
    let draw = |pair: usize, what: &str, below: usize| {
        let digest = gastown_crds::names::digest(&["pair", &pair.to_string(), what]);
        usize::from_str_radix(&digest[..8], 16).expect("a digest is hex") % below
    };
    let pairs: Vec<Faults> = (0..PAIRS)
        .map(|pair| {
            let first = 1 + draw(pair, "first", n);
            let second = first + 1 + draw(pair, "gap", 12);
            let mode = |what| MODES[draw(pair, what, MODES.len())];
            Faults::from([(first, mode("mode")), (second.min(n), mode("other mode"))])
        })
        .collect();
    all_converge(minimal, &undisturbed, &pairs);
    say(&format!("crash points: {PAIRS} pairs of {n} effects, all converge"));
}
