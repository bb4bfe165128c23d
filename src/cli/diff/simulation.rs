//! Runs the real engine on a simulated world, begun as the town is, until it is at rest: without a change, and with it.
//!
//! Agents do nothing, every job works, and every remote answers: what is found is what the engine would do about the change
//! by itself. It takes no time: the runtime's clock is paused, and jumps to the next instant at which something is due.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gastown_controllers::plan::Write;
use gastown_crds::KINDS;
use gastown_crds::common::API_VERSION;
use gastown_crds::kinds::Kind;
use gastown_crds::manifest::Manifest;
use jiff::Timestamp;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::Value;

use super::objects::ObjectChange;
use super::recorder::{Deed, Idle, Recorder};
use crate::api::{Options, Place, Server, Writer};
use crate::cli::apply;
use crate::cli::common::context::Link;
use crate::cli::common::error::{CliError, Exit};
use crate::clock::{Clock, CountingIds};
use crate::connect::options;
use crate::engine::{Engine, Parts};
use crate::manifests;
use crate::town::TOWN_FILE;
use crate::world::sim::SimWorld;
use crate::world::sim::clock::SimClock;
use crate::world::sim::seed::Observed;

/// Things that happen in one run. The quickstart takes some 2000; a bead of a large convoy some 20.
const STEPS_MAX: u64 = 500_000;
/// A town in which nothing is due for this long is at rest: remotes are asked for news no more often than once a minute, and
/// what fails is tried again ever later.
const STILL: Duration = Duration::from_secs(30);

/// Objects by kind and name.
pub type Objects = BTreeMap<(String, String), Value>;

/// A town, as it is before a change.
pub struct Before {
    /// Its name: the namespace of its objects.
    pub name: String,
    /// All its objects, by kind and name.
    pub objects: Objects,
    /// The text of its `town.yaml`, from which `gt up` makes its Town where there is none.
    pub town_file: String,
    /// What is observed of the world.
    pub observed: Observed,
    /// The programs of runtimes that are not installed here.
    pub missing: BTreeSet<String>,
    /// The present.
    pub now: Timestamp,
}

impl Before {
    /// An object of it.
    pub fn object(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(kind.to_owned(), name.to_owned()))
    }
}

/// An object that is to be pruned.
#[derive(Debug, Clone)]
pub struct Pruned {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

/// A change of a town: objects to be applied, in this order, and objects to be pruned.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// What is applied.
    pub manifests: &'a [Manifest],
    /// What is pruned.
    pub pruned: &'a [Pruned],
    /// By whom.
    pub by: By<'a>,
}

