//! The conversation that a session's agent is in: reported into the attempt's folder, so that another attempt goes on with it.

use std::path::PathBuf;

use gastown_connect::actor::variable;
use gastown_supervisor::records::{self, CONVERSATION, Conversation, RecordError};

/// The folder of the attempt that is the agent's; none outside of a session.
pub(super) fn run_folder() -> Option<PathBuf> {
    variable("GT_RUN").map(PathBuf::from)
}

/// Reports the conversation by the variable that the agent's tools see it in, if its Runtime names one. A verb does not fail of it.
pub(super) fn report() {
    let id = variable("GT_SESSION_VARIABLE").and_then(|name| variable(&name));
    if let Some(id) = id {
        drop(keep(Conversation { id, transcript: None }));
    }
}

/// Keeps a conversation, unless it is the one that is known.
pub(super) fn keep(conversation: Conversation) -> Result<(), RecordError> {
    let Some(path) = run_folder().map(|folder| folder.join(CONVERSATION)) else { return Ok(()) };
    let known = records::read::<Conversation>(&path).ok().flatten();
    let is_known = known.is_some_and(|known| {
        known.id == conversation.id
            && (conversation.transcript.is_none() || known.transcript == conversation.transcript)
    });
    if is_known { Ok(()) } else { records::write(&path, &conversation, true) }
}
