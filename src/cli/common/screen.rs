//! What an agent's terminal shows: of a session that runs, as tmux has it; of one that is over, its output replayed.

use gastown_controllers::world::{SandboxId, Session};

use super::error::{CliError, Exit};
use crate::cli::sessions_of;
use crate::town::Town;
use crate::world::records::Records;

/// The screen of an attempt.
pub struct Screen {
    /// Its lines, after those that have left it at its top.
    pub lines: Vec<String>,
    /// Whether its session runs.
    pub runs: bool,
}

/// The screen of an attempt at a bead. What cannot be seen of a session that runs is read from its output.
pub fn of_attempt(town: &Town, bead_uid: &str, attempt: u32) -> Result<Screen, CliError> {
    let records = Records::of(&town.layout);
    let sandbox = records.attempt_sandbox(bead_uid, attempt).map(|uid| SandboxId { name: uid.clone(), uid });
    let sessions = sessions_of(town);
    let is_it = |session: Session| matches!(session, Session::Running { owner_uid, attempt: it } if owner_uid == bead_uid && it == attempt);
    let runs = sandbox.as_ref().is_some_and(|sandbox| sessions.look(sandbox).is_ok_and(is_it));
    if runs
        && let Some(sandbox) = &sandbox
        && let Ok(Some(text)) = sessions.screen(sandbox)
    {
        let lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
        let end = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        return Ok(Screen { lines: lines[..end].to_vec(), runs });
    }
    let lines = records.screen(bead_uid, attempt).map_err(|error| CliError::from_error(Exit::Failed, &error))?;
    Ok(Screen { lines, runs })
}

impl Screen {
    /// The last so many lines, as one text.
    pub fn last(&self, lines: usize) -> String {
        self.lines[self.lines.len().saturating_sub(lines)..].join("\n")
    }
}
