//! Work that could not run: a bead for the `script` runtime whose formula needs a `command` that nobody gave. It is a warning, and applied:
//! the command may follow.

use gastown_controllers::bead::FORMULA_DEFAULT;
use gastown_controllers::town::RUNTIME_DEFAULT;
use gastown_crds::admission::Known as _;
use gastown_crds::manifest::{self, Diagnostic, Manifest, Severity, Step};
use serde_json::Value;

use super::Stored;
use crate::world::agents::AGENTS;

/// Warnings about the beads and convoys among these manifests.
pub fn missing(manifests: &[Manifest], stored: &Stored) -> Vec<Diagnostic> {
    let known = Known { manifests, stored };
    let mut found = Vec::new();
    for manifest in manifests {
        let spec = &manifest.value["spec"];
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

/// What is known of objects: as the files say, else as the store does, else as they are built in.
struct Known<'a> {
    manifests: &'a [Manifest],
    stored: &'a Stored,
}

impl Known<'_> {
    fn lacks_command(&self, bead: &Value, convoy: Option<&Value>) -> bool {
        let own = |field: &str| bead[field].as_str().or_else(|| convoy?[field].as_str());
        if bead["command"].is_string() || bead["type"] == "Step" {
            return false;
        }
        let Some(rig) = own("rig").and_then(|rig| self.spec("Rig", rig)) else { return false };
        self.is_script(&rig) && self.needs_command(own("formula").unwrap_or(FORMULA_DEFAULT))
    }

    /// Whether its work is run by the built-in agent that only knows commands.
    fn is_script(&self, rig: &Value) -> bool {
        let town = self.spec("Town", "town").unwrap_or_default();
        let name = rig["runtime"].as_str().or_else(|| town["runtime"].as_str()).unwrap_or(RUNTIME_DEFAULT);
        let runtime = self.spec("Runtime", name).unwrap_or_default();
        runtime["command"][0] == AGENTS[0].0
    }

    /// Whether a step of it has nothing to run but the bead's command.
    fn needs_command(&self, formula: &str) -> bool {
        let formula = self.spec("Formula", formula).unwrap_or_default();
        let steps = formula["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        steps.iter().any(|step| step["run"].as_str().is_none_or(|run| run.contains("{{command}}")))
    }

    fn spec(&self, kind: &str, name: &str) -> Option<Value> {
        let mut here = self.manifests.iter().filter(|it| it.kind == kind && it.name == name);
        if let Some(manifest) = here.next() {
            return Some(manifest.value["spec"].clone());
        }
        self.stored.spec(kind, name)
    }
}
