//! The stories that Events tell of a bead: whole, in the order in which it happened, and the same each time.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_crds::names;
use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Sim, in_virtual_time, run};
use crate::towns::{CONVOY, Town, minimal, smooth};

/// What is told of an object, or of another because of it.
pub fn about(events: &[Value], name: &str) -> String {
    let is_it = |event: &&Value| event["involvedObject"]["name"] == name || event["related"]["name"] == name;
    let line = |event: &Value| {
        let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let seconds = &text("/eventTime")["2026-01-01T00:".len()..][..5];
        let count = event.pointer("/series/count").map(|count| format!(" (x{count})")).unwrap_or_default();
        let [type_, reason, kind, message] = ["/type", "/reason", "/involvedObject/kind", "/message"].map(text);
        format!("{seconds} {type_} {reason}{count} {kind}: {message}")
    };
    events.iter().filter(is_it).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_events_of_a_bead_tell_its_story() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        drop(sim.rest().await.unwrap());
        let events = sim.events().await;
        insta::assert_snapshot!(about(&events, &names::bead("reflow", CONVOY, 1, "must-use")), @"
        00:01 Normal Preparing Polecat: its worktree is being made
        00:01 Normal Claimed Bead: reflow-nux works on it
        00:01 Normal Switching Polecat: attempt 1 is being started
        00:01 Normal Working Polecat: its session runs
        00:03 Normal Switching Polecat: its work is handed in; its session may end by itself
        00:03 Normal Verifying MergeRequest: its tree is being verified
        00:03 Normal Landing Bead: handed in as reflow-af4wgyaa-k59ba4dw
        00:04 Normal Idle Polecat: nothing on its hook
        00:05 Normal Pushing MergeRequest: verified
        00:07 Normal Merged MergeRequest: found on the target
        00:07 Normal Merged Bead: landed as 1286df40d5dd62f84a05f6ad1e2340c3fc0c0271
        ");
        insta::assert_snapshot!(about(&events, "reflow"), @"
        00:00 Normal Cloning Rig: cloning `reflow`
        00:01 Normal Ok Rig: all is as declared
        ");
        insta::assert_snapshot!(about(&events, CONVOY), @"
        00:07 Normal Landed Convoy: all 1 beads are closed
        ");
        let one = &events[3];
        insta::assert_snapshot!(serde_json::to_string_pretty(one).unwrap(), @r#"
        {
          "action": "Reconcile",
          "apiVersion": "v1",
          "eventTime": "2026-01-01T00:00:01.000000Z",
          "firstTimestamp": null,
          "involvedObject": {
            "apiVersion": "gastown.io/v1alpha1",
            "kind": "Bead",
            "name": "reflow-af4wgyaa",
            "namespace": "town",
            "uid": "00000001-0000-4000-8000-000000000005"
          },
          "kind": "Event",
          "lastTimestamp": null,
          "message": "reflow-nux works on it",
          "metadata": {
            "creationTimestamp": "2026-01-01T00:00:01Z",
            "name": "reflow-af4wgyaa.c6f4a322958580a8",
            "namespace": "town",
            "resourceVersion": "1853070350745629",
            "uid": "00000001-0000-4000-8000-00000000000c"
          },
          "reason": "Claimed",
          "related": {
            "apiVersion": "gastown.io/v1alpha1",
            "kind": "Polecat",
            "name": "reflow-nux",
            "namespace": "town",
            "uid": "00000001-0000-4000-8000-000000000008"
          },
          "reportingComponent": "gastown.io/bead",
          "reportingInstance": "gt-sim",
          "source": {},
          "type": "Normal"
        }
        "#);
        assert!(events.iter().all(|event| event["involvedObject"]["uid"].is_string()), "{events:#?}");
    });
}

#[test]
fn sessions_that_die_and_branches_that_come_back_are_told_with_their_cause() {
    in_virtual_time(async {
        let sim = Sim::start(&minimal(), None, BTreeMap::new()).await;
        drop(sim.rest().await.unwrap());
        let events = sim.events().await;
        insta::assert_snapshot!(about(&events, &names::bead("reflow", CONVOY, 1, "must-use")), @"
        00:01 Normal Preparing Polecat: its worktree is being made
        00:01 Normal Claimed (x2) Bead: reflow-nux works on it
        00:01 Normal SettingUp (x2) Polecat: `workspace.setup` runs
        00:02 Warning SetupFailed Polecat: `workspace.setup` of rig `reflow` failed once; fix it there: no such package
        00:02 Normal SettingUp Bead: `workspace.setup` runs
        00:02 Warning SetupFailed Bead: `workspace.setup` of rig `reflow` failed once; fix it there: no such package
        00:02 Normal WaitsForSlot Polecat: may go on as soon as a slot is free
        00:02 Normal Ready Bead: it may be dispatched
        00:03 Normal Switching Polecat: attempt 1 is being started
        00:03 Normal Working Polecat: its session runs
        00:05 Normal Switching Polecat: its work is handed in; its session may end by itself
        00:05 Normal Verifying (x2) MergeRequest: its tree is being verified
        00:05 Normal Landing Bead: handed in as reflow-af4wgyaa-3pp5q8zs
        00:06 Normal Idle Polecat: nothing on its hook
        00:06 Normal Queued MergeRequest: waits for its turn
        00:07 Normal Pushing MergeRequest: verified
        00:09 Normal Merged MergeRequest: found on the target
        00:09 Normal Merged Bead: landed as aefb2230eb3bb2057ed6e4fc966153626768388e
        ");
        insta::assert_snapshot!(about(&events, &names::bead("reflow", CONVOY, 1, "width")), @"
        00:01 Normal Preparing (x2) Polecat: its worktree is being made
        00:01 Normal Claimed (x4) Bead: reflow-toast works on it
        00:01 Normal SettingUp (x4) Polecat: `workspace.setup` runs
        00:02 Warning SetupFailed (x2) Polecat: `workspace.setup` of rig `reflow` failed once; fix it there: no such package
        00:02 Normal SettingUp (x2) Bead: `workspace.setup` runs
        00:02 Warning SetupFailed (x2) Bead: `workspace.setup` of rig `reflow` failed once; fix it there: no such package
        00:02 Normal WaitsForSlot (x2) Polecat: may go on as soon as a slot is free
        00:02 Normal Ready (x2) Bead: it may be dispatched
        00:03 Normal Switching Polecat: attempt 1 is being started
        00:03 Normal Working (x3) Polecat: its session runs
        00:04 Warning SessionEnded Polecat: attempt 1 ended with 137, without `gt done`: it ended with 137
        00:04 Normal Switching Polecat: attempt 2 is being started
        00:06 Normal Verifying MergeRequest: its tree is being verified
        00:06 Normal Switching (x2) Polecat: its work is handed in; its session may end by itself
        00:06 Normal Landing Bead: handed in as reflow-qw4nrkcb-tc4t56gt
        00:07 Normal Queued MergeRequest: waits for its turn
        00:07 Normal Idle (x2) Polecat: nothing on its hook
        00:09 Warning Conflict MergeRequest: conflicts with the target in src/wrap.rs
        00:09 Normal Ready Bead: it may be dispatched
        00:12 Normal Switching Polecat: attempt 3 is being started
        00:14 Normal Verifying MergeRequest: its tree is being verified
        00:14 Normal Landing Bead: handed in as reflow-qw4nrkcb-duzd84y4
        00:15 Normal Pushing MergeRequest: verified
        00:17 Normal Merged MergeRequest: found on the target
        00:17 Normal Merged Bead: landed as d81ea383faf664b58d7b068065ec0c8f7e8be4ac
        ");
    });
}

/// However often it fails: an Event that counts, and a bound for each object.
#[test]
fn what_fails_all_day_is_told_with_a_count_and_within_a_bound() {
    in_virtual_time(async {
        let mut town = Town { ..smooth() };
        town.objects[3]["spec"]["repo"]["url"] = json!("nowhere");
        let sim = Sim::start(&town, None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(tokio::time::sleep(Duration::from_hours(3))).await;
        let events = sim.events().await;
        insta::assert_snapshot!(about(&events, "reflow"), @"
        00:00 Normal Cloning (x52) Rig: cloning `nowhere`
        00:01 Warning CloneFailed Rig: cloning `nowhere` failed once: there is no such repository
        00:02 Warning CloneFailed Rig: cloning `nowhere` failed twice: there is no such repository
        00:05 Warning CloneFailed Rig: cloning `nowhere` failed 3 times: there is no such repository
        00:10 Warning CloneFailed Rig: cloning `nowhere` failed 4 times: there is no such repository
        00:19 Warning CloneFailed Rig: cloning `nowhere` failed 5 times: there is no such repository
        00:37 Warning CloneFailed Rig: cloning `nowhere` failed 6 times: there is no such repository
        01:05 Warning CloneFailed Rig: cloning `nowhere` failed 7 times: there is no such repository
        02:09 Warning CloneFailed Rig: cloning `nowhere` failed 8 times: there is no such repository
        04:02 Warning CloneFailed Rig: cloning `nowhere` failed 9 times: there is no such repository
        07:44 Warning CloneFailed Rig: cloning `nowhere` failed 10 times: there is no such repository
        11:21 Warning CloneFailed (x42) Rig: (combined from similar events): cloning `nowhere` failed 52 times: there is no such repository
        ");
    });
}

/// An act that fails counts up, too: what was tried with a bead belongs to its story.
#[test]
fn an_act_that_fails_is_told_each_time_and_is_one_event() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        sim.effects.refuse(Some(("start reflow", StatusCode::BAD_REQUEST)));
        let mut engine = sim.engine();
        engine.run(tokio::time::sleep(Duration::from_mins(10))).await;
        let tries = sim.effects.log().iter().filter(|effect| effect.starts_with("start ")).count();
        let events = sim.events().await;
        let failed: Vec<_> = events.iter().filter(|event| event["action"] == "Apply").collect();
        let [failed] = &failed[..] else { panic!("{failed:#?}") };
        assert!(tries > 5, "{tries}");
        assert_eq!((&failed["series"]["count"], &failed["type"]), (&json!(tries), &json!("Warning")));
        assert_eq!((&failed["message"], &failed["reason"]), (&json!("it does not work here"), &json!("BackOff")));
        assert_eq!(failed["related"]["name"], json!(names::bead("reflow", CONVOY, 1, "must-use")));
    });
}

#[test]
fn a_town_that_cannot_record_lands_as_any_other() {
    let usual = run(&smooth(), None, BTreeMap::new()).unwrap();
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        sim.effects.refuse_events();
        let engine = sim.rest().await.unwrap();
        let run = sim.look_back(Duration::ZERO).await;
        assert_eq!((run.outcome, run.effects, run.events), (usual.outcome, usual.effects, 0));
        let counters = engine.counters();
        assert_eq!((counters.events, counters.events_dropped), (0, usual.events));
    });
}

/// What was told before is not told again by the next controller process, nor by one that is woken for nothing.
#[test]
fn a_new_engine_and_a_town_that_is_woken_tell_nothing() {
    in_virtual_time(async {
        let sim = Sim::start(&minimal(), None, BTreeMap::new()).await;
        drop(sim.rest().await.unwrap());
        let before = sim.events().await;
        let mut engine = sim.engine();
        engine.run_to_rest(10_000).await.unwrap();
        sim.touch_everything().await;
        sim.server.end_watches();
        sim.world.notify_of_everything();
        engine.run(tokio::time::sleep(Duration::from_hours(24))).await;
        assert_eq!(sim.events().await, before);
        assert_eq!(engine.counters().events, 0);
    });
}
