//! Pouring: a formula becomes step beads of the bead that is worked by it, so that progress survives a session's death.
//!
//! Each time a branch comes back is a new round with steps of its own: a closed step stays closed. Steps carry the
//! digest of the formula they were poured from and how many they are; nothing starts on half a molecule.

use std::collections::{BTreeMap, BTreeSet};

use gastown_crds::bead::{BeadSpec, BeadType};
use gastown_crds::common::types;
use gastown_crds::formula_text::{CookError, CookedStep, cook, digest};
use gastown_crds::reason::Reason;
use gastown_crds::{Bead, Formula, FormulaSpec, names};
use kube::ResourceExt;
use kube::api::ObjectMeta;

use super::{requests, round, work_digest};
use crate::draft::Draft;
use crate::plan::{Plan, Write, owner};
use crate::view::View;

/// Label on a step: which round of its bead it belongs to.
pub const LABEL_ROUND: &str = "gastown.io/round";
/// Label on a step: the digest of its bead's text. A new text wants new steps.
pub const LABEL_WORK_DIGEST: &str = "gastown.io/work-digest";
/// Label on a step: the digest of the formula it was poured from.
pub const LABEL_FORMULA_DIGEST: &str = "gastown.io/formula-digest";
/// Annotation on a step: how many steps its molecule has.
pub const ANNOTATION_STEPS: &str = "gastown.io/steps";
/// Annotation on a step: its place in the formula's order, from 0.
pub const ANNOTATION_ORDER: &str = "gastown.io/step-order";

/// The Formula of a bead that names none, which a fresh town has: one step that runs the bead's command.
pub const FORMULA_DEFAULT: &str = "work";

/// The name of the formula a bead is worked by.
pub fn formula_of(spec: &BeadSpec) -> &str {
    spec.formula.as_deref().unwrap_or(FORMULA_DEFAULT)
}

/// The steps of one round, in the formula's order.
pub fn steps<'a>(bead: &str, round: u32, view: &View<'a>) -> Vec<&'a Bead> {
    let round = round.to_string();
    let mut steps: Vec<&Bead> = view
        .objects
        .steps_of(bead)
        .map(AsRef::as_ref)
        .filter(|s: &&Bead| s.labels().get(LABEL_ROUND) == Some(&round))
        .collect();
    steps.sort_by_key(|s| (order(s), s.name_any()));
    steps
}

/// The steps of these, which are of one round, that may be done now. A need that does not exist does not block, as in Beads.
pub fn ready_steps<'a>(steps: &[&'a Bead]) -> Vec<&'a Bead> {
    let open: BTreeSet<String> =
        steps.iter().filter(|step| step.spec.closed.is_none()).map(|step| step.name_any()).collect();
    let is_ready =
        |step: &&Bead| open.contains(&step.name_any()) && step.spec.needs.iter().all(|it| !open.contains(it));
    steps.iter().copied().filter(is_ready).collect()
}

/// The step of a bead that is worked on next, the first of those that may be; none while it has no steps, and once all are closed.
pub fn next_step<'a>(bead: &Bead, view: &View<'a>) -> Option<&'a Bead> {
    let name = bead.name_any();
    view.objects.steps_of(&name).next()?;
    ready_steps(&steps(&name, round(&requests(bead, view)), view)).first().copied()
}

/// A step's place in its formula's order.
pub fn order(step: &Bead) -> u32 {
    step.annotations().get(ANNOTATION_ORDER).and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Whether all steps of a round are there, poured from the bead's present text.
pub fn is_poured(bead: &Bead, round: u32, view: &View<'_>) -> bool {
    let steps = steps(&bead.name_any(), round, view);
    let all = steps.first().and_then(|s| s.annotations().get(ANNOTATION_STEPS)?.parse::<usize>().ok());
    let work = work_digest(&bead.spec);
    all == Some(steps.len()) && steps.iter().all(|s| s.labels().get(LABEL_WORK_DIGEST) == Some(&work))
}

/// A bead's formula, cooked for it; else the reason and the message of its condition.
pub fn cooked<'a>(bead: &Bead, view: &View<'a>) -> Result<(&'a FormulaSpec, Vec<CookedStep>), (Reason, String)> {
    let wanted = formula_of(&bead.spec);
    let Some(formula) = view.objects.get::<Formula>(wanted) else {
        return Err((Reason::RefNotFound, format!("there is no Formula named `{wanted}`: apply it")));
    };
    let invalid = |error: CookError| (Reason::InvalidFormula, format!("formula `{wanted}`: {error}"));
    let steps = cook(&formula.spec, &vars(bead)).map_err(invalid)?;
    match taken(bead, &steps, view) {
        None => Ok((&formula.spec, steps)),
        Some(name) => {
            let message = format!("its step would be called {name}, as another bead is: `bd delete {name}`");
            Err((Reason::InvalidFormula, message))
        }
    }
}

