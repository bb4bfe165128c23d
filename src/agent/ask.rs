//! `gt ask` and `gt stuck`: an agent asks a person, or says that it cannot go on. The question stands in its bead; the session ends with
//! the turn, and the next one, in the same conversation, begins with the answer.
//!
//! Asking the same again is "already so".

use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_crds::Bead;
use gastown_crds::bead::AgentQuestion;
use gastown_crds::common::whole_second;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::context::{Answer, Context, actor, connected, finish};
use super::error::{ApiFailure, Error};
use super::session::Session;
use super::work::is_hooked;

/// The most tries of a write when others write the same bead: its controller does now and then.
const TRIES_MAX: usize = 8;

/// The most questions of a bead, as its schema has it.
const QUESTIONS_MAX: usize = 20;

/// Ask a person: the session ends with the turn, and goes on with the answer
#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// The question, with all that is needed to answer it
    #[arg(value_name = "QUESTION")]
    text: String,
    /// An answer to choose from; may be given up to nine times
    #[arg(short, long = "option", value_name = "ANSWER")]
    options: Vec<String>,
}

/// Say that you cannot go on: the bead is set aside until a person says how
#[derive(Debug, Clone, Args)]
pub struct StuckArgs {
    /// Why, and what was tried
    #[arg(value_name = "WHY")]
    text: String,
}

/// Runs `gt ask`; `town` is what `--town` says.
pub fn ask(args: &AskArgs, town: Option<&Path>) -> ExitCode {
    finish(put("gt ask", &args.text, &args.options, false, town))
}

/// Runs `gt stuck`; `town` is what `--town` says.
pub fn stuck(args: &StuckArgs, town: Option<&Path>) -> ExitCode {
    finish(put("gt stuck", &args.text, &[], true, town))
}

fn put(verb: &str, text: &str, options: &[String], stuck: bool, town: Option<&Path>) -> Result<Answer, Error> {
    let session = Session::required(verb, "people answer questions: `gt answer BEAD \"...\"`")?;
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::refused("the question is empty", format!("{verb} \"what you want to know\"")));
    }
    connected(town, &actor(), async |context| write(&session, text, options, stuck, context).await)
}

async fn write(
    session: &Session,
    text: &str,
    options: &[String],
    stuck: bool,
    context: &Context,
) -> Result<Answer, Error> {
    let id = &session.bead;
    for _ in 0..TRIES_MAX {
        let found = context.beads().get_opt(id).await.map_err(Error::api(format!("read bead `{id}`")))?;
        let Some(bead) = found.filter(|bead| is_hooked(bead, &session.polecat_object())) else {
            let message = format!("bead `{id}` is not on the hook of `{}`", session.polecat_object());
            return Err(Error::refused(
                message,
                "end the session: the work was handed in, closed, or given to another",
            ));
        };
        context.saw(&bead);
        if let Some(question) = bead.spec.open_question() {
            if question.text == text && question.stuck == stuck {
                return Ok(asked(question));
            }
            let message = format!("`{}` waits for an answer already: {}", question.name, question.text);
            return Err(Error::refused(message, "end your turn: your session goes on with the answer"));
        }
        let question = question(&bead, session, text, options, stuck, context)?;
        let mut questions = bead.spec.questions.clone();
        questions.push(question.clone());
        let patch = json!({
            "metadata": { "resourceVersion": bead.metadata.resource_version },
            "spec": { "questions": questions },
        });
        match context.beads().patch(id, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => return Ok(asked(&question)),
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(error) => return Err(Error::api(format!("ask about `{id}`"))(error)),
        }
    }
    Err(Error::Api { what: format!("ask about `{id}`"), source: ApiFailure::Contended(TRIES_MAX) })
}

fn question(
    bead: &Bead,
    session: &Session,
    text: &str,
    options: &[String],
    stuck: bool,
    context: &Context,
) -> Result<AgentQuestion, Error> {
    let before = bead.spec.questions.len();
    if before >= QUESTIONS_MAX {
        let message = format!("`{}` has {before} questions already", bead.name_any());
        return Err(Error::refused(message, "decide yourself, and say why in the commit message"));
    }
    Ok(AgentQuestion {
        name: format!("q{}", before + 1),
        text: text.to_owned(),
        options: options.to_vec(),
        stuck,
        attempt: session.attempt,
        by: context.actor.clone(),
        at: whole_second(SystemClock.now()),
        answer: None,
    })
}

fn asked(question: &AgentQuestion) -> Answer {
    let AgentQuestion { name, stuck, .. } = question;
    let what = if *stuck { "a person is told that you are stuck" } else { "a person is asked" };
    Answer::out(format!("{what} ({name}). End your turn now: your session goes on with the answer.\n"))
}
