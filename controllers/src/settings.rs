//! What a town's spec comes to once its defaults are resolved: at use, never in the stored object.

use std::time::Duration;

use gastown_crds::common::Person;
use gastown_crds::rig::{Check, RigSpec};
use gastown_crds::{Polecat, Rig, Town};
use kube::ResourceExt;

use crate::backoff;
use crate::objects::Objects;
use crate::world::{self, Machine, RigId, SandboxId};

/// The Runtime that a fresh town has.
pub const RUNTIME_DEFAULT: &str = "script";
/// The Formula that a fresh town has: one step that runs the bead's command.
pub const FORMULA_DEFAULT: &str = "work";
/// A Job's own default.
const BACKOFF_LIMIT_DEFAULT: u32 = 6;
const INITIAL_DELAY_DEFAULT: Duration = Duration::from_secs(1);
const MAX_DELAY_DEFAULT: Duration = Duration::from_mins(5);
/// Of a check, and of all setup commands together.
const TIMEOUT_DEFAULT: Duration = Duration::from_mins(10);
/// How often a remote is asked while beads are open in its rig.
const INTERVAL_DEFAULT: Duration = Duration::from_mins(5);
/// Asking more often is rude to a remote.
const INTERVAL_MIN: Duration = Duration::from_mins(1);
/// How long until a program that is not on PATH is looked for again: nothing tells of an installation.
pub const INSTALL_DELAY: Duration = Duration::from_mins(1);
/// A red target is verified again after this, doubling to the maximum: its checks may be red for a reason elsewhere.
const RED_TARGET_DELAY: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(6));
/// Merge requests verified together.
const BATCH_DEFAULT: u32 = 16;

/// A town's settings in effect.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Failed attempts after which a bead is set aside.
    pub backoff_limit: u32,
    initial_delay: Duration,
    max_delay: Duration,
}

impl Settings {
    /// The settings of the town that is known, or the defaults. Made once per reconcile: see [`crate::view::View`].
    pub fn of(objects: &Objects) -> Self {
        let spec = objects.town().map(|town| town.spec.clone()).unwrap_or_default();
        Self {
            backoff_limit: spec.backoff_limit.unwrap_or(BACKOFF_LIMIT_DEFAULT),
            initial_delay: spec.retry.initial_delay.map_or(INITIAL_DELAY_DEFAULT, Duration::from),
            max_delay: spec.retry.max_delay.map_or(MAX_DELAY_DEFAULT, Duration::from),
        }
    }

    /// The longest wait.
    pub fn max_delay(&self) -> Duration {
        self.max_delay
    }

    /// How long to wait after so many failures in a row; the seed keeps many from trying at once.
    pub fn delay(&self, failures: u32, seed: &str) -> Duration {
        backoff::delay(failures, self.initial_delay, self.max_delay, seed)
    }
}

/// How long until a red target's tree is verified for the given round; the first two found it red.
pub fn red_target_delay(round: u32) -> Duration {
    let (first, longest) = RED_TARGET_DELAY;
    let doubled = 2_u32.checked_pow(round.saturating_sub(3)).and_then(|factor| first.checked_mul(factor));
    doubled.unwrap_or(longest).min(longest)
}

/// How many polecats may work at once: the town's wish, else `max(1, min(3, cores/2))`; never over the machine's limit.
pub fn polecats_max(town: Option<&Town>, machine: &Machine) -> u32 {
    let default = (machine.cores / 2).clamp(1, 3);
    let wish = town.and_then(|t| t.spec.capacity.polecats).unwrap_or(default);
    machine.polecats_max.map_or(wish, |limit| wish.min(limit))
}

/// How many jobs may run at once: the town's wish, else the number of cores, at least 2.
pub fn jobs_max(town: Option<&Town>, machine: &Machine) -> u32 {
    town.and_then(|t| t.spec.capacity.jobs).unwrap_or_else(|| machine.cores.max(2))
}

/// What a rig's beads' names start with.
pub fn prefix(rig: &Rig) -> String {
    rig.spec.prefix.clone().unwrap_or_else(|| rig.name_any())
}

/// The rig in the world.
pub fn rig_id(rig: &Rig) -> RigId {
    RigId { name: rig.name_any(), uid: rig.uid().unwrap_or_default() }
}

/// The sandbox of a polecat.
pub fn sandbox_id(polecat: &Polecat) -> SandboxId {
    SandboxId { name: polecat.name_any(), uid: polecat.uid().unwrap_or_default() }
}

/// How often a rig's remote is asked for news.
pub fn interval(rig: &RigSpec) -> Duration {
    rig.repo.interval.map_or(INTERVAL_DEFAULT, Duration::from).max(INTERVAL_MIN)
}

/// How many merge requests are verified together.
pub fn batch(rig: &RigSpec) -> usize {
    rig.merge.batch.unwrap_or(BATCH_DEFAULT) as usize
}

/// How long a setup may take, in seconds.
pub fn setup_timeout_s(rig: &RigSpec) -> u64 {
    rig.workspace.setup_timeout.map_or(TIMEOUT_DEFAULT, Duration::from).as_secs()
}

/// A rig's checks, as a job takes them.
pub fn checks(rig: &RigSpec) -> Vec<world::Check> {
    let check = |c: &Check| world::Check {
        name: c.name.clone(),
        run: c.run.clone(),
        timeout_s: c.timeout.map_or(TIMEOUT_DEFAULT, Duration::from).as_secs(),
    };
    rig.merge.verify.iter().map(check).collect()
}

/// Who commits what lands.
pub fn committer(rig: &RigSpec) -> Person {
    let default = || Person { name: "Gas Town".into(), email: "refinery@town.invalid".into() };
    rig.identity.committer.clone().unwrap_or_else(default)
}

/// Who a polecat's commits are by.
pub fn author(rig: &RigSpec, polecat: &str) -> Person {
    let default = || Person { name: polecat.to_owned(), email: format!("{polecat}@town.invalid") };
    rig.identity.author.clone().unwrap_or_else(default)
}
