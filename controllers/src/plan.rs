//! `Plan`: what a controller wants done, as data that can be printed, compared and refused.
//!
//! A write is a Kubernetes request as data (create, merge patch, delete), whatever the kind, and a status is a value; so
//! the code that applies plans names no kind. Every effect prints itself in a line: the log and tests show the same.

use std::fmt;

use gastown_crds::common::{LABEL_MANAGED_BY, MANAGED_BY, Observed};
use gastown_crds::kinds::{Kind, Registered};
use gastown_crds::merge_patch;
use gastown_crds::reason::Reason;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::object::HasStatus;
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

use crate::draft::Draft;
use crate::told::Told;
use crate::world::{Act, Owner};

/// All that one reconcile wants.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plan {
    /// The effects, in order; the first that fails ends the list.
    pub effects: Vec<Effect>,
    /// The statuses that differ from the present ones.
    pub status: Vec<StatusWrite>,
    /// When to look again even if nothing happens.
    pub requeue: Option<Timestamp>,
    /// What failed last is still wanted, later: how often it has failed is not forgotten while there is nothing to try.
    pub keeps_failure: bool,
    /// What the next status to be set tells beside its conditions.
    pub told: Vec<Told>,
    /// The object that this is about beside its key's: what fails of it is told of both.
    pub related: Option<Owner>,
}

impl Plan {
    /// Nothing to do.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an effect in the world.
    pub fn act(&mut self, act: Act) {
        self.effects.push(Effect::Act(act));
    }

    /// Adds a write.
    pub fn write(&mut self, write: Write) {
        self.effects.push(Effect::Write(write));
    }

    /// Tells something of the object whose status is set next, if that is news.
    pub fn tell(&mut self, told: Told) {
        self.told.push(told);
    }

    /// Writes what was observed of an object, if it differs from its present status; and tells what is news in it.
    pub fn set_status<K>(&mut self, draft: Draft<'_, K>)
    where
        K: Registered + HasStatus,
        K::Status: Observed,
    {
        let mut told = std::mem::take(&mut self.told);
        let mut news = draft.conditions.news(K::row().conditions.first().copied().unwrap_or_default());
        // What a controller tells says it better; and that all is well again goes without saying then.
        news.retain(|it| told.iter().all(|told| told.reason != it.reason && it.reason != Reason::Ok.as_str()));
        told.extend(news);
        let related = draft.related.clone();
        for told in &mut told {
            told.related.clone_from(&related);
        }
        self.related.clone_from(&related);
        let (object, status) = draft.done();
        if object.status() != Some(&status) {
            let status = json!(status);
            debug_assert!(
                has_declared_conditions(K::row(), &status),
                "the row of {} lacks one of {status}",
                K::row().name
            );
            self.status.push(StatusWrite { object: Version::of(object), status, told });
        }
    }

    /// Looks again at that instant, or earlier if something else asks for it.
    pub fn again_at(&mut self, at: Timestamp) {
        self.requeue = Some(self.requeue.map_or(at, |before| before.min(at)));
    }
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// In the world.
    Act(Act),
    /// Through the API.
    Write(Write),
    /// Goes on only if the object, read again from the API, is still so. Before anything that starts an agent.
    Confirm(Confirm),
}

impl Effect {
    /// Whether two effects want the same, whenever it is tried and on whichever version of an object: an own status write
    /// changes an object's resourceVersion and nothing else.
    pub fn wants_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Write(a), Self::Write(b)) => a.wish() == b.wish(),
            (Self::Act(a), Self::Act(b)) => a.wants_the_same(b),
            _ => self == other,
        }
    }
}

