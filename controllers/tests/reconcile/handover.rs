//! Steps with a Runtime of their own: a session does its part, ends uncharged, and one of the other Runtime goes on.

use crate::common::*;
use crate::polecat::{key, run, sandbox, scene, step};
use gastown_controllers::bead::failures;
use gastown_controllers::plan::Effect;
use gastown_controllers::world::*;
use gastown_crds::bead::{CloseReason, Closed};
use gastown_crds::polecat::{Activity, ActivityState};
use gastown_crds::{Bead, Runtime};
use serde_json::json;

/// A bead whose second step is for `reviewer`; the first is closed at second 998, if it is.
fn two_steps(is_written: bool) -> Scene {
    let mut scene = scene();
    scene.remove::<Bead>("shop-a.work");
    scene.add::<Runtime>(object("reviewer", json!({"command": ["review"], "dialect": "Claude"})));
    scene.known(Ask::Program(AskProgram("review".into())), Fact::Program(true));
    let mut write = step(0);
    write.metadata.name = Some("shop-a.write".into());
    let mut review = write.clone();
    review.metadata.name = Some("shop-a.review".into());
    review.spec.needs = vec!["shop-a.write".into()];
    review.spec.runtime = Some("reviewer".into());
    if is_written {
        let by = "shop/polecats/nux".to_owned();
        write.spec.closed = Some(Closed { reason: CloseReason::Done, message: None, at: at(998), by });
    }
    for (order, step) in [&mut write, &mut review].into_iter().enumerate() {
        let annotations = [("gastown.io/steps", "2".to_owned()), ("gastown.io/step-order", order.to_string())];
        step.metadata.annotations = Some(annotations.map(|(name, value)| (name.to_owned(), value)).into());
    }
    scene.bead(write).bead(review);
    scene
}

/// What is said of a session of a Runtime that runs.
fn runs(scene: &mut Scene, runtime: &str, activity: Option<ActivityState>) -> String {
    let session = Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 };
    let activity = activity.map(|state| Activity { state, since: at(900), message: None, until: None, account: None });
    scene.sandbox("shop-nux", SandboxFacts { runtime: Some(runtime.into()), activity, ..sandbox(session) });
    said(&scene.plan(&key()))
}

fn ended(attempt: u32, runtime: &str, code: i32) -> Attempt {
    let end = AttemptEnd { code, own: true, at: at(995), tail: String::new(), out_of_memory: None, activity: None };
    Attempt { runtime: Some(runtime.into()), ..run(attempt, AttemptState::Ended(end)) }
}

/// The command of the next session, and what it is told of its part.
fn next(scene: &Scene) -> String {
    let plan = scene.plan(&key());
    let spec = plan.effects.iter().find_map(|effect| match effect {
        Effect::Act(Act::EnsureSession { spec, .. }) => Some(spec),
        _ => None,
    });
    let Some(spec) = spec else { return said(&plan) };
    let part = ["GT_RUNTIME", "GT_BEAD_RUNTIME"].map(|name| spec.variable(name).unwrap_or("-").to_owned());
    format!("attempt {}: {} ({})", spec.attempt, spec.command.join(" "), part.join(", "))
}

#[test]
fn a_session_that_did_its_part_ends_at_the_end_of_its_turn() {
    assert_eq!(runs(&mut two_steps(false), "script", None), "shop-nux: Working Ready=True Working");
    let mut scene = two_steps(true);
    insta::assert_snapshot!(runs(&mut scene, "script", None), @"
    shop-nux: Starting Ready=False Switching (step `shop-a.review` is for Runtime `reviewer`: this session ends, and one of that begins)
    again at 1001
    ");
    assert_eq!(runs(&mut scene, "reviewer", None), "shop-nux: Working Ready=True Working", "its part begins");
    scene.now = at(1002);
    assert!(runs(&mut scene, "script", None).starts_with("end the session of shop-nux\n"));
    // One that reports says itself when its turn is over.
    scene.add::<Runtime>(object("script", json!({"command": ["gt:script"], "dialect": "Claude"})));
    assert!(runs(&mut scene, "script", Some(ActivityState::Busy)).ends_with("again at 1298"));
    assert!(runs(&mut scene, "script", Some(ActivityState::Idle)).starts_with("end the session of shop-nux\n"));
    scene.now = at(1298);
    assert!(runs(&mut scene, "script", Some(ActivityState::Busy)).starts_with("end the session of shop-nux\n"));
}

#[test]
fn a_step_is_worked_by_its_own_runtime_and_nothing_is_charged() {
    let mut scene = two_steps(false);
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![]);
    assert_eq!(next(&scene), "attempt 1: gt:script (script, -)");
    let mut scene = two_steps(true);
    let first = vec![ended(1, "script", 0)];
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", first.clone());
    assert_eq!(next(&scene), "attempt 2: review (reviewer, script)");
    let spec = scene.objects.get::<Bead>("shop-a").unwrap().spec.clone();
    assert_eq!(failures(&spec, &first, &[], "reviewer"), 0);
    assert_eq!(failures(&spec, &first, &[], "script"), 1, "it ended without handing in");
    assert_eq!(failures(&spec, &[ended(1, "script", 1)], &[], "reviewer"), 1, "it failed");
    // Whatever comes after it, its part was done.
    let both = [ended(1, "script", 0), ended(2, "reviewer", 3)];
    assert_eq!(failures(&spec, &both, &[], "reviewer"), 1);
}

#[test]
fn a_change_of_the_beads_runtime_ends_no_session() {
    let mut scene = scene();
    let mut changed = claimed(bead("shop-a", "shop"), "shop-nux");
    changed.spec.runtime = Some("other".into());
    scene.bead(changed);
    scene.add::<Runtime>(object("other", json!({"command": ["other"]})));
    assert_eq!(runs(&mut scene, "script", None), "shop-nux: Working Ready=True Working");
}
