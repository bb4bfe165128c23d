//! The root of an overlay and what it says of steps. It is a town's own policy, so a key that nobody knows is an error.

use super::{Parser, Read};
use crate::bounds::RULES_MAX;
use crate::error::{Error, Problem};
use crate::node::{Entry, Node};
use crate::overlay::{Override, OverrideMode};
use crate::suggest;

const ROOT_KEYS: [&str; 1] = ["step-overrides"];
const KEYS: [&str; 3] = ["step_id", "mode", "description"];

impl Parser<'_> {
    pub(super) fn overlay(&mut self, node: Node<'_>) -> Read<Vec<Override>> {
        let mut overrides = Vec::new();
        for entry in self.table("overlay", node)?.entries {
            match &*entry.key {
                "step-overrides" => overrides = self.each(entry, Some(RULES_MAX), Self::step_override)?,
                _ => return Err(self.refused_key(&entry, "the overlay", &ROOT_KEYS)),
            }
        }
        Ok(overrides)
    }

    fn step_override(&mut self, node: Node<'_>) -> Read<Override> {
        const WHAT: &str = "an entry of `step-overrides`";
        let fields = self.table("step-overrides", node)?;
        let (mut step, mut mode, mut description, mut at) = (None, None, None, fields.at);
        for entry in fields.entries {
            match &*entry.key {
                "step_id" => {
                    at = entry.node.at;
                    step = Some(self.name(entry)?);
                }
                "mode" => mode = self.word(entry, &OverrideMode::NAMES)?,
                "description" => description = self.some_text(entry)?,
                _ => return Err(self.refused_key(&entry, WHAT, &KEYS)),
            }
        }
        let step = step.ok_or_else(|| self.missing("step_id", WHAT, at))?;
        let what = format!("the override of `{step}`");
        let Some(mode) = mode else {
            let mut error = self.missing("mode", what, at);
            error.hint = Some("it is `replace`, `append` or `skip`".to_owned());
            return Err(error);
        };
        if description.is_none() && mode != OverrideMode::Skip {
            return Err(self.missing("description", what, at));
        }
        Ok(Override { step, mode, description: description.unwrap_or_default(), spot: self.spot(at) })
    }

    fn refused_key(&self, entry: &Entry<'_>, what: &'static str, known: &[&str]) -> Error {
        let mut error = self.error(Problem::UnknownKey { key: entry.key.chars().take(80).collect(), what }, entry.at);
        error.hint = suggest::hint(&entry.key, known.iter().copied());
        error
    }
}
