//! Cooking: from a Formula and the values of one bead to the steps that are poured for it.
//!
//! Invariants: a value that was filled in is never read for vars again, so no value can reach another. No value but the
//! bead's command is ever read as shell: see [`shell_text`].

use std::collections::BTreeMap;
use std::ops::Range;

use crate::formula::{FormulaSpec, Step};
use crate::graph::{self, Needs};
use crate::names;
use crate::shell_text::{self, Filling};

/// The bead's command, which is shell text itself.
const COMMAND: &str = "command";

/// Vars that every bead has: `{{command}}` only where it gives one.
pub const BUILT_IN: [&str; 4] = [COMMAND, "title", "bead", "rig"];

/// Longest title of a bead, in characters, as its schema has it.
const TITLE_CHARS_MAX: usize = 500;
/// Longest description of a bead, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 32_768;
/// Longest command of a bead, in bytes.
const RUN_BYTES_MAX: usize = 16_384;
/// Longest `{{name}}` behind its opening braces: a name of 63, closing braces, and room for blanks.
const USE_BYTES_MAX: usize = 96;

/// A step, filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookedStep {
    /// Its name; unique in the formula.
    pub name: String,
    /// What is to be done, in a line.
    pub title: String,
    /// What is to be done, in full.
    pub description: Option<String>,
    /// Steps that must be closed before.
    pub needs: Vec<String>,
    /// Shell text that does it.
    pub run: Option<String>,
    /// The Runtime that works on it, if it is not that of the bead.
    pub runtime: Option<String>,
}

/// Why a formula cannot be cooked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CookError {
    /// Steps need each other in a circle.
    #[error("steps need each other in a circle: {}", graph::shown(&circle.iter().map(String::as_str).collect::<Vec<_>>()))]
    Cycle {
        /// The steps on it.
        circle: Vec<String>,
    },
    /// Two steps have one name.
    #[error("two steps are named `{step}`")]
    DuplicateStep {
        /// The name.
        step: String,
    },
    /// A step needs one that does not exist.
    #[error("step `{step}` needs `{need}`, which is no step of the formula")]
    UnknownNeed {
        /// The step.
        step: String,
        /// The steps that it needs.
        need: String,
    },
    /// A step uses a var that is neither declared nor built in.
    #[error("step `{step}` uses `{{{{{var}}}}}`, which is no var of the formula")]
    UnknownVar {
        /// The step.
        step: String,
        /// The var.
        var: String,
    },
    /// The bead gives a value that the formula has no var for.
    #[error("the bead gives `{var}`, which is no var of the formula")]
    UndeclaredVar {
        /// The var.
        var: String,
    },
    /// The bead does not give what is required.
    #[error("the bead does not give the var `{var}`, which the formula requires")]
    MissingVar {
        /// The var.
        var: String,
    },
    /// A text grows too long for a bead when it is filled in.
    #[error("the {field} of step `{step}` is longer than {bytes_max} bytes once it is filled in")]
    TooLong {
        /// The step.
        step: String,
        /// `run` or `description`.
        field: &'static str,
        /// The limit.
        bytes_max: usize,
    },
    /// A title or description uses something built in that the bead does not have. A `run` is left out instead.
    #[error("step `{step}` uses `{{{{{var}}}}}`, and the bead has no {var}")]
    MissingBuiltIn {
        /// The step.
        step: String,
        /// The var.
        var: String,
    },
}

/// Fills a formula in, with steps in an order in which each comes after what it needs.
///
/// `vars` holds what the bead gives, and of the built-in ones those that it has.
pub fn cook(formula: &FormulaSpec, vars: &BTreeMap<String, String>) -> Result<Vec<CookedStep>, CookError> {
    let values = values(formula, vars)?;
    let steps = in_order(formula)?;
    steps.into_iter().map(|step| fill_step(step, &values)).collect()
}

/// A digest of all that cooking depends on, vars aside.
pub fn digest(formula: &FormulaSpec) -> String {
    let text = serde_json::to_string(formula).expect("a formula holds only text, numbers, lists and structs");
    names::digest(&["formula", &text])
}

