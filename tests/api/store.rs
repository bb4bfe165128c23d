//! The store: compared with a plain model, restarted, damaged, filled up, and counted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::support::*;
use gastown::api::store::{Change, Event, Expect, Key, KindIndex, Op, Propagation, Refusal, Store, Verb};
use gastown::api::{OpenError, Options, Place, Served, Server, Writer};
use gastown::clock::CountingIds;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use proptest::prelude::*;
use serde_json::{Value, json};

fn kinds() -> Vec<KindIndex> {
    let fields = vec!["spec.rig".to_owned()];
    vec![KindIndex {
        kind: "things.t".into(),
        group: "t".into(),
        object_kind: "Thing".into(),
        fields,
        row_fields: Vec::new(),
        is_record: false,
        retention: None,
    }]
}

fn now() -> Timestamp {
    Timestamp::from_second(START).unwrap()
}

fn key(name: &str) -> Key {
    Key { kind: "things.t".into(), ns: "town".into(), name: name.into() }
}

/// A random step; `nth` picks which of the revisions given out so far it believes in.
#[derive(Debug, Clone)]
enum Step {
    Create { name: u8, size: u8, held: bool },
    Update { name: u8, size: u8, held: bool, nth: usize },
    Delete { name: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u8, 0..3_u8, any::<bool>()).prop_map(|(name, size, held)| Step::Create { name, size, held }),
        (0..4_u8, 0..3_u8, any::<bool>(), 0..3_usize).prop_map(|(name, size, held, nth)| Step::Update {
            name,
            size,
            held,
            nth
        }),
        (0..4_u8).prop_map(|name| Step::Delete { name }),
    ]
}

/// What the model knows of an object.
#[derive(Debug, Clone, PartialEq)]
struct Thing {
    revision: i64,
    size: u8,
    held: bool,
    deleting: bool,
    /// Whether it is just as the last update wrote it, so that an equal update is no write.
    as_put: bool,
}

