//! `gt ask` and `gt stuck`: an agent asks a person, or says that it cannot go on. The question stands in its bead; the session ends with
//! the turn, and the next one, in the same conversation, begins with the answer.
//!
//! Asking the same again is "already so". With `--wait` the agent's tool call waits for the answer, for as long as a tool may run.

use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use clap::Args;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_connect::Connection;
use gastown_crds::Bead;
use gastown_crds::bead::AgentQuestion;
use gastown_crds::common::whole_second;
use gastown_world::records::Activity;
use gastown_world::town::Town;
use kube::runtime::wait::await_condition;
use kube::{Api, ResourceExt};
use serde_json::json;

use super::context::{Answer, Context, TRIES_MAX, actor, connected, find_town, finish};
use super::conversation::reports;
use super::error::Error;
use super::session::Session;
use super::work::is_hooked;

/// The longest question, in characters, as the schema of a bead has it.
const TEXT_CHARS_MAX: usize = 4096;

/// The most questions of a bead, as its schema has it.
const QUESTIONS_MAX: usize = 20;

/// The longest that an agent's tool call waits for an answer.
const WAIT_MAX: Duration = Duration::from_hours(1);

/// The delays before the town is asked again that went down while an agent waited.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Ask a person: the session ends with the turn, and goes on with the answer
#[derive(Debug, Clone, Args)]
pub struct AskArgs {
    /// The question, with all that is needed to answer it
    #[arg(value_name = "QUESTION")]
    text: String,
    /// An answer to choose from; may be given up to nine times
    #[arg(short, long = "option", value_name = "ANSWER")]
    options: Vec<String>,
    /// Wait for the answer and print it, instead of ending the turn
    #[arg(long)]
    wait: bool,
    /// How long to wait, such as `90s` or `5m`, an hour at most; less than your tools may run
    #[arg(long, default_value = "90s", requires = "wait", value_parser = patience)]
    timeout: Duration,
}

fn patience(text: &str) -> Result<Duration, String> {
    let wait: kube::core::Duration = text.parse().map_err(|_| "say it such as 90s or 5m".to_owned())?;
    let wait = Duration::from(wait);
    if wait > WAIT_MAX { Err("at most 1h".to_owned()) } else { Ok(wait) }
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
    let wait = args.wait.then_some(args.timeout);
    let asked = put("gt ask", &args.text, &args.options, false, wait.is_some(), town);
    finish(asked.and_then(|(session, question)| match wait {
        None => Ok(asked_so(&question)),
        Some(patience) => answer_within(patience, &session, question, town),
    }))
}

/// Runs `gt stuck`; `town` is what `--town` says.
pub fn stuck(args: &StuckArgs, town: Option<&Path>) -> ExitCode {
    finish(put("gt stuck", &args.text, &[], true, false, town).map(|(_, question)| asked_so(&question)))
}

/// Asks what an agent's own program would have put on its screen, and says what the agent is told of that.
pub(super) fn instead_of_screen(text: &str, options: &[String], town: Option<&Path>) -> Result<String, Error> {
    let (_, question) = put("gt ask", text, options, false, false, town)?;
    Ok(format!(
        "Nobody sits at this screen. Your question was put to a person ({}): end your turn now, and you are told the answer when \
         your session goes on. Do not guess it meanwhile.",
        question.name
    ))
}

/// Writes the question down, unless it is there already; with `take` also one that was answered meanwhile.
fn put(
    verb: &str,
    text: &str,
    options: &[String],
    stuck: bool,
    take: bool,
    town: Option<&Path>,
) -> Result<(Session, AgentQuestion), Error> {
    let session = Session::required(verb, "people answer questions: `gt answer BEAD \"...\"`")?;
    let text = text.trim();
    if text.chars().count() > TEXT_CHARS_MAX {
        let message = format!("what you ask has more than {TEXT_CHARS_MAX} characters");
        return Err(Error::refused(message, "ask shortly, and name the file that says more"));
    }
    if text.is_empty() {
        return Err(Error::refused("the question is empty", format!("{verb} \"what you want to know\"")));
    }
    let twice =
        options.iter().enumerate().find(|(nth, option)| options[..*nth].iter().any(|it| it.trim() == option.trim()));
    if let Some((_, option)) = twice {
        let message = format!("the answer `{}` is offered twice: whoever chooses it could mean either", option.trim());
        return Err(Error::refused(message, "say in each what is different about it"));
    }
    let found = RefCell::new(None);
    connected(town, &actor(), async |context| {
        found.replace(Some(write(&session, text, options, (stuck, take), context).await?));
        Ok(Answer::default())
    })?;
    let question = found.into_inner();
    question.map(|question| (session, question)).ok_or_else(|| Error::refused("nothing was asked", "try again"))
}

