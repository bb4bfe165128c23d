//! `bd reopen`: what was closed by hand is open again. What has landed stays closed.

use clap::Args;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_beads::issue::Issue;
use gastown_crds::bead::CloseReason;
use serde_json::json;

use super::comments::{said, with};
use super::{act, print};

/// Open beads again that were closed by hand
#[derive(Debug, Clone, Args)]
pub struct ReopenArgs {
    /// The beads' ids
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// Why; kept as a comment
    #[arg(short, long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Runs `bd reopen`.
pub async fn reopen(args: &ReopenArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let (mut out, mut note, mut reopened, mut code) = (String::new(), String::new(), Vec::new(), 0);
    let comment = args.reason.as_ref().map(|reason| said(format!("Reopened: {reason}"), &context.actor));
    for id in &args.ids {
        let was_open = act::find(id, context).await.is_ok_and(|bead| bead.spec.closed.is_none());
        if was_open {
            note.push_str(&format!("{id} is already open\n"));
            continue;
        }
        let what = format!("reopen `{id}`");
        let done = act::change(id, &what, context, |bead| {
            let Some(closed) = &bead.spec.closed else { return Ok(None) };
            if matches!(closed.reason, CloseReason::Merged | CloseReason::NoChanges) {
                let message = format!("`{id}` stays closed: {}", closed.reason);
                let hint = format!("file what is still to be done: bd create \"...\" --deps discovered-from:{id}");
                return Err(Error::refused(message, hint));
            }
            let comments = match &comment {
                Some(comment) => with(bead, comment)?,
                None => bead.spec.comments.clone(),
            };
            Ok(Some(json!({ "closed": null, "comments": comments })))
        });
        match done.await {
            Ok(bead) => {
                let slim = act::slim(&bead)?;
                let reason = args.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                out.push_str(&format!("↻ Reopened {}{reason}\n", slim.id()));
                reopened.push(Issue::of(&slim));
            }
            Err(error) if error.is_lost() => return Err(error),
            Err(error) => {
                note.push_str(&error.text());
                code = 1;
            }
        }
    }
    if json {
        out = if reopened.is_empty() { String::new() } else { print::json(&reopened) };
    }
    Ok(Answer { out, note, code })
}
