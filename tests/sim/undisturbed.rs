//! Simulated towns that nothing disturbs: they land, in the same way each time, and then do nothing at all.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_controllers::world::Free;
use gastown_crds::bead::CloseReason;
use gastown_crds::names;
use http::StatusCode;
use serde_json::json;

use crate::harness::{self, Sim, in_virtual_time, run};
use crate::towns::{
    BRANCHES, CONVOY, Town, awaits_event, event, many_branches, minimal, object, one_place, one_place_for_two_rigs,
    quickstart, smooth, unverified,
};

fn undisturbed(town: &Town) -> harness::Run {
    run(town, None, BTreeMap::new()).unwrap()
}

/// Effects by what they are, however they are named.
fn kinds(effects: &[String]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for effect in effects {
        let words: Vec<_> = effect.split(' ').collect();
        let kind = match words[..] {
            [verb @ ("POST" | "PUT" | "PATCH" | "DELETE"), path] => {
                let mut parts = path.split('/');
                let plural = parts.next().unwrap_or_default();
                let status = if parts.next_back() == Some("status") { " status" } else { "" };
                format!("{verb} {plural}{status}")
            }
            _ => words[0].to_owned(),
        };
        *kinds.entry(kind).or_default() += 1;
    }
    kinds
}

#[test]
fn the_quickstart_lands_with_a_red_a_conflict_a_death_and_nothing_to_change() {
    let run = undisturbed(&quickstart());
    assert_eq!(run.wrong, Vec::<String>::new());
    assert!(run.outcome.landed, "{:#?}", run.outcome);
    let attempts = |rig: &str, bead: &str| run.attempts[&names::bead(rig, CONVOY, 1, bead)];
    let trim = names::bead("reflow", CONVOY, 1, "trim");
    assert_eq!(run.outcome.closed[&trim], Some(CloseReason::NoChanges));
    assert_eq!(run.outcome.closed.values().filter(|reason| **reason == Some(CloseReason::Merged)).count(), 7);
    assert_eq!(attempts("humane", "size-name"), 2, "red at first");
    assert_eq!(attempts("humane", "headers"), 2, "its first agent dies");
    assert_eq!(attempts("reflow", "must-use") + attempts("reflow", "width"), 3, "one of them conflicts");
    let reflow = &run.outcome.trees["reflow"];
    let readme = "reflow\n- #[must_use] pub fn indent(text, width)\n- #[must_use] pub fn wrap(text, width)\n\
                  - #[must_use] pub fn fill(text, width)\n";
    assert_eq!(reflow["README.md"], readme);
    assert!(run.outcome.trees["humane"]["tests/sizes.rs"].ends_with("use format_size\n"));
}

#[test]
fn the_same_seed_gives_the_same_effects() {
    for (town, seed) in [(minimal(), None), (quickstart(), None), (quickstart(), Some(7))] {
        let [one, two] = [0, 1].map(|_| run(&town, seed, BTreeMap::new()).unwrap());
        assert_eq!(one.effects, two.effects);
        assert_eq!(one.took, two.took);
    }
}

/// What one bead costs from nothing to merged, as exact numbers. A controller that writes more has to say here why.
#[test]
fn a_bead_costs_so_many_effects_and_no_more() {
    let run = undisturbed(&smooth());
    let kinds: Vec<_> = kinds(&run.effects).into_iter().map(|(kind, n)| format!("{n} × {kind}")).collect();
    let world = ["1 × clone", "1 × fetch", "1 × prepare", "1 × push", "1 × replay", "1 × start", "2 × verify"];
    // The bead and its one step, its worker, the claim, its release and its end; the convoy's finalizer; and that its session began
    // and ended.
    let writes = ["3 × PATCH beads", "1 × PATCH convoys", "2 × POST beadevents", "2 × POST beads", "1 × POST polecats"];
    let statuses = [
        "9 × PUT beads status",
        "5 × PUT convoys status",
        "1 × PUT formulas status",
        "4 × PUT mergerequests status",
        "6 × PUT polecats status",
        "4 × PUT rigs status",
        "1 × PUT runtimes status",
        "3 × PUT towns status",
    ];
    let mut all: Vec<_> = [&world[..], &writes, &statuses].concat();
    all.sort_by_key(|kind| kind.split_once(" × ").map(|(_, kind)| kind));
    assert_eq!(kinds, all, "{:#?}", run.effects);
    // In the store, the agent's own requests included. Five objects are made by controllers, two of them events; each label is a row, and so is why a bead was closed, which changes once; a list by
    // selector is two: what it selects is counted first. The first list of each kind is two as well.
    assert_eq!((run.statements - 4 * run.events - 3, run.commits - run.events), (251, 42));
    // Beside it, what is told of it: each event is one commit here, and shares one where a thread writes. Once, at the first,
    // it takes three statements to see whether older ones are to go.
    assert_eq!(run.events, 15);
}

