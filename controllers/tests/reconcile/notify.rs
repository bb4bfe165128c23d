//! Telling people by the town's own command: one message for each object and cause, tried again a bounded number of times.

use std::collections::BTreeMap;

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::kinds::town::{CONTROLLER, NAME, NOTIFY};
use gastown_controllers::plan::{Effect, Plan};
use gastown_controllers::view::View;
use gastown_controllers::world::*;
use gastown_crds::bead::BeadState;
use gastown_crds::{Bead, Convoy, Polecat, Town};
use serde_json::{Value, json};

/// A scene with the jobs that were begun in it.
struct Telling {
    scene: Scene,
    jobs: BTreeMap<JobKey, JobState>,
}

impl Telling {
    fn with(notify: Value) -> Self {
        let mut scene = Scene::default();
        scene.rig(rig("shop"));
        scene.add::<Town>(object("town", json!({"notify": notify})));
        Self { scene, jobs: BTreeMap::new() }
    }

    fn plan(&mut self, key: &Key) -> Plan {
        self.scene.facts.retain(|ask, _| !matches!(ask, Ask::Job(_) | Ask::Newest(_)));
        loop {
            let view = View::new(self.scene.now, &self.scene.objects, &self.scene.facts, None);
            let plan = key.reconcile(&view);
            let missing = view.missing();
            if missing.is_empty() {
                return plan;
            }
            for ask in missing {
                let fact = match &ask {
                    Ask::Job(key) => Fact::Job(self.jobs.get(key).cloned().unwrap_or(JobState::Absent)),
                    Ask::Newest(Track::Messages(_)) => Fact::Newest(self.running()),
                    other => panic!("asked for {other:?}"),
                };
                self.scene.known(ask, fact);
            }
        }
    }

    fn running(&self) -> Option<JobKey> {
        self.jobs.iter().find(|(_, state)| **state == JobState::Running).map(|(key, _)| key.clone())
    }

    /// The town's status is written, and a message is sent if there is one; what the command gets.
    fn turn(&mut self) -> Option<Value> {
        let plan = self.plan(&CONTROLLER.key(NAME));
        assert_eq!(plan.effects, [], "it waits for no job's slot");
        if let Some(write) = plan.status.first() {
            let mut town = Town::clone(self.scene.objects.town().unwrap());
            town.status = Some(serde_json::from_value(write.status.clone()).unwrap());
            self.scene.add(town);
        }
        let plan = self.plan(&NOTIFY.single_key().unwrap());
        let [Effect::Act(Act::EnsureJob(job))] = &plan.effects[..] else { return None };
        let Job::Notify { facts, .. } = job else { panic!("another job: {job}") };
        assert_eq!(self.jobs.insert(job.key(), JobState::Running), None, "no job is begun twice");
        Some(serde_json::from_str(facts).unwrap())
    }

    /// What runs has ended so.
    fn ends(&mut self, code: i32) {
        let at = self.scene.now;
        for state in self.jobs.values_mut().filter(|state| **state == JobState::Running) {
            *state = JobState::Exited(Exited { code, at, tail: "no such room".into() });
        }
    }

    /// The names of all that is told until nothing more is.
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(facts) = self.turn() {
            told.push(
                format!("{} {} {}", facts["event"].as_str().unwrap(), facts["name"], facts["reason"]).replace('"', ""),
            );
            self.ends(0);
        }
        told
    }

    fn failed(&mut self) -> (String, String) {
        let plan = self.plan(&CONTROLLER.key(NAME));
        let town = self.scene.objects.town().unwrap();
        let status = plan.status.first().map_or_else(|| json!(town.status), |write| write.status.clone());
        let found = status["conditions"].as_array().unwrap().iter().find(|it| it["type"] == "NotifyFailed").unwrap();
        (found["status"].as_str().unwrap().to_owned(), found["message"].as_str().unwrap().to_owned())
    }

    fn asks(&mut self, bead_name: &str, questions: Value) {
        let mut asking = in_state(bead(bead_name, "shop"), BeadState::Waiting);
        asking.spec.questions = serde_json::from_value(questions).unwrap();
        asking.status.as_mut().unwrap().conditions = vec![not_ready("Asking", "")];
        self.scene.add(asking);
    }
}

