//! Objects and facts for the tests of controllers: the smallest town in which a claim can be made.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use gastown_controllers::objects::{Kind, Object, Objects};
use gastown_controllers::plan::{Effect, Plan, Status, Write};
use gastown_controllers::reconcile::reconcile;
use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::view::{Facts, View};
use gastown_controllers::wakes::Key;
use gastown_controllers::world::*;
use gastown_crds::bead::{Assignee, BeadState, BeadStatus, Waiting};
use gastown_crds::common::{Condition, ConditionStatus, types};
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
}

impl Default for Scene {
    fn default() -> Self {
        let mut scene = Self { objects: Objects::default(), facts: Facts::new(), now: at(1000) };
        scene.add(Object::Town(Arc::new(object("town", json!({"capacity": {"polecats": 2}})))));
        scene
            .add(Object::Runtime(Arc::new(object("script", json!({"command": ["gt:script"], "onRework": "Restart"})))));
        scene
            .add(Object::Formula(Arc::new(object("work", json!({"steps": [{"name": "work", "run": "{{command}}"}]})))));
        let machine = Machine { cores: 4, polecats_max: None, degraded: None };
        scene.known(Ask::Machine, Fact::Machine(machine));
        scene.known(Ask::Program("gt:script".into()), Fact::Program(true));
        scene
    }
}

impl Scene {
    pub fn add(&mut self, object: Object) {
        let kind = match &object {
            Object::Town(_) => Kind::Town,
            Object::Rig(_) => Kind::Rig,
            Object::Runtime(_) => Kind::Runtime,
            Object::Formula(_) => Kind::Formula,
            Object::Convoy(_) => Kind::Convoy,
            Object::Bead(_) => Kind::Bead,
            Object::Polecat(_) => Kind::Polecat,
            Object::MergeRequest(_) => Kind::MergeRequest,
        };
        self.objects.fold(kind, &object.name(), Some(object));
    }

    pub fn bead(&mut self, bead: Bead) -> &mut Self {
        self.add(Object::Bead(Arc::new(bead)));
        self
    }

    pub fn rig(&mut self, rig: Rig) -> &mut Self {
        let id = RigId { name: rig.name_any(), uid: rig.uid().unwrap() };
        let facts = RepoFacts {
            cloned: true,
            branch: Some("main".into()),
            target: Some(oid('a')),
            target_tree: Some(oid('0')),
            ..RepoFacts::default()
        };
        self.known(Ask::Repo { rig: id, branch: Some("main".into()) }, Fact::Repo(facts));
        self.add(Object::Rig(Arc::new(rig)));
        self
    }

    pub fn polecat(&mut self, polecat: Polecat) -> &mut Self {
        self.add(Object::Polecat(Arc::new(polecat)));
        self
    }

    pub fn request(&mut self, request: MergeRequest) -> &mut Self {
        self.add(Object::MergeRequest(Arc::new(request)));
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

    pub fn sandbox(&mut self, polecat: &str, facts: SandboxFacts) -> &mut Self {
        self.known(
            Ask::Sandbox(SandboxId { name: polecat.into(), uid: format!("{polecat}-uid") }),
            Fact::Sandbox(facts),
        )
    }

    pub fn runs(&mut self, bead: &str, runs: Vec<Run>) -> &mut Self {
        self.known(Ask::Runs(format!("{bead}-uid")), Fact::Runs(runs))
    }

    /// The plan; every fact that it asks for must be in the scene.
    pub fn plan(&self, key: &Key) -> Plan {
        let view = View::new(self.now, &self.objects, &self.facts, None);
        let plan = reconcile(key, &view);
        let missing = view.missing();
        assert!(missing.is_empty(), "the scene lacks {missing:?}");
        plan
    }
}

/// A plan in a few words: what a reader of a test wants to see.
pub fn said(plan: &Plan) -> String {
    let mut lines: Vec<String> = plan.effects.iter().map(effect).collect();
    for write in &plan.status {
        let line = match &write.status {
            Status::Bead(s) => format!("{}: {:?} {}", write.object.name, s.state, words(&s.conditions)),
            Status::Polecat(s) => format!("{}: {:?} {}", write.object.name, s.state, words(&s.conditions)),
            Status::MergeRequest(s) => format!("{}: {:?} {}", write.object.name, s.state, words(&s.conditions)),
            Status::Rig(s) => format!("{}: {}", write.object.name, words(&s.conditions)),
            Status::Convoy(s) => {
                format!("{}: {} {}", write.object.name, s.progress.clone().unwrap_or_default(), words(&s.conditions))
            }
            Status::Town(s) => format!("{}: {}", write.object.name, words(&s.conditions)),
            Status::Runtime(s) => format!("{}: {}", write.object.name, words(&s.conditions)),
            Status::Formula(s) => format!("{}: {}", write.object.name, words(&s.conditions)),
        };
        lines.push(line);
    }
    if let Some(at) = plan.requeue {
        lines.push(format!("again at {}", at.as_second()));
    }
    lines.join("\n")
}

fn words(conditions: &[Condition]) -> String {
    let word = |c: &Condition| {
        let message = if c.message.is_empty() { String::new() } else { format!(" ({})", c.message) };
        format!("{}={:?} {}{message}", c.type_, c.status, c.reason)
    };
    conditions.iter().map(word).collect::<Vec<_>>().join("; ")
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::ConfirmClaim { bead, assignee, .. } => format!("confirm that {bead} names {}", assignee.polecat),
        Effect::Write(write) => match write {
            Write::CreateBead(bead) => format!("create bead {}", bead.name_any()),
            Write::CreatePolecat(polecat) => format!("create polecat {}", polecat.name_any()),
            Write::Claim { bead, assignee } => match assignee.waiting {
                Some(waiting) => format!("{} waits with {} for its {waiting:?}", assignee.polecat, bead.name),
                None => format!("claim {} for {}", bead.name, assignee.polecat),
            },
            Write::Release { bead } => format!("release {}", bead.name),
            Write::Close { bead, closed } => format!("close {} {:?}", bead.name, closed.reason),
            Write::UpdateBead { bead, spec } => format!("update {} to {:?}", bead.name, spec.title),
            Write::Finalizers { object, finalizers, .. } => format!("finalizers of {}: {finalizers:?}", object.name),
            Write::DeleteBead { name, .. } => format!("delete bead {name}"),
        },
        Effect::Act(act) => match act {
            Act::EnsureJob(job) => {
                let (kind, round) = match job {
                    Job::Clone { round, .. } => ("clone", round),
                    Job::Fetch { round, .. } => ("fetch", round),
                    Job::Setup { round, .. } => ("setup", round),
                    Job::Verify { round, .. } => ("verify", round),
                    Job::Push { round, .. } => ("push", round),
                };
                format!("{kind} for {}, round {round}", job.rig().name)
            }
            Act::EnsureReplay { candidates, .. } => format!("replay {}", candidates.len()),
            Act::EnsureSandbox { sandbox, spec } => {
                format!("prepare {} on {} at {}", sandbox.name, spec.branch, spec.start.short())
            }
            Act::EnsureSession { sandbox, spec } => {
                format!("start {} on {}, attempt {}", sandbox.name, spec.bead, spec.attempt)
            }
            Act::EndSession { sandbox } => format!("end the session of {}", sandbox.name),
            Act::Archive { name, .. } => format!("archive {name}"),
            Act::RemoveSandbox { sandbox } => format!("remove the sandbox of {}", sandbox.name),
        },
    }
}
