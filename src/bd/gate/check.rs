//! `bd gate check`: gates that wait for a command or for GitHub are looked at now, and it is said how all stand.
//!
//! The controller looks: this only asks it to begin anew, at once. Agents are told how the gates stand; whoever may ask that often
//! could have GitHub asked that often.

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Ids as _, RandomIds};
use gastown_beads::issue::Issue;
use gastown_beads::words;
use gastown_crds::actor::Actor;
use gastown_crds::common::ANNOTATION_GATE_ASKED;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::print;

#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Which. Default: all that are not open yet
    ids: Vec<String>,
    /// Only those of this type, as `bd gate create` knows them; or gh, for all of GitHub
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    type_: Option<String>,
    /// Say how they stand, and have none looked at
    #[arg(long)]
    dry_run: bool,
    /// At most so many
    #[arg(short, long, default_value_t = 100)]
    limit: usize,
}

/// Has gates looked at.
pub(super) async fn check(args: &CheckArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let wanted = args.type_.as_deref().filter(|it| *it != "all");
    if let Some(word) = wanted.filter(|word| *word != "gh" && words::gate_type(word).is_none()) {
        let message = format!("no gate is of type `{}`", crate::filter::shown(word));
        let known: Vec<&str> = words::gate_names().collect();
        return Err(Error::refused(message, format!("{}, or gh for all of GitHub", known.join(", "))));
    }
    let mut names = Vec::new();
    for id in &args.ids {
        names.push(super::named(id, context).await?.metadata.name.unwrap_or_default());
    }
    let found = super::gates(
        false,
        args.limit,
        |slim| {
            let type_ = slim.spec.gate.as_ref().map_or("human", |gate| words::gate_name(gate.type_));
            let is_type = wanted.is_none_or(|word| type_ == word || (word == "gh" && type_.starts_with("gh:")));
            is_type && (names.is_empty() || names.contains(&slim.metadata.name))
        },
        context,
    )
    .await?;
    let may_ask = !args.dry_run && !Actor::parse(&context.actor).is_agent();
    let asks = |slim: &&gastown_beads::slim::Slim| slim.spec.gate.as_ref().is_some_and(|it| it.type_.asks_a_program());
    let mut asked = Vec::new();
    for gate in found.iter().filter(asks).filter(|_| may_ask) {
        let nonce = json!({ "metadata": { "annotations": { ANNOTATION_GATE_ASKED: RandomIds.uid() } } });
        let name = &gate.metadata.name;
        let patched = context.beads().patch(name, &PatchParams::default(), &Patch::Merge(nonce)).await;
        patched.map_err(Error::api(format!("have gate `{name}` looked at")))?;
        asked.push(name.clone());
    }
    if json {
        let out =
            json!({ "checked": found.len(), "asked": asked, "gates": found.iter().map(Issue::of).collect::<Vec<_>>() });
        return Ok(Answer::out(print::object(&out)));
    }
    let mut out: String = found.iter().map(super::line).collect();
    if found.is_empty() {
        out.push_str("no gate is closed\n");
    }
    let note = match asked.len() {
        0 => String::new(),
        n if context.controller => format!("{n} looked at now: `bd gate list` says what comes of it\n"),
        n => format!("{n} looked at as soon as a controller runs: `gt up`\n"),
    };
    Ok(Answer { out, note, ..Answer::default() })
}