/// The value of every var: given, else the default, else empty.
fn values(formula: &FormulaSpec, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, CookError> {
    let declared: BTreeMap<&str, _> = formula.vars.iter().map(|var| (var.name.as_str(), var)).collect();
    if let Some(var) = given.keys().find(|name| !declared.contains_key(name.as_str()) && !is_built_in(name)) {
        return Err(CookError::UndeclaredVar { var: var.clone() });
    }
    let mut values = given.clone();
    for var in &formula.vars {
        if values.contains_key(&var.name) {
            continue;
        }
        match &var.default {
            Some(default) => values.insert(var.name.clone(), default.clone()),
            None if var.required => return Err(CookError::MissingVar { var: var.name.clone() }),
            None => values.insert(var.name.clone(), String::new()),
        };
    }
    Ok(values)
}

fn in_order(formula: &FormulaSpec) -> Result<Vec<&Step>, CookError> {
    let mut by_name: BTreeMap<&str, &Step> = BTreeMap::new();
    for step in &formula.steps {
        if by_name.insert(&step.name, step).is_some() {
            return Err(CookError::DuplicateStep { step: step.name.clone() });
        }
    }
    for step in &formula.steps {
        if let Some(need) = step.needs.iter().find(|need| !by_name.contains_key(need.as_str())) {
            return Err(CookError::UnknownNeed { step: step.name.clone(), need: need.clone() });
        }
    }
    let needs = needs(formula);
    if let Some(circle) = graph::cycles(&needs).first() {
        return Err(CookError::Cycle { circle: circle.iter().map(|&name| name.to_owned()).collect() });
    }
    let names: Vec<&str> = formula.steps.iter().map(|step| step.name.as_str()).collect();
    Ok(graph::order(&names, &needs).into_iter().map(|name| by_name[name]).collect())
}

/// The steps that each step needs.
pub(crate) fn needs(formula: &FormulaSpec) -> Needs<'_> {
    formula.steps.iter().map(|step| (step.name.as_str(), step.needs.iter().map(String::as_str).collect())).collect()
}

fn fill_step(step: &Step, values: &BTreeMap<String, String>) -> Result<CookedStep, CookError> {
    let with = |field: &'static str, text: &str, bytes_max: usize, fill: Fill| {
        fill(text, values, bytes_max).map_err(|why| {
            let step = step.name.clone();
            match why {
                Unfilled::TooLong => CookError::TooLong { step, field, bytes_max },
                Unfilled::NoValue(var) if is_built_in(var) => CookError::MissingBuiltIn { step, var: var.to_owned() },
                Unfilled::NoValue(var) => CookError::UnknownVar { step, var: var.to_owned() },
            }
        })
    };
    let text = |field, text: &str, bytes_max| with(field, text, bytes_max, fill);
    let title = step.title.as_deref().unwrap_or(&step.name);
    Ok(CookedStep {
        name: step.name.clone(),
        // A title is only read: one that grew too long is cut.
        title: text("title", title, usize::MAX)?.chars().take(TITLE_CHARS_MAX).collect(),
        description: step
            .description
            .as_deref()
            .map(|it| text("description", it, DESCRIPTION_BYTES_MAX))
            .transpose()?,
        needs: step.needs.clone(),
        run: match step.run.as_deref().map(|it| with("run", it, RUN_BYTES_MAX, fill_shell)).transpose() {
            // An agent with judgement reads the bead; there is nothing to run for it.
            Err(CookError::MissingBuiltIn { var, .. }) if var == COMMAND => None,
            run => run?,
        },
        runtime: step.runtime.clone(),
    })
}

/// Whether a var is built in.
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// Why a text could not be filled in.
enum Unfilled<'a> {
    NoValue(&'a str),
    TooLong,
}

/// A way to fill in a text of at most so many bytes.
type Fill = for<'a> fn(&'a str, &BTreeMap<String, String>, usize) -> Result<String, Unfilled<'a>>;

/// Fills in shell text: the bead's command is put in as it is, and every other var is a variable of the shell. What is
/// built in anybody may have written, so it stays one word.
fn fill_shell<'a>(text: &'a str, values: &BTreeMap<String, String>, bytes_max: usize) -> Result<String, Unfilled<'a>> {
    let (mut pasted, mut copied) = (String::with_capacity(text.len()), 0);
    let mut fillings = Vec::new();
    for (range, name) in uses(text) {
        let value = values.get(name).ok_or(Unfilled::NoValue(name))?;
        pasted.push_str(&text[copied..range.start]);
        let start = pasted.len();
        if name == COMMAND {
            pasted.push_str(value);
        } else {
            pasted.push_str(&text[range.clone()]);
            fillings.push(Filling { range: start..pasted.len(), name, value, is_word: is_built_in(name) });
        }
        copied = range.end;
        if pasted.len() > bytes_max {
            return Err(Unfilled::TooLong);
        }
    }
    pasted.push_str(&text[copied..]);
    let filled = shell_text::fill(&pasted, &fillings);
    if filled.len() > bytes_max { Err(Unfilled::TooLong) } else { Ok(filled) }
}

/// Replaces each `{{name}}` by its value, in one pass.
fn fill<'a>(text: &'a str, values: &BTreeMap<String, String>, bytes_max: usize) -> Result<String, Unfilled<'a>> {
    let mut filled = String::with_capacity(text.len());
    let mut copied = 0;
    for (range, name) in uses(text) {
        filled.push_str(&text[copied..range.start]);
        filled.push_str(values.get(name).ok_or(Unfilled::NoValue(name))?);
        copied = range.end;
        if filled.len() > bytes_max {
            return Err(Unfilled::TooLong);
        }
    }
    filled.push_str(&text[copied..]);
    if filled.len() > bytes_max { Err(Unfilled::TooLong) } else { Ok(filled) }
}

