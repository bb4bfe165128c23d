//! What holds of any applies: twice is once, disjoint managers do not see each other, and what a manager no longer says
//! goes, unless somebody else says it too.

use std::collections::BTreeSet;

use gastown_crds::apply::{Applier, Part, Updater, apply, apply_part, keep_times, track};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A place where an object can say something, as its path; `name=` steps into the item of that name, `=` is an item of a set.
const LEAVES: [&[&str]; 14] = [
    &["spec", "title"],
    &["spec", "map", "p"],
    &["spec", "map", "q"],
    &["spec", "nested", "x", "y"],
    &["spec", "nested", "x", "z"],
    &["spec", "items", "name=i1", "run"],
    &["spec", "items", "name=i1", "sub", "a"],
    &["spec", "items", "name=i1", "sub", "b"],
    &["spec", "items", "name=i2", "run"],
    &["spec", "items", "name=i2"],
    &["spec", "tags", "=t1"],
    &["spec", "tags", "=t2"],
    &["metadata", "labels", "p"],
    &["metadata", "finalizers", "=a/b"],
];

type Leaves = BTreeSet<usize>;

/// The object that says these, each with the value that all managers give it.
fn saying(leaves: &Leaves) -> Value {
    let mut object = json!({ "apiVersion": "t.io/v1", "kind": "Thing", "metadata": { "name": "n" } });
    for leaf in leaves {
        let mut at = &mut object;
        for step in LEAVES[*leaf] {
            if let Some(name) = step.strip_prefix("name=") {
                if at.is_null() {
                    *at = json!([]);
                }
                let list = at.as_array_mut().unwrap();
                let index = list.iter().position(|item| item["name"] == name).unwrap_or(list.len());
                if index == list.len() {
                    list.push(json!({ "name": name }));
                }
                at = &mut list[index];
            } else if let Some(item) = step.strip_prefix('=') {
                if at.is_null() {
                    *at = json!([]);
                }
                let list = at.as_array_mut().unwrap();
                list.push(json!(item));
                at = list.last_mut().unwrap();
            } else {
                at = &mut at[*step];
            }
        }
        if at.is_null() {
            *at = json!(format!("value of {leaf}"));
        }
    }
    object
}

/// The leaves that an object says.
fn said(object: &Value) -> Leaves {
    let says = |leaf: &&usize| {
        let mut at = Some(object);
        for step in LEAVES[**leaf] {
            let items = || at.and_then(Value::as_array).into_iter().flatten();
            at = match (step.strip_prefix("name="), step.strip_prefix('=')) {
                (Some(name), _) => items().find(|item| item["name"] == name),
                (_, Some(text)) => items().find(|item| *item == text),
                _ => at.and_then(|at| at.get(step)),
            };
        }
        at.is_some_and(|at| !at.is_null())
    };
    (0..LEAVES.len()).collect::<Leaves>().iter().filter(says).copied().collect()
}

/// With what is said by saying something in it: an item is there when one of its fields is.
fn implied(leaves: &Leaves) -> Leaves {
    said(&saying(leaves))
}

fn by(manager: &str, second: i64) -> Applier<'_> {
    Applier { manager, force: false, now: Timestamp::from_second(second).unwrap() }
}

fn owners(object: &Value) -> BTreeSet<String> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.map(|entry| format!("{} {}", entry["manager"], entry["fieldsV1"])).collect()
}

fn leaves() -> impl Strategy<Value = Leaves> {
    prop::collection::btree_set(0..LEAVES.len(), 0..8)
}

