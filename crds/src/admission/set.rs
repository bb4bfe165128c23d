//! What objects say of each other: one name for one object, references that lead somewhere, nothing in circles.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{MISTAKES_MAX, capacity, references, repair};
use crate::kinds::{KINDS, Kind};
use crate::manifest::{Diagnostic, Manifest, Step, quote};
use crate::suggest;

/// The objects that exist beside the set: in the store, or built in.
pub trait Known {
    /// The names of all objects of a kind.
    fn names(&self, kind: &str) -> Vec<String>;
    /// The spec of one of them, where more than its name is known.
    fn spec(&self, kind: &str, name: &str) -> Option<Value>;
    /// Whether there is an object of this kind and name.
    fn has(&self, kind: &str, name: &str) -> bool {
        self.names(kind).iter().any(|known| known == name)
    }
    /// Whether it stands in a file that is judged too.
    fn is_declared(&self, _: &str, _: &str) -> bool {
        false
    }
    /// Whether it stands in another file first: of two objects of one name, the first is the one that others mean.
    fn is_elsewhere(&self, _: &str, _: &str) -> bool {
        false
    }
}

impl Known for BTreeMap<String, Vec<String>> {
    fn names(&self, kind: &str) -> Vec<String> {
        self.get(kind).cloned().unwrap_or_default()
    }

    fn spec(&self, _: &str, _: &str) -> Option<Value> {
        None
    }
}

/// How a set is admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SetOptions {
    /// References that lead nowhere are let through; their objects wait with `RefNotFound`.
    pub allow_missing: bool,
    /// There is no town to look into: what is in none of the files is nowhere.
    pub offline: bool,
}

/// Everything that is wrong between the objects of a set; what is wrong with each alone is [`super::admit`]'s.
///
/// At most [`MISTAKES_MAX`] are reported, and one that says that there are more.
pub fn admit_set(manifests: &[Manifest], known: &dyn Known, options: SetOptions) -> Vec<Diagnostic> {
    let mut set = Set::new(manifests, known, options);
    duplicates(&mut set);
    set.check();
    set.into_found()
}

/// The same for the objects of one file among many: what clashes with an object of another file is not looked for, since
/// [`super::Index`] finds it.
pub fn admit_file(manifests: &[Manifest], known: &dyn Known, options: SetOptions) -> Vec<Diagnostic> {
    let mut set = Set::new(manifests, known, options);
    set.are_clashes_told_elsewhere = true;
    set.check();
    set.into_found()
}

