//! What people and agents have sent to this session's agent: told where its program asks `gt __hook`, at a turn's end or begin, and
//! what does not wait for that after each tool call.
//!
//! It needs no controller. A message is claimed first and settled once the answer is written: one that could not be written waits again.

use std::path::{Path, PathBuf};

use gastown_base::clock::{Clock, SystemClock};
use gastown_connect::actor::variable;
use gastown_world::messages::{Message, Messages, MessagesError, Quiet};
use gastown_world::records::ProcessId;

/// The messages to this session's agent.
pub(super) struct Inbox {
    messages: Messages,
    is_quiet: bool,
}

/// Messages that this process tells.
pub(super) struct Told {
    messages: Messages,
    ids: Vec<u64>,
    by: ProcessId,
    /// As the agent reads them.
    pub text: String,
}

impl Inbox {
    /// That of the session that this process is in; none where nobody ever sent anything.
    pub fn of_session() -> Option<Self> {
        let messages = Messages::of_run(Path::new(&variable("GT_RUN")?)).filter(|messages| !messages.is_unused())?;
        let sandbox = variable("GT_SANDBOX").map(PathBuf::from);
        let uid = sandbox.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let data = variable("GT_DATA").map(PathBuf::from);
        let is_quiet = data.zip(uid).is_some_and(|(data, uid)| Quiet::of(&data).is_kept(uid));
        Some(Self { messages, is_quiet })
    }

    /// The agent was given this prompt: what is in it has arrived.
    pub fn saw_prompt(&self, prompt: &str) -> Result<(), MessagesError> {
        let now = SystemClock.now();
        self.messages.change(now, |queue| queue.saw_prompt(prompt, now))
    }

    /// Takes what is to be told now, of what is `wanted`.
    pub fn take(&self, wanted: impl Fn(&Message) -> bool) -> Result<Option<Told>, MessagesError> {
        let Some(by) = ProcessId::own() else { return Ok(None) };
        let may_be_told = |message: &Message| wanted(message) && (message.forced || !self.is_quiet);
        let claimed = self.messages.change(SystemClock.now(), |queue| queue.claim(&by, may_be_told))?;
        if claimed.is_empty() {
            return Ok(None);
        }
        let ids = claimed.iter().map(|message| message.id).collect();
        let text = claimed.iter().map(Message::told).collect::<Vec<_>>().join("\n\n");
        Ok(Some(Told { messages: self.messages.clone(), ids, by, text }))
    }
}

impl Told {
    /// Says whether the agent was told.
    pub fn settle(self, is_told: bool) -> Result<(), MessagesError> {
        let now = SystemClock.now();
        self.messages.change(now, |queue| if is_told { queue.deliver(&self.ids, now) } else { queue.release(&self.by) })
    }
}
