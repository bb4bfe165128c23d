//! The engine: watch → queue → observe → reconcile → apply → look again.
//!
//! Events say *look again*, never *what to do*. One task owns all state; looking and applying run beside it, one at a time
//! for each key. It reads its own writes: no key runs before the watch has shown what was written last. A kind whose watch
//! failed is unknown until it is listed again, and nothing is decided meanwhile: most decisions rest on several kinds.
//! Architecture invariant: its only doors are `kube::Client` and `Adapter`; the simulation drives this very code.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, FuturesUnordered, StreamExt};
use gastown_controllers::key::Key;
use gastown_controllers::kinds::CONTROLLERS;
use gastown_controllers::objects::{Object, Objects};
use gastown_controllers::plan::Plan;
use gastown_controllers::seen::Seen;
use gastown_controllers::view::Facts;
use gastown_controllers::world::{Adapter, Ask, Fact, JobKey, JobState, WorldEvent};
use gastown_crds::kinds::Kind;
use jiff::Timestamp;
use kube::Client;
use tracing::{info, warn};

use gastown_base::clock::Clock;

pub mod apply;
mod correlator;
pub mod gate;
mod happenings;
mod interest;
mod lag;
pub mod queue;
mod recorder;
mod resync;
mod retries;
mod slots;
mod turn;
pub mod watch;

use apply::{Applied, Applier, Wrote};
use gate::Gate;
use happenings::{Happenings, MayHave};
use interest::Interest;
use lag::{LAG_MAX, Lag};
use queue::Queue;
use recorder::{Recorded, Recorder};
use resync::Resync;
use retries::Retries;
use slots::Slots;
use watch::{Change, Watches};

/// Keys that look or act at once. Each may hold one thread, for as long as git takes; tokio has 512.
const RUNNING_MAX: usize = 32;
/// Statuses that are being written at once. They hold no thread, and wait for one sync of the disk together: as many as
/// the store puts into one commit. (`make bench`, 10,000 objects: 740–780 ms in some 580 commits; with 32 of them,
/// 810–1030 ms in some 920.)
const STATUS_WRITES_MAX: usize = 256;
/// A key that finds nothing is looked at again after this at first: what no event reported is found anyway.
const RESYNC_MIN: Duration = Duration::from_mins(1);
/// No sleep is longer, so that a laptop's sleep or a changed clock is noticed.
const SLEEP_MAX: Duration = Duration::from_mins(5);
/// Changes that are taken before the keys that they wake are looked at: as many as the store commits together.
const CHANGES_MAX: usize = 256;
/// A clock that goes back by more than this was set, and not only slowed down.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// The parts of an engine.
pub struct Parts {
    /// The API.
    pub client: Client,
    /// The world.
    pub adapter: Arc<dyn Adapter>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The events of the world.
    pub wakes: BoxStream<'static, WorldEvent>,
    /// Whether the adapter's calls may block.
    pub blocking: bool,
    /// The name of this process, as Events have it: `gt-4711`.
    pub instance: String,
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
    /// Events written, and written again.
    pub events: u64,
    /// What could not be written as an Event, or came too fast.
    pub events_dropped: u64,
}

/// The result of a task beside the loop.
enum TaskResult {
    Looked(Key, Facts),
    /// How the effects of a plan went, and if they did, its statuses.
    Applied(Key, Box<Plan>, Applied, Option<Applied>, Wrote),
    StatusesWritten(Key, Applied, Wrote),
    /// Jobs that held a slot and are over.
    Ended(Vec<JobKey>),
    /// Events were written.
    Recorded(Vec<Recorded>),
}

/// The engine.
pub struct Engine {
    applier: Applier,
    clock: Arc<dyn Clock>,
    watches: Watches,
    wakes: BoxStream<'static, WorldEvent>,
    objects: Objects,
    queue: Queue,
    gate: Gate,
    /// Keys that met a conflict.
    conflicts: Retries,
    /// Keys whose status could not be written, with the effects that were done with it: what they say is not seen yet.
    unwritten: Gate,
    tasks: FuturesUnordered<BoxFuture<'static, TaskResult>>,
    /// How many of the tasks only write a status.
    writing: usize,
    /// Facts of keys that are being observed.
    facts: BTreeMap<Key, (Facts, u32)>,
    interest: Interest,
    happenings: Happenings,
    slots: Slots,
    resync: Resync,
    /// Names still expected of a list that is under way.
    lists: BTreeMap<&'static Kind, BTreeSet<String>>,
    /// The kinds that are known: listed, and watched since.
    synced: BTreeSet<&'static Kind>,
    lag: Lag,
    recorder: Recorder,
    /// The present, when it was last asked for.
    present: Timestamp,
    counters: Counters,
}

