//! Handoffs: when the session of one ends, what its successor begins with, and which are charged.

use crate::common::*;
use crate::polecat::{died, key, run, sandbox, scene};
use gastown_controllers::bead::failures;
use gastown_controllers::plan::Effect;
use gastown_controllers::world::*;
use gastown_crds::polecat::{Activity, ActivityState};
use gastown_crds::{Bead, Runtime};
use serde_json::{Value, json};

/// A handoff of an attempt, at second 900, with how far the work was.
fn handoff(attempt: u32, progress: &str, more: Value) -> Value {
    let mut handoff = json!({
        "attempt": attempt, "subject": "parser is next", "by": "shop/polecats/nux", "at": at(900), "progress": progress,
    });
    handoff.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
    handoff
}

fn with(handoffs: &[Value]) -> Bead {
    let mut bead = claimed(bead("shop-a", "shop"), "shop-nux");
    bead.spec.handoffs = handoffs.iter().map(|it| serde_json::from_value(it.clone()).unwrap()).collect();
    bead
}

/// A scene in which attempt 1 has handed off and does this still.
fn running(handoff: Value, activity: Option<ActivityState>) -> Scene {
    let mut scene = scene();
    scene.add::<Runtime>(object("script", json!({"command": ["gt:script"], "dialect": "Claude"})));
    let activity = activity.map(|state| Activity { state, since: at(900), message: None, until: None, account: None });
    let session = Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 };
    scene.sandbox("shop-nux", SandboxFacts { activity, ..sandbox(session) }).bead(with(&[handoff]));
    scene.now = at(901);
    scene
}

#[test]
fn a_session_that_has_handed_off_ends_with_its_turn() {
    let told = |activity| said(&running(handoff(1, "", json!({})), activity).plan(&key()));
    insta::assert_snapshot!(told(Some(ActivityState::Busy)), @"
    shop-nux: Starting Ready=False Switching (handed off: parser is next)
    again at 930
    ");
    let ends = "end the session of shop-nux\nshop-nux: Starting Ready=False Switching (handed off: parser is next)";
    assert_eq!(told(Some(ActivityState::Idle)), ends);
    // Where nothing is reported it gets a moment, and nobody gets for ever.
    assert!(told(None).ends_with("again at 903"), "{}", told(None));
    let mut late = running(handoff(1, "", json!({})), Some(ActivityState::Busy));
    late.now = at(930);
    assert_eq!(said(&late.plan(&key())), ends);
    // Whose context is full, and whom a person has ended, is not waited for.
    for at_once in [json!({"automatic": true}), json!({"by": "kim"})] {
        assert_eq!(said(&running(handoff(1, "", at_once), Some(ActivityState::Busy)).plan(&key())), ends);
    }
    // That of an attempt before is over.
    let second = Session::Running { owner_uid: "shop-a-uid".into(), attempt: 2 };
    let mut next = running(handoff(1, "", json!({})), None);
    next.sandbox("shop-nux", sandbox(second));
    assert_eq!(said(&next.plan(&key())), "shop-nux: Working Ready=True Working");
}

#[test]
fn a_successor_begins_a_conversation_at_once_and_later_ones_go_on_with_it() {
    let talk = |id: &str| Conversation { id: id.into(), sandbox_uid: "shop-nux-uid".into(), account: None };
    let ended = |attempt: u32, id: &str| Attempt {
        conversation: Some(talk(id)),
        runtime: Some("script".into()),
        ..run(attempt, died(950))
    };
    let command = |attempts: Vec<Attempt>| {
        let mut scene = scene();
        scene.add::<Runtime>(object(
            "script",
            json!({"command": ["gt:script"], "start": ["begin"], "resume": ["$(GT_CONVERSATION)"]}),
        ));
        scene.sandbox("shop-nux", sandbox(Session::None)).bead(with(&[handoff(1, "", json!({}))]));
        scene.runs("shop-a", attempts);
        scene.now = at(950);
        let plan = scene.plan(&key());
        let started = plan.effects.iter().find_map(|effect| match effect {
            Effect::Act(Act::EnsureSession { spec, .. }) => Some(spec.clone()),
            _ => None,
        });
        let of = |spec: SessionSpec| format!("{} {}", spec.command[1], spec.variable("GT_CONVERSATION").unwrap_or("-"));
        started.map_or_else(|| said(&plan), of)
    };
    assert_eq!(command(vec![ended(1, "a")]), "begin -");
    // Attempt 2 ended by itself, and was not handed off: its conversation goes on.
    assert_eq!(command(vec![ended(1, "a"), ended(2, "b")]), "$(GT_CONVERSATION) b");
}

#[test]
fn handoffs_are_charged_once_they_get_nowhere() {
    let charged = |handoffs: &[Value]| {
        let attempts: Vec<_> = (1..=u32::try_from(handoffs.len()).unwrap()).map(|n| run(n, died(900))).collect();
        failures(&with(handoffs).spec, &attempts, &[], "script")
    };
    let at = |attempt, progress| handoff(attempt, progress, json!({}));
    assert_eq!(charged(&[at(1, "a"), at(2, "b"), at(3, "c")]), 0);
    assert_eq!(charged(&[at(1, "a"), at(2, "a")]), 0);
    assert_eq!(charged(&[at(1, "a"), at(2, "a"), at(3, "a"), at(4, "a")]), 2);
    // It got somewhere, and begins anew.
    assert_eq!(charged(&[at(1, "a"), at(2, "a"), at(3, "b"), at(4, "b")]), 0);
    // What people end is not charged, and does not stand between.
    let person = |attempt| handoff(attempt, "a", json!({"by": "kim"}));
    assert_eq!(charged(&[person(1), person(2), person(3), person(4)]), 0);
    assert_eq!(charged(&[at(1, "a"), person(2), at(3, "a"), at(4, "a")]), 1);
}

#[test]
fn one_that_gets_nowhere_is_set_aside_and_says_so() {
    let at = |attempt| handoff(attempt, "a", json!({}));
    let handoffs: Vec<_> = (1..=8).map(at).collect();
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None)).bead(with(&handoffs[..4]));
    scene.runs("shop-a", (1..=4).map(|n| run(n, died(900))).collect());
    scene.now = crate::common::at(900);
    let waits = said(&scene.plan(&key()));
    assert!(
        waits.contains("attempt 4 handed off without a commit or a closed step, as those before it; restarts"),
        "{waits}"
    );
    scene.bead(with(&handoffs)).runs("shop-a", (1..=8).map(|n| run(n, died(900))).collect());
    let bead = said(&scene.plan(&gastown_controllers::bead::CONTROLLER.key("shop-a")));
    assert!(
        bead.contains("attempt 8 handed off without a commit or a closed step, as those before it: parser is next"),
        "{bead}"
    );
}
