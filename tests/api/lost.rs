//! A store or a ledger that is lost or damaged under a running server: it is as it was with the next read or write, and nobody notices.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use gastown::api::Writer;
use k8s_openapi::api::core::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::ledger::{Town, all, closed, fill, revision};
use crate::support::*;

/// By the next read or write of it, and whatever else is read meanwhile.
#[tokio::test]
async fn a_row_that_is_damaged_under_a_controller_is_as_it_was() {
    let town = Town::new();
    let server = town.opened(Writer::Threaded).unwrap();
    fill(&server).await;
    let api = widgets(&server);
    let other = rusqlite::Connection::open(town.store()).unwrap();
    let before = api.list(&ListParams::default()).await.unwrap().items;
    let harms = [
        "UPDATE objects SET object = replace(object, '\"size\":7', '\"size\":2') WHERE name = 'owner'",
        "UPDATE objects SET object = X'ff00' WHERE name = 'owner'",
        "UPDATE objects SET revision = 'none', checksum = 'of these' WHERE name = 'owner'",
    ];
    for harm in harms {
        assert_eq!(other.execute(harm, []).unwrap(), 1);
        assert_eq!(api.list(&ListParams::default()).await.unwrap().items, before, "{harm}");
        assert_eq!(other.execute(harm, []).unwrap(), 1);
        assert_eq!(json!(api.get("owner").await.unwrap()), json!(before[1]), "{harm}");
    }
    for (nth, harm) in harms.iter().enumerate() {
        assert_eq!(other.execute(harm, []).unwrap(), 1);
        let patch = Patch::Merge(json!({ "spec": { "size": 7, "note": nth.to_string() } }));
        let owner = api.patch("owner", &PatchParams::default(), &patch).await.unwrap();
        assert_eq!((owner.uid(), owner.spec.size), (before[1].uid(), 7), "{harm}");
    }
    // What no ledger keeps goes, and takes nothing along.
    let events: Api<Event> = Api::namespaced(server.client("town"), "town");
    for name in ["one", "two"] {
        let event = json!({ "metadata": { "name": name }, "involvedObject": { "namespace": "town", "name": "owner" },
            "reason": "Tested", "message": "it was", "type": "Normal" });
        events.create(&PostParams::default(), &serde_json::from_value(event).unwrap()).await.unwrap();
    }
    assert_eq!(other.execute("UPDATE objects SET object = 'x' WHERE name = 'one'", []).unwrap(), 1);
    let left = events.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(left.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["two"]);
    let before = all(&server).await;
    closed(server).await;
    let server = town.opened(Writer::Threaded).unwrap();
    assert_eq!((server.restored(), all(&server).await), (None, before));
}

/// Whenever somebody takes the files away: before it is opened, in the middle of that, or after.
#[tokio::test]
async fn a_store_that_is_taken_away_while_it_is_opened_is_as_it_was() {
    let town = Town::new();
    let server = town.open();
    fill(&server).await;
    let before = all(&server).await;
    closed(server).await;
    for nth in 0..150_u32 {
        let (store, begun) = (town.store(), Arc::new(Barrier::new(2)));
        let remover = std::thread::spawn({
            let begun = begun.clone();
            move || {
                begun.wait();
                for _ in 0..nth * 400 {
                    std::hint::spin_loop();
                }
                for ending in ["", "-wal", "-shm"] {
                    let _none_is_fine = fs_err::remove_file(format!("{}{ending}", store.display()));
                }
            }
        });
        begun.wait();
        let server = town.opened(if nth % 2 == 0 { Writer::Inline } else { Writer::Threaded });
        let server = server.unwrap_or_else(|error| panic!("{nth}: {error:?}"));
        remover.join().unwrap();
        assert_eq!(all(&server).await, before, "{nth}");
        closed(server).await;
    }
}

