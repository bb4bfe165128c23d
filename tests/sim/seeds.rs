//! Seeds: durations, the order of events, lost and late news, flaky checks and checks that cannot run, drawn a hundred ways.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::{Api, ResourceExt};

use crate::harness::{Run, Sim, all_hold, compare, in_virtual_time, run};
use crate::towns::{minimal, quickstart};

const SEEDS: u64 = 100;
/// Conflicts and reds depend on who is first.
const MORE_ATTEMPTS: usize = 4;

#[test]
fn a_hundred_seeds_end_like_the_undisturbed_run() {
    let undisturbed = run(&quickstart(), None, BTreeMap::new()).unwrap();
    let seeds: Vec<u64> = (0..SEEDS).collect();
    let check = |seed: &u64| compare(run(&quickstart(), Some(*seed), BTreeMap::new()), &undisturbed, MORE_ATTEMPTS);
    all_hold(&seeds, check, |seed| format!("seed {seed}"));
}

/// What befalls a world from outside, at a second of its life.
fn befall(sim: &Sim, what: u64, beads: &[gastown_crds::Bead]) {
    match what {
        0 => drop(sim.world.kill_all_sessions(true)),
        1 => drop(sim.world.kill_all_sessions(false)),
        2 => drop(sim.world.lose_all_jobs()),
        3 => sim.world.blind_for(Duration::from_secs(45)),
        4 => sim.effects.refuse_acts(3),
        _ => {
            for bead in beads {
                if sim.world.kill_agent_of(&bead.uid().unwrap()) {
                    return;
                }
            }
        }
    }
}

#[test]
fn the_terminal_the_jobs_the_sight_and_the_agents_may_fail_at_any_second() {
    let undisturbed = run(&minimal(), None, BTreeMap::new()).unwrap();
    let seconds = undisturbed.took.as_secs();
    assert!(seconds > 10, "{seconds}");
    let faults: Vec<(u64, u64)> = (0..seconds).flat_map(|second| (0..6).map(move |what| (second, what))).collect();
    let check = |(second, what): &(u64, u64)| compare(befallen(*second, *what), &undisturbed, 2);
    all_hold(&faults, check, |(second, what)| format!("fault {what} at second {second}"));
}

fn befallen(second: u64, what: u64) -> Result<Run, String> {
    in_virtual_time(async {
        let started = tokio::time::Instant::now();
        let sim = Sim::start(&minimal(), None, BTreeMap::new()).await;
        let fault = async {
            tokio::time::sleep(Duration::from_millis(second * 1000 + 500)).await;
            let api: Api<gastown_crds::Bead> = Api::default_namespaced(crate::effects::client(&sim.server, None, None));
            befall(&sim, what, &api.list(&kube::api::ListParams::default()).await.unwrap().items);
        };
        let (rest, ()) = tokio::join!(biased; sim.rest(), fault);
        drop(rest?);
        Ok(sim.look_back(started.elapsed()).await)
    })
}
