//! An `Index` is what is remembered of objects while files are judged one by one: their names, what others are judged by, and
//! the questions that only the last file can answer. So memory grows with names and references, and not with files.
//!
//! At the end it says which files have to be read once more, because something in them is wrong beside other files, and which
//! objects claim the same. A town without mistakes is read once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::references::named;
use super::set::{Known, Set};
use super::{capacity, convoy, formula, repair, rigs, set};
use crate::convoy::ConvoySpec;
use crate::formula::FormulaSpec;
use crate::kinds::Kind;
use crate::manifest::{Diagnostic, Manifest};
use crate::rig::RigSpec;
use crate::town::TownSpec;

/// Where an object is: the number of its file, and which of the objects of the file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Counted from 0, in the order in which files are added.
    pub file: usize,
    /// Counted from 0.
    pub nth: usize,
}

/// Two objects that claim the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clash {
    /// The one that came first.
    pub first: Place,
    /// The other.
    pub again: Place,
    claim: Claim,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Name,
    Target,
    Prefix,
}

impl Clash {
    /// The mistake, now that both objects are at hand.
    pub fn mistake(&self, first: &Manifest, again: &Manifest) -> Diagnostic {
        match self.claim {
            Claim::Name => set::duplicate(again, first),
            Claim::Target => rigs::shared_target(again, first),
            Claim::Prefix => rigs::shared_prefix(again, first),
        }
    }
}

