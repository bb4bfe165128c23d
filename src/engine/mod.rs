//! The engine: watch → queue → observe → reconcile → apply → look again.
//!
//! Events say *look again*, never *what to do*. One task owns all state; looking and applying run beside it, one at a time
//! for each key. It reads its own writes: no key runs before the watch has shown what was written last.
//! Architecture invariant: its only doors are `kube::Client` and `Adapter`; the simulation drives this very code.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use gastown_controllers::objects::{Kind, Objects};
use gastown_controllers::plan::{Effect, Plan};
use gastown_controllers::reconcile::reconcile;
use gastown_controllers::seen::Seen;
use gastown_controllers::settings::{Settings, jobs_max};
use gastown_controllers::view::{Facts, View};
use gastown_controllers::wakes::{Key, wakes};
use gastown_controllers::world::{Act, Adapter, Ask, Fact, JobKey, JobState, Machine};
use jiff::Timestamp;
use kube::Client;
use tracing::{debug, info, warn};

use crate::clock::Clock;

pub mod apply;
pub mod gate;
pub mod queue;
pub mod watch;

use apply::{Applied, Hands, Wrote};
use gate::Gate;
use queue::Queue;
use watch::Change;

/// Keys that look or act at once. Each may hold one thread for two seconds; tokio has 512.
const RUNNING_MAX: usize = 32;
/// Statuses that are being written at once. They hold no thread, and wait for one sync of the disk together: as many as
/// the store puts into one commit.
const TELLING_MAX: usize = 256;
/// Rounds of looking for one reconcile; a controller asks for a handful of facts, then for what they lead to.
const LOOKS_MAX: u32 = 500;
/// A key that finds nothing is looked at again after this, doubling to the maximum: what no event told is found anyway.
const PATROL_MIN: Duration = Duration::from_mins(1);
const PATROL_MAX: Duration = Duration::from_hours(1);
/// No sleep is longer, so that a laptop's sleep or a changed clock is noticed.
const SLEEP_MAX: Duration = Duration::from_mins(5);
/// After a conflict the watch brings the newer object within microseconds here, milliseconds on a cluster.
const CONFLICT_DELAY: Duration = Duration::from_millis(10);
/// How long to wait for the watch to show an own write before going on without.
const LAG_MAX: Duration = Duration::from_secs(10);
/// What could not be seen is looked at again after this: a tool that does not answer costs its timeout each time.
const BLIND_DELAY: Duration = Duration::from_secs(10);

/// Something in the world ended or began.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Woke {
    /// The session in a sandbox (by polecat uid).
    Sandbox(String),
    /// A job.
    Job(JobKey),
}

/// What an engine is made of.
pub struct Parts {
    /// The API.
    pub client: Client,
    /// The world.
    pub adapter: Arc<dyn Adapter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What ends or begins in the world.
    pub wakes: BoxStream<'static, Woke>,
    /// Whether the adapter's calls may block.
    pub blocking: bool,
}

/// How much an engine has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reconciles that came to a plan.
    pub reconciles: u64,
    /// Effects applied.
    pub effects: u64,
    /// Statuses written.
    pub statuses: u64,
    /// Facts looked at.
    pub looks: u64,
}

/// What a task beside the loop brings back.
enum Back {
    Looked(Key, Facts),
    Applied(Key, Plan, Applied, Wrote),
    Told(Key, Applied, Wrote),
    /// Jobs that held a slot and are over.
    Ended(Vec<JobKey>),
}

