//! Dispatch: ready beads meet workers. One key for the whole town, so capacity is decided in one place.
//!
//! Invariants: a claim is one conditional write on the bead; capacity counts claims that do not wait, not sessions; who
//! waits begins again by a claim; nothing is dispatched while the machine's limits are unknown, or too little of it is free.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gastown_crds::bead::{Assignee, Waiting};
use gastown_crds::common::{ConditionStatus, condition, is_true, types};
use gastown_crds::polecat::{PolecatSpec, PolecatState};
use gastown_crds::{Bead, Polecat, Rig, Runtime, names};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use crate::holds::{Hold, PartOf};
use crate::kinds::bead::{claim, close, is_wanted, witnessed};
use crate::kinds::rig::RigSettings;
use crate::kinds::runtime;
use crate::kinds::town::accounts;
use crate::kinds::town::pressure::{self, Pressure};
use crate::plan::{Plan, Write, owner};
use crate::view::View;

/// Names for polecats, in the order in which they are given.
const NAMES: &[&str] = &[
    "nux",
    "toast",
    "slit",
    "capable",
    "dag",
    "cheedo",
    "furiosa",
    "angharad",
    "valkyrie",
    "rictus",
    "morsov",
    "ace",
    "keeper",
    "coma",
    "jobe",
    "dixon",
    "goose",
    "fifi",
    "bubba",
    "cundalini",
    "benno",
    "wez",
    "pappagallo",
    "zetta",
    "humungus",
    "savannah",
    "ironbar",
    "blackfinger",
    "auntie",
    "master",
    "pigkiller",
];

/// How many beads of a rig may wait with their polecats, for something of their own, for each slot of the rig. Each keeps
/// a worktree; where so many fail, it is hardly the beads.
const WAITING_PER_SLOT: u32 = 4;

/// Decides who gets what.
pub fn reconcile(view: &View<'_>) -> Plan {
    let mut plan = Plan::none();
    let Ok(machine) = view.machine() else { return plan };
    let max = view.settings.polecats_max(machine);
    if town_hold(view).is_some_and(|hold| !hold.mode.may_start()) {
        return plan;
    }
    let mut round = Round::new(view, max);
    for bead in view.objects.ready() {
        if round.working >= max || round.is_short {
            break;
        }
        round.bead(bead, &mut plan);
    }
    plan
}

/// The slots that this round has given away so far; the index only knows of earlier rounds.
struct Round<'a> {
    view: &'a View<'a>,
    max: u32,
    working: u32,
    /// The memory that those will use which this round has given a slot.
    given: u64,
    /// The least memory that was requested in this round and was not there.
    too_large: Option<u64>,
    /// The machine has no memory or no disk for more, or it is not known.
    is_short: bool,
    in_rig: BTreeMap<&'a str, u32>,
    /// Convoy to how many of its beads are at work, those included that this round has given a slot; counted when it is
    /// first asked for.
    in_convoy: Option<BTreeMap<String, u32>>,
    taken: BTreeSet<String>,
}

/// Counts a bead that is at work, for each convoy that it belongs to.
fn count(busy: &mut BTreeMap<String, u32>, bead: &Bead, view: &View<'_>) {
    for convoy in view.objects.convoys_of(bead) {
        *busy.entry(convoy.name_any()).or_default() += 1;
    }
}

impl<'a> Round<'a> {
    fn new(view: &'a View<'a>, max: u32) -> Self {
        Self {
            view,
            max,
            working: view.objects.at_work(),
            given: 0,
            too_large: None,
            is_short: false,
            in_rig: BTreeMap::new(),
            in_convoy: None,
            taken: BTreeSet::new(),
        }
    }