/// Who makes a change.
#[derive(Clone, Copy)]
pub enum By<'a> {
    /// `gt apply`, on these terms.
    Files(&'a apply::Terms),
    /// Sources: what they write for that, in order, with what they prune.
    Sources(&'a [Write]),
}

/// A run that has come to rest.
pub struct Run {
    /// What was done in the world.
    pub deeds: Vec<Deed>,
    /// All objects at the end, by kind and name.
    pub objects: Objects,
    /// It was stopped before it came to rest.
    pub cut_short: bool,
}

/// Both runs, and what the change makes of objects.
pub struct Runs {
    /// Without the change.
    pub without: Run,
    /// With the change.
    pub with: Run,
    /// The objects of the change.
    pub objects: Vec<ObjectChange>,
}

/// Runs both, in virtual time. For a thread that is in no runtime.
pub fn run(before: &Before, change: Change<'_>) -> Result<Runs, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.map_err(|error| CliError::new(Exit::Failed, "could not start").because(&error))?;
    runtime.block_on(async {
        let (without, _) = once(before, None).await?;
        let (with, objects) = once(before, Some(change)).await?;
        Ok(Runs { without, with, objects })
    })
}

async fn once(before: &Before, change: Option<Change<'_>>) -> Result<(Run, Vec<ObjectChange>), CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::starting_at(before.now));
    let link = in_memory(&before.name, Arc::clone(&clock), before.objects.values().cloned().collect()).await?;
    // What `gt up` makes is nobody's change.
    manifests::ensure_built_in(&link.client).await?;
    manifests::ensure(&link.client, TOWN_FILE, &before.town_file).await?;
    let changed = match change {
        Some(change) => apply_to(&link, before, change).await?,
        None => Vec::new(),
    };
    let world = SimWorld::new(Arc::clone(&clock), Arc::new(Idle { missing: Arc::new(before.missing.clone()) }));
    world.seed(before.observed.clone());
    for rig in objects_of(&link, "Rig").await? {
        let text = |pointer: &str| rig.pointer(pointer).and_then(Value::as_str);
        let was = before.object("Rig", text("/metadata/name").unwrap_or_default());
        let like = was.and_then(|was| was.pointer("/spec/repo/url")).and_then(Value::as_str);
        world.ensure_remote(text("/spec/repo/url").unwrap_or_default(), text("/spec/repo/branch"), like);
    }
    let wakes = world.wakes();
    let recorder = Arc::new(Recorder::of(world));
    let adapter = Arc::clone(&recorder);
    let mut engine = Engine::new(Parts {
        client: link.client.clone(),
        adapter,
        clock,
        wakes,
        blocking: false,
        instance: "gt-diff".to_owned(),
    });
    let cut_short = engine.run_until_still(STILL, STEPS_MAX).await.is_err();
    Ok((Run { deeds: recorder.deeds(), objects: all(&link).await?, cut_short }, changed))
}

/// A town's API in memory, with copies of these objects.
pub async fn in_memory(name: &str, clock: Arc<dyn Clock>, objects: Vec<Value>) -> Result<Link, CliError> {
    let failed = |error: &dyn std::error::Error| CliError::new(Exit::Failed, "could not copy the town").because(error);
    let options = Options { clock, ids: Arc::new(CountingIds::new(0)), ..options() };
    let server = Server::open(&Place::Memory, Writer::Inline, options).map_err(|error| failed(&error))?;
    server.copy(objects).await.map_err(|error| failed(&error))?;
    Ok(Link { client: server.client(name), namespace: name.to_owned(), controller: false })
}

/// All objects of a town.
pub async fn all(link: &Link) -> Result<Objects, CliError> {
    let mut objects = Objects::new();
    for kind in KINDS {
        for object in objects_of(link, kind.name).await? {
            let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            objects.insert((kind.name.to_owned(), name), object);
        }
    }
    Ok(objects)
}

/// All objects of a kind, as JSON.
async fn objects_of(link: &Link, kind: &str) -> Result<Vec<Value>, CliError> {
    let Some(kind) = Kind::named(kind) else { return Ok(Vec::new()) };
    let objects = link.list(kind, &ListParams::default()).await?;
    let json = |object| -> Result<Value, CliError> {
        let mut object = serde_json::to_value(object).map_err(|error| apply::unreadable(&error))?;
        // An apiserver need not repeat these in the items of a list.
        object["apiVersion"] = API_VERSION.into();
        object["kind"] = kind.name.into();
        Ok(object)
    };
    objects.into_iter().map(json).collect()
}

/// Makes a change as `gt apply` does, or as sources do.
async fn apply_to(link: &Link, before: &Before, change: Change<'_>) -> Result<Vec<ObjectChange>, CliError> {
    let Change { manifests, pruned, by } = change;
    let mut changed = match by {
        By::Sources(writes) => write_to(link, before, manifests, writes).await?,
        By::Files(terms) => put_to(link, before, manifests, terms).await?,
    };
    for pruned in pruned {
        changed.push(prune(link, before, pruned).await?);
    }
    Ok(changed)
}

/// Makes a change as `gt apply` does.
async fn put_to(
    link: &Link,
    before: &Before,
    manifests: &[Manifest],
    terms: &apply::Terms,
) -> Result<Vec<ObjectChange>, CliError> {
    let mut changed = Vec::new();
    for manifest in manifests {
        let Some(kind) = Kind::named(&manifest.kind) else { continue };
        apply::put(link, manifest, before.object(kind.name, &manifest.name), terms, None).await?;
        changed.push(changed_in(link, before, kind, &manifest.name).await?);
    }
    Ok(changed)
}

/// Makes a change as sources do: what they do not write stays as it is.
async fn write_to(
    link: &Link,
    before: &Before,
    manifests: &[Manifest],
    writes: &[Write],
) -> Result<Vec<ObjectChange>, CliError> {
    let (mut changed, mut written) = (Vec::new(), BTreeSet::new());
    for write in writes {
        match write {
            Write::Apply { kind, name, config, manager } => {
                let params = PatchParams::apply(manager).force();
                link.api(kind).patch(name, &params, &Patch::Apply(config)).await?;
                changed.push(changed_in(link, before, kind, name).await?);
                written.insert((kind.name, name.as_str()));
            }
            Write::Delete { kind, name, uid } => {
                let pruned = Pruned { kind, name: name.clone(), uid: uid.clone() };
                changed.push(prune(link, before, &pruned).await?);
            }
            Write::Create { .. } | Write::Patch { .. } => {
                return Err(CliError::new(Exit::Failed, "a source wrote something else than what it declares"));
            }
        }
    }
    for manifest in manifests {
        let Some(kind) = Kind::named(&manifest.kind) else { continue };
        let old = before.object(kind.name, &manifest.name);
        if old.is_some() && !written.contains(&(kind.name, manifest.name.as_str())) {
            changed.push(ObjectChange::of(kind.name, kind.named_object(&manifest.name), old, old));
        }
    }
    Ok(changed)
}

/// What an object has become.
async fn changed_in(link: &Link, before: &Before, kind: &Kind, name: &str) -> Result<ObjectChange, CliError> {
    let new = link.api(kind).get_opt(name).await?;
    let new = new.map(|new| serde_json::to_value(new).map_err(|error| apply::unreadable(&error))).transpose()?;
    Ok(ObjectChange::of(kind.name, kind.named_object(name), before.object(kind.name, name), new.as_ref()))
}

/// Deletes an object that no manifest declares any more.
async fn prune(link: &Link, before: &Before, pruned: &Pruned) -> Result<ObjectChange, CliError> {
    let Pruned { kind, name, uid } = pruned;
    link.delete_exactly(kind, name, Some(uid), false).await?;
    Ok(ObjectChange::of(kind.name, kind.named_object(name), before.object(kind.name, name), None))
}