fn not_ready(reason: &str, message: &str) -> gastown_crds::common::Condition {
    let condition =
        json!({"type": "Ready", "status": "False", "reason": reason, "message": message, "lastTransitionTime": at(0)});
    serde_json::from_value(condition).unwrap()
}

fn question(name: &str, answer: Option<&str>) -> Value {
    let answer = answer.map(|text| json!({"text": text, "by": "kim", "at": at(900)}));
    let question = json!({
        "name": name, "text": "Tabs or spaces?", "options": ["tabs", "spaces"], "attempt": 1, "by": "shop/polecats/nux", "at": at(500),
    });
    let mut question = question;
    if let Some(answer) = answer {
        question["answer"] = answer;
    }
    question
}

fn command() -> Value {
    json!({"command": ["tell-me"]})
}

#[test]
fn a_question_is_told_once_with_what_answers_it() {
    let mut town = Telling::with(command());
    assert_eq!(town.turn(), None, "nothing needs anybody");
    town.asks("shop-a", json!([question("q1", None)]));
    assert_eq!(
        town.turn().unwrap(),
        json!({
            "event": "NeedsPerson", "kind": "Bead", "namespace": "", "name": "shop-a", "uid": "shop-a-uid", "reason": "Asking",
            "message": "Tabs or spaces?", "since": "1970-01-01T00:08:20Z", "next": "gt answer shop-a \"...\"",
            "question": "Tabs or spaces?", "options": ["tabs", "spaces"], "by": "shop/polecats/nux",
        })
    );
    assert_eq!(town.turn(), None, "it is being sent");
    town.ends(0);
    assert_eq!(town.told(), Vec::<String>::new());
    // What was begun is not on record any more, as after a long while: that it was sent stands in the status.
    town.jobs.clear();
    assert_eq!(town.told(), Vec::<String>::new());
    // Another question is another cause.
    town.asks("shop-a", json!([question("q1", Some("tabs")), question("q2", None)]));
    assert_eq!(town.told(), ["NeedsPerson shop-a Asking"]);
}

#[test]
fn a_gate_that_waits_for_a_person_is_told_once_and_one_that_waits_for_a_time_is_not() {
    let mut town = Telling::with(command());
    for (name, reason) in [("shop-g", "AwaitsApproval"), ("shop-o", "GateOverdue"), ("shop-t", "AwaitsTime")] {
        let mut gate = in_state(bead(name, "shop"), BeadState::Waiting);
        gate.status.as_mut().unwrap().conditions = vec![not_ready(reason, "waits")];
        town.scene.add(gate);
    }
    let first = town.turn().unwrap();
    assert_eq!((&first["name"], &first["next"]), (&json!("shop-g"), &json!("gt gate approve shop-g")));
    town.ends(0);
    assert_eq!(town.told(), ["NeedsPerson shop-o GateOverdue"]);
}

/// Bead and polecat say for a moment longer what was answered.
#[test]
fn what_was_just_answered_is_told_of_nobody() {
    for (reason, stuck) in [("Asking", false), ("Stuck", true)] {
        let mut town = Telling::with(command());
        let mut answered = question("q1", Some("tabs"));
        answered["stuck"] = stuck.into();
        let mut bead = in_state(bead("shop-a", "shop"), BeadState::SetAside);
        bead.spec.questions = vec![serde_json::from_value(answered).unwrap()];
        let mut set_aside = not_ready(reason, "Tabs or spaces?");
        set_aside.type_ = "SetAside".to_owned();
        bead.status.as_mut().unwrap().conditions = vec![set_aside];
        if !stuck {
            bead.status.as_mut().unwrap().state = BeadState::Waiting;
        }
        town.scene.add(bead);
        let mut polecat: Polecat = polecat("shop", "nux");
        let status = polecat.status.get_or_insert_default();
        status.bead = Some("shop-a".to_owned());
        status.conditions = vec![not_ready("Asking", "Tabs or spaces?")];
        town.scene.add(polecat.clone());
        assert_eq!(town.told(), Vec::<String>::new(), "{reason}");
        // Another question, on its own screen.
        polecat.status.as_mut().unwrap().conditions = vec![not_ready("Asking", "Which file?")];
        town.scene.add(polecat);
        assert_eq!(town.told(), ["NeedsPerson shop-nux Asking"]);
    }
}