#[test]
fn a_town_at_rest_does_nothing_however_often_it_is_woken() {
    in_virtual_time(async {
        let sim = Sim::start(&quickstart(), None, BTreeMap::new()).await;
        let mut engine = sim.rest().await.unwrap();
        let before = sim.effects.log();
        let reconciles = engine.counters().reconciles;
        // Every object is touched, which wakes every key; the watches break; and all news is told again.
        sim.touch_everything().await;
        sim.server.compact();
        sim.server.end_watches();
        sim.world.notify_of_everything();
        engine.run(tokio::time::sleep(Duration::from_mins(1))).await;
        let woken = engine.counters().reconciles - reconciles;
        assert!(woken > 30, "only {woken} reconciles: it was not woken");
        // And for a day, in which only patrols look.
        engine.run(tokio::time::sleep(Duration::from_hours(24))).await;
        assert_eq!(sim.effects.log()[before.len()..], [""; 0]);
    });
}

/// While it is handed in, replayed, verified and pushed.
#[test]
fn a_clone_that_vanishes_under_a_merge_request_is_made_anew_and_its_bead_worked_again() {
    for later in [0, 1, 1_500, 2_500, 3_500] {
        in_virtual_time(async {
            let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
            let mut engine = sim.engine();
            engine.run(sim.handed_in()).await;
            engine.run(tokio::time::sleep(Duration::from_millis(later))).await;
            sim.world.lose_clone(&sim.rig_uid("reflow").await);
            drop(engine);
            drop(sim.rest().await.unwrap());
            let run = sim.look_back(Duration::ZERO).await;
            assert!(run.outcome.landed, "after {later} ms: {:#?}", run.outcome);
            assert_eq!(run.wrong, Vec::<String>::new());
            assert_eq!(run.effects.iter().filter(|effect| effect.starts_with("clone for")).count(), 2);
            let bead = names::bead("reflow", CONVOY, 1, "must-use");
            assert_eq!(run.outcome.closed[&bead], Some(CloseReason::Merged));
            assert_eq!(sim.failures(&bead).await, 0, "nobody is charged");
            println!("lost {later} ms after it was handed in: {} attempts", run.attempts[&bead]);
        });
    }
}

#[test]
fn a_patrol_asks_the_store_nothing() {
    in_virtual_time(async {
        let sim = Sim::start(&quickstart(), None, BTreeMap::new()).await;
        let mut engine = sim.rest().await.unwrap();
        let (reconciles, before) = (engine.counters().reconciles, sim.server.counters());
        engine.run(tokio::time::sleep(Duration::from_hours(24))).await;
        assert!(engine.counters().reconciles > reconciles + 24, "patrols looked");
        assert_eq!(sim.server.counters(), before);
    });
}

#[test]
fn an_outage_that_makes_the_target_red_too_blames_nobody_and_is_waited_out() {
    let run = undisturbed(&Town { verify_fails: 2, ..smooth() });
    assert!(run.outcome.landed, "{:#?}", run.outcome);
    assert_eq!(run.wrong, Vec::<String>::new());
    let bead = names::bead("reflow", CONVOY, 1, "must-use");
    assert_eq!((run.outcome.closed[&bead], run.attempts[&bead]), (Some(CloseReason::Merged), 1));
    // Twice red and once green, of the target and of what is to land.
    assert_eq!(run.effects.iter().filter(|effect| effect.starts_with("verify for")).count(), 6);
    assert!(run.took < Duration::from_mins(10), "{:?}", run.took);
}

