//! The end of a turn: what an agent has on its hook then, and whether it goes on.

use std::cell::RefCell;
use std::path::Path;

use gastown_connect::actor::variable;
use gastown_crds::bead::AgentQuestion;
use gastown_world::records::{Activity, Doing, Reports};
use jiff::Timestamp;

use super::super::context::{Answer, actor, connected};
use super::super::error::Error;
use super::super::hook;
use super::super::session::Session;
use super::super::work::load;
use super::super::worktree::head_of;
use super::{Reply, activity, kept};

/// What an agent whose turn has ended has on its hook.
enum OnHook {
    /// Nothing: it was handed in, closed or given to another.
    Nothing,
    /// Work that this session has handed off.
    HandedOff,
    /// Work that waits for a person's answer to this.
    Question(String),
    /// Work, and answers to so many questions of this session, in words.
    Answers { count: usize, text: String },
    /// Work: the command that comes next, and how far it is.
    Work { next: String, progress: String },
}

/// The end of a turn: an agent with work on its hook is told what waits for it and sent on, unless it waits for an answer, or there
/// are no messages and sending it on did not help.
pub fn end(reports: &Reports, before: Option<&Activity>, now: Timestamp, town: Option<&Path>) -> Result<Reply, Error> {
    let mut reply = Reply::default();
    let idle = |message: Option<String>| activity(before, now, Doing::Idle, message);
    let busy = || activity(before, now, Doing::Busy, None);
    let put = |activity: &Activity, reply: &mut Reply| kept(reports.put_activity(activity), &mut reply.answer);
    let Some(session) = Session::current()? else {
        put(&idle(None), &mut reply);
        return Ok(reply);
    };
    let told = before.map_or(0, |before| before.told);
    let (next, progress) = match on_hook(&session, told, town) {
        // Its session ends, too, and what waits is for the next one.
        Ok(OnHook::Nothing) => {
            put(&idle(None), &mut reply);
            return Ok(reply);
        }
        Ok(OnHook::HandedOff) => {
            put(&idle(Some("it has handed off its work".to_owned())), &mut reply);
            return Ok(reply);
        }
        Ok(OnHook::Question(asked)) => {
            put(&activity(before, now, Doing::Asking, Some(asked)), &mut reply);
            return Ok(reply);
        }
        Ok(OnHook::Answers { count, text }) => {
            let messages = reply.take(|_| true);
            put(&Activity { told: count, ..busy() }, &mut reply);
            reply.go_on(messages, text);
            return Ok(reply);
        }
        Ok(OnHook::Work { next, progress }) => (next, progress),
        Err(error) => {
            put(&idle(Some(format!("what is on the hook could not be read: {error}"))), &mut reply);
            reply.answer.note.push_str(&error.text());
            return Ok(reply);
        }
    };
    let sent_on = before.filter(|before| before.progress == progress).map_or(0, |before| before.sent_on);
    let keep_at_work = variable("GT_KEEP_AT_WORK").and_then(|most| most.parse().ok()).unwrap_or(0);
    let still = format!("There is still work on your hook. Next: {next}.");
    let mut messages = reply.take(|_| true);
    if messages.is_none() && sent_on >= keep_at_work {
        let times = if sent_on == 1 { "once".to_owned() } else { format!("{sent_on} times") };
        let message = match sent_on {
            0 => "its turn has ended with work on its hook".to_owned(),
            _ => format!("its turn has ended with work on its hook, although it was sent on {times}"),
        };
        put(&Activity { sent_on, progress: progress.clone(), ..idle(Some(message)) }, &mut reply);
        // Asked for again: who sends something from now on sees that it is idle, but not who did a moment ago.
        messages = reply.take(|_| true);
        if messages.is_none() {
            return Ok(reply);
        }
    }
    // Being told something is not being sent on.
    let sent_on = if messages.is_some() { sent_on } else { sent_on + 1 };
    put(&Activity { sent_on, progress, ..busy() }, &mut reply);
    reply.go_on(messages, still);
    Ok(reply)
}

/// Looks at the hook, with the controller up or down; `told` answers are known to the agent.
fn on_hook(session: &Session, told: usize, town: Option<&Path>) -> Result<OnHook, Error> {
    let found = RefCell::new(OnHook::Nothing);
    connected(town, &actor(), async |context| {
        if let Some(work) = load(context, &session.bead, &session.polecat_object()).await? {
            // What was answered while its turn went on. A session that begins is told of those before it.
            let questions = &work.bead.spec.questions;
            let answered = |it: &&AgentQuestion| it.attempt == session.attempt && it.answer.is_some();
            let answers: Vec<_> = questions.iter().filter(answered).collect();
            let handed_off = work.bead.spec.handoff_of(session.attempt).is_some();
            found.replace(match work.bead.spec.open_question() {
                None if handed_off => OnHook::HandedOff,
                Some(question) => OnHook::Question(question.text.clone()),
                None if answers.len() > told => {
                    let text = answers[told..].iter().filter_map(|question| question.told()).collect::<Vec<_>>();
                    OnHook::Answers { count: answers.len(), text: text.join("\n\n") + "\n\nGo on." }
                }
                None if work.next_of_another().is_some() => OnHook::Nothing,
                None => OnHook::Work { next: hook::next(&work.bead, &work), progress: work.progress(&head()) },
            });
        }
        Ok(Answer::default())
    })?;
    Ok(found.into_inner())
}

/// The commit that the worktree is at, empty where that cannot be read.
fn head() -> String {
    let worktree = variable("GT_WORKTREE").unwrap_or_else(|| ".".to_owned());
    head_of(Path::new(&worktree)).unwrap_or_default()
}
