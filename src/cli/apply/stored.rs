//! What there is beside a set of manifests: in the store, built in, or in files that could not be read.

use std::collections::{BTreeMap, BTreeSet};

use gastown_crds::admission;
use gastown_crds::convoy::{ConvoySpec, Need};
use gastown_crds::manifest::{self, Manifest};
use kube::api::ListParams;
use serde_json::Value;

use super::{is_referred_to, unreadable};
use crate::cli::common::context::{Link, by_name};
use crate::cli::common::error::CliError;
use crate::cli::common::kinds::{self, KINDS};
use crate::manifests;

/// Beads that are asked for by name because beads of convoys need them; a circle behind more of them is not found here.
const NEEDED_MAX: usize = 1000;

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
        stored.add_needed(link, manifests).await?;
        Ok(stored)
    }

    /// The beads that beads of convoys need by the names of their objects, what these need, and so on: each is asked
    /// for by its name, since of beads there may be very many.
    async fn add_needed(&mut self, link: &Link, manifests: &[Manifest]) -> Result<(), CliError> {
        let kind = kinds::find("bead")?;
        if self.names.contains_key(kind.name) {
            return Ok(());
        }
        let convoys = manifests.iter().filter(|it| it.kind == "Convoy");
        let specs = convoys.filter_map(|it| Some((it, it.spec::<ConvoySpec>().ok()?)));
        let mut todo: BTreeSet<String> = BTreeSet::new();
        for (manifest, spec) in specs {
            let needs = spec.beads.iter().flat_map(|bead| &bead.needs).map(|need| spec.need(&manifest.name, need));
            todo.extend(
                needs.filter_map(|need| if let Need::Bead(name) = need { Some(name.to_owned()) } else { None }),
            );
        }
        let mut asked = BTreeSet::new();
        while let Some(name) = todo.pop_first().filter(|_| asked.len() < NEEDED_MAX) {
            if !asked.insert(name.clone()) {
                continue;
            }
            let Some(bead) = by_name(&link.api(kind), &name).await? else { continue };
            let needs = bead.data.pointer("/spec/needs").and_then(Value::as_array);
            todo.extend(needs.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
            let value = serde_json::to_value(bead).map_err(|error| unreadable(&error))?;
            self.names.entry(kind.name.to_owned()).or_default().push(name.clone());
            self.objects.insert((kind.name.to_owned(), name), value);
        }
        Ok(())
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
