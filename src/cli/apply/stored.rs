//! What there is beside a set of manifests: in the store, built in, or in files that could not be read.

use std::collections::{BTreeMap, BTreeSet};

use gastown_crds::admission;
use gastown_crds::manifest::{self, Manifest};
use kube::api::ListParams;
use serde_json::Value;

use super::{is_referred_to, unreadable};
use crate::cli::common::context::Link;
use crate::cli::common::error::CliError;
use crate::cli::common::kinds::KINDS;
use crate::manifests;

/// What there is, as far as a set of manifests has to do with it.
pub struct Stored {
    /// Names by kind; built-in ones too.
    names: BTreeMap<String, Vec<String>>,
    objects: BTreeMap<(String, String), Value>,
}

impl Stored {
    /// What is in the store, and built in.
    pub async fn read(link: &Link, manifests: &[Manifest]) -> Result<Self, CliError> {
        let mut stored = Self { names: BTreeMap::new(), objects: BTreeMap::new() };
        for kind in KINDS {
            let here = manifests.iter().any(|manifest| manifest.kind == kind.name);
            // The town's is the runtime of rigs that name none; what a source declares has a label that names it.
            let is_named = matches!(kind.name, "Town" | "Source") || is_referred_to(kind);
            if !here && !is_named {
                continue;
            }
            let names = stored.names.entry(kind.name.to_owned()).or_default();
            for object in link.list(kind, &ListParams::default()).await? {
                let name = object.metadata.name.clone().unwrap_or_default();
                names.push(name.clone());
                let value = serde_json::to_value(object).map_err(|error| unreadable(&error))?;
                stored.objects.insert((kind.name.to_owned(), name), value);
            }
        }
        stored.add_built_in();
        Ok(stored)
    }

    /// Without a store: what is built in. Whatever is named in a file that could not be read is taken to be there: what is
    /// wrong is told once.
    pub fn without_store(unread: &[String]) -> Self {
        let names: Vec<String> = unread.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
        let names = KINDS.iter().map(|kind| (kind.name.to_owned(), names.clone())).collect();
        let mut stored = Self { names, objects: BTreeMap::new() };
        stored.add_built_in();
        stored
    }

    fn add_built_in(&mut self) {
        for (file, text) in manifests::built_in() {
            for manifest in manifest::parse(file, text).unwrap_or_default() {
                let names = self.names.entry(manifest.kind).or_default();
                if !names.contains(&manifest.name) {
                    names.push(manifest.name);
                }
            }
        }
    }

    pub(super) fn object(&self, kind: &str, name: &str) -> Option<&Value> {
        self.objects.get(&(kind.to_owned(), name.to_owned()))
    }

    /// The names of all objects of a kind that was read.
    pub(super) fn all(&self, kind: &str) -> impl Iterator<Item = String> {
        self.objects.keys().filter(move |(of, _)| of == kind).map(|(_, name)| name.clone())
    }

    pub(super) fn has(&self, kind: &str, name: &str) -> bool {
        self.object(kind, name).is_some()
    }
}

impl admission::Known for Stored {
    fn names(&self, kind: &str) -> Vec<String> {
        self.names.get(kind).cloned().unwrap_or_default()
    }

    fn spec(&self, kind: &str, name: &str) -> Option<Value> {
        if let Some(object) = self.object(kind, name) {
            return Some(object["spec"].clone());
        }
        let built_in =
            manifests::built_in().into_iter().flat_map(|(file, text)| manifest::parse(file, text).unwrap_or_default());
        let mut built_in = built_in.filter(|it| it.kind == kind && it.name == name);
        built_in.next().map(|it| it.value()["spec"].take())
    }
}
