//! The story: an agent starts, reads its work, is killed in the middle, goes on, asks, is sent a message, hands in, and ends.
//!
//! What the agent does is seen by what it leaves: files in its attempt's folder, objects of the scratch town, commits. Nothing
//! is read off its screen.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use gastown_controllers::world::SandboxId;
use gastown_crds::bead::BeadType;
use gastown_crds::common::{ConditionStatus, condition, types};
use gastown_crds::runtime::{Dialect, PromptDelivery};
use gastown_crds::{Bead, Convoy, Polecat, Runtime};

use kube::ResourceExt;
use kube::runtime::watcher;
use rustix::process::Signal;
use tokio::time::Instant;

use super::scratch::{CONVOY, Scratch};
use crate::cli::common::context::{Context, Link};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::inotify::Inotify;
use crate::cli::common::watching::Watches;
use crate::insight::{Snapshot, Subject};
use crate::world::records::{AttemptRecord, Conversation, Records};
use crate::world::session::SessionError;
use crate::world::session::attempts::log_path;

/// How long a session may take to begin: a clone and a worktree come first.
const START_MAX: Duration = Duration::from_mins(1);

/// How long nothing may move before it is taken that nothing will without a person.
const STILL: Duration = Duration::from_secs(3);

/// How long the agent's program may take to write down the conversation in which it runs a command.
const WRITTEN_MAX: Duration = Duration::from_secs(10);

/// What is looked at of the town.
const KINDS: [&str; 7] = ["Bead", "Convoy", "MergeRequest", "Polecat", "Rig", "Runtime", "Town"];

/// A part of the story, and how it went.
pub struct Line {
    /// Its title.
    pub title: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Option<Duration>,
}

/// How a part went.
pub enum Outcome {
    /// As it should: what was seen.
    Ok(String),
    /// Otherwise: what was seen, and what to change.
    Failed { why: String, change: String },
    /// The Runtime does not say that it can.
    NotDeclared(String),
    /// Something before it failed.
    NotReached,
}

/// The parts, in their order.
const TITLES: [&str; 7] = ["start", "prompt", "resume", "question", "nudge", "hand-in", "end"];

/// What the agent is sent.
const MESSAGE: &str = "The word is gamma: run `sh story.sh gamma` now, and do what it prints.";

/// Whether messages reach an agent of this Runtime while its session lasts: by the hooks of its program, or at the prompt at which its
/// work is pasted.
pub fn is_told(runtime: &Runtime) -> bool {
    runtime.spec.dialect != Dialect::None || runtime.spec.prompt_delivery == PromptDelivery::Paste
}

/// What came of waiting.
enum Seen<T> {
    Met(T),
    /// Nothing moves without a person: why.
    Stuck(String),
    /// In time it did not come true: where things stand.
    Late(String),
}

/// The story of one Runtime.
pub struct Story<'a> {
    scratch: &'a Scratch,
    runtime: &'a Runtime,
    limit: Duration,
    gt: Context,
    told: usize,
    since: Instant,
}

/// The bead and its polecat, by name and uid.
struct Work {
    bead: String,
    bead_uid: String,
    sandbox: SandboxId,
}

/// Writes down a line.
pub type Tell<'a> = dyn FnMut(&Line) -> Result<(), CliError> + 'a;

impl<'a> Story<'a> {
    /// The story of this Runtime; each part that depends on the agent may take `limit`.
    pub fn new(scratch: &'a Scratch, runtime: &'a Runtime, limit: Duration, gt: &Context) -> Self {
        Self { scratch, runtime, limit, gt: scratch.context(gt), told: 0, since: Instant::now() }
    }

