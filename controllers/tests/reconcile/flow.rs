//! The flow of a molecule: loops, steps that are left out, attempts, and what is made of a step's output. Only who is woken looks.

use std::collections::BTreeSet;

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::plan::{Effect, Write};
use gastown_crds::Bead;
use gastown_crds::bead::{BeadState, CloseReason, Closed};
use kube::ResourceExt;
use serde_json::{Value, json};

fn key(name: &str) -> Key {
    gastown_controllers::bead::CONTROLLER.key(name)
}

/// A JSON merge patch (RFC 7396).
fn merge(value: &mut Value, patch: &Value) {
    let Some(fields) = patch.as_object() else { return value.clone_from(patch) };
    if !value.is_object() {
        *value = json!({});
    }
    for (key, patch) in fields {
        let object = value.as_object_mut().unwrap();
        if patch.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), patch);
        }
    }
}

/// A molecule, and who has still to look.
struct Molecule {
    scene: Scene,
    woken: BTreeSet<Key>,
    /// The titles of the events that were filed.
    events: Vec<String>,
}

impl Molecule {
    fn new(parts: &[(&str, Value)]) -> Self {
        let mut scene = Scene::default();
        scene.rig(rig("shop"));
        let mut molecule = Self { scene, woken: BTreeSet::new(), events: Vec::new() };
        molecule.add("m", json!({"type": "Molecule", "suspend": false}));
        for (name, spec) in parts {
            molecule.add(name, spec.clone());
        }
        molecule.settle();
        molecule
    }

    /// A bead: a part of the molecule, unless it says otherwise, and suspended.
    fn add(&mut self, name: &str, spec: Value) {
        let mut whole = json!({"title": name, "rig": "shop", "suspend": true, "command": "true"});
        if name != "m" {
            whole["parent"] = json!("m");
        }
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        self.put(object(name, whole));
    }

    fn put(&mut self, bead: Bead) {
        let mut bead = bead;
        bead.metadata.uid = Some(format!("{}-uid", bead.name_any()));
        self.woken.insert(key(&bead.name_any()));
        self.woken.extend(self.scene.add(bead));
    }

    fn bead(&self, name: &str) -> Bead {
        self.scene.objects.get::<Bead>(name).unwrap_or_else(|| panic!("no bead {name}")).as_ref().clone()
    }

    /// Whoever is woken looks, and what is planned comes about, until nobody is.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let Some(next) = self.woken.iter().find(|key| key.to_string().starts_with("bead/")).cloned() else {
                return;
            };
            self.woken.remove(&next);
            let plan = self.scene.plan(&next);
            for effect in &plan.effects {
                match effect {
                    Effect::Write(Write::Create { object, kind, .. }) if kind.name == "Bead" => {
                        self.put(serde_json::from_value(object.clone()).unwrap());
                    }
                    Effect::Write(Write::Create { object, kind, .. }) if kind.name == "BeadEvent" => {
                        self.events.push(object["spec"]["title"].as_str().unwrap().to_owned());
                    }
                    Effect::Write(Write::Patch { object, patch, .. }) => {
                        let mut value = json!(self.bead(&object.name));
                        merge(&mut value, patch);
                        self.put(serde_json::from_value(value).unwrap());
                    }
                    _ => {}
                }
            }
            for status in plan.status {
                let mut bead = self.bead(&status.object.name);
                bead.status = Some(serde_json::from_value(status.status).unwrap());
                self.woken.extend(self.scene.add(bead));
            }
        }
        panic!("it does not come to rest");
    }

    /// Somebody closes a bead.
    fn close(&mut self, name: &str, reason: CloseReason) {
        let mut bead = self.bead(name);
        bead.spec.closed = Some(Closed { reason, message: None, at: at(1), by: "kim".into() });
        self.put(bead);
        self.settle();
    }

    fn close_with(&mut self, name: &str, output: Value) {
        let mut bead = self.bead(name);
        bead.spec.metadata = Some(json!({ "output": output }).to_string());
        self.put(bead);
        self.close(name, CloseReason::Merged);
    }

    /// How each bead stands: its state, or how it was closed.
    fn shown(&self) -> String {
        let line = |bead: &Bead| {
            let state = match &bead.spec.closed {
                Some(closed) => format!("{} {}", closed.reason, closed.message.clone().unwrap_or_default()),
                None => bead.status.as_ref().map_or(BeadState::Waiting, |status| status.state).to_string(),
            };
            format!("{}: {}", bead.name_any(), state.trim())
        };
        let mut all: Vec<&Bead> = self.scene.objects.all::<Bead>().map(AsRef::as_ref).collect();
        all.sort_by_key(|bead| bead.name_any());
        let all: Vec<String> = all.into_iter().map(line).collect();
        all.join("\n")
    }
}

