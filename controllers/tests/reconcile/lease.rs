//! The lease of a source: machines that declare the same remote, whose clocks differ, whose jobs are slow, fail and get lost,
//! and that sleep and wake.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::*;
use gastown_controllers::kinds::source::CONTROLLER;
use gastown_controllers::plan::{Effect, Plan, Write};
use gastown_controllers::view::View;
use gastown_controllers::world::*;
use gastown_crds::Source;
use gastown_crds::common::{ANNOTATION_TAKE, FINALIZER_CLONE, types};
use gastown_crds::manifest;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

const URL: &str = "https://example.org/town.git";
/// Seconds of an interval.
const INTERVAL: i64 = 60;
/// When all begins, by a clock that is right.
const START: i64 = 1_000_000;

/// A repository elsewhere.
#[derive(Default)]
struct Remote {
    lease: Option<Lease>,
    written: usize,
    /// Nothing can be written there.
    is_read_only: bool,
}

/// A job of a machine.
struct Begun {
    job: Job,
    began: Timestamp,
    /// By the time of the world.
    ends: i64,
    state: JobState,
}

/// A town on a machine.
struct Machine {
    scene: Scene,
    /// What its clock is ahead, in seconds.
    ahead: i64,
    /// The lease, as its clone has it.
    lease: Option<Lease>,
    is_cloned: bool,
    jobs: BTreeMap<JobKey, Begun>,
    newest: Option<JobKey>,
    /// The remote can be reached.
    is_online: bool,
    /// What the revision declares.
    declares: String,
}

/// A revision that begins no work.
const FORMULA: &str = "apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: { name: one }\nspec: { steps: [{ name: work, run: 'true' }] }\n";
/// One that does.
const CONVOY: &str = "---\napiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: { name: shop }\nspec: { repo: { url: /shop.git } }\n---\napiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: { name: chores }\nspec: { rig: shop, beads: [{ name: a, title: A }] }\n";