    /// Plays it, and tells each part as soon as it is over.
    pub async fn play(&mut self, tell: &mut Tell<'_>) -> Result<(), CliError> {
        let work = self.parts(tell).await?;
        let has_landed = self.scratch.landed("two.txt").is_some();
        for title in TITLES[self.told..TITLES.len() - 1].iter().copied() {
            tell(&Line { title, outcome: Outcome::NotReached, took: None })?;
        }
        // However it went, nothing may be left of it.
        self.told = TITLES.len() - 1;
        self.since = Instant::now();
        let outcome = match &work {
            Some(work) => self.end(work, has_landed)?,
            None => Outcome::NotReached,
        };
        self.tell(tell, outcome)
    }

    /// The parts until the first that stops the story.
    async fn parts(&mut self, tell: &mut Tell<'_>) -> Result<Option<Work>, CliError> {
        let work = match self.until(START_MAX, |all| self.begun(all, 1)).await? {
            Seen::Met(work) => work,
            other => {
                let failed = self.failed(
                    other,
                    "the session did not begin",
                    START_MAX,
                    "`gt doctor` says what this machine lacks",
                );
                self.tell(tell, failed)?;
                return Ok(None);
            }
        };
        self.tell(tell, Outcome::Ok("the session began".to_owned()))?;
        let prompt = self.prompt(&work).await?;
        let is_over = matches!(prompt, Outcome::Failed { .. });
        self.tell(tell, prompt)?;
        if is_over {
            return Ok(Some(work));
        }
        let (resume, goes_on) = self.resume(&work).await?;
        self.tell(tell, resume)?;
        if !goes_on {
            return Ok(Some(work));
        }
        let (question, goes_on) = self.question(&work).await?;
        self.tell(tell, question)?;
        if !goes_on {
            return Ok(Some(work));
        }
        let nudge = self.nudge(&work).await?;
        let is_over = matches!(nudge, Outcome::Failed { .. });
        self.tell(tell, nudge)?;
        if !is_over {
            let hand_in = self.hand_in(&work).await?;
            self.tell(tell, hand_in)?;
        }
        Ok(Some(work))
    }

    /// It has run the story: so it has read its prompt and its bead.
    async fn prompt(&self, work: &Work) -> Result<Outcome, CliError> {
        let first = self.attempt(work, 1);
        let waits = first.folder().join("story-waits");
        let seen = wait_for(first.folder(), self.limit, || waits.exists() || first.exit_code().is_some()).await?;
        if waits.exists() {
            return Ok(Outcome::Ok("it has read its bead, and run what that says".to_owned()));
        }
        let change = "see what it said; `start` has to hand `$(GT_PROMPT)` to the agent, or the agent run `gt prime` by itself; it has \
                      to run shell commands without asking, in the worktree and with the session's PATH"
            .to_owned();
        let why = match first.exit_code() {
            Some(code) => format!("its session ended with {code} before: {}", self.last_words(work, 1)),
            _ if seen => "its session ended before".to_owned(),
            _ => format!("it has not run what its bead says within {:?}: {}", self.limit, self.last_words(work, 1)),
        };
        Ok(Outcome::Failed { why, change })
    }

    /// It is killed while it runs a command, and the next session goes on; in the same conversation, if its Runtime says that it can.
    async fn resume(&self, work: &Work) -> Result<(Outcome, bool), CliError> {
        let declared = !self.runtime.spec.resume.is_empty();
        let first = if declared { self.conversation_of_first(work).await? } else { None };
        self.kill(work);
        let again = self.until(START_MAX, |all| self.begun(all, 2)).await?;
        if !matches!(again, Seen::Met(_)) {
            let change = "a session that was killed is started again: `gt logs` says what came of it";
            return Ok((self.failed(again, "no session came after the one that was killed", START_MAX, change), false));
        }
        if !declared {
            let text = "each session begins a conversation of its own: it has no `resume`".to_owned();
            return Ok((Outcome::NotDeclared(text), true));
        }
        let failed = |why: String, change: &str| (Outcome::Failed { why, change: change.to_owned() }, true);
        let Some(first) = first else {
            let change = "set `dialect` where its hooks call `gt __hook`, or `sessionVariable` to the variable in which its tools see the \
                          id of its conversation; `conversation: Assigned` alone reports none";
            return Ok(failed("it has `resume`, and reported no conversation that can go on".to_owned(), change));
        };
        let second = self.attempt(work, 2).variable("GT_CONVERSATION");
        Ok(if second.as_deref() == Some(&*first) {
            (Outcome::Ok(format!("killed, and went on in conversation {first}")), true)
        } else {
            failed(
                format!("the next session was not given conversation {first}"),
                "the file of the conversation that its hooks report has to be there when it is killed",
            )
        })
    }

