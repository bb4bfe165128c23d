//! The Runtime controller: would its program start here, and are its sessions held to their limits?

use std::collections::BTreeSet;
use std::time::Duration;

use gastown_crds::bead::BeadSpec;
use gastown_crds::common::types;
use gastown_crds::reason::Reason;
use gastown_crds::{Polecat, Rig, Runtime, Town};
use kube::ResourceExt;

use crate::draft::Draft;
use crate::key::{Controller, Lane};
use crate::kinds::town::RUNTIME_DEFAULT;
use crate::objects::Watched;
use crate::plan::Plan;
use crate::view::View;
use crate::watches::Watches;
use crate::world::{Limiting, Limits};

/// Whether the programs of runtimes are there.
pub static CONTROLLER: Controller =
    Controller::of::<Runtime>("runtime", Lane::Objects, |name, view| view.with(name, reconcile), watches);

/// One that is used from now on looks for its program again.
fn watches(watches: &mut Watches) {
    watches.on::<Town>(|change, _, again| {
        if change.differs(|town| &town.spec.runtime) {
            let named = change.each().map(|town| town.spec.runtime.clone());
            again.all(named.map(|name| name.unwrap_or_else(|| RUNTIME_DEFAULT.to_owned())));
        }
    });
    watches.on::<Rig>(|change, objects, again| {
        if change.differs(|rig| &rig.spec.runtime) {
            let default = || objects.town().and_then(|town| town.spec.runtime.clone());
            let named = change.each().map(|rig| rig.spec.runtime.clone().or_else(default));
            again.all(named.map(|name| name.unwrap_or_else(|| RUNTIME_DEFAULT.to_owned())));
        }
    });
    watches.on::<Polecat>(|change, _, again| {
        if change.differs(|polecat| &polecat.spec.runtime) {
            again.all(change.each().filter_map(|polecat| polecat.spec.runtime.clone()));
        }
    });
}

/// The names of the runtimes that a town uses: those of its rigs and polecats.
pub fn used<'a>(
    town: Option<&'a Town>,
    rigs: impl Iterator<Item = &'a Rig>,
    polecats: impl Iterator<Item = &'a Polecat>,
) -> BTreeSet<&'a str> {
    let default = town.and_then(|town| town.spec.runtime.as_deref()).unwrap_or(RUNTIME_DEFAULT);
    let of_rigs = rigs.map(|rig| rig.spec.runtime.as_deref().unwrap_or(default));
    of_rigs.chain(polecats.filter_map(|polecat| polecat.spec.runtime.as_deref())).collect()
}

/// How long until a program that is not on PATH is looked for again, or a way to hold sessions to their limits: no event
/// reports an installation.
pub const INSTALL_DELAY: Duration = Duration::from_mins(1);

/// The memory that an agent is taken to use until it is at work and its use can be seen: agents were measured at 230 to
/// 900 MB.
const SESSION_MEMORY: u64 = 512 << 20;

impl Watched for Runtime {
    type Index = ();
}

/// Decides about one runtime.
pub fn reconcile(runtime: &Runtime, view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let mut draft = Draft::of(runtime, view);
    let conditions = &mut draft.conditions;
    let program = &runtime.spec.command[0];
    let objects = view.objects;
    let (rigs, polecats) = (objects.all::<Rig>().map(AsRef::as_ref), objects.all::<Polecat>().map(AsRef::as_ref));
    let is_used = used(objects.town().map(AsRef::as_ref), rigs, polecats).contains(&*runtime.name_any());
    match view.program(program) {
        Ok(true) => conditions.set_bool(types::READY, true, Reason::Ok, ""),
        Ok(false) => {
            if is_used {
                plan.again_at(view.now + INSTALL_DELAY);
            }
            let message = format!("`{program}` is not on PATH here: install it");
            conditions.set_bool(types::READY, false, Reason::CommandNotFound, message);
        }
        Err(not_seen) => conditions.unknown(types::READY, &not_seen),
    }
    let limits = limits(runtime);
    if limits != Limits::default() {
        match view.limiting() {
            Ok(limiting) => match not_enforced(limits, limiting) {
                None => conditions.set_bool(types::LIMITS_ENFORCED, true, Reason::Ok, ""),
                Some(why) => {
                    if is_used {
                        plan.again_at(view.now + INSTALL_DELAY);
                    }
                    conditions.set_bool(types::LIMITS_ENFORCED, false, Reason::CannotLimit, why);
                }
            },
            Err(not_seen) => conditions.unknown(types::LIMITS_ENFORCED, &not_seen),
        }
    }
    plan.set_status(draft);
    plan
}

/// Which of these limits do not hold here, and why.
fn not_enforced(limits: Limits, limiting: &Limiting) -> Option<String> {
    match limiting {
        Limiting::No(why) => Some(format!("its sessions run without limits: {why}")),
        Limiting::Cgroup { memory, cpu } => {
            let lacking = [("memory", limits.memory.is_some() && !memory), ("cpu", limits.cpu.is_some() && !cpu)];
            let lacking: Vec<_> = lacking.iter().filter(|(_, lacks)| *lacks).map(|(name, _)| *name).collect();
            let lacking = lacking.join(" and ");
            (!lacking.is_empty()).then(|| {
                format!(
                    "its sessions run without a limit of {lacking}: `Delegate=` of user@.service does not list that"
                )
            })
        }
    }
}

/// What a runtime's sessions are held to.
pub fn limits(runtime: &Runtime) -> Limits {
    let limits = &runtime.spec.resources.limits;
    Limits { memory: limits.memory.map(|it| it.0), cpu: limits.cpu.map(|it| it.0) }
}

/// The runtime that works on a bead: that of the polecat that has or had it, or its rig's.
pub fn runtime_of<'a>(spec: &BeadSpec, polecat: Option<&str>, view: &View<'a>) -> Option<&'a Runtime> {
    let objects = view.objects;
    let own = polecat.and_then(|name| objects.get::<Polecat>(name)).and_then(|polecat| polecat.spec.runtime.as_deref());
    let of_rig = || objects.get::<Rig>(&spec.rig).and_then(|rig| rig.spec.runtime.as_deref());
    objects.get::<Runtime>(own.or_else(of_rig).unwrap_or(view.settings.runtime)).map(AsRef::as_ref)
}

/// The memory that has to be free to start a session, beside the town's own.
pub fn requested(runtime: Option<&Runtime>) -> u64 {
    runtime.and_then(|runtime| runtime.spec.resources.requests.memory).map_or(0, |memory| memory.0)
}

/// The memory that a session is taken to use until it is at work.
pub fn taken(runtime: Option<&Runtime>) -> u64 {
    let resources = runtime.map(|runtime| &runtime.spec.resources);
    let limit = resources.and_then(|it| it.limits.memory).map_or(SESSION_MEMORY, |limit| limit.0.min(SESSION_MEMORY));
    resources.and_then(|it| it.requests.memory).map_or(limit, |memory| memory.0)
}
