//! Bead: what it waits for, its steps, its claim, its end.

use crate::common::*;
use gastown_controllers::bead::work_digest;
use gastown_controllers::key::Key;
use gastown_controllers::world::{AskAttempts, Attempt, AttemptEnd, AttemptState, OutOfMemory, exit};
use gastown_crds::bead::{BeadState, BeadStatus, CloseReason, Closed, Waiting};
use gastown_crds::common::ConditionStatus;
use gastown_crds::merge_request::MergeState;
use gastown_crds::{Bead, PolecatStatus};
use serde_json::json;

fn key(name: &str) -> Key {
    gastown_controllers::bead::CONTROLLER.key(name)
}

fn scene() -> Scene {
    let mut scene = Scene::default();
    scene.rig(rig("shop")).polecat(polecat("shop", "nux"));
    scene
}

pub fn ended(bead: &Bead, attempt: u32, own: bool) -> Attempt {
    let end =
        AttemptEnd { code: 3, own, at: at(900), tail: "no such file".into(), out_of_memory: None, activity: None };
    Attempt {
        attempt,
        work: work_digest(&bead.spec),
        state: AttemptState::Ended(end),
        conversation: None,
        runtime: None,
    }
}

#[test]
fn is_ready_when_all_it_needs_is_closed() {
    let mut scene = scene();
    let (mut first, mut second) = (bead("shop-a", "shop"), bead("shop-b", "shop"));
    second.spec.needs = vec!["shop-a".into(), "shop-gone".into()];
    scene.bead(first.clone()).bead(second);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-b"))), @"shop-b: Waiting Closed=False Open; Ready=False NeedsOpen (waits for shop-a)");
    first.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at: at(1), by: "gt".into() });
    scene.bead(first);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-b"))), @"shop-b: Ready Closed=False Open; Ready=True Ready (needs shop-gone, which does not exist and so does not block)");
}

#[test]
fn waits_for_a_rig_that_nobody_declared() {
    let mut scene = Scene::default();
    scene.bead(bead("x-1", "nowhere"));
    insta::assert_snapshot!(said(&scene.plan(&key("x-1"))), @"x-1: Waiting Closed=False Open; Ready=False RefNotFound (there is no Rig named `nowhere`: apply it)");
}

#[test]
fn pours_its_steps_once_it_is_claimed() {
    let mut scene = scene();
    scene.bead(claimed(bead("shop-a", "shop"), "shop-nux")).runs("shop-a", vec![]);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"
    create bead shop-a.work
    shop-a: Working Closed=False Open; Ready=False Claimed (shop-nux works on it)
    ");
}

#[test]
fn one_whose_polecat_waits_says_for_what_and_may_then_be_dispatched_again() {
    let mut scene = scene();
    scene.rig(rig("shop")).bead(waiting(bead("shop-a", "shop"), "shop-nux", Waiting::Rig)).runs("shop-a", vec![]);
    let mut tells = |reason: &str, message: &str| {
        let mut nux = polecat("shop", "nux");
        let mut conditions = ready();
        conditions[0].status = ConditionStatus::False;
        (conditions[0].reason, conditions[0].message) = (reason.into(), message.into());
        nux.status = Some(PolecatStatus { bead: Some("shop-a".into()), conditions, ..PolecatStatus::default() });
        let plan = scene.polecat(nux).plan(&key("shop-a"));
        said(&plan).lines().last().unwrap_or_default().to_owned()
    };
    insta::assert_snapshot!(tells("CommandNotFound", "install it"), @"shop-a: Waiting Closed=False Open; Ready=False CommandNotFound (install it)");
    // What its polecat said last was of another bead.
    scene.polecat(polecat("shop", "nux"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))).lines().last().unwrap(), @"shop-a: Waiting Closed=False Open; Ready=False BackOff (its polecat waits with it)");
    let mut slotless = waiting(bead("shop-a", "shop"), "shop-nux", Waiting::Slot);
    scene.bead(slotless.clone());
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))).lines().last().unwrap(), @"shop-a: Ready Closed=False Open; Ready=True Ready");
    // What was said meanwhile holds for it too: nothing runs of it.
    let mut parked = rig("shop");
    parked.spec.suspend = true;
    scene.rig(parked);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))).lines().last().unwrap(), @"shop-a: Waiting Closed=False Open; Ready=False Suspended (its rig `shop` is suspended)");
    slotless.spec.needs = vec!["shop-b".into()];
    scene.rig(rig("shop")).bead(slotless).bead(bead("shop-b", "shop"));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))).lines().last().unwrap(), @"shop-a: Waiting Closed=False Open; Ready=False NeedsOpen (waits for shop-b)");
}