#[test]
fn a_red_that_the_next_try_refutes_is_told_of_what_landed() {
    in_virtual_time(async {
        let sim = Sim::start(&Town { verify_fails: 1, ..smooth() }, None, BTreeMap::new()).await;
        drop(sim.rest().await.unwrap());
        let requests = sim.list("mergerequests").await;
        let [request] = &requests[..] else { panic!("{requests:#?}") };
        assert_eq!(request["status"]["state"], "Merged");
        let job = request["status"]["job"].as_str().unwrap();
        let is_it = |effect: &String| effect.starts_with("verify for") && effect.ends_with(&format!("({job})"));
        assert!(sim.effects.log().iter().any(is_it), "{job}");
        assert!(request["status"]["conditions"][0]["message"].as_str().unwrap().contains("flaky"));
    });
}

/// With strategy Branch each branch is pushed for itself, all at once if it were not for the slots.
#[test]
fn so_many_jobs_run_at_once_as_may() {
    let mut town = many_branches();
    for jobs in [1, 2] {
        town.objects[0]["spec"]["capacity"]["jobs"] = json!(jobs);
        in_virtual_time(async {
            let sim = Sim::start(&town, None, BTreeMap::new()).await;
            let mut engine = sim.engine();
            engine.run(sim.branches_ready(BRANCHES)).await;
            assert_eq!(sim.world.most_jobs(), jobs, "at most, and as many as that");
        });
    }
}

/// Remotes that never answer, more than there are slots on this machine.
#[test]
fn remotes_that_hang_hold_up_no_other_rig() {
    let mut town = smooth();
    town.objects[0]["spec"]["capacity"]["jobs"] = json!(2);
    let urls = ["far", "further", "furthest"].map(|name| format!("git@{name}.example.org:it"));
    for (nth, url) in urls.iter().enumerate() {
        let spec = json!({ "repo": { "url": url }, "merge": { "strategy": "Push", "allowUnverified": true } });
        town.objects.insert(3, object("Rig", &format!("a{nth}"), &spec));
    }
    in_virtual_time(async {
        let sim = Sim::start(&town, None, BTreeMap::new()).await;
        for url in &urls {
            sim.world.hang_remote(url);
        }
        let mut engine = sim.engine();
        engine.run(async { tokio::time::timeout(Duration::from_mins(1), sim.landed()).await.unwrap() }).await;
        assert_eq!(kinds(&sim.effects.log())["clone"], 4);
        // Another controller process finds them at it.
        drop(engine);
        let mut engine = sim.engine();
        engine.run(tokio::time::sleep(Duration::from_mins(5))).await;
        assert_eq!(kinds(&sim.effects.log())["clone"], 4);
    });
}

