//! Accounts: a refusal is said of the account, which is left alone until its provider takes it again; the next one is used.

use crate::common::*;
use crate::polecat::{key, run, sandbox, scene};
use gastown_controllers::key::Key;
use gastown_controllers::kinds::town::{CONTROLLER, NAME};
use gastown_controllers::plan::{Effect, Plan};
use gastown_controllers::world::*;
use gastown_crds::bead::BeadState;
use gastown_crds::polecat::{Activity, ActivityState};
use gastown_crds::{Polecat, Runtime, Town};
use serde_json::{Value, json};

/// A scene whose Runtime resumes conversations, and a town with these accounts.
fn town_with(accounts: Value) -> Scene {
    let mut scene = scene();
    let runtime = json!({"command": ["gt:script"], "resume": ["--resume", "$(GT_CONVERSATION)"], "dialect": "Claude"});
    scene.add::<Runtime>(object("script", runtime));
    scene.add::<Town>(object("town", json!({"capacity": {"polecats": 2}, "accounts": accounts})));
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", vec![]);
    scene
}

fn two() -> Value {
    let account = |name: &str| json!({"name": name, "runtimes": ["script"], "env": [{"name": "CLAUDE_CONFIG_DIR", "value": format!("/logins/{name}")}]});
    json!([account("work"), account("home")])
}

fn activity(state: ActivityState, account: &str, since: i64, until: Option<i64>) -> Activity {
    let (message, account) = (Some("429".to_owned()), Some(account.to_owned()));
    Activity { state, since: at(since), message, until: until.map(at), account }
}

/// An attempt in a conversation that ended by itself at second 950, after its agent had reported this.
fn ended(attempt: u32, reported: Activity) -> Attempt {
    let account = reported.account.clone();
    let end = AttemptEnd {
        code: 1,
        own: true,
        at: at(950),
        tail: String::new(),
        out_of_memory: None,
        activity: Some(reported),
    };
    let conversation = Some(Conversation { id: "c1".into(), sandbox_uid: "shop-nux-uid".into(), account });
    Attempt { conversation, runtime: Some("script".into()), ..run(attempt, AttemptState::Ended(end)) }
}

/// The statuses of a plan are those of the objects now.
fn written(scene: &mut Scene, plan: &Plan) {
    for write in &plan.status {
        match write.object.kind.name {
            "Town" => {
                let mut town = Town::clone(scene.objects.town().unwrap());
                town.status = Some(serde_json::from_value(write.status.clone()).unwrap());
                scene.add(town);
            }
            "Polecat" => {
                let mut polecat = Polecat::clone(scene.objects.get::<Polecat>("shop-nux").unwrap());
                polecat.status = Some(serde_json::from_value(write.status.clone()).unwrap());
                scene.add(polecat);
            }
            other => panic!("a status of a {other}"),
        }
    }
}

/// The polecat looks, and then the town does; the plan of the polecat.
fn turn(scene: &mut Scene) -> Plan {
    let plan = scene.plan(&key());
    written(scene, &plan);
    let town = scene.plan(&CONTROLLER.key(NAME));
    written(scene, &town);
    plan
}

/// The accounts, each with whether it is available, why not and until when.
fn accounts(scene: &Scene) -> Vec<String> {
    let town = scene.objects.town().unwrap();
    let words = |account: &gastown_crds::town::AccountStatus| {
        let available = &account.conditions[0];
        let until = account.until.map(|until| format!(" until {}", until.as_second())).unwrap_or_default();
        format!("{} {} {}{until}", account.name, json!(available.status), available.reason).replace('"', "")
    };
    town.status.as_ref().unwrap().accounts.iter().map(words).collect()
}

/// What the session that a plan starts gets.
fn started(plan: &Plan) -> &SessionSpec {
    let start = plan.effects.iter().find_map(|effect| match effect {
        Effect::Act(Act::EnsureSession { spec, .. }) => Some(spec),
        _ => None,
    });
    start.unwrap_or_else(|| panic!("no session is started: {}", said(plan)))
}

fn dispatch() -> Key {
    gastown_controllers::polecat::DISPATCH.single_key().unwrap()
}

#[test]
fn the_first_that_is_declared_is_used_and_the_next_while_it_is_refused() {
    let mut scene = town_with(two());
    let plan = turn(&mut scene);
    let spec = started(&plan);
    assert_eq!(spec.variable("GT_ACCOUNT"), Some("work"));
    assert_eq!(spec.runtime.env[0].value, "/logins/work");
    assert_eq!(accounts(&scene), ["work True Ok", "home True Ok"]);

    scene.runs("shop-a", vec![ended(1, activity(ActivityState::Limited, "work", 940, Some(9000)))]);
    let plan = turn(&mut scene);
    let spec = started(&plan);
    assert_eq!((spec.attempt, spec.variable("GT_ACCOUNT")), (2, Some("home")));
    assert_eq!(spec.runtime.env[0].value, "/logins/home");
    // A conversation lies where the login does.
    assert_eq!(spec.variable("GT_CONVERSATION"), None);
    assert!(!spec.command.contains(&"--resume".to_owned()), "{:?}", spec.command);
    assert_eq!(accounts(&scene), ["work False Limited until 9000", "home True Ok"]);
    // Once its provider takes it again, it comes first again, and its conversation goes on.
    scene.now = at(9000);
    let plan = turn(&mut scene);
    assert_eq!(started(&plan).variable("GT_ACCOUNT"), Some("work"));
    assert_eq!(started(&plan).variable("GT_CONVERSATION"), Some("c1"));
    assert_eq!(accounts(&scene), ["work True Ok until 9000", "home True Ok"]);
}

