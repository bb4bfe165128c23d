//! One watch per kind, as one stream of changes.

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt};
use gastown_controllers::objects::{Kind, Object};
use gastown_crds::{Bead, Convoy, Formula, MergeRequest, Polecat, Rig, Runtime, Town};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::apply::version_of;

/// What a watch says.
#[derive(Debug)]
pub enum Change {
    /// A list begins: what it does not name is gone.
    Begin(Kind),
    /// An object, as it is now.
    Is(Kind, Object, u64),
    /// An object is gone.
    Gone(Kind, String, u64),
    /// The list is complete.
    End(Kind),
    /// The watch failed and is being made anew.
    Failed(Kind, String),
}

/// Watches every kind.
pub fn all(client: &Client) -> BoxStream<'static, Change> {
    stream::select_all([
        one::<Town>(client, Kind::Town, Object::Town),
        one::<Rig>(client, Kind::Rig, Object::Rig),
        one::<Runtime>(client, Kind::Runtime, Object::Runtime),
        one::<Formula>(client, Kind::Formula, Object::Formula),
        one::<Convoy>(client, Kind::Convoy, Object::Convoy),
        one::<Bead>(client, Kind::Bead, Object::Bead),
        one::<Polecat>(client, Kind::Polecat, Object::Polecat),
        one::<MergeRequest>(client, Kind::MergeRequest, Object::MergeRequest),
    ])
    .boxed()
}

/// How many kinds there are: as many lists must be complete before anything is decided.
pub const KINDS: usize = 8;

fn one<K>(client: &Client, kind: Kind, wrap: fn(Arc<K>) -> Object) -> BoxStream<'static, Change>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api: Api<K> = Api::default_namespaced(client.clone());
    watcher(api, watcher::Config::default())
        .default_backoff()
        .map(move |event| match event {
            Ok(Event::Init) => Change::Begin(kind),
            Ok(Event::InitApply(object) | Event::Apply(object)) => {
                let version = version_of(&object);
                Change::Is(kind, wrap(Arc::new(object)), version)
            }
            Ok(Event::Delete(object)) => Change::Gone(kind, object.name_any(), version_of(&object)),
            Ok(Event::InitDone) => Change::End(kind),
            Err(error) => Change::Failed(kind, error.to_string()),
        })
        .boxed()
}
