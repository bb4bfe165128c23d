//! The Town controller: what capacity is in effect, and whether something is missing on this machine.

pub mod accounts;

pub(crate) mod pressure;

mod mode;

mod notify;

mod settings;

pub use settings::{RUNTIME_DEFAULT, TownSettings};

use std::sync::Arc;

use gastown_crds::common::{Observed, types};
use gastown_crds::quantity::Bytes;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig, Runtime, Source, Town};
use kube::core::object::HasStatus;

use crate::draft::Draft;
use crate::holds::{self, PartOf};
use crate::key::{Controller, Lane};
use crate::kinds::runtime;
use crate::objects::{Change, Objects, Watched};
use crate::plan::Plan;
use crate::view::{NotSeen, View};
use crate::watches::{Again, Watches};
use pressure::{Beyond, Pressure};

/// The town's own status.
pub static CONTROLLER: Controller =
    Controller::of::<Town>("town", Lane::Objects, |name, view| view.with(name, reconcile), watches);

/// What people are told by the town's own command.
pub static NOTIFY: Controller =
    Controller::single("notify", Lane::World, |_, view| notify::reconcile(view), notify_watches);

fn watches(watches: &mut Watches) {
    // How many polecats work is in its status.
    watches.on::<Bead>(|change, _, again| {
        if change.each().any(|bead| !bead.spec.is_step()) {
            again.at(NAME);
        }
    });
    // Whether its accounts can be worked by is in its status.
    watches.on::<Polecat>(|change, _, again| {
        let told = |polecat: &Polecat| {
            let (refused, at_work) = accounts::told(polecat);
            (refused.cloned(), at_work.map(|(account, _)| account.to_owned()))
        };
        if change.differs(told) {
            again.at(NAME);
        }
    });
    // What people are told of is written down in it.
    watches.on::<Polecat>(tells);
    watches.on::<Rig>(tells);
    watches.on::<Source>(tells);
    watches.on::<MergeRequest>(tells);
    watches.on::<Convoy>(tells);
}

/// The town looks again where people may have to be told something.
fn tells<K>(change: &Change<'_, K>, objects: &Objects, again: &mut Again<'_>)
where
    K: Watched + HasStatus,
    K::Status: Observed,
{
    let conditions = |object: &K| {
        let all = object.status().map(Observed::conditions).unwrap_or_default();
        all.iter().map(|it| (it.type_.clone(), it.status, it.reason.clone())).collect::<Vec<_>>()
    };
    if objects.town().is_some_and(|town| town.spec.notify.is_some()) && change.differs(conditions) {
        again.at(NAME);
    }
}

fn notify_watches(watches: &mut Watches) {
    watches.on::<Town>(|change, _, again| {
        let told = |town: &Town| {
            let told = town.status.as_ref().map(|status| status.notifications.clone());
            (town.spec.notify.clone(), told)
        };
        if change.differs(told) {
            again.single();
        }
    });
}

/// The name of every town: there is one in a namespace.
pub const NAME: &str = "town";

/// How many beads that wait are looked at for what they need, of those that come first.
const WAITING_MAX: usize = 100;

impl Watched for Town {
    type Index = ();
}

impl Objects {
    /// The town.
    pub fn town(&self) -> Option<&Arc<Town>> {
        self.get(NAME)
    }
}

/// The runtime of whoever waits and needs the most: that is told of, even where others fit. Every change of a bead asks; where
/// no runtime requests anything, nobody's is looked for.
fn most_wanted<'a>(view: &View<'a>) -> Option<&'a Runtime> {
    if !is_any_requested(view) {
        return None;
    }
    let waiting = view.objects.ready().take(WAITING_MAX);
    waiting.filter_map(|bead| wanted(bead, view)).max_by_key(|runtime| runtime::requested(Some(runtime)))
}

