//! The flow of a molecule while it is worked on: steps that are left out, loops that go on, and what is made of a step's output.
//!
//! What a formula says of it lies in `spec.flow`. Names of what is made follow from the loop and the iteration, or from the step and the
//! item, so that a second try makes nothing twice; once all is there, that is written down, and what people delete stays deleted.

mod facts;

use std::collections::BTreeSet;

use gastown_crds::Bead;
use gastown_crds::actor::CONTROLLER;
use gastown_crds::bead::{
    BeadType, CloseReason, Closed, Flow, ForEach, Gate, ITEMS_MAX, MADE_OF_ALL_MAX, Made, OnExhausted, PARENTS_MAX,
    Repeat, Retry,
};
use gastown_crds::reason::Reason;
use gastown_formula::Condition;
use kube::ResourceExt;
use kube::api::ObjectMeta;
use serde_json::{Value, json};

use self::facts::Molecule;
use super::readiness::{blocked, downward, has_failed, is_wanted, open_needs, parent, upward};
use crate::happened::Happened;
use crate::kinds::town::TownSettings;
use crate::plan::{Plan, Write};
use crate::view::View;

/// Beads that one look makes; the next ones come with the next.
const MADE_AT_ONCE: usize = 256;

/// The condition of a bead that cannot be read, with the reason why.
pub fn unreadable(bead: &Bead) -> Option<String> {
    let flow = bead.spec.flow.as_ref();
    let condition = flow.and_then(|flow| flow.condition.as_ref());
    let until = flow.and_then(|flow| flow.repeat.as_ref()).map(|repeat| &repeat.until);
    let on_gate = bead.spec.gate.as_ref().and_then(|gate| gate.condition.as_ref());
    condition.into_iter().chain(until).chain(on_gate).find_map(|text| read(text).err())
}

/// A condition; else why it is none.
fn read(text: &str) -> Result<Condition, String> {
    Condition::parse(text).map_err(|why| format!("the condition `{text}` cannot be read: {why}"))
}

/// Why a step is left out: its condition does not hold once nothing else keeps it, or what it is a part of is left out.
pub fn left_out(bead: &Bead, view: &View<'_>) -> Option<String> {
    let flow = bead.spec.flow.as_ref()?;
    if let Some(above) = parent(bead, view.objects)
        && above.spec.flow.is_some()
        && above.spec.closed.as_ref().is_some_and(|closed| closed.reason == CloseReason::Skipped)
    {
        return Some(format!("it is a part of {}, which was left out", above.name_any()));
    }
    if bead.spec.type_ == BeadType::Gate {
        return nothing_waits(bead, view).then(|| "nothing waits for it any more".to_owned());
    }
    let text = flow.condition.as_ref()?;
    let condition = Condition::parse(text).ok()?;
    let waits = match blocked(bead, view, &mut |_| ()) {
        None => false,
        // Nobody is asked at a gate about what is left out in any case.
        Some((Reason::NeedsOpen, _)) => {
            !waits_for_gates_alone(bead, view) || !facts::is_settled(&condition, &flow.step, bead, view)
        }
        Some(_) => true,
    };
    if waits || facts::holds(&condition, &flow.step, bead, view) {
        return None;
    }
    Some(format!("its condition does not hold: {text}"))
}

/// Whether all that a step waits for are gates.
fn waits_for_gates_alone(bead: &Bead, view: &View<'_>) -> bool {
    let is_gate = |need: &String| view.objects.get::<Bead>(need).is_some_and(|it| it.spec.type_ == BeadType::Gate);
    let open = open_needs(bead, view);
    !open.is_empty() && open.iter().all(is_gate)
}

/// Whether all steps that need a gate are closed.
fn nothing_waits(gate: &Bead, view: &View<'_>) -> bool {
    let (name, parent) = (gate.name_any(), gate.spec.parent.as_deref().unwrap_or_default());
    let mut waiting = view.objects.children_of(parent).filter(|step| step.spec.needs.contains(&name)).peekable();
    waiting.peek().is_some() && waiting.all(|step| step.spec.closed.is_some())
}

