//! Applying a plan: effects in order, then status; through the adapter and through the API, and nowhere else.
//!
//! An effect answers Ok or an error and nothing else; what it did is learnt by the next look.

use gastown_controllers::objects::Kind;
use gastown_controllers::plan::{Effect, Status, StatusWrite, Version, Write};
use gastown_controllers::world::{Act, ActError, Adapter};
use gastown_crds::bead::{Assignee, BeadSpec};
use gastown_crds::common::reasons;
use gastown_crds::{Bead, Convoy, Formula, MergeRequest, Polecat, Rig, Runtime, Town};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ApiResource, DynamicObject};
use kube::{Client, Resource, ResourceExt};
use serde_json::{Value, json};
use std::sync::Arc;

/// How the effects of a plan went.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// All of them; how many there were.
    All(usize),
    /// An object has changed since it was seen: look again.
    Conflict,
    /// One failed: the reason for a condition, and what went wrong.
    Failed(&'static str, String),
}

/// What a plan is applied with.
#[derive(Clone)]
pub struct Hands {
    /// The API.
    pub client: Client,
    /// The world.
    pub adapter: Arc<dyn Adapter>,
    /// Whether the adapter's calls may block: they then run on a thread of their own. A simulation's never do.
    pub blocking: bool,
}

/// The newest write to each kind: its resourceVersion.
pub type Wrote = Vec<(Kind, u64)>;

impl Hands {
    /// Applies effects in order; the first that fails ends the list.
    pub async fn effects(&self, effects: &[Effect], versions: &mut Wrote) -> Applied {
        for effect in effects {
            let done = match effect {
                Effect::Act(act) => self.act(act.clone()).await,
                Effect::Write(write) => self.write(write, versions).await,
                Effect::ConfirmClaim { bead, bead_uid, assignee } => {
                    let api: Api<Bead> = Api::default_namespaced(self.client.clone());
                    match api.get_opt(bead).await {
                        Ok(Some(seen))
                            if seen.uid().as_deref() == Some(bead_uid)
                                && seen.spec.assignee.as_ref() == Some(assignee) =>
                        {
                            Ok(())
                        }
                        Ok(_) => Err(Applied::Conflict),
                        Err(error) => Err(failed(error)),
                    }
                }
            };
            if let Err(applied) = done {
                return applied;
            }
        }
        Applied::All(effects.len())
    }

    /// Writes statuses; one that is out of date is left for the next look.
    pub async fn statuses(&self, statuses: &[StatusWrite], versions: &mut Wrote) -> Applied {
        let mut applied = Applied::All(statuses.len());
        for StatusWrite { object, status } in statuses {
            match self.status(object, status).await {
                Ok(version) => versions.push((status.kind(), version)),
                Err(Applied::Conflict) => applied = Applied::Conflict,
                Err(other) => return other,
            }
        }
        applied
    }

    async fn act(&self, act: Act) -> Result<(), Applied> {
        let result = if self.blocking {
            let adapter = Arc::clone(&self.adapter);
            tokio::task::spawn_blocking(move || adapter.act(&act))
                .await
                .unwrap_or_else(|panic| Err(ActError { message: format!("a bug: {panic}"), reason: reasons::BACK_OFF }))
        } else {
            self.adapter.act(&act)
        };
        result.map_err(|ActError { message, reason }| Applied::Failed(reason, message))
    }

