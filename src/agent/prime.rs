//! `gt prime`: what an agent has to know at the start of a session, or after its context was cut, as Markdown.
//!
//! The text depends on the hook alone, so that a model reads the same words at every start.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Args;
use gastown_base::text::visible;
use gastown_controllers::conditions;
use gastown_crds::bead::{Comment, Handoff};
use gastown_crds::reason::Reason;

use super::context::{Answer, actor, connected, finish};
use super::error::Error;
use super::session::Session;
use super::work::{Step, Work, change_of, load};

/// The most of a rework log that is shown, in bytes; the file has the rest.
const LOG_BYTES_MAX: usize = 8192;

/// Print what an agent has to know to work on its bead
#[derive(Debug, Clone, Args)]
pub struct PrimeArgs {}

/// Runs `gt prime`; `town` is what `--town` says.
pub fn prime(args: &PrimeArgs, town: Option<&std::path::Path>) -> ExitCode {
    let PrimeArgs {} = args;
    finish(run(town))
}

fn run(town: Option<&std::path::Path>) -> Result<Answer, Error> {
    let hint = "start one by assigning work: `gt apply` a Convoy; `gt hook --polecat RIG/NAME` looks at a hook";
    told(&Session::required("gt prime", hint)?, town)
}

/// What the session's agent has to know.
pub(super) fn told(session: &Session, town: Option<&std::path::Path>) -> Result<Answer, Error> {
    let log = session.rework_log.as_ref().map(|path| match fs_err::read(path) {
        Ok(text) => tail(&String::from_utf8_lossy(&text)).to_owned(),
        // The rest is worth telling without it.
        Err(error) => format!("(the log cannot be read: {error})"),
    });
    connected(town, &actor(), async |context| {
        let work = load(context, &session.bead, &session.polecat_object()).await?;
        Ok(Answer::out(visible(&match &work {
            Some(work) => text(session, work, log.as_deref()),
            None => idle(session),
        })))
    })
}

/// The end of a log, from the start of a line.
fn tail(log: &str) -> &str {
    let log = log.trim_end();
    if log.len() <= LOG_BYTES_MAX {
        return log;
    }
    let rest = conditions::tail(log, LOG_BYTES_MAX);
    rest.split_once('\n').map_or(rest, |(_, whole_lines)| whole_lines)
}

fn idle(session: &Session) -> String {
    format!(
        "# You are {}, a polecat of rig {}\n\nNothing is on your hook: `{}` was handed in, closed, or taken off it.\n\
         There is nothing to do. End the session.\n",
        session.polecat, session.rig, session.bead
    )
}

