//! Which conversation an attempt goes on with, or begins.
//!
//! Only one that was reported is gone on with: an id that the agent's program does not know would end each attempt at once.

use gastown_crds::Runtime;
use gastown_crds::bead::AgentQuestion;
use gastown_crds::runtime::ConversationId;
use kube::ResourceExt;
use uuid::Uuid;

use crate::world::{Attempt, AttemptState, SandboxId, exit};

/// What an agent is told first where a conversation begins.
const PROMPT: &str = "Run `gt prime` and follow it.";
/// The same where one goes on.
const RESUME_PROMPT: &str = "Your session was interrupted, or your work came back. Run `gt prime`: it says what is to be done. See \
                             what is there already, and go on.";

/// How often an agent may end by itself in one conversation, without handing in, before the next attempt begins another: one
/// that is full, or damaged, would end each attempt. That it was killed says nothing of its conversation.
const ENDS_MAX: usize = 3;

/// The conversation of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Talk {
    /// Its id; none where the agent's program chooses it.
    pub id: Option<String>,
    /// Whether it goes on.
    pub resumes: bool,
    /// What the agent is told first.
    pub prompt: String,
}

/// The conversation of an attempt. `earlier` are the attempts at the same work that it may go on from, ascending.
pub fn of(
    (runtime, account): (&Runtime, Option<&str>),
    sandbox: &SandboxId,
    attempt: (&str, u32),
    earlier: &[Attempt],
    questions: &[AgentQuestion],
) -> Talk {
    let spec = &runtime.spec;
    let prompt = |own: &Option<String>, default: &str| own.clone().unwrap_or_else(|| default.to_owned());
    let name = runtime.name_any();
    // A program knows its own conversations alone.
    let earlier: Vec<&Attempt> = earlier.iter().filter(|run| run.runtime.as_ref() == Some(&name)).collect();
    let last = if spec.resume.is_empty() { None } else { last((sandbox, account), &earlier) };
    if let Some(id) = last {
        let answered = earlier
            .iter()
            .rev()
            .find(|run| run.state != AttemptState::Intended)
            .map(|last| answers(questions, last.attempt))
            .filter(|text| !text.is_empty());
        let prompt = answered.unwrap_or_else(|| prompt(&spec.resume_prompt, RESUME_PROMPT));
        return Talk { id: Some(id.to_owned()), resumes: true, prompt };
    }
    // Another for each attempt: a program does not take the id of one that it has begun.
    let (owner_uid, attempt) = attempt;
    let assigned = || Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{owner_uid}/{attempt}").as_bytes()).to_string();
    let id = (spec.conversation == ConversationId::Assigned).then(assigned);
    Talk { id, resumes: false, prompt: prompt(&spec.prompt, PROMPT) }
}

/// The answers to what an attempt has asked, as an agent is told them.
fn answers(questions: &[AgentQuestion], attempt: u32) -> String {
    let of_attempt = questions.iter().filter(|question| question.attempt == attempt);
    let told: Vec<String> = of_attempt.filter_map(AgentQuestion::told).collect();
    if told.is_empty() { String::new() } else { told.join("\n\n") + "\n\nGo on. `gt hook` shows where you stand." }
}

/// The id of the conversation that was gone on with last, if that can be gone on with here.
fn last<'a>((sandbox, account): (&SandboxId, Option<&str>), earlier: &[&'a Attempt]) -> Option<&'a str> {
    let by_itself =
        |run: &Attempt| matches!(&run.state, AttemptState::Ended(end) if end.own && end.code != exit::KILLED);
    let last = earlier.iter().rev().find(|run| run.conversation.is_some() || by_itself(run))?;
    let conversation = last.conversation.as_ref()?;
    let ends = earlier.iter().filter(|run| run.conversation.as_ref() == Some(conversation) && by_itself(run)).count();
    // It lies where the account's login does.
    let is_here = conversation.sandbox_uid == sandbox.uid && conversation.account.as_deref() == account;
    (is_here && ends < ENDS_MAX).then_some(&conversation.id)
}
