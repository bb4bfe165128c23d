//! `gt seance`: the sessions that worked on a bead before, and a question to one of them.
//!
//! The question goes to a copy of its conversation, as its Runtime's `seance` says: the conversation itself stays as it was, and so
//! does the worktree. Whoever is asked is no session: it has none of the variables of one, and no hook.

mod list;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use gastown_controllers::world::{Attempt, Conversation};
use gastown_crds::common::NameValue;
use gastown_crds::{Bead, MergeRequest, Runtime};
use gastown_world::exec::{Exec, ExecError};
use gastown_world::layout::Layout;
use gastown_world::session::attempts;
use gastown_world::session::expand::expand;
use gastown_world::session::program::find as find_program;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::context::{Answer, Context, actor, connected, find_town, finish};
use super::error::Error;
use super::handoff::find;
use super::session::Session;
use super::work::open;
use super::worktree::branch_of;

/// Marks what a session has started; see the session module of `src/world`.
const MARK: &str = "GT_SANDBOX";

/// The most beads that are listed, where none is named.
const BEADS_MAX: usize = 50;

/// The longest question, in characters.
const QUESTION_CHARS_MAX: usize = 8192;

/// How long an answer may take by default, in seconds: a model reads a long conversation within one minute.
const TIMEOUT_S: u64 = 300;

/// The end of what a program complains that is shown, in characters.
const COMPLAINT_CHARS_MAX: usize = 1000;

/// List the sessions that worked on a bead before, or ask one a question
#[derive(Debug, Clone, Args)]
pub struct SeanceArgs {
    /// A bead, or a polecat as `RIG/NAME`. Default: the session's own; for people, all that is open
    #[arg(value_name = "BEAD|POLECAT")]
    target: Option<String>,
    /// What to ask. It is answered by a copy of the conversation, which changes nothing
    #[arg(value_name = "QUESTION")]
    question: Option<String>,
    /// The attempt to ask. Default: the last one before yours that can be asked
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: Option<u32>,
    /// The seconds that the answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = TIMEOUT_S, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print the list for programs
    #[arg(short, long, value_name = "FORMAT")]
    output: Option<Format>,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As JSON
    Json,
}

/// Runs `gt seance`; `town` is what `--town` says.
pub fn seance(args: &SeanceArgs, town: Option<&Path>) -> ExitCode {
    finish(run(args, town))
}

fn run(args: &SeanceArgs, town: Option<&Path>) -> Result<Answer, Error> {
    let session = Session::current()?;
    // No name of a bead or polecat has a blank.
    let is_question = |text: &String| session.is_some() && text.contains(char::is_whitespace);
    let (target, question) = match (args.target.clone(), args.question.clone()) {
        (Some(text), None) if is_question(&text) => (None, Some(text)),
        other => other,
    };
    if question.is_none() && args.attempt.is_some() {
        return Err(Error::refused("ask it what?", "gt seance BEAD --attempt N \"what did you try?\""));
    }
    let target = target.or_else(|| session.as_ref().map(|session| session.bead.clone()));
    let layout = find_town(town)?.layout;
    let Some(question) = question else {
        return connected(town, &actor(), async |context| {
            let beads = match &target {
                Some(target) => vec![known(target, session.as_ref(), context).await?],
                None => begun(context).await?,
            };
            let mut found = Vec::new();
            for bead in beads {
                found.push(History::of(bead, session.as_ref(), &layout, context).await?);
            }
            Ok(list::shown(&found, args.output))
        });
    };
    let Some(target) = target else {
        return Err(Error::refused("whom to ask?", "name a bead: `gt seance BEAD \"...\"`; `gt seance` lists them"));
    };
    let question = question.trim();
    if question.is_empty() || question.chars().count() > QUESTION_CHARS_MAX {
        let message = format!("a question has 1 to {QUESTION_CHARS_MAX} characters");
        return Err(Error::refused(message, "gt seance BEAD \"what did you try?\""));
    }
    let chosen = RefCell::new(None);
    connected(town, &actor(), async |context| {
        let bead = known(&target, session.as_ref(), context).await?;
        let history = History::of(bead, session.as_ref(), &layout, context).await?;
        let (attempt, name, conversation) = history.to_ask(args.attempt)?;
        let runtimes: Api<Runtime> = Api::default_namespaced(context.client.clone());
        let found = runtimes.get_opt(&name).await.map_err(Error::api(format!("read runtime `{name}`")))?;
        let Some(runtime) = found.filter(|runtime| !runtime.spec.seance.is_empty()) else {
            let message = format!("Runtime `{name}` does not say how a conversation of it is asked (`seance`)");
            let hint = format!("`gt logs bead/{} --attempt {attempt}` shows it", history.bead.name_any());
            return Err(Error::refused(message, hint));
        };
        chosen.replace(Some((history.bead, attempt, conversation, runtime)));
        Ok(Answer::default())
    })?;
    let (bead, attempt, conversation, runtime) = chosen.into_inner().expect("it is chosen, or an error was returned");
    ask(&layout, &bead, attempt, &conversation, &runtime, question, Duration::from_secs(args.timeout))
}

