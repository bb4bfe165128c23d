//! Conditions on vars, which cooking decides. Of those on steps, files and the environment it checks the form: see [`Condition`].

use std::collections::BTreeMap;

use crate::fill;
use crate::observed::{Condition, unquoted};

/// A condition on a var.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OnVar<'a> {
    pub name: &'a str,
    test: Test<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Test<'a> {
    True,
    False,
    Is(&'a str),
    IsNot(&'a str),
}

impl OnVar<'_> {
    /// Whether it holds; a var without value is empty.
    pub fn holds(&self, values: &BTreeMap<String, String>) -> bool {
        let value = values.get(self.name).map_or("", String::as_str);
        match self.test {
            Test::True => is_true(value),
            Test::False => !is_true(value),
            Test::Is(other) => value == other,
            Test::IsNot(other) => value != other,
        }
    }
}

fn is_true(value: &str) -> bool {
    !["", "false", "0", "no", "off"].iter().any(|no| value.trim().eq_ignore_ascii_case(no))
}

/// A condition on a var: `{{v}}`, `!{{v}}`, `{{v}} == x` or `{{v}} != x`.
pub(crate) fn on_var(text: &str) -> Option<OnVar<'_>> {
    let text = text.trim();
    let (negated, rest) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest.trim_start()));
    let (name, rest) = rest.strip_prefix("{{")?.split_once("}}")?;
    let (name, rest) = (name.trim_matches(' '), rest.trim());
    if !fill::is_name(name) {
        return None;
    }
    let test = match (negated, rest.split_at_checked(2)) {
        (true, _) if rest.is_empty() => Test::False,
        (false, _) if rest.is_empty() => Test::True,
        (false, Some(("==", other))) => Test::Is(unquoted(other.trim())),
        (false, Some(("!=", other))) => Test::IsNot(unquoted(other.trim())),
        _ => return None,
    };
    Some(OnVar { name, test })
}

/// Whether a text is a condition that somebody can decide; otherwise the reason.
pub(crate) fn check(text: &str) -> Result<(), String> {
    if on_var(text).is_some() { Ok(()) } else { Condition::parse(text).map(|_| ()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, value: &str) -> bool {
        on_var(text).unwrap().holds(&BTreeMap::from([("v".to_owned(), value.to_owned())]))
    }

    #[test]
    fn a_var_is_true_unless_it_says_no() {
        for no in ["", "false", "0", "no", "off", "Off"] {
            assert!(!holds("{{v}}", no), "{no}");
            assert!(holds("!{{v}}", no), "{no}");
        }
        assert!(holds("{{ v }}", "yes"));
        assert!(!holds("{{gone}}", "yes"));
    }

    #[test]
    fn a_var_is_compared_with_a_word() {
        assert!(holds("{{v}} == fast", "fast"));
        assert!(holds("{{v}} == 'fast'", "fast"));
        assert!(holds("{{v}} != fast", "slow"));
        assert!(!holds("{{v}} != fast", "fast"));
    }
}
