//! Admission: what a manifest may say, checked as an apiserver would, and reported to a person, with the place in the file.
//!
//! `admit` looks at one object, `admit_set` at what objects say of each other.

mod capacity;
mod changes;
pub(crate) mod convoy;
mod expected;
mod fields;
pub(crate) mod formula;
mod index;
mod needs;
pub(crate) mod references;
mod repair;
pub(crate) mod rigs;
mod secrets;
mod set;
mod variables;
mod words;

use serde_json::{Map, Value};

use crate::apply::Outcome;
use crate::branch;
use crate::common::{API_VERSION, GROUP};
use crate::kinds::{KINDS, Kind, NamedBy};
use crate::manifest::{Diagnostic, Manifest, Step, bytes_of, foreign, header, quote};
use crate::names;
use crate::schema::{FieldPath, Reason, Violation};
use crate::suggest;

pub use changes::forbidden_changes;
pub use index::{Beside, Clash, Index, Place};
pub use set::{CODE_MORE, Known, SetOptions, admit_file, admit_set, more};
pub(crate) use set::{CheckAmong, nothing_more};

/// Largest object, in bytes of JSON.
pub const OBJECT_BYTES_MAX: usize = 256 << 10;

/// Most mistakes reported of one object, and of one set: nobody corrects more before trying again.
pub const MISTAKES_MAX: usize = 100;

/// Code of a name that is none.
const CODE_NAME: &str = "name";

/// An object that exists, as it is stored and as it would be.
#[derive(Debug, Clone, Copy)]
struct Existing<'a> {
    old: &'a Value,
    new: &'a Value,
}

/// Everything that is wrong with one object by itself; an empty list admits it.
pub fn admit(manifest: &Manifest) -> Vec<Diagnostic> {
    check(manifest, manifest.value(), None)
}

/// The same, of an object that is at hand and not needed afterwards.
pub fn admit_value(manifest: &Manifest, value: Value) -> Vec<Diagnostic> {
    check(manifest, value, None)
}

/// The same, for an object that exists: `old` is what is stored, and what applying the manifest makes of it is judged, with the
/// rules about what may not change.
pub fn admit_change(manifest: &Manifest, old: &Value, outcome: &Outcome) -> Vec<Diagnostic> {
    check(manifest, manifest.value(), Some(Existing { old, new: &outcome.object }))
}

fn check(manifest: &Manifest, value: Value, existing: Option<Existing<'_>>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if foreign::is_foreign(Some(&manifest.api_version), Some(&manifest.kind)) {
        return vec![foreign_object(manifest)];
    }
    let Some(kind) = Kind::named(&manifest.kind) else {
        return vec![unknown_kind(manifest)];
    };
    // What is too large is not looked into: that would cost the more, the larger it is.
    if let Some(mistake) = too_large(manifest, &value) {
        return vec![mistake];
    }
    check_version(manifest, &mut found);
    check_metadata(manifest, kind, &value, &mut found);
    secrets::check(manifest, &value, existing.map(|it| it.old), &mut found);
    variables::check(manifest, &value, &mut found);
    check_schema(manifest, kind, value, existing, &mut found);
    found
}

/// An object of another API group, in a file that was named for ours.
fn foreign_object(manifest: &Manifest) -> Diagnostic {
    let span = manifest.value_at([Step::Field("apiVersion")]);
    let message = format!("a {} of {} is not of {GROUP}", quote(&manifest.kind), quote(&manifest.api_version));
    Diagnostic::error("foreign", message, &manifest.source, span)
        .hint("take it out of the file, or give `-f` the folder: there, what is not of gastown.io is skipped")
}

fn unknown_kind(manifest: &Manifest) -> Diagnostic {
    let span = manifest.value_at([Step::Field("kind")]);
    let message = format!("no kind is named {}", quote(&manifest.kind));
    let mistake = Diagnostic::error("unknown-kind", message, &manifest.source, span);
    if let Some(kind) = Kind::called(&manifest.kind.to_ascii_lowercase()) {
        return mistake.hint(format!("did you mean `{}`?", kind.name));
    }
    match suggest::hint(&manifest.kind, KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>()) {
        Some(hint) => mistake.hint(hint),
        None => mistake,
    }
}