    /// It asks, and goes on with the answer.
    async fn question(&self, work: &Work) -> Result<(Outcome, bool), CliError> {
        let asked =
            self.until(self.limit, |all| Some(all.bead(&work.bead)?.spec.open_question()?.text.clone())).await?;
        if !matches!(asked, Seen::Met(_)) {
            let change = "`gt ask` is a command that its tools have to be able to run";
            return Ok((self.failed(asked, "it has not asked", self.limit, change), false));
        }
        self.scratch.gt(&["answer", &work.bead, "alpha"])?;
        Ok((Outcome::Ok("it asked, and was answered".to_owned()), true))
    }

    /// It is sent a message while it works, and is told at the end of its turn.
    async fn nudge(&self, work: &Work) -> Result<Outcome, CliError> {
        if !is_told(self.runtime) {
            let text = "a message reaches it at an empty prompt alone: it has no `dialect`, and its work is not pasted";
            return Ok(Outcome::NotDeclared(text.to_owned()));
        }
        let first = self.attempt(work, 1);
        let (listens, told) = (first.folder().join("story-listens"), first.folder().join("story-told"));
        if !wait_for(first.folder(), self.limit, || listens.exists()).await? {
            let said = self.last_words(work, self.newest(work));
            return Ok(Outcome::Failed {
                why: format!("it has not gone on with the answer within {:?}: {said}", self.limit),
                change: "`resume` has to hand `$(GT_PROMPT)` to the agent, which says that it was answered".to_owned(),
            });
        }
        let failed = |error: io::Error| CliError::from_error(Exit::Failed, &error);
        let sent = self.scratch.gt(&["nudge", &work.bead, MESSAGE]);
        // It ends its turn now, whether it was sent or not.
        fs_err::write(first.folder().join("story-sent"), "").map_err(failed)?;
        sent?;
        if wait_for(first.folder(), self.limit, || told.exists()).await? {
            return Ok(Outcome::Ok("it was sent a message, and did as that says".to_owned()));
        }
        let waits = self.scratch.gt(&["nudge", "--list", &work.bead])?;
        Ok(Outcome::Failed {
            why: format!("it has not done within {:?} what a message says: {}", self.limit, waits.trim()),
            change: "its `Stop` hook has to run `gt __hook` and go on with what that prints; without hooks, its prompt has to be empty \
                     and still when its turn ends"
                .to_owned(),
        })
    }

    /// It hands in, and that lands with what the answer said.
    async fn hand_in(&self, work: &Work) -> Result<Outcome, CliError> {
        let landed = |all: &Snapshot| {
            let status = all.get::<Convoy>(CONVOY)?.status.as_ref()?;
            (condition(&status.conditions, types::LANDED)?.status == ConditionStatus::True).then_some(())
        };
        let landed = self.until(self.limit, landed).await?;
        if !matches!(landed, Seen::Met(())) {
            let change = "its session has to go on until the agent has run `gt done`: at the end of a turn with work left, its `Stop` hook \
                          sends it on, or the prompt says so";
            let why = format!("nothing landed: {}", self.last_words(work, self.newest(work)));
            return Ok(self.failed(landed, &why, self.limit, change));
        }
        if self.scratch.landed("two.txt").as_deref() != Some("alpha") {
            let why = "what landed is not what the answer says".to_owned();
            return Ok(Outcome::Failed {
                why,
                change: "the agent has to read `gt prime` again once it is answered".to_owned(),
            });
        }
        let last = self.newest(work);
        let other = self.attempt(work, last).conversation().filter(|_| !self.runtime.spec.resume.is_empty());
        match (self.attempt(work, 1).conversation(), other) {
            (Some(first), Some(last)) if first.id != last.id => Ok(Outcome::Failed {
                why: format!("it landed, but as conversation {} and not {}", last.id, first.id),
                change: "`resume` has to name the conversation by `$(GT_CONVERSATION)`".to_owned(),
            }),
            _ => Ok(Outcome::Ok(format!("landed, after {last} sessions"))),
        }
    }