/// Whether what a gate waits for is so.
pub enum OnSteps {
    Holds,
    /// It is not so far; what more there is to say of it.
    NotYet(String),
    /// It will never be; why.
    Never(String),
}

/// Whether the condition of a gate holds.
pub fn on_steps(bead: &Bead, gate: &Gate, view: &View<'_>) -> OnSteps {
    let text = gate.condition.as_deref().unwrap_or_default();
    let condition = match read(text) {
        Ok(condition) => condition,
        Err(why) => return OnSteps::Never(why),
    };
    let of = bead.spec.flow.as_ref().map_or("", |flow| flow.step.as_str());
    let molecule = gate.await_id.as_deref().unwrap_or_default();
    let Some(root) = view.objects.get::<Bead>(molecule) else {
        return OnSteps::NotYet(format!("; there is no bead {molecule} so far"));
    };
    let parts = Molecule::below(of, Some(root), view);
    if condition.holds(&parts) {
        return OnSteps::Holds;
    }
    if root.spec.closed.is_some() {
        return OnSteps::Never(format!("{molecule} is closed, and it does not hold: {text}"));
    }
    let steps = match parts.all_named(&condition) {
        Err(unknown) => return OnSteps::NotYet(format!("; {molecule} has no step `{unknown}` so far")),
        Ok(steps) => steps,
    };
    let behind = behind(&bead.name_any(), view);
    let is_behind = |step: &Bead| upward(step, |it| parent(it, view.objects)).any(|it| behind.contains(&it.name_any()));
    if let Some(step) = steps.iter().find(|step| step.spec.closed.is_none() && is_behind(step)) {
        return OnSteps::Never(format!("{} waits for this gate, which waits for it: {text}", step.name_any()));
    }
    if steps.is_empty() && nothing_else_is_left(molecule, &behind, &is_behind, view) {
        return OnSteps::Never(format!("all steps that are left wait for this gate, and it does not hold: {text}"));
    }
    if !steps.is_empty() && steps.iter().all(|step| facts::is_over(step, view)) {
        return OnSteps::Never(format!("what it is about is closed, and it does not hold: {text}"));
    }
    OnSteps::NotYet(String::new())
}

/// Whether something is left of a molecule, and all of it is behind a gate, or consists of what is. Everything else may be closed, or
/// go on.
fn nothing_else_is_left(
    molecule: &str,
    behind: &BTreeSet<String>,
    is_behind: &impl Fn(&Bead) -> bool,
    view: &View<'_>,
) -> bool {
    let waiting = behind.iter().filter_map(|name| view.objects.get::<Bead>(name));
    let above = waiting.flat_map(|it| upward(it, |it| parent(it, view.objects)).map(ResourceExt::name_any));
    let above: BTreeSet<String> = above.collect();
    let parts = downward(molecule, PARENTS_MAX, view.objects);
    let is_left = |part: &&Bead| part.spec.type_ != BeadType::Gate && (part.spec.closed.is_none() || is_making(part));
    let mut left = parts.into_iter().filter(is_left).peekable();
    let waits = |part: &Bead| part.spec.closed.is_none() && (is_behind(part) || above.contains(&part.name_any()));
    left.peek().is_some() && left.all(waits)
}