/// The bead that is meant. Agents ask within their rig.
async fn known(target: &str, session: Option<&Session>, context: &Context) -> Result<Bead, Error> {
    let bead = find(target, context).await?;
    match session.filter(|session| session.rig != bead.spec.rig) {
        Some(session) => Err(Error::refused(
            format!("`{}` is of rig {}: agents ask within their own, {}", bead.name_any(), bead.spec.rig, session.rig),
            "what only a person can tell: `gt ask \"<question>\"`",
        )),
        None => Ok(bead),
    }
}

/// The open beads that were begun, the first by name.
async fn begun(context: &Context) -> Result<Vec<Bead>, Error> {
    let begun = |bead: &Bead| bead.status.as_ref().is_some_and(|status| status.attempts > 0);
    Ok(open(context, None).await?.into_iter().filter(begun).take(BEADS_MAX).collect())
}

/// What was tried of a bead.
struct History {
    bead: Bead,
    attempts: Vec<Attempt>,
    /// When each began, if it did.
    began: Vec<Option<jiff::Timestamp>>,
    /// The attempts that handed in.
    handed_in: Vec<u32>,
    /// The conversation of whoever asks, which is none to ask.
    own: Option<String>,
}

impl History {
    async fn of(bead: Bead, session: Option<&Session>, layout: &Layout, context: &Context) -> Result<Self, Error> {
        let (id, uid) = (bead.name_any(), bead.uid().unwrap_or_default());
        let of_bead = ListParams::default().fields(&format!("spec.bead={id}"));
        let requests: Api<MergeRequest> = Api::default_namespaced(context.client.clone());
        let requests = requests.list(&of_bead).await.map_err(Error::api(format!("read what `{id}` handed in")))?;
        let mut attempts = attempts::of(layout, &uid).map_err(|error| {
            Error::refused(gastown_base::causes::in_a_line(&error), "`gt doctor` looks at the town")
        })?;
        let own = session.filter(|session| session.bead == id).map(|session| session.attempt);
        let conversation =
            attempts.iter().find(|run| Some(run.attempt) == own).and_then(|run| run.conversation.clone());
        attempts.retain(|run| own.is_none_or(|own| run.attempt < own));
        let began = attempts.iter().map(|run| attempts::began(layout, &uid, run.attempt)).collect();
        let handed_in = requests.items.iter().map(|request| request.spec.attempt).collect();
        Ok(Self { bead, attempts, began, handed_in, own: conversation.map(|it| it.id) })
    }

