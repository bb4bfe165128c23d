//! `gt handoff`: an agent leaves a note to its successor, or a person has one begin. The note stands in the bead; the town ends the
//! session, and the next one begins a conversation in the same worktree, on the same branch.
//!
//! One attempt hands off once: what it says again replaces what it has said.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_connect::actor::variable;
use gastown_crds::bead::Handoff;
use gastown_crds::common::whole_second;
use gastown_crds::{Bead, names};
use kube::ResourceExt;
use serde_json::json;

use super::context::{Answer, Context, TRIES_MAX, actor, connected, find_town, finish};
use super::error::Error;
use super::session::Session;
use super::work::{Work, find_hooked, load};
use super::worktree::head_of;

/// The most handoffs of a bead, as its schema has it. Work that takes more sessions than that is too much for one bead.
const HANDOFFS_MAX: usize = 50;

/// How many of a bead's handoffs keep their messages, the newest: a bead is read whole by each verb.
const MESSAGES_MAX: usize = 5;

/// The longest subject, in characters, as the schema has it.
pub(super) const SUBJECT_CHARS_MAX: usize = 200;

/// The longest message, in characters, as the schema has it.
pub(super) const MESSAGE_CHARS_MAX: usize = 8192;

/// Leave a note to your successor: your session ends, and another goes on from the note with a fresh context
#[derive(Debug, Clone, Args)]
pub struct HandoffArgs {
    /// Whose work, for people: a bead, or a polecat as `RIG/NAME` or by its object's name. Default: the session's own
    #[arg(value_name = "BEAD|POLECAT")]
    target: Option<String>,
    /// What it is about, in a line. Default: the first line of the message
    #[arg(short, long)]
    subject: Option<String>,
    /// What the successor has to know: what is done, what is next, what did not work. `-` reads standard input
    #[arg(short, long)]
    message: Option<String>,
}

/// What is written of a handoff.
#[derive(Debug, Clone)]
pub(super) struct Note {
    /// What it is about.
    pub subject: String,
    /// What the successor has to know.
    pub message: Option<String>,
    /// Whether the town wrote it.
    pub automatic: bool,
}

/// Runs `gt handoff`; `town` is what `--town` says.
pub fn handoff(args: &HandoffArgs, town: Option<&Path>) -> ExitCode {
    finish(run(args, town))
}

fn run(args: &HandoffArgs, town: Option<&Path>) -> Result<Answer, Error> {
    let session = match &args.target {
        None => Some(Session::required("gt handoff", "for an agent, name its bead: `gt handoff BEAD -m \"...\"`")?),
        Some(_) => Session::current()?,
    };
    if let (Some(session), Some(target)) = (&session, &args.target)
        && ![&session.bead, &session.polecat_object(), &format!("{}/{}", session.rig, session.polecat)]
            .contains(&target)
    {
        return Err(Error::refused(
            format!("`{target}` is not yours: agents hand off their own work"),
            "`gt handoff -s \"...\" -m \"...\"`",
        ));
    }
    let note = note(args)?;
    match session {
        Some(session) => {
            let head = variable("GT_WORKTREE").map(PathBuf::from).and_then(|it| head_of(&it));
            connected(town, &actor(), async |context| {
                let attempt = of_session(&session, &note, head.as_deref(), context).await?;
                Ok(Answer::out(format!(
                    "handed off `{}` after attempt {attempt}. End your turn now: your session ends, and the next one begins with your \
                     note.\n",
                    session.bead
                )))
            })
        }
        None => for_agent(args.target.as_deref().unwrap_or_default(), &note, town),
    }
}

