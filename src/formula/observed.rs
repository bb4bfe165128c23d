//! Conditions on what happens while a molecule is worked on: read here, and decided by whoever knows how its steps stand.
//!
//! The forms are Beads': `step.status`, `step.output.field`, `children(step).all|any|count(…)`, `steps.complete`, `file.exists('…')` and
//! `env.NAME`. What is not there is equal to nothing: `==` is false of it, `!=` is true.

use std::cmp::Ordering;

use crate::fill;

/// A condition that is decided at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    on: On,
    test: Test,
}

/// What a condition looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
enum On {
    /// Where a step stands.
    Status(String),
    /// A field of a step's output.
    Output(String, String),
    /// How many steps of the molecule are complete.
    Complete,
    /// The children of a step: how many of them, and what is true of those.
    Children(String, Aggregate, Box<Condition>),
    /// A file of the repository.
    File(String),
    /// A variable of the environment.
    Variable(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    All,
    Any,
    Count,
}

/// What must be true of it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    /// It is true by itself.
    Holds,
    Compare(Operator, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Less,
    Most,
    More,
    Least,
}

/// Where a step stands, in the words of conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody is at work on it: `pending`, or `open`.
    Pending,
    /// Somebody is: `in_progress`.
    InProgress,
    /// It was done: `complete`, or `closed`.
    Complete,
    /// It was given up: `failed`.
    Failed,
    /// It was left out: `skipped`.
    Skipped,
}

/// The words for how a step stands.
const STATUSES: [(&str, &[Standing]); 8] = [
    ("complete", &[Standing::Complete]),
    ("completed", &[Standing::Complete]),
    ("closed", &[Standing::Complete, Standing::Failed, Standing::Skipped]),
    ("failed", &[Standing::Failed]),
    ("skipped", &[Standing::Skipped]),
    ("in_progress", &[Standing::InProgress]),
    ("open", &[Standing::Pending, Standing::InProgress]),
    ("pending", &[Standing::Pending]),
];

/// What is known of a molecule while it is worked on. A step is named as in the condition; its children are named by the molecule.
pub trait Facts {
    /// Where a step stands; none if there is no such step.
    fn standing(&self, step: &str) -> Option<Standing>;
    /// A field of a step's output, as text.
    fn output(&self, step: &str, field: &str) -> Option<String>;
    /// The children of a step, by names that the other two know.
    fn children(&self, step: &str) -> Vec<String>;
    /// How many steps are complete.
    fn complete(&self) -> usize;
}

impl Condition {
    /// Reads a condition; else the reason why it is none. A value may still be a `{{var}}`.
    pub fn parse(text: &str) -> Result<Self, String> {
        parse(text.trim())
    }

    /// Whether it holds. Of files and variables nothing is known here: see [`Self::command`].
    pub fn holds(&self, facts: &dyn Facts) -> bool {
        self.holds_of("", facts)
    }

    fn holds_of(&self, this: &str, facts: &dyn Facts) -> bool {
        let named = |step: &'_ String| if step.is_empty() { this.to_owned() } else { step.clone() };
        match &self.on {
            On::Status(step) => {
                let standing = facts.standing(&named(step));
                let is = |word: &str| standing.is_some_and(|it| standings(word).contains(&it));
                match &self.test {
                    Test::Compare(Operator::Is, word) => is(word),
                    Test::Compare(Operator::IsNot, word) => !is(word),
                    Test::Compare(..) | Test::Holds => false,
                }
            }
            On::Output(step, field) => self.test.holds_of(facts.output(&named(step), field).as_deref()),
            On::Complete => self.test.holds_of(Some(&facts.complete().to_string())),
            On::Children(step, aggregate, inner) => {
                let children = facts.children(step);
                let mut held = children.iter().filter(|child| inner.holds_of(child, facts));
                match aggregate {
                    Aggregate::All => held.count() == children.len(),
                    Aggregate::Any => held.next().is_some(),
                    Aggregate::Count => self.test.holds_of(Some(&held.count().to_string())),
                }
            }
            On::File(_) | On::Variable(_) => false,
        }
    }

    /// The steps that it names.
    pub fn steps(&self) -> impl Iterator<Item = &str> {
        let step = match &self.on {
            On::Status(step) | On::Output(step, _) | On::Children(step, ..) => Some(step.as_str()),
            On::Complete | On::File(_) | On::Variable(_) => None,
        };
        step.into_iter()
    }

