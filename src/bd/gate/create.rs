//! `bd gate create`: a bead waits for something beside other work.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use gastown_agent::context::{Answer, Context, TRIES_MAX};
use gastown_agent::error::Error;
use gastown_base::clock::{Ids as _, RandomIds};
use gastown_beads::issue::Issue;
use gastown_beads::{ids, words};
use gastown_crds::Bead;
use gastown_crds::bead::{BeadSpec, BeadType, Gate, GateType, OnFailure, OnTimeout};
use gastown_crds::bead_event::is_event_type;
use gastown_crds::common::Duration;
use gastown_formula::Condition;
use kube::ResourceExt as _;
use kube::api::{ObjectMeta, PostParams};
use serde_json::json;

use crate::act::{self, find};
use crate::filter::shown;
use crate::{dep, print, show, town_rigs};

#[derive(Debug, Clone, Args)]
pub struct CreateArgs {
    /// The bead that waits
    #[arg(long, value_name = "ID")]
    blocks: Option<String>,
    /// For what
    #[arg(short = 't', long = "type", value_parser = gate_type(), default_value = "human")]
    type_: GateType,
    /// What is to be decided, in a line
    #[arg(long, short = 'r', visible_alias = "reason", value_name = "TEXT")]
    title: Option<String>,
    /// Of `bead` and `condition`: which one. Of `event`: its type, such as `deploy.done`. Of `gh:run`: the number of a run, or the name of a workflow. Of `gh:pr`: the number or
    /// the address of a pull request
    #[arg(long, value_name = "ID")]
    await_id: Option<String>,
    /// Of `condition`: what has to hold of the steps of the molecule that --await-id names: `build.status == 'complete'`,
    /// `steps.complete >= 3`
    #[arg(long, value_name = "CONDITION")]
    condition: Option<String>,
    /// Of `event`: whom or what it has to happen to; of whomever without it
    #[arg(long, value_name = "WHOM")]
    target: Option<String>,
    /// Of `run`: shell text that is run until it ends with 0; 78 says that it never will
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,
    /// How long the command, or the question to GitHub, may take each time. Default: 1m
    #[arg(long, value_name = "DURATION")]
    run_timeout: Option<String>,
    /// What happens when the command ends with 78, the run has failed or the pull request was closed
    #[arg(long, value_enum)]
    on_failure: Option<FailureWord>,
    /// How long it waits at most; of a timer, how long it waits: 30m, 24h
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// What happens then
    #[arg(long, value_enum, requires = "timeout")]
    on_timeout: Option<TimeoutWord>,
    /// The bead that is done again when a person rejects
    #[arg(long, value_name = "ID")]
    back_to: Option<String>,
}