fn text(session: &Session, work: &Work, log: Option<&str>) -> String {
    let Session { bead, rig, polecat, attempt, rework, rework_log, out_of_memory, memory_limit, base } = session;
    let spec = &work.bead.spec;
    let mut text = format!(
        "# You are {polecat}, a polecat of rig {rig}\n\n\
         A polecat takes one piece of work, a bead, from start to finish. Yours is `{bead}`. Nobody else works on it,\n\
         and nobody will tell you to begin: begin now.\n\n\
         - worktree: the current directory\n\
         - branch: `{}`, which began at `{base}`\n\
         - attempt: {attempt}\n\n",
        session.branch(),
    );
    text.push_str(&handed_off(session, work));
    let _never_fails = write!(text, "## The work: {}\n\n", spec.title);
    if let Some(description) = spec.description.as_deref().map(str::trim).filter(|d| !d.is_empty()) {
        let _never_fails = write!(text, "{description}\n\n");
    }
    let said = [
        ("How it is to be done", &spec.design),
        (CRITERIA, &spec.acceptance_criteria),
        ("What was found out so far", &spec.notes),
    ];
    for (title, said) in said {
        if let Some(said) = said.as_deref().map(str::trim).filter(|said| !said.is_empty()) {
            let _never_fails = write!(text, "## {title}\n\n{said}\n\n");
        }
    }
    text.push_str(&comments(&spec.comments));
    if let Some(command) = &spec.command {
        let _never_fails = write!(text, "A command is given that does it:\n\n{}\n", fenced(command));
    }
    if let Some(change) = change_of(&work.bead).filter(|change| change.reason == Reason::TextChanged) {
        let said = change.message.split_once('\n').map_or("", |(_, said)| said);
        let _never_fails = write!(
            text,
            "## The text has changed\n\nSince this was begun, it says this. Heed it where you still can: what you hand in is \
             not worked on again.\n\n{}",
            fenced(said)
        );
    }
    if *attempt > 1 {
        text.push_str(
            "An earlier session worked on this. Look at what it left before you start: `git log`, `git status`, and the\n\
             steps that are closed below.\n\n",
        );
    }
    if *out_of_memory {
        let limit = memory_limit.as_ref().map_or(String::new(), |limit| format!(" A session may use {limit}."));
        let _never_fails = write!(
            text,
            "## It was killed for memory\n\nThe last session was killed because there was no memory left.{limit} Do with less: fewer\n\
             builds and tests at once, and in parts.\n\n"
        );
    }
    if let Some(rework) = rework {
        text.push_str(&came_back(rework, log, rework_log.as_deref()));
    }
    let answered = spec.questions.iter().filter_map(|question| Some((&question.text, question.answer.as_ref()?)));
    for (nth, (asked, answer)) in answered.enumerate() {
        if nth == 0 {
            text.push_str("## Questions and answers\n\n");
        }
        let _never_fails =
            write!(text, "You asked:\n\n{}{} says:\n\n{}", fenced(asked), answer.by, fenced(&answer.text));
    }
    text.push_str("## Steps\n\n");
    for step in &work.steps {
        text.push_str(&step_text(step));
    }
    let has_criteria = spec.acceptance_criteria.as_ref().is_some_and(|it| !it.trim().is_empty());
    let criteria = if has_criteria {
        format!(
            "- Before that, see to each point of \"{CRITERIA}\", and say how you saw it:\n  \
             `bd update {bead} --append-notes \"<point>: <how>\"`.\n"
        )
    } else {
        String::new()
    };
    let _never_fails = write!(
        text,
        "\n## Rules\n\n\
         - Commit on this branch. Never push: the merge queue lands your work.\n\
         - What is in `git stash` is not handed in: commit it.\n\
         - As you finish a step, commit, then `bd close <step>`. A step becomes ready when what it needs is closed;\n  \
           `gt hook` shows where you stand.\n\
         - When all steps are closed and all is committed: `gt done`. It hands in the branch, and you are finished.\n\
         {criteria}\
         - Nothing to change? Commit nothing: `bd close {bead} --reason=\"no-changes: <why>\"`, then `gt done`.\n\
         - Decide what you can, and say why in the commit message. What only a person can decide: `gt ask \"<question>\"`\n  \
           (`--option <answer>` for each to choose from), then end your turn; the answer begins your next one.\n\
         - Cannot go on? `gt stuck \"<why>\"`, then end your turn.\n\
         - Your context fills up, and there is more to do? Commit, then `gt handoff -s \"<subject>\" -m \"<what is done, what is\n  \
           next, what did not work>\"`, and end your turn: another session goes on from your note.\n\
         - `gt seance` lists the sessions before yours; `gt seance {bead} \"<question>\"` asks one.\n"
    );
    text
}

/// What the attempt before has left, where that did not hand in; what comes first is read first.
fn handed_off(session: &Session, work: &Work) -> String {
    let handoffs = &work.bead.spec.handoffs;
    let newest = handoffs.iter().rev().find(|it| it.attempt < session.attempt && it.attempt > work.handed_in);
    let Some(Handoff { attempt, subject, message, by, at, .. }) = newest else { return String::new() };
    let mut text = format!(
        "## Handed off to you: {subject}\n\n\
         Attempt {attempt} left this note ({by}, {at}). Go on from it; where it and the\n\
         worktree disagree, the worktree is right.\n\n"
    );
    if let Some(message) = message {
        text.push_str(&fenced(message));
    }
    if handoffs.len() > 1 {
        text.push_str("`gt seance` lists the sessions before.\n\n");
    }
    text
}

/// The heading of the acceptance criteria.
const CRITERIA: &str = "How one sees that it is done";

/// Comments that are shown; `bd comments` has all of them.
const COMMENTS_MAX: usize = 10;

/// What was said about the bead, the newest last.
fn comments(comments: &[Comment]) -> String {
    if comments.is_empty() {
        return String::new();
    }
    let mut text = "## Comments\n\n".to_owned();
    for comment in comments.iter().skip(comments.len().saturating_sub(COMMENTS_MAX)) {
        let said = comment.text.trim().replace('\n', "\n  ");
        let _never_fails = writeln!(text, "- {}, {}:\n  {said}", comment.author, comment.at);
    }
    text + "\n"
}

