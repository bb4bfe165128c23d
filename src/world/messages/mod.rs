//! Messages to agents: a queue for each bead, which whoever works on it reads, in this session or in the next one.
//!
//! It lies beside the bead's attempts, so it goes when those go. Its one file is read and written under a lock, whole, by commands,
//! hooks and the controller alike; none of them needs another.
//!
//! # Invariants
//! - A message is told once: a process claims it, and only then tells it. A claim of a process that is gone goes back.
//! - None is lost in silence: it waits, was delivered, or has expired, and the queue says which.

mod quiet;

mod queue;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_base::{lock, private};
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, RecordError};
use jiff::Timestamp;

pub use queue::{Fate, Full, Message, Mode, NewMessage, Queue, TEXT_BYTES_MAX, WAITING_MAX, clean};
pub use quiet::{Quiet, QuietRecord};

use super::layout::Layout;

/// The folder of a bead's attempts has the queue in this one.
const FOLDER: &str = "messages";

/// The queue.
const FILE: &str = "queue.json";

/// Its lock.
const LOCK: &str = "lock";

/// The longest wait for the lock. It is held for as long as a small file takes to be read and written.
const PATIENCE: Duration = Duration::from_secs(5);

/// The queue could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum MessagesError {
    /// The file system refused; the error names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The queue could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Others kept it.
    #[error("the messages in `{folder}` were in use for {PATIENCE:?}")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
}

/// The messages to whoever works on one bead.
#[derive(Debug, Clone)]
pub struct Messages {
    folder: PathBuf,
}

impl Messages {
    /// Those to whoever works on this object.
    pub fn to(layout: &Layout, owner_uid: &str) -> Self {
        Self { folder: layout.attempts(owner_uid).join(FOLDER) }
    }

    /// Those to the agent whose attempt has this folder of its own, `GT_RUN`.
    pub fn of_run(run: &Path) -> Option<Self> {
        Some(Self { folder: run.parent()?.parent()?.join(FOLDER) })
    }

    /// Their folder; it changes whenever they do.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether nobody ever sent one.
    pub fn is_unused(&self) -> bool {
        !self.folder.join(FILE).exists()
    }

    /// As they are now, without writing anything.
    pub fn read(&self, now: Timestamp) -> Result<Queue, MessagesError> {
        let mut queue = records::read::<Queue>(&self.folder.join(FILE))?.unwrap_or_default();
        queue.tidy(now, ProcessId::lives);
        Ok(queue)
    }

    /// Changes them, with nobody else at it.
    pub fn change<T>(&self, now: Timestamp, change: impl FnOnce(&mut Queue) -> T) -> Result<T, MessagesError> {
        private::create(&self.folder)?;
        let in_use = || MessagesError::InUse { folder: self.folder.clone() };
        let held = lock::take(&self.folder.join(LOCK), PATIENCE)?.ok_or_else(in_use)?;
        let file = self.folder.join(FILE);
        let before = records::read::<Queue>(&file)?.unwrap_or_default();
        let mut queue = before.clone();
        queue.tidy(now, ProcessId::lives);
        let answer = change(&mut queue);
        if queue != before {
            records::write(&file, &queue, false)?;
        }
        lock::release(&held);
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_want_to_tell_a_message_one_does() {
        let dir = tempfile::tempdir().unwrap();
        let messages = Messages::to(&Layout::below(dir.path()), "bead");
        let (now, own) = (Timestamp::from_second(0).unwrap(), ProcessId::own().unwrap());
        assert!(messages.is_unused() && messages.read(now).unwrap() == Queue::default());
        let expires = Timestamp::from_second(1).unwrap();
        let new = NewMessage {
            from: "kim".into(),
            text: "hi".into(),
            expires,
            mode: Mode::Queue,
            forced: false,
            opens: false,
        };
        messages.change(now, |queue| queue.push(new, now)).unwrap().unwrap();
        let claims = std::thread::scope(|scope| {
            let claim = || messages.change(now, |queue| queue.claim(&own, |_| true).len()).unwrap();
            let all: Vec<_> = (0..4).map(|_| scope.spawn(claim)).collect();
            all.into_iter().map(|it| it.join().unwrap()).sum::<usize>()
        });
        assert_eq!(claims, 1);
    }

    #[test]
    fn an_agent_finds_what_was_sent_to_its_bead_whichever_attempt_it_is() {
        let layout = Layout::below(Path::new("/town"));
        let run = layout.attempt("bead", 7).join(records::RUN);
        assert_eq!(Messages::of_run(&run).unwrap().folder(), Messages::to(&layout, "bead").folder());
    }
}
