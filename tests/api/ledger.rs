//! The ledger's facts: a store that is lost, damaged or put back to an earlier day is made anew from them, and nobody notices.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gastown::api::store::{Expect, Key, KindIndex, Op, Propagation, Retention, Store, fact_line};
use gastown::api::{Loss, OpenError, Options, Place, Restored, Server, Writer, take_restored};
use gastown::clock::{Clock as _, CountingIds, SystemClock};
use gastown::ledger::Fold;
use jiff::Timestamp;
use kube::Resource as _;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::*;

pub struct Town {
    folder: TempDir,
    /// How often it was opened: no two processes give out the same uids.
    opened: AtomicU32,
}

impl Town {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), opened: AtomicU32::new(100) }
    }

    pub fn store(&self) -> PathBuf {
        self.folder.path().join("state/store.db")
    }

    pub fn facts(&self) -> PathBuf {
        self.folder.path().join("data/ledger/facts.jsonl")
    }

    pub fn opened(&self, writer: Writer) -> Result<Server, OpenError> {
        fs_err::create_dir_all(self.store().parent().unwrap()).unwrap();
        let options = Options {
            facts: Some(self.facts()),
            ids: Arc::new(CountingIds::new(self.opened.fetch_add(1, Ordering::Relaxed))),
            ..options()
        };
        Server::open(&Place::File(self.store()), writer, options)
    }

    pub fn open(&self) -> Server {
        self.opened(Writer::Inline).unwrap()
    }
}

/// What is there, but for its revisions.
pub async fn all(server: &Server) -> Vec<Value> {
    let mut all = widgets(server).list(&ListParams::default()).await.unwrap().items;
    for it in &mut all {
        it.metadata.resource_version = None;
    }
    all.into_iter().map(|it| json!(it)).collect()
}

pub async fn revision(server: &Server) -> i64 {
    let list = widgets(server).list(&ListParams::default()).await.unwrap();
    list.metadata.resource_version.unwrap().parse().unwrap()
}