proptest! {
    #[test]
    fn an_apply_twice_is_an_apply_once(live in leaves(), other in leaves(), own in leaves()) {
        let schema = super::schema();
        let live = apply(&schema, Some(&saying(&live)), &saying(&other), &by("b", 1)).unwrap();
        let once = apply(&schema, Some(&live), &saying(&own), &by("a", 2)).unwrap();
        let twice = apply(&schema, Some(&once), &saying(&own), &by("a", 3)).unwrap();
        prop_assert_eq!(twice, once);
    }

    #[test]
    fn managers_that_agree_commute(a in leaves(), b in leaves()) {
        let schema = super::schema();
        let both = |first: (&str, &Leaves), then: (&str, &Leaves)| {
            let live = apply(&schema, None, &saying(first.1), &by(first.0, 1)).unwrap();
            apply(&schema, Some(&live), &saying(then.1), &by(then.0, 1)).unwrap()
        };
        let (one, other) = (both(("a", &a), ("b", &b)), both(("b", &b), ("a", &a)));
        prop_assert_eq!(said(&one), said(&other));
        prop_assert_eq!(owners(&one), owners(&other));
        prop_assert_eq!(said(&one), implied(&a.union(&b).copied().collect()));
    }

    #[test]
    fn what_is_no_longer_said_goes_unless_another_says_it(a in leaves(), b in leaves(), then in leaves()) {
        let schema = super::schema();
        let live = apply(&schema, None, &saying(&a), &by("a", 1)).unwrap();
        let live = apply(&schema, Some(&live), &saying(&b), &by("b", 2)).unwrap();
        let live = apply(&schema, Some(&live), &saying(&then), &by("a", 3)).unwrap();
        prop_assert_eq!(said(&live), implied(&b.union(&then).copied().collect()));
    }

    #[test]
    fn what_was_there_before_the_first_apply_stays(was in leaves(), a in leaves(), then in leaves()) {
        let schema = super::schema();
        let live = apply(&schema, Some(&saying(&was)), &saying(&a), &by("a", 1)).unwrap();
        let live = apply(&schema, Some(&live), &saying(&then), &by("a", 2)).unwrap();
        prop_assert_eq!(said(&live), implied(&was.union(&then).copied().collect()));
    }

    #[test]
    fn an_update_that_changes_nothing_is_no_change(was in leaves(), a in leaves()) {
        let schema = super::schema();
        let live = apply(&schema, Some(&saying(&was)), &saying(&a), &by("a", 1)).unwrap();
        for forgetful in [false, true] {
            let mut new = live.clone();
            if forgetful {
                new["metadata"].as_object_mut().unwrap().remove("managedFields");
            }
            let now = Timestamp::from_second(9).unwrap();
            track(&schema, Some(&live), &mut new, &Updater { manager: "u", part: Part::Whole, now });
            prop_assert_eq!(&new, &live);
        }
    }
}

#[test]
fn what_nobody_applies_is_not_tracked() {
    let schema = super::schema();
    let old = saying(&[0].into());
    let mut new = saying(&[1].into());
    let updater = Updater { manager: "u", part: Part::Main, now: Timestamp::UNIX_EPOCH };
    track(&schema, Some(&old), &mut new, &updater);
    assert_eq!(new, saying(&[1].into()));
    // And from the first apply on it is, until an update asks to forget it.
    let mut live = apply(&schema, Some(&old), &saying(&[1].into()), &by("a", 1)).unwrap();
    assert_eq!(live["metadata"]["managedFields"][1]["manager"], "before-first-apply");
    live["metadata"]["managedFields"] = json!([]);
    track(&schema, Some(&live.clone()), &mut live, &updater);
    assert_eq!(live["metadata"].get("managedFields"), None);
}

#[test]
fn an_apply_changes_its_own_part_alone() {
    let kind = json!({ "type": "object", "properties": { "spec": super::spec(), "status": super::spec() } });
    let schema = gastown_crds::schema::Schema::compile(&serde_json::from_value(kind).unwrap()).unwrap();
    let live = apply(&schema, None, &saying(&[0].into()), &by("a", 1)).unwrap();
    let mut both = saying(&[0, 12].into());
    both["status"] = json!({ "title": "seen" });
    let main = apply(&schema, Some(&live), &both, &by("a", 2)).unwrap();
    assert_eq!((said(&main), main.get("status")), ([0, 12].into(), None));
    both["spec"]["title"] = json!("ignored");
    let status = apply_part(&schema, Part::Status, Some(&live), &both, &by("c", 2)).unwrap();
    assert_eq!((&status["spec"], status["metadata"].get("labels")), (&live["spec"], None));
    assert_eq!(status["status"], both["status"]);
}

#[test]
fn a_write_of_the_status_takes_nothing_of_the_rest() {
    let kind = json!({ "type": "object", "properties": { "spec": super::spec(), "status": super::spec() } });
    let schema = gastown_crds::schema::Schema::compile(&serde_json::from_value(kind).unwrap()).unwrap();
    let live = apply(&schema, None, &saying(&[0].into()), &by("a", 1)).unwrap();
    let mut new = live.clone();
    new["spec"]["title"] = json!("ignored");
    new["status"] = json!({ "title": "seen" });
    let now = Timestamp::from_second(2).unwrap();
    track(&schema, Some(&live), &mut new, &Updater { manager: "u", part: Part::Status, now });
    let entry = &new["metadata"]["managedFields"][1];
    assert_eq!((&entry["manager"], &entry["subresource"]), (&json!("u"), &json!("status")));
    assert_eq!(entry["fieldsV1"], json!({ "f:status": { ".": {}, "f:title": {} } }));
    assert_eq!(new["metadata"]["managedFields"][0], live["metadata"]["managedFields"][0]);
}

