//! What agents report of themselves: where their polecats stand, who is told, and what is not charged.

use crate::common::*;
use crate::polecat::{key, run, sandbox, scene};
use gastown_controllers::bead::failures;
use gastown_controllers::world::*;
use gastown_crds::Runtime;
use gastown_crds::polecat::{Activity, ActivityState};
use serde_json::json;

/// A scene in which the agent of a running session has reported this, at second 900.
fn reported(dialect: &str, state: ActivityState, message: &str) -> Scene {
    let mut scene = scene();
    scene.add::<Runtime>(object("script", json!({"command": ["gt:script"], "dialect": dialect})));
    let message = Some(message.to_owned()).filter(|message| !message.is_empty());
    let activity = Some(Activity { state, since: at(900), message });
    let session = Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 };
    scene.sandbox("shop-nux", SandboxFacts { activity, ..sandbox(session) });
    scene
}

fn told(second: i64, state: ActivityState, message: &str) -> String {
    let mut scene = reported("Claude", state, message);
    scene.now = at(second);
    said(&scene.plan(&key()))
}

#[test]
fn where_a_polecat_stands_is_what_its_agent_reports() {
    use ActivityState::{Asking, Busy, Idle, LoginRequired, Starting};
    // A slow agent is not a stalled one.
    assert_eq!(told(90_000, Busy, ""), "shop-nux: Working Ready=True Working");
    insta::assert_snapshot!(told(930, Starting, ""), @"
    shop-nux: Working Ready=True Working
    again at 960
    ");
    insta::assert_snapshot!(told(960, Starting, ""), @"shop-nux: Stalled Ready=False DialogOpen (its agent's program has reported nothing since it was started: it waits at a dialog, most likely)");
    insta::assert_snapshot!(told(900, Asking, "Tabs or spaces?"), @"shop-nux: Stalled Ready=False Asking (Tabs or spaces?)");
    insta::assert_snapshot!(told(900, Idle, ""), @"shop-nux: Stalled Ready=False TurnEnded (its turn has ended with work on its hook)");
    insta::assert_snapshot!(told(900, LoginRequired, "Please run /login"), @"shop-nux: Stalled Ready=False LoginRequired (Please run /login)");
}

#[test]
fn an_agent_that_is_refused_gets_its_own_tries_and_is_then_started_anew() {
    insta::assert_snapshot!(told(901, ActivityState::Limited, "429"), @"
    shop-nux: Stalled Ready=False Limited (429)
    again at 1200
    ");
    insta::assert_snapshot!(told(1200, ActivityState::Limited, "429"), @"
    end the session of shop-nux
    shop-nux: Stalled Ready=False Limited (429)
    ");
}

#[test]
fn reports_of_a_program_that_makes_none_say_nothing() {
    let scene = reported("None", ActivityState::Idle, "");
    assert_eq!(said(&scene.plan(&key())), "shop-nux: Working Ready=True Working");
}

#[test]
fn what_the_provider_refused_is_not_charged() {
    let ended = |attempt, state: Option<ActivityState>| {
        let activity = state.map(|state| Activity { state, since: at(900), message: Some("429".into()) });
        let end = AttemptEnd { code: 1, own: true, at: at(950), tail: String::new(), out_of_memory: None, activity };
        run(attempt, AttemptState::Ended(end))
    };
    let spec = bead("shop-a", "shop").spec;
    let charged = |state| failures(&spec, &[ended(1, state)], &[]);
    assert_eq!(charged(None), 1);
    assert_eq!(charged(Some(ActivityState::Busy)), 1);
    assert_eq!(charged(Some(ActivityState::Limited)), 0);
    assert_eq!(charged(Some(ActivityState::LoginRequired)), 0);

    let mut scene = scene();
    let twice = [1, 2].map(|attempt| ended(attempt, Some(ActivityState::Limited))).into();
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", twice);
    scene.now = at(950);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Bead
    shop-nux: Stalled Ready=False Limited (attempt 2 was refused by its model's provider: 429; restarts at 1970-01-01T00:15:50Z)
    again at 950
    ");
}
