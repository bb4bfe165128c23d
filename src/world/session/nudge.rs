//! Telling an agent what waits for it, at once: pasted at its empty prompt, sent with Enter, and found to have arrived.
//!
//! Only where that cannot go wrong: the agent's turn has ended, nobody is attached, and its screen shows a prompt with nothing typed. So
//! a message becomes no answer to a question, no choice in a menu, and no part of a line that a person has half typed. Otherwise it waits,
//! and why is said: the agent's hooks tell it at the end of its turn (`gt __hook`).
//!
//! # Design notes
//! That it has arrived is what the agent's own program says: its hook reports the prompt that it was given, and the message is found in
//! that. A program without hooks is taken at its screen: it has been still for a while, and what was typed has left the prompt.

use std::path::Path;
use std::time::{Duration, Instant};

use gastown_base::clock::Clock;
use gastown_controllers::world::{Frozen, SandboxId, Session};
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Activity, Doing, Holder, Pane};
use gastown_supervisor::watch;
use jiff::Timestamp;

use super::screen::{Prompt, Screen};
use super::tmux::Tmux;
use super::typing::Key;
use super::{SessionError, Sessions, attempts};
use crate::messages::{Message, Messages, Mode, Quiet};
use crate::records::Reports;

/// How long a screen has to be still to be taken for one whose program waits: spinners turn ten times a second.
const STILL: Duration = Duration::from_millis(1500);

/// The longest time for a screen to become still.
const STILL_MAX: Duration = Duration::from_secs(10);

/// The longest time for a program to show what was pasted, and to show that its turn was ended.
const SHOWN_MAX: Duration = Duration::from_secs(5);

/// The longest time, after Enter, for a program to report its prompt: its hook is a process that is started.
const ARRIVED_MAX: Duration = Duration::from_secs(10);

/// How often the line is cleared at most: a program may put back the prompt of a turn that was ended, of several lines.
const CLEARS_MAX: usize = 20;

/// Why a message waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// It was to.
    #[error("it is told at the end of a turn")]
    TurnEnd,
    /// There is nobody.
    #[error("it has no session now; its next one is told")]
    NoSession,
    /// Its processes are stopped.
    #[error("it is frozen")]
    Frozen,
    /// Somebody wants it to be left alone.
    #[error("do not disturb")]
    Quiet,
    /// It has no terminal.
    #[error("it has no screen; it is told at the end of its turn")]
    NoScreen,
    /// Its program has reported no turn so far.
    #[error("its program is starting, or a dialog is open")]
    Starting,
    /// It works.
    #[error("it is at work; it is told at the end of its turn")]
    AtWork,
    /// It works, and the message does not wait for the end of its turn.
    #[error("it is at work; it is told after its next tool call")]
    InTurn,
    /// It asks.
    #[error("it waits for an answer; a message would be taken for one")]
    Asking,
    /// It has no login.
    #[error("its program has to be logged in")]
    LoginRequired,
    /// A person's terminal shows it.
    #[error("a person is attached")]
    Attached,
    /// Something stands at its prompt.
    #[error("a line is half typed at its prompt")]
    HalfTyped,
    /// Its screen shows no prompt.
    #[error("its screen shows no empty prompt; a menu or a dialog may be open")]
    NoPrompt,
    /// Another message is just being told.
    #[error("another message is just being told")]
    Another,
    /// It was typed, and it is not known that it has arrived.
    #[error("it was typed, and its program shows nothing of it")]
    NoEffect,
}

impl Obstacle {
    /// It as it is for a message of this mode.
    #[must_use]
    pub fn to(self, mode: Mode) -> Self {
        if self == Self::AtWork && mode.is_urgent() { Self::InTurn } else { self }
    }
}

/// A session that can be typed into.
struct Seat<'a> {
    tmux: Tmux<'a>,
    pane: Pane,
    uid: &'a str,
    /// The folder of the attempt: its log grows whenever the screen changes.
    folder: &'a Path,
    reports: Reports,
    /// Whether its program reports what it does.
    does_report: bool,
}

impl Sessions {
    /// Tells a sandbox's agent what waits for it and may be typed. None: nothing waits any more; else why something does.
    pub fn tell(&self, sandbox: &SandboxId, clock: &dyn Clock) -> Result<Option<Obstacle>, SessionError> {
        let Session::Running { owner_uid, attempt } = self.look(sandbox)? else { return Ok(Some(Obstacle::NoSession)) };
        let messages = Messages::to(&self.layout, &owner_uid);
        let told = self.tell_session(sandbox, &Holder { owner_uid, attempt }, &messages, clock)?;
        if let Some(why) = told {
            messages.change(clock.now(), |queue| queue.note(|message| why.to(message.mode).to_string()))?;
        }
        Ok(told)
    }

