//! Objects and facts for the tests of controllers: the smallest town in which a claim can be made.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::key::Key;
use gastown_controllers::objects::{Object, Objects, Watched};
use gastown_controllers::plan::{Effect, Plan, Write};
use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::view::{Facts, Failure, View};
use gastown_controllers::world::*;
use gastown_crds::bead::{Assignee, BeadState, BeadStatus, Waiting};
use gastown_crds::common::{Condition, ConditionStatus, types};
use gastown_crds::kinds::Registered;
use gastown_crds::merge_request::{MergeRequestStatus, MergeState};
use gastown_crds::*;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn oid(c: char) -> Oid {
    Oid(c.to_string().repeat(40))
}

/// An object as the API would have given it: uid `<name>-uid`, version 1, made at second 0.
pub fn object<K: serde::de::DeserializeOwned + kube::Resource<DynamicType = ()>>(name: &str, spec: Value) -> K {
    let mut object: K = serde_json::from_value(json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap();
    let meta: &mut ObjectMeta = object.meta_mut();
    meta.uid = Some(format!("{name}-uid"));
    meta.resource_version = Some("1".into());
    meta.generation = Some(1);
    object
}

pub fn ready() -> Vec<Condition> {
    vec![Condition {
        type_: types::READY.into(),
        status: ConditionStatus::True,
        reason: "Ok".into(),
        message: String::new(),
        last_transition_time: at(0),
        observed_generation: Some(1),
    }]
}

pub fn rig(name: &str) -> Rig {
    let mut rig: Rig = object(
        name,
        json!({"repo": {"url": format!("/repos/{name}.git"), "branch": "main"},
               "merge": {"strategy": "Push", "verify": [{"name": "test", "run": "make test"}]}}),
    );
    rig.status = Some(RigStatus { conditions: ready(), branch: Some("main".into()), ..RigStatus::default() });
    rig
}

pub fn polecat(rig: &str, name: &str) -> Polecat {
    let mut polecat: Polecat = object(&names::polecat(rig, name), json!({"rig": rig, "name": name}));
    polecat.metadata.finalizers = Some(vec![common::FINALIZER_SANDBOX.into()]);
    polecat
}

pub fn bead(name: &str, rig: &str) -> Bead {
    object(name, json!({"title": format!("Do {name}"), "rig": rig, "command": "true"}))
}

/// One in the backlog.
pub fn filed(name: &str) -> Bead {
    let mut bead = bead(name, "shop");
    bead.spec.suspend = true;
    bead
}

/// A part of another, in the backlog.
pub fn part(name: &str, parent: &str) -> Bead {
    let mut bead = filed(name);
    bead.spec.parent = Some(parent.into());
    bead
}

pub fn in_state(mut bead: Bead, state: BeadState) -> Bead {
    bead.status = Some(BeadStatus { state, observed_generation: Some(1), ..BeadStatus::default() });
    bead
}

pub fn claimed(mut bead: Bead, polecat: &str) -> Bead {
    bead.spec.assignee = Some(Assignee::new(polecat, format!("{polecat}-uid")));
    bead
}

/// Claimed, and waiting with its polecat.
pub fn waiting(bead: Bead, polecat: &str, what: Waiting) -> Bead {
    let mut bead = claimed(bead, polecat);
    bead.spec.assignee.as_mut().unwrap().waiting = Some(what);
    bead
}

pub fn request(bead: &str, rig: &str, attempt: u32, state: MergeState) -> MergeRequest {
    let mut request: MergeRequest = object(
        &format!("{bead}-mr{attempt}"),
        json!({"bead": bead, "rig": rig, "polecat": format!("{rig}-nux"), "head": oid('b').0, "base": oid('a').0, "attempt": attempt}),
    );
    request.status = Some(MergeRequestStatus { state, ..MergeRequestStatus::default() });
    request
}

/// The Runtime that every rig of these tests has, with these resources.
pub fn script_with(resources: Value) -> Runtime {
    object("script", json!({"command": ["gt:script"], "onRework": "Restart", "resources": resources}))
}

/// A merge request with this reason on its `Merged`.
pub fn because(mut request: MergeRequest, reason: &str) -> MergeRequest {
    let condition = json!({
        "type": "Merged", "status": "False", "reason": reason, "message": "", "lastTransitionTime": at(0),
    });
    let status = request.status.get_or_insert_default();
    status.conditions.push(serde_json::from_value(condition).unwrap());
    request
}

/// A little town: objects, facts and the present.
pub struct Scene {
    pub objects: Objects,
    pub facts: Facts,
    pub now: Timestamp,
    /// The last failed effect of whatever is looked at.
    pub failed: Option<Failure>,
}

impl Default for Scene {
    fn default() -> Self {
        let mut scene = Self { objects: Objects::default(), facts: Facts::new(), now: at(1000), failed: None };
        scene.add::<Town>(object("town", json!({"capacity": {"polecats": 2}})));
        scene.add::<Runtime>(object("script", json!({"command": ["gt:script"], "onRework": "Restart"})));
        scene.add::<Formula>(object("work", json!({"steps": [{"name": "work", "run": "{{command}}"}]})));
        let machine = Machine { name: "here".into(), cores: 4, memory: 8 << 30, disk: 100 << 30, ..Machine::default() };
        scene.known(Ask::Machine, Fact::Machine(machine));
        scene.known(Ask::Free, Fact::Free(Free { memory: 6 << 30, disk: 50 << 30 }));
        scene.known(Ask::Program(AskProgram("gt:script".into())), Fact::Program(true));
        scene
    }
}

impl Scene {
    pub fn add<K: Watched>(&mut self, object: K) -> BTreeSet<Key> {
        self.objects.change(K::row(), &object.name_any(), Some(Object::new(object)))
    }

    pub fn remove<K: Watched>(&mut self, name: &str) {
        self.objects.change(K::row(), name, None);
    }

    pub fn bead(&mut self, bead: Bead) -> &mut Self {
        self.add(bead);
        self
    }

    pub fn rig(&mut self, rig: Rig) -> &mut Self {
        let id = Owner::rig(rig.name_any(), rig.uid().unwrap());
        let facts = RepoFacts {
            cloned: true,
            branch: Some("main".into()),
            target: Some(oid('a')),
            target_tree: Some(oid('0')),
            ..RepoFacts::default()
        };
        self.known(Ask::Repo(AskRepo { owner: id, branch: Some("main".into()) }), Fact::Repo(facts));
        self.add(rig);
        self
    }

    /// The target of a rig names these beads.
    pub fn lands(&mut self, rig: &str, beads: BTreeMap<String, LandedBead>) -> &mut Self {
        let asked = AskRepo { owner: Owner::rig(rig, format!("{rig}-uid")), branch: Some("main".into()) };
        let Some(Seen::Known(Fact::Repo(facts))) = self.facts.get_mut(&Ask::Repo(asked)) else {
            panic!("no rig {rig}")
        };
        facts.beads = beads;
        self
    }

    pub fn polecat(&mut self, polecat: Polecat) -> &mut Self {
        self.add(polecat);
        self
    }

    pub fn request(&mut self, request: MergeRequest) -> &mut Self {
        self.add(request);
        self
    }

    pub fn known(&mut self, ask: Ask, fact: Fact) -> &mut Self {
        self.facts.insert(ask, Seen::Known(fact));
        self
    }

    pub fn unknown(&mut self, ask: Ask, why: &str) -> &mut Self {
        self.facts.insert(ask, Seen::Unknown { why: why.into(), since: at(900) });
        self
    }

    /// The last effect failed so often in a row, and is tried again at 1010.
    pub fn fails(&mut self, count: u32) -> &mut Self {
        let message = "a filter failed".to_owned();
        self.failed = Some(Failure { reason: reason::Reason::GitFailed, message, count, until: at(1010) });
        self
    }

    pub fn sandbox(&mut self, polecat: &str, facts: SandboxFacts) -> &mut Self {
        self.known(
            Ask::Sandbox(SandboxId { name: polecat.into(), uid: format!("{polecat}-uid") }),
            Fact::Sandbox(facts),
        )
    }

    pub fn runs(&mut self, bead: &str, runs: Vec<Attempt>) -> &mut Self {
        self.known(Ask::Attempts(AskAttempts(format!("{bead}-uid"))), Fact::Attempts(runs))
    }

    /// The plan; every fact that it asks for must be in the scene.
    pub fn plan(&self, key: &Key) -> Plan {
        let view = View::new(self.now, &self.objects, &self.facts, self.failed.as_ref());
        let plan = key.reconcile(&view);
        let missing = view.missing();
        assert!(missing.is_empty(), "the scene lacks {missing:?}");
        plan
    }
}

/// The events that a plan writes, and the payload of each.
pub fn events(plan: &Plan) -> Vec<String> {
    let told = |effect: &Effect| match effect {
        Effect::Write(Write::Create { kind, object, .. }) if *kind == BeadEvent::row() => {
            let text = |field: &str| object["spec"][field].as_str().unwrap_or_default().to_owned();
            Some(format!("{} of {}: {}", text("eventType"), text("target"), text("payload")))
        }
        _ => None,
    };
    plan.effects.iter().filter_map(told).collect()
}

/// A plan in a few words: what a reader of a test wants to see, without the events that it writes ([`events`]). Instants are seconds
/// here.
pub fn said(plan: &Plan) -> String {
    let mut timeless = Plan { requeue: None, ..plan.clone() };
    timeless.effects.retain(|it| !matches!(it, Effect::Write(Write::Create { kind, .. }) if *kind == BeadEvent::row()));
    let again = plan.requeue.map(|at| format!("again at {}", at.as_second()));
    let text = timeless.to_string();
    let parts: Vec<String> = Some(text).filter(|text| !text.is_empty()).into_iter().chain(again).collect();
    parts.join("\n")
}
