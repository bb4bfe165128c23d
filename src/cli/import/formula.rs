//! Formulas in TOML or JSON: as a Formula in YAML where one can say the same, else as they are, where `bd cook` finds them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gastown_crds::names;

use gastown_formula::{CookedStep, Format, FormulaType, Library, Mode, Protomolecule, Source, StepType, Var, cook};

use serde_json::{Map, Value, json};

use super::{Import, SETTINGS_BYTES_MAX, entries, object, read, refused};
use crate::cli::common::error::CliError;
use crate::cli::common::files;

/// The longest name of a Formula, and of a step of one.
const NAME_BYTES_MAX: usize = 63;
const STEP_BYTES_MAX: usize = 20;
/// The ends of the files of formulas.
const ENDS: [&str; 2] = [".formula.toml", ".formula.json"];

/// The formulas that were found, by name; of two with one name the first counts.
#[derive(Debug, Default)]
pub struct Shelf(BTreeMap<String, (PathBuf, Source)>);

impl Shelf {
    /// Adds those of a folder.
    pub fn add(&mut self, folder: &Path) -> Result<(), CliError> {
        for file in entries(folder)? {
            let Some(name) = ENDS.iter().find_map(|end| file.strip_suffix(end)) else { continue };
            let path = folder.join(&file);
            let Some(text) = read(&path, SETTINGS_BYTES_MAX)? else { continue };
            let format = Format::of_file(&file).unwrap_or(Format::Toml);
            let source = Source { file: path.display().to_string(), format, text };
            self.0.entry(name.to_owned()).or_insert((PathBuf::from(file), source));
        }
        Ok(())
    }
}

impl Library for Shelf {
    fn formula(&self, name: &str) -> Option<Source> {
        self.0.get(name).map(|(_, source)| source.clone())
    }
}

/// Puts all formulas into the import. One that only others use, or that says what a Formula cannot, stays in its own language.
pub fn put(shelf: &Shelf, import: &mut Import) -> Result<(), CliError> {
    for (name, (file, source)) in &shelf.0 {
        match yaml(name, source, shelf) {
            Ok((name, yaml)) => {
                import.file(Path::new("formulas").join(format!("{name}.yaml")), yaml)?;
            }
            Err(why) => {
                let path = Path::new(".beads/formulas").join(file);
                import.note(format!(
                    "the formula `{name}` stays as it is, {}: {why}; `bd cook {name}` reads it",
                    path.display()
                ));
                import.file(path, source.text.clone())?;
            }
        }
    }
    Ok(())
}

/// The name and the YAML of a Formula; else why there is none.
fn yaml(called: &str, source: &Source, shelf: &Shelf) -> Result<(String, String), String> {
    let cooked = cook(source, shelf, Mode::Compile, &BTreeMap::new()).map_err(|error| {
        let place = error.location.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
        format!("{place}{}", error.problem)
    })?;
    let name =
        files::label(called, NAME_BYTES_MAX).filter(|name| name == called).ok_or("it cannot be called so here")?;
    let yaml = object("Formula", &name, &spec(&cooked)?);
    match refused(&yaml) {
        None => Ok((name, yaml)),
        Some(why) => Err(why),
    }
}

fn spec(cooked: &Protomolecule) -> Result<Value, String> {
    let more = [
        (cooked.kind != FormulaType::Workflow, "it is no workflow"),
        (cooked.squash.is_some(), "it says how it is squashed"),
        (!cooked.bond_points.is_empty() || !cooked.hooks.is_empty(), "others can be attached to it"),
        (!cooked.data.is_empty(), "it has tables that a Formula has not"),
    ];
    if let Some((_, why)) = more.iter().find(|(is_so, _)| *is_so) {
        return Err((*why).to_owned());
    }
    let mut spec = Map::new();
    if !cooked.description.trim().is_empty() {
        spec.insert("description".to_owned(), json!(cooked.description.trim_end()));
    }
    let vars = cooked.vars.iter().map(|(name, var)| var_of(name, var)).collect::<Result<Vec<_>, _>>()?;
    if !vars.is_empty() {
        spec.insert("vars".to_owned(), vars.into());
    }
    let names: BTreeMap<&str, String> =
        cooked.steps.iter().map(|step| (step.id.as_str(), step_name(&step.id))).collect();
    let steps = cooked.steps.iter().map(|step| step_of(step, &names)).collect::<Result<Vec<_>, _>>()?;
    spec.insert("steps".to_owned(), steps.into());
    Ok(spec.into())
}

fn var_of(name: &str, var: &Var) -> Result<Value, String> {
    let Var { description, default, required, required_unless, allowed, pattern, kind } = var;
    let is_text = kind.as_deref().is_none_or(|kind| kind == "string");
    if !required_unless.is_empty() || !allowed.is_empty() || pattern.is_some() || !is_text {
        return Err(format!("its var `{name}` has rules"));
    }
    let mut out = Map::from_iter([("name".to_owned(), json!(name))]);
    out.extend(description.iter().map(|text| ("description".to_owned(), json!(text))));
    out.extend(default.iter().map(|text| ("default".to_owned(), json!(text))));
    if *required && default.is_none() {
        out.insert("required".to_owned(), json!(true));
    }
    Ok(out.into())
}