fn looped(until: &str, max: u32) -> Value {
    let spec = |title: &str, step: &str, needs: Value| {
        json!({"title": title, "rig": "shop", "suspend": true, "parent": "{@1}", "needs": needs,
               "flow": {"step": format!("go.iter{{#1}}.{step}")}})
    };
    let body = json!([
        {"name": "{@1}.{#1}-try", "spec": spec("Try {#1}", "try", json!([]))},
        {"name": "{@1}.{#1}-test", "spec": spec("Test {#1}", "test", json!(["{@1}.{#1}-try"]))},
    ]);
    json!({"type": "Epic", "flow": {"step": "go",
        "repeat": {"until": until, "max": max, "token": "{#1}", "body": body.to_string()}}})
}

fn in_loop(until: &str, max: u32) -> Molecule {
    let first = |step: &str, needs: Value| json!({"parent": "m.go", "needs": needs, "flow": {"step": format!("go.iter1.{step}")}});
    Molecule::new(&[
        ("m.go", looped(until, max)),
        ("m.go.1-try", first("try", json!([]))),
        ("m.go.1-test", first("test", json!(["m.go.1-try"]))),
        ("m.end", json!({"needs": ["m.go"], "flow": {"step": "end"}})),
    ])
}

#[test]
fn a_loop_goes_on_until_its_condition_holds_and_what_needs_it_waits() {
    let mut molecule = in_loop("test.status == 'complete'", 5);
    molecule.close("m.go.1-try", CloseReason::Merged);
    molecule.close("m.go.1-test", CloseReason::Withdrawn);
    insta::assert_snapshot!(molecule.shown(), @"
    m: Waiting
    m.end: Waiting
    m.go: Waiting
    m.go.1-test: Withdrawn
    m.go.1-try: Merged
    m.go.2-test: Waiting
    m.go.2-try: Ready
    ");
    let second = molecule.bead("m.go.2-test");
    assert_eq!((&*second.spec.title, &*second.spec.needs[0]), ("Test 2", "m.go.2-try"));
    assert_eq!(second.spec.created_by.as_deref(), Some("gt"));
    molecule.close("m.go.2-try", CloseReason::Merged);
    molecule.close("m.go.2-test", CloseReason::Merged);
    insta::assert_snapshot!(molecule.shown(), @"
    m: Waiting
    m.end: Ready
    m.go: Done after 2 of 5 iterations: test.status == 'complete'
    m.go.1-test: Withdrawn
    m.go.1-try: Merged
    m.go.2-test: Merged
    m.go.2-try: Merged
    ");
    molecule
        .add("m.late", json!({"needs": ["m.go"], "flow": {"step": "late", "condition": "go.test.status == 'failed'"}}));
    molecule.settle();
    assert!(molecule.shown().contains("m.late: Skipped"), "the last iteration counts: {}", molecule.shown());
    molecule.close("m.end", CloseReason::Merged);
    assert!(molecule.shown().starts_with("m: Done all 3 parts are closed\n"), "{}", molecule.shown());
}

#[test]
fn a_loop_ends_after_its_last_iteration() {
    let mut molecule = in_loop("test.output.ok == 'yes'", 2);
    for name in ["m.go.1-try", "m.go.1-test", "m.go.2-try", "m.go.2-test"] {
        molecule.close(name, CloseReason::Merged);
    }
    let go = molecule.bead("m.go").spec.closed.unwrap();
    assert_eq!(go.message.as_deref(), Some("after all 2 iterations, and not: test.output.ok == 'yes'"));
    let mut molecule = in_loop("test.output.ok == 'yes'", 2);
    molecule.close("m.go.1-try", CloseReason::Merged);
    molecule.close_with("m.go.1-test", json!({"ok": "yes"}));
    assert!(molecule.bead("m.go").spec.closed.is_some(), "{}", molecule.shown());
}

#[test]
fn an_iteration_that_was_begun_is_made_whole_and_what_people_delete_stays_deleted() {
    let mut molecule = in_loop("test.status == 'complete'", 5);
    molecule.close("m.go.1-try", CloseReason::Merged);
    // A controller that died had made one of two.
    let made =
        json!({"title": "Try 2", "rig": "shop", "suspend": true, "parent": "m.go", "flow": {"step": "go.iter2.try"}});
    molecule.put(object("m.go.2-try", made));
    molecule.close("m.go.1-test", CloseReason::Withdrawn);
    assert_eq!(molecule.bead("m.go").spec.flow.unwrap().repeat.unwrap().iteration, 2);
    assert_eq!(molecule.bead("m.go.2-test").spec.title, "Test 2");
    molecule.scene.remove::<Bead>("m.go.2-test");
    molecule.woken.insert(key("m.go"));
    molecule.settle();
    assert!(molecule.scene.objects.get::<Bead>("m.go.2-test").is_none());
    molecule.close("m.go.2-try", CloseReason::Merged);
    assert_eq!(molecule.bead("m.go.3-test").spec.title, "Test 3", "{}", molecule.shown());
}

#[test]
fn a_loop_that_nobody_asked_for_goes_on_as_it_is_worked_through() {
    let mut molecule = in_loop("test.status == 'complete'", 5);
    molecule.add("m", json!({"type": "Molecule", "suspend": true}));
    molecule.close("m.go.1-try", CloseReason::Done);
    molecule.close("m.go.1-test", CloseReason::Withdrawn);
    assert!(molecule.shown().contains("m.go.2-try: Backlog"), "{}", molecule.shown());
}

#[test]
fn a_step_is_left_out_with_its_parts_and_gates_once_its_condition_does_not_hold() {
    let mut molecule = Molecule::new(&[
        ("m.scan", json!({"flow": {"step": "scan"}})),
        (
            "m.fix",
            json!({"type": "Epic", "needs": ["m.scan"], "flow": {"step": "fix", "condition": "scan.output.count > 3"}}),
        ),
        ("m.gate", json!({"type": "Gate", "parent": "m.fix", "gate": {"type": "Human"}, "flow": {"step": "fix.a"}})),
        ("m.fix-a", json!({"parent": "m.fix", "needs": ["m.gate"], "flow": {"step": "fix.a"}})),
        ("m.end", json!({"needs": ["m.fix"], "flow": {"step": "end", "condition": "fix.status == 'skipped'"}})),
    ]);
    molecule.close_with("m.scan", json!({"count": 3}));
    insta::assert_snapshot!(molecule.shown(), @"
    m: Waiting
    m.end: Ready
    m.fix: Skipped its condition does not hold: scan.output.count > 3
    m.fix-a: Skipped it is a part of m.fix, which was left out
    m.gate: Skipped it is a part of m.fix, which was left out
    m.scan: Merged
    ");
}

#[test]
fn a_gate_opens_once_its_condition_on_the_steps_holds() {
    let gate = json!({"type": "Condition", "awaitId": "m", "condition": "steps.complete >= 2"});
    let mut molecule = Molecule::new(&[
        ("m.a", json!({"flow": {"step": "a"}})),
        ("m.b", json!({"flow": {"step": "b"}})),
        ("m.gate", json!({"type": "Gate", "gate": gate, "flow": {"step": "c"}})),
        ("m.c", json!({"needs": ["m.gate"], "flow": {"step": "c"}})),
    ]);
    molecule.close("m.a", CloseReason::Merged);
    assert!(molecule.shown().contains("m.gate: Waiting"), "{}", molecule.shown());
    molecule.close("m.b", CloseReason::Done);
    assert!(molecule.shown().contains("m.gate: Done it holds: steps.complete >= 2"), "{}", molecule.shown());
    assert!(molecule.shown().contains("m.c: Ready"), "{}", molecule.shown());
}

#[test]
fn nobody_is_asked_at_a_gate_about_a_step_that_is_left_out_in_any_case() {
    let gated = |condition: &str| {
        let mut molecule = Molecule::new(&[
            ("m.scan", json!({"flow": {"step": "scan"}})),
            ("m.late", json!({"flow": {"step": "late"}})),
            (
                "m.gate",
                json!({"type": "Gate", "needs": ["m.scan"], "gate": {"type": "Human"}, "flow": {"step": "fix"}}),
            ),
            ("m.fix", json!({"needs": ["m.scan", "m.gate"], "flow": {"step": "fix", "condition": condition}})),
        ]);
        molecule.close_with("m.scan", json!({"count": 3}));
        molecule.shown()
    };
    let left_out = gated("scan.output.count > 3");
    assert!(left_out.contains("m.fix: Skipped") && left_out.contains("m.gate: Skipped"), "{left_out}");
    for asked in ["scan.output.count == 3", "late.status == 'complete'", "steps.complete >= 2"] {
        assert!(gated(asked).contains("m.gate: Waiting"), "{asked}");
    }
}

#[test]
fn a_gate_whose_condition_can_never_hold_says_so() {
    let of = |condition: &str, awaited: &str, needs: &[&str]| {
        let gate = json!({"type": "Condition", "awaitId": awaited, "condition": condition});
        let mut molecule = Molecule::new(&[
            ("m.a", json!({"needs": needs})),
            ("m.b", json!({"needs": ["m.a"]})),
            ("m.c-d", json!({})),
            ("m.gate", json!({"type": "Gate", "gate": gate})),
        ]);
        molecule.close("m.c-d", CloseReason::Withdrawn);
        molecule.shown();
        let status = molecule.bead("m.gate").status.unwrap();
        let ready = status.conditions.iter().find(|it| it.type_ == "Ready").unwrap();
        format!("{}: {}", ready.reason, ready.message.split(": `gt gate").next().unwrap())
    };
    insta::assert_snapshot!([
        of("maybe", "m", &[]).split(" it must").next().unwrap().to_owned(),
        of("m.b.status == 'complete'", "m", &["m.gate"]),
        of("m.c.status == 'complete'", "m", &[]),
        of("m.b.status == 'complete'", "n", &[]),
        of("m.b.status == 'complete'", "m", &[]),
        of("m.c-d.status == 'complete'", "m", &[]),
        of("steps.complete >= 2", "m", &["m.gate"]),
        of("steps.complete >= 2", "m", &[]),
    ].join("\n"), @"
    InvalidFormula: the condition `maybe` cannot be read:
    GateFailed: m.b waits for this gate, which waits for it: m.b.status == 'complete'
    AwaitsCondition: opens once m.c.status == 'complete'; m has no step `m.c` so far
    AwaitsCondition: opens once m.b.status == 'complete'; there is no bead n so far
    AwaitsCondition: opens once m.b.status == 'complete'
    GateFailed: what it is about is closed, and it does not hold: m.c-d.status == 'complete'
    GateFailed: all steps that are left wait for this gate, and it does not hold: steps.complete >= 2
    AwaitsCondition: opens once steps.complete >= 2
    ");
}

/// Between two iterations all parts of a loop are closed, and it goes on: what is left is not only what waits for the gate.
#[test]
fn a_gate_on_the_number_of_steps_waits_for_a_loop_that_goes_on() {
    let gate = json!({"type": "Condition", "awaitId": "m", "condition": "steps.complete >= 4", "onFailure": "Fail"});
    let first = |step: &str, needs: Value| json!({"parent": "m.go", "needs": needs, "flow": {"step": format!("go.iter1.{step}")}});
    let mut molecule = Molecule::new(&[
        ("m.go", looped("test.status == 'complete'", 3)),
        ("m.go.1-try", first("try", json!([]))),
        ("m.go.1-test", first("test", json!(["m.go.1-try"]))),
        ("m.gate", json!({"type": "Gate", "gate": gate})),
        ("m.last", json!({"needs": ["m.gate"]})),
        ("m.both", json!({"type": "Epic"})),
        ("m.both.one", json!({"parent": "m.both", "needs": ["m.gate"]})),
    ]);
    for round in 1..3 {
        molecule.close(&format!("m.go.{round}-try"), CloseReason::Done);
        molecule.close(&format!("m.go.{round}-test"), CloseReason::Withdrawn);
        assert!(molecule.shown().contains("m.gate: Waiting"), "{}", molecule.shown());
    }
    molecule.close("m.go.3-try", CloseReason::Done);
    molecule.close("m.go.3-test", CloseReason::Done);
    assert!(molecule.shown().contains("m.gate: Done it holds"), "{}", molecule.shown());
}

/// A step that lists files, and what is made for each; `m.sum` waits for all of it.
fn listing(sequential: bool) -> Molecule {
    let body = json!([
        {"name": "{@each}.{index}", "spec": {"title": "Review {item.path}", "rig": "shop", "suspend": true, "type": "Molecule", "parent": "{@each}"}},
        {"name": "{@each}.{index}.read", "spec": {"title": "Read {item.path}", "rig": "shop", "suspend": true, "parent": "{@each}.{index}"}},
    ]);
    let each = json!({"field": "files", "sequential": sequential, "body": body.to_string()});
    Molecule::new(&[
        ("m.scan", json!({"flow": {"step": "scan", "forEach": each}})),
        (
            "m.sum",
            json!({"needs": ["m.scan"], "links": [{"to": "m.scan", "type": "waits-for"}], "flow": {"step": "sum"}}),
        ),
    ])
}

#[test]
fn beads_are_made_for_each_item_of_a_steps_output() {
    let mut molecule = listing(false);
    molecule.close_with("m.scan", json!({"files": [{"path": "a.rs"}, {"path": "b.rs"}]}));
    insta::assert_snapshot!(molecule.shown(), @"
    m: Waiting
    m.scan: Merged
    m.scan.0: Waiting
    m.scan.0.read: Ready
    m.scan.1: Waiting
    m.scan.1.read: Ready
    m.sum: Waiting
    ");
    assert_eq!(molecule.bead("m.scan.1.read").spec.title, "Read b.rs");
    assert_eq!(molecule.bead("m.scan").spec.flow.unwrap().for_each.unwrap().made, Some(2));
    molecule.close("m.scan.0.read", CloseReason::Merged);
    molecule.close("m.scan.1.read", CloseReason::Merged);
    assert!(molecule.shown().contains("m.scan.1: Done its one part is closed\n"), "{}", molecule.shown());
    assert!(molecule.shown().ends_with("m.sum: Ready"), "{}", molecule.shown());
    molecule.close("m.sum", CloseReason::Merged);
    assert!(molecule.shown().starts_with("m: Done"), "{}", molecule.shown());
}

#[test]
fn items_come_one_after_the_other_where_the_formula_says_so() {
    let mut molecule = listing(true);
    molecule.close_with("m.scan", json!({"files": [{"path": "a.rs"}, {"path": "b.rs"}]}));
    assert!(
        molecule.shown().contains("m.scan.0.read: Ready\nm.scan.1: Waiting\nm.scan.1.read: Waiting"),
        "{}",
        molecule.shown()
    );
    molecule.close("m.scan.0.read", CloseReason::Merged);
    assert!(molecule.shown().contains("m.scan.1.read: Ready"), "{}", molecule.shown());
}

#[test]
fn no_items_make_nothing_and_too_many_are_said() {
    let mut molecule = listing(false);
    molecule.close("m.scan", CloseReason::Merged);
    assert!(molecule.shown().ends_with("m.sum: Ready"), "{}", molecule.shown());
    assert_eq!(molecule.events, ["Nothing is made of the output of m.scan: it has no list `files`"]);
    let mut molecule = listing(false);
    molecule.close_with("m.scan", json!({"files": []}));
    assert!(molecule.shown().ends_with("m.sum: Ready"), "{}", molecule.shown());
    assert_eq!(molecule.events, [""; 0]);
    let mut molecule = listing(false);
    molecule.close_with("m.scan", json!({"files": vec![0; 257]}));
    assert!(molecule.shown().ends_with("m.sum: Waiting"), "{}", molecule.shown());
    let says = |bead: &str| json!(molecule.bead(bead).status.unwrap()).to_string();
    let why = "its output `files` has 257 items, and at most 256 can be made of it";
    assert!(says("m.scan").contains(why) && says("m").contains(&format!("m.scan: {why}")), "{}", says("m"));
    assert!(says("m").contains("InvalidFormula"), "a person is told");
}

#[test]
fn a_step_is_tried_as_often_as_its_formula_says() {
    let tried = |retry: Value| {
        let mut scene = Scene::default();
        let mut step: Bead = object(
            "shop-a",
            json!({"title": "t", "rig": "shop", "command": "true", "flow": {"step": "a", "retry": retry}}),
        );
        step.status = Some(gastown_crds::bead::BeadStatus {
            last_polecat: Some("shop-nux".into()),
            ..gastown_crds::bead::BeadStatus::default()
        });
        scene.rig(rig("shop")).bead(step.clone());
        let failed = |attempt| crate::bead::ended(&step, attempt, true);
        scene.runs("shop-a", vec![failed(1), failed(2)]);
        said(&scene.plan(&key("shop-a")))
    };
    assert!(tried(json!({"maxAttempts": 3})).contains("Ready=True"));
    assert!(tried(json!({"maxAttempts": 2})).contains("SetAside=True TooManyAttempts"));
    let soft = tried(json!({"maxAttempts": 2, "onExhausted": "SoftFail"}));
    assert!(soft.starts_with("close shop-a Withdrawn\n"), "{soft}");
}

#[test]
fn what_is_held_holds_its_parts_and_the_next_iteration() {
    let mut molecule = in_loop("test.status == 'complete'", 5);
    let said = gastown_crds::overrides::Override {
        mode: gastown_crds::overrides::Mode::Paused,
        by: "kim".into(),
        at: at(1),
        reason: None,
        until: None,
    };
    let mut root = molecule.bead("m");
    let text = serde_json::to_string(&said).unwrap();
    root.metadata.annotations = Some([(gastown_crds::overrides::ANNOTATION_OVERRIDE.to_owned(), text)].into());
    molecule.put(root);
    assert!(molecule.woken.contains(&key("m.go.1-try")), "its parts look again");
    molecule.settle();
    let ready = json!(molecule.bead("m.go.1-try").status.unwrap()).to_string();
    assert!(ready.contains("bead/m is paused by kim"), "{ready}");
}

#[test]
fn children_that_a_step_will_make_are_waited_for_before_it_is_done() {
    let mut molecule = listing(false);
    molecule.add("m.sum", json!({"links": [{"to": "m.scan", "type": "waits-for"}]}));
    molecule.settle();
    assert!(molecule.shown().contains("m.sum: Waiting"), "{}", molecule.shown());
}

/// What an agent has poured is in the backlog, and so is what that makes, whatever it says of itself.
#[test]
fn what_is_made_is_begun_by_nobody_who_may_not_begin_it() {
    let body = json!([{"name": "{@1}.{#1}-try", "spec": {"title": "t", "rig": "shop", "suspend": false, "parent": "{@1}",
        "assignee": {"polecat": "shop-nux", "uid": "1"}}}]);
    let repeat = json!({"until": "steps.complete > 9", "max": 5, "token": "{#1}", "body": body.to_string()});
    let mut molecule = Molecule::new(&[]);
    let by = "shop/polecats/nux";
    molecule.add("m.go", json!({"type": "Epic", "createdBy": by, "flow": {"step": "go", "repeat": repeat}}));
    molecule.add("m.go.1-try", json!({"parent": "m.go", "createdBy": by, "flow": {"step": "go.iter1.try"}}));
    molecule.close("m.go.1-try", CloseReason::Done);
    let made = molecule.bead("m.go.2-try");
    assert!(made.spec.suspend && made.spec.assignee.is_none());
    assert_eq!(made.status.unwrap().state, BeadState::Backlog);
}

#[test]
fn a_condition_that_cannot_be_read_is_said() {
    let molecule = Molecule::new(&[("m.a", json!({"flow": {"step": "a", "condition": "maybe"}}))]);
    let status = json!(molecule.bead("m.a").status.unwrap()).to_string();
    assert!(status.contains("InvalidFormula") && status.contains("the condition `maybe` cannot be read"), "{status}");
}
