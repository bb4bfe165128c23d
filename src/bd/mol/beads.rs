//! The beads that a cooked formula becomes: a root, one for each step, and one for each gate that a step waits for.

mod slug;

pub use slug::slug;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use gastown_agent::error::Error;
use gastown_beads::words;
use gastown_controllers::town::RUNTIME_DEFAULT;
use gastown_crds::Bead;
use gastown_crds::actor::Worker;
use gastown_crds::bead::{
    BeadSpec, BeadType, ChildrenGate, Flow, ForEach, Gate, GateType, Link, MADE_MAX, Made, OnExhausted, Repeat, Retry,
    WAITS_FOR,
};
use gastown_crds::formula::{FormulaSpec, Step, Var};
use gastown_crds::formula_text;
use gastown_formula::{
    Children, Condition, CookedStep, Gate as StepGate, OnComplete, Protomolecule, StepType, every_step,
};
use kube::api::ObjectMeta;
use serde_json::{Map, Value, json};

use crate::filter::shown;
use crate::formula;

/// The label of a root, in front of the formula's name.
pub const FORMULA_LABEL: &str = "formula:";
/// The entry of a step's metadata that names the step.
pub const STEP_KEY: &str = "step";
/// What a bead's schema admits.
const TITLE_CHARS_MAX: usize = 500;
const TEXT_CHARS_MAX: usize = 65_536;
const NEEDS_MAX: usize = 256;
const BODY_CHARS_MAX: usize = 131_072;
/// The type of a gate of `compose`: a condition.
const CONDITIONAL: &str = "conditional";
/// What of a step nothing here acts on: it is kept for whoever works on it.
const KEPT: [&str; 9] =
    ["agent", "check", "description_file", "interactive", "model", "parallel", "review_only", "tier", "timeout"];

/// A formula that is to be filed, and how.
pub struct Filing<'a> {
    pub cooked: &'a Protomolecule,
    /// The root's name.
    pub root: String,
    /// The rig; empty for none.
    pub rig: String,
    pub parent: Option<String>,
    pub assignee: Option<String>,
    /// Who files it, and whether that is an agent.
    pub by: String,
    pub is_agent: bool,
    pub is_wisp: bool,
    /// The Runtimes that there are.
    pub runtimes: BTreeSet<String>,
    /// What steps have poured for the items of their output: by the name of the formula and its vars.
    pub bonds: Bonds,
}

/// Formulas that are poured for the items of an output, cooked: by name and vars.
pub type Bonds = BTreeMap<(String, BTreeMap<String, String>), Protomolecule>;

/// What is filed.
pub struct Molecule {
    /// The root first.
    pub beads: Vec<Bead>,
    /// The steps' ids with the beads' names.
    pub ids: BTreeMap<String, String>,
    /// What was left out, for people.
    pub notes: String,
}

