//! What keeps work from being done, found by following what it hangs on: for `gt wait`, `gt describe` and `gt status`.
//!
//! # Design notes
//! A keeper *stands* if nothing moves until a person does something: a bead that was set aside, something suspended, a
//! reference that leads nowhere, a branch that is left to be merged. What the town tries again by itself (an address that
//! cannot be reached, a target that is red, a setup that fails) is told, and does not stand. A status that speaks of an
//! older spec says nothing.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::bead::state;
use gastown_controllers::convoy::is_withdrawn;
use gastown_crds::bead::{BeadState, BeadType};
use gastown_crds::common::{Condition, ConditionStatus, LABEL_CONVOY, condition, reasons, types};
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat, Rig};
use kube::{Resource, ResourceExt};

use super::context::Link;
use super::error::CliError;
use super::table::plain;
use super::trouble;

/// Everything that keepers are found in, as it is now.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Beads, without steps.
    pub beads: Vec<Bead>,
    rigs: Vec<Rig>,
    polecats: Vec<Polecat>,
    convoys: Vec<Convoy>,
    requests: Vec<MergeRequest>,
}

impl Loaded {
    /// Asks for all of it.
    pub async fn from(link: &Link) -> Result<Self, CliError> {
        let mut beads = link.all::<Bead>().await?;
        beads.retain(|bead| bead.spec.type_ != BeadType::Step);
        let (rigs, polecats) = (link.all().await?, link.all().await?);
        Ok(Self { beads, rigs, polecats, convoys: link.all().await?, requests: link.all().await? })
    }

    /// The world of it.
    pub fn world(&self) -> World<'_> {
        World::new(&self.beads, &self.rigs, &self.polecats, &self.convoys, &self.requests)
    }

    /// What keeps an object; nothing of other kinds than beads, merge requests and convoys.
    pub fn keepers(&self, kind: &str, name: &str) -> BTreeSet<Keeper> {
        let world = self.world();
        let found = match kind {
            "Bead" => named_so(&self.beads, name).map(|bead| world.of_bead(bead)),
            "MergeRequest" => named_so(&self.requests, name).map(|request| world.of_request(request)),
            "Convoy" => named_so(&self.convoys, name).map(|convoy| world.of_convoy(convoy).by),
            _ => None,
        };
        found.unwrap_or_default()
    }
}

fn named_so<'a, K: Resource>(objects: &'a [K], name: &str) -> Option<&'a K> {
    objects.iter().find(|object| object.name_any() == name)
}

/// Whether something has to be declared, or declared otherwise.
fn lacks(ready: &Condition) -> bool {
    [reasons::REF_NOT_FOUND, reasons::INVALID_FORMULA].contains(&&*ready.reason)
}

/// What is said of a bead that failed too often.
const SET_ASIDE: &str = "set aside";

/// Something that keeps work from being done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Keeper {
    /// KIND/NAME.
    pub object: String,
    /// What about it, in a word or two.
    pub what: String,
    /// The same in a sentence's end: `bead/shop-a` …
    pub why: String,
    /// Whether nothing moves until a person declares something else.
    pub stands: bool,
}

impl Keeper {
    /// What to type.
    pub fn next(&self) -> String {
        format!("gt describe {}", self.object)
    }

    /// Whether it is a bead that failed too often.
    pub fn is_set_aside(&self) -> bool {
        self.what == SET_ASIDE
    }

    fn of(object: String, found: &Condition, stands: bool) -> Self {
        Self { object, what: found.reason.clone(), why: trouble::words(found), stands }
    }
}

/// What it is found in, by name.
#[derive(Debug, Default)]
pub struct World<'a> {
    beads: BTreeMap<String, &'a Bead>,
    rigs: BTreeMap<String, &'a Rig>,
    polecats: BTreeMap<String, &'a Polecat>,
    convoys: BTreeMap<String, &'a Convoy>,
    /// Those that are not over, by their bead.
    requests: BTreeMap<String, &'a MergeRequest>,
}

/// What keeps a convoy.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// All of it, each once.
    pub by: BTreeSet<Keeper>,
    /// Whether nothing of the convoy can move without a person.
    pub for_good: bool,
}

impl<'a> World<'a> {
    /// A world of these objects.
    pub fn new(
        beads: impl IntoIterator<Item = &'a Bead>,
        rigs: impl IntoIterator<Item = &'a Rig>,
        polecats: impl IntoIterator<Item = &'a Polecat>,
        convoys: impl IntoIterator<Item = &'a Convoy>,
        requests: impl IntoIterator<Item = &'a MergeRequest>,
    ) -> Self {
        let open = |request: &&MergeRequest| !state(request).is_final();
        Self {
            beads: named(beads),
            rigs: named(rigs),
            polecats: named(polecats),
            convoys: named(convoys),
            requests: requests.into_iter().filter(open).map(|it| (it.spec.bead.clone(), it)).collect(),
        }
    }