#[test]
fn a_cause_that_comes_and_goes_is_told_again_only_after_a_while() {
    let mut town = Telling::with(command());
    let stands = |town: &mut Telling, reason: &str| {
        let mut polecat: Polecat = polecat("shop", "nux");
        polecat.status.get_or_insert_default().conditions = vec![not_ready(reason, "it waits")];
        town.scene.add(polecat);
    };
    stands(&mut town, "DialogOpen");
    assert_eq!(town.told(), ["NeedsPerson shop-nux DialogOpen"]);
    stands(&mut town, "Switching");
    assert_eq!(town.told(), Vec::<String>::new());
    let plan = town.plan(&CONTROLLER.key(NAME));
    assert_eq!(plan.requeue, Some(at(1600)), "it is forgotten then");
    town.scene.now = at(1599);
    stands(&mut town, "DialogOpen");
    assert_eq!(town.told(), Vec::<String>::new());
    stands(&mut town, "Switching");
    assert_eq!(town.told(), Vec::<String>::new());
    town.scene.now = at(2200);
    assert_eq!(town.told(), Vec::<String>::new());
    stands(&mut town, "DialogOpen");
    assert_eq!(town.told(), ["NeedsPerson shop-nux DialogOpen"]);
}

#[test]
fn what_fails_is_tried_again_so_often_and_keeps_nothing_else_from_being_told() {
    let mut town = Telling::with(command());
    town.asks("shop-a", json!([question("q1", None)]));
    let mut tries = 0;
    for _ in 0..100 {
        if town.turn().is_some() {
            tries += 1;
            town.ends(1);
        }
        town.scene.now += std::time::Duration::from_mins(1);
    }
    assert_eq!(tries, 10);
    let words = "telling people of Bead `shop-a` failed 10 times: no such room".to_owned();
    assert_eq!(town.failed(), ("True".to_owned(), words));
    town.asks("shop-b", json!([question("q1", None)]));
    assert_eq!(town.told(), ["NeedsPerson shop-b Asking"]);
    // Corrected, it is tried again.
    let mut corrected = Town::clone(town.scene.objects.town().unwrap());
    corrected.spec.notify.as_mut().unwrap().command = vec!["tell-her".into()];
    corrected.metadata.generation = Some(2);
    town.scene.add(corrected);
    assert_eq!(town.told(), ["NeedsPerson shop-a Asking"]);
    assert_eq!(town.failed().0, "False");
}

#[test]
fn a_failure_waits_and_what_cannot_be_seen_sends_nothing() {
    let mut town = Telling::with(command());
    town.asks("shop-a", json!([question("q1", None)]));
    assert!(town.turn().is_some());
    town.ends(1);
    assert_eq!(town.turn(), None, "not at once");
    assert_eq!(town.failed().0, "True");
    let key = town.jobs.keys().next().unwrap().clone();
    town.scene.unknown(Ask::Job(key.clone()), "no answer");
    let view = View::new(town.scene.now, &town.scene.objects, &town.scene.facts, None);
    let plan = NOTIFY.single_key().unwrap().reconcile(&view);
    assert_eq!(plan.effects, []);
    let plan = CONTROLLER.key(NAME).reconcile(&view);
    assert!(said(&plan).contains("NotifyFailed=Unknown"), "{}", said(&plan));
}

