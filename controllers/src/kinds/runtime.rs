//! The Runtime controller: would its program start here, and are its sessions held to their limits?

use std::collections::BTreeSet;
use std::time::Duration;

use gastown_crds::bead::BeadSpec;
use gastown_crds::common::types;
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Convoy, Polecat, Rig, Runtime, Town};
use kube::ResourceExt;

use crate::draft::Draft;
use crate::key::{Controller, Lane};
use crate::kinds::bead::next_step;
use crate::kinds::convoy;
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
    watches.on::<Convoy>(|change, _, again| {
        if change.differs(|convoy| of_convoy(convoy)) {
            again.all(change.each().flat_map(of_convoy).map(str::to_owned));
        }
    });
    watches.on::<Bead>(|change, _, again| {
        if change.differs(|bead| of_open(bead)) {
            again.all(change.each().filter_map(of_open).map(str::to_owned));
        }
    });
}

/// The names of the runtimes that a town uses: those of its rigs and polecats, and of the work that is left to do. `beads` are the
/// names that open beads give: [`of_open`].
pub fn used<'a>(
    town: Option<&'a Town>,
    rigs: impl Iterator<Item = &'a Rig>,
    polecats: impl Iterator<Item = &'a Polecat>,
    convoys: impl Iterator<Item = &'a Convoy>,
    beads: impl Iterator<Item = &'a str>,
) -> BTreeSet<&'a str> {
    let default = town.and_then(|town| town.spec.runtime.as_deref()).unwrap_or(RUNTIME_DEFAULT);
    let of_rigs = rigs.map(|rig| rig.spec.runtime.as_deref().unwrap_or(default));
    let of_polecats = polecats.filter_map(|polecat| polecat.spec.runtime.as_deref());
    of_rigs.chain(of_polecats).chain(convoys.flat_map(of_convoy)).chain(beads).collect()
}

/// The runtime that a bead itself names, or a step, while there is work to do on it.
pub fn of_open(bead: &Bead) -> Option<&str> {
    bead.spec.runtime.as_deref().filter(|_| bead.spec.closed.is_none())
}

/// The runtimes that a convoy names for its beads, which may not be there yet; none once it has landed.
fn of_convoy(convoy: &Convoy) -> BTreeSet<&str> {
    if convoy::has_landed(convoy) { BTreeSet::new() } else { convoy::runtimes(&convoy.spec).collect() }
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
    match view.program(program) {
        Ok(true) => conditions.set_bool(types::READY, true, Reason::Ok, ""),
        Ok(false) => {
            if is_used(runtime, view) {
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
                    if is_used(runtime, view) {
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

/// Whether the town uses a runtime: what nothing uses is not looked for.
fn is_used(runtime: &Runtime, view: &View<'_>) -> bool {
    let objects = view.objects;
    let (rigs, polecats) = (objects.all::<Rig>().map(AsRef::as_ref), objects.all::<Polecat>().map(AsRef::as_ref));
    let (convoys, beads) = (objects.all::<Convoy>().map(AsRef::as_ref), objects.runtimes_of_beads());
    let used = used(objects.town().map(AsRef::as_ref), rigs, polecats, convoys, beads);
    used.contains(&*runtime.name_any())
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

/// Whose word it is that a runtime works on a bead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// Its next step's.
    Step,
    /// The bead's own, or its convoy's, which is written on the bead.
    Bead,
    /// The polecat's that has or had it.
    Polecat,
    /// Its rig's.
    Rig,
    /// The town's, or the default of every town.
    Town,
}

/// The names of the runtime that works on a bead, by who gives one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Named<'a> {
    /// Its next step.
    pub step: Option<&'a str>,
    /// The bead, or its convoy.
    pub bead: Option<&'a str>,
    /// The polecat that has or had it.
    pub polecat: Option<&'a str>,
    /// Its rig.
    pub rig: Option<&'a str>,
    /// The town.
    pub town: Option<&'a str>,
}

impl<'a> Named<'a> {
    /// As these objects say, as far as they are there.
    pub fn of(
        step: Option<&'a Bead>,
        bead: &'a BeadSpec,
        polecat: Option<&'a Polecat>,
        rig: Option<&'a Rig>,
        town: Option<&'a Town>,
    ) -> Self {
        Self {
            step: step.and_then(|step| step.spec.runtime.as_deref()),
            bead: bead.runtime.as_deref(),
            polecat: polecat.and_then(|polecat| polecat.spec.runtime.as_deref()),
            rig: rig.and_then(|rig| rig.spec.runtime.as_deref()),
            town: town.and_then(|town| town.spec.runtime.as_deref()),
        }
    }

    /// The name that holds, and whose it is: the smallest wins.
    pub fn smallest(&self) -> (&'a str, NamedBy) {
        let Self { step, bead, polecat, rig, town } = self;
        let whole = [(bead, NamedBy::Bead), (polecat, NamedBy::Polecat), (rig, NamedBy::Rig), (town, NamedBy::Town)];
        let first = std::iter::once((step, NamedBy::Step)).chain(whole).find_map(|(name, by)| Some(((*name)?, by)));
        first.unwrap_or((RUNTIME_DEFAULT, NamedBy::Town))
    }
}

/// The names of the runtime that works on a bead from its next session on.
pub fn named<'a>(bead: &'a Bead, polecat: Option<&'a Polecat>, view: &View<'a>) -> Named<'a> {
    named_for(next_step(bead, view), bead, polecat, view)
}

/// The name of the runtime that works on the steps of a bead that name none.
pub fn name_of_whole<'a>(bead: &'a Bead, polecat: &'a Polecat, view: &View<'a>) -> &'a str {
    named_for(None, bead, Some(polecat), view).smallest().0
}

fn named_for<'a>(step: Option<&'a Bead>, bead: &'a Bead, polecat: Option<&'a Polecat>, view: &View<'a>) -> Named<'a> {
    let (rig, town) = (view.objects.get::<Rig>(&bead.spec.rig), view.objects.town());
    Named::of(step, &bead.spec, polecat, rig.map(AsRef::as_ref), town.map(AsRef::as_ref))
}

/// The name of the runtime that works on a bead from its next session on. `polecat` is the one that has or had it.
pub fn name_of<'a>(bead: &'a Bead, polecat: Option<&str>, view: &View<'a>) -> &'a str {
    let polecat = polecat.and_then(|name| view.objects.get::<Polecat>(name)).map(AsRef::as_ref);
    named(bead, polecat, view).smallest().0
}

/// The runtime that works on a bead from its next session on, if it is there. `polecat` is the one that has or had it.
pub fn runtime_of<'a>(bead: &'a Bead, polecat: Option<&str>, view: &View<'a>) -> Option<&'a Runtime> {
    view.objects.get::<Runtime>(name_of(bead, polecat, view)).map(AsRef::as_ref)
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
