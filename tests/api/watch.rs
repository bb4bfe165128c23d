//! Watches: what each change looks like to them, how they end and resume, and that kube's own machinery lives on them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::support::*;
use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::controller::Action;
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, WatchStreamExt};
use serde_json::json;

/// Long enough for a busy machine; only a failure ever waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it should have happened by now")
}

fn shown(event: &WatchEvent<Widget>) -> String {
    match event {
        WatchEvent::Added(it) => format!("ADDED {} {}", it.name_any(), it.spec.size),
        WatchEvent::Modified(it) => format!("MODIFIED {} {}", it.name_any(), it.spec.size),
        WatchEvent::Deleted(it) => format!("DELETED {} {}", it.name_any(), it.spec.size),
        WatchEvent::Bookmark(_) => "BOOKMARK".into(),
        WatchEvent::Error(status) => format!("ERROR {}", status.code),
    }
}

async fn collect(server: &gastown::api::Server, params: &WatchParams, from: &str) -> Vec<String> {
    let api = widgets(server);
    let stream = soon(api.watch(params, from)).await.unwrap();
    let collected = soon(stream.try_collect::<Vec<_>>()).await.unwrap();
    collected.iter().map(shown).collect()
}

async fn size(server: &gastown::api::Server, name: &str, size: i32) {
    let patch = Patch::Merge(json!({ "spec": { "size": size } }));
    widgets(server).patch(name, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn a_watch_tells_every_change_after_its_resource_version_and_ends_with_a_bookmark() {
    let server = server();
    let api = widgets(&server);
    let a = api.create(&PostParams::default(), &widget("a")).await.unwrap();
    size(&server, "a", 2).await;
    api.create(&PostParams::default(), &widget("b")).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let params = WatchParams::default().timeout(1);
    let told = collect(&server, &params, &a.resource_version().unwrap()).await;
    assert_eq!(told, ["MODIFIED a 2", "ADDED b 1", "DELETED a 2", "BOOKMARK"]);
    // From "0": what is there, then what changes.
    assert_eq!(collect(&server, &params, "0").await, ["ADDED b 1", "BOOKMARK"]);
    // A place from before the bound, or from another store, must list again.
    server.compact();
    assert_eq!(collect(&server, &params, &a.resource_version().unwrap()).await, ["ERROR 410"]);
    let far = (1_i64 << 62).to_string();
    assert_eq!(collect(&server, &params, &far).await, ["ERROR 410"]);
}

#[tokio::test(start_paused = true)]
async fn virtual_time_moves_only_for_a_watch_that_asks_for_an_end() {
    let server = server();
    let start = tokio::time::Instant::now();
    let made = widgets(&server).create(&PostParams::default(), &widget("a")).await.unwrap();
    size(&server, "a", 2).await;
    assert_eq!(widgets(&server).list(&ListParams::default()).await.unwrap().items.len(), 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
    let api = widgets(&server);
    let stream = api.watch(&WatchParams::default().timeout(290), &made.resource_version().unwrap()).await.unwrap();
    let told: Vec<_> = stream.try_collect().await.unwrap();
    assert_eq!(told.iter().map(shown).collect::<Vec<_>>(), ["MODIFIED a 2", "BOOKMARK"]);
    assert_eq!(start.elapsed().as_secs(), 290);
}

#[tokio::test]
async fn entering_and_leaving_a_selection_is_added_and_deleted() {
    let server = server();
    let api = widgets(&server);
    let start = api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    api.create(&PostParams::default(), &labelled("a", &[("on", "no")])).await.unwrap();
    let label = |value: &str| Patch::Merge(json!({ "metadata": { "labels": { "on": value } } }));
    api.patch("a", &PatchParams::default(), &label("yes")).await.unwrap();
    size(&server, "a", 4).await;
    let left = Patch::Merge(json!({ "metadata": { "labels": { "on": "no" } }, "spec": { "size": 5 } }));
    let left = api.patch("a", &PatchParams::default(), &left).await.unwrap();
    api.delete("a", &DeleteParams::default()).await.unwrap();
    let params = WatchParams::default().labels("on=yes").timeout(1);
    let stream = api.watch(&params, &start).await.unwrap();
    let told: Vec<_> = soon(stream.try_collect()).await.unwrap();
    assert_eq!(told.iter().map(shown).collect::<Vec<_>>(), ["ADDED a 1", "MODIFIED a 4", "DELETED a 4", "BOOKMARK"]);
    // It leaves in the state last selected, at the revision of the change that took it out.
    let WatchEvent::Deleted(gone) = &told[2] else { panic!("{told:?}") };
    assert_eq!(gone.resource_version(), left.resource_version());
}

#[tokio::test]
async fn a_streaming_list_marks_its_end() {
    let server = server();
    widgets(&server).create(&PostParams::default(), &widget("a")).await.unwrap();
    let api = widgets(&server);
    let config = watcher::Config::default().streaming_lists();
    let mut events = std::pin::pin!(watcher(api.clone(), config));
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::Init))));
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::InitApply(it))) if it.name_any() == "a"));
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::InitDone))));
    size(&server, "a", 2).await;
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::Apply(it))) if it.spec.size == 2));
}