impl Filing<'_> {
    /// The beads; refused where a step cannot be one.
    pub fn molecule(&self) -> Result<Molecule, Error> {
        let cooked = self.cooked;
        // A wisp is its root alone, and agents read the steps in it, unless the formula says otherwise.
        let is_whole = !self.is_wisp || cooked.pour;
        let root = made(self.root.clone(), self.root_spec(cooked, is_whole)?);
        let mut molecule = Molecule { beads: Vec::new(), ids: BTreeMap::new(), notes: String::new() };
        let mut beads = vec![root];
        if is_whole {
            self.may_file(cooked)?;
            let place =
                Place { prefix: &format!("{}.", self.root), parent: &self.root, molecule: &self.root, of: cooked };
            beads.extend(self.parts(&cooked.steps, &place, &mut molecule)?);
        }
        let bead = |Made { name, spec }| Bead {
            metadata: ObjectMeta { name: Some(name), ..ObjectMeta::default() },
            spec,
            status: None,
        };
        molecule.beads = beads.into_iter().map(bead).collect();
        Ok(molecule)
    }

    /// Refuses an agent what would run as code.
    fn may_file(&self, cooked: &Protomolecule) -> Result<(), Error> {
        let runs = |step: &&CookedStep| {
            let gate = step.gate.as_ref();
            step.run.is_some()
                || gate.is_some_and(|gate| gate.run.is_some() || gate.condition.as_deref().is_some_and(asks_the_world))
        };
        match every_step(&cooked.steps).into_iter().find(|step| self.is_agent && runs(step)) {
            None => Ok(()),
            Some(step) => Err(Error::refused(
                format!("the step `{}` runs a command, which an agent may not file: it would run as code", step.id),
                "a person pours this formula; or as a wisp, whose steps are read and not run",
            )),
        }
    }

    /// The beads of steps, each after what it needs.
    fn parts(&self, steps: &[CookedStep], place: &Place<'_>, molecule: &mut Molecule) -> Result<Vec<Made>, Error> {
        let (mut beads, mut used) = (Vec::new(), BTreeSet::new());
        // The steps of a first iteration are made as those of all others: from what their loop keeps.
        let mut of_loops: BTreeSet<&str> = BTreeSet::new();
        for step in steps {
            if step.parent.as_deref().is_some_and(|parent| of_loops.contains(parent)) {
                of_loops.insert(&step.id);
                continue;
            }
            if step.repeat.is_some() {
                of_loops.insert(&step.id);
            }
            let slug = slug(place.own(&step.id), &mut used);
            let name = format!("{}{slug}", place.prefix);
            molecule.ids.insert(step.id.clone(), name.clone());
            let mut spec = self.step_spec(step, place, &name, molecule)?;
            if let Some(gate) = &step.gate {
                let gate_name = format!("{}{}", place.prefix, slug::slug(&format!("gate-{slug}"), &mut used));
                let of = (&*gate_name, spec.parent.clone());
                let gate = self.gate_spec(step, gate, of, place, &mut molecule.notes)?;
                spec.needs.push(gate_name.clone());
                beads.push(made(gate_name, gate));
            }
            if spec.needs.len() > NEEDS_MAX {
                return Err(too_long(step, "more than 256 needs", "let it need a step that stands for several"));
            }
            let first = match &step.repeat {
                Some(repeat) => self.iterations(step, repeat, (&name, &mut spec), place, molecule)?,
                None => Vec::new(),
            };
            beads.push(made(name, spec));
            beads.extend(first);
        }
        Ok(beads)
    }

    /// What a loop keeps of its iterations, and the beads of the first.
    fn iterations(
        &self,
        step: &CookedStep,
        repeat: &gastown_formula::Repeat,
        (name, spec): (&str, &mut BeadSpec),
        place: &Place<'_>,
        molecule: &mut Molecule,
    ) -> Result<Vec<Made>, Error> {
        let max = u32::try_from(repeat.max).unwrap_or(u32::MAX);
        let token = repeat.token.clone();
        let mut kept =
            Repeat { until: repeat.until.clone(), max, iteration: 1, token: token.clone(), body: String::new() };
        if asks_the_world(&repeat.until) {
            return Err(only_steps(step, &repeat.until));
        }
        let base = kept.token_of_name();
        let within =
            Place { prefix: &format!("{base}.{token}-"), parent: &base, molecule: place.molecule, of: place.of };
        // Who is a part of the loop has whatever it is called then for a parent.
        molecule.ids.insert(step.id.clone(), base.clone());
        let known: BTreeSet<String> = molecule.ids.keys().cloned().collect();
        let body = self.parts(&repeat.body, &within, molecule)?;
        molecule.ids.insert(step.id.clone(), name.to_owned());
        let news: Vec<(String, String)> = molecule
            .ids
            .iter()
            .filter(|(id, _)| !known.contains(*id))
            .map(|(id, name)| (id.clone(), name.clone()))
            .collect();
        for (id, bead) in news {
            let first = bead.replace(&base, name).replace(&token, "1");
            molecule.ids.insert(id.replace(&token, "1"), first);
            molecule.ids.remove(&id);
        }
        kept.body = kept_text(step, &body)?;
        let first =
            kept.made(name, 1).map_err(|why| Error::refused(format!("the loop `{}`: {why}", step.id), "report it"))?;
        flow_of(spec, step).repeat = Some(kept);
        Ok(first)
    }

    /// What is kept of the formula that is poured for each item of a step's output.
    fn for_each(&self, step: &CookedStep, done: &OnComplete, notes: &mut String) -> Result<ForEach, Error> {
        let Some(bond) = self.bonds.get(&(done.bond.clone(), done.vars.clone())) else {
            return Err(Error::refused(
                format!("there is no formula `{}`, which `{}` asks for", done.bond, step.id),
                "add it",
            ));
        };
        self.may_file(bond)?;
        let root = format!("{}.{{index}}", ForEach::TOKEN_OF_NAME);
        let mut within = Molecule { beads: Vec::new(), ids: BTreeMap::new(), notes: String::new() };
        let mut spec = self.root_spec(bond, true)?;
        spec.parent = Some(ForEach::TOKEN_OF_NAME.to_owned());
        let mut beads = vec![made(root.clone(), spec)];
        let place = Place { prefix: &format!("{root}."), parent: &root, molecule: &root, of: bond };
        beads.extend(self.parts(&bond.steps, &place, &mut within)?);
        notes.push_str(&within.notes);
        let body = kept_text(step, &beads)?;
        let commands = |made: &Made| {
            let of_gate = made.spec.gate.as_ref().and_then(|gate| gate.run.as_deref());
            made.spec.command.as_deref().into_iter().chain(of_gate).any(knows_items)
        };
        if beads.iter().any(commands) {
            let message = format!("a command of `{}` is given an item of the output of `{}`", done.bond, step.id);
            return Err(Error::refused(
                message,
                "what an agent has found is never read as shell: `bd show \"$GT_BEAD\"` has it",
            ));
        }
        let field = done.for_each.strip_prefix("output.").unwrap_or(&done.for_each).to_owned();
        Ok(ForEach { field, sequential: done.sequential, made: None, body })
    }

    fn root_spec(&self, cooked: &Protomolecule, is_whole: bool) -> Result<BeadSpec, Error> {
        let title = Some(cooked.root.title.trim()).filter(|title| !title.is_empty()).unwrap_or(&cooked.name);
        let mut description = cooked.root.description.trim_end().to_owned();
        if !is_whole {
            description.push_str(&checklist(&cooked.steps));
        }
        if description.chars().count() > TEXT_CHARS_MAX {
            let message = format!("the steps of `{}` are longer than one bead can hold", cooked.name);
            return Err(Error::refused(message, "`bd mol pour` files a bead for each"));
        }
        let metadata = json!({ "formula": cooked.name, "digest": cooked.digest, "vars": cooked.values });
        Ok(BeadSpec {
            type_: BeadType::Molecule,
            description: Some(description).filter(|text| !text.is_empty()),
            labels: vec![format!("{FORMULA_LABEL}{}", cooked.name).chars().take(255).collect()],
            metadata: Some(metadata.to_string()).filter(|text| text.chars().count() <= TEXT_CHARS_MAX),
            parent: self.parent.clone(),
            assigned_to: self.assignee.clone(),
            ..self.spec(title.chars().take(TITLE_CHARS_MAX).collect())
        })
    }

    fn spec(&self, title: String) -> BeadSpec {
        BeadSpec {
            suspend: true,
            ephemeral: self.is_wisp,
            created_by: Some(self.by.clone()),
            ..BeadSpec::new(title, self.rig.clone())
        }
    }

    fn step_spec(
        &self,
        step: &CookedStep,
        place: &Place<'_>,
        name: &str,
        molecule: &mut Molecule,
    ) -> Result<BeadSpec, Error> {
        let title = Some(step.title.trim()).filter(|title| !title.is_empty()).unwrap_or(&step.id);
        if title.chars().count() > TITLE_CHARS_MAX {
            return Err(too_long(step, "a title of more than 500 characters", "put what is long into its description"));
        }
        for (what, text) in [("description", Some(&step.description)), ("acceptance", step.acceptance.as_ref())] {
            if text.is_some_and(|text| text.chars().count() > TEXT_CHARS_MAX) {
                return Err(too_long(
                    step,
                    &format!("more than 65536 characters of {what}"),
                    "shorten it, or the values",
                ));
            }
        }
        let named = |id: &String, ids: &BTreeMap<String, String>| ids.get(id).cloned();
        let ids = &molecule.ids;
        let waits_for = step.waits_for.as_ref().and_then(|it| Some((named(it.spawner.as_ref()?, ids)?, it.children)));
        let link = waits_for.map(|(to, children)| {
            let gate = match children {
                Children::All => ChildrenGate::AllChildren,
                Children::Any => ChildrenGate::AnyChildren,
            };
            Link { to, type_: WAITS_FOR.to_owned(), gate: Some(gate) }
        });
        let polecat = step.assignee.as_deref().and_then(Worker::parse);
        if let Some(worker) = &polecat {
            let line = format!(
                "note: `{}` is for {worker}: dispatch gives polecats their work, so it is left to that\n",
                step.id
            );
            molecule.notes.push_str(&line);
        }
        let needs = step.needs.iter().filter_map(|need| named(need, ids)).collect();
        let parent = step.parent.as_ref().and_then(|parent| named(parent, ids));
        let mut spec = BeadSpec {
            type_: match step.kind {
                StepType::Task => BeadType::Task,
                StepType::Bug => BeadType::Bug,
                StepType::Feature => BeadType::Feature,
                StepType::Epic => BeadType::Epic,
                StepType::Chore => BeadType::Chore,
            },
            description: filled(&step.description),
            notes: step.notes.as_ref().and_then(|text| filled(text)),
            acceptance_criteria: step.acceptance.as_ref().and_then(|text| filled(text)),
            priority: step.priority.map_or(2, u32::from),
            labels: step.labels.iter().filter(|label| !label.is_empty()).cloned().collect(),
            needs,
            links: link.into_iter().collect(),
            parent: parent.or_else(|| Some(place.parent.to_owned())),
            assigned_to: step.assignee.clone().filter(|who| polecat.is_none() && !who.trim().is_empty()),
            command: step.run.as_ref().map(|run| self.command(step, run, (name, place.of))).transpose()?,
            runtime: self.runtime(step, &mut molecule.notes),
            metadata: Some(metadata(step)?),
            ..self.spec(title.to_owned())
        };
        if let Some(condition) = &step.condition {
            if asks_the_world(condition) {
                return Err(only_steps(step, condition));
            }
            flow_of(&mut spec, step).condition = Some(condition.clone());
        }
        if let Some(retry) = &step.retry {
            let is_soft = retry.on_exhausted.as_deref() == Some("soft_fail");
            let on_exhausted = if is_soft { OnExhausted::SoftFail } else { OnExhausted::HardFail };
            flow_of(&mut spec, step).retry = Some(Retry { max_attempts: retry.max_attempts, on_exhausted });
        }
        if let Some(done) = &step.on_complete {
            let each = self.for_each(step, done, &mut molecule.notes)?;
            let how = format!(
                "A list is made of its output: before it is done, `bd update {name} --metadata '{{\"output\": {{\"{}\": […]}}}}'`",
                each.field
            );
            let before = spec.notes.take().map(|notes| format!("{notes}\n\n")).unwrap_or_default();
            spec.notes = Some(before + &how);
            flow_of(&mut spec, step).for_each = Some(each);
        }
        // Conditions, of gates that are made later too, name steps by their ids.
        flow_of(&mut spec, step);
        Ok(spec)
    }

    /// The command of a step, with its vars as variables of the shell: no value is ever read as shell.
    fn command(&self, step: &CookedStep, run: &str, (name, of): (&str, &Protomolecule)) -> Result<String, Error> {
        let var = |name: &String| Var { name: name.clone(), description: None, default: None, required: false };
        let alone = Step {
            name: "run".to_owned(),
            title: None,
            description: None,
            needs: Vec::new(),
            run: Some(run.to_owned()),
            runtime: None,
        };
        let values = &of.values;
        let mut given = values.clone();
        for (built_in, value) in [("title", &step.title), ("bead", &name.to_owned()), ("rig", &self.rig)] {
            given.entry(built_in.to_owned()).or_insert_with(|| value.clone());
        }
        let spec = FormulaSpec { description: None, vars: values.keys().map(var).collect(), steps: vec![alone] };
        let cooked = formula_text::cook(&spec, &given).map_err(|error| {
            Error::refused(format!("the command of the step `{}`: {error}", step.id), "declare it in `vars`")
        })?;
        Ok(cooked.into_iter().find_map(|step| step.run).unwrap_or_default())
    }

    /// The Runtime of a step, where there is one of that name; people alone choose it.
    fn runtime(&self, step: &CookedStep, notes: &mut String) -> Option<String> {
        let Some(wanted) = step.runtime.as_ref().or(step.agent.as_ref()) else {
            // A plain command is for what runs commands, and for no agent with a model.
            let is_plain = step.run.is_some() && self.runtimes.contains(RUNTIME_DEFAULT);
            return is_plain.then(|| RUNTIME_DEFAULT.to_owned());
        };
        if self.is_agent || !self.runtimes.contains(wanted) {
            let why = if self.is_agent { "people choose runtimes" } else { "there is no such Runtime" };
            let _never_fails =
                writeln!(notes, "note: `{}` asks for {}: {why}, so it is the rig's", step.id, shown(wanted));
            return None;
        }
        Some(wanted.clone())
    }

    fn gate_spec(
        &self,
        step: &CookedStep,
        gate: &StepGate,
        (name, parent): (&str, Option<String>),
        place: &Place<'_>,
        notes: &mut String,
    ) -> Result<BeadSpec, Error> {
        let text = formula::gate_text(gate);
        let await_id = gate.await_id.clone().or_else(|| gate.id.clone()).filter(|id| !id.is_empty());
        let timeout = gate.timeout.as_ref().and_then(|text| text.parse::<gastown_crds::common::Duration>().ok());
        if let Some(text) = gate.timeout.as_ref().filter(|_| timeout.is_none()) {
            let (step, text) = (&step.id, shown(text));
            let _never_fails = writeln!(notes, "note: the gate of `{step}` waits for ever: `{text}` is no duration");
        }
        let wanted = if gate.kind == CONDITIONAL {
            GateType::Condition
        } else {
            words::gate_type(&gate.kind).unwrap_or(GateType::Human)
        };
        let condition = gate.condition.as_deref().and_then(|text| Some((text, Condition::parse(text).ok()?)));
        let asked = condition.as_ref().and_then(|(_, condition)| condition.command());
        // What does not say what it waits for, a person has to see to.
        let said = Gate {
            await_id: if wanted == GateType::Condition { Some(place.molecule.to_owned()) } else { await_id.clone() },
            timeout,
            run: gate.run.clone().or_else(|| asked.clone()),
            condition: condition.as_ref().map(|(text, _)| (*text).to_owned()),
            ..Gate::new(wanted)
        };
        let type_ = match wanted {
            GateType::Condition if asked.is_some() => GateType::Run,
            wanted if said.is_whole() => wanted,
            _ => GateType::Human,
        };
        if type_ == GateType::Human && wanted != type_ {
            let (step, kind) = (&step.id, &gate.kind);
            let _never_fails = writeln!(
                notes,
                "note: a person opens the gate of `{step}`: of type `{kind}`, it does not say what can be waited for"
            );
        }
        let run = gate.run.as_ref().filter(|_| type_ == GateType::Run);
        let run = run.map(|run| self.command(step, run, (name, place.of))).transpose()?;
        let run = run.or_else(|| asked.filter(|_| type_ == GateType::Run));
        let is_on_steps = type_ == GateType::Condition;
        let condition = condition.map(|(text, _)| text.to_owned());
        let holds = gate.condition.as_ref().map(|condition| format!("Holds when: {condition}")).unwrap_or_default();
        let await_id = if is_on_steps { Some(place.molecule.to_owned()) } else { await_id };
        let description = format!("`{}` waits for this gate: {text}\n{holds}", step.title.trim());
        let title: String = format!("Gate: {text}").chars().take(TITLE_CHARS_MAX).collect();
        let mut spec = BeadSpec {
            type_: BeadType::Gate,
            description: filled(&description),
            parent,
            gate: Some(Gate {
                await_id,
                timeout,
                run,
                condition: condition.filter(|_| is_on_steps),
                target: gate.target.clone().filter(|it| type_ == GateType::Event && !it.is_empty()),
                ..Gate::new(type_)
            }),
            ..self.spec(title)
        };
        flow_of(&mut spec, step);
        Ok(spec)
    }
}