/// Closes it, and lets its clients go of it, each of which is a task.
pub async fn closed(server: Server) {
    server.close();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// An owner and what it owns, one that was changed, and one that is gone.
pub async fn fill(server: &Server) {
    let api = widgets(server);
    let mut owned = widget("a-owned");
    // It comes before its owner, by name.
    let owner = api.create(&PostParams::default(), &widget("owner")).await.unwrap();
    owned.metadata = ObjectMeta { owner_references: owner.owner_ref(&()).map(|it| vec![it]), ..owned.metadata };
    api.create(&PostParams::default(), &owned).await.unwrap();
    api.create(&PostParams::default(), &widget("gone")).await.unwrap();
    api.patch("owner", &PatchParams::default(), &Patch::Merge(json!({"spec": {"size": 7, "note": "\u{2028}\n\"x\""}})))
        .await
        .unwrap();
    api.delete("gone", &DeleteParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_lost_is_made_anew_as_it_was() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 5] = [
        ("missing", |store| fs_err::remove_file(store).unwrap()),
        ("missing", |store| fs_err::write(store, "").unwrap()),
        ("damaged", |store| fs_err::write(store, "a diary, not a database").unwrap()),
        ("damaged", |store| {
            let mut bytes = fs_err::read(store).unwrap();
            bytes[100..].fill(0xaa);
            fs_err::write(store, bytes).unwrap();
        }),
        ("damaged", |store| {
            let bytes = fs_err::read(store).unwrap();
            fs_err::write(store, &bytes[..bytes.len() / 2]).unwrap();
        }),
    ];
    for (what, harm) in harms {
        let town = Town::new();
        let server = town.open();
        assert_eq!(server.restored(), None);
        fill(&server).await;
        let (before, last) = (all(&server).await, revision(&server).await);
        closed(server).await;
        harm(&town.store());
        let server = town.opened(Writer::Threaded).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(all(&server).await, before, "{what}");
        assert!(revision(&server).await > last, "{what}: nobody sees time run backwards");
        let Restored { loss, objects, aside } = server.restored().unwrap();
        assert!(loss.to_string().starts_with(&format!("the store was {what}")), "{loss}");
        assert_eq!((*objects, aside.is_some()), (2, what == "damaged"));
        assert!(aside.as_ref().is_none_or(|aside| aside.exists()), "it is kept");
        // Whoever found out, a person is told, once.
        assert_eq!(take_restored(&town.facts()).unwrap(), [server.restored().unwrap().to_string()]);
        assert_eq!(take_restored(&town.facts()).unwrap(), [""; 0]);
        // What is written from now on is in the ledger, too.
        widgets(&server).create(&PostParams::default(), &widget("later")).await.unwrap();
        let before = all(&server).await;
        closed(server).await;
        fs_err::remove_file(town.store()).unwrap();
        let server = town.open();
        assert_eq!(all(&server).await, before, "{what}");
        closed(server).await;
        assert_eq!(town.open().restored(), None);
    }
}

/// Whoever makes a store anew may die before anything is in it: the next one does not take it for the truth.
#[tokio::test]
async fn a_store_in_which_nothing_was_stored_yet_is_no_truth() {
    let town = Town::new();
    let server = town.open();
    fill(&server).await;
    let before = all(&server).await;
    closed(server).await;
    fs_err::remove_file(town.store()).unwrap();
    drop(Store::open(&Place::File(town.store()), things(), Timestamp::from_second(START + 9).unwrap()).unwrap());
    let server = town.open();
    assert_eq!((server.restored().map(|it| it.objects), all(&server).await), (Some(2), before));
    // Where all was deleted, nothing is missing.
    for name in ["a-owned", "owner"] {
        let _gone_with_its_owner = widgets(&server).delete(name, &DeleteParams::default()).await;
    }
    closed(server).await;
    let server = town.open();
    assert_eq!((server.restored(), all(&server).await), (None, Vec::new()));
}

#[tokio::test]
async fn a_copy_of_an_earlier_day_is_moved_aside() {
    let town = Town::new();
    let server = town.open();
    fill(&server).await;
    closed(server).await;
    let copy = fs_err::read(town.store()).unwrap();
    let server = town.open();
    widgets(&server).create(&PostParams::default(), &widget("later")).await.unwrap();
    let before = all(&server).await;
    closed(server).await;
    fs_err::write(town.store(), &copy).unwrap();
    let server = town.open();
    assert_eq!(all(&server).await, before);
    let restored = server.restored().unwrap();
    assert_eq!(restored.loss, Loss::Older);
    assert_eq!(fs_err::read(restored.aside.as_ref().unwrap()).unwrap(), copy);
}

#[tokio::test]
async fn a_damaged_row_is_as_it_was_once_a_controller_opens_the_store() {
    let town = Town::new();
    let server = town.open();
    fill(&server).await;
    let before = widgets(&server).list(&ListParams::default()).await.unwrap();
    closed(server).await;
    let db = rusqlite::Connection::open(town.store()).unwrap();
    let sql = "UPDATE objects SET object = replace(object, '\"size\":7', '\"size\":2') WHERE name = 'owner'";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
    drop(db);
    let server = town.opened(Writer::Threaded).unwrap();
    assert_eq!(server.restored().unwrap(), &Restored { loss: Loss::Rows(1), objects: 1, aside: None });
    assert_eq!(widgets(&server).list(&ListParams::default()).await.unwrap().items, before.items);
    closed(server).await;
    assert_eq!(town.opened(Writer::Threaded).unwrap().restored(), None);
}

/// Whoever writes the ledger anew, from a store that holds a damaged row, keeps what the ledger knew of it.
#[tokio::test]
async fn a_damaged_row_outlives_a_ledger_that_is_written_anew() {
    let town = Town::new();
    let server = town.open();
    fill(&server).await;
    let before = all(&server).await;
    closed(server).await;
    let db = rusqlite::Connection::open(town.store()).unwrap();
    let sql = "UPDATE objects SET object = X'ff00' WHERE name = 'owner'";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
    drop(db);
    // The last line of the ledger is lost: it is written anew by whoever opens the store next, who looks at no row.
    let text = fs_err::read_to_string(town.facts()).unwrap();
    let whole = text.trim_end().rsplit_once('\n').unwrap().0;
    fs_err::write(town.facts(), format!("{whole}\n{{\"revi")).unwrap();
    closed(town.open()).await;
    let server = town.opened(Writer::Threaded).unwrap();
    assert_eq!(server.restored().unwrap(), &Restored { loss: Loss::Rows(1), objects: 1, aside: None });
    assert_eq!(all(&server).await, before);
}

/// The store stands: the ledger follows it, whatever became of it.
#[tokio::test]
async fn a_ledger_that_is_lost_or_cut_off_is_written_anew() {
    type Harm = fn(&Path);
    let harms: [Harm; 4] = [
        |facts| fs_err::remove_file(facts).unwrap(),
        |facts| fs_err::write(facts, "").unwrap(),
        |facts| fs_err::write(facts, "not\njson\n").unwrap(),
        |facts| {
            let bytes = fs_err::read(facts).unwrap();
            fs_err::write(facts, &bytes[..bytes.len() - 20]).unwrap();
        },
    ];
    for harm in harms {
        let town = Town::new();
        let server = town.open();
        fill(&server).await;
        let before = all(&server).await;
        closed(server).await;
        harm(&town.facts());
        let server = town.open();
        assert_eq!((server.restored(), all(&server).await), (None, before.clone()));
        closed(server).await;
        fs_err::remove_file(town.store()).unwrap();
        assert_eq!(all(&town.open()).await, before);
    }
}

#[tokio::test]
async fn a_store_and_a_ledger_that_cannot_be_read_are_refused() {
    let town = Town::new();
    let server = town.open();
    fill(&server).await;
    closed(server).await;
    fs_err::remove_file(town.facts()).unwrap();
    fs_err::create_dir(town.facts()).unwrap();
    let error = town.opened(Writer::Inline).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Ledger { .. }), "{error}");
    // A file of somebody else's is left as it is, where there is nothing to put in its place.
    let town = Town::new();
    fs_err::create_dir_all(town.store().parent().unwrap()).unwrap();
    fs_err::write(town.store(), "a diary, not a database; long enough to be no header by chance").unwrap();
    assert!(matches!(town.opened(Writer::Inline).map(drop), Err(OpenError::Foreign { .. })));
    assert!(fs_err::read_to_string(town.store()).unwrap().starts_with("a diary"));
}

