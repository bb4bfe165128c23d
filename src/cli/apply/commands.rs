//! Commands and the `script` runtime, which runs nothing else: a bead whose formula needs a `command` that nobody gave could not run,
//! and one whose formula runs it nowhere gives it for nothing. Each is a warning, and applied: the command may follow.
//!
//! Under every other runtime a `command` is heeded: `gt prime` shows it to the agent, as what does the work.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::bead::FORMULA_DEFAULT;
use gastown_controllers::runtime::Named;
use gastown_crds::admission;
use gastown_crds::bead::BeadType;
use gastown_crds::formula_text::uses;
use gastown_crds::manifest::{self, Diagnostic, Manifest, Step};
use serde_json::Value;

use super::too_late::warning;
use crate::world::agents::AGENTS;

/// Code of the warning that there is no command.
const CODE_LACKS: &str = "no-command";

/// Whether work among these manifests lacks the command that it needs.
pub fn is_missing(manifests: &[Manifest], stored: &dyn admission::Known) -> bool {
    check(manifests, stored).iter().any(|warning| warning.code == CODE_LACKS)
}

/// Whether a Bead of this spec needs a command and has none, as far as objects are known.
pub fn bead_lacks(spec: &Value, known: &dyn admission::Known) -> bool {
    Known::new(&[], known).wrong(spec, None) == Some(Wrong::Lacks)
}

/// Warnings about the beads and convoys among these manifests.
pub fn check(manifests: &[Manifest], stored: &dyn admission::Known) -> Vec<Diagnostic> {
    let mut known = Known::new(manifests, stored);
    let mut found = Vec::new();
    for manifest in manifests {
        if !matches!(manifest.kind.as_str(), "Bead" | "Convoy") {
            continue;
        }
        let spec = &manifest.value()["spec"];
        match manifest.kind.as_str() {
            "Bead" => match known.wrong(spec, None) {
                Some(Wrong::Lacks) => found.push(lacks(manifest, vec!["spec".into()], &manifest.name, 0)),
                Some(Wrong::Ignores(formula)) => {
                    found.push(ignores(manifest, vec!["spec".into(), "command".into()], &manifest.name, 0, &formula));
                }
                None => {}
            },
            "Convoy" => {
                let items = spec["beads"].as_array().map(Vec::as_slice).unwrap_or_default();
                let wrong =
                    items.iter().enumerate().filter_map(|(nth, it)| Some((nth, it, known.wrong(it, Some(spec))?)));
                let (lacking, ignoring): (Vec<_>, Vec<_>) = wrong.partition(|(_, _, wrong)| *wrong == Wrong::Lacks);
                let path = |nth: usize, field| vec!["spec".into(), "beads".into(), nth.into(), Step::Field(field)];
                let name = |item: &Value| item["name"].as_str().unwrap_or_default().to_owned();
                found.extend(
                    lacking
                        .first()
                        .map(|(nth, item, _)| lacks(manifest, path(*nth, "name"), &name(item), lacking.len() - 1)),
                );
                if let Some((nth, item, Wrong::Ignores(formula))) = ignoring.first() {
                    let others = ignoring.len() - 1;
                    found.push(ignores(manifest, path(*nth, "command"), &name(item), others, formula));
                }
            }
            _ => {}
        }
    }
    found
}

/// Work, as far as it decides whether a command is run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Work {
    rig: String,
    formula: String,
    has_command: bool,
    /// The Runtime that the bead, or its convoy, names.
    runtime: Option<String>,
}

/// What is wrong with the command of a bead.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wrong {
    /// It has none, and nothing else is run.
    Lacks,
    /// No step of this formula runs it.
    Ignores(String),
}

/// The work of an object of this kind.
pub fn of(kind: &str, spec: &Value) -> BTreeSet<Work> {
    let mut found = BTreeSet::new();
    let mut add = |bead: &Value, convoy: Option<&Value>| found.extend(work(bead, convoy));
    match kind {
        "Bead" => add(spec, None),
        "Convoy" => spec["beads"].as_array().into_iter().flatten().for_each(|bead| add(bead, Some(spec))),
        _ => {}
    }
    found
}

/// Whether this work has no command that it needs, or one that nothing runs, as far as objects are known.
pub fn is_wrong(work: &Work, known: &dyn admission::Known) -> bool {
    Known::new(&[], known).judge(work).is_some()
}

