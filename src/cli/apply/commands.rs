//! Work that could not run: a bead for the `script` runtime whose formula needs a `command` that nobody gave. It is a warning, and applied:
//! the command may follow.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::bead::FORMULA_DEFAULT;
use gastown_controllers::town::RUNTIME_DEFAULT;
use gastown_crds::admission;
use gastown_crds::manifest::{self, Diagnostic, Manifest, Severity, Step};
use serde_json::Value;

use crate::world::agents::AGENTS;

/// Warnings about the beads and convoys among these manifests.
pub fn missing(manifests: &[Manifest], stored: &dyn admission::Known) -> Vec<Diagnostic> {
    let mut known = Known::new(manifests, stored);
    let mut found = Vec::new();
    for manifest in manifests {
        if !matches!(manifest.kind.as_str(), "Bead" | "Convoy") {
            continue;
        }
        let spec = &manifest.value()["spec"];
        match manifest.kind.as_str() {
            "Bead" if known.lacks_command(spec, None) => {
                found.push(warning(manifest, vec!["spec".into()], &manifest.name, 0));
            }
            "Convoy" => {
                let items = spec["beads"].as_array().map(Vec::as_slice).unwrap_or_default();
                let mut lacking = items.iter().enumerate().filter(|(_, item)| known.lacks_command(item, Some(spec)));
                let first = lacking.next();
                let others = lacking.count();
                found.extend(first.map(|(nth, item)| {
                    let path = vec!["spec".into(), "beads".into(), nth.into(), "name".into()];
                    warning(manifest, path, item["name"].as_str().unwrap_or_default(), others)
                }));
            }
            _ => {}
        }
    }
    found
}

/// The rig and the formula of each bead, in an object of this kind, that gives no command.
pub fn without_command(kind: &str, spec: &Value) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut add = |bead: &Value, convoy: Option<&Value>| {
        if let Some(rig) = rig_without_command(bead, convoy) {
            found.insert((rig.to_owned(), formula_of(bead, convoy).to_owned()));
        }
    };
    match kind {
        "Bead" => add(spec, None),
        "Convoy" => spec["beads"].as_array().into_iter().flatten().for_each(|bead| add(bead, Some(spec))),
        _ => {}
    }
    found
}

/// Whether work of a rig by a formula needs a command, as far as objects are known.
pub fn is_needed(rig: &str, formula: &str, known: &dyn admission::Known) -> bool {
    let mut known = Known::new(&[], known);
    known.is_script(rig) && known.needs_command(formula)
}

/// The rig of a bead that gives no command.
fn rig_without_command<'a>(bead: &'a Value, convoy: Option<&'a Value>) -> Option<&'a str> {
    if bead["command"].is_string() || bead["type"] == "Step" {
        return None;
    }
    bead["rig"].as_str().or_else(|| convoy?["rig"].as_str())
}

fn formula_of<'a>(bead: &'a Value, convoy: Option<&'a Value>) -> &'a str {
    bead["formula"].as_str().or_else(|| convoy?["formula"].as_str()).unwrap_or(FORMULA_DEFAULT)
}

fn warning(manifest: &Manifest, path: Vec<Step<'_>>, name: &str, others: usize) -> Diagnostic {
    let name = manifest::quote(name);
    let who = match others {
        0 => format!("{name} has"),
        1 => format!("{name} and another bead have"),
        n => format!("{name} and {n} other beads have"),
    };
    let message = format!("{who} no `command`, and the `script` runtime runs nothing else");
    let mut warning = Diagnostic::error("no-command", message, &manifest.source, manifest.value_at(path))
        .hint("add `command: …`, or name an agent that reads the text: `spec.runtime` of its Rig or of the Town");
    warning.severity = Severity::Warning;
    warning
}

/// What is known of objects: as the files say, else as the store does, else as they are built in. Ten thousand beads are of a
/// few rigs and formulas: each of these is looked at once.
struct Known<'a> {
    declared: BTreeMap<(&'a str, &'a str), &'a Manifest>,
    stored: &'a dyn admission::Known,
    /// Rigs whose work is run by the built-in agent that only knows commands.
    script: BTreeMap<String, bool>,
    /// Formulas with a step that has nothing to run but the bead's command.
    need_command: BTreeMap<String, bool>,
}

impl<'a> Known<'a> {
    fn new(manifests: &'a [Manifest], stored: &'a dyn admission::Known) -> Self {
        let mut declared = BTreeMap::new();
        for manifest in manifests {
            declared.entry((manifest.kind.as_str(), manifest.name.as_str())).or_insert(manifest);
        }
        Self { declared, stored, script: BTreeMap::new(), need_command: BTreeMap::new() }
    }

    fn lacks_command(&mut self, bead: &Value, convoy: Option<&Value>) -> bool {
        rig_without_command(bead, convoy)
            .is_some_and(|rig| self.is_script(rig) && self.needs_command(formula_of(bead, convoy)))
    }

    fn is_script(&mut self, rig: &str) -> bool {
        if let Some(known) = self.script.get(rig) {
            return *known;
        }
        let is_script = self.spec("Rig", rig).is_some_and(|rig| {
            let town = self.spec("Town", "town").unwrap_or_default();
            let name = rig["runtime"].as_str().or_else(|| town["runtime"].as_str()).unwrap_or(RUNTIME_DEFAULT);
            let runtime = self.spec("Runtime", name).unwrap_or_default();
            runtime["command"][0] == AGENTS[0].0
        });
        self.script.insert(rig.to_owned(), is_script);
        is_script
    }

    fn needs_command(&mut self, formula: &str) -> bool {
        if let Some(known) = self.need_command.get(formula) {
            return *known;
        }
        let spec = self.spec("Formula", formula).unwrap_or_default();
        let mut steps = spec["steps"].as_array().into_iter().flatten();
        let needs_command = steps.any(|step| step["run"].as_str().is_none_or(|run| run.contains("{{command}}")));
        self.need_command.insert(formula.to_owned(), needs_command);
        needs_command
    }

    fn spec(&self, kind: &str, name: &str) -> Option<Value> {
        match self.declared.get(&(kind, name)) {
            Some(manifest) => Some(manifest.value()["spec"].take()),
            None => self.stored.spec(kind, name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::cell::Cell;

    /// A store with one rig of the built-in agent, which counts how often it is asked.
    #[derive(Default)]
    struct Counting(Cell<usize>);

    impl admission::Known for Counting {
        fn names(&self, _: &str) -> Vec<String> {
            Vec::new()
        }

        fn spec(&self, kind: &str, _: &str) -> Option<Value> {
            self.0.set(self.0.get() + 1);
            match kind {
                "Rig" => Some(json!({})),
                "Runtime" => Some(json!({ "command": [AGENTS[0].0] })),
                "Formula" => Some(json!({ "steps": [{ "run": "{{command}}" }] })),
                _ => None,
            }
        }
    }

    #[test]
    fn what_many_beads_have_in_common_is_looked_at_once() {
        for count in [1, 1000] {
            let head = "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: { name: b }\n";
            let text = format!("{head}spec: {{ title: x, rig: shop }}\n---\n").repeat(count);
            let manifests = manifest::parse("a.yaml", &text).unwrap();
            let stored = Counting::default();
            assert_eq!(missing(&manifests, &stored).len(), count);
            assert_eq!(stored.0.get(), 4, "a rig, the town, a runtime and a formula");
        }
    }
}
