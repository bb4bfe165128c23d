//! Gates: what opens them, and what becomes of the beads that wait.

use crate::common::*;
use gastown_controllers::key::Key;
use gastown_controllers::objects::created;
use gastown_controllers::plan::Effect;
use gastown_controllers::view::View;
use gastown_controllers::world::*;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadType, CloseReason, Closed, Gate, GateType, OnFailure, OnTimeout};
use serde_json::json;

fn key(name: &str) -> Key {
    gastown_controllers::bead::CONTROLLER.key(name)
}

fn gate(type_: GateType, timeout: Option<&str>, on_timeout: Option<OnTimeout>) -> Bead {
    let mut bead = bead("shop-g", "shop");
    bead.spec.type_ = BeadType::Gate;
    bead.spec.suspend = true;
    let timeout = timeout.map(|text| text.parse().unwrap());
    bead.spec.gate = Some(Gate { await_id: Some("shop-x".into()), timeout, on_timeout, ..Gate::new(type_) });
    bead
}

fn waits(suspend: bool) -> Bead {
    let mut bead = bead("shop-a", "shop");
    bead.spec.suspend = suspend;
    bead.spec.needs = vec!["shop-g".into()];
    bead
}

fn tells(gate: Bead, waiting: Bead) -> String {
    let mut scene = Scene::default();
    scene.rig(rig("shop")).bead(gate).bead(waiting).bead(bead("shop-x", "shop"));
    said(&scene.plan(&key("shop-g")))
}

#[test]
fn a_person_is_asked_once_somebody_wants_what_a_gate_holds_up() {
    insta::assert_snapshot!(tells(gate(GateType::Human, None, None), waits(true)), @"shop-g: Backlog Closed=False Open; Ready=False Backlog (nobody has asked for what waits for it so far)");
    insta::assert_snapshot!(tells(gate(GateType::Human, None, None), waits(false)), @"shop-g: Waiting Closed=False Open; Ready=False AwaitsApproval (waits for a person: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)");
}