    /// What keeps a bead.
    pub fn of_bead(&self, bead: &Bead) -> BTreeSet<Keeper> {
        let mut found = BTreeSet::new();
        self.follow(bead, &mut found, &mut BTreeSet::new());
        found
    }

    /// What keeps a merge request.
    pub fn of_request(&self, request: &MergeRequest) -> BTreeSet<Keeper> {
        let mut found = BTreeSet::new();
        self.queued(request, &mut found);
        found
    }

    /// Why a bead stands where it does, as its controller says it, and what keeps it: `waits for shop-a (set aside)`.
    pub fn in_words(&self, bead: &Bead, message: &str) -> String {
        let own = format!("bead/{}", bead.name_any());
        // One that waits says what its polecat says.
        let waits = bead.spec.assignee.as_ref().filter(|it| it.waiting.is_some());
        let polecat = waits.map(|it| format!("polecat/{}", it.polecat));
        let mut words = plain(message);
        let others = self.of_bead(bead).into_iter();
        for keeper in others.filter(|keeper| keeper.object != own && Some(&keeper.object) != polecat.as_ref()) {
            let name =
                keeper.object.strip_prefix("bead/").filter(|name| bead.spec.needs.iter().any(|need| need == name));
            words = match name {
                Some(name) => words.replace(name, &format!("{name} ({})", keeper.what)),
                None if words.is_empty() => format!("{}: {}", keeper.object, keeper.what),
                None => format!("{words}; {}: {}", keeper.object, keeper.what),
            };
        }
        words
    }

    /// What keeps a convoy.
    pub fn of_convoy(&self, convoy: &Convoy) -> Kept {
        let name = convoy.name_any();
        let Some(status) = convoy.status.as_ref().filter(|it| it.observed_generation == convoy.metadata.generation)
        else {
            return Kept::default();
        };
        let landed = condition(&status.conditions, types::LANDED);
        let missing = landed.filter(|it| it.status == ConditionStatus::False && it.reason == reasons::REF_NOT_FOUND);
        let mut kept = Kept::default();
        kept.by.extend(missing.map(|missing| Keeper::of(format!("convoy/{name}"), missing, true)));
        let mine = |bead: &&&Bead| bead.labels().get(LABEL_CONVOY) == Some(&name);
        let wanted = self.beads.values().filter(mine).filter(|bead| !is_withdrawn(bead));
        let mut all_stand = missing.is_some() || wanted.clone().count() >= convoy.spec.beads.len();
        let mut open = missing.is_some();
        for bead in wanted.filter(|bead| bead.spec.closed.is_none()) {
            let by = self.of_bead(bead);
            open = true;
            all_stand &= by.iter().any(|keeper| keeper.stands);
            kept.by.extend(by);
        }
        kept.for_good = open && all_stand && convoy.metadata.deletion_timestamp.is_none();
        kept
    }

    fn follow(&self, bead: &Bead, found: &mut BTreeSet<Keeper>, seen: &mut BTreeSet<String>) {
        let name = bead.name_any();
        let Some(status) = bead.status.as_ref().filter(|it| it.observed_generation == bead.metadata.generation) else {
            return;
        };
        if bead.spec.closed.is_some() || !seen.insert(name.clone()) {
            return;
        }
        let ready = condition(&status.conditions, types::READY);
        match status.state {
            BeadState::SetAside => {
                let why = format!("set aside after {} failures: {}", status.failures, plain(&bead.spec.title));
                let object = format!("bead/{name}");
                found.insert(Keeper { object, what: SET_ASIDE.to_owned(), why, stands: true });
            }
            BeadState::Landing => {
                if let Some(request) = self.requests.get(&name) {
                    self.queued(request, found);
                }
            }
            BeadState::Working => self.worked_on(bead, found),
            // What is begun goes on, whatever its rig says by then.
            BeadState::Ready if bead.spec.assignee.is_some() => {}
            BeadState::Ready => self.rig(&bead.spec.rig, false, found),
            BeadState::Waiting => match ready {
                Some(ready) if ready.reason == reasons::NEEDS_OPEN => {
                    let needs = bead.spec.needs.iter().filter_map(|need| self.beads.get(need));
                    needs.for_each(|need| self.follow(need, found, seen));
                }
                Some(ready) if ready.reason == reasons::SUSPENDED => self.suspended(bead, ready, found),
                Some(ready) if lacks(ready) || ready.status == ConditionStatus::Unknown => {
                    found.insert(Keeper::of(format!("bead/{name}"), ready, lacks(ready)));
                }
                _ if bead.spec.assignee.is_some() => self.worked_on(bead, found),
                _ => {}
            },
            BeadState::Closed => {}
        }
    }

