//! What agents report of themselves: where their polecats stand, who is told, and what is not charged.

use crate::common::*;
use crate::polecat::{died, key, run, sandbox, scene};
use gastown_controllers::bead::failures;
use gastown_controllers::world::*;
use gastown_crds::polecat::{Activity, ActivityState};
use gastown_crds::{Bead, Runtime};
use serde_json::{Value, json};

/// A scene in which the agent of a running session has reported this, at second 900.
fn reported(dialect: &str, state: ActivityState, message: &str) -> Scene {
    let mut scene = scene();
    scene.add::<Runtime>(object("script", json!({"command": ["gt:script"], "dialect": dialect})));
    let message = Some(message.to_owned()).filter(|message| !message.is_empty());
    let activity = Some(Activity { state, since: at(900), message, until: None, account: None });
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
fn a_first_prompt_that_could_not_be_typed_is_said() {
    let told = |state, message: &str| {
        let mut scene = reported("None", state, message);
        let spec = json!({"command": ["robot"], "promptDelivery": "Paste"});
        scene.add::<Runtime>(object("script", spec));
        said(&scene.plan(&key()))
    };
    assert_eq!(told(ActivityState::Starting, ""), "shop-nux: Working Ready=True Working");
    let why = "its first prompt could not be given to it: its screen shows no empty prompt";
    assert_eq!(told(ActivityState::Idle, why), format!("shop-nux: Stalled Ready=False TurnEnded ({why})"));
}

#[test]
fn what_the_provider_refused_is_not_charged() {
    let ended = |attempt, state: Option<ActivityState>| {
        let activity = state.map(|state| Activity {
            state,
            since: at(900),
            message: Some("429".into()),
            until: None,
            account: None,
        });
        let end = AttemptEnd { code: 1, own: true, at: at(950), tail: String::new(), out_of_memory: None, activity };
        run(attempt, AttemptState::Ended(end))
    };
    let spec = bead("shop-a", "shop").spec;
    let charged = |state| failures(&spec, &[ended(1, state)], &[], "script");
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

/// A question of attempt 1, answered or not.
fn question(stuck: bool, answer: Option<&str>) -> Value {
    let answer = answer.map(|text| json!({"text": text, "by": "kim", "at": at(950)}));
    let mut question =
        json!({"name": "q1", "text": "Tabs or spaces?", "attempt": 1, "by": "shop/polecats/nux", "at": at(900)});
    question["stuck"] = json!(stuck);
    if let Some(answer) = answer {
        question["answer"] = answer;
    }
    question
}

/// The bead of the scene with this question.
fn asked(scene: &mut Scene, question: &Value) {
    let mut bead = claimed(bead("shop-a", "shop"), "shop-nux");
    bead.spec.questions = vec![serde_json::from_value(question.clone()).unwrap()];
    scene.bead(bead);
}

#[test]
fn an_agent_that_has_asked_waits_without_a_session() {
    let mut scene = reported("Claude", ActivityState::Asking, "Tabs or spaces?");
    asked(&mut scene, &question(false, None));
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    end the session of shop-nux
    shop-nux: Stalled Ready=False Asking (Tabs or spaces?)
    ");
    // As long as its turn goes on, it is at work.
    let mut busy = reported("Claude", ActivityState::Busy, "");
    asked(&mut busy, &question(false, None));
    assert_eq!(said(&busy.plan(&key())), "shop-nux: Working Ready=True Working");
    // What its own program asks on its screen is another matter.
    let mut screen = reported("Claude", ActivityState::Asking, "May it run make?");
    asked(&mut screen, &question(false, Some("spaces")));
    assert_eq!(said(&screen.plan(&key())), "shop-nux: Stalled Ready=False Asking (May it run make?)");

    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![run(1, died(1000))]);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Bead
    shop-nux: Stalled Ready=False Asking (Tabs or spaces?)
    ");
    asked(&mut scene, &question(true, None));
    assert!(said(&scene.plan(&key())).contains("Stalled Ready=False Stuck (Tabs or spaces?)"));
}

#[test]
fn an_answer_begins_the_next_session_at_once_and_nothing_is_charged() {
    let mut scene = reported("Claude", ActivityState::Busy, "");
    asked(&mut scene, &question(false, Some("spaces")));
    scene.sandbox("shop-nux", sandbox(Session::None));
    assert_eq!(failures(&scene.objects.get::<Bead>("shop-a").unwrap().spec, &[run(1, died(1000))], &[], "script"), 0);
    scene.runs("shop-a", vec![run(1, died(1000))]);
    assert!(
        said(&scene.plan(&key())).contains("\nstart shop-nux on shop-a, attempt 2\n"),
        "{}",
        said(&scene.plan(&key()))
    );
}

#[test]
fn a_program_that_ends_before_it_begins_is_not_charged_and_said() {
    let ended = |attempt, code, second| {
        let activity = Some(Activity {
            state: ActivityState::Starting,
            since: at(900),
            message: None,
            until: None,
            account: None,
        });
        let tail = "log in first\n\ngt: claude ended with 1\n".to_owned();
        run(
            attempt,
            AttemptState::Ended(AttemptEnd { code, own: true, at: at(second), tail, out_of_memory: None, activity }),
        )
    };
    let spec = bead("shop-a", "shop").spec;
    let charged = |run: Attempt| failures(&spec, &[run], &[], "script");
    assert_eq!(charged(ended(1, 1, 905)), 0);
    // One that went well, or for long, has begun: its hooks may be switched off.
    assert_eq!((charged(ended(1, 0, 905)), charged(ended(1, 1, 960))), (1, 1));

    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![ended(1, 1, 901), ended(2, 1, 905)]);
    scene.now = at(905);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Bead
    shop-nux: Stalled Ready=False NotStarted (attempt 2 ended with 1 (log in first), before it began; restarts at 1970-01-01T00:15:05Z)
    again at 905
    ");
}