    fn bead(&mut self, bead: &'a Bead, plan: &mut Plan) {
        // A spec that its controller has not seen yet may need more than the status says.
        if bead.status.as_ref().and_then(|s| s.observed_generation) != bead.metadata.generation {
            return;
        }
        let objects = self.view.objects;
        let rig_name = bead.spec.rig.as_str();
        let Some(rig) = objects.get::<Rig>(rig_name) else { return };
        if self.is_held(bead) {
            return;
        }
        let pool = rig.spec.polecats.max.unwrap_or(self.max).min(self.max);
        let at_work = objects.at_work_in_rig(rig_name) + self.in_rig.get(rig_name).copied().unwrap_or(0);
        if at_work >= pool || (bead.spec.assignee.is_none() && !self.may_begin(rig, pool, pool - at_work)) {
            return;
        }
        if self.is_full_convoy(bead) {
            return;
        }
        if bead.spec.assignee.is_none() {
            // What its target holds is not known: nothing of it is begun.
            let Ok(facts) = self.view.repo(&RigSettings::of(rig)) else { return };
            if let Some(closed) = witnessed(bead, facts, self.view) {
                plan.write(close(bead, &closed));
                return;
            }
        }
        let worker = if bead.spec.assignee.is_none() { self.worker(bead) } else { None };
        let polecat = bead.spec.assignee.as_ref().map(|it| it.polecat.clone()).or(worker.map(ResourceExt::name_any));
        let runtime = runtime::runtime_of(bead, polecat.as_deref(), self.view);
        // Whoever is refused now is so a moment later too.
        if let Some(Err(refused)) = runtime.map(|it| accounts::choose(&it.name_any(), self.view, None)) {
            plan.again_at(refused.until);
            return;
        }
        if !self.has_room(runtime, plan) {
            return;
        }
        self.given = self.given.saturating_add(runtime::taken(runtime));
        if let Some(busy) = &mut self.in_convoy {
            count(busy, bead, self.view);
        }
        *self.in_rig.entry(rig_name).or_default() += 1;
        self.working += 1;
        if let Some(assignee) = &bead.spec.assignee {
            let assignee = Assignee { waiting: None, ..assignee.clone() };
            plan.write(claim(bead, &assignee));
            return;
        }
        match worker {
            Some(polecat) => {
                self.taken.insert(polecat.name_any());
                let assignee = Assignee::new(polecat.name_any(), polecat.uid().unwrap_or_default());
                plan.write(claim(bead, &assignee));
            }
            // Its arrival wakes this key again; until then it counts against the capacity.
            None => {
                if let Some(polecat) = self.another(rig) {
                    self.taken.insert(polecat.name_any());
                    plan.write(Write::create(&polecat));
                }
            }
        }
    }

    /// Whether as many beads of a convoy of it are at work as that allows.
    fn is_full_convoy(&mut self, bead: &Bead) -> bool {
        let view = self.view;
        let convoys = view.objects.convoys_of(bead).into_iter();
        let mut limits = convoys.filter_map(|it| Some((it.name_any(), it.spec.parallelism?))).peekable();
        if limits.peek().is_none() {
            return false;
        }
        let busy = self.in_convoy.get_or_insert_with(|| {
            let mut busy = BTreeMap::new();
            let at_work = |it: &&Arc<Bead>| it.spec.assignee.as_ref().is_some_and(|it| it.waiting.is_none());
            view.objects.assigned().filter(at_work).for_each(|bead| count(&mut busy, bead, view));
            busy
        });
        limits.any(|(convoy, limit)| busy.get(&convoy).copied().unwrap_or(0) >= limit)
    }

    /// Whether the machine has the memory and the disk for one more. It is asked once somebody would get a slot. One that
    /// needs more than others keeps none of them from starting.
    fn has_room(&mut self, runtime: Option<&Runtime>, plan: &mut Plan) -> bool {
        let requested = runtime::requested(runtime);
        // What did not fit in this round does not fit a moment later either.
        if self.too_large.is_some_and(|too_large| requested >= too_large) {
            return false;
        }
        let is_short = |next| Pressure::of(self.view, self.given, next).map_or(true, |pressure| pressure.is_any());
        self.is_short = is_short(None);
        let has_room = !self.is_short && (requested == 0 || !is_short(runtime));
        if !has_room && !self.is_short {
            self.too_large = Some(requested);
        }
        if !has_room && self.given == 0 {
            plan.again_at(pressure::again(self.view));
        }
        has_room
    }