/// Events of another time, type or target do not open it; the right one does, and its gate is woken by it.
#[test]
fn a_gate_opens_with_the_event_that_it_waits_for() {
    let mut town = smooth();
    town.objects.push(event("before", "arrived", "train:2"));
    in_virtual_time(async {
        let sim = Sim::start(&town, None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(tokio::time::sleep(Duration::from_secs(2))).await;
        sim.apply(&awaits_event("arrived", Some("train:2"))).await;
        sim.apply(&event("another", "arrived", "train:1")).await;
        sim.apply(&event("of-another-type", "departed", "train:2")).await;
        engine.run(tokio::time::sleep(Duration::from_mins(5))).await;
        let gate = sim.bead("arrival").await;
        assert_eq!(gate.pointer("/spec/closed"), None);
        let ready =
            gate.pointer("/status/conditions").unwrap().as_array().unwrap().iter().find(|it| it["type"] == "Ready");
        assert_eq!(ready.unwrap()["message"], "opens once an event arrived of train:2 is filed");
        // Another controller lists what has happened anew; then it is woken.
        drop(engine);
        let mut engine = sim.engine();
        engine.run(tokio::time::sleep(Duration::from_secs(1))).await;
        sim.apply(&event("the-one", "arrived", "train:2")).await;
        let filed = tokio::time::Instant::now();
        engine.run(sim.closed("arrival")).await;
        assert!(filed.elapsed() < Duration::from_secs(1), "it was found by chance, after {:?}", filed.elapsed());
        let said = "arrived has happened by human:kim: event the-one";
        assert_eq!(sim.bead("arrival").await["spec"]["closed"]["message"], said);
    });
}

/// Branches are handed in while others are pushed, and before it is fetched what a push came to.
#[test]
fn one_push_at_a_time_goes_to_a_target_and_none_is_refused() {
    for seed in 0..20 {
        let run = run(&unverified(), Some(seed), BTreeMap::new()).unwrap();
        assert_eq!((run.outcome.landed, run.wrong), (true, vec![]), "seed {seed}");
        let pushes = run.effects.iter().filter(|effect| effect.starts_with("push for")).collect::<Vec<_>>();
        assert!(pushes.iter().all(|push| push.contains("round 1")), "seed {seed}: {pushes:#?}");
    }
}

/// The head that is kept of a branch that is sent back is kept once, however long the others wait for a slot.
#[test]
fn a_branch_that_is_sent_back_waits_for_no_slot_and_nothing_is_done_twice() {
    let mut town = many_branches();
    town.objects[0]["spec"]["capacity"]["jobs"] = json!(1);
    town.objects[3]["spec"]["merge"] = json!({ "strategy": "Branch", "verify": [{ "name": "test", "run": "test" }] });
    town.works[0].2.change = |tree, _| drop(tree.insert("tests/bad.rs".into(), "use nothing\n".into()));
    in_virtual_time(async {
        let sim = Sim::start(&town, None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(sim.branches_ready(BRANCHES - 1)).await;
        let rejected = sim.list("mergerequests").await.iter().filter(|it| it["status"]["state"] == "Rejected").count();
        let kinds = kinds(&sim.effects.log());
        assert!(rejected > 0);
        assert_eq!(kinds["archive"], rejected, "{kinds:#?}");
        assert_eq!(sim.world.most_jobs(), 1);
    });
}

/// A convoy makes the least urgent first, and a worker is idle, or is made.
#[test]
fn the_most_urgent_bead_is_worked_first() {
    const BEADS: [&str; 5] = ["p4", "p3", "p2", "p1", "p0"];
    let beads = BEADS.map(|name| json!({ "name": name, "title": "t", "priority": name[1..].parse::<u32>().unwrap() }));
    let convoy = object("Convoy", CONVOY, &json!({ "rig": "reflow", "parallelism": 1, "beads": beads }));
    let mut town = smooth();
    town.objects.pop();
    let work = town.works[0].2;
    town.works = BEADS.map(|name| ("reflow", name, work)).to_vec();
    for idle in [true, false] {
        if idle {
            town.objects.push(object("Polecat", "reflow-nux", &json!({ "rig": "reflow", "name": "nux" })));
        } else {
            town.objects.pop();
        }
        in_virtual_time(async {
            let sim = Sim::start(&town, None, BTreeMap::new()).await;
            let mut engine = sim.engine();
            engine.run(tokio::time::sleep(Duration::from_mins(1))).await;
            sim.apply(&convoy).await;
            let last = names::bead("reflow", CONVOY, 1, "p4");
            engine.run(sim.closed(&last)).await;
            let log = sim.effects.log();
            let starts = log.iter().filter_map(|effect| effect.strip_prefix("start ")?.split([' ', ',']).nth(2));
            let expected: Vec<String> = BEADS.iter().rev().map(|name| names::bead("reflow", CONVOY, 1, name)).collect();
            assert_eq!(starts.collect::<Vec<_>>(), expected, "idle: {idle}");
        });
    }
}

#[test]
fn a_bead_in_back_off_leaves_its_place_to_others_and_comes_back() {
    in_virtual_time(async {
        let sim = Sim::start(&one_place(), None, BTreeMap::new()).await;
        let dying = names::bead("reflow", CONVOY, 1, "width");
        let mut engine = sim.engine();
        engine.run(sim.closed(&names::bead("reflow", CONVOY, 1, "must-use"))).await;
        assert!((2..4).contains(&sim.failures(&dying).await), "the other was worked meanwhile");
        drop(engine);
        drop(sim.rest().await.unwrap());
        let run = sim.look_back(Duration::ZERO).await;
        assert_eq!((run.outcome.landed, run.wrong), (true, vec![]));
        assert_eq!(run.attempts[&dying], 5);
    });
}

#[test]
fn a_rig_whose_setup_fails_leaves_its_place_to_others_and_begins_no_more() {
    in_virtual_time(async {
        let sim = Sim::start(&one_place_for_two_rigs(), None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(sim.closed(&names::bead("humane", CONVOY, 1, "licence"))).await;
        let done = |kind: &str| kinds(&sim.effects.log()).get(kind).copied().unwrap_or(0);
        assert!((1..6).contains(&done("setup")), "the other rig's was worked meanwhile");
        assert_eq!(done("POST polecats"), 2, "one for each rig");
        drop(engine);
        drop(sim.rest().await.unwrap());
        let run = sim.look_back(Duration::ZERO).await;
        assert_eq!((run.outcome.landed, run.wrong), (true, vec![]));
        // Six that fail and one that does not: for each bead, and for the one that conflicts once more.
        assert_eq!(kinds(&sim.effects.log())["setup"], 3 * 7);
    });
}

/// A worktree that cannot be made, such as for a filter that fails; a session that cannot be started.
#[test]
fn a_rig_where_nothing_can_be_begun_leaves_its_place_to_others_and_begins_no_more() {
    let mut town = one_place_for_two_rigs();
    town.setup_fails = 0;
    for what in ["prepare reflow", "start reflow"] {
        in_virtual_time(async {
            let sim = Sim::start(&town, None, BTreeMap::new()).await;
            sim.effects.refuse(Some((what, StatusCode::BAD_REQUEST)));
            let mut engine = sim.engine();
            let other = names::bead("humane", CONVOY, 1, "licence");
            let closed = sim.closed(&other);
            engine.run(async { tokio::time::timeout(Duration::from_mins(2), closed).await.unwrap() }).await;
            engine.run(tokio::time::sleep(Duration::from_hours(2))).await;
            let done = |kind: &str| sim.effects.log().iter().filter(|effect| effect.starts_with(kind)).count();
            // Ever more rarely, up to once in five minutes.
            assert!((24..50).contains(&done(what)), "{what}: {}", done(what));
            assert_eq!(done("POST polecats"), 2, "{what}: one for each rig");
            sim.effects.refuse(None);
            engine.run(async { tokio::time::timeout(Duration::from_mins(20), sim.landed()).await.unwrap() }).await;
            assert_eq!(sim.look_back(Duration::ZERO).await.wrong, Vec::<String>::new(), "{what}");
        });
    }
}

#[test]
fn a_machine_without_free_memory_starts_no_session_says_so_and_goes_on_when_it_has_some() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        sim.world.set_free(Free { memory: 100 << 20, disk: 1 << 39 });
        let mut engine = sim.engine();
        engine.run(tokio::time::sleep(Duration::from_hours(1))).await;
        assert_eq!(kinds(&sim.effects.log()).get("start"), None);
        let before = sim.world.free_looks();
        engine.run(tokio::time::sleep(Duration::from_hours(1))).await;
        // Once in the longest delay, for dispatch and for the town's status.
        let looks = sim.world.free_looks() - before;
        assert!((10..40).contains(&looks), "{looks} looks in an hour");
        let town = &sim.list("towns").await[0];
        let conditions = town["status"]["conditions"].as_array().unwrap();
        let pressure = conditions.iter().find(|condition| condition["type"] == "MemoryPressure").unwrap();
        assert_eq!((&pressure["status"], &pressure["reason"]), (&json!("True"), &json!("Insufficient")));
        let message =
            "100Mi of memory are free, and no session is started below 1Gi (capacity.minFreeMemory); what runs goes on";
        assert_eq!(pressure["message"], message);
        sim.world.set_free(Free { memory: 2 << 30, disk: 1 << 39 });
        engine.run(async { tokio::time::timeout(Duration::from_mins(10), sim.landed()).await.unwrap() }).await;
        assert_eq!(sim.list("towns").await[0]["status"]["conditions"][1]["status"], "False");
    });
}

