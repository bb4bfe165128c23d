//! What people may call a kind: its singular, plural or short name, whatever the case; and `KIND/NAME`.

use gastown_crds::suggest;

pub use gastown_crds::{KINDS, Kind};

use super::error::{CliError, Exit};

/// The kind that a person means.
pub fn find(word: &str) -> Result<&'static Kind, CliError> {
    let lower = word.to_lowercase();
    // `convoys.gastown.io` and `convoys.v1alpha1.gastown.io` mean the same, as for kubectl.
    let plain = lower.split('.').next().unwrap_or_default();
    Kind::called(plain).ok_or_else(|| {
        let words = KINDS.iter().flat_map(|kind| [kind.singular, kind.plural]);
        let hint = if ["event", "events", "ev"].contains(&plain) {
            "`gt events` lists them".to_owned()
        } else if let Some(near) = suggest::nearest(plain, words) {
            format!("did you mean `{near}`?")
        } else {
            let all: Vec<&str> = KINDS.iter().map(|kind| kind.plural).collect();
            format!("there are {}", all.join(", "))
        };
        CliError::new(Exit::Usage, format!("no kind is named `{}`", word.escape_debug())).hint(hint)
    })
}

/// One object that a command is about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its name.
    pub name: &'a str,
}

/// Reads `KIND/NAME …` or `KIND NAME …`: at least one object.
pub fn targets(words: &[String]) -> Result<Vec<Target<'_>>, CliError> {
    let Some((first, rest)) = words.split_first() else {
        return Err(CliError::new(Exit::Usage, "which object?").hint("say KIND/NAME, such as convoy/release"));
    };
    if first.contains('/') {
        return words.iter().map(|word| target(word)).collect();
    }
    let kind = find(first)?;
    if rest.is_empty() {
        return Err(CliError::new(Exit::Usage, format!("which {}?", kind.singular))
            .hint(format!("say {}/NAME; `gt get {}` lists them", kind.singular, kind.plural)));
    }
    if let Some(word) = rest.iter().find(|word| word.contains('/')) {
        return Err(CliError::new(Exit::Usage, format!("`{}` names a kind again", word.escape_debug()))
            .hint("say either KIND NAME … or KIND/NAME …"));
    }
    Ok(rest.iter().map(|name| Target { kind, name }).collect())
}

fn target(word: &str) -> Result<Target<'_>, CliError> {
    match word.split_once('/') {
        Some((kind, name)) if !name.is_empty() && !name.contains('/') => Ok(Target { kind: find(kind)?, name }),
        _ => Err(CliError::new(Exit::Usage, format!("`{}` is not KIND/NAME", word.escape_debug()))
            .hint("such as convoy/release")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_every_declared_name() {
        for word in ["bead", "beads", "bd", "Bead", "BEADS", "beads.gastown.io"] {
            assert_eq!(find(word).unwrap().name, "Bead", "{word}");
        }
        assert_eq!(find("mr").unwrap().name, "MergeRequest");
        assert_eq!(find("pc").unwrap().name, "Polecat");
    }

    #[test]
    fn a_kind_that_is_not_there_is_met_with_a_proposal() {
        let error = find("convoi").unwrap_err();
        insta::assert_snapshot!(error.render(false), @r"
        error: no kind is named `convoi`
        hint: did you mean `convoy`?
        ");
    }

    #[test]
    fn kinds_come_in_the_order_of_their_dependencies() {
        let order = ["Town", "Runtime", "Formula", "Rig", "Polecat", "Convoy", "Bead", "MergeRequest"];
        // A kind that is added stands where it likes among them.
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).filter(|name| order.contains(name)).collect();
        assert_eq!(names, order);
    }
}