    /// A condition on a file or a variable as a command that ends with 0 where it holds. The file is looked for on the
    /// default branch of the repository, as the clone in `$GT_CLONE` has last fetched it.
    pub fn command(&self) -> Option<String> {
        match (&self.on, &self.test) {
            (On::File(path), _) => {
                Some(format!("git -C \"$GT_CLONE\" cat-file -e {}", quoted(&format!("{DEFAULT_BRANCH}:{path}"))))
            }
            (On::Variable(name), Test::Compare(operator, value)) => {
                let operator = match operator {
                    Operator::Is => "=",
                    Operator::IsNot => "!=",
                    Operator::Less => "-lt",
                    Operator::Most => "-le",
                    Operator::More => "-gt",
                    Operator::Least => "-ge",
                };
                Some(format!("test \"${name}\" {operator} {}", quoted(value)))
            }
            _ => None,
        }
    }
}

impl Test {
    /// Whether it is true of a text, or of what is not there. What looks like numbers is compared as numbers.
    fn holds_of(&self, text: Option<&str>) -> bool {
        let Self::Compare(operator, other) = self else { return false };
        let Some(text) = text else { return *operator == Operator::IsNot };
        let order = match (text.parse::<f64>(), other.parse::<f64>()) {
            (Ok(one), Ok(other)) => one.partial_cmp(&other),
            _ if matches!(operator, Operator::Is | Operator::IsNot) => Some(text.cmp(other)),
            _ => None,
        };
        match operator {
            Operator::Is => order == Some(Ordering::Equal),
            Operator::IsNot => order != Some(Ordering::Equal),
            Operator::Less => order == Some(Ordering::Less),
            Operator::Most => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Operator::More => order == Some(Ordering::Greater),
            Operator::Least => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

/// A word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn standings(word: &str) -> &'static [Standing] {
    STATUSES.iter().find(|(known, _)| *known == word).map_or(&[], |(_, standings)| standings)
}

/// The ids that a name in a condition may mean, the nearest first: beside the step that has the condition, beside what that is within,
/// and so on up to the molecule. `go.iter2.b` that names `a` means `go.iter2.a`, else `go.a`, else `a`.
pub fn meanings<'a>(of: &'a str, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let within = of.char_indices().rev().filter(|(_, c)| *c == '.').map(|(at, _)| &of[..=at]);
    within.map(move |within| format!("{within}{name}")).chain([name.to_owned()])
}

/// The ids that `LOOP.STEP` may mean: the step in an iteration of the loop. `iteration` gives the number of the last one, if there is such a
/// loop.
pub fn in_last_iteration<'a>(
    name: &'a str,
    iteration: impl Fn(&str) -> Option<u32> + 'a,
) -> impl Iterator<Item = String> + 'a {
    let dots = name.char_indices().filter(|(_, c)| *c == '.').map(|(at, _)| (&name[..at], &name[at + 1..]));
    dots.filter_map(move |(of, step)| Some(format!("{of}.iter{}.{step}", iteration(of)?)))
}

/// Where a clone of the town has the default branch of its remote.
const DEFAULT_BRANCH: &str = "refs/gt/head";

const FORMS: &str = "it must be like `{{var}}`, `{{var}} == x`, `step.status == 'complete'`, `step.output.x == 1`, \
                     `children(step).all(status == 'complete')`, `steps.complete >= 3`, `file.exists('x')` or `env.X == 'y'`";

fn parse(text: &str) -> Result<Condition, String> {
    if let Some(path) = call(text, "file.exists") {
        let path = path.trim();
        let inner = unquoted(path);
        if inner.is_empty() || inner.len() == path.len() {
            return Err("`file.exists` takes a path in quotes".to_owned());
        }
        return Ok(Condition { on: On::File(inner.to_owned()), test: Test::Holds });
    }
    let (left, test) = match comparison(text) {
        Some((_, _, "")) => return Err("nothing is on the right of the comparison".to_owned()),
        Some((left, operator, right)) => (left, Test::Compare(operator, word(right)?)),
        None => (text, Test::Holds),
    };
    if let Some(condition) = aggregate(left, &test)? {
        return Ok(condition);
    }
    let status = |step: &str| On::Status(step.to_owned());
    let on = if left == "steps.complete" {
        On::Complete
    } else if let Some(name) = left.strip_prefix("env.").filter(|name| is_variable(name)) {
        On::Variable(name.to_owned())
    } else if let Some(step) = left.strip_suffix(".status").filter(|step| !step.is_empty()) {
        status(step)
    } else {
        match left.split_once(".output.").filter(|(step, field)| !step.is_empty() && !field.is_empty()) {
            Some((step, field)) => On::Output(step.to_owned(), field.to_owned()),
            None => return Err(FORMS.to_owned()),
        }
    };
    checked(Condition { on, test })
}