    /// How many messages wait for a sandbox's agent.
    pub fn waiting(&self, sandbox: &SandboxId, now: Timestamp) -> Result<usize, SessionError> {
        let Session::Running { owner_uid, .. } = self.look(sandbox)? else { return Ok(0) };
        let queue = Messages::to(&self.layout, &owner_uid).read(now)?;
        Ok(queue.messages().iter().filter(|message| message.is_open()).count())
    }

    fn tell_session(
        &self,
        sandbox: &SandboxId,
        holder: &Holder,
        messages: &Messages,
        clock: &dyn Clock,
    ) -> Result<Option<Obstacle>, SessionError> {
        let quiet = Quiet::of(self.layout.data()).is_kept(&sandbox.uid);
        let may_be_typed = |message: &Message| message.mode != Mode::Queue && (message.forced || !quiet);
        let queue = messages.read(clock.now())?;
        let waiting: Vec<&Message> = queue.messages().iter().filter(|message| message.is_open()).collect();
        let typed: Vec<&&Message> = waiting.iter().filter(|message| may_be_typed(message)).collect();
        if waiting.is_empty() {
            return Ok(None);
        }
        if typed.is_empty() {
            return Ok(Some(if quiet { Obstacle::Quiet } else { Obstacle::TurnEnd }));
        }
        if self.frozen(sandbox, holder)? != Frozen::No {
            return Ok(Some(Obstacle::Frozen));
        }
        let folder = self.attempt_dir(holder);
        let pane = self.started(holder)?.and_then(|started| started.tmux);
        let (Some(pane), Some(tmux)) = (pane, self.tmux()) else { return Ok(Some(Obstacle::NoScreen)) };
        let does_report = attempts::does_report(&self.layout, &holder.owner_uid, holder.attempt)?;
        let reports = Reports::of(folder.join(records::RUN));
        let seat = Seat { tmux, pane, uid: &sandbox.uid, folder: &folder, reports, does_report };
        let opens = typed.iter().any(|message| message.opens);
        let interrupts = typed.iter().any(|message| message.mode == Mode::Interrupt);
        let screen = match seat.free(opens, interrupts, clock)? {
            Ok(screen) => screen,
            Err(why) => return Ok(Some(why)),
        };
        let Some(own) = ProcessId::own() else { return Ok(Some(Obstacle::Another)) };
        let claimed = messages.change(clock.now(), |queue| queue.claim(&own, may_be_typed))?;
        if claimed.is_empty() {
            return Ok(Some(Obstacle::Another));
        }
        let told = seat.say(&screen, &claimed, messages, clock);
        if let Ok(None) = &told
            && !does_report
        {
            let ids: Vec<u64> = claimed.iter().map(|message| message.id).collect();
            messages.change(clock.now(), |queue| queue.deliver(&ids, clock.now()))?;
            // What was said of it, as that it could not be given its prompt, is over.
            if let Some(before) = seat.reports.activity() {
                let now = clock.now();
                let busy = Activity { state: Doing::Busy, since: now, at: now, message: None, ..before };
                seat.reports.put_activity(&busy)?;
            }
        }
        // Whatever was not told waits again.
        messages.change(clock.now(), |queue| queue.release(&own))?;
        let told = told?;
        let waits = messages.read(clock.now())?.messages().iter().any(Message::is_open);
        Ok(told.or(waits.then_some(Obstacle::AtWork)))
    }
}

