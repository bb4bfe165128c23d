//! Server-side apply: a manager says what it wants of an object, owns that, and lets go of what it no longer says.
//!
//! This is the pure half: from an object, a configuration and the schema of the kind to the object as it would be, with
//! `metadata.managedFields`. Defaults and validation come after it, as in an apiserver, whose `fieldmanager` and
//! structured-merge-diff v6 this follows; `crds/tests/apply` holds it to answers that were recorded from them.
//!
//! # Design notes
//! Tracking begins with the first apply to an object, as in Kubernetes 1.17: until then it carries no managedFields, so
//! the many writes of controllers to objects that nobody applies pay nothing. What is there at that time is owned by
//! `before-first-apply`, or by the town's own applier ([`appliers`]). From then on every write is tracked; an update with an empty list of managedFields ends it.
//!
//! Invariant: no clock and no I/O; `now` is an argument.

pub mod appliers;
mod check;
mod compare;
mod conflict;
mod element;
mod last_applied;
mod managers;
mod merge;
mod outcome;
mod set;
mod shape;
mod update;
mod walk;

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::common::whole_second;
use crate::schema::Schema;
pub use conflict::{Conflict, Conflicts, Owner};
use managers::Managers;
pub use outcome::Outcome;
use set::Set;
use shape::Type;
use update::Write;

/// The manager of what an object held before anybody applied it.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Who applies.
#[derive(Debug, Clone, Copy)]
pub struct Applier<'a> {
    /// The manager's name.
    pub manager: &'a str,
    /// Whether it takes over what others own.
    pub force: bool,
    /// The time of a change.
    pub now: Timestamp,
}

/// Who writes in another way.
#[derive(Debug, Clone, Copy)]
pub struct Updater<'a> {
    /// The manager's name; `unknown` if it is empty.
    pub manager: &'a str,
    /// The part that is written.
    pub part: Part,
    /// The time of a change.
    pub now: Timestamp,
}

/// The part of an object that a write can change, which is all that its manager can own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Everything but the status, of a kind with a status subresource.
    Main,
    /// The status, through its subresource.
    Status,
    /// All of it, of a kind without that subresource.
    Whole,
}

impl Part {
    fn subresource(self) -> &'static str {
        if self == Self::Status { "status" } else { "" }
    }

    /// A configuration without what this way of writing cannot change.
    fn relevant(self, config: &Value) -> Cow<'_, Value> {
        let name = if self == Self::Status { "spec" } else { "status" };
        let metadata = config["metadata"].as_object().filter(|_| self == Self::Status);
        let is_named = |field: &str| ["name", "namespace", "uid", "resourceVersion"].contains(&field);
        let is_less = metadata.is_some_and(|metadata| !metadata.keys().all(|field| is_named(field)));
        if self == Self::Whole || (config.get(name).is_none() && !is_less) {
            return Cow::Borrowed(config);
        }
        let mut config = config.clone();
        if let Some(map) = config.as_object_mut() {
            map.remove(name);
        }
        if is_less && let Some(metadata) = config["metadata"].as_object_mut() {
            metadata.retain(|field, _| is_named(field));
        }
        Cow::Owned(config)
    }

    fn reset(self) -> Set {
        match self {
            Self::Main => Set::of(&[&["status"]]),
            Self::Status => Set::of(&[&["metadata"], &["spec"]]),
            Self::Whole => Set::default(),
        }
    }
}

/// The object as it is after an apply of everything but the status; equal to `live` where nothing changes.
///
/// A configuration that does not fit its schema is merged as well as may be: ask [`check`] first, and validate the result.
pub fn apply(schema: &Schema, live: Option<&Value>, config: &Value, applier: &Applier<'_>) -> Result<Value, Conflicts> {
    apply_part(schema, Part::Main, live, config, applier)
}

