//! `gt __hook`: takes what an agent's own program reports of its session, as JSON on standard input, and answers it.
//!
//! The form is that of Claude Code's hooks, which Codex has too. It is answered without the controller: what is reported is
//! written into the attempt's folder, and what is on the hook is read as `gt hook` reads it. Four of the answers matter:
//! a session that begins is given what `gt prime` says, an agent whose turn ends with work on its hook is sent on, messages that
//! wait for it are told, and a question that it would put on its screen is put to a person instead.
//!
//! Invariant: nothing that goes wrong here is held against the agent: it ends with 0, and says nothing but on standard error.

mod full;

mod turn;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use gastown_base::causes::in_a_line;
use gastown_base::clock::{Clock, SystemClock};
use gastown_connect::actor::variable;
use gastown_world::messages::Message;
use gastown_world::records::{Activity, Conversation, Doing, RecordError};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::context::{Answer, print};
use super::conversation::reports;
use super::error::Error;
use super::nudged::{Inbox, Told};
use super::session::Session;
use super::{ask, prime};

/// The longest report that is read, in bytes. Some hold what a tool printed, and that is bounded far below by the programs.
const REPORT_BYTES_MAX: u64 = 64 << 20;

/// The longest question or error that is kept, in characters: a screenful.
const MESSAGE_CHARS_MAX: usize = 1000;

/// The longest question of a bead, the longest answer to choose from, and most of these: as its schema has it.
const QUESTION_CHARS_MAX: usize = 4096;
const OPTION_CHARS_MAX: usize = 200;
const OPTIONS_MAX: usize = 9;

/// How long, in seconds, the same is not reported again: each report wakes the controller, and an agent may run a tool a second.
const SAME_S: i64 = 30;

/// Take a report of an agent's program
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {}

/// What is read of a report.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Report {
    hook_event_name: String,
    session_id: String,
    transcript_path: Option<PathBuf>,
    tool_name: String,
    tool_input: Value,
    /// Of a `StopFailure`: the kind of error.
    error: String,
    /// Of a `StopFailure`: what the agent's program says of it.
    last_assistant_message: Option<String>,
    /// Of a `Notification`.
    notification_type: String,
    message: String,
    /// Of a `PreCompact`: `auto`, or `manual` where a person has asked for it.
    trigger: String,
    /// Of a `Stop`: what goes on, and will begin another turn.
    background_tasks: Vec<Value>,
    /// Of a `UserPromptSubmit`.
    prompt: String,
    /// Of what a subagent does.
    agent_id: Option<String>,
}

/// What is answered, with the messages in it.
#[derive(Default)]
struct Reply {
    answer: Answer,
    told: Option<Told>,
}

/// Runs `gt __hook`; `town` is what `--town` says.
pub fn report(args: &ReportArgs, town: Option<&Path>) -> ExitCode {
    let ReportArgs {} = args;
    let failed = |error: Error| Reply { answer: Answer { note: error.text(), ..Answer::default() }, told: None };
    let Reply { answer, told } = taken(town).unwrap_or_else(failed);
    let is_told = print(answer);
    if let Some(Err(error)) = told.map(|told| told.settle(is_told)) {
        print(Answer { note: in_a_line(&error), ..Answer::default() });
    }
    ExitCode::SUCCESS
}

