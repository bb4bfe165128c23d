//! The settings of a town as they are in effect: its spec, with the defaults of what it leaves out.

use std::time::Duration;

use gastown_crds::quantity::Bytes;
use gastown_crds::town::Trust;

use crate::backoff;
use crate::objects::Objects;
use crate::world::{Free, Machine, Pool};

/// The Runtime that a fresh town has.
pub const RUNTIME_DEFAULT: &str = "script";
/// A Job's own default.
const BACKOFF_LIMIT_DEFAULT: u32 = 6;
/// A transfer that waits costs a process, and a dozen remotes that hang are rare.
const TRANSFERS_DEFAULT: u32 = 16;
/// Commands of gates mostly wait for others, and one is over within a minute unless its gate says otherwise.
const GATES_MAX: u32 = 8;
/// A large agent, with the compiler that it starts.
const MIN_FREE_MEMORY_DEFAULT: u64 = 1 << 30;
/// A worktree of a large repository, with what is built in it.
const MIN_FREE_DISK_DEFAULT: u64 = 5 << 30;
const INITIAL_DELAY_DEFAULT: Duration = Duration::from_secs(1);
const MAX_DELAY_DEFAULT: Duration = Duration::from_mins(5);

/// A town's settings in effect; without a town, the defaults. Made once per reconcile: see [`crate::view::View`].
#[derive(Debug, Clone, Copy)]
pub struct TownSettings {
    /// Failed attempts after which a bead is set aside.
    pub backoff_limit: u32,
    /// How far agents are trusted.
    pub trust: Trust,
    initial_delay: Duration,
    max_delay: Duration,
    polecats: Option<u32>,
    jobs: Option<u32>,
    transfers: Option<u32>,
    min_free_memory: Option<Bytes>,
    min_free_disk: Option<Bytes>,
}

impl TownSettings {
    /// The settings of the town that is known.
    pub fn of(objects: &Objects) -> Self {
        let spec = objects.town().map(|town| &town.spec);
        let delay = |wish: Option<gastown_crds::common::Duration>, default| wish.map_or(default, Duration::from);
        Self {
            backoff_limit: spec.and_then(|spec| spec.backoff_limit).unwrap_or(BACKOFF_LIMIT_DEFAULT),
            trust: spec.map(|spec| spec.trust).unwrap_or_default(),
            initial_delay: delay(spec.and_then(|spec| spec.retry.initial_delay), INITIAL_DELAY_DEFAULT),
            max_delay: delay(spec.and_then(|spec| spec.retry.max_delay), MAX_DELAY_DEFAULT),
            polecats: spec.and_then(|spec| spec.capacity.polecats),
            jobs: spec.and_then(|spec| spec.capacity.jobs),
            transfers: spec.and_then(|spec| spec.capacity.transfers),
            min_free_memory: spec.and_then(|spec| spec.capacity.min_free_memory),
            min_free_disk: spec.and_then(|spec| spec.capacity.min_free_disk),
        }
    }

    /// The longest wait between two tries.
    pub fn max_delay(&self) -> Duration {
        self.max_delay
    }

    /// How long to wait after so many failures in a row; the seed keeps many from trying at once.
    pub fn delay(&self, failures: u32, seed: &str) -> Duration {
        backoff::delay(failures, self.initial_delay, self.max_delay, seed)
    }

    /// How many polecats may work at once: the town's wish, else `max(1, min(3, cores/2))`; never over the machine's limit.
    pub fn polecats_max(&self, machine: &Machine) -> u32 {
        let wish = self.polecats.unwrap_or_else(|| (machine.cores / 2).clamp(1, 3));
        machine.polecats_max.map_or(wish, |limit| wish.min(limit))
    }

    /// What must be free for a session to be started: the town's wish, else a part of what the machine has, in whole Mi, and no
    /// more than these.
    pub fn min_free(&self, machine: &Machine) -> Free {
        let part = |wish: Option<Bytes>, part: u64, most: u64| wish.unwrap_or(Bytes(part.min(most)).rounded()).0;
        Free {
            memory: part(self.min_free_memory, machine.memory / 4, MIN_FREE_MEMORY_DEFAULT),
            disk: part(self.min_free_disk, machine.disk / 20, MIN_FREE_DISK_DEFAULT),
        }
    }

    /// How many jobs may run at once: the town's wish; else of this machine the number of cores, at least 2.
    pub fn jobs_max(&self, pool: Pool, machine: &Machine) -> u32 {
        match pool {
            Pool::Local => self.jobs.unwrap_or_else(|| machine.cores.max(2)),
            Pool::Network => self.transfers.unwrap_or(TRANSFERS_DEFAULT),
            Pool::Gates => GATES_MAX,
        }
    }
}
