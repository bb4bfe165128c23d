//! Filling in: `{target}` and `{var}` when an expansion takes the place of a step, `{{var}}` when values are applied.
//!
//! Invariant: what was filled in is never read again, so no value can reach another.

use std::borrow::Cow;

use crate::bounds::{Bound, FIELD_BYTES_MAX};
use crate::condition;
use crate::step::Step;

/// Longest name between braces that is looked up, in bytes.
const USE_BYTES_MAX: usize = 128;

/// What stands for names in one brace, and in two. A name that has no value stays as it is written.
pub(crate) struct Filling<'f> {
    pub single: &'f dyn Fn(&str) -> Option<Cow<'f, str>>,
    pub double: &'f dyn Fn(&str) -> Option<Cow<'f, str>>,
}

/// No name has a value.
pub(crate) fn none<'f>(_: &str) -> Option<Cow<'f, str>> {
    None
}

/// A name of a var: a letter or `_`, then letters, digits, `_` and `-`.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= USE_BYTES_MAX
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A name, or one of `target.title` and the like.
fn is_path(text: &str) -> bool {
    text.split('.').all(is_name)
}

impl Filling<'_> {
    /// The text with its names filled in; borrowed if there are none.
    pub fn text<'t>(&self, text: &'t str) -> Result<Cow<'t, str>, Bound> {
        let Some(first) = text.find('{') else { return Ok(Cow::Borrowed(text)) };
        let mut filled = String::new();
        let (mut copied, mut from) = (0, first);
        while let Some(open) = text[from..].find('{').map(|at| from + at) {
            let is_double = text[open + 1..].starts_with('{');
            let (inner, close) = if is_double { (open + 2, "}}") } else { (open + 1, "}") };
            // Nothing longer is a name, so a text of braces alone costs no more than its length.
            let end = text.floor_char_boundary(inner + USE_BYTES_MAX + close.len());
            let Some(length) = text[inner..end].find(close) else {
                from = open + 1;
                continue;
            };
            let name = &text[inner..inner + length];
            let after = inner + length + close.len();
            let name = if is_double { name.trim_matches(' ') } else { name };
            if !(if is_double { is_name(name) } else { is_path(name) }) {
                from = open + 1;
                continue;
            }
            if let Some(value) = if is_double { (self.double)(name) } else { (self.single)(name) } {
                filled.push_str(&text[copied..open]);
                filled.push_str(&value);
                copied = after;
                if filled.len() > FIELD_BYTES_MAX.max {
                    return Err(FIELD_BYTES_MAX);
                }
            }
            from = after;
        }
        if copied == 0 {
            return Ok(Cow::Borrowed(text));
        }
        filled.push_str(&text[copied..]);
        if filled.len() > FIELD_BYTES_MAX.max { Err(FIELD_BYTES_MAX) } else { Ok(Cow::Owned(filled)) }
    }

    pub fn in_place(&self, text: &mut String) -> Result<(), Bound> {
        let filled = match self.text(text)? {
            Cow::Owned(filled) => filled,
            Cow::Borrowed(_) => return Ok(()),
        };
        *text = filled;
        Ok(())
    }

    /// All texts of a step that people or agents read, children included; not its ids, and not its command.
    pub fn step(&self, step: &mut Step) -> Result<(), Bound> {
        let Step { title, description, notes, labels, metadata, assignee, expand_vars, condition, .. } = step;
        let Step { children, gate, repeated, repeat, on_complete, acceptance, agent, model, .. } = step;
        let (runtime, timeout) = (&mut step.runtime, &mut step.timeout);
        self.in_place(title)?;
        self.in_place(description)?;
        // A condition on a var must keep its form: it is decided, not read.
        let condition = condition.as_mut().filter(|it| condition::on_var(it).is_none());
        let options = [notes, assignee, acceptance, agent, model, runtime, timeout];
        for text in options.into_iter().flatten().chain(labels).chain(condition) {
            self.in_place(text)?;
        }
        let vars = on_complete.iter_mut().flat_map(|it| it.vars.values_mut());
        for text in metadata.values_mut().chain(expand_vars.values_mut()).chain(vars) {
            self.in_place(text)?;
        }
        if let Some(gate) = gate {
            let options = [&mut gate.id, &mut gate.await_id, &mut gate.condition, &mut gate.target, &mut gate.timeout];
            for text in options.into_iter().flatten() {
                self.in_place(text)?;
            }
        }
        if let Some(repeat) = repeat {
            self.in_place(&mut repeat.until)?;
        }
        let bodies = repeated.iter_mut().flat_map(|it| &mut it.body);
        for inner in children.iter_mut().chain(bodies) {
            self.step(inner)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let single = |name: &str| match name {
            "target" => Some(Cow::Borrowed("impl")),
            "target.title" => Some(Cow::Borrowed("{target} {{v}}")),
            _ => None,
        };
        let double = |name: &str| (name == "v").then_some(Cow::Borrowed("{{v}} {target}"));
        Filling { single: &single, double: &double }.text(text).unwrap().into_owned()
    }

    #[test]
    fn names_are_filled_in_and_all_else_stays() {
        assert_eq!(filled("{target}.test"), "impl.test");
        assert_eq!(
            filled("{other} {} { target } {{.Go}} ${{ a.b }} {{x}}"),
            "{other} {} { target } {{.Go}} ${{ a.b }} {{x}}"
        );
        assert_eq!(filled("é{target}é{"), "éimplé{");
        assert_eq!(filled("{{target}}"), "{{target}}");
    }

    #[test]
    fn what_was_filled_in_is_not_read_again() {
        assert_eq!(filled("{target.title}"), "{target} {{v}}");
        assert_eq!(filled("{{ v }}{{{v}}}"), "{{v}} {target}{{{v}} {target}}");
    }

    #[test]
    fn a_text_that_grows_too_long_is_refused() {
        let long = "x".repeat(FIELD_BYTES_MAX.max);
        let single = |_: &str| Some(Cow::Borrowed(long.as_str()));
        let filling = Filling { single: &single, double: &none };
        assert_eq!(filling.text(&"{a}".repeat(1000)), Err(FIELD_BYTES_MAX));
    }
}
