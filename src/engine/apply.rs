//! Applying a plan: effects in order, then status; through the adapter and through the API, and nowhere else.
//!
//! An effect answers Ok or an error and nothing else; what it did is learnt by the next look.

use std::sync::Arc;

use gastown_controllers::plan::{Confirm, Effect, StatusWrite, Version, Write};
use gastown_controllers::told::Told;
use gastown_controllers::world::{Act, ActError, Adapter};
use gastown_crds::kinds::{Kind, Role};
use gastown_crds::reason::Reason;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::DynamicObject;
use kube::{Client, Resource};
use serde_json::{Value, json};

/// How the effects of a plan went.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// All of them; how many there were.
    All(usize),
    /// An object has changed since it was seen: look again.
    Conflict,
    /// One failed: the reason for a condition, and what went wrong.
    Failed(Reason, String),
}

/// The API and the world, through which plans are applied.
#[derive(Clone)]
pub struct Applier {
    /// The API.
    pub client: Client,
    /// The world.
    pub adapter: Arc<dyn Adapter>,
    /// Whether the adapter's calls may block: they then run on a thread of their own. A simulation's never do.
    pub blocking: bool,
}

/// What was written.
#[derive(Debug, Default)]
pub struct Wrote {
    /// The newest write to each kind: its resourceVersion.
    pub versions: Versions,
    /// What is told of objects whose status was written.
    pub told: Vec<(Version, Told)>,
}

/// Writes to kinds: the resourceVersion of each.
pub type Versions = Vec<(&'static Kind, u64)>;

impl Applier {
    /// Applies effects in order; the first that fails ends the list.
    pub async fn effects(&self, effects: &[Effect], versions: &mut Versions) -> Applied {
        for effect in effects {
            let done = match effect {
                Effect::Act(act) => self.act(act.clone()).await,
                Effect::Write(write) => self.write(write, versions).await,
                Effect::Confirm(confirm) => self.confirm(confirm).await,
            };
            if let Err(applied) = done {
                return applied;
            }
        }
        Applied::All(effects.len())
    }

    /// Writes statuses, each whatever becomes of the others; one that is out of date is left for the next look. Answers the
    /// last failure.
    pub async fn statuses(&self, statuses: &[StatusWrite], wrote: &mut Wrote) -> Applied {
        let mut applied = Applied::All(statuses.len());
        for StatusWrite { object, status, told } in statuses {
            match self.status(object, status).await {
                Ok(version) => {
                    wrote.versions.extend(seen_later(object.kind, version));
                    wrote.told.extend(told.iter().map(|told| (object.clone(), told.clone())));
                }
                Err(Applied::Conflict) if matches!(applied, Applied::Failed(..)) => {}
                Err(other) => applied = other,
            }
        }
        applied
    }

    async fn act(&self, act: Act) -> Result<(), Applied> {
        let result = if self.blocking {
            let adapter = Arc::clone(&self.adapter);
            tokio::task::spawn_blocking(move || adapter.act(&act))
                .await
                .unwrap_or_else(|panic| Err(ActError { message: format!("a bug: {panic}"), reason: Reason::BackOff }))
        } else {
            self.adapter.act(&act)
        };
        result.map_err(|ActError { message, reason }| Applied::Failed(reason, message))
    }

    async fn confirm(&self, confirm: &Confirm) -> Result<(), Applied> {
        let Confirm { kind, name, uid, field, value, what: _ } = confirm;
        let object = self.api(kind).get_opt(name).await.map_err(failed)?.ok_or(Applied::Conflict)?;
        let is_it = object.metadata.uid.as_ref() == Some(uid) && object.data.pointer(field) == Some(value);
        if is_it { Ok(()) } else { Err(Applied::Conflict) }
    }

    async fn write(&self, write: &Write, versions: &mut Versions) -> Result<(), Applied> {
        let written = match write {
            Write::Create { kind, object, name: _ } => {
                let object = serde_json::from_value(object.clone()).map_err(|error| a_bug(&error))?;
                let version = created(self.api(kind).create(&PostParams::default(), &object).await)?;
                version.and_then(|version| seen_later(kind, version))
            }
            Write::Patch { object, patch, what: _, dated: _ } => match self.patch(object, patch.clone()).await {
                Ok(version) => seen_later(object.kind, version),
                // Removing the last finalizer of a deleted object ends it; so may somebody else have.
                Err(Applied::Conflict) if patch.pointer("/metadata/finalizers") == Some(&json!([])) => None,
                Err(other) => return Err(other),
            },
            Write::Apply { kind, name, config, manager } => {
                let params =
                    PatchParams { force: true, field_manager: Some(manager.clone()), ..PatchParams::default() };
                let object = self.api(kind).patch(name, &params, &Patch::Apply(config)).await;
                let object = object.map_err(|error| refused(error, &kind.named_object(name)))?;
                seen_later(kind, version_of(&object))
            }
            Write::Delete { kind, name, uid } => {
                let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: None };
                let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                match self.api(kind).delete(name, &params).await {
                    Ok(_) => None,
                    Err(kube::Error::Api(status)) if status.code == 404 => None,
                    Err(error) => return Err(failed(error)),
                }
            }
        };
        versions.extend(written);
        Ok(())
    }

    async fn patch(&self, object: &Version, mut patch: Value) -> Result<u64, Applied> {
        patch["metadata"]["resourceVersion"] = json!(object.resource_version);
        patch["metadata"]["uid"] = json!(object.uid);
        let params = PatchParams::default();
        let patched = self.api(object.kind).patch(&object.name, &params, &Patch::Merge(patch)).await;
        patched.map(|o| version_of(&o)).map_err(failed)
    }

    async fn status(&self, object: &Version, status: &Value) -> Result<u64, Applied> {
        let mut body = DynamicObject::new(&object.name, &object.kind.resource()).data(json!({ "status": status }));
        body.metadata.resource_version = Some(object.resource_version.clone());
        body.metadata.uid = Some(object.uid.clone());
        match self.api(object.kind).replace_status(&object.name, &PostParams::default(), &body).await {
            Ok(written) => Ok(version_of(&written)),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Applied::Conflict),
            Err(error) => Err(failed(error)),
        }
    }

    fn api(&self, kind: &Kind) -> Api<DynamicObject> {
        Api::default_namespaced_with(self.client.clone(), &kind.resource())
    }
}