/// All rows are read to find what is damaged: not each time that one is met of which the ledger knows nothing.
#[tokio::test]
async fn a_row_that_cannot_be_mended_is_looked_for_once() {
    let town = Town::new();
    let server = town.opened(Writer::Threaded).unwrap();
    fill(&server).await;
    let api = widgets(&server);
    let before = api.list(&ListParams::default()).await.unwrap().items;
    let other = rusqlite::Connection::open(town.store()).unwrap();
    let harm = |name: &str, text: &str| {
        assert_eq!(other.execute("UPDATE objects SET object = ?2 WHERE name = ?1", [name, text]).unwrap(), 1);
    };
    let ledger = fs_err::read_to_string(town.facts()).unwrap();
    let without: Vec<&str> = ledger.lines().filter(|line| !line.contains(r#""owner"],"#)).collect();
    assert!(without.len() < ledger.lines().count());
    fs_err::write(town.facts(), without.join("\n") + "\n").unwrap();
    harm("owner", "x");
    let steps = async || {
        let before = server.counters().steps;
        assert!(why(api.get("owner").await).starts_with("500 InternalError: the stored row of "));
        server.counters().steps - before
    };
    assert!(steps().await > 0);
    assert_eq!(steps().await, 0);
    // Another row that is damaged is mended all the same.
    harm("a-owned", "x");
    assert_eq!(json!(api.get("a-owned").await.unwrap()), json!(before[0]));
    assert_eq!(steps().await, 0);
    // And this one, once it is not what was looked for.
    fs_err::write(town.facts(), ledger).unwrap();
    harm("owner", "y");
    assert_eq!(json!(api.get("owner").await.unwrap()), json!(before[1]));
}

/// The file goes, or is cut off, replaced or overwritten, while the store runs: the next read or write finds all that was there.
#[tokio::test]
async fn a_store_that_is_lost_under_a_controller_is_made_anew_in_its_place() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 8] = [
        ("removed", |store| fs_err::remove_file(store).unwrap()),
        ("removed with all beside it", |store| {
            for file in [store.to_owned(), beside(store, "-wal"), beside(store, "-shm")] {
                fs_err::remove_file(file).unwrap();
            }
        }),
        ("emptied", |store| cut_to(store, 0)),
        ("cut off", |store| cut_to(store, 2)),
        ("replaced", |store| {
            fs_err::copy(store, beside(store, ".copy")).unwrap();
            fs_err::rename(beside(store, ".copy"), store).unwrap();
        }),
        ("overwritten", |store| fs_err::write(store, "a diary, not a database").unwrap()),
        ("robbed of its log", |store| fs_err::remove_file(beside(store, "-wal")).unwrap()),
        ("robbed of what its log says", |store| cut_to(&beside(store, "-wal"), 0)),
    ];
    for (what, harm) in harms {
        for is_written in [false, true] {
            let town = Town::new();
            closed(town.open()).await;
            let server = town.opened(Writer::Threaded).unwrap();
            fill(&server).await;
            let (mut before, last) = (all(&server).await, revision(&server).await);
            harm(&town.store());
            if is_written {
                let later = widgets(&server).create(&PostParams::default(), &widget("later")).await;
                let mut later = later.unwrap_or_else(|error| panic!("{what}: {error}"));
                later.metadata.resource_version = None;
                before.insert(1, json!(later));
            }
            assert_eq!(all(&server).await, before, "{what}");
            assert!(revision(&server).await > last, "{what}: nobody sees time run backwards");
            widgets(&server).delete("a-owned", &DeleteParams::default()).await.unwrap();
            before.remove(0);
            closed(server).await;
            let server = town.opened(Writer::Threaded).unwrap();
            assert_eq!((server.restored(), all(&server).await), (None, before), "{what}");
        }
    }
}

/// Its pages, and nothing that the folder shows.
#[tokio::test]
async fn a_store_whose_pages_are_damaged_under_a_controller_is_made_anew() {
    let town = Town::new();
    let server = town.open();
    fill(&server).await;
    let before = all(&server).await;
    closed(server).await;
    let server = town.opened(Writer::Threaded).unwrap();
    let mut bytes = fs_err::read(town.store()).unwrap();
    bytes[100..].fill(0xaa);
    let mut file = fs_err::OpenOptions::new().write(true).open(town.store()).unwrap();
    std::io::Write::write_all(&mut file, &bytes).unwrap();
    assert_eq!(all(&server).await, before);
    let aside = fs_err::read_dir(town.store().parent().unwrap()).unwrap().filter_map(Result::ok);
    assert!(aside.into_iter().any(|it| it.file_name().to_string_lossy().starts_with("store.db.lost-")), "it is kept");
}

/// An empty town would be one in which all was deleted.
#[tokio::test]
async fn a_store_and_a_ledger_that_go_together_under_a_controller_are_no_empty_town() {
    let town = Town::new();
    let server = town.opened(Writer::Threaded).unwrap();
    fill(&server).await;
    let before = all(&server).await;
    // A file that was removed is open still.
    fs_err::remove_file(town.store()).unwrap();
    fs_err::remove_dir_all(town.facts().parent().unwrap()).unwrap();
    assert_eq!(all(&server).await, before);
    let kept = fs_err::read(town.facts()).unwrap();
    for nth in 0..40 {
        widgets(&server).create(&PostParams::default(), &widget(&format!("later-{nth}"))).await.unwrap();
    }
    let newest = revision(&server).await;
    cut_to(&town.store(), 0);
    cut_to(&beside(&town.store(), "-wal"), 0);
    // Something is in the way of another ledger.
    let ledger = town.facts().parent().unwrap().to_owned();
    fs_err::remove_dir_all(&ledger).unwrap();
    fs_err::write(&ledger, "").unwrap();
    for _ in 0..2 {
        let error = why(widgets(&server).list(&ListParams::default()).await);
        assert!(error.contains("its ledger") && error.contains("is gone too: put that back"), "{error}");
        assert!(widgets(&server).create(&PostParams::default(), &widget("later")).await.is_err());
    }
    fs_err::remove_file(&ledger).unwrap();
    fs_err::create_dir(&ledger).unwrap();
    fs_err::write(town.facts(), kept).unwrap();
    assert_eq!(all(&server).await, before);
    // An older one: whoever watched the newest goes on from a list all the same.
    assert!(revision(&server).await >= newest);
}

/// The next write makes it anew.
#[tokio::test]
async fn a_ledger_that_is_lost_under_a_controller_is_written_anew() {
    type Harm = fn(&Path);
    let harms: [Harm; 3] = [
        |facts| fs_err::remove_file(facts).unwrap(),
        |facts| fs_err::remove_dir_all(facts.parent().unwrap()).unwrap(),
        |facts| cut_to(facts, 2),
    ];
    for harm in harms {
        let town = Town::new();
        let server = town.opened(Writer::Threaded).unwrap();
        fill(&server).await;
        harm(&town.facts());
        widgets(&server).create(&PostParams::default(), &widget("later")).await.unwrap();
        let before = all(&server).await;
        fs_err::remove_file(town.store()).unwrap();
        assert_eq!(all(&server).await, before);
    }
}

fn beside(store: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", store.display()))
}

/// Leaves so many quarters of a file.
fn cut_to(path: &Path, quarters: u64) {
    let file = fs_err::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() / 4 * quarters).unwrap();
}
