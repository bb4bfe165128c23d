//! What hangs on a step: its gate, loop, retries, check, and what is started when it is done.

use super::{Parser, Read};
use crate::bounds::{LOOP_ITERATIONS_MAX, STEPS_MAX};
use crate::condition;
use crate::node::Entry;
use crate::range;
use crate::step::{Check, Gate, Loop, OnComplete, Retry};
use crate::suggest;

const GATES: [&str; 9] = ["gh:run", "gh:pr", "timer", "human", "mail", "bead", "run", "event", "conditional"];
/// The type of a gate that waits for an event.
const EVENT: &str = "event";
const OUTCOMES: [(&str, &str); 2] = [("hard_fail", "hard_fail"), ("soft_fail", "soft_fail")];
const MODES: [(&str, &str); 1] = [("exec", "exec")];
/// Attempts at most; more is a mistake, not patience.
const ATTEMPTS_MAX: i64 = 1000;

impl Parser<'_> {
    pub(super) fn gate(&mut self, entry: Entry<'_>) -> Read<Gate> {
        let fields = self.table("gate", entry.node)?;
        let (at, mut gate) = (fields.at, Gate::default());
        for entry in fields.entries {
            match &*entry.key {
                "type" => {
                    let at = entry.node.at;
                    gate.kind = self.name(entry)?;
                    if !GATES.contains(&gate.kind.as_str()) {
                        let message = format!("nobody opens a gate of type `{}` by itself", gate.kind);
                        self.warn(at, || (message, suggest::hint(&gate.kind, GATES)));
                    }
                }
                "id" => gate.id = self.some_text(entry)?,
                "await_id" => gate.await_id = self.some_text(entry)?,
                "timeout" => gate.timeout = self.some_text(entry)?,
                "condition" => gate.condition = self.some_text(entry)?,
                "target" => gate.target = self.some_text(entry)?,
                "run" => gate.run = self.some_text(entry)?,
                _ => {
                    self.unknown(
                        &entry,
                        "a gate",
                        &["type", "id", "await_id", "timeout", "condition", "target", "run"],
                    );
                }
            }
        }
        if gate.kind.is_empty() {
            return Err(self.missing("type", "a gate", at));
        }
        let awaited = gate.await_id.as_deref().or(gate.id.as_deref()).unwrap_or_default();
        if gate.kind == EVENT && !awaited.contains("{{") && !is_event_type(awaited) {
            let hint = "`id` says it, in small letters: `deploy.done`".to_owned();
            self.warn(at, || (format!("`{awaited}` is no type of event, so a person opens the gate"), Some(hint)));
        }
        Ok(gate)
    }

    pub(super) fn repeated(&mut self, entry: Entry<'_>) -> Read<Loop> {
        const KEYS: [&str; 6] = ["count", "until", "max", "range", "var", "body"];
        let iterations = i64::try_from(LOOP_ITERATIONS_MAX.max).unwrap_or(i64::MAX);
        let fields = self.table("loop", entry.node)?;
        let (at, mut repeated) = (fields.at, Loop::default());
        for entry in fields.entries {
            let place = entry.node.at;
            match &*entry.key {
                "count" | "max" => {
                    let number = self.number(&entry, 1, i64::MAX)?;
                    if number > iterations {
                        return Err(self.over(&format!("`{}` of a loop", entry.key), LOOP_ITERATIONS_MAX, place));
                    }
                    let number = usize::try_from(number).ok();
                    *(if entry.key == "count" { &mut repeated.count } else { &mut repeated.max }) = number;
                }
                "until" => {
                    repeated.until = self.expression(entry)?;
                    let until = repeated.until.as_deref().unwrap_or_default();
                    condition::check(until).map_err(|why| self.bad("until", until, why, place))?;
                }
                "range" => {
                    repeated.range = self.expression(entry)?;
                    let range = repeated.range.as_deref().unwrap_or_default();
                    range::check(range).map_err(|why| self.bad("range", range, why, place))?;
                }
                "var" => repeated.var = Some(self.name(entry)?),
                "body" => repeated.body = self.each(entry, Some(STEPS_MAX), Self::step)?,
                _ => self.unknown(&entry, "a loop", &KEYS),
            }
        }
        let kinds = [repeated.count.is_some(), repeated.until.is_some(), repeated.range.is_some()];
        if kinds.iter().filter(|given| **given).count() != 1 {
            return Err(self.bad("loop", "", "it must have one of count, until and range", at));
        }
        if repeated.until.is_some() && repeated.max.is_none() {
            return Err(self.missing("max", "a loop with `until`", at));
        }
        if repeated.body.is_empty() {
            return Err(self.missing("body", "a loop", at));
        }
        Ok(repeated)
    }

    pub(super) fn on_complete(&mut self, entry: Entry<'_>) -> Read<OnComplete> {
        const KEYS: [&str; 5] = ["for_each", "bond", "vars", "parallel", "sequential"];
        let fields = self.table("on_complete", entry.node)?;
        let (at, mut done, mut parallel) = (fields.at, OnComplete::default(), false);
        for entry in fields.entries {
            match &*entry.key {
                "for_each" => {
                    let at = entry.node.at;
                    done.for_each = self.name(entry)?;
                    if done.for_each.strip_prefix("output.").is_none_or(str::is_empty) {
                        return Err(self.bad("for_each", &done.for_each, "it must be `output.<field>`", at));
                    }
                }
                "bond" => done.bond = self.name(entry)?,
                "vars" => done.vars = self.text_map(entry)?,
                "parallel" => parallel = self.flag(&entry)?,
                "sequential" => done.sequential = self.flag(&entry)?,
                _ => self.unknown(&entry, "`on_complete`", &KEYS),
            }
        }
        if parallel && done.sequential {
            return Err(self.bad("on_complete", "", "it cannot be parallel and sequential", at));
        }
        for (field, text) in [("for_each", &done.for_each), ("bond", &done.bond)] {
            if text.is_empty() {
                return Err(self.missing(field, "`on_complete`", at));
            }
        }
        Ok(done)
    }

    fn attempts(&self, entry: &Entry<'_>) -> Read<u32> {
        Ok(u32::try_from(self.number(entry, 1, ATTEMPTS_MAX)?).unwrap_or(1))
    }

    pub(super) fn retry(&mut self, entry: Entry<'_>) -> Read<Retry> {
        let mut retry = Retry { max_attempts: 1, on_exhausted: None };
        for entry in self.table("retry", entry.node)?.entries {
            match &*entry.key {
                "max_attempts" => retry.max_attempts = self.attempts(&entry)?,
                "on_exhausted" => retry.on_exhausted = self.word(entry, &OUTCOMES)?.map(str::to_owned),
                _ => self.unknown(&entry, "`retry`", &["max_attempts", "on_exhausted"]),
            }
        }
        Ok(retry)
    }

    pub(super) fn check(&mut self, entry: Entry<'_>) -> Read<Check> {
        let mut check = Check { max_attempts: 1, ..Check::default() };
        for entry in self.table("check", entry.node)?.entries {
            match &*entry.key {
                "max_attempts" => check.max_attempts = self.attempts(&entry)?,
                "check" => {
                    for entry in self.table("check", entry.node)?.entries {
                        match &*entry.key {
                            "mode" => check.mode = self.word(entry, &MODES)?.map(str::to_owned),
                            "path" => check.path = self.some_text(entry)?,
                            "timeout" => check.timeout = self.some_text(entry)?,
                            _ => self.unknown(&entry, "a check", &["mode", "path", "timeout"]),
                        }
                    }
                }
                _ => self.unknown(&entry, "`check`", &["max_attempts", "check"]),
            }
        }
        Ok(check)
    }
}

/// Whether a text can be the type of an event: as the kind `BeadEvent` has it.
fn is_event_type(text: &str) -> bool {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(is_end)
        && text.ends_with(is_end)
        && text.chars().all(|c| is_end(c) || "-._".contains(c))
}