/// What whoever waits is short of: memory, and disk; each with why and in words.
fn short(view: &View<'_>) -> Result<[Option<(Reason, String)>; 2], NotSeen> {
    let Pressure { memory, disk } = Pressure::of(view, 0, most_wanted(view))?;
    if memory.is_none() && disk.is_none() {
        return Ok([None, None]);
    }
    let (beyond, machine) = (beyond(view)?, view.machine()?);
    let said = |(short, is_beyond, all): (Option<String>, bool, u64)| {
        let short = short?;
        let never = || format!("{short}; this machine has {} in all", Bytes(all).rounded());
        Some(if is_beyond { (Reason::Unsatisfiable, never()) } else { (Reason::Insufficient, short) })
    };
    Ok([(memory, beyond.memory, machine.memory), (disk, beyond.disk, machine.disk)].map(said))
}

/// What nobody who waits could be given, were all of this machine free: only a person can change that. The first who could
/// be given it ends the search, so it is short where work goes on.
fn beyond(view: &View<'_>) -> Result<Beyond, NotSeen> {
    let all = Beyond::of(view, None)?;
    if !is_any_requested(view) {
        return Ok(all);
    }
    let mut least = Beyond { memory: true, ..all };
    for bead in view.objects.ready() {
        least.memory &= Beyond::of(view, wanted(bead, view))?.memory;
        if !least.memory {
            break;
        }
    }
    Ok(least)
}

fn is_any_requested(view: &View<'_>) -> bool {
    view.objects.all::<Runtime>().any(|runtime| runtime::requested(Some(runtime)) > 0)
}

/// The runtime that a bead would be worked by.
fn wanted<'a>(bead: &'a Arc<Bead>, view: &View<'a>) -> Option<&'a Runtime> {
    let polecat = bead.spec.assignee.as_ref().map(|assignee| &*assignee.polecat);
    runtime::runtime_of(bead, polecat, view)
}

/// Decides about the town itself.
pub fn reconcile(town: &Town, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut draft = Draft::of(town, view);
    let conditions = &mut draft.conditions;
    match view.machine() {
        Ok(machine) => {
            draft.status.polecats_max = view.settings.polecats_max(machine);
            let min = view.settings.min_free(machine);
            draft.status.min_free_memory = Some(Bytes(min.memory));
            draft.status.min_free_disk = Some(Bytes(min.disk));
            let degraded = machine.degraded.clone();
            mode::record(town, degraded.as_deref(), view, &mut plan, &mut draft.status);
            let reason = if degraded.is_some() { Reason::Degraded } else { Reason::Ok };
            conditions.set_bool(types::DEGRADED, degraded.is_some(), reason, degraded.unwrap_or_default());
            let hold = PartOf { town: Some(town), ..PartOf::default() }.hold(view.now);
            let (reason, message) = hold.map_or((Reason::Ok, String::new()), |hold| (hold.reason, hold.message));
            conditions.set_bool(types::READY, reason == Reason::Ok, reason, message);
        }
        Err(not_seen) => {
            conditions.unknown(types::DEGRADED, &not_seen);
            conditions.unknown(types::READY, &not_seen);
        }
    }
    // It matters to whoever waits for a slot.
    let is_wanted = view.objects.ready().next().is_some();
    let short = if is_wanted { short(view) } else { Ok(Default::default()) };
    match short {
        Ok(short) => {
            if short.iter().any(Option::is_some) {
                plan.again_at(pressure::again(view));
            }
            for (type_, short) in [types::MEMORY_PRESSURE, types::DISK_PRESSURE].into_iter().zip(short) {
                let is_short = short.is_some();
                let (reason, message) = short.unwrap_or((Reason::Ok, String::new()));
                conditions.set_bool(type_, is_short, reason, message);
            }
        }
        Err(not_seen) => {
            conditions.unknown(types::MEMORY_PRESSURE, &not_seen);
            conditions.unknown(types::DISK_PRESSURE, &not_seen);
        }
    }
    draft.status.polecats_working = view.objects.at_work();
    accounts::record(town, view, &mut draft, &mut plan);
    notify::record(town, view, &mut draft, &mut plan);
    holds::expire(town, view, &mut plan);
    plan.set_status(draft);
    plan
}
