//! Admission: what a manifest may say, checked as an apiserver would, and reported to a person, with the place in the file.
//!
//! `admit` looks at one object, `admit_set` at what objects say of each other.

pub(crate) mod convoy;
mod fields;
pub(crate) mod formula;
mod references;
pub(crate) mod rigs;
mod secrets;
mod set;
mod words;

use serde_json::{Map, Value};

use crate::branch;
use crate::common::{API_VERSION, GROUP};
use crate::kinds::{KINDS, Kind, NamedBy};
use crate::manifest::{Diagnostic, Manifest, Step, foreign, quote};
use crate::merge_patch;
use crate::names;
use crate::suggest;

pub(crate) use set::{CheckAmong, nothing_more};
pub use set::{Known, SetOptions, admit_set};

/// Largest object, in bytes of JSON.
pub const OBJECT_BYTES_MAX: usize = 256 << 10;

/// Most mistakes reported of one object, and of one set: nobody corrects more before trying again.
pub const MISTAKES_MAX: usize = 100;

/// Code of a name that is none.
const CODE_NAME: &str = "name";

/// Everything that is wrong with one object by itself; an empty list admits it.
pub fn admit(manifest: &Manifest) -> Vec<Diagnostic> {
    check(manifest, None)
}

/// The same, for an object that exists: `old` is what is stored, and what the manifest leaves out stays as it is. Rules
/// about what may not change are checked too.
pub fn admit_change(manifest: &Manifest, old: &Value) -> Vec<Diagnostic> {
    check(manifest, Some(old))
}

fn check(manifest: &Manifest, old: Option<&Value>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if foreign::is_foreign(Some(&manifest.api_version), Some(&manifest.kind)) {
        return vec![foreign_object(manifest)];
    }
    let Some(kind) = Kind::named(&manifest.kind) else {
        return vec![unknown_kind(manifest)];
    };
    // What is too large is not looked into: that would cost the more, the larger it is.
    if let Some(mistake) = too_large(manifest) {
        return vec![mistake];
    }
    let value = manifest.value();
    check_version(manifest, &mut found);
    check_metadata(manifest, kind, &value, &mut found);
    secrets::check(manifest, &value, old, &mut found);
    check_schema(manifest, kind, value, old, &mut found);
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
    match suggest::hint(&manifest.kind, KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>()) {
        Some(hint) => mistake.hint(hint),
        None => mistake,
    }
}

fn check_version(manifest: &Manifest, found: &mut Vec<Diagnostic>) {
    if manifest.api_version != API_VERSION {
        let span = manifest.value_at([Step::Field("apiVersion")]);
        let message = format!("no version is named {}", quote(&manifest.api_version));
        let mistake = Diagnostic::error("unknown-version", message, &manifest.source, span);
        found.push(mistake.hint(format!("write `apiVersion: {API_VERSION}`")));
    }
}

/// Fields of `metadata` that an apiserver knows.
const METADATA: [&str; 14] = [
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

fn too_large(manifest: &Manifest) -> Option<Diagnostic> {
    let bytes = manifest.bytes();
    (bytes > OBJECT_BYTES_MAX).then(|| {
        let message =
            format!("this {} has {} KiB; an object has at most {}", manifest.kind, bytes >> 10, OBJECT_BYTES_MAX >> 10);
        Diagnostic::error("too-large", message, &manifest.source, manifest.name_at())
    })
}

/// Prune, default, validate and rules, in an apiserver's order; but what it would silently drop is a mistake here.
fn check_schema(manifest: &Manifest, kind: &Kind, mut object: Value, old: Option<&Value>, found: &mut Vec<Diagnostic>) {
    let dropped = kind.schema().prune(&mut object);
    found.extend(dropped.iter().take(MISTAKES_MAX).map(|path| words::unknown_field(manifest, kind, path)));
    if let Some(old) = old {
        let patch = std::mem::replace(&mut object, old.clone());
        merge_patch::apply(&mut object, &patch);
    }
    kind.schema().default(&mut object);
    // What was stored was judged then, as an apiserver ratchets its validation (KEP-4008).
    if old == Some(&object) {
        return;
    }
    let violations = kind.schema().validate(&object);
    if violations.is_empty() {
        let broken = kind.schema().cel(&object, old);
        // Rules of the object as a whole are about its name: one mistake about that is enough.
        let is_name_told = found.iter().any(|mistake| mistake.code == CODE_NAME);
        let broken = broken.iter().filter(|violation| !(is_name_told && violation.path.is_root()));
        found.extend(broken.map(|violation| words::rule(manifest, kind, violation)));
    } else {
        found.extend(violations.iter().map(|violation| words::refused(manifest, kind, violation)));
    }
}