/// A bead that is worked on.
fn work(bead: &Value, convoy: Option<&Value>) -> Option<Work> {
    let type_ = serde_json::from_value::<BeadType>(bead["type"].clone()).ok();
    if type_.is_some_and(|type_| !type_.is_dispatched()) {
        return None;
    }
    // What a bead says goes before what its convoy says of all.
    let said = |field: &str| bead[field].as_str().or_else(|| convoy?[field].as_str()).map(str::to_owned);
    let formula = said("formula").unwrap_or_else(|| FORMULA_DEFAULT.to_owned());
    let has_command = bead["command"].is_string();
    Some(Work { rig: said("rig")?, formula, has_command, runtime: said("runtime") })
}

fn lacks(manifest: &Manifest, path: Vec<Step<'_>>, name: &str, others: usize) -> Diagnostic {
    let message = format!("{} no `command`, and the `script` runtime runs nothing else", who_has(name, others));
    warning(CODE_LACKS, message, manifest, path)
        .hint("add `command: …`, or name an agent that reads the text: `runtime` of the bead, its Convoy, its Rig or the Town")
}

fn ignores(manifest: &Manifest, path: Vec<Step<'_>>, name: &str, others: usize, formula: &str) -> Diagnostic {
    let formula = manifest::quote(formula);
    let message = format!("{} a `command` that no step of formula {formula} runs", who_has(name, others));
    let hint =
        "the `script` runtime runs what steps say: write `{{command}}` into the `run` of one, or leave `command` out";
    warning("ignored-command", message, manifest, path).hint(hint)
}

fn who_has(name: &str, others: usize) -> String {
    let name = manifest::quote(name);
    match others {
        0 => format!("{name} has"),
        1 => format!("{name} and another bead have"),
        n => format!("{name} and {n} other beads have"),
    }
}

/// What is known of objects: as the files say, else as the store does, else as they are built in. Ten thousand beads are of a
/// few rigs and formulas: each of these is looked at once.
struct Known<'a> {
    declared: BTreeMap<(&'a str, &'a str), &'a Manifest>,
    stored: &'a dyn admission::Known,
    /// Runtimes by what names them, a bead or its rig: whether it is the built-in agent that only knows commands.
    script: BTreeMap<(Option<String>, String), bool>,
    formulas: BTreeMap<String, Formula>,
}

/// A formula, as far as commands matter.
#[derive(Debug, Clone, Copy, Default)]
struct Formula {
    /// Whether a step has nothing to run but the bead's command.
    needs_command: bool,
    /// Whether it has steps, and none of their texts has the bead's command in it.
    ignores_command: bool,
}

impl<'a> Known<'a> {
    fn new(manifests: &'a [Manifest], stored: &'a dyn admission::Known) -> Self {
        let mut declared = BTreeMap::new();
        for manifest in manifests {
            declared.entry((manifest.kind.as_str(), manifest.name.as_str())).or_insert(manifest);
        }
        Self { declared, stored, script: BTreeMap::new(), formulas: BTreeMap::new() }
    }

    fn wrong(&mut self, bead: &Value, convoy: Option<&Value>) -> Option<Wrong> {
        self.judge(&work(bead, convoy)?)
    }

    fn judge(&mut self, work: &Work) -> Option<Wrong> {
        if !self.is_script(work) {
            return None;
        }
        let Formula { needs_command, ignores_command } = self.formula(&work.formula);
        if work.has_command {
            ignores_command.then(|| Wrong::Ignores(work.formula.clone()))
        } else {
            needs_command.then_some(Wrong::Lacks)
        }
    }

    /// Whether it is run by the built-in agent that only knows commands. Which polecat will have it is not known.
    fn is_script(&mut self, Work { rig, runtime, .. }: &Work) -> bool {
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

    fn formula(&mut self, name: &str) -> Formula {
        if let Some(known) = self.formulas.get(name) {
            return *known;
        }
        let spec = self.spec("Formula", name).unwrap_or_default();
        let steps = spec["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let uses_it = |text: &Value| uses(text.as_str().unwrap_or_default()).iter().any(|(_, name)| *name == "command");
        let formula = Formula {
            // A step that is for a runtime of its own is not done by this one.
            needs_command: steps
                .iter()
                .filter(|step| step["runtime"].is_null())
                .any(|step| !step["run"].is_string() || uses_it(&step["run"])),
            ignores_command: !steps.is_empty()
                && !steps.iter().any(|step| ["run", "title", "description"].iter().any(|field| uses_it(&step[*field]))),
        };
        self.formulas.insert(name.to_owned(), formula);
        formula
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
            assert_eq!(check(&manifests, &stored).len(), count);
            assert_eq!(stored.0.get(), 4, "a rig, the town, a runtime and a formula");
        }
    }
}
