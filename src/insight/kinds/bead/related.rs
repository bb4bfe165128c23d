//! Everything related to a bead: its needs and dependents, its steps, its attempts and its merge requests.

use gastown_controllers::bead::{LABEL_ROUND, order, ready_steps};
use gastown_controllers::runtime::{Named, NamedBy};
use gastown_controllers::world::{Attempt, AttemptState};
use gastown_crds::common::{LABEL_BEAD, condition, is_true, types};
use gastown_crds::{Bead, MergeRequest, Polecat, Rig, Town};
use kube::ResourceExt;

use crate::Snapshot;
use crate::kinds::merge_request;
use crate::related::{Cell, Columns, Section};

/// The columns of a section of beads.
const BEADS: Columns = Columns {
    headings: &["NAME", "STATE", "REASON", "POLECAT", "ATTEMPTS", "TITLE"],
    words: &["TITLE"],
    spare: &["ATTEMPTS", "POLECAT"],
};

/// The columns of a section of a convoy's beads: NAME is the name within the convoy.
const BEADS_OF_CONVOY: Columns = Columns {
    headings: &["NAME", "BEAD", "STATE", "REASON", "POLECAT", "ATTEMPTS", "TITLE"],
    words: &["TITLE"],
    spare: &["ATTEMPTS", "POLECAT"],
};

/// The columns of a section of attempts.
const ATTEMPTS: Columns = Columns { headings: &["ATTEMPT", "STATE", "OUTPUT"], words: &[], spare: &[] };

/// The columns of the runtime that works on a bead.
const RUNTIME: Columns = Columns { headings: &["NAME", "NAMED BY"], words: &[], spare: &[] };

/// All sections of a bead.
pub fn of(bead: &Bead, snapshot: &Snapshot) -> Vec<Section> {
    let name = bead.name_any();
    let all = || snapshot.all::<Bead>();
    let needs = &bead.spec.needs;
    let attempts = bead.uid().map(|uid| snapshot.attempts(&uid)).unwrap_or_default();
    let requests = snapshot.all::<MergeRequest>().filter(|request| request.spec.bead == name);
    vec![
        beads("Needs", all().filter(|it| needs.contains(&it.name_any()))),
        beads("Needed by", all().filter(|it| it.spec.needs.contains(&name))),
        beads("Steps", all().filter(|it| it.spec.is_step() && it.spec.parent.as_deref() == Some(&name))),
        beads("Parts", all().filter(|it| !it.spec.is_step() && it.spec.parent.as_deref() == Some(&name))),
        Section::new("Runtime", RUNTIME, runtime(bead, snapshot)),
        Section::new("Attempts", ATTEMPTS, attempts.iter().map(|run| attempt(&name, run))),
        merge_request::section("Merge requests", requests),
    ]
}

/// The runtime that works on a bead from its next attempt on, and whose word that is.
fn runtime(bead: &Bead, snapshot: &Snapshot) -> Option<Vec<Cell>> {
    if bead.spec.closed.is_some() || !bead.spec.type_.is_dispatched() {
        return None;
    }
    let has = bead.spec.assignee.as_ref().map(|assignee| &assignee.polecat);
    let polecat = has.or_else(|| bead.status.as_ref()?.last_polecat.as_ref());
    let polecat = polecat.and_then(|name| snapshot.get::<Polecat>(name));
    let (rig, town) = (snapshot.get::<Rig>(&bead.spec.rig), snapshot.all::<Town>().next());
    let step = next_step(bead, snapshot);
    let (name, by) = Named::of(step, &bead.spec, polecat, rig, town).smallest();
    let by = match by {
        NamedBy::Step => step.map(|it| format!("bead/{}", it.name_any())).unwrap_or_default(),
        NamedBy::Bead => format!("bead/{}", bead.name_any()),
        NamedBy::Polecat => polecat.map(|it| format!("polecat/{}", it.name_any())).unwrap_or_default(),
        NamedBy::Rig => format!("rig/{}", bead.spec.rig),
        NamedBy::Town => {
            town.filter(|it| it.spec.runtime.is_some()).map(|_| "town/town".to_owned()).unwrap_or_default()
        }
    };
    Some(vec![name.to_owned().into(), by.into()])
}

/// The step of a bead that is worked on next, of its newest round.
pub fn next_step<'a>(bead: &Bead, snapshot: &'a Snapshot) -> Option<&'a Bead> {
    let name = bead.name_any();
    let is_it = |it: &&Bead| it.spec.is_step() && it.spec.parent.as_ref() == Some(&name);
    let steps: Vec<&Bead> = snapshot.all::<Bead>().filter(is_it).collect();
    let round = |step: &&Bead| step.labels().get(LABEL_ROUND).and_then(|round| round.parse::<u32>().ok());
    let newest = steps.iter().map(round).max()?;
    let mut steps: Vec<_> = steps.into_iter().filter(|step| round(step) == newest).collect();
    steps.sort_by_key(|step| (order(step), step.name_any()));
    ready_steps(&steps).first().copied()
}

/// A section of beads.
pub fn beads<'a>(title: &'static str, beads: impl Iterator<Item = &'a Bead>) -> Section {
    Section::new(title, BEADS, beads.map(row))
}

/// The row of a bead that is not there, in a section of beads.
pub fn missing(name: &str) -> Vec<Cell> {
    let mut row = vec![name.to_owned().into(), "not there".to_owned().into()];
    row.resize(BEADS.headings.len(), Cell::Nothing);
    row
}

/// A section of the beads of a convoy.
pub fn beads_of_convoy<'a>(title: &'static str, beads: impl Iterator<Item = &'a Bead>) -> Section {
    let with_label = |bead: &Bead| {
        let label = bead.labels().get(LABEL_BEAD).cloned();
        std::iter::once(label.into()).chain(row(bead)).collect()
    };
    Section::new(title, BEADS_OF_CONVOY, beads.map(with_label))
}

fn row(bead: &Bead) -> Vec<Cell> {
    let status = bead.status.clone().unwrap_or_default();
    // As its column: a closed bead says why it was closed, an open one how ready it is.
    let type_ = if is_true(&status.conditions, types::CLOSED) { types::CLOSED } else { types::READY };
    let reason = condition(&status.conditions, type_).map(|found| found.reason.clone());
    vec![
        bead.name_any().into(),
        status.state.to_string().into(),
        reason.into(),
        bead.spec.assignee.as_ref().map(|assignee| assignee.polecat.clone()).into(),
        status.attempts.to_string().into(),
        bead.spec.title.clone().into(),
    ]
}

fn attempt(bead: &str, run: &Attempt) -> Vec<Cell> {
    let state = match &run.state {
        AttemptState::Intended => "not started".to_owned(),
        AttemptState::Running => "running".to_owned(),
        AttemptState::Ended(end) if end.own => format!("ended with {}", end.code),
        AttemptState::Ended(_) => "ended by the town".to_owned(),
        AttemptState::Lost { .. } => "lost with its machine or tmux".to_owned(),
    };
    let log = format!("gt logs bead/{bead} --attempt {}", run.attempt);
    vec![run.attempt.to_string().into(), state.into(), log.into()]
}

/// The bead that a polecat worked on last.
pub fn last_of<'a>(polecat: &str, snapshot: &'a Snapshot) -> Option<&'a Bead> {
    let had = |bead: &&Bead| bead.status.as_ref().is_some_and(|status| status.last_polecat.as_deref() == Some(polecat));
    let when = |bead: &&Bead| {
        let conditions = bead.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        conditions.iter().map(|condition| condition.last_transition_time).max()
    };
    snapshot.all::<Bead>().filter(had).max_by_key(when)
}
