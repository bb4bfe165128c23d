//! The rig that a bead is filed for, where nobody names one: the session's, that of the repository around, or the town's only one.

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_connect::actor::variable;
use gastown_controllers::rig::bead_prefix;
use gastown_crds::{Bead, Rig};
use gastown_world::git::whole;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};

use super::filter::shown;

/// The prefix of a bead that is for no rig, as Gas Town has it for what is the town's own.
pub const TOWN_PREFIX: &str = "hq";

/// A rig with the prefix of its beads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RigOf {
    /// The rig; empty for none.
    pub rig: String,
    /// The prefix of its beads' ids.
    pub prefix: String,
}

/// The rigs of the town.
#[derive(Debug)]
pub struct Rigs(Vec<Rig>);

impl Rigs {
    /// Reads them.
    pub async fn read(context: &Context) -> Result<Self, Error> {
        let api: Api<Rig> = Api::default_namespaced(context.client.clone());
        Ok(Self(api.list(&ListParams::default()).await.map_err(Error::api("list rigs"))?.items))
    }

    /// The one that is named.
    pub fn named(&self, name: &str) -> Result<RigOf, Error> {
        let rig = self.0.iter().find(|rig| rig.name_any() == name);
        rig.map(of).ok_or_else(|| {
            let known: Vec<String> = self.0.iter().map(kube::ResourceExt::name_any).collect();
            let hint = match known.as_slice() {
                [] => "`gt rig add URL` declares one".to_owned(),
                known => format!("there are {}", known.join(", ")),
            };
            Error::refused(format!("there is no rig `{}`", shown(name)), hint)
        })
    }

    /// The one whose beads' ids begin so; none for an id of no rig.
    pub fn of_id(&self, id: &str) -> Option<RigOf> {
        let fits = |rig: &&Rig| id.strip_prefix(&bead_prefix(rig)).is_some_and(|rest| rest.starts_with('-'));
        self.0.iter().filter(fits).max_by_key(|rig| bead_prefix(rig).len()).map(of)
    }

    /// That of the bead of which a new one is a part, if that has one. One that is gone by now is its parent's all the same.
    pub fn of_parent(&self, parent: Option<&Bead>, here: &[String]) -> Option<RigOf> {
        let rig = parent.map(|parent| parent.spec.rig.as_str()).filter(|rig| !rig.is_empty())?;
        Some(self.named(rig).unwrap_or_else(|_| RigOf { rig: rig.to_owned(), ..self.around(here) }))
    }

    /// The one that is meant where none is named; the town itself, where several could be.
    pub fn around(&self, here: &[String]) -> RigOf {
        let named = |name: &str| self.0.iter().find(|rig| rig.name_any() == name);
        if let Some(rig) = variable("GT_RIG").as_deref().and_then(named) {
            return of(rig);
        }
        if let [only] = self.0.as_slice() {
            return of(only);
        }
        let here: Vec<String> = here.iter().map(|url| whole(url)).collect();
        let fits = |rig: &&Rig| here.contains(&whole(&rig.spec.repo.url));
        let fits: Vec<&Rig> = self.0.iter().filter(fits).collect();
        let around = if let [one] = fits.as_slice() { Some(*one) } else { None };
        around.map_or_else(|| RigOf { rig: String::new(), prefix: TOWN_PREFIX.to_owned() }, of)
    }
}

fn of(rig: &Rig) -> RigOf {
    RigOf { rig: rig.name_any(), prefix: bead_prefix(rig) }
}

/// The addresses of the repository around the current folder. Read before the store is: it takes a moment.
pub fn here() -> Vec<String> {
    if variable("GT_RIG").is_some() {
        return Vec::new();
    }
    std::env::current_dir().map(|folder| gastown_world::git::addresses_around(&folder)).unwrap_or_default()
}
