//! Words of a town's own for types and statuses: those that the settings `types.custom` and `status.custom` list, as in Beads.
//!
//! A mistyped word would be a bead that nobody works on; so a word that is neither Beads' nor listed is refused where somebody
//! writes it. What another tracker has exported keeps its words.

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_beads::words;

use super::filter::shown;
use super::memory;

/// Types that prompts of Gas Town file, and that Beads has in its settings there.
const OTHER_TYPES: [&str; 2] = ["slot", "queue"];

/// Refuses a status that is neither Beads' own nor listed.
pub async fn check_status(word: &str, context: &Context) -> Result<(), Error> {
    if words::STATUSES.contains(&word) {
        return Ok(());
    }
    let listed = listed("status.custom", context).await?;
    if listed.iter().any(|it| it == word) {
        return Ok(());
    }
    Err(unknown("status", &shown(word), &words::STATUSES, &listed))
}

/// Refuses unknown statuses by which nothing was found: what another tracker has exported may have them.
pub async fn check_found(wanted: &[String], is_found: bool, context: &Context) -> Result<(), Error> {
    for word in wanted.iter().filter(|word| !is_found && *word != "all") {
        check_status(word, context).await?;
    }
    Ok(())
}

/// Refuses a custom type that is not listed: the first of these.
pub async fn check_types(custom: impl IntoIterator<Item = &str>, context: &Context) -> Result<(), Error> {
    let mut custom = custom.into_iter().filter(|word| !OTHER_TYPES.contains(word)).peekable();
    if custom.peek().is_none() {
        return Ok(());
    }
    let listed = listed("types.custom", context).await?;
    match custom.find(|word| !listed.iter().any(|it| it == word)) {
        Some(word) => Err(unknown("type", &shown(word), &words::types().collect::<Vec<_>>(), &listed)),
        None => Ok(()),
    }
}

fn unknown(what: &str, word: &str, known: &[&str], listed: &[String]) -> Error {
    let known: Vec<&str> = known.iter().copied().chain(listed.iter().map(String::as_str)).collect();
    let setting = if what == "type" { "types.custom" } else { "status.custom" };
    let list: Vec<&str> = listed.iter().map(String::as_str).chain([word]).collect();
    Error::refused(
        format!("invalid {what} `{word}`: known are {}", known.join(", ")),
        format!("a word of your own is listed first: bd config set {setting} \"{}\"", list.join(",")),
    )
}

async fn listed(key: &str, context: &Context) -> Result<Vec<String>, Error> {
    let value = memory::read(key, context).await?.unwrap_or_default();
    // Beads has `WORD:CATEGORY` for a status.
    let word = |text: &str| text.split(':').next().unwrap_or_default().trim().to_lowercase();
    Ok(value.split(',').map(word).filter(|word| !word.is_empty()).collect())
}