#[tokio::test]
async fn kubes_watcher_lists_watches_and_survives_a_410() {
    let server = server();
    let api = widgets(&server);
    for name in ["a", "b", "c"] {
        api.create(&PostParams::default(), &widget(name)).await.unwrap();
    }
    let mut events = std::pin::pin!(watcher(api.clone(), watcher::Config::default().page_size(2)));
    let mut listed = Vec::new();
    loop {
        match soon(events.next()).await.unwrap().unwrap() {
            Event::InitApply(it) => listed.push(it.name_any()),
            Event::InitDone => break,
            _ => {}
        }
    }
    assert_eq!(listed, ["a", "b", "c"]);
    size(&server, "a", 2).await;
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::Apply(it))) if it.spec.size == 2));
    // The watch is open; it misses a change because the bound is reached before it looks.
    size(&server, "b", 3).await;
    server.compact();
    assert!(matches!(soon(events.next()).await, Some(Err(watcher::Error::WatchError(it))) if it.code == 410));
    let mut again = Vec::new();
    loop {
        match soon(events.next()).await.unwrap().unwrap() {
            Event::InitApply(it) => again.push(format!("{} {}", it.name_any(), it.spec.size)),
            Event::InitDone => break,
            _ => {}
        }
    }
    assert_eq!(again, ["a 2", "b 3", "c 1"]);
    // An ended watch is resumed where it was.
    server.end_watches();
    api.delete("c", &DeleteParams::default()).await.unwrap();
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::Delete(it))) if it.name_any() == "c"));
}

#[tokio::test]
async fn a_watch_that_lags_too_far_ends_with_410_and_memory_is_bounded() {
    let server = server();
    let api = widgets(&server);
    let start = api.create(&PostParams::default(), &widget("a")).await.unwrap().resource_version().unwrap();
    // This one is open and never read; 10,000 changes are the bound.
    let stream = api.watch(&WatchParams::default(), &start).await.unwrap();
    let mut stream = std::pin::pin!(stream);
    for n in 0..10_002 {
        size(&server, "a", n % 9).await;
    }
    let first = soon(stream.try_next()).await.unwrap().unwrap();
    assert_eq!(shown(&first), "ERROR 410");
    assert!(soon(stream.try_next()).await.unwrap().is_none());
}

#[tokio::test]
async fn an_unmodified_controller_converges() {
    let server = server();
    let api = widgets(&server);
    let reconcile = |widget: Arc<Widget>, server: Arc<gastown::api::Server>| async move {
        let patch = Patch::Merge(json!({ "status": { "seen": widget.spec.size } }));
        widgets(&server).patch_status(&widget.name_any(), &PatchParams::default(), &patch).await?;
        Ok::<_, kube::Error>(Action::await_change())
    };
    let on_error =
        |_: Arc<Widget>, _: &kube::Error, _: Arc<gastown::api::Server>| Action::requeue(Duration::from_secs(1));
    let controller = Controller::new(api.clone(), watcher::Config::default())
        .owns(gadgets(&server), watcher::Config::default())
        .run(reconcile, on_error, Arc::new(server.clone()))
        .for_each(|_| async {});
    let controller = tokio::spawn(controller);
    for n in 0..20 {
        let mut it = widget(&format!("w{n}"));
        it.spec.size = n % 9;
        api.create(&PostParams::default(), &it).await.unwrap();
    }
    size(&server, "w3", 8).await;
    let is_converged = |it: &Widget| it.status.as_ref().and_then(|it| it.seen) == Some(it.spec.size);
    let all = async {
        let mut changes = std::pin::pin!(watcher(api.clone(), watcher::Config::default()).touched_objects());
        loop {
            let list = api.list(&ListParams::default()).await.unwrap();
            if list.items.len() == 20 && list.iter().all(is_converged) {
                return;
            }
            changes.next().await.unwrap().unwrap();
        }
    };
    soon(all).await;
    assert_eq!(api.get("w3").await.unwrap().status.unwrap().seen, Some(8));
    controller.abort();
}

#[tokio::test]
async fn the_socket_serves_one_connection_a_request_and_ends_its_watches() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/api.sock");
    let server = server();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = {
        let (server, path) = (server.clone(), path.clone());
        tokio::spawn(async move {
            let shutdown = async move { drop(stopped.await) };
            let listener = gastown::api::bind_unix(&path).unwrap();
            gastown::api::serve_unix(server, listener, &path, shutdown).await
        })
    };
    let is_up = async {
        while !path.exists() || fs_err::metadata(&path).unwrap().permissions().mode() & 0o777 != 0o600 {
            tokio::task::yield_now().await;
        }
    };
    soon(is_up).await;
    let mode = |path: &std::path::Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let client = gastown::api::client_over_unix_socket(&path, "town", Some("gt".into())).unwrap();
    let api = kube::Api::<Widget>::namespaced(client, "town");
    soon(api.create(&PostParams::default(), &widget("a"))).await.unwrap();
    let stream = soon(api.watch(&WatchParams::default(), "0")).await.unwrap();
    let mut stream = std::pin::pin!(stream);
    assert_eq!(shown(&soon(stream.try_next()).await.unwrap().unwrap()), "ADDED a 1");
    stop.send(()).unwrap();
    assert_eq!(shown(&soon(stream.try_next()).await.unwrap().unwrap()), "BOOKMARK");
    assert!(soon(stream.try_next()).await.unwrap().is_none());
    soon(serving).await.unwrap().unwrap();
    assert!(!path.exists());
}