fn object(name: &str, size: u8, held: bool, deleting: bool) -> Value {
    let finalizers = if held { json!(["t/hold"]) } else { json!([]) };
    let mut it = json!({ "metadata": { "name": name, "namespace": "town", "finalizers": finalizers, "uid": name,
        "labels": { "size": size.to_string() } }, "spec": { "size": size, "rig": "r" } });
    if deleting {
        it["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    it
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_a_map_would(batches in prop::collection::vec(prop::collection::vec(step(), 1..5), 1..12)) {
        let mut store = Store::open(&Place::Memory, kinds(), now()).unwrap();
        let ids = CountingIds::new(1);
        let mut model: BTreeMap<String, Thing> = BTreeMap::new();
        let mut revision = store.revision();
        let mut seen: Vec<Event> = Vec::new();
        for batch in batches {
            let mut ops = Vec::new();
            let mut expected: Vec<Result<Change, Refusal>> = Vec::new();
            for step in batch {
                match step {
                    Step::Create { name, size, held } => {
                        let name = format!("n{name}");
                        ops.push(Op::Put { key: key(&name), expect: Expect::Absent, object: object(&name, size, held, false) });
                        expected.push(match model.entry(name) {
                            Entry::Occupied(_) => Err(Refusal::AlreadyExists),
                            Entry::Vacant(free) => {
                                revision += 1;
                                free.insert(Thing { revision, size, held, deleting: false, as_put: false });
                                Ok(Change::Created)
                            }
                        });
                    }
                    Step::Update { name, size, held, nth } => {
                        let name = format!("n{name}");
                        let current = model.get(&name).cloned();
                        let deleting = current.as_ref().is_some_and(|it| it.deleting);
                        let believed = current.as_ref().map_or(revision, |it| it.revision) - i64::from(nth == 0);
                        let mut body = object(&name, size, held, deleting);
                        // The uid stays what the store gave; the test reads it back below.
                        body["metadata"]["uid"] = json!("kept");
                        ops.push(Op::Put { key: key(&name), expect: Expect::Revision(believed), object: body });
                        expected.push(match current {
                            None => Err(Refusal::NotFound),
                            Some(it) if it.revision != believed => Err(Refusal::Conflict),
                            Some(it) if it.as_put && (it.size, it.held) == (size, held) => Ok(Change::Unchanged),
                            Some(it) if it.deleting && !held => {
                                revision += 1;
                                model.remove(&name);
                                Ok(Change::Removed)
                            }
                            Some(_) => {
                                revision += 1;
                                model.insert(name, Thing { revision, size, held, deleting, as_put: true });
                                Ok(Change::Updated)
                            }
                        });
                    }
                    Step::Delete { name } => {
                        let name = format!("n{name}");
                        ops.push(Op::Delete { key: key(&name), uid: None, revision: None, propagation: Propagation::Default });
                        expected.push(match model.get(&name).cloned() {
                            None => Err(Refusal::NotFound),
                            Some(it) if it.held && it.deleting => Ok(Change::Unchanged),
                            Some(it) if it.held => {
                                revision += 1;
                                model.insert(name, Thing { revision, deleting: true, as_put: false, ..it });
                                Ok(Change::Updated)
                            }
                            Some(_) => { revision += 1; model.remove(&name); Ok(Change::Removed) }
                        });
                    }
                }
            }
            let (replies, events) = store.apply(ops, now(), &ids);
            let changes: Vec<_> = replies.into_iter().map(|it| it.map(|it| it.change)).collect();
            prop_assert_eq!(&changes, &expected);
            prop_assert_eq!(store.revision(), revision);
            seen.extend(events);
        }
        // The changes, replayed, are the state; their revisions never fall.
        prop_assert!(seen.windows(2).all(|it| it[0].revision < it[1].revision));
        let mut replayed: BTreeMap<String, Thing> = BTreeMap::new();
        for event in seen {
            let it: Value = serde_json::from_str(&event.object).unwrap();
            if event.verb == Verb::Deleted {
                replayed.remove(&event.key.name);
                continue;
            }
            prop_assert_eq!(event.verb == Verb::Added, !replayed.contains_key(&event.key.name));
            let metadata = &it["metadata"];
            replayed.insert(event.key.name.clone(), Thing {
                revision: metadata["resourceVersion"].as_str().unwrap().parse().unwrap(),
                size: u8::try_from(it["spec"]["size"].as_u64().unwrap()).unwrap(),
                held: !metadata["finalizers"].as_array().unwrap().is_empty(),
                deleting: !metadata["deletionTimestamp"].is_null(),
                as_put: model.get(&event.key.name).is_some_and(|it| it.as_put),
            });
        }
        prop_assert_eq!(replayed, model);
    }
}

fn file(directory: &tempfile::TempDir) -> Place {
    Place::File(directory.path().join("store.db"))
}

async fn restart(writer: Writer) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::open(&file(&directory), writer, options()).unwrap();
    let api = widgets(&server);
    let mut expected = Vec::new();
    for n in 0..5 {
        expected.push(api.create(&PostParams::default(), &labelled(&format!("w{n}"), &[("n", "1")])).await.unwrap());
    }
    api.delete("w0", &DeleteParams::default()).await.unwrap();
    let before = api.list(&ListParams::default()).await.unwrap();
    server.close();
    assert!(api.create(&PostParams::default(), &widget("late")).await.is_err(), "a closed store takes no writes");
    let server = Server::open(&file(&directory), writer, options()).unwrap();
    let api = widgets(&server);
    let after = api.list(&ListParams::default().labels("n=1").fields("spec.rig=shop")).await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    assert_eq!(after.items, expected[1..]);
    let mut options = options();
    options.ids = Arc::new(CountingIds::new(8));
    drop(server);
    let server = Server::open(&file(&directory), writer, options).unwrap();
    let next = widgets(&server).create(&PostParams::default(), &widget("next")).await.unwrap();
    let last: i64 = before.metadata.resource_version.unwrap().parse().unwrap();
    assert_eq!(next.resource_version(), Some((last + 1).to_string()));
}

#[tokio::test]
async fn a_restart_keeps_objects_and_revisions_inline() {
    restart(Writer::Inline).await;
}

#[tokio::test]
async fn a_restart_keeps_objects_and_revisions_threaded() {
    restart(Writer::Threaded).await;
}

#[tokio::test]
async fn concurrent_writes_share_commits_and_none_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::open(&file(&directory), Writer::Threaded, options()).unwrap();
    let api = widgets(&server);
    api.create(&PostParams::default(), &widget("hot")).await.unwrap();
    let before = server.counters().commits;
    let creates = (0..200).map(|n| {
        let api = api.clone();
        async move {
            let name = format!("w{n}");
            api.create(&PostParams::default(), &widget(&name)).await.unwrap();
            // All add to one object without naming a revision: each patch lands.
            let patch = json!({ "metadata": { "annotations": { name: "1" } } });
            api.patch("hot", &PatchParams::default(), &Patch::Merge(patch)).await
        }
    });
    let results = futures::future::join_all(creates).await;
    let landed = results.iter().filter(|it| it.is_ok()).count();
    assert_eq!(api.get("hot").await.unwrap().annotations().len(), landed);
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 201);
    let commits = server.counters().commits - before;
    assert!(commits < 200 + u64::try_from(landed).unwrap(), "{commits} commits for 200 creates and {landed} patches");
}

#[tokio::test]
async fn a_damaged_row_is_reported_and_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let place = file(&directory);
    let server = Server::open(&place, Writer::Inline, options()).unwrap();
    for name in ["a", "b"] {
        widgets(&server).create(&PostParams::default(), &widget(name)).await.unwrap();
    }
    server.close();
    let db = rusqlite::Connection::open(directory.path().join("store.db")).unwrap();
    let sql = "UPDATE objects SET object = replace(object, '\"size\":1', '\"size\":2') WHERE name = 'a'";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
    drop(db);
    let server = Server::open(&place, Writer::Inline, options()).unwrap();
    let api = widgets(&server);
    let damaged = "500 InternalError: the stored row of widgets.test.gastown.io/town/a is damaged";
    for answer in [
        why(api.get("a").await),
        why(api.list(&ListParams::default()).await),
        why(api.patch("a", &PatchParams::default(), &Patch::Merge(json!({ "spec": { "size": 3 } }))).await),
        why(api.delete("a", &DeleteParams::default()).await),
        why(api.create(&PostParams::default(), &widget("a")).await),
    ] {
        assert!(answer.starts_with(damaged), "{answer}");
    }
    assert_eq!(api.get("b").await.unwrap().spec.size, 1);
}