/// Checks the manifests of one kind among themselves and with what they name, beyond the references of its row.
pub(crate) type CheckAmong = fn(&mut Set<'_>, &[&Manifest]);

/// For a kind whose references say it all.
pub(crate) fn nothing_more(_: &mut Set<'_>, _: &[&Manifest]) {}

/// The set that is being checked.
pub(crate) struct Set<'a> {
    pub manifests: &'a [Manifest],
    /// The first object of each kind and name.
    index: BTreeMap<(&'a str, &'a str), &'a Manifest>,
    known: &'a dyn Known,
    /// Names by kind, in the set and beside it; filled when first asked for.
    names: BTreeMap<String, BTreeSet<String>>,
    options: SetOptions,
    found: Vec<Diagnostic>,
    /// Nothing is reported: how much there would be is all that is asked.
    is_dry: bool,
    /// How many mistakes there are, those that are not reported included.
    count: usize,
    /// Another has looked for two objects that claim the same.
    are_clashes_told_elsewhere: bool,
}

impl<'a> Set<'a> {
    fn new(manifests: &'a [Manifest], known: &'a dyn Known, options: SetOptions) -> Self {
        let mut index: BTreeMap<(&str, &str), &Manifest> = BTreeMap::new();
        // One without a name, and one of a kind that is not ours, were told when the file was read.
        let is_meant = |it: &&Manifest| {
            !it.name.is_empty() && Kind::named(&it.kind).is_some() && !known.is_elsewhere(&it.kind, &it.name)
        };
        for manifest in manifests.iter().filter(is_meant) {
            index.entry((&manifest.kind, &manifest.name)).or_insert(manifest);
        }
        Self {
            manifests,
            index,
            known,
            names: BTreeMap::new(),
            options,
            found: Vec::new(),
            is_dry: false,
            count: 0,
            are_clashes_told_elsewhere: false,
        }
    }

    /// A set of nothing, to count what is wrong with one object whatever else there is.
    pub fn counting() -> Set<'static> {
        static NOTHING: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let options = SetOptions { allow_missing: true, offline: true };
        Set { is_dry: true, ..Set::new(&[], &NOTHING, options) }
    }

    /// How many mistakes were found.
    pub fn count(&self) -> usize {
        self.count
    }

    fn check(&mut self) {
        let manifests = self.manifests;
        for manifest in manifests {
            references::check(self, manifest);
        }
        for kind in KINDS {
            let of_kind: Vec<&Manifest> = manifests.iter().filter(|manifest| manifest.kind == kind.name).collect();
            (kind.check_among)(self, &of_kind);
        }
        capacity::check(self);
    }

    /// Whether there is anything to work on, as far as the set knows.
    pub fn has_work(&self) -> bool {
        let has = |kind: &str| self.manifests.iter().any(|it| it.kind == kind) || !self.known.names(kind).is_empty();
        has("Convoy") || has("Bead")
    }

    fn into_found(mut self) -> Vec<Diagnostic> {
        if self.count > MISTAKES_MAX && self.found.len() == MISTAKES_MAX {
            let last = &self.found[MISTAKES_MAX - 1];
            self.found.push(more(last));
        }
        self.found
    }

    /// Reports a mistake; its text is made only if it will be shown.
    pub fn report(&mut self, mistake: impl FnOnce() -> Diagnostic) {
        self.count += 1;
        if self.found.len() < MISTAKES_MAX && !self.is_dry {
            self.found.push(mistake());
        }
    }

    /// Reports that two objects claim the same.
    pub fn report_clash(&mut self, mistake: impl FnOnce() -> Diagnostic) {
        if !self.are_clashes_told_elsewhere {
            self.report(mistake);
        }
    }

    /// Checks that a reference leads somewhere; `path` is the way to it.
    pub fn refer<'p>(&mut self, manifest: &Manifest, path: impl Iterator<Item = Step<'p>>, kind: &str, name: &str) {
        if self.options.allow_missing {
            return;
        }
        if self.has(kind, name) {
            return;
        }
        self.count += 1;
        let Self { manifests, known, names, found, .. } = self;
        if found.len() >= MISTAKES_MAX {
            return;
        }
        if !names.contains_key(kind) {
            let here = manifests.iter().filter(|manifest| manifest.kind == kind).map(|manifest| manifest.name.clone());
            names.insert(kind.to_owned(), here.chain(known.names(kind)).collect());
        }
        let all = &names[kind];
        // Only now: where things stand is found out for the whole file at once.
        let span = manifest.value_at(path);
        let message = format!("no {kind} is named {}", quote(name));
        let mistake =
            Diagnostic::error("ref-not-found", message, &manifest.source, span).label(if self.options.offline {
                "in none of these files"
            } else {
                "neither in these files nor in the town"
            });
        let hint = suggest::hint(name, all.iter().map(String::as_str));
        found.push(match hint {
            Some(hint) => mistake.hint(hint),
            None if self.options.offline => {
                mistake.hint(format!("declare the {kind}, or use --allow-missing if the town has it"))
            }
            None => mistake.hint(format!("declare the {kind}, or use --allow-missing to let it come later")),
        });
    }

    /// Whether what is named nowhere may come later.
    pub fn allows_missing(&self) -> bool {
        self.options.allow_missing
    }

    /// The manifest of one object, if it is in the set.
    pub fn manifest(&self, kind: &str, name: &str) -> Option<&'a Manifest> {
        self.index.get(&(kind, name)).copied()
    }

    /// The spec of an object that is beside the set, as its type.
    pub fn beside<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Option<T> {
        serde_json::from_value(self.known.spec(kind, name)?).ok()
    }
}

/// What there is: in the set, and beside it.
impl Known for Set<'_> {
    fn names(&self, kind: &str) -> Vec<String> {
        let here = self.manifests.iter().filter(|manifest| manifest.kind == kind).map(|manifest| manifest.name.clone());
        here.chain(self.known.names(kind)).collect()
    }

    fn spec(&self, kind: &str, name: &str) -> Option<Value> {
        match self.index.get(&(kind, name)) {
            Some(manifest) => manifest.value().get_mut("spec").map(Value::take),
            None => self.known.spec(kind, name),
        }
    }

    fn has(&self, kind: &str, name: &str) -> bool {
        self.index.contains_key(&(kind, name)) || self.known.has(kind, name)
    }

    fn is_declared(&self, kind: &str, name: &str) -> bool {
        self.index.contains_key(&(kind, name)) || self.known.is_declared(kind, name)
    }
}

/// An object's spec as its type, as far as it can be seen beside what [`super::admit`] has to say about it.
pub(super) fn spec<T: DeserializeOwned>(manifest: &Manifest) -> Option<T> {
    repair::spec(Kind::named(&manifest.kind)?, &manifest.value())
}

/// Code of what says that there are more mistakes.
pub const CODE_MORE: &str = "more";

/// Says that there are more mistakes than are listed, at the last of these.
pub fn more(last: &Diagnostic) -> Diagnostic {
    let message = format!("there are more mistakes between objects than these {MISTAKES_MAX}");
    Diagnostic::error(CODE_MORE, message, &last.source, last.span.clone()).hint("correct these, and check again")
}

fn duplicates(set: &mut Set<'_>) {
    for manifest in set.manifests {
        let Some(first) = set.manifest(&manifest.kind, &manifest.name).filter(|first| !std::ptr::eq(*first, manifest))
        else {
            continue;
        };
        set.report(|| duplicate(manifest, first));
    }
}

/// Two objects of one kind and name.
pub(super) fn duplicate(manifest: &Manifest, first: &Manifest) -> Diagnostic {
    let message = format!("two {}s are named {}", manifest.kind, quote(&manifest.name));
    Diagnostic::error("duplicate", message, &manifest.source, manifest.name_at())
        .label("again here")
        .related(&first.source, first.name_at(), "first here")
        .hint(if manifest.kind == "Town" { "a namespace has one Town: remove one" } else { "rename one, or remove it" })
}