impl Machine {
    fn new(name: &str, ahead: i64) -> Self {
        let mut scene = Scene::default();
        let machine = gastown_controllers::world::Machine { name: name.into(), cores: 4, ..Default::default() };
        scene.known(Ask::Machine, Fact::Machine(machine));
        let mut source: Source = object("far", json!({ "git": { "url": URL, "interval": format!("{INTERVAL}s") } }));
        source.metadata.uid = Some(format!("{name}-uid"));
        source.metadata.namespace = Some("shop".into());
        source.metadata.finalizers = Some(vec![FINALIZER_CLONE.into()]);
        let created = Timestamp::from_second(START + ahead).unwrap();
        source.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(created));
        scene.add(source);
        let jobs = BTreeMap::new();
        Self {
            scene,
            ahead,
            lease: None,
            is_cloned: false,
            jobs,
            newest: None,
            is_online: true,
            declares: FORMULA.to_owned(),
        }
    }

    fn source(&self) -> Source {
        Source::clone(self.scene.objects.get::<Source>("far").unwrap())
    }

    fn change(&mut self, change: impl FnOnce(&mut Source)) {
        let mut source = self.source();
        change(&mut source);
        self.scene.add(source);
    }

    fn at(&self, time: i64) -> Timestamp {
        Timestamp::from_second(time + self.ahead).unwrap()
    }

    /// What the adapter answers.
    fn fact(&self, ask: &Ask) -> Fact {
        match ask {
            Ask::Repo(_) => Fact::Repo(RepoFacts { cloned: self.is_cloned, ..RepoFacts::default() }),
            Ask::Job(key) => Fact::Job(self.jobs.get(key).map_or(JobState::Absent, |begun| begun.state.clone())),
            Ask::Newest(_) => Fact::Newest(self.newest.clone()),
            Ask::Lease(asked) => {
                assert_eq!(asked.reference, "refs/gt/runner/shop/far");
                Fact::Lease(self.lease.clone())
            }
            Ask::Revision(_) => Fact::Revision(Found::At(Revision {
                name: "main@sha1:a".into(),
                tree: "tree-a".into(),
                author: String::new(),
                subject: String::new(),
                signature: Signature::NotAsked,
            })),
            Ask::Declared(_) => {
                let objects =
                    manifest::parse("a.yaml", &self.declares).unwrap().into_iter().filter_map(DeclaredObject::new);
                let objects = objects.map(Arc::new).collect();
                Fact::Declared(Some(Arc::new(Declared { tree: "tree-a".into(), objects, ..Declared::default() })))
            }
            other => panic!("nobody asks {other:?}"),
        }
    }

    /// One look. Jobs begin, with this many seconds to go; what it wants applied is not: it wants that again with each look at
    /// which it may apply anything. Whether it does.
    fn look(&mut self, time: i64, takes: i64) -> (Plan, bool) {
        self.scene.now = self.at(time);
        self.scene.facts.retain(|ask, _| matches!(ask, Ask::Machine));
        let plan = loop {
            let view = View::new(self.scene.now, &self.scene.objects, &self.scene.facts, None);
            let plan = CONTROLLER.key("far").reconcile(&view);
            let missing = view.missing();
            if missing.is_empty() {
                break plan;
            }
            for ask in missing {
                let fact = self.fact(&ask);
                self.scene.known(ask, fact);
            }
        };
        let mut applies = false;
        for effect in &plan.effects {
            match effect {
                Effect::Act(Act::EnsureJob(job)) => {
                    let is_running = |key: &JobKey| self.jobs[key].state == JobState::Running;
                    assert!(!self.newest.as_ref().is_some_and(is_running), "two jobs at once");
                    let began = self.scene.now;
                    let begun = Begun { job: job.clone(), began, ends: time + takes, state: JobState::Running };
                    self.jobs.insert(job.key(), begun);
                    self.newest = Some(job.key());
                }
                Effect::Act(Act::RemoveClone { .. }) => (self.is_cloned, self.lease) = (false, None),
                Effect::Write(Write::Apply { .. }) => applies = true,
                Effect::Write(Write::Patch { patch, .. }) => {
                    assert_eq!(*patch, json!({ "metadata": { "finalizers": [] } }));
                    self.change(|source| source.metadata.finalizers = None);
                }
                other => panic!("{other:?}"),
            }
        }
        for write in &plan.status {
            self.change(|source| source.status = Some(serde_json::from_value(write.status.clone()).unwrap()));
        }
        (plan, applies)
    }

    /// The jobs that are over by now end: how, that is the fate of each.
    fn ends(&mut self, time: i64, remote: &mut Remote, fate: Fate) {
        let (now, is_online) = (self.at(time), self.is_online);
        let over = self.jobs.iter_mut().filter(|(_, begun)| begun.state == JobState::Running && begun.ends <= time);
        for (_, begun) in over {
            let mut code = exit::FAILED;
            if is_online && fate != Fate::LostBefore {
                code = match &begun.job {
                    Job::Clone { .. } | Job::Fetch { .. } => exit::OK,
                    Job::Lease { from, machine, owner, .. } => {
                        if remote.lease.as_ref().map(|lease| &lease.id) != from.as_ref() {
                            exit::CONTENDED
                        } else if remote.is_read_only {
                            exit::PROTECTED
                        } else {
                            remote.written += 1;
                            let id = Oid(format!("{:040x}", remote.written));
                            let holder = owner.uid.clone();
                            let lease =
                                |machine: &String| Lease { id, holder, machine: machine.clone(), at: begun.began };
                            remote.lease = machine.as_ref().map(lease);
                            exit::OK
                        }
                    }
                    other => panic!("{other}"),
                };
                if fate != Fate::LostAfter {
                    (self.lease, self.is_cloned) = (remote.lease.clone(), true);
                }
            }
            begun.state = match fate {
                Fate::Ends => JobState::Exited(Exited { code, at: now, tail: "no".into() }),
                Fate::LostBefore | Fate::LostAfter => JobState::Lost { at: begun.began },
            };
        }
    }

    fn ready(&self) -> String {
        let conditions = self.source().status.unwrap().conditions;
        let ready = conditions.into_iter().find(|it| it.type_ == types::READY).unwrap();
        format!("{} {} {}", ready.status, ready.reason, ready.message)
    }
}

/// What becomes of a job that comes to its end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Ends,
    /// Its machine died before it had done anything.
    LostBefore,
    /// Its machine died after it had written.
    LostAfter,
}