/// Something that an object says of others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Question {
    /// There is an object of this kind and name.
    Exists(&'static str, String),
    /// The formula takes what a bead gives it: vars of these names, and a command or none.
    Takes { formula: String, given: Vec<String>, has_command: bool },
    /// So many polecats can work on beads of these rigs at once.
    Parallel { rigs: Vec<String>, wanted: u64 },
    /// So many can work in a rig at once.
    Pool { wanted: u64 },
    /// There is nothing to work on, so that a town without workers is meant.
    Rests,
    /// The town tells people what a convoy asks it to.
    Tells,
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Index {
    names: BTreeMap<&'static str, BTreeMap<String, Place>>,
    /// Of kinds that others are judged by: what is asked of them, as JSON, since a tree takes several times the memory.
    specs: BTreeMap<&'static str, BTreeMap<String, Box<str>>>,
    /// The files in which each is asked.
    questions: BTreeMap<Question, Vec<usize>>,
    /// Files with an object that is wrong beside others, whatever these are.
    wrong: BTreeSet<usize>,
    targets: BTreeMap<(String, Option<String>), (String, Place)>,
    prefixes: BTreeMap<String, (String, Place)>,
    clashes: Vec<Clash>,
    lost: BTreeSet<String>,
}

impl Index {
    /// Remembers an object of a file. `value` is the whole of it.
    pub fn add(&mut self, manifest: &Manifest, value: &Value, place: Place) {
        let Some(kind) = Kind::named(&manifest.kind) else { return };
        if manifest.name.is_empty() {
            // What it is called nobody knows.
        } else if let Some(first) = self.place(kind.name, &manifest.name) {
            self.clashes.push(Clash { first, again: place, claim: Claim::Name });
        } else {
            self.names.entry(kind.name).or_default().insert(manifest.name.clone(), place);
        }
        let Some(spec) = value.get("spec") else { return };
        for reference in kind.references {
            for (_, name) in named(spec, reference.field) {
                if !self.has(reference.kind, name) {
                    self.ask(Question::Exists(reference.kind, name.to_owned()), place.file);
                }
            }
        }
        match kind.name {
            "Town" => self.add_town(kind, manifest, value, place),
            "Runtime" => self.keep("Runtime", manifest, &json!({ "command": spec.get("command") }), place),
            "Formula" => self.add_formula(kind, manifest, value, place),
            "Rig" => self.add_rig(kind, manifest, value, place),
            "Convoy" => self.add_convoy(kind, manifest, value, place),
            _ => {}
        }
    }

    /// Remembers names of objects that there may be in what could not be read: what is wrong is told once.
    pub fn lose(&mut self, names: Vec<String>) {
        self.lost.extend(names);
    }

    /// The files in which something is wrong beside other files, or may be. `known` is what there is beside all of them.
    pub fn suspects(&self, known: &dyn Known, allow_missing: bool) -> BTreeSet<usize> {
        let mut found = self.wrong.clone();
        let beside = self.beside(known);
        for (question, files) in &self.questions {
            let is_wrong = match question {
                Question::Exists(kind, name) => !allow_missing && !beside.has(kind, name),
                Question::Takes { formula, given, has_command } => {
                    let is_declared = beside.is_declared("Formula", formula);
                    let spec = beside.spec("Formula", formula).and_then(|spec| serde_json::from_value(spec).ok());
                    spec.is_some_and(|spec: FormulaSpec| convoy::refuses(&spec, given, *has_command, is_declared))
                }
                Question::Parallel { rigs, wanted } => {
                    capacity::of_rigs(&beside, rigs).is_some_and(|max| max < *wanted)
                }
                Question::Pool { wanted } => capacity::of_town(&beside).is_some_and(|max| max < *wanted),
                Question::Tells => convoy::tells_nobody(&beside),
                Question::Rests => ["Convoy", "Bead"].iter().any(|kind| !beside.names(kind).is_empty()),
            };
            if is_wrong {
                found.extend(files);
            }
        }
        found
    }

    /// The objects that claim the same, in the order of the second ones.
    pub fn clashes(&self) -> &[Clash] {
        &self.clashes
    }

    /// What there is: what was added, and what is beside it.
    pub fn beside<'a>(&'a self, known: &'a dyn Known) -> Beside<'a> {
        Beside { index: self, known, file: None }
    }

    /// The same, as the objects of one file see it.
    pub fn beside_file<'a>(&'a self, known: &'a dyn Known, file: usize) -> Beside<'a> {
        Beside { index: self, known, file: Some(file) }
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.place(kind, name).is_some()
    }

    /// Where the first object of this kind and name is.
    fn place(&self, kind: &str, name: &str) -> Option<Place> {
        self.names.get(kind)?.get(name).copied()
    }

    fn ask(&mut self, question: Question, file: usize) {
        let files = self.questions.entry(question).or_default();
        if files.last() != Some(&file) {
            files.push(file);
        }
    }

    fn keep(&mut self, kind: &'static str, manifest: &Manifest, spec: &Value, place: Place) {
        if self.place(kind, &manifest.name) == Some(place) {
            self.specs.entry(kind).or_default().insert(manifest.name.clone(), spec.to_string().into());
        }
    }

    fn add_town(&mut self, kind: &Kind, manifest: &Manifest, value: &Value, place: Place) {
        let Some(spec) = repair::spec::<TownSpec>(kind, value) else { return };
        if spec.capacity.polecats == Some(0) && !spec.suspend {
            self.ask(Question::Rests, place.file);
        }
        let mut set = Set::counting();
        capacity::check_retry(&mut set, manifest, &spec);
        if set.count() > 0 {
            self.wrong.insert(place.file);
        }
        self.keep("Town", manifest, &value["spec"], place);
    }

    fn add_formula(&mut self, kind: &Kind, manifest: &Manifest, value: &Value, place: Place) {
        let Some(mut spec) = repair::spec::<FormulaSpec>(kind, value) else { return };
        let mut set = Set::counting();
        formula::check_spec(&mut set, manifest, &spec);
        if set.count() > 0 {
            self.wrong.insert(place.file);
        }
        // What steps are about is asked of nobody.
        spec.description = None;
        for step in &mut spec.steps {
            (step.title, step.description) = (None, None);
        }
        self.keep("Formula", manifest, &json!(spec), place);
    }

    fn add_rig(&mut self, kind: &Kind, manifest: &Manifest, value: &Value, place: Place) {
        let Some(spec) = repair::spec::<RigSpec>(kind, value) else { return };
        if rigs::has_long_branch(&spec) {
            self.wrong.insert(place.file);
        }
        let asked = json!({ "runtime": spec.runtime, "polecats": { "max": spec.polecats.max } });
        self.keep("Rig", manifest, &asked, place);
        if let Some(wanted) = spec.polecats.max {
            self.ask(Question::Pool { wanted: wanted.into() }, place.file);
        }
        let own = || (manifest.name.clone(), place);
        // The same name twice is a clash of names.
        if let Some(target) = rigs::target(&spec) {
            let (name, first) = self.targets.entry(target).or_insert_with(own);
            if *name != manifest.name {
                self.clashes.push(Clash { first: *first, again: place, claim: Claim::Target });
            }
        }
        let (name, first) = self.prefixes.entry(rigs::prefix(&spec, &manifest.name)).or_insert_with(own);
        if *name != manifest.name {
            self.clashes.push(Clash { first: *first, again: place, claim: Claim::Prefix });
        }
    }

    fn add_convoy(&mut self, kind: &Kind, manifest: &Manifest, value: &Value, place: Place) {
        let Some(spec) = repair::spec::<ConvoySpec>(kind, value) else { return };
        let mut set = Set::counting();
        convoy::check_spec(&mut set, manifest, &spec);
        // What its beads need of others is judged beside those.
        if set.count() > 0 || spec.needs_others(&manifest.name) {
            self.wrong.insert(place.file);
        }
        for bead in &spec.beads {
            let formula = convoy::formula_of(&spec, bead).to_owned();
            let given = bead.vars.iter().map(|var| var.name.clone()).collect();
            self.ask(Question::Takes { formula, given, has_command: bead.command.is_some() }, place.file);
        }
        if spec.notify == Some(true) {
            self.ask(Question::Tells, place.file);
        }
        if let Some(wanted) = spec.parallelism {
            self.ask(Question::Parallel { rigs: capacity::rigs_of(&spec), wanted: wanted.into() }, place.file);
        }
    }
}

/// What there is: what was added to an index, and what is beside it.
pub struct Beside<'a> {
    index: &'a Index,
    known: &'a dyn Known,
    file: Option<usize>,
}

impl Known for Beside<'_> {
    fn names(&self, kind: &str) -> Vec<String> {
        let added = self.index.names.get(kind).into_iter().flat_map(BTreeMap::keys).cloned();
        added.chain(self.known.names(kind)).chain(self.index.lost.iter().cloned()).collect()
    }

    fn spec(&self, kind: &str, name: &str) -> Option<Value> {
        if self.index.has(kind, name) {
            let added = self.index.specs.get(kind).and_then(|specs| specs.get(name));
            return added.and_then(|text| serde_json::from_str(text).ok());
        }
        self.known.spec(kind, name)
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.index.has(kind, name) || self.index.lost.contains(name) || self.known.has(kind, name)
    }

    fn is_declared(&self, kind: &str, name: &str) -> bool {
        self.index.has(kind, name)
    }

    fn is_elsewhere(&self, kind: &str, name: &str) -> bool {
        self.file.is_some() && self.index.place(kind, name).is_some_and(|place| Some(place.file) != self.file)
    }
}