/// Whether a shell can have a variable of this name.
fn is_variable(name: &str) -> bool {
    fill::is_name(name) && !name.contains('-')
}

/// `children(step).all(…)` and the like, of which `left` is what is before a comparison.
fn aggregate(left: &str, test: &Test) -> Result<Option<Condition>, String> {
    for (name, aggregate) in [("all", Aggregate::All), ("any", Aggregate::Any), ("count", Aggregate::Count)] {
        let Some(at) = left.find(&format!(".{name}(")) else { continue };
        let (Some(step), Some(inner)) =
            (call(&left[..at], "children").or_else(|| Some(&left[..at])), call(&left[at + 1..], name))
        else {
            continue;
        };
        let inner = match comparison(inner) {
            Some(("status", operator, right)) => {
                Condition { on: On::Status(String::new()), test: Test::Compare(operator, word(right)?) }
            }
            Some((field, operator, right)) if field.strip_prefix("output.").is_some_and(|it| !it.is_empty()) => {
                let field = field.trim_start_matches("output.").to_owned();
                let test = Test::Compare(operator, word(right)?);
                Condition { on: On::Output(String::new(), field), test }
            }
            _ => return Err(format!("`{name}` takes a comparison such as `status == 'complete'`")),
        };
        match (aggregate, test) {
            (Aggregate::Count, Test::Holds) => return Err("`count` must be compared with a number".to_owned()),
            (Aggregate::All | Aggregate::Any, Test::Compare(..)) => {
                return Err(format!("`{name}` is true or false; it is not compared"));
            }
            _ => {}
        }
        let on = On::Children(step.trim().to_owned(), aggregate, Box::new(checked(inner)?));
        return Ok(Some(Condition { on, test: test.clone() }));
    }
    Ok(None)
}

/// The condition, where its words are known.
fn checked(condition: Condition) -> Result<Condition, String> {
    let Test::Compare(operator, word) = &condition.test else { return Err(FORMS.to_owned()) };
    if matches!(condition.on, On::Complete) && !word.contains("{{") && word.parse::<u32>().is_err() {
        return Err(format!("`steps.complete` is compared with a number, and `{word}` is none"));
    }
    if matches!(condition.on, On::Status(_)) && !word.contains("{{") {
        if !matches!(operator, Operator::Is | Operator::IsNot) {
            return Err("a status is compared with `==` or `!=`".to_owned());
        }
        if standings(word).is_empty() {
            let known: Vec<&str> = STATUSES.iter().map(|(word, _)| *word).collect();
            return Err(format!("`{word}` is no status: known are {}", known.join(", ")));
        }
    }
    Ok(condition)
}

/// What a comparison is with: one word, or anything in quotes.
fn word(text: &str) -> Result<String, String> {
    let inner = unquoted(text);
    let is_quoted = inner.len() < text.len() && !inner.contains(['\'', '"']);
    if !is_quoted && !text.contains("{{") && text.split_whitespace().count() != 1 {
        return Err(format!(
            "`{text}` is more than one word: quote it. A condition is one comparison, without `&&` and `||`"
        ));
    }
    Ok(inner.to_owned())
}

/// A text without the quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    let within = |quote| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    within('\'').or_else(|| within('"')).unwrap_or(text)
}

/// What is within `name(…)`.
fn call<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