#[test]
fn is_not_ready_for_a_formula_that_it_cannot_be_worked_by() {
    let mut scene = scene();
    let mut odd = bead("shop-a", "shop");
    odd.spec.vars = vec![gastown_crds::common::NameValue { name: "env".into(), value: "test".into() }];
    scene.bead(odd);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"shop-a: Waiting Closed=False Open; Ready=False InvalidFormula (formula `work`: the bead gives `env`, which is no var of the formula)");
}

#[test]
fn a_new_text_wants_new_steps_but_not_under_a_running_agent() {
    let mut scene = scene();
    let mut step: Bead =
        object("shop-a.work", serde_json::json!({"title": "work", "type": "Step", "rig": "shop", "parent": "shop-a"}));
    step.metadata.labels = Some([("gastown.io/round".to_owned(), "0".to_owned())].into());
    step.metadata.annotations = Some([("gastown.io/steps".to_owned(), "1".to_owned())].into());
    let bead = claimed(bead("shop-a", "shop"), "shop-nux");
    let running =
        Attempt { attempt: 1, work: "older".into(), state: AttemptState::Running, conversation: None, runtime: None };
    scene.bead(step).bead(bead).runs("shop-a", vec![running]);
    assert!(scene.plan(&key("shop-a")).effects.is_empty());
    scene.runs("shop-a", vec![]);
    assert!(said(&scene.plan(&key("shop-a"))).starts_with("delete bead shop-a.work\n"));
}

#[test]
fn handing_in_clears_the_hook() {
    let mut scene = scene();
    scene.bead(claimed(bead("shop-a", "shop"), "shop-nux")).runs("shop-a", vec![]);
    scene.request(request("shop-a", "shop", 1, MergeState::Queued));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"
    release shop-a
    shop-a: Landing Closed=False Open; Ready=False Landing (handed in as shop-a-mr1)
    ");
}

#[test]
fn a_merged_branch_closes_it() {
    let mut scene = scene();
    scene.bead(bead("shop-a", "shop")).runs("shop-a", vec![]);
    scene.request(request("shop-a", "shop", 1, MergeState::Merged));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"
    close shop-a Merged
    shop-a: Landing Closed=False Open; Ready=False Landing (merged; being closed)
    ");
}

#[test]
fn a_branch_whose_commits_were_lost_is_begun_again_and_not_charged() {
    let mut scene = scene();
    let bead = bead("shop-a", "shop");
    scene.bead(bead.clone()).runs("shop-a", vec![ended(&bead, 1, true)]);
    scene.request(because(request("shop-a", "shop", 1, MergeState::Rejected), "HeadMissing"));
    let plan = scene.plan(&key("shop-a"));
    let [write] = &plan.status[..] else { panic!("{plan:?}") };
    let status: BeadStatus = serde_json::from_value(write.status.clone()).unwrap();
    assert_eq!((status.failures, &status.rework, status.state), (0, &None, BeadState::Ready));
    scene.request(because(request("shop-a", "shop", 1, MergeState::Rejected), "Red"));
    assert_eq!(scene.plan(&key("shop-a")).status[0].status["failures"], 1);
}