fn check_version(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    // One that is missing was told when the file was read.
    if manifest.api_version != API_VERSION && !manifest.api_version.is_empty() {
        let span = manifest.value_at([Step::Field("apiVersion")]);
        let message = format!("no version is named {}", quote(&manifest.api_version));
        let mistake = Diagnostic::error("unknown-version", message, &manifest.source, span);
        found.push(mistake.hint(format!("write `apiVersion: {API_VERSION}`")));
    }
}

/// An object of another namespace belongs to another town than this.
pub fn of_another_town(manifest: &Manifest, town: &str) -> Option<Diagnostic> {
    let value = manifest.value();
    let namespace = value.pointer("/metadata/namespace")?.as_str().filter(|namespace| *namespace != town)?;
    let span = manifest.value_at([Step::Field("metadata"), Step::Field("namespace")]);
    let message = format!("this is for the town {}, and this town is `{town}`", quote(namespace));
    Some(Diagnostic::error("namespace", message, &manifest.source, span))
}

/// Fields of `metadata` that an apiserver knows.
pub const METADATA: [&str; 14] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "uid",
];

fn check_metadata(manifest: &Manifest, kind: &Kind, value: &Value, found: &mut Vec<Diagnostic>) {
    if let Some(mistake) = check_name(manifest, kind, value) {
        found.push(mistake);
    }
    let metadata = value.get("metadata").and_then(Value::as_object);
    for (field, value) in metadata.into_iter().flatten() {
        if !METADATA.contains(&field.as_str()) {
            let span = manifest.key_at(["metadata".into(), field.as_str().into()]);
            let message = format!("unknown field {}", quote(field));
            let mistake =
                Diagnostic::error("unknown-field", message, &manifest.source, span).label("no field of `metadata`");
            found.push(match suggest::nearest(field, METADATA) {
                Some(near) => mistake.hint(format!("did you mean `{near}`?")),
                None => mistake,
            });
        }
        if field == "labels" || field == "annotations" {
            check_texts(manifest, field, value, found);
        }
    }
}

/// Labels and annotations are text.
fn check_texts(manifest: &Manifest, field: &str, value: &Value, found: &mut Vec<Diagnostic>) {
    let none = Map::new();
    let map = match value {
        Value::Object(map) => map,
        Value::Null => &none,
        _ => {
            let span = manifest.value_at(["metadata".into(), field.into()]);
            let message = format!("`metadata.{field}` must be a mapping");
            found.push(Diagnostic::error("wrong-type", message, &manifest.source, span));
            &none
        }
    };
    let is_label = field == "labels";
    for (key, value) in map {
        let path = ["metadata".into(), field.into(), key.as_str().into()];
        // Keys of annotations may be in upper case.
        let is_key = if is_label { names::is_qualified(key) } else { names::is_qualified(&key.to_lowercase()) };
        if !is_key {
            let message = format!("{} cannot be a key in `metadata.{field}`", quote(key));
            found.push(Diagnostic::error("form", message, &manifest.source, manifest.key_at(path)).hint(
                "a key is letters, digits, `-`, `_` and `.`, at most 63 characters; before it may stand a domain and `/`",
            ));
        }
        match value {
            Value::String(text) if is_label && !names::is_label_value(text) => {
                let message = format!("{} cannot be the value of a label", quote(text));
                let mistake = Diagnostic::error("form", message, &manifest.source, manifest.value_at(path));
                found
                    .push(mistake.hint(
                        "letters, digits, `-`, `_` and `.`, at most 63 characters; an annotation takes any text",
                    ));
            }
            Value::String(_) => {}
            _ => {
                let message = format!("{} in `metadata.{field}` must be text", quote(key));
                let mistake = Diagnostic::error("wrong-type", message, &manifest.source, manifest.value_at(path));
                found.push(mistake.hint("put it in quotes"));
            }
        }
    }
}

