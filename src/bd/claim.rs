//! Taking a bead up by hand: `bd update --claim`, `bd ready --claim`. Polecats are given theirs by dispatch.

use gastown_agent::context::Context;
use gastown_agent::error::Error;
use gastown_agent::work::is_hooked;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_crds::Bead;
use gastown_crds::actor::Actor;
use gastown_crds::common::whole_second;
use kube::ResourceExt as _;
use serde_json::{Value, json};

use super::act;

/// The status of what somebody has taken up.
pub const IN_PROGRESS: &str = "in_progress";

/// Takes a bead up, if nobody has it; none if somebody was faster.
pub async fn claim(id: &str, context: &Context) -> Result<Option<Bead>, Error> {
    match act::change(id, &format!("claim `{id}`"), context, |bead| patch(bead, &context.actor)).await {
        Ok(bead) => Ok(Some(bead)),
        Err(error) if error.line().contains("already claimed") => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a claim writes; nothing where the bead is the actor's already.
pub fn patch(bead: &Bead, actor: &str) -> Result<Option<Value>, Error> {
    let (id, spec) = (bead.name_any(), &bead.spec);
    if let Actor::Polecat(worker) = Actor::parse(actor) {
        if is_hooked(bead, &worker.object()) {
            return Ok(None);
        }
        return Err(Error::refused(
            format!("`{id}` is not on the hook of {worker}: dispatch gives a polecat its work"),
            "`gt hook` shows what is on yours",
        ));
    }
    if let Some(closed) = &spec.closed {
        return Err(Error::refused(
            format!("`{id}` is closed ({})", closed.reason),
            "`bd ready` shows what may be taken up",
        ));
    }
    let holder = spec.assignee.as_ref().map(|it| it.polecat.as_str()).or(spec.assigned_to.as_deref());
    match (holder, spec.held.as_deref()) {
        (Some(holder), Some(IN_PROGRESS)) if holder == actor => Ok(None),
        (Some(holder), _) if holder != actor => Err(Error::refused(
            format!("`{id}` is already claimed by {holder}"),
            "`bd ready` shows what may be taken up",
        )),
        _ => {
            let started = spec.started_at.unwrap_or_else(|| whole_second(SystemClock.now()));
            Ok(Some(json!({ "held": IN_PROGRESS, "assignedTo": actor, "startedAt": started })))
        }
    }
}