/// The two sides of the first comparison outside of parentheses and quotes.
fn comparison(text: &str) -> Option<(&str, Operator, &str)> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Is),
        ("!=", Operator::IsNot),
        (">=", Operator::Least),
        ("<=", Operator::Most),
        (">", Operator::More),
        ("<", Operator::Less),
    ];
    let (mut depth, mut quote) = (0_usize, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, '=' | '!' | '<' | '>') if depth == 0 => {
                let (sign, operator) = OPERATORS.into_iter().find(|(sign, _)| text[at..].starts_with(sign))?;
                return Some((text[..at].trim(), operator, text[at + sign.len()..].trim()));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    struct Molecule(BTreeMap<&'static str, (Standing, &'static str)>);

    impl Facts for Molecule {
        fn standing(&self, step: &str) -> Option<Standing> {
            self.0.get(step).map(|(standing, _)| *standing)
        }

        fn output(&self, step: &str, field: &str) -> Option<String> {
            self.0.get(step).filter(|_| field == "n").map(|(_, output)| (*output).to_owned())
        }

        fn children(&self, step: &str) -> Vec<String> {
            self.0.keys().filter(|key| key.starts_with(&format!("{step}."))).map(|key| (*key).to_owned()).collect()
        }

        fn complete(&self) -> usize {
            self.0.values().filter(|(standing, _)| *standing == Standing::Complete).count()
        }
    }

    fn holds(text: &str) -> bool {
        let molecule = Molecule(BTreeMap::from([
            ("scan", (Standing::Complete, "10")),
            ("scan.a", (Standing::Complete, "1")),
            ("scan.b", (Standing::Failed, "2")),
            ("late", (Standing::InProgress, "")),
            ("none", (Standing::Skipped, "")),
        ]));
        Condition::parse(text).unwrap().holds(&molecule)
    }

    #[test]
    fn conditions_are_decided_by_how_steps_stand() {
        for true_ in [
            "scan.status == 'complete'",
            "scan.status == closed",
            "none.status == 'closed'",
            "late.status != \"complete\"",
            "late.status == 'open'",
            "gone.status != 'complete'",
            "scan.output.n > 9",
            "scan.output.n == '10'",
            "scan.output.other != 1",
            "steps.complete >= 2",
            "children(scan).any(status == 'failed')",
            "children(scan).count(status == 'closed') == 2",
            "children(scan).all(output.n <= 2)",
            "children(late).all(status == 'complete')",
        ] {
            assert!(holds(true_), "{true_}");
        }
        for false_ in [
            "gone.status == 'complete'",
            "none.status == 'complete'",
            "scan.output.n < 9",
            "scan.output.other > 1",
            "steps.complete > 2",
            "children(scan).all(status == 'complete')",
            "children(late).any(status == 'complete')",
        ] {
            assert!(!holds(false_), "{false_}");
        }
    }

    #[test]
    fn conditions_are_known_by_their_form() {
        for good in ["file.exists('go.mod')", "env.CI == 'true'", "a.status == '{{word}}'", "steps.complete >= {{n}}"] {
            assert!(Condition::parse(good).is_ok(), "{good}");
        }
        let wrong = |text: &str| Condition::parse(text).unwrap_err();
        for bad in ["", "maybe", "build.status", "build.status ==", "file.exists(x)", "count(x)", "x == 1", "env.CI"] {
            wrong(bad);
        }
        assert!(wrong("build.status == 'done-ish'").contains("known are complete"));
        for more in [
            "a.output.n == 0 || a.output.n == 1",
            "a.status == 'complete' && b.status == 'complete'",
            "a.output.x == two words",
        ] {
            assert!(wrong(more).contains("`||`"), "{more}");
        }
        assert!(wrong("steps.complete >= x").contains("number"));
        wrong("env.A-B == 'x'");
        assert!(wrong("build.status > 'complete'").contains("`==` or `!=`"));
        assert!(wrong("children(a).count(status == 'failed')").contains("number"));
        assert!(wrong("children(a).all(status == 'failed') == 1").contains("not compared"));
        assert!(wrong("children(a).all(failed)").contains("comparison"));
    }

    #[test]
    fn a_name_means_what_is_nearest() {
        assert_eq!(meanings("go.iter2.b", "a").collect::<Vec<_>>(), ["go.iter2.a", "go.a", "a"]);
        assert_eq!(meanings("b", "a").collect::<Vec<_>>(), ["a"]);
        let iteration = |of: &str| (of == "o.go").then_some(3);
        assert_eq!(in_last_iteration("o.go.a.b", iteration).collect::<Vec<_>>(), ["o.go.iter3.a.b"]);
    }

    #[test]
    fn files_and_variables_are_asked_for_by_a_command() {
        let command = |text: &str| Condition::parse(text).unwrap().command();
        assert_eq!(
            command("file.exists('it''s')").unwrap(),
            r#"git -C "$GT_CLONE" cat-file -e 'refs/gt/head:it'\'''\''s'"#
        );
        assert_eq!(command("env.CI != 'no way'").unwrap(), "test \"$CI\" != 'no way'");
        assert_eq!(command("steps.complete > 1"), None);
    }
}