    /// What suspends it: its rig, else its convoy.
    fn suspended(&self, bead: &Bead, ready: &Condition, found: &mut BTreeSet<Keeper>) {
        if self.rigs.get(&bead.spec.rig).is_some_and(|rig| rig.spec.suspend) {
            return self.rig(&bead.spec.rig, false, found);
        }
        let convoy = bead.labels().get(LABEL_CONVOY).and_then(|convoy| self.convoys.get(convoy));
        if let Some(convoy) = convoy.filter(|it| it.spec.suspend || it.metadata.deletion_timestamp.is_some()) {
            let stands = convoy.metadata.deletion_timestamp.is_none();
            found.insert(Keeper::of(format!("convoy/{}", convoy.name_any()), ready, stands));
        }
    }

    /// A session that does not start.
    fn worked_on(&self, bead: &Bead, found: &mut BTreeSet<Keeper>) {
        let polecat = bead.spec.assignee.as_ref().and_then(|assignee| self.polecats.get(&assignee.polecat));
        let Some((polecat, status)) = polecat.and_then(|it| Some((it, it.status.as_ref()?))) else { return };
        let Some(ready) = condition(&status.conditions, types::READY) else { return };
        let stuck = [reasons::COMMAND_NOT_FOUND, reasons::SETUP_FAILED, reasons::REF_NOT_FOUND];
        let is_told = stuck.contains(&&*ready.reason) || trouble::keeps_failing(ready);
        if is_told || ready.status == ConditionStatus::Unknown {
            let stands = ready.reason == reasons::REF_NOT_FOUND;
            found.insert(Keeper::of(format!("polecat/{}", polecat.name_any()), ready, stands));
        } else if ready.reason == reasons::CLONING {
            self.rig(&bead.spec.rig, false, found);
        }
    }

    /// A branch that was handed in.
    fn queued(&self, request: &MergeRequest, found: &mut BTreeSet<Keeper>) {
        if state(request).is_final() {
            return;
        }
        let conditions = request.status.as_ref().map(|status| &status.conditions[..]).unwrap_or_default();
        let merged = condition(conditions, types::MERGED);
        let own = [reasons::VERIFY_ERROR, reasons::BRANCH_READY, reasons::PUSH_REFUSED];
        let is_own = |it: &Condition| own.contains(&&*it.reason) || trouble::keeps_failing(it);
        let told = |it: &&Condition| is_own(it) || it.status == ConditionStatus::Unknown;
        let object = format!("mr/{}", request.name_any());
        found.extend(merged.filter(told).map(|it| Keeper::of(object, it, it.reason == reasons::BRANCH_READY)));
        // What is left as a branch for people waits for them, whatever its rig is like.
        if merged.is_none_or(|it| it.reason != reasons::BRANCH_READY) {
            self.rig(&request.spec.rig, true, found);
        }
    }

    /// A rig that nothing can be dispatched to, or that nothing can land in.
    fn rig(&self, name: &str, lands: bool, found: &mut BTreeSet<Keeper>) {
        let object = format!("rig/{name}");
        let Some(rig) = self.rigs.get(name) else { return };
        if rig.spec.suspend {
            let why = "suspended: nothing is dispatched, fetched or landed there".to_owned();
            found.insert(Keeper { object, what: reasons::SUSPENDED.to_owned(), why, stands: true });
            return;
        }
        let observed = rig.status.as_ref().is_some_and(|it| it.observed_generation == rig.metadata.generation);
        let bad = if lands { trouble::of(rig) } else { trouble::of(rig).filter(|bad| bad.type_ == types::READY) };
        let passes = |bad: &Condition| [reasons::CLONING, reasons::SUSPENDED].contains(&&*bad.reason);
        if let Some(bad) = bad.filter(|bad| observed && !passes(bad)) {
            found.insert(Keeper::of(object, bad, bad.reason == reasons::TARGET_SHARED));
        }
    }
}

fn named<'a, K: Resource>(objects: impl IntoIterator<Item = &'a K>) -> BTreeMap<String, &'a K> {
    objects.into_iter().map(|object| (object.name_any(), object)).collect()
}
