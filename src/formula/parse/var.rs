//! Vars, and the inputs of convoys, which are vars with one more key.

use std::collections::BTreeMap;

use super::{Parser, Read};
use crate::bounds::VARS_MAX;
use crate::model::Var;
use crate::node::{Entry, Value};
use crate::values::{self, Pattern};

const KEYS: [&str; 7] = ["description", "default", "required", "required_unless", "enum", "pattern", "type"];

/// Types that values are checked against, and those that are known and read as text.
const TYPES: [&str; 10] = ["string", "text", "int", "integer", "number", "float", "bool", "boolean", "array", "list"];

impl Parser<'_> {
    pub(super) fn vars(&mut self, vars: &mut BTreeMap<String, Var>, entry: Entry<'_>) -> Read<()> {
        self.declare(vars, entry)
    }

    /// Where a var and an input have one name, they are one.
    pub(super) fn inputs(&mut self, vars: &mut BTreeMap<String, Var>, entry: Entry<'_>) -> Read<()> {
        self.declare(vars, entry)
    }

    fn declare(&mut self, vars: &mut BTreeMap<String, Var>, entry: Entry<'_>) -> Read<()> {
        let at = entry.at;
        let fields = self.table(&entry.key.clone(), entry.node)?;
        for entry in fields.entries {
            self.check_name("name of a var", &entry.key, entry.at)?;
            let name = entry.key.clone().into_owned();
            let var = self.var(entry)?;
            vars.insert(name, var);
        }
        if vars.len() > VARS_MAX.max {
            return Err(self.over("vars", VARS_MAX, at));
        }
        Ok(())
    }

    fn var(&mut self, entry: Entry<'_>) -> Read<Var> {
        if !matches!(entry.node.value, Value::Table(_)) {
            // The short form: the value is the default.
            return Ok(Var { default: Some(self.scalar(entry)?), ..Var::default() });
        }
        let name = entry.key.clone();
        let mut var = Var::default();
        let mut places = Places::default();
        for entry in self.table(&name, entry.node)?.entries {
            let at = entry.node.at;
            match &*entry.key {
                "description" => var.description = self.some_text(entry)?,
                "default" => (var.default, places.default) = (Some(self.scalar(entry)?), at),
                "required" => var.required = self.flag(&entry)?,
                "required_unless" => var.required_unless = self.texts(entry)?,
                "enum" => var.allowed = self.texts(entry)?,
                "pattern" => (var.pattern, places.pattern) = (self.expression(entry)?, at),
                "type" => (var.kind, places.kind) = (self.some_text(entry)?, at),
                _ => self.unknown(&entry, &format!("the var `{name}`"), &KEYS),
            }
        }
        self.check_var(&name, &var, &places)?;
        Ok(var)
    }

    fn check_var(&mut self, name: &str, var: &Var, places: &Places) -> Read<()> {
        if let Some(pattern) = &var.pattern {
            Pattern::new(pattern).map_err(|why| self.bad("pattern", pattern, why, places.pattern))?;
        }
        if let Some(kind) = var.kind.as_ref().filter(|kind| !TYPES.contains(&kind.as_str())) {
            self.warn(places.kind, || {
                let message = format!("the type `{kind}` of the var `{name}` is read as `string`");
                (message, crate::suggest::hint(kind, TYPES))
            });
        }
        let Some(default) = &var.default else { return Ok(()) };
        if var.required {
            let message = || format!("the var `{name}` is required and has a default, so it is never missing");
            self.warn(places.default, || (message(), None));
        }
        // Whoever gives a value may still mend it, so the formula is not refused.
        if let Err(why) = values::check(var, default) {
            let message = || format!("the default of the var `{name}` is one it refuses: {why}");
            self.warn(places.default, || (message(), None));
        }
        Ok(())
    }

    fn scalar(&self, entry: Entry<'_>) -> Read<String> {
        let at = entry.node.at;
        let wrong = |value| self.wrong(&entry.key, "a text", &crate::node::Node { at, value });
        entry.node.value.into_scalar().map_err(wrong)
    }
}

/// Where the values of a var are written.
#[derive(Default)]
struct Places {
    default: usize,
    pattern: usize,
    kind: usize,
}