#[tokio::test]
async fn the_ledger_is_no_longer_than_a_few_times_what_is_there() {
    let town = Town::new();
    let server = town.open();
    let api = widgets(&server);
    api.create(&PostParams::default(), &widget("one")).await.unwrap();
    for n in 0..100 {
        let patch = json!({ "spec": { "note": n.to_string() + &"x".repeat(150_000) } });
        api.patch("one", &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
    }
    let bytes = fs_err::metadata(town.facts()).unwrap().len();
    assert!(bytes < 6 << 20, "{bytes} bytes, of 15 MB that were written");
    let before = all(&server).await;
    closed(server).await;
    fs_err::remove_file(town.store()).unwrap();
    assert_eq!(all(&town.open()).await, before);
}

/// Here a folder is in its way; elsewhere it is a full disk.
#[tokio::test]
async fn a_ledger_that_cannot_be_written_stops_nothing_and_is_made_up_for() {
    let town = Town::new();
    let in_the_way = town.facts().with_extension("new");
    fs_err::create_dir_all(&in_the_way).unwrap();
    let server = town.open();
    fill(&server).await;
    assert!(!town.facts().exists());
    fs_err::remove_dir(&in_the_way).unwrap();
    // It is tried ever more rarely.
    for n in 0..40 {
        widgets(&server).create(&PostParams::default(), &widget(&format!("later-{n}"))).await.unwrap();
    }
    assert!(town.facts().exists());
    let before = all(&server).await;
    // Not closed: as one that was killed.
    drop(server);
    fs_err::remove_file(town.store()).unwrap();
    assert_eq!(all(&town.open()).await, before);
}

#[test]
fn what_is_not_kept_does_not_have_the_ledger_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (place, facts) = (Place::File(folder.path().join("store.db")), folder.path().join("facts.jsonl"));
    let retention = Retention {
        age_max: Duration::from_secs(100),
        objects_max: 200,
        alike_max: 20,
        alike: "about",
        is_in_ledger: false,
    };
    let notes = KindIndex { kind: "notes.t".into(), retention: Some(retention), is_record: true, ..things().remove(0) };
    let kinds = [things().remove(0), notes];
    let (now, ids) = (Timestamp::from_second(START).unwrap(), CountingIds::new(1));
    let open = || Store::open_beside(&place, &kinds, facts.clone(), true, (now, &ids)).unwrap().0;
    let put = |store: &mut Store, kind: &str| {
        let key = Key { kind: kind.into(), ns: "town".into(), name: "a".into() };
        let object = json!({ "metadata": { "name": "a", "namespace": "town" } });
        assert!(store.apply(vec![Op::Put { key, expect: Expect::Absent, object }], now, &ids).0[0].is_ok());
    };
    let mut store = open();
    put(&mut store, "things.t");
    put(&mut store, "notes.t");
    assert!(!fs_err::read_to_string(&facts).unwrap().contains("notes.t"));
    store.settle();
    drop(store);
    let file = fs_err::metadata(&facts).unwrap().ino();
    drop(open());
    assert_eq!(fs_err::metadata(&facts).unwrap().ino(), file);
}