/// A write through the API, other than of status. Each is idempotent, or conditional on what was seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// The object exists; that it does already is success.
    Create {
        /// Its kind.
        kind: &'static Kind,
        /// Its name.
        name: String,
        /// The whole object.
        object: Value,
    },
    /// The object is changed by a JSON merge patch (RFC 7396). Refused if it has changed since it was seen.
    Patch {
        /// The object, as it was seen.
        object: Version,
        /// The patch.
        patch: Value,
        /// The change in words, for people.
        what: String,
        /// JSON pointer of an instant in the patch that says when it was made: no part of what is wanted.
        dated: Option<&'static str>,
    },
    /// The object is as this part of it says, by server-side apply: what others own of it stays, and what this manager
    /// applied before and applies no more is removed. What others have changed of it is taken over.
    Apply {
        /// Its kind.
        kind: &'static Kind,
        /// Its name.
        name: String,
        /// The part of the object.
        config: Value,
        /// The field manager.
        manager: String,
    },
    /// The object does not exist. Conditional on its uid: a namesake stays.
    Delete {
        /// Its kind.
        kind: &'static Kind,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
}

impl Write {
    /// Makes an object, labelled as ours.
    pub fn create<K: Registered + Serialize>(object: &K) -> Self {
        let mut value = json!(object);
        value["apiVersion"] = K::api_version(&()).into();
        value["kind"] = K::kind(&()).into();
        value["metadata"]["labels"][LABEL_MANAGED_BY] = MANAGED_BY.into();
        Self::Create { kind: K::row(), name: object.name_any(), object: value }
    }

    /// Changes an object; `what` says what that does.
    pub fn patch<K: Registered>(object: &K, patch: Value, what: String) -> Self {
        Self::Patch { object: Version::of(object), patch, what, dated: None }
    }

    /// Replaces a part of an object: what is not in `new` is taken away, whatever fields the part has.
    pub fn replace<K: Registered>(object: &K, (old, new): (&Value, &Value), what: String) -> Self {
        Self::patch(object, merge_patch::between(old, new), what)
    }

    /// Adds a finalizer to an object.
    pub fn add_finalizer<K: Registered>(object: &K, finalizer: &str) -> Self {
        let others = object.finalizers().iter().filter(|it| *it != finalizer).cloned();
        Self::finalizers(object, &others.chain([finalizer.to_owned()]).collect::<Vec<_>>())
    }

    /// Takes a finalizer off an object. One that is being deleted goes with its last.
    pub fn remove_finalizer<K: Registered>(object: &K, finalizer: &str) -> Self {
        let others = object.finalizers().iter().filter(|it| *it != finalizer).cloned();
        Self::finalizers(object, &others.collect::<Vec<_>>())
    }

    fn finalizers<K: Registered>(object: &K, finalizers: &[String]) -> Self {
        let what = format!("finalizers of {}: {finalizers:?}", object.name_any());
        Self::patch(object, json!({ "metadata": { "finalizers": finalizers } }), what)
    }

    /// Removes an object.
    pub fn delete<K: Registered>(object: &K) -> Self {
        Self::Delete { kind: K::row(), name: object.name_any(), uid: object.uid().unwrap_or_default() }
    }

    /// Says that the patch holds the present instant at this JSON pointer.
    #[must_use]
    pub fn dated(mut self, pointer: &'static str) -> Self {
        if let Self::Patch { dated, .. } = &mut self {
            *dated = Some(pointer);
        }
        self
    }

    /// The same write without its instant and the version of the object.
    fn wish(&self) -> Self {
        let mut wish = self.clone();
        if let Self::Patch { object, patch, dated, .. } = &mut wish {
            object.resource_version.clear();
            if let Some(instant) = dated.and_then(|pointer| patch.pointer_mut(pointer)) {
                *instant = Value::Null;
            }
        }
        wish
    }
}

/// A field of an object that must still hold a value when it is read again.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirm {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// JSON pointer of the field.
    pub field: &'static str,
    /// The value that the field must hold.
    pub value: Value,
    /// The meaning of that in words, for people.
    pub what: String,
}

impl Confirm {
    /// That a field of an object holds a value.
    pub fn field<K: Registered>(object: &K, field: &'static str, value: &impl Serialize, what: String) -> Self {
        let (name, uid) = (object.name_any(), object.uid().unwrap_or_default());
        Self { kind: K::row(), name, uid, field, value: json!(value), what }
    }
}

/// An object as it was seen: a write is refused if it has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub resource_version: String,
}