/// A write that the watches of this engine will show: of a record they show nothing.
fn seen_later(kind: &'static Kind, version: u64) -> Option<(&'static Kind, u64)> {
    (kind.role == Role::Reconciled).then_some((kind, version))
}

/// An object that a controller made and that is none.
fn a_bug(error: &serde_json::Error) -> Applied {
    Applied::Failed(Reason::BackOff, format!("a bug: {error}"))
}

/// An object's resourceVersion as a number. Ours are one sequence; a cluster's compare within a kind (KEP-5504).
pub fn version_of(object: &impl Resource) -> u64 {
    object.meta().resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
}

fn created<K: Resource>(result: kube::Result<K>) -> Result<Option<u64>, Applied> {
    match result {
        Ok(object) => Ok(Some(version_of(&object))),
        Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// What was declared, and is not what the API takes: trying again does not help.
fn refused(error: kube::Error, object: &str) -> Applied {
    match error {
        kube::Error::Api(status) if matches!(status.code, 400 | 403 | 413 | 422) => {
            Applied::Failed(Reason::RevisionRefused, format!("{object}: {}", status.message))
        }
        other => failed(other),
    }
}

fn failed(error: kube::Error) -> Applied {
    match error {
        kube::Error::Api(status) if status.code == 409 || status.code == 404 => Applied::Conflict,
        kube::Error::Api(status) => Applied::Failed(Reason::BackOff, status.message),
        other => Applied::Failed(Reason::BackOff, other.to_string()),
    }
}
