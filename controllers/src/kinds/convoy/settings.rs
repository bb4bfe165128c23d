//! The settings of a convoy as they are in effect: what it says of each of its beads, the convoy's own defaults included.

use gastown_crds::bead::{BeadSpec, BeadType};
use gastown_crds::convoy::{ConvoyBead, ConvoySpec};
use gastown_crds::{Rig, names};

use crate::kinds::rig::bead_prefix;

/// Priority of a bead that names none.
const PRIORITY_DEFAULT: u32 = 2;
/// The run of a convoy that names none.
const RUN_DEFAULT: u32 = 1;

/// A convoy's settings in effect. Made once per reconcile.
#[derive(Debug, Clone)]
pub struct ConvoySettings<'a> {
    /// The number of the run of the same work, from 1: a new run makes new beads.
    pub run: u32,
    /// Its beads, as the convoy lists them.
    pub beads: Vec<BeadSettings<'a>>,
}

impl<'a> ConvoySettings<'a> {
    /// The settings of the convoy of this name.
    pub fn of(name: &'a str, spec: &'a ConvoySpec) -> Self {
        let run = spec.run.unwrap_or(RUN_DEFAULT);
        let bead = |bead: &'a ConvoyBead| BeadSettings {
            called: &bead.name,
            rig: bead.rig.as_deref().or(spec.rig.as_deref()),
            needs: &bead.needs,
            formula: bead.formula.as_deref().or(spec.formula.as_deref()),
            runtime: runtime_of(spec, bead),
            convoy: name,
            run,
            bead,
        };
        Self { run, beads: spec.beads.iter().map(bead).collect() }
    }
}

/// One of a convoy's beads, with the convoy's defaults.
#[derive(Debug, Clone, Copy)]
pub struct BeadSettings<'a> {
    /// Its name within the convoy.
    pub called: &'a str,
    /// The rig that it is for, if it or the convoy names one.
    pub rig: Option<&'a str>,
    /// The beads of the convoy that come before it, by their names within the convoy.
    pub needs: &'a [String],
    formula: Option<&'a str>,
    runtime: Option<&'a str>,
    convoy: &'a str,
    run: u32,
    bead: &'a ConvoyBead,
}

/// The runtimes that a convoy names for its beads.
pub(crate) fn runtimes(spec: &ConvoySpec) -> impl Iterator<Item = &str> {
    spec.beads.iter().filter_map(|bead| runtime_of(spec, bead))
}

/// The runtime that a convoy names for one of its beads: what a bead says goes before what the convoy says of all.
fn runtime_of<'a>(spec: &'a ConvoySpec, bead: &'a ConvoyBead) -> Option<&'a str> {
    bead.runtime.as_deref().or(spec.runtime.as_deref())
}

impl BeadSettings<'_> {
    /// The name of its object, if it is for this rig.
    pub fn object_name(&self, rig: &Rig) -> String {
        names::bead(&bead_prefix(rig), self.convoy, self.run, self.called)
    }

    /// The spec of its object, for a rig; `needs` are names of objects.
    pub fn spec(&self, rig: &str, needs: Vec<String>) -> BeadSpec {
        let bead = self.bead;
        BeadSpec {
            description: bead.description.clone(),
            type_: bead.type_.unwrap_or(BeadType::Task),
            priority: bead.priority.unwrap_or(PRIORITY_DEFAULT),
            needs,
            formula: self.formula.map(str::to_owned),
            runtime: self.runtime.map(str::to_owned),
            command: bead.command.clone(),
            vars: bead.vars.clone(),
            ..BeadSpec::new(bead.title.clone(), rig)
        }
    }
}
