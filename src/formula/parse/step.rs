//! Steps, key by key.

use super::{Parser, Read};
use crate::bounds::STEPS_MAX;
use crate::condition;
use crate::node::{Entry, Node, Value};
use crate::step::{Children, Step, WaitsFor};
use crate::suggest;

pub(super) const KEYS: [&str; 41] = [
    "id",
    "title",
    "description",
    "description_file",
    "notes",
    "type",
    "priority",
    "labels",
    "tags",
    "metadata",
    "needs",
    "depends_on",
    "waits_for",
    "assignee",
    "expand",
    "expand_vars",
    "condition",
    "children",
    "gate",
    "loop",
    "on_complete",
    "retry",
    "ralph",
    "check",
    "acceptance",
    "parallel",
    "interactive",
    "review_only",
    "agent",
    "model",
    "tier",
    "runtime",
    "run",
    "timeout",
    "focus",
    "args",
    "output",
    "max_cost",
    "min_mmlu",
    "drain",
    "source",
];

const TYPES: [&str; 6] = ["task", "bug", "feature", "epic", "chore", "parallel"];

impl Parser<'_> {
    /// A step, which has an id.
    pub(super) fn step(&mut self, node: Node<'_>) -> Read<Step> {
        let at = node.at;
        let mut step = self.step_of(node, "a step")?;
        if step.id.is_empty() {
            return Err(self.missing("id", "a step", at));
        }
        if step.title.is_empty() {
            // Gas Town reads such steps and Beads refuses them: we follow Gas Town.
            step.title.clone_from(&step.id);
            if step.expand.is_none() && step.repeated.is_none() {
                self.warn(at, || (format!("the step `{}` has no title; its id is used", step.id), None));
            }
        }
        Ok(step)
    }

    /// A step that may lack an id.
    pub(super) fn step_of(&mut self, node: Node<'_>, what: &'static str) -> Read<Step> {
        let fields = self.table(what, node)?;
        let mut step = Step { spot: self.spot(fields.at), ..Step::default() };
        for entry in fields.entries {
            self.step_field(&mut step, entry, what)?;
        }
        Ok(step)
    }

    fn step_field(&mut self, step: &mut Step, entry: Entry<'_>, what: &str) -> Read<()> {
        match &*entry.key {
            "id" => {
                // A step written in a list has no place of its own in TOML: its id has.
                step.spot = self.spot(entry.at);
                step.id = self.name(entry)?;
            }
            "title" => step.title = self.text(entry)?,
            "description" => step.description = self.text(entry)?,
            "description_file" => step.description_file = self.some_text(entry)?,
            "notes" => step.notes = self.some_text(entry)?,
            "type" => self.step_type(step, entry)?,
            "priority" => step.priority = u8::try_from(self.number(&entry, 0, 4)?).ok(),
            "labels" | "tags" => {
                let labels = self.texts(entry)?;
                step.labels.extend(labels);
            }
            "metadata" => {
                let metadata = self.text_map(entry)?;
                step.metadata.extend(metadata);
            }
            "needs" | "depends_on" => {
                let needs = self.needs(entry)?;
                step.needs.extend(needs);
            }
            "waits_for" => step.waits_for = self.waits_for(entry)?,
            "assignee" => step.assignee = self.some_text(entry)?,
            "expand" => step.expand = Some(self.name(entry)?),
            "expand_vars" => step.expand_vars = self.text_map(entry)?,
            "condition" => step.condition = self.condition(entry)?,
            "children" => step.children = self.each(entry, Some(STEPS_MAX), Self::step)?,
            "gate" => step.gate = Some(self.gate(entry)?),
            "loop" => step.repeated = Some(Box::new(self.repeated(entry)?)),
            "on_complete" => step.on_complete = Some(self.on_complete(entry)?),
            "retry" => step.retry = Some(self.retry(entry)?),
            "ralph" | "check" => step.check = Some(self.check(entry)?),
            "acceptance" => step.acceptance = self.acceptance(entry)?,
            "parallel" => step.parallel |= self.flag(&entry)?,
            "interactive" => step.interactive = self.flag(&entry)?,
            "review_only" => step.review_only = Some(self.flag(&entry)?),
            "agent" => step.agent = self.some_scalar(entry)?,
            "model" => step.model = self.some_scalar(entry)?,
            "tier" => step.tier = self.some_scalar(entry)?,
            "runtime" => step.runtime = self.some_scalar(entry)?,
            "run" => step.run = self.some_scalar(entry)?,
            "timeout" => step.timeout = self.some_scalar(entry)?,
            key @ ("args" | "output") if matches!(entry.node.value, Value::Table(_)) => {
                let prefix = key.to_owned();
                let texts = self.text_map(entry)?;
                step.metadata.extend(texts.into_iter().map(|(key, text)| (format!("{prefix}.{key}"), text)));
            }
            "focus" | "max_cost" | "min_mmlu" | "drain" | "args" | "output" => {
                let key = entry.key.clone().into_owned();
                step.metadata.insert(key, entry.node.value.into_text());
            }
            // Where it was once loaded from: bd writes it into the JSON it prints.
            "source" => {}
            _ => self.unknown(&entry, what, &KEYS),
        }
        Ok(())
    }

    fn step_type(&mut self, step: &mut Step, entry: Entry<'_>) -> Read<()> {
        let at = entry.node.at;
        let Some(kind) = self.some_text(entry)? else { return Ok(()) };
        match kind.as_str() {
            // Gas Town's containers say it; it is no type of the tracker.
            "parallel" => step.parallel = true,
            known if TYPES.contains(&known) => step.kind = Some(kind),
            other => {
                let words = || (format!("the step type `{other}` is read as `task`"), suggest::hint(other, TYPES));
                self.warn(at, words);
                step.kind = Some(kind);
            }
        }
        Ok(())
    }

    /// A text, or a list of them: one a line.
    fn acceptance(&self, entry: Entry<'_>) -> Read<Option<String>> {
        if matches!(entry.node.value, Value::List(_)) {
            let lines: Vec<String> = self.texts(entry)?.into_iter().map(|line| format!("- {line}")).collect();
            return Ok(Some(lines.join("\n")).filter(|text| !text.is_empty()));
        }
        self.some_text(entry)
    }

    fn condition(&mut self, entry: Entry<'_>) -> Read<Option<String>> {
        let at = entry.node.at;
        let condition = self.expression(entry)?;
        if let Some(text) = &condition
            && let Err(why) = condition::check(text)
        {
            self.warn(at, || (format!("the condition `{text}` is left to whoever works on the step: {why}"), None));
        }
        Ok(condition)
    }

    fn waits_for(&self, entry: Entry<'_>) -> Read<Option<WaitsFor>> {
        const WORDS: [&str; 3] = ["all-children", "any-children", "children-of(step)"];
        let (key, at) = (entry.key.clone(), entry.node.at);
        let Some(text) = self.some_text(entry)? else { return Ok(None) };
        let of = text.strip_prefix("children-of(").and_then(|rest| rest.strip_suffix(')')).map(str::trim);
        match (text.as_str(), of) {
            ("all-children", _) => Ok(Some(WaitsFor { spawner: None, children: Children::All })),
            ("any-children", _) => Ok(Some(WaitsFor { spawner: None, children: Children::Any })),
            (_, Some(step)) if !step.is_empty() => {
                self.check_name(&key, step, at)?;
                Ok(Some(WaitsFor { spawner: Some(step.to_owned()), children: Children::All }))
            }
            _ => {
                let mut error = self.bad(&key, &text, format!("it must be one of {}", WORDS.join(", ")), at);
                error.hint = suggest::nearest(&text, WORDS).map(|near| format!("did you mean `{near}`?"));
                Err(error)
            }
        }
    }
}