#[test]
fn a_claim_whose_polecat_is_gone_is_released() {
    let mut scene = scene();
    scene.bead(claimed(bead("shop-a", "shop"), "shop-toast")).runs("shop-a", vec![]);
    assert!(said(&scene.plan(&key("shop-a"))).starts_with("release shop-a\n"));
}

#[test]
fn is_set_aside_with_its_last_output_and_charged_only_for_its_own_failures() {
    let mut scene = scene();
    let bead = claimed(bead("shop-a", "shop"), "shop-nux");
    let mut runs: Vec<_> = (1..=5).map(|n| ended(&bead, n, true)).collect();
    runs.push(ended(&bead, 6, false));
    scene.bead(bead.clone()).runs("shop-a", runs.clone());
    assert!(said(&scene.plan(&key("shop-a"))).contains("shop-a: Working"), "a hang-up was charged");
    runs.push(ended(&bead, 7, true));
    scene.runs("shop-a", runs);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"
    release shop-a
    shop-a: SetAside Closed=False Open; Ready=False TooManyAttempts (set aside for a person); SetAside=True TooManyAttempts (failed 6 times; fix the cause, then `gt sling shop-a` or change its text to try again. Last, attempt 7 ended with 3:
    no such file)
    ");
}

#[test]
fn is_set_aside_at_once_by_an_attempt_that_says_that_another_would_end_the_same_way() {
    let mut scene = scene();
    let bead = claimed(bead("shop-a", "shop"), "shop-nux");
    let says = |own| {
        let mut attempt = ended(&bead, 1, own);
        if let AttemptState::Ended(end) = &mut attempt.state {
            end.code = exit::CONFIG;
        }
        attempt
    };
    scene.bead(bead.clone()).runs("shop-a", vec![says(true)]);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"
    release shop-a
    shop-a: SetAside Closed=False Open; Ready=False WouldFailAgain (set aside for a person); SetAside=True WouldFailAgain (attempt 1 ended with 78: another would end the same way; fix the cause, then `gt sling shop-a` or change its text to try again. Its output:
    no such file)
    ");
    scene.runs("shop-a", vec![says(false)]);
    assert!(said(&scene.plan(&key("shop-a"))).contains("shop-a: Working"), "we ended it");
    let mut older = says(true);
    older.work = "older".into();
    scene.runs("shop-a", vec![older]);
    assert!(said(&scene.plan(&key("shop-a"))).contains("shop-a: Working"), "it speaks of another text");
    scene.runs("shop-a", vec![says(true)]).request(request("shop-a", "shop", 1, MergeState::Rejected));
    assert!(said(&scene.plan(&key("shop-a"))).contains("shop-a: Working"), "it handed in");
}

#[test]
fn goes_on_once_a_person_slings_it_again_and_what_failed_before_does_not_count() {
    let mut scene = scene();
    let mut bead = claimed(bead("shop-a", "shop"), "shop-nux");
    let mut runs: Vec<_> = (1..=6).map(|n| ended(&bead, n, true)).collect();
    scene.bead(bead.clone()).runs("shop-a", runs.clone());
    assert!(said(&scene.plan(&key("shop-a"))).contains("shop-a: SetAside"));
    bead.spec.retry = Some(1);
    scene.bead(bead.clone());
    assert!(said(&scene.plan(&key("shop-a"))).contains("shop-a: Working"));
    runs.extend((7..=12).map(|n| ended(&bead, n, true)));
    scene.runs("shop-a", runs);
    assert!(said(&scene.plan(&key("shop-a"))).contains("shop-a: SetAside"), "it has failed as often again");
}

#[test]
fn what_the_supervisor_adds_is_not_its_output() {
    let mut scene = scene();
    let bead = claimed(bead("shop-a", "shop"), "shop-nux");
    let mut attempt = ended(&bead, 1, true);
    if let AttemptState::Ended(end) = &mut attempt.state {
        end.code = exit::CONFIG;
        end.tail = "gt: not a trailer\nno such file\n\ngt: sh ended with 78".into();
    }
    scene.bead(bead).runs("shop-a", vec![attempt]);
    let said = said(&scene.plan(&key("shop-a")));
    assert!(said.ends_with("Its output:\ngt: not a trailer\nno such file)"), "{said}");
}