impl Engine {
    /// An engine that has seen nothing yet.
    pub fn new(parts: Parts) -> Self {
        let Parts { client, adapter, clock, wakes, blocking, instance } = parts;
        Self {
            watches: Watches::new(&client),
            applier: Applier { client, adapter, blocking },
            clock,
            wakes,
            objects: Objects::default(),
            queue: Queue::default(),
            gate: Gate::default(),
            conflicts: Retries::default(),
            unwritten: Gate::default(),
            tasks: FuturesUnordered::new(),
            writing: 0,
            facts: BTreeMap::new(),
            interest: Interest::default(),
            happenings: Happenings::default(),
            slots: Slots::default(),
            resync: Resync::default(),
            lists: BTreeMap::new(),
            synced: BTreeSet::new(),
            lag: Lag::default(),
            recorder: Recorder::new(instance),
            present: Timestamp::MIN,
            counters: Counters::default(),
        }
    }

    /// Its counters.
    pub fn counters(&self) -> Counters {
        Counters { events: self.recorder.written, events_dropped: self.recorder.dropped, ..self.counters }
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
            match back {
                TaskResult::Applied(_, _, Applied::Failed(reason, message), _, _) => {
                    warn!(%reason, message, "failed while stopping");
                }
                // What was told before is written yet.
                TaskResult::Recorded(results) => {
                    self.recorder.recorded(results);
                    self.record();
                }
                _ => {}
            }
        }
    }

    /// Runs until nothing is due and nothing runs: resync aside, the town is at rest. Bounded in steps.
    pub async fn run_to_rest(&mut self, steps_max: u64) -> Result<(), String> {
        self.run_until_still(Duration::MAX, steps_max).await
    }

    /// The same, for a town that has something to do now and then for ever, such as to ask its remotes for news: until
    /// nothing runs, and nothing is due for this long.
    pub async fn run_until_still(&mut self, still: Duration, steps_max: u64) -> Result<(), String> {
        for _ in 0..steps_max {
            self.start_due();
            if self.at_rest(still) {
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

    /// Whether nothing is due within this time, runs, or waits to be seen.
    fn at_rest(&self, still: Duration) -> bool {
        let now = self.clock.now();
        self.knows_all()
            && self.tasks.is_empty()
            && self.queue.next_due().is_none_or(|at| wait(now, at) > still)
            && self.queue.running() == 0
            && self.slots.taken() == 0
            && !self.lag.lags(now)
    }

    /// Takes what the watches have ready right now. Answers whether there was anything.
    async fn poll_changes(&mut self) -> bool {
        // Two turns let every task between store and watch run once.
        for _ in 0..64 {
            tokio::task::yield_now().await;
            let ready = futures::poll!(self.watches.changes.next());
            if let std::task::Poll::Ready(Some(change)) = ready {
                self.change(change);
                return true;
            }
            let ready = futures::poll!(self.wakes.next());
            if let std::task::Poll::Ready(Some(event)) = ready {
                self.world_changed(&event);
                return true;
            }
            let ready = futures::poll!(std::pin::pin!(self.happenings.next()));
            if let std::task::Poll::Ready(may_have) = ready {
                self.may_have(may_have);
                return true;
            }
        }
        false
    }

    /// One thing that happens.
    pub async fn step(&mut self) {
        let now = self.now();
        let due = self.next_due(now).map_or(SLEEP_MAX, |at| wait(now, at)).min(SLEEP_MAX);
        tokio::select! {
            biased;
            Some(change) = self.watches.changes.next() => {
                self.change(change);
                self.changes_at_hand();
            }
            Some(back) = self.tasks.next(), if !self.tasks.is_empty() => self.back(back),
            Some(event) = self.wakes.next() => self.world_changed(&event),
            may_have = self.happenings.next() => self.may_have(may_have),
            () = tokio::time::sleep(due) => self.resync_due(),
        }
    }

    /// Takes the changes that are there already, so that a key that many of them wake looks once.
    fn changes_at_hand(&mut self) {
        for _ in 0..CHANGES_MAX {
            // The next step polls again, with a waker.
            let Some(Some(change)) = self.watches.changes.next().now_or_never() else { return };
            self.change(change);
        }
    }

    /// The present. If the clock was set back, all that waits for an instant waits no longer for that.
    fn now(&mut self) -> Timestamp {
        let now = self.clock.now();
        let back = wait(now, self.present);
        if back > CLOCK_STEP {
            warn!(?back, "the clock was set back");
            self.queue.clock_went_back(back);
            self.gate.clock_went_back(back);
            self.conflicts.clock_went_back(back);
            self.unwritten.clock_went_back(back);
            self.slots.clock_went_back(back);
            self.resync.clock_went_back(back);
            self.lag.clock_went_back(back);
        }
        self.present = now;
        now
    }

    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let lag = self.lag.lags(now).then(|| now + LAG_MAX);
        let waits = lag.is_some() || self.is_full() || !self.knows_all();
        let queue = if waits { None } else { self.queue.next_due() };
        [self.resync.next_due(), lag, queue, self.slots.next_due()].into_iter().flatten().min()
    }

    fn change(&mut self, change: Change) {
        match change {
            Change::Begin(kind) => {
                self.lists.insert(kind, self.objects.names(kind).into_iter().collect());
            }
            Change::Is(object, version) => {
                let (kind, name) = (object.kind(), object.name().to_owned());
                if let Some(names) = self.lists.get_mut(kind) {
                    names.remove(&name);
                }
                self.lag.saw(kind, version);
                self.fold(kind, &name, Some(object));
            }
            Change::Gone(kind, name, version) => {
                self.lag.saw(kind, version);
                self.fold(kind, &name, None);
            }
            Change::End(kind) => {
                for name in self.lists.remove(kind).unwrap_or_default() {
                    self.fold(kind, &name, None);
                }
                self.lag.listed(kind);
                if self.synced.insert(kind) && self.knows_all() {
                    info!("all kinds are known");
                    let now = self.clock.now();
                    for key in CONTROLLERS.iter().filter_map(|controller| controller.single_key()) {
                        self.queue.add(key, now);
                    }
                }
            }
            Change::Failed(kind, error) => {
                warn!(kind = kind.name, error, "a watch failed; nothing is decided until it has listed again");
                self.synced.remove(kind);
                self.lists.remove(kind);
            }
        }
    }

    /// Takes in one change; who is concerned looks again.
    fn fold(&mut self, kind: &'static Kind, name: &str, new: Option<Object>) {
        let now = self.clock.now();
        for key in self.objects.change(kind, name, new) {
            self.queue.add(key, now);
        }
    }

    fn world_changed(&mut self, event: &WorldEvent) {
        if let WorldEvent::Job(job) = event {
            self.free(job);
        }
        self.wake(self.interest.of(event));
    }

    fn wake(&mut self, keys: BTreeSet<Key>) {
        let now = self.clock.now();
        for key in keys {
            self.queue.add(key, now);
        }
    }

    fn may_have(&mut self, may_have: MayHave) {
        match may_have {
            MayHave::Happened(event_type) => self.world_changed(&WorldEvent::Happened(event_type)),
            MayHave::Anything => self.wake(self.interest.of_what_happened()),
        }
    }

    /// A job gives back its slot; whoever waits for one tries again.
    fn free(&mut self, job: &JobKey) {
        let now = self.clock.now();
        for key in self.slots.free(job) {
            self.queue.add(key, now);
        }
    }

    fn look_at_jobs(&mut self, jobs: BTreeSet<JobKey>) {
        let adapter = Arc::clone(&self.applier.adapter);
        // One that is absent is being started just now.
        let is_over = |seen| matches!(seen, Seen::Known(Fact::Job(JobState::Exited(_) | JobState::Lost { .. })));
        let look =
            move || jobs.into_iter().filter(|job| is_over(adapter.look(&Ask::Job(job.clone())))).collect::<Vec<_>>();
        let blocking = self.applier.blocking;
        self.tasks.push(Box::pin(async move {
            // A look that panics has seen nothing; the next one comes with the resync.
            let ended = if blocking { tokio::task::spawn_blocking(look).await.unwrap_or_default() } else { look() };
            TaskResult::Ended(ended)
        }));
    }

    fn resync_due(&mut self) {
        let now = self.now();
        if let Some(jobs) = self.slots.take_due(now) {
            self.look_at_jobs(jobs);
        }
        for key in self.resync.take_due(now) {
            self.queue.add(key, now);
        }
    }

    fn start_due(&mut self) {
        let now = self.now();
        for kind in self.lag.take_overdue(now) {
            self.synced.remove(kind);
            self.watches.restart(kind);
        }
        if !self.interest.is_in_what_happened() {
            self.happenings.stop();
        }
        if !self.knows_all() || self.lag.lags(now) {
            return;
        }
        while !self.is_full() {
            let Some(key) = self.queue.take(now) else { return };
            self.reconcile(key, Facts::new(), 0);
        }
    }

    /// Whether every kind is known.
    fn knows_all(&self) -> bool {
        self.synced.len() == self.watches.count()
    }

    fn is_full(&self) -> bool {
        let beside = self.writing + usize::from(self.recorder.is_writing());
        self.writing >= STATUS_WRITES_MAX || self.tasks.len() - beside >= RUNNING_MAX
    }
}

/// An instant by the clock as it was set back.
fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_sub(by).unwrap_or(Timestamp::MIN)
}

/// How long until an instant; zero if it is over.
fn wait(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