/// What is to be said, of the arguments.
fn note(args: &HandoffArgs) -> Result<Note, Error> {
    let mut message = args.message.clone().unwrap_or_default();
    if message == "-" {
        message.clear();
        // A character takes four bytes at most, and one more shows that there are too many.
        let limit = 4 * MESSAGE_CHARS_MAX as u64 + 1;
        let read = std::io::stdin().take(limit).read_to_string(&mut message);
        read.map_err(|source| Error::Io { what: "read the message", source })?;
    }
    let message = message.trim();
    let subject = args.subject.as_deref().or_else(|| message.lines().next()).unwrap_or_default().trim();
    let subject = subject.lines().next().unwrap_or_default();
    if subject.is_empty() {
        let hint = "`gt handoff -s \"what it is about\" -m \"what is done, what is next, what did not work\"`";
        return Err(Error::refused("the note is empty", hint));
    }
    if message.chars().count() > MESSAGE_CHARS_MAX {
        let hint = "say what is done, what is next and what did not work; leave the rest in a file of the worktree";
        return Err(Error::refused(format!("the message is longer than {MESSAGE_CHARS_MAX} characters"), hint));
    }
    let subject = subject.chars().take(SUBJECT_CHARS_MAX).collect();
    Ok(Note { subject, message: Some(message.to_owned()).filter(|it| !it.is_empty()), automatic: false })
}

/// Hands off the work of a session; gives the number of the attempt. `head` is the commit of its worktree.
pub(super) async fn of_session(
    session: &Session,
    note: &Note,
    head: Option<&str>,
    context: &Context,
) -> Result<u32, Error> {
    let polecat = session.polecat_object();
    for _ in 0..TRIES_MAX {
        let Some(work) = load(context, &session.bead, &polecat).await? else {
            return Err(session.lost());
        };
        if note.automatic && work.bead.spec.handoff_of(session.attempt).is_some() {
            // What the agent itself has said is better.
            return Ok(session.attempt);
        }
        if write(&work, session.attempt, note, head, context).await? {
            return Ok(session.attempt);
        }
    }
    Err(Error::contended(format!("hand off `{}`", session.bead)))
}

/// Has a person's word end the session of an agent, and another begin.
fn for_agent(target: &str, note: &Note, town: Option<&Path>) -> Result<Answer, Error> {
    let layout = find_town(town)?.layout;
    connected(town, &actor(), async |context| {
        for _ in 0..TRIES_MAX {
            let bead = find(target, context).await?;
            let id = bead.name_any();
            let attempt = bead.status.as_ref().map_or(0, |status| status.attempts);
            let assignee = bead.spec.assignee.as_ref().filter(|_| attempt > 0);
            let Some(assignee) = assignee else {
                let hint = "`gt status` shows who is at work; a bead that nobody works on begins afresh anyway";
                return Err(Error::refused(format!("nobody is at work on bead `{id}`"), hint));
            };
            let head = head_of(&layout.worktree(&assignee.uid));
            let Some(work) = load(context, &id, &assignee.polecat).await? else { continue };
            if write(&work, attempt, note, head.as_deref(), context).await? {
                let note = if context.controller { "" } else { "the town is down, so nothing moves yet: `gt up`\n" };
                let out = format!("bead/{id} handed off: attempt {attempt} ends, and the next begins with the note\n");
                return Ok(Answer { out, note: note.to_owned(), code: 0 });
            }
        }
        Err(Error::contended(format!("hand off `{target}`")))
    })
}

/// The bead that a person means: by its name, or by that of the polecat that has it.
pub(super) async fn find(target: &str, context: &Context) -> Result<Bead, Error> {
    let name = target.strip_prefix("bead/").unwrap_or(target);
    if names::is_label(name) || name.contains('.') {
        let found = context.beads().get_opt(name).await.map_err(Error::api(format!("read bead `{name}`")))?;
        if let Some(bead) = found {
            return Ok(bead);
        }
    }
    let name = target.strip_prefix("polecat/").unwrap_or(target);
    let polecat = name.split_once('/').map_or_else(|| name.to_owned(), |(rig, name)| names::polecat(rig, name));
    find_hooked(context, None, &polecat).await?.ok_or_else(|| {
        let hint = "`gt status` shows who has what";
        Error::refused(format!("there is no bead `{target}`, and no polecat of that name has one"), hint)
    })
}

