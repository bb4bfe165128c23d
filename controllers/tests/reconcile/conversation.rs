//! Conversations: which one an attempt begins or goes on with, and whether its agent may run at all.

use crate::common::*;
use crate::polecat::{died, key, run, sandbox, scene};
use gastown_controllers::plan::Effect;
use gastown_controllers::world::*;
use gastown_crds::merge_request::MergeState;
use gastown_crds::session_variables::SESSION_VARIABLES;
use gastown_crds::{Runtime, Town};
use serde_json::{Value, json};

/// A Runtime whose agent talks: `spec` beside its command.
fn talker(spec: Value) -> Runtime {
    let mut all = json!({
        "command": ["talk"], "start": ["begin", "$(GT_CONVERSATION)"], "resume": ["resume", "$(GT_CONVERSATION)"],
    });
    all.as_object_mut().unwrap().extend(spec.as_object().cloned().unwrap_or_default());
    object("talker", all)
}

/// A scene in which a polecat with this Runtime has had these attempts, which are of it where they name none.
fn after(spec: Value, attempts: Vec<Attempt>) -> Scene {
    let of_it = |run: Attempt| Attempt { runtime: run.runtime.or_else(|| Some("talker".into())), ..run };
    let attempts = attempts.into_iter().map(of_it).collect();
    let mut scene = scene();
    let mut talks = rig("shop");
    talks.spec.runtime = Some("talker".into());
    scene.rig(talks);
    scene.add(talker(spec));
    scene.known(Ask::Program(AskProgram("talk".into())), Fact::Program(true));
    scene.sandbox("shop-nux", sandbox(Session::None)).runs("shop-a", attempts);
    scene
}

/// The session that is started; or what happens instead.
fn started(scene: &Scene) -> Result<SessionSpec, String> {
    let plan = scene.plan(&key());
    let started = plan.effects.iter().find_map(|effect| match effect {
        Effect::Act(Act::EnsureSession { spec, .. }) => Some(spec.clone()),
        _ => None,
    });
    started.ok_or_else(|| said(&plan))
}

/// Its command, with the conversation that its variable names.
fn command(scene: &Scene) -> String {
    let named = |spec: &SessionSpec| spec.variable("GT_CONVERSATION").unwrap_or("-").to_owned();
    started(scene).map_or_else(|instead| instead, |spec| format!("{} | {}", spec.command.join(" "), named(&spec)))
}

/// What its agent is told first.
fn prompt(scene: &Scene) -> String {
    started(scene).map_or_else(|instead| instead, |spec| spec.variable("GT_PROMPT").unwrap_or("-").to_owned())
}

fn talk(id: &str) -> Conversation {
    Conversation { id: id.into(), sandbox_uid: "shop-nux-uid".into(), account: None }
}

/// That an agent ended by itself with this code.
fn ended(second: i64, code: i32) -> AttemptState {
    match died(second) {
        AttemptState::Ended(end) => AttemptState::Ended(AttemptEnd { code, ..end }),
        other => other,
    }
}

fn lost(attempt: u32) -> Attempt {
    run(attempt, AttemptState::Lost { at: at(900) })
}

const RESUMES: &str = "talk resume $(GT_CONVERSATION) | ";

#[test]
fn the_variables_of_its_session_are_those_that_are_listed() {
    let spec = started(&after(json!({"conversation": "Assigned", "sessionVariable": "TALK"}), vec![])).unwrap();
    let names: Vec<_> = spec.env.iter().map(|it| it.name.as_str()).collect();
    assert!(names.contains(&"GT_CONVERSATION") && names.contains(&"GT_SESSION_VARIABLE"), "{names:?}");
    for name in names {
        assert!(SESSION_VARIABLES.iter().any(|it| it.name == name), "{name} is not listed");
    }
}

#[test]
fn what_its_runtime_declares_of_its_environment_and_its_end_is_passed_on() {
    let declared = json!({
        "envFrom": [{"file": {"path": "~/keys", "optional": true}}, {"command": {"argv": ["pass"], "name": "KEY"}}],
        "terminationGracePeriodSeconds": 30,
    });
    let runtime = started(&after(declared.clone(), vec![])).unwrap().runtime;
    assert_eq!(serde_json::to_value(&runtime.env_from).unwrap(), declared["envFrom"]);
    assert_eq!(runtime.grace_seconds, Some(30));
}

#[test]
fn the_first_attempt_begins_a_conversation() {
    assert_eq!(command(&after(json!({}), vec![])), "talk begin $(GT_CONVERSATION) | -");
    let assigned = json!({"conversation": "Assigned"});
    let first = command(&after(assigned.clone(), vec![]));
    insta::assert_snapshot!(first, @"talk begin $(GT_CONVERSATION) | 8d99bf0c-4def-5f75-8fd0-d28cf0bf5c64");
    // A program does not take an id twice.
    assert_ne!(command(&after(assigned, vec![run(1, died(900))])), first);
}

