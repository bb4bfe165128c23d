//! A town at one instant: its objects, the attempts at its beads, and whether a controller is running.
//!
//! Whoever shows a town fills one of these, from its API or from watches; everything else here is computed from it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use gastown_controllers::bead::{convoy_of, state, upward};
use gastown_controllers::convoy::{Tracked, trackers};
use gastown_controllers::world::Attempt;
use gastown_crds::{Bead, Convoy, Formula, MergeRequest, Polecat, Rig, Runtime, Source, Town};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// The objects of one kind, by name.
type Objects<K> = BTreeMap<String, Arc<K>>;

/// A town at one instant.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The town's name.
    pub town: String,
    /// Whether a controller is running; without one nothing moves.
    pub up: bool,
    towns: Objects<Town>,
    runtimes: Objects<Runtime>,
    formulas: Objects<Formula>,
    rigs: Objects<Rig>,
    polecats: Objects<Polecat>,
    convoys: Objects<Convoy>,
    beads: Objects<Bead>,
    requests: Objects<MergeRequest>,
    sources: Objects<Source>,
    /// The attempts at beads, ascending, by the bead's uid.
    attempts: BTreeMap<String, Vec<Attempt>>,
    /// The merge requests that are not over, by their bead; computed when it is first asked for.
    open_requests: OnceLock<Objects<MergeRequest>>,
    /// The parts of beads, by what they are a part of; computed when it is first asked for.
    parts: OnceLock<BTreeMap<String, Vec<String>>>,
}

/// A kind whose objects a snapshot holds.
pub trait Stored:
    Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + DeserializeOwned + 'static
{
    /// Its objects in a snapshot, by name.
    fn objects(snapshot: &Snapshot) -> &BTreeMap<String, Arc<Self>>;
    /// Its objects in a snapshot, by name, mutable.
    fn objects_mut(snapshot: &mut Snapshot) -> &mut BTreeMap<String, Arc<Self>>;
}

/// Where the objects of a snapshot are read, such as a town's API.
pub trait Reader {
    /// The error of a failed read.
    type Error;

    /// All objects of a kind.
    fn all<K: Stored>(&self) -> impl Future<Output = Result<Vec<K>, Self::Error>>;
}

/// The kinds, each with the place of its objects.
macro_rules! stored {
    ($($kind:ident: $field:ident),* $(,)?) => {
        $(impl Stored for $kind {
            fn objects(snapshot: &Snapshot) -> &Objects<Self> {
                &snapshot.$field
            }

            fn objects_mut(snapshot: &mut Snapshot) -> &mut Objects<Self> {
                &mut snapshot.$field
            }
        })*

        impl Snapshot {
            /// Fills in all objects of these kinds.
            pub async fn load<S: Reader>(&mut self, source: &S, kinds: &[&str]) -> Result<(), S::Error> {
                $(if kinds.contains(&stringify!($kind)) {
                    self.put(source.all::<$kind>().await?.into_iter().map(Arc::new));
                })*
                Ok(())
            }
        }
    };
}

stored! {
    Town: towns,
    Runtime: runtimes,
    Formula: formulas,
    Rig: rigs,
    Polecat: polecats,
    Convoy: convoys,
    Bead: beads,
    MergeRequest: requests,
    Source: sources,
}

impl Snapshot {
    /// Nothing of this town yet.
    pub fn new(town: impl Into<String>, up: bool) -> Self {
        Self { town: town.into(), up, ..Self::default() }
    }

    /// Adds objects; of two with one name the later stays.
    pub fn put<K: Stored>(&mut self, objects: impl IntoIterator<Item = Arc<K>>) {
        self.open_requests = OnceLock::new();
        self.parts = OnceLock::new();
        K::objects_mut(self).extend(objects.into_iter().map(|object| (object.name_any(), object)));
    }

    /// All objects of a kind, by name.
    pub fn all<K: Stored>(&self) -> impl Iterator<Item = &K> {
        K::objects(self).values().map(AsRef::as_ref)
    }