    /// Nothing is left of its sessions. One that has landed is ended by the town, any other now.
    fn end(&self, work: &Work, has_landed: bool) -> Result<Outcome, CliError> {
        let sessions = self.scratch.sessions();
        let failed = |error: SessionError| CliError::from_error(Exit::Failed, &error);
        if !has_landed {
            self.scratch.end()?;
        }
        let left = sessions.wait_for_ends(std::slice::from_ref(&work.sandbox)).map_err(failed)?;
        Ok(if left.is_empty() {
            Outcome::Ok("no process is left of it".to_owned())
        } else {
            Outcome::Failed {
                why: "processes of it are left".to_owned(),
                change: "what it starts in the background has to end on TERM".to_owned(),
            }
        })
    }

    /// Waits for something to be so of the town's objects.
    async fn until<T>(&self, limit: Duration, look: impl Fn(&Snapshot) -> Option<T>) -> Result<Seen<T>, CliError> {
        let deadline = Instant::now() + limit;
        self.gt
            .with_api(self.scratch.town(), async |link: &Link| {
                let watches = Watches::new(self.gt.out);
                let config = watcher::Config::default;
                let mut beads = watches.changes(link.typed::<Bead>(), config());
                let mut polecats = watches.changes(link.typed::<Polecat>(), config());
                let mut convoys = watches.changes(link.typed::<Convoy>(), config());
                let mut still: Option<Instant> = None;
                loop {
                    let all = link.snapshot(&KINDS).await?;
                    if let Some(met) = look(&all) {
                        return Ok(Seen::Met(met));
                    }
                    let blockers = all.get::<Convoy>(CONVOY).map(|convoy| convoy.blockers(&all)).unwrap_or_default();
                    let is_stuck = !blockers.is_empty() && blockers.iter().all(|it| it.needs_person);
                    still = is_stuck.then(|| still.unwrap_or_else(|| Instant::now() + STILL));
                    if still.is_some_and(|still| still <= Instant::now()) {
                        let why: Vec<_> = blockers.iter().map(|it| format!("{}: {}", it.object, it.why)).collect();
                        return Ok(Seen::Stuck(why.join("; ")));
                    }
                    if Instant::now() >= deadline {
                        return Ok(Seen::Late(stands(&all)));
                    }
                    let wake = still.map_or(deadline, |still| still.min(deadline));
                    tokio::select! {
                        _ = beads.next() => {}
                        _ = polecats.next() => {}
                        _ = convoys.next() => {}
                        () = tokio::time::sleep_until(wake) => {}
                    }
                }
            })
            .await
    }

    /// The conversation of the first session, once its program has written down that it runs the story.
    async fn conversation_of_first(&self, work: &Work) -> Result<Option<String>, CliError> {
        let first = self.attempt(work, 1);
        wait_for(&first.run_folder(), WRITTEN_MAX, || first.conversation().is_some()).await?;
        let Some(found) = first.conversation() else { return Ok(None) };
        let place = |path: &PathBuf| Some((path.clone(), path.parent().filter(|dir| dir.is_dir())?.to_owned()));
        if let Some((path, dir)) = found.transcript.as_ref().and_then(place) {
            // What is not in it is not gone on from.
            let holds = || fs_err::read_to_string(&path).is_ok_and(|text| text.contains("story.sh"));
            wait_for(&dir, WRITTEN_MAX, holds).await?;
        }
        Ok(Some(found).filter(Conversation::can_go_on).map(|it| it.id))
    }

