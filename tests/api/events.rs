//! Events: one table behind core `v1` and `events.k8s.io/v1`, as unmodified clients meet them; who may write them; and how
//! many are kept.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::StreamExt;
use gastown::api::guard::ACTOR_HEADER;
use gastown::api::store::{Expect, Key, KindIndex, Op, Retention, Store};
use gastown::api::{Place, Server, Writer};
use gastown::clock::CountingIds;
use gastown::connect;
use jiff::Timestamp;
use k8s_openapi::api::{core, events};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, from_value, json};

use crate::support::{START, TestClock, options, raw, server, why};

const CORE: &str = "/api/v1/namespaces/town/events";
const NEW: &str = "/apis/events.k8s.io/v1/namespaces/town/events";

fn views(server: &Server) -> (Api<core::v1::Event>, Api<events::v1::Event>) {
    let client = server.client("town");
    (Api::namespaced(client.clone(), "town"), Api::namespaced(client, "town"))
}

/// An event as a client of today writes it.
fn event(name: &str, about: &str, reason: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": name },
        "regarding": { "apiVersion": "test.gastown.io/v1alpha1", "kind": "Widget", "namespace": "town", "name": about, "uid": format!("uid-{about}") },
        "related": { "kind": "Gadget", "namespace": "town", "name": "g" },
        "reason": reason, "note": "it is so", "type": "Normal", "action": "Look",
        "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "test.io/it", "reportingInstance": "it-1",
    })
}

async fn create(server: &Server, name: &str, about: &str, reason: &str) {
    let event: events::v1::Event = from_value(event(name, about, reason)).unwrap();
    views(server).1.create(&PostParams::default(), &event).await.unwrap();
}

fn without_what_differs(mut answer: Value) -> Value {
    for field in ["name", "uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        answer["metadata"].as_object_mut().unwrap().remove(field);
    }
    answer
}

/// As kube-apiserver 1.37.2 answered the same request; objects that nobody applies have no managed fields here.
#[tokio::test]
async fn an_event_of_core_is_answered_as_a_kube_apiserver_does() {
    let body = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": { "generateName": "e" },
        "involvedObject": { "kind": "Rig", "name": "r1", "namespace": "lab" },
        "reason": "X", "message": "m", "type": "Normal",
    });
    let (code, _, answer) = raw(&server(), "POST", "/api/v1/namespaces/lab/events", &[], body.to_string()).await;
    assert_eq!(code, 201, "{answer}");
    let recorded = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": { "generateName": "e", "namespace": "lab" },
        "involvedObject": { "kind": "Rig", "namespace": "lab", "name": "r1" }, "reason": "X", "message": "m",
        "source": {}, "firstTimestamp": null, "lastTimestamp": null, "type": "Normal", "eventTime": null,
        "reportingComponent": "", "reportingInstance": "",
    });
    assert_eq!(without_what_differs(answer), recorded);
}