fn taken(town: Option<&Path>) -> Result<Reply, Error> {
    let Some(reports) = reports() else { return Ok(Reply::default()) };
    let mut text = Vec::new();
    let read = std::io::stdin().take(REPORT_BYTES_MAX).read_to_end(&mut text);
    read.map_err(|source| Error::Io { what: "read the report", source })?;
    let report: Report = serde_json::from_slice(&text).map_err(|error| {
        Error::refused(format!("the report is not understood: {error}"), "it is JSON, as hooks get it")
    })?;
    let before = reports.activity();
    let now = SystemClock.now();
    let mut answer = Answer::default();
    let after = match &*report.hook_event_name {
        "SessionStart" => {
            let conversation =
                Conversation { id: report.session_id.clone(), transcript: report.transcript_path.clone() };
            kept(reports.put_conversation(&conversation), &mut answer);
            answer.out = begin(town, &mut answer.note);
            // It comes again once a conversation was made shorter, in the middle of a turn.
            if before.is_none() { Some((Doing::Starting, None)) } else { None }
        }
        "PreToolUse" if report.asks_person() => match report.ask_instead(town) {
            Ok(refusal) => {
                answer.out = refusal;
                Some((Doing::Busy, None))
            }
            Err(error) => {
                // The question is on its screen then.
                answer.note = error.text();
                report.shows(before.as_ref())
            }
        },
        "Stop" if report.background_tasks.is_empty() => {
            return turn::end(&reports, before.as_ref(), now, town);
        }
        "PreCompact" if report.trigger == "auto" && variable("GT_ON_CONTEXT_PRESSURE").is_some() => {
            let answer = full::hand_off(&report, &reports, before.as_ref(), now, town)?;
            return Ok(Reply { answer, told: None });
        }
        _ => report.shows(before.as_ref()),
    };
    let is_known = |state: Doing, message: &Option<String>| {
        before.as_ref().is_some_and(|before| {
            let age = now.as_second() - before.at.as_second();
            before.state == state && before.message == *message && (0..SAME_S).contains(&age)
        })
    };
    if let Some((state, message)) = after.filter(|(state, message)| !is_known(*state, message)) {
        kept(reports.put_activity(&activity(before.as_ref(), now, state, message)), &mut answer);
    }
    let mut reply = Reply { answer, told: None };
    reply.tell_on_the_way(&report);
    Ok(reply)
}

impl Reply {
    /// Takes what waits for the agent and is `wanted`, and gives it as the agent reads it.
    fn take(&mut self, wanted: impl Fn(&Message) -> bool) -> Option<String> {
        match Inbox::of_session()?.take(wanted) {
            Ok(told) => self.told = told,
            Err(error) => self.answer.note.push_str(&in_a_line(&error)),
        }
        self.told.as_ref().map(|told| told.text.clone())
    }

    /// Has the agent go on, with these messages and for this reason.
    fn go_on(&mut self, messages: Option<String>, reason: String) {
        let reason = messages.into_iter().chain([reason]).collect::<Vec<_>>().join("\n\n");
        self.answer.out = json!({"decision": "block", "reason": reason}).to_string();
    }

    /// Tells what waits with a prompt, and what does not wait for one with the result of a tool.
    fn tell_on_the_way(&mut self, report: &Report) {
        let event = &*report.hook_event_name;
        let is_prompt = event == "UserPromptSubmit";
        // What a subagent is told, nobody else knows.
        if !is_prompt && event != "PostToolUse" || report.agent_id.is_some() {
            return;
        }
        if let Some(Err(error)) =
            Inbox::of_session().filter(|_| is_prompt).map(|inbox| inbox.saw_prompt(&report.prompt))
        {
            self.answer.note.push_str(&in_a_line(&error));
        }
        if let Some(text) = self.take(|message| is_prompt || message.mode.is_urgent()) {
            let output = json!({"hookEventName": event, "additionalContext": text});
            self.answer.out = json!({ "hookSpecificOutput": output }).to_string();
        }
    }
}

/// Says what went wrong with a record.
fn kept(written: Result<(), RecordError>, answer: &mut Answer) {
    if let Err(error) = written {
        answer.note.push_str(&in_a_line(&error));
    }
}

/// What `gt prime` says, for an agent whose session begins.
fn begin(town: Option<&Path>, note: &mut String) -> String {
    let context = Session::current().and_then(|session| session.map(|it| prime::told(&it, town)).transpose());
    match context {
        Ok(Some(context)) => json!({
            "hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": context.out},
        })
        .to_string(),
        Ok(None) => String::new(),
        Err(error) => {
            note.push_str(&error.text());
            String::new()
        }
    }
}

/// What an agent does from now on, or as before.
fn activity(before: Option<&Activity>, now: Timestamp, state: Doing, message: Option<String>) -> Activity {
    let since =
        before.filter(|before| before.state == state && before.message == message).map_or(now, |before| before.since);
    let told = before.map_or(0, |before| before.told);
    let (sent_on, progress) = before.map(|before| (before.sent_on, before.progress.clone())).unwrap_or_default();
    let message = message.map(|message| message.chars().take(MESSAGE_CHARS_MAX).collect());
    Activity { state, since, at: now, message, sent_on, told, progress }
}

