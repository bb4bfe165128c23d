//! What an agent reports into the folder of its attempt that is its own: the conversation that it is in, and what it does.

use std::path::PathBuf;

use gastown_supervisor::records;
pub use gastown_supervisor::records::{Activity, Conversation, Doing, RecordError};

/// The reports of one attempt, in the folder that `GT_RUN` names.
#[derive(Debug, Clone)]
pub struct Reports {
    folder: PathBuf,
}

impl Reports {
    /// Those in this folder.
    pub fn of(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// What was reported last of what the agent does. A report that cannot be read is none.
    pub fn activity(&self) -> Option<Activity> {
        records::read(&self.folder.join(records::ACTIVITY)).ok().flatten()
    }

    /// Reports what the agent does.
    pub fn put_activity(&self, activity: &Activity) -> Result<(), RecordError> {
        records::write(&self.folder.join(records::ACTIVITY), activity, false)
    }

    /// The conversation that was reported last. One that cannot be read is none.
    pub fn conversation(&self) -> Option<Conversation> {
        records::read(&self.folder.join(records::CONVERSATION)).ok().flatten()
    }

    /// Reports the conversation that the agent is in, unless it is the one that is known.
    pub fn put_conversation(&self, conversation: &Conversation) -> Result<(), RecordError> {
        let is_known = self.conversation().is_some_and(|known| {
            let is_there = conversation.transcript.is_none() || known.transcript == conversation.transcript;
            known.id == conversation.id && is_there
        });
        if is_known { Ok(()) } else { records::write(&self.folder.join(records::CONVERSATION), conversation, true) }
    }
}