impl Version {
    /// The version of an object that came from the API.
    pub fn of<K: Registered>(object: &K) -> Self {
        Self {
            kind: K::row(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
        }
    }
}

/// A status that differs from the present one. Conditional on the resourceVersion.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusWrite {
    /// The object, as it was seen.
    pub object: Version,
    /// Its new status.
    pub status: Value,
    /// What happened to it, as far as it is news.
    pub told: Vec<Told>,
}

/// Whether a status has no condition that the kind's row does not name: people could not wait for it.
fn has_declared_conditions(kind: &Kind, status: &Value) -> bool {
    let types = status["conditions"].as_array().into_iter().flatten().filter_map(|it| it["type"].as_str());
    types.into_iter().all(|type_| kind.conditions.contains(&type_))
}

/// The reference of an object to the one that owns it and is its controller: it is removed with it.
pub fn owner<K: Resource<DynamicType = ()>>(owner: &K) -> OwnerReference {
    OwnerReference {
        api_version: K::api_version(&()).into(),
        kind: K::kind(&()).into(),
        name: owner.name_any(),
        uid: owner.uid().unwrap_or_default(),
        controller: Some(true),
        ..OwnerReference::default()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effects = self.effects.iter().map(ToString::to_string);
        let statuses = self.status.iter().map(ToString::to_string);
        let requeue = self.requeue.map(|at| format!("look again at {at:.0}"));
        let lines: Vec<String> = effects.chain(statuses).chain(requeue).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(act) => act.fmt(f),
            Self::Write(write) => write.fmt(f),
            Self::Confirm(Confirm { name, what, .. }) => write!(f, "confirm that {name} {what}"),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { kind, name, .. } => write!(f, "create {} {name}", kind.singular),
            Self::Patch { what, .. } => f.write_str(what),
            Self::Apply { kind, name, .. } => write!(f, "apply {} {name}", kind.singular),
            Self::Delete { kind, name, .. } => write!(f, "delete {} {name}", kind.singular),
        }
    }
}

impl fmt::Display for StatusWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let word = ["state", "progress"].into_iter().find_map(|field| self.status.get(field));
        let conditions = self.status["conditions"].as_array().into_iter().flatten().map(|condition| {
            let message = text(&condition["message"]);
            let message = if message.is_empty() { message } else { format!(" ({message})") };
            let [type_, status, reason] = ["type", "status", "reason"].map(|field| text(&condition[field]));
            format!("{type_}={status} {reason}{message}")
        });
        let conditions = conditions.collect::<Vec<_>>().join("; ");
        let word = word.map(|word| format!("{} ", text(word))).unwrap_or_default();
        write!(f, "{}: {word}{conditions}", self.object.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_crds::Bead;
    use gastown_crds::bead::{Assignee, CloseReason, Closed};

    fn bead(version: &str) -> Bead {
        serde_json::from_value(json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Bead",
            "metadata": {"name": "shop-a", "uid": "u", "resourceVersion": version},
            "spec": {"title": "t", "rig": "shop", "description": "d", "formula": "f"},
        }))
        .unwrap()
    }

    #[test]
    fn the_same_wish_is_known_on_another_version_and_at_another_time() {
        let close = |version: &str, second: i64, reason| {
            let at = Timestamp::from_second(second).unwrap();
            Effect::Write(crate::bead::close(&bead(version), &Closed { reason, message: None, at, by: "gt".into() }))
        };
        let first = close("1", 1, CloseReason::Merged);
        assert!(first.wants_the_same(&close("2", 9, CloseReason::Merged)));
        assert!(!first.wants_the_same(&close("1", 1, CloseReason::Withdrawn)));
        let claim = Effect::Write(crate::bead::claim(&bead("1"), &Assignee::new("p", "u")));
        assert!(!first.wants_the_same(&claim));
    }

    #[test]
    fn a_spec_is_replaced_in_every_field_that_it_has() {
        let old = bead("1");
        let mut new = old.spec.clone();
        new.description = None;
        new.priority = 0;
        let Write::Patch { patch, .. } = crate::bead::respec(&old, &new) else { panic!("no patch") };
        assert_eq!(patch, json!({ "spec": { "description": null, "priority": 0 } }));
    }
}