#[test]
fn is_set_aside_with_its_polecat_while_that_says_so_of_its_setup() {
    let mut scene = scene();
    let mut polecat = polecat("shop", "nux");
    let mut conditions = ready();
    conditions[0].reason = "WouldFailAgain".into();
    conditions[0].message = "no such registry".into();
    let status = json!({"state": "Stalled", "bead": "shop-a", "conditions": conditions});
    polecat.status = serde_json::from_value(status).unwrap();
    scene.polecat(polecat).bead(waiting(bead("shop-a", "shop"), "shop-nux", Waiting::Rig)).runs("shop-a", vec![]);
    assert!(said(&scene.plan(&key("shop-a"))).contains("shop-a: SetAside"));
}

#[test]
fn failures_at_an_older_text_do_not_count() {
    let mut scene = scene();
    let mut bead = bead("shop-a", "shop");
    let runs = (1..=6).map(|n| ended(&bead, n, true)).collect();
    bead.spec.command = Some("mended".into());
    bead = in_state(bead, BeadState::SetAside);
    bead.status.as_mut().unwrap().last_polecat = Some("shop-nux".into());
    scene.bead(bead).runs("shop-a", runs);
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"shop-a: Ready Closed=False Open; Ready=True Ready");
}

#[test]
fn decides_nothing_when_its_attempts_could_not_be_read() {
    let mut scene = scene();
    scene.bead(claimed(bead("shop-a", "shop"), "shop-toast"));
    scene.unknown(gastown_controllers::world::Ask::Attempts(AskAttempts("shop-a-uid".into())), "permission denied");
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"shop-a: Waiting Ready=Unknown Unknown (permission denied; waiting until it can be observed)");
}

/// A bead of convoy `c` that is worked on, and the convoy that says this of its beads.
fn of_convoy(scene: &mut Scene, beads: serde_json::Value) -> String {
    let name = gastown_crds::names::bead("shop", "c", 1, "a");
    let mut bead = claimed(object::<Bead>(&name, json!({"title": "A", "rig": "shop", "command": "true"})), "shop-nux");
    let labels = [("gastown.io/convoy", "c"), ("gastown.io/bead", "a")];
    bead.metadata.labels = Some(labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into());
    let attempt = Attempt {
        attempt: 1,
        work: work_digest(&bead.spec),
        state: AttemptState::Running,
        conversation: None,
        runtime: None,
    };
    scene.runs(&name, vec![attempt]).bead(bead);
    scene.add(object::<gastown_crds::Convoy>("c", json!({"rig": "shop", "beads": beads})));
    name
}