/// Towns and their remote, as time goes by.
struct World {
    remote: Remote,
    machines: Vec<Machine>,
    time: i64,
    /// Who applied something, and when.
    applied: Vec<(i64, usize)>,
}

impl World {
    fn new(ahead: &[i64]) -> Self {
        let names = ["one", "two", "three"];
        let machines = names.iter().zip(ahead).map(|(name, ahead)| Machine::new(name, *ahead)).collect();
        Self { remote: Remote::default(), machines, time: START, applied: Vec::new() }
    }

    /// So many seconds go by, and everybody who is awake looks each ten.
    fn goes_by(&mut self, seconds: i64, awake: &[usize]) {
        for _ in 0..seconds / 10 {
            self.step(10, awake, 3, Fate::Ends);
        }
    }

    fn step(&mut self, seconds: i64, awake: &[usize], takes: i64, fate: Fate) {
        self.time += seconds;
        for nth in awake {
            let machine = &mut self.machines[*nth];
            machine.ends(self.time, &mut self.remote, fate);
            let (_, applies) = machine.look(self.time, takes);
            if applies {
                self.applied.push((self.time, *nth));
            }
        }
    }

    /// Who applied something in the last so many seconds.
    fn lately(&self, seconds: i64) -> Vec<usize> {
        let lately = self.applied.iter().filter(|(time, _)| *time > self.time - seconds);
        let mut who: Vec<usize> = lately.map(|(_, who)| *who).collect();
        who.sort_unstable();
        who.dedup();
        who
    }

    /// Two machines that applied something with less than an interval between.
    fn two_at_once(&self) -> Option<String> {
        let pairs =
            self.applied.iter().enumerate().flat_map(|(nth, a)| self.applied[nth + 1..].iter().map(move |b| (a, b)));
        let near = pairs.into_iter().find(|((at, a), (then, b))| a != b && then - at < INTERVAL);
        near.map(|((at, a), (then, b))| format!("machine {a} at {}, machine {b} at {}", at - START, then - START))
    }
}

#[test]
fn one_of_two_machines_applies_and_the_other_says_whose_it_is() {
    let mut world = World::new(&[0, -86_400]);
    world.goes_by(1200, &[0, 1]);
    assert_eq!(world.lately(1200), [0], "{:?}", world.applied);
    insta::assert_snapshot!(world.machines[1].ready(), @"False AppliedElsewhere it is applied on `one`, which holds the lease in its remote; here nothing is changed: `gt diff --source far` says what would be, `gt source take far` has it applied here");
    let status = world.machines[0].source().status.unwrap();
    assert_eq!(status.lease.unwrap().machine, "one");
    // It is written once an interval, and the API is written to only for what the other one sees.
    let (written, time) = (world.remote.written, world.time);
    world.goes_by(600, &[0, 1]);
    assert_eq!(world.remote.written - written, usize::try_from((world.time - time) / INTERVAL).unwrap());
    let plan = world.machines[0].look(world.time, 3).0;
    assert!(plan.status.is_empty(), "{plan}");

    // The other takes over when the first is gone for long, and gives back nothing by itself.
    world.goes_by(INTERVAL * 6, &[1]);
    assert_eq!(world.lately(INTERVAL), [1], "{}", world.machines[1].ready());
    world.goes_by(600, &[0, 1]);
    assert_eq!(world.lately(600), [1], "{}", world.machines[0].ready());
    assert_eq!(world.two_at_once(), None);

    // A person may say so, at once.
    world.machines[0].change(|source| {
        source.metadata.annotations = Some([(ANNOTATION_TAKE.to_owned(), "a".to_owned())].into());
    });
    world.goes_by(20, &[0, 1]);
    assert_eq!(world.machines[0].source().status.unwrap().taken.as_deref(), Some("a"));
    assert!(world.lately(10).contains(&0), "{}", world.machines[0].ready());
    world.goes_by(600, &[0, 1]);
    assert_eq!(world.lately(500), [0], "{}", world.machines[1].ready());

    // One that goes gives it up, and removes its clone.
    world.machines[0].change(|source| {
        let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::from_second(START).unwrap());
        source.metadata.deletion_timestamp = Some(now);
    });
    world.goes_by(40, &[0]);
    assert_eq!(world.remote.lease, None);
    assert!(!world.machines[0].is_cloned && world.machines[0].source().metadata.finalizers.is_none());
    world.goes_by(2 * INTERVAL, &[1]);
    assert_eq!(world.lately(INTERVAL), [1], "{}", world.machines[1].ready());
}