    /// The attempt that is asked, the name of its Runtime, and its conversation.
    fn to_ask(&self, attempt: Option<u32>) -> Result<(u32, String, Conversation), Error> {
        let id = self.bead.name_any();
        let can_be_asked =
            |run: &&Attempt| run.conversation.as_ref().is_some_and(|it| Some(&it.id) != self.own.as_ref());
        let meant = |run: &&Attempt| attempt.is_none_or(|attempt| attempt == run.attempt);
        let found = self.attempts.iter().rev().filter(meant).find(can_be_asked);
        if let Some((run, runtime, conversation)) =
            found.and_then(|run| Some((run, run.runtime.clone()?, run.conversation.clone()?)))
        {
            return Ok((run.attempt, runtime, conversation));
        }
        let message = match (attempt, self.attempts.iter().find(meant)) {
            (Some(attempt), None) => format!("`{id}` has no earlier attempt {attempt}"),
            (Some(attempt), Some(run)) if run.conversation.is_some() => {
                format!("the conversation of attempt {attempt} is the one that you are in")
            }
            (Some(attempt), Some(_)) => format!("attempt {attempt} left no conversation that can be asked"),
            (None, None) => format!("nobody has worked on `{id}` before"),
            (None, Some(_)) => format!("no attempt before at `{id}` left another conversation that can be asked"),
        };
        Err(Error::refused(message, format!("`gt seance {id}` lists them")))
    }
}

/// Asks a conversation, by its own program, and gives the answer.
fn ask(
    layout: &Layout,
    bead: &Bead,
    attempt: u32,
    conversation: &Conversation,
    runtime: &Runtime,
    question: &str,
    limit: Duration,
) -> Result<Answer, Error> {
    let worktree = layout.worktree(&conversation.sandbox_uid);
    // It may be another bead's by now.
    let is_its = branch_of(&worktree).is_some_and(|branch| branch.ends_with(&format!("/{}", bead.name_any())));
    let empty = tempfile::tempdir().map_err(|source| Error::Io { what: "make an empty folder", source })?;
    let cwd = if is_its { worktree } else { empty.path().to_owned() };
    let run_folder = attempts::run_folder(layout, &bead.uid().unwrap_or_default(), attempt);
    let prompt = format!(
        "A question from somebody who goes on with your work. Answer from what you know; change nothing, and do not go on \
         with the work itself.\n\n{question}"
    );
    let exec = command(runtime, conversation, &prompt, &cwd, &run_folder, &bead.spec.rig).limit(limit);
    let output = exec.run().map_err(|error| match error {
        ExecError::TimedOut { limit, .. } => Error::refused(
            format!("it did not answer within {} s", limit.as_secs()),
            "ask for less, or give it longer: `--timeout SECONDS`",
        ),
        other => other.into(),
    })?;
    let said = output.text();
    if !output.ok() || said.trim().is_empty() {
        let complaint = output.complaint();
        let skipped = complaint.chars().count().saturating_sub(COMPLAINT_CHARS_MAX);
        let complaint: String = complaint.chars().skip(skipped).collect();
        let message =
            format!("`{}` gave no answer, and ended with {}: {complaint}", runtime.spec.seance[0], output.code);
        let hint = format!("`gt logs bead/{} --attempt {attempt}` shows the conversation", bead.name_any());
        return Err(Error::refused(message, hint));
    }
    Ok(Answer::out(format!("{}\n", said.trim())))
}