#[tokio::test]
async fn discovery_names_both_views() {
    let server = server();
    let resource = |path: &'static str| {
        let server = server.clone();
        async move {
            let (code, _, list) = raw(&server, "GET", path, &[], "").await;
            assert_eq!(code, 200, "{path}");
            list["resources"].as_array().unwrap().iter().find(|it| it["name"] == "events").unwrap().clone()
        }
    };
    // But for `storageVersionHash`, as recorded; a custom resource answers its categories too.
    let mut recorded = json!({
        "name": "events", "singularName": "event", "namespaced": true, "kind": "Event", "shortNames": ["ev"],
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    recorded["categories"] = json!([]);
    assert_eq!(resource("/api/v1").await, recorded);
    assert_eq!(resource("/apis/events.k8s.io/v1").await, recorded);
    let (_, _, groups) = raw(&server, "GET", "/apis", &[], "").await;
    let names: Vec<_> = groups["groups"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["events.k8s.io", "test.gastown.io"]);
    for path in ["/openapi/v3/api/v1", "/openapi/v3/apis/events.k8s.io/v1"] {
        let (code, _, document) = raw(&server, "GET", path, &[], "").await;
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert!(code == 200 && schemas.values().any(|it| it["properties"]["reportingInstance"].is_object()), "{path}");
    }
}

#[tokio::test]
async fn what_is_written_in_one_view_is_read_in_the_other() {
    let server = server();
    let (core, new) = views(&server);
    create(&server, "a.1", "a", "Seen").await;
    let read = core.get("a.1").await.unwrap();
    assert_eq!((read.involved_object.name.as_deref(), read.message.as_deref()), (Some("a"), Some("it is so")));
    assert_eq!(read.reporting_component.as_deref(), Some("test.io/it"));
    // A series goes on, by a patch of the kind that client-go's recorder sends to core.
    let patch = json!({ "series": { "count": 2, "lastObservedTime": "2026-01-01T00:01:00.000000Z" } });
    let media_type = [("content-type", "application/strategic-merge-patch+json")];
    let (code, _, answer) = raw(&server, "PATCH", &format!("{CORE}/a.1"), &media_type, patch.to_string()).await;
    assert_eq!(code, 200, "{answer}");
    let mut read = new.get("a.1").await.unwrap();
    assert_eq!(read.series.as_ref().map(|series| series.count), Some(2));
    assert_eq!((read.note.as_deref(), read.deprecated_count), (Some("it is so"), None));
    read.series.as_mut().unwrap().count = 3;
    new.replace("a.1", &PostParams::default(), &read).await.unwrap();
    assert_eq!(core.get("a.1").await.unwrap().series.map(|series| series.count), Some(Some(3)));
    // An old client's event, in the words of today.
    let old = json!({
        "metadata": { "name": "a.2" }, "involvedObject": { "kind": "Widget", "namespace": "town", "name": "a" },
        "reason": "Old", "message": "long ago", "source": { "component": "old" }, "count": 2, "type": "Warning",
        "firstTimestamp": "2026-01-01T00:00:00Z", "lastTimestamp": "2026-01-01T00:02:00Z",
    });
    core.create(&PostParams::default(), &from_value(old).unwrap()).await.unwrap();
    let read = new.get("a.2").await.unwrap();
    assert_eq!((read.note.as_deref(), read.deprecated_count), (Some("long ago"), Some(2)));
    assert_eq!(read.deprecated_source.and_then(|source| source.component).as_deref(), Some("old"));
    // One patch changes nothing: it is no write.
    let before = core.get("a.2").await.unwrap().resource_version();
    let patch = Patch::Merge(json!({ "reason": "Old" }));
    let after = new.patch("a.2", &PatchParams::default(), &patch).await.unwrap().resource_version();
    assert_eq!(before, after);
    new.delete("a.1", &DeleteParams::default()).await.unwrap();
    assert!(why(core.get("a.1").await).starts_with("404"));
    assert_eq!(why(new.get("a.1").await), "404 NotFound: events.events.k8s.io \"a.1\" not found");
    let deleted = core.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    assert_eq!(deleted.left().map(|list| list.items.len()), Some(1));
}

#[tokio::test]
async fn events_are_selected_by_fields_in_pages_and_watched_in_both_views() {
    let server = server();
    let (core, new) = views(&server);
    let start = core.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    for (name, about, reason) in [("a.1", "a", "Seen"), ("a.2", "a", "Lost"), ("b.1", "b", "Seen")] {
        create(&server, name, about, reason).await;
    }
    for (in_core, in_new, expected) in [
        ("involvedObject.name=a", "regarding.name=a", &["a.1", "a.2"][..]),
        ("involvedObject.name=a,reason=Seen", "regarding.name=a,reason=Seen", &["a.1"]),
        ("reason!=Seen", "reason!=Seen", &["a.2"]),
        ("involvedObject.kind=Widget,involvedObject.uid=uid-b", "regarding.kind=Widget,regarding.uid=uid-b", &["b.1"]),
        ("involvedObject.kind=Gadget", "regarding.kind=Gadget", &[]),
        ("source=test.io/it,type=Normal", "reportingController=test.io/it,type=Normal", &["a.1", "a.2", "b.1"]),
        ("reportingComponent!=test.io/it", "reportingController!=test.io/it", &[]),
        ("related.name=g,metadata.name=b.1", "related.kind=Gadget,metadata.name=b.1", &["b.1"]),
        (r#"reason="\,"type"#, r#"reason="]"#, &[]),
    ] {
        let params = |fields: &str| ListParams::default().fields(fields);
        let found: Vec<String> =
            core.list(&params(in_core)).await.unwrap().items.iter().map(ResourceExt::name_any).collect();
        assert_eq!(found, expected, "{in_core}");
        let found: Vec<String> =
            new.list(&params(in_new)).await.unwrap().items.iter().map(ResourceExt::name_any).collect();
        assert_eq!(found, expected, "{in_new}");
    }
    let wrong = core.list(&ListParams::default().fields("regarding.name=a")).await;
    assert_eq!(why(wrong), "400 BadRequest: field label not supported: regarding.name");
    let page = new.list(&ListParams::default().limit(2)).await.unwrap();
    let token = page.metadata.continue_.unwrap();
    let rest = new.list(&ListParams::default().limit(2).continue_token(&token)).await.unwrap();
    assert_eq!((page.items.len(), rest.items.len()), (2, 1));
    // Both begin before the first event.
    let params = |fields: &str| WatchParams::default().fields(fields).timeout(1);
    let seen = core.watch(&params("involvedObject.name=a"), &start).await.unwrap().boxed();
    let seen: Vec<_> = seen.take(2).collect().await;
    let added = |event: &kube::Result<WatchEvent<core::v1::Event>>| match event {
        Ok(WatchEvent::Added(it)) => (it.name_any(), it.message.clone()),
        other => panic!("{other:?}"),
    };
    let so = Some("it is so".to_owned());
    assert_eq!(seen.iter().map(added).collect::<Vec<_>>(), [("a.1".into(), so.clone()), ("a.2".into(), so.clone())]);
    let mut seen = new.watch(&params("reason=Lost"), &start).await.unwrap().boxed();
    let Some(Ok(WatchEvent::Added(lost))) = seen.next().await else { panic!("nothing was added") };
    assert_eq!((lost.name_any(), lost.note), ("a.2".to_owned(), so));
}

#[tokio::test]
async fn what_a_kube_apiserver_refuses_is_refused() {
    let server = server();
    let changed = |field: &str, value: Value| {
        let mut event = event("a.1", "a", "Seen");
        event.pointer_mut(field).map(|it| *it = value).unwrap();
        event
    };
    let mut told = Vec::new();
    for (what, body) in [
        ("elsewhere", changed("/regarding/namespace", json!("other"))),
        ("no time", changed("/eventTime", Value::Null)),
        ("no such type", changed("/type", json!("Bad"))),
        ("no controller", changed("/reportingController", json!(""))),
        ("a long note", changed("/note", json!("x".repeat(1025)))),
        ("no number", changed("/action", json!(3))),
    ] {
        let (code, _, answer) = raw(&server, "POST", NEW, &[], body.to_string()).await;
        told.push(format!("{what}: {code} {}", answer["message"].as_str().unwrap_or_default()));
    }
    create(&server, "a.1", "a", "Seen").await;
    let merge = [("content-type", "application/merge-patch+json")];
    for (what, body) in [
        ("another reason", json!({ "reason": "Other" })),
        ("a series of one", json!({ "series": { "count": 1, "lastObservedTime": "2026-01-01T00:00:00.000000Z" } })),
    ] {
        let (code, _, answer) = raw(&server, "PATCH", &format!("{NEW}/a.1"), &merge, body.to_string()).await;
        told.push(format!("{what}: {code} {}", answer["message"].as_str().unwrap_or_default()));
    }
    let strategic = [("content-type", "application/strategic-merge-patch+json")];
    let body = json!({ "metadata": { "finalizers": ["a/b"] } }).to_string();
    let (code, _, answer) = raw(&server, "PATCH", &format!("{CORE}/a.1"), &strategic, body).await;
    told.push(format!("a list: {code} {}", answer["message"].as_str().unwrap_or_default()));
    insta::assert_snapshot!(told.join("\n"), @r#"
    elsewhere: 422 Event.events.k8s.io "a.1" is invalid: regarding.namespace: Invalid value: "other": does not match event.namespace
    no time: 422 Event.events.k8s.io "a.1" is invalid: eventTime: Required value
    no such type: 422 Event.events.k8s.io "a.1" is invalid: type: Invalid value: "": has invalid value: Bad
    no controller: 422 Event.events.k8s.io "a.1" is invalid: reportingController: Required value
    a long note: 422 Event.events.k8s.io "a.1" is invalid: note: Invalid value: "": can have at most 1024 characters
    no number: 422 Event.events.k8s.io "a.1" is invalid: action: Invalid value: "integer": action in body must be of type string: "integer"
    another reason: 422 Event.events.k8s.io "a.1" is invalid: reason: Invalid value: "Other": field is immutable
    a series of one: 422 Event.events.k8s.io "a.1" is invalid: series.count: Invalid value: "": should be at least 2
    a list: 400 only what means the same in application/merge-patch+json is understood of a strategic merge patch
    "#);
}

#[tokio::test]
async fn an_agent_writes_no_event() {
    let server = Server::open(&Place::Memory, Writer::Inline, connect::options()).unwrap();
    let agent = [(ACTOR_HEADER, "shop/polecats/nux")];
    for (path, mut body) in [(NEW, event("a.1", "a", "Merged")), (CORE, json!({}))] {
        if path == CORE {
            body = json!({
                "apiVersion": "v1", "kind": "Event", "metadata": { "name": "a.2" },
                "involvedObject": { "kind": "Bead", "namespace": "town", "name": "a" }, "reason": "Merged",
            });
        }
        let (code, _, answer) = raw(&server, "POST", path, &agent, body.to_string()).await;
        assert_eq!(code, 403, "{answer}");
        let (code, _, _) = raw(&server, "POST", path, &[(ACTOR_HEADER, "kim")], body.to_string()).await;
        assert_eq!(code, 201);
        let (code, _, _) = raw(&server, "DELETE", path, &agent, "").await;
        assert_eq!(code, 403);
    }
}

/// Small bounds, as none of the API's own could be reached in a test.
fn notes() -> Vec<KindIndex> {
    vec![KindIndex {
        kind: "notes.t".into(),
        group: "t".into(),
        object_kind: "Note".into(),
        fields: vec!["about".to_owned()],
        row_fields: vec!["word".to_owned()],
        is_record: true,
        retention: Some(Retention {
            age_max: Duration::from_secs(100),
            objects_max: 200,
            alike_max: 20,
            alike: "about",
            is_in_ledger: false,
        }),
    }]
}

#[test]
fn the_oldest_records_go_as_others_come_and_never_otherwise() {
    let mut store = Store::open(&Place::Memory, notes(), Timestamp::from_second(START).unwrap()).unwrap();
    let ids = CountingIds::new(1);
    let mut made = 0;
    let mut put = |store: &mut Store, count: usize, second: i64, about: &dyn Fn(usize) -> String| {
        let mut gone = Vec::new();
        for _ in 0..count {
            made += 1;
            let key = Key { kind: "notes.t".into(), ns: "n".into(), name: format!("n{made}") };
            let object = json!({ "metadata": {}, "about": about(made), "word": "x" });
            let put = Op::Put { key, expect: Expect::Absent, object };
            let (replies, events) = store.apply(vec![put], Timestamp::from_second(START + second).unwrap(), &ids);
            assert!(replies.iter().all(Result::is_ok), "{replies:?}");
            gone.extend(events.into_iter().skip(1).map(|event| event.key.name));
        }
        gone
    };
    let many = |n: usize| format!("a{n}");
    // Of one thing at most so many are kept, and as many more as come between two looks.
    assert_eq!(put(&mut store, 65, 0, &|_| "same".to_owned()).len(), 45);
    assert_eq!(put(&mut store, 64 * 2, 0, &many), [""; 0]);
    // Of all of them.
    assert_eq!(put(&mut store, 64, 50, &many).first().map(String::as_str), Some("n46"));
    // Old ones go with the next that come, and in a store that nobody writes to nothing goes.
    let before = store.counters();
    assert_eq!(put(&mut store, 63, 120, &many), [""; 0]);
    let cost = store.counters().statements - before.statements;
    assert_eq!(cost, 63 * 4, "one is looked for, made, marked and counted: nothing more between two looks");
    assert_eq!(put(&mut store, 1, 120, &many).len(), 136);
}

/// Found by the name of what they are about, without a look at the others. Each is one row and one entry of the index.
#[tokio::test]
async fn events_cost_so_much_and_no_more() {
    let mut costs = Vec::new();
    for others in [10, 400] {
        let server = server();
        create(&server, "first.1", "first", "Seen").await;
        let before = server.counters();
        create(&server, "a.1", "a", "Seen").await;
        let after = server.counters();
        assert_eq!((after.statements - before.statements, after.commits - before.commits), (4, 1));
        for other in 0..others {
            create(&server, &format!("b.{other}"), &format!("b{other}"), "Seen").await;
        }
        let before = server.counters();
        let selector = ListParams::default().fields("involvedObject.kind=Widget,involvedObject.name=a");
        assert_eq!(views(&server).0.list(&selector).await.unwrap().items.len(), 1);
        let after = server.counters();
        costs.push((after.statements - before.statements, after.steps - before.steps));
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0].1 < 150, "{costs:?}");
}

/// A town that nobody asks has a clock that goes on: what was kept is kept until something else is told.
#[tokio::test]
async fn a_week_after_the_last_event_the_next_one_takes_the_old_away() {
    let clock = Arc::new(TestClock(START.into()));
    let server =
        Server::open(&Place::Memory, Writer::Inline, gastown::api::Options { clock: clock.clone(), ..options() })
            .unwrap();
    for nth in 0..65 {
        create(&server, &format!("a.{nth}"), &format!("a{nth}"), "Seen").await;
    }
    let count = async || views(&server).0.list(&ListParams::default()).await.unwrap().items.len();
    clock.0.fetch_add(7 * 24 * 3600 + 1, Ordering::Relaxed);
    assert_eq!(count().await, 65);
    for nth in 65..129 {
        create(&server, &format!("a.{nth}"), &format!("a{nth}"), "Seen").await;
    }
    assert_eq!(count().await, 64);
}
