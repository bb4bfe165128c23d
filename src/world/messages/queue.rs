//! The messages to whoever works on a bead, in the order in which they were sent: those that wait, and what became of the last ones.
//!
//! A pure value: the time, and which processes live, are arguments.

use gastown_base::text::is_obeyed;
use gastown_supervisor::process::ProcessId;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most messages that wait for one agent: more than it could heed.
pub const WAITING_MAX: usize = 50;

/// Messages that are kept once they were delivered or have expired, so that people can see what became of them.
const OVER_KEPT: usize = 50;

/// The longest message, in bytes. With both bounds above, all of them fit into a record twice over.
pub const TEXT_BYTES_MAX: usize = 4096;

/// When a message is to reach its agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// At once where the agent is idle, else at the end of its turn.
    #[default]
    WaitIdle,
    /// At the end of its turn, or with its next prompt; nothing is typed.
    Queue,
    /// As `WaitIdle`, and in the middle of a turn with the result of its next tool.
    Immediate,
    /// At once: its turn is ended first.
    Interrupt,
}

impl Mode {
    /// Whether it is told in the middle of a turn, too.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Immediate | Self::Interrupt)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its number in the queue, from 1.
    pub id: u64,
    /// The sender.
    pub from: String,
    /// The text, [`clean`].
    pub text: String,
    /// When it was sent.
    pub at: Timestamp,
    /// When it has waited for too long.
    pub expires: Timestamp,
    /// When it is to be told.
    pub mode: Mode,
    /// Whether it is told although the agent is not to be disturbed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forced: bool,
    /// Whether it is what a session is told first: it has no sender.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub opens: bool,
    /// Why it waited last, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state")]
pub enum Fate {
    /// It waits.
    Queued,
    /// This process is just telling it.
    Claimed {
        /// The process; if it ends, the message waits again.
        by: ProcessId,
    },
    /// The agent has it.
    Delivered {
        /// Since when.
        since: Timestamp,
    },
    /// It waited for too long.
    Expired {
        /// Since when.
        since: Timestamp,
    },
}

impl Message {
    /// As the agent reads it.
    pub fn told(&self) -> String {
        if self.opens { self.text.clone() } else { format!("[from {}] {}", self.from, self.text) }
    }

    /// Whether it has yet to be told.
    pub fn is_open(&self) -> bool {
        matches!(self.fate, Fate::Queued | Fate::Claimed { .. })
    }
}

/// A text without what a terminal or an agent's program would obey: lines stay, tabs become blanks.
pub fn clean(text: &str) -> String {
    let plain = text.replace("\r\n", "\n").replace(['\r', '\t'], " ");
    plain.chars().filter(|c| *c == '\n' || !is_obeyed(*c)).collect::<String>().trim().to_owned()
}

/// So many messages wait that no more are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{WAITING_MAX} messages wait for it already")]
pub struct Full;

/// The messages to whoever works on one bead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// How many there ever were.
    last: u64,
    /// Oldest first.
    messages: Vec<Message>,
}

/// A message that is sent.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// The sender.
    pub from: String,
    /// The text, [`clean`].
    pub text: String,
    /// When it has waited for too long.
    pub expires: Timestamp,
    /// When it is to be told.
    pub mode: Mode,
    /// Whether it is told although the agent is not to be disturbed.
    pub forced: bool,
    /// Whether it is what a session is told first.
    pub opens: bool,
}

impl Queue {
    /// All of them, the oldest first.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The one with this number.
    pub fn get(&self, id: u64) -> Option<&Message> {
        self.messages.iter().find(|message| message.id == id)
    }

    /// Brings it up to date: what waited for too long has expired, and what a process that is gone was telling waits again. Of what is
    /// over, the last ones are kept.
    pub fn tidy(&mut self, now: Timestamp, lives: impl Fn(&ProcessId) -> bool) {
        for message in &mut self.messages {
            if matches!(&message.fate, Fate::Claimed { by } if !lives(by)) {
                message.fate = Fate::Queued;
            }
            if message.fate == Fate::Queued && message.expires <= now {
                message.fate = Fate::Expired { since: now };
            }
        }
        let mut surplus = self.messages.iter().filter(|message| !message.is_open()).count().saturating_sub(OVER_KEPT);
        self.messages.retain(|message| {
            let goes = surplus > 0 && !message.is_open();
            surplus -= usize::from(goes);
            !goes
        });
    }