/// Where a text uses vars: the bytes of each `{{name}}`, and the name. Braces around anything but a name, such as
/// `{{.Name}}` or `{{ secrets.KEY }}`, are ordinary text.
pub fn uses(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        let inner = open + 2;
        // Nothing longer than this is a use, so a text of braces alone costs no more than its length.
        let end = text.floor_char_boundary(inner + USE_BYTES_MAX);
        match text[inner..end].find("}}").map(|at| inner + at) {
            Some(close) if is_name(text[inner..close].trim_matches(' ')) => {
                found.push((open..close + 2, text[inner..close].trim_matches(' ')));
                from = close + 2;
            }
            // One brace further: `{{{name}}` holds a use that starts at its second brace.
            _ => from = open + 1,
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 63
        && bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formula(text: &str) -> FormulaSpec {
        serde_saphyr::from_str(text).unwrap()
    }

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_are_filled_in_once_and_never_read_again() {
        let formula = formula(
            "vars: [{name: a}, {name: b, default: x}]\nsteps: [{name: s, run: 'echo {{a}} {{ b }} {{.Go}} ${{ s.K }} {{{a}}'}]",
        );
        let cooked = cook(&formula, &given(&[("a", "{{b}}")])).unwrap();
        let run = "GT_VAR_a='{{b}}'\nGT_VAR_b=x\necho ${GT_VAR_a} ${GT_VAR_b} {{.Go}} ${{ s.K }} {${GT_VAR_a}";
        assert_eq!(cooked[0].run.as_deref(), Some(run));
        assert_eq!(cooked[0].title, "s");
    }

    #[test]
    fn only_the_command_of_a_bead_is_shell() {
        let formula = formula(
            "vars: [{name: files}]\nsteps: [{name: s, title: 'On {{title}}', run: '{{command}} {{title}} {{files}}'}]",
        );
        let vars = given(&[("command", "echo 'a;b' &&"), ("title", "$(id)"), ("files", "a; id")]);
        let cooked = cook(&formula, &vars).unwrap();
        let run = "GT_VAR_files='a; id'\nGT_VAR_title='$(id)'\necho 'a;b' && \"${GT_VAR_title}\" ${GT_VAR_files}";
        assert_eq!(cooked[0].run.as_deref(), Some(run));
        assert_eq!(cooked[0].title, "On $(id)");
    }

    #[test]
    fn steps_come_after_what_they_need() {
        let formula = formula("steps: [{name: ship, needs: [test]}, {name: lint}, {name: test, needs: [lint]}]");
        let names: Vec<_> = cook(&formula, &given(&[])).unwrap().into_iter().map(|step| step.name).collect();
        assert_eq!(names, ["lint", "test", "ship"]);
    }

    #[test]
    fn what_cannot_be_cooked_says_why() {
        let why = |text: &str, vars: &[(&str, &str)]| cook(&formula(text), &given(vars)).unwrap_err().to_string();
        insta::assert_snapshot!(why("steps: [{name: a, needs: [b]}, {name: b, needs: [a]}]", &[]), @"steps need each other in a circle: a → b → a");
        insta::assert_snapshot!(why("steps: [{name: a}, {name: a}]", &[]), @"two steps are named `a`");
        insta::assert_snapshot!(why("steps: [{name: a, needs: [c]}]", &[]), @"step `a` needs `c`, which is no step of the formula");
        insta::assert_snapshot!(why("steps: [{name: a, run: '{{x}}'}]", &[]), @"step `a` uses `{{x}}`, which is no var of the formula");
        insta::assert_snapshot!(why("steps: [{name: a, title: '{{command}}'}]", &[]), @"step `a` uses `{{command}}`, and the bead has no command");
        insta::assert_snapshot!(why("steps: [{name: a}]", &[("x", "1")]), @"the bead gives `x`, which is no var of the formula");
        insta::assert_snapshot!(why("vars: [{name: x, required: true}]\nsteps: [{name: a}]", &[]), @"the bead does not give the var `x`, which the formula requires");
        insta::assert_snapshot!(why("steps: [{name: a, run: '{{title}}'}]", &[("title", &"x".repeat(16384))]), @"the run of step `a` is longer than 16384 bytes once it is filled in");
    }

    #[test]
    fn the_digest_changes_with_the_text() {
        let one = digest(&formula("steps: [{name: a, run: x}]"));
        assert_eq!(one, digest(&formula("steps: [{run: x, name: a}]")));
        assert_ne!(one, digest(&formula("steps: [{name: a, run: y}]")));
    }
}
