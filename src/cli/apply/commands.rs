//! Work that could not run: a bead for the `script` runtime whose formula needs a `command` that nobody gave. It is a warning, and applied:
//! the command may follow.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::bead::FORMULA_DEFAULT;
use gastown_controllers::runtime::Named;
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

/// Work that gives no command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Idle {
    rig: String,
    formula: String,
    /// The Runtime that the bead, or its convoy, names.
    runtime: Option<String>,
}

/// The beads, in an object of this kind, that give no command.
pub fn without_command(kind: &str, spec: &Value) -> BTreeSet<Idle> {
    let mut found = BTreeSet::new();
    let mut add = |bead: &Value, convoy: Option<&Value>| found.extend(idle(bead, convoy));
    match kind {
        "Bead" => add(spec, None),
        "Convoy" => spec["beads"].as_array().into_iter().flatten().for_each(|bead| add(bead, Some(spec))),
        _ => {}
    }
    found
}

/// Whether this work needs a command, as far as objects are known.
pub fn is_needed(idle: &Idle, known: &dyn admission::Known) -> bool {
    Known::new(&[], known).needs(idle)
}

/// A bead that gives no command.
fn idle(bead: &Value, convoy: Option<&Value>) -> Option<Idle> {
    if bead["command"].is_string() || bead["type"] == "Step" {
        return None;
    }
    // What a bead says goes before what its convoy says of all.
    let said = |field: &str| bead[field].as_str().or_else(|| convoy?[field].as_str()).map(str::to_owned);
    let formula = said("formula").unwrap_or_else(|| FORMULA_DEFAULT.to_owned());
    Some(Idle { rig: said("rig")?, formula, runtime: said("runtime") })
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
        .hint("add `command: …`, or name an agent that reads the text: `runtime` of the bead, its Convoy, its Rig or the Town");
    warning.severity = Severity::Warning;
    warning
}

/// What is known of objects: as the files say, else as the store does, else as they are built in. Ten thousand beads are of a
/// few rigs and formulas: each of these is looked at once.
struct Known<'a> {
    declared: BTreeMap<(&'a str, &'a str), &'a Manifest>,
    stored: &'a dyn admission::Known,
    /// Runtimes by what names them, a bead or its rig: whether it is the built-in agent that only knows commands.
    script: BTreeMap<(Option<String>, String), bool>,
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
        idle(bead, convoy).is_some_and(|idle| self.needs(&idle))
    }

    fn needs(&mut self, idle: &Idle) -> bool {
        self.is_script(idle) && self.needs_command(&idle.formula)
    }

    /// Whether it is run by the built-in agent that only knows commands. Which polecat will have it is not known.
    fn is_script(&mut self, Idle { rig, runtime, .. }: &Idle) -> bool {
        let key = (runtime.clone(), rig.clone());
        if let Some(known) = self.script.get(&key) {
            return *known;
        }
        let is_script = self.spec("Rig", rig).is_some_and(|rig| {
            let town = self.spec("Town", "town").unwrap_or_default();
            let (rig, town) = (rig["runtime"].as_str(), town["runtime"].as_str());
            let (name, _) = Named { bead: runtime.as_deref(), rig, town, ..Named::default() }.smallest();
            self.spec("Runtime", name).unwrap_or_default()["command"][0] == AGENTS[0].0
        });
        self.script.insert(key, is_script);
        is_script
    }

    fn needs_command(&mut self, formula: &str) -> bool {
        if let Some(known) = self.need_command.get(formula) {
            return *known;
        }
        let spec = self.spec("Formula", formula).unwrap_or_default();
        // A step that is for a runtime of its own is not done by this one.
        let mut steps = spec["steps"].as_array().into_iter().flatten().filter(|step| step["runtime"].is_null());
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
