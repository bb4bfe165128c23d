//! The conversation that a session's agent is in, by the variable that its tools see it in: reported, so that another attempt goes on
//! with it.

use gastown_connect::actor::variable;
use gastown_world::records::{Conversation, Reports};

/// The reports of the attempt that this is; none outside of a session.
pub(super) fn reports() -> Option<Reports> {
    variable("GT_RUN").map(|folder| Reports::of(folder.into()))
}

/// Reports the conversation, if the Runtime names such a variable. A verb does not fail of it.
pub(super) fn report() {
    let id = variable("GT_SESSION_VARIABLE").and_then(|name| variable(&name));
    if let (Some(id), Some(reports)) = (id, reports()) {
        drop(reports.put_conversation(&Conversation { id, transcript: None }));
    }
}