/// What a machine that is gone has landed is not known to another one: to begin it all anew is for a person to say.
#[test]
fn a_takeover_that_would_begin_work_waits_for_a_person() {
    let mut world = World::new(&[0, 0]);
    for machine in &mut world.machines {
        machine.declares += CONVOY;
    }
    world.goes_by(300, &[0, 1]);
    assert_eq!(world.lately(300), [0]);
    world.goes_by(INTERVAL * 10, &[1]);
    assert_eq!(world.lately(INTERVAL), [0; 0]);
    let said = world.machines[1].ready();
    assert!(said.starts_with("False LeaseEnded `one` has not renewed its lease since"), "{said}");
    assert!(said.contains("would begin 1 convoys and beads"), "{said}");
    world.machines[1].change(|source| {
        source.metadata.annotations = Some([(ANNOTATION_TAKE.to_owned(), "a".to_owned())].into());
    });
    world.goes_by(60, &[1]);
    assert_eq!(world.lately(10), [1], "{}", world.machines[1].ready());
}

/// Somebody puts a branch in the place of the lease: it is left there, and nobody applies anything until it is gone.
#[test]
fn what_is_no_lease_is_left_and_told() {
    let mut world = World::new(&[0]);
    world.goes_by(120, &[0]);
    let foreign =
        Lease { id: Oid("f".repeat(40)), holder: String::new(), machine: "?".into(), at: Timestamp::UNIX_EPOCH };
    world.remote.lease = Some(foreign.clone());
    world.goes_by(600, &[0]);
    assert_eq!((world.lately(300), world.remote.lease.as_ref()), (vec![], Some(&foreign)));
    let said = world.machines[0].ready();
    assert!(said.starts_with("False NotALease") && said.contains(":refs/gt/runner/shop/far` removes it"), "{said}");
    world.remote.lease = None;
    world.goes_by(2 * INTERVAL, &[0]);
    assert_eq!(world.lately(10), [0], "{}", world.machines[0].ready());
}

/// Who may only read the remote applies what nobody else does, and says that it has no lease.
#[test]
fn a_machine_that_may_not_write_heeds_the_lease_of_another() {
    let mut world = World::new(&[0, 0]);
    world.remote.is_read_only = true;
    world.goes_by(600, &[0]);
    assert_eq!(world.lately(60), [0]);
    let said = world.machines[0].ready();
    assert!(said.starts_with("False Applying"), "{said}");
    let pushes = world.machines[0].jobs.values().filter(|begun| matches!(begun.job, Job::Lease { .. })).count();
    assert_eq!(pushes, 1, "a remote that refuses is not asked again with each interval");
    // Another one may.
    world.remote.is_read_only = false;
    world.machines[1].look(world.time, 3);
    world.goes_by(600, &[1]);
    world.remote.is_read_only = true;
    world.goes_by(120, &[0]);
    assert_eq!(world.lately(60), [0; 0]);
    assert!(world.machines[0].ready().contains("it is applied on `two`"), "{}", world.machines[0].ready());
    // It asks for it in vain, and that is the answer.
    world.machines[0].change(|source| {
        source.metadata.annotations = Some([(ANNOTATION_TAKE.to_owned(), "a".to_owned())].into());
    });
    world.goes_by(60, &[0]);
    assert_eq!(world.machines[0].source().status.unwrap().taken.as_deref(), Some("a"));
    assert_eq!(world.lately(60), [0; 0]);
    // And is gone.
    world.goes_by(INTERVAL * 6, &[0]);
    assert_eq!(world.lately(60), [0], "{}", world.machines[0].ready());
}