fn came_back(rework: &str, log: Option<&str>, file: Option<&std::path::Path>) -> String {
    let what = match rework {
        "Conflict" => "it does not apply to the target branch as that is now. These files conflict:",
        _ => "with it, the checks of the rig fail. The end of the log:",
    };
    let mut text = format!("## It came back: {rework}\n\nWhat was handed in did not land: {what}\n\n");
    text.push_str(&fenced(log.unwrap_or("(no log was kept)")));
    if let Some(file) = file {
        let _never_fails = writeln!(text, "All of it: `{}`.", file.display());
    }
    text.push_str(match rework {
        "Conflict" => "If your branch still holds the commits handed in: `git fetch origin`, rebase onto the target branch, and resolve\n\
             the conflicts. If it began anew, do the work again on what is there now.\n\n",
        _ => "Find the cause, fix it, and run the checks yourself before you hand in again.\n\n",
    });
    text
}

fn step_text(step: &Step) -> String {
    let state = if !step.is_open() {
        "closed"
    } else if step.ready {
        "ready"
    } else {
        "waits"
    };
    let other = step.other.as_ref().filter(|_| step.is_open());
    let state = other.map_or_else(|| state.to_owned(), |other| format!("{state}; not for you: `{other}` does it"));
    let mut text = format!("- `{}` ({state}): {}\n", step.id, step.title);
    for line in step.description.as_deref().unwrap_or_default().trim().lines() {
        let _never_fails = writeln!(text, "  {line}");
    }
    if let Some(command) = step.command.as_deref().filter(|_| step.is_open()) {
        for line in fenced(command).trim_end().lines() {
            let _never_fails = writeln!(text, "  {line}");
        }
    }
    text
}

