//! A copy of another server's objects: they are what they were there, and live on here by the usual rules.

use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::support::{Widget, server, widget, widgets};

/// All that a server holds, as it answers a list.
async fn all(from: &gastown::api::Server) -> Vec<Widget> {
    widgets(from).list(&ListParams::default()).await.unwrap().items
}

fn values(objects: &[Widget]) -> Vec<Value> {
    objects.iter().map(|it| serde_json::to_value(it).unwrap()).collect()
}

#[tokio::test]
async fn a_copy_keeps_uid_time_generation_and_status_and_goes_with_its_owner() {
    let original = server();
    let api = widgets(&original);
    // By name, what is owned comes first.
    let owner = api.create(&PostParams::default(), &widget("b-owner")).await.unwrap();
    let mut owned = widget("a-owned");
    owned.metadata.owner_references = Some(vec![kube::Resource::owner_ref(&owner, &()).unwrap()]);
    api.create(&PostParams::default(), &owned).await.unwrap();
    let size = Patch::Merge(json!({ "spec": { "size": 2 } }));
    api.patch("b-owner", &PatchParams::default(), &size).await.unwrap();
    let seen = Patch::Merge(json!({ "status": { "seen": 2 } }));
    api.patch_status("b-owner", &PatchParams::default(), &seen).await.unwrap();
    let before = all(&original).await;

    let copy = server();
    copy.copy(values(&before)).await.unwrap();
    let versionless = |objects: Vec<Widget>| -> Vec<Widget> {
        let strip = |mut it: Widget| {
            it.metadata.resource_version = None;
            it
        };
        objects.into_iter().map(strip).collect()
    };
    let after = all(&copy).await;
    assert_eq!(versionless(after.clone()), versionless(before));
    let copied = after.iter().find(|it| it.name_any() == "b-owner").unwrap();
    assert_eq!((copied.metadata.generation, copied.status.as_ref().unwrap().seen), (Some(2), Some(2)));

    widgets(&copy).delete("b-owner", &DeleteParams::default()).await.unwrap();
    assert_eq!(all(&copy).await, [], "what it owned goes with it");
    assert_eq!(all(&original).await.len(), 2, "the original is another store");
}

#[tokio::test]
async fn what_is_there_or_not_served_is_not_copied() {
    let copy = server();
    widgets(&copy).create(&PostParams::default(), &widget("a")).await.unwrap();
    let object = |kind: &str| json!({ "apiVersion": "test.gastown.io/v1alpha1", "kind": kind, "metadata": { "name": "a", "namespace": "town" } });
    let error = copy.copy(vec![object("Widget")]).await.unwrap_err();
    assert_eq!(error.to_string(), "Widget `a` could not be copied");
    let error = copy.copy(vec![object("Town")]).await.unwrap_err();
    assert_eq!(error.to_string(), "Town `a` is of a kind that is not served");
}
