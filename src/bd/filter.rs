//! Filters as people write them, checked and put into the API's words.

use clap::ValueEnum;
use gastown_agent::error::Error;
use gastown_crds::actor::Worker;
use gastown_crds::bead::BeadType;
use gastown_crds::names;

/// A type in Beads' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TypeName {
    /// A piece of work.
    Task,
    /// A defect to fix.
    Bug,
    /// Something new.
    Feature,
    /// Upkeep.
    Chore,
    /// A part of another bead.
    Step,
}

impl TypeName {
    /// The type it names.
    pub fn bead_type(self) -> BeadType {
        match self {
            Self::Task => BeadType::Task,
            Self::Bug => BeadType::Bug,
            Self::Feature => BeadType::Feature,
            Self::Chore => BeadType::Chore,
            Self::Step => BeadType::Step,
        }
    }
}

/// A polecat as `bd` writes it: `<rig>/polecats/<name>`.
pub fn polecat(text: &str) -> Result<Worker, Error> {
    Worker::parse(text)
        .ok_or_else(|| Error::refused(format!("invalid polecat name `{text}`"), "write it as RIG/polecats/NAME"))
}

/// A bead's id: labels joined by dots.
pub fn id(text: &str) -> Result<&str, Error> {
    if text.len() <= 253 && text.split('.').all(names::is_label) {
        return Ok(text);
    }
    let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    Err(Error::refused(format!("invalid bead id `{shown}`"), "`bd list` shows the ids"))
}

/// A priority: `1` or `P1`.
pub fn priority(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix(['P', 'p']).unwrap_or(text);
    digits.parse().ok().filter(|p| *p <= 4).ok_or_else(|| "a priority is 0 (first) to 4 (last)".to_owned())
}

/// A label as Beads writes it, `key:value`, or as Kubernetes does, as a label selector.
pub fn label(text: &str) -> Result<String, Error> {
    let (key, value) = text.split_once([':', '=']).map_or((text, None), |(key, value)| (key, Some(value)));
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if key.is_empty() || !plain(key) || !value.is_none_or(plain) {
        return Err(Error::refused(format!("invalid label `{text}`"), "write it as KEY:VALUE or KEY"));
    }
    Ok(value.map_or_else(|| key.to_owned(), |value| format!("{key}={value}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_change_the_question_is_refused() {
        assert_eq!(polecat("shop/polecats/nux").unwrap().object(), "shop-nux");
        assert_eq!(label("gastown.io/convoy:auth").unwrap(), "gastown.io/convoy=auth");
        assert_eq!(label("urgent").unwrap(), "urgent");
        assert_eq!((priority("P1").unwrap(), priority("4").unwrap()), (1, 4));
        assert_eq!(id("shop-1.2.change").unwrap(), "shop-1.2.change");
        assert!(polecat("shop,x/polecats/nux").is_err() && polecat("nux").is_err());
        assert!(label("a=b,c").is_err() && label("").is_err());
        assert!(id("../x").is_err() && id("a/b").is_err() && id("").is_err());
        assert!(priority("5").is_err() && priority("high").is_err());
    }
}
