//! The agents of a town, before they are at work: which runtime a rig gets, and whether the town lets it start.

use gastown_controllers::town::RUNTIME_DEFAULT;
use gastown_crds::manifest::{self, Manifest};
use gastown_crds::town::{TownSpec, Trust};
use gastown_crds::{Runtime, Town as TownObject};
use kube::ResourceExt;

use super::context::{Context, Link};
use super::error::CliError;
use crate::cli::block_on;
use crate::cli::source::committed_to;
use crate::manifests;
use crate::town::{TOWN_FILE, Town};

/// What is known of them.
pub struct Agents {
    town: TownSpec,
    runtimes: Vec<Runtime>,
}

impl Agents {
    /// As the town has them. One that cannot be asked keeps nobody from writing a file: then, and before its first `gt up`, as
    /// its file says and as they are built in.
    pub fn of(town: &Town, gt: &Context) -> Self {
        let asked = || block_on(gt.with_api(town, async |link| Self::read(link, town).await)).ok();
        let stored = if town.layout.has_store() { asked() } else { None };
        stored.unwrap_or_else(|| Self::known(declared(town), Vec::new()))
    }

    /// As the town has them.
    pub async fn read(link: &Link, town: &Town) -> Result<Self, CliError> {
        let stored = link.all::<TownObject>().await?.into_iter().next();
        let spec = stored.map_or_else(|| declared(town), |stored| stored.spec);
        Ok(Self::known(spec, link.all().await?))
    }

    fn known(town: TownSpec, mut runtimes: Vec<Runtime>) -> Self {
        for (file, text) in manifests::built_in() {
            let built_in = manifest::parse(file, text).unwrap_or_default();
            let is_absent = |new: &&Manifest| !runtimes.iter().any(|it| it.name_any() == new.name);
            let new: Vec<Manifest> =
                built_in.iter().filter(is_absent).filter(|it| it.kind == "Runtime").cloned().collect();
            runtimes.extend(new.iter().filter_map(|new| serde_json::from_value(new.value()).ok()));
        }
        Self { town, runtimes }
    }

    /// The runtime that the town names for rigs that name none.
    pub fn of_town(&self) -> Option<&str> {
        self.town.runtime.as_deref()
    }

    /// What is to be done before this runtime, else the town's, may start here; none if nothing is.
    pub fn what_keeps(&self, runtime: Option<&str>, town: &Town, gt: &Context) -> Option<String> {
        let name = runtime.or(self.of_town()).unwrap_or(RUNTIME_DEFAULT);
        let runtime = self.runtimes.iter().find(|it| it.name_any() == name)?;
        if !runtime.spec.skips_permissions || self.town.trust == Trust::Full {
            return None;
        }
        let file = town.dir.join(TOWN_FILE);
        let then = match committed_to(&file, town, gt) {
            Some(_) => "commit it",
            None => "gt apply -f town.yaml",
        };
        let declared = declared(town);
        let what = if declared.trust == Trust::Full {
            "`trust: Full` in town.yaml is not live yet".to_owned()
        } else if declared == TownSpec::default() {
            "write `spec: { trust: Full }` in town.yaml".to_owned()
        } else {
            "write `trust: Full` under `spec` in town.yaml".to_owned()
        };
        Some(format!(
            "`{name}` runs any command as you, without asking, and this town does not let it yet: {what}, then {then}"
        ))
    }
}

/// What the town's file says of it.
fn declared(town: &Town) -> TownSpec {
    let text = fs_err::read_to_string(town.dir.join(TOWN_FILE)).unwrap_or_default();
    let found = manifest::parse(TOWN_FILE, &text).unwrap_or_default();
    let found = found.iter().find(|manifest| manifest.kind == "Town");
    found.and_then(|town| town.spec().ok()).unwrap_or_default()
}