fn things() -> Vec<KindIndex> {
    vec![KindIndex {
        kind: "things.t".into(),
        group: "t".into(),
        object_kind: "Thing".into(),
        fields: Vec::new(),
        row_fields: Vec::new(),
        is_record: false,
        retention: None,
    }]
}

/// Whatever was appended when a fold began, and wherever that one died: the next says the same as if nothing had happened.
#[test]
fn a_fold_that_dies_is_made_up_for_by_the_next() {
    let at = Timestamp::from_second(START).unwrap();
    let line = |revision: i64| {
        let name = format!("t{}", revision % 4);
        let object = json!({ "apiVersion": "t/v1", "kind": "Thing", "metadata": { "name": name, "namespace": "town" }, "spec": revision });
        let object = (revision % 5 > 0).then_some(object);
        fact_line(revision, Some(("things.t", "town", &name)), object.as_ref()).unwrap()
    };
    let text: String = (1..30).map(line).collect();
    let tree = |facts: &Path| {
        let repository = git2::Repository::open_bare(facts.with_file_name("ledger.git")).unwrap();
        let tip = repository.find_reference("refs/heads/main").unwrap();
        tip.peel_to_tree().unwrap().id()
    };
    let whole = tempfile::tempdir().unwrap();
    let whole = whole.path().join("facts.jsonl");
    fs_err::write(&whole, &text).unwrap();
    Fold::open(&whole).unwrap().fold(at).unwrap();
    for piece in [13, 160, 1000] {
        let folder = tempfile::tempdir().unwrap();
        let facts = folder.path().join("facts.jsonl");
        let mut file = fs_err::File::create(&facts).unwrap();
        for (nth, piece) in text.as_bytes().chunks(piece).enumerate() {
            std::io::Write::write_all(&mut file, piece).unwrap();
            let folded = Fold::open(&facts).unwrap().fold(at).unwrap();
            // Every other one dies when all is written but the branch.
            if let Some(commit) = folded.commit.filter(|_| nth % 2 == 0) {
                let repository = git2::Repository::open_bare(folder.path().join("ledger.git")).unwrap();
                let mut branch = repository.find_reference("refs/heads/main").unwrap();
                match repository.find_commit(commit).unwrap().parent_id(0) {
                    Ok(parent) => drop(branch.set_target(parent, "died").unwrap()),
                    Err(_) => branch.delete().unwrap(),
                }
            }
        }
        Fold::open(&facts).unwrap().fold(at).unwrap();
        assert_eq!(tree(&facts), tree(&whole), "in pieces of {piece} bytes");
        // Or with the branch in hand.
        fs_err::write(folder.path().join("ledger.git/refs/heads/main.lock"), "").unwrap();
        std::io::Write::write_all(&mut file, line(31).as_bytes()).unwrap();
        let now = SystemClock.now();
        assert!(Fold::open(&facts).unwrap().fold(now).is_err(), "somebody may be at it");
        assert_eq!(Fold::open(&facts).unwrap().fold(now + Duration::from_mins(2)).unwrap().facts, 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever was written, removed and read over from the ledger, at any point of it, is there again. `cut`: the process died while it
    /// appended, and so many bytes of the last line are missing; where the store is lost too, that write was done or was not.
    #[test]
    fn what_was_written_is_there_again(
        steps in prop::collection::vec((0..5_u8, 0..4_u8, any::<bool>(), prop_oneof![Just(0), 1..300_usize]), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (place, facts) = (folder.path().join("store.db"), folder.path().join("facts.jsonl"));
        let now = Timestamp::from_second(START).unwrap();
        let ids = CountingIds::new(1);
        let open = || Store::open_beside(&Place::File(place.clone()), &things(), facts.clone(), true, (now, &ids)).unwrap();
        let mut store = open().0;
        let mut there: BTreeMap<String, (i64, Value)> = BTreeMap::new();
        for (name, size, is_lost, cut) in steps {
            let before = there.clone();
            let bytes = || fs_err::metadata(&facts).map_or(0, |it| it.len());
            let bytes_before = bytes();
            let name = format!("t{name}");
            let key = Key { kind: "things.t".into(), ns: "town".into(), name: name.clone() };
            let object = json!({ "metadata": { "name": name, "namespace": "town" }, "spec": { "size": size } });
            let op = match (size, there.get(&name)) {
                (0, Some(_)) => Op::Delete { key, uid: None, revision: None, propagation: Propagation::Default },
                (_, Some((revision, known))) => {
                    let mut object = object;
                    object["metadata"]["uid"] = known["metadata"]["uid"].clone();
                    Op::Put { key, expect: Expect::Revision(*revision), object }
                }
                (_, None) => Op::Put { key, expect: Expect::Absent, object },
            };
            let is_delete = matches!(op, Op::Delete { .. });
            let (replies, _) = store.apply(vec![op], now, &ids);
            let object: Value = serde_json::from_str(&replies[0].as_ref().unwrap().object).unwrap();
            if is_delete { there.remove(&name); } else { there.insert(name, (0, object)); }
            // What was appended before is whole: its process went on.
            let cut = if bytes() > bytes_before { cut } else { 0 };
            if cut > 0 {
                let text = fs_err::read(&facts).unwrap();
                let last = text.iter().rev().skip(1).position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
                fs_err::write(&facts, &text[..text.len() - cut.min(last)]).unwrap();
            }
            if is_lost || cut > 0 {
                drop(store);
                if is_lost {
                    for ending in ["", "-wal", "-shm"] {
                        let _none_is_fine = fs_err::remove_file(folder.path().join(format!("store.db{ending}")));
                    }
                }
                let (anew, restored) = open();
                if cut == 0 {
                    prop_assert_eq!(restored.map(|it| it.objects), Some(there.len()));
                }
                store = anew;
            }
            let db = rusqlite::Connection::open(&place).unwrap();
            let mut rows = db.prepare("SELECT name, revision, object FROM objects").unwrap();
            let found: BTreeMap<String, (i64, Value)> = rows
                .query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get::<_, String>(2)?))))
                .unwrap()
                .map(|row| row.unwrap())
                .map(|(name, (revision, text)): (String, (i64, String))| (name, (revision, serde_json::from_str(&text).unwrap())))
                .collect();
            let plain = |all: &BTreeMap<String, (i64, Value)>| -> Vec<Value> {
                let without = |object: &Value| { let mut it = object.clone(); it["metadata"]["resourceVersion"] = Value::Null; it };
                all.values().map(|(_, object)| without(object)).collect()
            };
            if is_lost && cut > 0 {
                let is_one = [&before, &there].iter().any(|known| plain(&found) == plain(known));
                prop_assert!(is_one, "{:?} is neither {:?} nor {:?}", plain(&found), plain(&before), plain(&there));
            } else {
                prop_assert_eq!(plain(&found), plain(&there));
            }
            there = found;
        }
    }
}