/// The name of a step of a bead that another bead has.
fn taken(bead: &Bead, steps: &[CookedStep], view: &View<'_>) -> Option<String> {
    let (name, round) = (bead.name_any(), round(&requests(bead, view)));
    let is_another = |it: &Bead| !it.spec.is_step() || it.spec.parent.as_ref() != Some(&name);
    let names = steps.iter().map(|step| names::step(&name, round, &step.name));
    let mut taken = names.filter(|step| view.objects.get::<Bead>(step).is_some_and(|it| is_another(it)));
    taken.next()
}

/// Pours what is missing of a round.
pub fn pour(draft: &mut Draft<'_, Bead>, round: u32, view: &View<'_>, plan: &mut Plan) {
    let bead = draft.object;
    let name = bead.name_any();
    if is_poured(bead, round, view) {
        return;
    }
    let (formula, cooked) = match cooked(bead, view) {
        Ok(cooked) => cooked,
        Err((reason, message)) => return draft.conditions.set_bool(types::READY, false, reason, message),
    };
    let digest = digest(formula);
    let poured = steps(&name, round, view);
    let work = work_digest(&bead.spec);
    // The bead has a new text, or the formula changed while it was being poured: pour anew, nothing runs on them.
    let fresh = |s: &&&Bead| {
        s.labels().get(LABEL_FORMULA_DIGEST) == Some(&digest) && s.labels().get(LABEL_WORK_DIGEST) == Some(&work)
    };
    let stale: Vec<_> = poured.iter().filter(|s| !fresh(s)).collect();
    for step in &stale {
        plan.write(Write::delete(**step));
    }
    if stale.is_empty() {
        for (order, step) in cooked.iter().enumerate() {
            let there = poured.iter().any(|s| s.name_any() == names::step(&name, round, &step.name));
            if !there {
                plan.write(Write::create(&step_bead(bead, round, step, order, cooked.len(), &digest)));
            }
        }
    }
    draft.status.formula_digest = Some(digest);
}

fn vars(bead: &Bead) -> BTreeMap<String, String> {
    let spec = &bead.spec;
    let mut vars: BTreeMap<String, String> = spec.vars.iter().map(|v| (v.name.clone(), v.value.clone())).collect();
    vars.extend(spec.command.clone().map(|command| ("command".into(), command)));
    vars.insert("title".into(), spec.title.clone());
    vars.insert("bead".into(), bead.name_any());
    vars.insert("rig".into(), spec.rig.clone());
    vars
}

fn step_bead(bead: &Bead, round: u32, step: &CookedStep, order: usize, all: usize, digest: &str) -> Bead {
    let name = bead.name_any();
    let labels = BTreeMap::from([
        (LABEL_ROUND.to_owned(), round.to_string()),
        (LABEL_FORMULA_DIGEST.to_owned(), digest.to_owned()),
        (LABEL_WORK_DIGEST.to_owned(), work_digest(&bead.spec)),
    ]);
    Bead {
        metadata: ObjectMeta {
            name: Some(names::step(&name, round, &step.name)),
            labels: Some(labels),
            annotations: Some(BTreeMap::from([
                (ANNOTATION_STEPS.to_owned(), all.to_string()),
                (ANNOTATION_ORDER.to_owned(), order.to_string()),
            ])),
            owner_references: Some(vec![owner(bead)]),
            ..ObjectMeta::default()
        },
        spec: BeadSpec {
            description: step.description.clone(),
            type_: BeadType::Step,
            priority: bead.spec.priority,
            needs: step.needs.iter().map(|need| names::step(&name, round, need)).collect(),
            runtime: step.runtime.clone(),
            command: step.run.clone(),
            parent: Some(name),
            ..BeadSpec::new(step.title.clone(), bead.spec.rig.clone())
        },
        status: None,
    }
}
