//! What the ledger costs a write, and how long it takes to make a store anew from it.

use std::path::Path;
use std::time::{Duration, Instant};

use gastown::api::Place;
use gastown::api::store::{Expect, Key, KindIndex, Op, Store};
use gastown::clock::{Clock as _, CountingIds, SystemClock};
use serde_json::{Value, json};

use crate::table::{Row, Sample, Table, ms};

/// Writes of each of the two stores, one after the other in turn.
const WRITES: usize = 1_000;
/// Objects of the store that is made anew, each of a bead's size.
const OBJECTS: usize = 10_000;
/// Objects in one batch, when they are only to be there.
const BATCH: usize = 250;
/// The goals.
const COST_MAX: f64 = 1.05;
const ANEW_MAX: f64 = 10.0;

pub fn measure(table: &mut Table) {
    let dir = crate::folder();
    let ids = CountingIds::new(1);
    let mut without = Store::open(&Place::File(dir.path().join("without.db")), kinds(), SystemClock.now()).unwrap();
    let mut with = beside(dir.path(), "with");
    let (mut plain, mut followed) = (Vec::new(), Vec::new());
    for n in 0..WRITES {
        plain.push(took(|| put(&mut without, n..n + 1, &ids)));
        followed.push(took(|| put(&mut with, n..n + 1, &ids)));
    }
    let (plain, followed) = (Sample::new(plain).percentile(50), Sample::new(followed).percentile(50));
    let ratio = followed.as_secs_f64() / plain.as_secs_f64();
    table.row(Row {
        figure: format!("a write that the ledger follows (median of {WRITES}, in turn with one that it does not)"),
        measured: ms(followed),
        floor: ms(plain),
        ratio: format!("{ratio:.2} ×"),
        goal: format!("≤ {COST_MAX} ×"),
        met: ratio <= COST_MAX,
    });
    let mut lost = beside(dir.path(), "lost");
    for from in (0..OBJECTS).step_by(BATCH) {
        put(&mut lost, from..from + BATCH, &ids);
    }
    drop(lost);
    for ending in ["", "-wal", "-shm"] {
        let _none_is_fine = fs_err::remove_file(dir.path().join(format!("lost.db{ending}")));
    }
    let read = took(|| drop(fs_err::read(dir.path().join("lost.jsonl")).unwrap()));
    let anew = took(|| drop(beside(dir.path(), "lost")));
    let ratio = anew.as_secs_f64() / read.as_secs_f64();
    table.row(Row {
        figure: format!("a store of {OBJECTS} objects made anew from its ledger (floor: reading its bytes)"),
        measured: ms(anew),
        floor: ms(read),
        ratio: format!("{ratio:.1} ×"),
        goal: format!("≤ {ANEW_MAX} ×"),
        met: ratio <= ANEW_MAX,
    });
}

fn beside(dir: &Path, name: &str) -> Store {
    let place = Place::File(dir.join(format!("{name}.db")));
    let facts = dir.join(format!("{name}.jsonl"));
    Store::open_beside(&place, &kinds(), facts, true, (SystemClock.now(), &CountingIds::new(2))).unwrap().0
}

fn kinds() -> Vec<KindIndex> {
    vec![KindIndex {
        kind: "beads.t".into(),
        group: "t".into(),
        object_kind: "Bead".into(),
        fields: vec!["spec.rig".into()],
        row_fields: Vec::new(),
        is_record: false,
        retention: None,
    }]
}

fn put(store: &mut Store, which: std::ops::Range<usize>, ids: &CountingIds) {
    let ops = which.map(|n| Op::Put {
        key: Key { kind: "beads.t".into(), ns: "town".into(), name: format!("shop-{n}") },
        expect: Expect::Absent,
        object: bead(n),
    });
    let (replies, _) = store.apply(ops.collect(), SystemClock.now(), ids);
    assert!(replies.iter().all(Result::is_ok));
}

fn bead(n: usize) -> Value {
    json!({
        "apiVersion": "t/v1", "kind": "Bead",
        "metadata": { "name": format!("shop-{n}"), "namespace": "town", "labels": { "convoy": "many" } },
        "spec": { "rig": "shop", "title": "Rotate session tokens", "description": "x".repeat(600), "priority": 2 },
        "status": { "state": "Ready", "conditions": [{ "type": "Ready", "status": "True", "reason": "Ready", "message": "" }] },
    })
}

fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
