//! A person stops a town, or changes their mind, at every single effect: what was begun to land is seen to its end, nothing
//! else moves, and once it may go on all ends as if nobody had stopped it.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown::engine::Engine;
use gastown_controllers::seen::Seen;
use gastown_controllers::world::{Adapter, Ask, Fact, Frozen, SandboxId, Session};
use gastown_crds::bead::CloseReason;
use gastown_crds::names;
use gastown_crds::overrides::{ANNOTATION_OVERRIDE, Mode, Override};
use serde_json::{Value, json};

use crate::harness::{Run, STEPS_MAX, Sim, all_hold, compare, in_virtual_time, run};
use crate::towns::{CONVOY, Town, minimal, quickstart};

/// Sessions that a stop may cost a bead more: its own, and what changes as beads come in another order.
const MORE_ATTEMPTS: usize = 3;

/// The patch that says this of an object, or takes it off.
fn says(mode: Option<Mode>) -> Value {
    let at = "2026-01-01T00:00:00Z".parse().unwrap();
    let said = mode.map(|mode| json!(Override { mode, by: "kim".into(), at, reason: None, until: None }).to_string());
    json!({ "metadata": { "annotations": { ANNOTATION_OVERRIDE: said } } })
}

/// Runs until so many effects have been begun, and changes an object then. False: there were not so many.
async fn changed_at(
    sim: &Sim,
    engine: &mut Engine,
    number: usize,
    object: &str,
    patch: &Value,
) -> Result<bool, String> {
    tokio::select! {
        biased;
        () = sim.effects.reached(number) => {}
        result = engine.run_to_rest(STEPS_MAX) => return result.map(|()| false),
    }
    sim.patch(object, patch).await;
    Ok(true)
}

/// What is seen of each polecat's sandbox.
async fn sandboxes(sim: &Sim) -> Vec<(Session, Frozen)> {
    let look = |polecat: Value| {
        let text = |field: &str| polecat["metadata"][field].as_str().unwrap().to_owned();
        match sim.world.look(&Ask::Sandbox(SandboxId { name: text("name"), uid: text("uid") })) {
            Seen::Known(Fact::Sandbox(facts)) => (facts.session, facts.frozen),
            other => panic!("{other:?}"),
        }
    };
    sim.list("polecats").await.into_iter().map(look).collect()
}

/// What is wrong while a town is held: somebody works who may not, or something moves.
async fn held(sim: &Sim, engine: &mut Engine, mode: Mode) -> Vec<String> {
    let mut wrong = Vec::new();
    for (session, frozen) in sandboxes(sim).await {
        let may = match mode {
            Mode::Stopped => session == Session::None,
            Mode::Frozen => session == Session::None || frozen == Frozen::Wholly,
            _ => frozen == Frozen::No,
        };
        if !may {
            wrong.push(format!("{session:?} {frozen:?} in a town that is {mode}"));
        }
    }
    // What has landed is known to have: no push is left half way.
    let requests = sim.list("mergerequests").await;
    let rigs: Vec<String> =
        sim.list("rigs").await.iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    for (bead, request) in rigs.iter().flat_map(|rig| sim.world.landed(rig, "main")) {
        let state =
            requests.iter().find(|it| it["metadata"]["name"] == request.as_str()).map(|it| &it["status"]["state"]);
        if state.is_some_and(|state| state != "Merged") {
            wrong.push(format!("{bead} is on the target, and {request} is {state:?}"));
        }
    }
    let trees = || rigs.iter().map(|rig| sim.world.remote_tree(rig, "main")).collect::<Vec<_>>();
    let (before, effects) = (trees(), sim.effects.log().len());
    engine.run(tokio::time::sleep(Duration::from_hours(1))).await;
    if trees() != before {
        wrong.push("a target moved in a town that is held".to_owned());
    }
    if mode == Mode::Paused {
        // Agents go on, and what they hand in clears their hooks.
        return wrong;
    }
    // That something is seen, such as the clone that was begun, changes nothing.
    let moves = sim.effects.log()[effects..].iter().filter(|it| !it.ends_with("/status")).cloned().collect::<Vec<_>>();
    wrong.extend(moves.iter().map(|effect| format!("`{effect}` in a town that is held")));
    wrong
}

/// What is wrong with a town that is held at an effect, and goes on later.
fn stopped_at(town: &Town, number: usize, mode: Mode, undisturbed: &Run) -> Vec<String> {
    in_virtual_time(async {
        let started = tokio::time::Instant::now();
        let sim = Sim::start(town, None, BTreeMap::new()).await;
        if mode == Mode::Stopped {
            sim.world.sessions_may_end();
        }
        let mut engine = sim.engine();
        match changed_at(&sim, &mut engine, number, "towns/town", &says(Some(mode))).await {
            Ok(true) => {}
            Ok(false) => return vec![format!("there is no effect {number}")],
            Err(error) => return vec![error],
        }
        if let Err(error) = engine.run_to_rest(STEPS_MAX).await {
            return vec![error];
        }
        let mut wrong = held(&sim, &mut engine, mode).await;
        // What the last look left is done by another engine, as after a night.
        drop(engine);
        sim.patch("towns/town", &says(None)).await;
        if let Err(error) = sim.rest().await {
            return vec![error];
        }
        wrong.extend(compare(Ok(sim.look_back(started.elapsed()).await), undisturbed, MORE_ATTEMPTS));
        wrong
    })
}