/// A step; what a step of a Formula cannot say is told.
fn step_of(step: &CookedStep, names: &BTreeMap<&str, String>) -> Result<Value, String> {
    let more = [
        (step.parent.is_some() || step.kind == StepType::Epic, "consists of steps, or is a part of one"),
        (step.waits_for.is_some(), "waits for children"),
        (step.gate.is_some(), "waits at a gate"),
        (step.condition.is_some(), "has a condition"),
        (step.on_complete.is_some(), "starts others when it ends"),
        (step.repeat.is_some(), "is repeated at run time"),
        (step.retry.is_some() || step.check.is_some(), "is tried again"),
        (step.description_file.is_some(), "has its text in a file"),
        (step.timeout.is_some(), "has a time limit"),
        (
            step.agent.is_some() || step.model.is_some() || step.tier.is_some() || step.runtime.is_some(),
            "names its agent",
        ),
        (step.assignee.is_some(), "names who does it"),
        (step.interactive, "takes a person"),
    ];
    if let Some((_, what)) = more.iter().find(|(is_so, _)| *is_so) {
        return Err(format!("its step `{}` {what}", step.id));
    }
    let mut text = step.description.trim_end().to_owned();
    for (title, said) in [("Notes", &step.notes), ("It is done when", &step.acceptance)] {
        if let Some(said) = said.as_deref().map(str::trim).filter(|said| !said.is_empty()) {
            text.extend(["\n\n", title, ":\n", said]);
        }
    }
    let mut out = Map::from_iter([("name".to_owned(), json!(step_name(&step.id)))]);
    let mut put = |key: &str, value: Value| drop(out.insert(key.to_owned(), value));
    if !step.title.is_empty() {
        put("title", json!(step.title));
    }
    if !text.trim().is_empty() {
        put("description", json!(text.trim_start_matches('\n')));
    }
    let needs: Vec<&String> = step.needs.iter().filter_map(|need| names.get(need.as_str())).collect();
    if !needs.is_empty() {
        put("needs", json!(needs));
    }
    if let Some(run) = &step.run {
        put("run", json!(run));
    }
    Ok(out.into())
}

/// The name of a step: its id, as far as that can be one; else the beginning of it, with what tells it from others.
fn step_name(id: &str) -> String {
    match files::label(id, id.len().max(1)) {
        Some(name) if name == id && id.len() <= STEP_BYTES_MAX => name,
        other => {
            let hash = names::short_hash(&["step", id]);
            let start = other.unwrap_or_default();
            let start: String = start.chars().take(STEP_BYTES_MAX - hash.len() - 1).collect();
            format!("{}-{hash}", start.trim_end_matches('-')).trim_start_matches('-').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> Result<String, String> {
        let source = Source { file: "f.formula.toml".into(), format: Format::Toml, text: text.into() };
        yaml("f", &source, &Shelf::default()).map(|(_, yaml)| yaml)
    }

    #[test]
    fn plain_steps_become_a_formula() {
        let text = "formula = \"f\"\ndescription = \"What it is for.\"\n[vars.where]\ndescription = \"The place\"\ndefault = \"here\"\n\
                    [[steps]]\nid = \"look\"\ntitle = \"Look {{where}}\"\ndescription = \"With care.\"\n\
                    [[steps]]\nid = \"a-step-with-a-very-long-name\"\ntitle = \"Go\"\nneeds = [\"look\"]\nacceptance = \"It is gone.\"\n";
        insta::assert_snapshot!(made(text).unwrap(), @r#"
        apiVersion: gastown.io/v1alpha1
        kind: Formula
        metadata:
          name: f
        spec:
          description: What it is for.
          steps:
          - name: look
            description: With care.
            title: "Look {{where}}"
          - name: a-step-with-cptaxrui
            description: |-
              It is done when:
              It is gone.
            needs:
            - look
            title: Go
          vars:
          - name: where
            default: here
            description: The place
        "#);
    }

    #[test]
    fn what_a_formula_cannot_say_is_told() {
        let step =
            |more: &str| made(&format!("formula = \"f\"\n[[steps]]\nid = \"a\"\ntitle = \"A\"\n{more}\n")).unwrap_err();
        assert_eq!(step("[steps.gate]\ntype = \"human\""), "its step `a` waits at a gate");
        assert_eq!(
            step("children = [{ id = \"b\", title = \"B\" }]"),
            "its step `a` consists of steps, or is a part of one"
        );
        assert!(
            made("formula = \"f\"\n[vars.x]\nenum = [\"a\"]\n[[steps]]\nid = \"a\"\ntitle = \"A\"\n")
                .unwrap_err()
                .contains("has rules")
        );
        assert!(made("formula = ").unwrap_err().starts_with("f.formula.toml:1"));
    }

    #[test]
    fn long_names_of_steps_stay_apart() {
        let (a, b) = (step_name("a-step-with-a-very-long-name"), step_name("a-step-with-a-very-long-nome"));
        assert!(a != b && [&a, &b].iter().all(|name| names::is_label(name) && name.len() <= STEP_BYTES_MAX));
        assert!(names::is_label(&step_name("_")));
        assert_eq!(step_name("look"), "look");
    }
}
