//! `bd create --type=event`: what has happened, for the record.

use clap::Args;
use gastown_agent::context::{Answer, Context, TRIES_MAX};
use gastown_agent::error::Error;
use gastown_base::clock::{Ids as _, RandomIds};
use gastown_beads::ids;
use gastown_beads::issue::Issue;
use gastown_crds::BeadEvent;
use gastown_crds::bead_event::BeadEventSpec;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt as _};

use super::{CreateArgs, print};
use crate::fields::Fields;
use crate::filter;
use crate::town_rigs::TOWN_PREFIX;

/// What is said of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct EventArgs {
    /// Of an event: what happened, such as patrol.muted
    #[arg(long, visible_alias = "event-category", value_name = "TYPE")]
    event_type: Option<String>,
    /// Of an event: who did it, such as human:overseer; also --actor
    #[arg(long, value_name = "WHO")]
    event_actor: Option<String>,
    /// Of an event: whom it happened to, such as agent:deacon
    #[arg(long, visible_alias = "event-target", value_name = "WHOM")]
    target: Option<String>,
    /// Of an event: more about it, as JSON
    #[arg(long, visible_alias = "event-payload", value_name = "JSON")]
    payload: Option<String>,
}

impl EventArgs {
    /// Refuses them for what is no event.
    pub fn check_unused(&self) -> Result<(), Error> {
        if *self == Self::default() {
            return Ok(());
        }
        Err(Error::refused("--event-type, --event-actor, --target and --payload are of events", "add --type=event"))
    }
}

/// Files an event.
pub async fn create(
    args: &CreateArgs,
    (title, as_actor): (Option<&String>, Option<&str>),
    fields: &Fields,
    json: bool,
    context: &Context,
) -> Result<Answer, Error> {
    let EventArgs { event_type, event_actor, target, payload } = &args.event;
    let Some(event_type) = event_type.clone() else {
        return Err(Error::refused("an event has a type", "say what happened: --event-type=patrol.muted"));
    };
    if let Some(payload) = payload
        && let Err(error) = serde_json::from_str::<serde_json::Value>(payload)
    {
        return Err(Error::refused(format!("invalid JSON in --payload: {error}"), "such as '{\"reason\":\"...\"}'"));
    }
    let spec = BeadEventSpec {
        event_type,
        actor: event_actor.clone().or_else(|| as_actor.map(str::to_owned)).or_else(|| Some(context.actor.clone())),
        target: target.clone(),
        payload: payload.clone(),
        title: title.cloned(),
        description: fields.description.clone(),
        parent: args.parent.as_deref().map(filter::id).transpose()?,
        labels: args.labels.iter().filter(|it| !it.is_empty()).cloned().collect(),
        created_by: Some(context.actor.clone()),
        created_at: None,
    };
    let event = file(args.id.as_deref(), spec, args.dry_run, context).await?;
    Ok(Answer::out(if json {
        print::object(&Issue::of_event(&event))
    } else if args.silent {
        format!("{}\n", event.name_any())
    } else {
        format!("✓ Created event: {}\n  {}", event.name_any(), print::event(&event))
    }))
}

/// Files what has happened, under this id or one that is chosen.
pub async fn file(id: Option<&str>, spec: BeadEventSpec, dry_run: bool, context: &Context) -> Result<BeadEvent, Error> {
    let api: Api<BeadEvent> = Api::default_namespaced(context.client.clone());
    for _ in 0..TRIES_MAX {
        let name = match id {
            Some(id) => super::filing::own_id(id)?,
            None => ids::new_id(&format!("{TOWN_PREFIX}-ev"), &RandomIds.uid()),
        };
        let event = BeadEvent {
            metadata: ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() },
            spec: spec.clone(),
        };
        match api.create(&PostParams { dry_run, ..PostParams::default() }, &event).await {
            Err(kube::Error::Api(status)) if status.code == 409 && id.is_none() => {}
            Err(kube::Error::Api(status)) if status.code == 409 => {
                return Err(Error::refused(format!("issue {name} already exists"), "without --id, one is chosen"));
            }
            filed => return filed.map_err(Error::api("file an event")),
        }
    }
    Err(Error::contended("file an event"))
}
