//! Running CEL rules: the walk is ours, so that `oldSelf` is what an apiserver would give; the engine is kube-cel.

use kube_cel::{ErrorKind, validate_compiled};
use serde_json::{Map, Value};

use super::compile::{ListType, Node};
use super::path::{At, FieldPath, Segment};
use super::violation::{Reason, Violation};

/// A rule that did not hold, or could not be run.
struct Broken {
    violation: Violation,
    /// Where the rule stands.
    at: FieldPath,
    rule: String,
    /// It was run, and does not hold.
    is_answer: bool,
}

pub(super) fn cel(root: &Node, object: &Value, old: Option<&Value>) -> Vec<Violation> {
    broken(root, object, old).into_iter().map(|broken| broken.violation).collect()
}

pub(super) fn cel_beside(root: &Node, object: &Value, old: Option<&Value>, doubtful: &[FieldPath]) -> Vec<Violation> {
    let mut found = broken(root, object, old);
    if !doubtful.is_empty() {
        found.retain(|broken| doubtful.iter().all(|path| !broken.rests_on(path)));
    }
    found.into_iter().map(|broken| broken.violation).collect()
}

impl Broken {
    /// Whether the rule's answer may be another once this field is right.
    fn rests_on(&self, doubtful: &FieldPath) -> bool {
        let (at, path) = (self.at.segments(), doubtful.segments());
        match path.strip_prefix(at) {
            // The rule judges a value below: it does if it names the way there.
            Some([Segment::Field(name) | Segment::Key(name), ..]) => {
                !self.is_answer || self.rule.contains(name.as_str())
            }
            Some([] | [Segment::Index(_), ..]) => true,
            None => at.starts_with(path),
        }
    }
}

fn broken(root: &Node, object: &Value, old: Option<&Value>) -> Vec<Broken> {
    let mut found = Vec::new();
    if root.has_rules {
        // Rules of the object itself see of its metadata only the name: the rest is not theirs to judge.
        if root.rules.is_some() {
            let (narrow, old_narrow) = (narrowed(object), old.map(narrowed));
            run(root, &narrow, old_narrow.as_ref(), At::ROOT, &mut found);
        }
        below(root, object, old, At::ROOT, &mut found);
    }
    found
}

fn narrowed(object: &Value) -> Value {
    let Some(map) = object.as_object() else { return object.clone() };
    let copy = map.iter().map(|(name, value)| {
        let Some(metadata) = value.as_object().filter(|_| name == "metadata") else {
            return (name.clone(), value.clone());
        };
        let named = ["name", "generateName"].into_iter();
        let kept: Map<_, _> = named.filter_map(|key| Some((key.to_owned(), metadata.get(key)?.clone()))).collect();
        (name.clone(), Value::Object(kept))
    });
    Value::Object(copy.collect())
}

fn walk(node: &Node, value: &Value, old: Option<&Value>, at: At<'_>, found: &mut Vec<Broken>) {
    if !node.has_rules || (value.is_null() && node.nullable) {
        return;
    }
    // What was stored was judged then; judging it again would cost every status write the rules of the whole spec, and
    // would hold an object fast that a newer schema no longer likes. An apiserver does not either (ratcheting).
    if !node.has_transition_rules && old == Some(value) {
        return;
    }
    run(node, value, old, at, found);
    below(node, value, old, at, found);
}

fn below(node: &Node, value: &Value, old: Option<&Value>, at: At<'_>, found: &mut Vec<Broken>) {
    match value {
        Value::Object(map) => {
            for (name, child) in map {
                let old_child = old.and_then(|it| it.get(name));
                if let Some(declared) = node.properties.get(name) {
                    walk(declared, child, old_child, at.field(name), found);
                } else if let Some(any) = node.property(name) {
                    walk(any, child, old_child, at.key(name), found);
                }
            }
        }
        // One that is too long is refused; its bound is what keeps the rest cheap.
        Value::Array(list) if node.items_count.max.is_none_or(|max| list.len() <= max) => {
            if let Some(items) = node.items.as_deref().filter(|it| it.has_rules) {
                for (index, child) in list.iter().enumerate() {
                    walk(items, child, old_item(node, child, old), at.index(index), found);
                }
            }
        }
        _ => {}
    }
    for branch in node.all_of.iter().chain(&node.any_of).chain(&node.one_of) {
        walk(branch, value, old, at, found);
    }
}

/// The item that this one was, which is known only in a list that is a map.
fn old_item<'a>(node: &Node, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    let ListType::Map(keys) = &node.list else { return None };
    old?.as_array()?.iter().find(|was| keys.iter().all(|key| was.get(key) == item.get(key)))
}

fn run(node: &Node, value: &Value, old: Option<&Value>, at: At<'_>, found: &mut Vec<Broken>) {
    let Some(rules) = &node.rules else { return };
    let Err(errors) = validate_compiled(rules.compiled(), value, old) else { return };
    for error in errors.into_vec() {
        let path = deeper(at.to_path(), &error.field_path);
        let detail = match error.kind {
            ErrorKind::ValidationFailure => error.message,
            _ => format!("{} (rule: {})", error.message, &error.rule),
        };
        let is_answer = matches!(error.kind, ErrorKind::ValidationFailure);
        let violation = match error.reason.as_deref() {
            Some("FieldValueForbidden") => Violation::forbidden(path, &detail),
            Some("FieldValueRequired") => {
                Violation { path, reason: Reason::Required, message: format!("Required value: {detail}") }
            }
            Some("FieldValueDuplicate") => {
                Violation { path, reason: Reason::Duplicate, message: format!("Duplicate value: {detail}") }
            }
            _ => Violation::invalid(path, &type_or_scalar(value), &detail),
        };
        found.push(Broken { violation, at: at.to_path(), rule: error.rule, is_answer });
    }
}

/// Whole objects would drown the sentence, so an apiserver names their type instead.
fn type_or_scalar(value: &Value) -> Value {
    match value {
        Value::Object(_) => Value::from("object"),
        Value::Array(_) => Value::from("array"),
        scalar => scalar.clone(),
    }
}

/// Appends a rule's own `fieldPath` (`.a.b`), which kube-cel answers relative to the place of the rule.
fn deeper(path: FieldPath, relative: &str) -> FieldPath {
    let names = relative.split('.').filter(|name| !name.is_empty());
    names.fold(path, |path, name| path.child(Segment::Field(name.to_owned())))
}
