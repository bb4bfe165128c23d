//! Typing into a session: a text is pasted, and a key is pressed, where nobody else sits and nothing has changed since it was looked at.
//!
//! tmux checks that itself, in the instant in which it does it: whoever attaches in between comes first.

use gastown_supervisor::records::Pane;

use super::SessionError;
use super::screen::{FACTS, Screen};
use super::tmux::{Tmux, UID};
use crate::exec::Output;

/// The word by which tmux says that it did it.
const DONE: &str = "done";

/// A key that is pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// Sends what is typed.
    Enter,
    /// Ends a turn.
    Escape,
    /// Takes away what is typed.
    ClearLine,
}

impl Key {
    /// Its name in tmux.
    fn name(self) -> &'static str {
        match self {
            Self::Enter => "Enter",
            Self::Escape => "Escape",
            Self::ClearLine => "C-u",
        }
    }
}

impl Tmux<'_> {
    /// The screen of a session's pane, if it is still this sandbox's.
    pub(super) fn screen(&self, pane: &Pane, uid: &str) -> Result<Option<Screen>, SessionError> {
        if !self.reachable(pane)? {
            return Ok(None);
        }
        let target = &pane.pane;
        let look = format!("display-message -p -t '{target}' '{FACTS}' ; capture-pane -e -p -t '{target}'");
        let output = self.guarded(target, uid, &look)?;
        Ok(Some(output).filter(Output::ok).and_then(|output| Screen::parse(&output.text())))
    }

    /// Pastes a text where the cursor is, as one text and without sending it, if the cursor is where `seen` has it. False: not done.
    pub(super) fn paste(&self, pane: &Pane, uid: &str, seen: &Screen, text: &str) -> Result<bool, SessionError> {
        // Of this sandbox alone, so that no other's is taken for it.
        let buffer = format!("gt-{uid}");
        let loaded = self.command().args(["load-buffer", "-b", &buffer, "-"]).stdin(text).run()?;
        if !loaded.ok() {
            return Err(SessionError::Tmux { what: "take a text", complaint: loaded.complaint() });
        }
        // Else keys would scroll.
        let leave = if seen.scrolled { format!("copy-mode -q -t '{}' ; ", pane.pane) } else { String::new() };
        let paste = format!("{leave}paste-buffer -p -r -b '{buffer}' -t '{}'", pane.pane);
        let (column, row) = seen.cursor;
        let is_there = format!("#{{&&:#{{==:#{{cursor_x}},{column}}},#{{==:#{{cursor_y}},{row}}}}}");
        let done = self.alone(pane, uid, Some(&is_there), &paste);
        drop(self.command().args(["delete-buffer", "-b", &buffer]).run());
        done
    }

    /// Presses a key. False: not done.
    pub(super) fn press(&self, pane: &Pane, uid: &str, key: Key) -> Result<bool, SessionError> {
        self.alone(pane, uid, None, &format!("send-keys -t '{}' {}", pane.pane, key.name()))
    }

    /// Does it if the session is still this sandbox's, nobody is attached, and `also` is so.
    fn alone(&self, pane: &Pane, uid: &str, also: Option<&str>, what: &str) -> Result<bool, SessionError> {
        if !self.reachable(pane)? {
            return Ok(false);
        }
        let also = also.unwrap_or("1");
        let ours = format!("#{{==:#{{{UID}}},{uid}}}");
        let condition = format!("#{{&&:{ours},#{{&&:#{{==:#{{session_attached}},0}},{also}}}}}");
        let command = format!("{what} ; display-message -p {DONE}");
        let output = self.command().args(["if-shell", "-F", "-t", &pane.pane, &condition, &command]).run()?;
        Ok(output.ok() && output.text() == DONE)
    }
}
