//! `gt hook`: what is on the hook, for people, for programs (`--json`) and for shells (`-o`).
//!
//! It fails rather than say nothing: a caller must be able to take an empty list of steps for "none is ready".

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use gastown_base::text::{escaped, visible};
use gastown_crds::common::condition;
use gastown_crds::{Bead, names};
use gastown_world::git::made_and_changed;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::json;

use super::context::{Answer, Context, actor, connected, current_dir, finish};
use super::error::Error;
use super::session::Session;
use super::work::{Step, Work, find_hooked, load};

/// Show the bead on the hook, its steps, and the next command
#[derive(Debug, Clone, Args)]
pub struct HookArgs {
    /// The step that `-o command` and `-o title` are about: its id, or its name in the formula
    step: Option<String>,
    /// Print one object
    #[arg(long, conflicts_with_all = ["output", "step"])]
    json: bool,
    /// Print one fact, as plain text for shells
    #[arg(short, long, value_name = "FACT")]
    output: Option<Fact>,
    /// Look at the hook of this polecat; default: the session's own
    #[arg(long, value_name = "RIG/NAME")]
    polecat: Option<String>,
}

/// What `-o` can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Fact {
    /// The ids of the steps that may be done now, one a line
    Steps,
    /// The shell text of a step; nothing if it has none
    Command,
    /// The title of a step
    Title,
    /// The commit that the branch began at
    Base,
    /// The Runtime that does what comes next, if this session has done its part; otherwise nothing
    Next,
    /// The files that the rig's setup made and that have changed since, with a NUL after each: git ignores them
    Made,
}

/// Whose hook it is, and what is known of the session.
struct Whose {
    rig: String,
    polecat: String,
    attempt: u32,
    rework: Option<String>,
    out_of_memory: bool,
    base: Option<String>,
}

/// Runs `gt hook`; `town` is what `--town` says.
pub fn hook(args: &HookArgs, town: Option<&std::path::Path>) -> ExitCode {
    finish(connected(town, &actor(), async |context| show(args, context).await))
}

async fn show(args: &HookArgs, context: &Context) -> Result<Answer, Error> {
    check(args)?;
    let (whose, work) = match &args.polecat {
        Some(polecat) => of_polecat(polecat, context).await?,
        None => of_session(context).await?,
    };
    match (work, args.output) {
        (Some(work), Some(fact)) => print_fact(fact, args.step.as_deref(), &whose, &work),
        (Some(work), None) if args.json => Ok(Answer::out(json_text(&whose, &work))),
        (Some(work), None) => Ok(Answer::out(visible(&text(&whose, &work)))),
        (None, Some(_)) => {
            let hint = "`gt hook` says more; the bead was taken off it, handed in, or closed";
            Err(Error::refused("nothing on the hook", hint))
        }
        (None, None) if args.json => Ok(Answer::out(format!("{}\n", json!({ "bead": null })))),
        (None, None) => Ok(Answer::out("nothing on the hook\n")),
    }
}

fn check(args: &HookArgs) -> Result<(), Error> {
    let wants_step = matches!(args.output, Some(Fact::Command | Fact::Title));
    match (&args.step, wants_step) {
        (None, true) => Err(Error::refused("which step?", "name one of `gt hook -o steps`")),
        (Some(step), false) => {
            let hint = format!("ask for one fact about it: `gt hook -o command {step}`");
            Err(Error::refused(format!("a step (`{step}`) goes with `-o command` or `-o title`"), hint))
        }
        _ => Ok(()),
    }
}

async fn of_session(context: &Context) -> Result<(Whose, Option<Work>), Error> {
    let session = Session::required("gt hook", "name a polecat to look at its hook: `gt hook --polecat RIG/NAME`")?;
    let work = load(context, &session.bead, &session.polecat_object()).await?;
    let Session { bead: _, rig, polecat, attempt, rework, rework_log: _, out_of_memory, memory_limit: _, base } =
        session;
    Ok((Whose { rig, polecat, attempt, rework, out_of_memory, base: Some(base) }, work))
}

async fn of_polecat(polecat: &str, context: &Context) -> Result<(Whose, Option<Work>), Error> {
    let (rig, name) =
        polecat.split_once('/').filter(|(rig, name)| names::is_label(rig) && names::is_label(name)).ok_or_else(
            || Error::refused(format!("`{polecat}` names no polecat"), "write it as RIG/NAME, such as `shop/nux`"),
        )?;
    let object = names::polecat(rig, name);
    let bead = find_hooked(context, Some(rig), &object).await?;
    let status = bead.as_ref().and_then(|b| b.status.as_ref());
    let whose = Whose {
        rig: rig.to_owned(),
        polecat: name.to_owned(),
        attempt: status.map_or(0, |s| s.attempts),
        rework: status.and_then(|s| s.rework.as_ref()).map(|r| r.kind.to_string()),
        out_of_memory: false,
        base: None,
    };
    let work = match bead {
        Some(bead) => load(context, &bead.name_any(), &object).await?,
        None => None,
    };
    Ok((whose, work))
}