/// The program that asks, in an environment without a session's variables. It stays marked as what the asking session has started,
/// so that it ends with that; and what it asks the town is asked by an agent that has no bead.
fn command(
    runtime: &Runtime,
    conversation: &Conversation,
    prompt: &str,
    cwd: &Path,
    run_folder: &Path,
    rig: &str,
) -> Exec {
    let (cwd_text, run_folder) = (cwd.to_string_lossy().into_owned(), run_folder.to_string_lossy().into_owned());
    let value = |name: &str| match name {
        "GT_CONVERSATION" => Some(&*conversation.id),
        "GT_PROMPT" => Some(prompt),
        "GT_WORKTREE" => Some(&*cwd_text),
        "GT_RUN" => Some(&*run_folder),
        _ => None,
    };
    let words: Vec<String> = runtime.spec.seance.iter().map(|word| expand(word, value)).collect();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program = find_program(&words[0], &path).unwrap_or_else(|| PathBuf::from(&words[0]));
    let mut exec = Exec::new(program).args(&words[1..]).cwd(cwd);
    for (name, _) in std::env::vars_os() {
        if is_left_out(&name.to_string_lossy(), &runtime.spec.unset_env) {
            exec = exec.env_remove(name);
        }
    }
    for NameValue { name, value: text } in &runtime.spec.env {
        exec = exec.env(name, expand(text, value));
    }
    exec.env("GT_ACTOR", format!("{rig}/crew/seance"))
}

/// Whether whoever is asked does not see a variable; `unset` are those of its Runtime.
fn is_left_out(name: &str, unset: &[String]) -> bool {
    let of_session = ["GT_", "BD_", "GIT_", "TMUX"].iter().any(|prefix| name.starts_with(prefix));
    let is_unset = |it: &String| it.strip_suffix('*').map_or(it == name, |prefix| name.starts_with(prefix));
    (of_session && name != MARK) || unset.iter().any(is_unset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_controllers::world::AttemptState;
    use serde_json::{from_value, json};

    fn run(attempt: u32, conversation: Option<&str>) -> Attempt {
        let conversation =
            conversation.map(|id| Conversation { id: id.into(), sandbox_uid: "7".into(), account: None });
        Attempt {
            attempt,
            work: String::new(),
            runtime: Some("claude".into()),
            state: AttemptState::Intended,
            conversation,
        }
    }

    #[test]
    fn the_last_that_can_be_asked_is_asked() {
        let bead = Bead::new("shop-1", from_value(json!({"title": "x", "rig": "shop"})).unwrap());
        let attempts = vec![run(1, Some("a")), run(2, Some("b")), run(3, None), run(4, Some("c"))];
        let history = |own: Option<&str>, attempts: Vec<Attempt>| History {
            bead: bead.clone(),
            began: vec![None; attempts.len()],
            attempts,
            handed_in: Vec::new(),
            own: own.map(str::to_owned),
        };
        let asked = |history: &History, attempt| {
            history.to_ask(attempt).map_or_else(|error| error.to_string(), |(n, _, it)| format!("{n} {}", it.id))
        };
        let all = history(None, attempts.clone());
        assert_eq!(asked(&all, None), "4 c");
        assert_eq!(asked(&all, Some(1)), "1 a");
        assert_eq!(asked(&all, Some(3)), "attempt 3 left no conversation that can be asked");
        assert_eq!(asked(&all, Some(9)), "`shop-1` has no earlier attempt 9");
        // A session that goes on in the conversation of the one before does not ask itself.
        let own = history(Some("c"), attempts);
        assert_eq!(asked(&own, None), "2 b");
        assert_eq!(asked(&own, Some(4)), "the conversation of attempt 4 is the one that you are in");
        assert_eq!(asked(&history(None, vec![]), None), "nobody has worked on `shop-1` before");
    }

    #[test]
    fn whoever_is_asked_sees_no_session() {
        let unset = ["CODEX_THREAD_ID".to_owned(), "CLAUDE_CODE_SESSION_*".to_owned()];
        let seen = |name: &&str| !is_left_out(name, &unset);
        let names =
            ["GT_BEAD", "GT_SANDBOX", "BD_ACTOR", "TMUX_PANE", "HOME", "CODEX_THREAD_ID", "CLAUDE_CODE_SESSION_ID"];
        assert_eq!(names.iter().copied().filter(seen).collect::<Vec<_>>(), ["GT_SANDBOX", "HOME"]);
    }
}