/// The engine.
pub struct Engine {
    hands: Hands,
    clock: Arc<dyn Clock>,
    changes: BoxStream<'static, Change>,
    wakes: BoxStream<'static, Woke>,
    objects: Objects,
    queue: Queue,
    gate: Gate,
    tasks: FuturesUnordered<BoxFuture<'static, Back>>,
    /// How many of the tasks only write a status.
    telling: usize,
    /// Facts of keys that are being observed.
    facts: BTreeMap<Key, (Facts, u32)>,
    /// Who wants to know of what in the world.
    interest: BTreeMap<Woke, BTreeSet<Key>>,
    /// Jobs that hold a slot, and keys that wait for one.
    jobs: BTreeSet<JobKey>,
    parked: BTreeSet<Key>,
    /// When the jobs that hold a slot are looked at themselves.
    jobs_due: Timestamp,
    patrols: BTreeMap<Key, (Timestamp, Duration)>,
    /// Names still expected of a list that is under way.
    lists: BTreeMap<Kind, BTreeSet<String>>,
    synced: BTreeSet<Kind>,
    seen: BTreeMap<Kind, u64>,
    wrote: BTreeMap<Kind, (u64, Timestamp)>,
    counters: Counters,
}

impl Engine {
    /// An engine that has seen nothing yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { client, adapter, clock, wakes, blocking } = parts;
        Self {
            changes: watch::all(&client),
            hands: Hands { client, adapter, blocking },
            clock,
            wakes,
            objects: Objects::default(),
            queue: Queue::default(),
            gate: Gate::default(),
            tasks: FuturesUnordered::new(),
            telling: 0,
            facts: BTreeMap::new(),
            interest: BTreeMap::new(),
            jobs: BTreeSet::new(),
            parked: BTreeSet::new(),
            jobs_due: Timestamp::MIN,
            patrols: BTreeMap::new(),
            lists: BTreeMap::new(),
            synced: BTreeSet::new(),
            seen: BTreeMap::new(),
            wrote: BTreeMap::new(),
            counters: Counters::default(),
        }
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The objects it knows.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Runs until `stop` resolves, then lets what is under way finish.
    pub async fn run(&mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            self.start_due();
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.step() => {}
            }
        }
        while let Some(back) = self.tasks.next().await {
            if let Back::Applied(_, _, Applied::Failed(reason, message), _) = back {
                warn!(reason, message, "failed while stopping");
            }
        }
    }

    /// Runs until nothing is due and nothing runs: patrols aside, the town is at rest. Bounded in steps.
    pub async fn run_to_rest(&mut self, steps_max: u64) -> Result<(), String> {
        for _ in 0..steps_max {
            self.start_due();
            if self.at_rest() {
                // What was published and not delivered yet still counts.
                if !self.poll_changes().await {
                    return Ok(());
                }
                continue;
            }
            self.step().await;
        }
        Err(format!("not at rest after {steps_max} steps; waiting: {:?}", self.queue))
    }

    /// Whether nothing is due, runs, or waits to be seen.
    pub fn at_rest(&self) -> bool {
        self.synced.len() == watch::KINDS
            && self.tasks.is_empty()
            && self.queue.waiting() == 0
            && self.queue.running() == 0
            && self.jobs.is_empty()
            && !self.lags(self.clock.now())
    }

    /// Takes what the watches have ready right now. Answers whether there was anything.
    async fn poll_changes(&mut self) -> bool {
        // Two turns let every task between store and watch run once.
        for _ in 0..64 {
            tokio::task::yield_now().await;
            let ready = futures::poll!(self.changes.next());
            if let std::task::Poll::Ready(Some(change)) = ready {
                self.change(change);
                return true;
            }
            let ready = futures::poll!(self.wakes.next());
            if let std::task::Poll::Ready(Some(woke)) = ready {
                self.woke(&woke);
                return true;
            }
        }
        false
    }

    /// One thing that happens.
    pub async fn step(&mut self) {
        let now = self.clock.now();
        let due = self.next_due(now).map_or(SLEEP_MAX, |at| wait(now, at)).min(SLEEP_MAX);
        tokio::select! {
            biased;
            Some(change) = self.changes.next() => self.change(change),
            Some(back) = self.tasks.next(), if !self.tasks.is_empty() => self.back(back),
            Some(woke) = self.wakes.next() => self.woke(&woke),
            () = tokio::time::sleep(due) => self.patrol(),
        }
    }

    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let patrol = self.patrols.values().map(|(at, _)| *at).min();
        let lag = self.lags(now).then(|| now + LAG_MAX);
        let queue = if lag.is_some() || self.is_full() { None } else { self.queue.next_due() };
        let jobs = (!self.jobs.is_empty()).then_some(self.jobs_due);
        [patrol, lag, queue, jobs].into_iter().flatten().min()
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Begin(kind) => {
                self.lists.insert(kind, self.objects.names(kind).into_iter().collect());
            }
            Change::Is(kind, object, version) => {
                let name = object.name();
                if let Some(names) = self.lists.get_mut(&kind) {
                    names.remove(&name);
                }
                let old = self.objects.fold(kind, &name, Some(object.clone()));
                self.saw(kind, version);
                self.wake(kind, old.as_ref(), Some(&object));
            }
            Change::Gone(kind, name, version) => {
                let old = self.objects.fold(kind, &name, None);
                self.saw(kind, version);
                self.wake(kind, old.as_ref(), None);
            }
            Change::End(kind) => {
                for name in self.lists.remove(&kind).unwrap_or_default() {
                    let old = self.objects.fold(kind, &name, None);
                    self.wake(kind, old.as_ref(), None);
                }
                // A list shows everything written before it.
                self.wrote.remove(&kind);
                if self.synced.insert(kind) && self.synced.len() == watch::KINDS {
                    info!("all kinds are known");
                    self.queue.add(Key::Dispatch, self.clock.now());
                }
            }
            Change::Failed(kind, error) => warn!(?kind, error, "a watch failed; it is made anew"),
        }
    }

    fn saw(&mut self, kind: Kind, version: u64) {
        let seen = self.seen.entry(kind).or_default();
        *seen = version.max(*seen);
        if self.wrote.get(&kind).is_some_and(|(wrote, _)| *wrote <= *seen) {
            self.wrote.remove(&kind);
        }
    }

    fn wake(
        &mut self,
        kind: Kind,
        old: Option<&gastown_controllers::objects::Object>,
        new: Option<&gastown_controllers::objects::Object>,
    ) {
        if old.is_none() && new.is_none() {
            return;
        }
        let now = self.clock.now();
        for key in wakes(kind, old, new, &self.objects) {
            self.queue.add(key, now);
        }
    }

    fn woke(&mut self, woke: &Woke) {
        let now = self.clock.now();
        if let Woke::Job(job) = woke {
            self.free(job);
        }
        for key in self.interest.get(woke).cloned().unwrap_or_default() {
            self.queue.add(key, now);
        }
    }

    /// A job has the slot that it was given or was found in.
    fn hold(&mut self, job: JobKey) {
        if self.jobs.is_empty() {
            self.jobs_due = self.clock.now() + PATROL_MIN;
        }
        self.jobs.insert(job);
    }

    /// A job gives back its slot; whoever waits for one tries again.
    fn free(&mut self, job: &JobKey) {
        if !self.jobs.remove(job) {
            return;
        }
        let now = self.clock.now();
        for key in std::mem::take(&mut self.parked) {
            self.queue.add(key, now);
        }
    }

    /// Looks at the jobs that hold a slot: the news of an end may be lost, and nobody may ask about the job any more.
    fn look_at_jobs(&mut self) {
        let (adapter, jobs) = (Arc::clone(&self.hands.adapter), self.jobs.clone());
        // One that is absent is being started just now.
        let is_over = |seen| matches!(seen, Seen::Known(Fact::Job(JobState::Exited(_) | JobState::Lost { .. })));
        let look =
            move || jobs.into_iter().filter(|job| is_over(adapter.look(&Ask::Job(job.clone())))).collect::<Vec<_>>();
        let blocking = self.hands.blocking;
        self.tasks.push(Box::pin(async move {
            // A look that panics has seen nothing; the next one is a patrol away.
            let ended = if blocking { tokio::task::spawn_blocking(look).await.unwrap_or_default() } else { look() };
            Back::Ended(ended)
        }));
    }

    fn patrol(&mut self) {
        let now = self.clock.now();
        if !self.jobs.is_empty() && self.jobs_due <= now {
            self.jobs_due = now + PATROL_MIN;
            self.look_at_jobs();
        }
        let due: Vec<Key> = self.patrols.iter().filter(|(_, (at, _))| *at <= now).map(|(k, _)| k.clone()).collect();
        for key in due {
            if let Some((at, _)) = self.patrols.get_mut(&key) {
                *at = Timestamp::MAX;
            }
            self.queue.add(key, now);
        }
    }

    fn lags(&self, now: Timestamp) -> bool {
        self.wrote.values().any(|(_, since)| wait(*since, now) < LAG_MAX)
    }

    fn start_due(&mut self) {
        let now = self.clock.now();
        if self.synced.len() < watch::KINDS || self.lags(now) {
            return;
        }
        while !self.is_full() {
            let Some(key) = self.queue.take(now) else { return };
            self.reconcile(key, Facts::new(), 0);
        }
    }

    fn is_full(&self) -> bool {
        self.telling >= TELLING_MAX || self.tasks.len() - self.telling >= RUNNING_MAX
    }

    /// Runs a controller on what is known; looks at what it misses, else applies what it wants.
    fn reconcile(&mut self, key: Key, facts: Facts, looks: u32) {
        let now = self.clock.now();
        debug!(%key, looks, "reconciles");
        let view = View::new(now, &self.objects, &facts, self.gate.failure(&key));
        let plan = reconcile(&key, &view);
        let missing = view.missing();
        if !missing.is_empty() && looks < LOOKS_MAX {
            self.look(key, facts, looks, missing);
            return;
        }
        self.note_jobs(&key, &facts);
        self.counters.reconciles += 1;
        let Plan { effects, status, requeue } = plan;
        let held = self.gate.holds(&key, &effects, now);
        // Nothing tells when a thing can be seen again.
        let blind = facts.values().any(|fact| fact.known().is_none()).then(|| now + BLIND_DELAY);
        if let Some(at) = held.into_iter().chain(requeue).chain(blind).min() {
            self.queue.add(key.clone(), at);
        }
        if held.is_some() || effects.is_empty() {
            // With nothing to try, there is nothing that fails.
            let told = held.is_none() && self.gate.worked(&key);
            if told {
                self.queue.add(key.clone(), now);
            }
            if status.is_empty() {
                self.quiet(&key, now);
                self.queue.done(&key);
            } else {
                self.tell(key, status);
            }
            return;
        }
        self.patrols.remove(&key);
        if let Some(job) = self.wants_slot(&effects, &facts) {
            if self.jobs.len() >= self.slots() {
                debug!(%key, job = job.0, "waits for a job slot");
                self.parked.insert(key.clone());
                self.queue.done(&key);
                return;
            }
            self.hold(job);
        }
        info!(%key, effects = ?names(&effects), "acts");
        let hands = self.hands.clone();
        let plan = Plan { effects, status, requeue };
        self.tasks.push(Box::pin(async move {
            let mut wrote = Wrote::new();
            let mut applied = hands.effects(&plan.effects, &mut wrote).await;
            if matches!(applied, Applied::All(_)) && !plan.status.is_empty() {
                // Observations after the effects they explain; a stale one is written by the look that follows.
                if let failed @ Applied::Failed(..) = hands.statuses(&plan.status, &mut wrote).await {
                    applied = failed;
                }
            }
            Back::Applied(key, plan, applied, wrote)
        }));
    }

    fn look(&mut self, key: Key, mut facts: Facts, looks: u32, missing: BTreeSet<Ask>) {
        debug!(%key, ?missing, "looks");
        self.note_interest(&key, &missing);
        self.counters.looks += missing.len() as u64;
        let now = self.clock.now();
        // What this machine bears was seen once, at the start: asking for it takes no thread, and dispatch asks each time.
        let known = missing.iter().all(|ask| *ask == Ask::Machine);
        if known || !self.hands.blocking {
            for ask in missing {
                let seen = self.hands.adapter.look(&ask);
                facts.insert(ask, seen);
            }
            self.reconcile(key, facts, looks + 1);
            return;
        }
        self.facts.insert(key.clone(), (facts, looks + 1));
        let adapter = Arc::clone(&self.hands.adapter);
        self.tasks.push(Box::pin(async move {
            let asks = missing.clone();
            let looked = tokio::task::spawn_blocking(move || {
                asks.into_iter().map(|ask| (ask.clone(), adapter.look(&ask))).collect::<Facts>()
            });
            let facts = looked.await.unwrap_or_else(|panic| {
                let unknown = |ask| (ask, Seen::Unknown { why: format!("a bug: {panic}"), since: now });
                missing.into_iter().map(unknown).collect()
            });
            Back::Looked(key, facts)
        }));
    }

    fn back(&mut self, back: Back) {
        let now = self.clock.now();
        match back {
            Back::Looked(key, new) => {
                let (mut facts, looks) = self.facts.remove(&key).unwrap_or_default();
                facts.extend(new);
                self.reconcile(key, facts, looks);
            }
            Back::Applied(key, plan, applied, wrote) => {
                self.wrote(wrote, now);
                match applied {
                    Applied::All(n) => {
                        self.counters.effects += n as u64;
                        self.counters.statuses += plan.status.len() as u64;
                        self.gate.worked(&key);
                        self.queue.add(key.clone(), now);
                    }
                    Applied::Conflict => {
                        // What the plan would have started may not be wanted any more.
                        for job in jobs_of(&plan.effects) {
                            self.free(&job);
                        }
                        self.queue.add(key.clone(), now + CONFLICT_DELAY);
                    }
                    Applied::Failed(reason, message) => self.failed(&key, plan.effects, reason, message, now),
                }
                self.queue.done(&key);
            }
            Back::Ended(jobs) => {
                for job in jobs {
                    self.woke(&Woke::Job(job));
                }
            }
            Back::Told(key, applied, wrote) => {
                self.telling -= 1;
                self.wrote(wrote, now);
                match applied {
                    Applied::All(n) => self.counters.statuses += n as u64,
                    Applied::Conflict => self.queue.add(key.clone(), now + CONFLICT_DELAY),
                    Applied::Failed(reason, message) => {
                        warn!(%key, reason, message, "a status could not be written");
                        self.queue.add(key.clone(), now + PATROL_MIN);
                    }
                }
                self.quiet(&key, now);
                self.queue.done(&key);
            }
        }
    }

    fn failed(&mut self, key: &Key, effects: Vec<Effect>, reason: &'static str, message: String, now: Timestamp) {
        warn!(%key, reason, message, "an effect failed");
        for job in jobs_of(&effects) {
            self.free(&job);
        }
        let no_facts = Facts::new();
        let settings = Settings::of(&View::new(now, &self.objects, &no_facts, None));
        let seed = key.to_string();
        let until = self.gate.failed(key, effects, (reason, message), now, |n| settings.delay(n, &seed));
        self.queue.add(key.clone(), until);
        // At once, to tell; the gate keeps it from trying.
        self.queue.add(key.clone(), now);
    }

    fn tell(&mut self, key: Key, status: Vec<gastown_controllers::plan::StatusWrite>) {
        let hands = self.hands.clone();
        self.telling += 1;
        self.tasks.push(Box::pin(async move {
            let mut wrote = Wrote::new();
            let applied = hands.statuses(&status, &mut wrote).await;
            Back::Told(key, applied, wrote)
        }));
    }

    fn wrote(&mut self, wrote: Wrote, now: Timestamp) {
        for (kind, version) in wrote {
            if self.seen.get(&kind).copied().unwrap_or(0) < version {
                let newest = self.wrote.get(&kind).map_or(version, |(before, _)| version.max(*before));
                self.wrote.insert(kind, (newest, now));
            }
        }
    }

    /// A key found nothing to do: its patrol gets rarer.
    fn quiet(&mut self, key: &Key, now: Timestamp) {
        if !self.objects.has(key) {
            // Its object is gone: nothing is remembered of it.
            self.gate.worked(key);
            self.patrols.remove(key);
            self.interest.retain(|_, keys| {
                keys.remove(key);
                !keys.is_empty()
            });
            return;
        }
        if queue::lane(key) != queue::Lane::World {
            return;
        }
        let interval = match self.patrols.get(key) {
            None => PATROL_MIN,
            // Woken by something else: the patrol comes when it was to come, however noisy it is here.
            Some((at, _)) if *at != Timestamp::MAX => return,
            Some((_, last)) => (*last * 2).min(PATROL_MAX),
        };
        self.patrols.insert(key.clone(), (now + interval, interval));
    }

    /// Remembers who asks about what may run, before it is looked at: an end that comes meanwhile finds them.
    fn note_interest(&mut self, key: &Key, asks: &BTreeSet<Ask>) {
        for ask in asks {
            let woke = match ask {
                Ask::Sandbox(sandbox) => Woke::Sandbox(sandbox.uid.clone()),
                Ask::Job(job) => Woke::Job(job.clone()),
                _ => continue,
            };
            self.interest.entry(woke).or_default().insert(key.clone());
        }
    }

    /// Brings the slots in line with what was seen of jobs. Who is interested in one that is over has just seen so, or is
    /// told by its end; one that is absent may be started yet.
    fn note_jobs(&mut self, key: &Key, facts: &Facts) {
        for (ask, fact) in facts {
            let (Ask::Job(job), Seen::Known(Fact::Job(state))) = (ask, fact) else { continue };
            match state {
                JobState::Running => self.hold(job.clone()),
                JobState::Absent => self.free(job),
                JobState::Exited(_) | JobState::Lost { .. } => {
                    self.free(job);
                    let woke = Woke::Job(job.clone());
                    if let Some(keys) = self.interest.get_mut(&woke) {
                        keys.remove(key);
                        if keys.is_empty() {
                            self.interest.remove(&woke);
                        }
                    }
                }
            }
        }
    }

    fn wants_slot(&self, effects: &[Effect], facts: &Facts) -> Option<JobKey> {
        let running =
            |job: &JobKey| matches!(facts.get(&Ask::Job(job.clone())), Some(Seen::Known(Fact::Job(JobState::Running))));
        jobs_of(effects).into_iter().find(|job| !running(job) && !self.jobs.contains(job))
    }

    fn slots(&self) -> usize {
        let machine = match self.hands.adapter.look(&Ask::Machine) {
            Seen::Known(Fact::Machine(machine)) => machine,
            _ => Machine { cores: 1, polecats_max: None, degraded: None },
        };
        jobs_max(self.objects.town().map(AsRef::as_ref), &machine) as usize
    }
}

fn jobs_of(effects: &[Effect]) -> Vec<JobKey> {
    let job = |effect: &Effect| match effect {
        Effect::Act(Act::EnsureJob(job)) => Some(job.key()),
        _ => None,
    };
    effects.iter().filter_map(job).collect()
}

/// Short names of effects, for the log.
fn names(effects: &[Effect]) -> Vec<String> {
    let name = |effect: &Effect| {
        let text = format!("{effect:?}");
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '(').unwrap_or(text.len());
        text[..end].trim_end_matches('(').replace('(', " ")
    };
    effects.iter().map(name).collect()
}

/// How long until an instant; zero if it is over.
fn wait(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
