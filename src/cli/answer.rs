//! `gt answer`: answers what the agent of a bead has asked, or says how one that is stuck goes on.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use gastown_crds::Bead;
use gastown_crds::bead::Answer;
use gastown_crds::common::whole_second;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::common::complete;
use super::common::context::{Context, Link, by_name};
use super::common::error::{CliError, Exit};
use super::common::kinds::find;
use crate::agent::context::actor;
use crate::text::visible;

/// The most tries of a write when others write the same bead: its controller does now and then.
const TRIES_MAX: usize = 8;

/// Answer what a bead's agent has asked; its session goes on with it. Without an answer, show the question.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The bead.
    #[arg(add = complete::beads())]
    bead: String,
    /// The answer, or the number of one of the answers that the question offers.
    answer: Option<String>,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let name = args.bead.strip_prefix("bead/").unwrap_or(&args.bead);
    let town = gt.town()?;
    gt.with_api(&town, async |link| {
        for _ in 0..TRIES_MAX {
            let Some(bead) = by_name(&link.typed::<Bead>(), name).await? else {
                return Err(link.not_found(find("bead")?, name).await);
            };
            if put(&bead, args.answer.as_deref(), gt, link).await? {
                return Ok(());
            }
        }
        Err(CliError::new(Exit::Failed, format!("conflict: bead `{name}` kept changing")).hint("try again"))
    })
    .await
}

/// Answers, or shows the question; false where the bead has changed meanwhile.
async fn put(bead: &Bead, answer: Option<&str>, gt: &Context, link: &Link) -> Result<bool, CliError> {
    let name = bead.name_any();
    let Some(question) = bead.spec.open_question() else {
        return Err(CliError::new(Exit::Refused, format!("bead `{name}` has no open question"))
            .hint("`gt status` shows who waits for you"));
    };
    let Some(answer) = answer.map(str::trim).filter(|answer| !answer.is_empty()) else {
        let mut text = format!("{} asks: {}", question.by, question.text);
        for (nth, option) in question.options.iter().enumerate() {
            let _never_fails = write!(text, "\n  {}  {option}", nth + 1);
        }
        gt.out.data(&visible(&text))?;
        gt.out.talk(&format!("answer it:  gt answer {name} \"...\""));
        return Ok(true);
    };
    let nth = || answer.parse::<usize>().ok().and_then(|nth| question.options.get(nth.checked_sub(1)?));
    // Where the answers are numbers themselves, it is one of those.
    let offered = question.options.iter().find(|option| *option == answer).or_else(nth);
    if offered.is_none() && !question.options.is_empty() && answer.parse::<usize>().is_ok() {
        let message = format!("there is no answer {answer}: {} are offered", question.options.len());
        return Err(CliError::new(Exit::Refused, message).hint(format!("`gt answer {name}` lists them")));
    }
    let text = offered.map_or(answer, String::as_str).to_owned();
    let mut questions = bead.spec.questions.clone();
    for asked in questions.iter_mut().filter(|asked| asked.name == question.name) {
        asked.answer = Some(Answer { text: text.clone(), by: actor(), at: whole_second(gt.now()) });
    }
    let patch = json!({
        "metadata": { "resourceVersion": bead.metadata.resource_version },
        "spec": { "questions": questions },
    });
    match link.typed::<Bead>().patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_conflict() => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    gt.out.data(&visible(&format!("bead/{name} answered: {text}")))?;
    gt.say_if_down(link.controller);
    Ok(true)
}