#[test]
fn one_that_is_at_work_says_that_its_convoy_has_changed_its_mind() {
    let changed = |beads| {
        let mut scene = scene();
        let name = of_convoy(&mut scene, beads);
        said(&scene.plan(&key(&name))).replace(&name, "NAME")
    };
    let same = changed(json!([{"name": "a", "title": "A", "command": "true", "priority": 4}]));
    assert!(!same.contains("BeadChanged"), "{same}");
    insta::assert_snapshot!(changed(json!([{"name": "a", "title": "A, and B", "command": "false", "description": "Do both."}])), @"
    NAME: Working BeadChanged=True TextChanged (its convoy `c` has a new text for it; what is handed in is not worked on again:
    title: A, and B
    command: false
    Do both.); Closed=False Open; Ready=False Claimed (shop-nux works on it)
    again at 1002
    ");
    insta::assert_snapshot!(changed(json!([{"name": "b", "title": "B"}])), @"
    NAME: Working BeadChanged=True Removed (its convoy `c` no longer wants it; it is finished and lands all the same); Closed=False Open; Ready=False Claimed (shop-nux works on it)
    again at 1002
    ");
}

#[test]
fn its_steps_close_with_it() {
    let mut scene = scene();
    let mut withdrawn = bead("shop-a", "shop");
    let reason = CloseReason::Withdrawn;
    withdrawn.spec.closed = Some(Closed { reason, message: Some("by hand".into()), at: at(1), by: "kim".into() });
    let step = object::<Bead>("shop-a.work", json!({"title": "w", "type": "Step", "rig": "shop", "parent": "shop-a"}));
    scene.bead(withdrawn).bead(step.clone());
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"
    close shop-a.work Withdrawn
    shop-a: Closed Closed=True Withdrawn (by hand)
    ");
    let done = Closed { reason: CloseReason::Done, message: None, at: at(1), by: "shop/polecats/nux".into() };
    scene.bead(Bead { spec: gastown_crds::BeadSpec { closed: Some(done), ..step.spec.clone() }, ..step });
    assert!(scene.plan(&key("shop-a")).effects.is_empty());
}

#[test]
fn two_attempts_at_the_memory_limit_set_it_aside_until_that_is_raised() {
    let mut scene = scene();
    let bead = claimed(bead("shop-a", "shop"), "shop-nux");
    let killed = |attempt, of| {
        let mut run = ended(&bead, attempt, true);
        if let AttemptState::Ended(end) = &mut run.state {
            (end.code, end.out_of_memory) = (137, Some(of));
        }
        run
    };
    let limit = OutOfMemory::Limit(512 << 20);
    scene.bead(bead.clone());
    scene.add(script_with(json!({"limits": {"memory": "512Mi"}})));
    scene.runs("shop-a", vec![killed(1, limit), killed(2, limit)]);
    let plan = scene.plan(&key("shop-a"));
    insta::assert_snapshot!(said(&plan), @"
    release shop-a
    shop-a: SetAside Closed=False Open; Ready=False OutOfMemory (set aside for a person); SetAside=True OutOfMemory (attempt 2 was killed at its memory limit of 512Mi as the one before it; raise resources.limits.memory of Runtime `script`, or `gt sling shop-a` to try again with the same)
    ");
    // They count as one failure.
    let failures = |scene: &Scene| {
        let plan = scene.plan(&key("shop-a"));
        plan.status.iter().find_map(|write| write.status["failures"].as_u64())
    };
    assert_eq!(failures(&scene), Some(1));
    scene.runs("shop-a", vec![killed(1, limit), killed(2, OutOfMemory::Machine), ended(&bead, 3, true)]);
    assert_eq!(failures(&scene), Some(2));
    // The machine's shortage is nobody's fault three times; then it may well be this work that uses it up.
    let by_machine = |n| (1..=n).map(|attempt| killed(attempt, OutOfMemory::Machine)).collect();
    for (kills, charged) in [(3, 0), (5, 2)] {
        scene.runs("shop-a", by_machine(kills));
        assert_eq!(failures(&scene).unwrap_or(0), charged, "{kills} kills");
    }

    let woken = scene.add(script_with(json!({"limits": {"memory": "1Gi"}})));
    assert!(!woken.contains(&key("shop-a")), "nobody waits for it");
    let mut aside = bead.clone();
    let condition = json!({"type": "SetAside", "status": "True", "reason": "OutOfMemory", "lastTransitionTime": at(0)});
    aside.status = serde_json::from_value(json!({"state": "SetAside", "conditions": [condition]})).unwrap();
    scene.bead(aside).runs("shop-a", vec![killed(1, limit), killed(2, limit)]);
    let woken = scene.add(script_with(json!({"limits": {"memory": "2Gi"}})));
    assert!(woken.contains(&key("shop-a")), "{woken:?}");
    assert!(said(&scene.plan(&key("shop-a"))).contains("Working"), "it goes on");
}