/// The remote cannot be reached: nobody knows what another does by now.
#[test]
fn a_holder_that_cannot_renew_its_lease_stops() {
    let mut world = World::new(&[0]);
    world.goes_by(300, &[0]);
    world.machines[0].is_online = false;
    world.goes_by(INTERVAL * 3, &[0]);
    let before = world.applied.len();
    world.goes_by(INTERVAL * 3, &[0]);
    assert_eq!(world.applied.len(), before, "{}", world.machines[0].ready());
    let said = world.machines[0].ready();
    assert!(said.starts_with("False FetchFailed") || said.starts_with("False Leasing"), "{said}");
    world.machines[0].is_online = true;
    world.goes_by(INTERVAL * 8, &[0]);
    assert_eq!(world.lately(INTERVAL), [0]);
}

/// However their intervals lie to each other, and however long a fetch takes: who takes over comes an interval after who stops.
#[test]
fn a_machine_that_takes_over_does_so_an_interval_after_the_other_has_stopped() {
    for (later, takes) in (0..INTERVAL).step_by(5).flat_map(|later| [1, 9, 35].map(|takes| (later, takes))) {
        let mut world = World::new(&[0, -40]);
        let goes_by = |world: &mut World, seconds: i64, awake: &[usize]| {
            for _ in 0..seconds / 5 {
                world.step(5, awake, takes, Fate::Ends);
            }
        };
        goes_by(&mut world, 120, &[0]);
        // Its intervals begin with its source.
        let created = world.machines[1].at(world.time - later);
        world.machines[1].change(|source| {
            source.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(created));
        });
        goes_by(&mut world, 300, &[0, 1]);
        assert_eq!(world.lately(300), [0], "{later} {takes}");
        world.machines[0].is_online = false;
        goes_by(&mut world, INTERVAL * 8, &[0, 1]);
        assert_eq!(world.lately(INTERVAL), [1], "{later} {takes}: {}", world.machines[1].ready());
        assert_eq!(world.two_at_once(), None, "{later} {takes}");
    }
}

#[test]
fn where_a_machine_is_named_or_no_lease_is_wanted_none_is_written() {
    for spec in [json!({ "git": { "url": URL, "lease": "Never" } }), json!({ "git": { "url": URL }, "runner": "one" })]
    {
        let (mut world, spec): (_, Value) = (World::new(&[0]), spec);
        let declare = |world: &mut World| {
            world.machines[0].change(|source| source.spec = serde_json::from_value(spec.clone()).unwrap());
        };
        declare(&mut world);
        world.goes_by(600, &[0]);
        assert_eq!((world.lately(60), world.remote.written), (vec![0], 0));
        assert_eq!(world.machines[0].source().status.unwrap().lease, None);
        // One that was held is given up.
        let mut world = World::new(&[0]);
        world.goes_by(120, &[0]);
        assert!(world.remote.lease.is_some());
        declare(&mut world);
        world.goes_by(60, &[0]);
        assert_eq!((world.lately(10), &world.remote.lease), (vec![0], &None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever becomes of jobs and machines, no two apply within one interval; and when all is well again, one does.
    #[test]
    fn no_two_machines_apply_at_once(
        ahead in prop::collection::vec(-1_000_000_i64..1_000_000, 2..=3),
        phases in prop::collection::vec((1_usize..15, 1_i64..60, 0_u8..8, 0_u8..8, 1_i64..40, 0_u8..10), 1..20),
    ) {
        let mut world = World::new(&ahead);
        for (steps, seconds, awake, online, takes, fate) in phases {
            for (nth, machine) in world.machines.iter_mut().enumerate() {
                // Most are.
                machine.is_online = online & (1 << nth) == 0 || online == 7;
            }
            let awake: Vec<usize> = (0..ahead.len()).filter(|nth| awake & (1 << nth) == 0).collect();
            let fate = match fate { 0 => Fate::LostBefore, 1 => Fate::LostAfter, _ => Fate::Ends };
            for _ in 0..steps {
                world.step(seconds, &awake, takes, fate);
            }
            prop_assert_eq!(world.two_at_once(), None);
        }
        let all: Vec<usize> = (0..ahead.len()).collect();
        world.machines.iter_mut().for_each(|machine| machine.is_online = true);
        world.goes_by(INTERVAL * 25, &all);
        prop_assert_eq!(world.two_at_once(), None);
        prop_assert_eq!(world.lately(INTERVAL * 2).len(), 1, "{:?}", world.machines.iter().map(Machine::ready).collect::<Vec<_>>());
    }
}