#[test]
fn of_convoys_those_are_told_that_were_asked_for() {
    let convoy = |name: &str, status: &str, reason: &str, since: i64| {
        let mut convoy: Convoy = object(name, json!({"rig": "shop", "beads": [{"name": "a", "title": "Do a"}]}));
        let landed = json!({"type": "Landed", "status": status, "reason": reason, "message": "", "lastTransitionTime": at(since)});
        convoy.status.get_or_insert_default().conditions = vec![serde_json::from_value(landed).unwrap()];
        convoy
    };
    let told = |notify: Value| {
        let mut town = Telling::with(notify);
        town.scene.now = at(10_000);
        town.scene.add(convoy("auth", "False", "NeedsYou", 0));
        town.scene.add(convoy("busy", "False", "InProgress", 0));
        town.scene.add(convoy("landed", "True", "Landed", 9000));
        town.scene.add(convoy("long-ago", "True", "Landed", 1000));
        town.told()
    };
    assert_eq!(told(command()), ["ConvoyFailed auth NeedsYou"]);
    let landed = json!({"command": ["tell-me"], "events": ["ConvoyLanded"]});
    assert_eq!(told(landed), ["ConvoyLanded landed Landed"]);
}

#[test]
fn a_convoy_is_told_of_that_asks_for_it() {
    let convoy = |name: &str, notify: Option<bool>| {
        let mut convoy: Convoy = object(name, json!({"rig": "shop", "beads": [{"name": "a", "title": "Do a"}]}));
        convoy.spec.notify = notify;
        let landed = json!({"type": "Landed", "status": "True", "reason": "Landed", "message": "", "lastTransitionTime": at(9000)});
        convoy.status.get_or_insert_default().conditions = vec![serde_json::from_value(landed).unwrap()];
        convoy
    };
    let mut town = Telling::with(command());
    town.scene.now = at(10_000);
    for (name, notify) in [("asks", Some(true)), ("does-not", Some(false)), ("says-nothing", None)] {
        town.scene.add(convoy(name, notify));
    }
    assert_eq!(town.told(), ["ConvoyLanded asks Landed"]);
}

#[test]
fn what_one_login_lacks_is_told_once_and_a_bead_is_told_of_for_its_polecat() {
    let mut town = Telling::with(command());
    for name in ["nux", "toast"] {
        let mut polecat: Polecat = polecat("shop", name);
        let status = polecat.status.get_or_insert_default();
        status.conditions = vec![not_ready("LoginRequired", "Please run /login")];
        status.bead = Some(format!("shop-{name}-a"));
        town.scene.add(polecat);
        town.scene.add(in_state(bead(&format!("shop-{name}-a"), "shop"), BeadState::Waiting));
    }
    assert_eq!(town.told(), ["NeedsPerson script LoginRequired"]);
    let mut aside = in_state(bead("shop-b", "shop"), BeadState::SetAside);
    let set_aside = json!({"type": "SetAside", "status": "True", "reason": "TooManyAttempts", "message": "", "lastTransitionTime": at(0)});
    aside.status.as_mut().unwrap().conditions = vec![serde_json::from_value(set_aside).unwrap()];
    town.scene.add::<Bead>(aside);
    assert_eq!(town.told(), ["NeedsPerson shop-b TooManyAttempts"]);
}

#[test]
fn the_town_looks_again_at_what_people_may_be_told_and_without_a_command_at_nothing() {
    let wakes = |town: &mut Telling| {
        let mut polecat: Polecat = polecat("shop", "nux");
        town.scene.add(polecat.clone());
        polecat.status.get_or_insert_default().conditions = vec![not_ready("DialogOpen", "")];
        town.scene.add(polecat).contains(&CONTROLLER.key(NAME))
    };
    let mut town = Telling::with(command());
    assert!(wakes(&mut town));
    assert!(town.turn().is_some());
    let mut silent = Town::clone(town.scene.objects.town().unwrap());
    silent.spec.notify = None;
    assert!(town.scene.add(silent).contains(&NOTIFY.single_key().unwrap()));
    town.ends(0);
    assert!(!wakes(&mut town));
    assert_eq!(town.turn(), None);
    let status = town.scene.objects.town().unwrap().status.clone().unwrap();
    assert!(status.notifications.is_empty() && status.conditions.iter().all(|it| it.type_ != "NotifyFailed"));
}