    /// Whether a person keeps it from being begun, or from going on. Its own status may not say so yet.
    fn is_held(&self, bead: &'a Bead) -> bool {
        let is_new = bead.spec.assignee.is_none();
        let hold = PartOf::of_bead(bead, self.view).in_town(self.view).hold(self.view.now);
        (is_new && !is_wanted(bead, self.view)) || hold.is_some_and(|hold| is_new || !hold.mode.may_start())
    }

    /// Whether work may be begun that nobody has begun yet, in a rig with so many slots of which so many are left: what is
    /// begun goes first.
    fn may_begin(&self, rig: &Rig, pool: u32, left: u32) -> bool {
        let name = rig.name_any();
        let waiting = |what| self.view.objects.waiting_in_rig(&name, what);
        may_work(rig)
            && waiting(Waiting::Rig) + waiting(Waiting::Slot) < left
            && waiting(Waiting::Bead) + waiting(Waiting::Slot) < pool.saturating_mul(WAITING_PER_SLOT)
    }

    /// An idle polecat of the bead's rig: the one that had it last, else the first by name.
    fn worker(&self, bead: &Bead) -> Option<&'a Polecat> {
        let objects = self.view.objects;
        let last = bead.status.as_ref().and_then(|s| s.last_polecat.as_deref());
        // It has the conversation: one whose session is about to end, as its branch came back at once, is as good as idle.
        let had_it = last.and_then(|last| objects.get::<Polecat>(last)).filter(|it| it.spec.rig == bead.spec.rig);
        had_it
            .filter(|polecat| self.is_free(polecat, &[PolecatState::Idle, PolecatState::Zombie]))
            .or_else(|| objects.polecats_in(&bead.spec.rig).find(|it| self.is_free(it, &[PolecatState::Idle])))
            .map(AsRef::as_ref)
    }

    fn is_free(&self, polecat: &Polecat, states: &[PolecatState]) -> bool {
        let free = self.view.objects.assigned_to(&polecat.uid().unwrap_or_default()).next().is_none();
        let state = polecat.status.as_ref().map(|s| s.state).unwrap_or_default();
        free && states.contains(&state)
            // One that could not be seen may have a session.
            && condition(polecat.status.as_ref().map_or(&[], |s| &s.conditions), types::READY)
                .is_none_or(|c| c.status != ConditionStatus::Unknown)
            && PartOf { polecat: Some(polecat), ..PartOf::default() }.hold(self.view.now).is_none()
            && polecat.metadata.deletion_timestamp.is_none()
            && !self.taken.contains(&polecat.name_any())
    }

    /// A new polecat, with the first name that is free.
    fn another(&self, rig: &Rig) -> Option<Polecat> {
        let rig_name = rig.name_any();
        let own = rig.spec.polecats.names.iter().map(String::as_str);
        let built_in = NAMES.iter().copied().filter(|_| rig.spec.polecats.names.is_empty());
        let known = self.view.objects.polecats_in(&rig_name).count() + self.taken.len();
        let numbered = (1..=known + 1).map(|n| format!("p{n}"));
        let name = own.chain(built_in).map(str::to_owned).chain(numbered).find(|name| {
            let full = names::polecat(&rig_name, name);
            self.view.objects.get::<Polecat>(&full).is_none() && !self.taken.contains(&full)
        })?;
        Some(Polecat {
            metadata: ObjectMeta {
                name: Some(names::polecat(&rig_name, &name)),
                owner_references: Some(vec![owner(rig)]),
                finalizers: Some(vec![gastown_crds::common::FINALIZER_SANDBOX.to_owned()]),
                ..ObjectMeta::default()
            },
            spec: PolecatSpec { rig: rig_name, name, runtime: None, suspend: false },
            status: None,
        })
    }
}

fn town_hold(view: &View<'_>) -> Option<Hold> {
    PartOf::default().in_town(view).hold(view.now)
}

fn may_work(rig: &Rig) -> bool {
    let ready = rig.status.as_ref().is_some_and(|s| is_true(&s.conditions, types::READY));
    ready && rig.metadata.deletion_timestamp.is_none()
}