/// The open beads that wait for this one, be it through others; what they consist of waits with them.
fn behind(name: &str, view: &View<'_>) -> BTreeSet<String> {
    let mut behind = BTreeSet::new();
    let mut waiting = vec![name.to_owned()];
    while let Some(name) = waiting.pop() {
        let needed_by = view.objects.needed_by(&name).map(|it| it.name_any());
        let parts = view.objects.children_of(&name).filter(|_| behind.contains(&name)).map(|it| it.name_any());
        for next in needed_by.chain(parts).collect::<Vec<_>>() {
            if behind.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    behind
}

/// Failures of a bead before it is set aside: as its formula says, else as its town.
pub fn attempts_max(bead: &Bead, settings: &TownSettings) -> u32 {
    retry(bead).map_or(settings.backoff_limit, |retry| retry.max_attempts)
}

/// Whether what needs a step goes on once that has failed too often.
pub fn fails_softly(bead: &Bead) -> bool {
    retry(bead).is_some_and(|retry| retry.on_exhausted == OnExhausted::SoftFail)
}

fn retry(bead: &Bead) -> Option<Retry> {
    bead.spec.flow.as_ref()?.retry
}

/// What becomes of a loop, all parts of which are closed.
pub enum Round {
    /// Another iteration is being made; what is to be written, and why it goes on.
    Next(Vec<Write>, String),
    /// It has ended; why.
    Ended(String),
    /// It cannot go on.
    Wrong(String),
}

/// The iteration that a loop makes next, whether it comes to that or not.
pub struct Next<'a> {
    flow: &'a Flow,
    repeat: &'a Repeat,
    made: Result<Vec<Made>, String>,
}

/// The next iteration of a loop; none of what is no loop.
pub fn next(bead: &Bead) -> Option<Next<'_>> {
    let flow = bead.spec.flow.as_deref()?;
    let repeat = flow.repeat.as_ref()?;
    Some(Next { flow, repeat, made: repeat.made(&bead.name_any(), repeat.iteration + 1) })
}

impl Next<'_> {
    /// The names of its beads.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.made.iter().flatten().map(|made| made.name.as_str())
    }
}

/// Decides about a loop, all parts of which are closed.
pub fn round(bead: &Bead, next: &Next<'_>, view: &View<'_>) -> Round {
    let Next { flow, repeat: Repeat { until, max, iteration, .. }, made } = next;
    let condition = match read(until) {
        Ok(condition) => condition,
        Err(why) => return Round::Wrong(why),
    };
    let made = match made {
        Ok(made) => made,
        Err(why) => return Round::Wrong(format!("its iterations cannot be read: {why}")),
    };
    let missing: Vec<&Made> = made.iter().filter(|made| view.objects.get::<Bead>(&made.name).is_none()).collect();
    // One that is begun is made whole, whatever has come to hold meanwhile.
    let is_begun = missing.len() < made.len();
    if !is_begun && facts::holds(&condition, &format!("{}.iter{iteration}.", flow.step), bead, view) {
        return Round::Ended(format!("after {iteration} of {max} iterations: {until}"));
    }
    if made.is_empty() {
        return Round::Wrong("its iterations have no steps".to_owned());
    }
    if iteration >= max {
        return Round::Ended(format!("after all {max} iterations, and not: {until}"));
    }
    let next = iteration + 1;
    let writes = if missing.is_empty() {
        let patch = json!({"spec": {"flow": {"repeat": {"iteration": next}}}});
        vec![Write::patch(bead, patch, format!("{} is at iteration {next}", bead.name_any()))]
    } else {
        missing.into_iter().take(MADE_AT_ONCE).map(|made| Write::create(&new(made, bead))).collect()
    };
    Round::Next(writes, format!("iteration {next} of {max} is being made: not so far: {until}"))
}

/// Whether beads have still to be made of the output of a step that is closed.
pub fn is_making(bead: &Bead) -> bool {
    let each = bead.spec.flow.as_ref().and_then(|flow| flow.for_each.as_ref());
    let went_well = |closed: &Closed| closed.reason != CloseReason::Skipped && !has_failed(closed);
    each.is_some_and(|each| each.made.is_none()) && bead.spec.closed.as_ref().is_some_and(went_well)
}

/// Whether a step makes children once it is done.
pub fn makes(bead: &Bead) -> bool {
    bead.spec.flow.as_ref().is_some_and(|flow| flow.for_each.is_some())
}

/// Whether it may do so yet.
pub fn may_make(bead: &Bead) -> bool {
    makes(bead) && (bead.spec.closed.is_none() || is_making(bead))
}