async fn write(
    session: &Session,
    text: &str,
    options: &[String],
    (stuck, take): (bool, bool),
    context: &Context,
) -> Result<AgentQuestion, Error> {
    let id = &session.bead;
    let what = format!("ask about `{id}`");
    for _ in 0..TRIES_MAX {
        let found = context.beads().get_opt(id).await.map_err(Error::api(format!("read bead `{id}`")))?;
        let Some(bead) = found.filter(|bead| is_hooked(bead, &session.polecat_object())) else {
            return Err(session.lost());
        };
        context.saw(&bead);
        if let Some(question) = bead.spec.open_question() {
            if question.text == text && question.stuck == stuck {
                return Ok(question.clone());
            }
            let message = format!("`{}` waits for an answer already: {}", question.name, question.text);
            return Err(Error::refused(message, "end your turn: your session goes on with the answer"));
        }
        // Whoever waited for it and was too early asks the same again.
        let last = bead.spec.questions.last().filter(|it| it.attempt == session.attempt && it.text == text);
        if let Some(answered) = last.filter(|_| take) {
            return Ok(answered.clone());
        }
        let question = question(&bead, session, text, options, stuck, context)?;
        let mut questions = bead.spec.questions.clone();
        questions.push(question.clone());
        if context.change(&bead, &json!({ "questions": questions }), &what).await?.is_some() {
            return Ok(question);
        }
    }
    Err(Error::contended(what))
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

fn asked_so(question: &AgentQuestion) -> Answer {
    let AgentQuestion { name, stuck, .. } = question;
    let what = if *stuck { "a person is told that you are stuck" } else { "a person is asked" };
    Answer::out(format!("{what} ({name}). End your turn now: your session goes on with the answer.\n"))
}

/// Waits until a question is answered; the session runs meanwhile, and keeps its slot.
fn answer_within(
    patience: Duration,
    session: &Session,
    question: AgentQuestion,
    town: Option<&Path>,
) -> Result<Answer, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::Io { what: "start the runtime", source })?;
    let name = question.name.clone();
    let answered = if question.answer.is_some() {
        Some(question)
    } else {
        // The session's environment names it.
        let town = find_town(town)?;
        let waits = async { tokio::time::timeout(patience, watched(&town, session, &name)).await };
        runtime.block_on(waits).ok().transpose()?.flatten()
    };
    let Some(said) = answered.as_ref().and_then(|question| question.answer.as_ref()) else {
        let message = format!("nobody has answered within {patience:?} ({name})");
        let hint = "end your turn now: your session goes on with the answer; or ask the same again to wait for longer";
        return Err(Error::refused(message, hint));
    };
    Ok(Answer::out(format!("The answer, by {}: {}\n", said.by, said.text)))
}

/// The question once it is answered, by watching its bead; none where the bead is taken from the session.
async fn watched(town: &Town, session: &Session, name: &str) -> Result<Option<AgentQuestion>, Error> {
    let polecat = session.polecat_object();
    let is_asked = |it: &&AgentQuestion| it.name == name && it.answer.is_some();
    let is_over = |bead: Option<&Bead>| {
        bead.is_none_or(|bead| bead.spec.questions.iter().any(|it| is_asked(&it)) || !is_hooked(bead, &polecat))
    };
    let (first, longest) = AGAIN;
    let delays = ExponentialBuilder::new().with_min_delay(first).with_max_delay(longest).without_max_times();
    let mut delays = delays.build();
    loop {
        let connection = Connection::open(town, Some(&actor()))?;
        let beads: Api<Bead> = Api::default_namespaced(connection.client.clone());
        // While the town is down, nobody tells of a change; and whoever waits never holds the store, or nobody could answer.
        let found = if connection.controller {
            await_condition(beads, &session.bead, is_over).await.ok()
        } else {
            beads.get_opt(&session.bead).await.ok().filter(|bead| is_over(bead.as_ref()))
        };
        connection.close();
        let Some(found) = found else {
            tokio::time::sleep(delays.next().unwrap_or(longest)).await;
            continue;
        };
        if let Some(bead) = &found {
            note_as_known(bead, session);
        }
        return Ok(found.and_then(|bead| bead.spec.questions.iter().find(is_asked).cloned()));
    }
}

/// What the agent is told here is not told again at the end of its turn.
fn note_as_known(bead: &Bead, session: &Session) {
    let is_answered = |it: &&AgentQuestion| it.attempt == session.attempt && it.answer.is_some();
    let told = bead.spec.questions.iter().filter(is_answered).count();
    if let Some((reports, activity)) = reports().and_then(|reports| Some((reports.clone(), reports.activity()?))) {
        // It is told twice then.
        drop(reports.put_activity(&Activity { told, ..activity }));
    }
}
