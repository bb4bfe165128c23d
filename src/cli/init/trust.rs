//! How far a new town trusts its agents: as `--trust` says, else as the person at the terminal answers. Nobody else decides it.

use std::io::{BufRead, IsTerminal};

use clap::ValueEnum;
use gastown_crds::manifest;

use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::town::TOWN_FILE;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256;

/// How far agents are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Trust {
    /// Agents may run any command as you, and nobody is asked.
    #[value(name = "Full")]
    Full,
    /// Agents that skip permission prompts, as claude and codex do here, are not started.
    #[value(name = "None")]
    None,
}

impl Trust {
    /// The value of `spec` in the file of a new town.
    pub fn spec(self) -> &'static str {
        match self {
            Self::Full => "spec:\n  trust: Full # agents may run any command as you, and nobody is asked\n",
            Self::None => "spec: {}\n",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Full => "Full",
            Self::None => "None",
        }
    }
}

/// What is decided for a new town: what was said, else what is answered where somebody can be asked.
pub(super) fn decided(said: Option<Trust>, gt: &Context) -> Result<Trust, CliError> {
    let can_ask = || std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    match said {
        Some(trust) => Ok(trust),
        None if can_ask() => asked(std::io::stdin().lock(), gt),
        None => Ok(Trust::None),
    }
}

fn asked(answers: impl BufRead, gt: &Context) -> Result<Trust, CliError> {
    gt.out.talk(
        "May agents in this town run any command as you, without asking?\n\
         Claude Code and Codex work unattended only if they may. They can then read\n\
         and change all that you can: files, logins, the network.",
    );
    gt.out.prompt("Allow it? [y/N] ");
    let mut answer = String::new();
    answers
        .take(ANSWER_BYTES_MAX)
        .read_line(&mut answer)
        .map_err(|error| CliError::new(Exit::Failed, "could not read your answer").because(&error))?;
    Ok(if is_yes(&answer) { Trust::Full } else { Trust::None })
}

fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

/// What to say of a new town that trusts nobody.
pub(super) const HOW_TO_TRUST: &str = "agents that skip permission prompts (claude, codex) do not run here; to allow them: `spec: { trust: Full }` in town.yaml";

/// Refuses `--trust` where a town's file is there and says otherwise: it stays as it is.
pub(super) fn check(said: Option<Trust>, text: &str) -> Result<(), CliError> {
    let Some(said) = said else { return Ok(()) };
    // One that cannot be read is told of by who reads it.
    let Ok(found) = manifest::parse(TOWN_FILE, text) else { return Ok(()) };
    let Some(town) = found.iter().find(|manifest| manifest.kind == "Town") else { return Ok(()) };
    let trust = town.value()["spec"]["trust"].as_str().unwrap_or(Trust::None.word()).to_owned();
    if trust == said.word() {
        return Ok(());
    }
    Err(CliError::new(
        Exit::Refused,
        format!("town.yaml is there already, and stays as it is: it has `trust: {trust}`"),
    )
    .hint(format!(
        "write `trust: {}` under `spec` of its Town; then commit it, or `gt apply -f town.yaml`",
        said.word()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (answer, yes) in
            [("y\n", true), (" Yes \r\n", true), ("", false), ("\n", false), ("n\n", false), ("yeah\n", false)]
        {
            assert_eq!(is_yes(answer), yes, "{answer:?}");
        }
    }
}
