//! What a write does to the managers of an object: an apply merges, prunes and may conflict; any other write takes over
//! what it changes. After structured-merge-diff's `Updater`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::appliers;
use super::compare::{Comparison, is_same};
use super::conflict::Conflicts;
use super::managers::{Entry, Manager, Managers, Operation};
use super::merge::merge;
use super::set::Set;
use super::shape::Type;
use super::walk::{field_set, reconciled, without};

/// One write: by whom, when, and the fields that this way of writing cannot change.
pub(super) struct Write<'a> {
    pub(super) type_: Type<'a>,
    pub(super) api_version: &'a str,
    pub(super) manager: &'a str,
    pub(super) subresource: &'a str,
    pub(super) reset: Set,
    pub(super) now: &'a str,
}

/// Fields that are nobody's: the envelope, and what the server writes.
fn unowned() -> Set {
    let mut set = Set::of(&[&["apiVersion"], &["kind"], &["metadata"]]);
    for field in [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        set.extend(&Set::of(&[&["metadata", field]]));
    }
    set
}

/// Puts back what a configuration of the town has empty, where pruning has left nothing: `spec: {}` is a spec. Kubernetes leaves
/// nothing there.
fn keep_empty(wanted: &Value, there: &mut Value) {
    match wanted {
        Value::Object(map) => {
            if there.is_null() {
                *there = Value::Object(Map::new());
            }
            let Some(there) = there.as_object_mut() else { return };
            let is_container = |value: &Value| value.is_object() || value.as_array().is_some_and(Vec::is_empty);
            for (field, wanted) in map.iter().filter(|(_, wanted)| is_container(wanted)) {
                keep_empty(wanted, there.entry(field.clone()).or_insert(Value::Null));
            }
        }
        Value::Array(_) if there.is_null() => there.clone_from(wanted),
        _ => {}
    }
}

impl Write<'_> {
    /// A write that is no apply: what it has added and changed is its manager's, and no longer anybody else's.
    pub(super) fn update(&self, old: &Value, new: &Value, managers: &mut Managers) {
        self.reconcile(managers);
        let changes = Comparison::of(self.type_, old, new).without(&self.reset);
        let touched = changes.modified.union(&changes.added);
        for entry in managers.0.values_mut() {
            entry.fields = entry.fields.difference(&touched).difference(&changes.removed);
        }
        managers.0.retain(|_, entry| !entry.fields.is_empty());
        let taken = touched.difference(&unowned());
        if !taken.is_empty() {
            let manager = Manager::new(self.manager, Operation::Update, self.api_version, self.subresource);
            let entry = managers.0.entry(manager).or_insert_with(|| self.entry(Set::default()));
            entry.fields.extend(&taken);
            entry.time = Some(self.now.to_owned());
        }
        managers.cap();
    }

    /// Merges a configuration and prunes what its manager no longer has in it. The object is none where nothing of it changes.
    pub(super) fn apply(
        &self,
        live: &Value,
        config: &Value,
        managers: &mut Managers,
        force: bool,
    ) -> Result<Option<Value>, Conflicts> {
        self.reconcile(managers);
        let me = Manager::new(self.manager, Operation::Apply, self.api_version, self.subresource);
        let merged = merge(self.type_, Some(live), Some(config)).unwrap_or_default();
        let mut entry = self.entry(field_set(self.type_, config).without_trees(&self.reset));
        let last = managers.0.remove(&me);
        entry.time = last.as_ref().and_then(|last| last.time.clone());
        managers.0.insert(me.clone(), entry);
        let new = match last.filter(|last| !last.fields.is_empty()) {
            Some(last) => {
                let mut pruned = self.pruned(&merged, managers, &last.fields);
                let spec = config.get("spec").filter(|_| appliers::is_towns(self.manager));
                if let (Some(spec), Some(object)) = (spec, pruned.as_object_mut()) {
                    keep_empty(spec, object.entry("spec").or_insert(Value::Null));
                }
                pruned
            }
            None => merged,
        };
        self.take_over(live, &new, managers, &me, force)?;
        let is_changed = !is_same(live, &new);
        if let Some(entry) = managers.0.get_mut(&me) {
            entry.fields = entry.fields.difference(&unowned());
            if is_changed {
                entry.time = Some(self.now.to_owned());
            }
        }
        managers.0.retain(|_, entry| !entry.fields.is_empty());
        Ok(is_changed.then_some(new))
    }

    /// An entry of this manager, which has written nothing yet.
    pub(super) fn entry(&self, fields: Set) -> Entry {
        Entry { fields, api_version: self.api_version.to_owned(), time: None }
    }

    /// Brings the sets to the present schema. Entries of another version are dropped: only one is served.
    fn reconcile(&self, managers: &mut Managers) {
        managers.0.retain(|_, entry| entry.api_version == self.api_version);
        for entry in managers.0.values_mut() {
            entry.fields = reconciled(self.type_, &entry.fields);
        }
    }

    /// Takes what changes from other managers, or says that it is theirs.
    fn take_over(
        &self,
        live: &Value,
        new: &Value,
        managers: &mut Managers,
        me: &Manager,
        force: bool,
    ) -> Result<(), Conflicts> {
        let changes = Comparison::of(self.type_, live, new).without(&self.reset);
        let touched = changes.modified.union(&changes.added);
        let others = || managers.0.iter().filter(|(manager, _)| *manager != me);
        let owned = others().map(|(manager, entry)| (manager.clone(), entry.fields.intersection(&touched)));
        let owned: BTreeMap<_, _> = owned.filter(|(_, set)| !set.is_empty()).collect();
        if !force && !owned.is_empty() {
            return Err(Conflicts::of(&owned));
        }
        for (manager, entry) in managers.0.iter_mut().filter(|(manager, _)| *manager != me) {
            if let Some(lost) = owned.get(manager) {
                entry.fields = entry.fields.difference(lost);
            }
            entry.fields = entry.fields.difference(&changes.removed);
        }
        Ok(())
    }

    /// The merged object without what this manager applied the last time, does not apply now, and nobody else owns.
    fn pruned(&self, merged: &Value, managers: &Managers, last: &Set) -> Value {
        let type_ = self.type_;
        let fields = |value: &Value| field_set(type_, value).with_named_fields(type_);
        let last = last.with_named_fields(type_);
        let mut owned = Set::default();
        for entry in managers.0.values() {
            owned.extend(&entry.fields);
        }
        let merged_fields = fields(merged);
        let pruned = without(type_, merged, &last);
        // What somebody owns comes back, this manager's new configuration included.
        let kept = fields(&pruned).union(&owned.with_named_fields(type_));
        let pruned = without(type_, merged, &merged_fields.difference(&kept));
        // So does what was never this manager's, and went only because something around it did.
        let gone = merged_fields.difference(&fields(&pruned)).intersection(&last);
        without(type_, merged, &gone)
    }
}