fn print_fact(fact: Fact, step: Option<&str>, whose: &Whose, work: &Work) -> Result<Answer, Error> {
    let step = step.map(|wanted| work.step(wanted)).transpose()?;
    let line = |text: &str| if text.is_empty() { Answer::default() } else { Answer::out(format!("{text}\n")) };
    match fact {
        Fact::Steps => {
            work.check_poured()?;
            let ids: Vec<&str> = work.ready().map(|s| s.id.as_str()).collect();
            Ok(line(&ids.join("\n")))
        }
        Fact::Command => Ok(line(step.and_then(|s| s.command.as_deref()).unwrap_or_default())),
        Fact::Title => Ok(line(step.map_or("", |s| &s.title))),
        Fact::Base => {
            let hint = "run `gt hook -o base` in the session";
            let base = whose.base.as_deref().ok_or_else(|| Error::refused("only the session knows its base", hint))?;
            Ok(line(base))
        }
        Fact::Next => Ok(line(work.next_of_another().map_or("", |(_, runtime)| runtime))),
        Fact::Made => {
            let made = made_and_changed(&current_dir()?);
            let names: Vec<_> = made.iter().flat_map(|path| [String::from_utf8_lossy(path), "\0".into()]).collect();
            Ok(Answer::out(names.concat()))
        }
    }
}

#[derive(Serialize)]
struct Hook<'a> {
    bead: HookBead<'a>,
    branch: String,
    base: Option<&'a str>,
    attempt: u32,
    rework: Option<&'a str>,
    steps: &'a [Step],
}

#[derive(Serialize)]
struct HookBead<'a> {
    id: String,
    title: &'a str,
    description: Option<&'a str>,
    #[serde(rename = "type")]
    type_: String,
    rig: &'a str,
    command: Option<&'a str>,
}

fn json_text(whose: &Whose, work: &Work) -> String {
    let spec = &work.bead.spec;
    let hook = Hook {
        bead: HookBead {
            id: work.bead.name_any(),
            title: &spec.title,
            description: spec.description.as_deref(),
            type_: spec.type_.as_str().to_lowercase(),
            rig: &spec.rig,
            command: spec.command.as_deref(),
        },
        branch: names::branch(&whose.polecat, &work.bead.name_any()),
        base: whose.base.as_deref(),
        attempt: whose.attempt,
        rework: whose.rework.as_deref(),
        steps: &work.steps,
    };
    escaped(serde_json::to_string_pretty(&hook).expect("it is made of texts and numbers")) + "\n"
}

fn text(whose: &Whose, work: &Work) -> String {
    let bead = work.bead.name_any();
    let mut text = format!("{bead}: {}\n", work.bead.spec.title);
    let mut line = |name: &str, value: &str| {
        let _never_fails = writeln!(text, "  {name:<9}{value}");
    };
    line("polecat", &format!("{}/{}", whose.rig, whose.polecat));
    line("branch", &names::branch(&whose.polecat, &bead));
    if let Some(base) = &whose.base {
        line("base", base);
    }
    line("attempt", &whose.attempt.to_string());
    if let Some(rework) = &whose.rework {
        line("rework", &format!("{rework}: the branch came back; GT_REWORK_LOG names the file that says why"));
    }
    if whose.out_of_memory {
        line("memory", "the attempt before was killed for it: do with less");
    }
    text.push_str("steps:\n");
    for step in &work.steps {
        let mark = if !step.is_open() {
            "✓"
        } else if step.ready {
            "→"
        } else {
            "·"
        };
        let other = step.other.as_ref().map(|other| format!(" (for {other})")).unwrap_or_default();
        let _never_fails = writeln!(text, "  {mark} {}  {}{other}", step.id, step.title);
    }
    let _never_fails = writeln!(text, "next: {}", next(&work.bead, work));
    text
}

/// The command that comes next.
pub(super) fn next(bead: &Bead, work: &Work) -> String {
    if let Some((step, runtime)) = work.next_of_another() {
        return format!("nothing for you: `{runtime}` does `{}`. Commit, then `gt done`", step.name);
    }
    let waiting = work.steps.iter().find(|s| s.is_open());
    match (work.ready().next(), waiting) {
        (Some(step), _) => format!("do step `{}`, commit, then `bd close {}`", step.name, step.id),
        (None, Some(step)) => format!("nothing is ready; `{}` waits for what it needs: `bd show {0}`", step.id),
        (None, None) if work.check_poured().is_err() => {
            let why = bead.status.as_ref().and_then(|s| condition(&s.conditions, "Ready"));
            format!("wait for the steps to be poured. {}", why.map_or("", |c| c.message.as_str()))
        }
        (None, None) => "commit, then `gt done`".to_owned(),
    }
}