    /// Kills the agent of the first session.
    fn kill(&self, work: &Work) {
        if let Some(agent) = self.attempt(work, 1).agent() {
            agent.signal(Signal::KILL);
        }
    }

    /// The bead and its polecat, once this session has begun.
    fn begun(&self, all: &Snapshot, attempt: u32) -> Option<Work> {
        let bead = all.all::<Bead>().find(|bead| bead.spec.type_ != BeadType::Step && bead.spec.assignee.is_some())?;
        let polecat = all.get::<Polecat>(&bead.spec.assignee.as_ref()?.polecat)?;
        let work = Work {
            bead: bead.name_any(),
            bead_uid: bead.uid()?,
            sandbox: SandboxId { name: polecat.name_any(), uid: polecat.uid()? },
        };
        self.attempt(&work, attempt).has_started().then_some(work)
    }

    fn attempt(&self, work: &Work, attempt: u32) -> AttemptRecord {
        self.records().attempt(&work.bead_uid, attempt)
    }

    fn records(&self) -> Records {
        Records::of(&self.scratch.town().layout)
    }

    /// The number of the newest session.
    fn newest(&self, work: &Work) -> u32 {
        self.records().attempt_numbers(&work.bead_uid).last().copied().unwrap_or(1)
    }

    /// The last that an agent said.
    fn last_words(&self, work: &Work, attempt: u32) -> String {
        let log = log_path(&self.scratch.town().layout, &work.bead_uid, attempt);
        let tail = gastown_supervisor::log::tail(&log);
        let last = tail.lines().rev().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("gt: "));
        last.map_or_else(|| "it said nothing".to_owned(), |line| format!("it said last: {line}"))
    }

    /// A part that did not come true.
    fn failed<T>(&self, seen: Seen<T>, why: &str, limit: Duration, change: &str) -> Outcome {
        let change = match (&seen, self.runtime.spec.dialect) {
            (Seen::Late(_), Dialect::None) => format!("{change}; with a `dialect`, its hooks say more of what it does"),
            _ => change.to_owned(),
        };
        let why = match seen {
            Seen::Stuck(what) => format!("{why}: {what}"),
            Seen::Late(stands) => format!("{why} within {limit:?}{stands}"),
            Seen::Met(_) => why.to_owned(),
        };
        Outcome::Failed { why, change }
    }

    fn tell(&mut self, tell: &mut Tell<'_>, outcome: Outcome) -> Result<(), CliError> {
        let took = Some(self.since.elapsed()).filter(|_| !matches!(outcome, Outcome::NotReached));
        tell(&Line { title: TITLES[self.told], outcome, took })?;
        self.told += 1;
        self.since = Instant::now();
        Ok(())
    }
}

/// What the polecat waits for, to end a sentence.
fn stands(all: &Snapshot) -> String {
    let ready = |polecat: &Polecat| condition(&polecat.status.as_ref()?.conditions, types::READY).cloned();
    match all.all::<Polecat>().find_map(ready) {
        Some(ready) if ready.message.is_empty() => format!(": {}", ready.reason),
        Some(ready) => format!(": {} ({})", ready.message, ready.reason),
        None => String::new(),
    }
}

/// Waits for something to be so of the files of a folder; whether it is.
async fn wait_for(dir: &Path, limit: Duration, is_so: impl Fn() -> bool) -> Result<bool, CliError> {
    let failed =
        |error: io::Error| CliError::new(Exit::Failed, "could not look at what the agent does").because(&error);
    let deadline = Instant::now() + limit;
    // Watched before the first look: what happens in between wakes us.
    let mut events = Inotify::of_folder(dir).map_err(failed)?;
    while !is_so() {
        match tokio::time::timeout_at(deadline, events.changed()).await {
            Ok(changed) => changed.map_err(failed)?,
            Err(_) => return Ok(is_so()),
        }
    }
    Ok(true)
}
