//! The order in which objects are stored anew: what is stored without its owner is garbage.

use std::collections::BTreeMap;

use serde_json::Value;

/// Owners above an object that are looked at. A step is owned by a bead, which is owned by a convoy.
const OWNERS_MAX: usize = 16;

/// The same objects, each after its owners; those that own nothing of each other in the order in which they came.
pub(crate) fn owners_first<T>(mut all: Vec<T>, object: impl Fn(&T) -> &Value) -> Vec<T> {
    let uid = |it: &Value| it["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let owners: BTreeMap<String, Vec<String>> = all
        .iter()
        .map(|it| {
            let it = object(it);
            let references = it["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            let owners = references.filter_map(|it| it["uid"].as_str().map(str::to_owned)).collect();
            (uid(it), owners)
        })
        .collect();
    all.sort_by_cached_key(|it| depth(&uid(object(it)), &owners, 0));
    all
}

/// How many owners are above an object. One that owns itself in a roundabout way is as deep as is looked.
fn depth(uid: &str, owners: &BTreeMap<String, Vec<String>>, below: usize) -> usize {
    let above = owners.get(uid).filter(|_| below < OWNERS_MAX).into_iter().flatten();
    above.map(|owner| 1 + depth(owner, owners, below + 1)).max().unwrap_or(0)
}