fn gate_type() -> impl TypedValueParser<Value = GateType> {
    let known = PossibleValuesParser::new(words::gate_names());
    known.try_map(|word| words::gate_type(&word).ok_or("unknown type of gate"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FailureWord {
    Escalate,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TimeoutWord {
    Escalate,
    Open,
    Fail,
}

/// Makes a gate.
pub(super) async fn create(args: &CreateArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let blocked = match &args.blocks {
        Some(id) => Some(find(id, context).await?),
        None => None,
    };
    let name_of = async |id: &Option<String>| match id {
        Some(id) => find(id, context).await.map(|bead| Some(bead.name_any())),
        None => Ok(None),
    };
    let type_ = args.type_;
    let on_timeout = args.on_timeout.map(|word| match word {
        TimeoutWord::Escalate => OnTimeout::Escalate,
        TimeoutWord::Open => OnTimeout::Open,
        TimeoutWord::Fail => OnTimeout::Fail,
    });
    let on_failure = args.on_failure.map(|word| match word {
        FailureWord::Escalate => OnFailure::Escalate,
        FailureWord::Fail => OnFailure::Fail,
    });
    check(args, type_)?;
    let gate = Gate {
        await_id: if matches!(type_, GateType::Bead | GateType::Condition) {
            name_of(&args.await_id).await?
        } else {
            args.await_id.clone()
        },
        timeout: args.timeout.as_deref().map(timeout).transpose()?,
        on_timeout,
        condition: args.condition.clone(),
        target: args.target.clone(),
        run: args.run.clone(),
        run_timeout: args.run_timeout.as_deref().map(timeout).transpose()?,
        on_failure,
        back_to: name_of(&args.back_to).await?,
        ..Gate::new(type_)
    };
    if let Some(blocked) = &blocked
        && gate.await_id.as_deref() == Some(&*blocked.name_any())
    {
        let message = format!("`{}` would wait for itself", blocked.name_any());
        return Err(Error::refused(message, "name another bead with --await-id"));
    }
    if let (Some(blocked), Some(awaited), GateType::Bead) = (&blocked, &gate.await_id, type_)
        && let Some(awaited) = show::get(context, awaited).await?
    {
        dep::check_circle(&blocked.name_any(), &awaited, context).await?;
    }
    let (rig, prefix, what) = match &blocked {
        Some(bead) => {
            let prefix =
                bead.name_any().split('.').next().unwrap_or_default().rsplit_once('-').map(|(it, _)| it.to_owned());
            (bead.spec.rig.clone(), prefix, format!("before {}", bead.spec.title))
        }
        None => (String::new(), None, "a gate".to_owned()),
    };
    let prefix = prefix.unwrap_or_else(|| town_rigs::TOWN_PREFIX.to_owned());
    let title = args.title.clone().unwrap_or_else(|| format!("Gate {what}"));
    let title: String = title.chars().take(500).collect();
    let spec = BeadSpec {
        type_: BeadType::Gate,
        suspend: true,
        gate: Some(gate),
        created_by: Some(context.actor.clone()),
        ..BeadSpec::new(title, rig)
    };
    for _ in 0..TRIES_MAX {
        let name = ids::new_id(&format!("{prefix}-gate"), &RandomIds.uid());
        let what = |blocked: &Bead| format!("have `{}` wait for `{name}`", blocked.name_any());
        if let Some(blocked) = &blocked {
            // Whoever may not do that leaves no gate behind.
            let needs = blocked.spec.needs.iter().chain([&name]).collect::<Vec<_>>();
            context.check_change(blocked, &json!({ "needs": needs }), &what(blocked)).await?;
        }
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let made = match context
            .beads()
            .create(&PostParams::default(), &Bead { metadata, spec: spec.clone(), status: None })
            .await
        {
            Err(kube::Error::Api(status)) if status.code == 409 => continue,
            made => made.map_err(Error::api("make a gate"))?,
        };
        if let Some(blocked) = &blocked {
            let id = blocked.name_any();
            act::change(&id, &what(blocked), context, |bead| {
                let mut needs = bead.spec.needs.clone();
                needs.push(name.clone());
                Ok((!bead.spec.needs.contains(&name)).then(|| json!({ "needs": needs })))
            })
            .await?;
        }
        let slim = act::slim(&made)?;
        return Ok(Answer::out(if json {
            print::object(&Issue::of(&slim))
        } else {
            format!("✓ Created gate: {name}\n")
        }));
    }
    Err(Error::contended("make a gate"))
}

/// Refuses what does not say what its type needs.
fn check(args: &CreateArgs, type_: GateType) -> Result<(), Error> {
    let (id, run) = (args.await_id.as_deref(), args.run.is_some());
    let (wrong, hint) = match type_ {
        GateType::Timer if args.timeout.is_none() => ("a timer waits for some time", "say for how long: --timeout 30m"),
        GateType::Bead if id.is_none() => ("which bead is waited for?", "say it: --await-id ID"),
        GateType::Condition if id.is_none() || args.condition.is_none() => {
            ("which condition, and of which molecule?", "say both: --condition 'steps.complete >= 3' --await-id ID")
        }
        GateType::Condition => return readable(args.condition.as_deref().unwrap_or_default()),
        GateType::Event if !id.is_some_and(is_event_type) => (
            "which type of event is waited for?",
            "say it, in small letters, 63 characters at most: --await-id deploy.done",
        ),
        _ if args.target.is_some() && type_ != GateType::Event => ("only events have a target", "add --type event"),
        _ if args.condition.is_some() => ("only a gate of type condition has one", "add --type condition"),
        GateType::Run if !run => ("which command is waited for?", "say it: --run \"make check\""),
        GateType::GithubRun if id.is_none() => {
            ("which run is waited for?", "say it: --await-id 123456, or the name of a workflow: --await-id ci.yml")
        }
        GateType::GithubPullRequest if id.is_none() => ("which pull request is waited for?", "say it: --await-id 123"),
        _ if run && type_ != GateType::Run => ("only a gate of type run has a command", "add --type run"),
        GateType::GithubRun | GateType::GithubPullRequest if id.is_some_and(|id| id.starts_with('-')) => {
            ("nothing on GitHub is named so", "an id does not begin with `-`")
        }
        _ => return Ok(()),
    };
    Err(Error::refused(wrong, hint))
}

/// Refuses a condition that nobody could decide.
fn readable(text: &str) -> Result<(), Error> {
    match Condition::parse(text) {
        Ok(condition) if condition.command().is_none() => Ok(()),
        Ok(condition) => Err(Error::refused(
            "this condition is on no step",
            format!("a command looks at it: --type run --run {:?}", condition.command().unwrap_or_default()),
        )),
        Err(why) => {
            Err(Error::refused(format!("invalid --condition `{}`: {why}", shown(text)), "see `bd gate create --help`"))
        }
    }
}

fn timeout(text: &str) -> Result<Duration, Error> {
    let wrong = || Error::refused(format!("invalid duration `{}`", shown(text)), "write it as 30m, 24h or 90s");
    let duration: Duration = text.parse().map_err(|_| wrong())?;
    Ok(duration)
}