#[test]
fn a_clock_that_is_set_back_by_a_day_delays_nothing() {
    let usual = undisturbed(&minimal()).took;
    for second in 1..=12 {
        in_virtual_time(async {
            let sim = Sim::start(&minimal(), None, BTreeMap::new()).await;
            let started = tokio::time::Instant::now();
            let mut engine = sim.engine();
            engine.run(tokio::time::sleep(Duration::from_secs(second))).await;
            sim.clock.set_back(Duration::from_hours(24));
            let landed = sim.landed();
            engine.run(async { tokio::time::timeout(Duration::from_hours(48), landed).await.unwrap() }).await;
            let took = started.elapsed();
            assert!(took < usual * 2, "set back after {second} s, it took {took:?} instead of {usual:?}");
            assert_eq!(sim.look_back(took).await.wrong, Vec::<String>::new());
        });
    }
}

#[test]
fn a_url_that_is_changed_and_leads_nowhere_is_told_before_work_is_begun() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        drop(sim.rest().await.unwrap());
        let mut engine = sim.engine();
        for (url, reason) in [("nowhere", "FetchFailed"), ("reflow", "Ok")] {
            sim.patch("rigs/reflow", &json!({ "spec": { "repo": { "url": url } } })).await;
            engine.run(tokio::time::sleep(Duration::from_mins(10))).await;
            assert_eq!(sim.ready_reason("rigs/reflow").await, reason, "{url}");
        }
    });
}