/// A stop at every so many effects, each mode in turn.
fn every_stop(town: fn() -> Town, every: usize, modes: &[Mode]) {
    let undisturbed = run(&town(), None, BTreeMap::new()).unwrap();
    let effects = (1..=undisturbed.effects.len()).step_by(every);
    let all: Vec<(usize, Mode)> = effects.zip(modes.iter().copied().cycle()).collect();
    let name = |(n, mode): &(usize, Mode)| format!("{mode} at {n}: {}", undisturbed.effects[n - 1]);
    all_hold(&all, |(n, mode)| stopped_at(&town(), *n, *mode, &undisturbed), name);
}

#[test]
fn a_town_that_is_held_at_any_effect_stands_still_and_lands_later() {
    every_stop(minimal, 1, &[Mode::Stopped, Mode::Frozen, Mode::Stopped, Mode::Paused]);
}

#[test]
fn the_quickstart_may_be_stopped_anywhere() {
    every_stop(quickstart, 17, &[Mode::Stopped]);
}

/// An override that ends by itself wakes whoever was held: the same engine goes on, and no patrol is needed.
#[test]
fn what_is_held_until_an_instant_goes_on_at_that_instant() {
    in_virtual_time(async {
        let sim = Sim::start(&minimal(), None, BTreeMap::new()).await;
        sim.world.sessions_may_end();
        let mut engine = sim.engine();
        let (at, until) = ("2026-01-01T00:00:00Z".parse().unwrap(), "2026-01-01T01:00:00Z".parse().unwrap());
        let said = Override { mode: Mode::Stopped, by: "kim".into(), at, reason: None, until: Some(until) };
        let said = json!({ "metadata": { "annotations": { ANNOTATION_OVERRIDE: json!(said).to_string() } } });
        assert_eq!(changed_at(&sim, &mut engine, 20, "towns/town", &said).await, Ok(true));
        let started = tokio::time::Instant::now();
        // A minute is left for the work itself.
        tokio::time::timeout(Duration::from_mins(61), engine.run(sim.landed())).await.unwrap();
        assert!(started.elapsed() > Duration::from_mins(59), "it was held");
        assert!(!sim.list("towns").await[0]["metadata"]["annotations"].to_string().contains("gastown.io/override\":"));
    });
}

/// The convoy of [`minimal`] without its bead `width`.
fn without_width(on_remove: &str) -> Value {
    let beads = json!([{ "name": "must-use", "title": "Mark it", "command": "a" }]);
    json!({ "spec": { "onRemove": on_remove, "beads": beads } })
}

fn taken_out_at(number: usize, on_remove: &str) -> Vec<String> {
    in_virtual_time(async {
        let sim = Sim::start(&minimal(), None, BTreeMap::new()).await;
        sim.world.sessions_may_end();
        let mut engine = sim.engine();
        let convoy = format!("convoys/{CONVOY}");
        let done = changed_at(&sim, &mut engine, number, &convoy, &without_width(on_remove)).await;
        let rest = engine.run_to_rest(STEPS_MAX).await;
        drop(engine);
        if let Err(error) = done.and(rest).and(sim.rest().await.map(drop)) {
            return vec![error];
        }
        let run = sim.look_back(Duration::ZERO).await;
        let mut wrong = run.wrong;
        if !run.outcome.landed {
            wrong.push("its convoy has not landed".to_owned());
        }
        let width = names::bead("reflow", CONVOY, 1, "width");
        let closed = run.outcome.closed.get(&width).copied().flatten();
        let on_target = run.outcome.merged.get("reflow").is_some_and(|merged| merged.contains(&width));
        match closed {
            // Not made yet.
            None if !run.outcome.closed.contains_key(&width) => {}
            Some(CloseReason::Merged) if on_target => {}
            Some(CloseReason::Withdrawn) if !on_target => {}
            other => wrong.push(format!("width is {other:?}, on the target: {on_target}")),
        }
        wrong
    })
}

#[test]
fn a_bead_may_be_taken_out_of_its_convoy_at_any_effect() {
    let effects = run(&minimal(), None, BTreeMap::new()).unwrap().effects;
    for on_remove in ["Finish", "Cancel"] {
        let all: Vec<usize> = (1..=effects.len()).collect();
        all_hold(&all, |n| taken_out_at(*n, on_remove), |n| format!("{on_remove} at {n}: {}", effects[n - 1]));
    }
}
