//! `compose`, advice and pointcuts.

use std::collections::BTreeMap;

use super::{Parser, Read};
use crate::bounds::RULES_MAX;
use crate::condition;
use crate::model::{Advice, BondPoint, Branch, Compose, GateRule, Hook, Pointcut, Replace};
use crate::node::{Entry, Node};
use crate::step::{Need, Step};

const KEYS: [&str; 7] = ["bond_points", "hooks", "expand", "map", "branch", "gate", "aspects"];

impl Parser<'_> {
    pub(super) fn compose(&mut self, entry: Entry<'_>) -> Read<Compose> {
        let mut compose = Compose::default();
        for entry in self.table("compose", entry.node)?.entries {
            match &*entry.key {
                "bond_points" => compose.bond_points = self.rules(entry, Self::bond_point)?,
                "hooks" => compose.hooks = self.rules(entry, Self::hook)?,
                "expand" => compose.expand = self.rules(entry, |it, node| it.replace(node, "target"))?,
                "map" => compose.map = self.rules(entry, |it, node| it.replace(node, "select"))?,
                "branch" => compose.branch = self.rules(entry, Self::branch)?,
                "gate" => compose.gate = self.rules(entry, Self::gate_rule)?,
                "aspects" => {
                    let at = entry.at;
                    compose.aspects = self.needs(entry)?;
                    if compose.aspects.len() > RULES_MAX.max {
                        return Err(self.over("entries of `aspects`", RULES_MAX, at));
                    }
                }
                _ => self.unknown(&entry, "`compose`", &KEYS),
            }
        }
        Ok(compose)
    }

    fn bond_point(&mut self, node: Node<'_>) -> Read<BondPoint> {
        const KEYS: [&str; 5] = ["id", "description", "after_step", "before_step", "parallel"];
        let fields = self.table("bond_points", node)?;
        let (at, mut point) = (fields.at, BondPoint::default());
        point.spot = self.spot(at);
        for entry in fields.entries {
            match &*entry.key {
                "id" => point.id = self.name(entry)?,
                "description" => point.description = self.some_text(entry)?,
                "after_step" => point.after_step = Some(self.name(entry)?),
                "before_step" => point.before_step = Some(self.name(entry)?),
                "parallel" => point.parallel = self.flag(&entry)?,
                _ => self.unknown(&entry, "a bond point", &KEYS),
            }
        }
        if point.id.is_empty() {
            return Err(self.missing("id", "a bond point", at));
        }
        if point.after_step.is_some() && point.before_step.is_some() {
            return Err(self.bad("bond_points", &point.id, "it cannot be after one step and before another", at));
        }
        Ok(point)
    }

    fn hook(&mut self, node: Node<'_>) -> Read<Hook> {
        let fields = self.table("hooks", node)?;
        let (at, mut hook) = (fields.at, Hook::default());
        for entry in fields.entries {
            match &*entry.key {
                "trigger" => hook.trigger = self.name(entry)?,
                "attach" => hook.attach = self.name(entry)?,
                "at" => hook.at = self.some_text(entry)?,
                "vars" => hook.vars = self.text_map(entry)?,
                _ => self.unknown(&entry, "a hook", &["trigger", "attach", "at", "vars"]),
            }
        }
        for (field, text) in [("trigger", &hook.trigger), ("attach", &hook.attach)] {
            if text.is_empty() {
                return Err(self.missing(field, "a hook", at));
            }
        }
        Ok(hook)
    }

    /// An entry of `expand` or `map`; the key that says which steps differs.
    fn replace(&mut self, node: Node<'_>, target_key: &'static str) -> Read<Replace> {
        let fields = self.table("compose", node)?;
        let (at, mut target, mut with, mut vars) = (fields.at, None, None, BTreeMap::new());
        let mut spot = self.spot(at);
        for entry in fields.entries {
            match &*entry.key {
                key if key == target_key => {
                    spot = self.spot(entry.node.at);
                    target = Some(self.name(entry)?);
                }
                "with" => with = Some(self.need(entry)?),
                "vars" => vars = self.text_map(entry)?,
                _ => self.unknown(&entry, "a rule of `compose`", &[target_key, "with", "vars"]),
            }
        }
        let target = target.ok_or_else(|| self.missing(target_key, "a rule of `compose`", at))?;
        let with = with.ok_or_else(|| self.missing("with", "a rule of `compose`", at))?;
        Ok(Replace { target, with, vars, spot })
    }

    fn branch(&mut self, node: Node<'_>) -> Read<Branch> {
        let fields = self.table("branch", node)?;
        let (at, mut from, mut steps, mut join) = (fields.at, None, Vec::new(), None);
        for entry in fields.entries {
            match &*entry.key {
                "from" => from = Some(self.need(entry)?),
                "steps" => steps = self.needs(entry)?,
                "join" => join = Some(self.need(entry)?),
                _ => self.unknown(&entry, "a branch", &["from", "steps", "join"]),
            }
        }
        if steps.is_empty() {
            return Err(self.missing("steps", "a branch", at));
        }
        let end = |need: Option<Need>, field| need.ok_or_else(|| self.missing(field, "a branch", at));
        Ok(Branch { from: end(from, "from")?, steps, join: end(join, "join")? })
    }

    fn gate_rule(&mut self, node: Node<'_>) -> Read<GateRule> {
        let fields = self.table("gate", node)?;
        let (at, mut before, mut condition) = (fields.at, None, None);
        let mut spot = self.spot(at);
        for entry in fields.entries {
            let place = entry.node.at;
            match &*entry.key {
                "before" => before = Some(self.need(entry)?),
                "condition" => {
                    spot = self.spot(place);
                    condition = self.expression(entry)?;
                    let text = condition.as_deref().unwrap_or_default();
                    condition::check(text).map_err(|why| self.bad("condition", text, why, place))?;
                }
                _ => self.unknown(&entry, "a gate of `compose`", &["before", "condition"]),
            }
        }
        let before = before.ok_or_else(|| self.missing("before", "a gate of `compose`", at))?;
        let condition = condition.ok_or_else(|| self.missing("condition", "a gate of `compose`", at))?;
        Ok(GateRule { before, condition, spot })
    }

    pub(super) fn advice(&mut self, node: Node<'_>) -> Read<Advice> {
        let fields = self.table("advice", node)?;
        let (at, mut target) = (fields.at, None);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let (mut around_before, mut around_after) = (Vec::new(), Vec::new());
        for entry in fields.entries {
            match &*entry.key {
                "target" => target = Some(self.name(entry)?),
                "before" => before.push(self.advice_step(entry.node)?),
                "after" => after.push(self.advice_step(entry.node)?),
                "around" => {
                    for entry in self.table("around", entry.node)?.entries {
                        match &*entry.key {
                            "before" => around_before = self.rules(entry, Self::advice_step)?,
                            "after" => around_after = self.rules(entry, Self::advice_step)?,
                            _ => self.unknown(&entry, "`around`", &["before", "after"]),
                        }
                    }
                }
                _ => self.unknown(&entry, "an advice", &["target", "before", "after", "around"]),
            }
        }
        let target = target.ok_or_else(|| self.missing("target", "an advice", at))?;
        before.extend(around_before);
        after.extend(around_after);
        Ok(Advice { target, before, after })
    }

    fn advice_step(&mut self, node: Node<'_>) -> Read<Step> {
        let at = node.at;
        let mut step = self.step_of(node, "a step of an advice")?;
        if step.id.is_empty() {
            return Err(self.missing("id", "a step of an advice", at));
        }
        if step.title.is_empty() {
            step.title.clone_from(&step.id);
        }
        Ok(step)
    }

    pub(super) fn pointcut(&mut self, node: Node<'_>) -> Read<Pointcut> {
        let mut pointcut = Pointcut { glob: None, kind: None, label: None };
        for entry in self.table("pointcuts", node)?.entries {
            match &*entry.key {
                "glob" => pointcut.glob = Some(self.name(entry)?),
                "type" => pointcut.kind = Some(self.name(entry)?),
                "label" => pointcut.label = Some(self.name(entry)?),
                _ => self.unknown(&entry, "a pointcut", &["glob", "type", "label"]),
            }
        }
        Ok(pointcut)
    }
}
