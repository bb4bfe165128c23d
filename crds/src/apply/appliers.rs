//! The town's own appliers: `gt apply`, and each source. One of them at a time declares an object.
//!
//! Whose word counts is another matter than that they own fields, as any manager does:
//! - The first apply of `gt apply` takes over what an earlier release of it declared by merge patches, which no manager noted:
//!   all that is declared of the spec, and the labels and annotations that its note names. So what leaves the file later is
//!   removed, as it always was. A source does the same where that note says that the object came from a file. client-go does
//!   this for kubectl, in its package `csaupgrade`.
//! - Who applies with force takes over from the other appliers of the town, with what they own: what the next one does not
//!   declare is declared by nobody.
//! - What controllers and agents write is not `gt apply`'s to declare, even where a file has it, such as one that `gt get` has
//!   printed: it is written, and not removed when it leaves the file.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::BEFORE_FIRST_APPLY;
use super::element::Element;
use super::managers::{Entry, Manager, Managers, Operation};
use super::set::Set;
use super::update::Write;
use crate::common::{ANNOTATION_APPLIED, GROUP, LABEL_MANAGED_BY};
use crate::kinds::Kind;

/// The field manager of `gt apply`; and, as whoever writes in another way, every program of `gt`.
pub const GT: &str = "gt";
/// What the name of a source's field manager begins with.
const SOURCE: &str = "source/";

/// The field manager of a source.
pub fn source(name: &str) -> String {
    format!("{SOURCE}{name}")
}

/// The source that a field manager is.
pub fn source_named(manager: &str) -> Option<&str> {
    manager.strip_prefix(SOURCE)
}

/// The managers that apply an object.
pub fn appliers(object: &Value) -> impl Iterator<Item = &str> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.filter(|entry| entry["operation"] == "Apply").filter_map(|entry| entry["manager"].as_str())
}

/// Whether an object came from a file, by this release of `gt apply` or an earlier one.
pub fn is_from_file(object: &Value) -> bool {
    has_note(object) || appliers(object).any(|manager| manager == GT)
}

/// Whether an earlier release noted here which labels and annotations came from a file.
fn has_note(object: &Value) -> bool {
    object["metadata"]["annotations"].get(ANNOTATION_APPLIED).is_some()
}

/// The labels and annotations that came from a file, as an earlier release noted them.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Note {
    annotations: BTreeSet<String>,
    labels: BTreeSet<String>,
}

impl Note {
    /// Nothing, where it cannot be read. The note itself goes too.
    fn read(object: &Value) -> Self {
        let text = object["metadata"]["annotations"][ANNOTATION_APPLIED].as_str();
        let mut note: Self = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        note.annotations.insert(ANNOTATION_APPLIED.to_owned());
        note
    }
}

/// Whether a manager is one of the town's own appliers.
pub(super) fn is_towns(manager: &str) -> bool {
    manager == GT || source_named(manager).is_some()
}

/// Gives the applier of this write what it takes over, before it applies.
pub(super) fn take_over(write: &Write<'_>, live: &Value, force: bool, managers: &mut Managers) {
    let Some(kind) = live["kind"].as_str().and_then(Kind::named) else { return };
    if !is_towns(write.manager) || !write.subresource.is_empty() {
        return;
    }
    let me = Manager::new(write.manager, Operation::Apply, write.api_version, "");
    let mut own = Set::default();
    if !managers.0.contains_key(&me) && (write.manager == GT || has_note(live)) {
        let note = Note::read(live);
        let is_earlier = |manager: &Manager| {
            let is_named = [GT, BEFORE_FIRST_APPLY].contains(&manager.name.as_str());
            manager.operation == Operation::Update && manager.subresource.is_empty() && is_named
        };
        for (_, entry) in managers.0.iter_mut().filter(|(manager, _)| is_earlier(manager)) {
            let part = declared(kind, &note, &entry.fields);
            entry.fields = entry.fields.difference(&part);
            own.extend(&part);
        }
    }
    let is_other = |manager: &Manager| {
        manager.operation == Operation::Apply
            && manager.subresource.is_empty()
            && is_towns(&manager.name)
            && *manager != me
    };
    if force {
        managers.0.extract_if(.., |manager, _| is_other(manager)).for_each(|(_, entry)| own.extend(&entry.fields));
    }
    managers.0.retain(|_, entry| !entry.fields.is_empty());
    if !own.is_empty() {
        let new = || Entry { time: Some(write.now.to_owned()), ..write.entry(Set::default()) };
        managers.0.entry(me).or_insert_with(new).fields.extend(&own);
    }
}

/// Of these fields, those that an earlier `gt apply` declared.
fn declared(kind: &Kind, note: &Note, fields: &Set) -> Set {
    let mut part = Set::default();
    let mut keep = |path: &[&str], is_kept: &dyn Fn(&str) -> bool| {
        let steps: Vec<Element> = path.iter().map(|name| Element::field(name)).collect();
        let Some(below) = fields.below(&steps) else { return };
        let is_kept = |element: &Element| matches!(element, Element::Field(name) if is_kept(name));
        part.graft(&steps, below.only(is_kept));
    };
    keep(&["spec"], &|name| !kind.not_declared.contains(&name));
    keep(&["metadata", "labels"], &|name| note.labels.contains(name));
    keep(&["metadata", "annotations"], &|name| note.annotations.contains(name));
    part
}

/// The fields of a configuration that its manager writes and does not declare.
pub(super) fn undeclared(manager: &str, config: &Value) -> Set {
    let mut undeclared = Set::default();
    let Some(kind) = config["kind"].as_str().filter(|_| manager == GT).and_then(Kind::named) else { return undeclared };
    let mut add = |path: &[&str]| undeclared.insert(&path.iter().map(|name| Element::field(name)).collect::<Vec<_>>());
    for field in kind.not_declared.iter().filter(|field| config["spec"].get(field).is_some()) {
        add(&["spec", field]);
    }
    for field in ["labels", "annotations"] {
        let keys = config["metadata"][field].as_object().into_iter().flat_map(Map::keys);
        keys.filter(|key| is_the_towns(key)).for_each(|key| add(&["metadata", field, key]));
    }
    undeclared
}

/// Notes who has written those, where nobody owns them: as any other write, which no apply takes back. What nobody owned would go
/// with what stands around it.
pub(super) fn written(write: &Write<'_>, undeclared: &Set, managers: &mut Managers) {
    let mut left = undeclared.clone();
    for entry in managers.0.values() {
        left = left.difference(&entry.fields);
    }
    if !left.is_empty() {
        let writer = Manager::new(write.manager, Operation::Update, write.api_version, "");
        let entry = managers.0.entry(writer).or_insert_with(|| write.entry(Set::default()));
        entry.fields.extend(&left);
        entry.time = Some(write.now.to_owned());
    }
}

/// Whether a label or annotation is the controllers' too: no file removes it by leaving it out.
fn is_the_towns(key: &str) -> bool {
    key == LABEL_MANAGED_BY || key.split_once('/').is_some_and(|(domain, _)| domain == GROUP)
}
