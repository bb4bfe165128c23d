//! What objects say of each other: one name for one object, references that lead somewhere, nothing in circles.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{MISTAKES_MAX, references};
use crate::kinds::{KINDS, Kind};
use crate::manifest::{Diagnostic, Manifest, Step, quote};
use crate::suggest;

/// The objects that exist beside the set: in the store, or built in.
pub trait Known {
    /// The names of all objects of a kind.
    fn names(&self, kind: &str) -> Vec<String>;
    /// The spec of one of them, where more than its name is known.
    fn spec(&self, kind: &str, name: &str) -> Option<Value>;
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
/// At most [`MISTAKES_MAX`] are reported.
pub fn admit_set(manifests: &[Manifest], known: &dyn Known, options: SetOptions) -> Vec<Diagnostic> {
    let mut index: BTreeMap<(&str, &str), &Manifest> = BTreeMap::new();
    for manifest in manifests {
        index.entry((&manifest.kind, &manifest.name)).or_insert(manifest);
    }
    let mut set = Set { manifests, index, known, names: BTreeMap::new(), options, found: Vec::new() };
    duplicates(&mut set);
    for manifest in manifests {
        references::check(&mut set, manifest);
    }
    for kind in KINDS {
        let of_kind: Vec<&Manifest> = manifests.iter().filter(|manifest| manifest.kind == kind.name).collect();
        (kind.check_among)(&mut set, &of_kind);
    }
    set.found
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
}

impl<'a> Set<'a> {
    /// Reports a mistake; its text is made only if it will be shown.
    pub fn report(&mut self, mistake: impl FnOnce() -> Diagnostic) {
        if self.found.len() < MISTAKES_MAX {
            self.found.push(mistake());
        }
    }

    /// Checks that a reference leads somewhere; `path` is the way to it.
    pub fn refer<'p>(&mut self, manifest: &Manifest, path: impl Iterator<Item = Step<'p>>, kind: &str, name: &str) {
        if self.options.allow_missing {
            return;
        }
        let Self { manifests, known, names, found, .. } = self;
        if !names.contains_key(kind) {
            let here = manifests.iter().filter(|manifest| manifest.kind == kind).map(|manifest| manifest.name.clone());
            names.insert(kind.to_owned(), here.chain(known.names(kind)).collect());
        }
        let all = &names[kind];
        if all.contains(name) || found.len() >= MISTAKES_MAX {
            return;
        }
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

    /// The manifest of one object, if it is in the set.
    pub fn manifest(&self, kind: &str, name: &str) -> Option<&'a Manifest> {
        self.index.get(&(kind, name)).copied()
    }

    /// The spec of an object that is beside the set, as its type.
    pub fn beside<T: DeserializeOwned>(&self, kind: &str, name: &str) -> Option<T> {
        serde_json::from_value(self.known.spec(kind, name)?).ok()
    }
}

/// An object's spec as its type; none where [`super::admit`] has something to say about it.
pub(super) fn spec<T: DeserializeOwned>(manifest: &Manifest) -> Option<T> {
    let mut value = manifest.value();
    let schema = Kind::named(&manifest.kind)?.schema();
    schema.prune(&mut value);
    schema.default(&mut value);
    serde_json::from_value(value.get_mut("spec")?.take()).ok()
}

fn duplicates(set: &mut Set<'_>) {
    for manifest in set.manifests {
        let Some(first) = set.manifest(&manifest.kind, &manifest.name).filter(|first| !std::ptr::eq(*first, manifest))
        else {
            continue;
        };
        set.report(|| {
            let message = format!("two {}s are named {}", manifest.kind, quote(&manifest.name));
            Diagnostic::error("duplicate", message, &manifest.source, manifest.name_at())
                .label("again here")
                .related(&first.source, first.name_at(), "first here")
                .hint("rename one, or remove it")
        });
    }
}
