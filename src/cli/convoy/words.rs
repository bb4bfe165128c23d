//! The words of `gt convoy create` and `add`: names of beads that are there, which the convoy tracks, and texts, of
//! which it makes beads.

use gastown_beads::ids::object_name;
use gastown_crds::Bead;
use gastown_crds::names::is_subdomain;
use kube::ResourceExt;

use crate::cli::common::context::{Context, Link};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds;
use crate::cli::sling::convoy::How;

/// Who `--notify` may name: there is no one else to tell.
const OVERSEER: &str = "overseer";

/// Words, told apart.
#[derive(Debug, Default)]
pub struct Words<'a> {
    /// Names of beads that are there, each once.
    pub tracks: Vec<String>,
    /// What is to be done.
    pub texts: Vec<&'a str>,
}

/// The words without the name that `--notify` has taken for itself, as in Gas Town: `--notify overseer`.
pub fn without_notified<'a>(words: &'a [String], how: &How) -> &'a [String] {
    match words {
        [words @ .., last] if how.notify && last == OVERSEER => words,
        words => words,
    }
}

impl<'a> Words<'a> {
    /// Looks which words name beads. One that looks like the name of a bead and names none is refused: it would be work
    /// of one word.
    pub async fn of(words: &'a [String], link: &Link, gt: &Context) -> Result<Self, CliError> {
        let mut told = Self::default();
        for word in words {
            match named(word, link).await? {
                None => told.texts.push(word),
                Some(bead) => {
                    let name = check(&bead)?;
                    if bead.spec.closed.is_some() {
                        gt.out.talk(&format!("note: bead/{name} is closed already"));
                    }
                    if !told.tracks.contains(&name) {
                        told.tracks.push(name);
                    }
                }
            }
        }
        Ok(told)
    }
}

/// The bead that a word names; none if it is a text.
async fn named(word: &str, link: &Link) -> Result<Option<Bead>, CliError> {
    let kind = kinds::find("bead")?;
    let said = word.split_once('/').filter(|(of, _)| kinds::find(of).is_ok_and(|of| of.name == kind.name));
    let Some(name) = object_name(said.map_or(word, |(_, name)| name)) else { return Ok(None) };
    let found = link.typed::<Bead>().get_opt(&name).await?;
    if found.is_none() && (said.is_some() || looks_like_a_name(word)) {
        let error = link.not_found(kind, &name).await;
        let hint = error.hint_text().unwrap_or_default().to_owned();
        return Err(error.hint(format!("{hint}; a text that is to be done has several words")));
    }
    Ok(found)
}

/// Whether a word is written as beads are called: `shop-kkrp77zh`, `gt-abc.1`.
fn looks_like_a_name(word: &str) -> bool {
    is_subdomain(word) && word.contains('-')
}

/// Refuses a bead that is no work of its own. Answers its name.
fn check(bead: &Bead) -> Result<String, CliError> {
    let name = bead.name_any();
    if let Some(parent) = bead.spec.parent.as_ref().filter(|_| bead.spec.is_step()) {
        let what = format!("bead {name} is a step, which lands with the bead that it is a part of");
        return Err(CliError::new(Exit::Refused, what).hint(format!("name that: {parent}")));
    }
    if bead.spec.type_.is_record() {
        let what = format!("bead {name} is a {}, which is no work", bead.spec.type_);
        return Err(
            CliError::new(Exit::Refused, what).hint("name beads of other types, or say in words what is to be done")
        );
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_notified_is_no_piece_of_work() {
        let words: Vec<String> = ["gt-abc", "overseer"].map(str::to_owned).into();
        let how = |notify| How { notify, ..How::default() };
        assert_eq!(without_notified(&words, &how(true)), ["gt-abc"]);
        assert_eq!(without_notified(&words, &how(false)), ["gt-abc", "overseer"]);
        assert_eq!(
            ["shop-kkrp77zh", "gt-abc.1", "Fix", "fix", "Fix-it", "fix it-now"].map(looks_like_a_name),
            [true, true, false, false, false, false]
        );
    }
}