#[test]
fn a_foreign_file_and_a_newer_store_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let open = || Server::open(&Place::File(path.clone()), Writer::Inline, options()).map(drop);
    fs_err::write(&path, "a diary, not a database; long enough to be no header by chance, whatever SQLite reads of it")
        .unwrap();
    assert!(matches!(open(), Err(OpenError::Foreign { .. })));
    assert!(fs_err::read_to_string(&path).unwrap().starts_with("a diary"), "left as it was");
    fs_err::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE t (x); PRAGMA application_id = 5;").unwrap();
    drop(other);
    assert!(matches!(open(), Err(OpenError::Foreign { found: 5, .. })));
    fs_err::remove_file(&path).unwrap();
    open().unwrap();
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 99;").unwrap();
    drop(db);
    let error = open().unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 99, .. }));
    assert!(error.to_string().contains("update gt"), "{error}");
}

#[tokio::test]
async fn other_selectable_fields_are_indexed_when_the_store_is_opened() {
    let directory = tempfile::tempdir().unwrap();
    let mut widget_crd = <Widget as kube::CustomResourceExt>::crd();
    widget_crd.spec.versions[0].selectable_fields = None;
    let kinds = vec![Served::defined(&widget_crd).unwrap()];
    let plain = Options { kinds, ..options() };
    let server = Server::open(&file(&directory), Writer::Inline, plain).unwrap();
    widgets(&server).create(&PostParams::default(), &widget("a")).await.unwrap();
    let by_rig = ListParams::default().fields("spec.rig=shop");
    assert_eq!(refused(widgets(&server).list(&by_rig).await).code, 400);
    server.close();
    let server = Server::open(&file(&directory), Writer::Inline, options()).unwrap();
    assert_eq!(widgets(&server).list(&by_rig).await.unwrap().items.len(), 1);
}

#[test]
fn a_full_disk_refuses_the_whole_batch_and_publishes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let mut store = Store::open(&Place::File(path), kinds(), now()).unwrap();
    let ids = CountingIds::new(1);
    let put = |name: &str, bytes: usize| {
        let mut object = object(name, 1, false, false);
        object["spec"]["note"] = json!("x".repeat(bytes));
        Op::Put { key: key(name), expect: Expect::Absent, object }
    };
    let (replies, _) = store.apply(vec![put("first", 10)], now(), &ids);
    assert!(replies[0].is_ok());
    let revision = store.revision();
    store.limit_pages(32).unwrap();
    let (replies, events) = store.apply(vec![put("small", 10), put("large", 200_000)], now(), &ids);
    assert_eq!(replies, [Err(Refusal::Full), Err(Refusal::Full)]);
    assert_eq!((events.len(), store.revision()), (0, revision));
    store.limit_pages(10_000).unwrap();
    let (replies, events) = store.apply(vec![put("small", 10), put("large", 200_000)], now(), &ids);
    assert_eq!((replies.iter().filter(|it| it.is_ok()).count(), events.len()), (2, 2));
    assert_eq!(store.revision(), revision + 2);
}

#[tokio::test]
async fn each_request_costs_a_known_number_of_statements() {
    let server = server();
    let api = widgets(&server);
    let last = std::cell::Cell::new(server.counters());
    let cost = || {
        let (now, before) = (server.counters(), last.replace(server.counters()));
        (now.statements - before.statements, now.commits - before.commits)
    };
    // Look for the name, insert, one selectable field, revision.
    api.create(&PostParams::default(), &widget("a")).await.unwrap();
    assert_eq!(cost(), (4, 1), "create");
    api.create(&PostParams::default(), &labelled("b", &[("x", "1"), ("y", "2")])).await.unwrap();
    assert_eq!(cost(), (6, 1), "create with two labels");
    // Read; read for the race, update, revision.
    let status = Patch::Merge(json!({ "status": { "seen": 1 } }));
    api.patch_status("a", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(cost(), (4, 1), "status patch");
    api.patch_status("a", &PatchParams::default(), &status).await.unwrap();
    assert_eq!(cost(), (2, 0), "status patch that changes nothing");
    api.get("a").await.unwrap();
    assert_eq!(cost(), (1, 0), "get");
    // The revision and the rows, however many.
    api.list(&ListParams::default()).await.unwrap();
    assert_eq!(cost(), (2, 0), "list");
    // Read; read for the race, delete, dependents, revision.
    api.delete("a", &DeleteParams::default()).await.unwrap();
    assert_eq!(cost(), (5, 1), "delete");
}