    async fn write(&self, write: &Write, versions: &mut Wrote) -> Result<(), Applied> {
        let beads: Api<Bead> = Api::default_namespaced(self.client.clone());
        let written = match write {
            Write::CreateBead(bead) => created(beads.create(&PostParams::default(), bead).await)?,
            Write::CreatePolecat(polecat) => {
                let api: Api<Polecat> = Api::default_namespaced(self.client.clone());
                let version = created(api.create(&PostParams::default(), polecat).await)?;
                versions.extend(version.map(|v| (Kind::Polecat, v)));
                return Ok(());
            }
            Write::Claim { bead, assignee } => {
                // What is absent clears nothing in a merge patch.
                let Assignee { polecat, uid, waiting } = assignee;
                let assignee = json!({ "polecat": polecat, "uid": uid, "waiting": waiting });
                Some(self.patch(Kind::Bead, bead, json!({ "spec": { "assignee": assignee } })).await?)
            }
            Write::Release { bead } => {
                Some(self.patch(Kind::Bead, bead, json!({ "spec": { "assignee": null } })).await?)
            }
            Write::Close { bead, closed } => {
                let patch = json!({ "spec": { "assignee": null, "closed": closed } });
                Some(self.patch(Kind::Bead, bead, patch).await?)
            }
            Write::UpdateBead { bead, spec } => {
                Some(self.patch(Kind::Bead, bead, json!({ "spec": whole(spec) })).await?)
            }
            Write::Finalizers { kind, object, finalizers } => {
                let patch = json!({ "metadata": { "finalizers": finalizers } });
                match self.patch(*kind, object, patch).await {
                    Ok(version) => versions.push((*kind, version)),
                    // Removing the last finalizer of a deleted object ends it; so may somebody else have.
                    Err(Applied::Conflict) if finalizers.is_empty() => {}
                    Err(other) => return Err(other),
                }
                return Ok(());
            }
            Write::DeleteBead { name, uid } => {
                let preconditions = Preconditions { uid: Some(uid.clone()), resource_version: None };
                let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                match beads.delete(name, &params).await {
                    Ok(_) => None,
                    Err(kube::Error::Api(status)) if status.code == 404 => None,
                    Err(error) => return Err(failed(error)),
                }
            }
        };
        versions.extend(written.map(|version| (Kind::Bead, version)));
        Ok(())
    }

    async fn patch(&self, kind: Kind, object: &Version, mut patch: Value) -> Result<u64, Applied> {
        patch["metadata"]["resourceVersion"] = json!(object.resource_version);
        patch["metadata"]["uid"] = json!(object.uid);
        let api = self.dynamic(kind);
        let params = PatchParams::default();
        api.patch(&object.name, &params, &Patch::Merge(patch)).await.map(|o| version_of(&o)).map_err(failed)
    }

    async fn status(&self, object: &Version, status: &Status) -> Result<u64, Applied> {
        let value = match status {
            Status::Town(s) => json!(s),
            Status::Rig(s) => json!(s),
            Status::Runtime(s) => json!(s),
            Status::Formula(s) => json!(s),
            Status::Convoy(s) => json!(s),
            Status::Bead(s) => json!(s),
            Status::Polecat(s) => json!(s),
            Status::MergeRequest(s) => json!(s),
        };
        let resource = resource(status.kind());
        let mut body = DynamicObject::new(&object.name, &resource).data(json!({ "status": value }));
        body.metadata.resource_version = Some(object.resource_version.clone());
        body.metadata.uid = Some(object.uid.clone());
        let api = self.dynamic(status.kind());
        match api.replace_status(&object.name, &PostParams::default(), &body).await {
            Ok(written) => Ok(version_of(&written)),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Applied::Conflict),
            Err(error) => Err(failed(error)),
        }
    }

    fn dynamic(&self, kind: Kind) -> Api<DynamicObject> {
        Api::default_namespaced_with(self.client.clone(), &resource(kind))
    }
}

/// All of a bead's spec as a merge patch: what is not there is taken away, but for the claim and the end.
fn whole(spec: &BeadSpec) -> Value {
    let mut value = json!(spec);
    for optional in ["description", "needs", "formula", "command", "vars", "parent"] {
        if value.get(optional).is_none() {
            value[optional] = Value::Null;
        }
    }
    value
}

fn resource(kind: Kind) -> ApiResource {
    match kind {
        Kind::Town => ApiResource::erase::<Town>(&()),
        Kind::Rig => ApiResource::erase::<Rig>(&()),
        Kind::Runtime => ApiResource::erase::<Runtime>(&()),
        Kind::Formula => ApiResource::erase::<Formula>(&()),
        Kind::Convoy => ApiResource::erase::<Convoy>(&()),
        Kind::Bead => ApiResource::erase::<Bead>(&()),
        Kind::Polecat => ApiResource::erase::<Polecat>(&()),
        Kind::MergeRequest => ApiResource::erase::<MergeRequest>(&()),
    }
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

fn failed(error: kube::Error) -> Applied {
    match error {
        kube::Error::Api(status) if status.code == 409 || status.code == 404 => Applied::Conflict,
        kube::Error::Api(status) => Applied::Failed(reasons::BACK_OFF, status.message),
        other => Applied::Failed(reasons::BACK_OFF, other.to_string()),
    }
}