    /// Takes a message in, and gives its number.
    pub fn push(&mut self, new: NewMessage, now: Timestamp) -> Result<u64, Full> {
        if self.messages.iter().filter(|message| message.is_open()).count() >= WAITING_MAX {
            return Err(Full);
        }
        self.last += 1;
        let NewMessage { from, text, expires, mode, forced, opens } = new;
        self.messages.push(Message {
            id: self.last,
            from,
            text,
            at: now,
            expires,
            mode,
            forced,
            opens,
            waits: None,
            fate: Fate::Queued,
        });
        Ok(self.last)
    }

    /// What a session was to be told first, and which has ended meanwhile, is told to no other.
    pub fn withdraw_opening(&mut self, now: Timestamp) {
        for message in self.messages.iter_mut().filter(|message| message.opens && message.is_open()) {
            message.fate = Fate::Expired { since: now };
        }
    }

    /// Gives this process what waits and is `wanted`, for it to tell; nothing while another tells something: an agent is told one thing
    /// after the other.
    pub fn claim(&mut self, by: &ProcessId, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        if self.messages.iter().any(|message| matches!(message.fate, Fate::Claimed { .. })) {
            return Vec::new();
        }
        let mut claimed = Vec::new();
        for message in self.messages.iter_mut().filter(|message| message.fate == Fate::Queued && wanted(message)) {
            message.fate = Fate::Claimed { by: by.clone() };
            claimed.push(message.clone());
        }
        claimed
    }

    /// The agent has these.
    pub fn deliver(&mut self, ids: &[u64], now: Timestamp) {
        for message in self.messages.iter_mut().filter(|message| message.is_open() && ids.contains(&message.id)) {
            message.fate = Fate::Delivered { since: now };
        }
    }

    /// What this process has claimed waits again.
    pub fn release(&mut self, by: &ProcessId) {
        let is_its = |message: &&mut Message| matches!(&message.fate, Fate::Claimed { by: holder } if holder == by);
        for message in self.messages.iter_mut().filter(is_its) {
            message.fate = Fate::Queued;
        }
    }

    /// Why what waits does so.
    pub fn note(&mut self, why: impl Fn(&Message) -> String) {
        for message in self.messages.iter_mut().filter(|message| message.fate == Fate::Queued) {
            message.waits = Some(why(message));
        }
    }

