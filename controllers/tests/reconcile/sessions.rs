//! Events of sessions: one for each start and one for each end, whoever looked when.

use crate::common::*;
use crate::polecat::{died, key, prepared, run, sandbox, scene};
use gastown_controllers::plan::{Effect, Plan};
use gastown_controllers::world::*;
use gastown_crds::merge_request::MergeState;
use gastown_crds::polecat::{PolecatStatus, SessionOnRecord};
use serde_json::Value;

fn runs(attempt: u32) -> Session {
    Session::Running { owner_uid: "shop-a-uid".into(), attempt }
}

/// The polecat as a plan has left it.
fn after(scene: &mut Scene, plan: &Plan) {
    let mut nux = polecat("shop", "nux");
    nux.status = Some(serde_json::from_value::<PolecatStatus>(plan.status.last().unwrap().status.clone()).unwrap());
    scene.polecat(nux);
}

/// The polecat has this session on record, at the bead on its hook.
fn on_record(scene: &mut Scene, attempt: u32, over: bool) {
    let mut nux = polecat("shop", "nux");
    let session = SessionOnRecord { bead: "shop-a".into(), bead_uid: "shop-a-uid".into(), attempt, over };
    nux.status =
        Some(PolecatStatus { bead: Some("shop-a".into()), session: Some(session), ..PolecatStatus::default() });
    scene.polecat(nux);
}

fn names(plan: &Plan) -> Vec<String> {
    let name = |effect: &Effect| match effect {
        Effect::Write(gastown_controllers::plan::Write::Create { name, .. }) => Some(name.clone()),
        _ => None,
    };
    plan.effects.iter().filter_map(name).collect()
}

#[test]
fn a_start_is_on_record_once_it_was_made_and_an_end_with_how_it_came() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![]);
    let begins = scene.plan(&key());
    insta::assert_snapshot!(events(&begins).join("\n"), @r#"agent.started of agent:shop/polecats/nux: {"attempt":1,"bead":"shop-a","session_id":"shop-a/1"}"#);
    assert!(matches!(begins.effects.last(), Some(Effect::Write(_))), "after the start: {begins}");
    after(&mut scene, &begins);
    scene.sandbox("shop-nux", sandbox(runs(1)));
    assert_eq!(events(&scene.plan(&key())), [""; 0]);
    // It has died, and another begins: both in one plan, in their order.
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![run(1, died(900))]);
    let next = scene.plan(&key());
    insta::assert_snapshot!(events(&next).join("\n"), @r#"
    agent.stopped of agent:shop/polecats/nux: {"attempt":1,"bead":"shop-a","outcome":"failed","reason":"its program ended with 137"}
    agent.started of agent:shop/polecats/nux: {"attempt":2,"bead":"shop-a","session_id":"shop-a/2"}
    "#);
    // While it cannot be written, the status does not say that it is.
    scene.fails(1);
    assert_eq!(scene.plan(&key()).status[0].status["session"]["attempt"], Value::from(1));
    scene.failed = None;
    after(&mut scene, &next);
    scene.sandbox("shop-nux", sandbox(runs(2)));
    assert_eq!(events(&scene.plan(&key())), [""; 0]);
    // Handed in, and its hook is clear.
    scene.bead(bead("shop-a", "shop")).request(request("shop-a", "shop", 2, MergeState::Queued));
    assert_eq!(events(&scene.plan(&key())), [""; 0], "it runs still");
    let exited = AttemptState::Ended(AttemptEnd { code: 0, ..end(died(950)) });
    let idle = SandboxFacts { sandbox: Some(prepared(0)), ..SandboxFacts::default() };
    scene.sandbox("shop-nux", idle).runs("shop-a", vec![run(1, died(900)), run(2, exited)]);
    let ended = scene.plan(&key());
    insta::assert_snapshot!(events(&ended).join("\n"), @r#"agent.stopped of agent:shop/polecats/nux: {"attempt":2,"bead":"shop-a","outcome":"handed-in","reason":"it handed in its work"}"#);
    after(&mut scene, &ended);
    assert_eq!(events(&scene.plan(&key())), [""; 0]);
}

fn end(state: AttemptState) -> AttemptEnd {
    let AttemptState::Ended(end) = state else { panic!("it has not ended") };
    end
}

/// What was done was not written down: the controller died between.
#[test]
fn what_nobody_has_written_down_is_made_up_for_under_the_same_names() {
    let mut scene = scene();
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![]);
    let begins = scene.plan(&key());
    scene.sandbox("shop-nux", sandbox(runs(1)));
    let runs_already = scene.plan(&key());
    assert_eq!(names(&runs_already), names(&begins), "written twice, it is one");
    // It has begun and ended meanwhile.
    let mut worked = claimed(bead("shop-a", "shop"), "shop-nux");
    let status = serde_json::json!({ "lastPolecat": "shop-nux", "attempts": 1 });
    worked.status = Some(serde_json::from_value(status).unwrap());
    let lost = run(1, AttemptState::Lost { at: at(900) });
    scene.bead(worked).sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![lost]);
    let both = events(&scene.plan(&key()));
    assert_eq!(both.len(), 3, "and the next begins: {both:#?}");
    assert!(both[1].contains(r#""outcome":"lost""#), "{both:#?}");
    // It has handed in, too, and its hook is clear by now.
    let mut landing = scene_of_one_that_left();
    let gone = events(&landing.plan(&key()));
    assert!(gone.len() == 2 && gone[1].contains(r#""outcome":"handed-in""#), "{gone:#?}");
    on_record(&mut landing, 1, true);
    assert_eq!(events(&landing.plan(&key())), [""; 0]);
    on_record(&mut scene, 1, true);
    assert_eq!(events(&scene.plan(&key())).len(), 1, "what is on record is not written again");
}

/// Its bead was on its hook when its status was last written, and is landing.
fn scene_of_one_that_left() -> Scene {
    let mut scene = scene();
    let mut nux = polecat("shop", "nux");
    nux.status = Some(PolecatStatus { bead: Some("shop-a".into()), ..PolecatStatus::default() });
    scene.polecat(nux).bead(bead("shop-a", "shop")).request(request("shop-a", "shop", 1, MergeState::Queued));
    let exited = AttemptState::Ended(AttemptEnd { code: 0, ..end(died(950)) });
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![run(1, exited)]);
    scene
}

#[test]
fn an_end_that_is_not_recorded_yet_is_waited_for_and_one_that_never_will_be_is_told_all_the_same() {
    let mut scene = scene();
    on_record(&mut scene, 1, false);
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![run(1, AttemptState::Running)]);
    assert_eq!(events(&scene.plan(&key())), [""; 0]);
    // The folder of its attempts is gone.
    scene.runs("shop-a", vec![]);
    let told = events(&scene.plan(&key()));
    assert!(told[0].contains(r#""outcome":"unknown""#), "{told:#?}");
    // Processes that outlived their agent are ended first.
    let strays = sandbox(Session::Strays { pids: vec![7] });
    scene.sandbox("shop-nux", strays);
    assert_eq!(events(&scene.plan(&key())), [""; 0]);
    let ask = Ask::Attempts(AskAttempts("shop-a-uid".into()));
    scene.sandbox("shop-nux", sandbox(Session::None)).unknown(ask, "a disk does not answer");
    let plan = scene.plan(&key());
    assert_eq!(plan.effects, []);
    assert_eq!(plan.status[0].status["session"]["over"], Value::from(false), "nothing is forgotten");
}