/// Where steps are filed.
struct Place<'a> {
    /// What their names begin with.
    prefix: &'a str,
    /// What they are a part of, where they are not a part of each other.
    parent: &'a str,
    /// The molecule that they are in.
    molecule: &'a str,
    /// The formula that they are of.
    of: &'a Protomolecule,
}

impl Place<'_> {
    /// The part of a step's id that is its own: without the iteration that it is in, which its name has.
    fn own<'i>(&self, id: &'i str) -> &'i str {
        let token = self.prefix.rsplit_once(".{#").and_then(|(_, token)| token.strip_suffix('-'));
        let within = token.and_then(|token| id.rsplit_once(&format!(".iter{{#{token}.")));
        within.map_or(id, |(_, own)| own)
    }
}

fn made(name: String, spec: BeadSpec) -> Made {
    Made { name, spec }
}

/// The flow of a step, which there is from now on.
fn flow_of<'s>(spec: &'s mut BeadSpec, step: &CookedStep) -> &'s mut Flow {
    spec.flow.get_or_insert_with(|| Box::new(Flow { step: step.id.clone(), ..Flow::default() }))
}

/// Whether a condition is on a file or a variable, which a command looks at.
fn asks_the_world(condition: &str) -> bool {
    Condition::parse(condition).is_ok_and(|condition| condition.command().is_some())
}