    /// The agent was given this prompt: what stands in it was delivered, whoever typed it.
    pub fn saw_prompt(&mut self, prompt: &str, now: Timestamp) {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let prompt = words(prompt);
        for message in self.messages.iter_mut().filter(|message| message.is_open()) {
            if prompt.contains(&words(&message.told())) {
                message.fate = Fate::Delivered { since: now };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn process(pid: i32) -> ProcessId {
        ProcessId { pid, start: 1, boot: "b".to_owned() }
    }

    fn queue(texts: &[&str]) -> Queue {
        let mut queue = Queue::default();
        for text in texts {
            let (from, text) = ("kim".to_owned(), (*text).to_owned());
            let new = NewMessage { from, text, expires: at(100), mode: Mode::WaitIdle, forced: false, opens: false };
            queue.push(new, at(0)).unwrap();
        }
        queue
    }

    fn fates(queue: &Queue) -> Vec<String> {
        let fate = |message: &Message| match message.fate {
            Fate::Queued => format!("{} waits", message.id),
            Fate::Claimed { ref by } => format!("{} by {}", message.id, by.pid),
            Fate::Delivered { since } => format!("{} told at {}", message.id, since.as_second()),
            Fate::Expired { since } => format!("{} expired at {}", message.id, since.as_second()),
        };
        queue.messages().iter().map(fate).collect()
    }

    #[test]
    fn what_is_claimed_is_told_once_and_nothing_else_meanwhile() {
        let mut queue = queue(&["a", "b"]);
        assert_eq!(queue.claim(&process(1), |message| message.text == "a").len(), 1);
        assert_eq!(queue.claim(&process(2), |_| true), [], "one after the other");
        queue.deliver(&[1], at(5));
        assert_eq!(queue.claim(&process(2), |_| true)[0].text, "b");
        queue.release(&process(1));
        assert_eq!(fates(&queue), ["1 told at 5", "2 by 2"], "another's claim stays");
        queue.release(&process(2));
        queue.note(|_| "a person is attached".to_owned());
        assert_eq!(fates(&queue), ["1 told at 5", "2 waits"], "what was told stays so");
        assert_eq!(queue.get(2).unwrap().waits.as_deref(), Some("a person is attached"));
    }

    #[test]
    fn a_claim_of_a_dead_process_goes_back_and_what_is_old_expires() {
        let mut queue = queue(&["a"]);
        queue.claim(&process(1), |_| true);
        queue.tidy(at(200), |_| true);
        assert_eq!(fates(&queue), ["1 by 1"], "it is just being told");
        queue.tidy(at(50), |_| false);
        assert_eq!(fates(&queue), ["1 waits"]);
        queue.tidy(at(99), |_| false);
        queue.tidy(at(100), |_| false);
        assert_eq!(fates(&queue), ["1 expired at 100"]);
        assert_eq!(queue.claim(&process(2), |_| true), []);
    }

    #[test]
    fn it_takes_no_more_than_it_can_hold_and_keeps_the_last_that_are_over() {
        let new = || NewMessage {
            from: "kim".to_owned(),
            text: "x".to_owned(),
            expires: at(100),
            mode: Mode::Queue,
            forced: false,
            opens: false,
        };
        let mut queue = Queue::default();
        for _ in 0..WAITING_MAX {
            queue.push(new(), at(0)).unwrap();
        }
        assert_eq!(queue.push(new(), at(0)), Err(Full));
        queue.tidy(at(100), |_| true);
        assert_eq!(queue.push(new(), at(0)), Ok(51));
        queue.deliver(&[51], at(100));
        queue.tidy(at(100), |_| true);
        let kept: Vec<u64> = queue.messages().iter().map(|message| message.id).collect();
        assert_eq!(kept, (2..=51).collect::<Vec<_>>(), "the oldest went");
    }

    #[test]
    fn a_prompt_shows_what_it_holds_however_it_is_wrapped() {
        let mut queue = queue(&["use\nspaces", "and tabs", "never both"]);
        queue.claim(&process(1), |message| message.id == 1);
        queue.saw_prompt("[from kim] use spaces\n\n[from kim]  and\n  tabs", at(7));
        assert_eq!(fates(&queue), ["1 told at 7", "2 told at 7", "3 waits"]);
    }

    #[test]
    fn what_would_be_obeyed_is_taken_out() {
        assert_eq!(clean(" a\tb\r\nc\u{1b}[201~d\u{202e}\u{7} \n"), "a b\nc[201~d");
    }

    #[test]
    fn version_1_is_understood_for_ever() {
        // Golden text: do not edit it with the code.
        let text = r#"{"version":1,"last":2,"messages":[
            {"id":1,"from":"kim","text":"a","at":"2026-11-01T00:00:00Z","expires":"2026-11-01T00:30:00Z","mode":"WaitIdle",
             "state":"Claimed","by":{"pid":7,"start":8,"boot":"b"}},
            {"id":2,"from":"kim","text":"b","at":"2026-11-01T00:00:00Z","expires":"2026-11-01T00:30:00Z","mode":"Interrupt",
             "forced":true,"waits":"it is busy","state":"Delivered","since":"2026-11-01T00:01:00Z"}]}"#;
        let queue: Queue = serde_json::from_str(text).unwrap();
        let [first, second] = queue.messages() else { panic!("there are two") };
        assert!(matches!(&first.fate, Fate::Claimed { by } if by.pid == 7));
        assert!(second.forced && !second.is_open() && second.mode.is_urgent());
    }
}