impl Seat<'_> {
    /// The screen, once its agent can be typed to; else what is in the way.
    fn free(&self, opens: bool, interrupts: bool, clock: &dyn Clock) -> Result<Result<Screen, Obstacle>, SessionError> {
        let state = self.reports.activity().map(|activity| activity.state);
        let is_starting = state == Some(Doing::Starting) || state.is_none() && self.does_report;
        match state {
            _ if is_starting && !opens => return Ok(Err(Obstacle::Starting)),
            Some(Doing::Asking) => return Ok(Err(Obstacle::Asking)),
            Some(Doing::LoginRequired) => return Ok(Err(Obstacle::LoginRequired)),
            Some(Doing::Idle | Doing::Limited | Doing::Overloaded) => return self.prompt(),
            Some(Doing::Busy | Doing::Starting) | None => {}
        }
        // It reports no turn that a person has ended by a key: then its screen is still, and says nothing of work.
        let limit = if self.does_report && !opens { STILL } else { STILL_MAX };
        let screen = self.prompt()?;
        let is_at_work = screen.as_ref().is_ok_and(Screen::is_at_work);
        if !is_at_work && self.is_still(limit)? {
            return self.prompt();
        }
        match screen {
            Ok(_) if interrupts && is_at_work => self.interrupt(clock),
            Err(why) if interrupts => Ok(Err(why)),
            Ok(_) | Err(_) => Ok(Err(Obstacle::AtWork)),
        }
    }

    /// The screen, if nobody is attached and it shows an empty prompt.
    fn prompt(&self) -> Result<Result<Screen, Obstacle>, SessionError> {
        let Some(screen) = self.screen()? else { return Ok(Err(Obstacle::NoSession)) };
        if screen.attached {
            return Ok(Err(Obstacle::Attached));
        }
        Ok(match screen.prompt() {
            Prompt::Empty => Ok(screen),
            Prompt::Typed => Err(Obstacle::HalfTyped),
            Prompt::None => Err(Obstacle::NoPrompt),
        })
    }

    fn screen(&self) -> Result<Option<Screen>, SessionError> {
        self.tmux.screen(&self.pane, self.uid)
    }

    /// Whether the screen does not change for a while, within a limit.
    fn is_still(&self, limit: Duration) -> Result<bool, SessionError> {
        let events = watch::folder(self.folder)?;
        let began = Instant::now();
        loop {
            if !watch::readable(&[&events], Some(STILL))?[0] {
                return Ok(true);
            }
            watch::drain(&events);
            if began.elapsed() >= limit {
                return Ok(false);
            }
        }
    }

    /// Waits until the screen shows something; none if it does not in time.
    fn shows(&self, what: impl Fn(&Screen) -> bool) -> Result<Option<Screen>, SessionError> {
        let mut seen = Ok(None);
        watch::until(self.folder, SHOWN_MAX, || {
            seen = self.screen().map(|screen| screen.filter(|screen| what(screen)));
            !matches!(seen, Ok(None))
        })?;
        seen
    }

    /// Ends the agent's turn. Its program may put the prompt of that turn back: nobody else has typed it, and it is taken away.
    fn interrupt(&self, clock: &dyn Clock) -> Result<Result<Screen, Obstacle>, SessionError> {
        if !self.tmux.press(&self.pane, self.uid, Key::Escape)? {
            return Ok(Err(Obstacle::Attached));
        }
        let Some(mut screen) = self.shows(|screen| !screen.is_at_work() && screen.prompt() != Prompt::None)? else {
            return Ok(Err(Obstacle::AtWork));
        };
        for _ in 0..CLEARS_MAX {
            if screen.prompt() == Prompt::Empty || !self.tmux.press(&self.pane, self.uid, Key::ClearLine)? {
                break;
            }
            let cursor = screen.cursor;
            let Some(next) = self.shows(|screen| screen.cursor != cursor || screen.prompt() == Prompt::Empty)? else {
                break;
            };
            screen = next;
        }
        if let Some(before) = self.reports.activity().filter(|activity| activity.state == Doing::Busy) {
            let (now, message) = (clock.now(), Some("its turn was ended by a nudge".to_owned()));
            self.reports.put_activity(&Activity { state: Doing::Idle, since: now, at: now, message, ..before })?;
        }
        self.prompt()
    }

    /// Types messages at the prompt of this screen and sends them. None: they have arrived.
    fn say(
        &self,
        screen: &Screen,
        claimed: &[Message],
        messages: &Messages,
        clock: &dyn Clock,
    ) -> Result<Option<Obstacle>, SessionError> {
        let text = claimed.iter().map(Message::told).collect::<Vec<_>>().join("\n\n");
        if !self.tmux.paste(&self.pane, self.uid, screen, &text)? {
            return Ok(Some(self.prompt()?.err().unwrap_or(Obstacle::NoPrompt)));
        }
        let Some(pasted) = self.shows(|screen| screen.prompt() != Prompt::Empty)? else {
            return Ok(Some(Obstacle::NoEffect));
        };
        let ids: Vec<u64> = claimed.iter().map(|message| message.id).collect();
        if !self.tmux.press(&self.pane, self.uid, Key::Enter)? {
            return Ok(Some(Obstacle::Attached));
        }
        if self.has_arrived(&ids, messages, clock)? {
            return Ok(None);
        }
        // Some programs take an Enter that comes with a paste for a part of it.
        let is_stuck = |now: &Screen| now.cursor == pasted.cursor && now.prompt() == Prompt::Typed;
        let again = self.screen()?.is_some_and(|now| is_stuck(&now))
            && self.tmux.press(&self.pane, self.uid, Key::Enter)?
            && self.has_arrived(&ids, messages, clock)?;
        Ok((!again).then_some(Obstacle::NoEffect))
    }

    fn has_arrived(&self, ids: &[u64], messages: &Messages, clock: &dyn Clock) -> Result<bool, SessionError> {
        if !self.does_report {
            return Ok(self.shows(|screen| screen.prompt() != Prompt::Typed)?.is_some());
        }
        Ok(watch::until(messages.folder(), ARRIVED_MAX, || {
            messages
                .read(clock.now())
                .is_ok_and(|queue| ids.iter().all(|id| queue.get(*id).is_none_or(|message| !message.is_open())))
        })?)
    }
}
