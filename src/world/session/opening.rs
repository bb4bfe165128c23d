//! The first prompt of a program that takes none as an argument: it waits like a message, and is typed as one.
//!
//! A process of its own sees to it, `gt __open`, so that no adapter call waits for a program to start. It ends with the session, or once
//! the prompt has arrived; and if it could not be given in time, that is what the polecat's state says.

use std::path::Path;
use std::time::{Duration, Instant};

use gastown_base::clock::{Clock, SystemClock};
use gastown_controllers::world::{SandboxId, Session};
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Activity, Doing, Holder};
use gastown_supervisor::{log, watch};
use jiff::SignedDuration;

use super::nudge::Obstacle;
use super::{SessionError, Sessions};
use crate::exec::Exec;
use crate::messages::{Messages, Mode, NewMessage};
use crate::records::Reports;

/// The verb of the process that gives a prompt.
const VERB: &str = "__open";

/// The output of that process, in the attempt's folder.
const LOG: &str = "opening.log";

/// How long after the start of the session a prompt is tried: by then a program that will ever take it shows where.
const OPENS_WITHIN: Duration = Duration::from_mins(1);

/// How long after a prompt had no effect it is typed once more.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// How long between two looks at most: a person who leaves changes nothing on the screen.
const LOOKS_AFTER: Duration = Duration::from_secs(10);

/// How long the prompt waits for a person to leave it the screen.
const EXPIRES: SignedDuration = SignedDuration::from_hours(1);

impl Sessions {
    /// This attempt is told this first, once it can be.
    pub(super) fn opens_with(&self, run: &Holder, prompt: &str) -> Result<(), SessionError> {
        let now = SystemClock.now();
        let new = NewMessage {
            from: String::new(),
            text: prompt.to_owned(),
            expires: now.saturating_add(EXPIRES).unwrap_or(now),
            mode: Mode::WaitIdle,
            forced: true,
            opens: true,
        };
        let opens = |queue: &mut crate::messages::Queue| {
            queue.withdraw_opening(now);
            queue.push(new, now)
        };
        // One that is full of messages has something to be told in any case.
        Messages::to(&self.layout, &run.owner_uid).change(now, opens)?.or(Ok(0)).map(drop)
    }

    /// Starts the process that gives a session its prompt.
    pub(super) fn have_prompt_given(&self, sandbox: &SandboxId, dir: &Path) -> Result<(), SessionError> {
        let gt = Exec::new(self.layout.bin().join("gt")).arg("--town").arg(&self.town.dir);
        let process = gt.args([VERB, &sandbox.name, &sandbox.uid]).detach(log::append(&dir.join(LOG))?)?;
        self.children.adopt(process);
        Ok(())
    }

    /// Gives a session its prompt; returns once it has it, is over, or cannot be given it.
    pub fn open(&self, sandbox: &SandboxId) -> Result<(), SessionError> {
        let Session::Running { owner_uid, attempt } = self.look(sandbox)? else { return Ok(()) };
        let folder = self.layout.attempt(&owner_uid, attempt);
        let began = Instant::now();
        let mut had_no_effect = false;
        loop {
            let events = watch::folder(&folder)?;
            let supervisor = self.started(&Holder { owner_uid: owner_uid.clone(), attempt })?;
            let Some(supervisor) = supervisor.and_then(|started| ProcessId::open(&started.process)) else {
                return Ok(());
            };
            let told = self.tell(sandbox, &SystemClock)?;
            let Some(why) = told.filter(|why| *why != Obstacle::NoSession) else { return Ok(()) };
            if !self.is_unopened(&owner_uid)? {
                return Ok(());
            }
            let left = OPENS_WITHIN.saturating_sub(began.elapsed());
            let has_no_effect = why == Obstacle::NoEffect;
            if left.is_zero() || (has_no_effect && had_no_effect) {
                // Whoever is there sees what is asked of them, and `gt attach` gives it when they leave.
                return if why == Obstacle::Attached { Ok(()) } else { Self::say_unopened(&folder, why) };
            }
            if has_no_effect {
                had_no_effect = true;
                watch::readable(&[&supervisor], Some(AGAIN_AFTER))?;
            } else {
                watch::readable(&[&supervisor, &events], Some(LOOKS_AFTER.min(left)))?;
            }
        }
    }

    /// Says why a session could not be given its prompt.
    fn say_unopened(folder: &Path, why: Obstacle) -> Result<(), SessionError> {
        let now = SystemClock.now();
        let message = Some(format!("its first prompt could not be given to it: {why}"));
        let (sent_on, told, progress) = (0, 0, String::new());
        let activity = Activity { state: Doing::Idle, since: now, at: now, message, sent_on, told, progress };
        Ok(Reports::of(folder.join(records::RUN)).put_activity(&activity)?)
    }

    /// Whether a prompt waits to be given.
    fn is_unopened(&self, owner_uid: &str) -> Result<bool, SessionError> {
        let queue = Messages::to(&self.layout, owner_uid).read(SystemClock.now())?;
        Ok(queue.messages().iter().any(|message| message.opens && message.is_open()))
    }
}