    /// The object of a kind that has this name.
    pub fn get<K: Stored>(&self, name: &str) -> Option<&K> {
        K::objects(self).get(name).map(AsRef::as_ref)
    }

    /// The beads that are work of their own: all but the steps of others, and records of how things are.
    pub fn work(&self) -> impl Iterator<Item = &Bead> {
        self.all::<Bead>().filter(|bead| is_work(bead))
    }

    /// The beads of a convoy.
    pub fn beads_of(&self, convoy: &str) -> impl Iterator<Item = &Bead> {
        self.work().filter(move |bead| convoy_of(bead) == Some(convoy))
    }

    /// What a convoy tracks.
    pub fn tracked<'a>(&'a self, convoy: &'a Convoy) -> Tracked<'a> {
        if convoy.spec.tracks.is_empty() {
            return Tracked::default();
        }
        Tracked::of(&convoy.spec, |name| self.get(name), |name| self.parts_of(name))
    }

    /// The beads of a convoy, and those that it tracks beside them.
    pub fn members_of<'a>(&'a self, convoy: &'a Convoy) -> Vec<&'a Bead> {
        let name = convoy.name_any();
        let tracked = self.tracked(convoy);
        let others = tracked.all().filter(|bead| convoy_of(bead) != Some(&name)).collect::<Vec<_>>();
        self.beads_of(&name).chain(others).collect()
    }

    /// The convoys that a bead belongs to: the one that has made it, else those that track it, or an epic that it is a
    /// part of.
    pub fn convoys_of<'a>(&'a self, bead: &Bead) -> Vec<&'a Convoy> {
        if let Some(own) = convoy_of(bead).and_then(|name| self.get::<Convoy>(name)) {
            return vec![own];
        }
        let is_epic = |above: &&Bead| above.spec.type_.asks_for_parts();
        let above = |bead: &Bead| self.get::<Bead>(bead.spec.parent.as_ref()?).filter(is_epic);
        let own = self.get::<Bead>(&bead.name_any());
        let names: Vec<String> =
            own.into_iter().flat_map(|own| upward(own, above)).map(ResourceExt::name_any).collect();
        trackers(self.all::<Convoy>(), &names)
    }

    /// The parts of a bead, its steps left out.
    pub(crate) fn parts_of(&self, bead: &str) -> Vec<&Bead> {
        let index = || {
            let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for bead in self.all::<Bead>().filter(|bead| !bead.spec.is_step()) {
                if let Some(parent) = &bead.spec.parent {
                    parts.entry(parent.clone()).or_default().push(bead.name_any());
                }
            }
            parts
        };
        let parts = self.parts.get_or_init(index).get(bead);
        parts.into_iter().flatten().filter_map(|name| self.get(name)).collect()
    }

    /// The bead of this name that is work of its own.
    pub fn bead(&self, name: &str) -> Option<&Bead> {
        self.get::<Bead>(name).filter(|bead| is_work(bead))
    }

    /// The merge request of a bead that is not over.
    pub fn open_request(&self, bead: &str) -> Option<&MergeRequest> {
        let open = |request: &&Arc<MergeRequest>| !state(request).is_final();
        let index = || self.requests.values().filter(open).map(|it| (it.spec.bead.clone(), Arc::clone(it))).collect();
        self.open_requests.get_or_init(index).get(bead).map(AsRef::as_ref)
    }

    /// Adds the attempts at a bead, ascending.
    pub fn put_attempts(&mut self, bead_uid: impl Into<String>, attempts: Vec<Attempt>) {
        self.attempts.insert(bead_uid.into(), attempts);
    }

    /// The attempts at a bead, ascending, as far as they are known.
    pub fn attempts(&self, bead_uid: &str) -> &[Attempt] {
        self.attempts.get(bead_uid).map(Vec::as_slice).unwrap_or_default()
    }
}
/// Whether a bead is work of its own.
fn is_work(bead: &Bead) -> bool {
    !bead.spec.is_step() && !bead.spec.type_.is_record()
}