#[test]
fn a_new_engine_on_a_landed_town_does_nothing() {
    in_virtual_time(async {
        let sim = Sim::start(&quickstart(), None, BTreeMap::new()).await;
        drop(sim.rest().await.unwrap());
        let before = sim.effects.log();
        let mut engine = sim.engine();
        engine.run_to_rest(10_000).await.unwrap();
        assert!(engine.counters().reconciles > 30, "it looked at everything");
        assert_eq!(sim.effects.log()[before.len()..], [""; 0]);
    });
}

#[test]
fn what_needs_more_memory_than_its_limit_is_tried_twice_and_goes_on_once_that_is_raised() {
    in_virtual_time(async {
        let mut town = Town { memory: 3 << 30, ..smooth() };
        let limit = |memory: &str| json!({ "spec": { "resources": { "limits": { "memory": memory } } } });
        town.objects[1]["spec"]["resources"] = limit("1Gi")["spec"]["resources"].clone();
        let sim = Sim::start(&town, None, BTreeMap::new()).await;
        let bead = names::bead("reflow", CONVOY, 1, "must-use");
        for (memory, attempts) in [("1Gi", 2), ("2Gi", 4)] {
            sim.patch("runtimes/script", &limit(memory)).await;
            let mut engine = sim.engine();
            // Far longer than back-off would hold up another attempt.
            engine.run(tokio::time::sleep(Duration::from_hours(24))).await;
            let beads = sim.list("beads").await;
            let status = &beads.iter().find(|it| it["metadata"]["name"] == *bead).unwrap()["status"];
            assert_eq!(
                (&status["state"], &status["attempts"], &status["failures"]),
                (&json!("SetAside"), &json!(attempts), &json!(1))
            );
        }
        sim.patch("runtimes/script", &limit("4Gi")).await;
        drop(sim.rest().await.unwrap());
        let run = sim.look_back(Duration::ZERO).await;
        assert!(run.outcome.landed, "{:#?}", run.outcome);
        assert_eq!((run.wrong, run.attempts[&bead]), (Vec::<String>::new(), 5));
    });
}