#[test]
fn a_conflict_names_the_owner_and_the_field() {
    let schema = super::schema();
    let live = apply(&schema, None, &saying(&[0, 5].into()), &by("a", 1)).unwrap();
    let mut mine = saying(&[0, 5].into());
    mine["spec"]["title"] = json!("mine");
    let why = apply(&schema, Some(&live), &mine, &by("b", 2)).unwrap_err();
    assert_eq!(why.to_string(), "Apply failed with 1 conflict: conflict with \"a\": .spec.title");
    mine["spec"]["items"][0]["run"] = json!("mine");
    let why = apply(&schema, Some(&live), &mine, &by("b", 2)).unwrap_err();
    let expected =
        "Apply failed with 2 conflicts: conflicts with \"a\":\n- .spec.title\n- .spec.items[name=\"i1\"].run";
    assert_eq!(why.to_string(), expected);
    let forced = apply(&schema, Some(&live), &mine, &Applier { force: true, ..by("b", 2) }).unwrap();
    assert_eq!(forced["spec"], mine["spec"]);
    // What kubectl applied in the client's way is its own.
    let mut live = saying(&[0].into());
    let key = "kubectl.kubernetes.io/last-applied-configuration";
    live["metadata"]["annotations"] = json!({ key: saying(&[0].into()).to_string() });
    let mut mine = saying(&[0].into());
    mine["spec"]["title"] = json!("new");
    let after = apply(&schema, Some(&live), &mine, &by("kubectl", 2)).unwrap();
    assert_eq!(after["spec"]["title"], "new");
    assert!(after["metadata"]["annotations"][key].as_str().unwrap().contains("\"new\""));
    assert!(apply(&schema, Some(&live), &mine, &by("other", 2)).is_err());
}

#[test]
fn a_write_that_only_moves_a_time_moves_none() {
    let schema = super::schema();
    let live = apply(&schema, None, &saying(&[0].into()), &by("a", 1)).unwrap();
    let mut later = live.clone();
    later["metadata"]["managedFields"][0]["time"] = json!("1970-01-01T00:00:09Z");
    keep_times(&live, &mut later);
    assert_eq!(later, live);
    later["metadata"]["managedFields"][0]["time"] = json!("1970-01-01T00:00:09Z");
    later["spec"]["title"] = json!("other");
    keep_times(&live, &mut later);
    assert_ne!(later["metadata"], live["metadata"]);
}

#[test]
fn whoever_owned_a_part_of_what_is_one_piece_now_owns_the_whole() {
    let mut spec = super::spec();
    let mut live = apply(&super::schema(), None, &saying(&[1, 5, 10].into()), &by("a", 1)).unwrap();
    spec["properties"]["map"]["x-kubernetes-map-type"] = json!("atomic");
    for list in ["items", "tags"] {
        spec["properties"][list].as_object_mut().unwrap().remove("x-kubernetes-list-type");
    }
    let kind = json!({ "type": "object", "properties": { "spec": spec } });
    let schema = gastown_crds::schema::Schema::compile(&serde_json::from_value(kind).unwrap()).unwrap();
    // An entry of a version that is not served any more owns nothing.
    let mut older = live["metadata"]["managedFields"][0].clone();
    (older["manager"], older["apiVersion"]) = (json!("older"), json!("t.io/v0"));
    live["metadata"]["managedFields"].as_array_mut().unwrap().push(older);
    let mut new = live.clone();
    new["spec"]["nested"] = json!({ "x": { "y": "z" } });
    let now = Timestamp::from_second(2).unwrap();
    track(&schema, Some(&live), &mut new, &Updater { manager: "u", part: Part::Main, now });
    let expected = [
        r#""a" {"f:spec":{"f:items":{},"f:map":{},"f:tags":{}}}"#,
        r#""u" {"f:spec":{"f:nested":{".":{},"f:x":{".":{},"f:y":{}}}}}"#,
    ];
    assert_eq!(owners(&new), expected.map(str::to_owned).into());
    let mut mine = saying(&[].into());
    mine["spec"]["map"] = json!({ "q": "mine" });
    let why = apply(&schema, Some(&new), &mine, &by("b", 3)).unwrap_err();
    assert_eq!(why.to_string(), "Apply failed with 1 conflict: conflict with \"a\": .spec.map");
}