/// Whether a text waits for an item of an output.
pub fn knows_items(text: &str) -> bool {
    text.contains("{item") || text.contains("{index}")
}

fn only_steps(step: &CookedStep, condition: &str) -> Error {
    Error::refused(
        format!("`{}` depends on a file or a variable: {}", shown(&step.id), shown(condition)),
        "only a gate of `compose` can wait for those: add one before the step, or decide by the output of a step",
    )
}

/// Beads as a text that a bead keeps.
fn kept_text(step: &CookedStep, beads: &[Made]) -> Result<String, Error> {
    let text = serde_json::to_string(beads).unwrap_or_default();
    if beads.len() > MADE_MAX || text.chars().count() > BODY_CHARS_MAX {
        let what =
            format!("more than {MADE_MAX} steps, or more than {BODY_CHARS_MAX} characters of them, in what it repeats");
        return Err(too_long(step, &what, "shorten it"));
    }
    Ok(text)
}

/// What of a step is for whoever works on it, with the step's id.
fn metadata(step: &CookedStep) -> Result<String, Error> {
    let mut all: Map<String, Value> =
        step.metadata.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
    let fields = serde_json::to_value(step).unwrap_or_default();
    for key in KEPT {
        if let Some(value) = fields.get(key).filter(|value| !value.is_null() && **value != Value::Bool(false)) {
            all.entry(key.to_owned()).or_insert_with(|| value.clone());
        }
    }
    all.insert(STEP_KEY.to_owned(), step.id.clone().into());
    let text = Value::from(all).to_string();
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(too_long(step, "metadata that is too long", "shorten what its loop repeats, or its metadata"));
    }
    Ok(text)
}