/// Names end up in paths, branches, sessions and URLs: nothing but labels is let in.
fn check_name(manifest: &Manifest, kind: &Kind, value: &Value) -> Option<Diagnostic> {
    let name = &manifest.name;
    if lacks_name(value) {
        return None;
    }
    // What `gt` names is `<bead>.<step>` too. A bead's branch ends with its name; a step has none.
    let is_step = value.pointer("/spec/type").is_some_and(|type_| type_ == "Step");
    if kind.name == "Bead" && !is_step && branch::is_lock(name) {
        let message = format!("{} is no name for a Bead: git allows no branch that ends with `.lock`", quote(name));
        return Some(
            Diagnostic::error(CODE_NAME, message, &manifest.source, manifest.name_at()).hint("give it another name"),
        );
    }
    let parts_ok = |text: &str| text.len() <= 253 && text.split('.').all(names::is_label);
    let ok = match kind.named_by {
        NamedBy::Gt => parts_ok(name),
        NamedBy::People => names::is_label(name),
    };
    if ok {
        return None;
    }
    let message = format!("{} is no name for a {}", quote(name), manifest.kind);
    let mistake = Diagnostic::error(CODE_NAME, message, &manifest.source, manifest.name_at());
    let hint = format!("a name is lower-case letters, digits and `-`, at most {} characters", names::NAME_BYTES_MAX);
    let proposal = proposed_name(name);
    Some(match proposal {
        Some(proposal) => mistake.hint(format!("{hint}, such as `{proposal}`")),
        None => mistake.hint(hint),
    })
}

/// Whether an object has no name, which was told when the file was read.
fn lacks_name(value: &Value) -> bool {
    !value.pointer("/metadata/name").is_some_and(Value::is_string)
}

/// What the name may have been meant to be.
fn proposed_name(name: &str) -> Option<String> {
    let lower: String = name
        .chars()
        .take(names::NAME_BYTES_MAX)
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .collect();
    let words: Vec<&str> = lower.split('-').filter(|word| !word.is_empty()).collect();
    let proposal = words.join("-");
    names::is_label(&proposal).then_some(proposal)
}

fn too_large(manifest: &Manifest, value: &Value) -> Option<Diagnostic> {
    let bytes = bytes_of(value);
    (bytes > OBJECT_BYTES_MAX).then(|| {
        let message =
            format!("this {} has {} KiB; an object has at most {}", manifest.kind, bytes >> 10, OBJECT_BYTES_MAX >> 10);
        Diagnostic::error("too-large", message, &manifest.source, manifest.name_at())
            .hint("long texts belong into files of the repository, which agents read")
    })
}

/// Prune, default, validate and rules, in an apiserver's order; but what it would silently drop is a mistake here, and what
/// one mistake does not touch is judged all the same.
fn check_schema(
    manifest: &Manifest,
    kind: &Kind,
    mut object: Value,
    existing: Option<Existing<'_>>,
    found: &mut Vec<Diagnostic>,
) {
    let is_unnamed = lacks_name(&object);
    let dropped = kind.schema().prune(&mut object);
    let old = existing.map(|it| it.old);
    if let Some(Existing { old: _, new }) = existing {
        object.clone_from(new);
    }
    kind.schema().default(&mut object);
    let violations = kind.schema().validate(&object);
    // What is no list has no items, and one mistake about it is enough; and what a header lacks was told with the field in its
    // place, when the file was read.
    let is_told = |path: &FieldPath| {
        let is_below =
            |it: &Violation| it.reason == Reason::TypeInvalid && path.segments().starts_with(it.path.segments());
        violations.iter().any(is_below) || header::is_meant(path.segments(), &manifest.api_version, is_unnamed)
    };
    let unknown = dropped.iter().take(MISTAKES_MAX).filter(|path| !is_told(path));
    found.extend(unknown.map(|path| words::unknown_field(manifest, kind, path)));
    // What was stored was judged then, as an apiserver ratchets its validation (KEP-4008).
    if old.is_some_and(|old| old["spec"] == object["spec"]) {
        return;
    }
    // A field that is misspelled is not missing.
    let meant: Vec<FieldPath> = dropped.iter().take(MISTAKES_MAX).filter_map(|path| words::meant(kind, path)).collect();
    let mut violations = violations;
    violations.retain(|it| it.reason != Reason::Required || !meant.contains(&it.path));
    let doubtful: Vec<FieldPath> = violations.iter().map(|it| it.path.clone()).chain(meant).collect();
    let broken = kind.schema().cel_beside(&object, old, &doubtful);
    // Rules of the object as a whole are about its name: one mistake about that is enough.
    let is_name_told = is_unnamed || found.iter().any(|mistake| mistake.code == CODE_NAME);
    let broken = broken.iter().filter(|violation| !(is_name_told && violation.path.is_root()));
    found.extend(violations.iter().map(|violation| words::refused(manifest, kind, violation)));
    found.extend(broken.map(|violation| words::rule(manifest, kind, violation)));
}