#[test]
fn where_all_are_refused_nobody_is_started_until_the_first_is_taken_again() {
    let mut scene = town_with(two());
    let refused = [
        ended(1, activity(ActivityState::Limited, "work", 940, Some(9000))),
        ended(2, activity(ActivityState::LoginRequired, "home", 945, Some(5000))),
    ];
    scene.runs("shop-a", refused[..1].to_vec());
    turn(&mut scene);
    scene.runs("shop-a", refused.to_vec());
    insta::assert_snapshot!(said(&turn(&mut scene)), @"
    shop-nux waits with shop-a for its Bead
    shop-nux: Stalled Ready=False LoginRequired (account `home` was refused by its model's provider, and is left alone until 1970-01-01T01:23:20Z: 429)
    again at 5000
    ");
    assert_eq!(accounts(&scene), ["work False Limited until 9000", "home False LoginRequired until 5000"]);
    // Others of its Runtime are not begun either, and are once that is over.
    scene.bead(in_state(bead("shop-b", "shop"), BeadState::Ready));
    assert_eq!(said(&scene.plan(&dispatch())), "again at 5000");
    scene.now = at(5000);
    assert!(said(&scene.plan(&dispatch())).starts_with("create polecat"), "{}", said(&scene.plan(&dispatch())));
    assert_eq!(started(&turn(&mut scene)).variable("GT_ACCOUNT"), Some("home"));
}

#[test]
fn a_runtime_without_an_account_has_one_of_its_own_and_is_asked_again_ever_later() {
    let mut scene = town_with(json!([]));
    let refused = |attempt, since| ended(attempt, activity(ActivityState::Limited, "script", since, None));
    scene.runs("shop-a", vec![refused(1, 950)]);
    let plan = turn(&mut scene);
    assert!(said(&plan).contains("Limited (account `script` was refused"), "{}", said(&plan));
    assert_eq!(accounts(&scene), ["script False Limited until 1010"]);
    for (since, until) in [(1010, 1130), (1130, 1370), (1370, 1850), (90_000, 90_060)] {
        scene.now = at(since);
        scene.runs("shop-a", vec![refused(1, since)]);
        turn(&mut scene);
        assert_eq!(accounts(&scene), [format!("script False Limited until {until}")]);
    }
    // A session that works by it says that it is taken again.
    scene.now = at(90_010);
    let busy = Some(activity(ActivityState::Busy, "script", 90_005, None));
    let session = Session::Running { owner_uid: "shop-a-uid".into(), attempt: 2 };
    scene.sandbox("shop-nux", SandboxFacts { activity: busy, ..sandbox(session) });
    turn(&mut scene);
    assert_eq!(accounts(&scene), Vec::<String>::new());
}

#[test]
fn an_overload_is_nobodys_account() {
    let mut scene = town_with(two());
    scene.runs("shop-a", vec![ended(1, activity(ActivityState::Overloaded, "work", 940, None))]);
    let plan = turn(&mut scene);
    assert_eq!(started(&plan).variable("GT_ACCOUNT"), Some("work"));
    assert_eq!(accounts(&scene), ["work True Ok", "home True Ok"]);
}

#[test]
fn a_session_that_is_refused_is_ended_where_another_account_is_there() {
    let ends = |declared: Value| {
        let mut scene = town_with(declared);
        let refused = Some(activity(ActivityState::Limited, "work", 990, Some(9000)));
        let session = Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 };
        scene.sandbox("shop-nux", SandboxFacts { activity: refused, ..sandbox(session) });
        said(&turn(&mut scene)).starts_with("end the session of shop-nux")
    };
    assert!(ends(two()));
    // Alone, it gets its own tries first.
    assert!(!ends(json!([{"name": "work", "runtimes": ["script"]}])));
}

#[test]
fn a_refusal_from_before_an_account_has_worked_does_not_close_it_again() {
    for (declared, open) in [(two(), vec!["work True Ok", "home True Ok"]), (json!([]), vec!["work True Ok"])] {
        let mut scene = town_with(declared);
        let closed = "work False Limited until 9000";
        // Another polecat, which has done nothing since it was refused.
        let mut other: Polecat = object("shop-toe", json!({"rig": "shop", "name": "toe"}));
        let refused = |since| Some(activity(ActivityState::Limited, "work", since, Some(9000)));
        other.status.get_or_insert_default().refused = refused(940);
        scene.add(other.clone());
        turn(&mut scene);
        assert_eq!(accounts(&scene)[0], closed);
        let busy = activity(ActivityState::Busy, "work", 945, None);
        let session = Session::Running { owner_uid: "shop-a-uid".into(), attempt: 1 };
        scene.sandbox("shop-nux", SandboxFacts { activity: Some(busy.clone()), ..sandbox(session) });
        turn(&mut scene);
        assert_eq!(accounts(&scene), open);
        // The session that worked is over.
        scene.sandbox("shop-nux", sandbox(Session::None));
        scene.runs("shop-a", vec![ended(1, busy)]);
        turn(&mut scene);
        assert_eq!(accounts(&scene), open);
        // A later refusal closes it.
        other.status.get_or_insert_default().refused = refused(949);
        scene.add(other);
        turn(&mut scene);
        assert_eq!(accounts(&scene)[0], closed);
    }
}