/// Makes what follows from the output of a closed step; the reason where that cannot be.
pub fn make(bead: &Bead, view: &View<'_>, plan: &mut Plan) -> Option<(Reason, String)> {
    let each = bead.spec.flow.as_ref()?.for_each.as_ref().filter(|_| is_making(bead))?;
    match wanted(bead, each, view) {
        Err(why) => Some((Reason::InvalidFormula, why)),
        Ok((items, made)) => {
            let missing: Vec<Bead> =
                made.into_iter().filter(|bead| view.objects.get::<Bead>(&bead.name_any()).is_none()).collect();
            if missing.is_empty() {
                if each.items(bead.spec.metadata.as_deref()).is_none() {
                    plan.write(nothing_made(bead, each));
                }
                let patch = json!({"spec": {"flow": {"forEach": {"made": items}}}});
                plan.write(Write::patch(bead, patch, format!("{} has made its parts", bead.name_any())));
            } else if missing.len() > MADE_AT_ONCE {
                plan.again_at(view.now);
            }
            for bead in missing.into_iter().take(MADE_AT_ONCE) {
                plan.write(Write::create(&bead));
            }
            None
        }
    }
}

/// What is on record of a step whose output has no list: nothing is made of it. A closed bead is not held whole, so it is no comment.
fn nothing_made(bead: &Bead, each: &ForEach) -> Write {
    let (name, uid, field) = (bead.name_any(), bead.uid().unwrap_or_default(), &each.field);
    Happened {
        event_type: "flow.no_items",
        target: name.clone(),
        which: &[&uid],
        payload: json!({ "field": field }),
        title: format!("Nothing is made of the output of {name}: it has no list `{field}`"),
        parent: Some(name),
    }
    .write()
}

/// How many items there are, and all beads that are made for them.
fn wanted(bead: &Bead, each: &ForEach, view: &View<'_>) -> Result<(usize, Vec<Bead>), String> {
    let name = bead.name_any();
    let items = each.items(bead.spec.metadata.as_deref()).unwrap_or_default();
    if items.len() > ITEMS_MAX {
        return Err(format!(
            "its output `{}` has {} items, and at most {ITEMS_MAX} can be made of it",
            each.field,
            items.len()
        ));
    }
    // What follows from work that nobody had asked for is in the backlog as that was.
    let suspend = !is_wanted(bead, view);
    let mut all: Vec<Bead> = Vec::new();
    let mut before: Option<String> = None;
    for (index, item) in items.iter().enumerate() {
        let made = each.made(&name, index, item).map_err(|why| format!("what it makes cannot be read: {why}"))?;
        for (nth, made) in made.iter().enumerate() {
            let mut bead = new(made, bead);
            if nth == 0 {
                bead.spec.suspend = suspend;
                bead.spec.needs.extend(before.replace(made.name.clone()).filter(|_| each.sequential));
            }
            all.push(bead);
        }
        if all.len() > MADE_OF_ALL_MAX {
            return Err(format!("more than {MADE_OF_ALL_MAX} beads would be made of its output `{}`", each.field));
        }
    }
    Ok((items.len(), all))
}

/// What is kept for tools, without all but a step's output.
pub fn output_alone(metadata: Option<&str>) -> Option<String> {
    let metadata: Value = serde_json::from_str(metadata?).ok()?;
    metadata.get("output").map(|output| json!({ "output": output }).to_string())
}

/// A bead that is made for another.
fn new(made: &Made, of: &Bead) -> Bead {
    let mut spec = made.spec.clone();
    spec.created_by = Some(CONTROLLER.to_owned());
    // Whether it is worked on is for whoever asks for what it is a part of, and by whom, for dispatch.
    (spec.suspend, spec.assignee, spec.closed, spec.retry) = (true, None, None, None);
    spec.ephemeral = of.spec.ephemeral;
    Bead { metadata: ObjectMeta { name: Some(made.name.clone()), ..ObjectMeta::default() }, spec, status: None }
}