/// The same for one part of the object.
pub fn apply_part(
    schema: &Schema,
    part: Part,
    live: Option<&Value>,
    config: &Value,
    applier: &Applier<'_>,
) -> Result<Value, Conflicts> {
    let Applier { manager, force, now } = *applier;
    let now = whole_second(now).to_string();
    let config = &part.relevant(config);
    let mut write = write(schema, part, config, manager, &now);
    let empty = json!({ "apiVersion": config["apiVersion"], "kind": config["kind"] });
    let mut managers = live.and_then(|live| Managers::read(&live["metadata"]["managedFields"])).unwrap_or_default();
    let unmanaged = live.map_or_else(|| empty.clone(), without_managers);
    if managers.0.is_empty() && live.is_some() {
        let first = Write { manager: BEFORE_FIRST_APPLY, ..self::write(schema, part, config, manager, &now) };
        first.update(&empty, &unmanaged, &mut managers);
    }
    appliers::take_over(&write, &unmanaged, force, &mut managers);
    let undeclared = appliers::undeclared(manager, config);
    write.reset.extend(&undeclared);
    let mut tried = managers.clone();
    let merged = match write.apply(&unmanaged, config, &mut tried, force) {
        Ok(merged) => merged,
        Err(conflicts) => {
            let left = last_applied::left(&write, &unmanaged, conflicts);
            if !left.is_empty() {
                return Err(left);
            }
            tried = managers;
            write.apply(&unmanaged, config, &mut tried, true)?
        }
    };
    let mut object = merged.unwrap_or(unmanaged);
    last_applied::renew(&write, config, &mut object);
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    appliers::written(&write, &undeclared, &mut tried);
    tried.store(&mut object);
    Ok(object)
}

/// Whether a write has to be tracked: somebody has applied the object, or the write itself says who owns what.
pub fn is_tracked(old: Option<&Value>, new: &Value) -> bool {
    let has = |object: &Value| object["metadata"].get("managedFields").is_some_and(|entries| !entries.is_null());
    old.is_some_and(has) || has(new)
}

/// Notes in `new` what a write that is no apply has changed. Costs a look where the object is not tracked.
pub fn track(schema: &Schema, old: Option<&Value>, new: &mut Value, updater: &Updater<'_>) {
    let Updater { manager, part, now } = *updater;
    if !is_tracked(old, new) {
        return;
    }
    let before = old.and_then(|old| old["metadata"].get("managedFields"));
    let asked = new["metadata"].get("managedFields").filter(|asked| !asked.is_null());
    let read = |entries: Option<&Value>| entries.and_then(Managers::read).filter(|managers| !managers.0.is_empty());
    // A subresource is no way to change who owns what. Elsewhere a client that does not know the field loses nothing.
    let managers = match part {
        Part::Status => read(before),
        Part::Main | Part::Whole if managers::is_reset(asked) => None,
        Part::Main | Part::Whole => read(asked).or_else(|| read(before)),
    };
    let Some(mut managers) = managers else { return Managers::default().store(new) };
    let now = whole_second(now).to_string();
    let empty = json!({ "apiVersion": new["apiVersion"], "kind": new["kind"] });
    let (old, unmanaged) = (old.map_or(empty, without_managers), without_managers(new));
    write(schema, part, &unmanaged, manager, &now).update(&old, &unmanaged, &mut managers);
    managers.store(new);
}

/// Takes back the times of a write that changed nothing but those.
pub fn keep_times(old: &Value, new: &mut Value) {
    let timeless = |object: &Value| {
        let mut managers = Managers::read(&object["metadata"]["managedFields"]).unwrap_or_default();
        managers.0.values_mut().for_each(|entry| entry.time = None);
        managers
    };
    let differs = old["metadata"]["managedFields"] != new["metadata"]["managedFields"];
    if differs && timeless(old) == timeless(new) && without_managers(old) == without_managers(new) {
        new["metadata"]["managedFields"] = old["metadata"]["managedFields"].clone();
    }
}

/// What makes a configuration unfit to be applied, one sentence for each mistake.
pub fn check(schema: &Schema, config: &Value) -> Vec<String> {
    check::check(Type::Object(schema.root()), config)
}

fn write<'a>(schema: &'a Schema, part: Part, object: &'a Value, manager: &'a str, now: &'a str) -> Write<'a> {
    Write {
        type_: Type::Object(schema.root()),
        api_version: object["apiVersion"].as_str().unwrap_or_default(),
        manager,
        subresource: part.subresource(),
        reset: part.reset(),
        now,
    }
}

fn without_managers(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    object
}