fn too_long(step: &CookedStep, what: &str, hint: &str) -> Error {
    Error::refused(format!("the step `{}` has {what}", shown(&step.id)), format!("{hint}; nothing was filed"))
}

/// Steps as a list to be ticked off, in Markdown.
fn checklist(steps: &[CookedStep]) -> String {
    let mut text = String::from("\n\n## Steps\n");
    for (nth, (step, _)) in formula::tree(steps).into_iter().enumerate() {
        let needs = if step.needs.is_empty() { String::new() } else { format!(" (after {})", step.needs.join(", ")) };
        let gate = step.gate.as_ref().map(|gate| format!(" (once {})", formula::gate_text(gate))).unwrap_or_default();
        let _never_fails = writeln!(text, "\n{}. [ ] **{}** `{}`{needs}{gate}", nth + 1, step.title.trim(), step.id);
        for line in step.description.trim().lines() {
            let _never_fails = writeln!(text, "{}", format!("   {line}").trim_end());
        }
        if let Some(acceptance) = step.acceptance.as_ref().filter(|text| !text.trim().is_empty()) {
            let _never_fails = writeln!(text, "   Done when: {}", acceptance.trim());
        }
    }
    text.trim_end().to_owned()
}

fn filled(text: &str) -> Option<String> {
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}