impl Report {
    /// Whether the agent's program is about to put a question on its screen.
    fn asks_person(&self) -> bool {
        matches!(&*self.tool_name, "AskUserQuestion" | "request_user_input") && !self.questions().is_empty()
    }

    /// Puts the question to a person as `gt ask` does, so that it can be answered from anywhere, and refuses the tool call: a
    /// question on the screen would hold the slot until somebody looks at it. Asked something else already, the agent is told so.
    fn ask_instead(&self, town: Option<&Path>) -> Result<String, Error> {
        let (text, options) = self.asked();
        let reason = match ask::instead_of_screen(&text, &options, town) {
            Ok(reason) => reason,
            Err(Error::Refused { message, hint }) => {
                [Some(message), hint].into_iter().flatten().collect::<Vec<_>>().join("; ")
            }
            Err(error) => return Err(error),
        };
        Ok(json!({"hookSpecificOutput": {
            "hookEventName": "PreToolUse", "permissionDecision": "deny", "permissionDecisionReason": reason,
        }})
        .to_string())
    }

    fn questions(&self) -> &[Value] {
        self.tool_input["questions"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// The question and the answers to choose from. Of several questions the answers are among the words: one answer is given to
    /// all of them.
    fn asked(&self) -> (String, Vec<String>) {
        let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().trim().to_owned();
        let options = |question: &Value| question["options"].as_array().cloned().unwrap_or_default();
        let described = |question: &Value| {
            let lines = options(question).into_iter().map(|it| match (word(&it, "label"), word(&it, "description")) {
                (label, description) if description.is_empty() => format!("- {label}"),
                (label, description) => format!("- {label}: {description}"),
            });
            std::iter::once(word(question, "question")).chain(lines).collect::<Vec<_>>().join("\n")
        };
        let text = self.questions().iter().map(described).collect::<Vec<_>>().join("\n\n");
        let labels = match self.questions() {
            [only] => options(only).iter().map(|it| word(it, "label")).collect(),
            _ => Vec::new(),
        };
        let fits = |label: &String| (1..=OPTION_CHARS_MAX).contains(&label.chars().count());
        let labels: Vec<String> = labels.into_iter().filter(fits).take(OPTIONS_MAX).collect();
        (text.chars().take(QUESTION_CHARS_MAX).collect(), labels)
    }

    /// What it shows of what the agent does; none where it shows nothing.
    fn shows(&self, before: Option<&Activity>) -> Option<(Doing, Option<String>)> {
        let asks = || Some((Doing::Asking, Some(self.question())));
        match &*self.hook_event_name {
            "PreToolUse" if matches!(&*self.tool_name, "AskUserQuestion" | "ExitPlanMode" | "request_user_input") => {
                asks()
            }
            "PermissionRequest" => asks(),
            "Notification" if self.notification_type == "permission_prompt" => {
                // The question itself was reported already, if the program reports such.
                let known = before.is_some_and(|before| before.state == Doing::Asking);
                if known { None } else { Some((Doing::Asking, Some(self.message.clone()))) }
            }
            "UserPromptSubmit" | "PreToolUse" | "PostToolUse" | "PreCompact" | "Stop" => Some((Doing::Busy, None)),
            "StopFailure" => {
                let said = self.last_assistant_message.clone().unwrap_or_else(|| self.error.clone());
                let state = match &*self.error {
                    "rate_limit" | "billing_error" => Doing::Limited,
                    "overloaded" | "server_error" => Doing::Overloaded,
                    "authentication_failed" | "oauth_org_not_allowed" => Doing::LoginRequired,
                    _ => Doing::Idle,
                };
                Some((state, Some(said)))
            }
            _ => None,
        }
    }

    /// What is asked: the question, or the tool that needs a permission.
    fn question(&self) -> String {
        let questions = self.tool_input["questions"].as_array().into_iter().flatten();
        let asked: Vec<&str> = questions.filter_map(|it| it["question"].as_str()).collect();
        if !asked.is_empty() {
            return asked.join(" ");
        }
        let of_tool =
            ["question", "plan", "command", "file_path", "url"].iter().find_map(|name| self.tool_input[name].as_str());
        match of_tool {
            Some(what) if self.hook_event_name == "PermissionRequest" => format!("{}: {what}", self.tool_name),
            Some(what) => what.to_owned(),
            None => format!("may it use {}?", self.tool_name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(report: Value) -> Option<(Doing, String)> {
        let report: Report = serde_json::from_value(report).unwrap();
        report.shows(None).map(|(state, message)| (state, message.unwrap_or_default()))
    }

    #[test]
    fn each_report_shows_what_the_agent_does() {
        let busy = Some((Doing::Busy, String::new()));
        for event in ["UserPromptSubmit", "PreToolUse", "PostToolUse", "PreCompact"] {
            assert_eq!(shown(json!({"hook_event_name": event, "tool_name": "Bash"})), busy, "{event}");
        }
        let asks = |asked: &str| Some((Doing::Asking, asked.to_owned()));
        let question = json!({"questions": [{"question": "Tabs?"}, {"question": "Or spaces?"}]});
        let of_tool = json!({"hook_event_name": "PreToolUse", "tool_name": "AskUserQuestion", "tool_input": question});
        assert_eq!(shown(of_tool), asks("Tabs? Or spaces?"));
        let permission =
            json!({"hook_event_name": "PermissionRequest", "tool_name": "Bash", "tool_input": {"command": "make"}});
        assert_eq!(shown(permission), asks("Bash: make"));
        let notice =
            |type_: &str| json!({"hook_event_name": "Notification", "notification_type": type_, "message": "it waits"});
        assert_eq!((shown(notice("permission_prompt")), shown(notice("idle_prompt"))), (asks("it waits"), None));
        let failed =
            |error: &str| shown(json!({"hook_event_name": "StopFailure", "error": error})).map(|(state, _)| state);
        assert_eq!(failed("rate_limit"), Some(Doing::Limited));
        assert_eq!(failed("authentication_failed"), Some(Doing::LoginRequired));
        assert_eq!((failed("server_error"), failed("unknown")), (Some(Doing::Overloaded), Some(Doing::Idle)));
        assert_eq!(shown(json!({"hook_event_name": "SubagentStop"})), None);
        assert_eq!(shown(json!({})), None);
    }

    #[test]
    fn what_would_be_on_its_screen_is_a_question_with_its_answers() {
        let asked = |questions: Value| {
            let report = json!({"hook_event_name": "PreToolUse", "tool_name": "AskUserQuestion", "tool_input": {"questions": questions}});
            let report: Report = serde_json::from_value(report).unwrap();
            (report.asks_person(), report.asked())
        };
        let tabs = json!({"question": "Tabs?", "header": "Style", "options": [
            {"label": "Tabs", "description": "one a level"}, {"label": "Spaces"},
        ]});
        let labels = vec!["Tabs".to_owned(), "Spaces".to_owned()];
        assert_eq!(asked(json!([tabs])), (true, ("Tabs?\n- Tabs: one a level\n- Spaces".to_owned(), labels)));
        let text = "Tabs?\n- Tabs: one a level\n- Spaces\n\nWhy?".to_owned();
        assert_eq!(asked(json!([tabs, {"question": "Why?"}])), (true, (text, vec![])));
        let long = "x".repeat(5000);
        let (_, (text, options)) = asked(json!([{"question": long, "options": [{"label": long}]}]));
        assert_eq!((text.len(), options.len()), (QUESTION_CHARS_MAX, 0));
        // A report in another form is one of something on its screen.
        assert!(!asked(json!("Tabs?")).0);
    }

    #[test]
    fn a_state_is_as_old_as_its_beginning_and_keeps_the_count() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = Activity { sent_on: 2, progress: "1".into(), ..activity(None, at(10), Doing::Busy, None) };
        let again = activity(Some(&first), at(20), Doing::Busy, None);
        assert_eq!((again.since, again.at, again.sent_on, &*again.progress), (at(10), at(20), 2, "1"));
        let idle = activity(Some(&again), at(30), Doing::Idle, Some("x".repeat(5000)));
        assert_eq!((idle.since, idle.message.unwrap().len()), (at(30), MESSAGE_CHARS_MAX));
    }
}