/// Writes the note into the bead; false where the bead has changed meanwhile.
async fn write(work: &Work, attempt: u32, note: &Note, head: Option<&str>, context: &Context) -> Result<bool, Error> {
    let id = work.bead.name_any();
    if let Some(question) = work.bead.spec.open_question() {
        let message = format!("`{}` waits for an answer: {}", question.name, question.text);
        let hint = "its session has ended, or ends with the turn; the next one begins with the answer";
        return Err(Error::refused(message, hint));
    }
    let handoff = Handoff {
        attempt,
        subject: note.subject.clone(),
        message: note.message.clone(),
        by: context.actor.clone(),
        at: whole_second(SystemClock.now()),
        progress: work.progress(head.unwrap_or_default()),
        automatic: note.automatic,
    };
    let handoffs = with(&work.bead.spec.handoffs, handoff).ok_or_else(|| {
        let message = format!("`{id}` was handed off {HANDOFFS_MAX} times: it is too much for one bead");
        Error::refused(message, "`gt stuck \"it has to be split: ...\"` tells a person")
    })?;
    let changed = context.change(&work.bead, &json!({ "handoffs": handoffs }), &format!("hand off `{id}`")).await?;
    Ok(changed.is_some())
}

/// The handoffs of a bead with one more; none where there are too many. Of one attempt there is one, and only the newest keep
/// their messages.
fn with(before: &[Handoff], new: Handoff) -> Option<Vec<Handoff>> {
    let mut all: Vec<Handoff> = before.iter().filter(|it| it.attempt != new.attempt).cloned().collect();
    all.push(new);
    let old = all.len().saturating_sub(MESSAGES_MAX);
    all[..old].iter_mut().for_each(|handoff| handoff.message = None);
    (all.len() <= HANDOFFS_MAX).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handoff(attempt: u32) -> Handoff {
        Handoff {
            attempt,
            subject: format!("after {attempt}"),
            message: Some("more".into()),
            by: "shop/polecats/nux".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            progress: String::new(),
            automatic: false,
        }
    }

    #[test]
    fn a_bead_keeps_one_handoff_of_an_attempt_and_the_newest_messages() {
        let all = (1..=7).fold(Vec::new(), |all, attempt| with(&all, handoff(attempt)).unwrap());
        let again = with(&all, Handoff { subject: "again".into(), ..handoff(7) }).unwrap();
        let told: Vec<_> = again.iter().map(|it| (it.attempt, &*it.subject, it.message.is_some())).collect();
        assert_eq!(told.len(), 7);
        assert_eq!(told[1..3], [(2, "after 2", false), (3, "after 3", true)]);
        assert_eq!(told[6], (7, "again", true));
        let most: Vec<_> = (1..=50).map(handoff).collect();
        assert!(with(&most, handoff(51)).is_none());
        assert!(with(&most, handoff(50)).is_some(), "it may say it again");
    }

    #[test]
    fn a_note_has_a_subject() {
        let say = |subject: Option<&str>, message: Option<&str>| {
            let [subject, message] = [subject, message].map(|it| it.map(str::to_owned));
            note(&HandoffArgs { target: None, subject, message }).map(|it| (it.subject, it.message.unwrap_or_default()))
        };
        assert_eq!(say(Some("half done"), None).unwrap(), ("half done".into(), String::new()));
        assert_eq!(say(None, Some("half done\nparser next")).unwrap().0, "half done");
        assert!(say(None, Some("  ")).unwrap_err().to_string().contains("the note is empty"));
        assert!(say(Some("x"), Some(&"x".repeat(9000))).unwrap_err().to_string().contains("longer than 8192"));
        assert_eq!(say(Some(&"x".repeat(300)), None).unwrap().0.len(), 200);
    }
}
