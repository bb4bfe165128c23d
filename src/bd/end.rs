//! Verbs that end beads otherwise than by doing them: `delete`, `duplicate`, `supersede`.

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::issue::{PARENT_CHILD, line};
use gastown_beads::slim::Slim;
use gastown_crds::Bead;
use gastown_crds::bead::{CloseReason, Closed};
use gastown_crds::common::LABEL_CONVOY;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Preconditions};
use serde_json::json;

use super::act::{self, find};
use super::{dep, print, show};

/// Delete beads for good; without --force, only say what would go
#[derive(Debug, Clone, Args)]
pub struct DeleteArgs {
    /// The beads' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Delete them
    #[arg(short, long)]
    force: bool,
    /// Their parts, too
    #[arg(long)]
    cascade: bool,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
}

/// Close a bead that says the same as another
#[derive(Debug, Clone, Args)]
pub struct DuplicateArgs {
    /// The bead that is too many
    id: String,
    /// The one that stays
    #[arg(long, value_name = "ID")]
    of: String,
}

/// Close a bead in whose place another is worked on
#[derive(Debug, Clone, Args)]
pub struct SupersedeArgs {
    /// The old one
    id: String,
    /// The new one
    #[arg(long, value_name = "ID")]
    with: String,
}

/// Runs `bd delete`.
pub async fn delete(args: &DeleteArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let (doomed, left) = doomed(args, context).await?;
    for bead in &doomed {
        let name = bead.name_any();
        if let Some(assignee) = &bead.spec.assignee {
            let message = format!("{name} is on the hook of {}", assignee.polecat);
            return Err(Error::refused(message, format!("`gt unsling {name}` takes it off; its work is kept")));
        }
        if let Some(convoy) = bead.labels().get(LABEL_CONVOY) {
            let message = format!("{name} is of convoy {convoy}, which would file it again");
            return Err(Error::refused(message, "take it out of the convoy"));
        }
    }
    if !args.force || args.dry_run {
        return would_delete(&doomed, &left, json);
    }
    let mut ids = Vec::new();
    for bead in doomed.iter().rev() {
        let preconditions = Some(Preconditions { uid: bead.uid(), resource_version: None });
        let just_this = DeleteParams { preconditions, ..DeleteParams::default() };
        match context.beads().delete(&bead.name_any(), &just_this).await {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            deleted => drop(deleted.map_err(Error::api(format!("delete `{}`", bead.name_any())))?),
        }
        ids.push(act::slim(bead)?.id());
    }
    let lines: String = ids.iter().map(|id| format!("✓ Deleted {id}\n")).collect();
    let out = match ids.as_slice() {
        [one] => json!({ "deleted": one, "dependencies_removed": 0, "references_updated": 0 }),
        _ => json!({ "deleted": ids, "deleted_count": ids.len() }),
    };
    let note = left.iter().map(|it| {
        let (id, doomed) = (it.bead.id(), &it.doomed);
        format!(
            "{id} was tied to {doomed} ({}), which is gone: `bd dep remove {id} {doomed}` takes the tie out\n",
            it.how
        )
    });
    Ok(Answer { out: if json { print::object(&out) } else { lines }, note: note.collect(), code: 0 })
}

/// A bead that stays, and is tied to one that goes.
struct Left {
    bead: Slim,
    how: String,
    /// The name of the one that goes.
    doomed: String,
}

/// The beads that are to go, and those that depend on one of them and are not to go themselves.
async fn doomed(args: &DeleteArgs, context: &Context) -> Result<(Vec<Bead>, Vec<Left>), Error> {
    let mut doomed: Vec<Bead> = Vec::new();
    for id in &args.ids {
        doomed.push(find(id, context).await?);
    }
    let mut left: Vec<Left> = Vec::new();
    let mut at = 0;
    while let Some(name) = doomed.get(at).map(kube::ResourceExt::name_any) {
        for (bead, how) in show::dependents(context, &name).await? {
            let is_doomed = doomed.iter().any(|it| it.name_any() == bead.metadata.name);
            if args.cascade && how == PARENT_CHILD && !is_doomed {
                doomed.extend(show::get(context, &bead.metadata.name).await?);
            }
            left.push(Left { bead, how, doomed: name.clone() });
        }
        at += 1;
    }
    left.retain(|it| !doomed.iter().any(|bead| bead.name_any() == it.bead.metadata.name));
    Ok((doomed, left))
}

/// What is printed before anything goes.
fn would_delete(doomed: &[Bead], left: &[Left], json: bool) -> Result<Answer, Error> {
    let slims = doomed.iter().map(act::slim).collect::<Result<Vec<_>, _>>()?;
    let note = "`--force` deletes them, for good\n".to_owned();
    if json {
        let ids: Vec<String> = slims.iter().map(Slim::id).collect();
        let left: Vec<_> = left
            .iter()
            .map(|it| json!({ "issue_id": it.bead.id(), "depends_on_id": it.doomed, "type": it.how }))
            .collect();
        let out = print::object(&json!({ "would_delete": ids, "dependents": left }));
        return Ok(Answer { out, note, code: 0 });
    }
    let mut out = format!("would delete:\n{}", print::table(&slims));
    if !left.is_empty() {
        out.push_str("these stay, and are tied to them:\n");
    }
    for it in left {
        out.push_str(&format!("{}  [{} {}]\n", line(&it.bead, 0), it.how, it.doomed));
    }
    Ok(Answer { out, note, code: 0 })
}

/// Runs `bd duplicate`.
pub async fn duplicate(args: &DuplicateArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let (id, other) = replaced(&args.id, &args.of, ("duplicates", "Duplicate of"), context).await?;
    let out = json!({ "duplicate": id, "canonical": other, "status": "closed" });
    Ok(Answer::out(if json {
        print::json(&out)
    } else {
        format!("✓ Marked {id} as a duplicate of {other} (closed)\n")
    }))
}

/// Runs `bd supersede`.
pub async fn supersede(args: &SupersedeArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let (id, other) = replaced(&args.id, &args.with, ("supersedes", "Superseded by"), context).await?;
    let out = json!({ "superseded": id, "replacement": other, "status": "closed" });
    Ok(Answer::out(if json {
        print::json(&out)
    } else {
        format!("✓ Marked {id} as superseded by {other} (closed)\n")
    }))
}

/// Closes a bead in favour of another, to which it is tied; their ids.
async fn replaced(
    id: &str,
    other: &str,
    (type_, why): (&str, &str),
    context: &Context,
) -> Result<(String, String), Error> {
    let bead = find(id, context).await?;
    if let Some(assignee) = &bead.spec.assignee {
        let message = format!("{id} is on the hook of {}", assignee.polecat);
        return Err(Error::refused(message, format!("`gt unsling {id}` takes it off; its work is kept")));
    }
    let (id, other) = dep::add(id, other, type_, None, context).await?;
    let message = Some(format!("{why} {other}"));
    let closed = Closed::new(CloseReason::Done, message, SystemClock.now(), &context.actor);
    act::change(&id, &format!("close `{id}`"), context, |bead| {
        Ok(bead.spec.closed.is_none().then(|| json!({ "closed": closed, "held": null })))
    })
    .await?;
    Ok((id, other))
}
