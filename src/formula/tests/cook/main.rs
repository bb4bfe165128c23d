//! Cooking from the outside: texts in, a protomolecule or a sentence out.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod advice;
mod bounds;
mod conditions;
mod convoy;
mod dialects;
mod digest;
mod expansion;
mod extends;
mod loops;
mod mistakes;
mod mutations;
mod order;
mod overlay;
mod speed;
mod values;
mod wiring;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use gastown_formula::{CookedStep, Error, Format, Library, Mode, Protomolecule, Source, cook};

/// Formulas by name; a name may end with `.json`.
#[derive(Default)]
struct Shelf(BTreeMap<String, String>);

impl Shelf {
    fn of(formulas: &[(&str, &str)]) -> Self {
        Self(formulas.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }
}

impl Library for Shelf {
    fn formula(&self, name: &str) -> Option<Source> {
        Some(source(&format!("{name}.toml"), self.0.get(name)?))
    }

    fn text_beside(&self, _: &str, path: &str) -> Option<String> {
        self.0.get(path).cloned()
    }
}

fn source(file: &str, text: &str) -> Source {
    Source { file: file.to_owned(), format: Format::of_file(file).unwrap(), text: text.to_owned() }
}

fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn try_compile(text: &str, shelf: &[(&str, &str)]) -> Result<Protomolecule, Error> {
    cook(&source("f.toml", text), &Shelf::of(shelf), Mode::Compile, &BTreeMap::new())
}

fn compile_with(text: &str, shelf: &[(&str, &str)]) -> Protomolecule {
    try_compile(text, shelf).unwrap()
}

fn compile(text: &str) -> Protomolecule {
    compile_with(text, &[])
}

fn run(text: &str, values: &[(&str, &str)]) -> Result<Protomolecule, Error> {
    cook(&source("f.toml", text), &Shelf::default(), Mode::Runtime, &given(values))
}

/// Why a text cannot be cooked.
fn why(text: &str) -> String {
    why_with(text, &[])
}

fn why_with(text: &str, shelf: &[(&str, &str)]) -> String {
    try_compile(text, shelf).unwrap_err().to_string()
}

/// The steps in order: `id < needs`.
fn shape(proto: &Protomolecule) -> Vec<String> {
    let line = |step: &CookedStep| match step.needs.as_slice() {
        [] => step.id.clone(),
        needs => format!("{} < {}", step.id, needs.join(" ")),
    };
    proto.steps.iter().map(line).collect()
}

fn step<'p>(proto: &'p Protomolecule, id: &str) -> &'p CookedStep {
    proto.steps.iter().find(|step| step.id == id).unwrap_or_else(|| panic!("no step `{id}` in {:?}", shape(proto)))
}

fn warnings(proto: &Protomolecule) -> Vec<String> {
    proto.warnings.iter().map(ToString::to_string).collect()
}

/// A chain of steps, each of which needs the one before.
fn chain(ids: &[&str]) -> String {
    let mut text = "formula = 'chain'\n".to_owned();
    for (at, id) in ids.iter().enumerate() {
        let needs = if at == 0 { String::new() } else { format!("needs = ['{}']\n", ids[at - 1]) };
        write!(text, "[[steps]]\nid = '{id}'\ntitle = 'Do {id}'\n{needs}").unwrap();
    }
    text
}