#[test]
fn a_timer_opens_by_itself() {
    insta::assert_snapshot!(tells(gate(GateType::Timer, Some("10000h"), None), waits(false)), @"
    shop-g: Waiting Closed=False Open; Ready=False AwaitsTime (opens by itself, until 1971-02-21T16:00:00Z)
    again at 36000000
    ");
    insta::assert_snapshot!(tells(gate(GateType::Timer, Some("1s"), None), waits(false)), @"
    close shop-g Done
    shop-g: Waiting Closed=False Open; Ready=False AwaitsTime (opens by itself, until 1970-01-01T00:00:01Z)
    ");
}

#[test]
fn what_happens_when_time_is_up_is_said_by_the_gate() {
    let after = |on| tells(gate(GateType::Human, Some("1s"), on), waits(false));
    insta::assert_snapshot!(after(None), @"shop-g: Waiting Closed=False Open; Ready=False GateOverdue (it waits for longer than it should: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)");
    insta::assert_snapshot!(after(Some(OnTimeout::Open)), @"
    close shop-g Done
    shop-g: Waiting Closed=False Open; Ready=False GateOverdue (it waits for longer than it should: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)
    ");
    insta::assert_snapshot!(after(Some(OnTimeout::Fail)), @"
    close shop-g Withdrawn
    shop-g: Waiting Closed=False Open; Ready=False GateOverdue (it waits for longer than it should: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)
    ");
}

#[test]
fn one_that_waits_for_a_bead_opens_with_its_close() {
    insta::assert_snapshot!(tells(gate(GateType::Bead, None, None), waits(false)), @"shop-g: Waiting Closed=False Open; Ready=False AwaitsBead (waits for shop-x to be closed)");
    let mut scene = Scene::default();
    let mut other = bead("shop-x", "shop");
    scene.rig(rig("shop")).bead(gate(GateType::Bead, None, None)).bead(waits(false)).bead(other.clone());
    other.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at: at(1), by: "gt".into() });
    assert!(scene.add(other).contains(&key("shop-g")), "it is woken");
    insta::assert_snapshot!(said(&scene.plan(&key("shop-g"))).lines().next().unwrap_or_default(), @"close shop-g Done");
}

#[test]
fn one_that_waits_for_an_event_opens_once_it_was_filed_and_not_before_that_is_known() {
    let mut bead = gate(GateType::Event, Some("10000h"), None);
    let gate = bead.spec.gate.as_mut().unwrap();
    (gate.await_id, gate.target) = (Some("deploy.done".into()), Some("web".into()));
    let asked = AskHappened { event_type: "deploy.done".into(), target: Some("web".into()), since: created(&bead) };
    let mut scene = Scene::default();
    scene.rig(rig("shop")).bead(bead);
    let waits = "shop-g: Waiting Closed=False Open; Ready=False AwaitsEvent (opens once an event deploy.done of web is filed, until \
                 1971-02-21T16:00:00Z)\nagain at 36000000\n";
    scene.unknown(asked.ask(), "not listed");
    assert_eq!(said(&scene.plan(&key("shop-g"))), waits.trim_end());
    scene.known(asked.ask(), Fact::Happened(None));
    assert_eq!(said(&scene.plan(&key("shop-g"))), waits.trim_end());
    // Its time is up, and whether it has happened in time is not known: it is not said to have failed.
    let mut late = scene.objects.get::<Bead>("shop-g").unwrap().as_ref().clone();
    let of_late = late.spec.gate.as_mut().unwrap();
    (of_late.timeout, of_late.on_timeout) = (Some("1s".parse().unwrap()), Some(OnTimeout::Fail));
    scene.bead(late).unknown(asked.ask(), "not listed");
    let plan = scene.plan(&key("shop-g"));
    assert!(plan.effects.is_empty() && said(&plan).contains("Ready=Unknown"), "{}", said(&plan));
    let happening = Happening { name: "e-1".into(), actor: Some("human:kim".into()), filed: at(2) };
    scene.known(asked.ask(), Fact::Happened(Some(happening)));
    assert_eq!(said(&scene.plan(&key("shop-g"))).lines().next(), Some("close shop-g Done"));
}

#[test]
fn what_waits_for_a_gate_that_was_rejected_is_given_up() {
    let mut scene = Scene::default();
    let mut rejected = gate(GateType::Human, None, None);
    let message = Some("not this way".into());
    rejected.spec.closed = Some(Closed { reason: CloseReason::Withdrawn, message, at: at(1), by: "kim".into() });
    scene.rig(rig("shop")).bead(rejected).bead(waits(false));
    insta::assert_snapshot!(said(&scene.plan(&key("shop-a"))), @"
    close shop-a Withdrawn
    shop-a: Waiting Closed=False Open; Ready=False Withdrawn (gate shop-g was closed by kim: not this way)
    ");
}

#[test]
fn a_gate_looks_again_when_what_it_holds_up_has_another_state() {
    let mut scene = Scene::default();
    scene.rig(rig("shop")).bead(gate(GateType::Human, None, None)).bead(waits(true));
    let asked_for_with_its_epic = in_state(waits(true), gastown_crds::bead::BeadState::Waiting);
    assert!(scene.add(asked_for_with_its_epic).contains(&key("shop-g")));
}

/// A gate that asks a program, and the jobs that did.
struct Asking {
    scene: Scene,
    jobs: std::collections::BTreeMap<JobKey, JobState>,
}

impl Asking {
    /// The gate is looked at as it is when somebody wants what waits for it.
    fn with(gate: Gate) -> Self {
        let mut bead = bead("shop-g", "shop");
        bead.spec.type_ = BeadType::Gate;
        bead.spec.suspend = true;
        bead.spec.gate = Some(gate);
        let mut scene = Scene::default();
        scene.rig(rig("shop")).bead(bead).bead(waits(false));
        Self { scene, jobs: std::collections::BTreeMap::new() }
    }

    fn command() -> Self {
        Self::with(Gate { run: Some("make check".into()), ..Gate::new(GateType::Run) })
    }

    fn plan(&mut self) -> gastown_controllers::plan::Plan {
        self.scene.facts.retain(|ask, _| !matches!(ask, Ask::Job(_) | Ask::Newest(_)));
        loop {
            let view = View::new(self.scene.now, &self.scene.objects, &self.scene.facts, None);
            let plan = key("shop-g").reconcile(&view);
            let missing = view.missing();
            if missing.is_empty() {
                return plan;
            }
            let running = self.jobs.iter().find(|(_, state)| **state == JobState::Running).map(|(key, _)| key.clone());
            for ask in missing {
                let fact = match &ask {
                    Ask::Job(key) => Fact::Job(self.jobs.get(key).cloned().unwrap_or(JobState::Absent)),
                    Ask::Newest(Track::Gate(_)) => Fact::Newest(running.clone()),
                    other => panic!("asked for {other:?}"),
                };
                self.scene.known(ask, fact);
            }
        }
    }

    /// Its status is written, and a job is begun if it wants one; what is said of it then.
    fn turn(&mut self) -> String {
        let plan = self.plan();
        if let Some(write) = plan.status.first() {
            assert!(!plan.effects.iter().any(|it| matches!(it, Effect::Act(_))), "the status first");
            let mut gate = Bead::clone(self.scene.objects.get::<Bead>("shop-g").unwrap());
            gate.status = Some(serde_json::from_value(write.status.clone()).unwrap());
            self.scene.add(gate);
        }
        let next = self.plan();
        if let [Effect::Act(Act::EnsureJob(job))] = &next.effects[..] {
            assert_eq!(self.jobs.insert(job.key(), JobState::Running), None, "no job is begun twice");
        }
        let said = said(&plan);
        let acts = if next.effects == plan.effects { String::new() } else { format!("\n{}", said_of(&next)) };
        said.replace("shop-g: Waiting Closed=False Open; ", "") + &acts
    }

    fn ends(&mut self, code: i32, tail: &str) {
        let at = self.scene.now;
        for state in self.jobs.values_mut().filter(|state| **state == JobState::Running) {
            *state = JobState::Exited(Exited { code, at, tail: tail.into() });
        }
    }
}

fn said_of(plan: &gastown_controllers::plan::Plan) -> String {
    said(plan)
}

#[test]
fn a_command_is_run_with_back_off_until_it_ends_with_0() {
    let mut asking = Asking::command();
    insta::assert_snapshot!(asking.turn(), @"
    Ready=False AwaitsCommand (its command is run until it ends with 0)
    gate for shop-g, round 1
    ");
    assert_eq!(asking.jobs.len(), 1);
    assert_eq!(asking.plan().effects, [], "it runs");
    asking.ends(exit::FAILED, "building\ngt: it ended with 3\n");
    insta::assert_snapshot!(asking.turn(), @"
    Ready=False AwaitsCommand (not yet; looked once, at last at 1970-01-01T00:16:40Z: building; it ended with 3)
    again at 1000
    ");
    // The records of old jobs may go: how often it was asked stands in the status.
    asking.jobs.clear();
    let again = asking.plan().requeue.unwrap();
    assert!(asking.scene.now < again && asking.plan().effects.is_empty(), "it is not run before");
    asking.scene.now = again;
    insta::assert_snapshot!(asking.turn(), @"gate for shop-g, round 2");
    asking.ends(exit::UNABLE, "gt: it did not end in 60 s (runTimeout)\n");
    insta::assert_snapshot!(asking.turn(), @"
    Ready=False GateUnable (could not look; tried twice, at last at 1970-01-01T00:16:40Z: it did not end in 60 s (runTimeout))
    again at 1002
    ");
    asking.scene.now = asking.plan().requeue.unwrap();
    drop(asking.turn());
    asking.ends(exit::OK, "");
    insta::assert_snapshot!(asking.turn(), @"
    close shop-g Done
    Ready=False AwaitsCommand (it opens)
    ");
}

#[test]
fn a_command_that_says_never_is_for_a_person_unless_its_gate_says_otherwise() {
    let after = |on_failure| {
        let gate = Gate { run: Some("make check".into()), on_failure, ..Gate::new(GateType::Run) };
        let mut asking = Asking::with(gate);
        drop(asking.turn());
        asking.ends(exit::CONFIG, "no such branch\n");
        let said = asking.turn();
        assert_eq!(asking.jobs.len(), 1, "it is not run again");
        said
    };
    insta::assert_snapshot!(after(None), @"Ready=False GateFailed (no such branch: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)");
    insta::assert_snapshot!(after(Some(OnFailure::Fail)), @"
    close shop-g Withdrawn
    Ready=False GateFailed (no such branch: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)
    ");
}

#[test]
fn a_run_on_github_that_failed_is_for_a_person_and_is_looked_at_all_the_same() {
    let mut asking = Asking::with(Gate { await_id: Some("ci.yml".into()), ..Gate::new(GateType::GithubRun) });
    drop(asking.turn());
    asking.ends(exit::CONFIG, "gt: run 7 of ci.yml ended with failure\n");
    insta::assert_snapshot!(asking.turn(), @"
    Ready=False GateFailed (run 7 of ci.yml ended with failure: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)
    again at 1001
    ");
    asking.scene.now = asking.plan().requeue.unwrap();
    drop(asking.turn());
    asking.ends(exit::OK, "gt: run 8 of ci.yml succeeded\n");
    insta::assert_snapshot!(asking.turn(), @"
    close shop-g Done
    Ready=False AwaitsGithub (it opens)
    ");
}

#[test]
fn a_program_is_asked_only_while_somebody_waits_for_nothing_but_the_gate() {
    let mut asking = Asking::command();
    // Nobody has asked for what waits.
    asking.scene.bead(waits(true));
    insta::assert_snapshot!(asking.turn(), @"shop-g: Backlog Closed=False Open; Ready=False Backlog (nobody has asked for what waits for it so far)");
    // It waits for another bead first, whose end wakes the gate.
    let mut both = waits(false);
    both.spec.needs.push("shop-x".into());
    asking.scene.bead(both.clone()).bead(bead("shop-x", "shop"));
    insta::assert_snapshot!(asking.turn(), @"Ready=False AwaitsCommand (looked at once shop-a waits for nothing else; it waits for shop-x)");
    let mut other = bead("shop-x", "shop");
    other.spec.closed = Some(Closed { reason: CloseReason::Merged, message: None, at: at(1), by: "gt".into() });
    assert!(asking.scene.add(other).contains(&key("shop-g")));
    drop(asking.turn());
    assert_eq!(asking.jobs.len(), 1);
    // Another gate does not count: each would wait for the other.
    let mut asking = Asking::command();
    let mut both = waits(false);
    both.spec.needs.push("shop-h".into());
    let mut other = gate(GateType::Human, None, None);
    other.metadata.name = Some("shop-h".into());
    asking.scene.bead(both).bead(other);
    drop(asking.turn());
    assert_eq!(asking.jobs.len(), 1);
    // Somebody who is no polecat is at work on it.
    let mut asking = Asking::command();
    let mut taken = waits(true);
    taken.spec.assigned_to = Some("kim".into());
    asking.scene.bead(taken);
    drop(asking.turn());
    assert_eq!(asking.jobs.len(), 1);
    // Somebody asks for a look, though nobody wants what waits.
    let mut asking = Asking::command();
    asking.scene.bead(waits(true));
    let mut gate = Bead::clone(asking.scene.objects.get::<Bead>("shop-g").unwrap());
    gate.metadata.annotations = Some([("gastown.io/gate-asked".into(), "1".into())].into());
    asking.scene.add(gate);
    drop(asking.turn());
    assert_eq!(asking.jobs.len(), 1);
}

#[test]
fn no_program_is_asked_while_a_person_has_stopped_the_town_and_what_is_not_seen_decides_nothing() {
    use gastown_crds::Town;
    let mut asking = Asking::command();
    let mut town: Town = object("town", json!({}));
    let held = json!({"mode": "Stopped", "by": "kim", "at": at(1)}).to_string();
    town.metadata.annotations = Some([(gastown_crds::overrides::ANNOTATION_OVERRIDE.to_owned(), held)].into());
    assert!(asking.scene.add(town.clone()).contains(&key("shop-g")), "it is woken");
    insta::assert_snapshot!(asking.turn(), @"Ready=False Stopped (town/town is stopped by kim)");
    town.metadata.annotations = None;
    assert!(asking.scene.add(town).contains(&key("shop-g")), "it is woken");
    let mut suspended = rig("shop");
    suspended.spec.suspend = true;
    assert!(asking.scene.add(suspended).contains(&key("shop-g")), "it is woken");
    insta::assert_snapshot!(asking.turn(), @"Ready=False Suspended (its rig `shop` is suspended)");
    assert!(asking.scene.add(rig("shop")).contains(&key("shop-g")), "it is woken");
    let job = {
        drop(asking.turn());
        asking.jobs.keys().next().unwrap().clone()
    };
    asking.scene.facts.retain(|ask, _| !matches!(ask, Ask::Job(_) | Ask::Newest(_)));
    asking.scene.unknown(Ask::Job(job), "the disk does not answer");
    insta::assert_snapshot!(said(&asking.scene.plan(&key("shop-g"))), @"shop-g: Waiting Closed=False Open; Ready=Unknown Unknown (the disk does not answer; waiting until it can be observed)");
}

#[test]
fn what_a_command_does_not_say_in_time_is_decided_by_its_gate() {
    let after = |on_timeout| {
        let timeout = Some("1s".parse().unwrap());
        let gate = Gate { run: Some("make check".into()), timeout, on_timeout, ..Gate::new(GateType::Run) };
        Asking::with(gate).turn()
    };
    insta::assert_snapshot!(after(None), @"
    Ready=False GateOverdue (it waits for longer than it should: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)
    gate for shop-g, round 1
    ");
    insta::assert_snapshot!(after(Some(OnTimeout::Open)), @"
    close shop-g Done
    Ready=False GateOverdue (it waits for longer than it should: `gt gate approve shop-g`, or `gt gate reject shop-g --reason WHY`)
    ");
}