/// A text as a code block, behind a fence longer than any within.
fn fenced(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{}\n{fence}\n\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_crds::Bead;
    use gastown_crds::bead::{Assignee, BeadSpec};
    use serde_json::{from_value, json};
    use std::path::PathBuf;

    fn session() -> Session {
        Session {
            bead: "shop-1".into(),
            rig: "shop".into(),
            polecat: "nux".into(),
            attempt: 1,
            rework: None,
            rework_log: None,
            out_of_memory: false,
            memory_limit: None,
            base: "0123456789012345678901234567890123456789".into(),
        }
    }

    fn work() -> Work {
        let spec: BeadSpec = from_value(json!({
            "title": "Log out everywhere", "rig": "shop", "description": "Sessions must end on every device.\n",
        }))
        .unwrap();
        let mut bead = Bead::new("shop-1", spec);
        bead.spec.assignee = Some(Assignee::new("shop-nux", "1"));
        let step = |name: &str, order: u32, extra: serde_json::Value| {
            let mut spec = json!({"title": format!("Do {name}"), "rig": "shop", "type": "Step", "parent": "shop-1"});
            spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let mut step = Bead::new(&format!("shop-1.{name}"), from_value(spec).unwrap());
            step.metadata.labels = Some([("gastown.io/round".to_owned(), "0".to_owned())].into());
            let annotations = [("gastown.io/steps", "2".to_owned()), ("gastown.io/step-order", order.to_string())];
            step.metadata.annotations = Some(annotations.map(|(n, v)| (n.to_owned(), v)).into());
            step
        };
        let steps = [
            step("verify", 1, json!({"needs": ["shop-1.change"], "command": "make test"})),
            step("change", 0, json!({"description": "Small commits."})),
        ];
        Work::of(bead, &steps, &[], &crate::session::Part::default())
    }

    #[test]
    fn it_tells_all_that_an_agent_has_to_know() {
        insta::assert_snapshot!(text(&session(), &work(), None));
    }

    #[test]
    fn what_people_and_trackers_said_beside_the_description_is_shown() {
        let mut work = work();
        work.bead.spec.acceptance_criteria = Some("- an old token is refused\n".into());
        work.bead.spec.comments = vec![Comment {
            name: "c1".into(),
            author: "kim".into(),
            text: "See RFC 6749.\nTwice.".into(),
            at: "2026-03-01T10:00:00Z".parse().unwrap(),
        }];
        let text = text(&session(), &work, None);
        assert!(text.contains("## How one sees that it is done\n\n- an old token is refused\n\n"), "{text}");
        let asks = "finished.\n- Before that, see to each point of \"How one sees that it is done\", and say how you saw it:\n  `bd update ";
        assert!(text.contains(asks), "{text}");
        assert!(text.contains("## Comments\n\n- kim, 2026-03-01T10:00:00Z:\n  See RFC 6749.\n  Twice.\n\n"), "{text}");
    }

    #[test]
    fn a_note_of_the_attempt_before_comes_first() {
        let mut work = work();
        let note = json!([
            {"attempt": 1, "subject": "read it all", "by": "shop/polecats/nux", "at": "2026-01-01T00:00:00Z"},
            {"attempt": 2, "subject": "parser is next", "message": "lexer.rs is done.\nThe parser is not begun.",
             "by": "shop/polecats/nux", "at": "2026-01-01T00:00:00Z"},
        ]);
        work.bead.spec.handoffs = from_value(note).unwrap();
        let shown = |attempt: u32, work: &Work| text(&Session { attempt, ..session() }, work, None);
        let third = shown(3, &work);
        let (_, after) = third.split_once("- attempt: 3\n\n").unwrap();
        let (note, _) = after.split_once("## The work").unwrap();
        insta::assert_snapshot!(note, @"
        ## Handed off to you: parser is next

        Attempt 2 left this note (shop/polecats/nux, 2026-01-01T00:00:00Z). Go on from it; where it and the
        worktree disagree, the worktree is right.

        ```
        lexer.rs is done.
        The parser is not begun.
        ```

        `gt seance` lists the sessions before.
        ");
        // Its own is not told to the one that wrote it, nor is one that was handed in since.
        assert!(shown(2, &work).contains("## Handed off to you: read it all"));
        assert!(!shown(1, &work).contains("Handed off"));
        work.handed_in = 2;
        assert!(!shown(3, &work).contains("Handed off"));
    }

    #[test]
    fn it_tells_why_work_came_back() {
        let session = Session {
            attempt: 2,
            rework: Some("Red".into()),
            rework_log: Some(PathBuf::from("/runs/1/rework")),
            ..session()
        };
        let shown = text(&session, &work(), Some("test logout ... FAILED\n```\n"));
        let (_, shown) = shown.split_once("An earlier session").unwrap();
        let (shown, _) = shown.split_once("## Steps").unwrap();
        insta::assert_snapshot!(shown);
    }

    #[test]
    fn it_tells_that_the_last_attempt_was_killed_for_memory() {
        let session = Session { attempt: 2, out_of_memory: true, memory_limit: Some("4Gi".into()), ..session() };
        let shown = text(&session, &work(), None);
        let (_, shown) = shown.split_once("closed below.\n\n").unwrap();
        let (shown, _) = shown.split_once("## Steps").unwrap();
        insta::assert_snapshot!(shown, @"
        ## It was killed for memory

        The last session was killed because there was no memory left. A session may use 4Gi. Do with less: fewer
        builds and tests at once, and in parts.
        ");
    }

    #[test]
    fn it_tells_the_new_text_of_a_bead_that_changed() {
        let mut work = work();
        let condition = |reason: &str| {
            from_value(json!({ "type": "BeadChanged", "status": "True", "reason": reason,
                "message": "its convoy has a new text:\ntitle: Log out twice", "lastTransitionTime": "2026-01-01T00:00:00Z" }))
        };
        work.bead.status.get_or_insert_default().conditions = vec![condition("TextChanged").unwrap()];
        let shown = text(&session(), &work, None);
        let (_, shown) = shown.split_once("## The text has changed").unwrap();
        let (shown, _) = shown.split_once("## Steps").unwrap();
        insta::assert_snapshot!(shown, @"


        Since this was begun, it says this. Heed it where you still can: what you hand in is not worked on again.

        ```
        title: Log out twice
        ```
        ");
        work.bead.status.get_or_insert_default().conditions = vec![condition("Removed").unwrap()];
        assert!(!text(&session(), &work, None).contains("has changed"));
    }

    #[test]
    fn a_long_log_is_told_from_the_start_of_a_line() {
        let log = format!("{}\nlast", "ä".repeat(LOG_BYTES_MAX));
        assert_eq!(tail(&log), "last");
        assert_eq!(tail("short\n"), "short");
        assert_eq!(idle(&session()).lines().last(), Some("There is nothing to do. End the session."));
    }
}
