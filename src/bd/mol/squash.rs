//! `bd mol squash`: what was done becomes a line on the root, which is closed, and a comment; parts that are of no use any more go.

use std::fmt::Write as _;

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_beads::slim::Slim;
use gastown_crds::actor::Actor;
use gastown_crds::bead::{BeadType, CloseReason, Closed, Comment};
use gastown_crds::common::whole_second;
use gastown_crds::names;
use serde_json::json;

use super::end::{check_free, remove};
use super::parts::Parts;
use crate::{act, print};

/// Characters of the line; a message has 4096 at most.
const LINE_CHARS_MAX: usize = 300;
/// Characters of the comment, which has 65536 at most.
const COMMENT_CHARS_MAX: usize = 60_000;
/// What a bead holds of comments.
const COMMENTS_MAX: usize = 200;

/// Close a molecule with a digest of what was done; closed parts that are wisps are removed
#[derive(Debug, Clone, Args)]
pub struct SquashArgs {
    /// The root
    id: String,
    /// What was done, in your words; default: the titles of the steps
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,
    /// Parts stay
    #[arg(long)]
    keep_children: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// Runs `bd mol squash`.
pub async fn squash(args: &SquashArgs, json_out: bool, context: &Context) -> Result<Answer, Error> {
    let parts = Parts::of(&args.id, context).await?;
    let root = parts.root();
    check_free(std::slice::from_ref(root))?;
    let open: Vec<String> = parts.all.iter().skip(1).filter(|bead| !bead.is_closed()).map(Slim::id).collect();
    if let Some(first) = open.first() {
        let (id, more) = (root.id(), open.len() - 1);
        let others = match more {
            0 => String::new(),
            1 => " and another".to_owned(),
            more => format!(" and {more} others"),
        };
        let message = format!("{id} has parts that are open: {first}{others}");
        return Err(Error::refused(message, format!("close them first; or `bd mol burn {id}`, if it is given up")));
    }
    let (line, comment) = digest(args.summary.as_deref(), &parts);
    let done: Vec<Slim> = parts.all.iter().skip(1).filter(|bead| bead.spec.ephemeral).cloned().collect();
    let is_agent = Actor::parse(&context.actor).is_agent();
    if args.dry_run {
        let out = format!("would close {}: {line}\nand remove {} parts\n", root.id(), done.len());
        return Ok(Answer::out(out));
    }
    close(root, &line, &comment, context).await?;
    // What an agent may not remove, the town does some time later.
    let gone = if args.keep_children || is_agent { Vec::new() } else { remove(&done, context).await? };
    let squashed: Vec<String> = parts.all.iter().skip(1).map(Slim::id).collect();
    Ok(Answer::out(if json_out {
        print::object(&json!({
            "molecule_id": root.id(), "digest_id": root.id(), "squashed_ids": squashed, "squashed_count": squashed.len(),
            "deleted_count": gone.len(), "kept_children": args.keep_children, "wisp_squash": root.spec.ephemeral,
        }))
    } else {
        format!("✓ Squashed {}: {line}\n", root.id())
    }))
}

/// The line, and the comment with all that was done.
fn digest(summary: Option<&str>, parts: &Parts) -> (String, String) {
    let steps = parts.steps();
    let steps: Vec<&Slim> = steps.into_iter().filter(|step| step.spec.type_ != BeadType::Epic).collect();
    let mut comment = summary.map(|text| format!("{}\n\n", text.trim())).unwrap_or_default();
    let titles: Vec<&str> = steps.iter().map(|step| step.spec.title.as_str()).collect();
    let line = match summary.and_then(|text| text.trim().lines().next()) {
        Some(first) => first.to_owned(),
        None => format!("{} steps done: {}", titles.len(), titles.join("; ")),
    };
    for step in &steps {
        let closed = step.spec.closed.as_ref();
        let said = closed.and_then(|closed| closed.message.as_ref()).map(|it| format!(": {it}")).unwrap_or_default();
        let how = closed.map(|closed| format!(" ({})", closed.reason)).unwrap_or_default();
        let _never_fails = writeln!(comment, "- {}{how}{said}", step.spec.title);
    }
    (line.chars().take(LINE_CHARS_MAX).collect(), comment.trim_end().chars().take(COMMENT_CHARS_MAX).collect())
}

async fn close(root: &Slim, line: &str, comment: &str, context: &Context) -> Result<(), Error> {
    let name = &root.metadata.name;
    let at = whole_second(SystemClock.now());
    let closed = Closed::new(CloseReason::Done, Some(line.to_owned()), at, &context.actor);
    // Named by what it says: one that was made before the connection was lost is there.
    let said = Comment {
        name: format!("squash-{}", names::short_hash(&[name, comment])),
        author: context.actor.clone(),
        text: comment.to_owned(),
        at,
    };
    act::change(name, &format!("squash `{name}`"), context, |bead| {
        let mut comments = bead.spec.comments.clone();
        let is_said =
            comment.is_empty() || comments.len() >= COMMENTS_MAX || comments.iter().any(|it| it.name == said.name);
        if bead.spec.closed.is_some() && is_said {
            return Ok(None);
        }
        if !is_said {
            comments.push(said.clone());
        }
        let closed = bead.spec.closed.clone().unwrap_or_else(|| closed.clone());
        Ok(Some(json!({ "closed": closed, "held": null, "comments": comments })))
    })
    .await
    .map(drop)
}