#[test]
fn what_was_reported_goes_on() {
    let reported = Attempt { conversation: Some(talk("t-1")), ..run(1, died(900)) };
    assert_eq!(command(&after(json!({}), vec![reported.clone()])), format!("{RESUMES}t-1"));
    assert_eq!(command(&after(json!({"conversation": "Assigned"}), vec![reported.clone()])), format!("{RESUMES}t-1"));
    // Where it was lost with its machine before it could report anything, it is that of the one before.
    assert_eq!(command(&after(json!({}), vec![reported.clone(), lost(2)])), format!("{RESUMES}t-1"));
    // One that came to an end by itself, and reported nothing, may not have found it; one that was killed says nothing of that.
    let ended = |code| after(json!({}), vec![reported.clone(), run(2, ended(600, code))]);
    assert_eq!(command(&ended(1)), "talk begin $(GT_CONVERSATION) | -");
    assert_eq!(command(&ended(137)), format!("{RESUMES}t-1"));
    // Nothing goes on where there is no way to.
    assert_eq!(command(&after(json!({"resume": []}), vec![reported])), "talk begin $(GT_CONVERSATION) | -");
}

#[test]
fn what_another_program_worktree_or_text_had_does_not_go_on() {
    let begins = "talk begin $(GT_CONVERSATION) | -";
    let with = |conversation: Conversation| Attempt { conversation: Some(conversation), ..run(1, died(900)) };
    let own = talk("t-1");
    let other = Attempt { runtime: Some("other".into()), ..with(own.clone()) };
    assert_eq!(command(&after(json!({}), vec![other])), begins);
    let elsewhere = with(Conversation { sandbox_uid: "shop-toe-uid".into(), ..own.clone() });
    assert_eq!(command(&after(json!({}), vec![elsewhere])), begins);
    let older = Attempt { work: "older".into(), ..with(own) };
    assert_eq!(command(&after(json!({}), vec![older])), begins);
}

#[test]
fn a_conversation_that_agents_leave_is_left() {
    let with = |count: u32, code: i32| {
        let ended = |n: u32| run(n, ended(i64::from(n), code));
        (1..=count).map(|n| Attempt { conversation: Some(talk("t-1")), ..ended(n) }).collect()
    };
    let ends = |count| with(count, 1);
    assert_eq!(command(&after(json!({}), ends(2))), format!("{RESUMES}t-1"));
    assert_eq!(command(&after(json!({}), ends(3))), "talk begin $(GT_CONVERSATION) | -");
    assert_eq!(command(&after(json!({}), with(3, 137))), format!("{RESUMES}t-1"), "it was killed");
}

#[test]
fn work_that_came_back_goes_on_unless_it_is_done_anew() {
    let reported = Attempt { conversation: Some(talk("t-1")), ..run(1, died(900)) };
    let back = |spec: Value| {
        let mut scene = after(spec, vec![reported.clone()]);
        scene.request(request("shop-a", "shop", 1, MergeState::Rejected));
        scene.sandbox(
            "shop-nux",
            SandboxFacts { sandbox: Some(crate::polecat::prepared(1)), ..SandboxFacts::default() },
        );
        scene.add(crate::polecat::step(1));
        scene
    };
    assert_eq!(command(&back(json!({}))), format!("{RESUMES}t-1"));
    assert_eq!(command(&back(json!({"onRework": "Restart"}))), "talk begin $(GT_CONVERSATION) | -");
}

#[test]
fn agents_that_skip_prompts_run_where_the_town_trusts_them() {
    let mut scene = after(json!({"skipsPermissions": true}), vec![]);
    insta::assert_snapshot!(said(&scene.plan(&key())), @"
    shop-nux waits with shop-a for its Rig
    shop-nux: Stalled Ready=False NotTrusted (Runtime `talker` lets its agent run any command without asking, and the Town has `trust: None`)
    ");
    assert!(scene.add(object::<Town>("town", json!({"trust": "Full"}))).contains(&key()), "it looks again");
    assert_eq!(command(&scene), "talk begin $(GT_CONVERSATION) | -");
}

#[test]
fn what_was_asked_is_told_with_the_answer() {
    let reported = Attempt { conversation: Some(talk("t-1")), ..run(1, died(900)) };
    let mut scene = after(json!({"resumePrompt": "Go on."}), vec![reported]);
    let mut asked = claimed(bead("shop-a", "shop"), "shop-nux");
    let question = json!({
        "name": "q1", "text": "Tabs or spaces?", "attempt": 1, "by": "shop/polecats/nux", "at": at(900),
        "answer": {"text": "spaces", "by": "kim", "at": at(950)},
    });
    asked.spec.questions = vec![serde_json::from_value(question).unwrap()];
    scene.bead(asked);
    insta::assert_snapshot!(prompt(&scene), @"
    You asked: Tabs or spaces?

    The answer, by kim: spaces

    Go on. `gt hook` shows where you stand.
    ");
    scene.bead(claimed(bead("shop-a", "shop"), "shop-nux"));
    assert_eq!(prompt(&scene), "Go on.");
}
